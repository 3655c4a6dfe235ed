"""Event study against event time -1, kept as one change a council so that any test applies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from pilot_eval.doors import Flags, Numbers, OneOf, takes
from pilot_eval.errors import DesignError, explain
from pilot_eval.estimation.cohorts import NEVER, CohortPanel, build_cohort_panel
from pilot_eval.estimation.group_time import Base, check_never

REFERENCE = -1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EventStudy:
    """Effects by event time.

    Attributes
    ----------
    event_times : int array (n_event_times,)
        Periods since the start.
    estimates : float array (n_event_times,)
        Mean change of the treated minus mean change of the never treated; 0 at the reference.
    changes : float array (n_units, n_event_times)
        One change a council and event time, since the reference: a comparator's averaged over the
        cohorts' calendar dates, a treated council's own put on the same dates by the comparators'
        mean, so that period effects are in neither. NaN where not observed. Every
        estimate is exactly the (weighted) difference in means of its column, so tests for a
        difference in means of changes apply column by column.
    treated : bool array (n_units,)
    n_treated, n_comparators : int arrays (n_event_times,)
    panel : CohortPanel
    base : {"universal", "varying"}
    """

    event_times: np.ndarray
    estimates: np.ndarray
    changes: np.ndarray
    treated: np.ndarray
    n_treated: np.ndarray
    n_comparators: np.ndarray
    panel: CohortPanel
    base: str


@takes(DesignError)
def estimate_event_study(
    outcomes: np.ndarray,
    first_treated: np.ndarray,
    periods: np.ndarray | None = None,
    *,
    base: Base = "universal",
    weights: np.ndarray | None = None,
) -> EventStudy:
    """Estimate effects by event time, treated against never treated.

    Parameters
    ----------
    outcomes : float array (n_units, n_periods)
        One row per council; NaN = missing.
    first_treated : float array (n_units,)
        First treated period; NaN = never treated.
    periods : int array (n_periods,), optional
        Ascending and evenly spaced; default 0, 1, 2, ...
    base : {"universal", "varying"}
        Reference event time -1 throughout; or, before the start, the period before (to compare
        with packages that print that; the two answer different questions before the start).
    weights : float array (n_units,), optional

    Returns
    -------
    EventStudy
        With one start and a balanced panel the estimates are the coefficients of the two-way
        fixed effects event study; with several starts they are Callaway and Sant'Anna's dynamic
        effects against the never treated.

    Raises
    ------
    DesignError
        As `build_cohort_panel`; or if every unit is treated some time.

    References
    ----------
    Callaway and Sant'Anna (2021), equation 3.4; Sun and Abraham (2021), proposition 5.
    ``docs/methods-estimators.md``, block ES.

    Examples
    --------
    >>> y = np.array([[1.0, 2.0, 6.0], [0.0, 1.0, 2.0]])
    >>> estimate_event_study(y, np.array([2.0, np.nan])).estimates.tolist()
    [0.0, 0.0, 3.0]
    """
    panel = build_cohort_panel(outcomes, first_treated, periods, weights)
    check_never(panel, "never")
    n_periods = panel.shape[1]
    times = np.arange(-panel.starts[-1], n_periods - panel.starts[0])
    changes = np.column_stack([_collapse(panel, time, base) for time in times])
    observed = np.isfinite(changes)
    weight = observed * panel.weights[:, None]
    treated = panel.treated
    usable = observed[treated].any(0) & observed[~treated].any(0)
    changes, weight, observed = changes[:, usable], weight[:, usable], observed[:, usable]
    return EventStudy(
        event_times=times[usable],
        estimates=_mean(changes, weight, treated) - _mean(changes, weight, ~treated),
        changes=changes,
        treated=treated,
        n_treated=observed[treated].sum(0),
        n_comparators=observed[~treated].sum(0),
        panel=panel,
        base=base,
    )


def _collapse(panel: CohortPanel, time: int, base: str) -> np.ndarray:
    """One change a council at one event time, all on the average calendar dates of the cohorts.

    Cohorts have the same event time at other dates. What the comparators' mean changed between
    the dates is taken off a treated council's change: it would otherwise count as a difference
    between treated councils. The weighted mean over treated councils stays what it was.
    """
    columns = panel.starts + time
    against = panel.starts - 1 if base == "universal" or time >= 0 else columns - 1
    inside = (columns >= 0) & (columns < panel.shape[1]) & (against >= 0)
    never = panel.cohort == NEVER
    change = np.full(panel.shape[0], np.nan)
    comparator = np.zeros(never.sum())
    date, total = np.zeros(panel.shape[0]), 0.0
    for g in np.flatnonzero(inside):
        difference = panel.outcomes[:, columns[g]] - panel.outcomes[:, against[g]]
        own = panel.cohort == g
        change[own] = difference[own]
        size = panel.weights[own & np.isfinite(difference)].sum()
        if size > 0:
            comparator = comparator + size * difference[never]
            date[own] = _mean_seen(difference[never], panel.weights[never])
            total += size
    if total == 0:
        return change
    change[never] = comparator / total
    if inside.sum() > 1:
        seen = panel.treated & np.isfinite(change)
        change[seen] -= date[seen] - np.average(date[seen], weights=panel.weights[seen])
    return change


def _mean_seen(values: np.ndarray, weights: np.ndarray) -> float:
    seen = np.isfinite(values)
    return float(np.average(values[seen], weights=weights[seen])) if seen.any() else np.nan


def _mean(changes: np.ndarray, weight: np.ndarray, rows: np.ndarray) -> np.ndarray:
    result: np.ndarray = (np.nan_to_num(changes) * weight)[rows].sum(0) / weight[rows].sum(0)
    return result


@takes(
    DesignError,
    changes=Numbers(ndim=(2,)),
    treated=Flags(),
    kind=OneOf(("cr0", "cr2")),
)
def change_covariance(
    changes: np.ndarray, treated: np.ndarray, *, kind: Literal["cr0", "cr2"] = "cr2"
) -> np.ndarray:
    """Covariance of event-study estimates from the spread of collapsed changes.

    Parameters
    ----------
    changes : float array (n_units, n_event_times)
        Without missing values.
    treated : bool array (n_units,)
    kind : {"cr0", "cr2"}
        Without correction, or Bell and McCaffrey's (here: divisors n1 - 1 and n0 - 1).

    Returns
    -------
    float array (n_event_times, n_event_times)

    Raises
    ------
    DesignError
        If a value is missing, a group has fewer than two units, or nothing varies.
    """
    d = changes
    if min(treated.sum(), (~treated).sum()) < 2:
        rule, got = "name two or more on both sides", f"{int(treated.sum())} treated"
        raise DesignError(explain("treated", rule, got, "Nothing says how sure with fewer."))
    total = np.zeros((d.shape[1], d.shape[1]))
    for rows in (treated, ~treated):
        residual = d[rows] - d[rows].mean(0)
        n = len(residual)
        total += residual.T @ residual / (n * (n - 1 if kind == "cr2" else n))
    if not total.any():
        rule, got = "vary among councils", "equal changes"
        raise DesignError(explain("changes", rule, got, "Nothing says how sure: leave it out."))
    return total
