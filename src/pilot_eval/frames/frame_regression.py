"""Fixed effects by partialling out: coefficients, clustered errors, outcomes net of covariates."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pilot_eval.errors import DesignError, explain
from pilot_eval.estimation.cohorts import NEVER
from pilot_eval.estimation.two_way import fit_two_way
from pilot_eval.frames.long_frame import LongFrame

NO_VARIATION = 1e-12
"""Share of a column's variation below which fixed effects have absorbed it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Regression:
    """The effect of treatment in a two-way fixed effects regression.

    Attributes
    ----------
    effect, std_error, df : float
        Coefficient of treatment, its standard error clustered by unit, and residual degrees of
        freedom, unit effects counted as in linearmodels.
    slopes : ndarray, shape (k,)
        Coefficients of the covariates.
    """

    effect: float
    std_error: float
    df: float
    slopes: np.ndarray


def regress_two_way(data: LongFrame) -> Regression:
    """Regress outcomes on treatment and covariates with unit and period effects.

    Parameters
    ----------
    data : LongFrame

    Returns
    -------
    Regression

    Raises
    ------
    DesignError
        If fixed effects absorb treatment or a covariate, or columns add up to each other.

    References
    ----------
    Frisch and Waugh (1933); Arellano (1987) for the clustered variance, with the factor of
    observations over residual degrees of freedom.
    """
    weights = data.seen.astype(float)
    columns = np.concatenate([data.panel.exposure()[:, :, None], data.covariates], axis=2)
    X = _partial_out(columns, weights)
    y = _partial_out(data.panel.outcomes[:, :, None], weights)[:, :, 0]
    names = ("treatment", *data.covariate_names)
    coefficients = _solve(X[data.seen], y[data.seen], columns[data.seen], names)
    residual = np.where(data.seen, y - X @ coefficients, 0.0)
    scores = np.einsum("itk,it->ik", X, residual)
    bread = np.linalg.inv(np.einsum("itk,itl->kl", X, X))
    n_rows = int(data.seen.sum())
    n_effects = sum(int(data.seen.any(axis=axis).sum()) for axis in (0, 1)) - 1
    df = n_rows - len(coefficients) - n_effects
    factor = n_rows / df if df > 0 else np.nan  # without a residual there is no variance
    variance = bread @ (scores.T @ scores) @ bread * factor
    return Regression(
        effect=float(coefficients[0]),
        std_error=float(np.sqrt(variance[0, 0])),
        df=float(df),
        slopes=coefficients[1:],
    )


def net_of_slopes(data: LongFrame, slopes: np.ndarray) -> LongFrame:
    """Take the covariates' part off the outcomes; what is left needs no covariates."""
    outcomes = data.panel.outcomes - data.covariates @ slopes
    return replace(
        data,
        panel=replace(data.panel, outcomes=outcomes),
        covariates=data.covariates[:, :, :0],
        covariate_names=(),
    )


def slopes_of_untreated(data: LongFrame) -> np.ndarray:
    """Estimate the covariates' coefficients from untreated cells, with unit and period effects."""
    cells = data.seen & (data.panel.exposure() == 0)
    return _fit_slopes(data, cells, np.zeros(len(data.units), dtype=int))


def slopes_within_cohorts(data: LongFrame) -> np.ndarray:
    """Estimate the coefficients with unit effects and period effects of each cohort."""
    return _fit_slopes(data, data.seen, np.asarray(data.panel.cohort) - NEVER)


def _fit_slopes(data: LongFrame, cells: np.ndarray, group: np.ndarray) -> np.ndarray:
    if not data.covariate_names:
        return np.zeros(0)
    X, y = np.zeros(data.covariates.shape), np.zeros(data.panel.outcomes.shape)
    for label in np.unique(group):
        rows = group == label
        weights = cells[rows].astype(float)
        X[rows] = _partial_out(data.covariates[rows], weights)
        y[rows] = _partial_out(data.panel.outcomes[rows][:, :, None], weights)[:, :, 0]
    return _solve(X[cells], y[cells], data.covariates[cells], data.covariate_names)


def _partial_out(columns: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Residuals of unit and period effects, column by column; 0 in cells of weight 0."""
    parts = [
        np.where(weights > 0, column - fit_two_way(column, weights).fitted, 0.0)
        for column in np.moveaxis(columns, 2, 0)
    ]
    return np.stack(parts, axis=2)


def _solve(X: np.ndarray, y: np.ndarray, raw: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    left = (X**2).sum(axis=0) <= NO_VARIATION * (raw**2).sum(axis=0)
    lost = [name for name, absorbed in zip(names, left, strict=True) if absorbed]
    if lost:
        raise DesignError(
            explain(
                lost[0],
                "vary within units and periods",
                "a column that fixed effects absorb",
                "Leave it out: what does not change over time cannot bias a change.",
            )
        )
    spread = X / np.sqrt((X**2).sum(axis=0))
    if len(names) and np.linalg.svd(spread, compute_uv=False)[-1] < NO_VARIATION ** (1 / 2):
        rule, got = "not add up to each other", "columns that say the same"
        raise DesignError(explain(", ".join(names), rule, got, "Leave one out."))
    coefficients: np.ndarray = np.linalg.lstsq(X, y, rcond=None)[0]
    return coefficients
