"""What a reader can work out: the values a withheld count could still have.

Integer programs over the leaves of a `CellSet`. Nothing here is approximate: a count is *narrow*
when fewer whole numbers than asked for are consistent with what is printed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

from pilot_eval.disclosure.protect.cells import CellSet
from pilot_eval.errors import DisclosureError, explain

# Tables kept to be used again, and how near a sum of floats is to a whole number.
MOST_KEPT = 400
NEAR = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """Leaves that are still free, and the limits that the printed cells set on them."""

    free: NDArray[np.int64]
    members: csr_array
    constraint: LinearConstraint
    bounds: Bounds


def find_narrow(
    cells: CellSet,
    low: NDArray[Any],
    high: NDArray[Any],
    targets: NDArray[np.int64],
    values: int = 2,
    pool: list[NDArray[np.float64]] | None = None,
) -> NDArray[np.int64]:
    """Find the targets that have fewer feasible values than asked for.

    Parameters
    ----------
    cells : CellSet
    low, high : numpy.ndarray, shape (cells,)
        What a reader knows of every cell.
    targets : numpy.ndarray of int
        Cells that must not be pinned.
    values : int
        Feasible values that each has to have, its own among them.
    pool : list of numpy.ndarray, shape (cells,), optional
        Tables found before, for any reader: those that fit are used again, new ones are added.

    Returns
    -------
    numpy.ndarray of int
        The narrow ones among `targets`, in order.

    Notes
    -----
    Every solution is a table that fits what is printed and tells a value of every target: few
    programs settle a whole table.
    """
    room, pool = find_room(cells, low, high), [] if pool is None else pool
    seen = {int(target): {round(cells.counts[target])} for target in targets}

    def learn(solution: NDArray[np.float64] | None) -> None:
        if solution is not None:
            pool.append(solution)
            for target, found in seen.items():
                found.add(round(solution[target]))

    if pool and seen:
        tables = np.array(pool[-MOST_KEPT:])
        fits = tables[((tables >= low - NEAR) & (tables <= high + NEAR)).all(axis=1)]
        for target, found in seen.items():
            found.update(np.unique(np.round(fits[:, target])).astype(int).tolist())

    for sign in (1.0, -1.0):
        aims = [target for target, found in seen.items() if len(found) < values]
        if aims:
            learn(_solve(cells, room, aims, sign))
    return np.array(
        [
            target
            for target, found in sorted(seen.items())
            if not _has_enough(cells, room, target, (found, values), learn)
        ],
        dtype=int,
    )


def _has_enough(
    cells: CellSet,
    room: Room,
    target: int,
    wanted: tuple[set[int], int],
    learn: Callable[[NDArray[np.float64] | None], None],
) -> bool:
    """Look for further values of one target: both ends, then what lies between."""
    found, values = wanted
    for sign in (1.0, -1.0):
        if len(found) < values:
            learn(_solve(cells, room, [target], sign))
    for value in range(min(found) + 1, max(found)):
        if len(found) >= values:
            break
        if value not in found:
            learn(_solve(cells, room, [target], 1.0, value=value))
    return len(found) >= values


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


def _solve(
    cells: CellSet, room: Room, aim: list[int], sign: float, *, value: int | None = None
) -> NDArray[np.float64] | None:
    """Give all cells of the table with the largest (smallest) aim, or with this value of it."""
    if not len(room.free):
        return cells.counts
    toward = np.asarray(room.members[aim].sum(axis=0), dtype=float)
    limits = [room.constraint] if room.constraint.A.shape[0] else []
    if value is not None:
        step = value - cells.counts[aim].sum()
        limits = [*limits, LinearConstraint(csr_array(toward[None, :]), step, step)]
    answer = milp(
        -sign * toward,
        integrality=np.ones(len(room.free)),
        bounds=room.bounds,
        constraints=limits,
    )
    if answer.x is None and value is not None:
        return None
    if answer.x is None:
        raise DisclosureError(
            explain("table", "agree with its own totals", answer.message, "Check the counts.")
        )
    result: NDArray[np.float64] = cells.counts + room.members @ np.round(answer.x)
    return result
