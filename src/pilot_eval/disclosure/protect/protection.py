"""Secondary suppression: the cheapest set of further cells that leaves nothing to work out.

For every count that could be pinned there must be a second table, consistent with everything
printed, in which it has another value. One integer program chooses the cells to withhold so that
all of these tables exist at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, OptimizeResult, milp
from scipy.sparse import block_array, csr_array, hstack, vstack

from pilot_eval.disclosure.protect.cells import CellSet
from pilot_eval.disclosure.protect.feasibility import find_pinned, leaf_counts

Knowledge = Literal["every primary cell", "inner primary cells", "symbols only"]
KNOWLEDGE: tuple[Knowledge, ...] = ("every primary cell", "inner primary cells", "symbols only")

# Second tables sought in one program, and the leaves of all of them together: beyond this, they
# are sought in turns, each keeping what is withheld, and what turned out redundant is printed.
TABLES_AT_ONCE = 12
LEAVES_AT_ONCE = 800
# The program stops after so many branches (not seconds, which would differ between machines).
MOST_BRANCHES = 20_000
# A solver's whole numbers are this near to one.
FRACTION = 1e-5
# Turns of "withhold, look for pinned cells"; every turn withholds more, so few are ever needed.
MOST_TURNS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Protection:
    """Which cells are withheld, and how far that protects.

    Attributes
    ----------
    primary, secondary : numpy.ndarray of bool, shape (cells,)
    exposed : numpy.ndarray of int
        Cells that stay pinned whatever is withheld now, because an earlier release disclosed them.
    knowledge : str
        What a reader may know without pinning a cell: which cells are primary, which inner cells
        are, or only that every symbol stands for at least 1.
    optimal : bool
        True where the program proved that no cheaper set of cells protects.
    """

    primary: NDArray[np.bool_]
    secondary: NDArray[np.bool_]
    exposed: NDArray[np.int64]
    knowledge: Knowledge
    optimal: bool


def protect_cells(
    cells: CellSet, *, threshold: int, cost: NDArray[Any] | None = None
) -> Protection:
    """Choose the cells to withhold so that no withheld count has a single feasible value.

    Parameters
    ----------
    cells : CellSet
    threshold : int
        Counts from 1 to this are withheld (primary).
    cost : numpy.ndarray, shape (cells,), optional
        What withholding each cell loses. Default: 1, and up to 1 more by the share of the table
        that the cell sums, so that totals are kept where that costs no further cell.

    Returns
    -------
    Protection

    References
    ----------
    Fischetti, M. and Salazar, J. J. (2001). Solving the cell suppression problem on tabular data
    with linear constraints. Management Science 47(7).
    """
    primary = (cells.counts >= 1) & (cells.counts <= threshold)
    cost = 1 + cells.members.mean(axis=1) if cost is None else cost
    reader, hopeless = _find_reader(cells, threshold, primary)
    secondary, optimal = _withhold(reader, cost, hopeless)
    return Protection(
        primary=primary & cells.shown,
        secondary=secondary,
        exposed=hopeless,
        knowledge=reader.knowledge,
        optimal=optimal,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Somebody who knows the printed cells and how primary suppression works."""

    cells: CellSet
    threshold: int
    primary: NDArray[np.bool_]
    knowledge: Knowledge

    @property
    def withholdable(self) -> NDArray[np.bool_]:
        """Cells that secondary suppression may take: printed, not 0, not primary."""
        return self.cells.shown & (self.cells.counts > self.threshold)

    @property
    def targets(self) -> NDArray[np.int64]:
        """Cells that nobody may pin: primary ones, printed or not."""
        return np.flatnonzero(self.primary)

    def bound(self, secondary: NDArray[np.bool_]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Give the least and most each cell can be for this reader."""
        low, high = self.cells.bound_shown()
        withheld = self.bound_withheld()
        for cells in (self.primary & self.cells.shown, secondary, ~self.cells.shown):
            low = np.where(cells, withheld[0], low)
            high = np.where(cells, withheld[1], high)
        return low, high

    def bound_withheld(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Give the limits each cell would have if it were withheld."""
        told = self.cells.shown & self._marked()
        low = np.where(self.cells.shown, 1.0, 0.0)
        low = np.where(told & ~self.primary, self.threshold + 1, low)
        high = np.where(told & self.primary, float(self.threshold), np.inf)
        return np.maximum(low, self.cells.known_low), np.minimum(high, self.cells.known_high)

    def pinned_by(self, secondary: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Find the targets pinned when these cells are withheld with the primary ones."""
        low, high = self.bound(secondary)
        return find_pinned(self.cells, low, high, self.targets)

    def _marked(self) -> NDArray[np.bool_]:
        if self.knowledge == "every primary cell":
            return np.ones(len(self.primary), dtype=bool)
        if self.knowledge == "inner primary cells":
            return ~self.cells.is_total
        return np.zeros(len(self.primary), dtype=bool)


def _find_reader(
    cells: CellSet, threshold: int, primary: NDArray[np.bool_]
) -> tuple[Reader, NDArray[np.int64]]:
    """Take the best informed reader for whom withholding everything would protect.

    Five children in five cells, and five in all: whoever knows that the total is primary knows
    every cell, whatever is withheld. Against that only silence on which cells are primary helps.
    """
    best: Any = None
    for knowledge in KNOWLEDGE:
        reader = Reader(cells=cells, threshold=threshold, primary=primary, knowledge=knowledge)
        hopeless = reader.pinned_by(reader.withholdable)
        if best is None or len(hopeless) < len(best[1]):
            best = reader, hopeless
        if not len(hopeless):
            break
    result: tuple[Reader, NDArray[np.int64]] = best
    return result


def _withhold(
    reader: Reader, cost: NDArray[Any], hopeless: NDArray[Any]
) -> tuple[NDArray[np.bool_], bool]:
    secondary = np.zeros(len(reader.primary), dtype=bool)
    proofs: list[bool] = []
    at_once = max(1, min(TABLES_AT_ONCE, LEAVES_AT_ONCE // reader.cells.members.shape[1]))
    while len(proofs) < MOST_TURNS:
        pinned = np.setdiff1d(reader.pinned_by(secondary), hopeless)
        if not len(pinned):
            break
        secondary, proved = _choose(reader, cost, secondary, pinned[:at_once])
        proofs.append(proved)
    else:
        secondary = reader.withholdable
    optimal = all(proofs) and len(proofs) <= 1
    if optimal:  # the cheapest choice holds nothing redundant
        return secondary, True
    secondary = _drop_redundant(reader, cost, secondary, hopeless)
    return _release_pinned(reader, secondary), False


def _drop_redundant(
    reader: Reader, cost: NDArray[Any], secondary: NDArray[np.bool_], hopeless: NDArray[Any]
) -> NDArray[np.bool_]:
    """Print, dearest first, every secondary cell that later choices made unnecessary."""
    for cell in sorted(np.flatnonzero(secondary), key=lambda i: -cost[i]):
        fewer = secondary.copy()
        fewer[cell] = False
        if np.isin(reader.pinned_by(fewer), hopeless).all():
            secondary = fewer
    return secondary


def _release_pinned(reader: Reader, secondary: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Print secondary cells that could be worked out anyway: printing them tells nothing new."""
    low, high = reader.bound(secondary)
    known = find_pinned(reader.cells, low, high, np.flatnonzero(secondary))
    kept = secondary.copy()
    kept[known] = False
    return kept


def _choose(
    reader: Reader, cost: NDArray[Any], secondary: NDArray[np.bool_], targets: NDArray[np.int64]
) -> tuple[NDArray[np.bool_], bool]:
    """Solve for the cheapest further cells; widen the second tables' steps if 1 is too narrow."""
    for step in (1, reader.threshold):
        program = _Program(reader=reader, secondary=secondary, step=step)
        answer = program.solve(cost, targets)
        if answer is not None:
            return answer
    return reader.withholdable, False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Program:
    """The integer program for some targets: withheld cells, one second table a target."""

    reader: Reader
    secondary: NDArray[np.bool_]
    step: int

    def solve(
        self, cost: NDArray[Any], targets: NDArray[np.int64]
    ) -> tuple[NDArray[np.bool_], bool] | None:
        """Return the withheld cells and whether they are proved cheapest; None if impossible."""
        choice = np.flatnonzero(self.reader.withholdable & ~self.secondary)
        blocks = list(self._tables(choice, targets))
        n_tables, n_free = len(blocks), blocks[0].table.shape[1] - 1
        goal = np.concatenate([cost[choice], np.zeros(n_tables * (n_free + 1))])
        limits = (self._bounds(len(choice), n_tables, n_free), _stack(blocks))
        # Simple and hierarchical tables have whole corners: fractions need no forbidding there.
        directions = np.append(np.zeros(n_free), 1)
        some_whole = np.concatenate([np.ones(len(choice)), np.tile(directions, n_tables)])
        answer = _minimise(goal, some_whole, limits)
        if answer.x is None or (np.abs(answer.x - np.round(answer.x)) > FRACTION).any():
            answer = _minimise(goal, np.ones(len(goal)), limits)
        if answer.x is None:
            return None
        secondary = self.secondary.copy()
        secondary[choice[answer.x[: len(choice)] > 0.5]] = True
        return secondary, answer.status == 0

    def _bounds(self, n_choice: int, n_tables: int, n_free: int) -> Bounds:
        one_low = np.append(np.maximum(-self._leaves(), -self.step), 0.0)
        one_high = np.append(np.full(n_free, float(self.step)), 1.0)
        return Bounds(
            np.concatenate([np.zeros(n_choice), np.tile(one_low, n_tables)]),
            np.concatenate([np.ones(n_choice), np.tile(one_high, n_tables)]),
        )

    def _free(self) -> NDArray[np.int64]:
        """Leaves that may differ in a second table: not those a printed 0 fixes."""
        low, high = self.reader.bound(self.reader.withholdable)
        zero = (low == high) & (high == 0)
        return np.flatnonzero(~(self.reader.cells.members[zero] > 0).any(axis=0))

    def _leaves(self) -> NDArray[np.float64]:
        return leaf_counts(self.reader.cells)[self._free()]

    def _tables(self, choice: NDArray[Any], targets: NDArray[Any]) -> Iterator[_Block]:
        """Write each second table's limits: printed bounds, wider where a cell is withheld."""
        cells, step = self.reader.cells, self.step
        low, high = (b - cells.counts for b in self.reader.bound(self.secondary))
        wide = [b[choice] - cells.counts[choice] for b in self.reader.bound_withheld()]
        low, high = np.maximum(low, -step), np.minimum(high, step)
        widen_low = np.zeros((len(cells.counts), len(choice)))
        widen_high = widen_low.copy()
        here = np.arange(len(choice))
        widen_low[choice, here] = np.maximum(wide[0], -step) - low[choice]
        widen_high[choice, here] = np.minimum(wide[1], step) - high[choice]
        members = cells.members[:, self._free()]
        for target in targets:
            yield _Block.build(members, (low, high), (widen_low, widen_high), int(target), step)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Block:
    """Rows of one second table: on the choices, on its own leaves and its direction."""

    choice: csr_array
    table: csr_array
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    @classmethod
    def build(
        cls,
        members: NDArray[Any],
        limits: tuple[Any, Any],
        widen: tuple[Any, Any],
        target: int,
        step: int,
    ) -> _Block:
        """Limit every cell, and make the target move: up by at least 1, or down."""
        (low, high), (widen_low, widen_high) = limits, widen
        n_cells, n_choice = widen_low.shape
        infinite = np.full(n_cells, np.inf)
        plain = csr_array(np.column_stack([members, np.zeros(n_cells)]))
        move = np.append(members[target], -float(step + 1))
        moves = csr_array(np.vstack([move, move]))
        return cls(
            choice=vstack(
                [csr_array(-widen_low), csr_array(-widen_high), csr_array((2, n_choice))],
                format="csr",
            ),
            table=vstack([plain, plain, moves], format="csr"),
            low=np.concatenate([low, -infinite, [-step, -np.inf]]),
            high=np.concatenate([infinite, high, [np.inf, -1.0]]),
        )


def _minimise(
    goal: NDArray[Any], integrality: NDArray[Any], limits: tuple[Bounds, LinearConstraint]
) -> OptimizeResult:
    return milp(
        goal,
        integrality=integrality,
        bounds=limits[0],
        constraints=limits[1],
        options={"node_limit": MOST_BRANCHES, "mip_rel_gap": 0.0},
    )


def _stack(blocks: list[_Block]) -> LinearConstraint:
    left = vstack([block.choice for block in blocks], format="csr")
    right = block_array(
        [
            [block.table if i == j else None for j in range(len(blocks))]
            for i, block in enumerate(blocks)
        ],
        format="csr",
    )
    low = np.concatenate([block.low for block in blocks])
    high = np.concatenate([block.high for block in blocks])
    return LinearConstraint(hstack([left, right], format="csr"), low, high)
