"""Real councils in the pilots' place: how often the tests reject where nothing happened.

The comparators' published figures are real, and nothing was tried on them. Sets of them stand in
the pilots' place, drawn at random or chosen as pilots may be: by type, or by their level.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from zlib import crc32

import numpy as np
import pandas as pd

from pilot_eval.design.comparators import comparator_codes
from pilot_eval.design.treatment import treated_codes
from pilot_eval.estimation.adjustment import adjust_changes, sampling_variance
from pilot_eval.estimation.covariates import UnitFacts, build_covariates, group_types
from pilot_eval.evaluation.unit_facts import CASES_PER, find_facts
from pilot_eval.inference.adjusted import label_strata, standardise_adjusted
from pilot_eval.inference.set_statistics import TIE, welch_t
from pilot_eval.inference.size_adjusted import comparator_squares
from pilot_eval.inference.variance import fit_size_function
from pilot_eval.plan import EvaluationPlan
from pilot_eval.plan_settings import Covariate, Window
from pilot_eval.reference.facts import load_councils

ALPHA = 0.05
DRAWS = 199
"""Random sets for each placebo: 10 of 200 makes the level exact, at some cost in power."""
QUARTERS = 4
FEWEST_COUNCILS = 60
"""Fewest councils with figures at which an outcome is measured."""
BLOCK = 250
"""Placebos worked on together."""
EFFECT = 2.8
"""Effect, in standard errors of an unadjusted difference, that power is measured at."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RealOutcome:
    """One outcome of untreated councils, collapsed over a window.

    Attributes
    ----------
    outcome : str
    codes : tuple of str, length n
    changes, levels, cases : ndarray, shape (n,)
        Mean after minus mean before; mean before; size.
    facts : UnitFacts
    other_years : mapping of int to ndarray, shape (n,)
        Figures of years outside the window.
    """

    outcome: str
    codes: tuple[str, ...]
    changes: np.ndarray
    levels: np.ndarray
    cases: np.ndarray
    facts: UnitFacts
    other_years: Mapping[int, np.ndarray]


def collapse_untreated(
    plan: EvaluationPlan,
    panel: pd.DataFrame,
    outcome: str,
    window: Window,
    other_years: tuple[int, ...] = (),
) -> RealOutcome | None:
    """Collapse the comparators' figures of one outcome.

    Parameters
    ----------
    plan : EvaluationPlan
    panel : DataFrame
        As from `build_panel`.
    outcome : str
    window : Window
    other_years : tuple of int
        Years outside the window that sets are chosen on.

    Returns
    -------
    RealOutcome or None
        Councils with a figure in every year; None where there are fewer than `FEWEST_COUNCILS`.
    """
    rows = panel[panel["outcome"] == outcome]
    years = [*window.pre, *window.post]
    figures, sizes, proxy = (
        rows.pivot(index="council_code", columns="period", values=name).reindex(
            columns=sorted({*years, *other_years})
        )
        for name in ("value", "denominator", "size_proxy")
    )
    pool = comparator_codes(plan, treated_codes(plan, next(iter(plan.scenarios))), figures, ())
    figures = figures.reindex(list(pool)).dropna()
    sizes = sizes if sizes.loc[figures.index, years].notna().all(axis=None) else proxy
    sizes = sizes.loc[figures.index, years].where(lambda size: size > 0).dropna()
    if len(sizes) < FEWEST_COUNCILS:
        return None
    figures = figures.loc[sizes.index]
    pre, post = list(window.pre), list(window.post)
    levels = figures[pre].to_numpy()
    variance = sampling_variance(
        levels, sizes[pre].to_numpy(), CASES_PER[plan.outcomes[outcome].unit]
    )
    return RealOutcome(
        outcome=outcome,
        codes=tuple(figures.index),
        changes=(figures[post].mean(axis=1) - figures[pre].mean(axis=1)).to_numpy(),
        levels=levels.mean(axis=1),
        cases=(1 / (1 / sizes).mean(axis=1)).to_numpy(),
        facts=find_facts(plan, list(figures.index), variance),
        other_years={year: figures[year].to_numpy() for year in other_years},
    )


def choose_sets(
    data: RealOutcome, types: Mapping[str, int], sets: int, seed: int
) -> dict[str, np.ndarray]:
    """Choose sets of councils to stand in the pilots' place.

    Parameters
    ----------
    data : RealOutcome
    types : mapping of str to int
        Number of pilots of each type; their sum is the size of a set.
    sets : int
    seed : int

    Returns
    -------
    dict of str to int array, shape (sets, k)
        ``"random"``; ``"types"`` (of the pilots' types); ``"top"`` and ``"bottom"`` (quarter of the
        level before the start); and ``"top 2010"`` and so on (quarter of another year's level).
    """
    rng = np.random.default_rng([seed, crc32(data.outcome.encode())])
    n, k = len(data.codes), sum(types.values())
    chosen = {"random": _draw(rng, np.arange(n), sets, k)}
    of_type = [
        _draw(rng, _find_type(data.facts.types, name, count), sets, count)
        for name, count in types.items()
    ]
    chosen["types"] = np.concatenate(of_type, axis=1)
    by_level = {"": data.levels} | {f" {year}": own for year, own in data.other_years.items()}
    for name, level in by_level.items():
        order = np.argsort(level, kind="stable")
        chosen[f"top{name}"] = _draw(rng, order[-(n // QUARTERS) :], sets, k)
        chosen[f"bottom{name}"] = _draw(rng, order[: n // QUARTERS], sets, k)
    return chosen


def count_types(plan: EvaluationPlan) -> dict[str, int]:
    """Count the primary scenario's councils by type."""
    codes = treated_codes(plan, next(iter(plan.scenarios)))
    councils = {council.council_code: council for council in load_councils()}
    types = [councils[code].council_type for code in codes]
    return {name: types.count(name) for name in sorted(set(types))}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Standardised:
    """Placebos of one outcome, ready to be tested.

    Attributes
    ----------
    z : ndarray, shape (sets, n)
        Standardised changes.
    scale : ndarray, shape (sets, n)
        What changes were divided by.
    strata : ndarray of str, shape (n,), or None
        Random sets keep the number of members of each stratum.
    """

    z: np.ndarray
    scale: np.ndarray
    strata: np.ndarray | None


Method = Callable[[RealOutcome, np.ndarray], Standardised]


def unadjusted(strata: str | None = None) -> Method:
    """Make the robust test, stratified by an attribute of `UnitFacts` if one is named."""

    def standardise(data: RealOutcome, treated: np.ndarray) -> Standardised:
        changes = np.broadcast_to(data.changes, treated.shape)
        fit = fit_size_function(comparator_squares(changes, treated), ~treated, data.cases, _ONE)
        centre = np.where(treated, 0.0, changes).sum(1, keepdims=True) / (~treated).sum(
            1, keepdims=True
        )
        scale = np.sqrt(fit.variance)
        labels = None if strata is None else getattr(data.facts, strata).astype(str)
        return Standardised(z=(changes - centre) / scale, scale=scale, strata=labels)

    return standardise


def adjusted(covariates: tuple[Covariate, ...], *, bands: bool = True) -> Method:
    """Make the adjusted test with these covariates, within quarters of the level or without."""

    def standardise(data: RealOutcome, treated: np.ndarray) -> Standardised:
        found = adjust_changes(
            np.broadcast_to(data.changes, treated.shape),
            treated,
            data.levels,
            covariates=build_covariates(covariates, data.facts, data.cases),
            level_variance=data.facts.level_variance,
        )
        _, z, scale = standardise_adjusted(found, treated, data.cases, _ONE)
        return Standardised(z=z, scale=scale, strata=label_strata(data.levels) if bands else None)

    return standardise


def compute_p_values(
    data: RealOutcome, sets: np.ndarray, method: Method, *, effect: float = 0.0, seed: int
) -> np.ndarray:
    """Compute the p-value of each placebo.

    Parameters
    ----------
    data : RealOutcome
    sets : int array, shape (sets, k)
    method : callable
        From `unadjusted` or `adjusted`.
    effect : float
        Added to the changes of the set's members.
    seed : int

    Returns
    -------
    ndarray, shape (sets,)
    """
    rng = np.random.default_rng(seed)
    parts = []
    for start in range(0, len(sets), BLOCK):
        actual = sets[start : start + BLOCK]
        treated = np.zeros((len(actual), len(data.codes)), bool)
        np.put_along_axis(treated, actual, True, axis=1)
        ready = method(data, treated)
        z = ready.z + effect * treated / ready.scale
        drawn = draw_alike(actual, ready.strata, len(data.codes), DRAWS, rng)
        reached = np.abs(_statistics(z, drawn)) >= np.abs(_statistics(z, actual[:, None])) * (
            1 - TIE
        )
        parts.append((1 + reached.sum(1)) / (1 + DRAWS))
    return np.concatenate(parts)


def draw_alike(
    actual: np.ndarray, strata: np.ndarray | None, n: int, draws: int, rng: np.random.Generator
) -> np.ndarray:
    """Draw sets with as many members of each stratum as each actual set has.

    Parameters
    ----------
    actual : int array, shape (sets, k)
    strata : array of str, shape (n,), or None
    n, draws : int
    rng : numpy Generator

    Returns
    -------
    int array, shape (sets, draws, k)
    """
    labels = np.zeros(n, int) if strata is None else np.unique(strata, return_inverse=True)[1]
    order, size = np.argsort(labels, kind="stable"), np.bincount(labels)
    first = np.cumsum(size) - size
    own = np.broadcast_to(labels[actual][:, None, :], (len(actual), draws, actual.shape[1]))
    drawn = np.empty(own.shape, int)
    again = np.ones(own.shape[:2], bool)
    while again.any():
        wanted = own[again]
        drawn[again] = order[first[wanted] + (rng.random(wanted.shape) * size[wanted]).astype(int)]
        ordered = np.sort(drawn, axis=2)
        again = (ordered[:, :, 1:] == ordered[:, :, :-1]).any(2)
    return drawn


def measure_rates(
    plan: EvaluationPlan,
    panel: pd.DataFrame,
    methods: Mapping[str, Method],
    *,
    window: Window | None,
    other_years: tuple[int, ...] = (),
    kinds: Iterable[str] | None = None,
    outcomes: Iterable[str] | None = None,
    sets: int,
    seed: int,
) -> pd.DataFrame:
    """Measure how often methods reject placebos of every outcome.

    Parameters
    ----------
    plan : EvaluationPlan
    panel : DataFrame
    methods : mapping of str to callable
    window : Window or None
        Default: the plan's own for each outcome.
    other_years : tuple of int
    kinds : iterable of str, optional
        Kinds of sets, as `choose_sets` names them; all by default. ``"random, with an effect"`` is
        always measured alongside ``"random"``.
    outcomes : iterable of str, optional
        Default: all that have a window before and after.
    sets : int
        Placebos for each cell.
    seed : int

    Returns
    -------
    DataFrame
        One row for each outcome, kind of sets and method: `rate`, `n_councils`, `sets`.
    """
    rows = []
    for outcome, settings in plan.outcomes.items():
        own = plan.windows[settings.window]
        if settings.descriptive or outcome not in (outcomes or plan.outcomes):
            continue
        data = collapse_untreated(plan, panel, outcome, window or own, other_years)
        if data is None:
            continue
        chosen = choose_sets(data, count_types(plan), sets, seed)
        size = EFFECT * data.changes.std() / np.sqrt(chosen["random"].shape[1])
        cells = [(kind, members, 0.0) for kind, members in chosen.items()]
        cells.insert(1, ("random, with an effect", chosen["random"], size))
        rows += [
            {
                "outcome": outcome,
                "chosen": kind,
                "method": name,
                "rate": (
                    compute_p_values(data, members, method, effect=effect, seed=seed) <= ALPHA
                ).mean(),
                "sets": sets,
                "n_councils": len(data.codes),
            }
            for kind, members, effect in cells
            if kinds is None or kind in kinds
            for name, method in methods.items()
        ]
    return pd.DataFrame(rows)


_ONE = np.ones(1)


def _find_type(types: np.ndarray, name: str, count: int) -> np.ndarray:
    """Find the councils of a type, or of its group where they are hardly more than the pilots."""
    own = np.flatnonzero(types == name)
    if len(own) > count:
        return own
    return np.flatnonzero(group_types(types) == group_types(np.array([name]))[0])


def _draw(rng: np.random.Generator, pool: np.ndarray, sets: int, k: int) -> np.ndarray:
    return pool[np.argsort(rng.random((sets, len(pool))), axis=1)[:, :k]]


def _statistics(z: np.ndarray, members: np.ndarray) -> np.ndarray:
    """Compute Welch's t of each placebo's sets, shape (sets, draws)."""
    inside = np.take_along_axis(z, members.reshape(len(z), -1), axis=1).reshape(members.shape)
    return welch_t(
        inside.sum(2),
        (inside**2).sum(2),
        z.sum(1, keepdims=True),
        (z**2).sum(1, keepdims=True),
        members.shape[2],
        z.shape[1],
    )
