"""Councils of later years as those of 2013: ``data/reference/boundary_changes.csv`` and its rules.

``recode``: another code for the same area. ``add``: the council was divided, and its parts are
added up. ``apart``: the area cannot be put together again, and the rows are left out, so that the
councils of 2013 have no figure from then on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from pilot_eval.project import find_file
from pilot_eval.published.raw import RawTable, parse_cell
from pilot_eval.published.statuses import REPORTED
from pilot_eval.reference.rows import read_rows

CHANGES = "data/reference/boundary_changes.csv"
UNKNOWN = ".."
COUNTS = ("numerator", "denominator")
KEYS = ("year_ending", "indicator")

Row = dict[str, str]
Line = tuple[int, Row]


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundaryChange:
    """What became of one council, and how its successor's figures are used."""

    old_code: str
    old_dfe_number: str
    new_code: str
    new_dfe_number: str
    date: str
    rule: str
    source: str


@cache
def read_boundary_changes(path: Path) -> tuple[BoundaryChange, ...]:
    """Read the table of changes; empty where a project has none."""
    rows = read_rows(path) if path.is_file() else []
    return tuple(BoundaryChange(**row) for row in rows)


def apply_boundary_changes(
    table: RawTable, symbols: Mapping[str, str], root: str | Path | None = None
) -> RawTable:
    """Put rows of later councils under the council of 2013 that they stand for.

    Parameters
    ----------
    table : RawTable
        Of an own council table.
    symbols : mapping of str to str
        Symbol to status, as the table uses them.
    root : path, optional
        Project root.

    Returns
    -------
    RawTable
        Parts of a divided council as one row, on the line of the first; a count that one of them
        lacks is ``..``. Rows of areas that cannot be put together are left out.
    """
    changes = read_boundary_changes(find_file(CHANGES, root))
    later = {change.new_code: change for change in changes}
    later |= {c.new_dfe_number: c for c in changes if c.new_dfe_number != c.old_dfe_number}
    lines = zip(table.lines, table.rows, strict=True)
    kept = list(_place(lines, later, changes, symbols))
    return replace(table, lines=tuple(n for n, _ in kept), rows=tuple(row for _, row in kept))


def _place(
    lines: Iterator[Line],
    later: Mapping[str, BoundaryChange],
    changes: Sequence[BoundaryChange],
    symbols: Mapping[str, str],
) -> Iterator[Line]:
    parts: dict[tuple[str, ...], list[Line]] = {}
    for number, row in lines:
        change = later.get(row.get("council_code") or row.get("dfe_number", ""))
        if change is None:
            yield number, row
        elif change.rule == "recode":
            yield number, _rename(row, change)
        elif change.rule == "add":
            key = (change.old_code, *(row[name] for name in KEYS))
            parts.setdefault(key, []).append((number, _rename(row, change)))
    for (old_code, *_), own in parts.items():
        wanted = sum(change.old_code == old_code for change in changes)
        yield _add_up(own, symbols, complete=len(own) == wanted)


def _rename(row: Row, change: BoundaryChange) -> Row:
    old = {"council_code": change.old_code, "dfe_number": change.old_dfe_number}
    return {name: old[name] if name in old and text else text for name, text in row.items()}


def _add_up(own: Sequence[Line], symbols: Mapping[str, str], *, complete: bool) -> Line:
    """Add the counts of a divided council's parts; a text that is no count stays, to be refused."""
    number, first = own[0]
    kept = (*KEYS, "council_code", "dfe_number")
    row = {name: text if name in kept else "" for name, text in first.items()}
    if first["indicator"].endswith("_wd"):
        return number, row | {"value": UNKNOWN}
    for name in COUNTS:
        texts = [part[name] for _, part in own]
        cells = [parse_cell(text, symbols) for text in texts]
        wrong = [text for text, cell in zip(texts, cells, strict=True) if text and cell is None]
        known = [cell[0] for cell in cells if cell is not None and cell[1] == REPORTED]
        whole = f"{sum(known):g}" if complete and len(known) == len(own) else UNKNOWN
        row[name] = wrong[0] if wrong else whole
    return number, row
