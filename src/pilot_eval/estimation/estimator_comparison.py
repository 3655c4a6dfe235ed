"""Every staggered estimator on one panel, alongside the naive pooled number."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pilot_eval.doors import takes
from pilot_eval.errors import DesignError
from pilot_eval.estimation.cohorts import build_cohort_panel
from pilot_eval.estimation.goodman_bacon import decompose_goodman_bacon
from pilot_eval.estimation.group_time import estimate_group_time
from pilot_eval.estimation.group_time_aggregates import aggregate_group_time
from pilot_eval.estimation.imputation import estimate_imputation
from pilot_eval.estimation.sun_abraham import estimate_sun_abraham
from pilot_eval.estimation.synthetic_did import estimate_staggered_synthetic_did
from pilot_eval.estimation.two_way import estimate_twfe


@takes(DesignError)
def compare_staggered_estimators(
    outcomes: np.ndarray, first_treated: np.ndarray, periods: np.ndarray | None = None
) -> pd.DataFrame:
    """Estimate the average effect by every method for staggered starts.

    Parameters
    ----------
    outcomes : float array (n_units, n_periods)
        NaN = missing; synthetic DiD then uses the complete councils only.
    first_treated : float array (n_units,)
        First treated period; NaN = never treated. Somebody must be never treated.
    periods : int array (n_periods,), optional

    Returns
    -------
    pandas.DataFrame
        One row per method: ``method``, ``estimate``, ``compares_with`` (whom) and ``block`` (of
        ``docs/methods-estimators.md``). NaN where a method has no answer on the panel.

    Raises
    ------
    DesignError
        As `build_cohort_panel`.

    Examples
    --------
    >>> y = np.array([[1.0, 2, 6, 6], [0, 1, 2, 2], [4, 5, 6, 6], [3, 4, 5, 5]])
    >>> found = compare_staggered_estimators(y, np.array([2, np.nan, np.nan, np.nan]))
    >>> found.set_index("method")["estimate"].round(6).to_dict()["group_time"]
    3.0
    """
    panel = build_cohort_panel(outcomes, first_treated, periods)
    data = (panel.outcomes, np.append(panel.start_periods, np.nan)[panel.cohort], panel.periods)
    not_yet = estimate_group_time(*data, control="not_yet")
    rows = [
        (
            "twfe",
            estimate_twfe(panel.outcomes, panel.exposure()),
            "never, not yet, already",
            "TWFE",
        ),
        ("group_time", aggregate_group_time(estimate_group_time(*data)).overall, "never", "GT"),
        ("group_time_not_yet", aggregate_group_time(not_yet).overall, "never, not yet", "GT"),
        ("imputation", estimate_imputation(*data).att, "never, not yet", "IMP"),
        ("sun_abraham", aggregate_group_time(estimate_sun_abraham(*data)).overall, "never", "SA"),
        ("synthetic_did", _synthetic(*data), "never, weighted", "SDID"),
    ]
    return pd.DataFrame(rows, columns=["method", "estimate", "compares_with", "block"])


@takes(DesignError)
def weight_on_already_treated(
    outcomes: np.ndarray, first_treated: np.ndarray, periods: np.ndarray | None = None
) -> float:
    """Sum the pooled coefficient's weight on comparisons with already treated councils.

    Parameters
    ----------
    outcomes, first_treated, periods
        As `decompose_goodman_bacon`; complete.

    Returns
    -------
    float
        Between 0 and 1; with constant effects it does no harm, with growing ones it biases.
    """
    table = decompose_goodman_bacon(outcomes, first_treated, periods)
    already = table["kind"].isin(["later_vs_earlier", "later_vs_always"])
    return float(table.loc[already, "weight"].sum())


def _synthetic(outcomes: np.ndarray, first: np.ndarray, periods: np.ndarray) -> float:
    complete = np.isfinite(outcomes).all(1)
    treated = complete & np.isfinite(first)
    two_before = first[treated] > periods[1] if treated.any() else np.array([False])
    if not two_before.all() or (complete & np.isnan(first)).sum() < 2:
        return float("nan")
    found, _ = estimate_staggered_synthetic_did(outcomes[complete], first[complete], periods)
    return found.att
