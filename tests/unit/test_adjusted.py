"""The adjusted change and its test: docs/methods-inference.md, block Adjusted."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm

from pilot_eval.errors import InferenceError
from pilot_eval.estimation.adjustment import adjust_changes, shrink_levels
from pilot_eval.inference import adjusted_test, robust_test
from pilot_eval.inference.adjusted import LEVEL_BANDS, label_strata, standardise_adjusted

N = 100
TREATED = np.arange(N) < 5
WORLDS = 250
MONTE_CARLO_ERROR = np.sqrt(0.05 * 0.95 / WORLDS)


def world(seed=3, slope=-0.4):
    rng = np.random.default_rng(seed)
    levels, cases = rng.normal(20, 5, N), rng.uniform(100, 1000, N)
    return slope * levels + rng.normal(size=N), levels, cases


def test_a_straight_line_and_covariates_are_taken_off_exactly():
    _, levels, cases = world()
    extra = np.column_stack([np.log(cases), np.arange(N) % 3 == 0])
    changes = 3 - 0.5 * levels + extra @ [2.0, -1.0] + 1.7 * TREATED
    result = adjusted_test(changes + 0, TREATED, cases, levels, covariates=extra, seed=1, draws=99)
    assert result.reason == ""
    assert result.estimate == pytest.approx(1.7)


def test_residuals_and_leverages_are_those_of_statsmodels():
    changes, levels, cases = world()
    few = np.arange(N) < 80  # 20 comparators: the level enters as a straight line
    adjusted = adjust_changes(changes[None], few, levels, covariates=np.log(cases)[:, None])
    columns = sm.add_constant(np.column_stack([levels, np.log(cases)]))
    fit = sm.OLS(changes[~few], columns[~few]).fit()
    inside = ~adjusted.outside[0]
    assert inside[few].any()
    expected = changes - fit.predict(columns)
    np.testing.assert_allclose(adjusted.residual[0, inside], expected[inside], atol=1e-10)
    hat = fit.get_influence().hat_matrix_diag
    np.testing.assert_allclose(adjusted.leverage[0, ~few], hat, atol=1e-10)


def test_a_comparator_is_treated_as_if_it_had_been_left_out():
    changes, levels, _ = world()
    everybody = adjust_changes(changes[None], TREATED, levels)
    _, z, _ = standardise_adjusted(everybody, TREATED, np.full(N, np.inf), np.ones(N))
    one = TREATED | (np.arange(N) == 40)
    without = adjust_changes(changes[None], one, levels)
    own = 1 - everybody.leverage[0, 40]
    assert everybody.residual[0, 40] / own == pytest.approx(without.residual[0, 40])
    assert 1 / own == pytest.approx(1 + without.leverage[0, 40])
    assert z[0, 40] * np.sqrt(own) == pytest.approx(everybody.residual[0, 40] / z_unit(everybody))


def z_unit(adjusted):
    squares = adjusted.residual**2 / (1 - adjusted.leverage)
    return np.sqrt(squares[0, ~TREATED].mean())


def test_a_council_outside_the_range_is_held_at_its_end():
    changes, levels, cases = world()
    far = levels.copy()
    far[0] = levels[~TREATED].max() + 100
    end = np.where(np.arange(N) == 0, levels[~TREATED].max(), levels)
    found = [
        adjusted_test(changes, TREATED, cases, level, seed=1, draws=99) for level in (far, end)
    ]
    assert [result.diagnostics["outside"] for result in found] == [1, 0]
    assert found[0].estimate == pytest.approx(found[1].estimate, abs=0.2)


def test_error_of_the_level_comes_back_in_full_and_more_so_where_cases_are_few():
    # True levels stay as they are; only sampling error of the first level makes changes.
    rng = np.random.default_rng(5)
    noise = np.where(np.arange(4000) % 2, 9.0, 1.0)
    true = rng.normal(20, 2, 4000)
    error = rng.normal(size=4000) * np.sqrt(noise)
    comparator = np.ones((1, 4000), bool)
    _, reliability = shrink_levels((true + error)[None], noise, comparator)
    assert reliability[0, 0] == pytest.approx(4 / 5, abs=0.02)
    assert reliability[0, 1] == pytest.approx(4 / 13, abs=0.03)
    treated = np.arange(4000) < 4
    aware = adjust_changes(-error[None], treated, true + error, level_variance=noise).residual[0]
    blind = adjust_changes(-error[None], treated, true + error).residual[0]
    high = true + error > 24
    for few in (0, 1):
        group = high & (np.arange(4000) % 2 == few)
        assert abs(aware[group].mean()) < 0.15 < abs(blind[group].mean())


def test_chosen_on_a_noisy_level_the_adjusted_test_keeps_its_level_and_the_plain_one_does_not():
    rng = np.random.default_rng(11)
    rejected = np.zeros(2)
    for _ in range(WORLDS):
        cases = np.exp(rng.normal(5, 0.7, N)).round() + 20
        true = rng.beta(40, 210, N)
        before, after = (rng.binomial(cases.astype(int), true) / cases for _ in range(2))
        share = (before * cases + 1) / (cases + 2)
        variance = 1e4 * share * (1 - share) / cases
        chosen = rng.choice(np.argsort(before)[-N // 4 :], 5, replace=False)
        treated = np.isin(np.arange(N), chosen)
        settings = {"draws": 199, "seed": rng}
        change = 100 * (after - before)
        plain = robust_test(change, treated, cases, **settings)
        adjusted = adjusted_test(
            change, treated, cases, 100 * before, level_variance=variance, **settings
        )
        rejected += [plain.p_value <= 0.05, adjusted.p_value <= 0.05]
    plain, adjusted = rejected / WORLDS
    assert plain > 0.15
    assert adjusted < 0.05 + 3 * MONTE_CARLO_ERROR


def test_sets_keep_the_quarters_of_the_level():
    _, levels, _ = world()
    labels = label_strata(levels)
    assert sorted(np.unique(labels, return_counts=True)[1]) == [N // LEVEL_BANDS] * LEVEL_BANDS
    assert len(set(label_strata(levels, np.arange(N) % 2))) == 2 * LEVEL_BANDS


def test_the_interval_moves_with_the_effect():
    changes, levels, cases = world()
    first, second = (
        adjusted_test(changes + shift * TREATED, TREATED, cases, levels, seed=1, draws=999)
        for shift in (0.0, 7.5)
    )
    for name in ("estimate", "conf_low", "conf_high"):
        assert getattr(second, name) - getattr(first, name) == pytest.approx(7.5)
    assert first.conf_low < first.estimate < first.conf_high


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"treated": np.arange(N) < 95}, "not adjusted: 5 comparators, needs 10"),
        ({"covariates": (TREATED * 1.0)[:, None]}, "no comparator is like a treated council"),
        ({"treated": np.arange(N) < 1}, "not estimable: 1 treated council, needs 2"),
    ],
)
def test_no_answer_without_a_reason(change, reason):
    changes, levels, cases = world()
    given = {"treated": TREATED, "cases": cases, "levels": levels, "seed": 1} | change
    result = adjusted_test(changes, **given)
    assert np.isnan(result.p_value)
    assert reason in result.reason


@pytest.mark.parametrize(
    "change",
    [
        {"levels": np.full(N, np.nan)},
        {"levels": np.ones(N - 1)},
        {"covariates": np.ones(N)},
        {"strata": np.ones(3)},
    ],
)
def test_bad_input_is_refused(change):
    changes, levels, cases = world()
    given = {"treated": TREATED, "cases": cases, "levels": levels, "seed": 1} | change
    with pytest.raises(InferenceError):
        adjusted_test(changes, **given)
