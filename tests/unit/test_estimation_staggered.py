"""Staggered estimators on examples solved by hand, with gaps, and over many assignments.

docs/methods-estimators.md, blocks TWFE, GB, GT, IMP, SA, PATHS.
"""

import numpy as np
import pytest

from pilot_eval.errors import DesignError
from pilot_eval.estimation.cohorts import build_cohort_panel
from pilot_eval.estimation.estimator_comparison import (
    compare_staggered_estimators,
    weight_on_already_treated,
)
from pilot_eval.estimation.event_study import change_covariance, estimate_event_study
from pilot_eval.estimation.goodman_bacon import decompose_goodman_bacon
from pilot_eval.estimation.group_time import estimate_group_time
from pilot_eval.estimation.group_time_aggregates import aggregate_group_time
from pilot_eval.estimation.imputation import estimate_imputation, imputation_weights
from pilot_eval.estimation.staggered_paths import (
    METHODS,
    estimate_over_paths,
    path_coefficients,
    path_scores,
)
from pilot_eval.estimation.sun_abraham import estimate_sun_abraham
from pilot_eval.estimation.two_way import estimate_twfe
from pilot_eval.inference.simultaneous import simultaneous_band

# Five councils, four years, treated from years 2 and 3 (counted from 0), constant effects 4 and 2.
#   A 10 11 16 17   from 2, effect 4: untreated 10 11 12 13
#   B 20 21 22 25   from 3, effect 2: untreated 20 21 22 23
#   C, D, E         never: 5 6 7 8 / 1 2 3 4 / 0 1 2 3
# Everybody's untreated outcome rises by 1 a year, so every group-time effect is the effect itself
# and the mean over the three treated cells is (4 + 4 + 2) / 3 = 10 / 3.
FIVE = np.array([[10, 11, 16, 17], [20, 21, 22, 25], [5, 6, 7, 8], [1, 2, 3, 4], [0, 1, 2, 3.0]])
FIVE_FIRST = np.array([2, 3, np.nan, np.nan, np.nan])


def simulated(n_units=60, n_periods=14, seed=0):
    rng = np.random.default_rng(seed)
    first = np.full(n_units, np.nan)
    first[:5], first[5:9], first[9:12] = 5, 8, 11
    outcomes = rng.normal(size=(n_units, n_periods)) + rng.normal(size=(n_units, 1))
    age = np.maximum(np.arange(n_periods) - first[:, None] + 1, 0)
    return outcomes + 0.3 * np.nan_to_num(age), first


def with_gaps(outcomes, seed=1):
    gaps = np.random.default_rng(seed).random(outcomes.shape) < 0.2
    return np.where(gaps, np.nan, outcomes)


def test_five_councils_by_hand():
    effects = estimate_group_time(FIVE, FIVE_FIRST)
    assert effects.att_gt.tolist() == [[0, 0, 4, 4], [0, 0, 0, 2]]
    for control in ("never", "not_yet"):
        simple = aggregate_group_time(estimate_group_time(FIVE, FIVE_FIRST, control=control))
        assert simple.overall == pytest.approx(10 / 3)
    assert estimate_imputation(FIVE, FIVE_FIRST).att == pytest.approx(10 / 3)
    assert aggregate_group_time(estimate_sun_abraham(FIVE, FIVE_FIRST)).overall == pytest.approx(
        10 / 3
    )
    # Event time 0: (4 + 2) / 2; event time 1: council A alone.
    study = estimate_event_study(FIVE, FIVE_FIRST)
    at = dict(zip(study.event_times.tolist(), study.estimates.tolist(), strict=True))
    assert (at[-1], at[0], at[1]) == (0.0, 3.0, 4.0)
    imputed = estimate_imputation(FIVE, FIVE_FIRST)
    np.testing.assert_allclose(imputed.unit_effects, [4, 2, np.nan, np.nan, np.nan], atol=1e-12)


def test_published_example_of_the_decomposition():
    # A. Naqvi, "Difference in difference", Bacon decomposition: ten periods, effects 2 from
    # period 5 and 4 from period 8, one never treated. Stata's bacondecomp prints: pooled 2.909;
    # earlier against later .182 x 2, later against earlier .136 x 4, never .682 x 2.933.
    outcomes = np.zeros((3, 10))
    outcomes[1, 4:], outcomes[2, 7:] = 2.0, 4.0
    first = np.array([np.nan, 5, 8])
    table = decompose_goodman_bacon(outcomes, first, np.arange(1, 11))
    by_kind = table.assign(part=table["weight"] * table["estimate"]).groupby("kind").sum()
    mean = by_kind["part"] / by_kind["weight"]
    assert by_kind["weight"].round(3).to_dict() == {
        "earlier_vs_later": 0.182,
        "later_vs_earlier": 0.136,
        "treated_vs_never": 0.682,
    }
    assert mean["earlier_vs_later"] == pytest.approx(2.0)
    assert mean["later_vs_earlier"] == pytest.approx(4.0)
    assert mean["treated_vs_never"] == pytest.approx(2.933, abs=5e-4)
    assert by_kind["part"].sum() == pytest.approx(2.909, abs=5e-4)


@pytest.mark.parametrize("always", [False, True])
def test_decomposition_adds_up_to_the_pooled_coefficient(always):
    outcomes, first = simulated()
    first[20:23] = 0 if always else np.nan  # treated from the first period on
    table = decompose_goodman_bacon(outcomes, first)
    exposure = (np.arange(outcomes.shape[1]) >= first[:, None]).astype(float)
    pooled = estimate_twfe(outcomes, exposure)
    assert (table["weight"] * table["estimate"]).sum() == pytest.approx(pooled, abs=1e-12)
    assert ("later_vs_always" in set(table["kind"])) is always


def test_growing_effects_bias_the_pooled_number_and_not_the_others():
    # Effects grow by 0.3 a period; the true mean over treated cells is known exactly.
    outcomes, first = simulated()
    age = np.maximum(np.arange(outcomes.shape[1]) - first[:, None] + 1, 0)
    untreated = outcomes - 0.3 * np.nan_to_num(age)
    exposure = (np.nan_to_num(age) > 0).astype(float)
    truth = 0.3 * np.nan_to_num(age).sum() / exposure.sum()

    def effect_of_treatment_alone(estimate):
        return estimate(outcomes) - estimate(untreated)

    for estimate in (
        lambda y: estimate_imputation(y, first).att,
        lambda y: aggregate_group_time(estimate_group_time(y, first)).overall,
        lambda y: aggregate_group_time(estimate_sun_abraham(y, first)).overall,
    ):
        assert effect_of_treatment_alone(estimate) == pytest.approx(truth, abs=1e-12)
    naive = effect_of_treatment_alone(lambda y: estimate_twfe(y, exposure))
    assert naive < 0.9 * truth


def test_gaps_against_dense_least_squares():
    outcomes, first = simulated()
    outcomes = with_gaps(outcomes)
    unit, time = np.nonzero(np.isfinite(outcomes))
    y, n_units, n_periods = outcomes[unit, time], *outcomes.shape
    fixed = np.hstack([np.eye(n_units)[unit], np.eye(n_periods)[time]])
    exposure = (np.arange(n_periods) >= first[:, None]).astype(float)
    treated = exposure[unit, time] == 1

    pooled = np.linalg.lstsq(np.column_stack([fixed, treated]), y, rcond=None)[0][-1]
    assert estimate_twfe(outcomes, exposure) == pytest.approx(pooled, abs=1e-10)

    found = estimate_imputation(outcomes, first)
    untreated_fit = np.linalg.lstsq(fixed[~treated], y[~treated], rcond=None)[0]
    imputed = (y - fixed @ untreated_fit)[treated].mean()
    assert found.n_not_imputed == 0
    assert found.att == pytest.approx(imputed, abs=1e-10)
    weights = imputation_weights(found.panel)
    assert np.nansum(weights * outcomes) == pytest.approx(found.att, abs=1e-10)
    assert abs(weights.sum(0)).max() < 1e-12
    assert abs(weights.sum(1)).max() < 1e-12

    saturated = estimate_sun_abraham(outcomes, first)
    columns, expected = [fixed], []
    for g, start in enumerate(saturated.panel.starts):
        for t in (t for t in range(n_periods) if t != start - 1):
            columns.append(((first[unit] == start) & (time == t))[:, None])
            expected.append(saturated.att_gt[g, t])
    coefficients = np.linalg.lstsq(np.hstack(columns), y, rcond=None)[0][-len(expected) :]
    identified = np.isfinite(expected)  # with gaps a small cohort may leave a period unlinked
    assert identified.mean() > 0.9
    np.testing.assert_allclose(np.array(expected)[identified], coefficients[identified], atol=1e-10)


def test_event_study_is_a_difference_in_means_of_its_changes_even_with_gaps():
    outcomes, first = simulated()
    study = estimate_event_study(with_gaps(outcomes), first)
    direct = np.nanmean(study.changes[study.treated], 0)
    direct = direct - np.nanmean(study.changes[~study.treated], 0)
    np.testing.assert_allclose(study.estimates, direct, atol=1e-12)
    complete = estimate_event_study(outcomes, first)
    effects = estimate_group_time(outcomes, first)
    dynamic = aggregate_group_time(effects, "dynamic")
    np.testing.assert_allclose(complete.estimates, dynamic.estimates, atol=1e-12)


def test_weights_repeat_councils():
    outcomes, first = simulated()
    times = np.where(np.arange(len(first)) % 3 == 0, 2, 1)
    repeated = np.repeat(outcomes, times, axis=0), np.repeat(first, times)
    for estimate in (
        lambda y, f, w=None: estimate_imputation(y, f, weights=w).att,
        lambda y, f, w=None: aggregate_group_time(estimate_group_time(y, f, weights=w)).overall,
        lambda y, f, w=None: estimate_event_study(y, f, weights=w).estimates.sum(),
        lambda y, f, w=None: aggregate_group_time(estimate_sun_abraham(y, f, weights=w)).overall,
    ):
        assert estimate(outcomes, first, times) == pytest.approx(estimate(*repeated), abs=1e-11)


@pytest.mark.parametrize("method", METHODS)
def test_many_assignments_equal_one_by_one(method):
    outcomes, first = simulated()
    panel = build_cohort_panel(outcomes, first)
    direct = {
        "group_time": lambda f: aggregate_group_time(estimate_group_time(outcomes, f)).overall,
        "group_time_not_yet": lambda f: (
            aggregate_group_time(estimate_group_time(outcomes, f, control="not_yet")).overall
        ),
        "imputation": lambda f: estimate_imputation(outcomes, f).att,
        "twfe": lambda f: estimate_twfe(outcomes, build_cohort_panel(outcomes, f).exposure()),
    }[method]
    sizes = [(panel.cohort == g).sum() for g in (0, 1, 2, -1)]
    scores = path_scores(
        outcomes, path_coefficients(sizes, panel.starts, outcomes.shape[1], method)
    )
    rng = np.random.default_rng(4)
    draws = np.stack([panel.cohort, *(rng.permutation(panel.cohort) for _ in range(5))])
    found = estimate_over_paths(scores, draws)
    starts = np.append(panel.starts, np.nan)
    expected = [direct(starts[cohort]) for cohort in draws]
    np.testing.assert_allclose(found, expected, atol=1e-11)


def test_last_cohort_serves_where_nobody_is_never_treated():
    outcomes, first = simulated()
    everybody = outcomes[:12], first[:12]
    with pytest.raises(DesignError, match="never-treated"):
        estimate_group_time(*everybody)
    not_yet = estimate_group_time(*everybody, control="not_yet")
    assert np.isnan(not_yet.att_gt[:, 11:]).all()
    saturated = estimate_sun_abraham(*everybody)
    assert saturated.control == "last_cohort"
    assert saturated.att_gt.shape == (2, 11)


def test_cells_without_data_are_not_estimable_and_never_numbers():
    outcomes, first = simulated()
    outcomes[:5, 5:8] = np.nan  # the first cohort's first three treated periods are withheld
    effects = estimate_group_time(outcomes, first)
    assert np.isnan(effects.att_gt[0, 5:8]).all()
    assert effects.n_treated[0, 5:8].tolist() == [0, 0, 0]
    imputed = estimate_imputation(outcomes, first)
    assert imputed.n_cells == 5 * (14 - 8) + 4 * (14 - 8) + 3 * (14 - 11)
    outcomes[0, :5] = np.nan  # a treated council without any period before its start
    found = estimate_imputation(outcomes, first)
    assert found.n_not_imputed == 6
    assert np.isnan(found.unit_effects[0])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda y, f: (y, np.full_like(f, np.nan)), "nobody treated"),
        (lambda y, f: (y, np.where(np.isnan(f), 3.0, 3.0)), "compare with"),
        (lambda y, f: (y, np.where(f == 5, 0.0, f)), "before its start"),
        (lambda y, f: (y, np.where(f == 5, 5.5, f)), "between two periods"),
        (lambda y, f: (y, f[:-1]), "as many units"),
        (lambda y, f: (np.where(y == y[0, 0], np.inf, y), f), "infinite"),
        (lambda y, f: (y[0], f), "2 dimensions"),
    ],
)
def test_bad_panels_are_refused(change, words):
    with pytest.raises(DesignError, match=words):
        build_cohort_panel(*change(*simulated()))


def test_covariance_needs_two_of_each_and_no_gap():
    changes = np.arange(8.0).reshape(4, 2) ** 2
    assert change_covariance(changes, np.array([1, 1, 0, 0])).shape == (2, 2)
    with pytest.raises(DesignError, match="two or more on both"):
        change_covariance(changes, np.array([1, 0, 0, 0]))


def two_waves(n_councils=152, n_months=60, seed=7):
    """The `granted` scenario: 4 councils from month 24, 4 from month 30; effect grows to 6."""
    rng = np.random.default_rng(seed)
    first = np.full(n_councils, np.nan)
    first[:4], first[4:8] = 24, 30
    months_in = np.nan_to_num(np.maximum(np.arange(n_months) - first[:, None] + 1, 0))
    effect = np.minimum(months_in, 24) / 4
    noise = rng.normal(size=(n_councils, n_months)) + 5 * rng.normal(size=(n_councils, 1))
    return noise + effect, first, effect


def test_two_waves_of_eight_councils_against_the_naive_pooled_number():
    outcomes, first, effect = two_waves()
    truth = effect[effect > 0].mean()
    found = compare_staggered_estimators(outcomes, first).set_index("method")["estimate"]
    # Noise of the estimates that use all months before: sqrt(1/8 (1/33 + 1/27)) = 0.09; of those
    # that use the last month before: sqrt(1/8 (1/33 + 1)) = 0.36.
    assert found["imputation"] == pytest.approx(truth, abs=0.27)
    assert found["synthetic_did"] == pytest.approx(truth, abs=0.27)
    assert found["group_time"] == pytest.approx(truth, abs=1.1)
    # Two waves six months apart, 144 never treated: little weight on already treated comparators,
    # so the pooled number is nearly right; a design of the eight councils alone is not.
    assert weight_on_already_treated(outcomes, first) < 0.02
    assert found["twfe"] == pytest.approx(truth, abs=0.27)
    alone = decompose_goodman_bacon(effect[:8], first[:8])
    assert (alone["weight"] * alone["estimate"]).sum() < 0.6 * truth


def test_inference_for_few_councils_takes_these_estimates():
    outcomes, first, _effect = two_waves()
    panel = build_cohort_panel(outcomes, first)
    for method, direct in (
        ("imputation", estimate_imputation(outcomes, first).att),
        ("twfe", estimate_twfe(outcomes, panel.exposure())),
    ):
        scores = path_scores(outcomes, path_coefficients([4, 4, 144], panel.starts, 60, method))
        found = estimate_over_paths(scores, panel.cohort[None])[0]
        assert found == pytest.approx(direct, abs=1e-9)
    study = estimate_event_study(outcomes, first)
    shown = (study.event_times >= -12) & (study.event_times < 24) & (study.event_times != -1)
    band = simultaneous_band(
        study.changes[:, shown], study.treated, np.full(152, 100.0), draws=199, seed=1
    )
    np.testing.assert_allclose(band.estimate, study.estimates[shown], atol=1e-12)
    by_event_time = np.array(
        [min(time + 1, 24) / 4 if time >= 0 else 0 for time in study.event_times[shown]]
    )
    assert (band.conf_low <= by_event_time).all()
    assert (band.conf_high >= by_event_time).all()
