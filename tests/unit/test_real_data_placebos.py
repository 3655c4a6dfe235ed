"""Calibration on real data: docs/methods-checks.md, block Calibration."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys

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
from pilot_eval.evaluation.units import ALL_METHODS
from pilot_eval.evidence_row import EvidenceRow
from pilot_eval.inference import (
    adjusted_test,
    cr2_test,
    path_test,
    robust_test,
    size_adjusted_test,
)
from pilot_eval.inference.placebo_paths import compute_path_p_values
from pilot_eval.inference.placebo_sets import compute_set_p_values, draw_placebo_sets
from pilot_eval.project import default_pilot, list_pilots

N, SETS = 60, 12
SETTINGS = {"draws": 499, "seed": 7}
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


def compute(world, members, **options):
    changes, cases, factor, _ = world
    return compute_set_p_values(
        changes, cases, factor, members, **SETTINGS, **by_facts(world), **options
    )


def by_facts(world):
    """Strata and levels; the level predicts a part of the change."""
    changes, _, factor, groups = world
    levels = 20 - 2 * changes + np.random.default_rng(6).normal(size=N)
    adjustment = {
        "levels": levels,
        "covariates": (groups == "a")[:, None] * 1.0,
        "level_variance": factor / 4,
    }
    return {"strata": {"stratified_type": groups}, "adjustment": adjustment}


def one_at_a_time(world, own):
    changes, cases, factor, groups = world
    treated = np.isin(np.arange(N), own)
    settings = SETTINGS | {"period_factor": factor}
    data = changes, treated, cases
    return {
        "robust": robust_test(*data, **settings),
        "stratified_type": robust_test(*data, strata=groups, **settings),
        "adjusted": adjusted_test(*data, **by_facts(world)["adjustment"], **settings),
        "sharp": size_adjusted_test(*data, period_factor=factor),
        "cr2": cr2_test(changes, treated),
    }


def test_every_p_value_is_that_of_the_test_on_the_one_set(world):
    # Two make-ups of groups: each set is compared with sets of its own kind.
    members = np.vstack([draw(world, "aabc"), draw(world, "abbc")])
    found = compute(world, members)
    for row, own in enumerate(members):
        for name, result in one_at_a_time(world, own).items():
            assert found[name][row] == pytest.approx(result.p_value, rel=1e-9, abs=1e-12), name


def test_sets_on_the_paths_of_the_treated_are_tested_as_the_treated_are(world):
    # Two paths: every set is what the test over paths and the others say of it alone.
    changes, cases, factor, groups = world
    rng = np.random.default_rng(9)
    on_path = changes[:, None] + rng.normal(scale=0.5, size=(N, 3))
    on_path[:, 2] = on_path[:, :2] @ [0.75, 0.25]
    factors = factor[:, None] * [1.0, 1.3, 0.9]
    members, of = draw(world, sets=6), np.array([0, 0, 0, 1])
    adjustment, own_strata = by_facts(world)["adjustment"], {"type": groups}
    data = on_path, cases, factors, members, of
    found = compute_path_p_values(
        *data, strata=own_strata, adjustment=adjustment, **SETTINGS, decide_at=1.0
    )
    for row, own in enumerate(members):
        path = np.full(N, 2)
        path[own] = of
        settings = SETTINGS | {"period_factor": factors}
        alone = path_test(on_path, path, cases, **settings)
        assert found["robust"][row] == alone.p_value
        alone = path_test(on_path, path, cases, strata=groups, **settings)
        assert found["type"][row] == alone.p_value
        change, treated = on_path[np.arange(N), path], path < 2
        period = factors[np.arange(N), path]
        sharp = size_adjusted_test(change, treated, cases, period_factor=period)
        assert found["sharp"][row] == pytest.approx(sharp.p_value, rel=1e-9)
        assert found["cr2"][row] == pytest.approx(cr2_test(change, treated).p_value, rel=1e-9)
        settings = SETTINGS | {"period_factor": period}
        alone = adjusted_test(change, treated, cases, **adjustment, **settings)
        assert found["adjusted"][row] == pytest.approx(alone.p_value, rel=1e-9)


def test_with_one_start_sets_on_paths_are_the_sets_of_the_robust_test(world):
    changes, cases, factor, groups = world
    members = draw(world, sets=100)
    found = compute_path_p_values(
        np.stack([changes] * 2, axis=1),
        cases,
        np.stack([factor] * 2, axis=1),
        members,
        np.zeros(4, dtype=int),
        strata={"stratified_type": groups},
        adjustment=by_facts(world)["adjustment"],
        **SETTINGS,
        decide_at=0.05,
    )
    plain = compute(world, members, decide_at=0.05)
    for name, p_values in found.items():
        assert ((p_values <= 0.05) == (plain[name] <= 0.05)).all()


def test_a_test_without_an_answer_has_none_here_either(world):
    changes, cases, factor, groups = world
    few = np.arange(N) < 12  # too few comparators for the adjustment
    small = changes[few], cases[few], factor[few], groups[few]
    given = by_facts(world)["adjustment"]
    adjustment = {name: values[few] for name, values in given.items()}
    members = np.array([[0, 1, 2, 3]])
    found = compute_set_p_values(*small[:3], members, strata={}, adjustment=adjustment, **SETTINGS)
    assert np.isnan(found["adjusted"]).all()
    assert not np.isnan(found["robust"]).any()
    flat = compute_set_p_values(np.ones(12), *small[1:3], members, strata={}, **SETTINGS)
    assert all(np.isnan(p_values).all() for p_values in flat.values())


def test_stopping_early_never_changes_what_is_rejected(world):
    changes, *rest = world
    shifted = changes + 2 * (np.arange(N) < 6), *rest  # some sets are rejected, some not
    members = draw(world, sets=300)
    full, quick = (compute(shifted, members, decide_at=stop) for stop in (None, 0.05))
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
    changes, ones = rng.normal(size=150), np.ones(150)
    members = np.argsort(rng.random((1500, 150)), axis=1)[:, :5]
    found = compute_set_p_values(
        changes, ones, ones, members, strata={}, draws=999, seed=1, decide_at=0.05
    )
    rate = (found["robust"] <= 0.05).mean()
    assert abs(rate - 0.05) < 4 * np.sqrt(0.05 * 0.95 / len(members))


@pytest.mark.parametrize(("rejections", "sets"), [(0, 50), (7, 100), (530, 2000), (50, 50)])
def test_the_monte_carlo_interval_is_clopper_and_pearsons(rejections, sets):
    rate = Rate(rejections=rejections, sets=sets)
    theirs = binomtest(rejections, sets).proportion_ci(0.95, method="exact")
    assert (rate.low, rate.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def row(method, low=np.nan, p_value=0.2):
    keys = dict.fromkeys(("strand", "scenario", "outcome", "family", "unit", "harm"), "any")
    counts = dict.fromkeys(("n_treated", "n_comparators", "seen", "listed"), 5)
    numbers = {"p_value": p_value, "calibration_low": low}
    return EvidenceRow(**keys, **counts, **numbers, method=method, status="estimated")


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
        ([row("none", p_value=np.nan)], None),
    ],
)
def test_the_first_test_that_does_not_err_carries_the_verdict(plan, rows, carries):
    assert plan.calibration.order == ("robust", "stratified_type", "adjusted", "cr2")
    assert carrying_test(rows, plan.calibration) == carries


def test_the_store_fits_the_committed_plan_data_and_code(plan, comparisons):
    """Run `pilot-eval validity --out docs --only calibration` where this fails."""
    stored = read_store()
    table = pe.load_published()
    found = dict(comparisons.values())
    for name in set(list_pilots()) - {default_pilot()}:
        others = list_comparisons(pe.load_plan(name), table)
        found |= {key: pools for _, _, key, pools in others}
    assert set(found) == set(stored)
    for key in found:
        assert set(ALL_METHODS) >= set(stored[key]) >= set(plan.calibration.order)


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


@pytest.fixture(scope="module")
def evidence(plan):
    return pe.evaluate(plan, scenarios=("granted",))


def test_every_evidence_row_has_its_own_tests_rate(evidence, comparisons):
    stored = read_store()
    rows = evidence.table[evidence.table["status"] == "estimated"]
    assert len(rows) > 30
    for row in rows.itertuples():
        rate = stored[comparisons[row.scenario, row.outcome][0]][row.method]
        found = row.calibration, row.calibration_low, row.calibration_high
        assert found == (rate.share, rate.low, rate.high)


def test_a_test_that_errs_carries_no_verdict(plan, evidence):
    for (_, outcome), rows in evidence.table.groupby(["scenario", "outcome"]):
        if (rows["status"] != "estimated").all():
            continue
        carries = set(rows["carrying_test"])
        assert len(carries) == 1
        (name,) = carries
        verdict = evidence.verdict("granted", outcome)
        assert verdict.inputs.test == name
        low = rows.set_index("method")["calibration_low"]
        if name:
            assert low[name] <= plan.calibration.limit
            assert verdict.inputs.rejection_rate == rows.set_index("method")["calibration"][name]
        else:
            assert verdict.finding == "cannot be told"
    assert len(set(evidence.table["carrying_test"].dropna())) > 1


def test_without_a_stored_calibration_rows_say_so_and_nothing_is_computed(plan, monkeypatch):
    other = plan.revise({"seed": 5})
    monkeypatch.setattr("pilot_eval.evaluation.calibration.compute_set_p_values", pytest.fail)
    found = pe.evaluate(other, scenarios=("granted",), outcomes=("s47_rate",))
    assert found.table["calibration"].isna().all()
    assert set(found.table["carrying_test"]) == {"robust"}
    doubts = {doubt.condition for doubt in found.verdicts[0].doubts}
    assert "not_calibrated" in doubts


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
        {"adjustment.covariates": ["region"]},
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


def test_a_calibration_is_found_on_every_processor():
    """Other kernels of linear algebra round differently; without them this compares like with like.

    One council starts to be exempt as another stops: hidden counts of comparators cancel out, and
    what is left of them is rounding.
    """
    program = """
import pilot_eval as pe
from pilot_eval.evaluation.calibration import build_pools, calibration_key
plan, table = pe.load_plan(), pe.load_published()
panel = pe.build_panel(table, plan)
for scenario, outcome in (("single_switches", "sa_within_45wd_pct"), ("granted", "s47_rate")):
    design = pe.build_design(plan, panel, scenario=scenario, outcome=outcome)
    print(calibration_key(plan, build_pools(plan, design)))
"""
    done = [
        subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | {"OPENBLAS_CORETYPE": processor},
            capture_output=True,
            check=False,
            text=True,
        )
        for processor in ("Prescott", "Nehalem", "Haswell", "SkylakeX")
    ]
    codes = [one.returncode for one in done]
    assert set(codes) <= {0, -signal.SIGILL}  # a processor may lack another's instructions
    assert codes.count(0) > 1
    assert len({one.stdout for one in done if not one.returncode}) == 1


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
    count = len(first.groupby(["scenario", "outcome"]))
    assert told[0] == f"Calibrating the tests on real data: 0 of {count} comparisons"
    estimated = sum(item.descriptive is None for item in plan.outcomes.values())
    assert estimated < count <= estimated * len(plan.scenarios)
    again = calibrate(small, pe.load_published(), tell=pytest.fail)
    assert again.equals(first)
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
