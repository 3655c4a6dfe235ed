"""Every comparison under every choice a reader may make: what the report's explorer shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any, get_args

import pandas as pd

from pilot_eval.checks.quick import QUICK_DRAWS
from pilot_eval.checks.specification_curve import list_windows
from pilot_eval.design.build import Design, build_design
from pilot_eval.design.comparators import comparator_codes
from pilot_eval.design.treatment import treated_codes
from pilot_eval.errors import DesignError
from pilot_eval.evaluation.families import adjust_for_families
from pilot_eval.evaluation.published_strand import Estimated, estimate_design, evaluate
from pilot_eval.evaluation.stored import stored
from pilot_eval.evaluation.units import collapse_councils, is_comparison
from pilot_eval.evaluation.verdict_inputs import (
    ADJUSTED_TEST,
    FIRST_TEST,
    collect_inputs,
)
from pilot_eval.evaluation.verdicts import judge, list_later_rounds
from pilot_eval.evidence_row import EvidenceRow
from pilot_eval.plan import EvaluationPlan
from pilot_eval.plan_settings import ComparatorRule
from pilot_eval.published.panel import build_panel

RULES = get_args(ComparatorRule)
READINGS = (FIRST_TEST, ADJUSTED_TEST)
SHOWN = ("estimate_low", "estimate_high", "conf_low", "conf_high", "p_value")
GRID_COLUMNS = (
    *("scenario", "outcome", "comparators", "years", "left_out", "method"),
    *(*SHOWN, "n_treated", "n_comparators", "rating", "is_planned"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Specification:
    """One way to make a comparison.

    Attributes
    ----------
    scenario, outcome : str
    comparators : str
        Rule by which they are chosen.
    years : str
        Periods before and after, in words.
    left_out : str
        Name of the unit that is left out, or empty.
    window : mapping
        The plan's keys that `years` changes.
    is_planned : bool
        Whether it is what the plan does.
    """

    scenario: str
    outcome: str
    comparators: str
    years: str
    left_out: str
    window: Mapping[str, Any]
    is_planned: bool

    def revise(self, plan: EvaluationPlan) -> EvaluationPlan:
        """Make the plan that compares in this way; draws are `QUICK_DRAWS` where it is changed."""
        if self.is_planned:
            return plan
        changes = {**self.window, "comparators.rule": self.comparators}
        dropped = [*plan.drop_councils, *([self.left_out] if self.left_out else [])]
        return plan.revise({**changes, "drop_councils": dropped, "inference.draws": QUICK_DRAWS})


def list_specifications(
    plan: EvaluationPlan, table: pd.DataFrame, *, leave_one_out: bool = True
) -> Iterator[Specification]:
    """List the choices: comparators, and years as planned or the nearest one on either side.

    Under the plan's own choice, one unit is left out in turn of each scenario that answers a
    question: a treated one, or one of the two comparators without which the estimate moves furthest
    up and down. More would take long, and the others move it less.

    Parameters
    ----------
    plan : EvaluationPlan
    table : DataFrame
        As from `load_published`: it tells which comparators those are.
    leave_one_out : bool
        Whether units may be left out: not where the figures are confidential, because the
        difference of two results is then the figure of one unit.

    Yields
    ------
    Specification
    """
    panel = build_panel(table, plan) if leave_one_out else None
    asked = {plan.family.primary_scenario, *list_later_rounds(plan)}
    asked |= {key for key, scenario in plan.scenarios.items() if scenario.question}
    for scenario, outcome in plan.comparisons:
        if plan.why_described(scenario, outcome) or scenario in plan.family.outside:
            continue
        planned_years, windows = _pick_windows(plan, scenario, outcome)
        for (years, window), rule in product(windows.items(), RULES):
            own = {"scenario": scenario, "outcome": outcome, "years": years, "window": window}
            planned = years == planned_years and rule == plan.comparators.rule
            yield Specification(**own, comparators=rule, left_out="", is_planned=planned)
            if planned and panel is not None and scenario in asked:
                others = _find_far_comparators(plan, panel, scenario, outcome)
                for name in (*plan.scenarios[scenario].councils, *others):
                    yield Specification(**own, comparators=rule, left_out=name, is_planned=False)


def _find_far_comparators(
    plan: EvaluationPlan, panel: pd.DataFrame, scenario: str, outcome: str
) -> list[str]:
    """Name the comparators with the largest fall and the largest rise, hidden counts halfway."""
    try:
        design = build_design(plan, panel, scenario=scenario, outcome=outcome)
    except DesignError:
        return []
    change = pd.Series(collapse_councils(design).change, design.codes)[~design.is_treated]
    return [plan.names[code] for code in dict.fromkeys([change.idxmin(), change.idxmax()])]


def _pick_windows(
    plan: EvaluationPlan, scenario: str, outcome: str
) -> tuple[str, dict[str, dict[str, Any]]]:
    """Name the planned years, and give them and the nearest one on either side."""
    own = plan.window_of(outcome, scenario)
    wanted = [list(own.pre), list(own.post)], [list(own.pre[-1:]), list(own.post[:1])]
    found = {
        years: dict(window)
        for years, window in list_windows(plan, scenario, outcome)
        if list(window.values()) in wanted
    }
    [planned] = [years for years, window in found.items() if list(window.values()) == wanted[0]]
    return planned, found


@stored
def compute_specification_grid(
    plan: EvaluationPlan, table: pd.DataFrame, *, leave_one_out: bool = True
) -> pd.DataFrame:
    """Estimate and rate every comparison under every choice of `list_specifications`.

    Parameters
    ----------
    plan : EvaluationPlan
    table : DataFrame
        As from `load_published`.
    leave_one_out : bool
        As for `list_specifications`.

    Returns
    -------
    DataFrame
        Columns `GRID_COLUMNS`: a row for each specification and reading, `robust` or `adjusted`;
        what cannot be estimated is left out. The plan's own rows are those of its evidence; others
        are what `evaluate` says of that one comparison under the plan of `Specification.revise`.

    References
    ----------
    Simonsohn, Simmons and Nelson (2020), Nature Human Behaviour 4, 1208-1214.
    """
    panel = build_panel(table, plan)
    rows_of = dict.fromkeys(plan.outcomes, panel.iloc[:0]) | dict(iter(panel.groupby("outcome")))
    designs: dict[tuple[str, ...], Design | None] = {}
    plans: dict[tuple[str, ...], EvaluationPlan] = {}
    rows = _list_planned(plan, table)
    for item in list_specifications(plan, table, leave_one_out=leave_one_out):
        if item.is_planned:
            continue
        revised = _revise_once(plan, item, plans)
        key = item.scenario, item.outcome, item.years
        if key not in designs:
            designs[key] = _build_widest(plan, rows_of[item.outcome], item)
        design = _narrow(revised, designs[key], rows_of[item.outcome], item)
        if design is not None:
            rows += _estimate(revised, design, item)
    return pd.DataFrame(rows, columns=list(GRID_COLUMNS))


def _revise_once(
    plan: EvaluationPlan, item: Specification, plans: dict[tuple[str, ...], EvaluationPlan]
) -> EvaluationPlan:
    """Make the plan of a specification, or take the one that another specification made."""
    key = repr(sorted(item.window.items())), item.comparators, item.left_out
    if key not in plans:
        plans[key] = item.revise(plan)
    return plans[key]


def _list_planned(plan: EvaluationPlan, table: pd.DataFrame) -> list[dict[str, Any]]:
    """Take the plan's own results from its evidence."""
    evidence = evaluate(plan, table)
    own = {
        (item.scenario, item.outcome): item
        for item in list_specifications(plan, table, leave_one_out=False)
        if item.is_planned
    }
    estimated = evidence.table[evidence.table["status"] == "estimated"]
    rows = []
    for row in estimated[estimated["method"].isin(READINGS)].to_dict("records"):
        item = own.get((row["scenario"], row["outcome"]))
        if item is not None:
            rating = evidence.verdict(item.scenario, item.outcome).rating
            rows.append(_lay_out(item, row, rating))
    return rows


def _lay_out(item: Specification, row: Mapping[str, Any], rating: int) -> dict[str, Any]:
    numbers = {name: row[name] for name in (*SHOWN, "n_treated", "n_comparators", "method")}
    choices = {name: getattr(item, name) for name in (*GRID_COLUMNS[:5], "is_planned")}
    return {**choices, **numbers, "rating": rating}


def _build_widest(plan: EvaluationPlan, rows: pd.DataFrame, item: Specification) -> Design | None:
    """Build the design that contains those of every rule: its comparators are all that can be."""
    widest = plan.revise({**item.window, "comparators.rule": "all_england"})
    try:
        return build_design(widest, rows, scenario=item.scenario, outcome=item.outcome)
    except DesignError:
        return None  # a choice the design refuses is not defensible


def _narrow(
    revised: EvaluationPlan, widest: Design | None, rows: pd.DataFrame, item: Specification
) -> Design | None:
    """Take the councils of a specification from the design that contains them.

    Where sizes are not each council's own denominator, or treated units start at different times,
    who is compared can change them, and the design is built again.
    """
    if widest is None:
        return None
    try:
        if widest.cases_basis != "denominator" or (widest.is_staggered and item.left_out):
            return build_design(revised, rows, scenario=item.scenario, outcome=item.outcome)
        everyone = treated_codes(revised, item.scenario)
        pool = set(comparator_codes(revised, everyone, widest.figures, widest.pre))
    except DesignError:
        return None
    treated = tuple(code for code in widest.treated if code in everyone)
    return widest.restrict(treated, tuple(code for code in widest.comparators if code in pool))


def _estimate(plan: EvaluationPlan, design: Design, item: Specification) -> list[dict[str, Any]]:
    """Estimate and rate one comparison, as `evaluate` would by itself."""
    if not is_comparison(design):
        return []
    found = estimate_design(plan, design, READINGS)
    if not found.rows[0].carrying_test:  # another test may carry it
        found = estimate_design(plan, design)
    rows = _adjust(plan, found, item)
    rating = judge(collect_inputs(plan, rows, design), plan.verdict).rating
    return [
        _lay_out(item, asdict(row), rating)
        for row in rows
        if row.method in READINGS and row.status == "estimated"
    ]


def _adjust(plan: EvaluationPlan, found: Estimated, item: Specification) -> list[EvidenceRow]:
    """Give the p-value allowing for a family of one, which only a change found rests on."""
    if not found.tested.p_value <= plan.inference.alpha:
        return found.rows
    key = item.scenario, item.outcome
    return found.with_family(adjust_for_families(plan, {key: found.tested})[key])
