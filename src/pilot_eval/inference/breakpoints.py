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
HALVINGS = (6, 10, 38)
"""Halvings of the bracket with all sets, with those that can still change within it, and with those
that then can: to the last digits of a double."""

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


def find_both_ends(quartic: list[np.ndarray], kept: Kept, step: np.ndarray) -> np.ndarray:
    """Find how far from the centre the test begins to reject, for many outcomes at once.

    Parameters
    ----------
    quartic : list of five arrays of shape (outcomes, sets)
        As from `reach_quartics`.
    kept : callable
        From counts of sets that reach the actual statistic to bool, whatever their shape.
    step : array of shape (outcomes,)
        First step from the centre, of the order of a standard error, above 0.

    Returns
    -------
    array of shape (2, outcomes)
        Signed distances below and above it, infinite where no effect on that side is rejected.
    """
    sides = [_approach(quartic, kept, side) for side in (-step, step)]
    widest = max(few[0].shape[1] for few, *_ in sides)
    wide = [_widen(side[0], widest) for side in sides]
    few = [np.vstack(parts) for parts in zip(*wide, strict=True)]
    settled, inside, outside, endless = (
        np.concatenate(parts) for parts in list(zip(*sides, strict=True))[1:]
    )
    for times in HALVINGS[1:]:
        few, settled, inside, outside = _close_in(few, settled, kept, inside, outside, times)
    infinite = np.copysign(np.inf, np.concatenate([-step, step]))
    return np.where(endless, infinite, inside).reshape(2, -1)


def _approach(
    quartic: list[np.ndarray], kept: Kept, step: np.ndarray
) -> tuple[list[np.ndarray], np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Bracket the step on one side, and close in on it with all sets."""
    inside, outside, endless = _bracket(lambda at: kept(_count(quartic, at)), step)
    none = np.zeros(len(step), dtype=np.intp)
    return *_close_in(quartic, none, kept, inside, outside, HALVINGS[0]), endless


def _close_in(
    quartic: list[np.ndarray],
    settled: np.ndarray,
    kept: Kept,
    inside: np.ndarray,
    outside: np.ndarray,
    times: int,
) -> tuple[list[np.ndarray], np.ndarray, np.ndarray, np.ndarray]:
    """Halve a bracket; keep the sets that may change within it, and add the others' count."""
    inside, outside = _halve(lambda at: kept(settled + _count(quartic, at)), inside, outside, times)
    few, more = _unsettled(quartic, inside, outside)
    return few, settled + more, inside, outside


def _widen(quartic: list[np.ndarray], most: int) -> list[np.ndarray]:
    """Add sets that reach nothing anywhere, up to a number of sets."""
    rows, sets = quartic[0].shape
    constant, *slopes = (np.zeros((rows, most - sets)) for _ in quartic)
    return [np.hstack(pair) for pair in zip(quartic, [constant - 1, *slopes], strict=True)]


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
