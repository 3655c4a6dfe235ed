"""Shares of groups of children for a whole run, protected so that they can be released.

Each indicator has cases of its own: of limits of one clock only the one in force is shown, and of
two looks at the same referrals only one, so that no printed figure follows from two others.
"""

from __future__ import annotations

import pandas as pd

from pilot_eval.disclosure.protect.suppression import protect_shares
from pilot_eval.records.indicators import ONE_OF_EACH

#: Councils below which a sum tells about one of them.
LEAST_COUNCILS = 3
ALL = "all"
COLUMNS = ("by", "group", "period", "indicator", "numerator", "denominator", "value")


def protect_subgroups(panel: pd.DataFrame, *, threshold: int, rounding: int) -> pd.DataFrame:
    """Add up the councils' groups by year, and withhold what could identify a child.

    Parameters
    ----------
    panel : DataFrame
        As from `build_subgroup_panel`, of every council and grouping, by year.
    threshold, rounding : int
        The plan's.

    Returns
    -------
    DataFrame
        Columns `COLUMNS`; numbers or symbols. Empty where there are too few councils.

    Notes
    -----
    A reader is taken to know every year's total of all groups. Where that total itself, or what
    lies outside its numerator, is of 1 to `threshold` children, no group is shown.
    """
    shown = panel[panel["indicator"].isin(ONE_OF_EACH)]
    enough = shown["council_code"].nunique() >= LEAST_COUNCILS
    keys = ["by", "indicator", "period", "group"]
    sums = shown.groupby(keys, observed=True)[["numerator", "denominator"]].sum()
    parts = [
        _protect(own.droplevel(keys[:-1]), key, threshold, rounding)
        for key, own in sums.groupby(keys[:-1], observed=True)
        if enough and own["denominator"].sum() > 0
    ]
    if not parts:
        return pd.DataFrame(columns=list(COLUMNS))
    return pd.concat(parts, ignore_index=True)[list(COLUMNS)]


def _protect(
    counts: pd.DataFrame, key: tuple[object, ...], threshold: int, rounding: int
) -> pd.DataFrame:
    total, of_all = counts["numerator"].sum(), counts["denominator"].sum()
    safe = all(not 1 <= count <= threshold for count in (total, of_all, of_all - total))
    table = protect_shares(
        counts["numerator"],
        counts["denominator"],
        threshold=threshold,
        groups={ALL: list(counts.index)},
        rounding=rounding,
        earlier=pd.DataFrame({"numerator": [int(total)], "denominator": [int(of_all)]}, index=[ALL])
        if safe
        else None,
    )
    if not safe:
        table = table.assign(numerator="c", denominator="c", value="c")
    by, indicator, period = key
    table = table.rename_axis("group").reset_index()
    return table.assign(by=by, indicator=indicator, period=period)
