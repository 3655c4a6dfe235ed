"""Imputation estimator for staggered starts (Borusyak, Jaravel and Spiess 2024)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pilot_eval.doors import takes
from pilot_eval.errors import DesignError
from pilot_eval.estimation.cohorts import CohortPanel, build_cohort_panel
from pilot_eval.estimation.two_way import fit_two_way


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Imputation:
    """Effects as observed minus imputed outcomes.

    Attributes
    ----------
    att : float
        Average over all treated cells that can be imputed.
    event_times : int array (n_event_times,)
    estimates : float array (n_event_times,)
        Average effect at each event time from 0 on.
    effects : float array (n_units, n_periods)
        NaN in untreated and not imputed cells.
    unit_effects : float array (n_units,)
        Each council's own average; NaN for comparators.
    n_cells, n_not_imputed : int
        Treated cells used; treated cells observed that could not be imputed.
    panel : CohortPanel
    """

    att: float
    event_times: np.ndarray
    estimates: np.ndarray
    effects: np.ndarray
    unit_effects: np.ndarray
    n_cells: int
    n_not_imputed: int
    panel: CohortPanel


@takes(DesignError)
def estimate_imputation(
    outcomes: np.ndarray,
    first_treated: np.ndarray,
    periods: np.ndarray | None = None,
    *,
    weights: np.ndarray | None = None,
) -> Imputation:
    """Impute untreated outcomes of treated cells from unit and period effects.

    Parameters
    ----------
    outcomes : float array (n_units, n_periods)
        One row per council; NaN = missing.
    first_treated : float array (n_units,)
        First treated period; NaN = never treated.
    periods : int array (n_periods,), optional
    weights : float array (n_units,), optional
        Weight of a unit in the fit and in the averages; default 1.

    Returns
    -------
    Imputation

    Raises
    ------
    DesignError
        As `build_cohort_panel`.

    References
    ----------
    Borusyak, Jaravel and Spiess (2024), Review of Economic Studies 91(6), theorem 2.
    ``docs/methods-estimators.md``, block IMP.

    Examples
    --------
    >>> y = np.array([[1.0, 2.0, 6.0], [0.0, 1.0, 2.0]])
    >>> round(estimate_imputation(y, np.array([2.0, np.nan])).att, 10)
    3.0
    """
    panel = build_cohort_panel(outcomes, first_treated, periods, weights)
    exposure, fitted = _impute(panel)
    treated = exposure & np.isfinite(panel.outcomes)
    effects = np.where(exposure, panel.outcomes - fitted, np.nan)
    used = np.isfinite(effects)
    weight = used * panel.weights[:, None]
    filled = np.where(used, effects, 0.0)
    time, estimates = _by_event_time(panel, filled, weight)
    return Imputation(
        att=_mean(filled, weight),
        event_times=time,
        estimates=estimates,
        effects=effects,
        unit_effects=np.divide(
            filled.sum(1), used.sum(1), out=np.full(len(used), np.nan), where=used.any(1)
        ),
        n_cells=int(used.sum()),
        n_not_imputed=int(treated.sum() - used.sum()),
        panel=panel,
    )


def imputation_weights(panel: CohortPanel) -> np.ndarray:
    """Write the imputation ATT as a weighted sum of outcomes.

    Parameters
    ----------
    panel : CohortPanel

    Returns
    -------
    float array (n_units, n_periods)
        v with sum(v * outcomes) = ATT; sums to zero over each unit's and each period's cells.
        Its row products give each council's contribution.

    References
    ----------
    Borusyak, Jaravel and Spiess (2024), proposition 3: v on untreated cells is minus the
    least-squares projection of the target's weights.
    """
    exposure, fitted = _impute(panel)
    observed = np.isfinite(panel.outcomes)
    used = exposure & observed & np.isfinite(fitted)
    target = used * panel.weights[:, None]
    target = target / target.sum()
    base = (observed & ~exposure) * panel.weights[:, None]
    result: np.ndarray = target - _adjoint(base, target)
    return result


def _impute(panel: CohortPanel) -> tuple[np.ndarray, np.ndarray]:
    exposure = panel.exposure() > 0
    cells = (np.isfinite(panel.outcomes) & ~exposure) * panel.weights[:, None]
    return exposure, fit_two_way(panel.outcomes, cells).fitted


def _adjoint(base: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Weights on base cells whose row and column sums equal the target's."""
    rows, columns = base.sum(1), base.sum(0)
    share = base / np.where(rows > 0, rows, 1.0)[:, None]
    system = np.diag(columns) - base.T @ share
    need = target.sum(0) - share.T @ target.sum(1)
    period = np.linalg.lstsq(system, need, rcond=None)[0]
    unit = (target.sum(1) - base @ period) / np.where(rows > 0, rows, 1.0)
    result: np.ndarray = base * (unit[:, None] + period)
    return result


def _by_event_time(
    panel: CohortPanel, filled: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    rows = np.flatnonzero(panel.treated)
    time = np.arange(panel.shape[1]) - panel.starts[panel.cohort[rows]][:, None]
    index = np.where(time >= 0, time, panel.shape[1])
    size = panel.shape[1] + 1
    top = np.bincount(index.ravel(), (filled * weight)[rows].ravel(), size)[:-1]
    bottom = np.bincount(index.ravel(), weight[rows].ravel(), size)[:-1]
    found = np.flatnonzero(bottom > 0)
    return found, top[found] / bottom[found]


def _mean(values: np.ndarray, weight: np.ndarray) -> float:
    total = weight.sum()
    return float((values * weight).sum() / total) if total > 0 else float("nan")
