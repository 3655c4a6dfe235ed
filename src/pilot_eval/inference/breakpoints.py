"""Ends of a randomisation interval: where too few sets remain as unusual as the actual one.

Under an effect tau a set's squared statistic is a ratio of two quadratics in tau, so a set reaches
the actual one where a quartic is at least 0, and the p-value is a step function of tau that changes
at the quartics' roots. Only sets whose quartic can change sign between two effects need be looked
at to find the step between them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pilot_eval.inference.set_statistics import count_rows

EXPANSIONS = 40
"""Doublings tried before an interval's end is called infinite."""
FIRST_HALVINGS = 6
"""Halvings of the bracket with all sets, after which few sets can still change within it."""
LAST_HALVINGS = 48
"""Halvings with those few: to the last digits of a double."""

Kept = Callable[[np.ndarray], np.ndarray]


def reach_quartics(
    difference: tuple[np.ndarray, ...],
    spread: tuple[np.ndarray, ...],
    own_difference: np.ndarray,
    own_spread: tuple[np.ndarray, ...],
) -> list[np.ndarray]:
    """Compute the quartics that are at least 0 where a set's statistic reaches the actual one.

    All are polynomials of the distance from the effect at which the actual statistic is 0.

    Parameters
    ----------
    difference : two arrays of shape (outcomes, sets)
        Constant and slope of each set's numerator.
    spread : three arrays broadcastable to (outcomes, sets)
        Coefficients of each set's squared denominator, constant first.
    own_difference : array of shape (outcomes, 1)
        Slope of the actual numerator, tie margin included.
    own_spread : three arrays broadcastable to (outcomes, 1)

    Returns
    -------
    list of five arrays of shape (outcomes, sets)
        Coefficients, constant first.
    """
    constant, slope = difference
    squared = (constant**2, 2 * constant * slope, slope**2)
    quartic = [np.zeros_like(constant) for _ in range(5)]
    for i, left in enumerate(squared):
        for j, right in enumerate(own_spread):
            quartic[i + j] += left * right
    for j, part in enumerate(spread):
        quartic[2 + j] -= own_difference**2 * part
    return quartic


def find_end(quartic: list[np.ndarray], kept: Kept, step: np.ndarray) -> np.ndarray:
    """Find how far from the centre the test begins to reject, for many outcomes at once.

    Parameters
    ----------
    quartic : list of five arrays of shape (outcomes, sets)
        As from `reach_quartics`.
    kept : callable
        From counts of sets that reach the actual statistic, shape (outcomes,), to bool.
    step : array of shape (outcomes,)
        First step from the centre, of the order of a standard error; its sign is the direction.

    Returns
    -------
    array of shape (outcomes,)
        Signed distances, infinite where no effect in that direction is rejected.
    """

    def stays(at: np.ndarray) -> np.ndarray:
        return kept(_count(quartic, at))

    inside, outside, endless = _bracket(stays, step)
    inside, outside = _halve(stays, inside, outside, FIRST_HALVINGS)
    few, settled = _unsettled(quartic, inside, outside)
    inside, outside = _halve(
        lambda at: kept(settled + _count(few, at)), inside, outside, LAST_HALVINGS
    )
    return np.where(endless, np.copysign(np.inf, step), inside)


def _count(quartic: list[np.ndarray], at: np.ndarray) -> np.ndarray:
    """Count the sets that reach the actual statistic at a distance, shape (outcomes,)."""
    x = at[:, None]
    value = quartic[4] * x
    for coefficient in quartic[3:0:-1]:
        value += coefficient
        value *= x
    return count_rows(value >= -quartic[0])


def _bracket(stays: Kept, step: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Step outwards, each step twice the last, until every outcome is rejected."""
    inside, outside = np.zeros_like(step), step
    kept = stays(outside)
    for _ in range(EXPANSIONS):
        if not kept.any():
            break
        step = np.where(kept, 2 * step, step)
        inside = np.where(kept, outside, inside)
        outside = np.where(kept, outside + step, outside)
        kept = stays(outside)
    return inside, outside, kept


def _halve(
    stays: Kept, inside: np.ndarray, outside: np.ndarray, times: int
) -> tuple[np.ndarray, np.ndarray]:
    for _ in range(times):
        middle = (inside + outside) / 2
        kept = stays(middle)
        inside, outside = np.where(kept, middle, inside), np.where(kept, outside, middle)
    return inside, outside


def _unsettled(
    quartic: list[np.ndarray], inside: np.ndarray, outside: np.ndarray
) -> tuple[list[np.ndarray], np.ndarray]:
    """Pick the sets that may change between two distances; count the rest that reach there.

    A quartic keeps its sign where its value in the middle outweighs all that its derivatives can
    add. Every outcome gets as many sets as the outcome with most needs.
    """
    middle, half = (inside + outside) / 2, np.abs(outside - inside)[:, None] / 2
    local = [part.copy() for part in quartic]
    for first in range(4):
        for power in range(3, first - 1, -1):
            local[power] += local[power + 1] * middle[:, None]
    reach = np.abs(local[4]) * half
    for part in local[3:0:-1]:
        reach += np.abs(part)
        reach *= half
    changing = np.abs(local[0]) <= reach
    most = int(changing.sum(1).max())
    picked = np.argsort(~changing, axis=1, kind="stable")[:, :most]
    few = [np.take_along_axis(part, picked, axis=1) for part in quartic]
    return few, _count(quartic, middle) - _count(few, middle)
