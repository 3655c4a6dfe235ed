"""Verdicts on simulated trials: secure findings are true, large effects are found.

A reduced run; the full one is the section on verdicts of docs/validity.md.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import pilot_eval as pe
from pilot_eval.lab.validity_section import read_table
from pilot_eval.lab.validity_verdicts import LEAST_POWER, MOST_FALSE, TRIALS, summarise_trials
from pilot_eval.lab.verdict_trials import build_worlds, run_trials
from pilot_eval.project import find_root

QUICK = {"inference.draws": 199}
SEED = 7
FEW_TRIALS = 300


@pytest.fixture(scope="module")
def plan():
    return pe.load_plan()


@pytest.fixture(scope="module")
def worlds(plan):
    found = build_worlds(plan.revise(QUICK), pe.load_published(), scenarios=("announced",))
    return [replace(w, inputs=replace(w.inputs, rejection_rate=0.05, test="robust")) for w in found]


@pytest.fixture(scope="module")
def trials(plan, worlds):
    return run_trials(plan, worlds, trials=FEW_TRIALS, seed=SEED)


def test_secure_findings_are_seldom_false(trials):
    secure = trials[(trials["rating"] >= 4) & trials["finding"].isin(["rose", "fell"])]
    assert len(secure) > 20
    assert secure["false"].mean() <= MOST_FALSE + 2 * np.sqrt(0.05 * 0.95 / len(secure))


def test_large_effects_in_sound_designs_are_found_and_rated_fair(trials):
    table = summarise_trials(trials)
    row = table[table["group"] == "twice the detectable effect"].iloc[0]
    assert row["findings"] > 10
    assert row["share"] >= LEAST_POWER - 2 * row["error"]


def test_a_third_is_chosen_on_the_level_and_half_has_no_effect(trials):
    assert abs((trials["selection"] != "uniform").mean() - 1 / 3) < 0.1
    assert abs((trials["effect"] == 0).mean() - 1 / 2) < 0.1
    assert set(trials["effect"].abs()) == {0.0, 1.0, 2.0}


def test_hidden_figures_of_the_pilots_are_hidden_in_the_trials(plan, worlds):
    repeat = next(world for world in worlds if world.inputs.outcome == "repeat_plan_pct")
    assert np.nansum(repeat.hidden > 0) >= 1
    assert not repeat.complete
    delay = next(world for world in worlds if world.inputs.outcome == "ia_within_10wd_pct")
    assert np.isnan(delay.hidden).any()


def test_a_finding_is_false_where_it_contradicts_the_effect():
    rows = [
        ("rose", 4, False, 1.0),
        ("rose", 4, True, -1.0),
        ("rose", 4, True, 0.0),
        ("no clear change", 4, True, 2.0),
        ("cannot be told", 0, False, 2.0),
    ]
    trials = pd.DataFrame(rows, columns=["finding", "rating", "false", "effect"]).assign(
        selection="uniform", complete=True, calibrated=True, n_units=5
    )
    table = summarise_trials(trials).set_index(["part", "group"])
    assert table.loc[("secure", "rose or fell"), "share"] == pytest.approx(2 / 3)
    assert table.loc[("secure", "any finding"), "share"] == pytest.approx(3 / 4)
    assert table.loc[("found", "twice the detectable effect"), "share"] == 0


def test_the_stored_run_is_whole_and_its_targets_are_met():
    table = read_table(find_root() / "docs" / "validity" / "verdicts.csv")
    assert table.loc[table["part"] == "rating", "findings"].sum() > TRIALS / 4
    assert set(table["met"]) == {"yes", ""}
