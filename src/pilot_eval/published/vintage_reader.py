"""Read one of DfE's files by its vintage: every cell a value and a status, or an error."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from pilot_eval.errors import DataError, explain
from pilot_eval.published.boundaries import BoundaryChange
from pilot_eval.published.raw import RawTable, parse_cell, read_raw
from pilot_eval.published.statuses import NOT_AVAILABLE, REPORTED
from pilot_eval.published.vintages import CONFIDENCE_CODES, NO_CONFIDENCE, Vintage
from pilot_eval.reference.facts import ENGLAND

_MOST_LISTED = 5


class Cell(NamedTuple):
    """One figure as printed: NaN unless `status` is reported."""

    value: float
    status: str


ABSENT = Cell(math.nan, NOT_AVAILABLE)


class CouncilFigures(NamedTuple):
    """The figures and confidence codes of one council in one file, by column."""

    cells: Mapping[str, Cell]
    confidence: Mapping[str, str]


class Placed(NamedTuple):
    """A row of the file that is used: whose figures it has, of which year."""

    year: int
    code: str
    line: int  # its place among the table's rows
    is_part: bool  # of a council that was divided


class Councils:
    """Finds the council of 2013 that a row stands for.

    Parameters
    ----------
    by_number : mapping
        DfE number to council (``council_code``, ``council_code_new``): the key is this number,
        because names vary in spelling from year to year and some councils changed ONS code.
    changes : sequence of BoundaryChange
        What became of councils after 2013.
    """

    def __init__(
        self, by_number: Mapping[str, Mapping[str, str]], changes: Sequence[BoundaryChange] = ()
    ) -> None:
        self.by_number = by_number
        self.later = {c.new_dfe_number: c for c in changes if c.new_dfe_number not in by_number}
        self.may_end = {c.old_dfe_number for c in self.later.values()} | {
            c.old_dfe_number for c in changes if c.rule == "apart"
        }
        self.parts = {c.old_code: 0 for c in changes if c.rule == "add"}
        for change in changes:
            if change.rule == "add":
                self.parts[change.old_code] += 1
        self._codes = {
            number: {row["council_code"], row["council_code_new"]}
            for number, row in by_number.items()
        }
        for change in changes:
            self._codes.setdefault(change.new_dfe_number, set()).add(change.new_code)

    def allowed(self, number: str) -> set[str]:
        """Give the ONS codes that a DfE number can stand alongside; none for an unknown number."""
        return self._codes.get(number, set())

    def place(self, number: str) -> tuple[str, bool] | None:
        """Give the council of 2013 and whether the row is a part of it; None if it has none."""
        if number in self.by_number:
            return self.by_number[number]["council_code"], False
        change = self.later[number]
        return None if change.rule == "apart" else (change.old_code, change.rule == "add")


def read_vintage(
    path: str | Path,
    vintage: Vintage,
    councils: Councils,
    others: Sequence[Vintage] = (),
) -> dict[int, dict[str, CouncilFigures]]:
    """Read one source file.

    Parameters
    ----------
    path : path
        The file.
    vintage : Vintage
        Its description.
    councils : Councils
        The councils of 2013 and what became of them.
    others : sequence of Vintage
        The other vintages, to say which of them a wrong file looks like.

    Returns
    -------
    dict of int to dict of str to CouncilFigures
        By year and council code, England's row under its own code. A council that the vintage is
        known to lack, or that is gone, has every figure `not_available`; the parts of a divided
        council are added up, and what cannot be added up is `not_available`.

    Raises
    ------
    DataError
        If a column, year or council is missing, a council is doubled or unknown, or a cell holds
        neither a number nor a symbol of this vintage.
    """
    table = read_raw(path)
    _check_columns(table, vintage, others)
    table = _keep_rows(table, vintage)
    placed = _place_rows(table, vintage, councils)
    figures = {row.line: _read_row(table.rows[row.line], vintage) for row in placed}
    _check_cells(table, vintage, figures)
    _check_all_there(table, vintage, councils, placed)
    return {
        year: _of_year([row for row in placed if row.year == year], figures, vintage, councils)
        for year in vintage.years
    }


def _of_year(
    placed: Sequence[Placed],
    figures: Mapping[int, CouncilFigures],
    vintage: Vintage,
    councils: Councils,
) -> dict[str, CouncilFigures]:
    found = {row.code: figures[row.line] for row in placed if not row.is_part}
    parts = sorted(row for row in placed if row.is_part)
    for code, rows in groupby(parts, key=lambda row: row.code):
        own = [figures[row.line] for row in rows]
        whole = len(own) == councils.parts[code]
        found.setdefault(code, _add_up(own, vintage) if whole else _nothing(vintage))
    for council in councils.by_number.values():
        found.setdefault(council["council_code"], _nothing(vintage))
    return dict(sorted(found.items()))


def _add_up(parts: Sequence[CouncilFigures], vintage: Vintage) -> CouncilFigures:
    """Add the counts of a divided council's parts; a hidden part leaves no bound, so no figure."""
    cells = dict.fromkeys(_figure_columns(vintage), ABSENT)
    for name in vintage.counts:
        own = [part.cells[name] for part in parts]
        if all(cell.status == REPORTED for cell in own):
            cells[name] = Cell(sum(cell.value for cell in own), REPORTED)
    return CouncilFigures(cells, {})


def _keep_rows(table: RawTable, vintage: Vintage) -> RawTable:
    kept = [
        (line, row)
        for line, row in zip(table.lines, table.rows, strict=True)
        if all(row[name] == text for name, text in vintage.only_rows.items())
    ]
    return replace(table, lines=tuple(n for n, _ in kept), rows=tuple(row for _, row in kept))


def _figure_columns(vintage: Vintage) -> tuple[str, ...]:
    left_out = {*vintage.key_columns, *_confidence_columns(vintage)}
    return tuple(name for name in vintage.columns if name not in left_out)


def _confidence_columns(vintage: Vintage) -> tuple[str, ...]:
    return tuple(dict.fromkeys(f.confidence for f in vintage.figures if f.confidence))


def _nothing(vintage: Vintage) -> CouncilFigures:
    return CouncilFigures(dict.fromkeys(_figure_columns(vintage), ABSENT), {})


def _read_row(row: Mapping[str, str], vintage: Vintage) -> CouncilFigures:
    cells = {name: parse_cell(row[name], vintage.symbols) for name in _figure_columns(vintage)}
    return CouncilFigures(
        {name: Cell(*cell) for name, cell in cells.items() if cell is not None},
        {name: row[name] for name in _confidence_columns(vintage)},
    )


def _check_columns(table: RawTable, vintage: Vintage, others: Sequence[Vintage]) -> None:
    missing = [name for name in vintage.columns if name not in table.columns]
    if not missing:
        return
    alike = [v.file for v in others if v is not vintage and set(v.columns) <= set(table.columns)]
    hint = f" It has the columns of {alike[0]}." if alike else ""
    listed = ", ".join(missing[:_MOST_LISTED]) + (", ..." if len(missing) > _MOST_LISTED else "")
    raise DataError(
        explain(
            table.file,
            f"have the {len(vintage.columns)} columns of {vintage.dfe_reference}",
            f"{len(missing)} missing: {listed}.{hint}",
            "Check that the file is the one its name says; a new release needs a new vintage.",
        )
    )


def _place_rows(table: RawTable, vintage: Vintage, councils: Councils) -> list[Placed]:
    first: dict[tuple[int, str], int] = {}
    placed = []
    for index, row in enumerate(table.rows):
        year = _year(table, index, vintage)
        found = _find_council(table, index, vintage, councils)
        if found is None:
            continue
        key = (year, ENGLAND if found[0] == ENGLAND else row[vintage.code_column])
        if key in first:
            raise _row_error(
                table,
                index,
                vintage.code_column,
                "name a council once" + " a year" * bool(vintage.year_column),
                f"{row[vintage.code_column]} again (first in line {table.lines[first[key]]})",
                "Remove one of the two rows, or correct its number.",
            )
        first[key] = index
        placed.append(Placed(year, found[0], index, found[1]))
    return placed


def _year(table: RawTable, index: int, vintage: Vintage) -> int:
    if vintage.year_column is None:
        return vintage.years[0]
    text = table.rows[index][vintage.year_column]
    if not text.isdecimal() or int(text) not in vintage.years:
        rule = f"be a year from {vintage.years[0]} to {vintage.years[-1]}"
        action = "Correct the year, or the years of the release."
        raise _row_error(table, index, vintage.year_column, rule, repr(text), action)
    return int(text)


def _find_council(
    table: RawTable, index: int, vintage: Vintage, councils: Councils
) -> tuple[str, bool] | None:
    row = table.rows[index]
    level, number = row[vintage.level_column], row[vintage.code_column]
    if level in vintage.skipped_levels or number in vintage.absent:
        return None
    if level == vintage.national_level:
        return ENGLAND, False  # whatever its code says: it carries the Isle of Wight's
    if level != vintage.council_level:
        rule = f"be {vintage.national_level} or {vintage.council_level}"
        action = "Correct the level, or remove the row."
        raise _row_error(table, index, vintage.level_column, rule, repr(level), action)
    allowed = councils.allowed(number)
    if not allowed:
        rule, action = "be a council's DfE number", "Correct the number (for example 204)."
        raise _row_error(table, index, vintage.code_column, rule, repr(number), action)
    column = vintage.new_code_column
    if column and row[column] not in allowed:
        rule = f"be {' or '.join(sorted(allowed))} for council {number}"
        action = "Correct the code or the number."
        raise _row_error(table, index, column, rule, repr(row[column]), action)
    return councils.place(number)


def _check_all_there(
    table: RawTable, vintage: Vintage, councils: Councils, placed: Sequence[Placed]
) -> None:
    there = {(row.year, row.code) for row in placed}
    missing = list(_missing(vintage, councils, there))
    if missing:
        raise DataError(
            explain(
                table.file,
                "have a row for England and every council",
                f"none for {', '.join(missing[:_MOST_LISTED])} ({len(missing)} in all)",
                "Fetch the file again; a council without return has a row of symbols.",
            )
        )


def _missing(vintage: Vintage, councils: Councils, there: set[tuple[int, str]]) -> Iterator[str]:
    spared = vintage.absent | councils.may_end
    for year in vintage.years:
        when = f" in {year}" * bool(vintage.year_column)
        for number, council in councils.by_number.items():
            if (year, council["council_code"]) not in there and number not in spared:
                yield f"{number} {council['council_name']}{when}"
        if (year, ENGLAND) not in there:
            yield f"England{when}"


def _check_cells(table: RawTable, vintage: Vintage, figures: Mapping[int, CouncilFigures]) -> None:
    bad = []
    for index, own in sorted(figures.items()):
        bad += [(index, name) for name in _figure_columns(vintage) if name not in own.cells]
        bad += [
            (index, name)
            for name, code in own.confidence.items()
            if code not in CONFIDENCE_CODES | NO_CONFIDENCE
        ]
    if bad:
        index, name = bad[0]
        known = ", ".join(sorted(vintage.symbols))
        rule = f"be a number or one of the symbols {known} (confidence: 3, 2, 1, A, P)"
        more = f" (and {len(bad) - 1} more such cells)" if len(bad) > 1 else ""
        raise _row_error(
            table,
            index,
            name,
            rule,
            repr(table.rows[index][name]) + more,
            "Symbols change meaning between releases: describe this one in its vintage.",
        )


def _row_error(
    table: RawTable, index: int, column: str, rule: str, got: str, action: str
) -> DataError:
    where = f"{table.file}, line {table.lines[index]}, column {column}"
    return DataError(explain(where, rule, got, action))
