"""Delay with unfinished cases: Kaplan-Meier curves, restricted means and quantiles of many cells.

Many groups (council x period cells) are estimated at once on one grid of days: every function is
a handful of array operations over (groups, days), never a loop over children or groups.
Method, assumptions and reference values: docs/methods-unfinished-cases.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pilot_eval.doors import Flags, Kind, Number, Numbers, Whole, takes
from pilot_eval.errors import InferenceError, ParameterError, explain

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class SurvivalTable:
    """Kaplan-Meier estimates of G groups on a common grid of U times.

    Attributes
    ----------
    times : ndarray, shape (U,)
        Days at which a case of any group finished or was last seen, ascending.
    survival, n_risk, n_events : ndarray, shape (G, U)
        Share still unfinished after each time, cases at risk just before it, cases finished at it.
    n_cases, last_seen : ndarray, shape (G,)
        Cases, and the longest time that any of them was watched (NaN without cases).
    horizon : float
        Times beyond it were cut off (infinite: none).
    """

    times: Floats
    survival: Floats
    n_risk: Floats
    n_events: Floats
    n_cases: Floats
    last_seen: Floats
    horizon: float


CASES: dict[str, Kind] = {
    "duration": Numbers(least=0, infinite=True, ndim=(1,)),
    "observed": Flags(),
    "entry": Numbers(infinite=True, ndim=(1,)),
    "group": Numbers(least=0, ndim=(1,)),
    "n_groups": Whole(),
    "horizon": Number(low=0.0, infinite=True),
    "days": Numbers(axis=None, least=0, infinite=True, ndim=(0, 1)),
}


@takes(ParameterError, twice=True, reorder=True, **CASES)
def estimate_survival(
    duration: ArrayLike,
    observed: ArrayLike,
    *,
    entry: ArrayLike | None = None,
    group: ArrayLike | None = None,
    n_groups: int | None = None,
    horizon: float = np.inf,
) -> SurvivalTable:
    """Estimate the share of cases still unfinished by day, in every group at once.

    Parameters
    ----------
    duration : array, shape (n,)
        Working days until the case finished or was last seen; 0 or more, never missing.
    observed : array of bool, shape (n,)
        True where the case finished, False where it was unfinished when last seen.
    entry : array, shape (n,), optional
        Working days after the start at which the case came under observation (delayed entry): it
        is at risk at times after its entry. Default: from the start.
    group : array of int, shape (n,), optional
        Group of each case, 0 to `n_groups` - 1. Default: one group.
    n_groups : int, optional
        Number of groups; default, the largest group + 1.
    horizon : float
        Follow no case beyond this day: keeps the grid as short as the question.

    Returns
    -------
    SurvivalTable

    Raises
    ------
    ParameterError
        If a duration is missing or negative, or the lengths differ.

    References
    ----------
    Kaplan and Meier (1958), JASA 53(282).

    Examples
    --------
    >>> estimate_survival([1, 2, 2, 4], [True, True, False, True]).survival
    array([[0.75, 0.5 , 0.  ]])
    """
    cases = prepare_cases(duration, observed, entry, group, n_groups, horizon)
    return tabulate(cases)


@takes(ParameterError, days=CASES["days"])
def survival_at(table: SurvivalTable, days: ArrayLike) -> Floats:
    """Read the share still unfinished after each of `days`.

    Parameters
    ----------
    table : SurvivalTable
    days : array, shape (K,)

    Returns
    -------
    ndarray, shape (G, K)
        NaN where a group was not watched that long and had unfinished cases left.

    Raises
    ------
    InferenceError
        If a day lies beyond the table's horizon.

    Examples
    --------
    >>> survival_at(estimate_survival([1, 2, 2, 4], [True, True, False, True]), [0, 2])
    array([[1. , 0.5]])
    """
    days = np.atleast_1d(np.asarray(days, dtype=float))
    _check_within(table.horizon, float(days.max(initial=0)))
    padded = np.concatenate([np.ones((len(table.survival), 1)), table.survival], axis=1)
    values = padded[:, np.searchsorted(table.times, days, side="right")]
    return np.where(_is_followed(table, days), values, np.nan)


@takes(ParameterError, horizon=Number(low=0.0))
def restricted_mean(table: SurvivalTable, horizon: float) -> Floats:
    """Integrate the survival curve from 0 to `horizon`: the mean of min(duration, horizon).

    Parameters
    ----------
    table : SurvivalTable
    horizon : float
        Working days.

    Returns
    -------
    ndarray, shape (G,)
        Working days; NaN where a group was not watched that long and had unfinished cases left.

    Raises
    ------
    InferenceError
        If the horizon lies beyond the table's own.

    References
    ----------
    Andersen and Perme (2010), Statistical Methods in Medical Research 19(1).

    Examples
    --------
    >>> restricted_mean(estimate_survival([1, 2, 2, 4], [True, True, False, True]), 3)
    array([2.25])
    """
    _check_within(table.horizon, horizon)
    widths, first = step_widths(table.times, horizon)
    mean = first + table.survival @ widths
    return np.where(_is_followed(table, np.array([horizon]))[:, 0], mean, np.nan)


@takes(ParameterError, probability=Number(low=0.0, high=1.0))
def survival_quantile(table: SurvivalTable, probability: float) -> Floats:
    """Find the first day by which `probability` of the cases have finished.

    Parameters
    ----------
    table : SurvivalTable
    probability : float
        Between 0 and 1; 0.5 is the median.

    Returns
    -------
    ndarray, shape (G,)
        Working days; NaN where that share never finished while it was watched.

    Examples
    --------
    >>> survival_quantile(estimate_survival([1, 2, 2, 4], [True, True, False, True]), 0.5)
    array([2.])
    """
    # The tolerance keeps a share that equals the probability from being missed by rounding.
    reached = table.survival <= 1 - probability + 1e-12
    if not len(table.times):
        return np.full(len(table.n_cases), np.nan)
    return np.where(reached.any(axis=1), table.times[reached.argmax(axis=1)], np.nan)


@takes(ParameterError, twice=True, reorder=True, **CASES)
def completed_only_mean(
    duration: ArrayLike,
    observed: ArrayLike,
    *,
    horizon: float = np.inf,
    group: ArrayLike | None = None,
    n_groups: int | None = None,
) -> Floats:
    """Average min(duration, horizon) over finished cases: what leaving out the rest would say.

    Parameters
    ----------
    duration, observed, group, n_groups
        As in `estimate_survival`.
    horizon : float
        Working days.

    Returns
    -------
    ndarray, shape (G,)
        Working days; NaN without a finished case.

    Examples
    --------
    >>> completed_only_mean([1, 3, 30], [True, True, False])
    array([2.])
    """
    cases = prepare_cases(duration, observed, None, group, n_groups, np.inf)
    finished = cases.group[cases.observed]
    days = np.minimum(cases.time[cases.observed], horizon)
    total = np.bincount(finished, weights=days, minlength=cases.n_groups)
    count = np.bincount(finished, minlength=cases.n_groups)
    result: Floats = np.divide(total, count, out=np.full(cases.n_groups, np.nan), where=count > 0)
    return result


@dataclass(frozen=True, slots=True, kw_only=True)
class Cases:
    """Checked cases, cut off at the horizon and ranked on the grid of distinct times."""

    time: Floats
    observed: NDArray[np.bool_]
    entry: Floats | None
    group: NDArray[np.int64]
    n_groups: int
    horizon: float
    times: Floats  # the grid: distinct times
    rank: NDArray[np.int64]  # time = times[rank]


def prepare_cases(
    duration: ArrayLike,
    observed: ArrayLike,
    entry: ArrayLike | None,
    group: ArrayLike | None,
    n_groups: int | None,
    horizon: float,
) -> Cases:
    """Check the cases once, cut them off at the horizon and rank their times.

    Parameters
    ----------
    duration, observed, entry, group, n_groups, horizon
        As in `estimate_survival`.

    Returns
    -------
    Cases
    """
    time = np.asarray(duration, dtype=float)
    finished = np.asarray(observed, dtype=bool)
    groups = np.zeros(len(time), np.int64) if group is None else _read_groups(group, n_groups)
    since = None if entry is None else np.asarray(entry, dtype=float)
    finished = finished & (time <= horizon)
    time = np.minimum(time, horizon)
    times, rank = _grid(time)
    size = n_groups or (int(groups.max()) + 1 if len(groups) else 1)
    return Cases(
        time=time,
        observed=finished,
        entry=since,
        group=groups,
        n_groups=size,
        horizon=horizon,
        times=times,
        rank=rank,
    )


def _read_groups(group: ArrayLike, n_groups: int | None) -> NDArray[np.int64]:
    given = np.asarray(group, dtype=float)
    most = n_groups or np.inf
    if (given % 1 != 0).any() or (given >= most).any():
        rule = "be whole numbers from 0" + ("" if n_groups is None else f" to {n_groups - 1}")
        raise ParameterError(explain("group", rule, "others", "Number the groups."))
    return given.astype(np.int64)


def _grid(time: Floats) -> tuple[Floats, NDArray[np.int64]]:
    """Rank the times: whole days need no sorting, other times are sorted once."""
    top = time.max(initial=0)
    whole = time.astype(np.int64) if top < 1e6 else None
    if whole is None or (whole != time).any() or top > 10 * len(time) + 1000:
        times, rank = np.unique(time, return_inverse=True)
        return times, rank.astype(np.int64)
    present = np.bincount(whole, minlength=1) > 0
    return np.flatnonzero(present).astype(float), (np.cumsum(present) - 1)[whole]


def tabulate(cases: Cases) -> SurvivalTable:
    """Multiply the Kaplan-Meier factors of checked cases, all groups at once."""
    n_risk, n_events = count_risk_sets(cases)
    factors = 1 - np.divide(n_events, n_risk, out=np.zeros_like(n_risk), where=n_risk > 0)
    last = np.full(cases.n_groups, -1.0)
    np.maximum.at(last, cases.group, cases.time)
    n_cases = np.bincount(cases.group, minlength=cases.n_groups).astype(float)
    return SurvivalTable(
        times=cases.times,
        survival=np.cumprod(factors, axis=1),
        n_risk=n_risk,
        n_events=n_events,
        n_cases=n_cases,
        last_seen=np.where(n_cases > 0, last, np.nan),
        horizon=cases.horizon,
    )


def count_risk_sets(cases: Cases) -> tuple[Floats, Floats]:
    """Count the cases at risk just before, and finished at, each time: two (G, U) arrays."""
    shape = (cases.n_groups, len(cases.times))
    cell = cases.group * shape[1] + cases.rank
    size = shape[0] * shape[1]
    leaving = np.bincount(cell, minlength=size).reshape(shape)
    events = np.bincount(cell[cases.observed], minlength=size).reshape(shape).astype(float)
    at_risk = leaving[:, ::-1].cumsum(axis=1)[:, ::-1].astype(float)
    if cases.entry is not None:
        # Not yet under observation at a time on or before the entry.
        rank = np.searchsorted(cases.times, cases.entry, side="right")
        slot = cases.group * (shape[1] + 1) + np.minimum(rank, cases.rank + 1)
        waiting = np.bincount(slot, minlength=shape[0] * (shape[1] + 1)).reshape(shape[0], -1)
        at_risk -= waiting[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:]
        never = rank > cases.rank  # entered on or after the day it was last seen
        events -= np.bincount(cell[cases.observed & never], minlength=size).reshape(shape)
    return at_risk, events


def step_widths(times: Floats, horizon: float) -> tuple[Floats, float]:
    """Width of each step of the curve within [0, horizon], and of the step before the first."""
    edges = np.minimum(np.append(times, max(horizon, times.max(initial=0))), horizon)
    first = float(edges[0]) if len(times) else horizon
    return np.diff(edges), first


def _is_followed(table: SurvivalTable, days: Floats) -> NDArray[np.bool_]:
    finished = table.survival[:, -1:] <= 0 if len(table.times) else np.zeros((1, 1), bool)
    with np.errstate(invalid="ignore"):
        return (table.last_seen[:, None] >= days[None, :]) | (
            finished & (table.n_cases[:, None] > 0)
        )


def _check_within(horizon: float, asked: float) -> None:
    if asked > horizon:
        action = "Estimate the table with a longer horizon."
        rule = f"be at most the table's horizon of {horizon:g}"
        raise InferenceError(explain("day", rule, f"{asked:g}", action))
