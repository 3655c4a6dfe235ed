"""The first page: answers from verdicts, and what the figures cannot show."""

from __future__ import annotations

import pandas as pd

from pilot_eval.design.treatment import describe_starts
from pilot_eval.evidence import Evidence
from pilot_eval.plan import EvaluationPlan
from pilot_eval.reporting.display import Table, format_number
from pilot_eval.reporting.readability import reading_age

MOST_WITHOUT_TREND = 2
"""Periods before the start with which there is no more than one change between them."""


def introduce(plan: EvaluationPlan) -> str:
    """Say what was tried, in the pilot's own words; its title where it has none."""
    return plan.texts.introduction or f"{plan.title}."


def tabulate_verdicts(plan: EvaluationPlan, evidence: Evidence) -> Table:
    """Show the verdict on every outcome under every scenario.

    Parameters
    ----------
    plan : EvaluationPlan
    evidence : Evidence

    Returns
    -------
    Table
        One row for each outcome, one column for each scenario.
    """
    rows: dict[str, dict[str, str]] = {}
    for verdict in evidence.verdicts:
        row = rows.setdefault(verdict.inputs.outcome, {"Outcome": verdict.inputs.label})
        row[_capital(verdict.inputs.group)] = verdict.short
    return Table(
        frame=pd.DataFrame(list(rows.values())),
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
        and plan.outcomes[verdict.inputs.outcome].family == family
    ]


def explain_certainty(plan: EvaluationPlan, evidence: Evidence) -> str:
    """Say how secure the findings are: ratings, number of councils, detectable effects."""
    table = evidence.table
    estimated = table[table["status"] == "estimated"]
    shown = [
        verdict.inputs for verdict in evidence.verdicts if verdict.inputs.status == "estimated"
    ]
    points = [item.mde for item in shown if item.unit == "percentage points" and item.mde > 0]
    level = plan.inference.alpha
    expected = len(shown) * level
    by_chance = f"about {format_number(expected, 0)}" if expected >= 1 else "fewer than one"
    if estimated.empty:
        return f"{_count_ratings(evidence)} Nothing could be compared."
    ends = [format_number(end(points), 0) for end in (min, max)] if points else []
    reach = f"about {ends[0]}" if len({*ends}) == 1 else f"between {' and '.join(ends)}"
    smallest = (
        f"The smallest effect that a comparison would find with a probability of "
        f"{plan.inference.power:.0%} is {reach} percentage points. "
        if points
        else ""
    )
    return (
        f"{_count_ratings(evidence)} A comparison has at most "
        f"{int(estimated['n_treated'].max())} treated {plan.texts.units} and "
        f"{int(estimated['n_comparators'].max())} comparators. {smallest}"
        f"{len(shown)} comparisons were made: at a level of {level:.0%}, {by_chance} would "
        "show a change by chance alone."
    )


def _count_ratings(evidence: Evidence) -> str:
    ratings = [verdict.rating for verdict in evidence.verdicts]
    high = sum(rating >= 4 for rating in ratings)
    count = f"{high or 'none'} {'are' if high > 1 else 'is'}"
    return (
        f"Each finding has a security rating from 0 to 5. It is about the evidence, not the size "
        f"of the effect. Of {len(ratings)} findings, {count} rated 4 or 5; the highest "
        f"rating is {max(ratings)}."
    )


def list_limits(plan: EvaluationPlan, table: pd.DataFrame) -> list[str]:
    """List what these figures cannot show, as sentences."""
    gone = table[table["status"] != "estimated"]
    withheld = _list_withheld(plan, table)
    limits = [
        limit.text
        for limit in plan.texts.limits
        if not limit.families or set(limit.families) & set(table["family"])
        if not limit.scenarios or set(limit.scenarios) & set(table["scenario"])
    ]
    most = max((len(window.pre) for window in plan.windows.values()), default=0)
    if most <= MOST_WITHOUT_TREND:
        limits.append(
            f"The comparisons have at most {most} {'year' if most == 1 else 'years'} before the "
            "start: with so few, parallel trends cannot be tested."
        )
    if withheld:
        limits.insert(
            0,
            f"Not all treated {plan.texts.units} have figures. These have, of those in each "
            f"scenario. {' '.join(withheld)}",
        )
    if len(gone):
        names = ", ".join(_short(plan, key) for key in dict.fromkeys(gone["outcome"]))
        limits.append(f"Without any comparison: {names}.")
    return limits


def _list_withheld(plan: EvaluationPlan, table: pd.DataFrame) -> list[str]:
    """Say of outcomes that fewer than half of some scenario's councils have, how many do."""
    rows = table[table["method"].isin(["robust", "none"]) & (table["status"] != "descriptive")]
    said = []
    for outcome, own in rows.groupby("outcome", sort=False):
        counts = [[int(part) for part in text.split(" of ")] for text in own["share_of_scenario"]]
        if any(2 * found < listed for found, listed in counts):
            shares = list(own["share_of_scenario"])
            known = " and ".join(filter(None, [", ".join(shares[:-1]), shares[-1]]))
            said.append(f"{plan.outcomes[outcome].label}: {known}.")
    return said


def state_reading_age(plan: EvaluationPlan, evidence: Evidence) -> str:
    """Say at what age the answers and their limits can be read."""
    judged = {item.family for item in plan.outcomes.values() if item.harm != "ambiguous"}
    text = [answer.long for answer in evidence.answers if answer.family in judged]
    text += [explain_certainty(plan, evidence), *list_limits(plan, evidence.table)]
    age = reading_age("\n".join(text))
    return f"Reading age of the answers and limits above: {age} (Automated Readability Index)."


def list_treated(plan: EvaluationPlan) -> list[str]:
    """Say who counts as treated in each scenario, and from when."""
    lines = []
    for key, scenario in plan.scenarios.items():
        waves: dict[str, list[str]] = {}
        for council, when in describe_starts(plan, key).items():
            waves.setdefault(when, []).append(council)
        told = " ".join(f"{', '.join(names)}: {when}." for when, names in waves.items())
        lines.append(f"{scenario.label} (`{key}`). {told}")
    return lines


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _short(plan: EvaluationPlan, outcome: str) -> str:
    label = plan.outcomes[outcome].label
    return label[0].lower() + label[1:]
