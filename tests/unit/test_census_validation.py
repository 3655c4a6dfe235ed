"""Every validation rule with a row that breaks it and one that does not; overlaps; the counts."""
# ruff: noqa: E501 (one case a line)

from __future__ import annotations

import pandas as pd
import pytest
from census_examples import GATESHEAD, HACKNEY, frame, make_tables

from pilot_eval.errors import DataError
from pilot_eval.records.rules import list_rules
from pilot_eval.records.schema import SCHEMA, concat_tables, frames_of
from pilot_eval.records.validation import OUTCOMES, validate_census

# One child with one of everything, all of it in order. 2011-05-06 is a Friday, 05-02 a bank holiday.
GOOD = {
    "children": {
        "birth_date": "2004-06-01",
        "expected_birth_date": None,
        "sex": "female",
        "death_date": None,
        "ethnicity": "WBRI",
        "disabled": "no",
    },
    "referrals": {
        "referral_id": 7,
        "referral_date": "2011-04-11",
        "referral_source": "1A",
        "primary_need": "N1",
        "closure_date": "2011-09-30",
        "closure_reason": "RC7",
        "no_further_action": "no",
        "icpc_date": "2011-05-06",
    },
    "assessments": {
        "referral_id": 7,
        "assessment_type": "initial",
        "start_date": "2011-04-11",
        "end_date": "2011-04-20",
        "target_date": "2011-04-27",
    },
    "section47s": {
        "referral_id": 7,
        "s47_start_date": "2011-04-20",
        "strategy_date": None,
        "icpc_target_date": "2011-05-12",
        "icpc_date": "2011-05-06",
        "icpc_not_required": "no",
    },
    "conferences": {"referral_id": 7, "icpc_date": "2011-05-06", "core_group_date": None},
    "plans": {
        "referral_id": 7,
        "plan_start_date": "2011-05-06",
        "plan_end_date": "2011-09-01",
        "initial_category": "NEG",
        "latest_category": "NEG",
        "number_previous_plans": 0,
    },
    "reviews": {"plan_start_date": "2011-05-06", "review_date": "2011-08-01"},
}


# Rule, table.field, a change to the good record that breaks the rule, and one that does not.
CASES = """
missing_child_id | referrals.child_id | child_id= |
rounded_identifier | reviews.child_id | child_id=1.23E+11 | child_id=1E5
missing_date | referrals.referral_date | referral_date= |
missing_date | assessments.start_date | start_date= | end_date=
missing_date | reviews.review_date | review_date= |
date_out_of_range | children.birth_date | birth_date=1974-12-31 | birth_date=1975-01-01
date_out_of_range | assessments.target_date | target_date=2050-01-01 | target_date=2049-12-31
end_before_start | referrals.closure_date | closure_date=2011-04-10 | closure_date=2011-04-11
end_before_start | assessments.end_date | end_date=2011-04-10 | end_date=2011-04-11
end_before_start | plans.plan_end_date | plan_end_date=2011-05-05 | plan_end_date=2011-05-06
end_before_start | reviews.review_date | review_date=2011-05-05 | review_date=2011-05-06
end_before_start | children.death_date | death_date=2004-05-31 | death_date=2004-06-01
unknown_referral | assessments.referral_id | referral_id=8 | referral_id=7
unknown_plan | reviews.plan_start_date | plan_start_date=2011-05-09 | plan_start_date=2011-05-06
ended_before_referral | assessments.end_date | start_date=2011-04-01 end_date=2011-04-10 | start_date=2011-04-01 end_date=2011-04-11
activity_after_closure | assessments.start_date | start_date=2011-10-01 end_date= | start_date=2011-09-30 end_date=
activity_after_closure | plans.plan_start_date | plan_start_date=2011-10-03 plan_end_date= | plan_start_date=2011-09-30 plan_end_date=
activity_after_closure | section47s.s47_start_date | s47_start_date=2011-10-03 | s47_start_date=2011-09-30
event_before_referral | assessments.start_date | start_date=2011-04-10 | start_date=2011-04-11
event_before_referral | conferences.icpc_date | icpc_date=2011-04-08 | icpc_date=2011-04-11
unfinished_at_closure | assessments.end_date | end_date= | end_date=2011-09-30
unfinished_at_closure | plans.plan_end_date | plan_end_date=2011-10-01 | plan_end_date=2011-09-30
plan_without_icpc | plans.plan_start_date | no conference |
plan_start_not_icpc | plans.plan_start_date | plan_start_date=2011-05-07 | plan_start_date=2011-05-06
icpc_on_weekend | conferences.icpc_date | icpc_date=2011-05-07 | icpc_date=2011-05-06
icpc_on_bank_holiday | conferences.icpc_date | icpc_date=2011-05-02 | icpc_date=2011-05-03
icpc_before_s47 | section47s.icpc_date | icpc_date=2011-04-19 | icpc_date=2011-04-20
unborn_without_expected_date | children.expected_birth_date | birth_date= | birth_date= expected_birth_date=2011-12-01
unknown_code | referrals.primary_need | primary_need=N10 | primary_need=N9
unknown_code | referrals.closure_reason | closure_reason=RC0 | closure_reason=RC9
unknown_code | referrals.referral_source | referral_source=2C | referral_source=3F
unknown_code | plans.initial_category | initial_category=neg | initial_category=MUL
unknown_code | children.ethnicity | ethnicity=white | ethnicity=NOBT
missing_mandatory | referrals.primary_need | primary_need= | primary_need=N0
missing_referral_source | referrals.referral_source | referral_source= referral_date=2013-04-01 closure_date=2014-01-02 | referral_source=
closure_half_recorded | referrals.closure_reason | closure_reason= | closure_reason= closure_date=
unknown_child | referrals.child_id | child_id=A9 | child_id=A1
activity_after_death | reviews.review_date | review_date=2012-06-02 | review_date=2012-06-01
assessed_without_action | referrals.no_further_action | no_further_action=yes | no_further_action=no
"""


def read_cases() -> list[tuple]:
    """Read the cases: rule, table, field, broken changes, fine changes."""
    cases = []
    for line in CASES.strip().splitlines():
        rule, place, broken, fine = (part.strip() for part in line.split("|"))
        changes = []
        for text in (broken, fine):
            pairs = [pair.split("=") for pair in text.split() if "=" in pair]
            known = {name: value or None for name, value in pairs}
            numbers = {name: int(known[name]) for name in known if name == "referral_id"}
            changes.append({**known, **numbers})
        cases.append((rule, *place.split("."), *changes))
    return cases


CASE_LIST = read_cases()


def tables_with(table: str, *changes: dict):
    """Take the good child, with the record of one table once for each set of changes."""
    rows = good_rows("A1")
    rows[table] = [{**rows[table][0], **change} for change in changes]
    return as_tables(rows)


def good_rows(child: str, council: str = HACKNEY) -> dict[str, list[dict]]:
    who = {"council_code": council, "child_id": child}
    rows = {name: [{**who, **row}] for name, row in GOOD.items()}
    rows["children"][0]["death_date"] = "2012-06-01"
    return rows


def as_tables(rows: dict[str, list[dict]]):
    frames = {
        name: frame(" ".join(part[0]), *(tuple(row.values()) for row in part))
        for name, part in rows.items()
        if part
    }
    return make_tables(**frames)


def all_cases(which: int):
    """Put every case in one set of tables, each with a council of its own."""
    whole = {name: [] for name in GOOD}
    for number, case in enumerate(CASE_LIST):
        rows = good_rows("A1", council=f"case {number:02d}")
        rows[case[1]][0] |= case[which]
        if case[0] == "plan_without_icpc" and which == BROKEN:
            rows["conferences"] = []
        for name, part in rows.items():
            whole[name] += part
    return as_tables(whole)


BROKEN, FINE = 3, 4


@pytest.fixture(scope="module")
def issues_of_cases() -> dict[int, pd.DataFrame]:
    return {which: validate_census(all_cases(which)).issues for which in (BROKEN, FINE)}


def rows_found(tables, rule: str, table: str, name: str, **settings) -> list[int]:
    issues = validate_census(tables, **settings).issues
    here = issues.query("rule == @rule and table == @table and field == @name")
    return here["row"].tolist()


@pytest.mark.parametrize("number", range(len(CASE_LIST)), ids=lambda n: "-".join(CASE_LIST[n][:3]))
def test_each_rule_finds_the_broken_record_and_passes_the_other(issues_of_cases, number):
    rule, table, name, *_ = CASE_LIST[number]
    query = (
        f"council_code == 'case {number:02d}' and rule == '{rule}' "
        f"and table == '{table}' and field == '{name}'"
    )
    assert len(issues_of_cases[BROKEN].query(query)) == 1
    assert issues_of_cases[FINE].query(query).empty


def test_the_good_child_breaks_no_rule():
    assert validate_census(tables_with("reviews", {}), census_year=2012).issues.empty


def test_every_rule_is_tested():
    tested = {case[0] for case in CASE_LIST}
    elsewhere = {"date_outside_census_year", "date_after_data_cut", "overlapping_assessments"}
    assert set(list_rules()["rule"]) == tested | elsewhere


YEAR, CUT = {"census_year": 2012}, {"data_cut": "2011-12-31"}


@pytest.mark.parametrize(
    ("settings", "rule", "place", "broken", "fine"),
    [
        (YEAR, "date_outside_census_year", "reviews.review_date", "2012-04-01", "2012-03-31"),
        (YEAR, "date_outside_census_year", "referrals.closure_date", "2011-03-31", "2011-04-30"),
        (CUT, "date_after_data_cut", "reviews.review_date", "2012-01-01", "2011-12-31"),
    ],
)
def test_rules_about_the_year_and_the_cut(settings, rule, place, broken, fine):
    table, name = place.split(".")
    # A closure before the year needs a referral before it too.
    early = {"referral_date": "2011-03-01"} if name == "closure_date" else {}
    for value, rows in ((broken, [0]), (fine, [])):
        tables = tables_with(table, {**early, name: value})
        assert rows_found(tables, rule, table, name, **settings) == rows


def test_two_assessments_of_a_type_at_once_are_reported_and_kept():
    later = {"start_date": "2011-04-19", "end_date": "2011-05-03"}
    after = {"start_date": "2011-05-03", "end_date": None}
    core = {"assessment_type": "core", "start_date": "2011-04-15"}
    tables = tables_with("assessments", {}, later, after, core)
    assert rows_found(tables, "overlapping_assessments", "assessments", "start_date") == [1]
    assert len(validate_census(tables).accepted.assessments) == 4


def test_fatal_records_are_set_aside_with_what_belongs_to_them_and_counted_once():
    result = validate_census(tables_with("referrals", {"closure_date": "2011-04-01"}))
    counts = result.set_aside.set_index(["table", "rule"])["records"].to_dict()
    assert counts == {
        ("referrals", "end_before_start"): 1,
        **{(name, "referral_set_aside"): 1 for name in ("assessments", "section47s")},
        **{(name, "referral_set_aside"): 1 for name in ("conferences", "plans")},
        ("reviews", "plan_set_aside"): 1,
    }
    assert {name: len(part) for name, part in frames_of(result.accepted).items()} == {
        **dict.fromkeys(SCHEMA, 0),
        "children": 1,
    }


def test_overlapping_episodes_become_one():
    # Open 11 April to 30 September; 1 June falls within it; 30 September, the closing day, does not.
    within = {"referral_id": 8, "referral_date": "2011-06-01", "closure_date": "2011-12-01"}
    tables = tables_with("referrals", {}, {**within, "closure_reason": "RC1"})
    moved = tables.assessments.assign(referral_id=8, start_date=pd.Timestamp("2011-06-02"))
    tables = make_tables(**{**frames_of(tables), "assessments": moved.assign(end_date=pd.NaT)})
    result = validate_census(tables)
    episode = result.accepted.referrals
    assert episode["referral_date"].tolist() == [pd.Timestamp("2011-04-11")]
    assert episode["closure_date"].tolist() == [pd.Timestamp("2011-12-01")]
    assert episode["closure_reason"].tolist() == ["RC1"]
    assert result.accepted.assessments["referral_id"].tolist() == [7]
    assert result.issues.query("rule == 'overlapping_episodes'")["row"].tolist() == [1]
    again = {"referral_id": 8, "referral_date": "2011-09-30", "closure_date": None}
    apart = validate_census(tables_with("referrals", {}, {**again, "closure_reason": None}))
    assert len(apart.accepted.referrals) == 2


def test_overlapping_plans_become_one_and_keep_their_reviews():
    second = {"plan_start_date": "2011-08-15", "plan_end_date": None, "latest_category": "EMO"}
    tables = tables_with("plans", {}, second)
    review = tables.reviews.assign(
        plan_start_date=pd.Timestamp("2011-08-15"), review_date=pd.Timestamp("2011-11-01")
    )
    both = pd.concat([tables.reviews, review], ignore_index=True)
    result = validate_census(make_tables(**{**frames_of(tables), "reviews": both}))
    plan = result.accepted.plans
    assert plan["plan_start_date"].tolist() == [pd.Timestamp("2011-05-06")]
    assert plan["plan_end_date"].isna().all()
    assert plan["latest_category"].tolist() == ["EMO"]
    assert result.accepted.reviews["plan_start_date"].tolist() == [pd.Timestamp("2011-05-06")] * 2


@pytest.mark.parametrize(
    ("table", "rule"),
    [
        ("children", "duplicated_child"),
        ("assessments", "repeated_record"),
        ("section47s", "repeated_record"),
    ],
)
def test_repeats_become_one(table, rule):
    result = validate_census(tables_with(table, {}, {}))
    assert result.issues.query("rule == @rule")[["table", "row"]].to_numpy().tolist() == [
        [table, 1]
    ]
    assert len(getattr(result.accepted, table)) == 1


def test_the_version_of_the_latest_return_stands():
    # The 2012 return had the episode open; the 2013 return closed it and no longer has the plan.
    first = tables_with("referrals", {"closure_date": None, "closure_reason": None})
    second = tables_with("referrals", {"referral_id": 12, "closure_date": "2012-05-01"})
    frames = {}
    for name in SCHEMA:
        later = getattr(second, name).assign(census_year=2013)
        if "referral_id" in later:
            later["referral_id"] = 12
        parts = [getattr(first, name).assign(census_year=2012), later]
        frames[name] = pd.concat(parts[:1] if name == "plans" else parts, ignore_index=True)
    result = validate_census(make_tables(**frames))
    assert result.accepted.referrals["closure_date"].tolist() == [pd.Timestamp("2012-05-01")]
    sizes = {name: len(part) for name, part in frames_of(result.accepted).items()}
    assert sizes == dict.fromkeys(SCHEMA, 1)
    assert result.accepted.plans["referral_id"].tolist() == [12]
    assert result.summary["superseded"].sum() == 6


def test_unknown_codes_are_blanked_and_known_ones_kept():
    result = validate_census(tables_with("referrals", {"primary_need": "a name"}))
    assert result.accepted.referrals["primary_need"].isna().all()
    assert "a name" not in result.accepted.referrals["primary_need"].cat.categories
    assert result.accepted.referrals["closure_reason"].tolist() == ["RC7"]


def test_the_summary_accounts_for_every_record_of_every_council():
    broken = tables_with("assessments", {"end_date": "2011-01-01"}, {}, {}, {"child_id": None})
    other = make_tables(
        referrals=frame(
            "council_code child_id referral_id referral_date", (GATESHEAD, "A1", 7, "2011-05-01")
        )
    )
    tables = concat_tables([broken, other], source="two councils")
    summary = validate_census(tables).summary
    assert (summary[list(OUTCOMES)].sum(axis=1) == summary["records"]).all()
    assert summary["records"].sum() == sum(len(part) for part in frames_of(tables).values())
    row = summary.query("council_code == @HACKNEY and table == 'assessments'").iloc[0]
    assert row[["records", "set_aside", "merged", "accepted"]].tolist() == [4, 2, 1, 1]
    assert set(summary["council_code"]) == {HACKNEY, GATESHEAD}


def test_referral_numbers_used_twice_are_refused():
    with pytest.raises(DataError, match="referral_id"):
        validate_census(tables_with("referrals", {}, {"referral_date": "2012-06-01"}))


def test_the_callers_tables_are_not_changed():
    tables = tables_with("assessments", {"end_date": "2011-01-01"}, {})
    before = {name: part.copy() for name, part in frames_of(tables).items()}
    validate_census(tables, census_year=2012, data_cut="2011-12-31")
    for name, part in frames_of(tables).items():
        pd.testing.assert_frame_equal(part, before[name])
