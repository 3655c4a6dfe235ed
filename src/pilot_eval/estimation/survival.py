"""Effects on delay with unfinished cases: from cases to one change a council.

Cells (council x period of the start) are estimated by pseudo-observations, Kaplan-Meier or, for
comparison, completed cases only; a council's change is its mean after minus its mean before.
Method, assumptions and reference values: docs/methods-unfinished-cases.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, TypedDict

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from pandas.api.types import infer_dtype

from pilot_eval.door_readers import refuse
from pilot_eval.doors import Flags, Kind, Numbers, Table
from pilot_eval.errors import DesignError, InferenceError, explain
from pilot_eval.estimation.council_changes import CouncilChanges, collapse_levels
from pilot_eval.records.linking import number_councils, to_days
from pilot_eval.records.pseudo_observations import pseudo_restricted_mean, pseudo_survival
from pilot_eval.records.survival_curves import (
    Floats,
    SurvivalTable,
    estimate_survival,
    survival_at,
    survival_quantile,
)
from pilot_eval.reference.working_days import count_working_days

COLUMNS: dict[str, Kind] = {
    "duration_working_days": Numbers(least=0, ndim=(1,)),
    "entry_working_days": Numbers(ndim=(1,)),
    "event_observed": Flags(),
}
DAYS = ("datetime64", "datetime", "date", "string")
"""What pandas infers of columns of days; numbers are none, and some of both are mixed."""
TABLE = Table(columns=("council_code", "start_date", *COLUMNS))


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Days of the start of a case, both included, that make one cell a council."""

    first: date
    last: date


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DelayCases:
    """Cases of one clock, placed in cells: council x window, windows before and then after.

    Attributes
    ----------
    councils : tuple of str
        C councils.
    n_pre, n_post : int
        Windows before and after the start of the trial.
    group : ndarray of int, shape (n,)
        council x (n_pre + n_post) + window.
    duration, entry : ndarray, shape (n,)
        Working days, as in `compute_durations`.
    observed : ndarray of bool, shape (n,)
    follow_up : ndarray, shape (n_pre + n_post,)
        Working days from each window's first day to the data cut.
    """

    councils: tuple[str, ...]
    n_pre: int
    n_post: int
    group: np.ndarray
    duration: Floats
    entry: Floats
    observed: np.ndarray
    follow_up: Floats

    @property
    def n_groups(self) -> int:
        """Number of cells."""
        return len(self.councils) * (self.n_pre + self.n_post)

    @property
    def shape(self) -> tuple[int, int]:
        """Councils and windows."""
        return len(self.councils), self.n_pre + self.n_post


def place_cases(
    durations: pd.DataFrame,
    councils: Sequence[str],
    *,
    pre: Sequence[Window],
    post: Sequence[Window],
    data_cut: date,
) -> DelayCases:
    """Place the cases of one clock in cells of council and window, by the day they started.

    Parameters
    ----------
    durations : DataFrame
        The table of `compute_durations`, of one clock.
    councils : sequence of str
        Councils compared; others are left out.
    pre, post : sequence of Window
        Windows before and after the start of the trial.
    data_cut : date
        Last day that the records cover.

    Returns
    -------
    DelayCases

    Raises
    ------
    DesignError
        If there is no window before or after, or windows overlap or are out of order; or if a
        case has no day of start, duration, entry or flag, or one that is none.

    Examples
    --------
    >>> place_cases(table, codes, pre=[year_2010], post=[year_2011], data_cut=cut) # doctest: +SKIP
    """
    windows = [*pre, *post]
    edges = np.array([[w.first, w.last] for w in windows], dtype="datetime64[D]").reshape(-1, 2)
    muddled = (edges[:, 1] < edges[:, 0]).any() or (edges[1:, 0] <= edges[:-1, 1]).any()
    if not pre or not post or muddled:
        rule = "lie one after another, at least one before and one after the start"
        got = f"{len(pre)} before, {len(post)} after"
        raise DesignError(explain("windows", rule, got, "Correct their first and last days."))
    table = TABLE.read("durations", durations, DesignError)
    read: dict[str, Any] = {
        name: kind.read(name, table[name], DesignError) for name, kind in COLUMNS.items()
    }
    day = _read_starts(table["start_date"])
    window = np.searchsorted(edges[:, 0], day, side="right") - 1
    council = number_councils(durations, councils)
    keep = (council >= 0) & (window >= 0)
    keep &= day <= edges[:, 1][window]
    return DelayCases(
        councils=tuple(councils),
        n_pre=len(pre),
        n_post=len(post),
        group=(council * len(windows) + window)[keep],
        duration=read["duration_working_days"][keep],
        entry=read["entry_working_days"][keep],
        observed=read["event_observed"][keep],
        follow_up=count_working_days(edges[:, 0], np.datetime64(data_cut, "D")),
    )


def _read_starts(column: pd.Series) -> np.ndarray:
    """Read the days on which cases started: dates, none missing."""
    try:
        day = to_days(column) if infer_dtype(column) in DAYS else None
    except (TypeError, ValueError):
        day = None
    if day is None or np.isnat(day).any():
        refuse(DesignError, "start_date", "be a date for every case", "missing ones or others")
    return day


def change_in_restricted_mean(cases: DelayCases, horizon: float) -> CouncilChanges:
    """Compute each council's change of the mean delay up to a horizon, unfinished cases included.

    Parameters
    ----------
    cases : DelayCases
    horizon : float
        Working days.

    Returns
    -------
    CouncilChanges
        Working days; cells are means of pseudo-observations.

    Raises
    ------
    InferenceError
        If the horizon is longer than the follow-up of any window.

    References
    ----------
    Andersen and Perme (2010), Statistical Methods in Medical Research 19(1).
    """
    _check_follow_up(cases, horizon)
    pseudo = pseudo_restricted_mean(**_arrays(cases), horizon=horizon)
    level, spread = _cell_moments(cases, pseudo)
    return _collapse(cases, level, "not watched to the horizon", spread)


def change_in_survival(cases: DelayCases, days: ArrayLike) -> CouncilChanges:
    """Compute each council's change of the share still unfinished after each of `days`.

    Parameters
    ----------
    cases : DelayCases
    days : array, shape (K,)
        Working days.

    Returns
    -------
    CouncilChanges
        Shares between 0 and 1, K columns (one vector if one day is asked for); cells are means of
        pseudo-observations.

    Raises
    ------
    InferenceError
        If a day is longer than the follow-up of any window.
    """
    days = np.atleast_1d(np.asarray(days, dtype=float))
    _check_follow_up(cases, float(days.max()))
    pseudo = pseudo_survival(**_arrays(cases), days=days)
    moments = [_cell_moments(cases, pseudo[:, k]) for k in range(len(days))]
    if len(days) == 1:
        return _collapse(cases, moments[0][0], "not watched long enough", moments[0][1])
    level = np.stack([mean for mean, _ in moments], axis=1)
    return _collapse(cases, level, "not watched long enough")


def change_in_quantile(cases: DelayCases, probability: float, horizon: float) -> CouncilChanges:
    """Compute each council's change of the day by which `probability` of its cases finish.

    Parameters
    ----------
    cases : DelayCases
    probability : float
        Between 0 and 1; 0.5 is the median.
    horizon : float
        Working days to which cases are followed; a council one of whose cells does not reach the
        quantile by then is dropped, with the reason.

    Returns
    -------
    CouncilChanges
        Working days.

    Raises
    ------
    InferenceError
        If the horizon is longer than the follow-up of any window.
    """
    _check_follow_up(cases, horizon)
    table = _survival(cases, horizon)
    reason = f"fewer than {probability:.0%} finished within the follow-up"
    return _collapse(cases, survival_quantile(table, probability), reason)


def change_in_completed_only(cases: DelayCases, horizon: float) -> CouncilChanges:
    """Compute what leaving unfinished cases out would say of the change of the restricted mean.

    Parameters
    ----------
    cases : DelayCases
    horizon : float
        Working days.

    Returns
    -------
    CouncilChanges
        Working days. Shown alongside `change_in_restricted_mean`, never instead of it.
    """
    group, days = cases.group[cases.observed], np.minimum(cases.duration, horizon)[cases.observed]
    size = np.bincount(group, minlength=cases.n_groups)
    level, spread = _moments(days, group, cases.n_groups)
    return collapse_levels(
        level.reshape(cases.shape),
        size.reshape(cases.shape).astype(float),
        cases.councils,
        cases.n_pre,
        "no completed case in a window",
        spread.reshape(cases.shape),
    )


def survival_curves(cases: DelayCases, days: ArrayLike) -> Floats:
    """Estimate S(k) of every council and window by Kaplan-Meier.

    Parameters
    ----------
    cases : DelayCases
    days : array, shape (K,)

    Returns
    -------
    ndarray, shape (C, n_pre + n_post, K)
        NaN where a cell was not watched that long.

    Raises
    ------
    InferenceError
        If a day is longer than the follow-up of any window.
    """
    days = np.atleast_1d(np.asarray(days, dtype=float))
    _check_follow_up(cases, float(days.max()))
    curves = survival_at(_survival(cases, float(days.max())), days)
    return curves.reshape(*cases.shape, len(days))


def count_cases(cases: DelayCases) -> Floats:
    """Count the cases of every council and window, shape (C, n_pre + n_post)."""
    return np.bincount(cases.group, minlength=cases.n_groups).reshape(cases.shape).astype(float)


def _check_follow_up(cases: DelayCases, horizon: float) -> None:
    """Refuse a horizon that no case of some window could have been watched for."""
    shortest = float(cases.follow_up.min())
    if horizon > shortest:
        rule = f"be at most {shortest:.0f} working days, the shortest follow-up of a window"
        action = "Shorten the horizon or leave out the late windows."
        raise InferenceError(explain("horizon", rule, f"{horizon:g}", action))


class _Arrays(TypedDict):
    duration: np.ndarray
    observed: np.ndarray
    entry: np.ndarray | None
    group: np.ndarray
    n_groups: int


def _arrays(cases: DelayCases) -> _Arrays:
    late = (cases.entry >= 0).any()
    return {
        "duration": cases.duration,
        "observed": cases.observed,
        "entry": cases.entry if late else None,
        "group": cases.group,
        "n_groups": cases.n_groups,
    }


def _survival(cases: DelayCases, horizon: float) -> SurvivalTable:
    return estimate_survival(**_arrays(cases), horizon=horizon)


def _cell_moments(cases: DelayCases, values: Floats) -> tuple[Floats, Floats]:
    return _moments(values, cases.group, cases.n_groups)


def _moments(values: Floats, group: np.ndarray, n_groups: int) -> tuple[Floats, Floats]:
    """Average each cell's values and their squared deviations (0 with a single case)."""
    size = np.bincount(group, minlength=n_groups)
    total = np.bincount(group, weights=values, minlength=n_groups)
    blank = np.full(n_groups, np.nan)
    mean = np.divide(total, size, out=blank.copy(), where=size > 0)
    squares = np.bincount(group, weights=(values - mean[group]) ** 2, minlength=n_groups)
    return mean, np.divide(squares, size, out=blank, where=size > 0)


def _collapse(
    cases: DelayCases, level: Floats, reason: str, spread: Floats | None = None
) -> CouncilChanges:
    shaped = level.reshape(*cases.shape, *level.shape[1:])
    between = None if spread is None else spread.reshape(cases.shape)
    size = count_cases(cases)
    return collapse_levels(shaped, size, cases.councils, cases.n_pre, reason, between)
