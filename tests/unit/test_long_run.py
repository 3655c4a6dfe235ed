"""Paths over many years: by hand on published figures, and the level of their bands."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

import pilot_eval as pe
from pilot_eval.checks.long_run import Paths, list_long_runs, place_band

DRAWS, ALPHA, TRIALS = 199, 0.05, 1000
REJECTED = 10 / (DRAWS + 1)
"""A path is outside where it lies further than the 190th of 199 sets: 10 of 200 equal ranks."""


@pytest.fixture(scope="module")
def plan():
    return pe.load_plan().revise({"inference.draws": DRAWS})


@pytest.fixture(scope="module")
def table():
    return pe.load_published()


@pytest.fixture(scope="module")
def runs(plan, table):
    return list_long_runs(plan, table)


def _draw_paths(rng, *, units, comparators, gaps):
    """Random walks from a reference in the second year, all of one kind; gaps in the treated."""
    walks = rng.normal(size=(units + comparators, 12)).cumsum(axis=1)
    changes = walks - walks[:, [1]]
    net = changes - changes[units:].mean(axis=0)
    own = net[:units].copy()
    if gaps:
        own[0, 9:] = np.nan
    return Paths(low=own, high=own, placebo=np.repeat(net[None, units:], units, axis=0))


@pytest.mark.parametrize("gaps", [False, True])
def test_the_whole_path_is_outside_its_band_as_often_as_it_should_be(gaps):
    rng = np.random.default_rng(11)
    outside = alike = 0
    for trial in range(TRIALS):
        paths = _draw_paths(rng, units=4, comparators=60, gaps=gaps)
        low, high, conf_low, conf_high, p_value = place_band(
            paths, draws=DRAWS, seed=trial, alpha=ALPHA
        )
        assert (low == high).all()
        assert conf_low[1] == conf_high[1] == 0  # the year before the start
        out = bool(((conf_low > 0) | (conf_high < 0)).any())
        alike += out == (p_value <= ALPHA)
        outside += out
    assert binom.ppf(0.001, TRIALS, REJECTED) <= outside <= binom.ppf(0.999, TRIALS, REJECTED)
    assert alike == TRIALS  # the band and the p-value are one test


def test_a_planted_path_is_found_where_it_is(plan):
    paths = _draw_paths(np.random.default_rng(3), units=4, comparators=60, gaps=False)
    planted = np.where(np.arange(12) >= 8, 12.0, 0.0)
    moved = Paths(low=paths.low + planted, high=paths.high + planted, placebo=paths.placebo)
    low, _, conf_low, conf_high, p_value = place_band(moved, draws=DRAWS, seed=1, alpha=ALPHA)
    assert ((conf_low <= planted) & (planted <= conf_high)).all()
    assert (conf_low[8:] > 0).any()
    assert p_value <= ALPHA
    assert low == pytest.approx(np.mean(paths.low, axis=0) + planted)


def test_two_starts_are_aligned_by_hand(plan, table, runs):
    """Each council against the same years of the comparators; of one management, their mean."""
    outcome, scenario, time = "icpc_within_15wd_pct", "conferences_both", 2
    keys = {"scenario": scenario, "outcome": outcome, "time": time}
    [row] = runs[(runs[list(keys)] == list(keys.values())).all(axis=1)].to_dict("records")
    long = plan.revise({"windows.long": {"pre": [2010], "post": [2022]}})
    panel = pe.build_panel(table, long)
    rows = panel[panel["outcome"] == outcome]
    wide = rows.assign(middle=(rows["value_low"] + rows["value_high"]) / 2).pivot(
        index="council_code", columns="period", values="middle"
    )
    names = plan.names
    never = [
        code
        for code in wide.index
        if code in names
        and code not in plan.ever_treated
        and names[code] not in plan.comparators.exclude
    ]
    starts = dict(zip(plan.scenarios[scenario].councils, [2012, 2012, 2014, 2014], strict=True))
    effect = {}
    for name, start in starts.items():
        change = wide[start + time] - wide[start - 1]
        complete = wide.loc[never, range(2010, 2023)].notna().all(axis=1)
        others = change.loc[never][complete].mean()
        [code] = [code for code, own in names.items() if own == name]
        effect[name] = change[code] - others
    one = (effect["Westminster"] + effect["Kensington and Chelsea"]) / 2
    expected = np.mean([one, effect["Knowsley"], effect["Hackney"]])
    middle = (row["estimate_low"] + row["estimate_high"]) / 2
    assert middle == pytest.approx(expected, abs=1e-9)
    assert (row["n_treated"], row["n_units"]) == (4, 3)


def test_paths_stop_and_shrink_as_the_figures_do(plan, runs):
    march = runs[runs["scenario"] == "granted_march"].set_index(["outcome", "time"])
    assert march.loc[("repeat_plan_pct", 8), "n_treated"] == 4
    assert march.loc[("repeat_plan_pct", 10), "n_treated"] == 3  # Hackney sent no figures
    assert march.loc["cla_rate"].index.max() == 5  # 2016-17
    assert ("rereferral_12m_pct", -2) not in march.index  # another measure in 2009-10
    assert not runs["outcome"].isin(["ia_within_10wd_pct", "ca_within_35wd_pct"]).any()
    reference = runs[runs["time"] == -1]
    assert (reference[["estimate_low", "conf_low", "conf_high"]] == 0).all(axis=None)
