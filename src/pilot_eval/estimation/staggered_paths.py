"""Re-estimation over many staggered assignments: every estimator here is linear in outcomes.

On a complete panel with given cohort sizes, an estimate is a sum over units of a score that
depends on the unit and on the cohort it is put in. Ten thousand re-estimations are then one
matrix product and a look-up.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from pilot_eval.errors import DesignError, explain
from pilot_eval.estimation.cohorts import NEVER, CohortPanel
from pilot_eval.estimation.group_time import eligible_comparators
from pilot_eval.estimation.imputation import imputation_weights

Method = Literal["group_time", "group_time_not_yet", "imputation", "twfe"]
METHODS = ("group_time", "group_time_not_yet", "imputation", "twfe")


def path_coefficients(
    sizes: np.ndarray, starts: np.ndarray, n_periods: int, method: Method = "group_time"
) -> np.ndarray:
    """Write an estimator as coefficients on the outcomes of a unit of each cohort.

    Parameters
    ----------
    sizes : int array (n_cohorts + 1,)
        Units in each cohort; never treated last.
    starts : int array (n_cohorts,)
        Column of each cohort's first treated period, ascending, at least 1.
    n_periods : int
    method : {"group_time", "group_time_not_yet", "imputation", "twfe"}
        Simple aggregate of group-time effects, against the never or the not yet treated; the
        imputation ATT; the pooled two-way fixed effects coefficient. (Sun and Abraham's simple
        aggregate is "group_time" on a complete panel.)

    Returns
    -------
    float array (n_cohorts + 1, n_periods)

    Raises
    ------
    DesignError
        If a size or start cannot be used.
    """
    sizes, starts = np.asarray(sizes, dtype=float), np.asarray(starts, dtype=int)
    _check(sizes, starts, n_periods, method)
    typical = CohortPanel(  # one row per cohort, weighted by its size: only its shape is used
        outcomes=np.zeros((len(sizes), n_periods)),
        periods=np.arange(n_periods),
        starts=starts,
        cohort=np.append(np.arange(len(starts)), NEVER),
        weights=sizes,
    )
    if method == "imputation":
        result: np.ndarray = imputation_weights(typical) / sizes[:, None]
        return result
    if method == "twfe":
        return _twfe_coefficients(typical)
    return _group_time_coefficients(typical, "never" if method == "group_time" else "not_yet")


def path_scores(outcomes: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    """Score every unit in every cohort it might be in.

    Parameters
    ----------
    outcomes : float array (n_units, n_periods)
        Complete.
    coefficients : float array (n_cohorts + 1, n_periods)
        From `path_coefficients`.

    Returns
    -------
    float array (n_units, n_cohorts + 1)

    Raises
    ------
    DesignError
        If an outcome is missing: the estimators are then not one sum over units.
    """
    if not np.isfinite(outcomes).all():
        raise DesignError(
            explain(
                "outcomes",
                "be complete for re-estimation over staggered paths",
                "missing values",
                "Leave incomplete councils or periods out, and say so.",
            )
        )
    result: np.ndarray = np.asarray(outcomes, dtype=float) @ coefficients.T
    return result


def estimate_over_paths(scores: np.ndarray, cohorts: np.ndarray) -> np.ndarray:
    """Estimate under many assignments of units to cohorts.

    Parameters
    ----------
    scores : float array (n_units, n_cohorts + 1)
        From `path_scores`.
    cohorts : int array (n_draws, n_units)
        Cohort of each unit in each draw, -1 = never treated; cohort sizes as in the coefficients.

    Returns
    -------
    float array (n_draws,)

    Examples
    --------
    >>> y = np.array([[1.0, 2.0, 6.0], [0.0, 1.0, 2.0]])
    >>> coefficients = path_coefficients([1, 1], [2], 3)
    >>> estimate_over_paths(path_scores(y, coefficients), np.array([[0, -1], [-1, 0]])).tolist()
    [3.0, -3.0]
    """
    cohorts = np.asarray(cohorts)
    total = np.zeros(len(cohorts))
    never = scores[:, -1]
    for g in range(scores.shape[1] - 1):
        total += (cohorts == g) @ (scores[:, g] - never)
    result: np.ndarray = total + never.sum()
    return result


def _check(sizes: np.ndarray, starts: np.ndarray, n_periods: int, method: str) -> None:
    if method not in METHODS:
        raise DesignError(explain("method", f"be one of {METHODS}", method, "Choose one."))
    if len(sizes) != len(starts) + 1 or (sizes <= 0).any():
        raise DesignError(
            explain("sizes", "be positive, one a cohort and one for never treated", sizes, "See.")
        )
    if (np.diff(starts) <= 0).any() or starts[0] < 1 or starts[-1] >= n_periods:
        raise DesignError(
            explain("starts", f"ascend within 1..{n_periods - 1}", starts, "Use column numbers.")
        )


def _twfe_coefficients(panel: CohortPanel) -> np.ndarray:
    exposure = panel.exposure()
    by_period = panel.weights @ exposure / panel.weights.sum()
    residual = exposure - exposure.mean(1, keepdims=True) - by_period + by_period.mean()
    result: np.ndarray = residual / (panel.weights @ residual**2).sum()
    return result


def _group_time_coefficients(panel: CohortPanel, control: str) -> np.ndarray:
    eligible = eligible_comparators(panel, control, "universal")
    sizes, n_periods = panel.weights, panel.shape[1]
    cells = sizes[:-1] * (n_periods - panel.starts)
    coefficients = np.zeros((len(sizes), n_periods))
    for g, start in enumerate(panel.starts):
        weight = sizes[g] / cells.sum()
        own = np.eye(len(sizes))[g][:, None] / sizes[g]
        rival = eligible[g] / (sizes @ eligible[g])
        contrast = weight * (own - rival)[:, start:]
        coefficients[:, start:] += contrast
        coefficients[:, start - 1] -= contrast.sum(1)
    return coefficients
