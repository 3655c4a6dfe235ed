"""Bunching at a limit: known excess on smooth curves, hand-made bands.

docs/methods-unfinished-cases.md, block BUNCH.
"""

from __future__ import annotations

import numpy as np
import pytest

from pilot_eval.errors import InferenceError, ParameterError
from pilot_eval.estimation.bunching import (
    change_in_bunching,
    fit_bunching,
)
from pilot_eval.estimation.survival import DelayCases


@pytest.mark.parametrize("limit", [7, 10, 15, 35])
def test_a_cubic_curve_has_no_excess_and_a_spike_is_found(limit):
    days = np.arange(1, 2 * limit + 11)
    fit = fit_bunching(days, days, limit)
    smooth = 0.05 - 1e-3 * days + 1e-5 * days**2 - 1e-8 * days**3.0
    assert fit.excess(smooth) == pytest.approx(0, abs=1e-12)
    spiked = smooth.copy()
    spiked[limit - 1] += 0.20
    spiked[limit - 3] += 0.05
    assert fit.excess(spiked) == pytest.approx(0.25, abs=1e-12)
    np.testing.assert_allclose(fit.counterfactual(spiked)[fit.in_band], smooth[fit.in_band])


@pytest.mark.parametrize("limit", [7, 10, 15, 35])
def test_a_geometric_curve_has_almost_none(limit):
    # Exponential decay is no polynomial: what the cubic misses is below 1 percentage point.
    days = np.arange(1, 2 * limit + 11)
    decay = 1 / (1.2 * limit)
    fit = fit_bunching(days, days, limit)
    assert abs(fit.excess(decay * (1 - decay) ** days)) < 0.01


def test_bands_by_hand():
    # Days 1-5, 6-10, 11-15, 16-20. Three bands outside carry a quadratic through their means; at
    # the middle of 6-10 it is a third of the first, all of the third less a third of the last
    # (Lagrange's weights at 8 for nodes 3, 13, 18), for shares a day and so for equal bands.
    first, last = np.array([1, 6, 11, 16]), np.array([5, 10, 15, 20])
    fit = fit_bunching(first, last, 10)
    shares = np.array([0.24, 0.45, 0.09, 0.06])
    counterfactual = 0.24 / 3 + 0.09 - 0.06 / 3
    assert fit.excess(shares) == pytest.approx(0.45 - counterfactual)


def test_excess_of_cells_and_its_change():
    # Before: 40% of council t's cases are pulled to day 10; after: none. Council c keeps 40%.
    rng = np.random.default_rng(11)
    size = 60_000
    duration = rng.geometric(0.05, (4, size)).astype(float)
    pulled = (rng.random((4, size)) < 0.4) & (duration > 10)
    pulled[1] = False
    duration[pulled] = 10
    cases = DelayCases(
        councils=("t", "c"),
        n_pre=1,
        n_post=1,
        group=np.repeat(np.arange(4), size),
        duration=np.minimum(duration, 60).ravel(),
        entry=np.full(4 * size, -1.0),
        observed=(duration <= 60).ravel(),
        follow_up=np.array([200.0, 100.0]),
    )
    changes = change_in_bunching(cases, 10)
    # P(T > 10) = 0.95^10 = 0.599, 40% of it 0.2395 arrive on day 10; the smooth curve beyond is
    # lowered by the same factor, which the fit sees as a little less to come before the limit.
    before = changes.level[0, 0]
    assert before == pytest.approx(0.2395, abs=0.06)
    assert changes.change[0] == pytest.approx(-before, abs=0.02)
    assert changes.change[1] == pytest.approx(0, abs=0.01)
    with pytest.raises(InferenceError, match="at most 100"):
        change_in_bunching(cases, 35, to_day=101)


def test_refusals():
    with pytest.raises(ParameterError, match="whole bins"):
        fit_bunching(np.array([0, 4, 9]), np.array([3, 8, 20]), 10)
    with pytest.raises(ParameterError, match="whole bins"):
        fit_bunching(np.array([1, 6]), np.array([5, 10]), 10)
