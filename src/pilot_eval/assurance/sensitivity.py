"""How far trends may part before a conclusion falls (Rambachan and Roth 2023)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pilot_eval.assurance.moment_test import MomentTest, dual_vertices
from pilot_eval.errors import InferenceError, explain
from pilot_eval.estimation.event_study import EventStudy, change_covariance

Restriction = Literal["smoothness", "relative_magnitudes"]
METHOD = {"smoothness": "FLCI", "relative_magnitudes": "C-LF"}
MOST_POST_PERIODS = 8  # the test lists every vertex of its dual: 12,870 of them with eight
GRID_POINTS = 401  # over the whole range; its ends are then refined
REFINEMENTS, POINTS_PER_REFINEMENT = 4, 33  # a millionth of a grid step
BREAKDOWN_STEPS = 40
LARGEST_BREAKDOWN = 1e6


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrendEvidence:
    """Event-study coefficients with their covariance, reference period left out.

    Attributes
    ----------
    estimates : float array (n_pre + n_post,)
        Consecutive event times ..., -3, -2, then 0, 1, ...
    covariance : float array (n_pre + n_post, n_pre + n_post)
    n_pre : int
    target : float array (n_post,)
        Weights of the effect of interest; default in the builders: event time 0.
    """

    estimates: np.ndarray
    covariance: np.ndarray
    n_pre: int
    target: np.ndarray

    def __post_init__(self) -> None:
        n = len(self.estimates)
        if not (1 <= self.n_pre < n and np.shape(self.target) == (n - self.n_pre,)):
            _refuse(
                "n_pre", "leave one pre- and one post-treatment coefficient or more", self.n_pre
            )
        if not np.isfinite(self.estimates).all() or np.shape(self.covariance) != (n, n):
            _refuse("estimates", "be finite, with a square covariance", np.shape(self.covariance))
        eigenvalues = np.linalg.eigvalsh(self.covariance)
        if not eigenvalues[0] > -1e-10 * eigenvalues[-1] or eigenvalues[-1] <= 0:
            _refuse("covariance", "be positive semi-definite and not zero", "another matrix")

    @property
    def n_post(self) -> int:
        """Number of post-treatment coefficients."""
        return len(self.target)

    @property
    def effect(self) -> float:
        """Estimate of the effect of interest under parallel trends."""
        return float(self.target @ self.estimates[self.n_pre :])

    @property
    def std_error(self) -> float:
        """Standard error of `effect`."""
        post = self.covariance[self.n_pre :, self.n_pre :]
        return float(np.sqrt(self.target @ post @ self.target))


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
    """

    restriction: str
    bound: float
    conf_low: float
    conf_high: float
    method: str
    alpha: float


def trend_evidence(study: EventStudy, target: np.ndarray | None = None) -> TrendEvidence:
    """Take the longest consecutive run of complete event times around the reference.

    Parameters
    ----------
    study : EventStudy
        With reference -1 throughout (base "universal").
    target : float array (n_post,), optional
        Weights of post-treatment effects; default: event time 0 alone.

    Returns
    -------
    TrendEvidence
        Covariance by Bell and McCaffrey's correction of the collapsed changes.

    Raises
    ------
    InferenceError
        If there is no coefficient before the reference, or none after.
    """
    if study.base != "universal":
        _refuse("study", 'have base "universal"', study.base)
    complete = set(study.event_times[np.isfinite(study.changes).all(0)].tolist())
    first, last = -1, -1
    while first - 1 in complete:
        first -= 1
    while last + 1 in complete:
        last += 1
    if first > -2 or last < 0:
        _refuse("study", "have a complete event time before -1 and one after", (first, last))
    chosen = (study.event_times >= first) & (study.event_times <= last)
    chosen &= study.event_times != -1
    n_post = last + 1
    return TrendEvidence(
        estimates=study.estimates[chosen],
        covariance=change_covariance(study.changes[:, chosen], study.treated),
        n_pre=int(chosen.sum()) - n_post,
        target=np.eye(n_post)[0] if target is None else np.asarray(target, dtype=float),
    )


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
    Both intervals take the estimates as normal with known covariance: with few treated councils
    they are narrower than they should be, and the report says so.

    References
    ----------
    Rambachan and Roth (2023), Review of Economic Studies 90(5), sections 3-4; Andrews, Roth and
    Pakes (2023), RES 90(6). ``docs/methods-estimators.md``, block RR.
    """
    if not (np.isfinite(bound) and bound >= 0):
        _refuse("bound", "be a number of at least 0", bound)
    if not 0 < alpha < 0.5:
        _refuse("alpha", "be between 0 and 0.5", alpha)
    if restriction not in METHOD:
        _refuse("restriction", f"be one of {tuple(METHOD)}", restriction)
    if restriction == "smoothness":
        low, high = _fixed_length_interval(evidence, bound, alpha)
    else:
        low, high = _relative_interval(evidence, bound, alpha, seed)
    return TrendBounds(
        restriction=restriction,
        bound=float(bound),
        conf_low=low,
        conf_high=high,
        method=METHOD[restriction],
        alpha=alpha,
    )


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
        where no departure up to a million brings it in.
    """

    def excludes(bound: float) -> bool:
        found = bound_trends(evidence, bound, restriction, alpha=alpha, seed=seed)
        return not found.conf_low <= null <= found.conf_high

    if not excludes(0.0):
        return float("nan")
    low, high = 0.0, 1.0 if restriction == "relative_magnitudes" else evidence.std_error
    while excludes(high):
        low, high = high, 2.0 * high
        if high > LARGEST_BREAKDOWN:
            return float("inf")
    for _ in range(BREAKDOWN_STEPS):
        if high - low <= 5e-4 * high:
            break
        middle = (low + high) / 2
        low, high = (middle, high) if excludes(middle) else (low, middle)
    return low


# Smoothness: fixed-length interval ---------------------------------------------------------------


def _fixed_length_interval(
    evidence: TrendEvidence, bound: float, alpha: float
) -> tuple[float, float]:
    curve = _second_sum_map(evidence)
    weights, half_length = _shortest(evidence, curve, bound, alpha)
    centre = float(weights @ evidence.estimates)
    return centre - half_length, centre + half_length


def _second_sum_map(evidence: TrendEvidence) -> tuple[np.ndarray, np.ndarray, float]:
    """Write affine estimators without bias from linear trends in terms of their free part.

    Twice-summed weights W on the pre-treatment coefficients are the response to a kink in the
    difference of trends; the last one is fixed by freedom from linear trends. Returns G, g, c:
    weights on all coefficients are G u + g for free u = W[:-1], and the worst bias is
    M (c + sum |u|).
    """
    n_pre, n_post, target = evidence.n_pre, evidence.n_post, evidence.target
    once = np.eye(n_pre) - np.eye(n_pre, k=-1)
    twice = once @ once
    fixed = float(np.arange(1, n_post + 1) @ target)
    G = np.vstack([twice[:, :-1], np.zeros((n_post, n_pre - 1))])
    g = np.concatenate([twice[:, -1] * fixed, target])
    tails = [np.arange(1, s + 1) @ target[n_post - s :] for s in range(1, n_post + 1)]
    return G, g, float(np.abs(tails).sum())


def _shortest(
    evidence: TrendEvidence,
    curve: tuple[np.ndarray, np.ndarray, float],
    bound: float,
    alpha: float,
) -> tuple[np.ndarray, float]:
    from scipy.optimize import minimize

    G, g, constant = curve
    n_free = G.shape[1]
    scale = evidence.std_error
    S = evidence.covariance / scale**2
    start = np.linalg.lstsq(G.T @ S @ G, -G.T @ S @ g, rcond=None)[0]  # least variance
    M = bound / scale

    def length(v: np.ndarray) -> tuple[float, np.ndarray]:
        weights = G @ (v[:n_free] - v[n_free:]) + g
        sd = np.sqrt(weights @ S @ weights)
        bias = M * (constant + v.sum())
        critical, slope = _folded_critical(bias / sd, alpha)
        sd_gradient = G.T @ S @ weights / sd * (critical - slope * bias / sd)
        return sd * critical, np.concatenate([sd_gradient, -sd_gradient]) + slope * M

    if M == 0 or n_free == 0:
        best = start
    else:
        split = np.concatenate([np.maximum(start, 0.0), np.maximum(-start, 0.0)])
        options = {"ftol": 1e-15, "gtol": 1e-10, "maxiter": 10_000, "maxfun": 100_000}
        found = minimize(
            length,
            split,
            jac=True,
            method="L-BFGS-B",
            bounds=[(0, None)] * len(split),
            options=options,
        )
        best = found.x[:n_free] - found.x[n_free:]
    weights = G @ best + g
    sd = float(np.sqrt(weights @ S @ weights))
    bias = M * (constant + np.abs(best).sum())
    return weights, scale * sd * _folded_critical(bias / sd, alpha)[0]


def _folded_critical(shift: float, alpha: float) -> tuple[float, float]:
    """Quantile 1 - alpha of |N(shift, 1)|, and its derivative in shift."""
    from scipy.special import ndtr, ndtri

    def density(x: float) -> float:
        return float(np.exp(-0.5 * x * x))

    value = shift - ndtri(alpha) if shift > 1 else -ndtri(alpha / 2)
    for _ in range(60):
        excess = ndtr(value - shift) - ndtr(-value - shift) - (1 - alpha)
        move = excess * np.sqrt(2 * np.pi) / (density(value - shift) + density(value + shift))
        value -= move
        if abs(move) < 1e-14 * value:
            break
    up, down = density(value - shift), density(value + shift)
    return float(value), (up - down) / (up + down)


# Relative magnitudes: values not rejected by the conditional test ---------------------------------


def _relative_interval(
    evidence: TrendEvidence, bound: float, alpha: float, seed: int
) -> tuple[float, float]:
    if evidence.n_post > MOST_POST_PERIODS:
        _refuse("evidence", f"have at most {MOST_POST_PERIODS} post periods", evidence.n_post)
    lows, highs = [], []
    for test in relative_magnitude_tests(evidence, bound, alpha=alpha, seed=seed):
        low, high = _not_rejected(test.accepts, evidence, bound)
        lows.append(low)
        highs.append(high)
    if np.isnan(lows).all():
        return float("nan"), float("nan")
    return float(np.nanmin(lows)), float(np.nanmax(highs))


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


def _refuse(name: str, rule: str, got: object) -> None:
    raise InferenceError(explain(name, rule, got, "See the method's block in the documentation."))
