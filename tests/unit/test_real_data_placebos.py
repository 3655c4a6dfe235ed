"""Calibration on real data: docs/methods-checks.md, block Calibration."""

from __future__ import annotations

import ast

import numpy as np
import pytest
from scipy.stats import binomtest

import pilot_eval as pe
from pilot_eval.checks.real_data_placebos import calibrate, list_comparisons
from pilot_eval.evaluation import code_hash
from pilot_eval.evaluation.calibration import (
    Rate,
    build_pools,
    calibrate_pools,
    calibration_key,
    carrying_test,
)
from pilot_eval.evaluation.calibration_store import find_rates, keep_rates, read_store
from pilot_eval.inference import cr2_test, robust_test, size_adjusted_test
from pilot_eval.inference.placebo_sets import compute_set_p_values, draw_placebo_sets

N, SETS, DRAWS = 60, 12, 499
FEW = 100
#: Recomputed below; chosen for one large, one usual and one set-valued comparison.
CELLS = [("announced", "cin_rate"), ("granted", "cla_rate"), ("announced", "repeat_plan_pct")]


@pytest.fixture(scope="module")
def plan():
    return pe.load_plan()


@pytest.fixture(scope="module")
def comparisons(plan):
    found = list_comparisons(plan, pe.load_published())
    return {(scenario, outcome): (key, pools) for scenario, outcome, key, pools in found}


@pytest.fixture
def world():
    rng = np.random.default_rng(4)
    cases, factor = rng.uniform(50, 900, N), rng.choice([1.0, 1.5], N)
    groups = np.array(list("abc"))[np.arange(N) % 3]
    changes = rng.normal(size=N) * np.sqrt(0.3 + 100 / cases)
    return changes, cases, factor, groups


def draw(world, wanted="aabc", sets=SETS):
    _, cases, _, groups = world
    return draw_placebo_sets(
        np.array(list(wanted)), np.full(len(wanted), 200.0), groups, cases, sets=sets, seed=2
    )


def test_every_p_value_is_that_of_the_test_on_the_one_set(world):
    changes, cases, factor, groups = world
    members = draw(world)
    found = compute_set_p_values(
        changes, cases, factor, members, strata=groups, draws=DRAWS, seed=7
    )
    for row, own in enumerate(members):
        treated = np.isin(np.arange(N), own)
        settings = {"draws": DRAWS, "seed": 7, "period_factor": factor}
        alone = {
            "robust": robust_test(changes, treated, cases, **settings),
            "stratified_type": robust_test(changes, treated, cases, strata=groups, **settings),
            "sharp": size_adjusted_test(changes, treated, cases, period_factor=factor),
            "cr2": cr2_test(changes, treated),
        }
        for name, result in alone.items():
            assert found[name][row] == pytest.approx(result.p_value, rel=1e-9, abs=1e-12), name


def test_sets_of_several_make_ups_are_each_compared_with_their_own_kind(world):
    changes, cases, factor, groups = world
    members = np.vstack([draw(world, "aabc"), draw(world, "abbc")])
    found = compute_set_p_values(
        changes, cases, factor, members, strata=groups, draws=DRAWS, seed=7
    )["stratified_type"]
    for row, own in enumerate(members):
        treated = np.isin(np.arange(N), own)
        alone = robust_test(
            changes, treated, cases, strata=groups, draws=DRAWS, seed=7, period_factor=factor
        )
        assert found[row] == pytest.approx(alone.p_value, abs=1e-12)


def test_stopping_early_never_changes_what_is_rejected(world):
    changes, cases, factor, groups = world
    changes = changes + 2 * (np.arange(N) < 6)  # some sets are rejected, some not
    members = draw(world, sets=300)
    full, quick = (
        compute_set_p_values(
            changes, cases, factor, members, strata=groups, draws=DRAWS, seed=7, decide_at=stop
        )
        for stop in (None, 0.05)
    )
    for name in full:
        rejected = full[name] <= 0.05
        assert 0 < rejected.sum() < rejected.size
        assert (rejected == (quick[name] <= 0.05)).all()
        np.testing.assert_array_equal(full[name][rejected], quick[name][rejected])


def test_a_set_has_the_groups_of_the_treated_sizes_near_theirs_and_nobody_twice(world):
    _, cases, _, groups = world
    members = draw(world, sets=500)
    assert {"".join(sorted(groups[own])) for own in members} == {"aabc"}
    assert all(len(set(own)) == len(own) for own in members)
    of_a = np.flatnonzero(groups == "a")
    nearest = of_a[np.argsort(np.abs(np.log(cases[of_a] / 200)))][: len(of_a) // 2]
    assert set(members[:, 0]) == set(nearest)


def test_a_group_without_comparators_is_replaced_by_any_other(world):
    members = draw(world, "zz", sets=50)
    assert (members[:, 0] != members[:, 1]).all()


def test_without_an_effect_a_test_rejects_at_its_level():
    rng = np.random.default_rng(8)
    changes, ones, groups = rng.normal(size=150), np.ones(150), np.array(["a"] * 150)
    members = np.argsort(rng.random((1500, 150)), axis=1)[:, :5]
    found = compute_set_p_values(
        changes, ones, ones, members, strata=groups, draws=999, seed=1, decide_at=0.05
    )
    rate = (found["robust"] <= 0.05).mean()
    assert abs(rate - 0.05) < 4 * np.sqrt(0.05 * 0.95 / len(members))


@pytest.mark.parametrize(("rejections", "sets"), [(0, 50), (7, 100), (530, 2000), (50, 50)])
def test_the_monte_carlo_interval_is_clopper_and_pearsons(rejections, sets):
    rate = Rate(rejections=rejections, sets=sets)
    theirs = binomtest(rejections, sets).proportion_ci(0.95, method="exact")
    assert (rate.low, rate.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def row(method, low=np.nan, p_value=0.2):
    return {"method": method, "p_value": p_value, "calibration_low": low}


@pytest.mark.parametrize(
    ("rows", "carries"),
    [
        ([row("robust", 0.06), row("stratified_type", 0.01)], "robust"),
        ([row("robust", 0.0701), row("stratified_type", 0.01)], "stratified_type"),
        ([row("robust", 0.09), row("cr2", 0.02), row("stratified_type", 0.08)], "cr2"),
        ([row("robust", 0.09), row("stratified_type", 0.08)], None),
        ([row("robust"), row("stratified_type", 0.01)], "robust"),
        ([row("robust", 0.09), row("stratified_type"), row("cr2", 0.05)], "cr2"),
        ([row("robust", 0.01, np.nan), row("stratified_type", 0.01)], "stratified_type"),
        ([{"method": "none", "status": "descriptive"}], None),
    ],
)
def test_the_first_test_that_does_not_err_carries_the_verdict(plan, rows, carries):
    assert plan.calibration.order == ("robust", "stratified_type", "adjusted", "cr2")
    assert carrying_test(rows, plan.calibration) == carries


def test_the_store_fits_the_committed_plan_data_and_code(comparisons):
    """Run `pilot-eval validity --out docs --only calibration` where this fails."""
    stored = read_store()
    assert {key for key, _ in comparisons.values()} == set(stored)
    assert all({"robust", "sharp", "cr2"} <= set(rates) for rates in stored.values())


@pytest.mark.parametrize("cell", CELLS, ids=" ".join)
def test_a_few_cells_measured_again_at_reduced_size_agree_with_the_store(plan, comparisons, cell):
    key, pools = comparisons[cell]
    few = plan.revise({"calibration.sets": FEW, "inference.draws": 999})
    again, stored = calibrate_pools(few, pools), read_store()[key]
    assert set(again) == set(stored)
    for test, rate in again.items():
        error = np.sqrt(stored[test].high * (1 - stored[test].high) / FEW)
        assert abs(rate.share - stored[test].share) < 4 * error, test


def test_the_first_sets_of_a_cell_are_counted_exactly_as_one_at_a_time(plan, comparisons):
    (pool, *_) = comparisons["announced", "cin_rate"][1]
    few = plan.revise({"calibration.sets": 25, "inference.draws": 499})
    rates = calibrate_pools(few, [pool])
    members = draw_placebo_sets(
        pool.treated_groups, pool.treated_cases, pool.groups, pool.cases, sets=25, seed=plan.seed
    )
    count = 0
    for own in members:
        treated = np.isin(np.arange(pool.changes.size), own)
        factor = pool.period_factor
        found = size_adjusted_test(pool.changes, treated, pool.cases, period_factor=factor)
        count += found.p_value <= 0.05
    assert rates["sharp"] == Rate(rejections=count, sets=25)


def test_hidden_counts_are_tried_at_both_corners(comparisons):
    assert len(comparisons["announced", "repeat_plan_pct"][1]) == 2
    assert len(comparisons["announced", "cin_rate"][1]) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"inference.alpha": 0.1},
        {"inference.draws": 499},
        {"calibration.sets": 500},
        {"seed": 1},
        {"comparators.rule": "same_type"},
        {"windows.main.pre": [2011]},
        {"scenarios.announced.councils": ["Cumbria", "Knowsley", "Hackney", "Gateshead"]},
    ],
)
def test_whatever_a_calibration_rests_on_changes_its_key(plan, comparisons, change):
    if "scenarios.announced.councils" in change:
        for name in ("first_treated", "months_exposed"):
            own = getattr(plan.scenarios["announced"], name)
            change |= {f"scenarios.announced.{name}": list(own[:4])}
    assert find_key(plan.revise(change)) != comparisons["announced", "s47_rate"][0]


def test_what_it_does_not_rest_on_leaves_its_key(plan, comparisons):
    changed = plan.revise({"calibration.limit": 0.1, "title": "Another", "disclosure.threshold": 9})
    assert find_key(changed) == comparisons["announced", "s47_rate"][0]


def find_key(plan):
    panel = pe.build_panel(pe.load_published(), plan)
    design = pe.build_design(plan, panel, scenario="announced", outcome="s47_rate")
    return calibration_key(plan, build_pools(plan, design))


def test_one_figure_changed_is_another_calibration(plan, comparisons):
    key, pools = comparisons["announced", "cin_rate"]
    pools[0].changes[3] += 1e-6
    try:
        assert calibration_key(plan, pools) != key
    finally:
        pools[0].changes[3] -= 1e-6


def test_a_new_plan_is_calibrated_once_and_kept_with_the_user(plan, tmp_path, monkeypatch):
    monkeypatch.setenv("PILOT_EVAL_CACHE", str(tmp_path))
    small = plan.revise({"calibration.sets": 20, "inference.draws": 99})
    told = []
    first = calibrate(small, pe.load_published(), tell=told.append)
    assert told[0] == "Calibrating the tests on real data: 0 of 42 comparisons"
    again = calibrate(small, pe.load_published(), tell=pytest.fail)
    assert again.equals(first)
    assert len(first.groupby(["scenario", "outcome"])) == 42
    assert {path.stem for path in tmp_path.rglob("*.json")} == set(first["key"])


def test_a_damaged_file_in_the_cache_is_measured_again(tmp_path, monkeypatch):
    monkeypatch.setenv("PILOT_EVAL_CACHE", str(tmp_path))
    keep_rates("abc", {"robust": Rate(rejections=3, sets=20)})
    assert find_rates("abc") == {"robust": Rate(rejections=3, sets=20)}
    (tmp_path / "calibration" / "abc.json").write_text('{"robust": [3', encoding="utf-8")
    assert find_rates("abc") is None


def test_too_few_councils_are_not_calibrated(plan):
    panel = pe.build_panel(pe.load_published(), plan)
    only = plan.revise({"comparators.only": ["Camden", "Leeds", "Kent", "Devon", "Essex", "Bury"]})
    design = pe.build_design(only, panel, scenario="announced", outcome="s47_rate")
    assert build_pools(only, design) == []


def test_words_that_change_no_result_leave_the_hash_of_code():
    def text(source):
        return code_hash._write(ast.parse(source).body)

    plain = text("def f(a, b=1):\n    return a + b")
    assert (
        text('def f(a: int, b: int = 1) -> int:\n    """Add."""\n    return a + b  # so') == plain
    )
    assert text("def f(a, b=2):\n    return a + b") != plain
    assert text("def f(a, b=1):\n    return a - b") != plain
