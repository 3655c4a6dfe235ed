"""Statistics of many treated sets for many outcomes at once.

A set has few members, so its sums are a handful of gathers; everything else follows from totals.
"""

from __future__ import annotations

import numpy as np

TIE = 1e-9
"""Relative margin within which two statistics count as tied: arithmetic noise, not evidence."""


def sum_sets(values: np.ndarray, members: np.ndarray) -> np.ndarray:
    """Sum each outcome over the members of each set.

    Parameters
    ----------
    values : array of shape (outcomes, n)
    members : int array of shape (sets, k)

    Returns
    -------
    array of shape (outcomes, sets)
    """
    total = values[:, members[:, 0]]
    for column in range(1, members.shape[1]):
        total += values[:, members[:, column]]
    return total


def welch_t(
    sums: np.ndarray,
    squares: np.ndarray,
    totals: np.ndarray,
    total_squares: np.ndarray,
    k: int,
    n: int,
) -> np.ndarray:
    """Compute Welch's t of sets against all other councils from sums and sums of squares.

    Parameters
    ----------
    sums, squares : array
        Sums over each set's k members.
    totals, total_squares : array broadcastable to them
        Sums over all n councils.

    Returns
    -------
    array
    """
    rest = n - k
    mean_in, mean_out = sums / k, (totals - sums) / rest
    spread = np.maximum(squares - k * mean_in**2, 0.0)
    spread /= k * (k - 1)
    outside = np.maximum(total_squares - squares - rest * mean_out**2, 0.0)
    outside /= rest * (rest - 1)
    spread += outside
    mean_in -= mean_out
    root = np.sqrt(spread, out=spread)
    return np.divide(mean_in, root, out=np.zeros_like(mean_in), where=root > 0)


def mean_difference(sums: np.ndarray, totals: np.ndarray, k: int, n: int) -> np.ndarray:
    """Compute mean of each set minus mean of all other councils."""
    return sums / k - (totals - sums) / (n - k)


def count_at_least(statistics: np.ndarray, actual: np.ndarray) -> np.ndarray:
    """Count, for each outcome, the sets whose absolute statistic reaches the actual one.

    Parameters
    ----------
    statistics : array of shape (outcomes, sets)
    actual : array of shape (outcomes,)
    """
    reached = np.abs(statistics) >= np.abs(actual)[:, None] * (1 - TIE)
    return np.count_nonzero(reached, axis=1)
