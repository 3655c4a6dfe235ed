"""Every published figure as a sum of the smallest counts behind it.

A table with totals, a hierarchy (councils in regions in England) and overlapping groups (the eight
pilots, seven of them, their comparators) are one thing: cells, each the sum of some *leaves*.
Whatever can be worked out from the published figures can be worked out from that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pilot_eval.disclosure.protect.rounding import (
    bound_rounded,
    check_base,
    check_counts,
    round_counts,
)
from pilot_eval.errors import DisclosureError, explain


@dataclass(frozen=True, slots=True, kw_only=True)
class CellSet:
    """Cells, the leaves each is the sum of, and what is public about it.

    Attributes
    ----------
    counts : numpy.ndarray of float, shape (cells,)
        Exact counts.
    members : numpy.ndarray of float, shape (cells, leaves)
        1 where the leaf belongs to the cell, else 0.
    base : numpy.ndarray of int, shape (cells,)
        Rounding base of each cell; 1 for exact figures.
    shown : numpy.ndarray of bool, shape (cells,)
        False for a count that is not printed but could be worked out.
    known_low, known_high : numpy.ndarray of float, shape (cells,)
        What earlier releases disclosed already: 0 and infinity where nothing.
    """

    counts: NDArray[np.float64]
    members: NDArray[np.float64]
    base: NDArray[np.int64]
    shown: NDArray[np.bool_]
    known_low: NDArray[np.float64]
    known_high: NDArray[np.float64]

    @property
    def is_total(self) -> NDArray[np.bool_]:
        """True for the cells that sum more than one leaf."""
        result: NDArray[np.bool_] = self.members.sum(axis=1) > 1
        return result

    def bound_shown(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Give the smallest and largest count each cell could have if it were printed."""
        rounded = round_counts(self.counts, base=1)
        low, high = rounded.copy(), rounded.copy()
        for base in np.unique(self.base[self.base > 1]):
            at = self.base == base
            low[at], high[at] = _bound_printed(self.counts[at], int(base))
        return np.maximum(low, self.known_low), np.minimum(high, self.known_high)


def _bound_printed(counts: NDArray[Any], base: int) -> tuple[NDArray[Any], NDArray[Any]]:
    printed = round_counts(counts, base=base)
    low, high = bound_rounded(printed, base=base)
    prints_low = (printed == 0) & (counts > 0)
    return np.where(prints_low, 1, low), np.where(prints_low, (base - 1) // 2, high)


def build_groups(
    labels: Sequence[object], groups: Mapping[str, Iterable[object]] | None
) -> tuple[list[object], NDArray[np.float64]]:
    """Write single labels and groups of them as rows of a membership matrix.

    Parameters
    ----------
    labels : sequence
        Rows (or columns) of the table, each once.
    groups : mapping of str to labels, optional
        Totals to print: name -> the labels they add up. They may be nested or overlap.

    Returns
    -------
    names : list
        Labels, then group names.
    members : numpy.ndarray, shape (names, labels)

    Raises
    ------
    DisclosureError
        For a label twice, a group of unknown labels, or a group named like a label.
    """
    labels = list(labels)
    groups = {name: list(group) for name, group in (groups or {}).items()}
    _check_groups(labels, groups)
    place = {label: i for i, label in enumerate(labels)}
    members = np.vstack([np.eye(len(labels)), np.zeros((len(groups), len(labels)))])
    for row, group in enumerate(groups.values(), start=len(labels)):
        members[row, [place[label] for label in group]] = 1
    return [*labels, *groups], members


def build_cells(
    counts: pd.DataFrame,
    rows: NDArray[np.float64],
    columns: NDArray[np.float64],
    *,
    base: NDArray[np.int64],
    shown: NDArray[np.bool_],
) -> CellSet:
    """Cross the rows' and the columns' groups of a table into one `CellSet`.

    Parameters
    ----------
    counts : pandas.DataFrame, shape (labels of rows, labels of columns)
        Exact counts of the inner cells.
    rows, columns : numpy.ndarray
        Membership matrices of `build_groups`.
    base : numpy.ndarray of int, shape (rows, columns)
        Rounding base of each printed cell.
    shown : numpy.ndarray of bool, shape (rows, columns)

    Returns
    -------
    CellSet
        Cells in the order of ``table.ravel()``, then the differences between nested groups that
        nobody prints but anyone can subtract.
    """
    leaves = check_counts(counts.to_numpy(dtype=float)).ravel()
    if np.isnan(leaves).any():
        raise DisclosureError(
            explain("counts", "hold a number in every cell", "gaps", "Leave the row out instead.")
        )
    gaps = find_differences(rows), find_differences(columns)
    hidden = [np.kron(gaps[0], columns), np.kron(np.vstack([rows, gaps[0]]), gaps[1])]
    members = np.vstack([np.kron(rows, columns), *hidden])
    extra = len(members) - shown.size
    return CellSet(
        counts=members @ leaves,
        members=members,
        base=np.concatenate([base.ravel(), np.ones(extra, dtype=int)]),
        shown=np.concatenate([shown.ravel(), np.zeros(extra, dtype=bool)]),
        known_low=np.zeros(len(members)),
        known_high=np.full(len(members), np.inf),
    )


def find_differences(members: NDArray[np.float64]) -> NDArray[np.float64]:
    """List the sets of labels that subtracting one group from another gives away.

    Parameters
    ----------
    members : numpy.ndarray, shape (names, labels)
        Membership matrix of `build_groups`.

    Returns
    -------
    numpy.ndarray, shape (differences, labels)
        One row for each "all eight minus seven of them", and for each "England less all of its
        regions", that has no row yet, each once.

    Examples
    --------
    >>> find_differences(np.array([[1, 1, 1], [1, 1, 0]])).tolist()
    [[0.0, 0.0, 1.0]]
    """
    totals = np.unique(members[members.sum(axis=1) > 1], axis=0).astype(float)
    if len(totals) < 2:
        return np.empty((0, members.shape[1]))
    overlap = totals @ totals.T
    size = totals.sum(axis=1)
    outer, inner = np.nonzero((overlap == size[None, :]) & (size[:, None] > size[None, :]))
    rests = [_subtract_all(totals[at], totals[inner[outer == at]]) for at in np.unique(outer)]
    gaps = np.unique(np.vstack([totals[outer] - totals[inner], *rests]), axis=0)
    gaps = gaps[gaps.any(axis=1)]
    printed = {row.tobytes() for row in np.ascontiguousarray(members, dtype=float)}
    fresh = [gap for gap in gaps if np.ascontiguousarray(gap).tobytes() not in printed]
    return np.array(fresh).reshape(len(fresh), members.shape[1])


def _subtract_all(outer: NDArray[np.float64], inner: NDArray[np.float64]) -> NDArray[np.float64]:
    """Take from a group all groups within it that do not overlap, the largest first."""
    rest = outer.copy()
    for group in inner[np.argsort(-inner.sum(axis=1), kind="stable")]:
        if (rest >= group).all():
            rest = rest - group
    return rest


def spread_base(rounding: int | Mapping[object, int], names: Sequence[object]) -> NDArray[np.int64]:
    """Give each printed row its rounding base.

    Parameters
    ----------
    rounding : int or mapping of row name to int
        One base for every row, or bases of the named rows (the others are not rounded).
    names : sequence
        Printed rows.

    Returns
    -------
    numpy.ndarray of int, shape (names,)
    """
    if not isinstance(rounding, Mapping):
        rounding = dict.fromkeys(names, rounding)
    unknown = [name for name in rounding if name not in set(names)]
    if unknown:
        raise DisclosureError(
            explain("rounding", "name rows of the table", unknown, "Use the printed row names.")
        )
    for base in rounding.values():
        check_base(base)
    return np.array([rounding.get(name, 1) for name in names], dtype=int)


def _check_groups(labels: list[object], groups: Mapping[str, Iterable[object]]) -> None:
    repeated = {label for label in labels if labels.count(label) > 1}
    unknown = {label for group in groups.values() for label in group} - set(labels)
    clashing = set(groups) & set(labels)
    for faults, rule in (
        (repeated, "be named once each"),
        (unknown, "all be in the table"),
        (clashing, "differ from the names of groups"),
    ):
        if faults:
            raise DisclosureError(
                explain("labels", rule, sorted(map(str, faults)), "Rename or remove them.")
            )
