"""National indicators, to DfE's definitions, from children's records.

An indicator is a recipe: which records count, on which day, and which of them are hits. The panel
(`census_panel`) counts them by council and period; local indicators use the same recipes.
Definitions: docs/methods-unfinished-cases.md, block "National indicators".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

import numpy as np
import pandas as pd

from pilot_eval.published.bands import CLOCK_PREFIX, PUBLISHED_BANDS
from pilot_eval.records.durations import CLOCKS, Durations, add_months, compute_durations
from pilot_eval.records.episodes import build_episodes, build_plan_episodes
from pilot_eval.records.linking import Days, Rows, list_councils, number_councils, to_days
from pilot_eval.records.schema import CensusTables
from pilot_eval.reference.working_days import DEFAULT_CONVENTION, Convention

Unit = Literal["percentage points", "per 10,000 children"]
Harm = Literal["rises", "falls", "ambiguous"]
_NEVER = np.datetime64("NaT", "D")
_DAY = np.timedelta64(1, "D")


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """Children's records with their episodes, plans and clocks worked out once.

    Attributes
    ----------
    tables : CensusTables
    councils : tuple of str
        Councils that have records, sorted.
    episodes, plans : DataFrame
        As from `build_episodes` and `build_plan_episodes`.
    durations : mapping of str to Durations
        By clock.
    """

    tables: CensusTables
    councils: tuple[str, ...]
    episodes: pd.DataFrame
    plans: pd.DataFrame
    durations: Mapping[str, Durations]


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """What happens in a period: one row per event.

    Attributes
    ----------
    council : ndarray of int, shape (n,)
    day : ndarray of datetime64[D], shape (n,)
    hit : ndarray of bool, shape (n,)
        Events in the numerator; for a rate, all.
    """

    council: Rows
    day: Days
    hit: np.ndarray


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """What is open on a period's last day: one row per spell from `begin` to the day before `end`.

    Attributes
    ----------
    council : ndarray of int, shape (n,)
    begin, end, hit_end : ndarray of datetime64[D], shape (n,)
        A spell counts in the denominator to `end`, in the numerator to `hit_end` (NaT: open).
    """

    council: Rows
    begin: Days
    end: Days
    hit_end: Days


@dataclass(frozen=True, slots=True, kw_only=True)
class Indicator:
    """One indicator of the twin core, national or local.

    Attributes
    ----------
    title, unit, harm : str
        Words for readers; the direction in which children are worse off.
    build : callable
        Records to a `Flow` or a `Stock`.
    look_back, follow_up : int
        Months of records needed before, and after, the period itself.
    """

    title: str
    unit: Unit
    harm: Harm
    build: Callable[[Records], Flow | Stock]
    look_back: int = 0
    follow_up: int = 0


def prepare_records(
    tables: CensusTables,
    *,
    data_cut: date | str,
    clocks: Sequence[str] = tuple(CLOCKS),
    starts: Mapping[str, str] | None = None,
    exemptions: pd.DataFrame | None = None,
    observed_from: date | str | Mapping[str, date | str] | None = None,
    convention: Convention = DEFAULT_CONVENTION,
) -> Records:
    """Work out episodes, plans and clocks once for all indicators.

    Parameters
    ----------
    tables : CensusTables
    data_cut, exemptions, observed_from, convention
        As in `compute_durations`.
    clocks : sequence of str
        Clocks to run.
    starts : mapping of str to str, optional
        Clock -> what starts it, where not the default.

    Returns
    -------
    Records
    """
    durations = {
        clock: compute_durations(
            tables,
            clock,
            data_cut=data_cut,
            start=(starts or {}).get(clock),
            exemptions=exemptions,
            observed_from=observed_from,
            convention=convention,
        )
        for clock in clocks
    }
    return Records(
        tables=tables,
        councils=tuple(list_councils(tables)),
        episodes=build_episodes(tables),
        plans=build_plan_episodes(tables),
        durations=durations,
    )


def completed(records: Records, clock: str) -> tuple[Rows, Days, np.ndarray]:
    """List the completed cases of a clock: council, day of completion, working days taken."""
    table = records.durations[clock].table
    done = table[table["event_observed"].to_numpy()]
    council = number_councils(done, records.councils)
    return council, to_days(done["end_date"]), done["duration_working_days"].to_numpy()


def _within(clock: str, days: int) -> Callable[[Records], Flow]:
    def build(records: Records) -> Flow:
        council, day, taken = completed(records, clock)
        return Flow(council=council, day=day, hit=taken <= days)

    return build


def _in_band(clock: str, first: float, last: float) -> Callable[[Records], Flow]:
    def build(records: Records) -> Flow:
        council, day, taken = completed(records, clock)
        return Flow(council=council, day=day, hit=(taken >= first) & (taken <= last))

    return build


def _rereferrals(records: Records) -> Flow:
    rows = records.episodes
    return _flow(records, rows, "referral_date", rows["rereferral"].to_numpy())


def _rereferred(records: Records) -> Flow:
    rows = records.episodes
    return _flow(records, rows, "referral_date", rows["rereferred"].to_numpy())


def _repeat_plans(records: Records) -> Flow:
    rows = records.plans
    return _flow(records, rows, "plan_start_date", rows["repeat_plan"].to_numpy())


def _long_plans(records: Records) -> Flow:
    rows = records.plans
    return _flow(records, rows, "plan_end_date", rows["long_plan"].to_numpy())


def _reviewed_plans(records: Records) -> Stock:
    rows = records.plans
    end, missed = to_days(rows["plan_end_date"]), to_days(rows["missed_review_date"])
    return Stock(
        council=number_councils(rows, records.councils),
        begin=add_months(to_days(rows["plan_start_date"]), 3),
        end=end,
        hit_end=np.fmin(end, missed + _DAY),
    )


def _events(table: str, column: str) -> Callable[[Records], Flow]:
    def build(records: Records) -> Flow:
        rows = getattr(records.tables, table)
        return _flow(records, rows, column, np.ones(len(rows), dtype=bool))

    return build


def _open(table: str, begin: str, end: str) -> Callable[[Records], Stock]:
    def build(records: Records) -> Stock:
        rows = getattr(records.tables, table)
        last = to_days(rows[end])
        return Stock(
            council=number_councils(rows, records.councils),
            begin=to_days(rows[begin]),
            end=last,
            hit_end=last,
        )

    return build


def _flow(records: Records, rows: pd.DataFrame, column: str, hit: np.ndarray) -> Flow:
    council = number_councils(rows, records.councils)
    return Flow(council=council, day=to_days(rows[column]), hit=hit)


def _percent(
    title: str, harm: Harm, build: Callable[[Records], Flow | Stock], **follow: int
) -> Indicator:
    return Indicator(title=title, unit="percentage points", harm=harm, build=build, **follow)


def _rate(title: str, build: Callable[[Records], Flow | Stock]) -> Indicator:
    return Indicator(title=title, unit="per 10,000 children", harm="ambiguous", build=build)


#: Indicator key -> recipe. Percent in time: of those completed in the period.
NATIONAL: dict[str, Indicator] = {
    "ia_within_10wd_pct": _percent(
        "Initial assessments completed within 10 working days",
        "falls",
        _within("initial_assessment", 10),
    ),
    "ia_within_7wd_pct": _percent(
        "Initial assessments completed within 7 working days",
        "falls",
        _within("initial_assessment", 7),
    ),
    "ca_within_35wd_pct": _percent(
        "Core assessments completed within 35 working days",
        "falls",
        _within("core_assessment", 35),
    ),
    "icpc_within_15wd_pct": _percent(
        "Initial conferences held within 15 working days", "falls", _within("icpc", 15)
    ),
    "core_group_within_10wd_pct": _percent(
        "First core groups held within 10 working days", "falls", _within("core_group", 10)
    ),
    "sa_within_45wd_pct": _percent(
        "Single assessments completed within 45 working days",
        "falls",
        _within("single_assessment", 45),
    ),
    "rereferral_12m_pct": _percent(
        "Referrals within 12 months of an earlier one", "rises", _rereferrals, look_back=12
    ),
    "rereferred_12m_pct": _percent(
        "Referrals followed by another within 12 months", "rises", _rereferred, follow_up=12
    ),
    "repeat_plan_pct": _percent(
        "Plans started that are a second or later one", "rises", _repeat_plans
    ),
    "plan_ended_2y_pct": _percent("Plans ended after 2 years or more", "rises", _long_plans),
    "plan_reviewed_on_time_pct": _percent(
        "Plans of 3 months or more reviewed in time", "falls", _reviewed_plans
    ),
    "referral_rate": _rate("Referrals", _events("referrals", "referral_date")),
    "s47_rate": _rate("Section 47 enquiries started", _events("section47s", "s47_start_date")),
    "icpc_rate": _rate("Initial conferences held", _events("conferences", "icpc_date")),
    "cin_rate": _rate(
        "Children in need on the last day", _open("referrals", "referral_date", "closure_date")
    ),
    "cpp_rate": _rate(
        "Children on a plan on the last day", _open("plans", "plan_start_date", "plan_end_date")
    ),
}

#: Shares of completed cases by DfE's duration bands.
BANDS: dict[str, Indicator] = {
    band.indicator: _percent(
        f"{CLOCK_PREFIX[clock]}: completed in the band", "ambiguous", _in_band(clock, first, last)
    )
    for clock, bands in PUBLISHED_BANDS.items()
    for band in bands
    for first, last in [(band.first, band.last)]
}

ONE_OF_EACH = (
    "ia_within_10wd_pct",
    "ca_within_35wd_pct",
    "icpc_within_15wd_pct",
    "sa_within_45wd_pct",
    "rereferral_12m_pct",
    "repeat_plan_pct",
    "plan_ended_2y_pct",
)
"""Of several figures with the same cases, the one that tables of groups show."""
