"""Episodes of need and plans, with what came before and after them for the same child."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pilot_eval.records.clock_rows import Plans, number_plans
from pilot_eval.records.durations import add_months
from pilot_eval.records.linking import (
    Days,
    earliest_after,
    latest_before,
    list_councils,
    number_children,
    to_days,
)
from pilot_eval.records.schema import CensusTables

REREFERRAL_MONTHS = 12
LONG_PLAN_MONTHS = 24
FIRST_REVIEW_MONTHS, LATER_REVIEW_MONTHS = 3, 6
_NEVER = np.datetime64("NaT", "D")


def build_episodes(tables: CensusTables, *, months: int = REREFERRAL_MONTHS) -> pd.DataFrame:
    """Add to every referral the child's previous and next one.

    Parameters
    ----------
    tables : CensusTables
    months : int
        How soon a further referral counts as a re-referral; exactly that many months still does.

    Returns
    -------
    DataFrame
        One row per referral, in the order of the table: council_code, referral_id, referral_date,
        closure_date, previous_referral_date, next_referral_date (NaT where there is none; another
        referral on the same day is neither), rereferral (previous within `months`),
        rereferred (next within `months`). Both are only as good as the records before and after.

    References
    ----------
    DfE, Characteristics of children in need: re-referrals are referrals within 12 months of a
    previous referral.

    Examples
    --------
    >>> build_episodes(tables)["rereferral"].mean()                         # doctest: +SKIP
    """
    referrals, councils = tables.referrals, list_councils(tables)
    (child,) = number_children([referrals], councils)
    day = to_days(referrals["referral_date"])
    asked = np.where(np.isnat(day), -1, child)
    previous = latest_before(child, day, asked, day, same_day=False)
    following = earliest_after(child, day, asked, day, same_day=False)
    frame = referrals[["council_code", "referral_id", "referral_date", "closure_date"]].copy()
    frame["previous_referral_date"] = previous.astype("datetime64[s]")
    frame["next_referral_date"] = following.astype("datetime64[s]")
    frame["rereferral"] = previous >= add_months(day, -months)
    frame["rereferred"] = following <= add_months(day, months)
    return frame


def build_plan_episodes(tables: CensusTables) -> pd.DataFrame:
    """Add to every plan whether it is a repeat, how long it ran and when a review was missed.

    Parameters
    ----------
    tables : CensusTables

    Returns
    -------
    DataFrame
        One row per plan, in the order of the table: council_code, referral_id, plan_start_date,
        plan_end_date, repeat_plan (the child had a plan before, by the recorded number of
        previous plans or, where that is missing, by the plans in the tables), long_plan (ended
        after 2 years or more), missed_review_date (the first day on which a review was due and
        not held by that day; NaT: none yet).

    References
    ----------
    National indicators NI 64 (plans lasting two years or more), NI 65 (second or subsequent
    plan), NI 67 (reviews within required timescales).

    Examples
    --------
    >>> build_plan_episodes(tables)["repeat_plan"].mean()                   # doctest: +SKIP
    """
    plans, councils = tables.plans, list_councils(tables)
    linked = number_plans(tables, councils)
    (child,) = number_children([plans], councils)
    earlier = latest_before(child, linked.start, child, linked.start, same_day=False)
    recorded = plans["number_previous_plans"].to_numpy(dtype=float, na_value=np.nan)
    repeat = np.where(np.isnan(recorded), ~np.isnat(earlier), recorded > 0)
    frame = plans[["council_code", "referral_id", "plan_start_date", "plan_end_date"]].copy()
    frame["repeat_plan"] = repeat.astype(bool)
    frame["long_plan"] = linked.end >= add_months(linked.start, LONG_PLAN_MONTHS)
    frame["missed_review_date"] = _find_missed_reviews(linked).astype("datetime64[s]")
    return frame


def _find_missed_reviews(plans: Plans) -> Days:
    """Find each plan's first due date that passed without a review.

    From the plan's start a review is due within 3 months, from every review the next within 6.
    """
    owner = np.concatenate([np.arange(len(plans.start)), plans.review_of])
    begin = np.concatenate([plans.start, plans.review_date])
    first = np.arange(len(owner)) < len(plans.start)
    usable = (owner >= 0) & ~np.isnat(begin)
    order = np.lexsort((~first, begin, owner))
    order = order[usable[order]]
    same = np.diff(owner[order], append=-2) == 0
    following = np.where(same, np.append(begin[order][1:], _NEVER), _NEVER)
    due = np.where(
        first[order],
        add_months(begin[order], FIRST_REVIEW_MONTHS),
        add_months(begin[order], LATER_REVIEW_MONTHS),
    )
    missed = np.isnat(following) | (following > due)
    # The chain is in order of time, so the first missed one of a plan is its earliest.
    breach = np.full(len(plans.start), _NEVER)
    reverse = np.flatnonzero(missed)[::-1]
    breach[owner[order][reverse]] = due[reverse]
    return breach
