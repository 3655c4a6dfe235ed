"""The first page: answers from verdicts, and what the figures cannot show."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

import pandas as pd

from pilot_eval.evaluation.verdict_words import MOST_POINTS, POINTS
from pilot_eval.evidence import Evidence, VerdictInputs
from pilot_eval.plan import EvaluationPlan
from pilot_eval.reference.plan_periods import period_kind
from pilot_eval.reporting.display import Opening, Table, count, format_number

MOST_WITHOUT_TREND = 2
"""Periods before the start with which there is no more than one change between them."""


def introduce(plan: EvaluationPlan) -> str:
    """Say what was tried, in the pilot's own words; its title where it has none."""
    return plan.texts.introduction or f"{plan.title}."


def open_question(evidence: Evidence, family: str) -> Opening:
    """Open a page with the answer to its question."""
    answer = next(item for item in evidence.answers if item.family == family)
    return Opening(answer.short, answer.long)


def tabulate_verdicts(plan: EvaluationPlan, evidence: Evidence) -> Table:
    """Show the verdict on every outcome under every scenario.

    Parameters
    ----------
    plan : EvaluationPlan
    evidence : Evidence

    Returns
    -------
    Table
        One row for each outcome, one column for each scenario; empty where it is not compared.
    """
    rows: dict[str, dict[str, str]] = {}
    for verdict in evidence.verdicts:
        row = rows.setdefault(verdict.inputs.outcome, {"Outcome": verdict.inputs.label})
        row[_capital(verdict.inputs.group)] = verdict.short
    return Table(
        frame=pd.DataFrame(list(rows.values())).fillna(""),
        caption="Findings and their security (5: most secure), by outcome and scenario",
    )


def list_findings(
    plan: EvaluationPlan, evidence: Evidence, *, family: str, scenario: str
) -> list[str]:
    """Word every verdict of a family under one scenario."""
    return [
        verdict.long
        for verdict in evidence.verdicts
        if verdict.inputs.scenario == scenario
        and plan.family_of(scenario, verdict.inputs.outcome) == family
    ]


def explain_certainty(plan: EvaluationPlan, evidence: Evidence) -> str:
    """Say how secure the findings are: ratings, detectable effects, changes by chance.

    The last two are of the plan's family of comparisons.
    """
    table = evidence.table
    estimated = table[table["status"] == "estimated"]
    shown = [
        verdict.inputs
        for verdict in evidence.verdicts
        if verdict.inputs.status == "estimated"
        and verdict.inputs.scenario not in plan.family.outside
    ]
    level = plan.inference.alpha
    expected = len(shown) * level
    by_chance = f"about {format_number(expected, 0)}" if expected >= 1 else "fewer than one"
    if estimated.empty:
        return f"{_count_ratings(evidence)} Nothing could be compared."
    return (
        f"{_count_ratings(evidence)} {_word_smallest(plan, shown)}"
        f"Of {count(len(shown), 'comparison')}, {by_chance} would show a change by chance at a "
        f"level of {level:.0%}."
    )


def _word_smallest(plan: EvaluationPlan, shown: Sequence[VerdictInputs]) -> str:
    """Say how large an effect must be to be found, in each unit; empty where nothing would be."""
    said = []
    for unit in dict.fromkeys(item.unit for item in shown):
        sizes = [item.mde for item in shown if item.unit == unit and 0 < item.mde < inf]
        ends = [_word_size(end(sizes), unit) for end in (min, max)] if sizes else []
        if ends:
            one = ends[0] if ends[0].startswith("more") else f"about {ends[0]}"
            reach = one if len({*ends}) == 1 else f"between {' and '.join(ends)}"
            said.append(f"{reach} {unit}")
    power = f"{plan.inference.power:.0%}"
    return (
        f"The smallest effect found with a probability of {power} is {', or '.join(said)}. "
        if said
        else ""
    )


def _word_size(size: float, unit: str) -> str:
    """Word an effect; one that no share can have is not given to the point."""
    if unit == POINTS and size > MOST_POINTS:
        return f"more than {MOST_POINTS}"
    return format_number(size, 0)


def _count_ratings(evidence: Evidence) -> str:
    ratings = [verdict.rating for verdict in evidence.verdicts]
    return (
        "Security, from 0 to 5, is about the evidence, not the size of the effect. "
        f"The highest of {count(len(ratings), 'finding')} is {max(ratings)}."
    )


def list_limits(plan: EvaluationPlan, table: pd.DataFrame) -> list[str]:
    """List what these figures cannot show, as sentences."""
    gone = table[table["status"] != "estimated"]
    missing = _word_missing(plan, table)
    limits = [
        limit.text
        for limit in plan.texts.limits
        if not limit.families or set(limit.families) & set(table["family"])
        if not limit.scenarios or set(limit.scenarios) & set(table["scenario"])
    ]
    most = max((len(window.pre) for window in plan.windows.values()), default=0)
    if most <= MOST_WITHOUT_TREND:
        kind = period_kind(next(iter(plan.windows.values())).years[0])
        limits.append(
            f"The comparisons have at most {most} {kind}{'' if most == 1 else 's'} before the "
            "start, too few to test parallel trends."
        )
    if missing:
        limits.insert(0, missing)
    compared = set(table.loc[table["status"] == "estimated", "outcome"]) | {
        outcome
        for scenario, outcome in plan.comparisons
        if plan.outcomes[outcome].descriptive and not plan.why_described(scenario, outcome)
    }
    names = [_short(plan, key) for key in dict.fromkeys(gone["outcome"]) if key not in compared]
    if names:
        limits.append(f"Without any comparison: {', '.join(names)}.")
    return limits


def _word_missing(plan: EvaluationPlan, table: pd.DataFrame) -> str:
    """Say for how many of the treated there are figures, where not for all of them."""
    rows = table[table["method"].isin(["robust", "none"]) & (table["status"] != "descriptive")]
    outcomes: dict[str, list[str]] = {}
    for share, outcome in zip(rows["share_of_scenario"], rows["outcome"], strict=True):
        found, listed = share.split(" of ")
        if found != listed:
            outcomes.setdefault(share, []).append(_short(plan, outcome))
    unique = {share: list(dict.fromkeys(own)) for share, own in outcomes.items()}
    said = [
        f"{share} for {own[0] if len(own) == 1 else f'{len(own)} outcomes'}"
        for share, own in unique.items()
    ]
    return f"Not all treated {plan.texts.units} have figures: {'; '.join(said)}." if said else ""


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _short(plan: EvaluationPlan, outcome: str) -> str:
    label = plan.outcomes[outcome].label
    return label[0].lower() + label[1:]
