"""Read one of DfE's files by its vintage: every cell a value and a status, or an error."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from pilot_eval.errors import DataError, explain
from pilot_eval.published.raw import RawTable, parse_cell, read_raw
from pilot_eval.published.statuses import NOT_AVAILABLE
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


def read_vintage(
    path: str | Path,
    vintage: Vintage,
    councils: Mapping[str, Mapping[str, str]],
    others: Sequence[Vintage] = (),
) -> dict[str, CouncilFigures]:
    """Read one source file.

    Parameters
    ----------
    path : path
        The file.
    vintage : Vintage
        Its description.
    councils : mapping
        DfE number to council (``council_code``, ``council_code_new``): the key is this number,
        because names vary in spelling from year to year and two councils changed ONS code.
    others : sequence of Vintage
        The other vintages, to say which of them a wrong file looks like.

    Returns
    -------
    dict of str to CouncilFigures
        By council code, England's row under its own code. A council that the vintage is known
        to lack has every figure `not_available`.

    Raises
    ------
    DataError
        If a column or council is missing, a council is doubled or unknown, or a cell holds
        neither a number nor a symbol of this vintage.
    """
    table = read_raw(path)
    _check_columns(table, vintage, others)
    lines = _place_councils(table, vintage, councils)
    figures = {code: _read_row(table.rows[index], vintage) for code, index in sorted(lines.items())}
    _check_cells(table, vintage, lines, figures)
    for number in vintage.absent:
        figures.setdefault(councils[number]["council_code"], _nothing(vintage))
    return {
        code: CouncilFigures(
            {name: cell for name, cell in row.cells.items() if cell is not None}, row.confidence
        )
        for code, row in figures.items()
    }


def _figure_columns(vintage: Vintage) -> tuple[str, ...]:
    keys = {vintage.level_column, vintage.code_column, vintage.new_code_column}
    confidence = set(_confidence_columns(vintage))
    return tuple(name for name in vintage.columns if name not in keys | confidence)


def _confidence_columns(vintage: Vintage) -> tuple[str, ...]:
    return tuple(dict.fromkeys(f.confidence for f in vintage.figures if f.confidence))


def _nothing(vintage: Vintage) -> CouncilFigures:
    return CouncilFigures(dict.fromkeys(_figure_columns(vintage), ABSENT), {})


def _read_row(row: Mapping[str, str], vintage: Vintage) -> CouncilFigures:
    cells = {name: parse_cell(row[name], vintage.symbols) for name in _figure_columns(vintage)}
    return CouncilFigures(
        {name: None if cell is None else Cell(*cell) for name, cell in cells.items()},
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


def _place_councils(
    table: RawTable, vintage: Vintage, councils: Mapping[str, Mapping[str, str]]
) -> dict[str, int]:
    lines: dict[str, int] = {}
    for index, row in enumerate(table.rows):
        code = _council_code(table, index, vintage, councils)
        if code is None:
            continue
        if code in lines:
            raise _row_error(
                table,
                index,
                vintage.code_column,
                "name a council once",
                f"{row[vintage.code_column]} again (first in line {table.lines[lines[code]]})",
                "Remove one of the two rows, or correct its number.",
            )
        lines[code] = index
    _check_all_there(table, vintage, councils, lines)
    return lines


def _council_code(
    table: RawTable, index: int, vintage: Vintage, councils: Mapping[str, Mapping[str, str]]
) -> str | None:
    row = table.rows[index]
    level, number = row[vintage.level_column], row[vintage.code_column]
    if level in vintage.skipped_levels:
        return None
    if level == vintage.national_level:
        return ENGLAND  # whatever its code says: it carries the Isle of Wight's
    if level != vintage.council_level:
        rule = f"be {vintage.national_level} or {vintage.council_level}"
        action = "Correct the level, or remove the row."
        raise _row_error(table, index, vintage.level_column, rule, repr(level), action)
    if number not in councils:
        rule, action = "be a council's DfE number", "Correct the number (for example 204)."
        raise _row_error(table, index, vintage.code_column, rule, repr(number), action)
    council = councils[number]
    if vintage.new_code_column:
        printed = row[vintage.new_code_column]
        allowed = (council["council_code"], council["council_code_new"])
        if printed not in allowed:
            rule, action = (
                f"be {allowed[0]} for council {number}",
                "Correct the code or the number.",
            )
            raise _row_error(table, index, vintage.new_code_column, rule, repr(printed), action)
    return council["council_code"]


def _check_all_there(
    table: RawTable,
    vintage: Vintage,
    councils: Mapping[str, Mapping[str, str]],
    lines: Mapping[str, int],
) -> None:
    missing = [
        f"{number} {council['council_name']}"
        for number, council in councils.items()
        if council["council_code"] not in lines and number not in vintage.absent
    ]
    if ENGLAND not in lines:
        missing.append("England")
    if missing:
        raise DataError(
            explain(
                table.file,
                "have a row for England and every council",
                f"none for {', '.join(missing[:_MOST_LISTED])} ({len(missing)} in all)",
                "Fetch the file anew; a council without return has a row of symbols.",
            )
        )


def _check_cells(
    table: RawTable,
    vintage: Vintage,
    lines: Mapping[str, int],
    figures: Mapping[str, CouncilFigures],
) -> None:
    bad = []
    for code, index in sorted(lines.items(), key=lambda item: item[1]):
        row = table.rows[index]
        bad += [(index, name) for name, cell in figures[code].cells.items() if cell is None]
        bad += [
            (index, name)
            for name in figures[code].confidence
            if row[name] not in CONFIDENCE_CODES | NO_CONFIDENCE
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
