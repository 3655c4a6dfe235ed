"""A design cannot be wrong: bad plans are refused, missing data are recorded."""

import pytest

import pilot_eval as pe
from pilot_eval.errors import DesignError
from pilot_eval.reference.facts import council_names


@pytest.fixture(scope="module")
def plan():
    return pe.load_plan()


@pytest.fixture(scope="module")
def panel(plan):
    return pe.build_panel(pe.load_published(), plan)


RULES = ("all_england", "same_region", "same_type", "nearest", "neighbours_2021")
NEVER = {row.council_name for row in pe.load_plan().treatment_register} | {
    "City of London",
    "Isles of Scilly",
}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("scenario", ["announced", "granted_march", "granted"])
def test_comparators_were_never_treated_anywhere(plan, panel, rule, scenario):
    design = pe.build_design(
        plan.revise({"comparators.rule": rule}), panel, scenario=scenario, outcome="cpp_rate"
    )
    names = council_names()
    assert {names[code] for code in design.comparators}.isdisjoint(NEVER)
    assert design.comparators


def test_scenarios_agree_with_the_register(plan):
    granted = {row.council_name for row in plan.treatment_register if row.granted}
    march = {row.council_name for row in plan.treatment_register if row.granted == "2011-03"}
    announced = {row.council_name for row in plan.treatment_register if row.announced}
    assert set(plan.scenarios["granted"].councils) == granted
    assert set(plan.scenarios["granted_march"].councils) == march
    assert set(plan.scenarios["announced"].councils) == announced


def test_gateshead_as_its_own_comparator_is_refused(plan, panel):
    changed = plan.revise({"comparators.only": ["Gateshead", "Leeds"]})
    for scenario in plan.scenarios:
        with pytest.raises(DesignError, match="Gateshead"):
            pe.build_design(changed, panel, scenario=scenario, outcome="cpp_rate")


def test_a_break_without_a_reason_is_refused(plan, panel):
    changed = plan.revise({"outcomes.icpc_within_15wd_pct.accepted_breaks": {}})
    with pytest.raises(DesignError, match="icpc_clock"):
        pe.build_design(changed, panel, scenario="granted", outcome="icpc_within_15wd_pct")


def test_a_window_that_ends_before_the_break_needs_no_reason(plan, panel):
    changed = plan.revise(
        {"outcomes.icpc_within_15wd_pct.accepted_breaks": {}, "windows.main.post": [2012]}
    )
    design = pe.build_design(changed, panel, scenario="granted", outcome="icpc_within_15wd_pct")
    assert design.breaks == ()


def test_no_year_before_the_start_is_refused(plan, panel):
    with pytest.raises(DesignError, match="year before the start"):
        pe.build_design(plan, panel, scenario="granted", outcome="sa_within_45wd_pct")


@pytest.mark.parametrize(("scenario", "outcome"), [("grnted", "cpp_rate"), ("granted", "cp_rate")])
def test_unknown_names_are_refused(plan, panel, scenario, outcome):
    with pytest.raises(DesignError, match="Did you mean"):
        pe.build_design(plan, panel, scenario=scenario, outcome=outcome)


def test_withheld_timeliness_drops_councils_and_says_why(plan, panel):
    # DfE's SFR27/2012 and SFR45/2013: only Cumbria and Knowsley of the eight have bands in 2011-12.
    design = pe.build_design(plan, panel, scenario="granted", outcome="ia_within_10wd_pct")
    assert design.names == ["Cumbria", "Knowsley"]
    dropped = {item.council_name: item for item in design.dropped if item.role == "treated"}
    assert len(dropped) == 6
    assert "2012: withheld_pilot" in dropped["Westminster"].reason


def test_dropping_a_council_takes_it_out_of_both_sides(plan, panel):
    changed = plan.revise({"drop_councils": ["Cumbria", "Leeds"]})
    design = pe.build_design(changed, panel, scenario="announced", outcome="cpp_rate")
    names = council_names()
    assert not {"Cumbria", "Leeds"} & {names[code] for code in design.codes}
    assert design.scenario_size == 5


def test_nobody_left_to_compare_with_is_refused(plan, panel):
    changed = plan.revise({"comparators.only": ["City of London"]})
    with pytest.raises(DesignError, match="at least one council"):
        pe.build_design(changed, panel, scenario="granted", outcome="cpp_rate")
