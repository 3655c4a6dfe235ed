"""The analysis plan: a pilot folder read into one frozen, validated record.

Whatever can move a result is in the folder, and the plan's hash is on every output.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError, model_validator

from pilot_eval.errors import DataError, PlanError, choose_names, explain
from pilot_eval.plan_clusters import Cluster, find_cluster_faults
from pilot_eval.plan_settings import (
    AdjustmentSettings,
    CalibrationSettings,
    ComparatorSettings,
    DisclosureSettings,
    Family,
    FamilySettings,
    InferenceSettings,
    Outcome,
    Scenario,
    Section,
    SizeProxy,
    Texts,
    VerdictRules,
    Window,
    change_keys,
    word_fault,
)
from pilot_eval.project import PLAN_NAME, TEXTS_NAME, find_pilot, read_toml
from pilot_eval.reference.facts import Council, describe_units
from pilot_eval.reference.pilot_facts import (
    CouncilEvent,
    Exemption,
    MeasurementBreak,
    PilotUnit,
    Requirement,
    check_codes,
    read_breaks,
    read_events,
    read_register,
    read_requirements,
    read_units,
)
from pilot_eval.reference.plan_periods import middle_of, period_kind

HASH_LENGTH = 12
FACTS = ("treatment_register", "requirements", "events", "breaks", "units")


class EvaluationPlan(Section):
    """The whole plan, frozen. Load it with `load_plan`; change a copy with `revise`."""

    pilot: str
    title: str
    seed: Annotated[int, Field(ge=0)]
    size_proxy: SizeProxy | None = None
    drop_councils: tuple[str, ...] = Field(strict=False, default=())
    inference: InferenceSettings
    disclosure: DisclosureSettings
    comparators: ComparatorSettings
    adjustment: AdjustmentSettings
    family: FamilySettings
    calibration: CalibrationSettings
    verdict: VerdictRules
    questions: Mapping[Family, str]
    clusters: Mapping[str, Cluster]
    windows: Mapping[str, Window]
    scenarios: Mapping[str, Scenario]
    outcomes: Mapping[str, Outcome]
    treatment_register: tuple[Exemption, ...] = Field(strict=False)
    requirements: tuple[Requirement, ...] = Field(strict=False, default=())
    events: tuple[CouncilEvent, ...] = Field(strict=False)
    breaks: tuple[MeasurementBreak, ...] = Field(strict=False)
    units: tuple[PilotUnit, ...] = Field(strict=False, default=())
    texts: Texts

    @model_validator(mode="after")
    def _hangs_together(self) -> EvaluationPlan:
        faults = [*_window_faults(self), *_council_faults(self), *_family_faults(self)]
        faults += _requirement_faults(self)
        if faults:
            raise ValueError("\n".join(faults))
        return self

    @property
    def hash(self) -> str:
        """First 12 hex digits of the SHA-256 of the plan's canonical JSON."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:HASH_LENGTH]

    @property
    def ever_treated(self) -> frozenset[str]:
        """Codes of every council in the register: never a comparator."""
        return frozenset(row.council_code for row in self.treatment_register)

    @property
    def councils(self) -> Mapping[str, Council]:
        """Every unit by code: the pilot's own, or England's councils."""
        return describe_units(self.units)

    @property
    def names(self) -> Mapping[str, str]:
        """Code of every unit -> its name."""
        return {code: council.council_name for code, council in self.councils.items()}

    @property
    def used_windows(self) -> frozenset[str]:
        """Names of the windows over which some outcome is compared in some scenario."""
        pairs = ((self.scenarios[s], self.outcomes[o].window) for s, o in self.comparisons)
        return frozenset(scenario.windows.get(window, window) for scenario, window in pairs)

    def why_described(self, scenario: str, outcome: str) -> str | None:
        """Say why an outcome is described and not compared; None where it is compared.

        A scenario that puts another window in the place of the outcome's own compares it.
        """
        settings = self.outcomes[outcome]
        return None if settings.window in self.scenarios[scenario].windows else settings.descriptive

    @property
    def comparisons(self) -> tuple[tuple[str, str], ...]:
        """Scenario and outcome of every comparison, in the plan's order."""
        return tuple(
            (key, outcome)
            for key, scenario in self.scenarios.items()
            for outcome in self.outcomes
            if not scenario.outcomes or outcome in scenario.outcomes
        )

    @property
    def open_scenarios(self) -> tuple[str, ...]:
        """The scenarios that are compared on every outcome, those of records included."""
        return tuple(key for key, scenario in self.scenarios.items() if not scenario.outcomes)

    def family_of(self, scenario: str, outcome: str) -> str:
        """Name the family, and so the question, of a comparison."""
        return self.scenarios[scenario].question or self.outcomes[outcome].family

    def scenarios_of(self, family: str) -> tuple[str, ...]:
        """Give the scenarios of a family's comparisons."""
        own = (pair[0] for pair in self.comparisons if self.family_of(*pair) == family)
        return tuple(dict.fromkeys(own))

    @property
    def span(self) -> tuple[float, float]:
        """First and last period of the plan's windows, as from `middle_of`."""
        places = [middle_of(p) for window in self.windows.values() for p in window.used]
        return min(places), max(places)

    def window_of(self, outcome: str, scenario: str | None = None) -> Window:
        """Return the window of an outcome, or the one that a scenario puts in its place."""
        choose_names("outcome", outcome, self.outcomes)
        choose_names("scenario", scenario, self.scenarios)
        name = self.outcomes[outcome].window
        return self.windows[self.scenarios[scenario].windows.get(name, name) if scenario else name]

    def figures_of(self, scenario: str, outcome: str) -> tuple[str, ...]:
        """Name the outcomes whose figures a comparison needs: its own, and an earlier one's."""
        earlier = self.window_of(outcome, scenario).earlier
        return (outcome, earlier.outcome) if earlier else (outcome,)

    def revise(self, changes: Mapping[str, Any]) -> EvaluationPlan:
        """Return a validated copy with some keys changed.

        Parameters
        ----------
        changes : mapping
            Dotted key -> new value, as in the file.

        Returns
        -------
        EvaluationPlan

        Raises
        ------
        PlanError
            If the changed plan is not valid; all faults are listed.

        Examples
        --------
        >>> plan = load_plan()                                                # doctest: +SKIP
        >>> plan.revise({"comparators.rule": "same_region", "inference.alpha": 0.1})
        ...                                                                   # doctest: +SKIP
        """
        content = change_keys(self.model_dump(), changes)
        return _validate(content, "revised plan")


def load_plan(pilot: str | Path | None = None, *, root: str | Path | None = None) -> EvaluationPlan:
    """Load and check a pilot folder.

    Parameters
    ----------
    pilot : str or path, optional
        Name of a folder in ``pilots/``, or the path of one. Default: the project's default pilot.
    root : path, optional
        Project folder; found from the current folder by default.

    Returns
    -------
    EvaluationPlan

    Raises
    ------
    PlanError
        If the folder cannot be found or read, or any key or cell is unknown, missing or
        impossible; every fault is listed.

    Examples
    --------
    >>> load_plan().inference.alpha
    0.05
    """
    folder = find_pilot(pilot, root)
    content, texts = _read_toml(folder / PLAN_NAME), _read_toml(folder / TEXTS_NAME)
    facts, faults = {}, []
    for name, read in (
        ("treatment_register", read_register),
        ("requirements", read_requirements),
        ("events", read_events),
        ("breaks", read_breaks),
        ("units", read_units),
    ):
        try:
            facts[name] = [row.model_dump() for row in read(folder)]
        except DataError as fault:
            faults += str(fault).splitlines()
    own = {"pilot", "texts", *FACTS} & content.keys()
    faults += [f"{PLAN_NAME}: `{name}` is read from the folder: remove the key" for name in own]
    if faults:
        raise PlanError("\n  - ".join([f"{folder.name} has {len(faults)} faults:", *faults]))
    content |= {"pilot": folder.name, "texts": texts, **facts}
    return _validate(content, f"{folder.name}/{PLAN_NAME}")


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        return read_toml(file)
    except OSError as fault:
        raise PlanError(
            explain("plan", "be a readable file", file, f"{fault.strerror}: check the path.")
        ) from fault
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        raise PlanError(
            explain("plan", "be valid UTF-8 TOML", f"{file.name}: {fault}", "Correct that line.")
        ) from fault


def _validate(content: dict[str, Any], name: str) -> EvaluationPlan:
    try:
        return EvaluationPlan.model_validate(content)
    except ValidationError as fault:
        lines = [line for error in fault.errors(include_url=False) for line in word_fault(error)]
        heading = f"{name} has {len(lines)} fault{'s' if len(lines) > 1 else ''}:"
        raise PlanError("\n  - ".join([heading, *lines])) from None


def _family_faults(plan: EvaluationPlan) -> list[str]:
    named = {
        "primary_scenario": ((plan.family.primary_scenario,), plan.scenarios),
        "primary_outcomes": (plan.family.primary_outcomes, plan.outcomes),
        "outside": (plan.family.outside, plan.scenarios),
    }
    faults = [
        f"family.{key} names {name!r}, which the plan does not have"
        for key, (names, known) in named.items()
        for name in names
        if name not in known
    ]
    faults += _question_faults(plan)
    pages = plan.texts.pages.values()
    return (
        faults
        + [
            f"texts.pages names {name!r}, which the plan does not have"
            for names, known in (
                ([page.scenario for page in pages], plan.scenarios),
                ([page.outcome for page in pages], plan.outcomes),
            )
            for name in names
            if name and name not in known
        ]
        + [
            f"texts.limits names scenario {name!r}, which the plan does not have"
            for limit in plan.texts.limits
            for name in limit.scenarios
            if name not in plan.scenarios
        ]
    )


def _question_faults(plan: EvaluationPlan) -> list[str]:
    """Find families without a question, and families in which only some outcomes have margins."""
    families: dict[str, list[bool]] = {}
    for outcome in plan.outcomes.values():
        families.setdefault(outcome.family, [])
        if outcome.harm != "ambiguous" and outcome.descriptive is None:
            families[outcome.family].append(outcome.margin is not None)
    asked = sorted(
        {*families, *(s.question for s in plan.scenarios.values() if s.question)}
        - {*plan.questions}
    )
    return [f"questions has none for the family {name!r}" for name in asked] + [
        f"family {name!r}: give every outcome with a direction of harm a margin, or none of them"
        for name, margins in families.items()
        if len(set(margins)) > 1
    ]


def _requirement_faults(plan: EvaluationPlan) -> list[str]:
    """Find exemptions from requirements that are not described, or had lapsed for everybody."""
    lapses = {row.requirement: row.lapsed for row in plan.requirements}
    faults = []
    for row in plan.treatment_register if plan.requirements else ():
        where = f"register: {row.council_name}, {row.requirement}"
        if row.requirement not in lapses:
            faults.append(f"{where}: requirements.csv does not describe it")
        elif (lapse := lapses[row.requirement]) and max(row.ended, row.in_force_to) > lapse:
            faults.append(f"{where}: in force after the requirement lapsed for everybody, {lapse}")
    return faults


def _window_faults(plan: EvaluationPlan) -> list[str]:
    faults = [
        f"scenarios.{name}.windows names {key!r}, which the plan does not have"
        for name, scenario in plan.scenarios.items()
        for key in {*scenario.windows, *scenario.windows.values()} - set(plan.windows)
    ] + [
        f"scenarios.{name}.outcomes names {key!r}, which the plan does not have"
        for name, scenario in plan.scenarios.items()
        for key in scenario.outcomes
        if key not in plan.outcomes
    ]
    for key, item in plan.windows.items():
        if item.earlier and item.earlier.outcome not in plan.outcomes:
            faults.append(f"windows.{key}.earlier names no outcome: {item.earlier.outcome!r}")
    for key, outcome in plan.outcomes.items():
        window = plan.windows.get(outcome.window)
        if window is None:
            faults.append(f"outcomes.{key}.window names no window: {outcome.window!r}")
        elif not (window.pre or window.earlier) and outcome.descriptive is None:
            faults.append(
                f"outcomes.{key} has no year before the start: give it a window with one, "
                "or a `descriptive` reason"
            )
    return faults or _start_faults(plan)


def _start_faults(plan: EvaluationPlan) -> list[str]:
    """Find councils that start within the periods before the start of the windows that are used."""
    used = {
        (name, plan.scenarios[name].windows.get(outcome.window, outcome.window))
        for name, outcome in (
            (s, plan.outcomes[o]) for s, o in plan.comparisons if plan.why_described(s, o) is None
        )
    }
    faults = []
    for name, key in sorted(used):
        scenario, window = plan.scenarios[name], plan.windows[key]
        if not (window.pre or window.earlier):
            faults.append(f"windows.{key} has nothing before the start of scenario {name}")
        given = (*window.years, *scenario.first_treated, *scenario.last_treated.values())
        kinds = {period_kind(period) for period in given}
        if len(kinds) > 1:
            faults.append(f"scenario {name} and windows.{key} mix {' and '.join(sorted(kinds))}s")
            continue
        for council, first in zip(scenario.councils, scenario.first_treated, strict=False):
            last = scenario.last_treated.get(council)
            begins, ends = (middle_of(period) for period in (window.years[0], window.years[-1]))
            stops = last is not None and middle_of(last) < ends
            leaver = middle_of(first) <= begins and stops
            if window.pre and middle_of(first) <= middle_of(window.pre[-1]) and not leaver:
                faults.append(f"windows.{key}.pre holds years after the start of scenario {name}")
                break
    return faults


def _council_faults(plan: EvaluationPlan) -> list[str]:
    known = {row.requirement for row in plan.treatment_register}
    known |= {row.requirement for row in plan.requirements}
    known |= {item.requirement for item in plan.outcomes.values() if item.requirement}
    faults = [*find_cluster_faults(plan.clusters, known)]
    faults += check_codes(plan.treatment_register, plan.names)
    for name, scenario in plan.scenarios.items():
        excluded = sorted(set(scenario.councils) & set(plan.comparators.exclude))
        faults += [
            f"{council} is treated in scenario {name} and excluded as a comparator: "
            "treated councils are never comparators; remove it from comparators.exclude"
            for council in excluded
        ]
    return faults
