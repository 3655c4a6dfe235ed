"""Tables to a panel: the plan's outcomes, one row per council and period."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from numbers import Real

import pandas as pd

from pilot_eval.door_values import Made
from pilot_eval.doors import Table, takes
from pilot_eval.errors import DataError, PlanError, explain
from pilot_eval.plan import EvaluationPlan
from pilot_eval.published.bands import split_bands
from pilot_eval.published.published_rows import SPARE, STEPS, find_scale
from pilot_eval.published.statuses import NOT_AVAILABLE, SUPPRESSED
from pilot_eval.reference.facts import ENGLAND
from pilot_eval.reference.plan_periods import PERIOD_PATTERN, Period, middle_of
from pilot_eval.run_cache import once_per_run

LACKING = "lacking"
"""Attribute of an own table: what it lacks of the plan, in words."""
KEYS = ("indicator", "council_code", "year_ending")
_NEAR = 0.85
"""How alike two keys are that are one key misspelt; keys of two rates are .6 to .8 alike."""

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

DESCRIBED = ("numerator", "confidence", "dfe_reference")
"""Columns that say where a figure is from: shown where they are there."""
PANEL = Table(
    columns=tuple(name for name in PANEL_COLUMNS if name not in DESCRIBED),
    key=("outcome", "council_code", "period"),
    numbers=("value", "value_low", "value_high"),
)
"""What functions that take a panel require of it."""
PLAN = Made(EvaluationPlan, "load_plan")
TABLE = Table(
    columns=(
        "year_ending",
        "council_code",
        "indicator",
        "value",
        "value_status",
        "numerator",
        "numerator_status",
        "numerator_low",
        "numerator_high",
        "denominator",
        "confidence",
        "dfe_reference",
    ),
    numbers=("value", "numerator", "numerator_low", "numerator_high", "denominator"),
)
"""What functions that take a table of council indicators require of it."""


@takes(DataError, plan=PLAN, table=TABLE)
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
        One row per outcome, council and period, columns `PANEL_COLUMNS`. `value` is in percent or
        per 10,000; it is missing where it was not published. `value_low` and `value_high` differ
        from it only where a small count was suppressed and the denominator is known: then they are
        the smallest and largest value possible, and `numerator` is from `numerator_low` to
        `numerator_high` but not strictly between `gap_low` and `gap_high`; `count_value` is what
        one child is worth in the outcome's unit. `size_proxy` is the count of the plan's
        `size_proxy.indicator`.
        England, unknown codes and periods outside the plan's windows are left out.

    Raises
    ------
    PlanError
        If the plan asks for what the table or the reference facts do not hold; all faults listed.
    DataError
        If the table lacks a column, a row does not say what it is of, a council has two figures for
        one year, a figure is infinite, negative or of more than all, or one rests on no cases.

    Examples
    --------
    >>> import pilot_eval as pe
    >>> panel = build_panel(pe.load_published(), pe.load_plan())
    >>> panel["outcome"].nunique()
    15
    """
    table = _check_keys(table)
    check_plan(plan, table)
    _check_figures(table[table["indicator"].isin(list(plan.outcomes))])
    names = plan.names
    table = select_span(table, plan)
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


def select_span(table: pd.DataFrame, plan: EvaluationPlan) -> pd.DataFrame:
    """Keep the periods from the first to the last of the plan's windows.

    Parameters
    ----------
    table : DataFrame
        Long table of council indicators, which may go on long after the pilot.
    plan : EvaluationPlan

    Returns
    -------
    DataFrame
    """
    first, last = plan.span
    inside = {p for p in table["year_ending"].unique() if first <= middle_of(p) <= last}
    return table[table["year_ending"].isin(inside)]


def _check_keys(table: pd.DataFrame) -> pd.DataFrame:
    """Refuse rows that do not say what they are of; years become whole numbers."""
    unknown = [name for name in KEYS if table[name].isna().any()]
    periods = {} if unknown else {p: _read_period(p) for p in table["year_ending"].unique()}
    if None in periods.values():
        unknown = ["year_ending"]
    if unknown:
        rule = "name indicator, council and period in every row"
        got = f"none, or something else, in column {unknown[0]}"
        action = "Write years as 2012, quarters as 2012Q1, months as 2012-01."
        raise DataError(explain("table", rule, got, action))
    if table["year_ending"].dtype.kind == "i":
        return table
    return table.assign(year_ending=[periods[period] for period in table["year_ending"]])


def _read_period(period: object) -> Period | None:
    """Read a period of any type that holds one; None where it is none."""
    if isinstance(period, str):
        if period.isdecimal():
            return int(period)
        return period if re.fullmatch(PERIOD_PATTERN, period) else None
    whole = isinstance(period, Real) and not isinstance(period, bool)
    return int(period) if whole and period % 1 == 0 else None  # type: ignore[operator,call-overload]


def _check_figures(rows: pd.DataFrame) -> None:
    twice = rows.duplicated(["indicator", "year_ending", "council_code"])
    figures = rows[["value", "numerator", "denominator"]]
    infinite = figures.isin([float("inf"), float("-inf")]).any(axis=1)
    empty = rows["value"].notna() & (rows["denominator"] <= 0)
    of_all = ~rows["indicator"].str.endswith(STEPS)  # a step can have more cases than the last
    for rule, wrong in (
        ("hold one figure per council and year", twice),
        ("be finite or missing", infinite),
        ("be 0 or more", (figures < 0).any(axis=1)),
        ("rest on cases: a denominator above 0", empty),
        ("count no more than all", of_all & (rows["numerator"] > rows["denominator"])),
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
        *_unknown_outcomes(plan, set(table["indicator"])),
        *_unknown_breaks(plan),
        *_unknown_years(plan, set(table["year_ending"])),
    ]
    if faults:
        raise PlanError("\n  - ".join(["the plan does not fit the data:", *faults]))


def fill_own_table(table: pd.DataFrame, plan: EvaluationPlan) -> pd.DataFrame:
    """Mark what an own table lacks of the plan as not available, so that the rest is evaluated.

    Parameters
    ----------
    table : DataFrame
        As from `read_council_table`.
    plan : EvaluationPlan

    Returns
    -------
    DataFrame
        With a row for England, not available, for each outcome and year of the plan that the
        table lacks: such comparisons are not estimable, with the reason. What was lacking is in
        ``attrs``, under `LACKING`.

    Raises
    ------
    PlanError
        If the table has none of the plan's outcomes or years, or has one under a name that is
        probably misspelt.
    """
    own, periods = set(table["indicator"]), set(table["year_ending"])
    outcomes = [name for name in plan.outcomes if name not in own]
    wanted = {year for name in plan.used_windows for year in plan.windows[name].years}
    years = sorted(wanted - periods, key=str)
    misspelt = _find_misspelt(outcomes, own - set(plan.outcomes))
    if misspelt or len(outcomes) == len(plan.outcomes) or len(years) == len(wanted):
        check_plan(plan, table)
    some = next(iter(table["year_ending"]))
    pairs = [(name, some) for name in outcomes]
    pairs += [(name, year) for year in years for name in plan.outcomes]
    lacking = [f"outcomes {_join(outcomes)}"] * bool(outcomes)
    lacking += [f"periods {_join(years)}"] * bool(years)
    if pairs:
        table = pd.concat([table, _not_available(pairs, table)], ignore_index=True)
    table.attrs[LACKING] = "; ".join(lacking)
    return table


def _not_available(pairs: list[tuple[str, Period]], table: pd.DataFrame) -> pd.DataFrame:
    statuses = [name for name in table.columns if name.endswith("_status")]
    blank = {name: "" if table[name].dtype.kind not in "fi" else float("nan") for name in table}
    rows = [
        blank
        | {"indicator": name, "year_ending": period, "council_code": ENGLAND}
        | dict.fromkeys(statuses, NOT_AVAILABLE)
        for name, period in dict.fromkeys(pairs)
    ]
    return pd.DataFrame(rows, columns=table.columns)


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
    places |= {f"clusters.{name}": item.councils for name, item in plan.clusters.items()}
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
    faults = []
    for name in sorted(plan.used_windows):
        lacking = [year for year in plan.windows[name].years if year not in known]
        if lacking:
            years = "years" if len(lacking) > 1 else "year"
            faults.append(f"windows.{name}: {years} {_join(lacking)} not in the data")
    return faults


def _unknown_outcomes(plan: EvaluationPlan, known: set[str]) -> list[str]:
    """List outcomes without figures: misspelt ones each, the others in one line."""
    lacking = [name for name in plan.outcomes if name not in known]
    misspelt = _find_misspelt(lacking, known - set(plan.outcomes))
    faults = [f"outcome {a!r} is not known; did you mean {b!r}?" for a, b in misspelt.items()]
    others = [name for name in lacking if name not in misspelt]
    if others:
        what = "the table has no figures of"
        faults.append(f"{what} {len(others)} of {len(plan.outcomes)} outcomes: {_join(others)}")
    return faults


def _find_misspelt(names: Iterable[str], known: set[str]) -> dict[str, str]:
    near = {name: get_close_matches(name, sorted(known), n=1, cutoff=_NEAR) for name in names}
    return {name: found[0] for name, found in near.items() if found}


def _join(names: Iterable[object]) -> str:
    return ", ".join(map(str, names))


def _unknown(what: str, named: Iterable[str], known: set[str]) -> list[str]:
    faults = []
    for name in named:
        if name not in known:
            near = get_close_matches(name, sorted(known), n=1)
            faults.append(
                f"{what} {name!r} is not known" + (f"; did you mean {near[0]!r}?" if near else "")
            )
    return faults
