"""A design cannot be wrong: bad plans are refused, missing data are recorded."""

from datetime import date

import numpy as np
import pytest
from scipy.spatial.distance import cdist

import pilot_eval as pe
from pilot_eval.design.hidden import HiddenCounts
from pilot_eval.design.treatment import _is_exposed, describe_starts
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


def test_a_plan_that_names_its_comparators_has_only_these(plan, panel):
    named = ("Leeds", "Kent", "Devon", "Derby")
    changed = plan.revise({"comparators.only": list(named)})
    design = pe.build_design(changed, panel, scenario="granted", outcome="cpp_rate")
    names = council_names()
    assert {names[code] for code in design.comparators} == set(named)
    camden = next(row for row in design.dropped if row.council_name == "Camden")
    assert camden.reason == "not among the plan's only comparators"


def test_sizes_stand_in_for_missing_denominators(plan, panel):
    # Plans at 31 March stand in for children; without them all councils count as equally large.
    wanted = {"scenario": "granted", "outcome": "cpp_rate"}
    design = pe.build_design(plan, panel.assign(denominator=float("nan")), **wanted)
    assert design.cases_basis == plan.size_proxy.label
    code, years = design.comparators[0], [*design.pre, *design.post]
    rows = panel[(panel["outcome"] == "cpp_rate") & (panel["council_code"] == code)]
    plans = rows.set_index("period")["size_proxy"][years]
    assert design.cases[code] == pytest.approx(len(plans) / (1 / plans).sum())
    unknown = panel.assign(denominator=float("nan"), size_proxy=float("nan"))
    design = pe.build_design(plan, unknown, **wanted)
    assert design.cases_basis.startswith("unknown")
    assert (design.cases == 1).all()


def test_a_design_is_restricted_to_its_own_councils(plan, panel):
    design = pe.build_design(plan, panel, scenario="granted", outcome="cpp_rate")
    with pytest.raises(DesignError, match="must be of the design"):
        design.restrict(design.treated, (*design.comparators, "E06000999"))
    with pytest.raises(DesignError, match="must be of the design"):
        design.restrict(design.comparators[:2], design.treated)


def test_starts_and_ends_are_described_by_council(plan):
    single = describe_starts(plan, "single_switches")
    assert single == {"Islington": "from 2013-14 to 2014", "Hartlepool": "from 2014-15"}
    conferences = describe_starts(plan, "conferences_first")
    assert conferences == {"Westminster": "from 2011-12", "Knowsley": "from 2011-12 to 2014"}
    bare = plan.revise(
        {"scenarios.granted.first_treated": [], "scenarios.granted.months_exposed": []}
    )
    dated = describe_starts(bare, "granted")  # from the register: March and December 2011
    assert (dated["Cumbria"], dated["Wandsworth"]) == ("from 2011-03", "from 2011-12")
    undated = bare.model_copy(update={"treatment_register": ()})
    with pytest.raises(DesignError, match="must have starts; got no start of"):
        describe_starts(undated, "granted")


@pytest.mark.parametrize(
    ("low", "high", "gap"), [(3, 2, (2, 2)), (1, 4, (0, 3)), (1, 4, (2, 5)), (2, 1, (0, 0))]
)
def test_bounds_that_admit_nothing_are_refused(low, high, gap):
    ends = {"low": low, "high": high, "gap_low": gap[0], "gap_high": gap[1], "unit_value": 1}
    arrays = {name: np.array([float(value)]) for name, value in ends.items()}
    with pytest.raises(DesignError, match="rise from low to high"):
        HiddenCounts(outcome="cpp_rate", cells=(("E06000001", 2012),), **arrays)


def test_the_nearest_are_those_of_standardised_distance(plan, panel):
    # By scipy: distance in standard deviations of the comparators, to the nearest treated council.
    changed = plan.revise({"comparators.rule": "nearest"})
    wanted = {"scenario": "granted", "outcome": "cpp_rate"}
    design = pe.build_design(changed, panel, **wanted)
    every = pe.build_design(plan.revise({"comparators.rule": "all_england"}), panel, **wanted)
    rows = panel[(panel["outcome"] == "cpp_rate") & panel["period"].isin(design.pre)]
    level = rows.groupby("council_code")["value"].agg(lambda values: values.mean(skipna=True))
    facts = {code: plan.councils[code].child_low_income_2011_pct for code in every.codes}
    table = np.array([[facts[code], level[code]] for code in every.codes], float)
    own = len(every.treated)
    pool = table[own:]
    scaled = (table - np.nanmean(pool, axis=0)) / np.nanstd(pool, axis=0, ddof=1)
    gaps = cdist(scaled[own:], scaled[:own]).min(axis=1)
    order = [every.comparators[place] for place in np.argsort(gaps)]
    share = np.mean([code in design.comparators for code in order[: len(design.comparators)]])
    assert share > 0.9  # the pool of the rule has councils that fall out for a missing figure


@pytest.mark.parametrize(
    ("start", "exposed"), [("2011-09-30", True), ("2011-10-02", False), ("2011-04-01", True)]
)
def test_a_year_counts_as_treated_from_half_of_its_days(start, exposed):
    # 1 April 2011 to 31 March 2012 has 366 days: 183 and more are enough.
    assert _is_exposed(2012, date.fromisoformat(start), None) == exposed
    assert not _is_exposed(2012, date(2010, 4, 1), date(2011, 9, 29))


def test_starts_are_counted_in_words(plan, panel):
    design = pe.build_design(plan, panel, scenario="granted", outcome="cpp_rate")
    assert design.name_starts() == f"2012: {len(design.treated)} councils"
    one = design.restrict(design.treated[:1], design.comparators)
    assert one.name_starts() == "2012: 1 council"


def test_the_middle_of_a_hidden_count_is_possible():
    ends = {"low": 2, "high": 9, "gap_low": 4, "gap_high": 8, "unit_value": 1}
    hidden = HiddenCounts(
        outcome="cpp_rate",
        cells=(("E06000001", 2012),),
        **{name: np.array([value]) for name, value in ends.items()},
    )
    assert hidden.middle().tolist() == [4]  # 5 is in the gap, 4 nearer than 8


def test_neighbours_are_the_statistical_neighbours_of_the_treated(plan, panel):
    changed = plan.revise({"comparators.rule": "neighbours_2021"})
    wanted = {"scenario": "granted", "outcome": "cpp_rate"}
    design = pe.build_design(changed, panel, **wanted)
    every = pe.build_design(plan.revise({"comparators.rule": "all_england"}), panel, **wanted)
    named = {
        name for code in design.treated for name in plan.councils[code].statistical_neighbours_2021
    }
    expected = [code for code in every.comparators if plan.names[code] in named]
    assert sorted(design.comparators) == sorted(expected)
    assert 0 < len(expected) < len(every.comparators) / 2
