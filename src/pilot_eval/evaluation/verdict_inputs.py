"""From evidence rows and their design to what a verdict rests on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import nan
from typing import Any

import numpy as np
import pandas as pd

from pilot_eval.design.build import Design
from pilot_eval.design.treatment import count_freed
from pilot_eval.estimation.did import Units, combine_clusters, estimate_att, fill_worst_case
from pilot_eval.evaluation.units import collapse_design, name_units
from pilot_eval.evidence import VerdictInputs
from pilot_eval.plan import EvaluationPlan

FIRST_TEST, ADJUSTED_TEST = "robust", "adjusted"


def collect_inputs(
    plan: EvaluationPlan, rows: Sequence[Mapping[str, Any]], design: Design | None = None
) -> VerdictInputs:
    """Collect the numbers of one verdict.

    Parameters
    ----------
    plan : EvaluationPlan
    rows : sequence of mapping
        Evidence rows of one strand, scenario and outcome, one for each method.
    design : Design, optional
        Whose rows these are; without one there is no trend and nobody to leave out.

    Returns
    -------
    VerdictInputs
    """
    by_method = {row["method"]: row for row in rows}
    first = rows[0]
    test = first.get("carrying_test", FIRST_TEST)
    seen, listed = (int(part) for part in first["share_of_scenario"].split(" of "))
    numbers: dict[str, Any] = {}
    if first["status"] == "estimated":
        shown = by_method.get(test) or by_method[FIRST_TEST]
        numbers = _number(shown, by_method.get(ADJUSTED_TEST, {}))
    if design is not None and first["status"] == "estimated":
        numbers |= _look_at_design(plan, design)
    return VerdictInputs(
        **{name: first[name] for name in ("strand", "scenario", "outcome", "harm", "unit")},
        **_name(plan, first["scenario"], first["outcome"]),
        level=plan.inference.alpha,
        status=first["status"],
        reason=first.get("reason") or "",
        test=test,
        is_first_test=test == FIRST_TEST,
        n_units=first["n_treated"],
        n_comparators=first["n_comparators"],
        seen=seen,
        listed=listed,
        known_freed=_count_freed(plan, design, seen),
        breaks=tuple(filter(None, str(first.get("breaks") or "").split("; "))),
        **numbers,
    )


def _name(plan: EvaluationPlan, scenario: str, outcome: str) -> dict[str, Any]:
    settings = plan.outcomes[outcome]
    group = plan.scenarios[scenario].short
    return {"label": settings.label, "group": group, "margin": settings.margin}


def _number(shown: Mapping[str, Any], adjusted: Mapping[str, Any]) -> dict[str, float]:
    """Take the numbers of the test that carries the verdict, and of the adjusted reading."""
    low, high = (shown.get(f"estimate_{end}", shown["estimate"]) for end in ("low", "high"))
    numbers = {name: shown[name] for name in ("conf_low", "conf_high", "p_value", "mde")}
    numbers |= {"estimate_low": low, "estimate_high": high}
    numbers["p_family"] = shown.get("p_romano_wolf", nan)
    numbers["rejection_rate"] = shown.get("calibration", nan)
    estimate = adjusted.get("estimate", nan)
    for end in ("low", "high"):
        numbers[f"adjusted_{end}"] = adjusted.get(f"estimate_{end}", estimate)
        numbers[f"adjusted_conf_{end}"] = adjusted.get(f"conf_{end}", nan)
    return numbers


def _count_freed(plan: EvaluationPlan, design: Design | None, seen: int) -> int:
    requirement = None if design is None else plan.outcomes[design.outcome].requirement
    return seen if requirement is None else count_freed(plan, requirement, design.treated)


def _look_at_design(plan: EvaluationPlan, design: Design) -> dict[str, float]:
    """Find trend, leave-one-out range and spread, at both ends of what is hidden."""
    wider = replace(design, treated=design.bounded_treated, comparators=design.bounded_comparators)
    low, high = (frame.reindex(list(wider.codes)) for frame in (design.low, design.high))
    values = low.to_numpy(float), high.to_numpy(float)
    corners = fill_worst_case(*values, wider.is_treated, len(design.pre))
    left_out = [
        _leave_one_out(plan, replace(wider, figures=pd.DataFrame(corner, low.index)))
        for corner in corners
    ]
    trend_low, trend_high = _extrapolate_trend(plan, wider, *values)
    levels = design.figures.loc[list(design.comparators), list(design.pre)].mean(axis=1)
    return {
        "trend_low": trend_low,
        "trend_high": trend_high,
        "left_one_out_low": float(np.min(left_out)),
        "left_one_out_high": float(np.max(left_out)),
        "spread": float(levels.std()),
    }


def _leave_one_out(plan: EvaluationPlan, design: Design) -> np.ndarray:
    """Estimate without each treated unit in turn."""
    units = collapse_design(plan, design)
    own = units.change[units.treated]
    if len(own) < 2:
        return np.array([nan])
    return (own.sum() - own) / (len(own) - 1) - units.change[~units.treated].mean()


def _extrapolate_trend(
    plan: EvaluationPlan, design: Design, low: np.ndarray, high: np.ndarray
) -> tuple[float, float]:
    """Bound the effect that the difference in trends before the start would give if it went on.

    The slope is the least-squares line through the periods before the start, of each council that
    has them all; the effect is that slope over the time from their mean to the mean after it.
    """
    pre, post = np.array(design.pre, float), np.array(design.post, float)
    if len(pre) < 2:
        return nan, nan
    centred = pre - pre.mean()
    weights = centred / (centred**2).sum() * (post.mean() - pre.mean())
    low, high = low[:, : len(pre)], high[:, : len(pre)]
    least = np.where(weights > 0, low, high) @ weights
    most = np.where(weights > 0, high, low) @ weights
    known, treated = np.isfinite(least), design.is_treated
    if not (known & treated).any():
        return nan, nan
    labels = np.array(name_units(plan, design))[known]

    def contrast(ours: np.ndarray, theirs: np.ndarray) -> float:
        change, ones = np.where(treated, ours, theirs)[known], np.ones(known.sum())
        units = Units(change=change, treated=treated[known], cases=ones, period_factor=ones)
        units = combine_clusters(units, labels)
        return estimate_att(units.change, units.treated)

    return contrast(least, most), contrast(most, least)
