"""Randomisation tests: how unusual the treated set is among all sets that could have been."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import numpy as np

from pilot_eval.doors import OneOf
from pilot_eval.inference.assignments import Assignments, draw_assignments
from pilot_eval.inference.breakpoints import find_both_ends, reach_quartics
from pilot_eval.inference.inputs import Changes, check_changes, takes_changes, why_not_estimable
from pilot_eval.inference.result import Counts, InferenceResult
from pilot_eval.inference.set_statistics import (
    TIE,
    count_at_least,
    count_welch_at_least,
    mean_difference,
    sum_sets,
    welch_t,
)

Coefficients = tuple[np.ndarray, ...]
SumOver = Callable[[np.ndarray], np.ndarray]
Statistic = Literal["t", "difference"]
MIN_COMPARATORS = 2
BLOCK = 131_072
"""Statistics worked on at a time: few enough to stay in a processor's cache."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftedSets:
    """Set statistics of one family of outcomes as functions of a hypothesised effect tau.

    The tested values are z(tau) = z - tau * w with w zero outside the treated.

    Attributes
    ----------
    z, w : array of shape (outcomes, n)
    actual : int array of shape (1, k)
        Positions of the treated.
    assignments : Assignments
    statistic : {"t", "difference"}
    """

    z: np.ndarray
    w: np.ndarray
    actual: np.ndarray
    assignments: Assignments
    statistic: Statistic

    def p_value(self, tau: np.ndarray | float = 0.0) -> np.ndarray:
        """Compute the p-value of each outcome for its hypothesised effect, shape (outcomes,)."""
        z = self.z - np.reshape(tau, (-1, 1)) * self.w
        z -= z.mean(1, keepdims=True)
        reached = [self._count(z[rows]) for rows in self._blocks()]
        return self.assignments.p_value(np.concatenate(reached))

    def _count(self, z: np.ndarray) -> np.ndarray:
        """Count the sets that reach the actual one, for values that add up to 0."""
        actual = self.compute(z, self.actual)[:, 0]
        sums = self.assignments.sum_sets(z)
        k, n = self._size()
        if self.statistic == "difference":
            return count_at_least(mean_difference(sums, 0.0, k, n), actual)
        squares = z**2
        totals = squares.sum(1, keepdims=True)
        return count_welch_at_least(sums, self.assignments.sum_sets(squares), totals, actual, k, n)

    def compute(self, z: np.ndarray, members: np.ndarray) -> np.ndarray:
        """Compute the statistic of each set for each outcome, shape (outcomes, sets)."""
        squares = z**2 if self.statistic == "t" else z
        totals = z.sum(1, keepdims=True), squares.sum(1, keepdims=True)
        return self._statistic(
            sum_sets(z, members), sum_sets(squares, members), *totals, members.shape[1]
        )

    def _statistic(
        self,
        sums: np.ndarray,
        squares: np.ndarray,
        totals: np.ndarray,
        total_squares: np.ndarray,
        k: int,
    ) -> np.ndarray:
        n = self.z.shape[1]
        if self.statistic == "difference":
            return mean_difference(sums, totals, k, n)
        return welch_t(sums, squares, totals, total_squares, k, n)

    def centre(self) -> np.ndarray:
        """Find the effect at which the actual statistic is 0, shape (outcomes,)."""
        one = mean_difference(
            sum_sets(self.z, self.actual), self.z.sum(1, keepdims=True), *self._size()
        )
        slope = mean_difference(
            sum_sets(self.w, self.actual), self.w.sum(1, keepdims=True), *self._size()
        )
        result: np.ndarray = (one / slope)[:, 0]
        return result

    def interval(self, alpha: float, scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Collect the effects around the centre that are not rejected.

        Parameters
        ----------
        alpha : float
        scale : array of shape (outcomes,)
            First step away from the centre, of the order of a standard error.

        Returns
        -------
        low, high : array of shape (outcomes,)
            Infinite where no effect in that direction is rejected.
        """
        centre = self.centre()
        centred = replace(self, z=self.z - centre[:, None] * self.w)
        ends = [centred._ends(rows, alpha, scale[rows]) for rows in self._blocks()]
        low, high = np.concatenate(ends, axis=1)
        return centre + low, centre + high

    def _blocks(self) -> list[slice]:
        """Cut the outcomes into blocks that stay in a processor's cache."""
        size = max(1, BLOCK // len(self.assignments.members))
        return [slice(start, start + size) for start in range(0, len(self.z), size)]

    def _ends(self, rows: slice, alpha: float, scale: np.ndarray) -> np.ndarray:
        """Find the distances from centred outcomes to both ends, shape (2, outcomes)."""
        block = replace(self, z=self.z[rows], w=self.w[rows])
        drawn = block._polynomials(self.assignments.sum_sets)
        own = block._polynomials(partial(sum_sets, members=self.actual))
        return find_ends(drawn, own, self.assignments, alpha, scale)

    def _polynomials(self, sum_over: SumOver) -> tuple[Coefficients, Coefficients]:
        """Write the statistic's numerator and squared denominator as polynomials of tau.

        Parameters
        ----------
        sum_over : callable
            Sums each row of values over the members of each set.

        Returns
        -------
        difference : tuple of two arrays of shape (outcomes, sets)
            Constant and slope.
        spread : tuple of three arrays broadcastable to them
            Constant, slope and coefficient of the square.
        """
        k, n = self._size()
        rest = n - k
        parts = (self.z, -self.w)
        inside = tuple(map(sum_over, parts))
        outside = _others(parts, inside)
        difference = (inside[0] / k - outside[0] / rest, inside[1] / k - outside[1] / rest)
        if self.statistic == "difference":
            return difference, (np.ones(1), np.zeros(1), np.zeros(1))
        squares = square(*parts)
        sums = list(map(sum_over, squares))
        spread = variance_of_mean(sums, inside, k)
        rest_spread = variance_of_mean(_others(squares, sums), outside, rest)
        return difference, tuple(map(np.add, spread, rest_spread))

    def _size(self) -> tuple[int, int]:
        return self.actual.shape[1], self.z.shape[1]


@takes_changes(statistic=OneOf(("t", "difference")))
def randomisation_test(
    changes: np.ndarray,
    treated: np.ndarray,
    *,
    statistic: Statistic = "t",
    draws: int = 9999,
    strata: np.ndarray | None = None,
    seed: int | np.random.Generator,
    alpha: float = 0.05,
) -> InferenceResult:
    """Test the effect by comparing the treated set with other sets of the same size.

    Parameters
    ----------
    changes : array of shape (n,)
        Mean after minus mean before, one value per council, in the outcome's unit.
    treated : bool array of shape (n,)
    statistic : {"t", "difference"}
        Welch's t (valid also where treated and comparators are not equally noisy) or the
        difference of means (the exact placebo rank; sharp null and equal noise only).
    draws : int
        Random sets; all sets are listed instead when there are at most this many.
    strata : array of shape (n,), optional
        Sets keep the number of treated in each stratum (region, size group).
    seed : int or numpy Generator
    alpha : float
        Level of the two-sided test; the interval holds the effects it does not reject.

    Returns
    -------
    InferenceResult
        Standard error and degrees of freedom are NaN. Diagnostics: statistic, assignments,
        complete (1 when all sets were listed), smallest_p, centre.

    Raises
    ------
    InferenceError
        If the input is not one finite value a council, or an option is unknown.

    References
    ----------
    Fisher (1935), The Design of Experiments; Chung and Romano (2013), Annals of Statistics 41(2).

    Examples
    --------
    >>> import numpy as np
    >>> changes = np.array([9.0, 1.0, 2.0, 3.0, 4.0])
    >>> treated = np.array([True, False, False, False, False])
    >>> randomisation_test(changes, treated, statistic="difference", seed=1).p_value
    0.2
    """
    data = check_changes(changes, treated)
    fewest = 2 if statistic == "t" else 1
    reason = why_not_estimable(data, min_treated=fewest, min_comparators=MIN_COMPARATORS)
    method = f"randomisation_{statistic}"
    if reason:
        return answer_by_sets(method, data, None, np.empty(0), alpha, reason)
    assignments = draw_assignments(data.treated, draws=draws, strata=strata, seed=seed)
    one = np.ones((1, data.changes.size))
    sets = shifted_sets(data.changes[None], data.treated, one, assignments, statistic)
    scale = step_size(one[:, data.treated]) * data.changes[~data.treated].std()
    return answer_by_sets(method, data, sets, scale, alpha, reason)


def answer_by_sets(
    method: str,
    data: Changes,
    sets: ShiftedSets | None,
    scale: np.ndarray,
    alpha: float,
    reason: str,
    diagnostics: dict[str, float] | None = None,
) -> InferenceResult:
    """Answer from the set statistics, or with the reason alone where there are none."""
    counts: Counts = {
        "n_treated": data.n_treated,
        "n_comparators": data.n_comparators,
        "alpha": alpha,
    }
    if sets is None:
        return InferenceResult(method=method, reason=reason, **counts)
    estimate = difference_of_means(data)
    low, high = hold_estimate(estimate, *sets.interval(alpha, scale))
    limits = name_limits(sets.assignments, alpha, low[0], high[0])
    return InferenceResult(
        method=method,
        estimate=estimate,
        p_value=float(sets.p_value()[0]),
        conf_low=float(low[0]),
        conf_high=float(high[0]),
        reason="; ".join(filter(None, [reason, limits])),
        diagnostics=_diagnostics(sets) | (diagnostics or {}),
        **counts,
    )


def hold_estimate(
    estimate: float | np.ndarray, low: np.ndarray, high: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Widen intervals that do not hold their estimate.

    The effects that are not rejected lie around the standardised difference, in which noisy units
    count for less; the estimate counts all alike, and where units differ greatly may lie outside.
    """
    return np.minimum(low, estimate), np.maximum(high, estimate)


def step_size(variance: np.ndarray) -> np.ndarray:
    """Compute the standard deviation of a mean from its members' variances (batch, k)."""
    result: np.ndarray = np.sqrt(variance.sum(1)) / variance.shape[1]
    return result


def shifted_sets(
    changes: np.ndarray,
    treated: np.ndarray,
    variance: np.ndarray,
    assignments: Assignments,
    statistic: Statistic,
) -> ShiftedSets:
    """Standardise changes around the comparators' mean and attach the sets to compare.

    Parameters
    ----------
    changes, variance : array of shape (outcomes, n)
    treated : bool array of shape (n,)
    assignments : Assignments
    statistic : {"t", "difference"}

    Returns
    -------
    ShiftedSets
    """
    centred = changes - changes[:, ~treated].mean(1, keepdims=True)
    root = np.sqrt(variance)
    return ShiftedSets(
        z=centred / root,
        w=treated / root,
        actual=np.flatnonzero(treated)[None],
        assignments=assignments,
        statistic=statistic,
    )


def find_ends(
    drawn: tuple[Coefficients, Coefficients],
    own: tuple[Coefficients, Coefficients],
    assignments: Assignments,
    alpha: float,
    scale: np.ndarray,
) -> np.ndarray:
    """Find how far from the centre a test of sets rejects, below and above it.

    Parameters
    ----------
    drawn, own : pair of tuples of arrays of shape (outcomes, sets) and (outcomes, 1)
        Numerator and squared denominator of the drawn and of the actual set's statistic, as
        polynomials of the distance from the effect at which the actual statistic is 0.
    assignments : Assignments
    alpha : float
    scale : array of shape (outcomes,)
        First step, of the order of a standard error.

    Returns
    -------
    array of shape (2, outcomes)
    """
    (difference, spread), (own_difference, own_spread) = drawn, own
    quartic = reach_quartics(difference, spread, own_difference[1] * (1 - TIE), own_spread)

    def kept(count: np.ndarray) -> np.ndarray:
        return assignments.p_value(count) > alpha

    return find_both_ends(quartic, kept, scale)


def square(constant: np.ndarray, slope: np.ndarray) -> Coefficients:
    """Square a line: constant, slope and coefficient of the square."""
    return constant * constant, 2 * constant * slope, slope * slope


def _others(values: Coefficients, sums: Iterable[np.ndarray]) -> Coefficients:
    """Sum over the councils outside each set."""
    return tuple(
        value.sum(1, keepdims=True) - part for value, part in zip(values, sums, strict=True)
    )


def variance_of_mean(squares: Iterable[np.ndarray], sums: Coefficients, count: int) -> Coefficients:
    """Write the variance of a mean of `count` values as a polynomial, from its sums."""
    scale = 1 / (count * (count - 1))
    return tuple(
        (one - two / count) * scale for one, two in zip(squares, square(*sums), strict=True)
    )


def difference_of_means(data: Changes) -> float:
    """Compute the unweighted effect on the treated."""
    return float(data.changes[data.treated].mean() - data.changes[~data.treated].mean())


def name_limits(assignments: Assignments, alpha: float, low: float, high: float) -> str:
    """Say what limits an answer by sets: too few sets, or an interval without an end."""
    limits = []
    if assignments.smallest_p > alpha:
        limits.append(f"the smallest possible p-value is {assignments.smallest_p:.3g}")
    if np.isinf(low) or np.isinf(high):
        limits.append("no effect is too large to be rejected, so the interval has no end")
    return "; ".join(limits)


def _diagnostics(sets: ShiftedSets) -> dict[str, float]:
    return {
        "statistic": float(sets.compute(sets.z, sets.actual)[0, 0]),
        "centre": float(sets.centre()[0]),
        "assignments": float(len(sets.assignments.members)),
        "complete": float(sets.assignments.complete),
        "smallest_p": sets.assignments.smallest_p,
    }
