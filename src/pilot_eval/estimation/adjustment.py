"""Changes adjusted for the level before the start and for declared covariates.

Councils far from the average before the start move back towards it whether they are treated or not
(regression to the mean). What the level and the covariates predict is fitted on comparators only
and taken off every council's change. Everything here works on a batch: arrays of shape (batch, n).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

KNOTS = (0.1, 0.3667, 0.6333, 0.9)
"""Quantiles of the level at the spline's knots: straight below the first and above the last."""
COMPARATORS_PER_COEFFICIENT = 5
"""With fewer, the level enters as a straight line; if that is still too few, nothing is fitted."""
SHRINKAGE_ROUNDS = 30
"""Most rounds of the moment equation for the variance of true levels; it settles in about ten."""
SETTLED = 1e-13
"""Relative change of that variance at which the rounds end."""
PRIOR_CASES = 4.0
"""Cases at the average level added to a council's own: a share of 0% is not known exactly."""
RANK_TOLERANCE = 1e-10
"""Relative eigenvalue below which a column says nothing that the others do not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdjustedChanges:
    """What is left of every council's change.

    Attributes
    ----------
    residual : ndarray, shape (batch, n)
        Change minus what its level and covariates predict; averages 0 over comparators.
    leverage : ndarray, shape (batch, n)
        How much a council's own values move its prediction (comparators), or how uncertain the
        prediction is in units of one council's variance (treated).
    reliability : ndarray, shape (batch, n)
        Share of the spread of observed levels that is not measurement error, for each council.
    outside : ndarray of bool, shape (batch, n)
        Treated councils whose level lies outside that of the comparators.
    """

    residual: np.ndarray
    leverage: np.ndarray
    reliability: np.ndarray
    outside: np.ndarray


def adjust_changes(
    changes: np.ndarray,
    treated: np.ndarray,
    levels: np.ndarray,
    *,
    covariates: np.ndarray | None = None,
    level_variance: np.ndarray | None = None,
) -> AdjustedChanges:
    """Take off every change what comparators of its level and covariates show.

    A level is a true level plus measurement error e, and the change contains -e. Of a deviation of
    the level from the mean, the share 1 - reliability is error on average and comes back in full;
    the rest is predicted by a natural cubic spline of the shrunken level. The slope is therefore
    steeper for councils with smaller denominators. A treated council outside the comparators' range
    is given the prediction at the end of that range.

    Parameters
    ----------
    changes : ndarray, shape (batch, n)
    treated : ndarray of bool, shape (n,) or (batch, n)
    levels : ndarray, shape (n,) or (batch, n)
        Mean before the start.
    covariates : ndarray, shape (n, q), optional
    level_variance : ndarray, shape (n,) or (batch, n), optional
        Sampling variance of each level, such as ``100**2 * p * (1 - p) / denominator`` for a
        percentage of one year. Default: levels are exact.

    Returns
    -------
    AdjustedChanges

    References
    ----------
    Fuller (1987), Measurement Error Models, section 3.1, for reliabilities that differ between
    units; Morris (1983), JASA 78(381), for the shrinkage; Hastie, Tibshirani and Friedman (2009),
    section 5.2.1, for the spline.

    Examples
    --------
    >>> levels = np.linspace(10.0, 40.0, 41)
    >>> changes = (20 - 0.5 * levels)[None]
    >>> found = adjust_changes(changes, np.arange(41) == 20, levels)
    >>> bool(np.abs(found.residual).max() < 1e-9)
    True
    """
    shape = changes.shape
    comparator = ~np.broadcast_to(treated, shape)
    level = np.broadcast_to(levels, shape).astype(float)
    low = np.where(comparator, level, np.inf).min(1, keepdims=True)
    high = np.where(comparator, level, -np.inf).max(1, keepdims=True)
    outside = ~comparator & ((level < low) | (level > high))
    mean, reliability = shrink_levels(level, level_variance, comparator)
    error = (1 - reliability) * (level - mean)
    shrunken = mean + reliability * (np.clip(level, low, high) - mean)
    extra = np.empty((shape[1], 0)) if covariates is None else np.asarray(covariates, float)
    straight = not _enough(comparator, len(KNOTS) + extra.shape[1])
    columns = _columns(shrunken, extra, straight)
    residual, leverage = _partial_out(changes + error, columns, comparator)
    return AdjustedChanges(
        residual=residual, leverage=leverage, reliability=reliability, outside=outside
    )


def why_not_adjustable(treated: np.ndarray, covariates: np.ndarray | None) -> str:
    """Say why an adjustment cannot be fitted, or return an empty string.

    Parameters
    ----------
    treated : ndarray of bool, shape (n,)
    covariates : ndarray, shape (n, q), or None
    """
    extra = np.empty((treated.size, 0)) if covariates is None else np.asarray(covariates, float)
    coefficients = 2 + extra.shape[1]
    if not _enough(~treated[None], coefficients):
        needed = COMPARATORS_PER_COEFFICIENT * coefficients
        return f"not adjusted: {(~treated).sum()} comparators, needs {needed}"
    fixed = np.ptp(extra[~treated], axis=0) == 0
    if (extra[treated][:, fixed] != extra[~treated][0, fixed]).any():
        return "not adjusted: no comparator is like a treated council on a covariate"
    return ""


def sampling_variance(levels: np.ndarray, cases: np.ndarray, per: float) -> np.ndarray:
    """Compute the sampling variance of the mean level of some periods.

    Parameters
    ----------
    levels : ndarray, shape (n, periods)
        Levels of each period, per `per` cases; NaN where missing.
    cases : ndarray, shape (n, periods)
        Denominators, above 0 where there is a level.
    per : float
        100 for percentages (binomial), 10,000 for rates (Poisson for rare events).

    Returns
    -------
    ndarray, shape (n,)
        NaN for a unit without a level.

    Examples
    --------
    >>> levels = np.array([[50.0], [50.0]])
    >>> sampling_variance(levels, np.array([[96.0], [996.0]]), 100.0)
    array([26.04166667,  2.51004016])
    """
    share = levels / per
    known = ~np.isnan(share)  # in a period there may be no level at all
    average = np.where(known, share, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    smooth = (share * cases + average * PRIOR_CASES) / (cases + PRIOR_CASES)
    chance = np.maximum(smooth, 0.0) * (1 - np.minimum(smooth, 1.0))
    variance = per**2 * chance / cases
    seen = ~np.isnan(variance)
    mean = np.where(seen, variance, 0.0).sum(axis=1) / np.maximum(seen.sum(axis=1), 1) ** 2
    result: np.ndarray = np.where(seen.any(axis=1), mean, np.nan)
    return result


def shrink_levels(
    levels: np.ndarray, variance: np.ndarray | None, comparator: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Estimate the mean of true levels and the reliability of each observed one.

    Parameters
    ----------
    levels : ndarray, shape (batch, n)
    variance : ndarray broadcastable to (batch, n), or None
        Sampling variance of each level.
    comparator : ndarray of bool, shape (batch, n)
        Councils that the mean and the spread of true levels are estimated on.

    Returns
    -------
    mean : ndarray, shape (batch, 1)
    reliability : ndarray, shape (batch, n)
        Variance of true levels over that plus the council's sampling variance.
    """
    noise = np.zeros(levels.shape) if variance is None else np.broadcast_to(variance, levels.shape)
    weight, spread = comparator.astype(float), np.inf
    least = RANK_TOLERANCE * noise.max() + np.finfo(float).tiny
    for _ in range(SHRINKAGE_ROUNDS if variance is not None else 1):
        mean = (weight * levels).sum(1, keepdims=True) / weight.sum(1, keepdims=True)
        squares, excess, before = weight**2, (levels - mean) ** 2, spread
        excess -= noise
        excess *= squares
        spread = excess.sum(1, keepdims=True) / squares.sum(1, keepdims=True)
        spread = np.maximum(spread, least)
        if (np.abs(spread - before) <= SETTLED * spread).all():
            break
        weight = comparator / (spread + noise)
        weight /= weight.max(1, keepdims=True)
    return mean, spread / (spread + noise)


def _enough(comparator: np.ndarray, coefficients: int) -> bool:
    return bool(comparator.sum(1).min() >= COMPARATORS_PER_COEFFICIENT * coefficients)


def _columns(level: np.ndarray, extra: np.ndarray, straight: bool) -> np.ndarray:
    """Lay out constant, level, spline and covariates, shape (batch, n, p)."""
    batch, n = level.shape
    scale = level.std(1, keepdims=True)
    x = (level - level.mean(1, keepdims=True)) / np.where(scale > 0, scale, 1.0)
    parts = [np.ones_like(x), x, *([] if straight else _spline(x))]
    return np.concatenate(
        [np.stack(parts, axis=2), np.broadcast_to(extra, (batch, n, extra.shape[1]))], axis=2
    )


def _spline(x: np.ndarray) -> list[np.ndarray]:
    """Compute a natural cubic spline's columns beyond the straight line.

    A column is 0 where knots coincide, as at a ceiling that many councils share.
    """
    *inner, last = (knot[:, None] for knot in np.quantile(x, KNOTS, axis=1))
    end = np.maximum(x - last, 0.0) ** 3

    def bend(knot: np.ndarray) -> np.ndarray:
        top, gap = np.maximum(x - knot, 0.0) ** 3 - end, np.broadcast_to(last - knot, x.shape)
        result: np.ndarray = np.divide(top, gap, out=np.zeros_like(x), where=gap > RANK_TOLERANCE)
        return result

    reference = bend(inner[-1])
    return [bend(knot) - reference for knot in inner[:-1]]


def _partial_out(
    values: np.ndarray, columns: np.ndarray, comparator: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Regress on the comparators; return everybody's residuals and leverages."""
    weighted = (columns * comparator[:, :, None]).swapaxes(1, 2)
    inverse = np.linalg.pinv(weighted @ columns, rcond=RANK_TOLERANCE, hermitian=True)
    slope = inverse @ (weighted @ values[:, :, None])
    leverage = ((columns @ inverse) * columns).sum(2)
    return values - (columns @ slope)[:, :, 0], leverage
