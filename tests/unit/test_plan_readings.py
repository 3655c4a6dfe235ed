"""Other choices, unknown treated units and steps: on one group of conferences and by hand."""

from __future__ import annotations

import csv
from itertools import product

import numpy as np
import pandas as pd
import pytest
from project_folder import ROOT

import pilot_eval as pe
from pilot_eval import run_cache
from pilot_eval.checks.placebo import list_placebo_years
from pilot_eval.checks.plan_readings import (
    AS_PLANNED,
    bound_unknown_treated,
    list_certainty_readings,
    list_left_out,
    list_like_readings,
    list_plan_readings,
    list_spillover_readings,
    measure_step,
    widen_by_step,
)
from pilot_eval.errors import PlanError
from pilot_eval.evaluation import council_effects
from pilot_eval.evaluation.units import collapse_councils
from pilot_eval.reference.facts import load_councils, load_neighbours

FOLDER = ROOT / "pilots" / "timescales-2011"
SCENARIO, OUTCOME = "conferences_second", "icpc_within_15wd_pct"


@pytest.fixture(scope="module")
def table():
    return pe.load_published()


@pytest.fixture(scope="module")
def plan():
    return pe.load_plan().revise({"inference.draws": 199})


@pytest.fixture(scope="module")
def panel(plan, table):
    return pe.build_panel(table, plan)


@pytest.fixture(scope="module")
def design(plan, panel):
    return pe.build_design(plan, panel, scenario=SCENARIO, outcome=OUTCOME)


def test_as_planned_is_the_evidence(plan, table, panel):
    """And a comparison that its scenario does not list is not made."""
    readings = {"without another": {"drop_councils": ["Islington"]}}
    found = list_plan_readings(plan, panel, readings, scenario=SCENARIO, outcome=OUTCOME)
    evidence = pe.evaluate(plan, table, scenarios=SCENARIO).table
    assert set(evidence["outcome"]) == {OUTCOME}
    assert set(evidence["family"]) == {"conferences"}
    robust = evidence.set_index("method").loc["robust"]
    numbers = ["estimate_low", "conf_low", "conf_high", "p_value", "n_treated"]
    planned = found.set_index("reading").loc[AS_PLANNED]
    assert planned[numbers].tolist() == pytest.approx(robust[numbers].tolist())
    assert found[numbers].nunique().max() == 1  # a council that is in no comparison changes none


@pytest.mark.parametrize(
    ("scenario", "outcome"),
    [
        ("conferences_both", OUTCOME),
        ("single_exempt", "sa_within_45wd_pct"),
        ("single_switches", "sa_within_45wd_pct"),
    ],
)
def test_a_comparison_alone_is_what_it_is_among_all(table, monkeypatch, scenario, outcome):
    """Clusters, levels, starts and stops, and counts that are hidden: computed here and now."""
    monkeypatch.delenv(run_cache.VARIABLE, raising=False)
    alone = pe.evaluate(pe.load_plan(), table, scenarios=[scenario], outcomes=[outcome])
    kept = pd.read_csv(ROOT / "reports" / "published" / "evidence.csv")
    kept = kept[(kept["scenario"] == scenario) & (kept["outcome"] == outcome)]
    numbers = ["estimate_low", "estimate_high", "conf_low", "conf_high", "p_value", "calibration"]
    pd.testing.assert_frame_equal(
        alone.table.set_index("method")[numbers],
        kept.set_index("method")[numbers],
        rtol=1e-8,
        check_dtype=False,
    )


def test_two_units_are_rated_two_at_most(plan, table):
    [verdict] = pe.evaluate(plan, table, scenarios=SCENARIO).verdicts
    assert verdict.inputs.n_units == 2
    assert verdict.rating <= 2
    assert "too_few_units" in {doubt.condition for doubt in verdict.doubts}


def test_no_set_of_comparators_moves_the_estimate_further(plan, design):
    found = bound_unknown_treated(plan, design)
    unknown = plan.comparators.not_identified
    assert unknown == 3
    assert found["n_comparators"].tolist() == [len(design.comparators) - n for n in (0, 3, 3)]
    units = collapse_councils(design)
    ours, others = units.change[units.treated].mean(), units.change[~units.treated]
    draws = np.random.default_rng(plan.seed)
    for _ in range(500):
        kept = np.delete(others, draws.choice(len(others), unknown, replace=False))
        estimate = ours - kept.mean()
        assert found["estimate_low"].min() <= estimate <= found["estimate_high"].max()
    nobody = plan.revise({"comparators.not_identified": 0})
    assert bound_unknown_treated(nobody, design)["reading"].tolist() == [AS_PLANNED]


def test_a_reading_that_leaves_no_comparator_says_so(plan, design):
    borders = load_neighbours()
    near = {other for code in plan.ever_treated for other in borders[code]}
    alone = design.restrict(design.treated, tuple(near & set(design.comparators)))
    found = list_spillover_readings(plan, alone).set_index("n_comparators")
    assert found.loc[0, "reading"].endswith("of the register: no comparator")
    assert np.isnan(found.loc[0, "estimate_low"])
    assert not np.isnan(found.loc[len(alone.comparators), "estimate_low"])


def test_neighbours_are_left_out_as_the_plan_would_exclude_them(plan, panel, design):
    """The whole comparison again under `comparators.exclude`, and no treated council in London."""
    found = list_spillover_readings(plan, design)
    borders = load_neighbours()
    near = {other for code in plan.ever_treated for other in borders[code]}
    inner = {c.council_code for c in load_councils() if c.region.endswith(" London")}
    readings = {
        name: {"comparators.exclude": sorted(plan.names[code] for code in gone - plan.ever_treated)}
        for name, gone in (("near", near), ("London", inner))
    }
    again = list_plan_readings(plan, panel, readings, scenario=SCENARIO, outcome=OUTCOME)
    pd.testing.assert_frame_equal(found.iloc[:3, 1:], again.iloc[:, 1:])
    assert found["n_treated"].tolist() == [2, 2, 2, 0]  # both are in London
    assert found.iloc[3][["estimate_low", "conf_low", "p_value"]].isna().all()


def test_the_list_of_neighbours_is_of_all_councils_and_by_the_map(plan):
    borders = load_neighbours()
    names = plan.names
    alone = {names[code] for code in set(names) - set(borders)}
    assert alone == {"Isle of Wight", "Isles of Scilly"}
    assert all(code in borders[other] for code in borders for other in borders[code])
    assert not any(code in borders[code] for code in borders)
    [cumbria] = [code for code, name in names.items() if name == "Cumbria"]
    around = {"Durham", "Lancashire", "North Yorkshire", "Northumberland"}
    assert {names[code] for code in borders[cumbria]} == around


def _period_effects(figures):
    """Fit councils and periods as dummies by least squares; give the periods' coefficients."""
    long = figures.reset_index(names="council").melt(id_vars="council", var_name="period").dropna()
    dummies = [pd.get_dummies(long[name], dtype=float) for name in ("council", "period")]
    design = np.hstack([dummies[0], dummies[1].iloc[:, 1:]])
    fitted = np.linalg.lstsq(design, long["value"].to_numpy(), rcond=None)[0]
    return pd.Series([0.0, *fitted[dummies[0].shape[1] :]], index=dummies[1].columns)


def test_the_ends_of_a_set_with_different_ends_are_those_of_brute_force(plan, panel):
    """Each council on its own years, against comparators on the same: by hand, in every corner."""
    design = pe.build_design(plan, panel, scenario="conferences_first", outcome=OUTCOME)
    hidden = design.own_hidden
    assert design.is_staggered
    assert 0 < len(hidden) < 6
    effects = []
    for corner in product(*zip(hidden.low, hidden.high, strict=True)):
        figures = design.fill(np.array(corner)).figures
        net = figures - _period_effects(figures.loc[list(design.comparators)])
        own = []
        for code, path in design.paths.items():
            sides = [net[list(side)].mean(axis=1) for side in (path.exposed, path.reference)]
            change = sides[0] - sides[1]
            own.append(change[code] - change[list(design.comparators)].mean())
        effects.append(np.mean(own))
    [row] = list_plan_readings(
        plan, panel, {}, scenario="conferences_first", outcome=OUTCOME
    ).to_dict("records")
    ends = row["estimate_low"], row["estimate_high"]
    assert ends == pytest.approx((min(effects), max(effects)), abs=1e-9)


def test_a_step_is_measured_and_widens_by_hand(panel, design):
    step = measure_step(panel, design, before=2012, after=2013)
    rows = panel[(panel["outcome"] == OUTCOME) & panel["council_code"].isin(design.comparators)]
    wide = rows.pivot(index="council_code", columns="period", values="value")
    change = (wide[2013] - wide[2012]).dropna()
    assert (step["councils"], step["sd"]) == (len(change), pytest.approx(np.std(change, ddof=1)))
    row = pd.DataFrame(
        [{"conf_low": -3.0, "conf_high": 5.0, "n_treated": 4, "p_value": 0.5, "reading": "a"}]
    )
    # Half-width 4; 1.959964 x 3.0614572 / sqrt(4) = 3.0002: together 5.0001 around 1.
    wider = widen_by_step(row, 3.0614572, 0.05)
    assert wider[["conf_low", "conf_high"]].to_numpy()[0] == pytest.approx(
        [-4.0001, 6.0001], abs=1e-3
    )


def test_flags_are_those_of_the_table(table):
    """DfE's flag P on shares in time, where the table has the release that is cited."""
    with (FOLDER / "flags.csv").open(encoding="utf-8", newline="") as file:
        flags = {
            (int(row["year_ending"]), row["council_code"])
            for row in csv.DictReader(file)
            if row["clock"] == "conferences" and int(row["year_ending"]) <= 2014
        }
    rows = table[(table["indicator"] == OUTCOME) & (table["confidence"] == "P")]
    assert flags == set(zip(rows["year_ending"], rows["council_code"], strict=True))


def test_a_requirement_that_lapsed_ends_every_exemption(plan):
    content = [row.model_dump() for row in plan.treatment_register]
    lapsed = {row.requirement: row.lapsed for row in plan.requirements}
    first = next(row for row in content if lapsed[row["requirement"]])
    first["ended"] = "2014-01-01"
    with pytest.raises(PlanError, match="after the requirement lapsed"):
        plan.revise({"treatment_register": content})
    first["requirement"] = "unheard_of"
    with pytest.raises(PlanError, match="does not describe"):
        plan.revise({"treatment_register": content})


@pytest.mark.parametrize(
    ("key", "value", "fault"),
    [("outcomes", ["nothing_pct"], "nothing_pct"), ("question", "why", "questions has none")],
)
def test_a_scenarios_own_outcomes_and_question_are_known(plan, key, value, fault):
    with pytest.raises(PlanError, match=fault):
        plan.revise({f"scenarios.{SCENARIO}.{key}": value})


def test_the_registers_grades_choose_who_counts(plan, panel):
    """None is stated by government, one by the press; of one the interval is its own effect's."""
    first = pe.build_design(plan, panel, scenario="conferences_first", outcome=OUTCOME)
    found = list_certainty_readings(plan, first)
    assert found["n_treated"].tolist() == [0, 1, 2]
    rows = list_plan_readings(plan, panel, {}, scenario="conferences_first", outcome=OUTCOME)
    ends = ["estimate_low", "estimate_high", "conf_low", "conf_high", "p_value"]
    assert found[ends].iloc[2].tolist() == rows[ends].iloc[0].tolist()
    assert found[ends].iloc[0].isna().all()
    own = next(row for row in council_effects(plan, first) if row["council_name"] == "Knowsley")
    assert found.loc[1, "estimate_low"] == pytest.approx(own["effect_low"], abs=1e-9)


def test_each_council_is_left_out_once(plan, panel):
    """The mean of estimates without one of equal units is the estimate with all."""
    apart = plan.revise({"clusters": {}})
    both = pe.build_design(apart, panel, scenario="conferences_second", outcome=OUTCOME)
    found = list_left_out(apart, both)
    [whole] = list_plan_readings(apart, panel, {}, scenario=SCENARIO, outcome=OUTCOME).to_dict(
        "records"
    )
    assert found["reading"].str.contains("one council").all()
    assert found["estimate_low"].mean() == pytest.approx(whole["estimate_low"], abs=1e-9)


def test_the_bands_effects_add_up_to_nothing(plan, table):
    """Every conference ends in one band: what one gains the others lose, where none is hidden."""
    ends = ("0_10", "11_15", "16_20", "21_plus")
    bands = {f"icpc_band_{end}": end for end in ends}
    found = list_like_readings(plan, table, bands, scenario=SCENARIO, outcome=OUTCOME)
    assert found["reading"].tolist() == list(ends)
    assert found["estimate_low"].sum() <= 0 <= found["estimate_high"].sum()


def test_pretended_years_err_as_often_as_their_level(plan, table):
    quick = plan.revise({"calibration.sets": 100})
    sides = {"starts": (2016, 2019), "before": 1, "after": 2}
    found = list_placebo_years(quick, table, scenario=SCENARIO, outcome=OUTCOME, **sides)
    assert found["start"].tolist() == [2016, 2019]
    assert found["robust_share"].between(0, 0.15).all()
    assert found["within"].between(1, 40).all()
