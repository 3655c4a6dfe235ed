"""A design as one change a unit, and every method's answer on it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from math import nan
from typing import Any

import numpy as np

from pilot_eval.design.build import Design
from pilot_eval.estimation.adjustment import adjust_changes, why_not_adjustable
from pilot_eval.estimation.did import Units
from pilot_eval.evaluation.batch_methods import adjustment_of, answer_paths, name_outside
from pilot_eval.evaluation.fillings import collapse_fillings
from pilot_eval.evaluation.unit_facts import collapse_units
from pilot_eval.inference import (
    InferenceResult,
    adjusted_test,
    cr2_test,
    minimum_detectable_effect,
    robust_test,
    size_adjusted_test,
)
from pilot_eval.inference.power import Method as MdeTest
from pilot_eval.plan import EvaluationPlan

METHODS = ("robust", "sharp", "cr2")
STRATA = {"stratified_type": "types", "stratified_region": "regions"}
ALL_METHODS = (*METHODS, "adjusted", *STRATA)
CITATIONS = {method: f"docs/methods.md#{method}" for method in METHODS} | {
    "adjusted": "docs/methods-inference.md#adjusted",
    **dict.fromkeys(STRATA, "docs/methods-inference.md#randomisation"),
}
ESTIMATOR = "difference-in-differences, councils equal"
LEVELS = "difference in levels, councils equal: not a change"
BY_START = "difference-in-differences by start and end, councils equal"
MDE_TESTS: Mapping[str, MdeTest] = {
    "robust": "robust",
    "sharp": "size_adjusted",
    "cr2": "cr2",
    "adjusted": "robust",
}
"""Method -> the formula of its detectable effect."""
DETECTS_AS = dict.fromkeys(STRATA, "robust")
"""Method -> the one whose detectable effect is its own too: they differ in the sets drawn."""
FEWEST_TREATED = 2  # one council's change cannot be separated from its own luck


def is_comparison(design: Design) -> bool:
    """Say whether a design has units enough on both sides to be estimated."""
    return len(design.treated) >= FEWEST_TREATED and bool(design.comparators)


def collapse_design(
    plan: EvaluationPlan, design: Design, counts: np.ndarray | None = None
) -> Units:
    """Collapse a design to one change for each unit, councils under one management combined.

    Parameters
    ----------
    plan : EvaluationPlan
        Names the clusters.
    design : Design
    counts : ndarray of int, shape (h,) or (fillings, h), optional
        Fillings of `design.own_hidden`; by default every count is in the middle of what it can be.

    Returns
    -------
    Units
    """
    filled = collapse_units(plan, design)
    return filled.at(filled.hidden.middle() if counts is None else counts)


def collapse_councils(design: Design, counts: np.ndarray | None = None) -> Units:
    """Collapse a design to one change for each council, in the order of `design.codes`."""
    filled = collapse_fillings(design)
    return filled.at(filled.hidden.middle() if counts is None else counts)


def run_methods(
    plan: EvaluationPlan, units: Units, methods: Sequence[str] = ALL_METHODS
) -> dict[str, InferenceResult]:
    """Run methods on collapsed changes.

    Where nothing is known of the councils, the adjusted and the stratified tests are left out.
    """
    tests = _list_tests(plan, units)
    return {method: tests[method]() for method in methods if method in tests}


def _list_tests(plan: EvaluationPlan, units: Units) -> dict[str, Callable[[], InferenceResult]]:
    data = units.change, units.treated, units.cases
    settled: dict[str, Any] = {"alpha": plan.inference.alpha, "period_factor": units.period_factor}
    drawn = settled | {"draws": plan.inference.draws, "seed": plan.seed}
    tests: dict[str, Callable[[], InferenceResult]] = {
        "robust": partial(robust_test, *data, **drawn),
        "sharp": partial(size_adjusted_test, *data, **settled),
        "cr2": partial(cr2_test, units.change, units.treated, alpha=plan.inference.alpha),
    }
    if units.paths is not None:
        tests["robust"] = partial(answer_paths, plan, units)
    if units.facts is None:
        return tests
    tests["adjusted"] = partial(_test_adjusted, plan, units, drawn)
    for method, name in STRATA.items():
        strata = getattr(units.facts, name).astype(str)
        by_paths = partial(answer_paths, plan, units, strata)
        by_sets = partial(robust_test, *data, strata=strata, **drawn)
        tests[method] = by_sets if units.paths is None else by_paths
    return tests


def _test_adjusted(plan: EvaluationPlan, units: Units, drawn: Mapping[str, Any]) -> InferenceResult:
    given = {**adjustment_of(plan, units), **drawn}
    data = units.change, units.treated, units.cases, units.known_level()
    result: InferenceResult = adjusted_test(*data, **given)
    return replace(result, reason="; ".join(filter(None, [result.reason, name_outside(units)])))


def detect_effects(plan: EvaluationPlan, units: Units, methods: Iterable[str]) -> dict[str, float]:
    """Find the minimum detectable effect of each method."""
    alike = {method: DETECTS_AS.get(method, method) for method in methods}
    found = {test: detect_effect(plan, units, test) for test in dict.fromkeys(alike.values())}
    return {method: found[test] for method, test in alike.items()}


def detect_effect(plan: EvaluationPlan, units: Units, method: str) -> float:
    """Find the minimum detectable effect of a method, from comparators and sizes alone."""
    change = units.change
    if method == "adjusted":
        given = adjustment_of(plan, units)
        if why_not_adjustable(units.treated, given["covariates"]):
            return nan
        level = units.known_level()
        change = adjust_changes(change[None], units.treated, level, **given).residual[0]
    return minimum_detectable_effect(
        change[~units.treated],
        units.cases[~units.treated],
        units.cases[units.treated],
        int(units.treated.sum()),
        MDE_TESTS[method],
        plan.inference.alpha,
        plan.inference.power,
        seed=plan.seed,
        period_factor_comparators=units.period_factor[~units.treated],
        period_factor_treated=units.period_factor[units.treated],
    )


def word_settings(
    plan: EvaluationPlan,
    method: str,
    *,
    staggered: bool = False,
    earlier: str = "",
    **more: object,
) -> str:
    """Word how a row was made: the estimator, then what its test used, then anything else."""
    estimator = LEVELS if earlier else BY_START if staggered else ESTIMATOR
    used: dict[str, object] = {"estimator": estimator, "alpha": f"{plan.inference.alpha:g}"}
    if method not in ("sharp", "cr2"):
        used |= {"draws": plan.inference.draws, "seed": plan.seed}
    if method == "adjusted":
        level = earlier or "level before the start"
        used["adjusted for"] = ", ".join([level, *plan.adjustment.covariates])
    used |= {"comparators": plan.comparators.rule, **more}
    return "; ".join(f"{name.replace('_', ' ')} {value}" for name, value in used.items())


def number_result(result: InferenceResult) -> dict[str, float]:
    """Take the numbers of a result under the names of evidence columns."""
    fields = ("estimate", "std_error", "df", "conf_low", "conf_high", "p_value")
    return {field: getattr(result, field) for field in fields}
