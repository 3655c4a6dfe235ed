"""Pre-trial residuals, freed of council and period effects, and their serial correlation.

Works on a batch: `before` has shape (batch, councils, periods), NaN where a period is missing.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from pilot_eval.estimation.two_way import solve_period_effects

MIN_PERIODS = 8
"""Fewest pre-trial periods: below it a council's own spread says less than its size does."""
MIN_OBSERVED = 5
"""Fewest observed pre-trial periods of a council whose series has gaps."""
CORRELATIONS = np.linspace(0.0, 0.98, 99)
NODES = 400
"""Quadrature nodes for the expected lag-1 share: six digits."""


def two_way_residuals(
    values: np.ndarray, seen: np.ndarray, comparator: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Take out the comparators' period effects, fitted with council effects, then council means.

    Parameters
    ----------
    values : array of shape (batch, n, periods)
        Anything where not `seen`.
    seen : bool array of shape (batch, n, periods)
    comparator : bool array of shape (n,)

    Returns
    -------
    residual : array of shape (batch, n, periods)
        0 where not seen.
    effects : array of shape (batch, periods)
        Period effects, up to a constant for each set of periods that councils link.
    """
    members = seen & comparator[:, None]
    effects = solve_period_effects(values, members)
    residual = np.where(seen, values - effects[:, None], 0.0)
    count = np.maximum(seen.sum(2, keepdims=True), 1)
    return np.where(seen, residual - residual.sum(2, keepdims=True) / count, 0.0), effects


def common_correlation(
    residual: np.ndarray, seen: np.ndarray, comparator: np.ndarray
) -> np.ndarray:
    """Match the comparators' mean lag-1 share to that of a demeaned first-order process.

    Parameters
    ----------
    residual : array of shape (batch, n, periods)
        As `two_way_residuals` returns them.
    seen : bool array of shape (batch, n, periods)
    comparator : bool array of shape (n,)

    Returns
    -------
    array of shape (batch,)
        Between 0 and 0.98.
    """
    squares = np.where(comparator, (residual**2).sum(2), 0.0)
    products = (residual[:, :, 1:] * residual[:, :, :-1]).sum(2)
    pairs = (seen[:, :, 1:] & seen[:, :, :-1]).sum(2) / (residual.shape[2] - 1)
    used = (squares > 0) & (pairs > 0)
    expected = squares * pairs / np.where(used, seen.mean(2), 1.0)
    share = np.where(used, products / np.where(used, expected, 1.0), 0.0)
    found = share.sum(1) / np.maximum(used.sum(1), 1)
    result: np.ndarray = np.interp(found, _expected_shares(residual.shape[2]), CORRELATIONS)
    return result


@lru_cache(maxsize=32)
def _expected_shares(periods: int) -> np.ndarray:
    """Compute the mean lag-1 share of a demeaned normal first-order series, by correlation.

    The mean of a ratio of quadratic forms u'Au / u'u is the integral over t of
    prod_j (1 + 2 t l_j)^(-1/2) sum_j a_j l_j / (1 + 2 t l_j), with l_j the eigenvalues of the
    covariance of u and a_j the diagonal of A in its eigenvectors (Magnus 1986).
    """
    centre = np.eye(periods) - 1 / periods
    lags = np.abs(np.subtract.outer(np.arange(periods), np.arange(periods)))
    shift = (lags == 1) / 2
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    x = (1 + nodes) / 2
    shares = []
    for r in CORRELATIONS:
        values, vectors = np.linalg.eigh(centre @ r**lags @ centre)
        values = np.maximum(values, 0.0) / values.sum()
        diagonal = ((vectors.T @ shift) * vectors.T).sum(1)
        grown = 1 + 2 * np.outer(x / (1 - x), values)
        integrand = np.exp(-np.log(grown).sum(1) / 2) * ((diagonal * values) / grown).sum(1)
        shares.append(float((weights / 2 * integrand / (1 - x) ** 2).sum()))
    return np.array(shares)
