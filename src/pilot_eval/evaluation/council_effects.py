"""Each treated council's own effect, whatever the hidden counts are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import nan

import numpy as np

from pilot_eval.design.build import Design
from pilot_eval.estimation.did import Units
from pilot_eval.evaluation.filling_search import choose_fillings
from pilot_eval.evaluation.fillings import NOISE, FilledUnits, collapse_fillings
from pilot_eval.inference.inputs import no_variation
from pilot_eval.inference.size_adjusted import (
    MIN_COMPARATORS,
    comparator_squares,
    compute_size_adjusted,
)
from pilot_eval.inference.variance import SizeFunction, fit_size_function
from pilot_eval.plan import EvaluationPlan

EFFECT_COLUMNS = (
    "scenario",
    "outcome",
    "council_code",
    "council_name",
    "effect",
    "effect_low",
    "effect_high",
    "conf_low",
    "conf_high",
    "p_value",
)


def council_effects(plan: EvaluationPlan, design: Design) -> Iterator[dict[str, object]]:
    """Yield each treated council's own effect, with a size-adjusted interval.

    Where counts are hidden the effect is a set from `effect_low` to `effect_high`, and the interval
    covers it whatever they are.
    """
    if not design.treated or not design.comparators:
        return
    filled = collapse_fillings(design)
    units = filled.at(_fillings(plan, filled))
    comparators = ~units.treated
    fit = _fit(units)
    for position, code in enumerate(design.treated):
        keep = comparators.copy()
        keep[position] = True
        yield {
            "council_code": code,
            "council_name": plan.names[code],
            **_number_effect(plan, units, fit, keep),
        }


def _fit(units: Units) -> SizeFunction | None:
    """Fit the variance on comparators, once for all councils; None where it cannot be fitted."""
    others = units.change[:, ~units.treated]
    if others.shape[1] < MIN_COMPARATORS or any(no_variation(row) for row in others):
        return None
    squares = comparator_squares(units.change, np.broadcast_to(units.treated, units.change.shape))
    return fit_size_function(squares, ~units.treated[None], units.cases, units.period_factor)


def _number_effect(
    plan: EvaluationPlan, units: Units, fit: SizeFunction | None, keep: np.ndarray
) -> dict[str, float]:
    change, treated = units.change[:, keep], units.treated[keep]
    effect = change[:, treated][:, 0] - change[:, ~treated].mean(1)
    low, high = float(effect.min()), float(effect.max())
    high = low if high - low <= NOISE * float(np.abs(change).max()) else high
    numbers = {"effect": low if low == high else nan, "effect_low": low, "effect_high": high}
    if fit is None:
        return dict.fromkeys(EFFECT_COLUMNS[4:], nan)
    own = replace(fit, variance=fit.variance[:, keep])
    found = compute_size_adjusted(
        change, treated[None], units.cases[keep], units.period_factor[keep], fit=own
    )
    ends = found.interval(plan.inference.alpha)
    return numbers | {
        "conf_low": float(ends[0].min()),
        "conf_high": float(ends[1].max()),
        "p_value": float(found.p_value.max()),
    }


def _fillings(plan: EvaluationPlan, filled: FilledUnits) -> np.ndarray:
    """Choose each council's own two corners, and the fillings that decide the pooled row."""
    hidden = filled.hidden
    if not len(hidden):
        return hidden.low[None]
    treated = np.flatnonzero(filled.base.treated)
    others = filled.change_slope[:, ~filled.base.treated].mean(1)
    pulls = filled.change_slope[:, treated].T - others
    corners = [filled.corner(sign * pull) for pull in pulls for sign in (-1, 1)]
    chosen = choose_fillings(filled, seed=plan.seed)
    return np.unique(np.vstack([*corners, chosen.counts[chosen.deciding]]), axis=0)
