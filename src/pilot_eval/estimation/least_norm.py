"""Weights of the simplex where data alone do not fix them: nearest point of a hull, least norm."""

from __future__ import annotations

import numpy as np
from scipy.optimize import nnls

EXACT_TOLERANCE = 1e-12  # of the largest entry: above rounding, below any weight that matters
RANK_TOLERANCE = 1e-13  # share of the largest eigenvalue: above rounding, below what matters
FACE_TOLERANCE = 1e-10  # of the points' size: nearer than that, a point touches the nearest one
MAX_NEWTON, DAMPING = 200, 1e-4


def fit_least_norm(factor: np.ndarray, linear: np.ndarray) -> np.ndarray:
    """Minimise |F'x - b|^2 over x >= 0, sum(x) = 1; of several minima take that of least norm.

    The residual is the same at every minimum. Weights lie where the hull of the points touches
    it; where these are more points than are needed, the least norm chooses.

    Parameters
    ----------
    factor : float array (n_weights, rank)
        F.
    linear : float array (n_weights,)
        F b.

    Returns
    -------
    float array (n_weights,)

    References
    ----------
    Lawson and Hanson (1974), Solving Least Squares Problems, chapter 23; Qi and Sun (1993),
    Mathematical Programming 58, Newton's method for piecewise smooth equations.
    """
    value, vector = np.linalg.eigh(factor.T @ factor)
    seen = value > RANK_TOLERANCE * max(float(value[-1]), 1e-300)
    points = factor @ vector[:, seen]
    points -= points.T @ linear / value[seen]
    if not points.any():
        return np.full(len(linear), 1.0 / len(linear))
    points /= np.sqrt((points**2).sum() / len(linear))
    x = _nearest_point(points)
    nearest = x @ points
    slack = EXACT_TOLERANCE + FACE_TOLERANCE * np.sqrt((points**2).sum(1).max())
    face = points @ nearest - nearest @ nearest <= slack
    face |= x > 0
    if np.count_nonzero(face) > np.count_nonzero(x):
        x[face] = _least_norm(points[face], nearest, x[face])
    return x


def _nearest_point(points: np.ndarray) -> np.ndarray:
    """Find weights of the hull's point nearest to zero: few points at a time, the worst added.

    The best direction of |P'x|^2 + (1'x - 1)^2 over x >= 0 is the best point of the simplex, so
    that solution needs only dividing by its sum.
    """
    x, best = np.zeros(len(points)), np.inf
    more = points.shape[1] + 1
    chosen = np.argsort((points**2).sum(1), kind="stable")[:more]
    for _ in range(len(points)):
        rows = np.vstack([points[chosen].T, np.ones(len(chosen))])
        weights, _ = nnls(rows, np.append(np.zeros(len(rows) - 1), 1.0), maxiter=50 * len(chosen))
        nearest = weights @ points[chosen] / weights.sum()
        distance = float(nearest @ nearest)
        if distance >= best:
            break
        best, x[:] = distance, 0.0
        x[chosen] = weights / weights.sum()
        gain = distance - points @ nearest
        worst = np.argsort(-gain, kind="stable")[:more]
        worst = worst[gain[worst] > EXACT_TOLERANCE]
        if not worst.size:
            break
        chosen = np.union1d(np.flatnonzero(x), worst)
    return x


def _least_norm(points: np.ndarray, goal: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Find the least norm of weights that reach a point: Newton steps on the dual; else x.

    The solution is max(0, M l) with M = (points, 1); l solves M' max(0, M l) = (goal, 1).
    """
    M = np.column_stack([points, np.ones(len(points))])
    d = np.append(goal, 1.0)
    dual = np.linalg.lstsq(M.T @ M, d, rcond=None)[0]
    for _ in range(MAX_NEWTON):
        reach = M @ dual
        weights = np.maximum(reach, 0.0)
        slope = weights @ M - d
        if np.abs(slope).max() <= EXACT_TOLERANCE * (1.0 + np.abs(dual).max()):
            break
        used = M[weights > 0]
        # Where few weights are left the matrix is singular: damped, it still finds a way down.
        damping = DAMPING * np.abs(slope).max() * np.eye(len(d))
        step = np.linalg.solve(used.T @ used + damping, slope)
        length = _best_length(reach, M @ step, float(d @ step))
        if length == 0.0:  # as near as rounding lets it come
            break
        dual = dual - length * step
    near = np.abs(slope).max() <= FACE_TOLERANCE * (1.0 + np.abs(dual).max())
    result: np.ndarray = weights / weights.sum() if near else x
    return result


def _best_length(reach: np.ndarray, fall: np.ndarray, gain: float) -> float:
    """Minimise sum(max(0, reach - t fall)^2) / 2 + t gain over t >= 0, convex and piecewise."""
    crossing = np.divide(reach, fall, out=np.full(len(fall), -1.0), where=fall != 0)
    later = np.flatnonzero(crossing > 0)
    later = later[np.argsort(crossing[later], kind="stable")]
    start = (reach > 0) | (reach == 0) & (fall < 0)
    sign = np.where(start[later], -1.0, 1.0)
    square = (start @ fall**2) + np.append(0.0, np.cumsum(sign * fall[later] ** 2))
    level = (start @ (reach * fall)) + np.append(0.0, np.cumsum(sign * (reach * fall)[later]))
    ends = np.append(crossing[later], np.inf)
    best = np.divide(level - gain, square, out=np.full(len(ends), np.inf), where=square > 0)
    first = int(np.argmax(best <= ends))
    return float(max(best[first], 0.0)) if np.isfinite(best[first]) else 1.0
