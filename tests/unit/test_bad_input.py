"""Every public function met by every kind of bad input: an error, a reason, never a number.

One table of calls, one table of faults; the test is their product. Where a fault is none for a
function (one treated council is enough for the sharp test), `RIGHT` says why, and the answer must
then be finite. `OTHERWISE` names the functions that take none of these inputs.
"""

import inspect
from dataclasses import dataclass, replace
from importlib import import_module
from pkgutil import iter_modules

import numpy as np
import pandas as pd
import pytest

from pilot_eval import estimation, inference, monitoring
from pilot_eval.errors import PilotEvalError
from pilot_eval.estimation import did, two_way
from pilot_eval.estimation.estimator_comparison import (
    compare_staggered_estimators,
    weight_on_already_treated,
)
from pilot_eval.estimation.event_study import change_covariance, estimate_event_study
from pilot_eval.estimation.goodman_bacon import decompose_goodman_bacon
from pilot_eval.estimation.group_time import estimate_group_time
from pilot_eval.estimation.group_time_aggregates import aggregate_group_time
from pilot_eval.estimation.imputation import estimate_imputation
from pilot_eval.estimation.sun_abraham import estimate_sun_abraham
from pilot_eval.estimation.synthetic_control import estimate_each_council
from pilot_eval.estimation.synthetic_did import (
    estimate_staggered_synthetic_did,
    estimate_synthetic_did,
    placebo_synthetic_did,
)
from pilot_eval.inference.simultaneous import simultaneous_band
from pilot_eval.monitoring.cusum import calibrate_cusum, compute_cusum
from pilot_eval.monitoring.funnel import compute_funnel
from pilot_eval.monitoring.trial import MonitoringPlan, estimate_persistence, monitor_trial

N, MONTHS, START = 30, 24, 14
DRAWS = {"draws": 199, "seed": 1}
THRESHOLD = calibrate_cusum(60.0, seed=1)
PLAN = MonitoringPlan(months_before=START, looks=(5, 10), harm="rises", scale=3.0, persistence=0.0)


@dataclass
class World:
    """A sound comparison: 4 of 30 councils treated from the 15th of 24 months."""

    panel: np.ndarray
    treated: np.ndarray
    cases: np.ndarray
    names: np.ndarray
    margin: float = 3.0

    @property
    def first(self):
        """First treated month: the first two in one wave, the others two months later."""
        start = np.where(np.arange(N) < 2, START, START + 2.0)
        return np.where(self.treated, start, np.nan)

    @property
    def d(self):
        """Changes, labelled with the councils' names."""
        change = self.panel[:, START:].mean(axis=1) - self.panel[:, :START].mean(axis=1)
        return pd.Series(change, index=self.names)

    @property
    def level(self):
        """Means before the start."""
        return self.panel[:, :START].mean(axis=1)

    @property
    def labelled(self):
        return pd.DataFrame(self.panel, index=self.names)

    @property
    def counts(self):
        """Monthly counts: numerator and denominator."""
        cases = np.broadcast_to(self.cases[:, None], self.panel.shape)
        return np.round(self.panel / 100 * cases), cases


def sound():
    rng = np.random.default_rng(5)
    return World(
        panel=rng.normal(30, 4, (N, MONTHS)),
        treated=np.arange(N) < 4,
        cases=rng.integers(80, 400, N).astype(float),
        names=np.array([f"E{i:02d}" for i in range(N)]),
    )


def at(array, place, value):
    changed = np.array(array, dtype=float)
    changed[place] = value
    return changed


FAULTS = {
    "no comparators": lambda w: replace(w, treated=np.ones(N, dtype=bool)),
    "one treated council": lambda w: replace(w, treated=np.arange(N) < 1),
    "all councils equal": lambda w: replace(w, panel=np.full((N, MONTHS), 30.0)),
    "a missing change": lambda w: replace(w, panel=at(w.panel, 0, np.nan)),
    "an infinite change": lambda w: replace(w, panel=at(w.panel, (0, -1), np.inf)),
    "no cases": lambda w: replace(w, cases=at(w.cases, 0, 0)),
    "no period before": lambda w: replace(w, panel=at(w.panel, (0, slice(0, START)), np.nan)),
    "a council twice": lambda w: replace(w, names=np.array([*w.names[:-1], w.names[-2]])),
    "a margin of the wrong sign": lambda w: replace(w, margin=-3.0),
}
EVERY = set(FAULTS) - {"a margin of the wrong sign", "no cases"}
CHANGES = EVERY | {"no cases"}  # of functions that use the cases behind a change
UNNAMED = CHANGES - {"a council twice"}  # arrays of counts carry no names
ONE_GROUP = UNNAMED - {"no comparators", "one treated council"}

CALLS = {
    "robust_test": (CHANGES, lambda w: inference.robust_test(w.d, w.treated, w.cases, **DRAWS)),
    "size_adjusted_test": (
        CHANGES,
        lambda w: inference.size_adjusted_test(w.d, w.treated, w.cases),
    ),
    "adjusted_test": (
        CHANGES,
        lambda w: inference.adjusted_test(w.d, w.treated, w.cases, w.level, **DRAWS),
    ),
    "adaptive_test": (
        CHANGES,
        lambda w: inference.adaptive_test(
            w.d, w.treated, w.cases, w.panel[:, :START], n_after=2, **DRAWS
        ),
    ),
    "resampling_test": (
        CHANGES,
        lambda w: inference.resampling_test(w.d, w.treated, w.cases, **DRAWS),
    ),
    "cr1_test": (EVERY, lambda w: inference.cr1_test(w.d, w.treated)),
    "cr2_test": (EVERY, lambda w: inference.cr2_test(w.d, w.treated)),
    "cr3_test": (EVERY, lambda w: inference.cr3_test(w.d, w.treated)),
    "randomisation_test": (
        EVERY,
        lambda w: inference.randomisation_test(w.d, w.treated, **DRAWS),
    ),
    "wild_bootstrap_test": (
        EVERY,
        lambda w: inference.wild_bootstrap_test(w.d, w.treated, **DRAWS),
    ),
    "family_test": (
        CHANGES,
        lambda w: inference.family_test(w.d.to_frame().T, w.treated, w.cases, **DRAWS),
    ),
    "collapse_panel": (EVERY, lambda w: inference.collapse_panel(w.labelled, START, w.treated)),
    "variance_points": (CHANGES, lambda w: inference.variance_points(w.d, w.treated, w.cases)),
    "simultaneous_band": (
        CHANGES,
        lambda w: simultaneous_band(w.labelled, w.treated, w.cases, **DRAWS),
    ),
    "minimum_detectable_effect": (
        CHANGES,
        lambda w: inference.minimum_detectable_effect(
            w.d[~w.treated],
            w.cases[~w.treated],
            w.cases[w.treated],
            int(w.treated.sum()),
            draws=199,
        ),
    ),
    "estimate_event_study": (EVERY, lambda w: estimate_event_study(w.labelled, w.first)),
    "estimate_group_time": (EVERY, lambda w: estimate_group_time(w.labelled, w.first)),
    "aggregate_group_time": (
        EVERY,
        lambda w: aggregate_group_time(estimate_group_time(w.labelled, w.first)),
    ),
    "estimate_imputation": (EVERY, lambda w: estimate_imputation(w.labelled, w.first)),
    "estimate_sun_abraham": (EVERY, lambda w: estimate_sun_abraham(w.labelled, w.first)),
    "decompose_goodman_bacon": (EVERY, lambda w: decompose_goodman_bacon(w.labelled, w.first)),
    "compare_staggered_estimators": (
        EVERY,
        lambda w: compare_staggered_estimators(w.labelled, w.first),
    ),
    "weight_on_already_treated": (
        EVERY,
        lambda w: weight_on_already_treated(w.labelled, w.first),
    ),
    "estimate_each_council": (EVERY, lambda w: estimate_each_council(w.labelled, w.first)),
    "estimate_staggered_synthetic_did": (
        EVERY,
        lambda w: estimate_staggered_synthetic_did(w.labelled, w.first),
    ),
    "estimate_synthetic_did": (
        EVERY,
        lambda w: estimate_synthetic_did(w.labelled, w.treated, START),
    ),
    "placebo_synthetic_did": (
        EVERY,
        lambda w: placebo_synthetic_did(w.labelled, w.treated, START, draws=20, seed=1),
    ),
    "change_covariance": (
        EVERY,
        lambda w: change_covariance(w.d.to_frame(), w.treated),
    ),
    "two_way.estimate_twfe": (
        EVERY,
        lambda w: two_way.estimate_twfe(
            w.labelled, w.treated[:, None] * (np.arange(MONTHS) >= START).astype(float)
        ),
    ),
    "collapse_changes": (
        CHANGES,
        lambda w: did.collapse_changes(w.labelled, w.treated, START, w.cases),
    ),
    "estimate_att": (EVERY, lambda w: did.estimate_att(w.d, w.treated)),
    "monitor_trial": (UNNAMED, lambda w: monitor_trial(*w.counts, w.treated, plan=PLAN)),
    "compute_funnel": (
        ONE_GROUP - {"no period before"} | {"a council twice"},
        lambda w: compute_funnel(w.names, *(c[:, -1] for c in w.counts)),
    ),
    "compute_cusum": (
        ONE_GROUP | {"a council twice"},
        lambda w: compute_cusum(
            w.names,
            *w.counts,
            months_before=START,
            harm="rises",
            threshold=THRESHOLD,
        ),
    ),
    "estimate_persistence": (ONE_GROUP, lambda w: estimate_persistence(*w.counts)),
}

GAPS_COUNT = {
    *("estimate_event_study", "estimate_group_time", "aggregate_group_time"),
    *("estimate_imputation", "estimate_sun_abraham", "compare_staggered_estimators"),
    *("estimate_each_council", "family_test", "two_way.estimate_twfe", "collapse_panel"),
    "estimate_persistence",
}
POINTS = {
    *("estimate_event_study", "estimate_group_time", "aggregate_group_time"),
    *("estimate_imputation", "estimate_sun_abraham", "decompose_goodman_bacon"),
    *("compare_staggered_estimators", "weight_on_already_treated", "two_way.estimate_twfe"),
    *("estimate_synthetic_did", "estimate_staggered_synthetic_did"),
    *("collapse_panel", "collapse_changes", "estimate_att"),
}
ONE_IS_ENOUGH = {
    *("size_adjusted_test", "adaptive_test", "resampling_test", "variance_points"),
    *("estimate_each_council", "placebo_synthetic_did", "monitor_trial"),
}
MDE = {"minimum_detectable_effect"}
RIGHT = {
    # fault: (functions that answer all the same, why they may)
    "no comparators": (
        {
            *("estimate_imputation", "estimate_sun_abraham", "decompose_goodman_bacon"),
            "weight_on_already_treated",
        },
        "the wave treated later serves until its start",
    ),
    "one treated council": (
        POINTS | ONE_IS_ENOUGH,
        "a point estimate, a variance that size predicts, or a rank among comparators",
    ),
    "all councils equal": (
        POINTS | {"compute_funnel", "compute_cusum"},
        "the difference is 0, said without a p-value or an interval",
    ),
    "a missing change": (GAPS_COUNT | MDE, "left out and counted; treated changes not looked at"),
    "an infinite change": (MDE, "the treated councils' changes are not looked at"),
    "no period before": (GAPS_COUNT | MDE, "left out and counted; treated not looked at"),
    "no cases": (
        {"compute_funnel", "estimate_persistence", "collapse_changes"},
        "listed separately, left out, or refused by every test that takes the changes",
    ),
}
OTHERWISE = {
    # whole modules, or single functions, and where their refusals are tested
    "bunching": "test_bunching.py::test_refusals",
    "false_alarms": "real months: test_false_alarms.py",
    "distribution": "children's delays: test_survival.py",
    "survival": "children's delays: test_survival.py",
    "census_changes": "children's records: test_evaluate_census.py",
    "census_units": "children's records: test_evaluate_census.py",
    "council_changes": "children's records: test_evaluate_census.py",
    "staggered_paths": "path_scores refuses gaps: test_estimation_staggered.py",
    "simplex": "a solver behind the synthetic estimators",
    "least_norm": "a solver behind the synthetic estimators",
    "rank_among": "takes effects that were estimated: test_estimation_synthetic.py",
    "synthetic_weights": "the check behind the synthetic estimators",
    "cohorts": "the check behind the staggered estimators",
    "shares": "behind monitor_trial, which checks",
    "sequential": "takes no councils: test_monitoring_methods.py",
    "detection": "simulates its own data",
    "monthly_counts": "files of monthly counts: test_monitor.py",
    "trial_rules": "files of rules: test_monitor.py",
    "check_never": "a check",
    "base_columns": "behind estimate_group_time",
    "eligible_comparators": "behind estimate_group_time",
    "imputation_weights": "takes a checked panel",
    "fit_two_way": "behind two_way.estimate_twfe",
    "combine_clusters": "takes checked units: test_did.py",
    "solve_period_effects": "takes numbers that a door has read",
    "path_batch": "starts in waves: test_starts.py",
    "path_test": "starts in waves: test_starts.py",
    "collapse_levels": "levels of a checked design: test_levels.py",
    "collapse_paths": "paths of a checked design: test_starts.py",
    "remove_period_effects": "behind collapse_changes and collapse_paths",
    "staggered_test": "a panel for path_test: test_starts.py",
    "robust_batch": "many rows at once: test_robust_batch.py",
    "adjusted_batch": "many rows at once, checked by their panel: test_adjusted.py",
    "compute_adjusted": "takes checked changes: test_adjusted.py",
    "adjustment": "takes checked changes behind adjusted_test: test_adjusted.py",
    "covariates": "facts of councils that the package holds: test_adjusted.py",
    "did.estimate_twfe": "passes a dummy of one start to two_way.estimate_twfe",
    "dose_test": "test_other_readings.py",
    "pooled_counts_test": "takes counts: test_other_readings.py",
    "romano_wolf": "takes statistics: test_inference_suite.py",
    "benjamini_hochberg": "takes p-values: test_inference_suite.py",
    "calibrate_cusum": "takes no councils",
    "information_fractions": "takes no councils",
    "compute_looks": "behind monitor_trial, which checks",
}
ANSWERS = ("p_value", "att", "overall", "estimates", "estimate", "changes", "change", "outcome")


def numbers_of(result):
    """The numbers an answer consists of: p-value or estimate, whichever it gives."""
    result = result[0] if isinstance(result, (tuple, list)) else result
    if isinstance(result, pd.DataFrame):
        return result.select_dtypes("number").to_numpy(float)
    found = [getattr(result, name) for name in ANSWERS if hasattr(result, name)]
    found = [value for value in found if isinstance(value, (float, np.ndarray))]
    if not found and not isinstance(result, (float, np.ndarray)):
        found = [getattr(result, name) for name in ("att_gt", "councils") if hasattr(result, name)]
        found = [np.asarray(pd.DataFrame(v).select_dtypes("number"), dtype=float) for v in found]
    return np.concatenate([np.ravel(value) for value in found or [np.asarray(result, float)]])


@pytest.mark.parametrize("name", CALLS)
def test_a_sound_comparison_has_an_answer(name):
    result = CALLS[name][1](sound())
    refused = "refused" in str(getattr(result, "reason", ""))  # CR1, with few treated councils
    assert refused or np.isfinite(numbers_of(result)).any()


@pytest.mark.parametrize(
    ("name", "fault"), [(name, fault) for name in CALLS for fault in sorted(CALLS[name][0])]
)
def test_bad_input_is_an_error_or_not_estimable_never_a_number(name, fault):
    call, bad = CALLS[name][1], FAULTS[fault](sound())
    if name in RIGHT.get(fault, ((), ""))[0]:
        assert np.isfinite(numbers_of(call(bad))).any(), "no answer: take it out of RIGHT"
        return
    try:
        result = call(bad)
    except PilotEvalError:
        return
    assert np.isnan(numbers_of(result)).all()
    if name not in MDE | {"two_way.estimate_twfe"}:  # a bare number has no place for a reason
        assert str(getattr(result, "reason", "") or getattr(result, "reasons", ("",))[0])


def test_every_public_function_is_met_or_named():
    named = {name.rsplit(".", maxsplit=1)[-1] for name in [*CALLS, *OTHERWISE]}
    wanted = {n for n in inference.__all__ if inspect.isfunction(getattr(inference, n))}
    for package in (estimation, monitoring):
        for info in iter_modules(package.__path__):
            module = import_module(f"{package.__name__}.{info.name}")
            if info.name not in OTHERWISE:
                wanted |= {
                    name
                    for name, found in vars(module).items()
                    if inspect.isfunction(found)
                    and found.__module__ == module.__name__
                    and not name.startswith("_")
                }
    assert wanted - named == set()
