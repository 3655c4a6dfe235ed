"""The test of the adjusted estimate: for councils that may have been chosen on their level."""

from __future__ import annotations

import numpy as np

from pilot_eval.doors import Numbers
from pilot_eval.errors import InferenceError, explain
from pilot_eval.estimation.adjustment import AdjustedChanges, adjust_changes, why_not_adjustable
from pilot_eval.inference.assignments import Assignments, draw_assignments
from pilot_eval.inference.inputs import (
    BATCH,
    Changes,
    check_batch,
    check_changes,
    takes_changes,
    why_not_estimable,
)
from pilot_eval.inference.randomisation import (
    ShiftedSets,
    answer_by_sets,
    hold_estimate,
    name_limits,
    step_size,
)
from pilot_eval.inference.result import InferenceResult
from pilot_eval.inference.robust import FEWEST_VALIDATED, NOT_VALIDATED, RobustBatch
from pilot_eval.inference.size_adjusted import MIN_COMPARATORS
from pilot_eval.inference.variance import SizeFunction, fit_size_function

METHOD = "adjusted"
LEVEL_BANDS = 4
"""Bands of the level within which sets are drawn: quarters, chosen on windows before and after the
trial's (docs/validity.md)."""
FEWEST_IN_BAND = 15
"""Councils in a band below which there are fewer bands: a band needs many sets to draw from."""


@takes_changes(
    levels=Numbers(ndim=(1,)),
    covariates=Numbers(ndim=(2,)),
    level_variance=Numbers(least=0, ndim=(1,)),
)
def adjusted_test(
    changes: np.ndarray,
    treated: np.ndarray,
    cases: np.ndarray,
    levels: np.ndarray,
    *,
    covariates: np.ndarray | None = None,
    level_variance: np.ndarray | None = None,
    draws: int = 9999,
    strata: np.ndarray | None = None,
    seed: int | np.random.Generator,
    alpha: float = 0.05,
    period_factor: np.ndarray | None = None,
) -> InferenceResult:
    """Test the effect among councils of the same level before the start.

    The robust test of `robust_test`, on changes minus what comparators of the same level and
    covariates show (`adjust_changes`), against sets with as many councils from each quarter of the
    level. It rejects a true null at its level also where the treated were chosen on their level.

    Parameters
    ----------
    changes : array of shape (n,)
        Mean after minus mean before, one value for each council, in the outcome's unit.
    treated : bool array of shape (n,)
    cases : array of shape (n,)
        Cases behind each change, above 0.
    levels : array of shape (n,)
        Mean before the start, in the outcome's unit.
    covariates : array of shape (n, q), optional
        Few, declared before results.
    level_variance : array of shape (n,), optional
        Sampling variance of each level. Default: levels are exact.
    draws : int
        Random treated sets; all sets are listed instead when there are at most this many.
    strata : array of shape (n,), optional
        Sets keep the number of treated in each stratum, as well as in each quarter of the level.
    seed : int or numpy Generator
    alpha : float
        Level of the two-sided test; the interval holds the effects it does not reject.
    period_factor : array of shape (n,), optional
        Variance factor from the number of periods. Default 1.

    Returns
    -------
    InferenceResult
        `estimate` is the mean over the treated of change minus prediction. Diagnostics: those of
        `robust_test`, `outside` (treated councils outside the comparators' range of levels, whose
        prediction is the one at the end of that range) and `reliability` (smallest of any council).

    Raises
    ------
    InferenceError
        If the input is not one finite value for each council, or cases are not above 0.

    References
    ----------
    Lin (2013), Annals of Applied Statistics 7(1), for regression adjustment of randomised
    comparisons; Chung and Romano (2013), Annals of Statistics 41(2), for the statistic; MacKinnon
    and White (1985), Journal of Econometrics 29(3), for residuals corrected for leverage.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> levels = rng.normal(20, 5, size=80)
    >>> changes, treated = rng.normal(size=80) - 0.4 * levels, np.arange(80) < 5
    >>> result = adjusted_test(changes + 4 * treated, treated, np.full(80, 300.0), levels, seed=1)
    >>> result.p_value < 0.05
    True
    """
    data = check_changes(changes, treated, cases, period_factor)
    level, noise, extra = levels, level_variance, covariates
    reason = why_not_estimable(data, min_treated=2, min_comparators=MIN_COMPARATORS)
    reason = reason or why_not_adjustable(data.treated, extra)
    if reason:
        return answer_by_sets(METHOD, data, None, np.empty(0), alpha, reason)
    adjusted = adjust_changes(
        data.changes[None], data.treated, level, covariates=extra, level_variance=noise
    )
    assignments = draw_assignments(
        data.treated, draws=draws, strata=label_strata(level, strata), seed=seed
    )
    fit, sets = compute_adjusted(
        adjusted, data.treated, data.cases, data.period_factor, assignments
    )
    return answer_by_sets(
        METHOD,
        _replace_changes(data, adjusted),
        sets,
        step_size(fit.variance[:, data.treated]),
        alpha,
        NOT_VALIDATED if data.n_treated < FEWEST_VALIDATED else "",
        {
            "a": float(fit.a[0]),
            "b": float(fit.b[0]),
            "kappa": float(fit.kappa[0]),
            "outside": float(adjusted.outside.sum()),
            "reliability": float(adjusted.reliability.min()),
        },
    )


@takes_changes(**BATCH, level_variance=Numbers(least=0, ndim=(1,)))
def adjusted_batch(
    changes: np.ndarray,
    treated: np.ndarray,
    cases: np.ndarray,
    levels: np.ndarray,
    *,
    covariates: np.ndarray | None = None,
    level_variance: np.ndarray | None = None,
    draws: int = 9999,
    seed: int | np.random.Generator,
    alpha: float = 0.05,
    period_factor: np.ndarray | None = None,
) -> RobustBatch:
    """Test many vectors of changes and levels with the same treated councils and the same draws.

    Parameters
    ----------
    changes, levels : array of shape (F, n)
        One row for each filling of hidden counts. Bands are those of the mean level over fillings.
    treated, cases, covariates, level_variance, draws, seed, alpha, period_factor
        As for `adjusted_test`.

    Returns
    -------
    RobustBatch
        All NaN with the reason where nothing can be adjusted.

    Raises
    ------
    InferenceError
        As `robust_batch`.
    """
    values, mask, size, factor = check_batch(changes, treated, cases, period_factor)
    if levels.shape != values.shape:
        rule, got = "have the shape of the changes", levels.shape
        raise InferenceError(explain("levels", rule, got, "Give a level for every change."))
    others = values[:, ~mask]
    least = int(np.ptp(others, axis=1).argmin()) if others.size else 0
    data = check_changes(values[least], mask, size[least], factor[least])
    reason = why_not_estimable(data, min_treated=2, min_comparators=MIN_COMPARATORS)
    reason = reason or why_not_adjustable(mask, covariates)
    if reason:
        missing = np.full(len(values), np.nan)
        return RobustBatch(
            estimate=missing, p_value=missing, conf_low=missing, conf_high=missing, reason=reason
        )
    adjusted = adjust_changes(
        values, mask, levels, covariates=covariates, level_variance=level_variance
    )
    strata = label_strata(levels.mean(axis=0))
    assignments = draw_assignments(mask, draws=draws, strata=strata, seed=seed)
    fit, sets = compute_adjusted(adjusted, mask, size, factor, assignments)
    estimate = adjusted.residual[:, mask].mean(axis=1)
    low, high = hold_estimate(estimate, *sets.interval(alpha, step_size(fit.variance[:, mask])))
    limits = name_limits(assignments, alpha, low.min(), high.max())
    return RobustBatch(
        estimate=estimate,
        p_value=sets.p_value(),
        conf_low=low,
        conf_high=high,
        reason="; ".join(
            filter(None, [NOT_VALIDATED if mask.sum() < FEWEST_VALIDATED else "", limits])
        ),
    )


def compute_adjusted(
    adjusted: AdjustedChanges,
    treated: np.ndarray,
    cases: np.ndarray,
    factor: np.ndarray,
    assignments: Assignments,
) -> tuple[SizeFunction, ShiftedSets]:
    """Standardise a batch of adjusted changes and attach the sets to compare.

    Parameters
    ----------
    adjusted : AdjustedChanges
        Of a batch that shares its treated councils.
    treated : bool array of shape (n,)
    cases, factor : array broadcastable to (batch, n)
    assignments : Assignments

    Returns
    -------
    fit : SizeFunction
    sets : ShiftedSets
    """
    fit, z, scale = standardise_adjusted(adjusted, treated, cases, factor)
    return fit, ShiftedSets(
        z=z,
        w=treated / scale,
        actual=np.flatnonzero(treated)[None],
        assignments=assignments,
        statistic="t",
    )


def standardise_adjusted(
    adjusted: AdjustedChanges, treated: np.ndarray, cases: np.ndarray, factor: np.ndarray
) -> tuple[SizeFunction, np.ndarray, np.ndarray]:
    """Divide residuals by their standard deviation, every council's as if it had been left out.

    A comparator takes part in its own prediction and a treated council does not. Without this
    correction a set of comparators would look closer to its prediction than the treated.

    Parameters
    ----------
    adjusted : AdjustedChanges
    treated : bool array of shape (n,) or (batch, n)
    cases, factor : array broadcastable to (batch, n)

    Returns
    -------
    fit : SizeFunction
    z, scale : array of shape (batch, n)
        Standardised residuals, and what a change is divided by.
    """
    comparator = ~np.broadcast_to(treated, adjusted.residual.shape)
    own = np.where(comparator, 1 - np.minimum(adjusted.leverage, 1 - 1e-6), 1.0)
    squares = adjusted.residual**2 / own
    fit = fit_size_function(squares, comparator, cases, factor)
    inflation = np.where(comparator, own, 1 + adjusted.leverage)
    scale = np.sqrt(fit.variance * inflation)
    return fit, adjusted.residual / scale, scale


def label_strata(levels: np.ndarray, strata: np.ndarray | None = None) -> np.ndarray:
    """Label each council with its band of the level, within its own stratum if there are any.

    Parameters
    ----------
    levels : array of shape (n,)
    strata : array of shape (n,), optional

    Returns
    -------
    array of str, shape (n,)
    """
    bands = max(1, min(LEVEL_BANDS, levels.size // FEWEST_IN_BAND))
    edges = np.quantile(levels, np.linspace(0, 1, bands + 1)[1:-1])
    labels: np.ndarray = np.digitize(levels, edges).astype(str)
    if strata is None:
        return labels
    return np.array([f"{band} {own}" for band, own in zip(labels, strata, strict=True)])


def _replace_changes(data: Changes, adjusted: AdjustedChanges) -> Changes:
    return Changes(
        changes=adjusted.residual[0],
        treated=data.treated,
        cases=data.cases,
        period_factor=data.period_factor,
    )
