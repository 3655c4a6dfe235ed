"""The explorer's grid: which choices it has, and what of it may be released."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pilot_eval.checks.leave_one_out import leave_one_out_comparators
from pilot_eval.checks.specification_grid import (
    GRID_COLUMNS,
    RULES,
    SHOWN,
    compute_specification_grid,
    list_specifications,
)
from pilot_eval.disclosure.release_evidence import may_leave_out, release_grid
from pilot_eval.evaluation import evaluate
from pilot_eval.plan import load_plan
from pilot_eval.published.council_indicators import load_published
from pilot_eval.published.panel import build_panel


@pytest.fixture(scope="module")
def table():
    return load_published()


@pytest.fixture(scope="module", params=["timescales-2011", "family-safeguarding"])
def plan(request):
    return load_plan(request.param)


def test_every_comparison_has_the_plans_own_choice_and_every_rule(plan, table):
    listed = list(list_specifications(plan, table))
    compared = {pair for pair in plan.comparisons if plan.outcomes[pair[1]].descriptive is None}
    planned = [(item.scenario, item.outcome) for item in listed if item.is_planned]
    assert sorted(planned) == sorted(compared)
    for pair in compared:
        own = [item for item in listed if (item.scenario, item.outcome) == pair]
        assert {item.comparators for item in own} == set(RULES)
        assert {item.years for item in own if item.left_out} <= {
            item.years for item in own if item.is_planned
        }


def test_a_planned_choice_is_the_plan_itself(plan, table):
    for item in list_specifications(plan, table, leave_one_out=False):
        assert (item.revise(plan) == plan) is item.is_planned


def test_nobody_is_left_out_where_the_difference_would_be_one_councils_figure(table):
    plan = load_plan()
    rows = [
        ["s", "o", "all_england", "y", left, "robust", *[0.0] * 5, treated, 9, 3, False]
        for left, treated in (("", 5), ("A", 4), ("", 2))
    ]
    grid = pd.DataFrame(rows, columns=list(GRID_COLUMNS))
    open_plan = plan.revise({"disclosure.own_tables": "public"})
    assert release_grid(plan, grid, own_table=False) is grid
    assert release_grid(open_plan, grid, own_table=True) is grid
    assert release_grid(plan, grid, own_table=True).index.tolist() == [0]
    assert not may_leave_out(plan, own_table=True)
    listed = list_specifications(plan, table, leave_one_out=False)
    assert not [item for item in listed if item.left_out]


def test_the_comparators_that_are_left_out_move_the_estimate_furthest(plan, table):
    panel = build_panel(table, plan)
    scenario = plan.family.primary_scenario
    outcome = next(o for s, o in plan.comparisons if s == scenario)
    treated = plan.scenarios[scenario].councils
    far = [
        item.left_out
        for item in list_specifications(plan, table)
        if (item.scenario, item.outcome) == (scenario, outcome)
        and item.left_out not in ("", *treated)
    ]
    moved = leave_one_out_comparators(plan, panel, scenario=scenario, outcome=outcome)
    middle = moved.mean(axis=1)
    assert {*far} == {plan.names[middle.idxmin()], plan.names[middle.idxmax()]}


def test_the_stored_grid_is_what_evaluate_says(plan, table):
    own = compute_specification_grid(plan, table, leave_one_out=True)
    choices = GRID_COLUMNS[:5]
    specifications = {
        tuple(getattr(item, name) for name in choices): item
        for item in list_specifications(plan, table)
    }
    places = np.random.default_rng(1).choice(np.flatnonzero(~own["is_planned"]), 3, replace=False)
    for row in own.iloc[places].to_dict("records"):
        item = specifications[tuple(row[name] for name in choices)]
        again = evaluate(
            item.revise(plan), table, scenarios=[item.scenario], outcomes=[item.outcome]
        ).table
        [now] = again[again["method"] == row["method"]].to_dict("records")
        for name in (*SHOWN, "n_treated", "n_comparators"):
            assert row[name] == pytest.approx(now[name], rel=1e-9, nan_ok=True), (item, name)
