"""Statistics of many treated sets for many outcomes at once.

A set has few members, so its sums are a product with a sparse matrix; everything else follows from
totals.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

TIE = 1e-9
"""Relative margin within which two statistics count as tied: arithmetic noise, not evidence."""

LONG = 1000
"""Length from which rows are counted one by one: along an axis it takes many times longer."""


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
    result: np.ndarray = (list_members(members, values.shape[1]) @ values.T).T
    return result


def list_members(members: np.ndarray, n: int) -> csr_array:
    """Write sets as a sparse matrix of ones, shape (sets, n), members in their order."""
    starts = np.arange(0, members.size + 1, members.shape[1], dtype=np.int32)
    places = members.astype(np.int32).ravel()
    return csr_array((np.ones(members.size), places, starts), shape=(len(members), n))


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


def mean_difference(sums: np.ndarray, totals: np.ndarray | float, k: int, n: int) -> np.ndarray:
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
    return count_rows(reached)


def count_rows(reached: np.ndarray) -> np.ndarray:
    """Count the true values of each row, in the way that is quicker for rows of that length."""
    if reached.shape[1] < LONG:
        return np.asarray(reached.sum(1, dtype=np.intp))
    return np.array([np.count_nonzero(row) for row in reached], dtype=np.intp)


def count_welch_at_least(
    sums: np.ndarray,
    squares: np.ndarray,
    total_squares: np.ndarray,
    actual: np.ndarray,
    k: int,
    n: int,
) -> np.ndarray:
    """Count the sets whose absolute Welch's t reaches the actual one, without roots.

    Parameters
    ----------
    sums, squares : array of shape (outcomes, sets)
        Sums over each set's k members of values that add up to 0. Both are overwritten.
    total_squares : array of shape (outcomes, 1)
    actual : array of shape (outcomes,)

    Returns
    -------
    int array of shape (outcomes,)
    """
    rest = n - k
    squared = np.square(sums, out=sums)
    inside = squared * (-1 / k)
    inside += squares
    outside = squared * (-1 / rest)
    outside -= squares
    outside += total_squares
    spread = np.maximum(inside, 0.0, out=inside)
    spread *= 1 / (k * (k - 1))
    spread += np.maximum(outside, 0.0, out=outside) * (1 / (rest * (rest - 1)))
    least = (np.abs(actual) * (1 - TIE) / (1 / k + 1 / rest)) ** 2
    reached = squared >= least[:, None] * spread
    reached &= (spread > 0) | (actual == 0)[:, None]
    return count_rows(reached)
