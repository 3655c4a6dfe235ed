"""Which records start, stop and interrupt each clock: tables to plain arrays of days."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pilot_eval.records.linking import (
    Days,
    Rows,
    earliest_after,
    find_referrals,
    latest_before,
    number_children,
    number_councils,
    to_days,
)
from pilot_eval.records.schema import CensusTables
from pilot_eval.reference.working_days import add_working_days

AssessmentType = Literal["initial", "core", "single"]
_NEVER = np.datetime64("NaT", "D")
_NO_LEFT_OUT: Mapping[str, Rows] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockRows:
    """Cases of one clock.

    Attributes
    ----------
    council : ndarray of int, shape (n,)
        Position in the list of councils.
    start, end, stop : ndarray of datetime64[D], shape (n,)
        When the clock started, when it was met (NaT: not yet), and when the case was closed
        otherwise (NaT: still open): an unmet clock stops counting there.
    left_out : mapping of str to ndarray
        Reason -> councils of the records that have no clock for that reason.
    """

    council: Rows
    start: Days
    end: Days
    stop: Days
    left_out: Mapping[str, Rows] = field(default_factory=lambda: _NO_LEFT_OUT)


def decision_rows(tables: CensusTables, councils: Sequence[str], start: str) -> ClockRows:
    """Referral to decision; the decision date is not a census item but a local `decision_date`."""
    referrals = tables.referrals
    council = number_councils(referrals, councils)
    if "decision_date" not in referrals:
        return _nothing({"no_local_extract": council})
    return ClockRows(
        council=council,
        start=to_days(referrals["referral_date"]),
        end=to_days(referrals["decision_date"].astype("datetime64[s]")),
        stop=to_days(referrals["closure_date"]),
    )


def assessment_rows(
    kind: AssessmentType, tables: CensusTables, councils: Sequence[str], start: str
) -> ClockRows:
    """Build assessments of one type, from the start asked for."""
    every = tables.assessments
    rows = every[(every["assessment_type"] == kind).to_numpy()]
    owner = find_referrals(rows, tables.referrals, councils)
    recorded = to_days(rows["start_date"])
    if start == "referral":
        begin = _start_from_referral(tables, owner, recorded)
    elif start == "initial_assessment_end":
        initial = every[(every["assessment_type"] == "initial").to_numpy()]
        of = find_referrals(initial, tables.referrals, councils)
        begin = latest_before(of, to_days(initial["end_date"]), owner, recorded)
    elif start == "strategy_discussion":
        of = find_referrals(tables.section47s, tables.referrals, councils)
        begin = latest_before(of, to_days(tables.section47s["strategy_date"]), owner, recorded)
    else:
        begin = recorded
    return ClockRows(
        council=number_councils(rows, councils),
        start=begin,
        end=to_days(rows["end_date"]),
        stop=_pick(to_days(tables.referrals["closure_date"]), owner),
    )


def _start_from_referral(tables: CensusTables, owner: Rows, recorded: Days) -> Days:
    """Start the first assessment of a referral at the referral, later ones where they started.

    A later one answers new information on an open case.
    """
    referred = _pick(to_days(tables.referrals["referral_date"]), owner)
    order = np.lexsort((recorded, owner))
    first = np.empty(len(owner), dtype=bool)
    first[order] = np.diff(owner[order], prepend=-2) != 0
    return np.where(first & (owner >= 0), referred, recorded)


def conference_rows(tables: CensusTables, councils: Sequence[str], start: str) -> ClockRows:
    """Build enquiries that need a conference, from the start asked for.

    Enquiries that needed none have no clock. Where that is not recorded and no conference was
    held, nobody can say whether one is awaited: left out and counted. A conference that is recorded
    with the referral alone ends the last enquiry that began on or before its day; earlier ones
    without a conference of their own are left out and counted, for nobody can say what became of
    them.
    """
    rows = tables.section47s
    council, recorded = number_councils(rows, councils), to_days(rows["icpc_date"])
    needless = ((rows["icpc_not_required"] == "yes").to_numpy()) & np.isnat(recorded)
    owner = find_referrals(rows, tables.referrals, councils)
    end, shared = _conference_of_referral(tables, councils, owner, recorded, needless)
    unknown = np.isnat(end) & rows["icpc_not_required"].isna().to_numpy()
    begin = _conference_start(tables, councils, start, owner, end)
    keep = ~needless & ~unknown & ~shared
    if start == "last_strategy_discussion":  # one conference, one clock, whatever led to it
        keep &= ~pd.DataFrame({"owner": owner, "end": end}).duplicated().to_numpy() | (owner < 0)
    closed = _pick(to_days(tables.referrals["closure_date"]), owner)
    return ClockRows(
        council=council[keep],
        start=begin[keep],
        end=end[keep],
        stop=closed[keep],
        left_out={
            "conference_need_unknown": council[unknown],
            "conference_of_a_later_enquiry": council[shared],
        },
    )


def _conference_of_referral(
    tables: CensusTables,
    councils: Sequence[str],
    owner: Rows,
    recorded: Days,
    needless: NDArray[np.bool_],
) -> tuple[Days, NDArray[np.bool_]]:
    """End enquiries with conferences that no enquiry records; find those that must share one."""
    of = find_referrals(tables.conferences, tables.referrals, councils)
    held = pd.DataFrame({"owner": of, "day": to_days(tables.conferences["icpc_date"])})
    known = pd.MultiIndex.from_arrays([owner, recorded])
    apart = held[~pd.MultiIndex.from_frame(held).isin(known)]
    began = to_days(tables.section47s["s47_start_date"])
    found = earliest_after(apart["owner"].to_numpy(), to_days(apart["day"]), owner, began)
    asks = np.isnat(recorded) & ~needless & ~np.isnat(found)
    asking = pd.DataFrame({"owner": owner, "day": found, "began": began})[asks]
    last = asking.sort_values("began", kind="stable").duplicated(["owner", "day"], keep="last")
    shared = np.zeros(len(owner), dtype=bool)
    shared[last.index[last.to_numpy()]] = True
    return np.where(asks & ~shared, found, recorded), shared


def _conference_start(
    tables: CensusTables, councils: Sequence[str], start: str, owner: Rows, end: Days
) -> Days:
    rows = tables.section47s
    if start == "last_strategy_discussion":
        known = latest_before(owner, to_days(rows["strategy_date"]), owner, end)
        if "last_strategy_date" in rows:  # a local extract lists discussions without enquiry too
            known = np.fmax(known, to_days(rows["last_strategy_date"]))
        return known
    if start == "timescale_began":
        # The census holds the target, 15 working days after the timescale began.
        return add_working_days(to_days(rows["icpc_target_date"]), -15)
    return to_days(rows["s47_start_date"])


def core_group_rows(tables: CensusTables, councils: Sequence[str], start: str) -> ClockRows:
    """Build conferences that led to a plan; core-group dates come from local extracts.

    A council without a single core-group date has sent no extract: it has no clock.
    """
    rows = tables.conferences
    council, end = number_councils(rows, councils), to_days(rows["core_group_date"])
    held = to_days(rows["icpc_date"])
    sent = np.bincount(council[~np.isnat(end)], minlength=len(councils)) > 0
    extract = sent[council] if len(council) else np.empty(0, dtype=bool)
    owner = find_referrals(rows, tables.referrals, councils)
    of = find_referrals(tables.plans, tables.referrals, councils)
    planned = latest_before(
        of, to_days(tables.plans["plan_start_date"]), owner, np.full_like(held, _NEVER)
    )
    keep = extract & (~np.isnat(end) | (planned >= held))
    ended = _end_of_plan(tables, of, owner, planned)
    return ClockRows(
        council=council[keep],
        start=held[keep],
        end=end[keep],
        stop=ended[keep],
        left_out={"no_local_extract": council[~extract]},
    )


def _end_of_plan(tables: CensusTables, of: Rows, owner: Rows, planned: Days) -> Days:
    """End of the referral's latest plan, where it has ended."""
    starts, ends = to_days(tables.plans["plan_start_date"]), to_days(tables.plans["plan_end_date"])
    order = np.lexsort((starts, of))
    last = order[np.flatnonzero(np.diff(of[order], append=-2) != 0)]
    by_referral = np.full(len(tables.referrals) + 1, _NEVER)  # the last slot is for "no referral"
    known = last[of[last] >= 0]
    by_referral[of[known]] = ends[known]
    return np.where(np.isnat(planned), _NEVER, by_referral[owner])


def review_rows(
    which: Literal["first", "later"], tables: CensusTables, councils: Sequence[str], start: str
) -> ClockRows:
    """Build intervals from the plan's start, or the last review, to the next review."""
    plans = number_plans(tables, councils)
    begin = np.concatenate([plans.start, plans.review_date])
    owner = np.concatenate([np.arange(len(plans.start)), plans.review_of])
    is_plan = np.arange(len(owner)) < len(plans.start)
    known = owner >= 0
    order = np.lexsort((~is_plan, begin, owner))
    order = order[known[order]]
    # NaT sorts last within its owner: a review without a date ends the chain.
    following = np.where(
        np.diff(owner[order], append=-2) == 0, np.append(begin[order][1:], _NEVER), _NEVER
    )
    chosen = is_plan[order] == (which == "first")
    asked, end = order[chosen], following[chosen]
    return ClockRows(
        council=plans.council[owner[asked]],
        start=begin[asked],
        end=end,
        stop=plans.end[owner[asked]],
        left_out={"review_without_plan": plans.lost_reviews},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Plans:
    """Plans and the plan of each review (position; -1 where it has none)."""

    council: Rows
    start: Days
    end: Days
    review_of: Rows
    review_date: Days
    lost_reviews: Rows


def number_plans(tables: CensusTables, councils: Sequence[str]) -> Plans:
    """Match each review to its plan: the same child and the same start of plan."""
    child, of_child = number_children([tables.plans, tables.reviews], councils)
    start = to_days(tables.plans["plan_start_date"])
    asked = to_days(tables.reviews["plan_start_date"])
    key, wanted = _plan_key(child, start), _plan_key(of_child, asked)
    row = np.full(len(wanted), -1, dtype=np.int64)
    if len(key):
        order = np.argsort(key, kind="stable")
        place = np.minimum(np.searchsorted(key, wanted, sorter=order), len(key) - 1)
        row = np.where((key[order[place]] == wanted) & (of_child >= 0), order[place], -1)
    return Plans(
        council=number_councils(tables.plans, councils),
        start=start,
        end=to_days(tables.plans["plan_end_date"]),
        review_of=row,
        review_date=to_days(tables.reviews["review_date"]),
        lost_reviews=number_councils(tables.reviews, councils)[row < 0],
    )


def _plan_key(child: Rows, start: Days) -> Rows:
    # Days since 1970 are far below 2^20; a missing start gets a key of its own.
    day = np.where(np.isnat(start), 0, start.astype(np.int64))
    return (child << 21) + day + (1 << 20)


def _pick(values: Days, row: Rows) -> Days:
    """Read values[row], NaT where the row is -1."""
    return np.append(values, _NEVER)[row]


def _nothing(left_out: Mapping[str, Rows]) -> ClockRows:
    none = np.empty(0, dtype="datetime64[D]")
    return ClockRows(
        council=np.empty(0, np.int64), start=none, end=none, stop=none, left_out=left_out
    )
