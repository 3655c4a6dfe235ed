"""The one composition: a plan and a table of indicators become evidence.

Notebooks, command line and tests all call `evaluate`; nothing else strings stages together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import isnan

import pandas as pd

from pilot_eval.design.build import Design, build_design
from pilot_eval.design.treatment import freed_from, treated_codes
from pilot_eval.estimation.did import fill_worst_case
from pilot_eval.evaluation.families import adjust_for_families
from pilot_eval.evaluation.units import (
    CITATIONS,
    FEWEST_TREATED,
    collapse_councils,
    collapse_design,
    conclude,
    detect_effect,
    number_result,
    run_methods,
    word_settings,
)
from pilot_eval.evaluation.verdict_inputs import collect_inputs
from pilot_eval.evaluation.verdicts import answer_questions, judge
from pilot_eval.evidence import Evidence, Verdict, build_evidence_table, hash_table
from pilot_eval.inference import (
    InferenceResult,
    size_adjusted_test,
)
from pilot_eval.plan import EvaluationPlan, load_plan
from pilot_eval.published.council_indicators import load_published
from pilot_eval.published.panel import build_panel
from pilot_eval.reference.facts import council_names

EFFECT_COLUMNS = (
    "scenario",
    "outcome",
    "council_code",
    "council_name",
    "effect",
    "conf_low",
    "conf_high",
    "p_value",
)
DROPPED_COLUMNS = ("scenario", "outcome", "council_code", "council_name", "role", "reason")


def evaluate(
    plan: EvaluationPlan | None = None,
    table: pd.DataFrame | None = None,
    *,
    scenarios: tuple[str, ...] | None = None,
    outcomes: tuple[str, ...] | None = None,
) -> Evidence:
    """Evaluate every outcome of the plan under every scenario.

    Parameters
    ----------
    plan : EvaluationPlan, optional
        Default: the project's default pilot.
    table : DataFrame, optional
        Long table of council indicators, as from `load_published` (the default).
    scenarios, outcomes : tuple of str, optional
        Keys of the plan to evaluate; all by default.

    Returns
    -------
    Evidence

    Raises
    ------
    PlanError
        If the plan does not fit the data.
    DesignError
        If a comparison would be wrong.

    Examples
    --------
    >>> evidence = evaluate(load_plan().revise({"comparators.rule": "same_region"}))
    ...                                                                   # doctest: +SKIP
    """
    plan = load_plan() if plan is None else plan
    table = load_published() if table is None else table
    panel = build_panel(table, plan)
    rows_of = dict.fromkeys(plan.outcomes, panel.iloc[:0]) | dict(iter(panel.groupby("outcome")))
    stamp = {"plan_hash": plan.hash, "data_hash": hash_table(table)}
    rows: list[dict] = []
    effects: list[dict] = []
    dropped: list[dict] = []
    verdicts: list[Verdict] = []
    for scenario in scenarios or tuple(plan.scenarios):
        designs = {
            outcome: build_design(plan, rows_of[outcome], scenario=scenario, outcome=outcome)
            for outcome in plan.outcomes
            if plan.outcomes[outcome].descriptive is None
        }
        adjusted = adjust_for_families(plan, designs)
        for outcome in outcomes or tuple(plan.outcomes):
            label = {"scenario": scenario, "outcome": outcome}
            design = designs.get(outcome)
            if design is None:
                own = [_describe(plan, label)]
            else:
                own = list(estimate_design(plan, design, adjusted[outcome]))
            rows += [row | stamp for row in own]
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


def estimate_design(
    plan: EvaluationPlan, design: Design, adjusted: Mapping[str, float] | None = None
) -> Iterator[dict]:
    """Yield one evidence row a method for a design, estimated or not estimable.

    Parameters
    ----------
    plan : EvaluationPlan
    design : Design
    adjusted : mapping, optional
        The robust test's p-values adjusted for the outcome's family, for its row.

    Yields
    ------
    dict
        Columns of the evidence table.
    """
    label = _label(plan, design)
    if len(design.treated) < FEWEST_TREATED:
        yield label | {"method": "none", "status": "not_estimable", "reason": _too_few(design)}
        return
    units = collapse_design(plan, design)
    results = run_methods(plan, units)
    bounds = _worst_case(plan, design)
    for method, result in results.items():
        yield (
            label
            | number_result(result)
            | {
                "method": method,
                "n_treated": int(units.treated.sum()),
                "mde": detect_effect(plan, units, method),
                "status": "not_estimable" if isnan(result.estimate) else "estimated",
                "reason": _reason(result, design),
                "citation": CITATIONS[method],
                "settings": word_settings(plan, method, cases=design.cases_basis),
                **((adjusted or {}) if method == "robust" else {}),
                **_bound_columns(result, {side: answer[method] for side, answer in bounds.items()}),
            }
        )


def council_effects(plan: EvaluationPlan, design: Design) -> Iterator[dict]:
    """Yield each treated council's own effect, with a size-adjusted interval."""
    if not design.treated:
        return
    units = collapse_councils(design)
    for position, code in enumerate(design.treated):
        keep = ~design.is_treated
        keep[position] = True
        result = size_adjusted_test(
            units.change[keep],
            units.treated[keep],
            units.cases[keep],
            period_factor=units.period_factor[keep],
            alpha=plan.inference.alpha,
        )
        yield {
            "council_code": code,
            "council_name": council_names()[code],
            "effect": result.estimate,
            "conf_low": result.conf_low,
            "conf_high": result.conf_high,
            "p_value": result.p_value,
        }


def _worst_case(plan: EvaluationPlan, design: Design) -> dict[str, dict[str, InferenceResult]]:
    """Answers with suppressed counts at the values that make the estimate lowest and highest."""
    wider = replace(design, treated=design.bounded_treated, comparators=design.bounded_comparators)
    codes = list(wider.codes)
    low, high = (frame.reindex(codes) for frame in (design.low, design.high))
    if low.equals(high):
        return {}
    worst = fill_worst_case(
        low.to_numpy(float), high.to_numpy(float), wider.is_treated, len(design.pre)
    )
    frames = (pd.DataFrame(matrix, index=codes) for matrix in worst)
    answers = [
        run_methods(plan, collapse_design(plan, replace(wider, figures=frame))) for frame in frames
    ]
    answers.sort(key=lambda by_method: by_method["robust"].estimate)
    return dict(zip(("bound_low", "bound_high"), answers, strict=True))


def _bound_columns(result: InferenceResult, bounds: Mapping[str, InferenceResult]) -> dict:
    conclusion = conclude(result.conf_low, result.conf_high)
    return {side: answer.estimate for side, answer in bounds.items()} | {
        "fragile": any(
            conclude(answer.conf_low, answer.conf_high) != conclusion for answer in bounds.values()
        )
    }


def _label(plan: EvaluationPlan, design: Design) -> dict:
    settings = plan.outcomes[design.outcome]
    return {
        "strand": "published",
        "scenario": design.scenario,
        "outcome": design.outcome,
        "family": settings.family,
        "unit": settings.unit,
        "harm": settings.harm,
        "n_treated": len(design.treated),
        "n_comparators": len(design.comparators),
        "treated": "; ".join(design.names),
        "share_of_scenario": f"{len(design.treated)} of {design.scenario_size}",
        "pre_periods": " ".join(str(year) for year in design.pre),
        "post_periods": " ".join(str(year) for year in design.post),
        "fragile": False,
        "breaks": "; ".join(design.breaks),
        "freed": design.freed,
    }


def _reason(result: InferenceResult, design: Design) -> str:
    withheld = [item.council_name for item in design.dropped if item.role == "treated"]
    notes = [result.reason] if result.reason else []
    if withheld:
        notes.append(f"no comparable figures for {', '.join(withheld)}")
    return "; ".join(notes)


def _too_few(design: Design) -> str:
    found = ", ".join(design.names) or "none"
    gaps = "; ".join(
        f"{item.council_name}: {item.reason}" for item in design.dropped if item.role == "treated"
    )
    return f"fewer than {FEWEST_TREATED} treated councils have figures (found: {found}); {gaps}"


def _describe(plan: EvaluationPlan, label: dict[str, str]) -> dict:
    settings = plan.outcomes[label["outcome"]]
    codes = treated_codes(plan, label["scenario"])
    return label | {
        "strand": "published",
        "family": settings.family,
        "unit": settings.unit,
        "harm": settings.harm,
        "method": "none",
        "n_treated": len(codes),
        "n_comparators": 0,
        "treated": "; ".join(council_names()[code] for code in codes),
        "share_of_scenario": f"{len(codes)} of {len(plan.scenarios[label['scenario']].councils)}",
        "post_periods": " ".join(str(year) for year in plan.windows[settings.window].post),
        "fragile": False,
        "status": "descriptive",
        "reason": settings.descriptive,
        "freed": freed_from(plan, settings.requirement, codes),
    }
