"""Checks of the result, each against a calculation of its own: docs/methods-checks.md."""

import numpy as np
import pandas as pd
import pytest

import pilot_eval as pe
from pilot_eval.checks.leave_one_out import leave_one_out_comparators, leave_one_out_treated
from pilot_eval.checks.placebo import placebo_council, placebo_in_space, placebo_in_time
from pilot_eval.checks.quick import compare_design
from pilot_eval.checks.simulated_power import simulate_power
from pilot_eval.checks.specification_curve import (
    CHOICES,
    _order,
    specification_curve,
    summarise_curve,
)
from pilot_eval.checks.trends import bound_design
from pilot_eval.evaluation import collapse_design
from pilot_eval.evaluation.prior_trend import extrapolate_trend
from pilot_eval.inference import minimum_detectable_effect
from pilot_eval.reporting.checks import tabulate_choices, tabulate_trend_bounds, word_prior_trend

REPEAT = {"scenario": "granted_march", "outcome": "repeat_plan_pct"}


@pytest.fixture(scope="module")
def plan():
    return pe.load_plan()


@pytest.fixture(scope="module")
def table():
    return pe.load_published()


@pytest.fixture(scope="module")
def panel(plan, table):
    return pe.build_panel(table, plan)


@pytest.fixture(scope="module")
def headline(plan, table):
    kwargs = {"scenarios": ("granted_march",), "outcomes": ("repeat_plan_pct",)}
    return pe.evaluate(plan, table, **kwargs).table.set_index("method")


def test_placebo_groups_have_no_pilot_and_average_no_effect(plan, panel, headline):
    space = placebo_in_space(plan, panel, **REPEAT)
    ends = headline.loc["robust", ["estimate_low", "estimate_high"]].tolist()
    assert [space.estimate_low, space.estimate_high] == pytest.approx(ends, abs=1e-10)
    # Groups are drawn from the comparators in size bands, so their mean effect is near zero:
    # within six standard errors of a mean over this many draws plus the bands' own difference.
    assert abs(space.placebos.mean()) < 0.5 * space.placebos.std()
    count = (np.abs(space.placebos) >= space.estimate_low).sum()
    assert space.share_as_large == (count + 1) / (plan.inference.draws + 1) > 0


def test_placebo_in_time_is_the_difference_of_the_two_years_before(plan, panel):
    found = placebo_in_time(plan, panel, **REPEAT)
    moved = {
        "windows.main": {"pre": [2010], "post": [2011]},
        f"scenarios.{REPEAT['scenario']}.windows": {"one_pre_year": "main"},
        f"scenarios.{REPEAT['scenario']}.first_treated": [2011] * 4,
    }
    design = pe.build_design(plan.revise(moved), panel, **REPEAT)
    hands, groups = [], (design.treated, design.comparators)
    low, high = design.bounds()  # comparators' hidden counts pull the other way
    for ours, theirs in (((low, high), (high, low)), ((high, low), (low, high))):
        change = [after[2011] - before[2010] for after, before in (ours, theirs)]
        mean = [c[list(g)].mean() for c, g in zip(change, groups, strict=True)]
        hands.append(mean[0] - mean[1])
    assert found["start"].tolist() == [2011]
    ends = found.loc[0, ["estimate_low", "estimate_high"]].tolist()
    assert ends == pytest.approx(hands, abs=1e-10)
    none = placebo_in_time(plan, panel, scenario="granted", outcome="rereferral_12m_pct")
    assert none.empty


def test_gateshead_is_compared_alone(plan, panel):
    found = placebo_council(plan, panel, council="Gateshead", outcome="repeat_plan_pct")
    design = pe.build_design(plan, panel, scenario="announced", outcome="repeat_plan_pct")
    code = design.treated[design.names.index("Gateshead")]
    figures = design.figures.loc[code]
    printed = [8.8, 9.6, 8.6, 9.3]  # DfE: 2009-10 to 2012-13
    assert figures.tolist() == pytest.approx(printed, abs=0.06)
    assert 0 < found["rank_p"] <= 1
    withheld = placebo_council(plan, panel, council="Hackney", outcome="ia_within_10wd_pct")
    assert withheld == {}


def test_leaving_out_equals_dropping_in_the_plan(plan, panel, table):
    found = leave_one_out_treated(plan, panel, **REPEAT).set_index("left_out")["estimate_low"]
    dropped = plan.revise({"drop_councils": ["Cumbria"]})
    again = pe.evaluate(
        dropped, table, scenarios=("granted_march",), outcomes=("repeat_plan_pct",)
    ).table
    assert found["Cumbria"] == pytest.approx(again["estimate_low"].iloc[0], abs=1e-10)


def test_leaving_out_one_comparator_equals_the_mean_without_it(plan, panel):
    found = leave_one_out_comparators(plan, panel, **REPEAT)
    design = pe.build_design(plan, panel, **REPEAT)
    assert found.index.tolist() == list(design.comparators)
    hidden = design.own_hidden

    def effects(counts):
        units = collapse_design(plan, design, counts)
        others = np.flatnonzero(~units.treated)[1:]
        return units.change[:, units.treated].mean(1) - units.change[:, others].mean(1)

    one_up = hidden.low + np.eye(len(hidden), dtype=int) * (hidden.high - hidden.low)
    raises = effects(one_up) > effects(hidden.low[None])
    corners = np.where([~raises, raises], hidden.high, hidden.low)
    assert found.iloc[0].tolist() == pytest.approx(effects(corners).tolist(), abs=1e-12)


def test_comparators_under_one_management_are_left_out_together(plan, panel):
    pair = {"clusters.Pair": ["Leeds", "Bradford"]}
    found = leave_one_out_comparators(plan.revise(pair), panel, **REPEAT)
    design = pe.build_design(plan, panel, **REPEAT)
    assert "Pair" in found.index
    assert len(found) == len(design.comparators) - 1


def test_the_curve_holds_the_plans_own_estimate_and_no_choice_twice(plan, table, headline):
    curve = specification_curve(plan, table, outcome="repeat_plan_pct")
    own = curve.query(
        "scenario == 'granted_march' and comparators == 'all_england' and inference == 'sharp' "
        "and weights == 'councils equal' and years == '2010+2011 to 2012+2013'"
    )
    ends = ["estimate_low", "estimate_high", "conf_low", "conf_high"]
    sharp = headline.loc["sharp", ends].tolist()
    assert own.iloc[0][ends].tolist() == pytest.approx(sharp, abs=1e-9)
    assert not curve.duplicated(list(CHOICES)).any()
    assert set(curve["breaks"]) == {"none spanned"}
    summary = summarise_curve(curve)
    # scenarios, years, comparator rules, test and weights
    assert summary["specifications"] == len(plan.open_scenarios) * 4 * 5 * 4
    assert summary["lowest"] <= summary["median"] <= summary["highest"]


def test_the_curve_keeps_its_order_whatever_a_processor_rounds(plan, table):
    curve = specification_curve(plan, table, outcome="repeat_plan_pct")
    ends = ["estimate_low", "estimate_high"]
    assert curve.duplicated(ends).any()  # without ties there is nothing to keep
    rng = np.random.default_rng(1)
    other = curve.assign(**{end: curve[end] + 1e-13 * rng.normal(size=len(curve)) for end in ends})
    assert not other.sort_values(ends).index.equals(other.index)
    choices = list(CHOICES)
    pd.testing.assert_frame_equal(_order(other)[choices], curve[choices])


@pytest.mark.parametrize(
    ("outcome", "figures", "breaks"),
    [
        (
            "ia_within_10wd_pct",
            "sum of bands where there are bands",
            {"accepted: ia_limit_7_to_10, effective_to_actual_dates"},
        ),
        ("icpc_within_15wd_pct", "sum of bands where there are bands", {"accepted: icpc_clock"}),
        ("cpp_rate", "rates as printed", set()),
    ],
)
def test_denominators_and_changes_of_definition_are_choices(plan, table, outcome, figures, breaks):
    curve = specification_curve(plan, table, outcome=outcome)
    assert set(curve["figures"]) == {"as planned", figures}
    assert set(curve["breaks"]) >= breaks
    rest = [name for name in CHOICES if name != "figures"]
    both = curve.pivot(index=rest, columns="figures", values="estimate_low").dropna()
    moved = (both[figures] - both["as planned"]).abs()
    assert len(both)
    moved = moved[moved.index.get_level_values("scenario") != "granted_september"]  # small: 3.5
    assert 0 < moved.max() < 3  # another denominator is another number, not another outcome
    shown = tabulate_choices(plan, curve).frame
    assert shown["Specifications"].sum() == len(CHOICES) * len(curve)


def test_a_design_with_nobody_on_one_side_is_answered_in_words(plan, panel):
    design = pe.build_design(plan, panel, **REPEAT)
    alone = compare_design(plan, design.restrict(design.treated, ()))
    assert alone["reason"] == "no comparator has figures"
    none = compare_design(plan, design.restrict((), design.comparators))
    assert none["reason"] == "fewer than two treated councils have figures"
    assert alone["estimate_low"] is none["estimate_low"] is None


def test_simulated_power_agrees_with_the_formula(plan, panel):
    units = collapse_design(plan, pe.build_design(plan, panel, **REPEAT))
    mde = minimum_detectable_effect(
        units.change[~units.treated],
        units.cases[~units.treated],
        units.cases[units.treated],
        int(units.treated.sum()),
        "size_adjusted",
        seed=plan.seed,
    )
    # 400 draws: Monte Carlo error 2 points; placebo pilots are real councils, not draws from the
    # fitted variance, so a few points more are allowed.
    assert simulate_power(plan, units, effect=mde) == pytest.approx(0.8, abs=0.1)
    assert simulate_power(plan, units, effect=0.0) < 0.12


def test_bounds_widen_with_the_departure_allowed(plan, panel):
    report = bound_design(plan, pe.build_design(plan, panel, **REPEAT))
    both, values = report.bounds, report.breakdown
    for restriction in ("relative_magnitudes", "smoothness"):
        bounds = both[both["restriction"] == restriction]
        assert bounds["conf_low"].is_monotonic_decreasing
        assert bounds["conf_high"].is_monotonic_increasing
        without_zero = (bounds["conf_low"] > 0) | (bounds["conf_high"] < 0)
        assert without_zero.tolist() == (bounds["allowed"] < values[restriction]).tolist()
    shown = tabulate_trend_bounds(plan, REPEAT["outcome"], report)
    assert "no interval leaves zero out" in shown.caption  # with Westminster, whose count is hidden
    assert "Treated: Cumbria, Knowsley, Westminster, Hackney" in shown.caption
    assert len(shown.frame) == len(both)


def test_breakdown_values_hold_for_every_filling(plan, panel):
    # Without Westminster nothing of the treated is hidden and the rise stands out more.
    without = plan.revise({"drop_councils": ["Westminster"]})
    design = pe.build_design(without, panel, **REPEAT)
    report = bound_design(without, design)
    single = [
        bound_design(without, design.fill(counts)).breakdown["relative_magnitudes"]
        for counts in design.own_hidden.sample(5, seed=2)
    ]
    assert report.missing == ()
    assert report.breakdown["relative_magnitudes"] <= min(single) + 1e-9


def test_the_trend_before_gone_on_by_hand(plan, panel):
    # DfE, repeat plans in 2009-10 and 2010-11: Cumbria 8.9 11.3, Knowsley 8.0 8.1, Westminster
    # 4.8 14.8, Hackney 11.9 11.9: up 3.1 on average. Comparators' known figures: down 0.1.
    design = pe.build_design(plan, panel, **REPEAT)
    trend = extrapolate_trend(plan, design)
    assert trend.slope_low < 3.2 < trend.slope_high
    assert (trend.effect_low, trend.effect_high) == (2 * trend.slope_low, 2 * trend.slope_high)
    known = extrapolate_trend(plan, design.leave_out_hidden())
    assert known.effect_low == known.effect_high == pytest.approx(6.5, abs=0.05)
    said = word_prior_trend(plan, REPEAT["outcome"], bound_design(plan, design))
    assert "Had that trend gone on, the estimate would be 5.4 to 6.7" in said


def test_no_bounds_with_one_year_before(plan, panel):
    design = pe.build_design(plan, panel, scenario="granted", outcome="rereferral_12m_pct")
    report = bound_design(plan, design)
    assert report.bounds.empty
    assert report.breakdown == {}
    assert "not known" in word_prior_trend(plan, "rereferral_12m_pct", report)
    shown = tabulate_trend_bounds(plan, "rereferral_12m_pct", report)
    assert "cannot be computed" in shown.caption
