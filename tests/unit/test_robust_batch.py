"""The interval of the randomisation tests is exact, and many vectors at once say what each says.

docs/methods.md#robust.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilot_eval.errors import InferenceError
from pilot_eval.inference import randomisation_test, robust_batch, robust_test
from pilot_eval.inference.assignments import draw_assignments
from pilot_eval.inference.randomisation import shifted_sets, step_size
from pilot_eval.inference.robust import compute_robust, find_extreme_rows

ALPHA = 0.05


def _councils(seed: int, n_treated: int, n: int = 40) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    changes = rng.standard_t(4, size=(6, n)) * rng.uniform(0.5, 20)
    return changes, np.arange(n) < n_treated, rng.uniform(50, 900, size=n)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), n_treated=st.integers(2, 8), strata=st.booleans())
def test_interval_ends_are_where_the_p_value_crosses_the_level(seed, n_treated, strata):
    changes, treated, cases = _councils(seed, n_treated)
    groups = np.arange(40) % 2 if strata else None
    assignments = draw_assignments(treated, draws=499, strata=groups, seed=seed)
    fit, sets = compute_robust(changes, treated, cases, np.ones(40), assignments)
    scale = step_size(fit.variance[:, treated])
    low, high = sets.interval(ALPHA, scale)
    assert (low < sets.centre()).all()
    assert (sets.centre() < high).all()
    for end, outwards in ((low, -scale), (high, scale)):
        found = np.isfinite(end)
        step = np.where(found, 1e-9 * outwards, 0.0)
        at = np.where(found, end, 0.0)
        assert (sets.p_value(at - step)[found] > ALPHA).all()
        assert (sets.p_value(at + step)[found] <= ALPHA).all()
        far = sets.p_value(sets.centre() + 1e6 * outwards)
        assert (far[~found] > ALPHA).all()


def test_interval_of_the_difference_of_means_is_the_placebo_quantile():
    # One treated council at 9 against 1, 2, ..., 39, all 40 sets listed: at 5% two of forty may
    # reach, so the effect is rejected once the treated's value leaves those of all but one other.
    # With x in the treated's place the statistic of i is its distance from the mean of the rest.
    values = np.r_[9.0, np.arange(1.0, 40.0)]
    treated = np.arange(40) == 0
    answer = randomisation_test(values, treated, statistic="difference", seed=1, alpha=0.05)

    def reached(x: float) -> int:
        placed = np.r_[x, values[1:]]
        distance = np.abs(placed - (placed.sum() - placed) / 39)
        return int((distance >= distance[0] * (1 - 1e-9)).sum())

    for end, sign in ((answer.conf_low, -1), (answer.conf_high, 1)):
        assert reached(9.0 - end + sign * 1e-6) > 2 >= reached(9.0 - end - sign * 1e-6)


def test_every_row_of_a_batch_is_the_test_of_that_row():
    changes, treated, cases = _councils(3, 5)
    sizes = cases * np.linspace(1, 2, 6)[:, None]
    factor = np.random.default_rng(0).uniform(0.5, 2, size=40)
    batch = robust_batch(changes, treated, sizes, draws=999, seed=4, period_factor=factor)
    for row in range(6):
        one = robust_test(
            changes[row], treated, sizes[row], draws=999, seed=4, period_factor=factor
        )
        for name in ("estimate", "p_value", "conf_low", "conf_high"):
            assert getattr(batch, name)[row] == pytest.approx(getattr(one, name), rel=1e-9)


def test_a_batch_is_the_same_in_blocks(monkeypatch):
    changes, treated, cases = _councils(5, 4)
    whole = robust_batch(changes, treated, cases, draws=999, seed=4)
    monkeypatch.setattr("pilot_eval.inference.randomisation.BLOCK", 1)
    by_row = robust_batch(changes, treated, cases, draws=999, seed=4)
    np.testing.assert_allclose(whole.conf_low, by_row.conf_low, rtol=1e-12)
    np.testing.assert_allclose(whole.conf_high, by_row.conf_high, rtol=1e-12)


def test_a_row_that_says_nothing_has_its_estimate_alone():
    changes, treated, cases = _councils(1, 4)
    changes[2, ~treated] = 1.5
    batch = robust_batch(changes, treated, cases, draws=999, seed=4)
    assert np.isnan(batch.p_value).tolist() == [False, False, True, False, False, False]
    assert np.isfinite(batch.estimate).all()
    one = robust_batch(changes, np.arange(40) == 0, cases, draws=999, seed=4)
    assert np.isnan(one.p_value).all()
    assert np.isfinite(one.estimate).all()


@pytest.mark.parametrize(
    ("figure", "sign"), [("conf_low", -1), ("conf_high", 1), ("p_value", 1), ("p_value", -1)]
)
def test_a_search_is_told_what_the_batch_says_of_rows_that_exceed_the_best(figure, sign):
    changes, treated, cases = _councils(8, 4)
    changes[2, ~treated] = 1.5  # says nothing
    batch = robust_batch(changes, treated, cases, draws=999, seed=4)
    expected = sign * getattr(batch, figure)
    given = {"draws": 999, "seed": 4, "alpha": ALPHA, "period_factor": np.ones(40)}
    for above in (-np.inf, np.nanmedian(expected), np.nanmax(expected)):
        search = {"figure": figure, "sign": sign, "above": above}
        found = find_extreme_rows(changes, treated, cases, **search, **given)
        beyond = expected > above
        assert found[beyond] == pytest.approx(expected[beyond], rel=1e-9)
        assert not (found[~beyond] > above).any()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("changes", np.full((6, 40), np.nan)),
        ("changes", np.zeros(40)),
        ("cases", np.zeros(40)),
        ("cases", np.ones(39)),
        ("treated", np.arange(40)),
        ("period_factor", np.full((6, 40), -1.0)),
        ("alpha", 1.5),
    ],
)
def test_bad_batches_are_refused_by_name(name, value):
    changes, treated, cases = _councils(1, 4)
    given_arguments = {"changes": changes, "treated": treated, "cases": cases, "seed": 1}
    with pytest.raises(InferenceError, match=name):
        robust_batch(**(given_arguments | {name: value}))


def test_a_batch_of_councils_in_another_order_is_aligned_or_refused():
    changes, treated, cases = _councils(1, 4)
    table, flags, sizes = pd.DataFrame(changes), pd.Series(treated), pd.Series(cases)
    expected = robust_batch(changes, treated, cases, seed=1)
    for found in (
        robust_batch(table, flags[::-1], cases, seed=1),
        robust_batch(table, treated, sizes[::-1], seed=1),
    ):
        np.testing.assert_array_equal(found.p_value, expected.p_value)
    with pytest.raises(InferenceError, match="same units"):
        robust_batch(table, flags.rename(index={0: "another"}), cases, seed=1)


def test_no_end_where_no_effect_can_be_rejected():
    changes, treated, _ = _councils(2, 2, n=7)
    sets = shifted_sets(
        changes, treated, np.ones_like(changes), draw_assignments(treated, draws=99, seed=1), "t"
    )
    low, high = sets.interval(0.01, np.ones(6))  # 21 sets: no p-value is below 1/21
    assert np.isneginf(low).all()
    assert np.isposinf(high).all()
