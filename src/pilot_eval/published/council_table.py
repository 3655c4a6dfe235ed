"""An analyst's own council table (docs/own-data.md), checked and given the published shape."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from pilot_eval.errors import DataError, explain
from pilot_eval.project import find_file
from pilot_eval.published.bands import split_bands
from pilot_eval.published.boundaries import apply_boundary_changes
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
from pilot_eval.reference.plan_periods import PERIOD_PATTERN, Period

# `x` is left out on purpose: suppressed in releases to 2014, unavailable in today's.
OWN_SYMBOLS: Mapping[str, str] = {"c": SUPPRESSED, "z": NOT_APPLICABLE, "..": NOT_AVAILABLE}
COUNCIL_COLUMNS = ("council_code", "dfe_number")
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
_OWN_REFERENCE = "own data"
_FIRST_YEAR, _LAST_YEAR = 1990, 2100
_INDICATOR = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_MOST_LISTED = 50


class _Problem(NamedTuple):
    """One fault: file line, column, and what is wrong with it."""

    line: int
    column: str
    text: str


class _Councils(NamedTuple):
    """Ways to name a council, each to its council_code."""

    by_code: Mapping[str, str]
    by_number: Mapping[str, str]


def read_council_table(
    path: str | Path, *, root: str | Path | None = None, units: Collection[str] = ()
) -> pd.DataFrame:
    """Read an analyst's own table of council indicators.

    Parameters
    ----------
    path : path
        A UTF-8 CSV file with ``council_code`` or ``dfe_number``, ``year_ending``, ``indicator``,
        ``numerator`` and ``denominator``; the optional columns are in ``docs/own-data.md``.
        A missing figure is ``c`` (suppressed), ``z`` (not applicable) or ``..`` (not available).
        Indicators end in ``_pct`` (percent), ``_rate`` (per 10,000), ``_wd`` (working days: a
        value without counts) or hold ``_band_`` (percent in a duration band).
    root : path, optional
        Project root, for the list of councils.
    units : collection of str
        Codes of a pilot's own units (``units.csv``) in place of the councils.

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
    table = _rename_period(read_raw(path, encoding="utf-8"))
    _check_columns(table)
    if not units:
        table = apply_boundary_changes(table, OWN_SYMBOLS, root)
    councils = (
        _Councils(dict(zip(units, units, strict=True)), {}) if units else _load_councils(root)
    )
    problems: list[_Problem] = []
    rows: list[Row] = []
    given: list[bool] = []
    for line, row in zip(table.lines, table.rows, strict=True):
        faults = [_Problem(line, *fault) for fault in _find_faults(row, councils)]
        problems += faults
        if not faults:
            rows.append(_make_row(row, councils))
            given.append(bool(row.get(BOUND_COLUMNS[0])))
            problems += [_Problem(line, *fault) for fault in _find_contradictions(rows[-1])]
    problems += _find_duplicates(table, councils)
    if not problems and len({type(row["year_ending"]) for row in rows}) > 1:
        problems.append(_Problem(2, "period", "must be all years, all quarters or all months"))
    if problems:
        raise DataError(_list_problems(table.file, sorted(problems)))
    frame = pd.DataFrame(_bound_from_bands(rows, given), columns=list(COLUMNS))
    return frame.sort_values(["year_ending", "indicator", "council_code"], ignore_index=True)


def _rename_period(table: RawTable) -> RawTable:
    """Take a column ``period`` as ``year_ending``, the name in DfE's table."""
    if "year_ending" in table.columns or "period" not in table.columns:
        return table
    names = {"period": "year_ending"}
    columns = tuple(names.get(name, name) for name in table.columns)
    rows = tuple({names.get(k, k): text for k, text in row.items()} for row in table.rows)
    return replace(table, columns=columns, rows=rows)


def _check_columns(table: RawTable) -> None:
    optional = {*OPTIONAL_COLUMNS, *BOUND_COLUMNS, *DERIVED_COLUMNS}
    allowed = {*COUNCIL_COLUMNS, *REQUIRED_COLUMNS, *optional}
    unknown = [name for name in table.columns if name not in allowed]
    missing = [name for name in REQUIRED_COLUMNS if name not in table.columns]
    if not set(COUNCIL_COLUMNS) & set(table.columns):
        missing.insert(0, "council_code or dfe_number")
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


def _load_councils(root: str | Path | None) -> _Councils:
    rows = read_raw(find_file("data/reference/councils.csv", root), encoding="utf-8").rows
    by_code = {row["council_code_new"]: row["council_code"] for row in rows}
    by_code |= {row["council_code"]: row["council_code"] for row in rows} | {ENGLAND: ENGLAND}
    return _Councils(by_code, {row["dfe_number"]: row["council_code"] for row in rows})


def _find_faults(row: Mapping[str, str], councils: _Councils) -> Iterator[tuple[str, str]]:
    yield from _find_council_faults(row, councils)
    year, indicator = row["year_ending"], row["indicator"]
    if _read_period(year) is None:
        rule = "must be a year such as 2012 (to 31 March 2012), 2012Q1 or 2012-01"
        yield "year_ending", f"{rule}; got {year!r}"
    if not _INDICATOR.fullmatch(indicator) or find_scale(indicator) is None:
        yield (
            "indicator",
            "must be lower case, digits and underscores, ending in _pct, _rate or _wd (or "
            f"holding _band_); got {indicator!r}",
        )
    for name in ("numerator", "denominator", "value"):
        yield from _find_figure_faults(row, name)
    yield from _find_bound_faults(row)
    if row.get("confidence", "") not in CONFIDENCE_CODES | {""}:
        yield "confidence", f"must be 3, 2, 1, A, P or empty; got {row['confidence']!r}"


def _read_period(text: str) -> Period | None:
    if text.isdecimal() and _FIRST_YEAR <= int(text) <= _LAST_YEAR:
        return int(text)
    return text if re.fullmatch(PERIOD_PATTERN, text) else None


def _find_council_faults(row: Mapping[str, str], councils: _Councils) -> Iterator[tuple[str, str]]:
    code, number = row.get("council_code", ""), row.get("dfe_number", "")
    if not (code or number):
        yield "council_code", "must name a council (or give its dfe_number)"
    if code and code not in councils.by_code:
        yield "council_code", f"must be a code of data/reference/councils.csv; got {code!r}"
    if number and number not in councils.by_number:
        yield "dfe_number", f"must be a number of data/reference/councils.csv; got {number!r}"
    named = {councils.by_code.get(code), councils.by_number.get(number)} - {None}
    if len(named) > 1:
        yield "dfe_number", "must be the same council as council_code"


def _find_figure_faults(row: Mapping[str, str], name: str) -> Iterator[tuple[str, str]]:
    text, status = row.get(name, ""), row.get(f"{name}_status", "")
    known = ", ".join(OWN_SYMBOLS)
    if status and status not in STATUSES:
        yield f"{name}_status", f"must be one of {', '.join(STATUSES)}; got {status!r}"
        return
    cell = parse_cell(text, OWN_SYMBOLS)
    if text == "x":
        yield name, "must not be x, which means suppressed to 2014 and unavailable today: c or .."
    elif text and cell is None:
        yield name, f"must be a number that is not negative, or one of {known}"
    elif status and cell and (cell[1] == REPORTED) != (status == REPORTED):
        yield f"{name}_status", f"must fit the figure: {status} beside a {_describe(cell)}"
    elif status == REPORTED and not text:
        yield name, "must be a number where its status is reported"
    elif not text and not status and not _may_be_blank(row["indicator"], name):
        yield name, f"must be a number, or one of {known}: a blank does not say why it is missing"


def _find_bound_faults(row: Mapping[str, str]) -> Iterator[tuple[str, str]]:
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


def _make_row(row: Mapping[str, str], councils: _Councils) -> Row:
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


def _find_contradictions(row: Row) -> Iterator[tuple[str, str]]:
    if find_scale(str(row["indicator"])) != 100.0:
        return
    numerator, denominator = float(str(row["numerator"])), float(str(row["denominator"]))
    if numerator > denominator:
        yield "numerator", "must not be larger than the denominator of a percentage"
    if not math.isnan(value := float(str(row["published_value"]))) and value > 100:
        yield "value", "must be a percentage of at most 100"


def _find_duplicates(table: RawTable, councils: _Councils) -> Iterator[_Problem]:
    first: dict[tuple[str | None, str, str], int] = {}
    for line, row in zip(table.lines, table.rows, strict=True):
        code = row.get("council_code", "")
        council = councils.by_code.get(code) or councils.by_number.get(row.get("dfe_number", ""))
        key = (council, row["year_ending"], row["indicator"])
        if council is not None and key in first:
            text = f"must come once for a council, year and indicator; see line {first[key]}"
            yield _Problem(line, "indicator", text)
        first.setdefault(key, line)


def _list_problems(file: str, problems: list[_Problem]) -> str:
    listed = [f"  line {p.line}, column {p.column}: {p.text}" for p in problems[:_MOST_LISTED]]
    more = len(problems) - len(listed)
    listed += [f"  and {more} more"] * bool(more)
    head = explain(
        file,
        "follow docs/own-data.md",
        f"{len(problems)} problem" + "s" * (len(problems) > 1),
        "Correct these cells:",
    )
    return "\n".join([head, *listed])
