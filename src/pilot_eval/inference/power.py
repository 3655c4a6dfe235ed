"""Minimum detectable effects, from comparators only, before any result is looked at."""

from __future__ import annotations

from functools import cache
from math import nan
from typing import Literal

import numpy as np
from scipy.optimize import brentq
from scipy.special import gammaincinv, ndtr, stdtrit

from pilot_eval.doors import ALPHA, Numbers, OneOf, Seed, Whole, takes
from pilot_eval.errors import InferenceError, explain
from pilot_eval.inference.assignments import draw_subsets
from pilot_eval.inference.inputs import Changes, check_changes, why_not_estimable
from pilot_eval.inference.robust import fit_on_comparators
from pilot_eval.inference.set_statistics import sum_sets, welch_t
from pilot_eval.inference.size_adjusted import MIN_COMPARATORS, satterthwaite_df
from pilot_eval.inference.variance import variance_of_total

Method = Literal["robust", "size_adjusted", "cr2"]
FEWEST_TREATED = {"robust": 2, "cr2": 2, "size_adjusted": 1}
CLOSE = 1e-9
"""How near to the effect at which one more set is missed, in standard errors."""
ROUNDING = 1e-9
"""In sets: 0.2 of 100 are 20, and not a little less."""
LARGEST = 1e3
"""Largest effect looked for, in standard errors; beyond it there is none worth naming."""
NODES = 200
"""Quadrature nodes over the estimated scale: six digits at one degree of freedom."""


@takes(
    InferenceError,
    changes_comparators=Numbers(ndim=(1,)),
    cases_comparators=Numbers(above=0, ndim=(1,)),
    period_factor_comparators=Numbers(above=0, ndim=(1,)),
    cases_treated=Numbers(axis=None, above=0, ndim=(1,)),
    period_factor_treated=Numbers(axis=None, above=0, ndim=(1,)),
    n_treated=Whole(least=0),
    method=OneOf(("robust", "size_adjusted", "cr2")),
    alpha=ALPHA,
    power=ALPHA,
    draws=Whole(),
    seed=Seed(),
)
def minimum_detectable_effect(
    changes_comparators: np.ndarray,
    cases_comparators: np.ndarray,
    cases_treated: np.ndarray,
    n_treated: int,
    method: Method = "robust",
    alpha: float = 0.05,
    power: float = 0.8,
    *,
    draws: int = 4999,
    seed: int = 0,
    period_factor_comparators: np.ndarray | None = None,
    period_factor_treated: np.ndarray | None = None,
) -> float:
    """Find the smallest true effect that a method would detect with the stated power.

    Parameters
    ----------
    changes_comparators, cases_comparators : array of shape (n0,)
        The comparators' changes and the cases behind them.
    cases_treated : array of shape (n_treated,)
        Cases behind the treated councils' outcomes; their changes are not looked at.
    n_treated : int
        Number of treated councils.
    method : {"robust", "size_adjusted", "cr2"}
        Test that will be used. For the t tests the effect solves the non-central t's power; for
        the robust test it is found on placebo sets of standardised comparators.
    alpha, power : float
        Level of the two-sided test and probability of detection.
    draws, seed : int
        Placebo sets for the robust test.
    period_factor_comparators, period_factor_treated : array, optional
        Variance factors of the changes from their numbers of periods. Default 1; CR2 has none.

    Returns
    -------
    float
        In the outcome's unit, above 0; NaN where the method has no answer (one treated council
        for robust and CR2, too few comparators, no variation, power out of reach).

    Raises
    ------
    InferenceError
        If the input is not finite, counts disagree or an option is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> changes = np.tile([-1.0, 1.0], 70)
    >>> cases = np.full(140, 200.0)
    >>> round(minimum_detectable_effect(changes, cases, cases[:5], 5, "size_adjusted"), 2)
    1.28
    """
    data = _check(changes_comparators, cases_comparators, cases_treated, n_treated, alpha, power)
    if period_factor_comparators is not None or period_factor_treated is not None:
        data = _with_factor(data, period_factor_treated, period_factor_comparators)
    if why_not_estimable(data, min_treated=FEWEST_TREATED[method], min_comparators=MIN_COMPARATORS):
        return nan
    if method == "robust":
        return _by_placebo_sets(data, alpha, power, draws, seed)
    std_error, df = _cr2_formula(data) if method == "cr2" else _size_formula(data)
    return std_error * _detectable_in_standard_errors(df, alpha, power)


def _check(
    changes: np.ndarray,
    cases: np.ndarray,
    cases_treated: np.ndarray,
    n_treated: int,
    alpha: float,
    power: float,
) -> Changes:
    treated_cases = cases_treated
    if treated_cases.shape != (n_treated,):
        got = f"{treated_cases.size} for {n_treated} treated"
        raise InferenceError(
            explain("cases_treated", "have one value per treated council", got, "Align them.")
        )
    if not alpha < power < 1:
        raise InferenceError(
            explain("power", "lie between alpha and 1", power, "Write 0.8 for 80%.")
        )
    return check_changes(
        np.concatenate([np.zeros(n_treated), changes]),
        np.arange(n_treated + changes.size) < n_treated,
        np.concatenate([treated_cases, cases]),
    )


def _with_factor(
    data: Changes, treated: np.ndarray | None, comparators: np.ndarray | None
) -> Changes:
    counts = (data.n_treated, data.n_comparators)
    if treated is not None and np.size(treated) != data.n_treated:
        got = f"{np.size(treated)} for {data.n_treated} treated"
        name, rule = "period_factor_treated", "have one value per treated council"
        raise InferenceError(explain(name, rule, got, "Align them."))
    parts = [
        np.ones(count) if part is None else np.asarray(part, dtype=float)
        for part, count in zip((treated, comparators), counts, strict=True)
    ]
    factor = np.concatenate(parts)
    return check_changes(data.changes, data.treated, data.cases, factor)


def _cr2_formula(data: Changes) -> tuple[float, float]:
    n1, n0 = data.n_treated, data.n_comparators
    variance = data.changes[~data.treated].var(ddof=1) * (1 / n1 + 1 / n0)
    spread = 1 / (n1**2 * (n1 - 1)) + 1 / (n0**2 * (n0 - 1))
    return float(np.sqrt(variance)), (1 / n1 + 1 / n0) ** 2 / spread


def _size_formula(data: Changes) -> tuple[float, float]:
    fit = fit_on_comparators(data)
    shares = np.where(data.treated, 1 / data.n_treated, 1 / data.n_comparators) ** 2
    variance = float((shares * fit.variance[0]).sum())
    scaled = shares * data.period_factor
    gradient = scaled.sum(keepdims=True), (scaled / data.cases).sum(keepdims=True)
    df = satterthwaite_df(np.array(variance), variance_of_total(fit, *gradient)[0])
    return float(np.sqrt(variance)), float(df)


def _detectable_in_standard_errors(df: float, alpha: float, power: float) -> float:
    """Solve the non-central t's power for the effect, averaging over the estimated scale."""
    nodes, weights = _quadrature()
    scale = np.sqrt(2 * gammaincinv(df / 2, (1 + nodes) / 2) / df)
    reach = float(stdtrit(df, 1 - alpha / 2)) * scale

    def excess(effect: float) -> float:
        missed = ndtr(reach - effect) - ndtr(-reach - effect)
        return float(weights @ missed) / 2 - (1 - power)

    return float(brentq(excess, 0.0, LARGEST))


@cache
def _quadrature() -> tuple[np.ndarray, np.ndarray]:
    return np.polynomial.legendre.leggauss(NODES)


def _by_placebo_sets(data: Changes, alpha: float, power: float, draws: int, seed: int) -> float:
    """Shift placebo sets of standardised comparators until enough of them are detected."""
    variance = fit_on_comparators(data).variance[0]
    changes = data.changes[~data.treated]
    z = (changes - changes.mean()) / np.sqrt(variance[~data.treated])
    w = 1 / np.sqrt(variance[data.treated])
    k, n = data.n_treated, z.size
    if n <= k + 1:
        return nan
    members = draw_subsets(np.random.default_rng(seed), draws, n, k)
    sums, squares = sum_sets(z[None], members)[0], sum_sets(z[None] ** 2, members)[0]
    cross = (z[members] * w).sum(1)
    critical = np.quantile(np.abs(welch_t(sums, squares, z.sum(), (z**2).sum(), k, n)), 1 - alpha)

    def missed(tau: float) -> float:
        grown = 2 * tau * cross + tau**2 * (w**2).sum()
        shift = tau * w.sum()
        totals = z.sum() + shift, (z**2).sum() + grown
        reached = welch_t(sums + shift, squares + grown, *totals, k, n)
        return float((np.abs(reached) < critical).sum())

    unit = float(np.sqrt(variance[data.treated].sum()) / k)
    # Between two counts: no effect misses exactly so many, and the root is where a set passes.
    most = np.floor((1 - power) * len(members) + ROUNDING) + 0.5
    if not missed(LARGEST * unit) < most < missed(0.0):
        return nan
    return float(brentq(lambda tau: missed(tau) - most, 0.0, LARGEST * unit, xtol=CLOSE * unit))
