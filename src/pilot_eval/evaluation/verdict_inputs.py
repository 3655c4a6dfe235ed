"""From evidence rows and their design to what a verdict rests on."""

from __future__ import annotations

from collections.abc import Sequence
from math import nan
from typing import Any

import numpy as np

from pilot_eval.design.build import Design
from pilot_eval.design.treatment import count_freed
from pilot_eval.estimation.adjustment import adjust_changes, why_not_adjustable
from pilot_eval.evaluation.batch_methods import adjustment_of
from pilot_eval.evaluation.fillings import FilledUnits, collapse_fillings, name_units
from pilot_eval.evaluation.prior_trend import extrapolate_trend
from pilot_eval.evaluation.unit_facts import collapse_units
from pilot_eval.evidence import VerdictInputs
from pilot_eval.evidence_row import EvidenceRow
from pilot_eval.plan import EvaluationPlan
from pilot_eval.published.statuses import say_statuses
from pilot_eval.reference.plan_periods import name_year

FIRST_TEST, ADJUSTED_TEST = "robust", "adjusted"


def collect_inputs(
    plan: EvaluationPlan, rows: Sequence[EvidenceRow], design: Design | None = None
) -> VerdictInputs:
    """Collect the numbers of one verdict.

    Parameters
    ----------
    plan : EvaluationPlan
    rows : sequence of EvidenceRow
        Rows of one strand, scenario and outcome, one for each method.
    design : Design, optional
        Whose rows these are; without one there is no trend and nobody to leave out.

    Returns
    -------
    VerdictInputs
    """
    by_method = {row.method: row for row in rows}
    first, earlier = rows[0], _name_earlier(plan, design)
    test = FIRST_TEST if first.carrying_test is None else first.carrying_test
    numbers: dict[str, Any] = {}
    if first.status == "estimated":
        other = FIRST_TEST if test == ADJUSTED_TEST else ADJUSTED_TEST
        numbers = _number(by_method[test or FIRST_TEST], by_method.get(other))
    if design is not None and first.status == "estimated":
        numbers |= _look_at_design(plan, design)
    return VerdictInputs(
        strand=first.strand,
        scenario=first.scenario,
        outcome=first.outcome,
        harm=first.harm,
        unit=first.unit,
        **_name(plan, first.scenario, first.outcome),
        units=plan.texts.units,
        level=plan.inference.alpha,
        status=first.status,
        reason=_shorten(first),
        by_end=is_read_from_end(first.starts),
        test=test,
        is_first_test=test == (ADJUSTED_TEST if earlier else FIRST_TEST),
        n_units=first.n_treated,
        n_comparators=first.n_comparators,
        seen=first.seen,
        listed=first.listed,
        treated_as=_name_treatment(plan, first.outcome),
        known_freed=_count_freed(plan, design, first.seen),
        breaks=_date_breaks(plan, first),
        earlier=earlier,
        **numbers,
    )


def _name(plan: EvaluationPlan, scenario: str, outcome: str) -> dict[str, Any]:
    settings = plan.outcomes[outcome]
    group = plan.scenarios[scenario].short
    return {"label": settings.label, "group": group, "margin": settings.margin}


def _shorten(row: EvidenceRow) -> str:
    """Say why there is no estimate; what each of the treated lacks is in the evidence alone."""
    text = row.reason.split("; ")[0] if row.status == "not_estimable" else row.reason
    return say_statuses(text)


def is_read_from_end(starts: str | None) -> bool:
    """Say whether all of the treated are compared by their end, having no period before a start."""
    groups = (starts or "").split("; ")
    return all(group.startswith("until ") for group in groups)


def _date_breaks(plan: EvaluationPlan, row: EvidenceRow) -> tuple[str, ...]:
    """Say between which years definitions change that a comparison crosses."""
    keys = (row.breaks or "").split("; ")
    years = sorted({item.first_year_after for item in plan.breaks if item.break_id in keys})
    return tuple(f"between {name_year(year - 1)} and {name_year(year)}" for year in years)


def _number(shown: EvidenceRow, other: EvidenceRow | None) -> dict[str, float]:
    """Take the numbers of the test that carries the verdict, and of the other reading."""
    ends = ("estimate_low", "estimate_high", "conf_low", "conf_high")
    numbers = {name: getattr(shown, name) for name in (*ends, "p_value", "mde")}
    numbers |= {f"other_{end}": getattr(other, f"estimate_{end}", nan) for end in ("low", "high")}
    numbers |= {f"other_{name}": getattr(other, name, nan) for name in ends[2:]}
    return numbers | {"p_family": shown.p_romano_wolf, "rejection_rate": shown.calibration}


def _name_treatment(plan: EvaluationPlan, outcome: str) -> str:
    """Name the treatment that an outcome is about, as in "freed: 15 days to the conference"."""
    requirement = plan.outcomes[outcome].requirement
    named = f": {plan.texts.name_requirement(requirement)}" if requirement else ""
    return f"{plan.texts.treated_word}{named}"


def _name_earlier(plan: EvaluationPlan, design: Design | None) -> str:
    """Name the earlier outcome that levels are adjusted for; empty where changes are compared."""
    if design is None:
        return ""
    earlier = plan.window_of(design.outcome, design.scenario).earlier
    return plan.outcomes[earlier.outcome].label.lower() if earlier else ""


def _count_freed(plan: EvaluationPlan, design: Design | None, seen: int) -> int:
    if design is None:
        return seen
    requirement = plan.outcomes[design.outcome].requirement
    return seen if requirement is None else count_freed(plan, requirement, design.treated)


def _look_at_design(plan: EvaluationPlan, design: Design) -> dict[str, float]:
    """Find trend, leave-one-out range and spread, whatever the hidden counts are."""
    changes = collapse_fillings(design).combine(name_units(plan, design))
    left_out = _leave_one_out(_adjust(plan, design) if design.compares_levels else changes)
    trend = extrapolate_trend(plan, design)
    own = list(design.pre or design.post)
    levels = design.figures.loc[list(design.comparators), own].mean(axis=1)
    return {
        "trend_low": trend.effect_low,
        "trend_high": trend.effect_high,
        "left_one_out_low": min(low for low, _ in left_out),
        "left_one_out_high": max(high for _, high in left_out),
        "spread": float(levels.std()),
    }


def _adjust(plan: EvaluationPlan, design: Design) -> FilledUnits:
    """Put what adjusting leaves of every level in its place, as the test that carries levels does.

    With a child more in a hidden count it is taken to move evenly, which it nearly does.
    """
    filled = collapse_units(plan, design)
    cells = len(filled.hidden)
    near = filled.at(filled.hidden.low + np.vstack([np.zeros(cells), np.eye(cells)]))
    given = adjustment_of(plan, near)
    if why_not_adjustable(near.treated, given["covariates"]):
        return filled
    found = adjust_changes(near.change, near.treated, near.known_level(), **given)
    return filled.with_change(found.residual)


def _leave_one_out(filled: FilledUnits) -> list[tuple[float, float]]:
    """Find the ends of the estimate without each treated unit in turn."""
    treated = np.flatnonzero(filled.base.treated)
    if len(treated) < 2:
        return [(nan, nan)]
    one_less = np.ones((len(treated), len(filled.base.treated)))
    one_less[np.arange(len(treated)), treated] = 0
    return [filled.ends(weights) for weights in one_less]
