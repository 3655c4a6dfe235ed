"""Group-time effects by outcome regression on covariates of the base period."""

from __future__ import annotations

import numpy as np

from pilot_eval.errors import DesignError, explain
from pilot_eval.estimation.group_time import (
    Control,
    GroupTime,
    base_columns,
    check_never,
    eligible_comparators,
)
from pilot_eval.frames.long_frame import LongFrame


def estimate_with_covariates(data: LongFrame, control: Control) -> GroupTime:
    """Estimate ATT(g, t), comparators' changes regressed on covariates of the base period.

    Parameters
    ----------
    data : LongFrame
    control : {"never", "not_yet"}

    Returns
    -------
    GroupTime
        With the influence of every unit.

    Raises
    ------
    DesignError
        If comparators of a cell are too few for the covariates.

    References
    ----------
    Callaway and Sant'Anna (2021), equation 2.8 with outcome regression; Sant'Anna and Zhao (2020),
    Journal of Econometrics 219(1), for its influence function.
    """
    panel = data.panel
    check_never(panel, control)
    eligible, column = (
        eligible_comparators(panel, control, "universal"),
        base_columns(panel, "universal"),
    )
    shape = column.shape
    att, counts = np.full(shape, np.nan), np.zeros((2, *shape), dtype=int)
    psi = np.zeros((panel.shape[0], *shape))
    for g, t in np.ndindex(*shape):
        base = int(column[g, t])
        if base < 0:
            continue
        change = panel.outcomes[:, t] - panel.outcomes[:, base]
        X = np.column_stack([np.ones(len(change)), data.covariates[:, base]])
        seen = np.isfinite(change)
        own = seen & (panel.cohort == g)
        rest = seen & (eligible[g, panel.cohort, t] > 0) & ~own
        counts[:, g, t] = own.sum(), rest.sum()
        if own.any():
            att[g, t], psi[:, g, t] = _cell(change, X, own, rest)
    return GroupTime(
        att_gt=att,
        n_treated=counts[0],
        n_comparators=counts[1],
        influence=psi,
        panel=panel,
        control=control,
        base="universal",
    )


def adjusted_change(data: LongFrame) -> np.ndarray:
    """Average over periods from the start the changes net of what comparators' covariates predict.

    Parameters
    ----------
    data : LongFrame
        One start, complete.

    Returns
    -------
    ndarray, shape (n_units,)
        The difference in means of treated and never treated is the simple aggregate.
    """
    panel = data.panel
    start = int(panel.starts[0])
    X = np.column_stack([np.ones(panel.shape[0]), data.covariates[:, start - 1]])
    change = panel.outcomes[:, start:] - panel.outcomes[:, [start - 1]]
    slopes = np.linalg.lstsq(X[~panel.treated], change[~panel.treated], rcond=None)[0]
    net: np.ndarray = (change - X @ slopes).mean(axis=1)
    return net


def _cell(
    change: np.ndarray, X: np.ndarray, own: np.ndarray, rest: np.ndarray
) -> tuple[float, np.ndarray]:
    if np.linalg.matrix_rank(X[rest]) < X.shape[1] or rest.sum() <= X.shape[1]:
        action = "Use fewer covariates."
        raise DesignError(
            explain("comparators", "outnumber and vary in the covariates", int(rest.sum()), action)
        )
    bread = np.linalg.inv(X[rest].T @ X[rest])
    slopes = bread @ X[rest].T @ change[rest]
    left = change - X @ slopes
    effect = left[own].mean()
    psi = np.zeros(len(change))
    psi[own] = (left[own] - effect) / own.sum()
    psi[rest] = -left[rest] * (X[rest] @ bread @ X[own].mean(axis=0))
    return float(effect), psi
