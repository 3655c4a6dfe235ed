"""Secondary suppression: the cheapest set of further cells that leaves nothing to work out.

For every count that could be pinned there must be a second table, consistent with everything
printed, in which it has another value. One integer program chooses the cells to withhold so that
all of these tables exist at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, OptimizeResult, milp
from scipy.sparse import block_array, csr_array, hstack, vstack

from pilot_eval.disclosure.protect.cells import CellSet
from pilot_eval.disclosure.protect.feasibility import find_narrow, leaf_counts

#: A reader's number, and a cell that has too few values for this one.
Narrow = tuple[int, int]
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
# Feasible values of every count at risk: for a reader from outside, and for one who knows a row.
OUTSIDER_VALUES, INSIDER_VALUES = 3, 2
# Turns of "withhold, look for narrow cells"; every turn withholds more, so few are ever needed.
MOST_TURNS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Protection:
    """Which cells are withheld, and how far that protects.

    Attributes
    ----------
    primary, secondary : numpy.ndarray of bool, shape (cells,)
    exposed : numpy.ndarray of int
        Cells that stay narrow whatever is withheld now, because an earlier release disclosed them.
    knowledge : str
        What a reader may know without narrowing a cell: which cells are primary, which inner cells
        are, or only that every symbol stands for at least 1.
    optimal : bool
        True where the program proved that no cheaper set of cells lets every count at risk move
        by two for a reader from outside, and by one for each one inside.
    """

    primary: NDArray[np.bool_]
    secondary: NDArray[np.bool_]
    exposed: NDArray[np.int64]
    knowledge: Knowledge
    optimal: bool


def protect_cells(
    cells: CellSet,
    *,
    threshold: int,
    insiders: NDArray[np.bool_] | None = None,
    cost: NDArray[Any] | None = None,
) -> Protection:
    """Choose the cells to withhold so that every withheld count keeps several feasible values.

    Three for a reader of what is printed, two for one who knows some leaves.

    Parameters
    ----------
    cells : CellSet
    threshold : int
        Counts from 1 to this are withheld (primary).
    insiders : numpy.ndarray of bool, shape (readers, leaves), optional
        What each reader inside knows exactly.
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
    insiders = np.zeros((0, cells.members.shape[1]), dtype=bool) if insiders is None else insiders
    readers, hopeless = _find_readers(cells, threshold, primary, insiders)
    secondary, optimal = _withhold(readers, cost, hopeless)
    return Protection(
        primary=primary & cells.shown,
        secondary=secondary,
        exposed=np.unique([cell for _, cell in hopeless if primary[cell]]).astype(int),
        knowledge=readers[0].knowledge,
        optimal=optimal,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Somebody who knows the printed cells and how primary suppression works."""

    cells: CellSet
    threshold: int
    primary: NDArray[np.bool_]
    knowledge: Knowledge
    own: NDArray[np.bool_]
    pool: list[NDArray[np.float64]]

    @property
    def withholdable(self) -> NDArray[np.bool_]:
        """Cells that secondary suppression may take: printed, not 0, not primary."""
        return self.cells.shown & (self.cells.counts > self.threshold)

    @property
    def values(self) -> int:
        """Feasible values that this reader must be left with."""
        return INSIDER_VALUES if self.own.any() else OUTSIDER_VALUES

    @property
    def inside(self) -> NDArray[np.bool_]:
        """Cells that this reader knows: sums of own leaves and of zeros, which are printed."""
        zeros = self.cells.members[self.cells.shown & (self.cells.counts == 0)].any(axis=0)
        others = np.flatnonzero(~(self.own | zeros))
        return np.asarray(self.cells.members[:, others].sum(axis=1) == 0, dtype=bool)

    def bound(self, secondary: NDArray[np.bool_]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Give the least and most each cell can be for this reader."""
        low, high = self.cells.bound_shown()
        withheld = self.bound_withheld()
        for cells in (self.primary & self.cells.shown, secondary, ~self.cells.shown):
            low = np.where(cells, withheld[0], low)
            high = np.where(cells, withheld[1], high)
        inside, counts = self.inside, self.cells.counts
        return np.where(inside, counts, low), np.where(inside, counts, high)

    def bound_withheld(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Give the limits each cell would have if it were withheld."""
        told = self.cells.shown & self._marked()
        low = np.where(self.cells.shown, 1.0, 0.0)
        low = np.where(told & ~self.primary, self.threshold + 1, low)
        high = np.where(told & self.primary, float(self.threshold), np.inf)
        return np.maximum(low, self.cells.known_low), np.minimum(high, self.cells.known_high)

    def narrow_by(self, secondary: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Find the counts at risk with too few values when these cells are withheld too.

        Primary cells, printed or not, and whatever else is withheld.
        """
        low, high = self.bound(secondary)
        targets = np.flatnonzero((self.primary | secondary) & ~self.inside)
        return find_narrow(self.cells, low, high, targets, self.values, self.pool)

    def _marked(self) -> NDArray[np.bool_]:
        if self.knowledge == "every primary cell":
            return np.ones(len(self.primary), dtype=bool)
        if self.knowledge == "inner primary cells":
            return ~self.cells.is_total
        return np.zeros(len(self.primary), dtype=bool)


def _find_readers(
    cells: CellSet, threshold: int, primary: NDArray[np.bool_], insiders: NDArray[np.bool_]
) -> tuple[list[Reader], set[Narrow]]:
    """Take the best informed readers for whom withholding everything would protect.

    Five children in five cells, and five in all: whoever knows that the total is primary knows
    every cell, whatever is withheld. Against that only silence on which cells are primary helps.
    """
    best: Any = None
    pool: list[NDArray[np.float64]] = []
    for knowledge in KNOWLEDGE:
        outsider = Reader(
            cells=cells,
            threshold=threshold,
            primary=primary,
            knowledge=knowledge,
            own=np.zeros(cells.members.shape[1], dtype=bool),
            pool=pool,
        )
        readers = [outsider, *(replace(outsider, own=own) for own in insiders)]
        hopeless = set(_list_narrow(readers, outsider.withholdable))
        if best is None or len(hopeless) < len(best[1]):
            best = readers, hopeless
        if not hopeless:
            break
    return best[0], best[1]


def _list_narrow(readers: list[Reader], secondary: NDArray[np.bool_]) -> list[Narrow]:
    return [
        (number, int(cell))
        for number, reader in enumerate(readers)
        for cell in reader.narrow_by(secondary)
    ]


def _withhold(
    readers: list[Reader], cost: NDArray[Any], hopeless: set[Narrow]
) -> tuple[NDArray[np.bool_], bool]:
    outsider = readers[0]
    secondary = np.zeros(len(outsider.primary), dtype=bool)
    proofs: list[bool] = []
    at_once = max(1, min(TABLES_AT_ONCE, LEAVES_AT_ONCE // outsider.cells.members.shape[1]))
    while len(proofs) < MOST_TURNS:
        narrow = [pair for pair in _list_narrow(readers, secondary) if pair not in hopeless]
        if not narrow:
            break
        own = [(cell, readers[number]) for number, cell in narrow[:at_once]]
        aims = [_Aim(cell, reader.own, reader.values - 1) for cell, reader in own]
        secondary, proved = _choose(outsider, cost, secondary, aims)
        proofs.append(proved)
    else:
        secondary = outsider.withholdable
    optimal = all(proofs) and len(proofs) <= 1
    if optimal:  # the cheapest choice holds nothing redundant
        return secondary, True
    secondary = _drop_redundant(readers, cost, secondary, hopeless)
    return _release_pinned(outsider, secondary), False


def _drop_redundant(
    readers: list[Reader], cost: NDArray[Any], secondary: NDArray[np.bool_], hopeless: set[Narrow]
) -> NDArray[np.bool_]:
    """Print, dearest first, every secondary cell that later choices made unnecessary."""
    for cell in sorted(np.flatnonzero(secondary), key=lambda i: -cost[i]):
        fewer = secondary.copy()
        fewer[cell] = False
        if all(hopeless.issuperset(_list_narrow([reader], fewer)) for reader in readers):
            secondary = fewer
    return secondary


def _release_pinned(reader: Reader, secondary: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Print secondary cells that could be worked out anyway: printing them tells nothing new."""
    low, high = reader.bound(secondary)
    known = find_narrow(reader.cells, low, high, np.flatnonzero(secondary))
    kept = secondary.copy()
    kept[known] = False
    return kept


def _choose(
    reader: Reader, cost: NDArray[Any], secondary: NDArray[np.bool_], aims: list[_Aim]
) -> tuple[NDArray[np.bool_], bool]:
    """Solve for the cheapest further cells; widen the second tables' steps if too narrow.

    A count that cannot move by two can move by one both ways, or by one at least.
    """
    both = [replace(aims[0], least=1, ways=(way, way)) for way in (0.0, 1.0)]
    for tried in (aims, aims[:1], both if aims[0].least > 1 else []):
        for step in (max(aim.least for aim in tried), reader.threshold) if tried else ():
            program = _Program(reader=reader, secondary=secondary, step=step)
            answer = program.solve(cost, tried)
            if answer is not None:
                return answer
    return reader.withholdable, False


@dataclass(frozen=True, slots=True)
class _Aim:
    """A count that is to move in a second table in which a reader's own leaves stay."""

    target: int
    own: NDArray[np.bool_]
    least: int
    ways: tuple[float, float] = (0.0, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Program:
    """The integer program for some targets: withheld cells, one second table a target."""

    reader: Reader
    secondary: NDArray[np.bool_]
    step: int

    def solve(self, cost: NDArray[Any], aims: list[_Aim]) -> tuple[NDArray[np.bool_], bool] | None:
        """Return the withheld cells and whether they are proved cheapest; None if impossible."""
        choice = np.flatnonzero(self.reader.withholdable & ~self.secondary)
        blocks = list(self._tables(choice, aims))
        n_tables, n_free = len(blocks), blocks[0].table.shape[1] - 1
        goal = np.concatenate([cost[choice], np.zeros(n_tables * (n_free + 1))])
        limits = (self._bounds(len(choice), aims), _stack(blocks))
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

    def _bounds(self, n_choice: int, aims: list[_Aim]) -> Bounds:
        low, high, free = [np.zeros(n_choice)], [np.ones(n_choice)], self._free()
        for aim in aims:
            still = aim.own[free]
            least = np.where(still, 0.0, np.maximum(-self._leaves(), -self.step))
            low.append(np.append(least, aim.ways[0]))
            high.append(np.append(np.where(still, 0.0, float(self.step)), aim.ways[1]))
        return Bounds(np.concatenate(low), np.concatenate(high))

    def _free(self) -> NDArray[np.int64]:
        """Leaves that may differ in a second table: not those a printed 0 fixes."""
        low, high = self.reader.bound(self.reader.withholdable)
        zero = (low == high) & (high == 0)
        return np.flatnonzero(~(self.reader.cells.members[zero] > 0).any(axis=0))

    def _leaves(self) -> NDArray[np.float64]:
        return leaf_counts(self.reader.cells)[self._free()]

    def _tables(self, choice: NDArray[Any], aims: list[_Aim]) -> Iterator[_Block]:
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
        for aim in aims:
            yield _Block.build(members, (low, high), (widen_low, widen_high), aim, step)


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
        aim: _Aim,
        step: int,
    ) -> _Block:
        """Limit every cell, and make the target move by at least so much: up, or down."""
        (low, high), (widen_low, widen_high) = limits, widen
        n_cells, n_choice = widen_low.shape
        infinite = np.full(n_cells, np.inf)
        plain = csr_array(np.column_stack([members, np.zeros(n_cells)]))
        move = np.append(members[aim.target], -float(step + aim.least))
        moves = csr_array(np.vstack([move, move]))
        return cls(
            choice=vstack(
                [csr_array(-widen_low), csr_array(-widen_high), csr_array((2, n_choice))],
                format="csr",
            ),
            table=vstack([plain, plain, moves], format="csr"),
            low=np.concatenate([low, -infinite, [-step, -np.inf]]),
            high=np.concatenate([infinite, high, [np.inf, -float(aim.least)]]),
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
