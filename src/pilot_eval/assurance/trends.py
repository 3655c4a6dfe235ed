"""How far trends could have parted before a conclusion falls, on the published years."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pilot_eval.assurance.sensitivity import bound_trends, breakdown_value, trend_evidence
from pilot_eval.design.build import Design
from pilot_eval.estimation.event_study import estimate_event_study
from pilot_eval.plan import EvaluationPlan

MAGNITUDES = (0.0, 0.5, 1.0, 1.5, 2.0)  # multiples of the largest pre-trial violation


def bound_design(plan: EvaluationPlan, design: Design) -> tuple[pd.DataFrame, float]:
    """Bound the average effect when trends may part by a multiple of their pre-trial parting.

    Only councils with every year are used. With two pre-trial years there is one pre-trial
    coefficient, so the bounds rest on that one difference; with one year there is none.

    Parameters
    ----------
    plan : EvaluationPlan
    design : Design

    Returns
    -------
    bounds : DataFrame
        `times_pre_trial`, `conf_low`, `conf_high`; empty where they cannot be computed.
    breakdown : float
        Largest multiple at which the interval still leaves zero out; NaN where it holds zero even
        under parallel trends, or there is no pre-trial coefficient.

    References
    ----------
    Rambachan and Roth (2023), Review of Economic Studies 90(5), relative magnitudes.
    """
    empty = pd.DataFrame(columns=["times_pre_trial", "conf_low", "conf_high"])
    if len(design.pre) < 2:
        return empty, float("nan")
    figures = design.figures.reindex(list(design.codes))
    whole = figures.notna().all(axis=1).to_numpy()
    treated = design.is_treated[whole]
    if treated.sum() < 2:
        return empty, float("nan")
    start = np.where(treated, float(len(design.pre)), np.nan)
    study = estimate_event_study(figures[whole].to_numpy(float), start)
    target = np.full(len(design.post), 1 / len(design.post))
    evidence = trend_evidence(study, target, few_treated=True)
    rows = []
    for times in MAGNITUDES:
        bounds = bound_trends(evidence, times, alpha=plan.inference.alpha, seed=plan.seed)
        rows.append(
            {"times_pre_trial": times, "conf_low": bounds.conf_low, "conf_high": bounds.conf_high}
        )
    value = breakdown_value(evidence, alpha=plan.inference.alpha, seed=plan.seed)
    return pd.DataFrame(rows), value
