"""How far trends could have parted before a conclusion falls, on the published years."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pilot_eval.checks.sensitivity import bound_trends, breakdown_value
from pilot_eval.checks.trend_evidence import trend_evidence
from pilot_eval.design.build import Design
from pilot_eval.estimation.event_study import estimate_event_study
from pilot_eval.plan import EvaluationPlan

ALLOWED = {
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


def bound_design(plan: EvaluationPlan, design: Design) -> tuple[pd.DataFrame, dict[str, float]]:
    """Bound the average effect when trends may part in two ways.

    Relative magnitudes: by a multiple of their parting before the start. Smoothness: along the
    straight line through it, with a slope that may change by so much a year. Only councils with
    every year are used. With two pre-trial years there is one pre-trial coefficient, so both rest
    on that one difference; with one year there is none.

    Parameters
    ----------
    plan : EvaluationPlan
    design : Design

    Returns
    -------
    bounds : DataFrame
        Columns `BOUND_COLUMNS`; empty where they cannot be computed.
    breakdown : dict of str to float
        By restriction: the largest departure at which the interval still leaves zero out; NaN
        where it holds zero even without any. Empty with `bounds`.

    References
    ----------
    Rambachan and Roth (2023), Review of Economic Studies 90(5); ``docs/methods-estimators.md``,
    block RR.
    """
    empty = pd.DataFrame(columns=list(BOUND_COLUMNS))
    if len(design.pre) < 2:
        return empty, {}
    figures = design.figures.reindex(list(design.codes))
    whole = figures.notna().all(axis=1).to_numpy()
    treated = design.is_treated[whole]
    if treated.sum() < 2:
        return empty, {}
    start = np.where(treated, float(len(design.pre)), np.nan)
    study = estimate_event_study(figures[whole].to_numpy(float), start)
    target = np.full(len(design.post), 1 / len(design.post))
    evidence = trend_evidence(study, target, few_treated=True)
    options = {"alpha": plan.inference.alpha, "seed": plan.seed}
    rows, breakdown = [], {}
    for restriction, values in ALLOWED.items():
        for allowed in values:
            found = bound_trends(evidence, allowed, restriction, **options)
            rows.append((restriction, allowed, found.conf_low, found.conf_high))
        breakdown[restriction] = breakdown_value(evidence, restriction, **options)
    return pd.DataFrame(rows, columns=list(BOUND_COLUMNS)), breakdown
