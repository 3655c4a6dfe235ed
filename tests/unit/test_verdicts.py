"""Verdicts: every rule of the plan, one change at a time from a comparison without a fault."""

from __future__ import annotations

from dataclasses import replace
from math import inf, nan

import pytest

import pilot_eval as pe
from pilot_eval.evaluation.verdict_inputs import collect_inputs
from pilot_eval.evaluation.verdicts import judge
from pilot_eval.evidence import BEST_RATING, VERDICT_COLUMNS, VerdictInputs
from pilot_eval.evidence_row import EvidenceRow

SOUND = VerdictInputs(
    strand="published",
    scenario="announced",
    outcome="repeats",
    label="Repeat plans",
    group="the five",
    harm="rises",
    unit="percentage points",
    margin=3.0,
    estimate_low=6.0,
    estimate_high=6.0,
    conf_low=4.0,
    conf_high=8.0,
    p_value=0.001,
    p_family=0.01,
    mde=3.0,
    other_low=5.5,
    other_high=5.5,
    other_conf_low=3.5,
    other_conf_high=7.5,
    rejection_rate=0.05,
    trend_low=0.5,
    trend_high=0.5,
    left_one_out_low=5.0,
    left_one_out_high=7.0,
    spread=10.0,
    n_units=5,
    n_comparators=130,
    seen=5,
    listed=5,
    known_freed=5,
)
STILL = replace(
    SOUND,
    estimate_low=0.5,
    estimate_high=0.5,
    conf_low=-1.5,
    conf_high=2.5,
    other_low=0.4,
    other_high=0.4,
    other_conf_low=-1.6,
    other_conf_high=2.4,
)


@pytest.fixture(scope="module")
def rules():
    return pe.load_plan().revise({"verdict.assignment": "by lot"}).verdict


def conditions(verdict):
    return {doubt.condition for doubt in verdict.doubts}


@pytest.mark.parametrize(
    ("low", "high", "harm", "finding", "direction"),
    [
        (4, 8, "rises", "rose", "worse"),
        (4, 8, "falls", "rose", "better"),
        (-8, -4, "falls", "fell", "worse"),
        (-8, -4, "ambiguous", "fell", ""),
        (-1, 2, "rises", "no clear change", ""),
        (0, 2, "rises", "no clear change", ""),  # touching zero leaves it in
    ],
)
def test_the_finding_follows_from_the_interval(rules, low, high, harm, finding, direction):
    middle = (low + high) / 2
    verdict = judge(
        replace(
            SOUND,
            conf_low=low,
            conf_high=high,
            harm=harm,
            estimate_low=middle,
            estimate_high=middle,
        ),
        rules,
    )
    assert (verdict.finding, verdict.direction) == (finding, direction)


def test_a_comparison_without_a_fault_has_the_best_rating(rules):
    for inputs in (SOUND, STILL):
        verdict = judge(inputs, rules)
        assert (verdict.rating, verdict.doubts) == (BEST_RATING, ())
    assert judge(SOUND, pe.load_plan().verdict).rating == BEST_RATING - 1  # chosen, not by lot


@pytest.mark.parametrize(
    ("change", "condition", "rating"),
    [
        ({"n_units": 3}, "few_units", 4),
        ({"n_units": 2}, "too_few_units", 2),
        ({"seen": 4, "known_freed": 4, "n_units": 4}, "some_unseen", 4),
        ({"seen": 4, "known_freed": 4, "n_units": 4, "listed": 8}, "many_unseen", 3),
        ({"known_freed": 2}, "not_known_freed", 4),
        ({"breaks": ("clock",)}, "definition_changed", 4),
        ({"trend_low": nan, "trend_high": nan}, "one_period_before", 4),
        ({"is_first_test": False}, "later_test", 4),
        ({"rejection_rate": nan}, "not_calibrated", 4),
        ({"other_low": nan}, "not_adjusted", 4),
        ({"other_conf_low": -0.1}, "readings_differ", 2),
        ({"other_low": -1.0, "other_high": -0.5}, "readings_differ", 2),
        ({"estimate_low": 5.4, "estimate_high": 6.6}, "hidden_counts", 4),
        ({"p_family": 0.06}, "family", 3),
        ({"p_family": nan}, "family", 3),
        ({"trend_high": 3.0}, "trend_part", 4),
        ({"left_one_out_low": 2.9}, "one_unit_decides", 4),
    ],
)
def test_each_condition_costs_what_the_plan_says(rules, change, condition, rating):
    verdict = judge(replace(SOUND, **change), rules)
    assert conditions(verdict) == {condition}
    assert verdict.rating == rating
    assert verdict.finding == "rose"


def test_a_change_that_was_under_way_before_the_start_is_not_credited(rules):
    verdict = judge(replace(SOUND, trend_high=6.5), rules)
    assert (verdict.finding, verdict.direction, verdict.rating) == ("cannot be told", "", 0)
    assert "under way before the start" in verdict.long
    other_way = judge(replace(SOUND, trend_low=-6.5, trend_high=-6.5), rules)
    assert other_way.finding == "rose"


@pytest.mark.parametrize(
    ("change", "condition"),
    [
        ({"conf_high": 3.0, "other_conf_high": 3.0}, "imprecise"),  # the margin lies within
        ({"margin": None, "spread": 4.0}, "imprecise"),
        ({"margin": None, "spread": nan}, "imprecise"),
        ({"trend_low": -3.5}, "trend_part"),  # as large as the margin: it could hide a harm
        ({"other_conf_low": 0.1}, "readings_differ"),
    ],
)
def test_no_clear_change_is_doubted_for_what_it_could_hide(rules, change, condition):
    verdict = judge(replace(STILL, **change), rules)
    assert verdict.finding == "no clear change"
    assert conditions(verdict) == {condition}


@pytest.mark.parametrize(
    "change",
    [
        {"status": "not_estimable", "reason": "withheld"},
        {"status": "descriptive", "reason": "one year only"},
        {"n_units": 1},
        {"test": ""},
        {"conf_high": inf},
        {"conf_low": -15.1, "conf_high": 15.1},
    ],
)
def test_what_gives_no_answer_cannot_be_told(rules, change):
    verdict = judge(replace(SOUND, **change), rules)
    assert (verdict.finding, verdict.rating) == ("cannot be told", 0)
    assert verdict.doubts[0].condition == "no_answer"
    assert verdict.excludes_margin is None
    assert "nan" not in verdict.long


@pytest.mark.parametrize(
    ("low", "high", "unit", "said"),
    [
        (-15.1, 15.1, "percentage points", "commonly differ by less"),
        (-100.0, 100.0, "percentage points", "commonly differ by less"),
        (-15.1, 100.1, "percentage points", "goes beyond 100 points"),
        (-154.0, 231.0, "percentage points", "goes beyond 100 points"),
        (-154.0, 231.0, "per 10,000 children", "commonly differ by less"),
    ],
)
def test_an_interval_that_no_share_can_fill_is_said_to_be_one(rules, low, high, unit, said):
    doubt = judge(replace(SOUND, conf_low=low, conf_high=high, unit=unit), rules).doubts[0]
    assert said in doubt.text


@pytest.mark.parametrize(
    ("harm", "low", "high", "excludes"),
    [("rises", -1, 2.9, True), ("rises", -9, 3.0, False), ("falls", -2.9, 9, True)],
)
def test_a_harm_of_the_margin_is_excluded_by_the_interval_alone(rules, harm, low, high, excludes):
    inputs = replace(STILL, harm=harm, conf_low=low, conf_high=high)
    assert judge(inputs, rules).excludes_margin is excludes


def test_the_words_give_number_interval_rating_and_three_reasons_in_that_order(rules):
    doubted = replace(
        SOUND, n_units=2, seen=3, known_freed=1, p_family=0.3, trend_high=4.0, rejection_rate=nan
    )
    verdict = judge(doubted, rules)
    assert verdict.short == "rose, counted as worse; security 0 of 5"
    places = [
        verdict.long.index(part)
        for part in (
            "rose, counted as worse",
            "Effect 6.0",
            "4.0 to 8.0",
            "Security 0",
            "(1)",
            "(3)",
        )
    ]
    assert places == sorted(places)
    assert "(4)" not in verdict.long
    weights = [doubt.weight for doubt in verdict.doubts]
    assert weights == sorted(weights, reverse=True)


def test_a_set_is_worded_as_a_set(rules):
    verdict = judge(replace(SOUND, estimate_low=5.0, estimate_high=6.0), rules)
    assert "between 5.0 and 6.0 percentage points" in verdict.long


def test_a_verdict_is_one_row(rules):
    row = judge(replace(SOUND, p_family=0.06), rules).to_row()
    assert tuple(row) == VERDICT_COLUMNS
    assert row["doubts"] == "family 2"  # weight: a cap of 3


def test_every_rule_is_a_key_of_the_plan_that_changes_its_hash():
    plan = pe.load_plan()
    for key, value in plan.verdict.model_dump().items():
        if isinstance(value, dict):
            changes = {f"verdict.{key}.{name}": 5 - points for name, points in value.items()}
        else:
            changes = {f"verdict.{key}": {"chosen": "by lot"}.get(value, value)}
            if not isinstance(value, str):
                changes = {f"verdict.{key}": value + 1 if isinstance(value, int) else value / 2}
        for name, changed in changes.items():
            assert plan.revise({name: changed}).hash != plan.hash, name


@pytest.mark.parametrize(
    ("carrying", "low", "other"),
    [("robust", 4.0, 3.0), ("adjusted", 3.0, 4.0), (None, 4.0, 3.0)],
)
def test_the_carrying_test_gives_the_numbers_and_the_other_reading_stands_beside(
    carrying, low, other
):
    plan = pe.load_plan()
    row = {
        "strand": "published",
        "scenario": "announced",
        "outcome": "repeat_plan_pct",
        "harm": "rises",
        "unit": "percentage points",
        "seen": 5,
        "listed": 5,
        "family": "safety",
        "status": "estimated",
        "n_treated": 5,
        "n_comparators": 130,
        "mde": 5.0,
        "p_value": 0.1,
        "conf_high": 9.0,
        "estimate_high": 6.0,
        "carrying_test": carrying or "",
    }
    rows = [
        EvidenceRow(**row, method="robust", estimate_low=5.0, conf_low=4.0),
        EvidenceRow(**row, method="adjusted", estimate_low=4.5, conf_low=3.0),
    ]
    inputs = collect_inputs(plan, rows)
    assert (inputs.conf_low, inputs.other_conf_low) == (low, other)
    assert inputs.test == (carrying or "")
    finding = judge(inputs, plan.verdict).finding
    assert (finding == "cannot be told") == (carrying is None)
