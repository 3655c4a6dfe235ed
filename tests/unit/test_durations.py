"""Clocks against dates counted by hand on the calendars of 2010 to 2012."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pilot_eval.errors import ParameterError
from pilot_eval.records.durations import CLOCKS, build_exemption_table, compute_durations
from pilot_eval.records.local_extracts import add_local_extracts
from pilot_eval.records.schema import build_tables
from pilot_eval.reference.pilot_facts import Exemption

A, B = "E08000020", "E10000006"


def _frame(columns, *rows):
    frame = pd.DataFrame(rows, columns=columns.split())
    for name in frame:
        if name.endswith("_date"):
            frame[name] = pd.to_datetime(frame[name]).astype("datetime64[s]")
    return frame


def _tables(**frames):
    return build_tables(frames, strand="simulated", source="a test")


def _referrals(*rows):
    return _frame("council_code child_id referral_id referral_date closure_date", *rows)


def _assessments(kind, *rows):
    names = "council_code child_id referral_id start_date end_date"
    return _frame(names, *rows).assign(assessment_type=kind)


def _by_hand(durations, *expected):
    columns = ["duration_working_days", "event_observed", "limit_working_days"]
    got = durations.table[columns].to_numpy(dtype=float)
    np.testing.assert_array_equal(got, np.array(expected, dtype=float))


# Monday 2010-03-29 to Thursday 2010-04-08: Good Friday 2 April and Easter Monday 5 April are off.
REFERRALS = _referrals(
    (A, "c1", 1, "2010-03-29", None),
    (A, "c2", 2, "2010-04-06", None),
    (A, "c3", 3, "2012-03-01", None),
    (A, "c4", 4, "2012-03-01", "2012-03-09"),
    (B, "c1", 1, "2012-03-26", None),
)
INITIAL = _assessments(
    "initial",
    (A, "c1", 1, "2010-03-30", "2010-04-08"),  # days 30 31 1 6 7 8 = 6; limit 7: before April
    (A, "c1", 1, "2010-06-07", "2010-06-09"),  # new information on an open case: 8 and 9 June = 2
    (A, "c2", 2, "2010-04-06", "2010-04-06"),  # same day = 0; limit 10
    (A, "c3", 3, "2012-03-01", None),  # waiting at the cut: 2 March to 30 March = 21
    (A, "c4", 4, "2012-03-01", None),  # closed on 9 March: 2 5 6 7 8 9 = 6 days waited
    (B, "c1", 1, "2012-03-26", "2012-04-10"),  # ended after the cut: 27 28 29 30 = 4 days waited
)


def test_initial_assessments_by_hand():
    durations = compute_durations(
        _tables(referrals=REFERRALS, assessments=INITIAL),
        "initial_assessment",
        data_cut="2012-03-31",
    )
    _by_hand(durations, (6, 1, 7), (2, 1, 10), (0, 1, 10), (21, 0, 10), (6, 0, 10), (4, 0, 10))
    assert durations.table["end_date"].isna().tolist() == [False] * 3 + [True] * 3
    assert (durations.table["entry_working_days"] == -1).all()
    assert durations.table["council_code"].tolist() == [A] * 5 + [B]
    assert durations.set_aside.empty


def test_the_other_convention_counts_the_first_day():
    durations = compute_durations(
        _tables(referrals=REFERRALS, assessments=INITIAL),
        "initial_assessment",
        data_cut="2012-03-31",
        convention="end_counts",
    )
    assert durations.table["duration_working_days"].tolist() == [7, 3, 1, 22, 7, 5]


def test_what_cannot_be_measured_is_counted_not_dropped():
    bad = _assessments(
        "initial",
        (A, "c1", 1, "2010-03-29", "2010-03-26"),  # ends before the referral of 29 March
        (A, "c9", 9, None, "2012-03-26"),  # no referral, no start
        (B, "c1", 1, "2012-03-26", "2012-03-27"),
    )
    referrals = pd.concat([REFERRALS.iloc[:1], _referrals((B, "c1", 1, "2012-04-02", None))])
    durations = compute_durations(
        _tables(referrals=referrals, assessments=bad), "initial_assessment", data_cut="2012-03-31"
    )
    assert durations.table.empty
    counted = durations.set_aside.set_index(["council_code", "reason"])["cases"].to_dict()
    assert counted == {
        (A, "start_missing"): 1,
        (B, "starts_after_data_cut"): 1,
        (A, "end_before_start"): 1,
    }


def test_late_entry_is_stated():
    # Referred on Monday 29 March 2010, returns start on Thursday 1 April: already 2 days old when
    # first seen (30 and 31 March), so at risk from day 3 on. The other cases start later.
    durations = compute_durations(
        _tables(referrals=REFERRALS, assessments=INITIAL),
        "initial_assessment",
        data_cut="2012-03-31",
        observed_from={A: "2010-04-01"},
    )
    assert durations.table["entry_working_days"].tolist() == [2, -1, -1, -1, -1, -1]


def test_no_limit_where_an_exemption_runs():
    register = [
        Exemption(
            council_code=A,
            council_name="",
            requirement="assessment_time_limits",
            freed="inferred",
            announced="",
            granted="2012-03",
            started="",
            ended="2012-04-01",
            coverage="",
            evidence_grade="inferred",
            source="",
            note="",
        )
    ]
    exemptions = build_exemption_table(register)
    assert exemptions["start_date"].tolist() == [pd.Timestamp("2012-03-01")]
    assert exemptions["end_date"].tolist() == [pd.Timestamp("2012-03-31")]
    assert build_exemption_table(register, freed=("yes",)).empty
    tables = _tables(referrals=REFERRALS, assessments=INITIAL)
    durations = compute_durations(
        tables, "initial_assessment", data_cut="2012-03-31", exemptions=exemptions
    )
    limits = durations.table["limit_working_days"].tolist()
    assert limits[:3] == [7, 10, 10]
    assert np.isnan(limits[3:5]).all()
    assert limits[5] == 10  # another council
    # After an exemption has ended, 10 days count again; one still running leaves no limit.
    for end, limited in (("2012-02-29", True), (None, False)):
        other = exemptions.assign(start_date=pd.Timestamp("2011-03-01"), end_date=pd.Timestamp(end))
        found = compute_durations(
            tables, "initial_assessment", data_cut="2012-03-31", exemptions=other
        )
        march = found.table["limit_working_days"].iloc[3:5]
        assert (march.notna() == limited).all()


SECTION47S = _frame(
    "council_code child_id referral_id s47_start_date strategy_date icpc_target_date icpc_date "
    "icpc_not_required",
    # Two enquiries led to one conference on Friday 2011-04-01.
    (A, "c1", 1, "2011-03-14", "2011-03-11", "2011-04-01", "2011-04-01", "no"),
    (A, "c1", 1, "2011-03-21", "2011-03-18", "2011-04-08", "2011-04-01", "no"),
    (A, "c2", 2, "2011-03-14", "2011-03-14", None, None, "yes"),  # none needed: no clock
    (A, "c3", 3, "2011-03-28", "2011-03-25", "2011-04-15", None, "no"),  # waiting on 1 April
    (B, "c1", 1, "2011-03-28", None, None, None, None),  # nobody can say
)


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        # 15 to 31 March and 1 April = 14; 22 March to 1 April = 9; 29 30 31 1 = 4 waited.
        ("s47_start", [(14, 1, 15), (9, 1, 15), (4, 0, 15)]),
        # One conference from its last discussion on 18 March: 10; waiting since 25 March: 5.
        ("last_strategy_discussion", [(10, 1, 15), (5, 0, 15)]),
        # Targets of 1, 8, 15 April minus 15 working days: 11, 18, 25 March: 15, 10, and 5 waited.
        ("timescale_began", [(15, 1, 15), (10, 1, 15), (5, 0, 15)]),
    ],
)
def test_three_clocks_of_the_conference(start, expected):
    referrals = _referrals(
        *((A, f"c{i}", i, "2011-03-01", None) for i in (1, 2, 3)),
        (B, "c1", 1, "2011-03-01", None),
    )
    tables = _tables(referrals=referrals, section47s=SECTION47S)
    durations = compute_durations(tables, "icpc", data_cut="2011-04-01", start=start)
    _by_hand(durations, *expected)
    assert durations.set_aside["reason"].tolist() == ["conference_need_unknown"]


def test_a_conference_recorded_with_the_referral_ends_the_last_enquiry_before_it():
    """Friday 1 April: 9 days from 21 March; nobody can say what became of the one of 14 March."""
    referrals = _referrals(*((A, f"c{i}", i, "2011-03-01", None) for i in (1, 2)))
    referrals["icpc_date"] = pd.to_datetime(["2011-04-01", "2011-04-01"])
    none = SECTION47S.assign(icpc_date=pd.NaT).iloc[[0, 1]]
    later = none.iloc[[1]].assign(child_id="c2", referral_id=2, s47_start_date="2011-04-04")
    enquiries = pd.concat([none, later]).astype({"s47_start_date": "datetime64[s]"})
    held = referrals[["council_code", "child_id", "referral_id", "icpc_date"]]
    tables = _tables(referrals=referrals, section47s=enquiries, conferences=held)
    durations = compute_durations(tables, "icpc", data_cut="2011-04-05")
    _by_hand(durations, (9, 1, 15), (1, 0, 15))  # the enquiry after the conference still waits
    assert durations.set_aside["reason"].tolist() == ["conference_of_a_later_enquiry"]


def test_the_last_strategy_discussion_comes_from_a_local_extract(tmp_path):
    """A discussion after the enquiries started, in no return: Friday 25 March to 1 April, 5."""
    path = tmp_path / "strategy_discussions.csv"
    path.write_text(
        "LEA,LAchildID,StrategyDiscussionDate\n"
        "390,c1,2011-03-11\n390,c1,2011-03-25\n390,c1,2011-04-04\n390,c3,2011-03-25\n"
    )
    referrals = _referrals(*((A, f"c{i}", i, "2011-03-01", None) for i in (1, 3)))
    enquiries = SECTION47S.iloc[[0, 1, 3]].drop(columns="strategy_date")
    tables = _tables(referrals=referrals, section47s=enquiries)
    tables = add_local_extracts(tables, strategy_discussions=path)
    last = "last_strategy_discussion"
    durations = compute_durations(tables, "icpc", data_cut="2011-04-01", start=last)
    _by_hand(durations, (5, 1, 15), (5, 0, 15))
    starts = compute_durations(tables, "icpc", data_cut="2011-04-01")
    _by_hand(starts, (14, 1, 15), (9, 1, 15), (4, 0, 15))


def test_core_assessment_has_three_starts():
    tables = _tables(
        referrals=_referrals((A, "c1", 1, "2011-03-01", None)),
        assessments=pd.concat(
            [
                _assessments("initial", (A, "c1", 1, "2011-03-01", "2011-03-07")),
                _assessments("core", (A, "c1", 1, "2011-03-10", "2011-03-18")),
            ]
        ),
        section47s=SECTION47S.iloc[:1].assign(strategy_date=pd.Timestamp("2011-03-09")),
    )
    # To Friday 18 March: from Thursday the 10th 6, from Monday the 7th 9, from Wednesday the 9th 7.
    for start, days in zip(CLOCKS["core_assessment"].starts, (6, 9, 7), strict=True):
        durations = compute_durations(tables, "core_assessment", data_cut="2011-12-31", start=start)
        _by_hand(durations, (days, 1, 35))


def test_core_groups_need_a_local_extract_and_a_plan():
    conferences = _frame(
        "council_code child_id referral_id icpc_date core_group_date",
        (A, "c1", 1, "2011-03-07", "2011-03-21"),  # 10 working days
        (A, "c2", 2, "2011-03-07", None),  # a plan, no meeting: waiting; plan ended on 14 March: 5
        (A, "c3", 3, "2011-03-07", None),  # no plan, so no core group
        (B, "c1", 1, "2011-03-07", None),  # no extract
    )
    plans = _frame(
        "council_code child_id referral_id plan_start_date plan_end_date",
        (A, "c1", 1, "2011-03-07", None),
        (A, "c2", 2, "2011-03-07", "2011-03-14"),
        (B, "c1", 1, "2011-03-07", None),
    )
    referrals = _referrals(
        *((A, f"c{i}", i, "2011-03-01", None) for i in (1, 2, 3)),
        (B, "c1", 1, "2011-03-01", None),
    )
    tables = _tables(referrals=referrals, conferences=conferences, plans=plans)
    durations = compute_durations(tables, "core_group", data_cut="2011-12-31")
    _by_hand(durations, (10, 1, 10), (5, 0, 10))
    left_out = durations.set_aside[["council_code", "reason", "cases"]].to_numpy().tolist()
    assert left_out == [[B, "no_local_extract", 1]]
    decisions = compute_durations(tables, "referral_decision", data_cut="2011-12-31")
    assert decisions.table.empty
    assert decisions.set_aside["cases"].tolist() == [3, 1]


def test_reviews_run_from_plan_to_review_to_review():
    plans = _frame(
        "council_code child_id referral_id plan_start_date plan_end_date",
        (A, "c1", 1, "2011-01-04", None),
        (A, "c2", 2, "2011-01-04", "2011-01-11"),
    )
    reviews = _frame(
        "council_code child_id plan_start_date review_date",
        (A, "c1", "2011-01-04", "2011-04-04"),
        (A, "c1", "2011-01-04", "2011-03-01"),
        (A, "c7", "2011-01-04", "2011-03-01"),  # nobody's plan
    )
    tables = _tables(plans=plans, reviews=reviews)
    first = compute_durations(tables, "first_review", data_cut="2011-04-11")
    # 4 January to 1 March 2011: 19 days left in January, 20 in February, 1 March = 40. To 4 April:
    # 64. The second plan ended after 5 days without a review.
    _by_hand(first, (40, 1, 64), (5, 0, 64))
    later = compute_durations(tables, "later_review", data_cut="2011-04-11")
    # 1 March to 4 April: 22 + 2 = 24; then 5 days of waiting. 6 months: to 1 September and
    # 4 October 2011 (bank holidays 22, 25, 29 April, 2, 30 May, 29 August).
    expected = [
        np.busday_count("2011-03-02", "2011-09-02") - 6,
        np.busday_count("2011-04-05", "2011-10-05") - 6,
    ]
    _by_hand(later, (24, 1, expected[0]), (5, 0, expected[1]))
    assert first.set_aside["reason"].tolist() == ["review_without_plan"]


def test_unknown_clock_and_start_are_refused():
    with pytest.raises(ParameterError, match="clock"):
        compute_durations(_tables(), "visit", data_cut="2012-03-31")
    with pytest.raises(ParameterError, match="start"):
        compute_durations(_tables(), "icpc", data_cut="2012-03-31", start="referral")


@pytest.mark.parametrize("clock", CLOCKS)
def test_empty_tables_give_empty_durations(clock):
    durations = compute_durations(_tables(), clock, data_cut="2012-03-31")
    assert durations.table.empty
    assert durations.set_aside.empty
    assert "entry_working_days" in durations.table
