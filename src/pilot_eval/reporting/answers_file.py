"""`answers.json`: what a run found, for machines. The front page is made from it alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from math import isfinite
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from pilot_eval.design.treatment import describe_starts
from pilot_eval.evidence import SIGNIFICANT_DIGITS, Answer, Evidence, Finding, Verdict
from pilot_eval.plan import EvaluationPlan
from pilot_eval.reference.pilot_facts import Exemption
from pilot_eval.reporting.answers import explain_certainty, introduce, list_limits

ANSWERS = "answers.json"
Number = float | None
NUMBERS = (*("estimate_low", "estimate_high", "conf_low", "conf_high", "p_value", "mde", "spread"),)


class Part(BaseModel):
    """A part of the file: frozen, without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Comparison(Part):
    """One outcome in one scenario: its numbers and its verdict.

    Numbers are null where there is none, and ends of an interval also where it has no end. Effects
    are in `unit`; `spread` is the standard deviation between comparators before the start.
    """

    scenario: str
    group: str
    outcome: str
    label: str
    family: str
    harm: Literal["rises", "falls", "ambiguous"]
    unit: str
    status: str
    finding: Finding
    direction: Literal["worse", "better", ""]
    rating: Annotated[int, Field(ge=0, le=5)]
    estimate_low: Number
    estimate_high: Number
    conf_low: Number
    conf_high: Number
    p_value: Number
    mde: Number
    spread: Number
    test: str
    seen: int
    listed: int
    n_comparators: int
    reasons: tuple[str, ...]
    short: str
    long: str
    earlier: str = ""
    """Where levels are compared and not changes: what they are adjusted for."""


class Question(Part):
    """One question of the plan; `scenario` and `outcome` name the comparison that carries it.

    A later round's answer (`is_later_round`) follows that of the primary scenario. What is no
    headline (`is_headline`) is outside the plan's family of comparisons.
    """

    family: str
    question: str
    scenario: str
    outcome: str
    counted: str
    short: str
    long: str
    is_later_round: bool = False
    is_headline: bool = True


class Freedom(Part):
    """The freedom of one council from one requirement, as the pilot's register has it."""

    council: str
    requirement: str
    freed: Literal["yes", "inferred", "unknown", "no"]
    announced: str
    granted: str
    started: str
    ended: str
    in_force_to: str


class Provenance(Part):
    """What the numbers rest on."""

    plan_hash: str
    data_hash: str
    seed: int
    version: str


class AnswersFile(Part):
    """The whole file. `scenario` is the primary one, for questions that have none of their own."""

    format: Literal[1]
    title: str
    published_on: date
    contact: str
    licence: str
    introduction: str
    units: str
    scenario: str
    group: str
    level: float
    questions: tuple[Question, ...]
    comparisons: tuple[Comparison, ...]
    certainty: str
    limits: tuple[str, ...]
    register_title: str
    treated_word: str
    freedoms: tuple[Freedom, ...]
    starts: Mapping[str, str]
    provenance: Provenance

    def primary(self) -> list[Comparison]:
        """List the comparisons of the scenario that the questions are answered for."""
        return [item for item in self.comparisons if item.scenario == self.scenario]


def collect_answers(plan: EvaluationPlan, evidence: Evidence, *, version: str) -> AnswersFile:
    """Collect what a run found.

    Parameters
    ----------
    plan : EvaluationPlan
    evidence : Evidence
        As released.
    version : str
        Of the code.

    Returns
    -------
    AnswersFile
    """
    scenario, texts, table = plan.family.primary_scenario, plan.texts, evidence.table
    later = [item.verdict.inputs.scenario for item in evidence.answers if item.is_later_round]
    shown = {scenario, *later}
    return AnswersFile(
        format=1,
        title=plan.title,
        published_on=texts.published_on,
        contact=texts.contact,
        licence=texts.licence,
        introduction=introduce(plan),
        units=texts.units,
        scenario=scenario,
        group=plan.scenarios[scenario].short,
        level=plan.inference.alpha,
        questions=tuple(_ask(answer) for answer in evidence.answers),
        comparisons=tuple(_compare(plan, verdict) for verdict in evidence.verdicts),
        certainty=explain_certainty(plan, evidence),
        limits=tuple(list_limits(plan, table[table["scenario"].isin(shown)])),
        register_title=texts.register_title,
        treated_word=texts.treated_word,
        freedoms=tuple(_free(plan, row) for row in plan.treatment_register),
        starts=describe_starts(plan, scenario),
        provenance=Provenance(
            plan_hash=plan.hash,
            data_hash=str(table["data_hash"].iloc[0]),
            seed=plan.seed,
            version=version,
        ),
    )


def write_answers(answers: AnswersFile, folder: Path) -> None:
    """Write ``answers.json``: the same answers, the same bytes."""
    text = json.dumps(answers.model_dump(mode="json"), indent=1, ensure_ascii=False)
    (folder / ANSWERS).write_text(f"{text}\n", encoding="utf-8", newline="\n")


def read_answers(path: Path) -> AnswersFile:
    """Read a file as `write_answers` writes it; pydantic's ValidationError where it is another."""
    return AnswersFile.model_validate_json(path.read_text(encoding="utf-8"))


def write_schema() -> str:
    """Write the JSON schema of the file, as it is published in ``docs/answers.schema.json``."""
    return json.dumps(AnswersFile.model_json_schema(), indent=1, ensure_ascii=False) + "\n"


def _ask(answer: Answer) -> Question:
    return Question(
        family=answer.family,
        question=answer.question,
        scenario=answer.verdict.inputs.scenario,
        outcome=answer.verdict.inputs.outcome,
        counted=answer.long.removesuffix(answer.verdict.long).strip(),
        short=answer.short,
        long=answer.long,
        is_later_round=answer.is_later_round,
        is_headline=answer.is_headline,
    )


def _compare(plan: EvaluationPlan, verdict: Verdict) -> Comparison:
    used = asdict(verdict.inputs)
    own = {name: used[name] for name in Comparison.model_fields if name in used}
    return Comparison(
        **own | {name: _round(used[name]) for name in NUMBERS},
        family=plan.family_of(verdict.inputs.scenario, verdict.inputs.outcome),
        finding=verdict.finding,
        direction=verdict.direction,
        rating=verdict.rating,
        reasons=tuple(doubt.text for doubt in verdict.doubts),
        short=verdict.short,
        long=verdict.long,
    )


def _round(value: float) -> Number:
    """Keep the digits on which processors agree; null where there is no number."""
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}") if isfinite(value) else None


def _free(plan: EvaluationPlan, row: Exemption) -> Freedom:
    requirement = plan.texts.name_requirement(row.requirement)
    known = ("announced", "granted", "started", "ended", "in_force_to")
    dates = {name: getattr(row, name) for name in known}
    return Freedom(council=row.council_name, requirement=requirement, freed=row.freed, **dates)
