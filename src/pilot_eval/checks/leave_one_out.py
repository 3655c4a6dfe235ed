"""What the estimate becomes when one council is left out, on either side."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pilot_eval.checks.quick import compare_design
from pilot_eval.design.build import build_design
from pilot_eval.doors import takes
from pilot_eval.errors import DataError
from pilot_eval.evaluation.fillings import collapse_fillings, name_units
from pilot_eval.plan import EvaluationPlan
from pilot_eval.published.panel import PANEL


@takes(DataError, panel=PANEL)
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
        One row for each treated council: `left_out` and the columns of a quick comparison.
    """
    design = build_design(plan, panel, scenario=scenario, outcome=outcome)
    names = plan.names
    rows = []
    for code in design.treated:
        others = tuple(other for other in design.treated if other != code)
        rows.append(
            {"left_out": names[code]}
            | compare_design(plan, design.restrict(others, design.comparators))
        )
    return pd.DataFrame(rows)


@takes(DataError, panel=PANEL)
def leave_one_out_comparators(
    plan: EvaluationPlan, panel: pd.DataFrame, *, scenario: str, outcome: str
) -> pd.DataFrame:
    """Compute the estimate without each comparator in turn, whatever the hidden counts are.

    Parameters
    ----------
    plan : EvaluationPlan
    panel : DataFrame
    scenario, outcome : str

    Returns
    -------
    DataFrame, one row for each comparator
        Indexed by council code, or by the name of a cluster, whose councils are left out together;
        `estimate_low` and `estimate_high`, period effects being those of all comparators. Empty
        where there is one comparator only.
    """
    design = build_design(plan, panel, scenario=scenario, outcome=outcome)
    labels = name_units(plan, design)
    filled = collapse_fillings(design).combine(labels)
    others = np.flatnonzero(~filled.base.treated)
    others = others if len(others) > 1 else others[:0]
    one_less = np.ones((len(others), len(filled.base.treated)))
    one_less[np.arange(len(others)), others] = 0
    ends = [filled.ends(weights) for weights in one_less]
    index = np.array(list(dict.fromkeys(labels)))[others]
    return pd.DataFrame(ends, index=index, columns=["estimate_low", "estimate_high"])
