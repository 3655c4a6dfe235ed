"""Suppress, then round, then derive: from exact counts to the figures a table may show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pilot_eval.disclosure.protect.cells import CellSet, build_cells, build_groups, spread_base
from pilot_eval.disclosure.protect.protection import Knowledge, Protection, protect_cells
from pilot_eval.disclosure.protect.rounding import (
    bound_rounded,
    derive_rate,
    round_counts,
)
from pilot_eval.disclosure.protect.symbols import NOT_APPLICABLE, ROUNDS_TO_ZERO, SUPPRESSED
from pilot_eval.errors import DisclosureError, explain

ALL = "Total"
LEAST_THRESHOLD = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtectedTable:
    """A table that may be published, and what its protection cost.

    Attributes
    ----------
    published : pandas.DataFrame of object
        Whole numbers (rounded where asked), ``c`` and ``low``.
    status : pandas.DataFrame of str
        ``shown``, ``primary`` or ``secondary`` for each cell. Keep it inside: telling which cells
        are primary helps an attacker.
    n_primary, n_secondary : int
        Cells withheld because of their own size, and to protect those.
    knowledge : str
        See `Protection`.
    optimal : bool
        True where no cheaper set of cells would protect.
    exposed : int
        Small counts that an earlier release gives away whatever is withheld now.
    """

    published: pd.DataFrame
    status: pd.DataFrame
    n_primary: int
    n_secondary: int
    knowledge: Knowledge
    optimal: bool
    exposed: int


def protect_table(
    counts: pd.DataFrame,
    *,
    threshold: int,
    row_groups: Mapping[str, Iterable[object]] | None = None,
    column_groups: Mapping[str, Iterable[object]] | None = None,
    rounding: int | Mapping[object, int] = 1,
    hidden_rows: Iterable[object] = (),
    hidden_columns: Iterable[object] = (),
    insiders: bool = True,
    earlier: pd.DataFrame | None = None,
    earlier_rounding: int | Mapping[object, int] = 1,
) -> ProtectedTable:
    """Add totals to a table of counts and withhold what could identify a child.

    Every withheld count keeps three feasible values or more, given every printed cell, total and
    rounding interval, for a reader who knows which cells are primary and that these are 1 to
    `threshold`; two for one who also knows a row of `counts` exactly.

    Parameters
    ----------
    counts : pandas.DataFrame, shape (rows, columns)
        Exact counts, without totals: one row per council, say, and one column per category.
    threshold : int
        At least 2.
    row_groups, column_groups : mapping of str to labels, optional
        Totals to print, nested or overlapping: regions, England, "all eight", "seven named".
        Default: one total of everything, named ``Total``. Pass ``{}`` for none.
    rounding : int or mapping of printed row name to int
        Rounding base, for all rows or for the named ones (``{"England": 10}``).
    hidden_rows, hidden_columns : labels, optional
        Rows and columns that are only printed as part of totals (and must not be worked out).
    insiders : bool
        False where nobody knows a row exactly: rows are groups of children, and not councils.
    earlier : pandas.DataFrame of object, optional
        What an earlier release of the same counts printed, by the names of this table's rows and
        columns. A group printed only then is named in `row_groups` and `hidden_rows`.
    earlier_rounding : int or mapping of row name to int
        How the earlier release was rounded.

    Returns
    -------
    ProtectedTable

    Raises
    ------
    DisclosureError
        For counts that are no whole numbers, gaps, unknown labels or a threshold below 2.

    Examples
    --------
    >>> table = pd.DataFrame({"in time": [20, 3, 31, 40], "late": [9, 30, 16, 21]}, index=[*"ABCD"])
    >>> protect_table(table, threshold=5).published.loc["Total"].tolist()
    ['c', 'c', 170]
    """
    check_threshold(threshold)
    row_names, rows = build_groups(counts.index, _default_group(row_groups, counts.index))
    column_names, columns = build_groups(
        counts.columns, _default_group(column_groups, counts.columns)
    )
    shown: NDArray[np.bool_] = np.logical_and.outer(
        ~np.isin(np.asarray(row_names), np.asarray(list(hidden_rows))),
        ~np.isin(np.asarray(column_names), np.asarray(list(hidden_columns))),
    )
    base = np.repeat(spread_base(rounding, row_names)[:, None], len(column_names), axis=1)
    cells = build_cells(counts, rows, columns, base=base, shown=shown)
    if earlier is not None:
        then = earlier.reindex(index=row_names, columns=column_names).to_numpy(dtype=object)
        cells = _bind(cells, then.ravel(), spread_base(earlier_rounding, row_names))
    known = np.kron(np.eye(len(counts)), np.ones(counts.shape[1])) > 0
    protection = protect_cells(cells, threshold=threshold, insiders=known if insiders else None)
    frame = pd.DataFrame(index=pd.Index(row_names, name=counts.index.name), columns=column_names)
    return _print_table(cells, protection, frame, shown)


def protect_shares(
    numerator: pd.Series,
    denominator: pd.Series,
    *,
    threshold: int,
    groups: Mapping[str, Iterable[object]] | None = None,
    rounding: int | Mapping[object, int] = 1,
    insiders: bool = True,
    per: int = 100,
    decimals: int = 1,
    earlier: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Protect numerators and denominators together, then derive percentages from what is shown.

    The part outside the numerator counts too: 97 of 100 in time tells that 3 were late.

    Parameters
    ----------
    numerator, denominator : pandas.Series
        Exact counts by council, same index; each numerator is part of its denominator.
    threshold, groups, rounding, insiders, earlier
        As `row_groups`, `rounding`, `insiders` and `earlier` in `protect_table`.
    per : int
        100 for percentages.
    decimals : int

    Returns
    -------
    pandas.DataFrame
        Columns numerator, denominator, value: numbers or symbols.
    """
    inside = pd.DataFrame({"numerator": numerator, "outside": denominator - numerator})
    table = protect_table(
        inside,
        threshold=threshold,
        row_groups=groups,
        column_groups={"denominator": ["numerator", "outside"]},
        rounding=rounding,
        hidden_columns=["outside"],
        insiders=insiders,
        earlier=earlier,
    ).published
    value = derive_rate(table["numerator"], table["denominator"], per=per, decimals=decimals)
    shown = [_print_share(v, *pair) for v, pair in zip(value, table.to_numpy(), strict=True)]
    return table.assign(value=pd.Series(shown, index=table.index, dtype=object))


def check_threshold(threshold: int) -> None:
    """Refuse a threshold that protects nobody: a symbol for "1" tells the count.

    Parameters
    ----------
    threshold : int

    Raises
    ------
    DisclosureError
    """
    if threshold != int(threshold) or threshold < LEAST_THRESHOLD:
        raise DisclosureError(
            explain(
                "threshold",
                f"be a whole number from {LEAST_THRESHOLD}",
                threshold,
                "A symbol that can only stand for 1 tells the count.",
            )
        )


def _default_group(
    groups: Mapping[str, Iterable[object]] | None, labels: pd.Index
) -> Mapping[str, Iterable[object]]:
    return {ALL: list(labels)} if groups is None else groups


def _bind(cells: CellSet, told: NDArray[Any], bases: NDArray[np.int64]) -> CellSet:
    """Write what an earlier release printed into what is known of each cell.

    A figure that has been revised since says nothing certain about the present count.
    """
    low, high = cells.known_low.copy(), cells.known_high.copy()
    base = np.repeat(bases, len(told) // len(bases))
    for i, figure in enumerate(told):
        if isinstance(figure, (int, float, np.number)) and not np.isnan(figure):
            least, most = (float(end) for end in bound_rounded(figure, base=int(base[i])))
            if least <= cells.counts[i] <= most:
                low[i], high[i] = least, most
    return replace(cells, known_low=low, known_high=high)


def _print_table(
    cells: CellSet, protection: Protection, frame: pd.DataFrame, shown: NDArray[np.bool_]
) -> ProtectedTable:
    printed = np.empty(frame.size, dtype=object)
    status = np.full(frame.size, "shown", dtype=object)
    status[protection.primary[: frame.size]] = "primary"
    status[protection.secondary[: frame.size]] = "secondary"
    for i in range(frame.size):
        printed[i] = _print_cell(cells.counts[i], int(cells.base[i]), status[i])
    keep = np.ix_(shown.any(axis=1), shown.any(axis=0))
    labels = {"index": frame.index[keep[0].ravel()], "columns": frame.columns[keep[1].ravel()]}
    return ProtectedTable(
        published=pd.DataFrame(printed.reshape(frame.shape)[keep], dtype=object, **labels),
        status=pd.DataFrame(status.reshape(frame.shape)[keep], **labels),
        n_primary=int(protection.primary.sum()),
        n_secondary=int(protection.secondary.sum()),
        knowledge=protection.knowledge,
        optimal=protection.optimal,
        exposed=len(protection.exposed),
    )


def _print_cell(count: float, base: int, status: str) -> int | str:
    if status != "shown":
        return SUPPRESSED
    rounded = int(round_counts(count, base=base))
    return ROUNDS_TO_ZERO if rounded == 0 and count > 0 else rounded


def _print_share(value: float, numerator: object, denominator: object) -> float | str:
    if SUPPRESSED in (numerator, denominator):
        return SUPPRESSED
    if denominator == 0:
        return NOT_APPLICABLE
    if np.isnan(value):
        return ROUNDS_TO_ZERO
    return ROUNDS_TO_ZERO if value == 0 and numerator != 0 else float(value)
