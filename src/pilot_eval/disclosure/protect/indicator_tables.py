"""Withhold the shares and rates of a council table that rest on a few children."""

from __future__ import annotations

import pandas as pd

from pilot_eval.disclosure.protect.suppression import check_threshold


def protect_indicators(table: pd.DataFrame, *, threshold: int) -> pd.DataFrame:
    """Withhold every figure that rests on 1 to `threshold` children, or on nobody knows how many.

    Parameters
    ----------
    table : pandas.DataFrame
        Council indicators as `read_council_table` returns them: one row a year, council and
        indicator.
    threshold : int
        Children; the numerator, the denominator and, for shares, those outside the numerator
        must be 0 or more than this.

    Returns
    -------
    pandas.DataFrame
        The same rows; what is withheld is NaN with status ``suppressed``.

    Raises
    ------
    DisclosureError
        For a threshold below 2.

    Notes
    -----
    For tables that print shares and rates but no count and no total of counts: nothing printed
    can be subtracted from anything else printed, so no further cell has to go.
    """
    check_threshold(threshold)
    numerator, denominator = table["numerator"], table["denominator"]
    is_share = table["indicator"].str.contains(r"_pct$|_band_", regex=True)
    outside = (denominator - numerator).where(is_share, 0)
    unsafe = numerator.isna() | denominator.isna()
    for counts in (numerator, denominator, outside):
        unsafe |= counts.gt(0) & counts.le(threshold)
    unsafe &= table["value_status"] == "reported"
    return table.assign(
        value=table["value"].mask(unsafe),
        value_status=table["value_status"].mask(unsafe, "suppressed"),
    )
