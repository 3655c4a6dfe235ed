"""The adaptive test: honest also where the treated are noisier than their size predicts.

The treated part of the variance is scaled by how noisy the treated were *before* the trial,
relative to what their size predicts, at the horizon of the estimate: slow movements count as much
as in a change from before to after. How far that scale can be off is learnt from comparators.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pilot_eval.doors import MOST_PERIODS, Numbers, Whole
from pilot_eval.errors import InferenceError, explain
from pilot_eval.inference.inputs import (
    ROUNDING,
    Changes,
    check_changes,
    no_variation,
    takes_changes,
    why_not_estimable,
)
from pilot_eval.inference.persistence import PreTrial, measure_pretrial
from pilot_eval.inference.pretrial import MIN_OBSERVED, MIN_PERIODS, two_way_residuals
from pilot_eval.inference.result import Counts, InferenceResult
from pilot_eval.inference.size_adjusted import SizeAdjusted, compute_size_adjusted
from pilot_eval.inference.variance import fit_size_function

METHOD = "adaptive"
MIN_COMPARATORS = 12
"""Fewest comparators from which the null distribution is resampled."""
FEW_TREATED_NOTE = (
    "fewer than five treated councils: their own noise is known badly, which costs power "
    "(docs/validity.md)"
)
LEAST_SHARE = 0.4
"""Floor of the treated councils' noise ratio, whose unbiased estimate can be below 0: this share of
their ratio over all frequencies. A floor that did not move with the noise would bind less often for
noisier councils than for the comparators that stand in for them."""
ENOUGH_TREATED = 5
"""Treated councils below which the result says that power is low."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resamples:
    """Random numbers shared by every row of a batch, so that a batch equals single calls.

    Attributes
    ----------
    position : array of shape (draws, n_treated)
        Uniform positions among the comparators, drawn with replacement.
    mean_noise, fit_noise : array of shape (draws,)
        Standard normals for the comparators' mean and for the fitted variance function.
    """

    position: np.ndarray
    mean_noise: np.ndarray
    fit_noise: np.ndarray


@dataclass(frozen=True, slots=True, kw_only=True)
class Adaptive:
    """Figures of the adaptive test for a batch; arrays have shape (batch,)."""

    estimate: np.ndarray
    variance: np.ndarray
    p_value: np.ndarray
    critical: np.ndarray
    ratio: np.ndarray
    ratio_p: np.ndarray
    pretrial: PreTrial
    sharp: SizeAdjusted


@takes_changes(before=Numbers(missing=True, ndim=(2,)), n_after=Whole(most=MOST_PERIODS))
def adaptive_test(
    changes: np.ndarray,
    treated: np.ndarray,
    cases: np.ndarray,
    before: np.ndarray,
    *,
    n_after: int | None = None,
    draws: int = 9999,
    seed: int | np.random.Generator,
    period_factor: np.ndarray | None = None,
    alpha: float = 0.05,
) -> InferenceResult:
    """Test the effect with the treated councils' own pre-trial variability.

    Parameters
    ----------
    changes : array of shape (n,)
        Mean after minus mean before, one value per council, in the outcome's unit.
    treated : bool array of shape (n,)
    cases : array of shape (n,)
        Cases behind each change, above 0.
    before : array of shape (n, periods)
        Pre-trial values of the outcome, equally spaced; NaN where a period is missing. At least
        eight periods; a council needs five observed ones. Comparators with fewer are left out.
    n_after : int, optional
        Periods after the start behind each change: the horizon at which noise is measured. Default:
        as many as before.
    draws : int
        Resamples of comparators behind the p-value.
    seed : int or numpy Generator
    period_factor : array of shape (n,), optional
        Variance factor of each change from its number of periods. Default 1.
    alpha : float
        Level of the two-sided test and interval.

    Returns
    -------
    InferenceResult
        Diagnostics: `ratio`, the treated councils' pre-trial variance over what their size
        predicts, with `ratio_p`, the p-value of its being 1 (the test of the sharp test's
        assumption); `correlation` of the fast noise; `slow_share`, the share of slow (random-walk)
        noise in a change's variance; `critical`; a, b, kappa; `comparators_left_out`.

    Raises
    ------
    InferenceError
        If the input is not one finite value a council, or shapes disagree.

    Notes
    -----
    Unlike a t test it needs no degrees of freedom: comparators' changes, in the proportions of the
    treated councils' variances, are divided by the same comparators' pre-trial noise, so heavy
    tails and serial correlation enter the null distribution as they are.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> panel = rng.normal(size=(60, 12))
    >>> changes = panel[:, 8:].mean(1) - panel[:, :8].mean(1)
    >>> treated, cases = np.arange(60) < 4, np.full(60, 100)
    >>> result = adaptive_test(changes, treated, cases, panel[:, :8], n_after=4, seed=1)
    >>> 0.4 < result.diagnostics["ratio"] < 2
    True
    """
    series = before
    n_after = series.shape[1] if n_after is None else n_after
    kept, dropped = _enough_observed(series, treated)
    data, series = _checked_part(kept, changes, treated, cases, period_factor, series)
    counts: Counts = {
        "n_treated": data.n_treated,
        "n_comparators": data.n_comparators,
        "alpha": alpha,
    }
    reason = _why_not(data, series)
    if reason:
        return InferenceResult(method=METHOD, reason=reason, **counts)
    resamples = draw_resamples(data.n_treated, draws=draws, seed=seed)
    answer = compute_adaptive(
        data.changes[None],
        data.treated,
        data.cases,
        data.period_factor,
        series[None],
        n_after,
        resamples,
        alpha,
    )
    estimate, half = answer.estimate[0], answer.critical[0] * np.sqrt(answer.variance[0])
    return InferenceResult(
        method=METHOD,
        estimate=float(estimate),
        std_error=float(np.sqrt(answer.variance[0])),
        p_value=float(answer.p_value[0]),
        conf_low=float(estimate - half),
        conf_high=float(estimate + half),
        reason=_power_note(data.n_treated),
        diagnostics=_diagnostics(answer) | {"comparators_left_out": float(dropped)},
        **counts,
    )


def _power_note(n_treated: int) -> str:
    """Say so where few treated councils cost more power than the test promises."""
    return "" if n_treated >= ENOUGH_TREATED else FEW_TREATED_NOTE


def draw_resamples(n_treated: int, *, draws: int, seed: int | np.random.Generator) -> Resamples:
    """Draw the random numbers behind the null distribution.

    Parameters
    ----------
    n_treated, draws : int
    seed : int or numpy Generator

    Returns
    -------
    Resamples
    """
    if not (isinstance(draws, (int, np.integer)) and draws >= 1):
        raise InferenceError(explain("draws", "be a whole number above 0", draws, "Write 9999."))
    rng = np.random.default_rng(seed)
    return Resamples(
        position=rng.random((draws, n_treated)),
        mean_noise=rng.standard_normal(draws),
        fit_noise=rng.standard_normal(draws),
    )


def compute_adaptive(
    changes: np.ndarray,
    treated: np.ndarray,
    cases: np.ndarray,
    factor: np.ndarray,
    before: np.ndarray,
    n_after: int,
    resamples: Resamples,
    alpha: float,
    sharp: SizeAdjusted | None = None,
) -> Adaptive:
    """Compute the adaptive test for a batch of outcomes or simulated draws.

    Parameters
    ----------
    changes : array of shape (batch, n)
    treated : bool array of shape (n,)
    cases, factor : array broadcastable to (batch, n)
    before : array of shape (batch, n, periods)
    n_after : int
    resamples : Resamples
    alpha : float
    sharp : SizeAdjusted, optional
        The size-adjusted test of the same batch, if it is known already.

    Returns
    -------
    Adaptive
    """
    if sharp is None:
        sharp = compute_size_adjusted(changes, treated, cases, factor)
    pretrial = measure_pretrial(before, ~treated, changes, factor, n_after)
    predicted = fit_size_function(pretrial.overall, ~treated, cases, np.ones(treated.size)).variance
    ratios, least = pretrial.noise / predicted, LEAST_SHARE * pretrial.overall / predicted
    ratio = np.maximum(ratios[:, treated].mean(1), least[:, treated].mean(1))
    n1, n0 = int(treated.sum()), int((~treated).sum())
    own = sharp.fit.variance[:, treated].sum(1) / n1**2
    rest = sharp.fit.variance[:, ~treated].sum(1) / n0**2
    null, null_ratio = _null_distribution(
        changes, treated, sharp, ratios, least, own, rest, resamples
    )
    variance = ratio * own + rest
    reached = (null >= (np.abs(sharp.estimate) / np.sqrt(variance))[:, None]).sum(1)
    return Adaptive(
        estimate=sharp.estimate,
        variance=variance,
        p_value=(1 + reached) / (1 + null.shape[1]),
        critical=_critical(null, alpha),
        ratio=ratio,
        ratio_p=_two_sided(null_ratio, ratio),
        pretrial=pretrial,
        sharp=sharp,
    )


def _null_distribution(
    changes: np.ndarray,
    treated: np.ndarray,
    sharp: SizeAdjusted,
    ratios: np.ndarray,
    least: np.ndarray,
    own: np.ndarray,
    rest: np.ndarray,
    resamples: Resamples,
) -> tuple[np.ndarray, np.ndarray]:
    """Let comparators stand in for the treated, with the treated councils' variances."""
    n1, n0 = int(treated.sum()), int((~treated).sum())
    control = changes[:, ~treated]
    scale = np.sqrt((n0 - 1) / n0 * sharp.fit.variance[:, ~treated])
    z = (control - control.mean(1, keepdims=True)) / scale
    chosen = (resamples.position * n0).astype(np.intp)
    root = np.sqrt(sharp.fit.variance[:, treated]) / n1
    ratios, least = ratios[:, ~treated] / n1, least[:, ~treated] / n1
    shift = np.sqrt(rest)[:, None] * resamples.mean_noise
    ratio, floor = np.zeros(shift.shape), np.zeros(shift.shape)
    for j in range(n1):
        shift = shift + root[:, [j]] * z[:, chosen[:, j]]
        ratio = ratio + ratios[:, chosen[:, j]]
        floor = floor + least[:, chosen[:, j]]
    ratio = np.maximum(ratio, floor)
    fitted = ratio * own[:, None] * _chi_square_share(sharp.df, resamples.fit_noise)
    return np.abs(shift) / np.sqrt(fitted + rest[:, None]), ratio


def _chi_square_share(df: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """Turn normals into chi-square / df (Wilson and Hilferty), kept above 0."""
    step = 2 / (9 * df)[:, None]
    result: np.ndarray = np.maximum(1 - step + np.sqrt(step) * normal, 0.05) ** 3
    return result


def _critical(null: np.ndarray, alpha: float) -> np.ndarray:
    """Find the largest statistic that is not rejected: the interval is the test inverted."""
    rank = min(int(np.floor(alpha * (null.shape[1] + 1) + 1e-9)), null.shape[1])
    if rank == 0:
        return np.full(null.shape[0], np.inf)
    return -np.partition(-null, rank - 1, axis=1)[:, rank - 1]


def _two_sided(null: np.ndarray, actual: np.ndarray) -> np.ndarray:
    above = (null >= actual[:, None]).sum(1)
    below = (null <= actual[:, None]).sum(1)
    result: np.ndarray = np.minimum(1.0, 2 * (1 + np.minimum(above, below)) / (1 + null.shape[1]))
    return result


def _enough_observed(series: np.ndarray, treated: np.ndarray) -> tuple[np.ndarray, int]:
    kept = (np.isfinite(series).sum(1) >= MIN_OBSERVED) | treated
    return kept, int((~kept).sum())


def _checked_part(
    kept: np.ndarray,
    changes: np.ndarray,
    treated: np.ndarray,
    cases: np.ndarray,
    factor: np.ndarray | None,
    series: np.ndarray,
) -> tuple[Changes, np.ndarray]:
    full = check_changes(changes, treated, cases, factor)
    part = Changes(
        changes=full.changes[kept],
        treated=full.treated[kept],
        cases=full.cases[kept],
        period_factor=full.period_factor[kept],
    )
    return part, series[kept]


def _why_not(data: Changes, series: np.ndarray) -> str:
    if series.shape[1] < MIN_PERIODS:
        return f"not estimable: {series.shape[1]} pre-trial periods, needs {MIN_PERIODS}"
    reason = why_not_estimable(data, min_treated=1, min_comparators=MIN_COMPARATORS)
    if reason:
        return reason
    rows = series[data.treated]
    if (np.isfinite(rows).sum(1) < MIN_OBSERVED).any():
        return f"not estimable: a treated council has under {MIN_OBSERVED} pre-trial values"
    residual, _ = two_way_residuals(series[None], np.isfinite(series)[None], ~data.treated)
    noise = (residual[0] ** 2).mean(1)
    floor = (ROUNDING * float(np.nanmax(np.abs(series), initial=0.0))) ** 2
    if (noise[~data.treated] <= floor).all():
        return "not estimable: the comparators' pre-trial values do not vary"
    if (noise[data.treated] <= floor).all() or all(
        no_variation(row[~np.isnan(row)]) for row in rows
    ):
        return "not estimable: the treated councils' pre-trial values do not vary"
    return ""


def _diagnostics(answer: Adaptive) -> dict[str, float]:
    fit = answer.sharp.fit
    return {
        "ratio": float(answer.ratio[0]),
        "ratio_p": float(answer.ratio_p[0]),
        "correlation": float(answer.pretrial.correlation[0]),
        "slow_share": float(answer.pretrial.slow_share[0]),
        "critical": float(answer.critical[0]),
        "a": float(fit.a[0]),
        "b": float(fit.b[0]),
        "kappa": float(fit.kappa[0]),
    }
