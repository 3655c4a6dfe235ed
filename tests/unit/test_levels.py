"""Levels of an outcome without figures from before: compared, adjusted, never told as changes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import pilot_eval as pe
from pilot_eval.errors import PlanError
from pilot_eval.estimation.path_changes import collapse_paths
from pilot_eval.evaluation.identified import identify
from pilot_eval.evaluation.published_strand import estimate_design
from pilot_eval.evaluation.verdict_inputs import collect_inputs
from pilot_eval.evaluation.verdicts import judge
from pilot_eval.evidence import VerdictInputs

SCENARIO, OUTCOME, EARLIER = "single_exempt", "sa_within_45wd_pct", "ca_within_35wd_pct"
WINDOW = "windows.second_phase"
CHANGE_WORDS = ("rose", "fell", "no clear change", "effect")


@pytest.fixture(scope="module")
def plan():
    return pe.load_plan().revise({"inference.draws": 199})


@pytest.fixture(scope="module")
def panel(plan):
    return pe.build_panel(pe.load_published(), plan)


def build(plan, panel):
    return pe.build_design(plan, panel, scenario=SCENARIO, outcome=OUTCOME)


def rewrite(panel, levels):
    """Put known levels, one for each council, in the place of the outcome's figures."""
    own = panel["outcome"] == OUTCOME
    known = panel.loc[own, "council_code"].map(levels)
    rows = panel[own].assign(value=known, value_low=known, value_high=known)
    return pd.concat([panel[~own], rows])


def test_levels_that_follow_the_earlier_clock_do_not_differ_once_adjusted(plan, panel):
    """Unadjusted they do, by 0.4 times the difference of the earlier clock: by hand."""
    periods = plan.windows["second_phase"].earlier.periods
    earlier = panel[(panel["outcome"] == EARLIER) & panel["period"].isin(periods)]
    before = earlier.groupby("council_code")["value"].mean()
    apart = plan.revise({"clusters": {}})
    design = build(apart, rewrite(panel, 50 + 0.4 * before))
    found = identify(apart, design, ("robust", "adjusted")).numbers
    gap = before[list(design.treated)].mean() - before[list(design.comparators)].mean()
    assert abs(gap) > 0.5
    assert found["robust"]["estimate_low"] == pytest.approx(0.4 * gap)
    assert found["adjusted"]["estimate_low"] == pytest.approx(0, abs=1e-6)
    rows = estimate_design(apart, design).rows
    inputs = collect_inputs(apart, rows, design)
    assert (inputs.left_one_out_low, inputs.left_one_out_high) == pytest.approx((0, 0), abs=1e-6)
    assert inputs.test == "adjusted"
    assert inputs.is_first_test
    assert design.pre == ()
    assert design.compares_levels


def test_who_was_not_exempt_throughout_or_has_no_earlier_figure_is_left_out(plan, panel):
    late = plan.revise(
        {f"scenarios.{SCENARIO}.first_treated": [2014, 2014, 2014, 2014, 2014, 2017]}
    )
    [gone] = [item for item in build(late, panel).dropped if item.role == "treated"]
    assert (gone.council_name, gone.reason) == (
        "Hartlepool",
        "not treated in every period that is compared",
    )
    gap = panel[~((panel["outcome"] == EARLIER) & (panel["council_code"] == "E09000012"))]
    dropped = [item.council_name for item in build(plan, gap).dropped if item.role == "treated"]
    assert dropped == ["Hackney"]


@pytest.mark.parametrize(
    ("low", "high", "finding"),
    [(2, 9, "higher"), (-9, -2, "lower"), (-3, 4, "no clear difference"), (-60, 60, "cannot")],
)
def test_a_difference_in_levels_is_never_told_as_a_change(plan, low, high, finding):
    middle = (low + high) / 2
    inputs = VerdictInputs(
        strand="published", scenario="any", outcome="any", label="Cases in time", group="the six",
        harm="falls", unit="percentage points", estimate_low=middle - 1, estimate_high=middle + 1,
        conf_low=low, conf_high=high, p_value=0.1, other_low=1.0, other_high=1.0,
        other_conf_low=-9, other_conf_high=9, spread=10.0, n_units=4, n_comparators=140, seen=6,
        listed=6, known_freed=5, left_one_out_low=-1, left_one_out_high=1, rejection_rate=0.05,
        earlier="other cases in time",
    )  # fmt: skip
    verdict = judge(inputs, plan.verdict)
    assert verdict.finding.startswith(finding)
    assert verdict.rating <= plan.verdict.caps.levels
    assert verdict.direction == ""
    said = [verdict.short, verdict.long, *(doubt.text for doubt in verdict.doubts)]
    assert not [word for word in CHANGE_WORDS if any(word in text.lower() for text in said)]
    assert any("levels, not changes" in text for text in said)


def test_what_is_declared_outside_moves_no_p_value_of_the_family(plan):
    """And has none itself; the calibrated adjusted test carries levels."""
    table, kept = pe.load_published(), ("conferences_second", SCENARIO, "single_switches")
    whole = pe.evaluate(plan, table, scenarios=kept).table
    alone = pe.evaluate(plan, table, scenarios=kept[:1]).table
    columns = ["method", "p_romano_wolf", "p_benjamini_hochberg"]
    same = whole[whole["scenario"] == kept[0]].reset_index(drop=True)
    assert same[columns].equals(alone[columns])
    outside = whole[whole["scenario"].isin(plan.family.outside)]
    assert outside["p_romano_wolf"].isna().all()
    headline = outside[outside["method"] == "robust"].set_index("scenario")
    for scenario, reason in plan.family.outside.items():
        assert reason in headline["reason"][scenario]
    assert set(outside.loc[outside["scenario"] == SCENARIO, "carrying_test"]) == {"adjusted"}


def test_a_leaver_and_a_joiner_on_opposite_paths_leave_comparators_their_variation():
    """Their changes, averaged in both directions of time, would all be 0."""
    rng = np.random.default_rng(1)
    values, of = rng.normal(size=(12, 3)), np.array([0, 1, *[2] * 10])
    exposed = np.array([[True, False, False], [False, True, True]])
    units = collapse_paths(values, of, exposed, ~exposed, np.ones(12))
    net = values - values[2:].mean(axis=0)
    change = net[:, 0] - net[:, 1:].mean(axis=1)
    assert units.change == pytest.approx([change[0], -change[1], *change[2:]])
    assert units.period_factor == pytest.approx(np.ones(12))


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({f"{WINDOW}.earlier": {"outcome": "no_such_pct", "periods": [2010]}}, "no_such_pct"),
        ({f"{WINDOW}.pre": [2014]}, "there is no `earlier`"),
        ({f"{WINDOW}.earlier": None}, "nothing before the start"),
        ({"family.outside": {"no_such": "any"}}, "no_such"),
    ],
)
def test_a_plan_that_cannot_compare_levels_is_refused(plan, changes, fault):
    with pytest.raises(PlanError, match=fault):
        plan.revise(changes)
