"""Monitoring: boundaries against published tables, funnel plots, CUSUM charts.

docs/methods-monitoring.md, the block of each name.
"""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.meta_analysis import combine_effects

from pilot_eval.errors import DataError, ParameterError
from pilot_eval.monitoring.cusum import CusumThreshold, calibrate_cusum, compute_cusum
from pilot_eval.monitoring.funnel import compute_funnel
from pilot_eval.monitoring.sequential import (
    anytime_valid,
    crossing_probability,
    group_sequential_boundaries,
    spent_error,
)
from pilot_eval.monitoring.trial import (
    MonitoringPlan,
    estimate_persistence,
    information_fractions,
    monitor_trial,
)

# Reboussin, DeMets, Kim and Lan (2000), Controlled Clinical Trials 21: Lan-DeMets O'Brien-Fleming
# type, one-sided 0.025 (two-sided 0.05), as ldbounds and gsDesign print them; one-sided 0.05 of
# four looks as the README of SeqBounds.jl; Pocock type of two looks as gsDesign.
PUBLISHED = [
    (2, 0.025, 1, "obrien_fleming", [2.963, 1.969]),
    (3, 0.025, 1, "obrien_fleming", [3.710, 2.511, 1.993]),
    (4, 0.025, 1, "obrien_fleming", [4.333, 2.963, 2.359, 2.014]),
    (5, 0.05, 2, "obrien_fleming", [4.877, 3.357, 2.680, 2.290, 2.031]),
    (4, 0.05, 1, "obrien_fleming", [3.74955, 2.53993, 2.01604, 1.72014]),
    (2, 0.05, 2, "pocock", [2.157, 2.201]),
    (1, 0.05, 1, "obrien_fleming", [1.64485]),
]


@pytest.mark.parametrize(("looks", "alpha", "sides", "spending", "expected"), PUBLISHED)
def test_boundaries_are_the_published_ones(looks, alpha, sides, spending, expected) -> None:
    fractions = np.arange(1, looks + 1) / looks
    found = group_sequential_boundaries(fractions, alpha=alpha, sides=sides, spending=spending)
    assert found == pytest.approx(expected, abs=6e-4)


def test_crossing_probabilities_are_jennison_and_turnbulls() -> None:
    """Jennison and Turnbull (2000), tables 2.1 and 2.3, five looks, two-sided 5%.

    Pocock's constant 2.413 and O'Brien and Fleming's 2.040 / sqrt(t) both spend 0.05 in all.
    """
    t = np.arange(1, 6) / 5
    pocock = crossing_probability(np.full(5, 2.413), t, sides=2).sum()
    obrien = crossing_probability(2.040 / np.sqrt(t), t, sides=2).sum()
    assert pocock == pytest.approx(0.05, abs=1e-4)
    assert obrien == pytest.approx(0.05, abs=1e-4)
    # One look with drift 1.645 + 1.2816 = 2.926: power 90% of a one-sided 5% test.
    power = crossing_probability([1.6449], [1.0], drift=2.9264)
    assert power.sum() == pytest.approx(0.90, abs=1e-3)


def test_boundaries_of_24_looks_spend_the_error_exactly() -> None:
    t = information_fractions(24, tuple(range(1, 25)))
    bounds = group_sequential_boundaries(t)
    assert crossing_probability(bounds, t).sum() == pytest.approx(0.05, abs=1e-7)
    assert np.cumsum(crossing_probability(bounds, t)) == pytest.approx(spent_error(t), abs=1e-7)
    assert (np.diff(bounds[np.isfinite(bounds)]) < 0).all()


@pytest.mark.parametrize("bad", [[0.5, 0.5], [0.0, 1.0], [0.5, 1.2], [1.0, 0.5]])
def test_impossible_fractions_are_refused(bad) -> None:
    with pytest.raises(ParameterError, match="fractions"):
        group_sequential_boundaries(bad)


def test_information_by_hand() -> None:
    """12 months before, looks after 1, 3 and 12 months, independent months.

    Variances 1/12 + 1 = 13/12, 1/12 + 1/3 = 5/12, 1/12 + 1/12 = 2/12: fractions 2/13, 2/5, 1.
    """
    assert information_fractions(12, (1, 3, 12)) == pytest.approx([2 / 13, 2 / 5, 1])


def test_persistence_is_found_in_long_series() -> None:
    rng = np.random.default_rng(1)
    noise = rng.standard_normal((150, 60))
    for month in range(1, 60):
        noise[:, month] = 0.6 * noise[:, month - 1] + 0.8 * noise[:, month]
    cases = np.full(noise.shape, 1e7)
    found = estimate_persistence((0.3 + 0.02 * noise) * cases, cases)
    assert found == pytest.approx(0.6, abs=0.03)


def test_martingale_by_hand_and_its_interval() -> None:
    """Estimate 2 with standard error 1, scale 2: I = 1, S = 2, 1 + scale^2 I = 5.

    Two-sided: exp(4 x 4 / 10) / sqrt(5) = 2.2150. The interval of level 95% is 2 +- half with
    half^2 = 5 log(5 / 0.0025) / 4.
    """
    martingale, p_value, half = anytime_valid([2.0], [1.0], scale=2.0, sides=2)
    assert martingale[0] == pytest.approx(np.exp(1.6) / np.sqrt(5))
    assert p_value[0] == pytest.approx(np.sqrt(5) / np.exp(1.6))
    assert half[0] == pytest.approx(np.sqrt(5 * np.log(2000) / 4))
    # The interval leaves 0 exactly when the martingale reaches 1 / alpha.
    edge, _, _ = anytime_valid(half, [1.0], scale=2.0, sides=2)
    assert edge[0] == pytest.approx(20)
    with pytest.raises(ParameterError, match="scale"):
        anytime_valid([1.0], [1.0], scale=-1.0)


def test_monitoring_by_hand() -> None:
    """One treated council: 20% before, 30% after; comparators stay at 20% on average: +10."""
    rng = np.random.default_rng(2)
    cases = np.full((41, 18), 200.0)
    events = np.round(cases * (0.2 + rng.normal(0, 0.01, cases.shape)))
    events[0, :12], events[0, 12:] = 40, 60
    treated = np.arange(41) == 0
    plan = MonitoringPlan(months_before=12, looks=(3, 6, 12), harm="rises", scale=3.0)
    table = monitor_trial(events, cases, treated, plan=plan)
    assert table["months_after"].tolist() == [3, 6]  # the look after 12 months is yet to come
    share = 100 * events / cases
    others = share[1:, 12:15].mean() - share[1:, :12].mean()
    assert table["estimate"].iloc[0] == pytest.approx(10 - others)
    assert table["alarm_so_far"].all()
    assert table["alarm_anytime"].all()
    falls = MonitoringPlan(months_before=12, looks=(3, 6, 12), harm="falls", scale=3.0)
    assert not monitor_trial(events, cases, treated, plan=falls)["alarm"].any()


def test_monitoring_refuses_what_it_cannot_judge() -> None:
    plan = MonitoringPlan(months_before=12, looks=(1,), harm="rises", scale=3.0)
    cases, treated = np.full((30, 13), 50.0), np.arange(30) < 2
    events = cases / 5
    empty = cases.copy()
    empty[3, 12] = 0
    for bad in (
        (events[:, :12], cases[:, :12], treated),
        (events, cases, np.zeros(30, bool)),
        (events, cases, np.arange(30) < 15),
        (np.where(empty == 0, 0, events), empty, treated),
        (events * 9, cases, treated),
        (events * np.nan, cases, treated),
    ):
        with pytest.raises(DataError, match=r"must .*; got "):
            monitor_trial(*bad, plan=plan)
    with pytest.raises(ParameterError, match="looks"):
        MonitoringPlan(months_before=12, looks=(3, 2), harm="rises", scale=3.0)


def test_funnel_spread_is_dersimonian_and_lairds() -> None:
    """Without winsorising, tau^2 is DerSimonian and Laird's about the pooled share."""
    rng = np.random.default_rng(3)
    cases = rng.integers(50, 2000, 60).astype(float)
    events = rng.binomial(cases.astype(int), np.clip(rng.normal(0.25, 0.04, 60), 0.05, 0.6))
    codes = [f"c{i}" for i in range(60)]
    funnel = compute_funnel(codes, events, cases, winsorised=0.0)
    centre = events.sum() / cases.sum()
    # With equal p the fixed-effect mean of the shares is the pooled share.
    reference = combine_effects(
        events / cases, centre * (1 - centre) / cases, method_re="dl", use_t=False
    )
    assert (funnel.tau / 100) ** 2 == pytest.approx(reference.tau2, rel=1e-10)
    assert funnel.phi == pytest.approx(reference.q / 60, rel=1e-10)
    assert (funnel.curves["high_998"] > funnel.curves["high_95"]).all()


def test_funnel_finds_the_outlier_and_winsorising_keeps_it_from_hiding() -> None:
    """19 councils at 20% of 400 and one at 40%: z of the last = 0.2 / 0.02 = 10."""
    codes = [f"c{i:02d}" for i in range(20)]
    funnel = compute_funnel(codes, [80] * 19 + [160], [400] * 20, target=20.0)
    last = funnel.councils.iloc[-1]
    assert last["z"] == pytest.approx(10)
    assert last["position"] == "above 99.8%"
    assert funnel.tau == 0.0
    assert (funnel.councils["position"].iloc[:-1] == "within").all()
    assert compute_funnel(codes, [80] * 19 + [160], [400] * 20, winsorised=0.0).tau > 3
    empty = compute_funnel([*codes, "none"], [80] * 20 + [0], [400] * 20 + [0])
    assert empty.without_cases == ("none",)


@pytest.mark.parametrize(
    ("numerator", "denominator", "options", "error"),
    [
        ([1] * 12, [0] * 12, {}, DataError),
        ([np.nan] + [1] * 11, [10] * 12, {}, DataError),
        ([11] * 12, [10] * 12, {}, DataError),
        ([0] * 12, [10] * 12, {}, DataError),
        ([1] * 12, [10] * 12, {"target": 120.0}, ParameterError),
        ([1] * 12, [10] * 12, {"winsorised": 0.6}, ParameterError),
        ([1] * 12, [10] * 12, {"overdispersion": "some"}, ParameterError),
    ],
)
def test_impossible_funnels_are_refused(numerator, denominator, options, error) -> None:
    codes = [f"c{i}" for i in range(12)]
    with pytest.raises(error, match=r"must .*; got "):
        compute_funnel(codes, numerator, denominator, **options)


@pytest.mark.parametrize(("threshold", "run_length"), [(4.0, 2 * 168), (5.0, 2 * 465)])
def test_cusum_thresholds_are_lucas_and_crosiers(threshold, run_length) -> None:
    """Lucas and Crosier (1982): two-sided run length 168 and 465; one side alone has twice."""
    found = calibrate_cusum(run_length, seed=1)
    assert found.threshold == pytest.approx(threshold, abs=0.06)
    assert abs(found.achieved - run_length) < 4 * found.monte_carlo_error


def test_cusum_by_hand() -> None:
    """Expected share 0.2 of 100 cases, no spread beyond chance: one sd is 0.04.

    Months at 0.28 have z = 2, less 0.5: 1.5, 3.0, 4.5 (alarm at 4, start again), 1.5.
    """
    codes, cases = ["a", "b"], np.full((2, 16), 100.0)
    events = np.full((2, 16), 20.0)
    events[0, 12:] = 28
    threshold = CusumThreshold(
        threshold=4.0,
        reference=0.5,
        run_length=336,
        achieved=336,
        monte_carlo_error=0,
        persistence=0,
    )
    expected = np.full((2, 16), 0.2)
    chart = compute_cusum(
        codes, events, cases, months_before=12, harm="rises", threshold=threshold, expected=expected
    )
    first = chart[chart["council_code"] == "a"]
    assert first["cusum"].tolist() == pytest.approx([1.5, 3.0, 4.5, 1.5])
    assert first["alarm"].tolist() == [False, False, True, False]
    assert (chart[chart["council_code"] == "b"]["cusum"] == 0).all()
    falls = compute_cusum(
        codes, events, cases, months_before=12, harm="falls", threshold=threshold, expected=expected
    )
    assert not falls["alarm"].any()
    with pytest.raises(DataError, match="months"):
        compute_cusum(codes, events, cases, months_before=6, harm="rises", threshold=threshold)
