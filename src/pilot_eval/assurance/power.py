"""Minimum detectable effects by simulation, to check the formulas."""

from __future__ import annotations

from math import nan

import numpy as np

from pilot_eval.errors import InferenceError
from pilot_eval.estimation.did import Units
from pilot_eval.inference import size_adjusted_test
from pilot_eval.plan import EvaluationPlan

SIMULATIONS = 400  # Monte Carlo error of a power near 0.8: 2 points


def simulate_power(plan: EvaluationPlan, units: Units, *, effect: float) -> float:
    """Simulate how often the sharp test finds an effect, on placebo groups of comparators.

    Each draw makes placebo pilots out of comparators nearest in size to the pilots (a random one
    of the ten nearest), adds the effect to them and tests. The pilots' own changes are not used.

    Parameters
    ----------
    plan : EvaluationPlan
        Level and seed.
    units : Units
        Collapsed changes.
    effect : float
        True effect, in the outcome's unit.

    Returns
    -------
    float
        Share of draws in which the interval leaves zero out; NaN without enough comparators.
    """
    change, cases = units.change[~units.treated], units.cases[~units.treated]
    factor = units.period_factor[~units.treated]
    rng = np.random.default_rng(plan.seed)
    near = np.abs(np.log(cases)[None, :] - np.log(units.cases[units.treated])[:, None]).argsort(1)
    found, tried = 0, 0
    for _ in range(SIMULATIONS):
        placebo = np.unique([row[rng.integers(min(10, len(row)))] for row in near])
        treated = np.isin(np.arange(len(change)), placebo)
        try:
            result = size_adjusted_test(
                change + effect * treated,
                treated,
                cases,
                period_factor=factor,
                alpha=plan.inference.alpha,
            )
        except InferenceError:
            return nan
        found += result.p_value <= plan.inference.alpha
        tried += 1
    return found / tried
