"""What a reader can work out: the values a withheld count could still have.

Integer programs over the leaves of a `CellSet`. Nothing here is approximate: a count is *pinned*
when no other whole number is consistent with what is printed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

from pilot_eval.disclosure.protect.cells import CellSet
from pilot_eval.errors import DisclosureError, explain

# A solver's "whole" number may be off by this much.
WHOLE = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """Leaves that are still free, and the limits that the printed cells set on them."""

    free: NDArray[np.int64]
    members: csr_array
    constraint: LinearConstraint
    bounds: Bounds


def find_pinned(
    cells: CellSet, low: NDArray[Any], high: NDArray[Any], targets: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Find the targets that have a single feasible value.

    Parameters
    ----------
    cells : CellSet
    low, high : numpy.ndarray, shape (cells,)
        What a reader knows of every cell.
    targets : numpy.ndarray of int
        Cells that must not be pinned.

    Returns
    -------
    numpy.ndarray of int
        The pinned ones among `targets`, in order.

    Notes
    -----
    Every solution is a table that fits what is printed, so it clears every target whose value
    differs from the true one: few programs settle a whole table.
    """
    room = find_room(cells, low, high)
    open_targets = [int(target) for target in targets]
    pinned: list[int] = []
    for sign in (1.0, -1.0):
        open_targets = _clear(cells, room, open_targets, open_targets, sign)
    while open_targets:
        target = open_targets[0]
        for sign in (1.0, -1.0):
            if target in open_targets:
                open_targets = _clear(cells, room, [target], open_targets, sign)
        if target in open_targets:
            open_targets.remove(target)
            pinned.append(target)
    return np.array(sorted(pinned), dtype=int)


def find_room(cells: CellSet, low: NDArray[Any], high: NDArray[Any]) -> Room:
    """Drop what is known exactly; keep the free leaves and the limits on them.

    Parameters
    ----------
    cells : CellSet
    low, high : numpy.ndarray, shape (cells,)

    Returns
    -------
    Room
        Leaves are counted as deviations from the true table, so that 0 is always feasible.
    """
    leaves = leaf_counts(cells)
    fixed = (cells.members[(low == high)] > 0) & (high[low == high] == 0)[:, None]
    known = fixed.any(axis=0)
    single = cells.members.sum(axis=1) == 1
    known |= (cells.members[single & (low == high)] > 0).any(axis=0)
    free = np.flatnonzero(~known)
    members = csr_array(cells.members[:, free])
    down, up = low - cells.counts, np.minimum(high, cap_of(cells)) - cells.counts
    bound = np.flatnonzero((members.sum(axis=1) > 0) & ((low > 0) | np.isfinite(high)))
    return Room(
        free=free,
        members=members,
        constraint=LinearConstraint(members[bound], down[bound], up[bound]),
        bounds=Bounds(-leaves[free], np.full(len(free), cap_of(cells))),
    )


def leaf_counts(cells: CellSet) -> NDArray[np.float64]:
    """Give the exact count of every leaf.

    Parameters
    ----------
    cells : CellSet

    Returns
    -------
    numpy.ndarray, shape (leaves,)
    """
    single = np.flatnonzero(cells.members.sum(axis=1) == 1)
    leaves = np.full(cells.members.shape[1], np.nan)
    leaves[cells.members[single].argmax(axis=1)] = cells.counts[single]
    if np.isnan(leaves).any():
        raise DisclosureError(
            explain("cells", "hold every leaf as a cell", "a leaf without one", "Add it as hidden.")
        )
    return leaves


def cap_of(cells: CellSet) -> float:
    """Give a count no cell reaches: it stands for "no upper limit" in the programs."""
    return float(2 * cells.counts.max(initial=0) + 100)


def _clear(
    cells: CellSet, room: Room, aim: list[int], targets: list[int], sign: float
) -> list[int]:
    if not targets:
        return targets
    moved = _solve(cells, room, aim, sign) - cells.counts
    return [target for target in targets if abs(moved[target]) < WHOLE]


def _solve(cells: CellSet, room: Room, aim: list[int], sign: float) -> NDArray[np.float64]:
    if not len(room.free):
        return cells.counts
    objective = -sign * np.asarray(room.members[aim].sum(axis=0), dtype=float)
    answer = milp(
        objective,
        integrality=np.ones(len(room.free)),
        bounds=room.bounds,
        constraints=[room.constraint] if room.constraint.A.shape[0] else [],
    )
    if answer.x is None:
        raise DisclosureError(
            explain("table", "agree with its own totals", answer.message, "Check the counts.")
        )
    result: NDArray[np.float64] = cells.counts + room.members @ np.round(answer.x)
    return result
