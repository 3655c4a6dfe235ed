"""Starts and ends enter the estimate: waves, councils that stop, and the test over their paths."""

from itertools import permutations

import numpy as np
import pytest

import pilot_eval as pe
from pilot_eval.errors import DesignError, InferenceError, PlanError
from pilot_eval.estimation.did import collapse_changes, combine_clusters
from pilot_eval.estimation.path_changes import collapse_paths
from pilot_eval.inference import path_batch, path_test, robust_test
from pilot_eval.reference.facts import council_names

RNG = np.random.default_rng(5)
COUNCILS = ("Cumbria", "Knowsley", "Westminster", "Hackney")
OUTCOME = "cpp_rate"


@pytest.fixture(scope="module")
def plan():
    quick = {"inference.draws": 299, "family.primary_scenario": "granted_march"}
    return pe.load_plan().revise(quick | {"family.primary_outcomes": [OUTCOME]})


@pytest.fixture(scope="module")
def table():
    return pe.load_published()


@pytest.fixture(scope="module")
def panel(plan, table):
    return pe.build_panel(table, plan)


def revise(plan, **keys):
    return plan.revise({f"scenarios.granted_march.{key}": value for key, value in keys.items()})


def design_of(plan, panel, outcome=OUTCOME):
    return pe.build_design(plan, panel, scenario="granted_march", outcome=outcome)


def rows_of(plan, table):
    found = pe.evaluate(plan, table, scenarios=("granted_march",), outcomes=(OUTCOME,)).table
    return found.set_index("method")


# --- the test over paths ------------------------------------------------------------------------


@pytest.mark.parametrize("n", [14, 60])  # every set, and random ones
@pytest.mark.parametrize("stratified", [False, True])
def test_with_one_start_it_is_the_robust_test(n, stratified):
    treated, cases = np.arange(n) < 4, RNG.uniform(50, 500, n)
    changes, factor = RNG.normal(size=n), RNG.uniform(1, 2, n)
    strata = np.arange(n) % 2 if stratified else None
    settings = {"draws": 499, "seed": 1, "strata": strata}
    one = robust_test(changes, treated, cases, period_factor=factor, **settings)
    columns = np.repeat(changes[:, None], 2, axis=1)
    factors = np.repeat(factor[:, None], 2, axis=1)
    paths = path_test(columns, (~treated).astype(int), cases, period_factor=factors, **settings)
    assert paths.p_value == one.p_value
    for name in ("estimate", "conf_low", "conf_high"):
        assert getattr(paths, name) == pytest.approx(getattr(one, name), rel=1e-6)
    assert paths.diagnostics["statistic"] == pytest.approx(one.diagnostics["statistic"])


def test_two_paths_by_brute_force():
    # Two councils on one path, one on another, five comparators: 8!/(2! 1! 5!) = 168 assignments.
    changes, of = RNG.normal(size=(8, 3)), np.array([0, 0, 1, 2, 2, 2, 2, 2])
    z = changes - changes[of == 2].mean(axis=0)

    def welch(order):
        ours, rest = z[order < 2, order[order < 2]], z[order == 2, 2]
        error = ours.var(ddof=1) / ours.size + rest.var(ddof=1) / rest.size
        return (ours.mean() - rest.mean()) / np.sqrt(error)

    every = {tuple(order) for order in permutations(of)}
    null = np.abs([welch(np.array(order)) for order in every])
    assert len(null) == 168
    # One size and one path factor for all, so that standardised changes are changes to scale.
    result = path_test(changes, of, np.full(8, 100.0), seed=1)
    assert result.p_value == pytest.approx(np.mean(null >= abs(welch(of)) * (1 - 1e-9)))
    assert result.diagnostics["statistic"] == pytest.approx(welch(of))


def waves():
    values = RNG.normal(size=(40, 10))
    of = np.r_[np.zeros(4, int), np.ones(4, int), np.full(32, 2)]
    exposed = np.arange(10) >= np.array([[5], [8]])
    return values, of, exposed


def test_an_effect_moves_estimate_and_interval_by_itself():
    values, of, exposed = waves()
    effect = 2.5 * np.vstack([exposed, np.zeros((1, 10), bool)])[of]
    found = []
    for panel in (values, values + effect):
        units = collapse_paths(panel, of, exposed, ~exposed, np.full(40, 90.0))
        paths = units.paths
        given = {"exposure": paths.exposure, "period_factor": paths.factor}
        found.append(path_test(paths.changes, of, units.cases, draws=499, seed=1, **given))
    plain, moved = found
    for name in ("estimate", "conf_low", "conf_high"):
        assert getattr(moved, name) == pytest.approx(getattr(plain, name) + 2.5, abs=1e-6)
    assert plain.conf_low < plain.estimate < plain.conf_high


@pytest.mark.parametrize("strata", [None, np.arange(40) % 2])
def test_many_fillings_are_answered_as_one_by_one(strata):
    of = waves()[1]
    changes, cases = RNG.normal(size=(7, 40, 3)), RNG.uniform(50, 500, 40)
    changes[2, of == 2] = 1.0  # comparators that do not vary
    given = {"exposure": RNG.uniform(0.5, 1, (40, 3)) * (of < 2)[:, None], "strata": strata}
    given |= {"period_factor": RNG.uniform(1, 2, (40, 3)), "draws": 499, "seed": 3}
    batch = path_batch(changes, of, cases, **given)
    single = [path_test(one, of, cases, **given) for one in changes]
    for name in ("estimate", "p_value", "conf_low", "conf_high"):
        one_by_one = [getattr(one, name) for one in single]
        one_by_one[2] = batch.estimate[2] if name == "estimate" else np.nan
        np.testing.assert_allclose(getattr(batch, name), one_by_one, rtol=1e-9)
    assert "all equal" in single[2].reason
    assert single[2].reason == batch.reason


def test_the_estimate_is_the_mean_of_each_councils_own_difference_in_differences():
    values, of, exposed = waves()
    units = collapse_paths(values, of, exposed, ~exposed, np.ones(40))
    by_hand = [
        (row[after].mean() - row[~after].mean())
        - (values[8:, after].mean() - values[8:, ~after].mean())
        for row, after in zip(values[:8], exposed[of[:8]], strict=True)
    ]
    estimate = units.change[:8].mean() - units.change[8:].mean()
    assert estimate == pytest.approx(np.mean(by_hand))


def test_one_path_collapses_as_one_start_does_with_gaps():
    values = RNG.normal(size=(30, 6))
    values[3, 5] = values[20, 0] = np.nan
    of, after = (np.arange(30) >= 5).astype(int), np.arange(6)[None] >= 3
    paths = collapse_paths(values, of, after, ~after, np.ones(30))
    plain = collapse_changes(values, of == 0, 3)
    for name in ("change", "period_factor", "level"):
        np.testing.assert_allclose(getattr(paths, name), getattr(plain, name), atol=1e-12)


def test_a_cluster_with_two_starts_is_on_the_average_of_its_members_paths():
    values, of, exposed = waves()
    units = collapse_paths(values, of, exposed, ~exposed, np.ones(40))
    names = ["joint" if i in (0, 4) else str(i) for i in range(40)]
    joint = combine_clusters(units, names)
    assert joint.paths.changes.shape == (39, 4)  # two starts, the cluster's own, comparators
    rows = np.arange(39)
    np.testing.assert_allclose(joint.paths.changes[rows, joint.paths.of], joint.change)
    assert joint.change[0] == pytest.approx(units.change[[0, 4]].mean())


def test_what_it_cannot_answer():
    changes, of = np.zeros((8, 2)), np.array([0, 1, 1, 1, 1, 1, 1, 1])
    assert "1 treated" in path_test(changes, of, np.ones(8), seed=1).reason
    for bad in (np.full((8, 2), np.nan), np.zeros((7, 2))):
        with pytest.raises(InferenceError):
            path_test(bad, of, np.ones(8), seed=1)
    with pytest.raises(InferenceError, match="another path"):
        path_test(np.zeros((8, 3)), 2 * of, np.ones(8), seed=1)


# --- from the plan and the register -------------------------------------------------------------


def test_unequal_starts_change_every_row(plan, table):
    before, after = (
        rows_of(revise(plan, first_treated=starts), table)
        for starts in ([2012] * 4, [2012, 2012, 2013, 2013])
    )
    assert (before["estimate"] != after["estimate"]).all()
    assert (before["p_value"] != after["p_value"]).all()
    assert set(after["starts"]) == {"2012: 2 councils; 2013: 2 councils"}
    assert after["settings"].str.startswith("estimator difference-in-differences by start").all()
    assert np.isfinite(after[["estimate", "conf_low", "conf_high", "p_value"]]).all().all()


def test_a_common_later_start_moves_the_window(plan, panel):
    design = design_of(revise(plan, first_treated=[2013] * 4), panel)
    assert (design.pre, design.post) == ((2010, 2011, 2012), (2013,))
    assert not design.is_staggered


def test_a_council_that_stops_is_compared_with_its_time_before(plan, panel):
    design = design_of(revise(plan, last_treated={"Hackney": 2012}), panel)
    [hackney] = [code for code in design.treated if council_names()[code] == "Hackney"]
    assert design.paths[hackney].exposed == (2012,)
    assert design.paths[hackney].reference == (2010, 2011)
    assert design.name_starts() == "2012 to 2012: 1 council; 2012: 3 councils"


def test_a_council_treated_from_the_first_period_is_compared_with_its_time_after(plan, panel):
    leavers = revise(plan, first_treated=[2010] * 4, last_treated=dict.fromkeys(COUNCILS, 2011))
    design = design_of(leavers, panel)
    assert design.name_starts() == "until 2011: 4 councils"
    stopped = rows_of(leavers, pe.load_published())["estimate"]
    started = rows_of(plan, pe.load_published())["estimate"]
    np.testing.assert_allclose(stopped[["cr2", "sharp"]], -started[["cr2", "sharp"]])


def test_ends_of_the_register_are_ends_of_the_estimate(plan, panel):
    ended = [row.model_dump() | {"ended": "2012-03"} for row in plan.treatment_register]
    design = design_of(plan.revise({"treatment_register": ended}), panel)
    assert {path.exposed for path in design.paths.values()} == {(2012,)}
    assert (design.pre, design.post) == ((2010, 2011), (2012,))


def test_starts_come_from_the_register_by_requirement(plan, panel):
    register = [
        row.model_dump() | {"started": "2012-05" if row.council_name == "Hackney" else ""}
        for row in plan.treatment_register
        if row.requirement == "two_stage_assessment"
    ]
    changes = {"treatment_register": register, f"outcomes.{OUTCOME}.requirement": None}
    own = revise(plan, first_treated=[], months_exposed=[]).revise(changes)
    design = design_of(own, panel)
    # March 2011 is less than half of the year to that month, so the year after is the first.
    assert design.name_starts() == "2012: 3 councils; 2013: 1 council"


def test_a_start_that_nobody_knows_is_refused(plan, panel):
    nobody = revise(plan, first_treated=[], months_exposed=[]).revise({"treatment_register": []})
    with pytest.raises(DesignError, match="first_treated"):
        design_of(nobody, panel)


def test_a_council_outside_the_window_is_dropped_and_named(plan, panel, table):
    late = revise(plan, first_treated=[2012, 2012, 2012, 2014])
    design = design_of(late, panel)
    reasons = {item.council_name: item.reason for item in design.dropped if item.role == "treated"}
    assert reasons == {"Hackney": "not treated in any period of the window"}
    assert rows_of(late, table)["reason"].str.contains("Hackney: not treated in any").all()


def test_a_scenario_may_have_a_window_of_its_own(plan, panel):
    own = revise(plan, windows={"main": "one_pre_year"})
    assert design_of(own, panel).pre == (2011,)
    other = pe.build_design(own, panel, scenario="granted", outcome=OUTCOME)
    assert other.pre == (2010, 2011)
    with pytest.raises(PlanError, match="does not have"):
        revise(plan, windows={"main": "no_such_window"})


def test_only_windows_that_are_used_are_checked_against_starts_and_data(plan, table):
    unused = {"windows.other": {"pre": [2010, 2011, 2012], "post": [2013, 2040]}}
    assert len(pe.build_panel(table, plan.revise(unused)))
    with pytest.raises(PlanError, match="after the start"):
        plan.revise(unused | {f"outcomes.{OUTCOME}.window": "other"})


def test_everybody_left_out_is_named_with_the_reason(plan, panel):
    design = design_of(plan.revise({"comparators.rule": "same_type"}), panel)
    compared = {*design.codes, *(item.council_code for item in design.dropped)}
    assert compared == set(council_names())
    reasons = {item.council_name: item.reason for item in design.dropped}
    assert reasons["Gateshead"] == "in the register of this pilot: never a comparator"
    assert reasons["City of London"] == "excluded as a comparator by the plan"
    assert "not chosen by the rule same_type" in reasons.values()
