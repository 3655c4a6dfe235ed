"""Shares of groups of children for a whole run, protected so that they can be released.

Each indicator has cases of its own: of limits of one clock only the one in force is shown, and of
two looks at the same referrals only one, so that no printed figure follows from two others.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from pilot_eval.disclosure.protect.rounding import derive_rate
from pilot_eval.disclosure.protect.suppression import protect_shares
from pilot_eval.disclosure.protect.symbols import SUPPRESSED, UNAVAILABLE
from pilot_eval.records.indicators import ONE_OF_EACH

#: Councils below which a sum tells about one of them.
LEAST_COUNCILS = 3
ALL = "all"
COLUMNS = (
    *("by", "group", "period", "indicator", "numerator", "denominator", "value"),
    *("population", "cases_per_10000"),
)


def protect_subgroups(
    panel: pd.DataFrame, populations: pd.DataFrame, *, threshold: int, rounding: int
) -> pd.DataFrame:
    """Add up the councils' groups by year, and withhold what could identify a child.

    Parameters
    ----------
    panel : DataFrame
        As from `build_subgroup_panel`, of every council and grouping, by year.
    populations : DataFrame
        As from `read_group_populations`; may be empty.
    threshold, rounding : int
        The plan's.

    Returns
    -------
    DataFrame
        Columns `COLUMNS`; numbers or symbols. Empty where there are too few councils.

    Notes
    -----
    A reader is taken to know every year's total of all groups. Where that total itself, or what
    lies outside its numerator, is of 1 to `threshold` children, no group is shown. Rates are of
    printed denominators: they say nothing that the counts do not, and are withheld with them.
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
    table = _add_rates(pd.concat(parts, ignore_index=True), shown, populations)
    return table[list(COLUMNS)]


def _add_rates(table: pd.DataFrame, panel: pd.DataFrame, populations: pd.DataFrame) -> pd.DataFrame:
    """Divide what is printed by the population of the councils that are in it, if all are known."""
    keys = ["by", "indicator", "period", "group"]
    counted = panel[panel["denominator"].notna()].astype({"council_code": "str"})
    held = populations.rename(columns={"year_ending": "period"}).astype({"period": "int64"})
    own = counted.merge(
        held, how="left", on=["council_code", "period", "by", "group"], validate="many_to_one"
    )
    whole = own.groupby(keys, observed=True)["population_0_17"].agg(
        lambda one: one.sum(skipna=False)
    )
    population = whole.reindex(pd.MultiIndex.from_frame(table[keys])).to_numpy(dtype=float)
    rates = derive_rate(table["denominator"], population)
    cases = pd.to_numeric(table["denominator"], errors="coerce").isna()
    shown = [
        UNAVAILABLE if np.isnan(people) else SUPPRESSED if hidden else rate
        for people, hidden, rate in zip(population, cases, rates, strict=True)
    ]
    people = [UNAVAILABLE if np.isnan(one) else int(one) for one in population]
    return table.assign(population=people, cases_per_10000=pd.Series(shown, dtype=object))


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
        insiders=False,
        earlier=pd.DataFrame({"numerator": [int(total)], "denominator": [int(of_all)]}, index=[ALL])
        if safe
        else None,
    )
    if not safe:
        table = table.assign(numerator="c", denominator="c", value="c")
    by, indicator, period = key
    table = table.rename_axis("group").reset_index()
    return table.assign(by=by, indicator=indicator, period=period)
