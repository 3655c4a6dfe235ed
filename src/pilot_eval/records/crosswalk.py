"""Identifiers that changed between returns: an optional table of old and new ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd

from pilot_eval.records.columns import to_keys
from pilot_eval.records.council_numbers import find_council
from pilot_eval.records.csv_reader import read_module
from pilot_eval.records.names import CHILD_LINK, COUNCIL_COLUMN
from pilot_eval.records.returns import refusal
from pilot_eval.records.schema import CensusTables, frames_of

NEW_LINK = "NewLAchildID"
_COLUMNS = (COUNCIL_COLUMN, CHILD_LINK, NEW_LINK)
_ROUNDS = 10  # an identifier that changed more often is a circle


def apply_crosswalk(tables: CensusTables, path: Path | None) -> CensusTables:
    """Give children the last of their identifiers.

    Parameters
    ----------
    tables : CensusTables
    path : Path or None
        CSV with the columns LEA, LAchildID and NewLAchildID; None changes nothing.

    Returns
    -------
    CensusTables

    Raises
    ------
    DataError
        If a column is missing, a council is unknown, an identifier has two new ones, or changes go
        round in a circle. Names the line, never an identifier.
    """
    if path is None:
        return tables
    new = _read(path)
    frames = {}
    for name, frame in frames_of(tables).items():
        keys = pd.MultiIndex.from_arrays([frame["council_code"].astype("str"), frame["child_id"]])
        found = pd.Series(new.reindex(keys).to_numpy(), index=frame.index)
        kept = found.where(found.notna(), frame["child_id"]).astype(frame["child_id"].dtype)
        frames[name] = frame.assign(child_id=kept)
    return replace(tables, **frames)


def _read(path: Path) -> pd.Series:
    """Read the table: (council, old identifier) -> the last one."""
    table = read_module(path, set(_COLUMNS))[0]
    for name in _COLUMNS:
        if name not in table.column_names:
            action = "See docs/census-format.md."
            raise refusal(path, 1, f"have the column {name}", "none", action)
    texts = [pd.Series(to_keys(table[name]), dtype="str") for name in _COLUMNS]
    council = texts[0].fillna("").map(lambda text: find_council(text)[0])
    frame = pd.DataFrame({"council": council, "old": texts[1], "new": texts[2]})
    lost = (frame["council"] == "") | frame["old"].isna() | frame["new"].isna()
    _refuse(path, lost, "name a council and two identifiers")
    frame = frame.drop_duplicates()
    _refuse(path, frame.duplicated(["council", "old"]), "give each identifier one new one")
    changes = frame.set_index(["council", "old"])["new"]
    last = changes
    for _ in range(_ROUNDS):
        keys = pd.MultiIndex.from_arrays([last.index.get_level_values(0), last])
        further = pd.Series(changes.reindex(keys).to_numpy(), index=last.index)
        if further.isna().all():
            return last
        last = further.where(further.notna(), last)
    raise refusal(path, None, "lead to a last identifier", "a circle", "Correct the table.")


def _refuse(path: Path, wrong: pd.Series, rule: str) -> None:
    if wrong.any():
        line = int(wrong.index[wrong.to_numpy()][0]) + 2
        raise refusal(path, line, rule, "another row", "Correct the table.")
