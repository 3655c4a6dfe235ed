"""The one composition: a plan and a table of indicators become evidence.

Notebooks, command line and tests all call `evaluate`; nothing else strings stages together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import isnan, nan
from typing import Any

import numpy as np
import pandas as pd

from pilot_eval.design.build import Design, build_design
from pilot_eval.design.treatment import freed_from, treated_codes
from pilot_eval.doors import takes
from pilot_eval.errors import DataError, choose_names
from pilot_eval.evaluation.calibration_store import add_calibration
from pilot_eval.evaluation.council_effects import EFFECT_COLUMNS, council_effects
from pilot_eval.evaluation.families import Tested, adjust_for_families
from pilot_eval.evaluation.identified import HEADLINE, identify
from pilot_eval.evaluation.units import (
    ALL_METHODS,
    CITATIONS,
    FEWEST_TREATED,
    is_comparison,
    word_settings,
)
from pilot_eval.evaluation.verdict_inputs import collect_inputs
from pilot_eval.evaluation.verdicts import answer_questions, judge
from pilot_eval.evidence import Evidence, Verdict, build_evidence_table, hash_table
from pilot_eval.evidence_row import EvidenceRow
from pilot_eval.plan import EvaluationPlan, load_plan
from pilot_eval.published.council_indicators import load_published
from pilot_eval.published.panel import PLAN, TABLE, build_panel
from pilot_eval.run_cache import once_per_run

DROPPED_COLUMNS = ("scenario", "outcome", "council_code", "council_name", "role", "reason")


@takes(DataError, plan=PLAN, table=TABLE)
def evaluate(
    plan: EvaluationPlan | None = None,
    table: pd.DataFrame | None = None,
    *,
    scenarios: str | Iterable[str] | None = None,
    outcomes: str | Iterable[str] | None = None,
) -> Evidence:
    """Evaluate every outcome of the plan under every scenario.

    Parameters
    ----------
    plan : EvaluationPlan, optional
        Default: the project's default pilot.
    table : DataFrame, optional
        Long table of council indicators, as from `load_published` (the default).
    scenarios, outcomes : str or iterable of str, optional
        Keys of the plan to evaluate, one or several; all by default. The family of comparisons, and
        with it the adjusted p-values and ratings, is what is evaluated: judge by the whole plan.

    Returns
    -------
    Evidence

    Raises
    ------
    PlanError
        If the plan does not fit the data.
    DataError
        If the table lacks a column, or the plan is not one from `load_plan`.
    ParameterError
        If a scenario or outcome is not in the plan; the message says which was probably meant.
    DesignError
        If a comparison would be wrong.

    Examples
    --------
    >>> family = load_plan().family
    >>> evidence = evaluate(scenarios=family.primary_scenario, outcomes=family.primary_outcomes[0])
    >>> len(evidence.to_frame())
    1
    """
    plan = load_plan() if plan is None else plan
    table = load_published() if table is None else table
    return _evaluate(
        plan,
        table,
        tuple(choose_names("scenarios", scenarios, plan.scenarios)),
        tuple(choose_names("outcomes", outcomes, plan.outcomes)),
    )


@once_per_run
def _evaluate(
    plan: EvaluationPlan,
    table: pd.DataFrame,
    scenarios: tuple[str, ...],
    outcomes: tuple[str, ...],
) -> Evidence:
    stamp: dict[str, Any] = {"plan_hash": plan.hash, "data_hash": hash_table(table)}
    wanted = [pair for pair in product(scenarios, outcomes) if pair in set(plan.comparisons)]
    designs = build_designs(plan, table, tuple(wanted))
    estimated = {pair: estimate_design(plan, design) for pair, design in designs.items()}
    adjusted = adjust_for_families(plan, {key: item.tested for key, item in estimated.items()})
    rows: list[EvidenceRow] = []
    effects: list[dict[str, object]] = []
    dropped: list[dict[str, object]] = []
    verdicts: list[Verdict] = []
    for scenario, outcome in wanted:
        label = {"scenario": scenario, "outcome": outcome}
        found = estimated.get((scenario, outcome))
        design = found.tested.design if found else None
        own = found.with_family(adjusted[scenario, outcome]) if found else [_describe(plan, label)]
        own = [replace(row, **stamp, reason=plan.texts.in_units(row.reason)) for row in own]
        rows += own
        verdicts.append(judge(collect_inputs(plan, own, design), plan.verdict))
        if design is None:
            continue
        effects += [label | row for row in council_effects(plan, design)]
        dropped += [
            label | {name: getattr(item, name) for name in DROPPED_COLUMNS[2:]}
            for item in design.dropped
        ]
    return Evidence(
        table=build_evidence_table(rows),
        effects=pd.DataFrame(effects, columns=list(EFFECT_COLUMNS)),
        dropped=pd.DataFrame(dropped, columns=list(DROPPED_COLUMNS)),
        verdicts=tuple(verdicts),
        answers=answer_questions(plan, verdicts),
    )


@once_per_run
def build_designs(
    plan: EvaluationPlan, table: pd.DataFrame, comparisons: tuple[tuple[str, str], ...]
) -> dict[tuple[str, str], Design]:
    """Build the designs of comparisons, those that are described alone left out.

    Parameters
    ----------
    plan : EvaluationPlan
    table : DataFrame
        Long table of council indicators, as from `load_published`.
    comparisons : tuple
        Some of `plan.comparisons`.

    Returns
    -------
    dict
        (scenario, outcome) -> design.
    """
    panel = build_panel(table, plan)
    rows_of = dict.fromkeys(plan.outcomes, panel.iloc[:0]) | dict(iter(panel.groupby("outcome")))
    return {
        (scenario, outcome): build_design(
            plan,
            pd.concat([rows_of[key] for key in plan.figures_of(scenario, outcome)]),
            scenario=scenario,
            outcome=outcome,
        )
        for scenario, outcome in comparisons
        if plan.why_described(scenario, outcome) is None
    }


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Estimated:
    """A comparison's evidence rows, and what the family of comparisons needs of it."""

    rows: list[EvidenceRow]
    tested: Tested

    def with_family(self, adjusted: Mapping[str, Any]) -> list[EvidenceRow]:
        """Give the rows, the headline's with its adjusted p-values or why it has none."""
        note = adjusted.get("reason", "")
        return [
            replace(row, **{**adjusted, "reason": "; ".join(filter(None, (row.reason, note)))})
            if row.method in (HEADLINE, "none")
            else row
            for row in self.rows
        ]


def estimate_design(
    plan: EvaluationPlan, design: Design, methods: Sequence[str] = ALL_METHODS
) -> Estimated:
    """Make one evidence row for each method of a design, estimated or not estimable.

    Parameters
    ----------
    plan : EvaluationPlan
    design : Design
    methods : sequence of str
        Where they are not all, rows have no detectable effect and no estimate without the periods
        that hide a count: what no finding or rating rests on.

    Returns
    -------
    Estimated
    """
    label = _label(plan, design)
    if not is_comparison(design):
        row = EvidenceRow(
            **label, method="none", status="not_estimable", reason=_too_few(plan, design)
        )
        none = np.zeros(len(design.own_hidden), dtype=np.int64)
        return Estimated(rows=[row], tested=Tested(design=design, counts=none, p_value=nan))
    found = identify(plan, design, methods, companions=tuple(methods) == ALL_METHODS)
    rows = [
        EvidenceRow(
            **label
            | dict(numbers)
            | {
                "method": method,
                "n_treated": int(found.units.treated.sum()),
                "status": "not_estimable" if isnan(numbers["estimate_low"]) else "estimated",
                "reason": _reason(design, numbers),
                "citation": CITATIONS[method],
                "settings": word_settings(
                    plan,
                    method,
                    staggered=design.is_staggered,
                    earlier=_word_earlier(plan, design),
                    cases=design.cases_basis,
                ),
            }
        )
        for method, numbers in found.numbers.items()
    ]
    rows = add_calibration(plan, design, rows)
    valid = rows[0].carrying_test == HEADLINE
    p_value = float(found.numbers[HEADLINE]["p_value"]) if valid else nan
    return Estimated(rows=rows, tested=Tested(design=design, counts=found.counts, p_value=p_value))


def _word_earlier(plan: EvaluationPlan, design: Design) -> str:
    """Name the earlier outcome that levels are adjusted for, and its periods."""
    earlier = plan.window_of(design.outcome, design.scenario).earlier
    return f"{earlier.outcome} of {' '.join(map(str, earlier.periods))}" if earlier else ""


def _label(plan: EvaluationPlan, design: Design) -> dict[str, Any]:
    settings = plan.outcomes[design.outcome]
    return {
        "strand": "published",
        "scenario": design.scenario,
        "outcome": design.outcome,
        "family": plan.family_of(design.scenario, design.outcome),
        "unit": settings.unit,
        "harm": settings.harm,
        "n_treated": len(design.treated),
        "n_comparators": len(design.comparators),
        "treated": "; ".join(design.names),
        "starts": _name_starts(plan, design),
        "seen": len(design.treated),
        "listed": design.scenario_size,
        **_periods(design),
        "fragile": False,
        "breaks": "; ".join(design.breaks),
        "freed": design.freed,
    }


def _name_starts(plan: EvaluationPlan, design: Design) -> str:
    """Say when how many of the plan's units were treated."""
    return plan.texts.in_units(design.name_starts())


def _periods(design: Design) -> dict[str, str]:
    """Name the periods in which both sides have figures, and how many councils have them."""
    counts = design.count_figures()
    both = counts[(counts > 0).all(axis=1)].index
    sides = {"pre_periods": design.pre, "post_periods": design.post}
    shown = {
        name: " ".join(str(year) for year in years if year in both) for name, years in sides.items()
    }
    covered = "; ".join(
        f"{year}: {ours} treated, {others} comparators"
        for year, ours, others in counts.itertuples(name=None)
    )
    return shown | {"coverage": covered}


def _reason(design: Design, numbers: Mapping[str, Any]) -> str:
    gone = [item for item in design.dropped if item.role == "treated"]
    withheld = [item.council_name for item in gone if item.cause == "figures"]
    notes = [str(numbers["reason"]), _say_hidden(design, numbers)]
    if withheld:
        notes.append(f"no comparable figures for {', '.join(withheld)}")
    notes += [f"{item.council_name}: {item.reason}" for item in gone if item.cause == "plan"]
    return "; ".join(filter(None, notes))


def _say_hidden(design: Design, numbers: Mapping[str, Any]) -> str:
    """Say whose hidden counts make the estimate a set, and whether they leave its sign open."""
    cells = design.own_hidden.cells
    if not cells or numbers["estimate_low"] == numbers["estimate_high"]:
        return ""
    ours = [f"{design.labels[code]} {year}" for code, year in cells if code in design.treated]
    others = len(cells) - len(ours)
    whose = [", ".join(ours)] if ours else []
    whose += [f"{others} of comparators"] if others else []
    text = f"a set: hidden counts ({' and '.join(whose)}) at everything they can be"
    if numbers["estimate_low"] < 0 < numbers["estimate_high"]:
        text += "; these alone leave the direction open"
    return text


def _too_few(plan: EvaluationPlan, design: Design) -> str:
    found = ", ".join(design.names) or "none"
    gaps = [
        f"{item.council_name}: {item.reason}" for item in design.dropped if item.role == "treated"
    ]
    if len(design.treated) >= FEWEST_TREATED:
        return "no comparator has figures"
    units = plan.texts.units
    few = f"fewer than {FEWEST_TREATED} treated {units} have figures (found: {found})"
    return "; ".join([few, *gaps])


def _describe(plan: EvaluationPlan, label: dict[str, Any]) -> EvidenceRow:
    settings = plan.outcomes[label["outcome"]]
    codes = treated_codes(plan, label["scenario"])
    return EvidenceRow(
        **label,
        strand="published",
        family=plan.family_of(label["scenario"], label["outcome"]),
        unit=settings.unit,
        harm=settings.harm,
        method="none",
        n_treated=len(codes),
        n_comparators=0,
        treated="; ".join(plan.names[code] for code in codes),
        seen=len(codes),
        listed=len(plan.scenarios[label["scenario"]].councils),
        post_periods=" ".join(
            str(period) for period in plan.window_of(label["outcome"], label["scenario"]).post
        ),
        status="descriptive",
        reason=settings.descriptive or "",
        freed=freed_from(plan, settings.requirement, codes),
    )
