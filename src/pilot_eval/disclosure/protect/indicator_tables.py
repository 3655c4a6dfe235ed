"""Withhold the shares and rates of a council table that rest on a few children."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pilot_eval.disclosure.protect.suppression import check_threshold
from pilot_eval.published.bands import PUBLISHED_BANDS, SHARE_IN_TIME
from pilot_eval.published.statuses import REPORTED, SUPPRESSED
from pilot_eval.reference.facts import ENGLAND

SHARE = r"_pct$|_band_"
GROUP = ("year_ending", "council_code")


def protect_indicators(table: pd.DataFrame, *, threshold: int) -> pd.DataFrame:
    """Withhold every figure that rests on 1 to `threshold` children, or gives such a one away.

    Parameters
    ----------
    table : pandas.DataFrame
        Council indicators as `read_council_table` returns them: one row a period, council and
        indicator.
    threshold : int
        Children; the numerator, the denominator and, for shares, those outside the numerator
        must be 0 or more than this.

    Returns
    -------
    pandas.DataFrame
        The same rows. What is withheld is NaN with status ``suppressed``, its numerator too, which
        is known to be between ``numerator_low`` and ``numerator_high``: an evaluation of this
        table can use it as it uses DfE's suppressed figures, and can give nothing away that the
        table does not.

    Raises
    ------
    DisclosureError
        For a threshold below 2.

    Notes
    -----
    Shares and rates of different councils are never added up, with one exception, so one council's
    figures are protected by themselves: England's figure is withheld where a council's is. Within a
    council, shares of one total are: the bands of a duration, and shares within limits. Where one
    of them is withheld, so are all bands between the two printed limits around it; and of two
    limits with 1 to `threshold` cases between them, the shorter is.
    """
    check_threshold(threshold)
    numerator, denominator = table["numerator"], table["denominator"]
    is_share = table["indicator"].str.contains(SHARE, regex=True)
    outside = (denominator - numerator).where(is_share, 0.0)
    reported = table["value_status"] == REPORTED
    uncounted = reported & (numerator.isna() | denominator.isna())
    few_cases, few_inside, few_outside = (
        reported & count.between(1, threshold) for count in (denominator, numerator, outside)
    )
    unsafe = uncounted | few_cases | few_inside | few_outside
    linked = _find_linked(table, unsafe, threshold) & reported
    unsafe |= linked
    unsafe |= reported & _find_totals(table, unsafe)
    low, high = _bound(numerator, denominator, few_inside, few_outside, threshold)
    bounded = unsafe & ~uncounted & ~few_cases
    status = table["numerator_status"].mask(unsafe & numerator.notna(), SUPPRESSED)
    return table.assign(
        value=table["value"].mask(unsafe),
        value_status=table["value_status"].mask(unsafe, SUPPRESSED),
        published_value=table["published_value"].mask(unsafe),
        value_basis=table["value_basis"].mask(unsafe, ""),
        numerator=numerator.mask(unsafe),
        numerator_status=status,
        denominator=denominator.mask(few_cases),
        denominator_status=table["denominator_status"].mask(few_cases, SUPPRESSED),
        numerator_low=table["numerator_low"].mask(unsafe).mask(bounded, low),
        numerator_high=table["numerator_high"].mask(unsafe).mask(bounded, high),
    )


def _bound(
    numerator: pd.Series,
    denominator: pd.Series,
    few_inside: pd.Series,
    few_outside: pd.Series,
    threshold: int,
) -> tuple[pd.Series, pd.Series]:
    """Say what a reader may know of a withheld numerator."""
    low = (denominator - threshold).where(few_outside, 0.0).mask(few_inside, 1.0)
    high = (denominator - 1).where(~few_inside | few_outside, float(threshold))
    return low, high


def _find_totals(table: pd.DataFrame, unsafe: pd.Series) -> pd.Series:
    """Find England's figures beside a withheld one of the same indicator and period."""
    keys = [table["year_ending"], table["indicator"]]
    hides = unsafe.groupby(keys).transform("any")
    return (table["council_code"] == ENGLAND) & hides


def _find_linked(table: pd.DataFrame, unsafe: pd.Series, threshold: int) -> pd.Series:
    """Find figures that would give a withheld one away, or few cases between two limits."""
    linked = pd.Series(False, index=table.index)
    hidden = unsafe | (table["value_status"] == SUPPRESSED)
    for bands in PUBLISHED_BANDS.values():
        prefix = bands[0].indicator.split("_band_")[0]
        last = {band.indicator: band.last for band in bands}
        rows = table[
            table["indicator"].isin(last) | table["indicator"].str.startswith(f"{prefix}_within_")
        ]
        if rows.empty:
            continue
        found = _link_clock(rows, hidden[rows.index], last, threshold)
        keys = pd.MultiIndex.from_frame(rows[[*GROUP, "indicator"]])
        flat = found.melt(ignore_index=False).set_index("indicator", append=True)["value"]
        linked.loc[rows.index] = flat.reindex(keys).to_numpy()
    return linked


def _link_clock(
    rows: pd.DataFrame, hidden: pd.Series, last: dict[str, float], threshold: int
) -> pd.DataFrame:
    """Say of each indicator of one clock whether it has to go, one row a council and period."""
    numerator = rows.pivot(index=list(GROUP), columns="indicator", values="numerator")
    gone = rows.assign(gone=hidden).pivot(index=list(GROUP), columns="indicator", values="gone")
    there = gone.notna()
    gone = gone.where(there, False).astype(bool)
    limits = {
        name: float(found["limit"])
        for name in numerator.columns
        if (found := SHARE_IN_TIME.fullmatch(name))
    }
    linked = pd.DataFrame(False, index=gone.index, columns=gone.columns)
    printed, longer = {}, pd.Series(np.nan, index=gone.index)
    for name in sorted(limits, key=limits.__getitem__, reverse=True):
        shown = there[name] & ~gone[name]
        linked[name] = shown & (longer - numerator[name]).between(1, threshold)
        printed[name] = shown & ~linked[name]
        longer = numerator[name].where(printed[name], longer)
    bands = [name for name in gone.columns if name in last]
    segment = {
        band: sum((shown & (limits[name] < last[band]) for name, shown in printed.items()), 0)
        for band in bands
    }
    for band in bands:
        for other in bands:
            linked[band] |= gone[other] & (segment[other] == segment[band])
    alone = gone[list(limits)].any(axis=1) & ~gone[bands].any(axis=1)
    for band in bands:
        linked[band] |= alone
    return linked
