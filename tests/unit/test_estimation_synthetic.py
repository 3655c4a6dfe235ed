"""Synthetic DiD and control: optimality of the weights, batches against one by one, refusals.

docs/methods-estimators.md, blocks SDID and SC.
"""

import numpy as np
import pytest

from pilot_eval.errors import DesignError
from pilot_eval.estimation.simplex import SimplexProblem, solve_exact, solve_frank_wolfe
from pilot_eval.estimation.synthetic_control import estimate_each_council
from pilot_eval.estimation.synthetic_did import (
    estimate_staggered_synthetic_did,
    estimate_synthetic_did,
    placebo_synthetic_did,
)

RNG = np.random.default_rng(5)
FACTORS = RNG.normal(size=(24, 2)) @ RNG.normal(size=(2, 20)).cumsum(1)
PANEL = FACTORS + 0.3 * RNG.normal(size=(24, 20))
TREATED = np.arange(24) < 3


def problem(n_rows, n_weights, ridge, n_problems=6):
    A = RNG.normal(size=(n_rows, n_weights))
    b = RNG.normal(size=(n_problems, n_rows))
    allowed = RNG.random((n_problems, n_weights)) < 0.8
    return SimplexProblem(
        factor=A.T,
        linear=b @ A,
        constant=(b**2).sum(1),
        allowed=allowed,
        ridge=np.full(n_problems, ridge),
    )


@pytest.mark.parametrize(
    ("n_rows", "n_weights", "ridge"),
    [(30, 12, 0.0), (10, 40, 5.0), (10, 40, 0.1), (8, 30, 1e-12), (40, 15, 100.0)],
)
def test_exact_weights_meet_the_optimality_conditions(n_rows, n_weights, ridge):
    task = problem(n_rows, n_weights, ridge)
    weights = solve_exact(task)
    assert (weights >= 0).all()
    assert (weights[~task.allowed] == 0).all()
    np.testing.assert_allclose(weights.sum(1), 1.0, atol=1e-12)
    gradient = weights @ task.factor @ task.factor.T + ridge * weights - task.linear
    gradient = np.where(task.allowed, gradient, np.inf)
    # At the optimum no allowed weight has a smaller gradient than the weighted mean of those used.
    level = (weights * np.where(task.allowed, gradient, 0.0)).sum(1)
    assert (gradient.min(1) - level > -1e-6 * n_rows).all()


def test_published_algorithm_comes_close_to_the_optimum():
    task = problem(30, 12, 1.0)
    near = solve_frank_wolfe(task, tolerance=np.full(6, 1e-12))
    np.testing.assert_allclose(near, solve_exact(task), atol=2e-3)


def test_equal_outcomes_leave_equal_weights_and_no_effect():
    found = estimate_synthetic_did(np.ones((5, 6)), np.arange(5) == 0, 3)
    assert found.att == 0.0
    np.testing.assert_allclose(found.unit_weights, 0.25)


@pytest.mark.parametrize("method", ["sdid", "sc", "did"])
@pytest.mark.parametrize("solver", ["frank_wolfe", "exact"])
def test_a_batch_of_placebos_is_the_estimates_one_by_one(method, solver):
    options = {"method": method, "solver": solver}
    batch = placebo_synthetic_did(PANEL, TREATED, 12, draws=3, seed=3, **options)
    rng, pool = np.random.default_rng(3), PANEL[~TREATED]
    for found in batch.placebos:
        chosen = np.isin(np.arange(21), rng.choice(21, 3, replace=False))
        alone = estimate_synthetic_did(pool, chosen, 12, **options)
        assert found == pytest.approx(alone.att, abs=1e-7)
    assert 0 < batch.p_value <= 1
    assert not batch.exact


@pytest.mark.parametrize("seed", range(6))
def test_among_weights_that_fit_equally_the_exact_solver_takes_those_of_least_norm(seed):
    rng = np.random.default_rng(seed)
    outcomes = rng.normal(0, 1, (41, 5))
    outcomes[0] = rng.dirichlet(np.ones(40)) @ outcomes[1:]  # inside the donors' hull
    found = estimate_synthetic_did(outcomes, np.arange(41) == 0, 4, method="sc")
    weights, M = found.unit_weights, np.column_stack([outcomes[1:, :4], np.ones(40)])
    np.testing.assert_allclose(weights @ M, np.append(outcomes[0, :4], 1.0), atol=1e-9)
    # Conditions of the least norm: x = max(0, M l) for some l.
    used = weights > 0
    dual = np.linalg.lstsq(M[used], weights[used], rcond=None)[0]
    np.testing.assert_allclose(np.maximum(M @ dual, 0.0), weights, atol=1e-9)


def test_added_effect_moves_the_estimate_one_for_one():
    base = estimate_synthetic_did(PANEL, TREATED, 12)
    moved = PANEL + 2.0 * (TREATED[:, None] & (np.arange(20) >= 12))
    found = estimate_synthetic_did(moved, TREATED, 12)
    assert found.att - base.att == pytest.approx(2.0, abs=1e-9)


def test_staggered_average_and_placebo_paths():
    first = np.where(TREATED, 12.0, np.nan)
    first[3:5] = 15
    whole, by_cohort = estimate_staggered_synthetic_did(
        PANEL, first, draws=9, seed=1, solver="exact"
    )
    alone = [
        estimate_synthetic_did(PANEL[rows], rows_treated[rows], start, solver="exact").att
        for start in (12, 15)
        for rows_treated in [first == start]
        for rows in [rows_treated | np.isnan(first)]
    ]
    np.testing.assert_allclose(by_cohort, alone, atol=1e-10)
    # 3 councils x 8 periods and 2 x 5: weights 24/34 and 10/34.
    assert whole.att == pytest.approx((24 * alone[0] + 10 * alone[1]) / 34)
    assert len(whole.placebos) == 9
    assert whole.p_value * 10 == pytest.approx(round(whole.p_value * 10))
    without, _ = estimate_staggered_synthetic_did(PANEL, first, method="did")
    assert np.isnan(without.p_value)


def test_each_council_has_its_own_start_and_exact_rank():
    first = np.full(24, np.nan)
    first[:3] = [12, 15, 12]
    outcomes = PANEL.copy()
    outcomes[2, 4] = np.nan  # this treated council is left out
    outcomes[23, 0] = np.nan  # so is this comparator
    results = estimate_each_council(outcomes, first)
    assert [(found.unit, found.first_treated) for found in results] == [(0, 12), (1, 15)]
    for found in results:
        assert len(found.placebos) == 20
        rank = 1 + (np.abs(found.placebos) >= abs(found.estimate.att)).sum()
        assert found.p_value == pytest.approx(rank / 21)
        assert found.p_value >= found.smallest_p_value


@pytest.mark.parametrize(
    ("outcomes", "treated", "n_pre", "words"),
    [
        (np.where(PANEL[0, 0] == PANEL, np.nan, PANEL), TREATED, 12, "finite"),
        (PANEL, np.zeros(24), 12, "at least one unit"),
        (PANEL, np.arange(24) > 0, 12, "at least two"),
        (PANEL, TREATED, 1, "from 2"),
        (PANEL, TREATED, 20, "one after"),
        (PANEL, TREATED[:-1], 12, "as many units"),
    ],
)
def test_bad_input_is_refused(outcomes, treated, n_pre, words):
    with pytest.raises(DesignError, match=words):
        estimate_synthetic_did(outcomes, treated, n_pre)


def test_too_few_comparators_for_placebos_are_refused():
    with pytest.raises(DesignError, match="placebos"):
        placebo_synthetic_did(PANEL[:6], TREATED[:6], 12, seed=0)


def test_placebos_that_leave_no_comparator_are_refused_with_several_starts_too():
    outcomes = np.random.default_rng(1).normal(size=(20, 8))
    first = np.r_[np.full(5, 5.0), np.full(5, 6.0), np.full(10, np.nan)]
    with pytest.raises(DesignError, match="at least 12 for placebos of 10 treated"):
        estimate_staggered_synthetic_did(outcomes, first, draws=9, seed=1)
    assert np.isfinite(estimate_staggered_synthetic_did(outcomes, first)[0].att)
