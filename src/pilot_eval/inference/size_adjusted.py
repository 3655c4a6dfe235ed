"""The sharp test: a t test whose standard error follows from each council's size.

It assumes that the treated are as noisy as their size predicts; `docs/validity.md` shows what
happens where they are not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import fdtr, fdtrc, stdtr, stdtrit

from pilot_eval.doors import Numbers
from pilot_eval.inference.inputs import (
    Changes,
    check_changes,
    takes_changes,
    why_not_estimable,
)
from pilot_eval.inference.result import Counts, InferenceResult
from pilot_eval.inference.variance import SizeFunction, fit_size_function, variance_of_total

METHOD = "size_adjusted"
MIN_COMPARATORS = 5
"""Two coefficients and a mean are fitted on comparators; with fewer than five nothing is left."""

DOUBT = 0.05
"""Level of the test of the assumption on the treated at which the result says it is doubtful."""
ENOUGH_COMPARATORS = 60
"""Comparators from which the test has at least 97% of an oracle's power."""
LARGEST_DF = 1e6
"""Degrees of freedom beyond which t and normal agree to six digits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeAdjusted:
    """Figures of the size-adjusted t for a batch; every array has shape (batch,)."""

    estimate: np.ndarray
    variance: np.ndarray
    df: np.ndarray
    p_value: np.ndarray
    fit: SizeFunction

    def interval(self, alpha: float) -> tuple[np.ndarray, np.ndarray]:
        """Compute the ends of the interval of level 1 - alpha."""
        half = stdtrit(self.df, 1 - alpha / 2) * np.sqrt(self.variance)
        return self.estimate - half, self.estimate + half


@takes_changes(weights=Numbers(above=0, ndim=(1,)))
def size_adjusted_test(
    changes: np.ndarray,
    treated: np.ndarray,
    cases: np.ndarray,
    *,
    period_factor: np.ndarray | None = None,
    alpha: float = 0.05,
    weights: np.ndarray | None = None,
) -> InferenceResult:
    """Test the effect on the treated with the variance that their size predicts.

    Parameters
    ----------
    changes : array of shape (n,)
        Mean after minus mean before, one value per council, in the outcome's unit.
    treated : bool array of shape (n,)
    cases : array of shape (n,)
        Cases behind each change (harmonic mean of the denominators), above 0.
    period_factor : array of shape (n,), optional
        Variance factor from the number of periods, such as 1/n_before + 1/n_after. Default 1.
    alpha : float
        Level of the two-sided test and interval.
    weights : array of shape (n,), optional
        Weights of the councils in both means. Default: a council is the unit.

    Returns
    -------
    InferenceResult
        Diagnostics: a, b and their standard errors, kappa, and `dispersion` with its p-value
        `dispersion_p`: whether the treated vary among themselves as their size predicts.

    Raises
    ------
    InferenceError
        If the input is not one finite value a council, or cases are not above 0.

    References
    ----------
    Ferman and Pinto (2019), Review of Economics and Statistics 101(3); degrees of freedom by
    Satterthwaite (1946), Biometrics Bulletin 2(6).

    Examples
    --------
    >>> import numpy as np
    >>> changes = np.array([4.0, 1.0, -1.0, 2.0, -2.0, 0.0])
    >>> result = size_adjusted_test(changes, np.arange(6) == 0, np.full(6, 100.0))
    >>> result.estimate, round(result.std_error, 4)
    (4.0, 1.7321)
    """
    data = check_changes(changes, treated, cases, period_factor)
    counts: Counts = {
        "n_treated": data.n_treated,
        "n_comparators": data.n_comparators,
        "alpha": alpha,
    }
    reason = why_not_estimable(data, min_treated=1, min_comparators=MIN_COMPARATORS)
    if reason:
        return InferenceResult(method=METHOD, reason=reason, **counts)
    weight = 1.0 if weights is None else weights
    answer = compute_size_adjusted(
        data.changes[None], data.treated[None], data.cases, data.period_factor, weight
    )
    low, high = answer.interval(alpha)
    diagnostics = _diagnostics(answer.fit, data)
    return InferenceResult(
        method=METHOD,
        estimate=float(answer.estimate[0]),
        std_error=float(np.sqrt(answer.variance[0])),
        df=float(answer.df[0]),
        p_value=float(answer.p_value[0]),
        conf_low=float(low[0]),
        conf_high=float(high[0]),
        reason="; ".join(filter(None, [_doubt(diagnostics), _few(data)])),
        diagnostics=diagnostics,
        **counts,
    )


def compute_size_adjusted(
    changes: np.ndarray,
    treated: np.ndarray,
    cases: np.ndarray,
    factor: np.ndarray,
    weights: np.ndarray | float = 1.0,
    fit: SizeFunction | None = None,
) -> SizeAdjusted:
    """Compute the size-adjusted t for a batch of outcomes or simulated draws.

    Parameters
    ----------
    changes : array of shape (batch, n)
    treated : bool array broadcastable to (batch, n)
    cases, factor, weights : array broadcastable to (batch, n)
    fit : SizeFunction, optional
        If it is known already.

    Returns
    -------
    SizeAdjusted
    """
    treated = np.broadcast_to(treated, changes.shape)
    shares = _shares(treated, weights) + _shares(~treated, weights)
    centre = np.where(treated, 0.0, shares * changes).sum(1)
    estimate = np.where(treated, shares * changes, 0.0).sum(1) - centre
    if fit is None:
        fit = fit_size_function(comparator_squares(changes, treated), ~treated, cases, factor)
    variance = (shares**2 * fit.variance).sum(1)
    spread = variance_of_total(
        fit, (shares**2 * factor).sum(1), (shares**2 * factor / cases).sum(1)
    )
    df = satterthwaite_df(variance, spread)
    error = np.sqrt(variance)
    t = np.divide(estimate, error, out=np.full_like(estimate, np.nan), where=error > 0)
    p_value = 2 * stdtr(df, -np.abs(t))
    p_value = np.maximum(p_value, np.finfo(float).tiny)
    return SizeAdjusted(estimate=estimate, variance=variance, df=df, p_value=p_value, fit=fit)


def satterthwaite_df(variance: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Compute degrees of freedom 2 V^2 / Var(V), at most `LARGEST_DF`; NaN where V is 0."""
    least = np.maximum(spread, 2 * variance**2 / LARGEST_DF)
    missing = np.full(np.shape(variance), np.nan)
    result: np.ndarray = np.divide(2 * variance**2, least, out=missing, where=least > 0)
    return result


def comparator_squares(changes: np.ndarray, treated: np.ndarray) -> np.ndarray:
    """Square the deviations from the comparators' mean, times n0 / (n0 - 1).

    Parameters
    ----------
    changes : array of shape (batch, n)
    treated : bool array of shape (batch, n)

    Returns
    -------
    array of shape (batch, n)
    """
    n0 = (~treated).sum(1, keepdims=True)
    mean = np.where(treated, 0.0, changes).sum(1, keepdims=True) / n0
    result: np.ndarray = (changes - mean) ** 2 * n0 / (n0 - 1)
    return result


def _shares(members: np.ndarray, weights: np.ndarray | float) -> np.ndarray:
    part = members * weights
    result: np.ndarray = part / part.sum(1, keepdims=True)
    return result


def _diagnostics(fit: SizeFunction, data: Changes) -> dict[str, float]:
    one = np.ones(1)
    return {
        "a": float(fit.a[0]),
        "b": float(fit.b[0]),
        "a_std_error": float(np.sqrt(variance_of_total(fit, one, 0 * one)[0])),
        "b_std_error": float(np.sqrt(variance_of_total(fit, 0 * one, one)[0])),
        "kappa": float(fit.kappa[0]),
        **_dispersion(fit, data),
    }


def _doubt(diagnostics: dict[str, float]) -> str:
    """Say so where the treated contradict the assumption that their variance follows size."""
    if not diagnostics["dispersion_p"] < DOUBT:
        return ""
    return (
        "doubtful: the treated councils' changes spread "
        f"{diagnostics['dispersion']:.2g} times as much (variance) as their size predicts"
    )


def _few(data: Changes) -> str:
    """Say so where few comparators cost more power than the test promises."""
    if data.n_comparators >= ENOUGH_COMPARATORS:
        return ""
    return (
        f"only {data.n_comparators} comparators: the fitted variance costs power (96% of an "
        "oracle's with 35; docs/validity.md)"
    )


def _dispersion(fit: SizeFunction, data: Changes) -> dict[str, float]:
    """Ask whether the treated vary among themselves as their size predicts (F test).

    sum (d_i - weighted mean)^2 / v_i / (n1 - 1) is 1 on average where they do; a common effect
    cancels. With few treated it has little power: it can warn, not reassure.
    """
    if data.n_treated < 2:
        return {"dispersion": np.nan, "dispersion_p": np.nan}
    v, d = fit.variance[0, data.treated], data.changes[data.treated]
    centre = np.average(d, weights=1 / v)
    ratio = float(((d - centre) ** 2 / v).sum() / (data.n_treated - 1))
    dfs = data.n_treated - 1, max(2.0 * data.n_comparators / fit.kappa[0], 1.0)
    p_value = min(1.0, 2 * min(fdtr(*dfs, ratio), fdtrc(*dfs, ratio)))
    return {"dispersion": ratio, "dispersion_p": float(p_value)}
