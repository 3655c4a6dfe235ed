"""Group-time effects and their aggregates (Callaway and Sant'Anna 2021), no covariates."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from pilot_eval.doors import takes
from pilot_eval.errors import DesignError, explain
from pilot_eval.estimation.cohorts import CohortPanel, build_cohort_panel

Control = Literal["never", "not_yet"]
Base = Literal["universal", "varying"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GroupTime:
    """One effect for each cohort and period.

    Attributes
    ----------
    att_gt : float array (n_cohorts, n_periods)
        NaN where not estimable; 0 at the reference period of a universal base.
    n_treated, n_comparators : int arrays (n_cohorts, n_periods)
        Units behind each effect.
    influence : float array (n_units, n_cohorts, n_periods) or None
        Scaled so that a variance is the sum of squares over units.
    panel : CohortPanel
    control : {"never", "not_yet"}
    base : {"universal", "varying"}
    """

    att_gt: np.ndarray
    n_treated: np.ndarray
    n_comparators: np.ndarray
    influence: np.ndarray | None
    panel: CohortPanel
    control: str
    base: str

    @property
    def event_time(self) -> np.ndarray:
        """Columns since each cohort's start, (n_cohorts, n_periods)."""
        result: np.ndarray = np.arange(self.att_gt.shape[1]) - self.panel.starts[:, None]
        return result


@takes(DesignError)
def estimate_group_time(
    outcomes: np.ndarray,
    first_treated: np.ndarray,
    periods: np.ndarray | None = None,
    *,
    control: Control = "never",
    base: Base = "universal",
    weights: np.ndarray | None = None,
    influence: bool = False,
) -> GroupTime:
    """Estimate ATT(g, t) for every cohort g and period t.

    Parameters
    ----------
    outcomes : float array (n_units, n_periods)
        One row per council; NaN = missing. Each effect uses the units observed at both its periods.
    first_treated : float array (n_units,)
        First treated period; NaN = never treated.
    periods : int array (n_periods,), optional
        Default 0, 1, 2, ...
    control : {"never", "not_yet"}
        Comparators: never treated, or all that are not treated yet at the later of both periods.
    base : {"universal", "varying"}
        Base period: always event time -1; or, before the start, the period before (as R's `did`).
    weights : float array (n_units,), optional
        Default 1.
    influence : bool
        Also return the influence of each unit.

    Returns
    -------
    GroupTime

    Raises
    ------
    DesignError
        As `build_cohort_panel`; or if `control` is "never" and every unit is treated some time.

    References
    ----------
    Callaway and Sant'Anna (2021), J. Econometrics 225, equations 2.8-2.9 without covariates.
    ``docs/methods-estimators.md``, block GT.

    Examples
    --------
    >>> y = np.array([[1.0, 2.0, 6.0], [0.0, 1.0, 2.0]])
    >>> estimate_group_time(y, np.array([2.0, np.nan])).att_gt.tolist()
    [[0.0, 0.0, 3.0]]
    """
    panel = build_cohort_panel(outcomes, first_treated, periods, weights)
    check_never(panel, control)
    eligible = eligible_comparators(panel, control, base)
    sums, totals, counts = _cohort_changes(panel, base)
    rows = np.arange(len(panel.starts))
    treated_mean = _ratio(sums[rows, rows], totals[rows, rows])
    comparator_total = (eligible * totals).sum(1)
    comparator_mean = _ratio((eligible * sums).sum(1), comparator_total)
    psi = None
    if influence:
        means = (treated_mean, comparator_mean)
        psi = _influence(panel, base, eligible, means, (totals[rows, rows], comparator_total))
    return GroupTime(
        att_gt=treated_mean - comparator_mean,
        n_treated=counts[rows, rows].astype(int),
        n_comparators=(eligible * counts).sum(1).astype(int),
        influence=psi,
        panel=panel,
        control=control,
        base=base,
    )


def check_never(panel: CohortPanel, control: str) -> None:
    """Refuse a comparison with never-treated units where there are none."""
    if control == "never" and panel.treated.all():
        raise DesignError(
            explain(
                "comparators",
                "hold at least one never-treated unit",
                "none",
                'Use control="not_yet", which compares with units treated later.',
            )
        )


def base_columns(panel: CohortPanel, base: str) -> np.ndarray:
    """Column of the base period of every cohort and period; -1 where there is none."""
    column = np.arange(panel.shape[1])
    reference = np.broadcast_to(panel.starts[:, None] - 1, (len(panel.starts), panel.shape[1]))
    if base == "universal":
        return reference
    return np.where(column < panel.starts[:, None], column - 1, reference)


def eligible_comparators(panel: CohortPanel, control: str, base: str) -> np.ndarray:
    """Say which cohorts serve as comparators, (n_cohorts, n_cohorts + 1, n_periods)."""
    n_cohorts, n_periods = len(panel.starts), panel.shape[1]
    eligible = np.zeros((n_cohorts, n_cohorts + 1, n_periods))
    eligible[:, -1] = 1.0
    if control == "not_yet":
        latest = np.maximum(np.arange(n_periods), base_columns(panel, base))
        later = panel.starts[None, :, None] > latest[:, None, :]
        eligible[:, :-1] = later & ~np.eye(n_cohorts, dtype=bool)[:, :, None]
    return eligible


def _cohort_changes(panel: CohortPanel, base: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sum changes since the base period by cohort; sums, weights and counts (g, cohort, t)."""
    column = base_columns(panel, base)
    if panel.complete:
        member = panel.membership()
        level = panel.sum_by_cohort(panel.outcomes)
        sums = level - np.moveaxis(level[:, column], 0, 1)
        present = np.broadcast_to((column >= 0)[:, None, :], sums.shape)
        return (
            np.where(present, sums, 0.0),
            present * member.sum(1)[:, None],
            present * (member > 0).sum(1)[:, None],
        )
    parts = [_changes(panel, column[g]) for g in range(len(column))]
    unweighted = replace(panel, weights=np.ones(panel.shape[0]))
    seen = [np.isfinite(part).astype(float) for part in parts]
    counts = np.stack([unweighted.sum_by_cohort(part) for part in seen])
    filled = np.stack([panel.sum_by_cohort(np.nan_to_num(part)) for part in parts])
    return filled, np.stack([panel.sum_by_cohort(part) for part in seen]), counts


def _changes(panel: CohortPanel, column: np.ndarray) -> np.ndarray:
    """Change of every unit since the base period of one cohort; NaN where not observed."""
    return np.where(column >= 0, panel.outcomes - panel.outcomes[:, column], np.nan)


def _influence(
    panel: CohortPanel,
    base: str,
    eligible: np.ndarray,
    means: tuple[np.ndarray, np.ndarray],
    totals: tuple[np.ndarray, np.ndarray],
) -> np.ndarray:
    """Influence of each unit on each effect, (n_units, n_cohorts, n_periods)."""
    psi = np.zeros((panel.shape[0], *means[0].shape))
    column = base_columns(panel, base)
    for g in range(len(panel.starts)):
        change = _changes(panel, column[g])
        comparator = eligible[g][panel.cohort]
        own = (panel.cohort == g)[:, None] * _ratio(change - means[0][g], totals[0][g])
        others = comparator * _ratio(change - means[1][g], totals[1][g])
        psi[:, g] = np.nan_to_num(own - others) * panel.weights[:, None]
    return psi


def _ratio(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    result: np.ndarray = np.divide(
        top, bottom, out=np.full(np.shape(top), np.nan), where=bottom > 0
    )
    return result
