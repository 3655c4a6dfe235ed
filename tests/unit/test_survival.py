"""Unfinished cases: against hand calculation and statsmodels (docs/methods-unfinished-cases.md)."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest
from statsmodels.duration.survfunc import SurvfuncRight

from pilot_eval.errors import DesignError, InferenceError, ParameterError
from pilot_eval.estimation.survival import (
    Window,
    change_in_completed_only,
    change_in_quantile,
    change_in_restricted_mean,
    change_in_survival,
    place_cases,
    survival_curves,
)
from pilot_eval.records.pseudo_observations import pseudo_restricted_mean, pseudo_survival
from pilot_eval.records.survival_curves import (
    completed_only_mean,
    estimate_survival,
    restricted_mean,
    survival_at,
    survival_quantile,
)

TOLERANCE = 1e-8


def _statsmodels(time, observed, entry, days, horizon):
    """S(k) and the integral of the step function, both from statsmodels' curve."""
    curve = SurvfuncRight(time, observed.astype(int), entry=entry)
    at = np.r_[1.0, curve.surv_prob][np.searchsorted(curve.surv_times, days, side="right")]
    inside = curve.surv_times < horizon
    edges = np.r_[0.0, curve.surv_times[inside], horizon]
    return at, float(np.diff(edges) @ np.r_[1.0, curve.surv_prob[inside]])


def _cases(seed, whole_days, late_entry):
    rng = np.random.default_rng(seed)
    size = int(rng.integers(6, 50))
    finish, cut = rng.exponential(20, size), rng.uniform(1, 60, size)
    if whole_days:  # many ties
        finish, cut = np.floor(finish), np.floor(cut)
    entry = np.where(rng.random(size) < 0.3, np.floor(rng.uniform(0, 10, size)), -1.0)
    time, observed = np.minimum(finish, cut), finish <= cut
    keep = (entry < time) if late_entry else np.full(size, True)
    observed[0] = keep[0] = True
    entry[0] = -1.0
    return time[keep], observed[keep], entry[keep] if late_entry else None


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("whole_days", [True, False])
@pytest.mark.parametrize("late_entry", [True, False])
def test_agrees_with_statsmodels_and_its_brute_force_leave_one_out(seed, whole_days, late_entry):
    time, observed, entry = _cases(seed, whole_days, late_entry)
    n, horizon = len(time), 0.9 * time.max()
    days = np.array([0.0, 5.0, 10.0, horizon])
    whole = _statsmodels(time, observed, entry, days, horizon)
    table = estimate_survival(time, observed, entry=entry, horizon=horizon)
    np.testing.assert_allclose(survival_at(table, days)[0], whole[0], atol=TOLERANCE)
    np.testing.assert_allclose(restricted_mean(table, horizon), whole[1], atol=TOLERANCE)
    brute_survival, brute_mean = np.empty((n, len(days))), np.empty(n)
    for i in range(n):
        rest = np.arange(n) != i
        late = None if entry is None else entry[rest]
        without = _statsmodels(time[rest], observed[rest], late, days, horizon)
        brute_survival[i] = n * whole[0] - (n - 1) * without[0]
        brute_mean[i] = n * whole[1] - (n - 1) * without[1]
    fast = pseudo_survival(time, observed, days=days, entry=entry)
    np.testing.assert_allclose(fast, brute_survival, atol=TOLERANCE)
    fast = pseudo_restricted_mean(time, observed, horizon=horizon, entry=entry)
    np.testing.assert_allclose(fast, brute_mean, atol=TOLERANCE)


def test_five_cases_by_hand():
    # Days 2, 3+, 5, 5, 8+ (+ = unfinished). At risk 5 at day 2, 3 at day 5.
    # S(2) = 4/5; S(5) = 4/5 x 1/3 = 4/15. Mean to day 8: 2 + 3 x 4/5 + 3 x 4/15 = 5.2.
    time, observed = [2, 3, 5, 5, 8], [True, False, True, True, False]
    table = estimate_survival(time, observed)
    np.testing.assert_allclose(
        survival_at(table, [1, 2, 4, 5, 8])[0], [1, 0.8, 0.8, 4 / 15, 4 / 15]
    )
    assert restricted_mean(table, 8)[0] == pytest.approx(5.2)
    assert survival_quantile(table, 0.5)[0] == 5
    assert np.isnan(survival_quantile(table, 0.9)[0])  # 4/15 of them never seen to finish
    assert completed_only_mean(time, observed)[0] == 4  # (2 + 5 + 5) / 3
    # Without the first case: 3+, 5, 5, 8+: S(5) = 1/3. Its pseudo-observation: 5 x 4/15 - 4/3 = 0.
    np.testing.assert_allclose(pseudo_survival(time, observed, days=[5])[0], [0], atol=1e-12)


def test_cells_are_estimated_apart_and_pseudo_means_agree_with_each_cell():
    rng = np.random.default_rng(7)
    group = rng.integers(0, 12, 4000)
    finish, cut = rng.geometric(0.06, 4000), rng.integers(20, 90, 4000)
    time, observed = np.minimum(finish, cut), finish <= cut
    table = estimate_survival(time, observed, group=group, horizon=60)
    pseudo = pseudo_restricted_mean(time, observed, horizon=60, group=group)
    for cell in range(12):
        inside = group == cell
        alone = estimate_survival(time[inside], observed[inside], horizon=60)
        mean = restricted_mean(alone, 60)[0]
        assert restricted_mean(table, 60)[cell] == pytest.approx(mean, abs=TOLERANCE)
        assert survival_at(table, [10])[cell, 0] == pytest.approx(survival_at(alone, [10])[0, 0])
        # The jackknife differs from Kaplan-Meier by its bias correction only, of order 1/n.
        assert pseudo[inside].mean() == pytest.approx(mean, abs=0.02)
    complete = np.full(4000, True)
    plain = pseudo_restricted_mean(finish, complete, horizon=60, group=group)
    np.testing.assert_allclose(plain, np.minimum(finish, 60), atol=TOLERANCE)


def test_what_was_not_watched_is_not_known():
    time, observed = [3, 4, 2, 2], [True, False, True, True]
    table = estimate_survival(time, observed, group=[0, 0, 1, 1], n_groups=3)
    # Group 0 was watched for 4 days; group 1 had finished by day 2; group 2 is empty.
    np.testing.assert_allclose(survival_at(table, [4, 5]), [[0.5, np.nan], [0, 0], [np.nan] * 2])
    np.testing.assert_allclose(restricted_mean(table, 6), [np.nan, 2, np.nan])
    with pytest.raises(InferenceError, match="table's horizon"):
        restricted_mean(estimate_survival(time, observed, horizon=3), 5)


def test_refusals():
    with pytest.raises(ParameterError, match="finite"):
        estimate_survival([1.0, np.nan], [True, True])
    with pytest.raises(ParameterError, match="as many units"):
        estimate_survival([1.0, 2.0], [True])


def _two_councils(data_cut):
    """Council a slows from 2 and 4 days to 6 and 8, b stays; one case of a waits for good."""
    starts = pd.to_datetime(["2011-02-01"] * 2 + ["2011-03-01"] * 3 + ["2011-02-01", "2011-03-01"])
    table = pd.DataFrame(
        {
            "council_code": ["a"] * 5 + ["b"] * 2,
            "start_date": starts,
            "duration_working_days": [2.0, 4.0, 6.0, 8.0, 12.0, 3.0, 3.0],
            "event_observed": [True, True, True, True, False, True, True],
            "entry_working_days": -1.0,
        }
    )
    windows = [
        Window(first=date(2011, 2, 1), last=date(2011, 2, 28)),
        Window(first=date(2011, 3, 1), last=date(2011, 3, 31)),
    ]
    return place_cases(table, ["a", "b", "c"], pre=windows[:1], post=windows[1:], data_cut=data_cut)


def test_changes_of_two_councils_by_hand():
    cases = _two_councils(date(2011, 3, 31))
    changes = change_in_restricted_mean(cases, 10)
    # a: (6 + 8 + 10) / 3 - (2 + 4) / 2 = 5; b: 0; c has no cases. Completed only says 7 - 3 = 4.
    np.testing.assert_allclose(changes.change, [5, 0], atol=1e-12)
    assert changes.councils == ("a", "b")
    assert changes.dropped == {"c": "no case in a window"}
    np.testing.assert_allclose(changes.cases, [2 / (1 / 2 + 1 / 3), 1])
    np.testing.assert_allclose(change_in_completed_only(cases, 10).change, [4, 0])
    # S(3): a 1 - 1/2, b 0 - 0; S(7): a 2/3 - 0.
    np.testing.assert_allclose(
        change_in_survival(cases, [3, 7]).change, [[1 / 2, 2 / 3], [0, 0]], atol=1e-12
    )
    np.testing.assert_allclose(survival_curves(cases, [3])[0], [[0.5], [1]])
    assert change_in_quantile(cases, 0.5, 10).change.tolist() == [6, 0]  # 8 - 2
    upper = change_in_quantile(cases, 0.9, 10)
    assert upper.dropped["a"] == "fewer than 90% finished within the follow-up"


def test_a_horizon_beyond_the_follow_up_of_a_window_is_refused():
    # From 1 March 2011 to the cut on 31 March there are 22 working days.
    cases = _two_councils(date(2011, 3, 31))
    for change in (change_in_restricted_mean, change_in_survival, survival_curves):
        with pytest.raises(InferenceError, match="at most 22 working days"):
            change(cases, 23)
    with pytest.raises(InferenceError, match="at most 22 working days"):
        change_in_quantile(cases, 0.5, 23)
    year = Window(first=date(2011, 1, 1), last=date(2011, 12, 31))
    with pytest.raises(DesignError, match="one after another"):
        place_cases(pd.DataFrame(), ["a"], pre=[year], post=[year], data_cut=date(2012, 1, 1))


def test_no_cases_is_an_answer_without_numbers():
    table = estimate_survival([], [], n_groups=2, group=[])
    assert np.isnan(restricted_mean(table, 10)).all()
    assert np.isnan(survival_quantile(table, 0.5)).all()
    assert pseudo_restricted_mean([], [], horizon=5).shape == (0,)
