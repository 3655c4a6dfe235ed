"""Collapsed difference-in-differences: by hand and by regression.

docs/methods.md#from-panel-to-one-number.
"""

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from linear_twfe import estimate_by_linearmodels

from pilot_eval.errors import DesignError
from pilot_eval.estimation.did import (
    Units,
    collapse_changes,
    combine_clusters,
    estimate_att,
    estimate_twfe,
)
from pilot_eval.inference.collapse import collapse_panel

TREATED = np.array([True, False])
AFTER = np.arange(12) >= 8


def test_two_by_two_by_hand():
    # Treated 10 -> 16, comparator 8 -> 9: (16 - 10) - (9 - 8) = 5.
    units = collapse_changes(np.array([[10.0, 16.0], [8.0, 9.0]]), TREATED, 1)
    assert estimate_att(units.change, units.treated) == pytest.approx(5, abs=1e-12)


def test_five_councils_by_hand():
    # Two years before, two after. Changes of the yearly means:
    #   A (10, 12 | 15, 19): 17 - 11 = 6      B (20, 22 | 22, 24): 23 - 21 = 2    treated: mean 4
    #   C ( 8, 10 | 10, 12): 11 -  9 = 2      D (30, 30 | 31, 31): 1   E (5, 7 | 5, 7): 0   mean 1
    # Effect 4 - 1 = 3.
    values = np.array(
        [
            [10, 12, 15, 19],
            [20, 22, 22, 24],
            [8, 10, 10, 12],
            [30, 30, 31, 31],
            [5, 7, 5, 7],
        ],
        dtype=float,
    )
    treated = np.array([True, True, False, False, False])
    units = collapse_changes(values, treated, 2)
    assert estimate_att(units.change, treated) == pytest.approx(3, abs=1e-12)
    # Weighted by children 1, 3 | 1, 1, 2: (6 + 3 * 2) / 4 - (2 + 1 + 0) / 4 = 3 - 0.75.
    weights = np.array([1.0, 3.0, 1.0, 1.0, 2.0])
    assert estimate_att(units.change, treated, weights) == pytest.approx(2.25, abs=1e-12)


def test_equals_two_way_fixed_effects_on_a_balanced_panel():
    values = pd.DataFrame(np.random.default_rng(1).normal(size=(40, 4)))
    treated = np.arange(40) < 5
    units = collapse_changes(values.to_numpy(), treated, 2)
    att = estimate_att(units.change, treated)
    assert estimate_by_linearmodels(values, treated, 2) == pytest.approx(att, abs=1e-10)
    assert estimate_twfe(values, treated, 2) == pytest.approx(att, abs=1e-10)
    gaps = values.mask(np.random.default_rng(2).random(values.shape) < 0.1)
    theirs = estimate_by_linearmodels(gaps.to_numpy(), treated, 2)
    assert estimate_twfe(gaps, treated, 2) == pytest.approx(theirs, abs=1e-10)


def test_with_gaps_period_effects_come_from_comparators_by_least_squares():
    rng = np.random.default_rng(2)
    values = rng.normal(size=(30, 4)) + np.array([0, 1, 5, 9])
    values[rng.random(values.shape) < 0.15] = np.nan
    known = ~np.isnan(values)
    values = values[known[:, :2].any(axis=1) & known[:, 2:].any(axis=1)]
    treated = np.arange(len(values)) < 4
    units = collapse_changes(values, treated, 2)

    long = pd.DataFrame(values).reset_index().melt("index", var_name="t", value_name="y").dropna()
    fit = smf.ols("y ~ C(index) + C(t)", long[long["index"] >= 4]).fit()
    effect = np.array([0.0, *(fit.params[f"C(t)[T.{t}]"] for t in (1, 2, 3))])
    net = values - effect
    expected = np.nanmean(net[:, 2:], axis=1) - np.nanmean(net[:, :2], axis=1)
    gaps = np.diff(units.change - expected)
    assert np.abs(gaps).max() < 1e-10  # equal up to one constant for all


def test_gaps_alone_change_nothing_whatever_their_pattern():
    # No noise: units, periods and one effect. An open level once came back as 1e15 in one of 200.
    treated = np.arange(25) < 3
    for seed in range(300):
        rng = np.random.default_rng(seed)
        panel = rng.normal(50, 9, (25, 1)) + rng.normal(0, 9, 12) + 4.2 * treated[:, None] * AFTER
        panel[rng.random(panel.shape) < 0.1] = np.nan
        change = collapse_changes(panel, treated, 8).change
        assert np.ptp(change[~treated]) < 1e-9
        np.testing.assert_allclose(change[treated] - change[~treated].mean(), 4.2, rtol=1e-9)
        correlated = collapse_panel(panel, 8, treated).changes
        np.testing.assert_allclose(
            correlated - correlated[~treated].mean(), 4.2 * treated, atol=1e-9
        )


def test_a_council_seen_half_as_often_has_twice_the_variance():
    values = np.array([[1.0, np.nan, 2.0, np.nan], [1.0, 2.0, 3.0, 4.0], [2.0, 2.0, 3.0, 5.0]])
    units = collapse_changes(values, np.array([True, False, False]), 2)
    assert units.period_factor.tolist() == [2.0, 1.0, 1.0]


def test_clusters_are_combined_and_mixed_ones_refused():
    units = Units(
        change=np.array([1.0, 2.0, 6.0, 0.0]),
        treated=np.array([True, True, True, False]),
        cases=np.array([10.0, 20.0, 40.0, 5.0]),
        period_factor=np.array([1.0, 1.0, 2.0, 1.0]),
    )
    combined = combine_clusters(units, ["a", "tri", "tri", "d"])
    assert combined.change.tolist() == [1.0, 4.0, 0.0]
    assert combined.cases.tolist() == [10.0, 60.0, 5.0]
    assert combined.treated.tolist() == [True, True, False]
    with pytest.raises(DesignError, match="not both"):
        combine_clusters(units, ["a", "b", "mixed", "mixed"])


def test_many_fillings_at_once_are_each_one_filling():
    rng = np.random.default_rng(3)
    values = rng.normal(size=(7, 20, 4))
    values[:, [0, 3, 9], [1, 2, 3]] = np.nan
    treated = np.arange(20) < 3
    stack = collapse_changes(values, treated, 2)
    for row, matrix in enumerate(values):
        one = collapse_changes(matrix, treated, 2)
        assert stack.change[row] == pytest.approx(one.change, abs=1e-12)
        assert stack.level[row] == pytest.approx(one.level, abs=1e-12)
    values[0, 5, 0] = np.nan
    with pytest.raises(DesignError, match="every filling alike"):
        collapse_changes(values, treated, 2)
