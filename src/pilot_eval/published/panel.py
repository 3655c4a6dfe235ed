"""Tables to a panel: the plan's outcomes, one row a council and period."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

import pandas as pd

from pilot_eval.errors import DataError, PlanError, explain
from pilot_eval.plan import EvaluationPlan
from pilot_eval.published.bands import split_bands
from pilot_eval.published.published_rows import SPARE, find_scale
from pilot_eval.published.statuses import SUPPRESSED
from pilot_eval.run_cache import once_per_run

PANEL_COLUMNS = (
    "outcome",
    "council_code",
    "council_name",
    "period",
    "value",
    "value_low",
    "value_high",
    "value_status",
    "numerator",
    "numerator_low",
    "numerator_high",
    "gap_low",
    "gap_high",
    "count_value",
    "denominator",
    "size_proxy",
    "confidence",
    "dfe_reference",
)


@once_per_run
def build_panel(table: pd.DataFrame, plan: EvaluationPlan) -> pd.DataFrame:
    """Build the panel that designs are cut from.

    Parameters
    ----------
    table : DataFrame
        Long table of council indicators, as from `load_published`.
    plan : EvaluationPlan
        Names the outcomes.

    Returns
    -------
    DataFrame
        One row an outcome, council and period, columns `PANEL_COLUMNS`. `value` is in percent or
        per 10,000; it is missing where it was not published. `value_low` and `value_high` differ
        from it only where a small count was suppressed and the denominator is known: then they are
        the smallest and largest value possible, and `numerator` is from `numerator_low` to
        `numerator_high` but not strictly between `gap_low` and `gap_high`; `count_value` is what
        one child is worth in the outcome's unit. `size_proxy` is the count of the plan's
        `size_proxy.indicator`.
        England and unknown codes are left out.

    Raises
    ------
    PlanError
        If the plan asks for what the table or the reference facts do not hold; all faults listed.
    DataError
        If a council has two figures for one year, a figure is infinite, or one rests on no cases.

    Examples
    --------
    >>> import pilot_eval as pe
    >>> panel = build_panel(pe.load_published(), pe.load_plan())
    >>> panel["outcome"].nunique()
    15
    """
    check_plan(plan, table)
    _check_figures(table[table["indicator"].isin(list(plan.outcomes))])
    names = plan.names
    rows = table[
        table["indicator"].isin(list(plan.outcomes)) & table["council_code"].isin(list(names))
    ]
    panel = rows.rename(columns={"indicator": "outcome", "year_ending": "period"})
    scale = panel["outcome"].map(find_scale).astype(float)
    panel = panel.assign(
        council_name=panel["council_code"].map(names),
        count_value=scale / panel["denominator"].where(panel["denominator"] > 0),
    )
    panel = panel.merge(
        _find_gaps(table, panel),
        on=["outcome", "council_code", "period"],
        how="left",
        validate="1:1",
    )
    for end in ("low", "high"):
        bound = panel["count_value"] * panel[f"numerator_{end}"]
        panel[f"value_{end}"] = panel["value"].where(panel["value"].notna(), bound)
    panel = panel.merge(
        _size_proxy(table, plan), on=["council_code", "period"], validate="m:1", how="left"
    )
    return panel.loc[:, list(PANEL_COLUMNS)].sort_values(
        ["outcome", "council_code", "period"], ignore_index=True
    )


def _check_figures(rows: pd.DataFrame) -> None:
    twice = rows.duplicated(["indicator", "year_ending", "council_code"])
    infinite = rows["value"].isin([float("inf"), float("-inf")])
    empty = rows["value"].notna() & (rows["denominator"] <= 0)
    for rule, wrong in (
        ("hold one figure a council and year", twice),
        ("be finite or missing", infinite),
        ("rest on cases: a denominator above 0", empty),
    ):
        if wrong.any():
            first = rows[wrong].iloc[0]
            where = f"{first['indicator']}, {first['council_code']}, {first['year_ending']}"
            got = f"{int(wrong.sum())} rows that do not, the first {where}"
            raise DataError(explain("table", rule, got, "Correct or remove those rows."))


def check_plan(plan: EvaluationPlan, table: pd.DataFrame) -> None:
    """Check that councils, outcomes, years and breaks named by the plan exist.

    Parameters
    ----------
    plan : EvaluationPlan
    table : DataFrame
        Long table of council indicators.

    Raises
    ------
    PlanError
        Listing every fault.
    """
    faults = [
        *_unknown_councils(plan),
        *_unknown("outcome", plan.outcomes, set(table["indicator"])),
        *_unknown_breaks(plan),
        *_unknown_years(plan, set(table["year_ending"])),
    ]
    if faults:
        raise PlanError("\n  - ".join(["the plan does not fit the data:", *faults]))


def _find_gaps(table: pd.DataFrame, panel: pd.DataFrame) -> pd.DataFrame:
    """Find counts that a hidden share in time cannot be, from what its bands leave of the total.

    Where one band inside the limit and one outside are hidden and their sum is more than two small
    counts, one of the two is small: the numerator is near its low or near its high end.
    """
    columns = ["outcome", "council_code", "period"]
    found = [
        _gaps_of(own, table, *split_bands(str(outcome)))
        for outcome, own in panel[panel["value"].isna()].groupby("outcome")
        if split_bands(str(outcome))[0]
    ]
    empty = pd.DataFrame(columns=[*columns, "gap_low", "gap_high"])
    gaps = pd.concat(found) if found else empty
    return gaps.astype({"outcome": str, "council_code": str, "gap_low": float}).astype(
        {"period": panel["period"].dtype}
    )


def _gaps_of(
    own: pd.DataFrame, table: pd.DataFrame, inside: tuple[str, ...], outside: tuple[str, ...]
) -> pd.DataFrame:
    bands = table[table["indicator"].isin([*inside, *outside])]
    hidden = bands[bands["numerator_status"] == SUPPRESSED]
    keys = pd.MultiIndex.from_frame(own[["council_code", "period"]])
    counts = [
        hidden[hidden["indicator"].isin(part)]
        .groupby(["council_code", "year_ending"])
        .size()
        .reindex(keys, fill_value=0)
        .to_numpy()
        for part in (inside, outside)
    ]
    room = own["numerator_high"] - own["numerator_low"]
    one_of_two = (counts[0] == 1) & (counts[1] == 1) & (room > 2 * SPARE)
    chosen = own[one_of_two]
    return chosen[["outcome", "council_code", "period"]].assign(
        gap_low=chosen["numerator_low"] + SPARE, gap_high=chosen["numerator_high"] - SPARE
    )


def _size_proxy(table: pd.DataFrame, plan: EvaluationPlan) -> pd.DataFrame:
    rows = table[table["indicator"] == (plan.size_proxy and plan.size_proxy.indicator)]
    return rows[["council_code", "year_ending", "numerator"]].rename(
        columns={"year_ending": "period", "numerator": "size_proxy"}
    )


def _unknown_councils(plan: EvaluationPlan) -> list[str]:
    places = {"drop_councils": plan.drop_councils, "comparators.exclude": plan.comparators.exclude}
    places |= {"comparators.only": plan.comparators.only}
    places |= {f"clusters.{name}": members for name, members in plan.clusters.items()}
    places |= {f"scenarios.{name}": item.councils for name, item in plan.scenarios.items()}
    known = set(plan.names.values())
    return [
        fault
        for place, named in places.items()
        for fault in _unknown(f"{place}: council", named, known)
    ]


def _unknown_breaks(plan: EvaluationPlan) -> list[str]:
    known = {record.break_id for record in plan.breaks}
    return [
        fault
        for key, outcome in plan.outcomes.items()
        for fault in _unknown(f"outcomes.{key}: break", outcome.accepted_breaks, known)
    ]


def _unknown_years(plan: EvaluationPlan, known: set[int]) -> list[str]:
    return [
        f"windows.{name}: year {year} is not in the data"
        for name in sorted(plan.used_windows)
        for year in plan.windows[name].years
        if year not in known
    ]


def _unknown(what: str, named: Iterable[str], known: set[str]) -> list[str]:
    faults = []
    for name in named:
        if name not in known:
            near = get_close_matches(name, sorted(known), n=1)
            faults.append(
                f"{what} {name!r} is not known" + (f"; did you mean {near[0]!r}?" if near else "")
            )
    return faults
