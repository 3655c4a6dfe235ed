"""One comparison, quickly: what every check of the result repeats many times."""

from __future__ import annotations

import pandas as pd

from pilot_eval.design.build import Design, build_design
from pilot_eval.doors import takes
from pilot_eval.errors import DataError, DesignError
from pilot_eval.evaluation.identified import identify
from pilot_eval.evaluation.units import is_comparison
from pilot_eval.plan import EvaluationPlan
from pilot_eval.published.panel import PANEL

QUICK_METHODS = ("robust", "sharp")
QUICK_DRAWS = 999  # for checks that repeat a comparison; headline tests use the plan's draws
QUICK_COLUMNS = (
    "estimate_low",
    "estimate_high",
    "robust_low",
    "robust_high",
    "sharp_low",
    "sharp_high",
    "n_treated",
    "n_comparators",
    "reason",
)


@takes(DataError, panel=PANEL)
def compare(
    plan: EvaluationPlan, panel: pd.DataFrame, *, scenario: str, outcome: str
) -> dict[str, object]:
    """Estimate one comparison with the robust and the sharp interval.

    Parameters
    ----------
    plan : EvaluationPlan
    panel : DataFrame
        As from `build_panel`.
    scenario, outcome : str

    Returns
    -------
    dict
        Keys `QUICK_COLUMNS`; the estimate is a set where counts are hidden. Figures are missing and
        `reason` says why where there is no estimate.
    """
    try:
        design = build_design(plan, panel, scenario=scenario, outcome=outcome)
    except DesignError as refused:
        return dict.fromkeys(QUICK_COLUMNS) | {"reason": str(refused)}
    return compare_design(plan, design)


def compare_design(plan: EvaluationPlan, design: Design) -> dict[str, object]:
    """Estimate a design that is already built; keys `QUICK_COLUMNS`."""
    if not is_comparison(design):
        few = f"fewer than two treated {plan.texts.units} have figures"
        return dict.fromkeys(QUICK_COLUMNS) | {
            "n_treated": len(design.treated),
            "reason": few if design.comparators else "no comparator has figures",
        }
    found = identify(
        plan.revise({"inference.draws": QUICK_DRAWS}), design, QUICK_METHODS, thorough=False
    )
    robust, sharp = found.numbers["robust"], found.numbers["sharp"]
    return {
        "estimate_low": sharp["estimate_low"],
        "estimate_high": sharp["estimate_high"],
        "robust_low": robust["conf_low"],
        "robust_high": robust["conf_high"],
        "sharp_low": sharp["conf_low"],
        "sharp_high": sharp["conf_high"],
        "n_treated": int(found.units.treated.sum()),
        "n_comparators": len(design.comparators),
        "reason": robust["reason"],
    }
