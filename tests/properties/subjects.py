"""Every public function that takes data, found by introspection, and a world to call it in.

A function is called with what its parameters' names mean (`World.argument`); a new function whose
parameters have known names is found and called without being named here. One that nothing here
can call must be in `BEHIND`, with where its input comes from.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import cached_property
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import numpy as np
import pandas as pd

from pilot_eval.checks.trend_evidence import trend_evidence
from pilot_eval.doors import Flags, Kind, Names, Numbers, Periods, Starts, find_kinds
from pilot_eval.estimation.event_study import estimate_event_study
from pilot_eval.estimation.group_time import estimate_group_time
from pilot_eval.monitoring.cusum import calibrate_cusum
from pilot_eval.monitoring.trial import MonitoringPlan
from pilot_eval.records.survival_curves import estimate_survival

PACKAGES = ("estimation", "inference", "monitoring", "design", "checks")
MODULES = ("records.survival_curves", "records.pseudo_observations")
UNITS, PERIODS, TREATED, START = 24, 12, 3, 8
DRAWS = 2024
"""All sets of 3 in 24 units: tests list them, so that the order of units draws nothing else."""
EFFECT = 30.0
"""Of a study: so large that trends can part before it falls."""
THRESHOLD = calibrate_cusum(60.0, seed=1)
LOOKS = MonitoringPlan(months_before=START, looks=(2, 4), harm="rises", scale=3.0, persistence=0.0)

CHECKED = "takes numbers that a door has read, inside a method"
RECORDS = "takes children's cases, or changes made of them (test_record_functions.py)"
PLANS = "takes a plan and a panel, whose form is tested in test_plan_functions.py"
WITHOUT = "takes no data"
BEHIND: Mapping[str, str] = {
    # a module, or a function of one
    "estimation.adjustment": CHECKED,
    "estimation.bunching.change_in_bunching": RECORDS,
    "estimation.census_changes": RECORDS,
    "estimation.census_units": RECORDS,
    "estimation.council_changes": RECORDS,
    "estimation.covariates": "takes facts of councils that the package holds",
    "estimation.did.collapse_levels": CHECKED,
    "estimation.did.combine_clusters": CHECKED,
    "estimation.did.remove_period_effects": CHECKED,
    "estimation.distribution": RECORDS,
    "estimation.group_time.base_columns": CHECKED,
    "estimation.group_time.check_never": CHECKED,
    "estimation.group_time.eligible_comparators": CHECKED,
    "estimation.imputation.imputation_weights": CHECKED,
    "estimation.least_norm": CHECKED,
    "estimation.path_changes": CHECKED,
    "estimation.simplex": CHECKED,
    "estimation.staggered_paths": CHECKED,
    "estimation.survival": RECORDS,
    "estimation.synthetic_did.rank_among": CHECKED,
    "estimation.synthetic_weights": CHECKED,
    "estimation.two_way.fit_two_way": CHECKED,
    "estimation.two_way.solve_period_effects": CHECKED,
    "inference.adaptive.compute_adaptive": CHECKED,
    "inference.adaptive.draw_resamples": WITHOUT,
    "inference.adjusted.compute_adjusted": CHECKED,
    "inference.adjusted.label_strata": CHECKED,
    "inference.adjusted.standardise_adjusted": CHECKED,
    "inference.assignments": CHECKED,
    "inference.breakpoints": CHECKED,
    "inference.cluster_robust.compute_cluster_robust": CHECKED,
    "inference.inputs": CHECKED,
    "inference.inversion": CHECKED,
    "inference.paths": CHECKED,
    "inference.persistence": CHECKED,
    "inference.placebo_paths": CHECKED,
    "inference.placebo_sets": CHECKED,
    "inference.pretrial": CHECKED,
    "inference.randomisation.answer_by_sets": CHECKED,
    "inference.randomisation.hold_estimate": CHECKED,
    "inference.randomisation.difference_of_means": CHECKED,
    "inference.path_sets": CHECKED,
    "inference.randomisation.find_ends": CHECKED,
    "inference.randomisation.name_limits": CHECKED,
    "inference.randomisation.shifted_sets": CHECKED,
    "inference.randomisation.square": CHECKED,
    "inference.randomisation.step_size": CHECKED,
    "inference.randomisation.variance_of_mean": CHECKED,
    "inference.robust.compute_robust": CHECKED,
    "inference.robust.find_extreme_rows": CHECKED,
    "inference.robust.find_wider_rows": CHECKED,
    "inference.robust.fit_on_comparators": CHECKED,
    "inference.robust.start_batch": CHECKED,
    "inference.set_statistics": CHECKED,
    "inference.size_adjusted.comparator_squares": CHECKED,
    "inference.size_adjusted.compute_size_adjusted": CHECKED,
    "inference.size_adjusted.satterthwaite_df": CHECKED,
    "inference.variance": CHECKED,
    "inference.wild_bootstrap.compute_wild": CHECKED,
    "inference.wild_bootstrap.draw_weights": WITHOUT,
    "monitoring.cusum.calibrate_cusum": WITHOUT,
    "monitoring.false_alarms": "arranges months of a council table and passes them to methods",
    "monitoring.monthly_counts": "reads and arranges the files of a trial under way",
    "monitoring.shares": CHECKED,
    "monitoring.trial.compute_looks": CHECKED,
    "monitoring.trial_rules": "reads a file of rules",
    "design": PLANS,
    "checks.fixed_length": CHECKED,
    "checks.leave_one_out": PLANS,
    "checks.long_run": PLANS,
    "checks.lots": CHECKED,
    "checks.moment_test": CHECKED,
    "checks.next_pilot": PLANS,
    "checks.other_readings": PLANS,
    "checks.pilot_windows": PLANS,
    "checks.placebo": PLANS,
    "checks.plan_readings": PLANS,
    "checks.quick": PLANS,
    "checks.real_data_placebos": PLANS,
    "checks.sensitivity.relative_magnitude_tests": CHECKED,
    "checks.simulated_power": PLANS,
    "checks.specification_curve": PLANS,
    "checks.specification_grid": PLANS,
    "checks.trend_evidence.refuse": WITHOUT,
    "checks.trends": PLANS,
    "records.survival_curves.prepare_cases": CHECKED,
    "records.survival_curves.tabulate": CHECKED,
    "records.survival_curves.count_risk_sets": CHECKED,
    "records.survival_curves.step_widths": CHECKED,
}

# Kinds of parameters of functions that pass their arguments on to a door.
USUAL: Mapping[str, Kind] = {
    "outcomes": Numbers(missing=True, ndim=(2,)),
    "first_treated": Starts(),
    "periods": Periods(),
    "treated": Flags(),
    "weights": Numbers(ndim=(1,)),
}
OPTIONAL = ("weights", "cases", "covariates")
"""Optional arguments that are given where `World.full`."""


@dataclass(frozen=True, kw_only=True)
class World:
    """Twenty-four units over twelve periods; a few are treated, one of them a period later."""

    panel: np.ndarray
    treated: np.ndarray
    late: np.ndarray
    cases: np.ndarray
    size: np.ndarray
    names: pd.Index
    seed: int
    full: bool = False
    labelled: bool = False
    first_period: int = 0
    scale: float = 1.0
    sign: float = 1.0
    convert: Callable[[Any], Any] = field(default=lambda array: array)

    def argument(self, name: str, kind: Kind | None) -> Any:
        """Make the argument that a parameter's name means, as its kind is shaped."""
        value = ARGUMENTS[name](self, kind)
        if isinstance(kind, (Numbers, Flags, Starts)) and isinstance(value, np.ndarray):
            return self.dress(value, kind)
        return value

    def dress(self, value: np.ndarray, kind: Kind) -> Any:
        """Label an array that lies along the units, and convert it to the dtype in question."""
        columns = kind.axis == "columns"
        along = value.ndim < 3 and value.shape[-1 if columns else 0] == len(self.names)
        if not self.labelled or kind.axis is None or not along:
            return self.convert(value)
        if value.ndim == 1:
            return pd.Series(self.convert(value), index=self.names)
        if columns:
            return pd.DataFrame(value, columns=self.names)
        return pd.DataFrame({k: self.convert(value[:, k]) for k in range(value.shape[1])}).set_axis(
            self.names
        )

    def take(self, order: np.ndarray) -> World:
        """Take units by position, each with everything of its own."""
        return replace(
            self,
            panel=self.panel[order],
            treated=self.treated[order],
            late=self.late[order],
            cases=self.cases[order],
            size=self.size[order],
            names=self.names[order],
        )


def make_world_of(name: str, seed: int, *, full: bool) -> World:
    """Draw a world as large as a function asks for."""
    return make_world(
        seed,
        full=full,
        n_treated=OTHER_TREATED.get(name, TREATED),
        n_units=OTHER_UNITS.get(name, UNITS),
    )


def make_world(
    seed: int, *, full: bool = False, n_treated: int = TREATED, n_units: int = UNITS
) -> World:
    """Draw a world in which nothing is tied."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(n_units)
    treated = order < n_treated
    panel = 40 + rng.normal(0, 2, (n_units, 1)) + rng.normal(0, 1, PERIODS)
    return World(
        panel=panel + rng.normal(0, 1.5, (n_units, PERIODS)),
        treated=treated,
        late=order == n_treated - 1,
        cases=rng.permutation(np.arange(60.0, 60.0 + 37 * n_units, 37.0)),
        size=rng.normal(0, 1, n_units),
        names=pd.Index([f"E{k:02d}" for k in rng.permutation(n_units)]),
        seed=seed,
        full=full,
    )


def _changes(world: World, kind: Kind | None) -> np.ndarray:
    shape = getattr(kind, "ndim", None) or (1,)
    before = world.panel[:, :START].mean(axis=1)
    if 1 in shape:
        return world.panel[:, START:].mean(axis=1) - before
    many = world.panel[:, START : START + 3] - before[:, None]
    return many.T if kind.axis == "columns" else many


def _levels(world: World, kind: Kind | None) -> np.ndarray:
    level = world.panel[:, :START].mean(axis=1)
    return np.tile(level, (3, 1)) if 2 in (getattr(kind, "ndim", None) or ()) else level


def _first(world: World, kind: Kind | None) -> np.ndarray:
    start = np.where(world.late, START + 1.0, START) + world.first_period
    return np.where(world.treated, start, np.nan)


def _counts(world: World, kind: Kind | None) -> np.ndarray:
    return np.round(world.cases[:, None] * np.clip(world.panel / world.scale, 5, 95) / 100)


def _doses(world: World, kind: Kind | None) -> np.ndarray:
    return np.where(world.treated, 1.0 + world.late, 0.0)


def _exposed(world: World, kind: Kind | None) -> np.ndarray:
    columns = np.arange(PERIODS)
    first = np.where(world.treated, START + world.late, PERIODS)
    return (columns >= first[:, None]).astype(float)


def _cases_of_children(world: World, what: str) -> np.ndarray:
    rng = np.random.default_rng(world.seed)
    days = world.scale * rng.integers(1, 30, 40)
    found = {"duration": days, "observed": rng.random(40) < 0.7, "group": np.arange(40) % 2}
    return found[what]


def _statistics(world: World, rows: int) -> np.ndarray:
    return np.abs(np.random.default_rng(world.seed).normal(0, 1, (4, rows)))


ARGUMENTS: Mapping[str, Callable[[World, Kind | None], Any]] = {
    "changes": _changes,
    "change": _changes,
    "changes_comparators": lambda w, k: _changes(w, k)[~w.treated],
    "cases_comparators": lambda w, k: w.cases[~w.treated],
    "cases_treated": lambda w, k: w.cases[w.treated],
    "n_treated": lambda w, k: int(w.treated.sum()),
    "treated": lambda w, k: w.treated,
    "cases": lambda w, k: w.cases,
    "weights": lambda w, k: w.cases,
    "covariates": lambda w, k: w.size[:, None],
    "levels": _levels,
    "before": lambda w, k: w.panel[:, :START],
    "outcomes": lambda w, k: w.panel,
    "values": lambda w, k: w.panel,
    "panel": lambda w, k: w.panel,
    "first_treated": _first,
    "starts": _first,
    "n_pre": lambda w, k: START,
    "n_before": lambda w, k: START,
    "months_before": lambda w, k: START,
    "doses": _doses,
    "of": lambda w, k: np.where(w.treated, 0, 1),
    "events": lambda w, k: _counts(w, k)[:, [0, -1]],
    "numerator": _counts,
    "denominator": lambda w, k: np.repeat(w.cases[:, None], PERIODS, axis=1),
    "council_code": lambda w, k: np.array([str(name) for name in w.names]),
    "harm": lambda w, k: "rises",
    "threshold": lambda w, k: THRESHOLD,
    "plan": lambda w, k: LOOKS,
    "link": lambda w, k: "rate",
    "looks": lambda w, k: (2, 4),
    "duration": lambda w, k: _cases_of_children(w, "duration"),
    "observed": lambda w, k: _cases_of_children(w, "observed"),
    "group": lambda w, k: _cases_of_children(w, "group"),
    "days": lambda w, k: w.scale * np.array([5.0, 10.0, 20.0]),
    "horizon": lambda w, k: w.scale * 20.0,
    "probability": lambda w, k: 0.5,
    "p_values": lambda w, k: np.random.default_rng(w.seed).random(5),
    "statistics": lambda w, k: _statistics(w, 1)[:, 0],
    "null": lambda w, k: _statistics(w, 60),
    "fractions": lambda w, k: np.array([0.3, 0.6, 1.0]),
    "bounds": lambda w, k: np.array([3.0, 2.5, 2.0]),
    "estimates": lambda w, k: _changes(w, k)[:3],
    "std_errors": lambda w, k: w.scale * np.array([0.9, 0.7, 0.5]),
    "scale": lambda w, k: w.scale,
    "first": lambda w, k: np.arange(1.0, 31.0),
    "last": lambda w, k: np.arange(1.0, 31.0),
    "limit": lambda w, k: 20,
    "bound": lambda w, k: 1.0,
    "draws": lambda w, k: DRAWS,
    "seed": lambda w, k: 7,
    "study": lambda w, k: _study(w),
    "effects": lambda w, k: estimate_group_time(
        w.argument("outcomes", USUAL["outcomes"]), w.argument("first_treated", Starts())
    ),
    "evidence": lambda w, k: trend_evidence(_study(w), few_treated=True),
    "table": lambda w, k: estimate_survival(
        _cases_of_children(w, "duration"), _cases_of_children(w, "observed")
    ),
}
SPECIAL: Mapping[tuple[str, str], Callable[[World, Kind | None], Any]] = {
    ("inference.pooled_counts.pooled_counts_test", "exposure"): lambda w, k: np.stack(
        [w.cases, w.cases + 20], axis=1
    ),
    ("inference.staggered.path_test", "changes"): lambda w, k: np.repeat(
        _changes(w, None)[:, None], 2, axis=1
    ),
    ("inference.staggered.path_batch", "changes"): lambda w, k: np.repeat(
        _changes(w, None)[None, :, None], 2, axis=2
    ),
    ("estimation.two_way.estimate_twfe", "exposure"): _exposed,
    ("monitoring.cusum.compute_cusum", "numerator"): lambda w, k: np.tile(_counts(w, k), 2),
    ("monitoring.cusum.compute_cusum", "denominator"): lambda w, k: np.repeat(
        w.cases[:, None], 2 * PERIODS, axis=1
    ),
    ("monitoring.cusum.compute_cusum", "months_before"): lambda w, k: 12,
    ("monitoring.funnel.compute_funnel", "numerator"): lambda w, k: _counts(w, k)[:, -1],
    ("monitoring.funnel.compute_funnel", "denominator"): lambda w, k: w.cases,
}
OTHER_TREATED = {"inference.wild_bootstrap.wild_bootstrap_test": 5}
OTHER_UNITS = {"estimation.synthetic_control.estimate_each_council": 10}
"""Fits every comparator against all others, so that its time grows with the square of them."""
OTHER_DRAWS = {  # fewer where even these take long: sets are then drawn at random
    "estimation.synthetic_did.placebo_synthetic_did": 5,
    "estimation.synthetic_did.estimate_staggered_synthetic_did": 0,
    "inference.dose.dose_test": 199,
    "inference.multiplicity.family_test": 499,
    "inference.pooled_counts.pooled_counts_test": 199,
    "inference.power.minimum_detectable_effect": 99,
    "inference.staggered.staggered_test": 199,
    "inference.wild_bootstrap.wild_bootstrap_test": 499,
}


def _study(world: World) -> Any:
    """Estimate an event study on five periods, few as bounds on trends take, of a large effect."""
    panel = world.panel + EFFECT * world.sign * world.scale * _exposed(world, None)
    short = replace(world, panel=panel[:, START - 3 : START + 2], first_period=3 - START)
    return estimate_event_study(
        short.argument("outcomes", USUAL["outcomes"]), short.argument("first_treated", Starts())
    )


@dataclass(frozen=True)
class Subject:
    """One public function."""

    name: str
    function: Callable[..., Any]

    @cached_property
    def kinds(self) -> Mapping[str, Kind]:
        """What its door says of its arguments, or what doors behind it usually say."""
        return {**USUAL, **find_kinds(self.function)}

    @cached_property
    def parameters(self) -> Mapping[str, inspect.Parameter]:
        return inspect.signature(self.function).parameters

    def arguments(self, world: World) -> dict[str, Any]:
        """Make all required arguments, and the optional ones by unit in a full world."""
        given = {}
        for name, parameter in self.parameters.items():
            kind = self.kinds.get(name)
            wanted = parameter.default is inspect.Parameter.empty or name in ("draws", "seed")
            optional = world.full and name in OPTIONAL and isinstance(kind, Numbers)
            if not wanted and not optional:
                continue
            if (self.name, name) in SPECIAL:
                value = SPECIAL[self.name, name](world, kind)
                given[name] = world.dress(value, kind) if kind is not None else value
            else:
                given[name] = world.argument(name, kind)
        if self.name in OTHER_DRAWS:
            given["draws"] = OTHER_DRAWS[self.name]
        return given

    def answer(self, given: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Call it and flatten its answer."""
        return dict(flatten(self.function(**given)))

    def call(self, world: World) -> dict[str, np.ndarray]:
        """Call it in a world."""
        return self.answer(self.arguments(world))

    def unknown(self) -> list[str]:
        """List required parameters that nothing here can make."""
        return [
            name
            for name, parameter in self.parameters.items()
            if parameter.default is inspect.Parameter.empty
            and name not in ARGUMENTS
            and (self.name, name) not in SPECIAL
        ]

    @property
    def units(self) -> bool:
        """Whether some argument lies along the units."""
        along = (Numbers, Flags, Starts, Names)
        return any(
            isinstance(kind, along) and kind.axis is not None and name in self.parameters
            for name, kind in self.kinds.items()
        )


def flatten(answer: Any, path: str = "") -> list[tuple[str, np.ndarray]]:
    """List the numbers of an answer by the names of their fields."""
    if isinstance(answer, (bool, str, type(None))):
        return []
    if isinstance(answer, pd.DataFrame):
        parts = [(str(name), answer[name].to_numpy()) for name in answer.columns]
    elif is_dataclass(answer):
        parts = [(item.name, getattr(answer, item.name)) for item in fields(answer)]
    elif isinstance(answer, Mapping):
        parts = [(str(name), value) for name, value in answer.items()]
    elif isinstance(answer, (tuple, list)):
        found = [flatten(value, path) for value in answer]
        if not all(is_dataclass(value) for value in answer):
            return [(f"{name}.{k}", array) for k, part in enumerate(found) for name, array in part]
        together: dict[str, list[np.ndarray]] = {}
        for name, array in (item for part in found for item in part):
            together.setdefault(name, []).append(array.ravel())
        return [(name, np.concatenate(arrays)) for name, arrays in together.items()]
    else:
        array = np.asarray(answer)
        return [(path, array.astype(float))] if array.dtype.kind in "iuf" else []
    return [found for name, value in parts for found in flatten(value, f"{path}.{name}")]


def find_functions() -> dict[str, Subject]:
    """Find every public function of the packages, those behind a door left out."""
    names = [
        f"{package}.{info.name}"
        for package in PACKAGES
        for info in iter_modules(import_module(f"pilot_eval.{package}").__path__)
    ]
    found = {}
    for module_name in [*names, *MODULES]:
        module = import_module(f"pilot_eval.{module_name}")
        for name, item in vars(module).items():
            own = inspect.isfunction(item) and item.__module__ == module.__name__
            if own and not name.startswith("_"):
                subject = Subject(f"{module_name}.{name}", item)
                found[subject.name] = subject
    return found


def is_behind(name: str) -> bool:
    """Say whether a function, its module or its package is in `BEHIND`."""
    parts = name.split(".")
    return any(".".join(parts[: k + 1]) in BEHIND for k in range(len(parts)))


IN_FRONT = {name: item for name, item in find_functions().items() if not is_behind(name)}
SUBJECTS = {name: item for name, item in IN_FRONT.items() if not item.unknown()}
