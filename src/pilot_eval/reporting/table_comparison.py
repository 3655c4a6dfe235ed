"""Compare two evidence tables row by row, and say what moved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import pandas as pd

KEYS = ("strand", "scenario", "outcome", "method")
HASHES = ("plan_hash", "data_hash")
THERE = "there"
LONGEST, LEAD = 60, 12  # letters of a text that are shown, and of them before a difference
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
    return [item.word() for item in list_changes(old, new, keys=keys)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One difference between two tables: where, and the value before and after.

    A row or column that is only in one of the tables has no value in the other.
    """

    row: str
    column: str
    old: object
    new: object

    def word(self) -> str:
        """Say the change in one line."""
        place = f"{self.row}: {self.column}" if self.row and self.column else self.row
        if place == self.row:
            place = f"{self.row}:" if self.row else f"column {self.column}:"
            return f"{place} {'is new' if self.old is None else 'is no longer there'}"
        return f"{place} was {self.old}, is now {self.new}"


def list_changes(old: pd.DataFrame, new: pd.DataFrame, *, keys: Sequence[str]) -> list[Change]:
    """List every difference between two tables, as `compare_evidence` words them.

    Parameters
    ----------
    old, new : DataFrame
    keys : sequence of str

    Returns
    -------
    list of Change
        First rows and columns that only one table has, then values that differ.
    """
    old, new = (_index(table, keys) for table in (old, new))
    gone, came = {"old": THERE, "new": None}, {"old": None, "new": THERE}
    found = []
    for side, first, second in ((gone, old, new), (came, new, old)):
        rows = first.index.difference(second.index)
        found += [Change(row=_name(keys, row), column="", **side) for row in rows]
    for side, first, second in ((gone, old, new), (came, new, old)):
        columns = first.columns.difference(second.columns)
        found += [Change(row="", column=name, **side) for name in columns]
    rows = old.index[old.index.isin(new.index)]
    for column in [name for name in old.columns if name in new.columns and name not in HASHES]:
        pairs = zip(rows, old.loc[rows, column], new.loc[rows, column], strict=True)
        found += [
            Change(row=_name(keys, row), column=column, old=before, new=after)
            for row, before, after in pairs
            if not _same(before, after)
        ]
    return found


def write_change_table(changes: Sequence[Change], *, run: str) -> str:
    """Write changes as one table for people: row, old, new and what to run.

    Parameters
    ----------
    changes : sequence of Change
    run : str
        The command after which the new values are the stored ones.

    Returns
    -------
    str
        Columns of even width; of long texts that differ, the part that does.

    Examples
    --------
    >>> moved = Change(row="outcome=any_rate", column="estimate", old=1.5, new=1.6)
    >>> print(write_change_table([moved], run="pilot-eval refresh"))
    row                         old  new  what to run
    outcome=any_rate: estimate  1.5  1.6  pilot-eval refresh
    """
    cells = [("row", "old", "new", "what to run")]
    for item in changes:
        place = ": ".join(part for part in (item.row, item.column) if part)
        cells.append((place, *_cut(*map(_show, (item.old, item.new))), run))
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in cells
    )
    return "\n".join(line.rstrip() for line in lines)


def _show(value: object) -> str:
    if value is None:
        return "–"
    if _is_number(value):
        return "" if pd.isna(value) else f"{value:.10g}"
    return "" if pd.isna(value) else str(value)


def _cut(old: str, new: str) -> tuple[str, str]:
    """Cut long texts to where they begin to differ."""
    if old == new or max(len(old), len(new)) <= LONGEST:
        return old, new
    start = max(len(list(takewhile(_is_equal, zip(old, new, strict=False)))) - LEAD, 0)
    mark = "… " if start else ""
    cut = (f"{mark}{text[start : start + LONGEST]}" for text in (old, new))
    first, second = cut
    return first, second


def _is_equal(pair: tuple[str, str]) -> bool:
    return pair[0] == pair[1]


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
