"""Rounding half up, and what a rounded figure still tells: percentages and rates from it."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pilot_eval.errors import DisclosureError, explain


def round_half_up(values: ArrayLike, *, decimals: int = 0) -> NDArray[np.float64]:
    """Round to `decimals` digits, halves away from zero, as the figures are written.

    The decimal form of each number decides, not its binary neighbour: 0.25 gives 0.3 and 1.005
    gives 1.01.

    Parameters
    ----------
    values : array_like of float
        Any shape; NaN stays NaN.
    decimals : int
        Digits after the point.

    Returns
    -------
    numpy.ndarray of float
        Same shape as `values`.

    Examples
    --------
    >>> round_half_up([0.25, 1.005, 2.5], decimals=1).tolist()
    [0.3, 1.0, 2.5]
    """
    array = np.asarray(values, dtype=float)
    step = Decimal(1).scaleb(-decimals)
    flat = [
        float(Decimal(repr(float(v))).quantize(step, ROUND_HALF_UP)) if np.isfinite(v) else v
        for v in array.ravel()
    ]
    return np.array(flat, dtype=float).reshape(array.shape)


def round_counts(counts: ArrayLike, *, base: int) -> NDArray[np.float64]:
    """Round counts to the nearest multiple of `base`, halves up.

    Parameters
    ----------
    counts : array_like of float
        Whole numbers from 0; NaN stays NaN.
    base : int
        1 leaves counts as they are.

    Returns
    -------
    numpy.ndarray of float

    Examples
    --------
    >>> round_counts([0, 4, 5, 14, 15], base=10).tolist()
    [0.0, 0.0, 10.0, 10.0, 20.0]
    """
    check_base(base)
    array = check_counts(counts)
    return np.floor((2 * array + base) / (2 * base)) * base


def bound_rounded(shown: ArrayLike, *, base: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Give the smallest and largest count that rounds to each shown figure.

    A printed 0 is a true zero (figures that only round to 0 are printed ``low``).

    Parameters
    ----------
    shown : array_like of float
        Multiples of `base`.
    base : int

    Returns
    -------
    lowest, highest : numpy.ndarray of float

    Examples
    --------
    >>> [bound.tolist() for bound in bound_rounded([0, 10, 20], base=10)]
    [[0.0, 5.0, 15.0], [0.0, 14.0, 24.0]]
    """
    check_base(base)
    array = np.asarray(shown, dtype=float)
    lowest = np.where(array == 0, 0, array - base // 2)
    highest = np.where(array == 0, 0, array + (base - 1) // 2)
    return lowest, highest


def derive_rate(
    numerator: ArrayLike, denominator: ArrayLike, *, per: int = 10_000, decimals: int = 1
) -> NDArray[np.float64]:
    """Compute rates (per 10,000 by default) from counts as they are shown, never what is behind.

    Parameters
    ----------
    numerator, denominator : array_like
        Shown counts: numbers, or symbols and NaN where nothing is shown. Same shape.
    per : int
        100 gives percentages.
    decimals : int

    Returns
    -------
    numpy.ndarray of float
        NaN wherever either count is withheld or the denominator is 0.

    Examples
    --------
    >>> derive_rate([1, "c"], [8, 40], per=100).tolist()
    [12.5, nan]
    """
    top, bottom = _read_shown(numerator), _read_shown(denominator)
    rate = np.full(np.broadcast(top, bottom).shape, np.nan)
    np.divide(per * top, bottom, out=rate, where=bottom > 0)
    return round_half_up(rate, decimals=decimals)


def check_counts(counts: ArrayLike) -> NDArray[np.float64]:
    """Return counts as floats; refuse what cannot be a count of children.

    Parameters
    ----------
    counts : array_like

    Returns
    -------
    numpy.ndarray of float

    Raises
    ------
    DisclosureError
        For negative or fractional numbers.
    """
    array = np.asarray(counts, dtype=float)
    known = array[~np.isnan(array)]
    if (known < 0).any() or (known != np.floor(known)).any():
        raise DisclosureError(
            explain(
                "counts",
                "be whole numbers from 0",
                "a negative or fractional number",
                "Pass exact counts; round and derive after suppression.",
            )
        )
    return array


def check_base(base: int) -> None:
    """Refuse a rounding base below 1.

    Parameters
    ----------
    base : int

    Raises
    ------
    DisclosureError
    """
    if base != int(base) or base < 1:
        raise DisclosureError(
            explain("base", "be a whole number from 1", base, "Use 1 for no rounding.")
        )


def _read_shown(counts: ArrayLike) -> NDArray[np.float64]:
    cells = np.asarray(counts, dtype=object)
    numbers = [float(c) if isinstance(c, (int, float, np.number)) else np.nan for c in cells.flat]
    return np.array(numbers).reshape(cells.shape)
