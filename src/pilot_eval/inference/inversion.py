"""Intervals by test inversion: the effects that a test does not reject."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

BISECTIONS = 40
"""Halvings of the bracket around an interval's end: to a millionth of a millionth of it."""
EXPANSIONS = 40
"""Doublings tried before an interval's end is called infinite."""


def invert_test(
    p_value: Callable[[np.ndarray], np.ndarray],
    centre: np.ndarray,
    scale: np.ndarray,
    alpha: float,
    bisections: int = BISECTIONS,
) -> tuple[np.ndarray, np.ndarray]:
    """Find the nearest rejected effects on both sides of a centre, for many outcomes at once.

    Parameters
    ----------
    p_value : callable
        From hypothesised effects, shape (outcomes,), to p-values, shape (outcomes,).
    centre : array of shape (outcomes,)
        An effect that is not rejected, such as the estimate.
    scale : array of shape (outcomes,)
        First step away from the centre, of the order of a standard error.
    alpha : float
        Effects with p-values above it are kept.
    bisections : int
        Halvings of the bracket around an end.

    Returns
    -------
    low, high : array of shape (outcomes,)
        Infinite where no effect in that direction is rejected.
    """

    def end(step: np.ndarray) -> np.ndarray:
        inside, outside = centre.copy(), centre + step
        kept = p_value(outside) > alpha
        for _ in range(EXPANSIONS):
            if not kept.any():
                break
            step = np.where(kept, 2 * step, step)
            inside = np.where(kept, outside, inside)
            outside = np.where(kept, outside + step, outside)
            kept = p_value(outside) > alpha
        endless = kept
        for _ in range(bisections):
            middle = (inside + outside) / 2
            kept = p_value(middle) > alpha
            inside, outside = np.where(kept, middle, inside), np.where(kept, outside, middle)
        return np.where(endless, np.copysign(np.inf, step), inside)

    return end(-scale), end(scale)
