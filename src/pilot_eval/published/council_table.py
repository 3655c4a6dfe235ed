"""An analyst's own council table (docs/own-data.md), checked and given the published shape."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd

from pilot_eval.errors import DataError, explain
from pilot_eval.project import find_file
from pilot_eval.published.bands import split_bands
from pilot_eval.published.boundaries import apply_boundary_changes
from pilot_eval.published.own_cells import Councils, plain_name, read_periods, tidy_cells
from pilot_eval.published.own_file import read_own_file
from pilot_eval.published.own_problems import Problem, list_problems
from pilot_eval.published.published_rows import (
    COLUMNS,
    Row,
    bound_numerator,
    find_scale,
    make_measure,
    make_quartile,
)
from pilot_eval.published.raw import RawTable, parse_cell, read_raw
from pilot_eval.published.statuses import (
    NOT_APPLICABLE,
    NOT_AVAILABLE,
    REPORTED,
    STATUSES,
    SUPPRESSED,
)
from pilot_eval.published.vintage_reader import Cell
from pilot_eval.published.vintages import CONFIDENCE_CODES
from pilot_eval.reference.facts import ENGLAND
from pilot_eval.reference.plan_periods import Period, period_kind

# `x` is left out on purpose: suppressed in releases to 2014, unavailable in today's.
OWN_SYMBOLS: Mapping[str, str] = {"c": SUPPRESSED, "z": NOT_APPLICABLE, "..": NOT_AVAILABLE}
COUNCIL_COLUMNS = ("council_code", "dfe_number", "council_name")
REQUIRED_COLUMNS = ("year_ending", "indicator", "numerator", "denominator")
OPTIONAL_COLUMNS = (
    "value",
    "value_status",
    "numerator_status",
    "denominator_status",
    "confidence",
    "dfe_reference",
)
# What a suppressed numerator is known to be between; computed where they are not given.
BOUND_COLUMNS = ("numerator_low", "numerator_high")
# Computed again; allowed, so that a copy of the published table can be read.
DERIVED_COLUMNS = ("published_value", "value_basis")
Fault = tuple[str, str] | tuple[str, str, str]
"""Column, rule with what to do, and what was found where it may be shown."""
_OWN_REFERENCE = "own data"
_INDICATOR = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_MOST_PER_10_000 = 10_000
_MOST_DAYS = 5000
"""Working days in eighteen years are fewer."""
_JUMP = 100
"""Children of a council do not become so many times as many: one figure has lost its thousands."""


def read_council_table(
    path: str | Path,
    *,
    root: str | Path | None = None,
    units: Mapping[str, str] | Collection[str] = (),
) -> pd.DataFrame:
    """Read an analyst's own table of council indicators.

    Parameters
    ----------
    path : path
        A CSV file or a workbook with a council (``council_code``, ``dfe_number`` or
        ``council_name``), ``year_ending`` or ``period``, ``indicator``, ``numerator`` and
        ``denominator``; the optional columns are in ``docs/own-data.md``. A missing figure is
        ``c`` (suppressed), ``z`` (not applicable) or ``..`` (not available). Indicators end in
        ``_pct`` (percent), ``_rate`` (per 10,000), ``_wd`` (working days: a value without
        counts) or hold ``_band_`` (percent in a duration band).
    root : path, optional
        Project root, for the list of councils.
    units : mapping of str to str, or collection of str
        Names by code of a pilot's own units (``units.csv``), or the codes alone, in place of the
        councils.

    Returns
    -------
    pandas.DataFrame
        The columns of `load_published`, sorted by year, indicator and council.

    Raises
    ------
    DataError
        Once, with every fault by line and column. Figures are never repeated in the message.

    Examples
    --------
    >>> read_council_table("our_indicators.csv")  # doctest: +SKIP
    """
    table = read_own_file(path)
    _check_columns(table)
    councils = _name_units(units) if units else _load_councils(root)
    table, problems = tidy_cells(table, councils)
    if not units:
        table = apply_boundary_changes(table, OWN_SYMBOLS, root)
    unread = {(problem.line, problem.column) for problem in problems}
    unread_lines = {line for line, _ in unread}
    rows: list[Row] = []
    given: list[bool] = []
    for line, row in zip(table.lines, table.rows, strict=True):
        found = [_problem(line, row, *fault) for fault in _find_faults(row, councils)]
        problems += [one for one in found if (line, one.column) not in unread]
        if not found and line not in unread_lines:
            rows.append(_make_row(row, councils))
            given.append(bool(row.get(BOUND_COLUMNS[0])))
            faults = _find_contradictions(rows[-1])
            problems += [_problem(line, row, *fault) for fault in faults]
    problems += [*_find_duplicates(table, councils), *_find_jumps(table)]
    kinds = {period_kind(_read_period(row["year_ending"])) for row in table.rows}
    if not problems and len(kinds) > 1:
        rule = "must be all years, all quarters or all months. Make a table for each"
        problems.append(Problem(2, "year_ending", rule))
    if problems:
        raise list_problems(table.file, problems)
    frame = pd.DataFrame(_bound_from_bands(rows, given), columns=list(COLUMNS))
    return frame.sort_values(["year_ending", "indicator", "council_code"], ignore_index=True)


def _problem(line: int, row: Mapping[str, str], column: str, rule: str, got: str = "") -> Problem:
    whose = row.get("council_code") or row.get("dfe_number", "")
    return Problem(line, column, rule, got, "" if column in COUNCIL_COLUMNS else whose)


def _check_columns(table: RawTable) -> None:
    optional = {*OPTIONAL_COLUMNS, *BOUND_COLUMNS, *DERIVED_COLUMNS}
    allowed = {*COUNCIL_COLUMNS, *REQUIRED_COLUMNS, *optional}
    unknown = [name for name in table.columns if name not in allowed]
    missing = [name for name in REQUIRED_COLUMNS if name not in table.columns]
    if not set(COUNCIL_COLUMNS) & set(table.columns):
        missing.insert(0, " or ".join(COUNCIL_COLUMNS))
    if unknown or missing:
        got = [f"no {', '.join(missing)}"] * bool(missing)
        got += [f"unknown column {', '.join(unknown)}"] * bool(unknown)
        raise DataError(
            explain(
                table.file,
                f"have the columns {', '.join(REQUIRED_COLUMNS)} and a council",
                " and ".join(got),
                "Rename or add columns as docs/own-data.md says, separated by commas.",
            )
        )


def _load_councils(root: str | Path | None) -> Councils:
    rows = read_raw(find_file("data/reference/councils.csv", root), encoding="utf-8").rows
    by_code = {row["council_code_new"]: row["council_code"] for row in rows}
    by_code |= {row["council_code"]: row["council_code"] for row in rows} | {ENGLAND: ENGLAND}
    by_name = {plain_name(row["council_name"]): row["council_code"] for row in rows}
    by_number = {row["dfe_number"]: row["council_code"] for row in rows}
    return Councils(by_code, by_number, by_name | {"england": ENGLAND})


def _name_units(units: Mapping[str, str] | Collection[str]) -> Councils:
    names = units if isinstance(units, Mapping) else {code: code for code in units}
    by_name = {plain_name(name): code for code, name in names.items()}
    return Councils({code: code for code in names}, {}, by_name)


def _find_faults(row: Mapping[str, str], councils: Councils) -> Iterator[Fault]:
    yield from _find_council_faults(row, councils)
    year, indicator = row["year_ending"], row["indicator"]
    if year not in read_periods([year]):
        rule = "must be a year such as 2012 or 2011-12 (to 31 March 2012), 2012Q1 or 2012-01"
        yield "year_ending", rule, repr(year)
    if not _INDICATOR.fullmatch(indicator) or find_scale(indicator) is None:
        yield (
            "indicator",
            "must be lower case, digits and underscores, ending in _pct, _rate or _wd (or "
            "holding _band_)",
            repr(indicator),
        )
    for name in ("numerator", "denominator", "value"):
        yield from _find_figure_faults(row, name)
    yield from _find_bound_faults(row)
    if row.get("confidence", "") not in CONFIDENCE_CODES | {""}:
        yield "confidence", "must be 3, 2, 1, A, P or empty", repr(row["confidence"])


def _read_period(text: str) -> Period:
    return int(text) if text.isdecimal() else text


def _find_council_faults(row: Mapping[str, str], councils: Councils) -> Iterator[Fault]:
    code, number = row.get("council_code", ""), row.get("dfe_number", "")
    if not (code or number):
        yield "council_code", "must name a council. Give its code, dfe_number or council_name"
    where = "data/reference/councils.csv" if councils.by_number else "the pilot's units.csv"
    if code and code not in councils.by_code:
        column = "council_name" if code == row.get("council_name") else "council_code"
        yield column, f"must be a council of {where}, by code, DfE number or name", repr(code)
    if number and number not in councils.by_number:
        yield "dfe_number", f"must be a number of {where}", repr(number)
    named = {councils.by_code.get(code), councils.by_number.get(number)} - {None}
    if len(named) > 1:
        yield "dfe_number", "must be the same council as council_code. Correct one of them"
    by_name = councils.by_name.get(plain_name(row.get("council_name", "")))
    if by_name and named and by_name not in named:
        yield "council_name", "must be the same council as the code. Correct one of them"


def _find_figure_faults(row: Mapping[str, str], name: str) -> Iterator[Fault]:
    text, status = row.get(name, ""), row.get(f"{name}_status", "")
    known = ", ".join(OWN_SYMBOLS)
    if status and status not in STATUSES:
        yield f"{name}_status", f"must be one of {', '.join(STATUSES)}", repr(status)
        return
    cell = parse_cell(text, OWN_SYMBOLS)
    if text == "x":
        yield name, "must not be x, which means suppressed to 2014 and unavailable today: c or .."
    elif text and cell is None:
        yield name, f"must be a number that is not negative, or one of {known}"
    elif status and cell and (cell[1] == REPORTED) != (status == REPORTED):
        yield f"{name}_status", f"must fit the figure: {status} alongside a {_describe(cell)}"
    elif status == REPORTED and not text:
        yield name, "must be a number where its status is reported"
    elif not text and not status and not _may_be_blank(row["indicator"], name):
        yield name, f"must be a number, or one of {known}: a blank does not say why it is missing"


def _find_bound_faults(row: Mapping[str, str]) -> Iterator[Fault]:
    texts = [row.get(name, "") for name in BOUND_COLUMNS]
    cells = [parse_cell(text, {}) for text in texts]
    for name, text, cell in zip(BOUND_COLUMNS, texts, cells, strict=True):
        if text and (cell is None or not cell[0].is_integer()):
            yield name, "must be a whole number that is not negative, or empty"
    if bool(texts[0]) != bool(texts[1]):
        yield BOUND_COLUMNS[0], f"must come with {BOUND_COLUMNS[1]}"
    elif cells[0] and cells[1] and cells[0][0] > cells[1][0]:
        yield BOUND_COLUMNS[0], f"must not be larger than {BOUND_COLUMNS[1]}"


def _may_be_blank(indicator: str, name: str) -> bool:
    return (name == "value") != indicator.endswith("_wd")


def _describe(cell: tuple[float, str]) -> str:
    return "number" if cell[1] == REPORTED else f"symbol for {cell[1]}"


def _make_row(row: Mapping[str, str], councils: Councils) -> Row:
    indicator = row["indicator"]
    code, number = row.get("council_code", ""), row.get("dfe_number", "")
    value = _cell(row, "value")
    scale = find_scale(indicator) or math.nan
    if indicator.endswith("_wd"):
        measure = make_quartile(value or Cell(math.nan, NOT_AVAILABLE))
    else:
        numerator = _cell(row, "numerator") or Cell(math.nan, NOT_AVAILABLE)
        denominator = _cell(row, "denominator") or Cell(math.nan, NOT_AVAILABLE)
        measure = make_measure([numerator], denominator, value, scale, use_printed=True)
    if measure["numerator_status"] == SUPPRESSED and row.get(BOUND_COLUMNS[0]):
        measure |= {name: float(row[name].replace(",", "")) for name in BOUND_COLUMNS}
    made = {
        "year_ending": _read_period(row["year_ending"]),
        "council_code": councils.by_code[code] if code else councils.by_number[number],
        "indicator": indicator,
        "confidence": row.get("confidence", ""),
        "dfe_reference": row.get("dfe_reference", "") or _OWN_REFERENCE,
        **measure,
    }
    return {name: made[name] for name in COLUMNS}


def _bound_from_bands(rows: list[Row], given: list[bool]) -> list[Row]:
    """Bound hidden shares in time by their bands: a sum of bands is not one small count.

    Without its bands, and without bounds of its own, such a sum has no bounds.
    """
    placed: dict[tuple[object, ...], Row] = {
        (row["council_code"], row["year_ending"], row["indicator"]): row for row in rows
    }
    own = zip(rows, given, strict=True)
    return [row if known else row | _sum_bounds(row, placed) for row, known in own]


def _sum_bounds(row: Row, placed: Mapping[tuple[object, ...], Row]) -> Row:
    inside, outside = split_bands(str(row["indicator"]))
    if not inside or row["value_status"] != SUPPRESSED:
        return {}
    place = row["council_code"], row["year_ending"]
    parts, rest = ([placed.get((*place, name)) for name in names] for names in (inside, outside))
    low, high = math.nan, math.nan
    if None not in (*parts, *rest):
        total = Cell(float(str(row["denominator"])), str(row["denominator_status"]))
        low, high = bound_numerator(_counts(parts), _counts(rest), total)
    return dict(zip(BOUND_COLUMNS, (low, high), strict=True))


def _counts(rows: Sequence[Row | None]) -> list[Cell]:
    return [Cell(float(str(row["numerator"])), str(row["numerator_status"])) for row in rows if row]


def _cell(row: Mapping[str, str], name: str) -> Cell | None:
    parsed = parse_cell(row.get(name, ""), OWN_SYMBOLS)
    status = row.get(f"{name}_status", "")
    if parsed is None:
        return Cell(math.nan, status) if status else None
    return Cell(parsed[0], status or parsed[1])


def _find_contradictions(row: Row) -> Iterator[Fault]:
    """Find figures that cannot be: of more than all children, or longer than a childhood."""
    scale = find_scale(str(row["indicator"])) or math.nan
    if scale == 1.0:
        if float(str(row["value"])) > _MOST_DAYS:
            yield "value", "must be working days of a childhood, at most 5,000. Correct it"
        return
    share = scale != _MOST_PER_10_000
    numerator, denominator = float(str(row["numerator"])), float(str(row["denominator"]))
    if numerator > denominator:
        what = "a percentage" if share else "a rate (children aged 0 to 17)"
        rule = f"must not be larger than the denominator of {what}. Correct one of the two counts"
        yield "numerator", rule
    elif float(str(row[BOUND_COLUMNS[0]])) > denominator:
        rule = "must not be larger than the denominator. Correct one of the two counts"
        yield BOUND_COLUMNS[0], rule
    if float(str(row["published_value"])) > scale:
        what = "a percentage of at most 100" if share else "a rate of at most 10,000 per 10,000"
        yield "value", f"must be {what}. Correct it"


def _find_jumps(table: RawTable) -> Iterator[Problem]:
    """Find populations a hundred times smaller than the same council's in another year."""
    largest: dict[tuple[str, str], float] = {}
    cells = []
    for line, row in zip(table.lines, table.rows, strict=True):
        whose = row.get("council_code") or row.get("dfe_number", "")
        cell = parse_cell(row["denominator"], {}) if row["indicator"].endswith("_rate") else None
        if cell is not None:
            key = (whose, row["indicator"])
            largest[key] = max(largest.get(key, 0.0), cell[0])
            cells.append((line, key, cell[0]))
    for line, key, count in cells:
        if 0 < _JUMP * count < largest[key]:
            rule = "must be the children aged 0 to 17: it is a hundred times larger in another "
            rule += "year. Look for lost thousands"
            yield Problem(line, "denominator", rule, "", key[0])


def _find_duplicates(table: RawTable, councils: Councils) -> Iterator[Problem]:
    first: dict[tuple[str | None, str, str], int] = {}
    for line, row in zip(table.lines, table.rows, strict=True):
        code = row.get("council_code", "")
        council = councils.by_code.get(code) or councils.by_number.get(row.get("dfe_number", ""))
        key = (council, row["year_ending"], row["indicator"])
        if council is not None and key in first:
            rule = "must come once for a council, year and indicator. Remove one of the rows"
            yield Problem(line, "indicator", rule, f"the same as line {first[key]}", council)
        first.setdefault(key, line)
