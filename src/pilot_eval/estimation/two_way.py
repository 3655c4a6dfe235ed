"""Two-way fixed effects on a wide panel with gaps: exact, by one small linear system."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pilot_eval.doors import Numbers, takes
from pilot_eval.errors import DesignError, explain

NO_SPREAD = 1e-20
"""Share of its own square below which an exposure's residual is rounding."""
RANK_TOLERANCE = 1e-10
"""Share of the largest eigenvalue below which an eigenvalue is rounding: a level left open."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TwoWayFit:
    """Unit and period effects.

    Attributes
    ----------
    unit : float array (n_units,)
        NaN for a unit with no observation.
    period : float array (n_periods,)
        NaN for a period with no observation.
    fitted : float array (n_units, n_periods)
        unit + period wherever the panel identifies the sum, also outside the mask; else NaN.
    """

    unit: np.ndarray
    period: np.ndarray
    fitted: np.ndarray


def fit_two_way(outcomes: np.ndarray, weights: np.ndarray) -> TwoWayFit:
    """Fit y_it = a_i + g_t by weighted least squares on the cells with positive weight.

    Parameters
    ----------
    outcomes : float array (n_units, n_periods)
        Values in cells of weight zero are ignored (they may be NaN).
    weights : float array (n_units, n_periods)
        Zero leaves a cell out.

    Returns
    -------
    TwoWayFit
        Period effects sum to zero within a connected set of cells.

    Notes
    -----
    The unit effects are concentrated out, which leaves one symmetric system of n_periods
    equations, singular once for each connected set of periods.

    Examples
    --------
    >>> fit = fit_two_way(np.array([[1.0, 2.0], [3.0, np.nan]]), np.array([[1, 1], [1, 0.0]]))
    >>> fit.fitted.round(9).tolist()
    [[1.0, 2.0], [3.0, 4.0]]
    """
    W = np.asarray(weights, dtype=float)
    if not W.any():
        missing = np.full(W.shape, np.nan)
        return TwoWayFit(unit=missing[:, 0], period=missing[0], fitted=missing)
    Y = np.where(W > 0, outcomes, 0.0)
    rows, columns = W.sum(1), W.sum(0)
    size = np.where(rows > 0, rows, 1.0)
    root = W / np.sqrt(size)[:, None]
    system = np.diag(columns) - root.T @ root
    target = (W * Y).sum(0) - ((W * Y).sum(1) / size) @ W
    component = _components(system, columns > 0)
    same = component[:, None] == component
    period = np.linalg.solve(system + columns.max() * same, target)
    period -= same @ period / same.sum(1)
    unit = ((W * Y).sum(1) - W @ period) / np.where(rows > 0, rows, np.nan)
    period = np.where(columns > 0, period, np.nan)
    fitted = unit[:, None] + period
    if component[columns > 0].any():
        home = np.where(rows > 0, component[W.argmax(1)], -1)
        fitted[home[:, None] != component] = np.nan
    return TwoWayFit(unit=unit, period=period, fitted=fitted)


def solve_period_effects(values: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Fit the period effects of panels with gaps, unit effects concentrated out.

    Parameters
    ----------
    values : float array (..., n_units, n_periods)
    seen : bool array (n_units, n_periods) or of the shape of `values`
        Values to use; the others may be anything finite.

    Returns
    -------
    float array (..., n_periods)
        Up to a constant for each set of periods that units link; 0 in all.

    Examples
    --------
    >>> gaps = np.array([[True, True], [True, False]])
    >>> solve_period_effects(np.array([[1.0, 2.0], [3.0, 0.0]]), gaps).round(9).tolist()
    [-0.5, 0.5]
    """
    if seen.all():
        means = values.mean(axis=-2)
        result: np.ndarray = means - means.mean(axis=-1, keepdims=True)
        return result
    counts = np.maximum(seen.sum(axis=-1, keepdims=True), 1)
    used = np.where(seen, values, 0.0)
    apart = np.where(seen, used - used.sum(axis=-1, keepdims=True) / counts, 0.0).sum(axis=-2)
    share = seen / np.sqrt(counts)
    normal = -np.einsum("...it,...iu->...tu", share, share)
    periods = np.arange(seen.shape[-1])
    normal[..., periods, periods] += seen.sum(axis=-2)
    inverse = np.linalg.pinv(normal, rcond=RANK_TOLERANCE, hermitian=True)
    effects: np.ndarray = np.einsum("...tu,...u->...t", inverse, apart)
    return effects


def _components(system: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """Label connected periods 0, 1, ...; an unobserved period is a component of its own."""
    linked = (system != 0) | np.eye(len(system), dtype=bool)
    reach = linked
    while True:
        wider = (reach.astype(float) @ reach.astype(float)) > 0
        if (wider == reach).all():
            break
        reach = wider
    first = reach.argmax(1)
    order = np.unique(first[observed])
    label = np.full(len(system), -1)
    label[observed] = np.searchsorted(order, first[observed])
    label[~observed] = len(order) + np.arange((~observed).sum())
    return label


@takes(
    DesignError,
    outcomes=Numbers(missing=True, ndim=(2,)),
    exposure=Numbers(ndim=(2,)),
)
def estimate_twfe(outcomes: np.ndarray, exposure: np.ndarray) -> float:
    """Estimate the pooled two-way fixed effects coefficient of a treatment dummy.

    Parameters
    ----------
    outcomes : float array (n_units, n_periods)
        NaN = missing.
    exposure : float array (n_units, n_periods)
        Treatment, 0 or 1 (or a share of the period).

    Returns
    -------
    float
        The naive pooled number: with staggered starts it also compares newly treated with already
        treated units (see `goodman_bacon`). NaN where exposure does not vary within units and
        periods.

    Raises
    ------
    DesignError
        If an outcome is infinite, or labelled outcomes name a unit twice.

    References
    ----------
    Goodman-Bacon (2021), equation 2. ``docs/methods-estimators.md``, block TWFE.
    """
    Y = outcomes
    if exposure.shape != Y.shape:
        raise DesignError(explain("exposure", "fit outcomes", exposure.shape, "Align them."))
    W = np.isfinite(Y).astype(float)
    residual = np.where(W > 0, exposure - fit_two_way(exposure, W).fitted, 0.0)
    spread = (residual**2).sum()
    if spread <= NO_SPREAD * (np.where(W > 0, exposure, 0.0) ** 2).sum():
        return float("nan")
    return float((residual * np.where(W > 0, Y, 0.0)).sum() / spread)
