"""The answers of the first page: they are those of the verdicts, and read easily."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest
from project_folder import ROOT
from readability import reading_age
from test_verdicts import SOUND, STILL

import pilot_eval as pe
from pilot_eval.errors import DataError, RunError
from pilot_eval.evaluation.verdicts import answer, judge
from pilot_eval.evidence import Evidence
from pilot_eval.reporting import answers, tables
from pilot_eval.reporting.readme_findings import END, START, replace_findings

EASIEST_FOR = 13
"""Years of age: what the summary promises its reader."""
WORSE = replace(SOUND, outcome="repeat_plan_pct")
BETTER = replace(SOUND, outcome="plan_reviewed_on_time_pct", harm="falls")
WIDE = replace(STILL, conf_high=6.0)
HIDDEN = replace(STILL, outcome="plan_ended_2y_pct", status="not_estimable", reason="withheld")


@pytest.fixture(scope="module")
def plan():
    return pe.load_plan()


@pytest.mark.parametrize(
    ("others", "carried"),
    [
        ((STILL, BETTER, WORSE, HIDDEN), WORSE),  # a warning is not outvoted
        ((STILL, BETTER, HIDDEN), BETTER),
        ((HIDDEN, STILL), STILL),
        ((HIDDEN,), HIDDEN),
        ((STILL, WIDE), WIDE),  # the least reassuring of those without a change
        ((WORSE, replace(WORSE, n_units=2)), WORSE),  # the more secure of two warnings
    ],
)
def test_the_answer_is_that_of_the_comparison_that_carries_it(plan, others, carried):
    found = answer("Worse?", "safety", [judge(inputs, plan.verdict) for inputs in others])
    assert found.verdict.inputs == carried
    assert found.short == found.verdict.short
    assert found.long.endswith(found.verdict.long)
    assert (f"Of {len(others)} measures" in found.long) == (len(others) > 1)


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ((4.6, 34.0), "between 5 and 34 percentage points"),
        ((4.6, 193.0), "between 5 and more than 100 percentage points"),
        ((120.0, 193.0), "is more than 100 percentage points"),
        ((4.6,), "is about 5 percentage points"),
    ],
)
def test_no_effect_is_named_that_no_share_can_have(plan, sizes, said):
    verdicts = tuple(judge(replace(STILL, mde=size), plan.verdict) for size in sizes)
    table = pd.DataFrame({"status": ["estimated"]})
    evidence = Evidence(table=table, effects=None, dropped=None, verdicts=verdicts)
    assert said in answers.explain_certainty(plan, evidence)


@pytest.mark.parametrize(
    ("size", "shown"), [(34.0, 34.0), (193.0, "over 100"), (float("inf"), float("inf"))]
)
def test_a_detectable_effect_that_no_share_can_have_is_no_number(plan, size, shown):
    scenario = plan.family.primary_scenario
    verdict = judge(replace(WORSE, scenario=scenario, mde=size), plan.verdict)
    evidence = Evidence(table=None, effects=None, dropped=None, verdicts=(verdict,))
    found = tables.tabulate_estimates(plan, evidence, family="safety", scenario=scenario)
    assert found.frame["Detectable"].tolist() == [shown]


def test_findings_of_a_table_are_the_verdicts(plan):
    verdicts = tuple(
        judge(
            replace(inputs, scenario=scenario, group=plan.scenarios[scenario].short), plan.verdict
        )
        for scenario in plan.open_scenarios
        for inputs in (WORSE, BETTER)
    )
    evidence = Evidence(table=None, effects=None, dropped=None, verdicts=verdicts)
    table = answers.tabulate_verdicts(plan, evidence).frame
    assert table.shape == (2, 1 + len(plan.open_scenarios))
    assert set(table.iloc[0, 1:]) == {verdicts[0].short}
    listed = answers.list_findings(plan, evidence, family="safety", scenario="granted")
    assert listed == [verdicts[-2].long, verdicts[-1].long]


@pytest.mark.parametrize("text", ["no markers", f"{END}\n{START}", f"{START}{START}{END}"])
def test_a_page_without_one_pair_of_markers_is_refused(plan, text, tmp_path):
    with pytest.raises(RunError, match="pair of markers"):
        replace_findings(text, plan, tmp_path)


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


def test_outcomes_without_any_comparison_are_those_that_no_row_estimates(plan):
    """A test, or a scenario, without an estimate is not an outcome without a comparison.

    Nor is one that is described in the rows at hand and compared in another scenario.
    """
    primary = pd.read_csv(ROOT / "reports" / "published" / "evidence.csv", keep_default_na=False)
    primary = primary[primary["scenario"] == plan.family.primary_scenario]
    assert not any("Without any" in said for said in answers.list_limits(plan, primary))
    table = pd.read_csv(ROOT / "reports" / "published" / "evidence.csv", keep_default_na=False)
    alone = table[(table["outcome"] == "cin_rate")].assign(status="not_estimable")
    rest = table[table["outcome"] != "cin_rate"]
    estimated = table.groupby("outcome")["status"].agg(lambda found: "estimated" in set(found))
    assert not estimated.all() or not any(
        "Without any" in say for say in answers.list_limits(plan, table)
    )
    [said] = [
        say for say in answers.list_limits(plan, pd.concat([rest, alone])) if "Without any" in say
    ]
    gone = {"cin_rate", *estimated.index[~estimated]}
    names = {plan.outcomes[key].label for key in gone}
    told = said.removeprefix("Without any comparison: ").removesuffix(".").split(", ")
    assert {name[:1].lower() + name[1:] for name in names} == set(told)
