"""From a council-by-period panel with gaps to one change a council and its variance factor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pilot_eval.doors import Flags, Number, Numbers, Whole, takes
from pilot_eval.errors import InferenceError, explain
from pilot_eval.inference.pretrial import common_correlation, two_way_residuals

FEWEST_FOR_CORRELATION = 3
"""Fewest pre-trial periods from which a serial correlation is estimated; else it is taken as 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Collapsed:
    """One change a council.

    Attributes
    ----------
    changes : array of shape (..., n)
        Mean after minus mean before; a council without a value on one side is NaN.
    period_factor : array of shape (..., n)
        Variance of each change relative to a council observed in every period.
    correlation : array of shape (...)
        Serial correlation behind `period_factor`.
    """

    changes: np.ndarray
    period_factor: np.ndarray
    correlation: np.ndarray


@takes(
    InferenceError,
    panel=Numbers(missing=True, ndim=(2, 3)),
    treated=Flags(),
    n_before=Whole(),
    correlation=Number(low=-1.0, high=1.0, open=True),
)
def collapse_panel(
    panel: np.ndarray, n_before: int, treated: np.ndarray, *, correlation: float | None = None
) -> Collapsed:
    """Collapse a panel to changes that gaps do not bias, with the variance factor of each.

    Comparators' period effects are taken out first where periods are missing, so that a council
    observed only in high years is not taken for a council that rose. Nothing is filled in.

    Parameters
    ----------
    panel : array of shape (n, periods) or (batch, n, periods)
        Values; NaN where missing.
    n_before : int
        Number of leading periods before the start.
    treated : bool array of shape (n,)
    correlation : float, optional
        First-order serial correlation; by default it is estimated from comparators before the
        start (0 with fewer than three pre-trial periods).

    Returns
    -------
    Collapsed

    Raises
    ------
    InferenceError
        If there is no period on one side of the start or no comparator, or a value is infinite.

    Examples
    --------
    >>> import numpy as np
    >>> panel = np.array([[1.0, 3.0, 6.0], [1.0, 1.0, 2.0], [2.0, 2.0, 3.0]])
    >>> collapse_panel(panel, 2, np.array([True, False, False])).changes
    array([4., 1., 1.])
    """
    values = panel
    if treated.all():
        action = "Nobody is left to compare with: name comparators."
        raise InferenceError(explain("treated", "leave a comparator", "none", action))
    if not 0 < n_before < values.shape[-1]:
        got = f"{n_before} of {values.shape[-1]}"
        action = "A change needs a period before and one after."
        raise InferenceError(explain("n_before", "leave a period on both sides", got, action))
    batch = values if values.ndim == 3 else values[None]
    seen = np.isfinite(batch)
    if correlation is None:
        rho = _estimate_correlation(batch[:, :, :n_before], ~treated)
    else:
        rho = np.full(len(batch), float(correlation))
    changes = _changes(batch, seen, n_before, ~treated)
    factor = _factor(seen, n_before, rho)
    if values.ndim == 2:
        return Collapsed(changes=changes[0], period_factor=factor[0], correlation=rho[0])
    return Collapsed(changes=changes, period_factor=factor, correlation=rho)


def _estimate_correlation(before: np.ndarray, comparator: np.ndarray) -> np.ndarray:
    if before.shape[2] < FEWEST_FOR_CORRELATION:
        return np.zeros(len(before))
    seen = np.isfinite(before)
    enough = seen.sum(2, keepdims=True) >= FEWEST_FOR_CORRELATION
    seen = seen & enough
    residual, _ = two_way_residuals(before, seen, comparator)
    return common_correlation(residual, seen, comparator)


def _changes(
    batch: np.ndarray, seen: np.ndarray, n_before: int, comparator: np.ndarray
) -> np.ndarray:
    values = np.where(seen, batch, 0.0)
    if not seen.all():
        _, effects = two_way_residuals(values, seen, comparator)
        jump = effects[:, n_before:].mean(1) - effects[:, :n_before].mean(1)
        values = np.where(seen, values - effects[:, None, :], 0.0)
    else:
        jump = np.zeros(len(batch))
    sides = []
    for side in (slice(None, n_before), slice(n_before, None)):
        count = seen[:, :, side].sum(2)
        mean = values[:, :, side].sum(2) / np.maximum(count, 1)
        sides.append(np.where(count > 0, mean, np.nan))
    result: np.ndarray = sides[1] - sides[0] + jump[:, None]
    return result


def _factor(seen: np.ndarray, n_before: int, rho: np.ndarray) -> np.ndarray:
    """Compute the variance of a change under a first-order process, relative to no gaps."""
    periods = seen.shape[2]
    lags = np.abs(np.subtract.outer(np.arange(periods), np.arange(periods)))
    covariance = rho[:, None, None] ** lags
    weights = np.zeros(seen.shape)
    for side, sign in ((slice(None, n_before), -1.0), (slice(n_before, None), 1.0)):
        count = seen[:, :, side].sum(2, keepdims=True)
        weights[:, :, side] = sign * seen[:, :, side] / np.maximum(count, 1)
    full = np.r_[np.full(n_before, -1 / n_before), np.full(periods - n_before, 1.0)]
    full[n_before:] /= periods - n_before
    reference = np.einsum("t,stu,u->s", full, covariance, full)
    result: np.ndarray = ((weights @ covariance) * weights).sum(2) / reference[:, None]
    return result
