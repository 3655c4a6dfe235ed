"""The variance function: how noisy a council of a given size is.

Var(change of council i) = (a + b / cases_i) * period_factor_i, fitted on comparators only.
Everything here works on a batch: arrays of shape (batch, councils).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

MAX_ITERATIONS, UNDAMPED = 400, 50
"""Reweightings at most, and those after which a fit that turns back takes shorter steps: some data
make plain reweighting alternate between two fits for ever."""
LONGER, SHORTEST = 1.25, 1 / 1024
"""Growth of a step that goes on in its direction, and the least share of a step."""
TOLERANCE = 1e-10
"""Relative change of (a, b) at which the iteration stops; far below what data can distinguish."""
NORMAL_KAPPA = 2.0
"""Variance of a squared standard normal: kappa where errors are normal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeFunction:
    """Fitted variance functions of a batch.

    Attributes
    ----------
    a, b : array of shape (batch,)
        Both at least 0, not both 0 unless the residuals are.
    variance : array of shape (batch, n)
        Fitted variance of every council, treated or not.
    kappa : array of shape (batch,)
        Mean of (e^2 / v - 1)^2 over comparators: 2 where errors are normal, more with heavy tails.
    information : tuple of three arrays of shape (batch,)
        Entries (aa, ab, bb) of X'WX.
    """

    a: np.ndarray
    b: np.ndarray
    variance: np.ndarray
    kappa: np.ndarray
    information: tuple[np.ndarray, np.ndarray, np.ndarray]


def fit_size_function(
    squares: np.ndarray, comparator: np.ndarray, cases: np.ndarray, factor: np.ndarray
) -> SizeFunction:
    """Fit a and b by iterated weighted least squares with weights 1 / v^2, both kept at 0 or above.

    Parameters
    ----------
    squares : array of shape (batch, n)
        Squared residuals, each with expectation v_i; only comparators' are used.
    comparator : bool array broadcastable to (batch, n)
    cases, factor : array broadcastable to (batch, n)

    Returns
    -------
    SizeFunction

    References
    ----------
    Ferman and Pinto (2019), Review of Economics and Statistics 101(3), section III.
    """
    shape = squares.shape
    x1 = np.broadcast_to(factor, shape)
    x2 = np.broadcast_to(factor / cases, shape)
    keep = np.broadcast_to(comparator, shape)
    if shape[0] > 1:
        return _fit(squares, x1, x2, keep)
    used = np.where(keep, squares, 0.0)
    return _fit_one(*(part.tobytes() for part in (used, x1, x2, keep)))


@lru_cache(maxsize=64)
def _fit_one(squares: bytes, x1: bytes, x2: bytes, keep: bytes) -> SizeFunction:
    """Fit one outcome; several tests ask for the same fit, one after another."""
    numbers = (np.frombuffer(part)[None] for part in (squares, x1, x2))
    fit = _fit(*numbers, np.frombuffer(keep, dtype=bool)[None])  # type: ignore[call-arg]  # three
    for part in (fit.a, fit.b, fit.variance, fit.kappa, *fit.information):
        part.flags.writeable = False
    return fit


def _fit(squares: np.ndarray, x1: np.ndarray, x2: np.ndarray, keep: np.ndarray) -> SizeFunction:
    a, b = _solve(squares, x1, x2, np.where(keep, 1.0 / x1**2, 0.0))
    active = np.arange(len(squares))
    step, last = np.ones(len(squares)), np.zeros((2, len(squares)))
    every, tops = (squares, x1, x2, keep), (x1.max(1), x2.max(1))
    parts: tuple[np.ndarray, ...] = every
    for number in range(MAX_ITERATIONS):
        if active.size < len(parts[0]):  # some have settled: copied once, not every time
            parts = tuple(part[active] for part in every)
        y, u1, u2, used = parts
        new_a, new_b = _solve(y, u1, u2, _weights(a[active], b[active], u1, u2, used))
        top1, top2 = (top[active] for top in tops)
        moved = np.array([(new_a - a[active]) * top1, (new_b - b[active]) * top2])
        if number >= UNDAMPED:  # a fit that turns back takes shorter steps
            turns = (moved * last[:, active]).sum(0) < 0
            step[active] *= np.where(turns, 1 / 2, LONGER)
            step[active] = step[active].clip(SHORTEST, 1.0)
        last[:, active], taken = moved, step[active]
        a[active] = np.where(taken < 1, a[active] + taken * (new_a - a[active]), new_a)
        b[active] = np.where(taken < 1, b[active] + taken * (new_b - b[active]), new_b)
        active = active[np.abs(moved).sum(0) > TOLERANCE * (new_a * top1 + new_b * top2)]
        if not active.size:
            break
    equal = np.where(keep[active], 1.0 / x1[active] ** 2, 0.0)  # never settled: fitted without size
    a[active], b[active] = _solve(squares[active], x1[active], 0 * x2[active], equal)
    return _finish(squares, a, b, x1, x2, keep)


def _weights(
    a: np.ndarray, b: np.ndarray, x1: np.ndarray, x2: np.ndarray, keep: np.ndarray
) -> np.ndarray:
    variance = a[:, None] * x1 + b[:, None] * x2
    used = keep & (variance > 0)
    result: np.ndarray = np.divide(1.0, variance * variance, out=np.zeros(used.shape), where=used)
    return result


def _solve(
    y: np.ndarray, x1: np.ndarray, x2: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Solve the weighted least squares of y on (x1, x2) with both coefficients at least 0."""
    w1, w2 = weight * x1, weight * x2
    s11, s12, s22 = _dot(w1, x1), _dot(w1, x2), _dot(w2, x2)
    t1, t2 = _dot(w1, y), _dot(w2, y)
    determinant = s11 * s22 - s12**2
    separable = determinant > TOLERANCE * s11 * s22
    safe = np.where(separable, determinant, 1.0)
    a, b = (t1 * s22 - t2 * s12) / safe, (t2 * s11 - t1 * s12) / safe
    only_a, only_b = ~separable | (b < 0), separable & (a < 0)
    a = np.where(only_a, _ratio(t1, s11), np.where(only_b, 0.0, a))
    return a, np.where(only_a, 0.0, np.where(only_b, _ratio(t2, s22), b))


def _dot(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    result: np.ndarray = np.einsum("ij,ij->i", left, right)
    return result


def _ratio(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    return np.where(bottom > 0, top / np.where(bottom > 0, bottom, 1.0), 0.0)


def _finish(
    squares: np.ndarray,
    a: np.ndarray,
    b: np.ndarray,
    x1: np.ndarray,
    x2: np.ndarray,
    keep: np.ndarray,
) -> SizeFunction:
    variance = a[:, None] * x1 + b[:, None] * x2
    weight = _weights(a, b, x1, x2, keep)
    relative = np.where(keep, squares * np.sqrt(weight) - 1.0, 0.0)
    kappa = (relative**2).sum(1) / keep.sum(1)
    information = ((weight * x1**2).sum(1), (weight * x1 * x2).sum(1), (weight * x2**2).sum(1))
    return SizeFunction(a=a, b=b, variance=variance, kappa=kappa, information=information)


def variance_of_total(
    fit: SizeFunction, gradient_a: np.ndarray, gradient_b: np.ndarray
) -> np.ndarray:
    """Compute the variance of gradient_a * a + gradient_b * b, a coefficient at 0 taken as known.

    Parameters
    ----------
    fit : SizeFunction
    gradient_a, gradient_b : array of shape (batch,)

    Returns
    -------
    array of shape (batch,)
    """
    s11, s12, s22 = fit.information
    determinant = s11 * s22 - s12**2
    both = (fit.a > 0) & (fit.b > 0) & (determinant > TOLERANCE * s11 * s22)
    safe = np.where(both, determinant, 1.0)
    quadratic = gradient_a**2 * s22 - 2 * gradient_a * gradient_b * s12 + gradient_b**2 * s11
    one = np.where(fit.a > 0, _ratio(gradient_a**2, s11), _ratio(gradient_b**2, s22))
    return fit.kappa * np.where(both, quadratic / safe, one)
