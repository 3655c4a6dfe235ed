"""P-values adjusted for every comparison that could have made a headline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pilot_eval.design.build import Design
from pilot_eval.evaluation.fillings import name_units
from pilot_eval.evaluation.units import collapse_design
from pilot_eval.inference import family_test
from pilot_eval.plan import EvaluationPlan
from pilot_eval.reference.plan_periods import Period

Key = tuple[str, str]
OUTSIDE = "outside the family of comparisons, because the usual test is not valid here"
DECLARED = "outside the family of comparisons, as the plan declares: {}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tested:
    """A comparison as a member of the family.

    Attributes
    ----------
    design : Design
    counts : ndarray of int, shape (h,)
        The least favourable filling of `design.own_hidden`.
    p_value : float
        The robust test's, the largest over the hidden counts; NaN where it has none, or where
        another test carries the verdict because this one errs.
    """

    design: Design
    counts: np.ndarray
    p_value: float


def adjust_for_families(
    plan: EvaluationPlan, comparisons: Mapping[Key, Tested]
) -> dict[Key, dict[str, object]]:
    """Adjust the robust test's p-values for all outcomes and scenarios together.

    A hidden figure has one value in every comparison: the one that is least favourable where it
    first occurs, the plan's primary scenario before the others.

    Parameters
    ----------
    plan : EvaluationPlan
    comparisons : mapping of (scenario, outcome) to Tested

    Returns
    -------
    dict
        (scenario, outcome) -> `p_romano_wolf` and `p_benjamini_hochberg`; a `reason` instead
        where the comparison is outside the family.

    References
    ----------
    Westfall and Young (1993); Romano and Wolf (2005), JASA 100(469); Benjamini and Hochberg (1995),
    JRSS B 57(1).
    """
    declared = plan.family.outside
    inside = {
        key: item
        for key, item in comparisons.items()
        if not np.isnan(item.p_value) and key[0] not in declared
    }
    found: dict[Key, dict[str, object]] = {
        key: {"reason": DECLARED.format(declared[key[0]]) if key[0] in declared else OUTSIDE}
        for key in comparisons
    }
    if not inside:
        return found
    result = family_test(
        **_lay_out(plan, inside),
        draws=plan.inference.draws,
        seed=plan.seed,
        p_values=np.array([item.p_value for item in inside.values()]),
    )
    for position, key in enumerate(inside):
        found[key] = {
            "p_romano_wolf": float(result.romano_wolf[position]),
            "p_benjamini_hochberg": float(result.benjamini_hochberg[position]),
        }
    return found


def _lay_out(plan: EvaluationPlan, inside: Mapping[Key, Tested]) -> dict[str, np.ndarray]:
    """Lay the comparisons out over all units; a unit without a part in one is missing there."""
    values = _agree_on_hidden(plan, inside)
    rows = []
    for item in inside.values():
        cells = item.design.own_hidden.cells
        counts = np.array([values[item.design.outcome, *cell] for cell in cells], dtype=np.int64)
        units = collapse_design(plan, item.design, counts)
        rows.append((list(dict.fromkeys(name_units(plan, item.design))), units))
    place = {
        name: position for position, name in enumerate(sorted({n for r in rows for n in r[0]}))
    }
    shape = len(rows), len(place)
    laid = {
        "changes": np.full(shape, np.nan),
        "treated": np.zeros(shape, dtype=bool),
        "cases": np.ones(shape),
        "period_factor": np.ones(shape),
    }
    for row, (names, units) in enumerate(rows):
        columns = [place[name] for name in names]
        laid["changes"][row, columns] = units.change
        laid["treated"][row, columns] = units.treated
        laid["cases"][row, columns] = units.cases
        laid["period_factor"][row, columns] = units.period_factor
    return laid


def _agree_on_hidden(
    plan: EvaluationPlan, inside: Mapping[Key, Tested]
) -> dict[tuple[str, str, Period], int]:
    """Give every hidden figure one value: outcome, council and period -> count."""
    first = plan.family.primary_scenario
    values: dict[tuple[str, str, Period], int] = {}
    for _, item in sorted(inside.items(), key=lambda pair: pair[0][0] != first):
        for cell, count in zip(item.design.own_hidden.cells, item.counts, strict=True):
            values.setdefault((item.design.outcome, *cell), int(count))
    return values
