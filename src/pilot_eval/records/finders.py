"""How each validation rule finds the records that break it: one small function a rule.

Each is asked about one place, a table and a field, and answers True for every record that breaks
the rule there. What the rules are called and how much they matter is in `rules`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pandas as pd

from pilot_eval.records.child_rows import CHILD, REFERRAL, Records, overlaps_earlier
from pilot_eval.records.codes import CODE_SETS
from pilot_eval.records.schema import DATE_DTYPE
from pilot_eval.records.views import year_bounds, year_ending
from pilot_eval.reference.working_days import FIRST_YEAR, LAST_YEAR, england_bank_holidays

Found: TypeAlias = pd.Series


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the caller knows about the data: the year of the return, the day they were taken."""

    census_year: int | None
    data_cut: np.datetime64 | None


_ROUNDED = r"\d(?:\.\d+)?[Ee]\+\d{1,3}"
_SOURCES_FROM = np.datetime64("2013-04-01").astype(DATE_DTYPE)
_RANGE = tuple(
    np.datetime64(day).astype(DATE_DTYPE) for day in (f"{FIRST_YEAR}-01-01", f"{LAST_YEAR}-12-31")
)
# End -> start of the same record.
START_OF = {
    ("children", "death_date"): "birth_date",
    ("referrals", "closure_date"): "referral_date",
    ("assessments", "end_date"): "start_date",
    ("plans", "plan_end_date"): "plan_start_date",
    ("reviews", "review_date"): "plan_start_date",
}


def is_missing(records: Records, table: str, name: str, _: Settings) -> Found:
    """Find records without a value."""
    return records.frames[table][name].isna()


def is_rounded(records: Records, table: str, name: str, _: Settings) -> Found:
    """Find identifiers such as 1.23E+11: several children would be one."""
    return records.frames[table][name].str.fullmatch(_ROUNDED).fillna(False).astype(bool)


def is_out_of_range(records: Records, table: str, name: str, _: Settings) -> Found:
    """Find dates that no working-day calendar covers."""
    dates = records.frames[table][name]
    return (dates < _RANGE[0]) | (dates > _RANGE[1])


def ends_before_start(records: Records, table: str, name: str, _: Settings) -> Found:
    """Find records that end before they start."""
    frame = records.frames[table]
    return frame[name] < frame[START_OF[table, name]]


def has_no_referral(records: Records, table: str, _: str, __: Settings) -> Found:
    """Find records whose referral is not there."""
    return ~records.frames[table][REFERRAL].isin(records.frames["referrals"][REFERRAL])


def has_no_child(records: Records, table: str, _: str, __: Settings) -> Found:
    """Find records whose child is not there."""
    return ~records.frames[table][CHILD].isin(records.frames["children"][CHILD])


def has_no_plan(records: Records, table: str, _: str, __: Settings) -> Found:
    """Find reviews whose plan is not there."""
    names = [CHILD, "plan_start_date"]
    reviews, plans = records.frames[table], records.frames["plans"]
    known = pd.MultiIndex.from_frame(plans[names])
    return pd.Series(~pd.MultiIndex.from_frame(reviews[names]).isin(known), index=reviews.index)


def ended_before_referral(records: Records, table: str, name: str, _: Settings) -> Found:
    """Find work that was over before its referral: it belongs to another episode."""
    return records.frames[table][name] < records.of_referral(table, "referral_date")


def started_after_closure(records: Records, table: str, name: str, _: Settings) -> Found:
    """Find work that began after its episode was closed."""
    return records.frames[table][name] > records.of_referral(table, "closure_date")


def started_before_referral(records: Records, table: str, name: str, _: Settings) -> Found:
    """Find work that began before its referral."""
    return records.frames[table][name] < records.of_referral(table, "referral_date")


def unfinished_at_closure(records: Records, table: str, name: str, _: Settings) -> Found:
    """Find work without an end, or with a later one, in an episode that was closed."""
    ends, closed = records.frames[table][name], records.of_referral(table, "closure_date")
    return closed.notna() & (ends.isna() | (ends > closed))


def overlaps_same_type(records: Records, table: str, _: str, __: Settings) -> Found:
    """Find assessments that begin while one of the same type of the same child is unfinished."""
    frame = records.frames[table]
    types = frame["assessment_type"].cat.codes.astype("int64") + 1
    later, _run = overlaps_earlier(frame[CHILD] * 8 + types, frame["start_date"], frame["end_date"])
    return later


def has_no_conference(records: Records, table: str, name: str, _: Settings) -> Found:
    """Find plans of referrals without a conference, if the returns go back to the plan's start."""
    plans, referrals = records.frames[table], records.frames["referrals"]
    without = ~plans[REFERRAL].isin(records.frames["conferences"][REFERRAL])
    if "census_year" not in referrals:
        return without
    council = referrals["council_code"].astype("str")
    earliest = (
        plans["council_code"].astype("str").map(referrals["census_year"].groupby(council).min())
    )
    return without & ~(year_ending(plans[name]) < earliest)


def starts_off_conference(records: Records, table: str, name: str, _: Settings) -> Found:
    """Find plans that start on another day than a conference of their referral."""
    plans, conferences = records.frames[table], records.frames["conferences"]
    held = pd.MultiIndex.from_frame(conferences[[REFERRAL, "icpc_date"]])
    on_day = pd.MultiIndex.from_frame(plans[[REFERRAL, name]]).isin(held)
    return plans[REFERRAL].isin(conferences[REFERRAL]) & ~on_day


def is_on_weekend(records: Records, table: str, name: str, _: Settings) -> Found:
    """Find dates on a Saturday or Sunday."""
    return records.frames[table][name].dt.day_of_week >= 5


def is_on_bank_holiday(records: Records, table: str, name: str, _: Settings) -> Found:
    """Find dates on a bank holiday in England."""
    dates = records.frames[table][name]
    years = dates.dt.year.dropna()
    if not len(years):
        return pd.Series(False, index=dates.index)
    holidays = england_bank_holidays(int(years.min()), int(years.max()))
    return dates.isin(holidays.astype(DATE_DTYPE))


def conference_before_enquiry(records: Records, table: str, name: str, _: Settings) -> Found:
    """Find conferences dated before the section 47 enquiry that led to them."""
    frame = records.frames[table]
    return frame[name] < frame["s47_start_date"]


def is_unborn_without_date(records: Records, table: str, _: str, __: Settings) -> Found:
    """Find children with neither a date of birth nor an expected one."""
    frame = records.frames[table]
    return frame["birth_date"].isna() & frame["expected_birth_date"].isna()


def is_outside_year(records: Records, table: str, name: str, settings: Settings) -> Found:
    """Find dates after the year of the return, and closures before it."""
    dates, years = records.frames[table][name], records.frames[table].get("census_year")
    if settings.census_year is not None:
        years = pd.Series(settings.census_year, index=dates.index)
    found = pd.Series(False, index=dates.index)
    for year in [] if years is None else years.unique():
        first, last = year_bounds(int(year))
        outside = dates > last
        if name == "closure_date":
            outside |= dates < first
        found |= outside & (years == year)
    return found


def is_after_cut(records: Records, table: str, name: str, settings: Settings) -> Found:
    """Find dates after the day on which the data were taken."""
    dates = records.frames[table][name]
    if settings.data_cut is None:
        return pd.Series(False, index=dates.index)
    return dates > settings.data_cut


def is_unknown_code(records: Records, table: str, name: str, _: Settings) -> Found:
    """Find codes that are not in the code set."""
    codes = records.frames[table][name]
    return codes.notna() & ~codes.isin(CODE_SETS[name])


def lacks_source(records: Records, table: str, name: str, _: Settings) -> Found:
    """Find referrals without a source, which is collected from 2013-14."""
    frame = records.frames[table]
    return frame[name].isna() & (frame["referral_date"] >= _SOURCES_FROM)


def closure_half_recorded(records: Records, table: str, _: str, __: Settings) -> Found:
    """Find closures with a date and no reason, or a reason and no date."""
    frame = records.frames[table]
    return frame["closure_date"].isna() != frame["closure_reason"].isna()


def follows_death(records: Records, table: str, name: str, _: Settings) -> Found:
    """Find records dated after the child's death."""
    return records.frames[table][name] > records.of_child(table, "death_date")


def assessed_without_action(records: Records, table: str, name: str, _: Settings) -> Found:
    """Find referrals with no further action that were assessed nevertheless."""
    frame = records.frames[table]
    return frame[name].eq("yes") & frame[REFERRAL].isin(records.frames["assessments"][REFERRAL])
