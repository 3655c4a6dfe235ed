"""The headline test: studentised randomisation on size-standardised changes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from pilot_eval.inference.assignments import Assignments, draw_assignments
from pilot_eval.inference.inputs import (
    BATCH,
    Changes,
    centre,
    check_batch,
    check_changes,
    rows_without_variation,
    takes_changes,
    why_not_estimable,
)
from pilot_eval.inference.randomisation import (
    ShiftedSets,
    answer_by_sets,
    hold_estimate,
    name_limits,
    shifted_sets,
    step_size,
)
from pilot_eval.inference.result import InferenceResult
from pilot_eval.inference.size_adjusted import MIN_COMPARATORS, comparator_squares
from pilot_eval.inference.variance import SizeFunction, fit_size_function

METHOD = "robust"
NOT_VALIDATED = "not validated: two treated councils say too little about their own spread"
Figure = Literal["conf_low", "conf_high", "p_value"]
FEWEST_VALIDATED = 3
"""Fewest treated councils at which simulation shows the stated error rate."""


@takes_changes()
def robust_test(
    changes: np.ndarray,
    treated: np.ndarray,
    cases: np.ndarray,
    *,
    draws: int = 9999,
    strata: np.ndarray | None = None,
    seed: int | np.random.Generator,
    alpha: float = 0.05,
    period_factor: np.ndarray | None = None,
) -> InferenceResult:
    """Test the effect without trusting that the treated are as noisy as their size predicts.

    Changes are divided by the standard deviation that a council's size predicts; Welch's t of
    treated against comparators is compared with its value for other treated sets of that size.

    Parameters
    ----------
    changes : array of shape (n,)
        Mean after minus mean before, one value per council, in the outcome's unit.
    treated : bool array of shape (n,)
    cases : array of shape (n,)
        Cases behind each change, above 0.
    draws : int
        Random treated sets; all sets are listed instead when there are at most this many.
    strata : array of shape (n,), optional
        Sets keep the number of treated in each stratum.
    seed : int or numpy Generator
    alpha : float
        Level of the two-sided test; the interval holds the effects it does not reject.
    period_factor : array of shape (n,), optional
        Variance factor from the number of periods. Default 1.

    Returns
    -------
    InferenceResult
        `estimate` is the unweighted effect on the treated. Standard error and degrees of freedom
        are NaN. With one treated council everything is NaN, with the reason; with two the answer
        is marked as not validated. Diagnostics: a, b, kappa, statistic, centre, assignments,
        complete, smallest_p.

    Raises
    ------
    InferenceError
        If the input is not one finite value a council, or cases are not above 0.

    References
    ----------
    Chung and Romano (2013), Annals of Statistics 41(2), for the studentised statistic; Ferman and
    Pinto (2019), Review of Economics and Statistics 101(3), for the variance function.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> changes, cases = rng.normal(size=40), rng.uniform(100, 1000, size=40)
    >>> result = robust_test(changes + 3 * (np.arange(40) < 4), np.arange(40) < 4, cases, seed=1)
    >>> result.p_value < 0.05
    True
    """
    data = check_changes(changes, treated, cases, period_factor)
    reason = why_not_estimable(data, min_treated=2, min_comparators=MIN_COMPARATORS)
    if reason:
        return answer_by_sets(METHOD, data, None, np.empty(0), alpha, reason)
    if data.n_treated < FEWEST_VALIDATED:
        reason = NOT_VALIDATED
    assignments = draw_assignments(data.treated, draws=draws, strata=strata, seed=seed)
    fit, sets = compute_robust(
        data.changes[None], data.treated, data.cases, data.period_factor, assignments
    )
    figures = {"a": float(fit.a[0]), "b": float(fit.b[0]), "kappa": float(fit.kappa[0])}
    scale = step_size(fit.variance[:, data.treated])
    return answer_by_sets(METHOD, data, sets, scale, alpha, reason, figures)


@dataclass(frozen=True, slots=True, kw_only=True)
class RobustBatch:
    """The robust test of many vectors of changes; every array has shape (F,).

    `reason` says why figures are missing, or what limits them in some row.
    """

    estimate: np.ndarray
    p_value: np.ndarray
    conf_low: np.ndarray
    conf_high: np.ndarray
    reason: str = ""


@takes_changes(**BATCH)
def robust_batch(
    changes: np.ndarray,
    treated: np.ndarray,
    cases: np.ndarray,
    *,
    draws: int = 9999,
    strata: np.ndarray | None = None,
    seed: int | np.random.Generator,
    alpha: float = 0.05,
    period_factor: np.ndarray | None = None,
) -> RobustBatch:
    """Test many vectors of changes with the same treated councils and the same draws.

    Such vectors are the fillings of hidden counts, or outcomes for which all councils have figures.
    Every row is what `robust_test` says of it, in a small part of the time.

    Parameters
    ----------
    changes : array of shape (F, n)
        Mean after minus mean before, one row per filling.
    treated : bool array of shape (n,)
    cases : array of shape (n,) or (F, n)
        Cases behind each change, above 0.
    draws, strata, seed, alpha
        As for `robust_test`.
    period_factor : array of shape (n,) or (F, n), optional
        Variance factor from the number of periods. Default 1.

    Returns
    -------
    RobustBatch
        Only the estimate, the rest NaN, in rows where the comparators' changes are all equal, and
        in every row where there are fewer than two treated councils or five comparators.

    Raises
    ------
    InferenceError
        If a value is missing or infinite, shapes disagree, or cases are not above 0.

    Examples
    --------
    >>> import numpy as np
    >>> changes = np.random.default_rng(1).normal(size=(3, 40))
    >>> batch = robust_batch(changes, np.arange(40) < 4, np.full(40, 90.0), draws=999, seed=1)
    >>> one = robust_test(changes[2], np.arange(40) < 4, np.full(40, 90.0), draws=999, seed=1)
    >>> bool(batch.p_value[2] == one.p_value)
    True
    """
    values, mask, size, factor = check_batch(changes, treated, cases, period_factor)
    answer, usable = start_batch(values, mask)
    if not usable.any():
        return answer
    assignments = draw_assignments(mask, draws=draws, strata=strata, seed=seed)
    fit, sets = compute_robust(values[usable], mask, size[usable], factor[usable], assignments)
    answer.p_value[usable] = sets.p_value()
    ends = sets.interval(alpha, step_size(fit.variance[:, mask]))
    ends = hold_estimate(answer.estimate[usable], *ends)
    answer.conf_low[usable], answer.conf_high[usable] = ends
    limits = name_limits(assignments, alpha, ends[0].min(), ends[1].max())
    return replace(answer, reason="; ".join(filter(None, [answer.reason, limits])))


def start_batch(values: np.ndarray, treated: np.ndarray) -> tuple[RobustBatch, np.ndarray]:
    """Begin the answer of a batch: estimates, no other figure yet, and the reason for none.

    Parameters
    ----------
    values : array of shape (F, n)
    treated : bool array of shape (n,)

    Returns
    -------
    answer : RobustBatch
    usable : bool array of shape (F,)
        Rows that can be tested.
    """
    rows = len(values)
    numbers = ("estimate", "p_value", "conf_low", "conf_high")
    reason = _explain_batch(values, treated)
    answer = RobustBatch(**{name: np.full(rows, np.nan) for name in numbers}, reason=reason)
    if not 0 < treated.sum() < treated.size:
        return answer, np.zeros(rows, dtype=bool)
    answer.estimate[:] = values[:, treated].mean(1) - values[:, ~treated].mean(1)
    if treated.sum() < 2 or (~treated).sum() < MIN_COMPARATORS:
        return answer, np.zeros(rows, dtype=bool)
    return answer, ~rows_without_variation(values[:, ~treated])


def find_wider_rows(
    changes: np.ndarray,
    treated: np.ndarray,
    cases: np.ndarray,
    *,
    low: float,
    high: float,
    p_value: float,
    draws: int,
    seed: int,
    alpha: float,
    period_factor: np.ndarray,
) -> np.ndarray:
    """Find the vectors of changes that some others do not cover, without their intervals.

    Parameters
    ----------
    changes, treated, cases, draws, seed, alpha, period_factor
        As for `robust_batch`, checked.
    low, high, p_value : float
        The hull of other vectors' intervals, and their largest p-value.

    Returns
    -------
    array of int
        Rows whose interval reaches beyond an end, or whose p-value is larger.
    """
    assignments = draw_assignments(treated, draws=draws, seed=seed)
    _, sets = compute_robust(changes, treated, cases, period_factor, assignments)
    wider = sets.p_value() > p_value
    for end in (low, high):
        if np.isfinite(end):
            wider |= sets.p_value(np.nextafter(end, np.copysign(np.inf, end - low or -1.0))) > alpha
    return np.flatnonzero(wider)


def find_extreme_rows(
    changes: np.ndarray,
    treated: np.ndarray,
    cases: np.ndarray,
    *,
    figure: Figure,
    sign: int,
    above: float,
    draws: int,
    seed: int,
    alpha: float,
    period_factor: np.ndarray,
) -> np.ndarray:
    """Compute one figure of the robust test for a search that makes it as large as possible.

    A p-value at the bound tells which intervals reach beyond it, and only those are computed.

    Parameters
    ----------
    changes, treated, cases, draws, seed, alpha, period_factor
        As for `robust_batch`, checked.
    figure : {"conf_low", "conf_high", "p_value"}
    sign : {-1, 1}
        What the figure is multiplied by: -1 for the lower end, 1 for the upper.
    above : float
        What a row has to exceed to be of interest, in the same sign.

    Returns
    -------
    array of shape (F,)
        Minus infinity in rows without an answer, and where an end does not exceed `above`.
    """
    changes = centre(changes, treated)
    answer, usable = start_batch(changes, treated)
    values, rows = np.full(len(changes), -np.inf), np.flatnonzero(usable)
    if not rows.size:
        return values
    assignments = draw_assignments(treated, draws=draws, seed=seed)
    fit, sets = compute_robust(changes[rows], treated, cases, period_factor, assignments)
    if figure == "p_value":
        values[rows] = sign * sets.p_value()
        return values
    estimate, scale = answer.estimate[rows], step_size(fit.variance[:, treated])
    if np.isfinite(above):
        beyond = sets.p_value(np.nextafter(sign * above, sign * np.inf)) > alpha
        beyond |= sign * estimate > above
        rows, estimate, scale = rows[beyond], estimate[beyond], scale[beyond]
        sets = replace(sets, z=sets.z[beyond], w=sets.w[beyond])
    if rows.size:
        low, high = hold_estimate(estimate, *sets.interval(alpha, scale))
        values[rows] = high if sign > 0 else -low
    return values


def _explain_batch(values: np.ndarray, treated: np.ndarray) -> str:
    """Say what the numbers of councils forbid, or the first row that has no answer."""
    if treated.sum() == 2 and (~treated).sum() >= MIN_COMPARATORS:
        return NOT_VALIDATED
    if not len(values):
        return ""
    others = centre(values, treated)[:, ~treated]
    first = int(rows_without_variation(others).argmax()) if others.size else 0
    data = check_changes(values[first], treated)
    return why_not_estimable(data, min_treated=2, min_comparators=MIN_COMPARATORS)


def compute_robust(
    changes: np.ndarray,
    treated: np.ndarray,
    cases: np.ndarray,
    factor: np.ndarray,
    assignments: Assignments,
    fit: SizeFunction | None = None,
) -> tuple[SizeFunction, ShiftedSets]:
    """Standardise a batch by its fitted size functions and attach the sets to compare.

    Parameters
    ----------
    changes : array of shape (batch, n)
    treated : bool array of shape (n,)
    cases, factor : array broadcastable to (batch, n)
    assignments : Assignments
    fit : SizeFunction, optional
        If it is known already.

    Returns
    -------
    fit : SizeFunction
    sets : ShiftedSets
        `p_value()` tests no effect in every row.
    """
    if fit is None:
        mask = np.broadcast_to(treated, changes.shape)
        fit = fit_size_function(comparator_squares(changes, mask), ~mask, cases, factor)
    return fit, shifted_sets(changes, treated, fit.variance, assignments, "t")


def fit_on_comparators(data: Changes) -> SizeFunction:
    """Fit the variance function on the comparators of checked data."""
    squares = comparator_squares(data.changes[None], data.treated[None])
    return fit_size_function(squares, ~data.treated[None], data.cases, data.period_factor)
