"""The one input of the staggered estimators: a wide panel whose units are sorted into cohorts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from pilot_eval.doors import Kind, Numbers, OneOf, Periods, Starts, takes
from pilot_eval.errors import DesignError, explain

NEVER = -1  # cohort index of a never-treated unit


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CohortPanel:
    """A checked wide panel.

    Attributes
    ----------
    outcomes : float array (n_units, n_periods)
        NaN where missing.
    periods : int array (n_periods,)
    starts : int array (n_cohorts,)
        Column of each cohort's first treated period, ascending.
    cohort : int array (n_units,)
        Row of `starts`, or -1 for a never-treated unit.
    weights : float array (n_units,)
        Ones unless given.
    """

    outcomes: np.ndarray
    periods: np.ndarray
    starts: np.ndarray
    cohort: np.ndarray
    weights: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        """Number of units and of periods."""
        return self.outcomes.shape

    @property
    def start_periods(self) -> np.ndarray:
        """First treated period of each cohort."""
        result: np.ndarray = self.periods[self.starts]
        return result

    @property
    def treated(self) -> np.ndarray:
        """True for units that are treated at some time."""
        result: np.ndarray = self.cohort != NEVER
        return result

    @property
    def complete(self) -> bool:
        """True when no outcome is missing."""
        return bool(np.isfinite(self.outcomes).all())

    def membership(self) -> np.ndarray:
        """Weight of each unit in its cohort, (n_cohorts + 1, n_units); never treated last."""
        groups = np.arange(len(self.starts) + 1)
        groups[-1] = NEVER
        result: np.ndarray = (self.cohort == groups[:, None]) * self.weights
        return result

    def sum_by_cohort(self, values: np.ndarray) -> np.ndarray:
        """Weighted sums of unit rows, (n_cohorts + 1, n_columns); never treated last."""
        # einsum, not @: a threaded product of so few rows costs far more than it does.
        groups = [*range(len(self.starts)), NEVER]
        members = [self.cohort == g for g in groups]
        sums = [np.einsum("i,it->t", self.weights[rows], values[rows]) for rows in members]
        return np.stack(sums)

    def exposure(self) -> np.ndarray:
        """1.0 where a unit is under treatment, (n_units, n_periods)."""
        start = np.append(self.starts, self.shape[1])[self.cohort]
        result: np.ndarray = (np.arange(self.shape[1]) >= start[:, None]).astype(float)
        return result


OUTCOMES: dict[str, Kind] = {
    "outcomes": Numbers(missing=True, ndim=(2,)),
    "first_treated": Starts(),
    "periods": Periods(),
    "weights": Numbers(above=0, ndim=(1,)),
}


@takes(DesignError, twice=False, reorder=True, **OUTCOMES, always_treated=OneOf(("refuse", "keep")))
def build_cohort_panel(
    outcomes: np.ndarray,
    first_treated: np.ndarray,
    periods: np.ndarray | None = None,
    weights: np.ndarray | None = None,
    *,
    always_treated: Literal["refuse", "keep"] = "refuse",
) -> CohortPanel:
    """Check a wide panel and sort its units into cohorts.

    Parameters
    ----------
    outcomes : float array (n_units, n_periods)
        One row per council; NaN = missing.
    first_treated : float array (n_units,)
        First treated period; NaN = never treated. Later than the last period counts as never.
    periods : int array (n_periods,), optional
        Ascending and evenly spaced; default 0, 1, 2, ...
    weights : float array (n_units,), optional
        Positive; default 1.
    always_treated : {"refuse", "keep"}
        What to do with units treated from the first period on.

    Returns
    -------
    CohortPanel

    Raises
    ------
    DesignError
        If shapes disagree, a unit is named twice, a value is infinite, nobody is treated, nobody is
        a comparator at any time, a start is not a period, or a treated unit has none before its
        start.
    """
    Y, first = outcomes, first_treated
    if not np.isfinite(Y).any():
        _refuse("outcomes", "have a value", "none")
    periods = _check_periods(Y, periods)
    weights = np.ones(len(Y)) if weights is None else weights
    ever = np.isfinite(first) & (first <= periods[-1])
    columns = np.searchsorted(periods, np.where(ever, np.maximum(first, periods[0]), periods[-1]))
    _check_starts(first, ever, columns, periods, always_treated)
    starts = np.unique(columns[ever])
    cohort = np.where(ever, np.searchsorted(starts, columns), NEVER)
    if ever.all() and len(starts) == 1:
        _refuse("first_treated", "leave somebody to compare with", "one start for every unit")
    return CohortPanel(outcomes=Y, periods=periods, starts=starts, cohort=cohort, weights=weights)


def _check_periods(outcomes: np.ndarray, periods: np.ndarray | None) -> np.ndarray:
    n_periods = outcomes.shape[1]
    if n_periods < 2:
        _refuse("outcomes", "have units in rows and two or more periods in columns", outcomes.shape)
    if periods is None:
        return np.arange(n_periods)
    if periods.size != n_periods:
        _refuse("periods", f"be {n_periods} ascending numbers", periods.size)
    steps = np.diff(periods)
    if (steps != steps[0]).any():
        _refuse("periods", "be evenly spaced", "gaps: event times would not be times")
    return periods


def _check_starts(
    first: np.ndarray, ever: np.ndarray, columns: np.ndarray, periods: np.ndarray, always: str
) -> None:
    if not ever.any():
        _refuse("first_treated", "name a period for at least one unit", "nobody treated")
    inside = ever & (first >= periods[0])
    if (periods[columns[inside]] != first[inside]).any():
        _refuse("first_treated", "be one of the periods, or NaN", "a value between two periods")
    if always == "refuse" and (columns[ever] == 0).any():
        _refuse(
            "first_treated",
            "leave every treated unit a period before its start",
            f"{int((columns[ever] == 0).sum())} units treated from the first period on",
        )


def _refuse(name: str, rule: str, got: object) -> None:
    raise DesignError(explain(name, rule, got, "Correct the panel or leave the unit out."))
