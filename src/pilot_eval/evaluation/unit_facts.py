"""What the reference facts and the denominators say of a design's councils before the start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np

from pilot_eval.design.build import Design
from pilot_eval.estimation.adjustment import sampling_variance
from pilot_eval.estimation.covariates import UnitFacts
from pilot_eval.evaluation.fillings import FilledUnits, collapse_fillings, name_units
from pilot_eval.plan import EvaluationPlan

CASES_PER = {"percentage points": 100.0, "per 10,000 children": 10_000.0}


def collapse_units(plan: EvaluationPlan, design: Design) -> FilledUnits:
    """Collapse a design to its units, with what is known of each before the start."""
    filled = collapse_fillings(design)
    base = replace(filled.base, facts=describe_councils(plan, design))
    return replace(filled, base=base).combine(name_units(plan, design))


def find_facts(plan: EvaluationPlan, codes: Sequence[str], level_variance: np.ndarray) -> UnitFacts:
    """Look up what is known of councils.

    Parameters
    ----------
    plan : EvaluationPlan
    codes : sequence of str, length n
    level_variance : ndarray, shape (n,)

    Returns
    -------
    UnitFacts
    """
    councils = plan.councils
    own = [councils[code] for code in codes]
    return UnitFacts(
        names=np.array([council.council_name for council in own], dtype=object),
        types=np.array([council.council_type for council in own], dtype=object),
        regions=np.array([council.region for council in own], dtype=object),
        low_income=np.array([council.child_low_income_2011_pct for council in own], float),
        level_variance=level_variance,
    )


def describe_councils(plan: EvaluationPlan, design: Design) -> UnitFacts:
    """Look up what is known of a design's councils, in the order of `design.codes`.

    The level is that of the periods with which a council's own treated ones are compared. Hidden
    counts are in the middle of what they can be: its variance hardly depends on them. The variance
    of a level other than a share of cases (working days) is not known: it is taken as 0, as is that
    of an earlier outcome's, whose error is in no change.
    """
    per = None if design.compares_levels else CASES_PER.get(plan.outcomes[design.outcome].unit)
    return find_facts(plan, design.codes, _level_variance(design, per))


@lru_cache(maxsize=8)
def _level_variance(design: Design, per: float | None) -> np.ndarray:
    codes = list(design.codes)
    if per is None:
        return np.zeros(len(codes))
    hidden, periods = design.own_hidden, [*design.pre, *design.post]
    figures = hidden.fill(design.figures, hidden.middle()).loc[codes, periods].to_numpy(float)
    of, _, reference = design.lay_out_paths()
    before = np.arange(len(periods)) < len(design.pre)
    every = reference.any(axis=0) if len(reference) else before  # comparators': of all paths
    own = np.vstack([*reference, every])[of]
    cases = np.broadcast_to(design.cases.reindex(codes).to_numpy(float)[:, None], figures.shape)
    return sampling_variance(np.where(own, figures, np.nan), cases, per)
