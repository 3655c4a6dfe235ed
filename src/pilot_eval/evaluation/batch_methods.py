"""Every method's answer on many fillings at once, and the one row they make together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from math import nan
from typing import Any

import numpy as np
from scipy.special import stdtr, stdtrit

from pilot_eval.estimation.covariates import build_covariates
from pilot_eval.estimation.did import Units
from pilot_eval.inference import (
    InferenceResult,
    adjusted_batch,
    cr2_test,
    path_batch,
    path_test,
    robust_batch,
    size_adjusted_test,
)
from pilot_eval.inference.cluster_robust import compute_cluster_robust
from pilot_eval.inference.robust import RobustBatch
from pilot_eval.inference.size_adjusted import compute_size_adjusted
from pilot_eval.plan import EvaluationPlan

SMALLEST_P = float(np.finfo(float).tiny)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answers:
    """One method's answer on each filling; every array has shape (fillings,).

    `estimate` is given by methods whose estimate is not the difference of mean changes; `reason`
    says why figures are missing, or what limits them.
    """

    p_value: np.ndarray
    conf_low: np.ndarray
    conf_high: np.ndarray
    estimate: np.ndarray | None = None
    reason: str = ""

    def hull(self) -> dict[str, float]:
        """Cover the effect whatever the hidden counts are: widest ends, largest p-value."""
        return {
            "conf_low": float(self.conf_low.min()),
            "conf_high": float(self.conf_high.max()),
            "p_value": float(self.p_value.max()),
        }

    def span(self) -> tuple[float, float] | None:
        """Find the least and the largest estimate of the method's own, if it has one."""
        if self.estimate is None:
            return None
        return float(self.estimate.min()), float(self.estimate.max())

    def conclusions(self) -> set[str]:
        """Collect what the fillings' intervals show."""
        ends = zip(self.conf_low, self.conf_high, strict=True)
        return {conclude(low, high) for low, high in ends}


def conclude(conf_low: float, conf_high: float) -> str:
    """Say what an interval shows: ``"rise"``, ``"fall"`` or ``"neither"``."""
    if conf_low > 0:
        return "rise"
    return "fall" if conf_high < 0 else "neither"


def answer_robust(plan: EvaluationPlan, units: Units) -> Answers:
    """Answer by the robust test."""
    if units.paths is not None:
        return _answer_by_paths(plan, units)
    found = robust_batch(
        units.change,
        units.treated,
        units.cases,
        draws=plan.inference.draws,
        seed=plan.seed,
        alpha=plan.inference.alpha,
        period_factor=units.period_factor,
    )
    return _answer_batch(found)


def answer_sharp(plan: EvaluationPlan, units: Units) -> Answers:
    """Answer by the size-adjusted test."""
    alpha = plan.inference.alpha

    def test_one(row: int) -> str:
        factor = units.period_factor
        args = units.change[row], units.treated, units.cases
        return str(size_adjusted_test(*args, period_factor=factor, alpha=alpha).reason)

    if refusal := _find_refusal(units, test_one):
        return _without_figures(len(units.change), refusal)
    found = compute_size_adjusted(units.change, units.treated, units.cases, units.period_factor)
    low, high = found.interval(alpha)
    worst = int(found.p_value.argmax())
    return Answers(p_value=found.p_value, conf_low=low, conf_high=high, reason=test_one(worst))


def answer_cr2(plan: EvaluationPlan, units: Units) -> Answers:
    """Answer by CR2 with Satterthwaite degrees of freedom."""
    alpha, treated = plan.inference.alpha, units.treated

    def test_one(row: int) -> str:
        return str(cr2_test(units.change[row], treated, alpha=alpha).reason)

    if refusal := _find_refusal(units, test_one):
        return _without_figures(len(units.change), refusal)
    reason = test_one(0)
    places = np.broadcast_to(treated, units.change.shape)
    variance, df = compute_cluster_robust(units.change, places, "cr2")
    error = np.sqrt(variance)
    estimate = units.change[:, treated].mean(1) - units.change[:, ~treated].mean(1)
    half = stdtrit(df, 1 - alpha / 2) * error
    p_value = np.maximum(2 * stdtr(df, -np.abs(estimate) / error), SMALLEST_P)
    return Answers(
        p_value=p_value, conf_low=estimate - half, conf_high=estimate + half, reason=reason
    )


def answer_adjusted(plan: EvaluationPlan, units: Units) -> Answers:
    """Answer by the adjusted test."""
    found = adjusted_batch(
        units.change,
        units.treated,
        units.cases,
        units.known_level(),
        draws=plan.inference.draws,
        seed=plan.seed,
        alpha=plan.inference.alpha,
        period_factor=units.period_factor,
        **adjustment_of(plan, units),
    )
    return Answers(
        p_value=found.p_value,
        conf_low=found.conf_low,
        conf_high=found.conf_high,
        estimate=found.estimate,
        reason="; ".join(filter(None, [found.reason, name_outside(units)])),
    )


def answer_stratified(plan: EvaluationPlan, units: Units, strata: str) -> Answers:
    """Answer by the robust test against sets with as many councils of each type, or region."""
    if units.paths is not None:
        return _answer_by_paths(plan, units, getattr(units.facts, strata).astype(str))
    found = robust_batch(
        units.change,
        units.treated,
        units.cases,
        draws=plan.inference.draws,
        strata=getattr(units.facts, strata).astype(str),
        seed=plan.seed,
        alpha=plan.inference.alpha,
        period_factor=units.period_factor,
    )
    return _answer_batch(found)


def answer_paths(
    plan: EvaluationPlan, units: Units, strata: np.ndarray | None = None
) -> InferenceResult:
    """Answer by the robust test over paths, for units that start or stop at different times."""
    return path_test(**_lay_out_paths(plan, units, strata))


def _answer_by_paths(
    plan: EvaluationPlan, units: Units, strata: np.ndarray | None = None
) -> Answers:
    return _answer_batch(path_batch(**_lay_out_paths(plan, units, strata)))


def _lay_out_paths(plan: EvaluationPlan, units: Units, strata: np.ndarray | None) -> dict[str, Any]:
    """Lay out what the test over paths takes, for one filling or many."""
    paths = units.known_paths()
    return {
        "changes": paths.changes,
        "of": paths.of,
        "cases": units.cases,
        "exposure": paths.exposure,
        "period_factor": paths.factor,
        "draws": plan.inference.draws,
        "strata": strata,
        "seed": plan.seed,
        "alpha": plan.inference.alpha,
    }


def _answer_batch(found: RobustBatch) -> Answers:
    return Answers(
        p_value=found.p_value,
        conf_low=found.conf_low,
        conf_high=found.conf_high,
        reason=found.reason,
    )


def adjustment_of(plan: EvaluationPlan, units: Units) -> dict[str, np.ndarray]:
    """Lay out what the adjusted test needs of the councils: covariates and noise of the level."""
    facts = units.known_facts()
    return {
        "covariates": build_covariates(plan.adjustment.covariates, facts, units.cases),
        "level_variance": facts.level_variance,
    }


def name_outside(units: Units) -> str:
    """Name treated units whose level lies beyond every comparator's, at any filling."""
    levels = np.atleast_2d(units.known_level())
    others = levels[:, ~units.treated]
    beyond = (levels < others.min(1, keepdims=True)) | (levels > others.max(1, keepdims=True))
    names = units.known_facts().names[units.treated & beyond.any(axis=0)]
    if not len(names):
        return ""
    return (
        f"level before the start beyond every comparator's: {', '.join(names)} (predicted as at "
        "the end of the comparators' range)"
    )


#: Method -> its answers on a stack of changes, shape (fillings, n). A new method is a new entry.
ANSWERS: Mapping[str, Callable[[EvaluationPlan, Units], Answers]] = {
    "robust": answer_robust,
    "sharp": answer_sharp,
    "cr2": answer_cr2,
    "adjusted": answer_adjusted,
    "stratified_type": partial(answer_stratified, strata="types"),
    "stratified_region": partial(answer_stratified, strata="regions"),
}


def _find_refusal(units: Units, test_one: Callable[[int], str]) -> str:
    """Find why a test has no answer at the fillings where changes on one side vary least, if so.

    Without an answer for one of the fillings there is none whatever the hidden counts are.
    """
    for side in (units.treated, ~units.treated):
        reason = test_one(int(np.ptp(units.change[:, side], axis=1).argmin()))
        if reason.startswith("not estimable"):
            return reason
    return ""


def _without_figures(fillings: int, reason: str) -> Answers:
    missing = np.full(fillings, nan)
    return Answers(p_value=missing, conf_low=missing, conf_high=missing, reason=reason)
