"""Withhold the shares and rates of a council table that rest on a few children."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd

from pilot_eval.disclosure.protect.suppression import check_threshold
from pilot_eval.published.bands import PUBLISHED_BANDS, SHARE_IN_TIME
from pilot_eval.published.statuses import REPORTED, SUPPRESSED
from pilot_eval.reference.facts import ENGLAND

SHARE = r"_pct$|_band_"
GROUP = ("year_ending", "council_code")
KEYS = ["year_ending", "council_code", "indicator"]
PARTNERS = 3  # one may be the reader's own council, and two can still be any of many values


def protect_indicators(
    table: pd.DataFrame,
    *,
    threshold: int,
    keep: Collection[str] = (),
    earlier: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Withhold every figure that rests on 1 to `threshold` children, or gives such a one away.

    Parameters
    ----------
    table : pandas.DataFrame
        Council indicators as `read_council_table` returns them: one row per period, council and
        indicator.
    threshold : int
        Children; the numerator, the denominator and, for shares, those outside the numerator
        must be 0 or more than this.
    keep : collection of str
        Codes of councils to withhold for others' sake last: those that are evaluated.
    earlier : pandas.DataFrame, optional
        A release that readers have, in the same shape: what it suppresses stays suppressed.

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
    A reader is taken to know every denominator, England's totals and one council's own row.
    Within a council, bands of a duration and shares within limits are shares of one total. Where
    one of them is withheld, so are all bands between the two printed limits around it; and of two
    limits with 1 to `threshold` cases between them, the shorter is. Where a council's figure is
    withheld, so are England's and all of three councils with large counts, of that period and
    clock (or indicator); without three, all councils' are.
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
    hidden = _find_hidden(table, earlier)
    unsafe |= reported & hidden
    unsafe |= reported & _find_linked(table, unsafe, threshold)
    partners = _find_partners(table, unsafe, 2 * threshold + 1, frozenset(keep)) & ~unsafe
    unsafe |= partners
    unsafe |= reported & _find_totals(table, unsafe)
    low, high = _bound(numerator, denominator, few_inside, few_outside, threshold)
    bounded = unsafe & ~uncounted & ~few_cases & ~partners
    status = table["numerator_status"].mask(unsafe & numerator.notna(), SUPPRESSED)
    protected = table.assign(
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
    return protected if earlier is None else _bound_as_printed(protected, hidden, earlier)


def _find_hidden(table: pd.DataFrame, earlier: pd.DataFrame | None) -> pd.Series:
    """Find the figures that an earlier release suppresses."""
    if earlier is None:
        return pd.Series(False, index=table.index)
    printed = pd.MultiIndex.from_frame(earlier.loc[earlier["value_status"] == SUPPRESSED, KEYS])
    return pd.Series(pd.MultiIndex.from_frame(table[KEYS]).isin(printed), index=table.index)


def _bound_as_printed(
    table: pd.DataFrame, hidden: pd.Series, earlier: pd.DataFrame
) -> pd.DataFrame:
    """Give what an earlier release suppresses the bounds that its readers have."""
    if not hidden.any():  # other periods than years, too
        return table
    names = ["numerator_low", "numerator_high"]
    known = table[KEYS].merge(earlier[[*KEYS, *names]], on=KEYS, how="left", validate="1:1")
    ends = {name: table[name].mask(hidden, known[name].set_axis(table.index)) for name in names}
    return table.assign(**ends)


def _find_partners(
    table: pd.DataFrame, unsafe: pd.Series, large: int, keep: Collection[str]
) -> pd.Series:
    """Find large councils to withhold alongside others, by period and clock (or indicator)."""
    outside = (table["denominator"] - table["numerator"]).where(
        table["indicator"].str.contains(SHARE, regex=True), np.inf
    )
    size = table["numerator"].clip(upper=outside)
    reported = (table["value_status"] == REPORTED) & (table["council_code"] != ENGLAND)
    clock = table["indicator"].str.extract(r"^([a-z]+)_(?:band|within)_")[0]
    keys = [table["year_ending"], clock.fillna(table["indicator"])]
    figures = table.assign(size=size, unsafe=unsafe)[reported]
    found = pd.Series(False, index=table.index)
    for _, rows in figures.groupby([key[reported] for key in keys], sort=False):
        if not rows["unsafe"].any() or rows["unsafe"].all():
            continue
        own = rows.groupby("council_code").agg(
            least=("size", "min"), figures=("size", "count"), unsafe=("unsafe", "any")
        )
        full = own["figures"] == own["figures"].max()
        fit = own[(own["least"] >= large) & full & ~own["unsafe"]]
        fit = fit.assign(kept=fit.index.isin(list(keep))).sort_values(["kept", "least"])
        chosen = fit.index[:PARTNERS] if len(fit) >= PARTNERS else own.index
        found[rows.index[rows["council_code"].isin(chosen)]] = True
    return found


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
    """Find England's figures alongside a withheld one of the same indicator and period."""
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
    """Say of each indicator of one clock whether it has to go, one row per council and period."""
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
