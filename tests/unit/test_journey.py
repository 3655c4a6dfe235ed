"""The child's journey, by hand."""

from __future__ import annotations

import pandas as pd

from pilot_eval.records.journey import STEPS, build_journey, summarise_journey
from pilot_eval.records.schema import build_tables

A = "E08000020"


def _tables():
    base = {"council_code": A, "child_id": ["c1", "c2"], "referral_id": [7, 9]}
    twice = {"council_code": A, "child_id": ["c1", "c1", "c2"], "referral_id": [7, 7, 9]}
    return build_tables(
        {
            "referrals": pd.DataFrame({**base, "referral_date": pd.Timestamp("2011-03-07")}),
            "assessments": pd.DataFrame(
                {
                    **twice,
                    "start_date": pd.to_datetime(["2011-03-14", "2011-03-08", "2011-03-04"]),
                    "end_date": pd.to_datetime(["2011-03-30", "2011-03-11", None]),
                }
            ),
            "plans": pd.DataFrame(
                {
                    "council_code": A,
                    "child_id": ["c1"],
                    "referral_id": [7],
                    "plan_start_date": pd.to_datetime(["2011-04-01"]),
                }
            ),
        },
        strand="simulated",
        source="a test",
    )


def test_first_dates_of_every_step():
    journey = build_journey(_tables())
    assert list(journey)[3:] == list(STEPS)
    first = journey.iloc[0]
    assert first["assessment_started"] == pd.Timestamp("2011-03-08")
    assert first["assessment_completed"] == pd.Timestamp("2011-03-11")
    assert journey["icpc"].isna().all()
    assert journey["plan_started"].isna().tolist() == [False, True]


def test_times_between_every_pair_of_steps():
    summary = summarise_journey(build_journey(_tables()), data_cut="2011-03-31")
    assert len(summary) == 21  # 7 steps, every pair
    rows = summary.set_index(["from_step", "to_step"])
    started = rows.loc[("referral", "assessment_started")]
    # c1 started after 1 day; c2's assessment is dated before the referral: out of order.
    assert started[["reached_first", "reached_both", "out_of_order"]].tolist() == [2, 2, 1]
    assert started["median_wd"] == 1
    completed = rows.loc[("referral", "assessment_completed")]
    assert (completed["reached_both"], completed["median_wd"]) == (1, 4)
    # The plan began the day after the cut.
    assert rows.loc[("referral", "plan_started")]["reached_both"] == 0
    later = summarise_journey(
        build_journey(_tables()), data_cut="2011-04-01", pairs=[("referral", "plan_started")]
    )
    assert later["median_wd"].tolist() == [19]  # 8 to 31 March 18 days, and 1 April
