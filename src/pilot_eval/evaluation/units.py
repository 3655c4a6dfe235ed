"""A design as one change a unit, and every method's answer on it."""

from __future__ import annotations

import numpy as np

from pilot_eval.design.build import Design
from pilot_eval.estimation.did import Units
from pilot_eval.evaluation.fillings import collapse_fillings, name_units
from pilot_eval.inference import (
    InferenceResult,
    cr2_test,
    minimum_detectable_effect,
    robust_test,
    size_adjusted_test,
)
from pilot_eval.plan import EvaluationPlan

METHODS = ("robust", "sharp", "cr2")
CITATIONS = {method: f"docs/methods.md#{method}" for method in METHODS}
ESTIMATOR = "difference-in-differences, councils equal"
FEWEST_TREATED = 2  # one council's change cannot be separated from its own luck


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
    filled = collapse_fillings(design).combine(name_units(plan, design))
    return filled.at(filled.hidden.middle() if counts is None else counts)


def collapse_councils(design: Design, counts: np.ndarray | None = None) -> Units:
    """Collapse a design to one change for each council, in the order of `design.codes`."""
    filled = collapse_fillings(design)
    return filled.at(filled.hidden.middle() if counts is None else counts)


def run_methods(plan: EvaluationPlan, units: Units) -> dict[str, InferenceResult]:
    """Run every method on collapsed changes; the keys are `METHODS`."""
    alpha = plan.inference.alpha
    return {
        "robust": robust_test(
            units.change,
            units.treated,
            units.cases,
            draws=plan.inference.draws,
            seed=plan.seed,
            alpha=alpha,
            period_factor=units.period_factor,
        ),
        "sharp": size_adjusted_test(
            units.change,
            units.treated,
            units.cases,
            period_factor=units.period_factor,
            alpha=alpha,
        ),
        "cr2": cr2_test(units.change, units.treated, alpha=alpha),
    }


def detect_effect(plan: EvaluationPlan, units: Units, method: str) -> float:
    """Find the minimum detectable effect of a method, from comparators and sizes alone."""
    return minimum_detectable_effect(
        units.change[~units.treated],
        units.cases[~units.treated],
        units.cases[units.treated],
        int(units.treated.sum()),
        "size_adjusted" if method == "sharp" else method,
        plan.inference.alpha,
        plan.inference.power,
        seed=plan.seed,
    )


def word_settings(plan: EvaluationPlan, method: str, **more: object) -> str:
    """Word how a row was made: the estimator, then what its test used, then anything else."""
    used = {"estimator": ESTIMATOR, "alpha": f"{plan.inference.alpha:g}"}
    if method == "robust":
        used |= {"draws": plan.inference.draws, "seed": plan.seed}
    used |= {"comparators": plan.comparators.rule, **more}
    return "; ".join(f"{name.replace('_', ' ')} {value}" for name, value in used.items())


def number_result(result: InferenceResult) -> dict:
    """Take the numbers of a result under the names of evidence columns."""
    fields = ("estimate", "std_error", "df", "conf_low", "conf_high", "p_value")
    return {field: getattr(result, field) for field in fields}
