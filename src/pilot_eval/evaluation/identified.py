"""One design's answer: a number, or the set of numbers that the hidden counts allow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan, nan
from typing import Any

import numpy as np
import pandas as pd

from pilot_eval.design.build import Design
from pilot_eval.estimation.did import Units
from pilot_eval.evaluation.batch_methods import ANSWERS, Answers
from pilot_eval.evaluation.extreme_fillings import (
    MANY_HIDDEN,
    SLOW,
    add_adjusted_corners,
    add_robust_extremes,
    add_wider,
    pick_extremes,
    pick_fillings,
    pick_rows,
)
from pilot_eval.evaluation.filling_search import choose_fillings
from pilot_eval.evaluation.fillings import FilledUnits
from pilot_eval.evaluation.stored import stored
from pilot_eval.evaluation.unit_facts import collapse_units
from pilot_eval.evaluation.units import (
    ALL_METHODS,
    collapse_design,
    detect_effects,
    is_comparison,
    number_result,
    run_methods,
)
from pilot_eval.plan import EvaluationPlan

HEADLINE = "robust"

Numbers = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Identified:
    """What a design says, by method.

    Attributes
    ----------
    units : Units
        At the least favourable filling.
    counts : ndarray of int, shape (h,)
        The least favourable filling of `design.own_hidden`: the one with the headline test's
        largest p-value.
    numbers : mapping of str to mapping
        Method -> values of evidence columns, with the method's own `reason`.
    """

    units: Units
    counts: np.ndarray
    numbers: Mapping[str, Mapping[str, Any]]


def identify(
    plan: EvaluationPlan,
    design: Design,
    methods: Sequence[str] = ALL_METHODS,
    *,
    thorough: bool = True,
    companions: bool = False,
) -> Identified:
    """Estimate a design by every method, whatever its hidden counts are.

    Parameters
    ----------
    plan : EvaluationPlan
    design : Design
        With a treated council and a comparator.
    methods : sequence of str
        Some of `ALL_METHODS`, the headline among them where counts are hidden.
    thorough : bool
        Search for the fillings at which the robust test itself is extreme; False where a design is
        one of many that are tried.
    companions : bool
        Add each method's detectable effect, that of the filling whose comparators vary most, and
        where counts are hidden the estimate without the periods that hide one.

    Returns
    -------
    Identified
        Where counts are hidden, `estimate_low` and `estimate_high` are the exact ends of what they
        allow, `estimate` is missing unless the two are equal, the interval is the union over
        fillings and the p-value the largest.

    References
    ----------
    Manski (2003), Partial Identification of Probability Distributions, chapter 1; the union of
    intervals covers the true effect at the stated level, and more.
    """
    filled = collapse_units(plan, design)
    if not len(filled.hidden):
        return _identify_point(plan, filled, methods, companions)
    table = search_set(plan, design, tuple(methods), thorough=thorough, companions=companions)
    found = table.iloc[0]
    counts = np.array(found["counts"], dtype=np.int64)
    return Identified(units=filled.at(counts), counts=counts, numbers=found["numbers"])


def _identify_point(
    plan: EvaluationPlan, filled: FilledUnits, methods: Sequence[str], companions: bool
) -> Identified:
    base, numbers = filled.base, {}
    for method, result in run_methods(plan, base, methods).items():
        ends = {"estimate_low": result.estimate, "estimate_high": result.estimate}
        rest = {"fragile": False, "reason": result.reason}
        numbers[method] = number_result(result) | ends | rest
    if companions:
        _add_detectable(plan, base, numbers)
    return Identified(units=base, counts=filled.hidden.low, numbers=numbers)


def _add_detectable(plan: EvaluationPlan, units: Units, numbers: Numbers) -> None:
    for method, effect in detect_effects(plan, units, numbers).items():
        numbers[method]["mde"] = effect


@stored
def search_set(
    plan: EvaluationPlan,
    design: Design,
    methods: Sequence[str],
    *,
    thorough: bool,
    companions: bool,
) -> pd.DataFrame:
    """Search the counts that may be hidden for the ends of every method's answer.

    Parameters
    ----------
    plan : EvaluationPlan
    design : Design
        With hidden counts, a treated council and a comparator.
    methods : sequence of str
    thorough, companions : bool
        As of `identify`.

    Returns
    -------
    DataFrame
        One row: `counts`, as a list, and `numbers`, both as of `Identified`.
    """
    filled = collapse_units(plan, design)
    chosen = choose_fillings(filled, seed=plan.seed)
    counts, deciding = chosen.counts, chosen.deciding
    if "adjusted" in methods or len(filled.hidden) <= MANY_HIDDEN:  # others' rows widen a little
        counts = add_adjusted_corners(plan, filled, counts)
    if thorough:
        counts, deciding = add_robust_extremes(plan, filled, counts, deciding)
    stack = filled.at(counts)
    ends = filled.ends()
    numbers, worst = {}, 0
    for method in methods:
        rows, found = _answer_set(plan, method, stack, deciding)
        fragile = len(found.conclusions()) > 1
        numbers[method] = _number_set(found.span() or ends, found.hull())
        numbers[method] |= {"fragile": fragile, "reason": found.reason}
        if method == HEADLINE and not np.isnan(found.p_value).any():
            worst = int(rows[found.p_value.argmax()])
    if companions:
        spread = stack.change[:, ~stack.treated].var(axis=1)
        _add_detectable(plan, pick_fillings(stack, int(spread.argmax())), numbers)
        left_out = _estimate_left_out(plan, design)
        for method, own in numbers.items():
            own |= left_out.get(method, {})
    return pd.DataFrame({"counts": [counts[worst].tolist()], "numbers": [numbers]})


def _answer_set(
    plan: EvaluationPlan, method: str, stack: Units, deciding: np.ndarray
) -> tuple[np.ndarray, Answers]:
    """Answer on the fillings that decide a method's row; also give which they are."""
    rows = pick_rows(plan, method, stack, deciding)
    if method in SLOW and method != HEADLINE:
        rows = np.unique([*rows, *pick_extremes(plan, method, stack)])
    found = ANSWERS[method](plan, pick_fillings(stack, rows))
    if method == HEADLINE and not np.isnan(found.p_value).any():
        wider = np.setdiff1d(add_wider(plan, stack, found), rows)
        if wider.size:
            rows = np.union1d(rows, wider)
            found = ANSWERS[method](plan, pick_fillings(stack, rows))
    return rows, found


def _number_set(ends: tuple[float, float], hull: Mapping[str, float]) -> dict[str, object]:
    low, high = (nan, nan) if isnan(hull["p_value"]) else ends
    if not isnan(low):  # the sharp test's own estimate counts large units for more
        hull = {
            **hull,
            "conf_low": min(hull["conf_low"], low),
            "conf_high": max(hull["conf_high"], high),
        }
    return {
        "estimate": low if low == high else nan,
        "estimate_low": low,
        "estimate_high": high,
        **hull,
    }


def _estimate_left_out(plan: EvaluationPlan, design: Design) -> Numbers:
    """Estimate without the years that hide a count: a sensitivity, on councils of its own."""
    rest = design.leave_out_hidden()
    columns: Numbers = {method: {"left_out_n_treated": len(rest.treated)} for method in ANSWERS}
    if not is_comparison(rest):
        return columns
    units = collapse_design(plan, rest)
    for method, result in run_methods(plan, units).items():
        columns[method] = {
            "left_out_estimate": result.estimate,
            "left_out_conf_low": result.conf_low,
            "left_out_conf_high": result.conf_high,
            "left_out_n_treated": int(units.treated.sum()),
        }
    return columns
