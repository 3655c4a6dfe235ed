"""How variable each council was before the trial, at the horizon of the estimate.

Noise has a fast part (first-order serial correlation) and a slow part (a random walk). Councils
can be noisy in one and not in the other, and a change over a long period is mostly slow noise. So
the pre-trial series is split into cosine frequencies, the two parts are fitted on comparators, and
a council's frequencies are weighted such that slow noise counts as much as in the change itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from pilot_eval.inference.pretrial import two_way_residuals

CORRELATIONS = np.linspace(0.0, 0.95, 20)
SLOW_PARTS = np.r_[0.0, 0.01 * 2.0 ** np.arange(10)]
"""Variance of a random walk's step relative to the variance of the fast part."""
SHAPE_STEPS = 6
"""Steps of the fixed point for the comparators' spectrum; it settles to three digits in four."""
NORMAL_ABSOLUTE = 2 / np.pi
"""Squared mean of an absolute standard normal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreTrial:
    """Pre-trial noise of a batch.

    Attributes
    ----------
    noise : array of shape (batch, n)
        Variance of each council at the horizon of the change, in variances of one period's fast
        noise; an unbiased estimate, so single ones can be below 0.
    overall : array of shape (batch, n)
        The same from all frequencies alike, above 0: exact where a council is as much noisier in
        slow as in fast movements.
    correlation, slow_share : array of shape (batch,)
        First-order correlation of the fast part, and the slow part's share of a change's variance.
    """

    noise: np.ndarray
    overall: np.ndarray
    correlation: np.ndarray
    slow_share: np.ndarray


@dataclass(frozen=True, slots=True, kw_only=True)
class Models:
    """Spectra of every pair of correlation and slow part; arrays of shape (models, ...)."""

    variance: np.ndarray
    slow_share: np.ndarray
    correlation: np.ndarray


def measure_pretrial(
    before: np.ndarray,
    comparator: np.ndarray,
    changes: np.ndarray,
    factor: np.ndarray,
    n_after: int,
) -> PreTrial:
    """Measure each council's pre-trial noise at the horizon of the change.

    Parameters
    ----------
    before : array of shape (batch, n, periods)
        Pre-trial values; NaN where missing.
    comparator : bool array of shape (n,)
    changes : array of shape (batch, n)
        Only comparators' are used: they show how far noise has moved by the end of the trial.
    factor : array broadcastable to (batch, n)
        Variance factor of each change.
    n_after : int
        Periods after the start.

    Returns
    -------
    PreTrial
    """
    values = _frequencies(before, comparator)
    centred = changes - changes[:, comparator].mean(1, keepdims=True)
    change = (centred**2 / factor)[:, comparator, None]
    squares = np.concatenate([values[:, comparator] ** 2, change], axis=2)
    models = list_models(before.shape[2], n_after)
    best = _fit(_shape(squares), models)
    variance, share = models.variance[best], models.slow_share[best]
    values = values / np.sqrt(variance[:, None, :-1])
    overall = _mean_absolute(values)
    weight = _slow_weights(share[:, :-1], share[:, -1])
    return PreTrial(
        noise=overall + (weight[:, None] * values**2).sum(2),
        overall=overall,
        correlation=models.correlation[best],
        slow_share=share[:, -1],
    )


@lru_cache(maxsize=32)
def list_models(n_before: int, n_after: int) -> Models:
    """Compute the variance of every pre-trial frequency and of the change under every model.

    Parameters
    ----------
    n_before, n_after : int

    Returns
    -------
    Models
        The last column is the change.
    """
    time = np.arange(n_before + n_after)
    lags = np.abs(np.subtract.outer(time, time))
    change = np.where(time < n_before, -1 / n_before, 1 / n_after)
    rows = np.zeros((n_before, time.size))
    rows[:-1, :n_before], rows[-1] = _cosines(n_before), change
    slow = ((rows @ np.minimum.outer(time, time)) * rows).sum(1)
    fast = np.array([((rows @ r**lags) * rows).sum(1) for r in CORRELATIONS])
    pairs = np.array([(i, q) for i in range(CORRELATIONS.size) for q in SLOW_PARTS])
    number, part = pairs[:, 0].astype(int), pairs[:, 1]
    variance = fast[number] + part[:, None] * slow
    return Models(
        variance=variance,
        slow_share=part[:, None] * slow / variance,
        correlation=CORRELATIONS[number],
    )


def _cosines(periods: int) -> np.ndarray:
    """List the orthonormal cosines that a constant does not touch, shape (periods - 1, periods)."""
    angle = np.outer(np.arange(1, periods), np.arange(periods) + 0.5)
    result: np.ndarray = np.sqrt(2 / periods) * np.cos(np.pi * angle / periods)
    return result


def _frequencies(before: np.ndarray, comparator: np.ndarray) -> np.ndarray:
    """Project residuals on the cosines, scaled so that gaps do not shrink white noise."""
    seen = np.isfinite(before)
    residual, _ = two_way_residuals(before, seen, comparator)
    cosines = _cosines(before.shape[2])
    values: np.ndarray = residual @ cosines.T
    if seen.all():
        return values
    count = seen.sum(2, keepdims=True)
    kept = seen @ (cosines**2).T - (seen @ cosines.T) ** 2 / count
    result: np.ndarray = values / np.sqrt(np.maximum(kept, 1 / before.shape[2]))
    return result


def _shape(squares: np.ndarray) -> np.ndarray:
    """Find the comparators' common spectrum, each scaled by its own noise (Tyler 1987)."""
    spectrum: np.ndarray = squares.mean(1)
    for _ in range(SHAPE_STEPS):
        own = (squares / spectrum[:, None]).mean(2, keepdims=True)
        share = np.divide(squares, own, out=np.zeros_like(squares), where=own > 0)
        spectrum = share.mean(1)
    return spectrum


def _fit(spectrum: np.ndarray, models: Models) -> np.ndarray:
    """Choose the model with the smallest Whittle loss, the scale profiled out."""
    scale = spectrum @ (1 / models.variance).T
    result: np.ndarray = (np.log(scale) + np.log(models.variance).mean(1)).argmin(1)
    return result


def _mean_absolute(values: np.ndarray) -> np.ndarray:
    """Estimate a variance from the mean absolute value, which resists outliers."""
    normal = NORMAL_ABSOLUTE + (1 - NORMAL_ABSOLUTE) / values.shape[2]
    result: np.ndarray = np.abs(values).mean(2) ** 2 / normal
    return result


def _slow_weights(share: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Weight frequencies, in sum 0, such that slow noise counts as in the change.

    The least noisy of all such weights is linear in each frequency's share of slow noise.
    """
    centred = share - share.mean(1, keepdims=True)
    spread = (centred**2).sum(1)
    step = np.divide(
        wanted - share.mean(1), spread, out=np.zeros_like(spread), where=spread > 1e-12
    )
    result: np.ndarray = step[:, None] * centred
    return result
