"""Interaction-weighted estimator (Sun and Abraham 2021), also on panels with gaps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pilot_eval.doors import takes
from pilot_eval.errors import DesignError, explain
from pilot_eval.estimation.cohorts import NEVER, CohortPanel, build_cohort_panel
from pilot_eval.estimation.group_time import GroupTime
from pilot_eval.estimation.two_way import fit_two_way


@takes(DesignError)
def estimate_sun_abraham(
    outcomes: np.ndarray,
    first_treated: np.ndarray,
    periods: np.ndarray | None = None,
    *,
    weights: np.ndarray | None = None,
) -> GroupTime:
    """Estimate the saturated cohort-by-period regression with reference event time -1.

    Parameters
    ----------
    outcomes : float array (n_units, n_periods)
        One row per council; NaN = missing.
    first_treated : float array (n_units,)
        First treated period; NaN = never treated. Where every unit is treated some time, the last
        cohort serves as comparator and the periods from its start on are dropped.
    periods : int array (n_periods,), optional
    weights : float array (n_units,), optional

    Returns
    -------
    GroupTime
        Its `att_gt` are the regression's coefficients; `aggregate_group_time` averages them
        ("simple", "dynamic").

    Raises
    ------
    DesignError
        As `build_cohort_panel`.

    Notes
    -----
    The regression is saturated in cohort and period, so it splits into one two-way fit for each
    cohort and one for the comparators: a coefficient is the cohort's path since -1 minus the
    comparators'. On a complete panel that is Callaway and Sant'Anna's effect.

    References
    ----------
    Sun and Abraham (2021), J. Econometrics 225, section 4. ``docs/methods-estimators.md``,
    block SA.

    Examples
    --------
    >>> y = np.array([[1.0, 2.0, 6.0], [0.0, 1.0, 2.0]])
    >>> estimate_sun_abraham(y, np.array([2.0, np.nan])).att_gt.round(12).tolist()
    [[0.0, 0.0, 3.0]]
    """
    panel = build_cohort_panel(outcomes, first_treated, periods, weights)
    control = "never"
    if panel.treated.all():
        panel, control = _last_cohort_as_comparator(panel), "last_cohort"
    if not np.isfinite(panel.outcomes[~panel.treated]).any():
        rule, action = "have values of the units compared with", "Leave the outcome out."
        raise DesignError(explain("outcomes", rule, "none", action))
    n_cohorts = len(panel.starts)
    att = np.full((n_cohorts, panel.shape[1]), np.nan)
    seen = np.isfinite(panel.outcomes)
    for g, start in enumerate(panel.starts):
        own = _path(panel, panel.cohort == g, start - 1)
        att[g] = own - _path(panel, panel.cohort == NEVER, start - 1)
    n_treated = np.stack([seen[panel.cohort == g].sum(0) for g in range(n_cohorts)])
    n_comparators = np.broadcast_to(seen[panel.cohort == NEVER].sum(0), att.shape)
    return GroupTime(
        att_gt=att,
        n_treated=n_treated,
        n_comparators=n_comparators,
        influence=None,
        panel=panel,
        control=control,
        base="universal",
    )


def _path(panel: CohortPanel, rows: np.ndarray, reference: int) -> np.ndarray:
    """Period path of some units since the reference period; NaN where not identified."""
    Y = panel.outcomes[rows]
    fitted = fit_two_way(Y, np.isfinite(Y) * panel.weights[rows, None]).fitted
    anchored = np.flatnonzero(np.isfinite(fitted[:, reference]))
    if len(anchored) == 0:
        return np.full(panel.shape[1], np.nan)
    result: np.ndarray = fitted[anchored[0]] - fitted[anchored[0], reference]
    return result


def _last_cohort_as_comparator(panel: CohortPanel) -> CohortPanel:
    last = len(panel.starts) - 1
    end = panel.starts[last]
    return replace(
        panel,
        outcomes=panel.outcomes[:, :end],
        periods=panel.periods[:end],
        starts=panel.starts[:last],
        cohort=np.where(panel.cohort == last, NEVER, panel.cohort),
    )
