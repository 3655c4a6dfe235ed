"""What the methods refuse or cannot estimate, each in the words of its message."""

from __future__ import annotations

import numpy as np
import pytest

from pilot_eval.errors import DesignError, InferenceError, ParameterError
from pilot_eval.estimation import did
from pilot_eval.estimation.bunching import fit_bunching
from pilot_eval.estimation.group_time import estimate_group_time
from pilot_eval.estimation.group_time_aggregates import aggregate_group_time
from pilot_eval.estimation.staggered_paths import path_coefficients, path_scores
from pilot_eval.estimation.sun_abraham import estimate_sun_abraham
from pilot_eval.estimation.synthetic_control import estimate_each_council
from pilot_eval.estimation.synthetic_did import placebo_synthetic_did
from pilot_eval.estimation.two_way import estimate_twfe, fit_two_way
from pilot_eval.inference.adaptive import draw_resamples
from pilot_eval.inference.adjusted import adjusted_batch
from pilot_eval.inference.assignments import draw_assignments
from pilot_eval.inference.cluster_robust import cr1_test, cr2_test, cr3_test
from pilot_eval.inference.collapse import collapse_panel
from pilot_eval.inference.dose import dose_test
from pilot_eval.inference.multiplicity import family_test
from pilot_eval.inference.paths import draw_paths
from pilot_eval.inference.pooled_counts import pooled_counts_test
from pilot_eval.inference.power import minimum_detectable_effect
from pilot_eval.inference.staggered import path_test, staggered_test
from pilot_eval.inference.wild_bootstrap import draw_weights

FLAGS = np.arange(8) < 2
CHANGES = np.array([3.0, 4.0, 1.0, 0.0, 2.0, 1.5, 0.5, 1.0])
PANEL = np.arange(32.0).reshape(8, 4) % 7
STARTS = np.where(FLAGS, 2.0, np.nan)
COUNTS = np.column_stack([np.arange(8.0) + 10, np.arange(8.0) + 12])
OF = np.array([0, 1, 5, 2, 2, 2, 2, 2])
EXPOSED = np.full((8, 2), 90.0)
GAPS = np.where(np.arange(8)[:, None] > 3, np.nan, PANEL)
CASES = np.full(8, 50.0)

REFUSED = {
    "periods of another number": (
        lambda: estimate_group_time(PANEL, STARTS, periods=np.arange(3)),
        "`periods` must be 4 ascending numbers",
    ),
    "periods with a gap": (
        lambda: estimate_group_time(PANEL, STARTS, periods=np.array([1, 2, 3, 5])),
        "`periods` must be evenly spaced",
    ),
    "treated from the first period": (
        lambda: estimate_group_time(PANEL, np.where(FLAGS, 0.0, np.nan)),
        "got 2 units treated from the first period on",
    ),
    "a matrix without a period after": (
        lambda: did.collapse_changes(PANEL, FLAGS, 4),
        "`values` must have a row for each flag and a column after the start",
    ),
    "comparators that all change alike, but for rounding": (
        lambda: placebo_synthetic_did(
            np.add.outer(np.arange(8) * 0.1, [0.0, 0.3, 0.1, 0.7]), FLAGS, 2, seed=1
        ),
        "`comparators` must differ in their changes",
    ),
    "a path that there is not": (
        lambda: path_test(np.random.default_rng(1).normal(size=(8, 3)), OF, CASES, seed=1),
        "`of` must",
    ),
    "a control of another name": (
        lambda: estimate_group_time(PANEL, STARTS, control="later"),
        "`control` must",
    ),
    "an average of another name": (
        lambda: aggregate_group_time(estimate_group_time(PANEL, STARTS), "weekly"),
        "`kind` must be one of",
    ),
    "no value to compare with": (
        lambda: estimate_sun_abraham(np.where(FLAGS[:, None], PANEL, np.nan), STARTS),
        "`outcomes` must have values of the units compared with",
    ),
    "two complete comparators": (
        lambda: estimate_each_council(GAPS, STARTS),
        "`comparators` must include three or more",
    ),
    "no comparators for placebos": (
        lambda: placebo_synthetic_did(PANEL[:5], np.arange(5) < 3, 2, seed=1),
        "`comparators` must number at least",
    ),
    "outcomes with a gap, over paths": (
        lambda: path_scores(GAPS, path_coefficients([2, 6], [2], 4, "twfe")),
        "`outcomes` must be complete",
    ),
    "a method of another name": (lambda: path_coefficients([2, 6], [2], 4, "x"), "`method` must"),
    "a cohort of nobody": (lambda: path_coefficients([0, 6], [2], 4, "twfe"), "`sizes` must"),
    "a start after the end": (lambda: path_coefficients([2, 6], [4], 4, "twfe"), "`starts` must"),
    "exposure of another shape": (
        lambda: estimate_twfe(PANEL, PANEL[:, :3] % 2),
        "`exposure` must",
    ),
    "weights of 0 on one side": (
        lambda: did.estimate_att(CHANGES, FLAGS, (~FLAGS).astype(float)),
        "`weights` must not be 0 for a whole side",
    ),
    "nobody treated": (lambda: did.estimate_att(CHANGES, ~FLAGS & FLAGS), "`treated` must name"),
    "levels of another shape": (
        lambda: adjusted_batch(CHANGES[None], FLAGS, CASES[None], np.tile(CHANGES, (2, 1)), seed=1),
        "`levels` must",
    ),
    "strata for some": (
        lambda: draw_assignments(FLAGS, draws=9, strata=["a", "b"], seed=1),
        "`strata` must",
    ),
    "paths of strata for some": (
        lambda: draw_paths(np.array([0, 1, 1]), draws=9, strata=["a"], seed=1),
        "`strata` must",
    ),
    "no draw of paths": (lambda: draw_paths(np.array([0, 1, 1]), draws=0, seed=1), "`draws` must"),
    "no draw of weights": (
        lambda: draw_weights(8, kind="rademacher", draws=0, seed=1),
        "`draws` must",
    ),
    "no resample": (lambda: draw_resamples(2, draws=0, seed=1), "`draws` must"),
    "no period after": (lambda: collapse_panel(PANEL, 4, FLAGS), "`n_before` must leave a period"),
    "p-values of another number": (
        lambda: family_test(CHANGES[None], FLAGS, CASES, p_values=np.array([0.1, 0.2]), seed=1),
        "`p_values` must fit changes",
    ),
    "treated of another number": (
        lambda: family_test(CHANGES[None], FLAGS[None, [0, 1, 2, 3]], CASES, seed=1),
        "`",
    ),
    "counts of three years": (
        lambda: pooled_counts_test(PANEL[:, :3], PANEL[:, :3] + 1, FLAGS, link="rate", seed=1),
        "`events` must have two columns",
    ),
    "more events than cases": (
        lambda: pooled_counts_test(COUNTS, COUNTS - 1, FLAGS, link="odds", seed=1),
        "`events` must be at most their denominator",
    ),
    "a start in the first column": (
        lambda: staggered_test(PANEL, np.where(FLAGS, 0.0, np.nan), seed=1),
        "`starts` must be columns from 1 on",
    ),
    "sizes of one treated of two": (
        lambda: minimum_detectable_effect(CHANGES[2:], CASES[2:], CASES[:1], 2),
        "`cases_treated` must have one value per treated council",
    ),
}

ONE = np.arange(8) < 1
NOT_ESTIMABLE = {
    "treated changes all equal": (
        lambda: cr2_test(np.where(FLAGS, 1.0, CHANGES), FLAGS),
        "the treated councils' changes are all equal",
    ),
    "one treated council's counts": (
        lambda: pooled_counts_test(COUNTS, COUNTS * 5, ONE, link="rate", seed=1),
        "needs 2 treated councils",
    ),
    "a group without events": (
        lambda: pooled_counts_test(
            np.where(FLAGS[:, None], 0.0, COUNTS), COUNTS * 5, FLAGS, link="rate", seed=1
        ),
        "a group has no events",
    ),
    "nobody with events after the start": (
        lambda: pooled_counts_test(COUNTS * [1, 0], COUNTS * 5, FLAGS, link="rate", seed=1),
        "a group has no events",
    ),
    "counts that change alike everywhere": (
        lambda: pooled_counts_test(COUNTS, COUNTS * 5, FLAGS, link="rate", seed=1),
        "not estimable",
    ),
    "one council's dose": (
        lambda: dose_test(CHANGES, ONE.astype(float), seed=1),
        "1 treated council, needs 2",
    ),
    "one council's batch": (
        lambda: adjusted_batch(CHANGES[None], ONE, CASES[None], CHANGES[None], seed=1),
        "1 treated council, needs 2",
    ),
}


@pytest.mark.parametrize("case", NOT_ESTIMABLE)
def test_what_cannot_be_estimated_says_why_and_gives_no_number(case):
    call, reason = NOT_ESTIMABLE[case]
    found = call()
    assert reason in found.reason
    assert np.isnan(np.atleast_1d(found.p_value)).all()


def test_power_out_of_reach_has_no_detectable_effect():
    # Two comparators cannot stand in for two treated; and no effect is found in sets of one kind.
    assert np.isnan(minimum_detectable_effect(CHANGES[3:], CASES[3:], CASES[:4], 4))
    assert np.isnan(minimum_detectable_effect(CHANGES[2:5], CASES[2:5], CASES[:2], 2))
    with pytest.raises(InferenceError, match="`power` must lie between alpha and 1"):
        minimum_detectable_effect(CHANGES[2:], CASES[2:], CASES[:2], 2, power=0.01)


def test_the_smallest_input_that_is_enough_is_taken():
    changes = np.random.default_rng(1).normal(size=40)
    assert collapse_panel(PANEL, 1, FLAGS).changes.shape == (8,)
    assert np.isfinite(placebo_synthetic_did(PANEL[:4], np.arange(4) < 1, 2, seed=1).att)
    assert np.isfinite(minimum_detectable_effect(changes, np.full(40, 50.0), CASES[:2], 2))
    orders, complete = draw_paths(np.arange(5), draws=1, seed=1)
    assert (len(orders), complete) == (1, False)
    assert np.isfinite(pooled_counts_test(COUNTS, EXPOSED, FLAGS, link="rate", seed=1).p_value)
    for bands, enough in (((1, 6, 11), True), ((1, 6), False)):
        first = np.array(bands)
        if enough:
            assert fit_bunching(first, first + 4, 10).in_band.tolist() == [False, True, False]
        else:
            with pytest.raises(ParameterError, match="`bins` must"):
                fit_bunching(first, first + 4, 10)


@pytest.mark.parametrize("test", [cr1_test, cr2_test, cr3_test])
def test_the_level_is_5_percent_unless_another_is_asked_for(test):
    changes, treated = np.random.default_rng(1).normal(size=60), np.arange(60) < 25
    assert test(changes, treated) == test(changes, treated, alpha=0.05)


def test_periods_that_no_council_connects_have_no_common_fit():
    # Councils 0, 1 are seen in periods 0, 1 and councils 2, 3 in periods 2, 3: two separate fits.
    values = np.array([[1.0, 2.0, 9, 9], [3.0, 4.0, 9, 9], [9, 9, 5.0, 7.0], [9, 9, 6.0, 8.0]])
    weights = np.kron(np.eye(2), np.ones((2, 2)))
    fitted = fit_two_way(values, weights).fitted
    assert fitted[weights > 0] == pytest.approx(values[weights > 0])
    assert np.isnan(fitted[weights == 0]).all()
    assert np.isnan(fit_two_way(values, np.zeros((4, 4))).fitted).all()


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_meant_is_refused(case):
    call, message = REFUSED[case]
    with pytest.raises((DesignError, InferenceError), match=message):
        call()
