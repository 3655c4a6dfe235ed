"""Distribution of delay: against hand calculation, the restricted mean and published figures.

docs/methods-unfinished-cases.md, block DIST.
"""

from __future__ import annotations

import numpy as np
import pytest

from pilot_eval.errors import InferenceError
from pilot_eval.estimation.council_changes import CouncilChanges
from pilot_eval.estimation.distribution import (
    change_in_distribution,
    estimate_distribution,
    interpolate_quantile,
)
from pilot_eval.estimation.survival import DelayCases, change_in_quantile, change_in_restricted_mean

ENGLAND = "E92000001"


def _cases(duration, group, councils, observed=True):
    n = len(duration)
    return DelayCases(
        councils=councils,
        n_pre=1,
        n_post=1,
        group=np.asarray(group),
        duration=np.asarray(duration, dtype=float),
        entry=np.full(n, -1.0),
        observed=np.broadcast_to(observed, n).copy(),
        follow_up=np.array([250.0, 120.0]),
    )


def test_two_councils_by_hand():
    # Treated council: before, half done on day 1 and half on day 2; after, half on day 2 and half
    # on day 4. The comparator: all on day 1 before; half on day 1, half on day 2 after.
    # F of the treated: before (0, .5, 1, 1, 1), after (0, 0, .5, .5, 1): change (0 -.5 -.5 -.5 0).
    # Comparator: before (0, 1, 1, 1, 1), after (0, .5, 1, 1, 1): change (0 -.5 0 0 0).
    duration = [1, 2, 2, 4, 1, 1, 1, 2]
    group = [0, 0, 1, 1, 2, 2, 3, 3]
    cases = _cases(duration, group, ("t", "c"))
    changes = change_in_distribution(cases, 4)
    effect = estimate_distribution(changes, np.array([True, False]))
    np.testing.assert_allclose(effect.effect, [0, 0, -0.5, -0.5, 0], atol=1e-12)
    np.testing.assert_allclose(effect.treated_after, [0, 0, 0.5, 0.5, 1], atol=1e-12)
    np.testing.assert_allclose(effect.counterfactual, [0, 0, 1, 1, 1], atol=1e-12)
    # Half are done by day 2 with the trial and, straight between days 1 and 2, by 1.5 without.
    np.testing.assert_allclose(effect.quantiles["median"], (2, 1.5, 0.5))
    # Nine tenths: 3.8 (from .5 at day 3 to 1 at day 4) against 1.9.
    np.testing.assert_allclose(effect.quantiles["p90"], (3.8, 1.9, 1.9))
    # Mean: (3 - 1.5) - (1.5 - 1) = 1.
    assert effect.mean_effect == pytest.approx(1)


def test_mean_effect_is_that_of_the_restricted_mean():
    rng = np.random.default_rng(5)
    group = rng.integers(0, 40, 4000)
    finish, cut = rng.geometric(0.07, 4000), rng.integers(10, 200, 4000)
    cases = _cases(np.minimum(finish, cut), group, tuple(f"c{i}" for i in range(20)), finish <= cut)
    treated = np.arange(20) < 4
    effect = estimate_distribution(change_in_distribution(cases, 60), treated)
    change = change_in_restricted_mean(cases, 60).change
    by_mean = change[treated].mean() - change[~treated].mean()
    # Kaplan-Meier against pseudo-observations: alike up to the jackknife's correction.
    assert effect.mean_effect == pytest.approx(by_mean, abs=0.05)
    with pytest.raises(InferenceError, match="at most 120"):
        change_in_distribution(cases, 121)
    medians = change_in_quantile(cases, 0.5, 60).change
    assert medians.shape == (20,)


def test_a_counterfactual_stays_a_distribution():
    change = np.array([[0.0, 0.9, -0.9, 0.0], [0.0, 0.0, 0.0, 0.0]])
    level = np.stack([np.zeros((2, 4)), np.array([[0.1, 0.5, 0.6, 0.9]] * 2)], axis=1)
    changes = CouncilChanges(
        councils=("t", "c"),
        change=change,
        level=level,
        n_pre=1,
        size=np.ones((2, 2)),
        spread=np.full((2, 2), np.nan),
        dropped={},
    )
    effect = estimate_distribution(changes, np.array([True, False]))
    # 0.1, -0.4, 1.5, 0.9 are brought back to 0.1, 0, 1, 0.9 and put in order.
    np.testing.assert_allclose(effect.counterfactual, [0, 0.1, 0.9, 1])


def test_quantiles_between_days():
    share, days = np.array([0.2, 0.2, 0.7]), np.array([0.0, 5.0, 10.0])
    assert interpolate_quantile(share, days, 0.1) == 0
    assert interpolate_quantile(share, days, 0.45) == 7.5
    assert np.isnan(interpolate_quantile(share, days, 0.8))


@pytest.mark.parametrize("treated", [[False, False], [True, True]])
def test_without_a_treated_council_or_a_comparator_nothing_is_said(treated):
    cases = _cases([1, 2, 3, 4], [0, 1, 2, 3], ("A", "B"))
    effect = estimate_distribution(change_in_distribution(cases, 5), treated)
    assert np.isnan([*effect.effect, effect.mean_effect, *effect.quantiles["median"]]).all()
