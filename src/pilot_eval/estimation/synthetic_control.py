"""Each treated council on its own: synthetic control or synthetic DiD with its exact rank."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pilot_eval.doors import takes
from pilot_eval.errors import DesignError, explain
from pilot_eval.estimation.cohorts import NEVER, build_cohort_panel
from pilot_eval.estimation.group_time import check_never
from pilot_eval.estimation.synthetic_did import (
    SyntheticEstimate,
    estimate_synthetic_did,
    placebo_synthetic_did,
    rank_among,
)
from pilot_eval.estimation.synthetic_weights import Method, Solver


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CouncilSynthetic:
    """One treated council against its synthetic self.

    Attributes
    ----------
    unit : int
        Row in the outcomes.
    first_treated : int
        Period.
    estimate : SyntheticEstimate
    placebos : float array (n_comparators,)
        The same estimate for every comparator in turn, the others as donors.
    p_value : float
        Exact: rank of the size of the effect among all of them, itself included.
    smallest_p_value : float
        1 / (n_comparators + 1), the least this test can give.
    """

    unit: int
    first_treated: int
    estimate: SyntheticEstimate
    placebos: np.ndarray
    p_value: float
    smallest_p_value: float


@takes(DesignError)
def estimate_each_council(
    outcomes: np.ndarray,
    first_treated: np.ndarray,
    periods: np.ndarray | None = None,
    *,
    method: Method = "sc",
    solver: Solver = "exact",
) -> list[CouncilSynthetic]:
    """Estimate every treated council separately, with the exact placebo distribution.

    Parameters
    ----------
    outcomes : float array (n_units, n_periods)
        A treated council with a missing value is left out; so is an incomplete comparator.
    first_treated : float array (n_units,)
        First treated period; NaN = never treated. Only never-treated councils are donors.
    periods : int array (n_periods,), optional
    method : {"sc", "sdid", "did"}
    solver : {"exact", "frank_wolfe"}

    Returns
    -------
    list of CouncilSynthetic
        In the order of the rows.

    Raises
    ------
    DesignError
        As `build_cohort_panel`; or if fewer than three comparators are complete.

    References
    ----------
    Abadie, Diamond and Hainmueller (2010), JASA 105, section 2.4.
    ``docs/methods-estimators.md``, block SC.
    """
    panel = build_cohort_panel(outcomes, first_treated, periods)
    check_never(panel, "never")
    complete = np.isfinite(panel.outcomes).all(1)
    pool = panel.outcomes[complete & (panel.cohort == NEVER)]
    if len(pool) < 3:
        raise DesignError(
            explain(
                "comparators",
                "include three or more without a missing value",
                len(pool),
                "Shorten the window, or leave this method out.",
            )
        )
    results = []
    placebos: dict[int, np.ndarray] = {}  # the same for all that start together
    for unit in np.flatnonzero(complete & panel.treated):
        start = int(panel.starts[panel.cohort[unit]])
        Y = np.vstack([pool, panel.outcomes[unit]])
        flag = np.arange(len(Y)) == len(pool)
        estimate = estimate_synthetic_did(Y, flag, start, method=method, solver=solver)
        if start not in placebos:
            placebos[start] = placebo_synthetic_did(
                Y, flag, start, draws=len(pool), seed=0, method=method, solver=solver
            ).placebos
        placebo = rank_among(estimate.att, placebos[start], exact=True)
        results.append(
            CouncilSynthetic(
                unit=int(unit),
                first_treated=int(panel.periods[start]),
                estimate=estimate,
                placebos=placebo.placebos,
                p_value=placebo.p_value,
                smallest_p_value=1.0 / (len(pool) + 1),
            )
        )
    return results
