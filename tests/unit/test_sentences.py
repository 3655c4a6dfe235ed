"""Sentences that state results: calibrated, never 'no effect', right about direction."""

import pandas as pd
import pytest
from project_folder import committed_evidence

import pilot_eval as pe
from pilot_eval.reporting.answers import answer_question, explain_certainty, list_limits
from pilot_eval.reporting.sentences import classify, word_finding

BASE = {
    "strand": "published",
    "scenario": "granted_march",
    "outcome": "repeat_plan_pct",
    "family": "safety",
    "unit": "percentage points",
    "harm": "rises",
    "n_treated": 4,
    "n_comparators": 136,
    "treated": "Cumbria; Knowsley; Westminster; Hackney",
    "share_of_scenario": "4 of 4",
    "mde": 8.5,
    "p_value": 0.02,
    "p_romano_wolf": 0.11,
    "fragile": False,
    "status": "estimated",
    "reason": "",
}


def rows(robust, sharp, estimate=2.0, **changes):
    """Two evidence rows with these intervals."""
    ends = {"robust": robust, "sharp": sharp}
    return pd.DataFrame(
        [
            BASE | {"method": m, "estimate": estimate, "conf_low": a, "conf_high": b} | changes
            for m, (a, b) in ends.items()
        ]
    )


@pytest.fixture(scope="module")
def plan():
    return pe.load_plan()


@pytest.mark.parametrize(
    ("robust", "sharp", "n_treated", "verdict"),
    [
        ((0.5, 4), (0.4, 4), 4, "rise"),
        ((-4, -0.5), (-4, 1), 4, "fall"),
        ((-1, 4), (0.4, 4), 4, "suggestive rise"),
        ((-1, 4), (-4, -0.1), 4, "suggestive fall"),
        ((-1, 4), (-1, 4), 4, "undetermined"),
        ((0.5, 4), (-1, 4), 2, "undetermined"),  # two treated: the robust test is not validated
        ((-1, 4), (0.5, 4), 2, "suggestive rise"),
        ((0, 4), (0, 4), 4, "undetermined"),  # touching zero leaves it in
    ],
)
def test_verdicts(robust, sharp, n_treated, verdict):
    assert classify(rows(robust, sharp, n_treated=n_treated)) == verdict


def test_an_undetermined_finding_says_what_is_ruled_out_and_what_could_be_missed(plan):
    text = word_finding(plan, rows((-3.2, 6.1), (-2, 6)))
    assert "could be chance" in text
    assert "rule out a rise of more than 6.1 points and a fall of more than 3.2 points" in text
    assert "smaller than 8.5 points" in text
    for word in ("no effect", "no significant", "safe", "proves"):
        assert word not in text


def test_a_shown_rise_rules_out_smaller_ones(plan):
    text = word_finding(plan, rows((1.2, 6.1), (1, 6)))
    assert "rose by 2.0 percentage points" in text
    assert "rule out a rise of less than 1.2 or more than 6.1 points" in text
    assert "p-value is 0.11 instead of 0.02" in text


def test_a_shown_fall_has_its_ends_the_right_way_round(plan):
    text = word_finding(plan, rows((-6.1, -1.2), (-6, -1), estimate=-3.0))
    assert "fell by 3.0 percentage points" in text
    assert "rule out a fall of less than 1.2 or more than 6.1 points" in text


def test_fragile_and_partial_findings_say_so(plan):
    found = rows((1, 6), (1, 6), fragile=True, bound_low=-1.0, bound_high=3.0)
    found["share_of_scenario"] = "2 of 4"
    found["n_treated"] = 2
    text = word_finding(plan, found)
    assert "would lie between −1.0 and 3.0 points" in text
    assert "rests on 2 of the 4 councils" in text


def test_where_nothing_was_estimated_the_reason_is_given(plan):
    found = rows((1, 6), (1, 6), status="not_estimable", reason="fewer than two councils")
    assert "cannot answer the question. Fewer than two councils." in word_finding(plan, found)


def test_every_finding_of_the_evidence_can_be_worded(plan):
    table = committed_evidence()
    for _, group in table.groupby(["scenario", "outcome"]):
        text = word_finding(plan, group)
        assert "nan" not in text
        assert text.endswith(".")
    for family in ("delay", "safety", "activity"):
        assert "nan" not in answer_question(plan, table, family=family)
    assert "fragile" in explain_certainty(plan, table)
    assert any("withheld" in limit for limit in list_limits(plan, table))


def test_nothing_comparable_is_answered_honestly(plan):
    table = rows((1, 6), (1, 6), status="not_estimable", reason="withheld")
    for key, outcome in plan.outcomes.items():
        if outcome.family == "safety" and key != "repeat_plan_pct":
            table = pd.concat([table, table.head(1).assign(outcome=key)])
    assert "cannot say" in answer_question(plan, table, family="safety")
