"""Counts that were hidden but are bounded: all that they can be, in one object.

Every step that needs a value for a hidden count (estimate, interval, families, leave-one-out,
trends, specification curve) takes it from here, so that all steps mean the same fillings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np
import pandas as pd

from pilot_eval.errors import DesignError, explain
from pilot_eval.reference.plan_periods import Period


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HiddenCounts:
    """What the hidden counts of one comparison can be.

    A count is a whole number from `low` to `high`. Where another hidden count of the same total is
    1 to 5, the counts strictly between `gap_low` and `gap_high` are impossible.

    Attributes
    ----------
    outcome : str
    cells : tuple of (str, int)
        Council code and period of each hidden count.
    low, high, gap_low, gap_high : ndarray of int, shape (h,)
        `gap_low` and `gap_high` are equal where there is no gap.
    unit_value : ndarray, shape (h,)
        What one child is worth in the outcome's unit, such as 100 / denominator.

    Examples
    --------
    >>> hidden = HiddenCounts(
    ...     outcome="any", cells=(("E09000033", 2012),), low=np.array([1]),
    ...     high=np.array([5]), gap_low=np.array([1]), gap_high=np.array([1]),
    ...     unit_value=np.array([0.8]),
    ... )
    >>> drawn = hidden.sample(200, seed=1)
    >>> int(drawn.min()), int(drawn.max())
    (1, 5)
    """

    outcome: str
    cells: tuple[tuple[str, Period], ...]
    low: np.ndarray
    high: np.ndarray
    gap_low: np.ndarray
    gap_high: np.ndarray
    unit_value: np.ndarray

    def __post_init__(self) -> None:
        """Refuse bounds that admit nothing."""
        gap = self.gap_low < self.gap_high
        outside = gap & ((self.gap_low < self.low) | (self.gap_high > self.high))
        if (self.low > self.high).any() or outside.any():
            rule, got = "rise from low to high, gaps inside", "bounds that admit nothing"
            action = "Correct numerator_low and numerator_high of those rows."
            raise DesignError(explain(f"hidden counts of {self.outcome}", rule, got, action))

    def __len__(self) -> int:
        """Count the hidden cells."""
        return len(self.cells)

    def admits(self, counts: np.ndarray) -> np.ndarray:
        """Tell which fillings, shape (fillings, h), are possible."""
        between = (self.gap_low < counts) & (counts < self.gap_high)
        possible = (self.low <= counts) & (counts <= self.high) & ~between
        return np.asarray(possible.all(axis=-1))

    def corner(self, direction: np.ndarray) -> np.ndarray:
        """Take the filling that is largest along a direction, shape (h,)."""
        return np.where(np.asarray(direction) > 0, self.high, self.low)

    def middle(self) -> np.ndarray:
        """Take the possible filling nearest to the middle of every count, shape (h,)."""
        return self.into_possible((self.low + self.high) // 2)

    def into_possible(self, counts: np.ndarray) -> np.ndarray:
        """Move counts that fall into a gap to its nearer end."""
        inside = (self.gap_low < counts) & (counts < self.gap_high)
        nearer = np.where(
            counts - self.gap_low <= self.gap_high - counts, self.gap_low, self.gap_high
        )
        return np.where(inside, nearer, counts)

    def sample(self, fillings: int, seed: int) -> np.ndarray:
        """Draw possible fillings uniformly, shape (fillings, h).

        A count's draws depend on its own name and the seed alone, so that the same hidden figure
        has the same values in every comparison that it is part of.
        """
        drawn, sizes = np.empty((fillings, len(self)), dtype=np.int64), self._sizes()
        for position, (council, period) in enumerate(self.cells):
            name = crc32(f"{self.outcome}/{council}/{period}".encode())
            rng = np.random.default_rng([seed, name])
            drawn[:, position] = rng.integers(0, sizes[position], fillings)
        return self._from_rank(drawn)

    def options(
        self, counts: np.ndarray, steps: Sequence[int] = ()
    ) -> tuple[np.ndarray, np.ndarray]:
        """List what else each cell can be: ends, those of its gap, its middle, and steps.

        Parameters
        ----------
        counts : ndarray of int, shape (h,)
            What they are.
        steps : sequence of int
            Children more or fewer than that.

        Returns
        -------
        cell, count : ndarray of int
            One pair an option, each once and none as it is.
        """
        ends = [self.low, self.high, self.gap_low, self.gap_high, self.middle()]
        moved = [np.clip(counts + step, self.low, self.high) for step in steps]
        listed = [*ends, *map(self.into_possible, moved)]
        pairs = np.stack([np.tile(np.arange(len(self)), len(listed)), np.concatenate(listed)])
        cell, count = np.unique(pairs[:, pairs[1] != counts[pairs[0]]], axis=1)
        return cell, count

    def select(self, keep: np.ndarray) -> HiddenCounts:
        """Keep some of the cells.

        Parameters
        ----------
        keep : ndarray of bool, shape (h,)

        Returns
        -------
        HiddenCounts
        """
        parts = ("low", "high", "gap_low", "gap_high", "unit_value")
        cells = tuple(cell for cell, kept in zip(self.cells, keep, strict=True) if kept)
        return HiddenCounts(
            outcome=self.outcome, cells=cells, **{name: getattr(self, name)[keep] for name in parts}
        )

    def fill(self, figures: pd.DataFrame, counts: np.ndarray) -> pd.DataFrame:
        """Put one filling into a council x period table, which is copied."""
        return self._put(figures, counts * self.unit_value)

    def mark(self, known: pd.DataFrame) -> pd.DataFrame:
        """Mark the hidden cells as known in a council x period table of bool, which is copied."""
        return self._put(known, np.ones(len(self), dtype=bool))

    def _put(self, table: pd.DataFrame, values: np.ndarray) -> pd.DataFrame:
        content = table.to_numpy(copy=True)
        rows = table.index.get_indexer([council for council, _ in self.cells])
        columns = table.columns.get_indexer([period for _, period in self.cells])
        content[rows, columns] = values
        return pd.DataFrame(content, index=table.index, columns=table.columns)

    def _sizes(self) -> np.ndarray:
        return np.asarray(self.high - self.low + 1 - self._gap_size())

    def _gap_size(self) -> np.ndarray:
        return np.asarray(np.maximum(self.gap_high - self.gap_low - 1, 0))

    def _from_rank(self, rank: np.ndarray) -> np.ndarray:
        """Turn 0, 1, 2, ... into the first, second, third possible count."""
        counts = self.low + rank
        has_gap = self.gap_low < self.gap_high
        behind = has_gap & (counts > self.gap_low)
        return np.asarray(np.where(behind, counts + self._gap_size(), counts))


def read_hidden(rows: pd.DataFrame, outcome: str, periods: tuple[Period, ...]) -> HiddenCounts:
    """Collect the hidden but bounded counts of an outcome.

    Parameters
    ----------
    rows : DataFrame
        Panel rows of the outcome, as from `build_panel`.
    outcome : str
    periods : tuple of int or str

    Returns
    -------
    HiddenCounts
        In order of council and period.
    """
    own = rows[
        rows["value"].isna() & rows["numerator_low"].notna() & rows["period"].isin(list(periods))
    ]
    own = own[own["denominator"] > 0].sort_values(["council_code", "period"])
    low, high = (own[name].to_numpy(np.int64) for name in ("numerator_low", "numerator_high"))
    gaps = (own[name].fillna(own["numerator_low"]) for name in ("gap_low", "gap_high"))
    gap_low, gap_high = (gap.to_numpy(np.int64) for gap in gaps)
    return HiddenCounts(
        outcome=outcome,
        cells=tuple(zip(own["council_code"], own["period"], strict=True)),
        low=low,
        high=high,
        gap_low=gap_low,
        gap_high=gap_high,
        unit_value=own["count_value"].to_numpy(float),
    )
