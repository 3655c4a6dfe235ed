"""Exact jackknife pseudo-observations of survival and restricted means, without a loop over cases.

The curve without case i is the curve of all until i enters, one fewer at risk while i is there,
and the curve of all again (scaled) after i has left; prefix products over the grid of days give
every case's curve at once, in O(n log n) for n cases. Method, assumptions and reference values:
docs/methods-unfinished-cases.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pilot_eval.doors import Number, takes
from pilot_eval.errors import ParameterError
from pilot_eval.records.survival_curves import (
    CASES,
    Cases,
    Floats,
    count_risk_sets,
    prepare_cases,
    restricted_mean,
    step_widths,
    survival_at,
    tabulate,
)


@takes(ParameterError, twice=True, reorder=True, **CASES)
def pseudo_survival(
    duration: ArrayLike,
    observed: ArrayLike,
    *,
    days: ArrayLike,
    entry: ArrayLike | None = None,
    group: ArrayLike | None = None,
    n_groups: int | None = None,
) -> Floats:
    """Compute every case's jackknife pseudo-observation of S(k), exactly and at once.

    Parameters
    ----------
    duration, observed, entry, group, n_groups
        As in `estimate_survival`. A case is left out of its own group only.
    days : array, shape (K,)

    Returns
    -------
    ndarray, shape (n, K)
        n_g S(k) - (n_g - 1) S without the case (k); without unfinished cases, 1 where the case
        took longer than k and 0 where it did not.

    References
    ----------
    Andersen, Klein and Rosthoj (2003), Biometrika 90(1); Andersen and Perme (2010).

    Examples
    --------
    >>> pseudo_survival([1, 2, 4], [True, True, True], days=[2]).round(12).ravel() + 0.0
    array([0., 0., 1.])
    """
    days = np.atleast_1d(np.asarray(days, dtype=float))
    cases = prepare_cases(duration, observed, entry, group, n_groups, float(days.max(initial=0)))
    table, jackknife = tabulate(cases), _Jackknife.of(cases)
    whole = survival_at(table, days)
    columns = [jackknife.survival(day) for day in days]
    without = np.stack(columns, axis=1) if columns else np.empty((len(cases.time), 0))
    n = table.n_cases[cases.group][:, None]
    figure = whole[cases.group]
    return np.where(jackknife.never[:, None], figure, n * figure - (n - 1) * without)


@takes(ParameterError, twice=True, reorder=True, **(CASES | {"horizon": Number(low=0.0)}))
def pseudo_restricted_mean(
    duration: ArrayLike,
    observed: ArrayLike,
    *,
    horizon: float,
    entry: ArrayLike | None = None,
    group: ArrayLike | None = None,
    n_groups: int | None = None,
) -> Floats:
    """Compute every case's jackknife pseudo-observation of the restricted mean, exactly.

    Parameters
    ----------
    duration, observed, entry, group, n_groups
        As in `estimate_survival`. A case is left out of its own group only.
    horizon : float
        Working days.

    Returns
    -------
    ndarray, shape (n,)
        Working days; without unfinished cases, min(duration, horizon).

    References
    ----------
    Andersen, Hansen and Klein (2004), Lifetime Data Analysis 10(4); Andersen and Perme (2010).

    Examples
    --------
    >>> pseudo_restricted_mean([1, 2, 9], [True, True, True], horizon=5).round(9)
    array([1., 2., 5.])
    """
    cases = prepare_cases(duration, observed, entry, group, n_groups, horizon)
    table = tabulate(cases)
    whole = restricted_mean(table, horizon)
    n, jackknife = table.n_cases[cases.group], _Jackknife.of(cases)
    figure = whole[cases.group]
    found = n * figure - (n - 1) * jackknife.restricted_mean(horizon)
    return np.where(jackknife.never, figure, found)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Products:
    """Products and integrals of step factors over ranges, from prefix sums.

    `log` and `zeros` are prefix sums over the grid, with a leading 0: column j covers the first j
    factors. `next_zero[g, j]` is the first factor at or after j that is 0 (U if none).
    """

    log: Floats
    zeros: NDArray[np.int64]
    next_zero: NDArray[np.int64]

    @classmethod
    def of(cls, factors: Floats) -> _Products:
        zero = factors <= 0
        pad = ((0, 0), (1, 0))
        n_times = factors.shape[1]
        place = np.where(zero, np.arange(n_times), n_times)
        after = np.minimum.accumulate(place[:, ::-1], axis=1)[:, ::-1]
        return cls(
            log=np.pad(np.cumsum(np.log(np.where(zero, 1.0, factors)), axis=1), pad),
            zeros=np.pad(np.cumsum(zero, axis=1), pad),
            next_zero=np.pad(after, ((0, 0), (0, 1)), constant_values=n_times),
        )

    def between(
        self, group: NDArray[np.int64], low: NDArray[np.int64], high: NDArray[np.int64]
    ) -> Floats:
        """Multiply the factors low, ..., high - 1 (an empty range gives 1)."""
        clear = self.zeros[group, high] == self.zeros[group, low]
        return np.where(clear, np.exp(self.log[group, high] - self.log[group, low]), 0.0)

    def integral(
        self,
        group: NDArray[np.int64],
        low: NDArray[np.int64],
        high: NDArray[np.int64],
        widths: Floats,
    ) -> Floats:
        """Integrate the product of factors low, ..., j over the steps j = low, ..., high - 1."""
        area = np.pad(np.cumsum(np.exp(self.log[:, 1:]) * widths, axis=1), ((0, 0), (1, 0)))
        stop = np.maximum(np.minimum(high, self.next_zero[group, low]), low)
        result: Floats = (area[group, stop] - area[group, low]) * np.exp(-self.log[group, low])
        return result


@dataclass(frozen=True, slots=True, kw_only=True)
class _Jackknife:
    """The curve without case i: unchanged until i enters, one fewer at risk while i is there."""

    cases: Cases
    start: NDArray[np.int64]  # first grid time at which i is at risk
    end: NDArray[np.int64]  # the grid time at which i leaves
    never: NDArray[np.bool_]  # entered on or after its own end: at risk at no time
    own: Floats  # the factor at the time i leaves, without i
    whole: _Products
    less_one: _Products

    @classmethod
    def of(cls, cases: Cases) -> _Jackknife:
        n_risk, n_events = count_risk_sets(cases)
        blank = np.zeros_like(n_risk)
        whole = 1 - np.divide(n_events, n_risk, out=blank.copy(), where=n_risk > 0)
        # Where everybody at risk finishes no remaining case passes: that factor is never read.
        usable = (n_risk > 1) & (n_events < n_risk)
        less_one = 1 - np.divide(n_events, n_risk - 1, out=blank.copy(), where=usable)
        end = cases.rank
        start = np.zeros_like(end)
        if cases.entry is not None:
            start = np.searchsorted(cases.times, cases.entry, side="right").astype(np.int64)
        others = n_risk[cases.group, end] - 1
        finished = n_events[cases.group, end] - cases.observed
        own = 1 - np.divide(finished, others, out=np.zeros_like(others), where=others > 0)
        never = start > end  # never at risk: leaving it out changes nothing
        return cls(
            cases=cases,
            start=np.where(never, end + 1, start),
            end=np.where(never, end + 1, end),
            never=never,
            own=np.where(never, 1.0, own),
            whole=_Products.of(whole),
            less_one=_Products.of(less_one),
        )

    def survival(self, day: float) -> Floats:
        """Evaluate S(day) without each case, shape (n,)."""
        group = self.cases.group
        steps = int(np.searchsorted(self.cases.times, day, side="right"))
        low, high = np.minimum(self.start, steps), np.minimum(self.end, steps)
        before = self.whole.between(group, np.zeros_like(low), low)
        during = self.less_one.between(group, low, high)
        after_own = np.minimum(self.end + 1, steps)
        own = np.where(self.end < steps, self.own, 1.0)
        after = self.whole.between(group, after_own, np.maximum(after_own, steps))
        return before * during * own * after

    def restricted_mean(self, horizon: float) -> Floats:
        """Integrate the curve without each case from 0 to the horizon, shape (n,)."""
        group, n_times = self.cases.group, len(self.cases.times)
        widths, first = step_widths(self.cases.times, horizon)
        zero, top = np.zeros_like(self.start), np.full_like(self.start, n_times)
        before = self.whole.between(group, zero, self.start)
        reached = before * self.less_one.between(group, self.start, self.end) * self.own
        tail = np.minimum(self.end + 1, n_times)
        own_width = np.append(widths, 0.0)[np.minimum(self.end, n_times)]
        result: Floats = (
            first
            + self.whole.integral(group, zero, self.start, widths)
            + before * self.less_one.integral(group, self.start, self.end, widths)
            + reached * own_width
            + reached * self.whole.integral(group, tail, top, widths)
        )
        return result
