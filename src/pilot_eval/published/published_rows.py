"""Turn the cells of one vintage into rows of the tidy table: value, parts, statuses, bounds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from pilot_eval.published.statuses import (
    FALSE_ZERO,
    NOT_APPLICABLE,
    NOT_AVAILABLE,
    REPORTED,
    SUPPRESSED,
    WITHHELD_PILOT,
    combine_statuses,
)
from pilot_eval.published.vintage_reader import Cell, CouncilFigures
from pilot_eval.published.vintages import CONFIDENCE_CODES, Figure, Vintage

COLUMNS = (
    "year_ending",
    "council_code",
    "indicator",
    "value",
    "numerator",
    "denominator",
    "value_status",
    "numerator_status",
    "denominator_status",
    "published_value",
    "value_basis",
    "confidence",
    "dfe_reference",
    "numerator_low",
    "numerator_high",
)
RECOMPUTED = "recomputed"
PUBLISHED = "published"
SUPPRESSED_LOW, SUPPRESSED_HIGH = 1, 5
SPARE = SUPPRESSED_HIGH - SUPPRESSED_LOW
"""DfE hides counts of 1 to 5: what a suppressed count can be (secondary suppression aside)."""
_SCALE = {"percent": 100.0, "band": 100.0, "rate": 10_000.0}
_NO_PART = Cell(math.nan, NOT_APPLICABLE)
_NO_POPULATION = Cell(math.nan, NOT_AVAILABLE)

Row = dict[str, object]


STEPS = "_per_100"
"""Ending of cases of one step for each 100 of the step before; there can be more than 100."""


def is_share(indicator: str) -> bool:
    """Say whether an indicator is a percentage of its denominator.

    Examples
    --------
    >>> is_share("any_pct"), is_share("any_rate"), is_share("any_per_100")
    (True, False, False)
    """
    return indicator.endswith("_pct") or "_band_" in indicator


def find_scale(indicator: str) -> float | None:
    """Find what a ratio is multiplied by: 100, 10,000, or 1 for days; None for an unknown name.

    Examples
    --------
    >>> find_scale("ia_band_1_5"), find_scale("any_rate"), find_scale("any_per_100")
    (100.0, 10000.0, 100.0)
    """
    if is_share(indicator) or indicator.endswith(STEPS):
        return _SCALE["percent"]
    if indicator.endswith("_rate"):
        return _SCALE["rate"]
    return 1.0 if indicator.endswith("_wd") else None


def build_rows(
    vintage: Vintage,
    year: int,
    councils: Mapping[str, CouncilFigures],
    populations: Mapping[str, float],
    pilots: Mapping[str, range],
) -> Iterator[Row]:
    """Yield one row for every indicator of one year of the vintage and every council.

    Parameters
    ----------
    vintage : Vintage
        The file's description.
    year : int
        Year ending 31 March.
    councils : mapping of str to CouncilFigures
        Cells by council code.
    populations : mapping of str to float
        Children aged 0-17 by council code, of the one consistent series; NaN where it has none.
    pilots : mapping of str to range
        Council code to the years ending in which a missing figure means "withheld because of the
        pilot".

    Yields
    ------
    dict
        With the keys `COLUMNS`.
    """
    for figure in (figure for figure in vintage.figures if figure.kind != "population"):
        other_bands = _other_bands(figure, vintage)
        for code in sorted(councils):
            row = {
                "year_ending": year,
                "council_code": code,
                "indicator": figure.indicator,
                **_measure(
                    figure,
                    councils[code].cells,
                    population=_population(populations.get(code, math.nan)),
                    other_bands=other_bands,
                    piloting=year in pilots.get(code, ()),
                    not_recorded=figure.indicator in vintage.not_recorded.get(code, ()),
                ),
                "confidence": _confidence(figure, councils[code]),
                "dfe_reference": vintage.dfe_reference,
            }
            yield {name: row[name] for name in COLUMNS}


def make_measure(
    numerators: list[Cell],
    denominator: Cell,
    printed: Cell | None,
    scale: float,
    *,
    use_printed: bool,
    rest: Sequence[Cell] = (),
) -> Row:
    """Make value, statuses and bounds from the counts and the printed value.

    Parameters
    ----------
    numerators : list of Cell
        The counts that are added up to the numerator.
    denominator : Cell
        What it is a share of.
    printed : Cell or None
        The value as printed; None where none was printed.
    scale : float
        100 for a percentage, 10,000 for a rate.
    use_printed : bool
        Whether the printed value stands in where the parts do not give one. Not for rates: their
        printed values rest on another population series.
    rest : sequence of Cell
        The other bands of the same total, for the bounds.

    Returns
    -------
    dict
        ``value``, ``value_status``, ``value_basis``, ``published_value``, the parts and their
        bounds: equal to a reported numerator, NaN where they can say nothing about the value.
    """
    numerator = _add(numerators)
    false = FALSE_ZERO in (numerator.status, denominator.status)
    value, basis = _value(
        numerator, denominator, printed if use_printed and not false else None, scale
    )
    low, high = math.nan, math.nan
    if value.status == SUPPRESSED or numerator.status == REPORTED:
        low, high = bound_numerator(numerators, list(rest), denominator)
    return {
        "value": value.value,
        "value_status": value.status,
        "value_basis": basis,
        "numerator": numerator.value,
        "numerator_status": numerator.status,
        "denominator": denominator.value,
        "denominator_status": denominator.status,
        "published_value": math.nan if printed is None or false else printed.value,
        "numerator_low": low,
        "numerator_high": high,
    }


def _value(
    numerator: Cell, denominator: Cell, stand_in: Cell | None, scale: float
) -> tuple[Cell, str]:
    status = combine_statuses(numerator.status, denominator.status)
    if status == REPORTED and denominator.value > 0:
        return Cell(scale * numerator.value / denominator.value, REPORTED), RECOMPUTED
    if status == REPORTED:
        return _NO_PART, ""
    if stand_in is not None:
        return stand_in, PUBLISHED if stand_in.status == REPORTED else ""
    return Cell(math.nan, status), ""


def _measure(
    figure: Figure,
    cells: Mapping[str, Cell],
    *,
    population: Cell,
    other_bands: Sequence[str],
    piloting: bool,
    not_recorded: bool,
) -> Row:
    def cell(name: str) -> Cell:
        return _mark_withheld(cells[name], piloting)

    printed = cell(figure.published) if figure.published else None
    if figure.kind == "days":
        return make_quartile(_believe(printed or _NO_PART, cell(figure.count or "")))
    parts = [cell(name) for name in figure.numerator]
    if not_recorded:
        parts = [Cell(math.nan, FALSE_ZERO) if part == (0.0, REPORTED) else part for part in parts]
    is_rate = figure.kind == "rate"
    return make_measure(
        parts,
        population if is_rate else _add([cell(name) for name in figure.denominator]),
        printed,
        _SCALE[figure.kind],
        use_printed=not is_rate,
        rest=[cell(name) for name in other_bands],
    )


def _other_bands(figure: Figure, vintage: Vintage) -> list[str]:
    bands = {
        other.numerator[0]
        for other in vintage.figures
        if other.kind == "band" and other.denominator == figure.denominator
    }
    return sorted(bands - set(figure.numerator)) if set(figure.numerator) <= bands else []


def bound_numerator(parts: list[Cell], rest: list[Cell], denominator: Cell) -> tuple[float, float]:
    """Give the least and the largest the numerator can be.

    Parameters
    ----------
    parts : list of Cell
        The counts that are added up to the numerator.
    rest : list of Cell
        The other bands of the same total; empty for a count that is not a band.
    denominator : Cell
        What it is a share of.

    Returns
    -------
    tuple of float
        Equal to the numerator where that is reported. A suppressed count is 1 to 5, unless what
        the printed bands leave of the total shows that one of them must be larger (DfE hides a
        second band so that the first cannot be worked out, and does not mark it): then the
        hidden bands can be anything that the total allows. NaN where a part is missing for
        another reason, or the denominator is.

    Examples
    --------
    >>> hidden = Cell(math.nan, "suppressed")
    >>> bound_numerator([Cell(40.0, "reported"), hidden], [], Cell(80.0, "reported"))
    (41.0, 45.0)
    """
    usable = all(part.status in (REPORTED, SUPPRESSED) for part in parts)
    if not usable or denominator.status != REPORTED:
        return math.nan, math.nan
    shown, hidden = _split(parts)
    if hidden == 0:
        return shown, shown
    shown_rest, hidden_rest = _split(rest)
    room = denominator.value - shown_rest - SUPPRESSED_LOW * hidden_rest
    high = shown + SUPPRESSED_HIGH * hidden
    if rest and room - shown > SUPPRESSED_HIGH * hidden + SPARE * hidden_rest:
        high = room
    high = min(high, room)
    return min(shown + SUPPRESSED_LOW * hidden, high), high


def _split(parts: list[Cell]) -> tuple[float, int]:
    shown = sum(part.value for part in parts if part.status == REPORTED)
    return shown, sum(part.status == SUPPRESSED for part in parts)


def make_quartile(printed: Cell) -> Row:
    """Make the measure of a duration in days: a value that has no counts of its own.

    Parameters
    ----------
    printed : Cell
        The median or quartile, in working days.

    Returns
    -------
    dict
        The keys of `make_measure`; the parts are `not_applicable`.
    """
    return {
        "value": printed.value,
        "value_status": printed.status,
        "value_basis": PUBLISHED if printed.status == REPORTED else "",
        "numerator": math.nan,
        "numerator_status": NOT_APPLICABLE,
        "denominator": math.nan,
        "denominator_status": NOT_APPLICABLE,
        "published_value": printed.value,
        "numerator_low": math.nan,
        "numerator_high": math.nan,
    }


def _believe(printed: Cell, count: Cell) -> Cell:
    if printed != (0.0, REPORTED) or count.status == SUPPRESSED:
        return printed
    if count == (0.0, REPORTED):
        return _NO_PART  # the quartile of nothing
    return printed if count.status == REPORTED else Cell(math.nan, FALSE_ZERO)


def _mark_withheld(cell: Cell, piloting: bool) -> Cell:
    if piloting and cell.status == NOT_AVAILABLE:
        return Cell(math.nan, WITHHELD_PILOT)
    return cell


def _add(parts: list[Cell]) -> Cell:
    status = combine_statuses(*(part.status for part in parts))
    return Cell(sum(p.value for p in parts) if status == REPORTED else math.nan, status)


def _population(value: float) -> Cell:
    return _NO_POPULATION if math.isnan(value) else Cell(value, REPORTED)


def _confidence(figure: Figure, source: CouncilFigures) -> str:
    code = source.confidence.get(figure.confidence or "", "")
    return code if code in CONFIDENCE_CODES else ""
