"""The numerical core against other packages, brute force and hand calculation, step by step."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pilot_eval.disclosure.protect.cells import find_differences
from pilot_eval.errors import DataError, DesignError
from pilot_eval.estimation.council_changes import collapse_levels, effective_cases, leave_out_few
from pilot_eval.estimation.covariates import UnitFacts
from pilot_eval.estimation.goodman_bacon import decompose_goodman_bacon
from pilot_eval.estimation.synthetic_weights import split_units
from pilot_eval.estimation.two_way import solve_period_effects
from pilot_eval.inference.adaptive import (
    _chi_square_share,
    adaptive_test,
    compute_adaptive,
    draw_resamples,
)
from pilot_eval.inference.assignments import Assignments, draw_assignments
from pilot_eval.inference.cluster_robust import cr1_test
from pilot_eval.inference.dose import _statistics
from pilot_eval.inference.multiplicity import family_test
from pilot_eval.inference.paths import draw_paths
from pilot_eval.inference.persistence import measure_pretrial
from pilot_eval.inference.placebo_paths import compute_path_p_values
from pilot_eval.inference.placebo_sets import compute_set_p_values
from pilot_eval.inference.pooled_counts import pooled_counts_test
from pilot_eval.inference.pretrial import common_correlation, two_way_residuals
from pilot_eval.inference.robust import robust_test
from pilot_eval.inference.set_statistics import count_welch_at_least, welch_t
from pilot_eval.inference.simultaneous import simultaneous_band
from pilot_eval.inference.size_adjusted import size_adjusted_test
from pilot_eval.inference.variance import fit_size_function, variance_of_total
from pilot_eval.inference.wild_bootstrap import draw_weights
from pilot_eval.reference.working_days import count_working_days

SEEDS = st.integers(0, 10_000)
FEW = settings(max_examples=15, deadline=None)


def made_counts(seed):
    rng = np.random.default_rng(seed)
    exposure = rng.integers(80, 400, (9, 2)).astype(float)
    return rng.binomial(exposure.astype(int), rng.uniform(0.2, 0.5, (9, 2))).astype(float), exposure


def fit_group(events, exposure, link):
    """Fit one group's change by statsmodels: log change and its variance, clusters councils."""
    after = np.tile([0.0, 1.0], len(events))
    design = sm.add_constant(after)
    if link == "rate":
        model = sm.GLM(
            events.ravel(), design, family=sm.families.Poisson(), exposure=exposure.ravel()
        )
    else:
        both = np.column_stack([events.ravel(), (exposure - events).ravel()])
        model = sm.GLM(both, design, family=sm.families.Binomial())
    clusters = {"groups": np.repeat(np.arange(len(events)), 2), "use_correction": False}
    fit = model.fit(cov_type="cluster", cov_kwds=clusters)
    k = len(events)
    return fit.params[1], fit.cov_params()[1, 1] * k / (k - 1)


@pytest.mark.parametrize("link", ["rate", "odds"])
def test_pooled_counts_are_statsmodels_saturated_glm_ranked_among_all_sets(link):
    events, exposure = made_counts(3)
    statistics = []
    for chosen in combinations(range(9), 3):
        own = np.isin(np.arange(9), chosen)
        change, variance = fit_group(events[own], exposure[own], link)
        rest, _ = fit_group(events[~own], exposure[~own], link)
        statistics.append(((change - rest), np.sqrt(variance)))
    found = pooled_counts_test(events, exposure, np.arange(9) < 3, link=link, seed=1)
    assert found.estimate == pytest.approx(statistics[0][0], abs=1e-8)
    t = np.abs([effect / error for effect, error in statistics])
    assert found.p_value == pytest.approx((t >= t[0] * (1 - 1e-9)).mean())
    assert found.conf_low < found.estimate < found.conf_high


def test_a_band_is_read_from_welchs_t_of_every_set():
    # scipy's Welch t of every set of 2 of 9, the estimated effect taken out of the treated.
    curve = (
        np.random.default_rng(5).normal(size=(9, 3)) + [0, 0.5, 1.0] * (np.arange(9) < 2)[:, None]
    )
    treated = np.arange(9) < 2
    band = simultaneous_band(curve, treated, np.full(9, 50.0), seed=1)
    centred = np.where(
        treated[:, None], curve - curve[treated].mean(0), curve - curve[~treated].mean(0)
    )
    null = []
    for chosen in combinations(range(9), 2):
        own = np.isin(np.arange(9), chosen)
        t = stats.ttest_ind(centred[own], centred[~own], equal_var=False).statistic
        null.append(np.abs(t).max())
    own = stats.ttest_ind(curve[treated], curve[~treated], equal_var=False)
    assert band.estimate / band.std_error == pytest.approx(own.statistic)
    largest = np.quantile(null, 0.95, method="higher")
    assert band.conf_high - band.estimate == pytest.approx(largest * band.std_error)
    reached = np.sum(np.array(null) >= np.abs(own.statistic).max())
    assert band.p_value == pytest.approx((1 + reached) / (1 + len(null)))


def test_a_sharp_band_of_one_figure_is_students_interval():
    # 200 normal comparators of one size: noise is known, the interval is the usual one.
    rng = np.random.default_rng(11)
    curve, treated = rng.normal(scale=7.0, size=(203, 1)), np.arange(203) < 3
    band = simultaneous_band(
        curve, treated, np.full(203, 80.0), method="sharp", draws=20_000, seed=1
    )
    error = curve[~treated].std(ddof=1) * np.sqrt(1 / 3 + 1 / 200)
    assert band.std_error[0] == pytest.approx(error, rel=0.01)
    width = (band.conf_high - band.estimate)[0]
    assert width == pytest.approx(stats.t.ppf(0.975, 200) * error, rel=0.05)


@given(seed=SEEDS)
@FEW
def test_placebo_sets_have_the_p_values_of_the_robust_test_one_at_a_time(seed):
    rng = np.random.default_rng(seed)
    changes, cases = rng.normal(size=16), rng.uniform(20, 200, 16)
    members = np.array([rng.choice(16, 2, replace=False) for _ in range(3)])
    strata = np.array(list("ab") * 8)
    given = changes, cases, np.ones(16), members
    found = compute_set_p_values(*given, strata={"s": strata}, draws=400, seed=1)
    for row, chosen in enumerate(members):
        treated = np.isin(np.arange(16), chosen)
        for name, labels in (("robust", None), ("s", strata)):
            one = robust_test(changes, treated, cases, draws=400, strata=labels, seed=1)
            assert found[name][row] == pytest.approx(one.p_value)


@given(seed=SEEDS)
@FEW
def test_paths_of_one_start_are_placebo_sets(seed):
    # One path only: what is handed on is who was treated, so every test is that of the sets.
    rng = np.random.default_rng(seed)
    changes, cases, ones = rng.normal(size=18), rng.uniform(20, 200, 18), np.ones(18)
    members = np.array([rng.choice(18, 3, replace=False) for _ in range(4)])
    shared = {"strata": {"s": np.array(list("abc") * 6)}, "draws": 1000, "seed": 1}
    sets = compute_set_p_values(changes, cases, ones, members, **shared)
    both = np.column_stack([changes, changes])
    of = np.zeros(3, int)
    paths = compute_path_p_values(
        both, cases, np.ones((18, 2)), members, of, **shared, decide_at=1.0
    )
    for name in ("robust", "sharp", "cr2"):
        assert paths[name] == pytest.approx(sets[name])
    decided = compute_path_p_values(
        both, cases, np.ones((18, 2)), members, of, **shared, decide_at=0.1
    )
    assert ((decided["robust"] <= 0.1) == (paths["robust"] <= 0.1)).all()


def test_drawn_paths_stay_in_their_stratum_and_are_even():
    codes = np.array([0, 1, 2, 2, 2, 0, 2, 2, 2, 2])
    strata = np.array(list("aaaaabbbbb"))
    orders, complete = draw_paths(codes, draws=90, strata=strata, seed=1)
    assert not complete  # 20 orders of stratum a times 5 of stratum b
    for part in ("a", "b"):
        inside = np.sort(orders[:, strata == part], axis=1)
        assert (inside == np.sort(codes[strata == part])).all()
    many, _ = draw_paths(codes, draws=99, strata=strata, seed=2)
    assert (many[:, 0] == 0).mean() == pytest.approx(1 / 5, abs=0.12)
    every, complete = draw_paths(codes, draws=100, strata=strata, seed=1)
    assert complete
    assert len(np.unique(every, axis=0)) == len(every) == 100


def test_a_single_draw_is_a_draw():
    found = draw_assignments(np.arange(30) < 5, draws=1, seed=1)
    assert found.members.shape == (1, 5)
    assert found.smallest_p == 1 / 2


def test_variance_of_a_total_is_the_gauss_markov_one():
    rng = np.random.default_rng(2)
    cases = rng.uniform(10, 500, 400)
    squares = (0.5 + 90 / cases) * rng.chisquare(1, 400)
    fit = fit_size_function(squares[None], np.ones(400, bool), cases, np.ones(400))
    assert (fit.a > 0) & (fit.b > 0)
    X = np.column_stack([np.ones(400), 1 / cases])
    inverse = np.linalg.inv((X / fit.variance[0][:, None] ** 2).T @ X)
    g = np.array([3.0, 0.2])
    found = variance_of_total(fit, g[:1], g[1:])
    assert found[0] == pytest.approx(fit.kappa[0] * g @ inverse @ g)
    # A coefficient at its limit of 0 is taken as known: the other alone is uncertain.
    falling = fit_size_function((1 - 5 / cases)[None] ** 2, np.ones(400, bool), cases, np.ones(400))
    assert falling.b[0] == 0
    alone = falling.kappa[0] * 9 / (1 / falling.variance[0] ** 2).sum()
    assert variance_of_total(falling, g[:1], g[1:])[0] == pytest.approx(alone)


def test_cr1_is_statsmodels_with_its_small_sample_correction():
    rng = np.random.default_rng(4)
    changes, treated = rng.normal(size=60), np.arange(60) < 25
    fit = sm.OLS(changes, sm.add_constant(treated.astype(float))).fit(
        cov_type="cluster", cov_kwds={"groups": np.arange(60)}
    )
    found = cr1_test(changes, treated)
    # One row per cluster: G/(G-1) (N-1)/(N-2) is N/(N-2).
    assert found.std_error == pytest.approx(fit.bse[1])
    assert found.df == 59


def test_effective_cases_by_hand():
    # Windows of 100 cases; council b's second window spreads three times as much. With 100 own and
    # 20 borrowed cases of the pooled spread (1 and 2): 1, 1 and 1, (300 + 20 * 2) / 120 = 2.8333.
    size, spread = np.full((2, 2), 100.0), np.array([[1.0, 1.0], [1.0, 3.0]])
    changes = collapse_levels(np.zeros((2, 2)), size, ["a", "b"], 1, "", spread)
    first = np.array([[1.0, (100 * 1 + 20 * 2) / 120], [1.0, (100 * 3 + 20 * 2) / 120]])
    expected = 1.5 * 2 / (first / 100).sum(axis=1)
    assert effective_cases(changes) == pytest.approx(expected)
    flat = collapse_levels(np.zeros((2, 2)), size, ["a", "b"], 1, "", np.zeros((2, 2)))
    assert effective_cases(flat).tolist() == flat.cases.tolist()
    unknown = collapse_levels(
        np.zeros((2, 2)), size, ["a", "b"], 1, "", np.array([[1, 1], [1, np.nan]])
    )
    assert effective_cases(unknown).tolist() == unknown.cases.tolist()


def test_councils_with_a_small_window_are_left_out_and_the_others_stay():
    size = np.array([[9.0, 5.0], [6.0, 6.0], [5.0, 9.0]])
    changes = collapse_levels(np.zeros((3, 2)), size, ["a", "b", "c"], 1, "")
    left = leave_out_few(changes, 6)
    assert list(left.councils) == ["b"]
    assert set(left.dropped) == {"a", "c"}


def test_comparisons_of_two_starts_are_told_apart_by_which_is_first():
    # Treated from 1 and from 2 of 4 periods, no never treated: earlier against later, and back.
    outcomes = np.array([[0.0, 3.0, 3.0, 3.0], [0.0, 0.0, 5.0, 5.0]])
    found = decompose_goodman_bacon(outcomes, np.array([1.0, 2.0])).set_index("kind")
    assert found.loc["earlier_vs_later", "estimate"] == 3.0
    # In periods 1 to 3: 5 minus 0 for the later unit, 0 for the earlier.
    assert found.loc["later_vs_earlier", "estimate"] == 5.0


@pytest.mark.parametrize(
    ("units", "n_pre", "fine"), [(3, 2, True), (2, 2, False), (3, 1, False), (3, 4, False)]
)
def test_synthetic_weights_need_two_comparators_and_two_periods_before(units, n_pre, fine):
    outcomes, treated = np.arange(units * 4.0).reshape(units, 4), np.arange(units) < 1
    if fine:
        pool, own = split_units(outcomes, treated, n_pre, "sdid", "exact")
        assert (len(pool), len(own)) == (units - 1, 1)
    else:
        with pytest.raises(DesignError):
            split_units(outcomes, treated, n_pre, "sdid", "exact")


def test_the_difference_of_two_groups_is_one_more_total():
    # All of a, b, c and two of them printed: the third is their difference. One group alone, or
    # single cells, differ by nothing that is not printed.
    assert find_differences(np.array([[1, 1, 1], [1, 1, 0]])).tolist() == [[0, 0, 1]]
    three = np.array([[1, 1, 1, 1], [1, 1, 0, 0], [0, 1, 1, 1]])
    assert find_differences(three).tolist() == [[0, 0, 1, 1], [1, 0, 0, 0]]
    assert find_differences(np.array([[1, 1, 1], [1, 0, 0], [0, 1, 0]])).size == 0
    assert find_differences(np.array([[1, 1, 1]])).size == 0


def test_the_calendars_own_ends_are_inside_it():
    assert count_working_days(["1975-01-01"], ["1975-01-03"]).tolist() == [2.0]
    assert np.isfinite(count_working_days(["2049-12-30"], ["2049-12-31"])).all()
    for day in ("1974-12-31", "2050-01-01"):
        with pytest.raises(DataError, match="1 outside"):
            count_working_days([day], [day])


@pytest.mark.parametrize("n_treated", [2, 5])
def test_the_adaptive_test_keeps_its_level_where_nothing_happened(n_treated):
    # 200 worlds of equal councils: 5% rejected, give or take three Monte Carlo errors.
    rng, treated, ones = (
        np.random.default_rng(n_treated),
        np.arange(30) < n_treated,
        np.full(30, 60),
    )
    worlds = [(rng.normal(size=30), rng.normal(size=(30, 8))) for _ in range(200)]
    rejected = [
        adaptive_test(changes, treated, ones, before, draws=399, seed=world).p_value <= 0.05
        for world, (changes, before) in enumerate(worlds)
    ]
    assert np.mean(rejected) == pytest.approx(0.05, abs=3 * np.sqrt(0.05 * 0.95 / 200))


@pytest.mark.parametrize("persistence", [0.0, 0.4, 0.8])
def test_a_common_correlation_is_that_of_the_process(persistence):
    # 4,000 councils of a first-order process of 6 periods, their means taken off.
    rng = np.random.default_rng(1)
    series = np.empty((4000, 6))
    series[:, 0] = rng.normal(size=4000)
    for period in range(1, 6):
        noise = rng.normal(size=4000) * np.sqrt(1 - persistence**2)
        series[:, period] = persistence * series[:, period - 1] + noise
    seen, all_of_them = np.ones((1, 4000, 6), bool), np.ones(4000, bool)
    residual, _ = two_way_residuals(series[None], seen, all_of_them)
    found = common_correlation(residual, seen, all_of_them)
    assert found[0] == pytest.approx(persistence, abs=0.04)


def test_slow_waves_count_for_more_where_noise_is_slow():
    # Comparators are random walks. One council's series is a slow wave, another's a fast one of the
    # same size: at the horizon of a change over four periods the slow one is the noisier.
    rng, time = np.random.default_rng(3), np.arange(12)
    before = rng.normal(size=(60, 12)).cumsum(axis=1)
    before[0], before[1] = 3 * np.cos(np.pi * time / 12), 3 * np.cos(np.pi * time)
    comparator = np.arange(60) >= 2
    found = measure_pretrial(
        before[None], comparator, rng.normal(scale=3.0, size=(1, 60)), np.ones((1, 60)), 4
    )
    assert found.correlation[0] > 0.5
    assert found.noise[0, 0] > found.noise[0, 1]


def test_chi_square_shares_are_nearly_scipys():
    df, normal = np.array([12.0, 40.0]), np.array([[-1.6, 0.0, 1.6, 2.5]] * 2)
    exact = stats.chi2.ppf(stats.norm.cdf(normal), df[:, None]) / df[:, None]
    assert _chi_square_share(df, normal) == pytest.approx(exact, rel=0.01)
    assert (_chi_square_share(np.array([1.0]), np.array([[-9.0]])) > 0).all()


def test_a_full_dose_for_all_is_welchs_test():
    # Doses of 1: the slope is the mean; its error is Welch's but for the comparators' part, which
    # is of all councils' spread.
    changes, k = np.random.default_rng(8).normal(size=30), 6
    members, dose = np.arange(k)[None], np.ones(k)
    own = changes[:k]
    error = np.sqrt(own.var(ddof=1) / k + changes.var(ddof=1) / (30 - k))
    expected = (own.mean() - changes[k:].mean()) / error
    assert _statistics(changes, members, dose)[0] == pytest.approx(expected)
    # Twice the dose, half the slope, the same t.
    assert _statistics(changes, members, 2 * dose)[0] == pytest.approx(expected)


def test_dispersion_of_the_treated_is_an_f_ratio():
    changes, cases = np.random.default_rng(9).normal(size=50), np.full(50, 80.0)
    treated = np.arange(50) < 4
    found = size_adjusted_test(changes, treated, cases).diagnostics["dispersion"]
    variance = changes[~treated].var(ddof=1)
    assert found == pytest.approx(changes[treated].var(ddof=1) / variance, rel=0.03)


def test_random_signs_are_signs():
    drawn = draw_weights(40, kind="rademacher", draws=500, seed=1)
    assert set(np.unique(drawn.values)) == {-1.0, 1.0}
    assert not drawn.complete


def test_one_council_has_a_sharp_band_and_no_robust_one():
    curve, treated = np.random.default_rng(2).normal(size=(60, 2)), np.arange(60) < 1
    cases = np.full(60, 50.0)
    sharp = simultaneous_band(curve, treated, cases, method="sharp", draws=999, seed=1)
    assert np.isfinite(sharp.conf_low).all()
    assert "1 treated council, needs 2" in simultaneous_band(curve, treated, cases, seed=1).reason


def test_period_effects_without_gaps_are_deviations_from_the_mean():
    values = np.random.default_rng(1).normal(size=(7, 4))
    effects = solve_period_effects(values, np.ones((7, 4), bool))
    assert effects == pytest.approx(values.mean(0) - values.mean())
    seen = np.random.default_rng(2).random((7, 4)) > 0.2
    rows, columns = np.nonzero(seen)
    design = np.zeros((rows.size, 11))
    design[np.arange(rows.size), rows] = design[np.arange(rows.size), 7 + columns] = 1
    fit = np.linalg.lstsq(design, values[seen], rcond=None)[0][7:]
    found = solve_period_effects(np.where(seen, values, 0.0), seen)
    assert found - found.mean() == pytest.approx(fit - fit.mean())


@pytest.mark.parametrize("n_treated", [2, 3])
def test_the_robust_test_says_where_it_was_not_validated(n_treated):
    changes, treated = np.random.default_rng(1).normal(size=40), np.arange(40) < n_treated
    found = robust_test(changes, treated, np.full(40, 60.0), draws=999, seed=1)
    assert bool(found.reason) == (n_treated < 3)


def test_strata_shares_and_single_members_of_assignments():
    # Sets of members from the middle of the list: sums are of their own columns.
    sets = draw_assignments(np.isin(np.arange(9), [3, 4]), draws=1000, seed=1)
    values = np.arange(18.0).reshape(2, 9) ** 2
    expected = values[:, sets.members].sum(axis=2)
    assert sets.sum_sets(values) == pytest.approx(expected)
    few = Assignments(members=np.array([[1, 2], [2, 3]]), complete=False)
    assert few.sum_sets(values[:, :6]) == pytest.approx(values[:, [[1, 2], [2, 3]]].sum(axis=2))


@pytest.mark.parametrize("factor", [0.25, np.where(np.arange(24) % 2, 0.3, 2.0)])
def test_a_family_of_one_is_the_robust_test_with_its_period_factors(factor):
    rng, treated = np.random.default_rng(6), np.arange(24) < 3
    changes, cases = rng.normal(size=24), rng.uniform(20, 300, 24)
    given = np.broadcast_to(factor, 24)
    alone = robust_test(changes, treated, cases, draws=3000, seed=1, period_factor=given)
    family = family_test(
        changes[None], treated, cases, draws=3000, seed=1, period_factor=given[None]
    )
    assert family.p_value[0] == pytest.approx(alone.p_value, abs=0.03)


def test_sets_counted_without_roots_are_those_of_welchs_t():
    # Two values only, so that many sets tie and some have no spread on either side.
    z = np.array([[1.0, 1, 1, -1, -1, -1], [2.0, 2, -1, -1, -1, -1]])
    members = np.array(list(combinations(range(6), 3)) + list(combinations(range(1, 4), 3)))
    sums, squares = (values[:, members].sum(2) for values in (z, z**2))
    totals, total_squares = z.sum(1)[:, None], (z**2).sum(1)[:, None]
    t = np.abs(welch_t(sums, squares, totals, total_squares, 3, 6))
    for actual in (0.0, 0.7, 2.0):
        counted = count_welch_at_least(
            sums.copy(), squares.copy(), total_squares, np.array([actual, actual]), 3, 6
        )
        assert counted.tolist() == (t >= actual * (1 - 1e-9)).sum(axis=1).tolist()


@pytest.mark.parametrize("n_comparators", [11, 12])
def test_the_adaptive_test_needs_twelve_comparators(n_comparators):
    rng, n = np.random.default_rng(7), n_comparators + 3
    found = adaptive_test(
        rng.normal(size=n), np.arange(n) < 3, np.full(n, 60), rng.normal(size=(n, 8)), seed=1
    )
    assert np.isfinite(found.p_value) == (n_comparators == 12)


def test_many_adaptive_tests_at_once_are_each_alone():
    rng, treated = np.random.default_rng(8), np.arange(20) < 3
    changes, before = rng.normal(size=(4, 20)), rng.normal(size=(4, 20, 9))
    cases, ones = np.full(20, 50.0), np.ones(20)
    drawn = draw_resamples(3, draws=199, seed=1)
    every = compute_adaptive(changes, treated, cases, ones, before, 3, drawn, 0.05)
    # What is not the treated councils' own part is the variance of the comparators' mean.
    variance = every.sharp.fit.variance
    rest = every.variance - every.ratio * variance[:, treated].sum(1) / 9
    assert rest == pytest.approx(variance[:, ~treated].mean(1) / 17)
    for row in range(4):
        one = slice(row, row + 1)
        alone = compute_adaptive(changes[one], treated, cases, ones, before[one], 3, drawn, 0.05)
        assert every.p_value[row] == pytest.approx(alone.p_value[0])
        assert every.variance[row] == pytest.approx(alone.variance[0])


@pytest.mark.parametrize("n_comparators", [59, 60])
def test_few_comparators_are_said_to_cost_power(n_comparators):
    n = n_comparators + 4
    changes = np.random.default_rng(3).normal(size=n)
    found = size_adjusted_test(changes, np.arange(n) < 4, np.full(n, 60.0))
    assert ("costs power" in found.reason) == (n_comparators < 60)


def test_effective_cases_of_unequal_windows_by_hand():
    # Three periods before, one after; equal spread leaves the harmonic mean of the windows' sizes.
    size = np.array([[30.0, 60.0, 60.0, 40.0], [50.0, 50.0, 50.0, 50.0]])
    changes = collapse_levels(np.zeros((2, 4)), size, ["a", "b"], 3, "", np.ones((2, 4)))
    share = np.array([1 / 9, 1 / 9, 1 / 9, 1.0])
    expected = (1 / 3 + 1) / (share / size).sum(axis=1)
    assert effective_cases(changes) == pytest.approx(expected)
    assert effective_cases(changes)[1] == pytest.approx(50.0)


def test_a_council_alone_keeps_its_name_and_a_cluster_has_its_own():
    facts = UnitFacts(
        names=np.array(["A", "B", "C"]),
        types=np.array(["x", "y", "z"]),
        regions=np.array(["n", "s", "s"]),
        low_income=np.array([10.0, 20.0, 40.0]),
        level_variance=np.array([1.0, 4.0, 4.0]),
    )
    share = np.array([[1.0, 0.0], [0.0, 0.25], [0.0, 0.75]])
    found = facts.combine(np.array(["A", "B and C"]), np.array([0, 1]), share)
    assert found.names.tolist() == ["A", "B and C"]
    own_label = facts.combine(np.array(["first", "B and C"]), np.array([0, 1]), share)
    assert own_label.names.tolist() == ["A", "B and C"]
    assert found.low_income.tolist() == [10.0, 35.0]
    assert found.level_variance == pytest.approx([1.0, 4 / 16 + 4 * 9 / 16])


def test_a_period_that_one_council_alone_has_still_has_an_effect():
    values = np.array([[1.0, 2.0, 7.0], [3.0, 4.0, 0.0], [5.0, 6.0, 0.0]])
    seen = np.array([[True, True, True], [True, True, False], [True, True, False]])
    effects = solve_period_effects(values, seen)
    assert effects - effects[0] == pytest.approx([0.0, 1.0, 6.0])


@pytest.mark.parametrize(("n_treated", "n_comparators"), [(20, 40), (15, 18), (12, 9)])
def test_a_sharp_band_keeps_its_level_with_many_treated(n_treated, n_comparators):
    """Sets of comparators drawn without replacement would vary too little: 16% and more erred."""
    rng = np.random.default_rng(5)
    treated = np.arange(n_treated + n_comparators) < n_treated
    cases, trials = np.full(len(treated), 200.0), 400
    left = 0
    for seed in range(trials):
        common = rng.normal(size=(len(treated), 1))
        curve = common + rng.normal(size=(len(treated), 4))
        band = simultaneous_band(curve, treated, cases, method="sharp", draws=399, seed=seed)
        left += bool((band.conf_low > 0).any() or (band.conf_high < 0).any())
    assert stats.binomtest(left, trials, 0.05).proportion_ci(0.99).low < 0.05
    assert left / trials < 0.09


@pytest.mark.parametrize("n", [6, 20, 140])
def test_the_size_function_settles_at_the_greatest_likelihood(n):
    """Of squares that vary as 1 / v: no step away from the fit is likelier, in any world.

    Plain reweighting alternates between two fits for ever in one world in thirty.
    """
    rng = np.random.default_rng(3)
    cases = np.exp(rng.normal(5, 1.2, (2000, n)))
    slope = rng.choice([0, 1, 30], (2000, 1))
    noise = rng.normal(size=cases.shape) ** 2 * np.exp(rng.normal(0, 0.5, cases.shape))
    squares = noise * (1 + slope * 200 / cases)
    every, one = np.ones(cases.shape, dtype=bool), np.ones(cases.shape)
    fit = fit_size_function(squares, every, cases, one)

    def deviance(a, b):
        variance = a[:, None] + b[:, None] / cases
        return (np.log(variance) + squares / variance).sum(axis=1)

    found = deviance(fit.a, fit.b)
    for a, b in ((1.01, 1), (0.99, 1), (1, 1.01), (1, 0.99)):
        moved = deviance(fit.a * a + 1e-12, fit.b * b + 1e-12)
        assert (moved - found > -1e-9).mean() >= 0.999  # what never settles is fitted without size
    tiny = fit_size_function(squares * 1e-14, every, cases, one)
    np.testing.assert_allclose(tiny.variance * 1e14, fit.variance, rtol=1e-8)
