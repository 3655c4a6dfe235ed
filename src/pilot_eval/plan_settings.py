"""The sections of the analysis plan and what each key may hold."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from difflib import get_close_matches
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pilot_eval.errors import PlanError, explain
from pilot_eval.reference.plan_periods import PERIOD_PATTERN, period_kind

ComparatorRule = Literal["all_england", "same_region", "same_type", "nearest", "neighbours_2021"]
Family = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
Covariate = Literal["log_size", "council_type", "region", "child_low_income"]
Method = Literal["robust", "sharp", "stratified_type", "stratified_region", "adjusted", "cr2"]
Words = Annotated[str, Field(pattern=r"\S")]
"""Text that reports show: it may not be empty."""
PlanPeriod = Annotated[int, Field(ge=1990, le=2050)] | Annotated[str, Field(pattern=PERIOD_PATTERN)]
"""A year ending 31 March (2012), a quarter ("2012Q1") or a month ("2012-01")."""


class Section(BaseModel):
    """A part of the plan: frozen, strict, without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class InferenceSettings(Section):
    """Level, draws and power of every test."""

    alpha: Annotated[float, Field(gt=0, lt=0.5)]
    draws: Annotated[int, Field(ge=99, le=1_000_000)]
    power: Annotated[float, Field(gt=0.5, lt=1)]

    @property
    def words(self) -> str:
        """Say power and level in one phrase."""
        return f"found in {self.power:.3g} of trials by a two-sided test at level {self.alpha:g}"


class DisclosureSettings(Section):
    """Counts of children from 1 to `threshold` are suppressed; others rounded to `rounding`.

    `own_tables` says what a run makes of an analyst's own table: ``"confidential"``, everything is
    computed from what may be printed of it; ``"public"``, it is published already.
    """

    threshold: Annotated[int, Field(ge=1, le=100)]
    rounding: Annotated[int, Field(ge=1, le=1000)]
    own_tables: Literal["confidential", "public"] = "confidential"


class ComparatorSettings(Section):
    """Who the pilots are compared with."""

    rule: ComparatorRule
    exclude: tuple[str, ...] = Field(strict=False)
    only: tuple[str, ...] = Field(strict=False, default=())
    nearest: Annotated[int, Field(ge=2, le=150)]
    not_identified: Annotated[int, Field(ge=0, le=50)] = 0
    """Treated units that no source names: any comparator can be one of them."""


class AdjustmentSettings(Section):
    """What the adjusted reading adjusts for, alongside the level before the start; and why."""

    covariates: tuple[Covariate, ...] = Field(strict=False, max_length=3)
    reason: str

    @model_validator(mode="after")
    def _each_once(self) -> AdjustmentSettings:
        if len(set(self.covariates)) != len(self.covariates):
            raise ValueError("a covariate is named twice")
        return self


class CalibrationSettings(Section):
    """How the tests are tried on comparators, and which may carry a verdict in which order."""

    sets: Annotated[int, Field(ge=20, le=1_000_000)]
    limit: Annotated[float, Field(gt=0, lt=1)]
    order: tuple[Method, ...] = Field(strict=False, min_length=1)

    @model_validator(mode="after")
    def _each_once(self) -> CalibrationSettings:
        if len(set(self.order)) != len(self.order):
            raise ValueError("order names a test twice")
        return self


class Earlier(Section):
    """An outcome of periods before the start that stands in where an outcome has none itself."""

    outcome: str
    periods: tuple[PlanPeriod, ...] = Field(strict=False, min_length=1)


class Window(Section):
    """Periods before and after the first start: all years, all quarters or all months.

    Without periods before, an outcome can be described, or with `earlier` its level be compared,
    adjusted for that outcome's.
    """

    pre: tuple[PlanPeriod, ...] = Field(strict=False)
    post: tuple[PlanPeriod, ...] = Field(strict=False, min_length=1)
    earlier: Earlier | None = None

    @property
    def years(self) -> tuple[PlanPeriod, ...]:
        """Periods before, then periods after."""
        return (*self.pre, *self.post)

    @property
    def used(self) -> tuple[PlanPeriod, ...]:
        """All periods that are looked at: those of an earlier outcome too."""
        return (*(self.earlier.periods if self.earlier else ()), *self.years)

    @model_validator(mode="after")
    def _in_order(self) -> Window:
        if len({period_kind(period) for period in self.years}) > 1:
            raise ValueError("years, quarters and months are mixed")
        if list(self.years) != sorted(set(self.years)):
            raise ValueError("periods must rise, without repeats, every pre before every post")
        if self.pre and self.earlier:
            raise ValueError("with periods before the start there is no `earlier`")
        return self


class Scenario(Section):
    """Which councils count as treated, from when, until when, and how much of them.

    Without `first_treated` starts are those of the register for each outcome's requirement; so are
    ends that `last_treated` does not give. `windows` names another window for an outcome's own.
    With `outcomes` these alone are compared; `question` is the one they answer here, where it is
    not their family's.
    `months_exposed` is of the first treated year; `share_of_teams` is 1 for everybody by default.
    """

    short: Words
    label: Words
    councils: tuple[str, ...] = Field(strict=False, min_length=1)
    first_treated: tuple[PlanPeriod, ...] = Field(strict=False, default=())
    months_exposed: tuple[Annotated[int, Field(ge=1, le=12)], ...] = Field(strict=False, default=())
    last_treated: Mapping[str, PlanPeriod] = Field(default_factory=dict)
    windows: Mapping[str, str] = Field(default_factory=dict)
    outcomes: tuple[str, ...] = Field(strict=False, default=())
    question: Family | None = None
    share_of_teams: tuple[Annotated[float, Field(gt=0, le=1)], ...] = Field((), strict=False)

    @model_validator(mode="after")
    def _fits_its_councils(self) -> Scenario:
        if len(set(self.councils)) != len(self.councils):
            raise ValueError("a council is named twice")
        for name in ("first_treated", "months_exposed", "share_of_teams"):
            if getattr(self, name) and len(getattr(self, name)) != len(self.councils):
                raise ValueError(f"councils and {name} must be equally long")
        strange = [name for name in self.last_treated if name not in self.councils]
        if strange:
            raise ValueError(f"last_treated names {', '.join(strange)}, who are not its councils")
        return self


class Outcome(Section):
    """One outcome: what it is, when harm is done, and over which years it is compared."""

    label: Words
    family: Family
    harm: Literal["rises", "falls", "ambiguous"]
    unit: Literal["percentage points", "per 10,000 children", "working days"]
    window: str
    requirement: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")] | None = None
    accepted_breaks: Mapping[str, str] = Field(default_factory=dict)
    descriptive: str | None = None
    margin: Annotated[float, Field(gt=0)] | None = None
    margin_reason: str | None = None

    @model_validator(mode="after")
    def _margin_has_a_reason(self) -> Outcome:
        if (self.margin is None) != (not self.margin_reason):
            raise ValueError("margin and margin_reason go together")
        if self.margin is not None and self.harm == "ambiguous":
            raise ValueError("a margin needs a direction of harm")
        return self


Points = Annotated[int, Field(ge=0, le=5)]
Share = Annotated[float, Field(gt=0)]


class VerdictPoints(Section):
    """Points of the rating, from 5, that each condition costs."""

    chosen: Points
    few_units: Points
    some_unseen: Points
    many_unseen: Points
    hidden_counts: Points
    one_period_before: Points
    trend_part: Points
    one_unit_decides: Points
    not_known_freed: Points
    definition_changed: Points
    family: Points
    imprecise: Points
    not_adjusted: Points
    later_test: Points
    not_calibrated: Points


class VerdictCaps(Section):
    """Highest rating while a condition holds."""

    levels: Points
    family: Points
    readings_differ: Points
    too_few_units: Points


class VerdictRules(Section):
    """How evidence becomes a finding and a security rating: docs/decisions/verdict-rules.md."""

    assignment: Literal["chosen", "by lot"]
    fewest_units: Annotated[int, Field(ge=2)]
    validated_units: Annotated[int, Field(ge=2)]
    enough_units: Annotated[int, Field(ge=2)]
    most_unseen: Annotated[float, Field(ge=0, le=1)]
    widest_set: Share
    widest_interval: Share
    matters: Share
    trend_part: Share
    trend_whole: Share
    share_without_one: Annotated[float, Field(ge=0, le=1)]
    points: VerdictPoints
    caps: VerdictCaps


class Limit(Section):
    """Something that the figures cannot show, and for which scenarios and families that is so."""

    text: Annotated[str, Field(min_length=1)]
    scenarios: tuple[str, ...] = Field(strict=False, default=())
    families: tuple[Family, ...] = Field(strict=False, default=())


class PageDefaults(Section):
    """What a general notebook shows where its own parameters are empty."""

    scenario: str = ""
    outcome: str = ""
    council: str = ""


class SizeProxy(Section):
    """The indicator whose count stands for a council's size where an outcome has no denominator."""

    indicator: str
    label: Annotated[str, Field(min_length=1)]


class Texts(Section):
    """Words and dates of a pilot's report; `requirements` names the register's in words.

    `treated_word` is what the register's "yes" is called: freed, given the model, treated.
    """

    introduction: str = ""
    contact: str = ""
    licence: str = ""
    requirements: Mapping[str, Annotated[str, Field(min_length=1)]] = Field(default_factory=dict)
    units: Annotated[str, Field(min_length=1)] = "councils"
    register_title: Annotated[str, Field(min_length=1)] = "Who was treated, and when"
    treated_word: Annotated[str, Field(min_length=1)] = "treated"
    start: Annotated[date, Field(strict=False)]
    start_name: Annotated[str, Field(min_length=1)]
    published_on: Annotated[date, Field(strict=False)]
    limits: tuple[Limit, ...] = Field(strict=False, default=())
    pages: Mapping[str, PageDefaults] = Field(default_factory=dict)

    @property
    def unit(self) -> str:
        """One of `units`, such as council."""
        return self.units.removesuffix("s")

    def in_units(self, text: str) -> str:
        """Say in the plan's own units what methods say of councils."""
        words = {"councils": self.units, "council": self.unit}
        return re.sub(r"\bcouncils?\b", lambda match: words[match[0]], text)

    def name_requirement(self, key: str) -> str:
        """Name a requirement of the register in words."""
        return self.requirements.get(key, key.replace("_", " "))


class FamilySettings(Section):
    """What was declared before results: the scenario and outcomes that count first, and why.

    `outside` are scenarios whose comparisons are not of the family, each with the reason.
    """

    primary_scenario: str
    primary_outcomes: tuple[str, ...] = Field(strict=False, min_length=1)
    reason: Annotated[str, Field(min_length=1)]
    outside: Mapping[str, Words] = Field(default_factory=dict)


def word_fault(error: Mapping[str, Any]) -> list[str]:
    """Word one fault of a plan, with the key that was probably meant."""
    location = ".".join(str(part) for part in error["loc"]) or "plan"
    if error["type"] == "extra_forbidden":
        hint = get_close_matches(str(error["loc"][-1]), _known_keys(), n=1)
        advice = f"Did you mean {hint[0]!r}?" if hint else "Remove it."
        return [explain(location, "be a known key", "an unknown one", advice)]
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "value_error":
        return [f"`{location}`: {line}." for line in message.splitlines()]
    got = "nothing" if error["type"] == "missing" else repr(error["input"])[:60]
    return [explain(location, "be valid", got, f"{message}.")]


def _known_keys() -> list[str]:
    return sorted({key for section in Section.__subclasses__() for key in section.model_fields})


def change_keys(content: dict[str, Any], changes: object) -> dict[str, Any]:
    """Put new values at dotted keys of a plan's content, in place.

    Parameters
    ----------
    content : dict
    changes : mapping of str to object
        Dotted key -> new value.

    Returns
    -------
    dict

    Raises
    ------
    PlanError
        If the changes are no such mapping, or a key lies below a single value.
    """
    if not isinstance(changes, Mapping) or not all(isinstance(key, str) for key in changes):
        rule, action = "map keys of the plan to values", 'Write {"inference.alpha": 0.1}.'
        raise PlanError(explain("changes", rule, type(changes).__name__, action))
    for dotted, value in changes.items():
        *path, last = dotted.split(".")
        section = content
        for key in path:
            section = section.setdefault(key, {})
            if not isinstance(section, dict):
                raise PlanError(explain(dotted, "be a key of the plan", key, "Correct it."))
        section[last] = value
    return content
