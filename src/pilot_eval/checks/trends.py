"""How far trends could have parted before a conclusion falls, on the published years."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, isnan, nan
from typing import Any

import numpy as np
import pandas as pd

from pilot_eval.checks.sensitivity import Restriction, bound_trends, breakdown_value
from pilot_eval.checks.trend_evidence import TrendEvidence, trend_evidence
from pilot_eval.design.build import Design
from pilot_eval.estimation.event_study import estimate_event_study
from pilot_eval.evaluation.filling_search import choose_fillings
from pilot_eval.evaluation.fillings import collapse_fillings, lay_out
from pilot_eval.evaluation.prior_trend import PriorTrend, extrapolate_trend, prior_slopes
from pilot_eval.evaluation.units import is_comparison
from pilot_eval.plan import EvaluationPlan

ALLOWED: Mapping[Restriction, tuple[float, ...]] = {
    "relative_magnitudes": (
        0.0,
        0.5,
        1.0,
        1.5,
        2.0,
    ),  # multiples of the largest pre-trial violation
    "smoothness": (0.0, 0.5, 1.0, 2.0),  # change of slope a year, in the outcome's unit
}
BOUND_COLUMNS = ("restriction", "allowed", "conf_low", "conf_high")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrendReport:
    """What trends that part would do to an estimate.

    Attributes
    ----------
    bounds : DataFrame
        Columns `BOUND_COLUMNS`; empty where they cannot be computed.
    breakdown : dict of str to float
        By restriction: the largest departure at which the interval still leaves zero out, whatever
        the hidden counts are; NaN where it includes zero even without any. Empty with `bounds`.
    prior : PriorTrend
        The difference in trends before the start, and the effect it would give if it went on.
    treated : tuple of str
        Names of the treated councils that the bounds rest on.
    missing : tuple of str
        Names of the estimate's treated councils that lack a year and are not among them.
    """

    bounds: pd.DataFrame
    breakdown: Mapping[str, float]
    prior: PriorTrend
    treated: tuple[str, ...]
    missing: tuple[str, ...]


def bound_design(plan: EvaluationPlan, design: Design) -> TrendReport:
    """Bound the average effect when trends may part in two ways.

    Relative magnitudes: by a multiple of their parting before the start. Smoothness: along the
    straight line through it, with a slope that may change by so much a year. Councils with every
    year, known or bounded, are used; intervals are unions over fillings of the hidden counts. With
    two pre-trial years there is one pre-trial coefficient, so both rest on that one difference;
    with one year there is none.

    Parameters
    ----------
    plan : EvaluationPlan
    design : Design

    Returns
    -------
    TrendReport

    References
    ----------
    Rambachan and Roth (2023), Review of Economic Studies 90(5); ``docs/methods-estimators.md``,
    block RR.
    """
    names = plan.names
    part = _with_every_year(design)
    bounds = pd.DataFrame(columns=list(BOUND_COLUMNS))
    breakdown: dict[str, float] = {}
    if len(design.pre) >= 2 and is_comparison(part):
        bounds, breakdown = _bound(
            plan, [_evidence(part, counts) for counts in _fillings(plan, part)]
        )
    return TrendReport(
        bounds=bounds,
        breakdown=breakdown,
        prior=extrapolate_trend(plan, design),
        treated=tuple(part.names),
        missing=tuple(names[code] for code in design.treated if code not in part.treated),
    )


def _with_every_year(design: Design) -> Design:
    whole = ~np.isnan(lay_out(design)[0]).any(axis=1)
    kept = {code for code, complete in zip(design.codes, whole, strict=True) if complete}
    return design.restrict(
        tuple(code for code in design.treated if code in kept),
        tuple(code for code in design.comparators if code in kept),
    )


def _fillings(plan: EvaluationPlan, design: Design) -> np.ndarray:
    """Choose fillings: those that decide the estimate's interval, and both ends of the trend."""
    filled = collapse_fillings(design)
    if not len(filled.hidden):
        return filled.hidden.low[None]
    chosen = choose_fillings(filled, seed=plan.seed)
    trend = filled.with_change(prior_slopes(design)).corners()
    return np.unique(np.vstack([*trend, chosen.counts[chosen.deciding]]), axis=0)


def _evidence(design: Design, counts: np.ndarray) -> TrendEvidence:
    figures = design.fill(counts).figures.reindex(list(design.codes)).to_numpy(float)
    start = np.where(design.is_treated, float(len(design.pre)), np.nan)
    target = np.full(len(design.post), 1 / len(design.post))
    return trend_evidence(estimate_event_study(figures, start), target, few_treated=True)


def _bound(
    plan: EvaluationPlan, evidence: Sequence[TrendEvidence]
) -> tuple[pd.DataFrame, dict[str, float]]:
    """Take the union of intervals over fillings, and the smallest breakdown value."""
    options: dict[str, Any] = {"alpha": plan.inference.alpha, "seed": plan.seed}
    rows: list[tuple[str, float, float, float]] = []
    breakdown: dict[str, float] = {}
    for restriction, values in ALLOWED.items():
        for allowed in values:
            found = [bound_trends(one, allowed, restriction, **options) for one in evidence]
            low, high = min(one.conf_low for one in found), max(one.conf_high for one in found)
            rows.append((restriction, allowed, low, high))
        breakdown[restriction] = _break_down(evidence, restriction, options)
    return pd.DataFrame(rows, columns=list(BOUND_COLUMNS)), breakdown


def _break_down(
    evidence: Sequence[TrendEvidence], restriction: Restriction, options: Mapping[str, Any]
) -> float:
    """Find the smallest breakdown value; NaN as soon as one filling's interval includes zero."""
    smallest = inf
    for one in evidence:
        value = breakdown_value(one, restriction, **options)
        if isnan(value):
            return nan
        smallest = min(smallest, value)
    return smallest
