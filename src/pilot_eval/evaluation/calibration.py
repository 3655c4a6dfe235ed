"""How often each test is wrong on the outcome's own data, and which test may carry the verdict."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from functools import cache
from math import nan
from typing import Any

import numpy as np
from scipy.special import betaincinv

from pilot_eval.design.build import Design
from pilot_eval.estimation.did import Units
from pilot_eval.evaluation.batch_methods import adjustment_of
from pilot_eval.evaluation.code_hash import hash_code
from pilot_eval.evaluation.fillings import name_units
from pilot_eval.evaluation.unit_facts import collapse_units
from pilot_eval.evaluation.units import FEWEST_TREATED
from pilot_eval.evidence_row import EvidenceRow
from pilot_eval.inference.placebo_paths import compute_path_p_values
from pilot_eval.inference.placebo_sets import compute_set_p_values, draw_placebo_sets
from pilot_eval.inference.size_adjusted import MIN_COMPARATORS
from pilot_eval.plan import EvaluationPlan
from pilot_eval.plan_settings import CalibrationSettings

MONTE_CARLO_LEVEL = 0.95
KEY_DECIMALS = 8
"""Changes are known to far fewer decimals; processors differ from the 13th on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """How many placebo sets a test rejected."""

    rejections: int
    sets: int

    @property
    def share(self) -> float:
        """Share of sets rejected."""
        return self.rejections / self.sets

    @property
    def low(self) -> float:
        """Lower end of the exact 95% Monte Carlo interval (Clopper and Pearson, 1934)."""
        tail = (1 - MONTE_CARLO_LEVEL) / 2
        missed = self.sets - self.rejections + 1
        return float(betaincinv(self.rejections, missed, tail)) if self.rejections else 0.0

    @property
    def high(self) -> float:
        """Upper end of the same interval."""
        tail = (1 - MONTE_CARLO_LEVEL) / 2
        missed = self.sets - self.rejections
        return float(betaincinv(self.rejections + 1, missed, 1 - tail)) if missed else 1.0


Rates = Mapping[str, Rate]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlaceboPool:
    """Comparators that can stand in for the treated, one unit a council or cluster.

    Attributes
    ----------
    changes, cases, period_factor : array of shape (n,)
        Of the comparators alone.
    groups, regions : array of str, shape (n,)
        Council type and region of each comparator.
    levels, level_variance : array of shape (n,)
        Mean before the start and its sampling variance.
    covariates : array of shape (n, q)
        Those that the plan declares for the adjusted test.
    treated_groups, treated_cases : array of shape (k,)
        Whom the placebo sets must resemble.
    """

    changes: np.ndarray
    cases: np.ndarray
    period_factor: np.ndarray
    groups: np.ndarray
    regions: np.ndarray
    levels: np.ndarray
    level_variance: np.ndarray
    covariates: np.ndarray
    treated_groups: np.ndarray
    treated_cases: np.ndarray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PathPool(PlaceboPool):
    """Comparators that can take over the starts and ends of treated units that differ in them.

    Attributes
    ----------
    changes, period_factor : array of shape (n, paths + 1)
        Of the comparators alone, on every path and on average (`PathChanges`).
    treated_of : array of shape (k,)
        Path of each treated unit.
    """

    treated_of: np.ndarray


def build_pools(plan: EvaluationPlan, design: Design) -> list[PlaceboPool]:
    """Collect the comparators of a design that can stand in for its treated councils.

    Parameters
    ----------
    plan : EvaluationPlan
    design : Design

    Returns
    -------
    list of PlaceboPool
        Two where counts are hidden: at the fillings that make the estimate lowest and highest.
        Empty where fewer than two units were treated, or too few comparators would be left.
    """
    labels = name_units(plan, design)
    treated = len(set(labels[: len(design.treated)]))
    others = len(set(labels[len(design.treated) :]))
    if treated < FEWEST_TREATED or others < treated + MIN_COMPARATORS:
        return []
    filled = collapse_units(plan, design)
    corners = filled.corners() if len(filled.hidden) else (filled.hidden.low,)
    return [_pool(plan, filled.at(counts)) for counts in corners]


def _pool(plan: EvaluationPlan, units: Units) -> PlaceboPool:
    treated, facts = units.treated, units.known_facts()
    types, given = facts.types.astype(str), adjustment_of(plan, units)
    of_comparators = {
        "changes": units.change,
        "cases": units.cases,
        "period_factor": units.period_factor,
        "groups": types,
        "regions": facts.regions.astype(str),
        "levels": units.known_level(),
        **given,
    }
    if units.paths is not None:
        paths = units.known_paths()
        of_comparators |= {"changes": paths.changes, "period_factor": paths.factor}
    used = {name: values[~treated] for name, values in of_comparators.items()}
    used |= {"treated_groups": types[treated], "treated_cases": units.cases[treated]}
    if units.paths is None:
        return PlaceboPool(**used)
    return PathPool(**used, treated_of=paths.of[treated])


def calibrate_pools(plan: EvaluationPlan, pools: Iterable[PlaceboPool]) -> dict[str, Rate]:
    """Measure how often each test rejects where nobody was treated.

    Parameters
    ----------
    plan : EvaluationPlan
        Level, draws, seed and number of sets.
    pools : iterable of PlaceboPool
        More than one where counts are hidden; the largest rate counts.

    Returns
    -------
    dict
        Test -> rate, without the tests that have no answer on any set.
    """
    counted = [
        count_rejections(
            pool,
            sets=plan.calibration.sets,
            draws=plan.inference.draws,
            seed=plan.seed,
            alpha=plan.inference.alpha,
        )
        for pool in pools
    ]
    worst: dict[str, Rate] = {}
    for rates in counted:
        for test, rate in rates.items():
            if test not in worst or rate.share > worst[test].share:
                worst[test] = rate
    return worst


def count_rejections(
    pool: PlaceboPool, *, sets: int, draws: int, seed: int, alpha: float
) -> dict[str, Rate]:
    """Count the placebo sets of one pool that each test rejects."""
    members = draw_placebo_sets(
        pool.treated_groups, pool.treated_cases, pool.groups, pool.cases, sets=sets, seed=seed
    )
    data = pool.changes, pool.cases, pool.period_factor, members
    strata = {"stratified_type": pool.groups, "stratified_region": pool.regions}
    settings: dict[str, Any] = {"strata": strata, "draws": draws, "seed": seed, "decide_at": alpha}
    names = ("levels", "covariates", "level_variance")
    settings["adjustment"] = {name: getattr(pool, name) for name in names}
    if isinstance(pool, PathPool):
        found = compute_path_p_values(*data, pool.treated_of, **settings)
    else:
        found = compute_set_p_values(*data, **settings)
    return {
        test: Rate(rejections=int((known <= alpha).sum()), sets=known.size)
        for test, p_values in found.items()
        if (known := p_values[~np.isnan(p_values)]).size
    }


def calibration_key(plan: EvaluationPlan, pools: Iterable[PlaceboPool]) -> str:
    """Hash everything that a calibration rests on: data, design, level and code.

    Parameters
    ----------
    plan : EvaluationPlan
    pools : iterable of PlaceboPool

    Returns
    -------
    str
        SHA-256, hexadecimal.
    """
    used = {
        "code": _code(),
        "sets": plan.calibration.sets,
        "draws": plan.inference.draws,
        "seed": plan.seed,
        "alpha": plan.inference.alpha,
        "pools": [
            {field.name: _plain(getattr(pool, field.name)) for field in fields(pool)}
            for pool in pools
        ],
    }
    return hashlib.sha256(json.dumps(used, sort_keys=True).encode()).hexdigest()


@cache
def _code() -> str:
    return hash_code(count_rejections)


def _plain(values: np.ndarray) -> list[Any]:
    """Turn an array into a list that is the same on every processor."""
    if values.dtype.kind == "f":
        return list((np.round(values, KEY_DECIMALS) + 0.0).tolist())
    return list(values.tolist())


def calibration_columns(rates: Rates, method: str) -> dict[str, Any]:
    """Write a test's rate and its Monte Carlo interval as columns of an evidence row."""
    rate = rates.get(method)
    numbers = (nan, nan, nan) if rate is None else (rate.share, rate.low, rate.high)
    return dict(zip(("calibration", "calibration_low", "calibration_high"), numbers, strict=True))


def choose_settings(plan: EvaluationPlan, scenario: str, outcome: str) -> CalibrationSettings:
    """Choose which tests may carry a verdict: the plan's, or the adjusted one where levels differ.

    Levels that are not adjusted differ for reasons older than any treatment.
    """
    if plan.window_of(outcome, scenario).earlier is None:
        return plan.calibration
    return plan.calibration.model_copy(update={"order": ("adjusted",)})


def carrying_test(rows: Iterable[EvidenceRow], settings: CalibrationSettings) -> str | None:
    """Choose the test that carries the verdict of one comparison.

    A test errs where the lower end of the Monte Carlo interval of its rejection rate is above the
    plan's limit. The first test of the plan's order that does not err carries the verdict. Without
    a calibration that is the first of the order; a later one carries only if it was calibrated.

    Parameters
    ----------
    rows : iterable of EvidenceRow
        Evidence rows of the comparison, one for each method.
    settings : CalibrationSettings
        ``plan.calibration``.

    Returns
    -------
    str or None
        None where every test errs: then no test can carry a verdict.
    """
    answered = {row.method: row for row in rows if not np.isnan(row.p_value)}
    for place, method in enumerate(settings.order):
        if method in answered:
            low = answered[method].calibration_low
            if not (erring(low, settings.limit) or (np.isnan(low) and place)):
                return method
    return None


def erring(low: float, limit: float) -> bool:
    """Say whether a rejection rate, whose Monte Carlo interval begins at low, is above a limit."""
    return low > limit
