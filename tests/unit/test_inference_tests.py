"""The tests for few treated councils: hand-solved examples, exact enumeration, bad input.

docs/methods.md#robust, docs/methods.md#sharp, docs/methods.md#cr2; docs/methods-inference.md,
blocks CR3, Randomisation, Minimum detectable effect.
"""

from __future__ import annotations

from itertools import combinations
from math import sqrt

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pilot_eval.errors import InferenceError
from pilot_eval.inference import (
    cr2_test,
    cr3_test,
    minimum_detectable_effect,
    randomisation_test,
    robust_test,
    size_adjusted_test,
)

# Five councils, the first two treated. By hand:
#   treated 3, 5: mean 4, s^2 = 2;  comparators 0, 1, 2: mean 1, s^2 = 1;  estimate = 3.
FIVE = np.array([3.0, 5.0, 0.0, 1.0, 2.0])
TWO_OF_FIVE = np.array([True, True, False, False, False])


def test_cr2_solved_by_hand():
    # CR2 variance = 2/2 + 1/3 = 4/3. Degrees of freedom (Bell-McCaffrey):
    #   (1/2 + 1/3)^2 / (1/(4*1) + 1/(9*2)) = (25/36) / (11/36) = 25/11.
    result = cr2_test(FIVE, TWO_OF_FIVE)
    assert result.estimate == pytest.approx(3.0)
    assert result.std_error == pytest.approx(sqrt(4 / 3))
    assert result.df == pytest.approx(25 / 11)
    assert result.p_value == pytest.approx(2 * stats.t.sf(3 / sqrt(4 / 3), 25 / 11))
    half = stats.t.ppf(0.975, 25 / 11) * sqrt(4 / 3)
    assert (result.conf_low, result.conf_high) == pytest.approx((3 - half, 3 + half))
    assert "not validated" in result.reason


def test_cr3_solved_by_hand():
    # CR3 variance = 2/1 + 1/2 = 5/2; df = (1 + 1/2)^2 / (1/1^3 + 1/2^3) = (9/4) / (9/8) = 2.
    result = cr3_test(FIVE, TWO_OF_FIVE)
    assert result.std_error == pytest.approx(sqrt(2.5))
    assert result.df == pytest.approx(2.0)


def test_two_by_two_has_an_estimate_but_no_certainty():
    # One treated council 10 -> 14, one comparator 10 -> 11: the effect is 4 - 1 = 3, and nothing
    # in four numbers says how sure it is.
    for result in (
        cr2_test([4.0, 1.0], [True, False]),
        robust_test([4.0, 1.0], [True, False], [50, 50], seed=1),
        size_adjusted_test([4.0, 1.0], [True, False], [50, 50]),
        randomisation_test([4.0, 1.0], [True, False], seed=1),
    ):
        assert np.isnan(result.p_value)
        assert "not estimable" in result.reason


def test_size_adjusted_solved_by_hand():
    # Comparators +1, -1 at 100 cases, +2, -2 at 25 cases and 0 at 50 cases would need iteration;
    # with mean 0 and n0 = 4 (+1, -1 at 100; +2, -2 at 25) it does not:
    #   squares * 4/3 = 4/3 at 100 cases, 16/3 at 25 cases; both points are fitted exactly:
    #   a + b/100 = 4/3, a + b/25 = 16/3  ->  b = 4 / 0.03 = 400/3, a = 0.
    # Two copies of each comparator (n0 = 8) give the same with factor 8/7: a = 0, b = 800/7.
    # Treated: one council of 50 cases, v = 16/7; comparators' v = 8/7 (4 of them), 32/7 (4).
    #   V = 16/7 + (4 * 8/7 + 4 * 32/7) / 64 = 16/7 + 160/448 = 16/7 + 5/14 = 37/14.
    changes = np.array([3.0, 1, -1, 2, -2, 1, -1, 2, -2])
    cases = np.array([50.0, 100, 100, 25, 25, 100, 100, 25, 25])
    result = size_adjusted_test(changes, np.arange(9) == 0, cases)
    assert result.estimate == pytest.approx(3.0)
    assert result.diagnostics["a"] == pytest.approx(0.0, abs=1e-9)
    assert result.diagnostics["b"] == pytest.approx(800 / 7)
    assert result.std_error == pytest.approx(sqrt(37 / 14))


def test_size_adjusted_degrees_of_freedom_follow_the_formula():
    rng = np.random.default_rng(5)
    n, cases = 60, np.exp(np.random.default_rng(6).normal(6, 1, 60))
    treated = np.arange(n) < 3
    changes = rng.normal(size=n) * np.sqrt(0.3 + 200 / cases)
    result = size_adjusted_test(changes, treated, cases)
    # The equations of the methods note, written out with matrices and general tools.
    e2 = (changes[~treated] - changes[~treated].mean()) ** 2 * 57 / 56
    X = np.column_stack([np.ones(57), 1 / cases[~treated]])
    v = np.full(57, e2.mean())
    for _ in range(200):
        W = np.diag(1 / v**2)
        v = X @ np.linalg.solve(X.T @ W @ X, X.T @ W @ e2)
    a, b = np.linalg.solve(X.T @ W @ X, X.T @ W @ e2)
    assert a > 0
    assert b > 0
    share = np.where(treated, 1 / 3, 1 / 57) ** 2
    c = np.array([share.sum(), (share / cases).sum()])
    V = c @ [a, b]
    spread = np.mean((e2 / v - 1) ** 2) * c @ np.linalg.inv(X.T @ W @ X) @ c
    assert result.std_error == pytest.approx(sqrt(V), rel=1e-8)
    assert result.df == pytest.approx(2 * V**2 / spread, rel=1e-7)


def test_period_factor_scales_a_councils_variance():
    # A variance factor of 4 and a quarter of the (a = 0) size effect are the same thing.
    changes = np.array([3.0, 1, -1, 2, -2, 1, -1, 2, -2])
    factor = np.where(np.abs(changes) == 2, 4.0, 1.0)
    result = size_adjusted_test(changes, np.arange(9) == 0, np.full(9, 10.0), period_factor=factor)
    assert result.std_error**2 == pytest.approx(8 / 7 * (1 + (4 + 16) / 64))


def brute_force(z, treated, alpha, tau, w):
    """P-value over all sets, from scipy's Welch t."""
    shifted = z - tau * w * treated
    actual = abs(stats.ttest_ind(shifted[treated], shifted[~treated], equal_var=False)[0])
    sets = list(combinations(range(z.size), int(treated.sum())))
    every = [
        abs(stats.ttest_ind(shifted[list(s)], np.delete(shifted, list(s)), equal_var=False)[0])
        for s in sets
    ]
    return np.mean(np.array(every) >= actual - 1e-9)


def test_randomisation_is_exact_when_small():
    rng = np.random.default_rng(2)
    changes, treated = rng.normal(size=9), np.arange(9) < 3
    result = randomisation_test(changes, treated, seed=1)  # 84 sets
    assert result.diagnostics["complete"] == 1
    assert result.p_value == pytest.approx(brute_force(changes, treated, 0.05, 0.0, 1.0))
    inside, outside = result.conf_high * 0.999, result.conf_high * 1.001
    assert brute_force(changes, treated, 0.05, inside, 1.0) > 0.05
    assert brute_force(changes, treated, 0.05, outside, 1.0) <= 0.05


def test_robust_is_exact_when_small():
    rng = np.random.default_rng(3)
    cases, treated = rng.uniform(20, 400, 10), np.arange(10) >= 7
    changes = rng.normal(size=10) * np.sqrt(0.2 + 60 / cases) + 0.8 * treated
    result = robust_test(changes, treated, cases, seed=1)
    variance = result.diagnostics["a"] + result.diagnostics["b"] / cases
    z = (changes - changes[~treated].mean()) / np.sqrt(variance)
    assert result.p_value == pytest.approx(
        brute_force(z, treated, 0.05, 0.0, 1 / np.sqrt(variance))
    )


def test_placebo_rank_of_one_treated_council():
    # The largest of 20 changes: 1 of 20 sets reaches it. With the difference, not with t.
    changes = np.r_[9.0, np.linspace(-2, 2, 19)]
    treated = np.arange(20) == 0
    exact = randomisation_test(changes, treated, statistic="difference", seed=1)
    assert exact.p_value == pytest.approx(1 / 20)
    for result in (
        randomisation_test(changes, treated, seed=1),
        robust_test(changes, treated, np.ones(20), seed=1),
        cr2_test(changes, treated),
    ):
        assert np.isnan([result.p_value, result.conf_low, result.std_error]).all()
        assert "1 treated council" in result.reason


def test_p_value_is_never_zero_and_says_its_smallest():
    changes = np.r_[np.full(5, 100.0) + np.arange(5), np.zeros(147) + 0.01 * np.arange(147)]
    treated = np.arange(152) < 5
    result = randomisation_test(changes, treated, draws=99, seed=1)
    assert result.p_value == 1 / 100
    assert size_adjusted_test(changes, treated, np.full(152, 10.0)).p_value > 0
    few = randomisation_test(changes[:7], treated[:7], seed=1)  # 21 sets
    assert few.p_value >= 1 / 21


def test_strata_keep_the_number_of_treated_in_each():
    # Treated: one of two in stratum a, one of three in b: 6 sets, and c never enters them.
    changes = np.array([5.0, 0.5, 4.0, 0.2, 0.1, -0.3, 0.4])
    treated = np.array([1, 0, 1, 0, 0, 0, 0], bool)
    strata = np.array(list("aabbbcc"))
    result = randomisation_test(
        changes, treated, statistic="difference", strata=strata, seed=1, draws=50
    )
    assert result.diagnostics["assignments"] == 6
    assert result.p_value == pytest.approx(1 / 6)
    assert "smallest possible p-value" in result.reason


def test_same_seed_same_answer():
    rng = np.random.default_rng(4)
    changes, treated = rng.normal(size=60), np.arange(60) < 4
    first = robust_test(changes, treated, np.ones(60), seed=7)
    assert repr(first) == repr(robust_test(changes, treated, np.ones(60), seed=7))  # NaN too
    other = robust_test(changes, treated, np.ones(60), seed=8)
    assert first.p_value == pytest.approx(other.p_value, abs=0.02)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"changes": [np.nan, 1, 2, 3, 4, 5, 6]}, "missing or infinite"),
        ({"changes": [np.inf, 1, 2, 3, 4, 5, 6]}, "missing or infinite"),
        ({"cases": [0, 1, 1, 1, 1, 1, 1]}, "above 0"),
        ({"cases": [1, 1, 1]}, "as many units"),
        ({"treated": [2, 0, 0, 0, 0, 0, 0]}, "true or false"),
        ({"alpha": 5}, "between 0 and 1"),
        ({"alpha": "5e-2"}, "between 0 and 1"),
        ({"draws": 0}, "from 1"),
        ({"strata": ["a"]}, "as many units"),
        ({"changes": pd.Series(range(7), index=list("aacdefg"))}, "duplicates"),
    ],
)
def test_bad_input_is_refused(change, words):
    given = {
        "changes": [5.0, 1, 2, 3, 4, 5, 6],
        "treated": [1, 1, 0, 0, 0, 0, 0],
        "cases": [9.0] * 7,
        "seed": 1,
    }
    with pytest.raises(InferenceError, match=words):
        robust_test(**(given | change))


@pytest.mark.parametrize(
    ("changes", "treated"),
    [
        ([1.0, 2, 3, 4, 5, 6, 7, 8], [1] * 8),  # no comparators
        ([1.0, 2, 3, 4, 5, 6, 7, 8], [0] * 8),  # nobody treated
        ([5.0] * 8, [1, 1, 1, 0, 0, 0, 0, 0]),  # all councils equal
        ([1.0, 2, 3, 5, 5, 5, 5, 5], [1, 1, 1, 0, 0, 0, 0, 0]),  # comparators equal
    ],
)
def test_what_cannot_be_estimated_is_said_never_numbered(changes, treated):
    for result in (
        robust_test(changes, treated, [9.0] * 8, seed=1),
        size_adjusted_test(changes, treated, [9.0] * 8),
        cr2_test(changes, treated),
        randomisation_test(changes, treated, seed=1),
        randomisation_test(changes, treated, statistic="difference", seed=1),
    ):
        assert np.isnan([result.estimate, result.p_value, result.conf_low]).all()
        assert result.reason.startswith("not estimable")


def test_detectable_effect_of_t_tests_has_the_stated_power():
    # The non-central t of scipy is the outside reference: CR2 with 3 treated of 40.
    rng = np.random.default_rng(1)
    changes, cases = rng.normal(size=37), np.full(37, 50.0)
    effect = minimum_detectable_effect(changes, cases, cases[:3], 3, "cr2")
    se = np.std(changes, ddof=1) * sqrt(1 / 3 + 1 / 37)
    df = (1 / 3 + 1 / 37) ** 2 / (1 / 18 + 1 / (37**2 * 36))
    critical = stats.t.ppf(0.975, df)
    found = stats.nct.sf(critical, df, effect / se) + stats.nct.cdf(-critical, df, effect / se)
    assert found == pytest.approx(0.8, abs=1e-6)


def test_detectable_effect_of_the_robust_test_is_detected():
    rng = np.random.default_rng(9)
    cases = rng.lognormal(6, 0.8, 152)
    scale, treated = np.sqrt(0.5 + 300 / cases), np.arange(152) < 5
    effect = minimum_detectable_effect(
        rng.normal(size=147) * scale[5:], cases[5:], cases[:5], 5, "robust"
    )
    hits = [
        robust_test(
            rng.normal(size=152) * scale + effect * treated, treated, cases, draws=199, seed=rng
        ).p_value
        <= 0.05
        for _ in range(150)
    ]
    # One fitted variance function stands behind `effect`, so this is a rough check on purpose.
    assert np.mean(hits) == pytest.approx(0.8, abs=0.12)


def test_detectable_effect_is_nan_without_an_answer():
    changes = np.random.default_rng(1).normal(size=30)
    assert np.isnan(minimum_detectable_effect(changes, np.ones(30), [1.0], 1, "robust"))
    assert np.isnan(minimum_detectable_effect(np.zeros(30), np.ones(30), [1.0] * 3, 3, "cr2"))
    few = changes[:6]  # more treated than comparators: no set can take their place
    assert np.isnan(minimum_detectable_effect(few, np.ones(6), np.ones(9), 9, "robust"))
    assert minimum_detectable_effect(few, np.ones(6), np.ones(9), 9, "size_adjusted") > 0
    assert minimum_detectable_effect(changes, np.ones(30), [1.0], 1, "size_adjusted") > 0


def test_detectable_effect_grows_with_the_treated_councils_gaps():
    # One treated council whose change has 4 times the variance and comparators that are many:
    # V = v (4 + 1/n0) instead of v (1 + 1/n0), nothing else moves.
    changes, cases = np.random.default_rng(2).normal(size=50), np.full(50, 80.0)
    plain = minimum_detectable_effect(changes, cases, [80.0], 1, "size_adjusted")
    wide = minimum_detectable_effect(
        changes, cases, [80.0], 1, "size_adjusted", period_factor_treated=[4.0]
    )
    assert wide / plain == pytest.approx(sqrt((4 + 1 / 50) / (1 + 1 / 50)), rel=1e-3)


def test_the_sharp_test_says_where_it_is_weaker_than_promised():
    rng = np.random.default_rng(3)
    few, treated = rng.normal(size=40), np.arange(40) < 1
    assert "96% of an oracle's" in size_adjusted_test(few, treated, np.full(40, 50.0)).reason
    many = rng.normal(size=152)
    assert size_adjusted_test(many, np.arange(152) < 1, np.full(152, 50.0)).reason == ""
    # Six treated councils four times as spread out as their size predicts.
    many[:6] *= 4
    doubtful = size_adjusted_test(many, np.arange(152) < 6, np.full(152, 50.0))
    assert doubtful.reason.startswith("doubtful")
    assert doubtful.diagnostics["dispersion"] > 3
