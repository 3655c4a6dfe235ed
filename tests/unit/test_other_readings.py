"""Readings by dose, by pooled counts and in log odds: docs/methods-checks.md."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm

import pilot_eval as pe
from pilot_eval.checks.other_readings import list_other_readings
from pilot_eval.design.treatment import measure_doses
from pilot_eval.errors import InferenceError
from pilot_eval.inference import dose_test, pooled_counts_test

N = 60
TREATED = np.arange(N) < 4
DOSES = np.r_[1.0, 1.0, 0.5, 0.25, np.zeros(N - 4)]


def changes_and_counts(seed=1):
    rng = np.random.default_rng(seed)
    exposure = rng.integers(80, 900, (N, 2)).astype(float)
    shares = np.clip(rng.normal(0.2, 0.03, (N, 1)) + rng.normal(0, 0.02, (N, 2)), 0.02, 0.9)
    return rng.normal(size=N), rng.binomial(exposure.astype(int), shares).astype(float), exposure


def test_full_doses_give_the_difference_in_means():
    changes, _, _ = changes_and_counts()
    found = dose_test(changes, TREATED.astype(float), draws=199, seed=1)
    assert found.estimate == pytest.approx(changes[TREATED].mean() - changes[~TREATED].mean())


def test_a_dose_is_worth_its_part():
    """By hand: deviations from the comparators' mean (0) times doses, over squared doses."""
    changes = np.r_[4.0, 2.0, 1.0, 1.0, np.tile([-1.0, 1.0], 28)]
    found = dose_test(changes, DOSES, draws=199, seed=1)
    assert found.estimate == pytest.approx((4 + 2 + 0.5 + 0.25) / (1 + 1 + 0.25 + 0.0625))
    half = dose_test(changes, DOSES / 2, draws=199, seed=1)
    assert half.estimate == pytest.approx(2 * found.estimate)
    assert half.p_value == found.p_value
    assert found.conf_low < found.estimate < found.conf_high


def test_the_dose_test_holds_its_level_and_its_interval_the_effect():
    worlds = 400
    rng = np.random.default_rng(4)
    found = [
        dose_test(rng.normal(size=N) + 2 * DOSES, DOSES, draws=99, seed=rng) for _ in range(worlds)
    ]
    missed = np.mean([not one.conf_low <= 2 <= one.conf_high for one in found])
    assert missed <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / worlds)


@pytest.mark.parametrize(("link", "family"), [("odds", "Binomial"), ("rate", "Poisson")])
def test_pooled_counts_are_the_generalised_linear_model_of_statsmodels(link, family):
    _, events, exposure = changes_and_counts()
    found = pooled_counts_test(events, exposure, TREATED, link=link, draws=199, seed=1)
    treated, after = np.repeat(TREATED.astype(float), 2), np.tile([0.0, 1.0], N)
    columns = sm.add_constant(np.column_stack([treated, after, treated * after]))
    if link == "odds":
        given = np.column_stack([events.ravel(), (exposure - events).ravel()])
        model = sm.GLM(given, columns, family=sm.families.Binomial())
    else:
        model = sm.GLM(
            events.ravel(), columns, family=sm.families.Poisson(), exposure=exposure.ravel()
        )
    assert getattr(sm.families, family) is type(model.family)
    assert found.estimate == pytest.approx(model.fit().params[3], abs=1e-8)


def test_pooled_counts_hold_their_level_where_councils_differ():
    worlds = 300
    rng = np.random.default_rng(6)
    p = []
    for _ in range(worlds):
        _, events, exposure = changes_and_counts(rng)
        p.append(
            pooled_counts_test(
                events, exposure, TREATED, link="odds", draws=99, seed=rng, alpha=0.2
            ).p_value
        )
    assert np.mean(np.array(p) <= 0.05) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / worlds)


@pytest.mark.parametrize(
    ("spoil", "rule"),
    [
        (lambda e, x: (-e, x), "at least 0"),
        (lambda e, x: (e + x, x), "at most their denominator"),
        (lambda e, x: (e, 0 * x), "above 0"),
        (lambda e, x: (e[:, :1], x), "two columns"),
        (lambda e, x: (e * np.nan, x), "be finite"),
    ],
)
def test_impossible_counts_are_refused(spoil, rule):
    _, events, exposure = changes_and_counts()
    with pytest.raises(InferenceError, match=rule):
        pooled_counts_test(*spoil(events, exposure), TREATED, link="odds", seed=1)


def test_a_dose_below_zero_is_refused():
    with pytest.raises(InferenceError, match="at least 0"):
        dose_test(np.zeros(N), -DOSES, seed=1)


def test_doses_are_months_and_teams_of_the_plan():
    plan = pe.load_plan()
    doses = measure_doses(plan, "granted", 2)
    islington, cumbria = doses["E09000019"], doses["E10000006"]
    assert cumbria == 1
    assert islington == pytest.approx(0.333 * (7 + 12) / 24)
    begun = measure_doses(plan, "granted", 2, in_practice=True)  # the second wave in December
    assert begun["E10000006"] == 1
    assert begun["E09000019"] == pytest.approx(0.333 * (4 + 12) / 24)
    assert begun["E09000032"] == pytest.approx((4 + 12) / 24)
    assert measure_doses(plan, "announced", 2, in_practice=True) == measure_doses(
        plan, "announced", 2
    )


def test_readings_on_the_published_figures():
    plan = pe.load_plan().revise({"inference.draws": 199})
    panel = pe.build_panel(pe.load_published(), plan)
    found = list_other_readings(plan, panel, scenario="granted")
    doses = {"by dose", "by dose, from the start in practice"}
    assert set(found["reading"]) == {*doses, "pooled counts", "log odds, adjusted"}
    second = list_other_readings(plan, panel, scenario="granted_september")
    granted, begun = (second[second["reading"] == reading] for reading in sorted(doses))
    ratio = begun["estimate_low"].to_numpy() / granted["estimate_low"]
    assert ratio.dropna().to_numpy() == pytest.approx((7 + 12) / (4 + 12))  # all doses alike
    assert (begun["p_value"].to_numpy() == granted["p_value"]).sum() == len(ratio.dropna())
    answered = found[found["estimate_low"].notna()]
    assert (answered["conf_low"] <= answered["estimate_low"]).all()
    assert (answered["estimate_high"] <= answered["conf_high"]).all()
    assert found.loc[found["estimate_low"].isna(), "reason"].ne("").all()
    same = list_other_readings(plan, panel, scenario="announced")
    assert "by dose" not in set(same["reading"])  # equal exposure: the average effect says it all
