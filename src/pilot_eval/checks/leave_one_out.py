"""What the estimate becomes when one council is left out, on either side."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from pilot_eval.checks.quick import compare_design
from pilot_eval.design.build import build_design
from pilot_eval.evaluation import collapse_design
from pilot_eval.plan import EvaluationPlan
from pilot_eval.reference.facts import council_names


def leave_one_out_treated(
    plan: EvaluationPlan, panel: pd.DataFrame, *, scenario: str, outcome: str
) -> pd.DataFrame:
    """Estimate without each treated council in turn.

    Parameters
    ----------
    plan : EvaluationPlan
    panel : DataFrame
    scenario, outcome : str

    Returns
    -------
    DataFrame
        One row a treated council: `left_out` and the columns of a quick comparison.
    """
    design = build_design(plan, panel, scenario=scenario, outcome=outcome)
    names = council_names()
    rows = []
    for code in design.treated:
        others = tuple(other for other in design.treated if other != code)
        rows.append(
            {"left_out": names[code]} | compare_design(plan, replace(design, treated=others))
        )
    return pd.DataFrame(rows)


def leave_one_out_comparators(
    plan: EvaluationPlan, panel: pd.DataFrame, *, scenario: str, outcome: str
) -> pd.Series:
    """Compute the point estimate without each comparator in turn.

    Parameters
    ----------
    plan : EvaluationPlan
    panel : DataFrame
    scenario, outcome : str

    Returns
    -------
    Series, council_code -> estimate
        By the closed form of a mean with one member removed.
    """
    design = build_design(plan, panel, scenario=scenario, outcome=outcome)
    units = collapse_design(plan, design)
    comparators = units.change[~units.treated]
    without = (comparators.sum() - comparators) / (len(comparators) - 1)
    return pd.Series(np.mean(units.change[units.treated]) - without, index=list(design.comparators))
