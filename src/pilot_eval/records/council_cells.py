"""The cells of the panel: one value per council and period, from many records at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import ClassVar

import numpy as np
import pandas as pd

from pilot_eval.published.bands import CLOCK_PREFIX
from pilot_eval.records.durations import add_months
from pilot_eval.records.indicators import Flow, Indicator, Records, Stock, completed
from pilot_eval.records.linking import Days, Rows, number_councils, to_days
from pilot_eval.records.periods import (
    Frequency,
    first_days,
    last_days,
    number_periods,
    years_ending,
)
from pilot_eval.records.pseudo_observations import pseudo_restricted_mean, pseudo_survival
from pilot_eval.records.survival_curves import (
    SurvivalTable,
    completed_only_mean,
    estimate_survival,
    survival_quantile,
)
from pilot_eval.reference.working_days import count_working_days

QUANTILES = {"p25": 0.25, "median": 0.5, "p75": 0.75, "p90": 0.9}
_PER = 10_000
_DAY = np.timedelta64(1, "D")


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Councils by periods.

    Attributes
    ----------
    frequency : str
    periods : ndarray of int, shape (P,)
        Running numbers of the periods.
    first_day, data_cut, history_from : datetime64[D]
    covered : ndarray of bool, shape (C, P)
        False where there is no return for the period: a gap, not a zero.
    population : ndarray, shape (C, P)
        Children aged 0-17; NaN where unknown.
    """

    frequency: Frequency
    periods: Rows
    first_day: np.datetime64
    data_cut: np.datetime64
    history_from: np.datetime64
    covered: np.ndarray
    population: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        """Councils and periods."""
        return self.covered.shape

    def column(self, day: Days) -> Rows:
        """Give each day the column of its period; out-of-range days get columns outside."""
        result: Rows = number_periods(day, self.frequency) - self.periods[0]
        return result

    def cells_of(self, council: Rows, day: Days) -> tuple[Rows, np.ndarray]:
        """Give each event the number of its cell, and whether it lies in the panel at all."""
        column = self.column(day)
        inside = (council >= 0) & (column >= 0) & (column < self.shape[1])
        inside &= (day >= self.first_day) & (day <= self.data_cut)
        return council * self.shape[1] + column, inside

    def complete(self, look_back: int = 0, follow_up: int = 0, horizon: float = 0) -> np.ndarray:
        """Tell for each period whether the months and working days it needs are covered."""
        first = first_days(self.periods, self.frequency)
        last = last_days(self.periods, self.frequency)
        known_from = self.history_from if look_back else self.first_day
        back = add_months(first, -look_back) >= known_from
        ahead = add_months(last, follow_up) <= self.data_cut
        waited = count_working_days(np.minimum(last, self.data_cut), self.data_cut)
        return back & (first >= self.first_day) & ahead & (waited >= horizon)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """The cells of one indicator; every array has shape (C, P). `status` indexes `STATUSES`."""

    STATUSES: ClassVar[tuple[str, ...]] = ("reported", "not_applicable", "not_available")

    value: np.ndarray
    numerator: np.ndarray
    denominator: np.ndarray
    status: np.ndarray
    complete: np.ndarray
    cases: np.ndarray


def build_grid(
    records: Records,
    frequency: Frequency,
    *,
    first_day: date,
    data_cut: date,
    history_from: date,
    coverage: pd.DataFrame | None = None,
    populations: pd.DataFrame | None = None,
) -> Grid:
    """Lay out the panel of the councils in `records`; arguments as in `build_census_panel`."""
    first, cut = np.datetime64(first_day, "D"), np.datetime64(data_cut, "D")
    ends = number_periods(np.array([first, cut]), frequency)
    periods = np.arange(ends[0], ends[1] + 1)
    if coverage is None:
        covered = _covered_by_referrals(records, periods, frequency)
    else:
        covered = _covered_by_returns(records.councils, coverage, periods, frequency, first, cut)
    grid = Grid(
        frequency=frequency,
        periods=periods,
        first_day=first,
        data_cut=cut,
        history_from=np.datetime64(history_from, "D"),
        covered=covered,
        population=np.full((len(records.councils), len(periods)), np.nan),
    )
    return replace(grid, population=find_populations(grid, records.councils, populations))


def count_indicator(indicator: Indicator, records: Records, grid: Grid) -> Cell:
    """Count an indicator's numerator and denominator in every cell.

    Parameters
    ----------
    indicator : Indicator
    records : Records
    grid : Grid

    Returns
    -------
    Cell
        Percent, or number per 10,000 children (not annualised for months and quarters).
    """
    rows = indicator.build(records)
    if isinstance(rows, Flow):
        numerator, denominator = _count_flow(rows, grid)
    else:
        numerator, denominator = _count_stock(rows, grid)
    is_rate = indicator.unit == "per 10,000 children"
    if is_rate:
        denominator = grid.population
    scale = _PER if is_rate else 100
    known = denominator > 0
    value = np.divide(scale * numerator, denominator, out=np.full(grid.shape, np.nan), where=known)
    status = np.where(known, 0, 2 if is_rate else 1)
    complete = grid.complete(indicator.look_back, indicator.follow_up)
    return _cell(grid, value, numerator, denominator, status, complete)


def measure_delay(
    records: Records, clock: str, grid: Grid, *, horizon: float, days: Sequence[int]
) -> dict[str, Cell]:
    """Measure a clock's delay in every cell: completed cases, and all cases with censoring.

    Parameters
    ----------
    records : Records
    clock : str
    grid : Grid
    horizon : float
        Working days of the restricted mean.
    days : sequence of int
        Days at which the share still unfinished is read.

    Returns
    -------
    dict of str to Cell
        Completed in the period: `_mean_wd`, `_p25_wd`, `_median_wd`, `_p75_wd`, `_p90_wd`.
        Started in the period, unfinished ones included: `_restricted_mean_wd` and
        `_unfinished_{k}wd_pct` (means of pseudo-observations), `_started_median_wd` and
        `_started_p90_wd` (Kaplan-Meier), and what completed cases only would have said of the
        same children, `_started_completed_only_mean_wd`.
    """
    prefix = CLOCK_PREFIX[clock]
    cells = _measure_completed(records, clock, grid) | _measure_started(
        records, clock, grid, horizon, days
    )
    return {f"{prefix}_{name}": cell for name, cell in cells.items()}


def _measure_completed(records: Records, clock: str, grid: Grid) -> dict[str, Cell]:
    council, day, taken = completed(records, clock)
    group, inside = grid.cells_of(council, day)
    group, taken = group[inside], taken[inside]
    done = np.ones(len(group), dtype=bool)
    table = estimate_survival(taken, done, group=group, n_groups=grid.covered.size)
    total = np.bincount(group, weights=taken, minlength=grid.covered.size)
    values = {"mean_wd": _divide(total, table.n_cases)}
    values |= {f"{name}_wd": survival_quantile(table, p) for name, p in QUANTILES.items()}
    complete = grid.complete()
    cells = {
        name: _delay_cell(grid, value, table.n_cases, complete) for name, value in values.items()
    }
    cells["mean_wd"] = _delay_cell(grid, values["mean_wd"], table.n_cases, complete, total)
    return cells


def _measure_started(
    records: Records, clock: str, grid: Grid, horizon: float, days: Sequence[int]
) -> dict[str, Cell]:
    rows = records.durations[clock].table
    council = number_councils(rows, records.councils)
    group, inside = grid.cells_of(council, to_days(rows["start_date"]))
    taken = rows["duration_working_days"].to_numpy()[inside]
    done = rows["event_observed"].to_numpy()[inside]
    cases = {"group": group[inside], "n_groups": grid.covered.size}
    table = estimate_survival(taken, done, **cases, horizon=horizon)
    pseudo = pseudo_restricted_mean(taken, done, **cases, horizon=horizon)
    waited, in_time = grid.complete(horizon=horizon), {}
    cells = {
        "restricted_mean_wd": (_mean_by(pseudo, cases["group"], table), waited),
        "started_median_wd": (survival_quantile(table, 0.5), waited),
        "started_p90_wd": (survival_quantile(table, 0.9), waited),
        "started_completed_only_mean_wd": (
            completed_only_mean(taken, done, **cases, horizon=horizon),
            waited,
        ),
    }
    if days:
        pseudo = 100 * pseudo_survival(taken, done, days=days, **cases)
        for column, day in enumerate(days):
            value = _mean_by(pseudo[:, column], cases["group"], table)
            in_time[f"unfinished_{day}wd_pct"] = (value, grid.complete(horizon=day))
    return {
        name: _delay_cell(grid, value, table.n_cases, complete)
        for name, (value, complete) in (cells | in_time).items()
    }


def _mean_by(pseudo: np.ndarray, group: Rows, table: SurvivalTable) -> np.ndarray:
    return _divide(np.bincount(group, weights=pseudo, minlength=len(table.n_cases)), table.n_cases)


def _delay_cell(
    grid: Grid,
    value: np.ndarray,
    cases: np.ndarray,
    complete: np.ndarray,
    total: np.ndarray | None = None,
) -> Cell:
    """Shape a flat vector of cell values; NaN with cases means not watched long enough."""
    value, cases = value.reshape(grid.shape), cases.reshape(grid.shape)
    numerator = np.full(grid.shape, np.nan) if total is None else total.reshape(grid.shape)
    status = np.where(cases == 0, 1, np.where(np.isnan(value), 2, 0))
    return _cell(grid, value, numerator, cases, status, complete)


def _cell(
    grid: Grid,
    value: np.ndarray,
    numerator: np.ndarray,
    denominator: np.ndarray,
    status: np.ndarray,
    complete: np.ndarray,
) -> Cell:
    """Blank the gaps and put the parts together."""
    hide = ~grid.covered
    return Cell(
        value=np.where(hide, np.nan, value),
        numerator=np.where(hide, np.nan, numerator),
        denominator=np.where(hide, np.nan, denominator),
        status=np.where(hide, 2, status).astype(np.int8),
        complete=np.broadcast_to(complete, grid.shape) & grid.covered,
        cases=np.where(hide | np.isnan(denominator), 0, denominator),
    )


def _count_flow(rows: Flow, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    cell, inside = grid.cells_of(rows.council, rows.day)
    size = grid.covered.size
    every = np.bincount(cell[inside], minlength=size).reshape(grid.shape)
    hits = np.bincount(cell[inside & rows.hit], minlength=size).reshape(grid.shape)
    return hits.astype(float), every.astype(float)


def _count_stock(rows: Stock, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    return (
        _count_open(rows.council, rows.begin, np.fmin(rows.hit_end, rows.end), grid),
        _count_open(rows.council, rows.begin, rows.end, grid),
    )


def _count_open(council: Rows, begin: Days, end: Days, grid: Grid) -> np.ndarray:
    """Count spells open on each period's last day: +1 where they begin, -1 where they end."""
    n_councils, n_periods = grid.shape
    width = n_periods + 1
    usable = (council >= 0) & ~np.isnat(begin) & ~(end <= begin)
    opened = np.clip(grid.column(begin[usable]), 0, n_periods)
    last = end[usable]
    closed = np.where(np.isnat(last), n_periods, grid.column(last)).clip(0, n_periods)
    row = council[usable] * width
    change = np.bincount(row + opened, minlength=n_councils * width) - np.bincount(
        row + closed, minlength=n_councils * width
    )
    return change.reshape(n_councils, width)[:, :-1].cumsum(axis=1).astype(float)


def _covered_by_referrals(records: Records, periods: Rows, frequency: Frequency) -> np.ndarray:
    """Find the periods in whose financial year the council has a referral."""
    rows = records.tables.referrals
    council, day = number_councils(rows, records.councils), to_days(rows["referral_date"])
    year, asked = number_periods(day, "year"), years_ending(periods, frequency) - 1970
    known = (council >= 0) & ~np.isnat(day) & (year >= 0) & (year <= asked.max())
    seen = np.zeros((len(records.councils), int(asked.max()) + 1), dtype=bool)
    seen[council[known], year[known]] = True
    return seen[:, asked]


def _covered_by_returns(
    councils: Sequence[str],
    coverage: pd.DataFrame,
    periods: Rows,
    frequency: Frequency,
    first_day: np.datetime64,
    data_cut: np.datetime64,
) -> np.ndarray:
    """Find the periods that a return covers, as far as they lie between first day and data cut."""
    covered = np.zeros((len(councils), len(periods)), dtype=bool)
    first = np.maximum(first_days(periods, frequency), first_day)
    last = np.minimum(last_days(periods, frequency), data_cut)
    council = number_councils(coverage, councils)
    opened, closed = to_days(coverage["first_day"]), to_days(coverage["last_day"])
    for row in np.flatnonzero(council >= 0):  # a few returns a council
        covered[council[row]] |= (first >= opened[row]) & (last <= closed[row])
    return covered


def find_populations(
    grid: Grid, councils: Sequence[str], populations: pd.DataFrame | None
) -> np.ndarray:
    """Find the population of every council and period; NaN where it is not known."""
    years = years_ending(grid.periods, grid.frequency)
    if populations is None or not len(populations):
        return np.full((len(councils), len(years)), np.nan)
    wide = populations.pivot(index="council_code", columns="year_ending", values="population_0_17")
    result: np.ndarray = wide.reindex(index=list(councils), columns=list(years)).to_numpy(
        dtype=float
    )
    return result


def _divide(total: np.ndarray, count: np.ndarray) -> np.ndarray:
    result: np.ndarray = np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0)
    return result
