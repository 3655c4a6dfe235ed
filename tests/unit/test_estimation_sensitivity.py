"""Trend bounds against a worst case found by linear programming, by hand, and by simulation.

docs/methods-estimators.md, block RR.
"""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import linprog
from scipy.stats import norm, ttest_ind

from pilot_eval.checks.fixed_length import second_sum_map, shortest_estimator
from pilot_eval.checks.sensitivity import bound_trends, breakdown_value
from pilot_eval.checks.trend_evidence import TrendEvidence, trend_evidence
from pilot_eval.errors import InferenceError
from pilot_eval.estimation.event_study import estimate_event_study


def evidence(estimates, n_pre, target=None, scale=0.1, covariance=None):
    estimates = np.asarray(estimates, dtype=float)
    n_post = len(estimates) - n_pre
    return TrendEvidence(
        estimates=estimates,
        covariance=scale**2 * np.eye(len(estimates)) if covariance is None else covariance,
        n_pre=n_pre,
        target=np.eye(n_post)[0] if target is None else np.asarray(target, dtype=float),
    )


def test_one_period_on_each_side_by_hand():
    # One estimator is free of linear trends: b(0) + b(-2), variance 2 x 0.01. Its bias is the one
    # second difference, at most M = 0.05. With M = 0: 0.5 + 0.1 -/+ 1.96 x 0.1 sqrt(2).
    data = evidence([0.1, 0.5], 1)
    exact = bound_trends(data, 0.0, "smoothness")
    half = norm.ppf(0.975) * 0.1 * np.sqrt(2)
    assert (exact.conf_low, exact.conf_high) == pytest.approx((0.6 - half, 0.6 + half))
    wide = bound_trends(data, 0.05, "smoothness")
    reach, sd = (wide.conf_high - wide.conf_low) / 2, 0.1 * np.sqrt(2)
    covered = norm.cdf((reach - 0.05) / sd) - norm.cdf((-reach - 0.05) / sd)
    assert covered == pytest.approx(0.95, abs=1e-12)


@pytest.mark.parametrize(("n_pre", "target"), [(4, [1, 0, 0]), (3, [0.5, 0.5]), (5, [0, 0, 0, 1])])
def test_shortest_interval_covers_in_the_worst_case_and_is_shortest(n_pre, target):
    n_post, bound = len(target), 0.04
    rng = np.random.default_rng(2)
    root = rng.normal(size=(n_pre + n_post,) * 2)
    data = evidence(rng.normal(size=n_pre + n_post), n_pre, target, covariance=0.01 * root @ root.T)
    weights, half = shortest_estimator(data, second_sum_map(data), bound, 0.05)
    worst = _worst_bias(weights, n_pre, n_post, target, bound)
    sd = np.sqrt(weights @ data.covariance @ weights)
    covered = norm.cdf((half - worst) / sd) - norm.cdf((-half - worst) / sd)
    assert covered == pytest.approx(0.95, abs=1e-9)
    for _ in range(20):  # no other estimator free of linear trends does better
        G, g, _ = second_sum_map(data)
        u = np.linalg.lstsq(G, weights - g, rcond=None)[0]
        other = G @ (u + 0.05 * rng.normal(size=len(u))) + g
        bias = _worst_bias(other, n_pre, n_post, target, bound)
        spread = np.sqrt(other @ data.covariance @ other)
        reach = half * (1 - 1e-6)
        assert norm.cdf((reach - bias) / spread) - norm.cdf((-reach - bias) / spread) < 0.95


def _worst_bias(weights, n_pre, n_post, target, bound):
    """Largest bias over differences in trends whose second differences are within the bound."""
    n = n_pre + n_post + 1
    second = np.diff(np.eye(n), 2, axis=0)
    reference = np.eye(n)[[n_pre]]
    on_all = np.insert(weights, n_pre, 0.0)
    found = linprog(
        -on_all,
        A_ub=np.vstack([second, -second]),
        b_ub=np.full(2 * (n - 2), bound),
        A_eq=reference,
        b_eq=[0.0],
        bounds=[(None, None)] * n,
    )
    return -found.fun


def test_wider_departures_give_wider_intervals_and_a_breakdown():
    data = evidence([0.05, -0.02, 0.03, 0.9, 1.0], 3)
    for restriction in ("smoothness", "relative_magnitudes"):
        lengths = [
            bound.conf_high - bound.conf_low
            for bound in (bound_trends(data, m, restriction) for m in (0.0, 0.5, 1.0, 2.0))
        ]
        assert (np.diff(lengths) > 0).all()
        edge = breakdown_value(data, restriction)
        assert bound_trends(data, 0.99 * edge, restriction).conf_low > 0
        assert bound_trends(data, 1.01 * edge, restriction).conf_low <= 0
    assert np.isnan(breakdown_value(evidence([0.0, 0.1], 1), "relative_magnitudes"))


def test_relative_magnitudes_zero_is_parallel_trends():
    # Mbar = 0 forces the difference in trends to stay where it was: an interval about the effect
    # at least as wide as the usual one, and at most one that ignores later periods' help.
    data = evidence([0.0, 0.0, 0.5], 2)
    found = bound_trends(data, 0.0)
    usual = norm.ppf(0.975) * 0.1
    assert found.conf_low == pytest.approx(0.5 - usual, rel=0.02)
    assert found.conf_high == pytest.approx(0.5 + usual, rel=0.02)


# Differences in trends at the edge of what is allowed: a step of 0.1 to the reference and as large
# after it (Mbar = 1); one kink of 0.1 at the reference (M = 0.1).
EDGE = {
    "relative_magnitudes": (1.0, np.array([-0.1, -0.1, -0.1, 0.1, 0.2])),
    "smoothness": (0.1, np.array([0.0, 0.0, 0.0, 0.1, 0.2])),
}


@pytest.mark.parametrize("n_draws", [50, pytest.param(2000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("restriction", EDGE)
def test_coverage_at_the_edge_of_the_restriction(restriction, n_draws):
    (bound, trend), n_pre = EDGE[restriction], 3
    rng = np.random.default_rng(11)
    inside = 0
    for _ in range(n_draws):
        data = evidence(trend + [0, 0, 0, 0.3, 0.3] + 0.1 * rng.normal(size=5), n_pre)
        found = bound_trends(data, bound, restriction)
        inside += found.conf_low <= 0.3 <= found.conf_high
    assert inside / n_draws >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / n_draws)


def test_few_treated_keep_the_standard_error_and_add_degrees_of_freedom():
    rng = np.random.default_rng(3)
    outcomes = rng.normal(size=(30, 6))
    treated = np.arange(30) < 5
    study = estimate_event_study(outcomes, np.where(treated, 3.0, np.nan))
    plain = trend_evidence(study)
    few = trend_evidence(study, few_treated=True)
    jump = study.changes[:, study.event_times == 0][:, 0]
    welch = ttest_ind(jump[treated], jump[~treated], equal_var=False)
    assert few.df == 4  # the treated councils' own: Welch's (4.48) covers too seldom with three
    # One weight is fitted on 25 comparators: 24 degrees of freedom for 23.
    assert few.std_error == pytest.approx(plain.std_error * np.sqrt(24 / 23))
    assert plain.effect / plain.std_error == pytest.approx(welch.statistic)
    wide, narrow = (
        bound_trends(data, 0.5, "smoothness") for data in (few, replace(few, df=np.inf))
    )
    assert wide.conf_high - wide.conf_low > narrow.conf_high - narrow.conf_low


@pytest.mark.slow
@pytest.mark.parametrize(("few_treated", "least", "most"), [(True, 0.93, 0.99), (False, 0.5, 0.8)])
def test_coverage_with_five_treated_of_152(few_treated, least, most):
    # Parallel trends, AR(1) with 0.6, M = 0: the hardest case for a covariance learnt from five.
    rng, inside = np.random.default_rng(1), 0
    for _ in range(400):
        y = rng.normal(size=(152, 6))
        for t in range(1, 6):
            y[:, t] = 0.6 * y[:, t - 1] + 0.8 * y[:, t]
        study = estimate_event_study(y, np.where(np.arange(152) < 5, 4.0, np.nan))
        data = trend_evidence(study, few_treated=few_treated)
        found = bound_trends(data, 0.0, "smoothness")
        inside += found.conf_low <= 0 <= found.conf_high
    assert least < inside / 400 < most


def test_evidence_from_an_event_study_takes_the_complete_run_of_event_times():
    rng = np.random.default_rng(0)
    outcomes = rng.normal(size=(30, 8))
    first = np.where(np.arange(30) < 5, 5.0, np.nan)
    outcomes[10, 1] = np.nan  # event time -4 of a comparator: the run starts at -3
    study = estimate_event_study(outcomes, first)
    data = trend_evidence(study)
    assert (data.n_pre, data.n_post) == (2, 3)
    assert data.effect == study.estimates[study.event_times == 0]
    with pytest.raises(InferenceError, match="before -1"):
        trend_evidence(estimate_event_study(outcomes[:, 4:], first, np.arange(4, 8)))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"bound": -0.1}, "at least 0"),
        ({"bound": np.inf}, "at least 0"),
        ({"bound": 1.0, "restriction": "monotone"}, "one of"),
        ({"bound": 1.0, "alpha": 0.7}, "between 0 and 0.5"),
    ],
)
def test_bad_arguments_are_refused(arguments, words):
    with pytest.raises(InferenceError, match=words):
        bound_trends(evidence([0.0, 0.5], 1), **arguments)


@pytest.mark.parametrize(
    ("estimates", "n_pre", "options"),
    [
        ([0.5, 0.1], 0, {}),
        ([0.1, np.nan], 1, {}),
        ([0.1, 0.5], 1, {"covariance": np.zeros((2, 2))}),
        ([0.1, 0.5], 1, {"covariance": np.array([[1.0, 0], [0, -1.0]])}),
    ],
)
def test_bad_evidence_is_refused(estimates, n_pre, options):
    with pytest.raises(InferenceError):
        evidence(estimates, n_pre, **options)


def test_many_post_periods_are_refused_for_relative_magnitudes():
    with pytest.raises(InferenceError, match="at most 8"):
        bound_trends(evidence(np.zeros(11), 2), 1.0)


@pytest.mark.parametrize("comparators", [5, 10])
def test_too_few_comparators_give_no_ends_and_say_so(comparators):
    rng = np.random.default_rng(5)
    outcomes = rng.normal(size=(3 + comparators, 12))
    start = np.where(np.arange(3 + comparators) < 3, 8.0, np.nan)
    data = trend_evidence(estimate_event_study(outcomes, start), few_treated=True)
    found = bound_trends(data, 0.0, "smoothness")
    assert np.isneginf(found.conf_low)
    assert np.isposinf(found.conf_high)
    assert "comparators" in found.reason


@pytest.mark.parametrize("treated", [3, 5])
def test_coverage_with_few_of_both(treated):
    """The smallest number of comparators allowed: parallel trends, seven weights to fit."""
    rng, inside, draws = np.random.default_rng(treated), 0, 200
    start = np.where(np.arange(treated + 22) < treated, 8.0, np.nan)
    for _ in range(draws):
        outcomes = rng.normal(size=(treated + 22, 12))
        data = trend_evidence(estimate_event_study(outcomes, start), few_treated=True)
        assert data.reason == ""
        found = bound_trends(data, 0.0, "smoothness")
        inside += found.conf_low <= 0 <= found.conf_high
    assert inside / draws >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / draws)
