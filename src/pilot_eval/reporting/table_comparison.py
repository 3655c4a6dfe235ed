"""Compare two evidence tables row by row, and say what moved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

KEYS = ("strand", "scenario", "outcome", "method")
HASHES = ("plan_hash", "data_hash")
TOLERANCE = 1e-9  # across processors; on one machine evidence is the same to the byte


def compare_evidence(
    old: pd.DataFrame, new: pd.DataFrame, *, keys: Sequence[str] = KEYS
) -> list[str]:
    """List every difference between two evidence tables.

    Parameters
    ----------
    old, new : DataFrame
        Evidence tables; hashes of plan and data are left out of the comparison.
    keys : sequence of str
        Columns that name a row.

    Returns
    -------
    list of str
        One line a difference: the row, the column, the old and the new value. Empty where the
        tables agree to a relative 1e-9.

    Examples
    --------
    >>> old = pd.DataFrame({"outcome": ["any_rate"], "estimate": [1.5]})
    >>> compare_evidence(old, old.assign(estimate=1.6), keys=["outcome"])
    ['outcome=any_rate: estimate was 1.5, is now 1.6']
    """
    old, new = (_index(table, keys) for table in (old, new))
    found = [f"{_name(keys, row)}: is no longer there" for row in old.index.difference(new.index)]
    found += [f"{_name(keys, row)}: is new" for row in new.index.difference(old.index)]
    found += [f"column {name}: is no longer there" for name in old.columns.difference(new.columns)]
    found += [f"column {name}: is new" for name in new.columns.difference(old.columns)]
    columns = [name for name in old.columns if name in new.columns and name not in HASHES]
    rows = old.index[old.index.isin(new.index)]
    for column in columns:
        pairs = zip(rows, old.loc[rows, column], new.loc[rows, column], strict=True)
        found += [
            f"{_name(keys, row)}: {column} was {before}, is now {after}"
            for row, before, after in pairs
            if not _same(before, after)
        ]
    return found


def _index(table: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    repeats = table.groupby(list(keys), dropna=False).cumcount()
    numbered = table.assign(row=repeats) if repeats.any() else table.assign(row=0)
    return numbered.set_index([*keys, "row"])


def _name(keys: Sequence[str], row: Sequence[Any]) -> str:
    names = [f"{key}={value}" for key, value in zip(keys, row, strict=False)]
    return " ".join(names) + (f" (row {row[-1] + 1})" if row[-1] else "")


def _same(before: Any, after: Any) -> bool:
    if pd.isna(before) or pd.isna(after):
        return bool(pd.isna(before) and pd.isna(after))
    if _is_number(before) and _is_number(after):
        return bool(abs(before - after) <= TOLERANCE * max(abs(before), abs(after), 1.0))
    return str(before) == str(after)


def _is_number(value: object) -> bool:
    return bool(pd.api.types.is_number(value)) and not isinstance(value, bool)
