"""A design as one change a unit, and every method's answer on it."""

from __future__ import annotations

from pilot_eval.design.build import Design
from pilot_eval.estimation.did import Units, collapse_changes, combine_clusters
from pilot_eval.inference import (
    InferenceResult,
    cr2_test,
    minimum_detectable_effect,
    robust_test,
    size_adjusted_test,
)
from pilot_eval.plan import EvaluationPlan
from pilot_eval.reference.facts import council_names

METHODS = ("robust", "sharp", "cr2")
CITATIONS = {method: f"docs/methods.md#{method}" for method in METHODS}
ESTIMATOR = "difference-in-differences, councils equal"
FEWEST_TREATED = 2  # one council's change cannot be separated from its own luck


def collapse_design(plan: EvaluationPlan, design: Design) -> Units:
    """Collapse a design to one change a unit, councils under one management combined.

    Parameters
    ----------
    plan : EvaluationPlan
        Names the clusters.
    design : Design

    Returns
    -------
    Units
    """
    return combine_clusters(collapse_councils(design), name_units(plan, design))


def collapse_councils(design: Design) -> Units:
    """Collapse a design to one change a council, in the order of `design.codes`."""
    codes = list(design.codes)
    return collapse_changes(
        design.figures.reindex(codes).to_numpy(float),
        design.is_treated,
        len(design.pre),
        design.cases.reindex(codes).to_numpy(float),
    )


def name_units(plan: EvaluationPlan, design: Design) -> list[str]:
    """Name the unit of each council of `design.codes`: its cluster, or itself."""
    cluster_of = {council: name for name, members in plan.clusters.items() for council in members}
    names = council_names()
    return [cluster_of.get(names[code], code) for code in design.codes]


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


def conclude(conf_low: float, conf_high: float) -> str:
    """Say what an interval shows: ``"rise"``, ``"fall"`` or ``"neither"``."""
    if conf_low > 0:
        return "rise"
    return "fall" if conf_high < 0 else "neither"


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
