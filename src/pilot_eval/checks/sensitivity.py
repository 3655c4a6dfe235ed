"""How far trends may part before a conclusion falls (Rambachan and Roth 2023)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from pilot_eval.checks.fixed_length import fixed_length_interval
from pilot_eval.checks.moment_test import MomentTest, dual_vertices
from pilot_eval.checks.trend_evidence import TrendEvidence, refuse
from pilot_eval.doors import Number, OneOf, Seed, takes
from pilot_eval.errors import InferenceError

Restriction = Literal["smoothness", "relative_magnitudes"]
METHOD = {"smoothness": "FLCI", "relative_magnitudes": "C-LF"}
MOST_POST_PERIODS = 8  # the test lists every vertex of its dual: 12,870 of them with eight
GRID_POINTS = 401  # over the whole range; its ends are then refined
REFINEMENTS, POINTS_PER_REFINEMENT = 4, 33  # a millionth of a grid step
BREAKDOWN_STEPS = 40
LARGEST_BREAKDOWN = 1e6
SETTINGS: dict[str, Any] = {
    "bound": Number(low=0.0),
    "null": Number(),
    "alpha": Number(low=0.0, high=0.5, open=True),
    "restriction": OneOf(tuple(METHOD)),
    "seed": Seed(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrendBounds:
    """One robust interval.

    Attributes
    ----------
    restriction : {"smoothness", "relative_magnitudes"}
    bound : float
        M or Mbar.
    conf_low, conf_high : float
        Infinite where the interval has no end within the range searched.
    method : {"FLCI", "C-LF"}
    alpha : float
    reason : str
        Why the interval has no ends; empty where it has.
    """

    restriction: str
    bound: float
    conf_low: float
    conf_high: float
    method: str
    alpha: float
    reason: str = ""


def _widened(evidence: TrendEvidence, alpha: float) -> TrendEvidence:
    from scipy.special import ndtri, stdtrit

    if np.isinf(evidence.df):
        return evidence
    ratio = stdtrit(evidence.df, 1 - alpha / 2) / ndtri(1 - alpha / 2)
    return replace(evidence, covariance=ratio**2 * evidence.covariance, df=float("inf"))


@takes(InferenceError, **SETTINGS)
def bound_trends(
    evidence: TrendEvidence,
    bound: float,
    restriction: Restriction = "relative_magnitudes",
    *,
    alpha: float = 0.05,
    seed: int = 0,
) -> TrendBounds:
    """Bound the effect when trends may part by so much.

    Parameters
    ----------
    evidence : TrendEvidence
    bound : float
        At least 0. Smoothness: M, by which the difference in trends may change its slope from one
        period to the next, in units of the outcome. Relative magnitudes: Mbar, the largest
        post-treatment step of the difference as a multiple of the largest pre-treatment one.
    restriction : {"smoothness", "relative_magnitudes"}
    alpha : float
    seed : int
        For the first stage's critical value (relative magnitudes), from 20,000 normal draws.

    Returns
    -------
    TrendBounds
        Fixed-length interval of least half-length (smoothness), or the values not rejected by the
        conditional test with a least-favourable first stage of size alpha / 10 (relative
        magnitudes).

    Raises
    ------
    InferenceError
        If an argument cannot be used, or there are more than eight post-treatment coefficients
        under relative magnitudes (average neighbouring periods first).

    Notes
    -----
    Both intervals take the estimates as normal with known covariance. With few treated councils
    that is too narrow unless the evidence carries its degrees of freedom (`few_treated`).

    References
    ----------
    Rambachan and Roth (2023), Review of Economic Studies 90(5), sections 3-4; Andrews, Roth and
    Pakes (2023), RES 90(6). ``docs/methods-estimators.md``, block RR.
    """
    if evidence.reason:
        return TrendBounds(
            restriction=restriction,
            bound=float(bound),
            conf_low=-float("inf"),
            conf_high=float("inf"),
            method=METHOD[restriction],
            alpha=alpha,
            reason=evidence.reason,
        )
    if evidence.is_singular:
        refuse("covariance", "let every combination of coefficients vary", "a singular matrix")
    evidence = _widened(evidence, alpha)
    if restriction == "smoothness":
        low, high = fixed_length_interval(evidence, bound, alpha)
    else:
        low, high = _relative_interval(evidence, bound, alpha, seed)
    if np.isnan(low) or np.isnan(high):
        refuse("evidence", "leave some value that is not rejected", "none: the model does not fit")
    return TrendBounds(
        restriction=restriction,
        bound=float(bound),
        conf_low=low,
        conf_high=high,
        method=METHOD[restriction],
        alpha=alpha,
    )


@takes(InferenceError, **SETTINGS)
def breakdown_value(
    evidence: TrendEvidence,
    restriction: Restriction = "relative_magnitudes",
    *,
    null: float = 0.0,
    alpha: float = 0.05,
    seed: int = 0,
) -> float:
    """Find the largest departure of trends at which the interval still leaves out the null.

    Parameters
    ----------
    evidence, restriction, alpha, seed
        As `bound_trends`.
    null : float
        Value of no effect, or a non-inferiority margin.

    Returns
    -------
    float
        M or Mbar, to three digits; NaN where the interval holds the null even at 0, infinity
        where no departure up to a million (standard errors, for smoothness) brings it in.
    """

    def excludes(bound: float) -> bool:
        found = bound_trends(evidence, bound, restriction, alpha=alpha, seed=seed)
        return not found.conf_low <= null <= found.conf_high

    if not excludes(0.0):
        return float("nan")
    unit = 1.0 if restriction == "relative_magnitudes" else evidence.std_error
    low, high = 0.0, unit
    while excludes(high):
        low, high = high, 2.0 * high
        if high > LARGEST_BREAKDOWN * unit:
            return float("inf")
    for _ in range(BREAKDOWN_STEPS):
        if high - low <= 5e-4 * high:
            break
        middle = (low + high) / 2
        low, high = (middle, high) if excludes(middle) else (low, middle)
    return low


# Relative magnitudes: values not rejected by the conditional test ---------------------------------


def _relative_interval(
    evidence: TrendEvidence, bound: float, alpha: float, seed: int
) -> tuple[float, float]:
    if evidence.n_post > MOST_POST_PERIODS:
        refuse("evidence", f"have at most {MOST_POST_PERIODS} post periods", evidence.n_post)
    lows, highs = [], []
    for test in relative_magnitude_tests(evidence, bound, alpha=alpha, seed=seed):
        low, high = _not_rejected(test.accepts, evidence, bound)
        lows.append(low)
        highs.append(high)
    if np.isnan(lows).all():
        return float("nan"), float("nan")
    return float(np.nanmin(lows)), float(np.nanmax(highs))


@takes(InferenceError, **SETTINGS)
def relative_magnitude_tests(
    evidence: TrendEvidence, bound: float, *, alpha: float = 0.05, seed: int = 0
) -> list[MomentTest]:
    """Build one test for each pre-treatment step and sign that may be the largest.

    Parameters
    ----------
    evidence, bound, alpha, seed
        As `bound_trends`.

    Returns
    -------
    list of MomentTest
        A value belongs to the interval if any of them accepts it.
    """
    n_pre, n_post = evidence.n_pre, evidence.n_post
    steps = np.diff(np.eye(n_pre + n_post + 1), axis=0)  # difference from one period to the next
    steps = np.delete(steps, n_pre, axis=1)  # the reference period's own difference is zero
    basis = _basis(evidence.target)
    tests = []
    for step in range(n_pre):
        for sign in (1.0, -1.0):
            limit = bound * sign * steps[step]
            A = np.vstack([steps[n_pre:] - limit, -steps[n_pre:] - limit])
            nuisance = A[:, n_pre:] @ basis
            variance = A @ evidence.covariance @ A.T
            spread = np.sqrt(np.diag(variance))
            tests.append(
                MomentTest(
                    moments=A @ evidence.estimates,
                    slope=nuisance[:, 0],
                    variance=variance,
                    vertices=dual_vertices(nuisance[:, 1:], spread),
                    alpha=alpha,
                    seed=seed,
                )
            )
    return tests


def _basis(target: np.ndarray) -> np.ndarray:
    """Invert a matrix whose first row is the target: its columns carry effect and nuisance."""
    rows = np.eye(len(target))
    rows[np.abs(target).argmax()] = rows[0]
    rows[0] = target
    return np.linalg.inv(rows)


def _not_rejected(
    accepts: Callable[[np.ndarray], np.ndarray], evidence: TrendEvidence, bound: float
) -> tuple[float, float]:
    """Smallest and largest value not rejected; NaN where all are, infinite at an open end."""
    pre = np.append(evidence.estimates[: evidence.n_pre], 0.0)
    reach = np.arange(1, evidence.n_post + 1) @ np.abs(evidence.target)
    half = 20 * evidence.std_error + 3 * bound * np.abs(np.diff(pre)).max(initial=0.0) * reach
    grid = evidence.effect + np.linspace(-half, half, GRID_POINTS)
    kept = np.flatnonzero(accepts(grid))
    if len(kept) == 0:
        return float("nan"), float("nan")
    low = _edge(accepts, grid, kept[0], -1)
    return low, _edge(accepts, grid, kept[-1], 1)


def _edge(
    accepts: Callable[[np.ndarray], np.ndarray], grid: np.ndarray, index: int, side: int
) -> float:
    if not 0 <= index + side < len(grid):
        return side * float("inf")
    inside, outside = grid[index], grid[index + side]
    for _ in range(REFINEMENTS):
        finer = np.linspace(inside, outside, POINTS_PER_REFINEMENT)
        last = np.flatnonzero(accepts(finer)).max(initial=0)
        inside, outside = finer[last], finer[min(last + 1, len(finer) - 1)]
    return float(inside)
