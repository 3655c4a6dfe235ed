"""Clocks: how long each step took, in working days, unfinished ones included.

Every clock of the statutory guidance with its start, its alternatives and its limit by date.
Starts, stops and what is set aside: docs/methods-unfinished-cases.md, block "Clocks".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from pilot_eval.errors import ParameterError, explain
from pilot_eval.records.clock_rows import (
    ClockRows,
    assessment_rows,
    conference_rows,
    core_group_rows,
    decision_rows,
    review_rows,
)
from pilot_eval.records.linking import list_councils
from pilot_eval.records.schema import ONE_MONTH, CensusTables
from pilot_eval.reference.pilot_facts import Exemption
from pilot_eval.reference.working_days import DEFAULT_CONVENTION, Convention, count_working_days

NO_LIMIT = np.nan
NOT_LATE_ENTRY = -1.0  # an entry before day 0: watched from the start, same-day cases included
_DAY = np.timedelta64(1, "D")
_NEVER = np.datetime64("NaT", "D")


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """One statutory clock.

    Attributes
    ----------
    starts : tuple of str
        What may start it; the first is the default.
    limits : tuple of (date, working days)
        From which day (of the start) which limit holds; empty where the limit is in months.
    months : int
        Limit in calendar months, for reviews; 0 where it is in working days.
    requirement : str
        The requirement of the exemption register that sets the limit aside; "" if none.
    build : callable
        Builds the rows from the tables, the councils and the chosen start.
    """

    starts: tuple[str, ...]
    limits: tuple[tuple[str, float], ...] = ()
    months: int = 0
    requirement: str = ""
    build: Callable[[CensusTables, Sequence[str], str], ClockRows]


#: The 7 days of the initial assessment became 10 on 2010-04-01; the single assessment came with
#: Working Together 2013 on 2013-04-15.
CLOCKS: dict[str, Clock] = {
    "referral_decision": Clock(
        starts=("referral",), limits=(("1975-01-01", 1),), build=decision_rows
    ),
    "initial_assessment": Clock(
        starts=("referral", "assessment_start"),
        limits=(("1975-01-01", 7), ("2010-04-01", 10)),
        requirement="assessment_time_limits",
        build=lambda *given: assessment_rows("initial", *given),
    ),
    "core_assessment": Clock(
        starts=("assessment_start", "initial_assessment_end", "strategy_discussion"),
        limits=(("1975-01-01", 35),),
        requirement="assessment_time_limits",
        build=lambda *given: assessment_rows("core", *given),
    ),
    "icpc": Clock(
        starts=("s47_start", "last_strategy_discussion", "timescale_began"),
        limits=(("1975-01-01", 15),),
        requirement="icpc_15wd",
        build=conference_rows,
    ),
    "core_group": Clock(
        starts=("icpc",),
        limits=(("1975-01-01", 10),),
        requirement="core_group_10wd",
        build=core_group_rows,
    ),
    "first_review": Clock(
        starts=("plan_start",), months=3, build=lambda *given: review_rows("first", *given)
    ),
    "later_review": Clock(
        starts=("last_review",), months=6, build=lambda *given: review_rows("later", *given)
    ),
    "single_assessment": Clock(
        starts=("referral", "assessment_start"),
        limits=(("2013-04-15", 45),),
        build=lambda *given: assessment_rows("single", *given),
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Durations:
    """The durations of one or several clocks, and what was left out of them.

    Attributes
    ----------
    table : DataFrame
        One row per case: council_code, clock, clock_start, start_date, end_date (NaT while
        unfinished), duration_working_days (to the end, or to the last day it was seen
        unfinished), event_observed, limit_working_days (NaN: no limit in force),
        entry_working_days (days after the start up to which the case was not yet under
        observation; -1 where it was from its start).
    set_aside : DataFrame
        council_code, clock, reason, cases.
    """

    table: pd.DataFrame
    set_aside: pd.DataFrame


def compute_durations(
    tables: CensusTables,
    clock: str,
    *,
    data_cut: date | str,
    start: str | None = None,
    exemptions: pd.DataFrame | None = None,
    observed_from: date | str | Mapping[str, date | str] | None = None,
    convention: Convention = DEFAULT_CONVENTION,
) -> Durations:
    """Compute how long every case of one clock took, or has been waiting.

    Parameters
    ----------
    tables : CensusTables
    clock : str
        A key of `CLOCKS`.
    data_cut : date
        Last day that the records cover: what ends later is unfinished, what starts later is not
        there yet. Never guessed.
    start : str, optional
        What starts the clock; one of the clock's `starts`. Default: the first of them.
    exemptions : DataFrame, optional
        council_code, requirement, start_date, end_date (NaT: still running): no limit is in force
        for a case that starts within one. See `build_exemption_table`.
    observed_from : date or mapping of council_code to date, optional
        First day of the returns: cases that started earlier are only there because they were
        still open (left truncation), stated in `entry_working_days`. Default: not truncated.
    convention : {"start_is_day_0", "end_counts"}
        How working days are counted.

    Returns
    -------
    Durations

    Raises
    ------
    ParameterError
        If the clock or its start is unknown.

    References
    ----------
    Working Together to Safeguard Children (2010), chapter 5; (2013), chapter 1.

    Examples
    --------
    >>> compute_durations(tables, "icpc", data_cut="2012-03-31")            # doctest: +SKIP
    """
    spec = _find_clock(clock)
    chosen = start or spec.starts[0]
    if chosen not in spec.starts:
        rule = "be one of " + ", ".join(spec.starts)
        raise ParameterError(
            explain("start", rule, chosen, f"Choose a start of the {clock} clock.")
        )
    councils = list_councils(tables)
    rows = spec.build(tables, councils, chosen)
    cut = _as_day(data_cut)
    rows, left_out = _set_aside(rows, cut)
    table = _measure(rows, cut, councils, convention)
    table["limit_working_days"] = _limits(spec, rows, councils, exemptions, convention)
    table["entry_working_days"] = _entries(rows, councils, observed_from, convention)
    table.insert(1, "clock", pd.Categorical.from_codes(np.zeros(len(table), np.int8), [clock]))
    table.insert(
        2, "clock_start", pd.Categorical.from_codes(np.zeros(len(table), np.int8), [chosen])
    )
    return Durations(table=table, set_aside=_count_set_aside(left_out, councils, clock))


def build_exemption_table(
    register: Sequence[Exemption], *, freed: Sequence[str] = ("yes", "inferred")
) -> pd.DataFrame:
    """Turn the exemption register into periods without a limit.

    Parameters
    ----------
    register : sequence of Exemption
        As in a plan's `register`.
    freed : sequence of str
        Which grades count as freed; "unknown" may be added as a sensitivity.

    Returns
    -------
    DataFrame
        council_code, requirement, start_date, end_date. A start known to the month counts from
        its first day; the last day is the day before the register's end.
    """
    rows = [row for row in register if row.freed in freed and (row.started or row.granted)]
    begins = [np.datetime64(row.started or row.granted, "D") for row in rows]
    ends = [np.datetime64(row.ended, "D") - _DAY if row.ended else _NEVER for row in rows]
    return pd.DataFrame(
        {
            "council_code": [row.council_code for row in rows],
            "requirement": [row.requirement for row in rows],
            "start_date": np.array(begins, dtype="datetime64[s]"),
            "end_date": np.array(ends, dtype="datetime64[s]"),
        }
    )


def _find_clock(clock: str) -> Clock:
    if clock not in CLOCKS:
        rule = "be one of " + ", ".join(CLOCKS)
        raise ParameterError(explain("clock", rule, clock, "Choose a clock."))
    return CLOCKS[clock]


def _as_day(day: date | str) -> np.datetime64:
    return np.datetime64(str(day)[:10], "D")


def _set_aside(rows: ClockRows, cut: np.datetime64) -> tuple[ClockRows, dict[str, np.ndarray]]:
    """Keep the rows that can be measured; return the councils of the others by reason."""
    end = np.where(rows.end > cut, _NEVER, rows.end)
    reasons = {  # the first that applies counts
        "start_missing": np.isnat(rows.start),
        "starts_after_data_cut": rows.start > cut,
        "end_before_start": end < rows.start,
    }
    keep, left_out = np.ones(len(end), dtype=bool), dict(rows.left_out)
    for reason, found in reasons.items():
        left_out[reason] = rows.council[found & keep]
        keep &= ~found
    stop = rows.stop[keep]
    kept = ClockRows(
        council=rows.council[keep],
        start=rows.start[keep],
        end=end[keep],
        stop=np.where(stop < rows.start[keep], _NEVER, stop),
    )
    return kept, left_out


def _measure(
    rows: ClockRows, cut: np.datetime64, councils: Sequence[str], convention: Convention
) -> pd.DataFrame:
    finished = ~np.isnat(rows.end)
    last_seen = np.where(finished, rows.end, np.fmin(rows.stop, cut))
    return pd.DataFrame(
        {
            "council_code": pd.Categorical.from_codes(
                rows.council, pd.Index(councils, dtype="str")
            ),
            "start_date": rows.start.astype("datetime64[s]"),
            "end_date": rows.end.astype("datetime64[s]"),
            "duration_working_days": count_working_days(
                rows.start, last_seen, convention=convention
            ),
            "event_observed": finished,
        }
    )


def _limits(
    spec: Clock,
    rows: ClockRows,
    councils: Sequence[str],
    exemptions: pd.DataFrame | None,
    convention: Convention,
) -> np.ndarray:
    if spec.months:
        return count_working_days(
            rows.start, add_months(rows.start, spec.months), convention=convention
        )
    since = np.array([day for day, _ in spec.limits], dtype="datetime64[D]")
    values = np.array([NO_LIMIT, *(limit for _, limit in spec.limits)])
    limits = values[np.searchsorted(since, rows.start, side="right")]
    if exemptions is not None and spec.requirement:
        for row in exemptions[exemptions["requirement"] == spec.requirement].itertuples():
            if row.council_code in councils:
                inside = rows.council == councils.index(row.council_code)
                inside &= rows.start >= np.datetime64(row.start_date, "D")
                if pd.notna(row.end_date):  # else still running
                    inside &= rows.start <= np.datetime64(row.end_date, "D")
                limits[inside] = NO_LIMIT
    return limits


def add_months(day: np.ndarray, months: int) -> np.ndarray:
    """Add calendar months; a day that the month lacks becomes its last day.

    Parameters
    ----------
    day : ndarray of datetime64[D]
    months : int

    Returns
    -------
    ndarray of datetime64[D]

    Examples
    --------
    >>> add_months(np.array(["2011-11-30"], dtype="datetime64[D]"), 3)
    array(['2012-02-29'], dtype='datetime64[D]')
    """
    month = day.astype("datetime64[M]")
    target = month + np.timedelta64(months, "M")
    last = (target + ONE_MONTH).astype("datetime64[D]") - _DAY
    result: np.ndarray = np.minimum(
        target.astype("datetime64[D]") + (day - month.astype("datetime64[D]")), last
    )
    return result


def _entries(
    rows: ClockRows,
    councils: Sequence[str],
    observed_from: date | str | Mapping[str, date | str] | None,
    convention: Convention,
) -> np.ndarray:
    entry = np.full(len(rows.start), NOT_LATE_ENTRY)
    if observed_from is None:
        return entry
    if not isinstance(observed_from, Mapping):
        observed_from = dict.fromkeys(councils, observed_from)
    first = [observed_from.get(council) for council in councils]
    opened = np.array([_NEVER if day is None else _as_day(day) for day in first], "datetime64[D]")
    opened = opened[rows.council] if len(opened) else np.empty(0, "datetime64[D]")
    late = rows.start < opened
    # Seen from the first day of the return on: not at risk at the day before it or earlier.
    before = opened[late] - _DAY
    entry[late] = count_working_days(rows.start[late], before, convention=convention)
    return entry


def _count_set_aside(
    left_out: Mapping[str, np.ndarray], councils: Sequence[str], clock: str
) -> pd.DataFrame:
    names, reasons, cases = [], [], []
    for reason, council in left_out.items():
        counts = np.bincount(council, minlength=len(councils))
        for place in np.flatnonzero(counts).tolist():  # a handful: councils with such records
            names.append(councils[place])
            reasons.append(reason)
            cases.append(counts[place])
    frame = pd.DataFrame({"council_code": names, "clock": clock, "reason": reasons, "cases": cases})
    return frame.astype({"council_code": "str", "clock": "str", "reason": "str", "cases": "int64"})
