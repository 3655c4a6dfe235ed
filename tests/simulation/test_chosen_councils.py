"""Real councils in the pilots' place: a reduced run of the section of docs/validity.md."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import pilot_eval as pe
from pilot_eval.estimation.covariates import build_covariates
from pilot_eval.inference import adjusted_test
from pilot_eval.lab.chosen_councils import (
    MEAN_PROMISED,
    PARTS,
    POWER,
    POWER_PROMISED,
    describe_chosen,
    run_chosen,
)
from pilot_eval.lab.real_placebos import (
    adjusted,
    choose_sets,
    collapse_untreated,
    compute_p_values,
    count_types,
    draw_alike,
)
from pilot_eval.published.panel import build_panel

OUTCOMES = ("repeat_plan_pct", "plan_ended_2y_pct", "icpc_within_15wd_pct", "s47_rate")
SETS = 250


@pytest.fixture(scope="module")
def plan():
    return pe.load_plan()


@pytest.fixture(scope="module")
def panel(plan):
    return build_panel(pe.load_published(), plan)


@pytest.fixture(scope="module")
def table():
    return run_chosen(SETS, 20110201, parts=PARTS[:2], outcomes=OUTCOMES)


def mean_and_error(table, kind, method):
    rate = table[(table["chosen"] == kind) & (table["method"] == method)]["rate"]
    return rate.mean(), np.sqrt((rate * (1 - rate) / SETS).sum()) / len(rate)


def test_uniform_sets_are_rejected_at_the_level(table):
    rate, error = mean_and_error(table, "random", "adjusted")
    assert abs(rate - 0.05) <= 0.01 + 3 * error


@pytest.mark.parametrize("kind", ["types", "top", "bottom", "top 2010", "bottom 2010"])
def test_chosen_sets_are_rejected_hardly_more_often(table, kind):
    rate, error = mean_and_error(table, kind, "adjusted")
    assert rate <= MEAN_PROMISED + 3 * error


def test_without_the_adjustment_they_are(table):
    rate, error = mean_and_error(table, "top", "unadjusted")
    assert rate >= 2 * MEAN_PROMISED - 3 * error


def test_the_adjustment_costs_no_power(table):
    ours, plain = (mean_and_error(table, POWER, name) for name in ("adjusted", "unadjusted"))
    assert ours[0] >= POWER_PROMISED * plain[0] - 3 * np.hypot(ours[1], plain[1])


def test_the_study_measures_the_public_test(plan, panel):
    window = plan.windows["main"]
    data = collapse_untreated(plan, panel, OUTCOMES[0], window)
    chosen = choose_sets(data, count_types(plan), 3, 1)["top"]
    method = adjusted(plan.adjustment.covariates)
    for members in chosen:
        treated = np.isin(np.arange(len(data.codes)), members)
        public = adjusted_test(
            data.changes,
            treated,
            data.cases,
            data.levels,
            covariates=build_covariates(plan.adjustment.covariates, data.facts, data.cases),
            level_variance=data.facts.level_variance,
            seed=1,
        )
        many = np.repeat(np.sort(members)[None], 20, axis=0)
        ours = compute_p_values(data, many, method, seed=1).mean()
        error = np.sqrt(public.p_value * (1 - public.p_value) / 20 / 199) + 1 / 200
        assert ours == pytest.approx(public.p_value, abs=4 * error)


def test_random_sets_keep_the_strata():
    strata = np.repeat(["a", "b", "c"], [4, 30, 6])
    actual = np.array([[0, 1, 5, 38], [6, 7, 8, 9]])
    drawn = draw_alike(actual, strata, 40, 50, np.random.default_rng(1))
    for own, sets in zip(actual, drawn, strict=True):
        for members in sets:
            assert len(set(members)) == 4
            assert sorted(strata[members]) == sorted(strata[own])


def test_the_text_reports_what_was_measured(table):
    text = describe_chosen(pd.concat([table, table.assign(reported=False)]))
    rate, _ = mean_and_error(table, "top", "unadjusted")
    assert f"{100 * rate:.1f} (" in text
    assert "a later year" in text
    assert text.count("Held") + text.count("Missed") == 7
