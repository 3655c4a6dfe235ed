"""Adaptive test, gaps, wild bootstrap, staggered paths, families and weights.

docs/methods-inference.md, the block of each name.
"""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from pilot_eval.errors import InferenceError
from pilot_eval.inference import (
    adaptive_test,
    benjamini_hochberg,
    collapse_panel,
    cr1_test,
    family_test,
    robust_test,
    romano_wolf,
    size_adjusted_test,
    wild_bootstrap_test,
)
from pilot_eval.inference.size_adjusted import compute_size_adjusted


def make_panel(seed, n=60, before=8, after=2, rho=0.6, period_effects=1.0):
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(n, before + after))
    for t in range(1, before + after):
        noise[:, t] = rho * noise[:, t - 1] + np.sqrt(1 - rho**2) * noise[:, t]
    return noise + 10 * rng.normal(size=(n, 1)) + period_effects * rng.normal(size=before + after)


# --- panels with gaps ---------------------------------------------------------------------------


def test_gaps_do_not_bias_changes():
    # Exact two-way data without noise: council effect + period effect + 3 for the treated after.
    # Whatever is missing, each change must be 3 + (mean period effect after - before).
    rng = np.random.default_rng(1)
    periods = np.array([0.0, 4.0, -2.0, 7.0, 1.0, 9.0])
    panel = rng.normal(size=(30, 1)) * 50 + periods
    treated = np.arange(30) < 4
    panel[:4, 4:] += 3
    panel[rng.random(panel.shape) < 0.15] = np.nan
    panel[7, :4] = np.nan
    found = collapse_panel(panel, 4, treated, correlation=0.0).changes
    assert np.isnan(found[7])
    expected = periods[4:].mean() - periods[:4].mean() + 3 * treated
    assert np.delete(found, 7) == pytest.approx(np.delete(expected, 7), abs=1e-6)


def test_period_factor_by_hand():
    # Uncorrelated errors, 4 before and 2 after: variance 1/4 + 1/2 = 3/4. With 2 and 1 observed:
    # 1/2 + 1 = 3/2, twice as much.
    panel = np.zeros((3, 6))
    panel[0, [0, 1, 4]] = np.nan
    assert collapse_panel(panel, 4, [True, False, False], correlation=0.0).period_factor == (
        pytest.approx([2.0, 1.0, 1.0])
    )


def test_a_panel_without_pre_periods_is_refused():
    with pytest.raises(InferenceError, match="from 1"):
        collapse_panel(np.zeros((4, 3)), 0, [True, False, False, False])


# --- adaptive -----------------------------------------------------------------------------------


def adaptive(panel, treated, **change):
    changes = panel[:, 8:].mean(1) - panel[:, :8].mean(1)
    given = {
        "cases": np.full(len(panel), 100.0),
        "before": panel[:, :8],
        "n_after": panel.shape[1] - 8,
        "seed": 1,
    }
    return adaptive_test(changes, treated, **(given | change))


def test_adaptive_widens_for_noisier_treated():
    panel, treated = make_panel(3, n=150, period_effects=0.0), np.arange(150) < 5
    calm = adaptive(panel, treated)
    noisy_panel = panel.copy()
    noisy_panel[:5] *= 2.0  # twice the standard deviation, council effects included
    noisy = adaptive(noisy_panel, treated)
    assert noisy.diagnostics["ratio"] == pytest.approx(4 * calm.diagnostics["ratio"], rel=0.05)
    assert noisy.diagnostics["ratio_p"] < 0.05 < calm.diagnostics["ratio_p"]
    assert noisy.std_error == pytest.approx(2 * calm.std_error, rel=0.1)
    assert calm.diagnostics["correlation"] == pytest.approx(0.6, abs=0.1)
    assert (calm.conf_low <= 0 <= calm.conf_high) == (calm.p_value > 0.05)


def test_adaptive_does_not_depend_on_levels_or_periods():
    panel, treated = make_panel(4), np.arange(60) < 4
    moved = panel + np.random.default_rng(1).normal(size=(60, 1)) * 5
    moved[:, :8] += np.arange(8)  # a common period effect moves every change alike
    assert adaptive(moved, treated).p_value == adaptive(panel, treated).p_value


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (lambda p: p[:, 1:8], "needs 8"),
        (lambda p: np.where(np.arange(60)[:, None] < 4, 7.0, p[:, :8]), "do not vary"),
        (lambda p: np.full((60, 8), 7.0), "do not vary"),
        (
            lambda p: np.where(
                (np.arange(60)[:, None] == 0) & (np.arange(8) > 3), np.nan, p[:, :8]
            ),
            "under 5",
        ),
    ],
)
def test_adaptive_says_what_is_missing(break_it, words):
    panel = make_panel(5)
    result = adaptive(panel, np.arange(60) < 4, before=break_it(panel))
    assert np.isnan([result.p_value, result.estimate]).all()
    assert words in result.reason


def test_adaptive_leaves_out_comparators_without_a_series():
    panel = make_panel(6)
    before = panel[:, :8].copy()
    before[-3:, 2:] = np.nan
    result = adaptive(panel, np.arange(60) < 4, before=before)
    assert result.n_comparators == 53
    assert result.diagnostics["comparators_left_out"] == 3


# --- wild bootstrap -----------------------------------------------------------------------------


def regression_t(y, treated):
    """Estimate over its sandwich standard error, from the regression itself."""
    X = np.column_stack([np.ones(y.size), treated])
    inverse = np.linalg.inv(X.T @ X)
    beta = inverse @ X.T @ y
    e = y - X @ beta
    return beta[1] / np.sqrt((inverse @ (X.T * e**2) @ X @ inverse)[1, 1])


@pytest.mark.parametrize("restricted", [True, False])
def test_wild_bootstrap_against_all_sign_vectors(restricted):
    # 5 treated of 11: 2048 sign vectors, each re-estimated by regression. Restricted residuals come
    # from the regression on a constant alone.
    y, treated = np.random.default_rng(8).normal(size=11), np.arange(11) < 5
    y = y + 0.8 * treated
    X = np.column_stack([np.ones(11), treated])[:, : 1 if restricted else 2]
    fitted = X @ np.linalg.lstsq(X, y, rcond=None)[0]
    actual = abs(regression_t(y, treated))
    null = []
    for signs in product((1.0, -1.0), repeat=11):
        fake = fitted + (y - fitted) * np.array(signs)
        shift = 0.0 if restricted else y[treated].mean() - y[~treated].mean()
        null.append(abs(regression_t(fake - shift * treated, treated)))
    expected = np.mean(np.array(null) >= actual - 1e-9)
    result = wild_bootstrap_test(y, treated, restricted=restricted, seed=1)
    assert result.diagnostics["complete"] == 1
    assert result.p_value == pytest.approx(expected)


@pytest.mark.parametrize(
    ("k", "restricted", "refused"),
    [(3, True, True), (4, True, False), (4, False, True), (5, False, False)],
)
def test_wild_bootstrap_is_refused_where_it_cannot_work(k, restricted, refused):
    y = np.random.default_rng(k).normal(size=60)
    result = wild_bootstrap_test(
        y, np.arange(60) < k, restricted=restricted, weights="webb", draws=199, seed=1
    )
    assert result.reason.startswith("refused") == refused
    assert np.isnan(result.p_value) == refused
    if not refused:
        assert result.conf_low < result.estimate < result.conf_high


def test_cr1_is_refused_below_twenty_treated():
    y = np.random.default_rng(1).normal(size=152)
    assert "refused" in cr1_test(y, np.arange(152) < 19).reason
    assert cr1_test(y, np.arange(152) < 20).p_value > 0


# --- families -----------------------------------------------------------------------------------


def test_romano_wolf_by_brute_force():
    # Step-down written out: compare the largest statistic with the maximum over all outcomes, the
    # next with the maximum over those left, and never let a p-value fall below the one before.
    rng = np.random.default_rng(13)
    null, actual = np.abs(rng.normal(size=(4, 200))), np.array([2.9, 0.4, 2.1, 1.7])
    expected, left, floor = np.empty(4), [0, 1, 2, 3], 0.0
    while left:
        best = max(left, key=lambda k: actual[k])
        p = (1 + sum(max(null[k, r] for k in left) >= actual[best] for r in range(200))) / 201
        floor = max(floor, p)
        expected[best] = floor
        left.remove(best)
    assert romano_wolf(actual, null) == pytest.approx(expected)


def test_benjamini_hochberg_against_statsmodels():
    from statsmodels.stats.multitest import multipletests

    p = np.array([0.01, 0.03, np.nan, 0.02, 0.6, 0.045])
    expected = multipletests(p[~np.isnan(p)], method="fdr_bh")[1]
    assert benjamini_hochberg(p)[~np.isnan(p)] == pytest.approx(expected)


def test_a_familys_own_p_values_are_those_of_the_robust_test():
    rng = np.random.default_rng(14)
    changes, cases = rng.normal(size=(4, 50)), rng.uniform(50, 500, 50)
    treated = np.arange(50) < 5
    changes[0] += 6 * treated
    changes[3, 10] = np.nan
    factor = rng.uniform(1, 2, 50)
    family = family_test(changes, treated, cases, draws=999, seed=2, period_factor=factor)
    for row in range(3):
        alone = robust_test(changes[row], treated, cases, draws=9999, seed=2, period_factor=factor)
        error = 4 * np.sqrt(alone.p_value * (1 - alone.p_value) / 999) + 2 / 999
        assert family.p_value[row] == pytest.approx(alone.p_value, abs=error)
    assert (family.romano_wolf >= family.p_value).all()
    assert family.romano_wolf[0] < 0.05


@pytest.mark.parametrize("seed", range(6))
def test_an_adjusted_p_value_is_never_below_its_own_whatever_that_is(seed):
    rng = np.random.default_rng(seed)
    changes = rng.normal(size=(7, 40))
    treated = np.zeros((7, 40), dtype=bool)
    for row, seen in enumerate((2, 2, 3, 4, 5, 5, 5)):  # sets of 2 of 40: many draws are tied
        treated[row, rng.permutation(5)[:seen]] = True
        changes[row, :5][~treated[row, :5]] = np.nan
    changes[:, 5:][rng.random((7, 35)) < 0.1] = np.nan
    own = np.concatenate([rng.uniform(size=6) ** 3, [1.0]])
    for given in (None, own):
        family = family_test(changes, treated, np.ones(40), draws=299, seed=seed, p_values=given)
        assert (family.romano_wolf >= family.p_value).all()
        assert (family.benjamini_hochberg >= family.p_value).all()
        order = np.argsort(family.p_value)
        assert (np.diff(family.romano_wolf[order]) >= 0).all()


def test_stand_ins_keep_overlaps_numbers_and_missing_cells():
    # Two outcomes of the same treated councils, fully seen: the same stand-ins, hence the same
    # p-values for equal changes; a third without one of them keeps its own number.
    rng = np.random.default_rng(3)
    changes = np.tile(rng.normal(size=30), (3, 1))
    changes[2, 0] = np.nan
    family = family_test(changes, np.arange(30) < 4, np.ones(30), draws=499, seed=1)
    assert family.p_value[0] == family.p_value[1]
    assert family.romano_wolf[0] == family.romano_wolf[1]
    again = family_test(changes[:1], np.arange(30) < 4, np.ones(30), draws=499, seed=1)
    # one comparison three times is no more than once, but for the third's own missing council
    assert family.romano_wolf[0] >= again.romano_wolf[0]


def test_a_family_states_what_it_cannot_test():
    changes = np.random.default_rng(1).normal(size=(3, 30))
    changes[1] = 5.0
    changes[2, :4] = np.nan
    family = family_test(changes, np.arange(30) < 5, np.ones(30), draws=99, seed=1)
    assert np.isnan(family.romano_wolf).tolist() == [False, True, True]
    assert family.reasons[0] == ""
    assert "all equal" in family.reasons[1]
    assert "needs 2 treated" in family.reasons[2]


# --- weights -----------------------------------------------------------------------


def test_weights_are_shares_of_the_means():
    # Treated 4 and 1 with weights 1 and 3: 7/4. Comparators +-1 (weight 1), +-2 (weight 2): 0.
    changes = np.array([4.0, 1, 1, -1, 2, -2, 1, -1])
    weights = np.array([1.0, 3, 1, 1, 2, 2, 1, 1])
    treated = np.arange(8) < 2
    weighted = size_adjusted_test(changes, treated, np.full(8, 50.0), weights=weights)
    assert weighted.estimate == pytest.approx(1.75)
    # All sizes equal: v = mean square * 6/5 = 12/6 * 6/5 = 2.4 for everyone.
    #   shares^2: treated 1/16 + 9/16 = 10/16; comparators (4*1 + 2*4)/64 = 12/64.
    assert weighted.std_error**2 == pytest.approx(2.4 * (10 / 16 + 12 / 64))


def test_an_outcome_without_spread_has_no_answer_in_a_batch_and_spoils_no_other():
    rng = np.random.default_rng(1)
    treated, cases, factor = np.arange(12) < 3, np.full(12, 80.0), np.ones(12)
    changes = np.vstack([rng.normal(size=12), np.where(treated, 4.0, 1.0), np.ones(12)])
    found = compute_size_adjusted(changes, treated, cases, factor)
    assert np.isnan(found.p_value).tolist() == [False, True, True]
    alone = size_adjusted_test(changes[0], treated, cases, period_factor=factor)
    assert found.p_value[0] == pytest.approx(alone.p_value)
