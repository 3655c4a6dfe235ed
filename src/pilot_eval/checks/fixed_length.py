"""Shortest fixed-length interval when the difference in trends bends by a bounded amount."""

from __future__ import annotations

import numpy as np

from pilot_eval.checks.trend_evidence import TrendEvidence


def fixed_length_interval(
    evidence: TrendEvidence, bound: float, alpha: float
) -> tuple[float, float]:
    """Compute the shortest interval that covers whatever trend the restriction allows.

    Parameters
    ----------
    evidence : TrendEvidence
    bound : float
        M, at least 0.
    alpha : float

    Returns
    -------
    tuple of float

    References
    ----------
    Armstrong and Kolesar (2018), Econometrica 86(2); Rambachan and Roth (2023), section 4.
    """
    curve = second_sum_map(evidence)
    weights, half_length = shortest_estimator(evidence, curve, bound, alpha)
    centre = float(weights @ evidence.estimates)
    return centre - half_length, centre + half_length


def second_sum_map(evidence: TrendEvidence) -> tuple[np.ndarray, np.ndarray, float]:
    """Write affine estimators without bias from linear trends in terms of their free part.

    Twice-summed weights W on the pre-treatment coefficients are the response to a kink in the
    difference of trends; the last one is fixed by freedom from linear trends.

    Parameters
    ----------
    evidence : TrendEvidence

    Returns
    -------
    G : float array (n_coefficients, n_pre - 1)
    g : float array (n_coefficients,)
    c : float
        Weights on all coefficients are G u + g for free u = W[:-1]; the worst bias is
        M (c + sum |u|).
    """
    n_pre, n_post, target = evidence.n_pre, evidence.n_post, evidence.target
    once = np.eye(n_pre) - np.eye(n_pre, k=-1)
    twice = once @ once
    fixed = float(np.arange(1, n_post + 1) @ target)
    G = np.vstack([twice[:, :-1], np.zeros((n_post, n_pre - 1))])
    g = np.concatenate([twice[:, -1] * fixed, target])
    tails = [np.arange(1, s + 1) @ target[n_post - s :] for s in range(1, n_post + 1)]
    return G, g, float(np.abs(tails).sum())


def shortest_estimator(
    evidence: TrendEvidence,
    curve: tuple[np.ndarray, np.ndarray, float],
    bound: float,
    alpha: float,
) -> tuple[np.ndarray, float]:
    """Find the weights of least half-length (a convex problem), and that half-length.

    Parameters
    ----------
    evidence : TrendEvidence
    curve : tuple
        From `second_sum_map`.
    bound, alpha : float

    Returns
    -------
    weights : float array (n_coefficients,)
    half_length : float
    """
    from scipy.optimize import minimize

    G, g, constant = curve
    n_free = G.shape[1]
    scale = evidence.std_error
    S = evidence.covariance / scale**2
    start = np.linalg.lstsq(G.T @ S @ G, -G.T @ S @ g, rcond=None)[0]  # least variance
    M = bound / scale

    def length(v: np.ndarray) -> tuple[float, np.ndarray]:
        weights = G @ (v[:n_free] - v[n_free:]) + g
        sd = np.sqrt(weights @ S @ weights)
        bias = M * (constant + v.sum())
        critical, slope = _folded_critical(bias / sd, alpha)
        sd_gradient = G.T @ S @ weights / sd * (critical - slope * bias / sd)
        return sd * critical, np.concatenate([sd_gradient, -sd_gradient]) + slope * M

    if M == 0 or n_free == 0:
        best = start
    else:
        split = np.concatenate([np.maximum(start, 0.0), np.maximum(-start, 0.0)])
        options = {"ftol": 1e-15, "gtol": 1e-10, "maxiter": 10_000, "maxfun": 100_000}
        found = minimize(
            length,
            split,
            jac=True,
            method="L-BFGS-B",
            bounds=[(0, None)] * len(split),
            options=options,
        )
        best = found.x[:n_free] - found.x[n_free:]
    weights = G @ best + g
    sd = float(np.sqrt(weights @ S @ weights))
    bias = M * (constant + np.abs(best).sum())
    return weights, scale * sd * _folded_critical(bias / sd, alpha)[0]


def _folded_critical(shift: float, alpha: float) -> tuple[float, float]:
    """Quantile 1 - alpha of |N(shift, 1)|, and its derivative in shift."""
    from scipy.special import ndtr, ndtri

    def density(x: float) -> float:
        return float(np.exp(-0.5 * x * x))

    value = shift - ndtri(alpha) if shift > 1 else -ndtri(alpha / 2)
    for _ in range(60):
        excess = ndtr(value - shift) - ndtr(-value - shift) - (1 - alpha)
        move = excess * np.sqrt(2 * np.pi) / (density(value - shift) + density(value + shift))
        value -= move
        if abs(move) < 1e-14 * value:
            break
    up, down = density(value - shift), density(value + shift)
    return float(value), (up - down) / (up + down)
