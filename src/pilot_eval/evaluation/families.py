"""P-values adjusted for the families of outcomes that the plan declares."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from pilot_eval.design.build import Design
from pilot_eval.evaluation.fillings import name_units
from pilot_eval.evaluation.units import FEWEST_TREATED, collapse_design
from pilot_eval.inference import family_test
from pilot_eval.plan import EvaluationPlan


def adjust_for_families(
    plan: EvaluationPlan, designs: Mapping[str, Design]
) -> dict[str, dict[str, float]]:
    """Adjust the robust test's p-values for each family of outcomes in one scenario.

    Parameters
    ----------
    plan : EvaluationPlan
        Declares the families.
    designs : mapping of str to Design
        By outcome, all of one scenario.

    Returns
    -------
    dict
        Outcome -> `p_romano_wolf` and `p_benjamini_hochberg`; empty where it has no test.

    References
    ----------
    Romano and Wolf (2005), JASA 100(469); Benjamini and Hochberg (1995), JRSS B 57(1).
    """
    adjusted: dict[str, dict[str, float]] = {outcome: {} for outcome in designs}
    for family in dict.fromkeys(plan.outcomes[outcome].family for outcome in designs):
        members = [
            outcome
            for outcome, design in designs.items()
            if plan.outcomes[outcome].family == family and len(design.treated) >= FEWEST_TREATED
        ]
        if members:
            adjusted |= _test_family(plan, {outcome: designs[outcome] for outcome in members})
    return adjusted


def _test_family(
    plan: EvaluationPlan, designs: Mapping[str, Design]
) -> dict[str, dict[str, float]]:
    columns = {}
    for outcome, design in designs.items():
        units, labels = collapse_design(plan, design), dict.fromkeys(name_units(plan, design))
        for name in ("change", "cases", "treated"):
            columns[name, outcome] = pd.Series(getattr(units, name), index=list(labels))
    frame = pd.DataFrame(columns)
    result = family_test(
        frame["change"].to_numpy(float).T,
        (frame["treated"] == True).any(axis=1).to_numpy(),  # noqa: E712 (missing is not treated)
        frame["cases"].fillna(1.0).to_numpy(float).T,
        draws=plan.inference.draws,
        seed=plan.seed,
        alpha=plan.inference.alpha,
    )
    pairs = zip(result.romano_wolf, result.benjamini_hochberg, strict=True)
    return {
        outcome: {"p_romano_wolf": stepwise, "p_benjamini_hochberg": rate}
        for outcome, (stepwise, rate) in zip(frame["change"].columns, pairs, strict=True)
    }
