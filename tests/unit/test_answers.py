"""The answers of the first page: what they say follows from the evidence, and reads easily."""

from __future__ import annotations

import pytest
from project_folder import committed_evidence

import pilot_eval as pe
from pilot_eval.errors import DataError
from pilot_eval.reporting import answers
from pilot_eval.reporting.readability import reading_age

EASIEST_FOR = 13
"""Years of age: what the summary promises its reader."""


@pytest.fixture(scope="module")
def plan():
    return pe.load_plan()


@pytest.fixture(scope="module")
def table():
    return committed_evidence()


def moved(table, outcome, low, high):
    """Evidence in which one outcome moved beyond chance by every test."""
    changed = table.copy()
    rows = changed["outcome"] == outcome
    changed.loc[rows, ["conf_low", "conf_high"]] = low, high
    return changed


def test_answers_follow_the_direction_of_harm(plan, table):
    still = table.assign(conf_low=-1.0, conf_high=1.0)
    say = answers.answer_question
    assert say(plan, still, family="safety").startswith("Not known.")
    worse = moved(still, "repeat_plan_pct", 1.0, 2.0)
    assert say(plan, worse, family="safety").startswith("There are signs of it.")
    better = moved(still, "repeat_plan_pct", -2.0, -1.0)
    answer = say(plan, better, family="safety")
    assert answer.startswith("What changed, changed for the better.")
    assert "fell, which is counted as better" in answer
    late = moved(still, "ia_within_10wd_pct", -2.0, -1.0)
    assert "fell, which is counted as worse" in say(plan, late, family="delay")
    both = moved(worse, "plan_ended_2y_pct", -2.0, -1.0)
    assert say(plan, both, family="safety").startswith("There are signs both ways.")


def test_the_summary_reads_as_easily_as_it_says(plan, table):
    stated = answers.state_reading_age(plan, table)
    assert any(f": {age} (" in stated for age in range(5, EASIEST_FOR + 1)), stated


def test_reading_age_is_the_published_index():
    # 9 words, 26 letters, 2 sentences: 4.71 x 26 / 9 + 0.5 x 4.5 - 21.43 = -5.6: the youngest age.
    assert reading_age("The cat sat on the mat. It was warm.") == 5
    hard = "Councils exempted previously demonstrate statistically indistinguishable deterioration."
    assert len(hard.split()) == 7
    # 7 words, 80 letters: 4.71 x 80 / 7 + 3.5 - 21.43 = 35.9, grade 36, age 41.
    assert sum(map(str.isalpha, hard)) == 80
    assert reading_age(hard) == 41
    with pytest.raises(DataError, match="hold words"):
        reading_age("...")
