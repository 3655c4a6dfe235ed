"""Minimum detectable effects by simulation, to check the formulas."""

from __future__ import annotations

from math import nan

import numpy as np

from pilot_eval.estimation.did import Units
from pilot_eval.inference.size_adjusted import MIN_COMPARATORS, compute_size_adjusted
from pilot_eval.plan import EvaluationPlan

NEAREST = 10  # comparators among which a placebo pilot is drawn
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
        Share of draws in which the test rejects "no effect"; NaN without enough comparators.
    """
    change, cases = units.change[~units.treated], units.cases[~units.treated]
    factor = units.period_factor[~units.treated]
    if len(change) - units.treated.sum() < MIN_COMPARATORS:
        return nan
    rng = np.random.default_rng(plan.seed)
    near = np.abs(np.log(cases)[None, :] - np.log(units.cases[units.treated])[:, None]).argsort(1)
    placebo = np.zeros((SIMULATIONS, len(change)), dtype=bool)
    for drawn in placebo:
        drawn[[row[rng.integers(min(NEAREST, len(row)))] for row in near]] = True
    answer = compute_size_adjusted(change + effect * placebo, placebo, cases, factor)
    return float((answer.p_value <= plan.inference.alpha).mean())
