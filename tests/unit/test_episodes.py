"""Re-referrals, plans and reviews against dates counted by hand."""

from __future__ import annotations

import pandas as pd

from pilot_eval.records.episodes import build_episodes, build_plan_episodes
from pilot_eval.records.schema import build_tables

A, B = "E08000020", "E10000006"


def _frame(columns, *rows):
    frame = pd.DataFrame(rows, columns=columns.split())
    for name in frame:
        if name.endswith("_date"):
            frame[name] = pd.to_datetime(frame[name]).astype("datetime64[s]")
    return frame


def _tables(**frames):
    return build_tables(frames, strand="simulated", source="a test")


def test_rereferrals_within_twelve_months():
    referrals = _frame(
        "council_code child_id referral_id referral_date closure_date",
        (A, "c1", 1, "2010-05-10", None),
        (A, "c1", 2, "2011-05-10", None),  # exactly 12 months later: within
        (A, "c1", 3, "2012-05-11", None),  # a day over 12 months: not
        (A, "c2", 4, "2011-03-01", None),
        (A, "c2", 5, "2011-03-01", None),  # the same day is not a re-referral
        (B, "c1", 1, "2011-05-11", None),  # another council's child of the same id
        (A, "c3", 6, None, None),  # no date
        (A, "c4", 7, "2011-02-28", None),
        (A, "c4", 8, "2012-02-29", None),  # 29 February less 12 months is 28 February
    )
    episodes = build_episodes(_tables(referrals=referrals))
    assert episodes["rereferral"].tolist() == [False, True] + [False] * 6 + [True]
    assert episodes["rereferred"].tolist() == [True, False] + [False] * 6 + [False]
    assert episodes["previous_referral_date"].tolist()[:3] == [
        pd.NaT,
        pd.Timestamp("2010-05-10"),
        pd.Timestamp("2011-05-10"),
    ]
    assert episodes["next_referral_date"].isna().tolist()[:3] == [False, False, True]


def test_repeat_and_long_plans():
    plans = _frame(
        "council_code child_id referral_id plan_start_date plan_end_date number_previous_plans",
        (A, "c1", 1, "2008-04-01", "2010-04-01", 0),  # two years to the day: long
        (A, "c1", 2, "2011-04-01", "2011-09-01", 1),
        (A, "c2", 3, "2011-04-01", "2013-03-31", None),  # a day short of two years
        (A, "c2", 4, "2013-06-01", None, None),  # not recorded, but the earlier plan is there
    )
    episodes = build_plan_episodes(_tables(plans=plans))
    assert episodes["repeat_plan"].tolist() == [False, True, False, True]
    assert episodes["long_plan"].tolist() == [True, False, False, False]


def test_missed_reviews():
    plans = _frame(
        "council_code child_id referral_id plan_start_date plan_end_date",
        (A, "c1", 1, "2011-01-10", None),
        (A, "c2", 2, "2011-01-10", None),
        (A, "c3", 3, "2011-01-10", None),
        (B, "c3", 3, "2011-01-10", None),
    )
    reviews = _frame(
        "council_code child_id plan_start_date review_date",
        (A, "c1", "2011-01-10", "2011-04-10"),  # on the last day; next due by 10 October
        (A, "c2", "2011-01-10", "2011-10-03"),  # second in the file, in time after the first
        (A, "c2", "2011-01-10", "2011-04-11"),  # a day late: missed on 10 April
        (A, "c3", "2011-01-11", "2011-04-10"),  # of another plan: missed on 10 April
    )
    missed = build_plan_episodes(_tables(plans=plans, reviews=reviews))["missed_review_date"]
    assert missed.astype(str).tolist() == ["2011-10-10", "2011-04-10", "2011-04-10", "2011-04-10"]
