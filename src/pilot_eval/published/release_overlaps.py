"""What a later release says of a year that an earlier one gave: agreed, revised, or one only."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from pilot_eval.published.published_rows import Row
from pilot_eval.reference.facts import ENGLAND

ROUNDING = 0.05
"""Shares and rates are printed to one decimal: a smaller difference is none."""
CLOSE = 0.6
"""Points (or per 10,000, or days) within which a revised figure tells the same story."""
_KEYS = ["indicator", "year_ending", "council_code"]
_FIGURE = ["dfe_reference", "value"]


def compare_releases(used: Sequence[Row], others: Sequence[Row]) -> list[Row]:
    """Compare the figures of the council table with those of releases that it does not use.

    Parameters
    ----------
    used : sequence of Row
        The rows of the table.
    others : sequence of Row
        Rows of other releases, of the same indicators, years and councils.

    Returns
    -------
    list of dict
        For each indicator, year and other release, England left out: the two releases; councils
        with a figure in both, in the used and in the other one only; how many of both are the same
        to rounding and within 0.6; and the largest difference.
    """
    frames = [pd.DataFrame(rows, columns=[*_KEYS, *_FIGURE]) for rows in (used, others)]
    mine, theirs = (frame[frame["council_code"] != ENGLAND] for frame in frames)
    both = mine.merge(theirs, on=_KEYS, suffixes=("", "_other"), validate="1:m")
    shown, other = both["value"].notna(), both["value_other"].notna()
    difference = (both["value"] - both["value_other"]).abs()
    both = both.assign(
        councils=shown & other,
        used_only=shown & ~other,
        other_only=other & ~shown,
        same=difference < ROUNDING,
        within_0_6=difference <= CLOSE,
        largest_difference=difference,
    )
    counts = dict.fromkeys(["councils", "used_only", "other_only", "same", "within_0_6"], "sum")
    keys = ["indicator", "year_ending", "dfe_reference", "dfe_reference_other"]
    found = both.groupby(keys, sort=False).agg(counts | {"largest_difference": "max"})
    return [
        {str(name): value for name, value in row.items()}
        for row in found.reset_index().to_dict("records")
    ]
