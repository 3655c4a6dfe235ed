"""Simulated trials with a known effect, judged by the plan's own rules.

A trial is one outcome in one scenario: real comparators stand in the pilots' place, with the
pilots' own pattern of hidden counts and missing years, and an effect is added to their figures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import log1p, nan
from typing import Any

import numpy as np
import pandas as pd

from pilot_eval.design.build import Design, build_design
from pilot_eval.estimation.adjustment import sampling_variance
from pilot_eval.estimation.did import collapse_changes
from pilot_eval.evaluation.fillings import name_units
from pilot_eval.evaluation.published_strand import evaluate
from pilot_eval.evaluation.verdict_inputs import ADJUSTED_TEST, FIRST_TEST
from pilot_eval.evaluation.verdicts import judge
from pilot_eval.evidence import FELL, ROSE, UNCHANGED, Verdict, VerdictInputs
from pilot_eval.inference import InferenceResult, adjusted_test, cr2_test, robust_test
from pilot_eval.plan import EvaluationPlan
from pilot_eval.published.panel import build_panel
from pilot_eval.reference.facts import load_councils

EFFECTS = ((0.0, 0.5), (1.0, 0.25), (2.0, 0.25))
"""Effects in detectable sizes, and the share of trials that has each."""
CHOSEN_ON_LEVEL = 1 / 3
"""Share of trials whose councils come from one end of the level before the start."""
TAIL = 0.25
PERMUTATIONS = 999
ENDS = ("estimate_low", "estimate_high", "conf_low", "conf_high")
PER = {"percentage points": 100.0, "per 10,000 children": 10_000.0}
TRIAL_COLUMNS = (
    *("scenario", "outcome", "selection", "effect", "complete", "calibrated", "n_units"),
    *("finding", "rating", "false"),
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrialWorld:
    """One outcome in one scenario, ready for trials.

    Attributes
    ----------
    inputs : VerdictInputs
        The real comparison's, whose numbers a trial replaces.
    low, high : array of shape (n, periods)
        Real comparators, equal where nothing is hidden.
    cases : array of shape (n,)
    n_pre : int
    horizon : float
        Time from the mean of the periods before the start to that after it, and the periods.
    pre : array of shape (n_pre,)
    hidden : array of shape (units, periods)
        Width of what is hidden in each treated unit's figures; NaN where there is no figure.
    types : array of str, shape (n,)
        Type of each comparator, for the stratified test.
    family_size : float
        Independent comparisons that the family of all comparisons amounts to.
    """

    inputs: VerdictInputs
    low: np.ndarray
    high: np.ndarray
    cases: np.ndarray
    n_pre: int
    pre: np.ndarray
    horizon: float
    hidden: np.ndarray
    types: np.ndarray
    family_size: float

    @property
    def complete(self) -> bool:
        """Whether every treated council has every figure."""
        return self.inputs.seen == self.inputs.listed and bool((self.hidden == 0).all())


def build_worlds(
    plan: EvaluationPlan, table: pd.DataFrame, *, scenarios: Sequence[str] | None = None
) -> list[TrialWorld]:
    """Build a world for every comparison of changes that has at least two treated units.

    Parameters
    ----------
    plan : EvaluationPlan
    table : DataFrame
        As for `evaluate`.
    scenarios : sequence of str, optional
        Default: all of the plan.

    Returns
    -------
    list of TrialWorld
    """
    chosen = tuple(scenarios or plan.scenarios)
    evidence = evaluate(plan, table, scenarios=chosen)
    panel = build_panel(table, plan)
    family_size = _measure_family(evidence.table)
    worlds = []
    for verdict in evidence.verdicts:
        used = verdict.inputs
        if used.status == "estimated" and plan.window_of(used.outcome, used.scenario).pre:
            design = build_design(plan, panel, scenario=used.scenario, outcome=used.outcome)
            worlds.append(_build_world(plan, design, used, family_size))
    return worlds


def run_trials(
    plan: EvaluationPlan, worlds: Sequence[TrialWorld], *, trials: int, seed: int | Sequence[int]
) -> pd.DataFrame:
    """Simulate trials and judge each.

    Parameters
    ----------
    plan : EvaluationPlan
        Its rules judge.
    worlds : sequence of TrialWorld
        Drawn from with equal probability.
    trials : int
    seed : int or sequence of int

    Returns
    -------
    DataFrame
        One row for each trial, columns `TRIAL_COLUMNS`. `effect` is in detectable sizes, with its
        sign; `false` is whether the finding contradicts it: a change that is not there or has the
        other sign, or none where there is one.
    """
    rng = np.random.default_rng(seed)
    sizes, shares = zip(*EFFECTS, strict=True)
    rows = []
    for _ in range(trials):
        world = worlds[int(rng.integers(len(worlds)))]
        effect = float(rng.choice(sizes, p=shares)) * rng.choice((-1.0, 1.0))
        selection = _choose_selection(rng)
        verdict = judge(_simulate(plan, world, effect, selection, rng), plan.verdict)
        rows.append(_describe(world, verdict, effect, selection))
    return pd.DataFrame(rows, columns=list(TRIAL_COLUMNS))


def _choose_selection(rng: np.random.Generator) -> str:
    if rng.random() >= CHOSEN_ON_LEVEL:
        return "uniform"
    return str(rng.choice(("top quarter", "bottom quarter")))


def _describe(
    world: TrialWorld, verdict: Verdict, effect: float, selection: str
) -> dict[str, object]:
    said = {ROSE: 1, FELL: -1, UNCHANGED: 0}.get(verdict.finding)
    used = world.inputs
    return {
        "scenario": used.scenario,
        "outcome": used.outcome,
        "selection": selection,
        "effect": effect,
        "complete": world.complete,
        "calibrated": bool(used.test) and used.is_first_test,
        "n_units": used.n_units,
        "finding": verdict.finding,
        "rating": verdict.rating,
        "false": said is not None and said != np.sign(effect),
    }


def _build_world(
    plan: EvaluationPlan, design: Design, inputs: VerdictInputs, family_size: float
) -> TrialWorld:
    labels = pd.Series(name_units(plan, design), index=list(design.codes))
    low, high = design.bounds()
    ours, theirs = list(design.treated), list(design.comparators)
    width = (high.loc[ours] - low.loc[ours]).groupby(labels[ours]).mean()
    whole = low.loc[theirs].notna().all(axis=1).to_numpy()
    pre, post = np.array(design.pre, float), np.array(design.post, float)
    types = {council.council_code: council.council_type for council in load_councils()}
    return TrialWorld(
        inputs=inputs,
        low=low.loc[theirs].to_numpy()[whole],
        high=high.loc[theirs].to_numpy()[whole],
        cases=design.cases.reindex(theirs).to_numpy(float)[whole],
        n_pre=len(pre),
        pre=pre,
        horizon=float(post.mean() - pre.mean()),
        hidden=width.to_numpy(float),
        types=np.array([types[code] for code in theirs])[whole],
        family_size=family_size,
    )


def _measure_family(table: pd.DataFrame) -> float:
    """Find how many independent comparisons the real family amounts to.

    From its smallest p-value: 1 - (1 - p)^size is what the joint draws make of it.
    """
    rows = table[table["p_romano_wolf"].notna()]
    row = rows.loc[rows["p_value"].idxmin()]
    adjusted = min(float(row["p_romano_wolf"]), 1 - 1 / PERMUTATIONS)
    return max(1.0, log1p(-adjusted) / log1p(-float(row["p_value"])))


def _simulate(
    plan: EvaluationPlan,
    world: TrialWorld,
    effect: float,
    selection: str,
    rng: np.random.Generator,
) -> VerdictInputs:
    """Draw one trial and collect what its verdict rests on."""
    treated = _choose(world, selection, rng)
    low, high = _treat(world, treated, effect * world.inputs.mde, rng)
    corners = _fill_corners(low, high, treated, world.n_pre)
    units = [collapse_changes(c, treated, world.n_pre, world.cases) for c in corners]
    changes = [unit.change for unit in units]
    options = {
        "draws": PERMUTATIONS,
        "seed": rng,
        "alpha": plan.inference.alpha,
        "period_factor": units[0].period_factor,
    }
    carrying = world.inputs.test or FIRST_TEST
    companion = FIRST_TEST if carrying == ADJUSTED_TEST else ADJUSTED_TEST
    shown, other = (
        _test(world, method, treated, list(zip(changes, corners, strict=True)), options)
        for method in (carrying, companion)
    )
    p_family = _allow_for_family(shown["p_value"], world.family_size, rng)
    left_out = [_leave_one_out(change, treated) for change in changes]
    trend_low, trend_high = _extrapolate(world, low, high, treated)
    comparators = (low[~treated, : world.n_pre] + high[~treated, : world.n_pre]) / 2
    tests: dict[str, Any] = {
        **shown,
        **{name.replace("estimate", "other"): other[name] for name in ENDS[:2]},
        **{f"other_{name}": other[name] for name in ENDS[2:]},
    }
    return replace(
        world.inputs,
        **tests,
        p_family=p_family if carrying == FIRST_TEST else nan,
        trend_low=trend_low,
        trend_high=trend_high,
        left_one_out_low=float(np.min(left_out)),
        left_one_out_high=float(np.max(left_out)),
        spread=float(comparators.mean(axis=1).std(ddof=1)),
    )


def _choose(world: TrialWorld, selection: str, rng: np.random.Generator) -> np.ndarray:
    """Choose who stands in the treated units' place, among those with nothing hidden."""
    known = np.flatnonzero((world.low == world.high).all(axis=1))
    level = world.low[known, : world.n_pre].mean(axis=1)
    order = known[np.argsort(level)]
    tail = int(TAIL * len(order))
    pool = {"top quarter": order[-tail:], "bottom quarter": order[:tail]}.get(selection, order)
    treated = np.zeros(len(world.low), dtype=bool)
    treated[rng.choice(pool, size=len(world.hidden), replace=False)] = True
    return treated


def _treat(
    world: TrialWorld, treated: np.ndarray, effect: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Add the effect after the start, then hide what is hidden of the real treated units."""
    low, high = world.low.copy(), world.high.copy()
    own = low[treated]
    own[:, world.n_pre :] += effect
    place = rng.random(own.shape)
    low[treated], high[treated] = own - place * world.hidden, own + (1 - place) * world.hidden
    return low, high


def _test(
    world: TrialWorld,
    method: str,
    treated: np.ndarray,
    corners: Sequence[tuple[np.ndarray, np.ndarray]],
    options: dict[str, Any],
) -> dict[str, float]:
    """Test both corners of what is hidden: the hull of estimates and intervals, the largest p."""
    found = [_test_one(world, method, treated, *corner, options) for corner in corners]
    return {
        "estimate_low": min(result.estimate for result in found),
        "estimate_high": max(result.estimate for result in found),
        "conf_low": min(result.conf_low for result in found),
        "conf_high": max(result.conf_high for result in found),
        "p_value": max(result.p_value for result in found),
    }


def _test_one(
    world: TrialWorld,
    method: str,
    treated: np.ndarray,
    change: np.ndarray,
    values: np.ndarray,
    options: dict[str, Any],
) -> InferenceResult:
    result: InferenceResult
    if method == "cr2":
        result = cr2_test(change, treated, alpha=options["alpha"])
        return result
    if method != ADJUSTED_TEST:
        strata = None if method == FIRST_TEST else world.types
        result = robust_test(change, treated, world.cases, strata=strata, **options)
        return result
    before = values[:, : world.n_pre]
    noise = sampling_variance(before, world.cases[:, None], PER[world.inputs.unit])
    level = np.nanmean(before, axis=1)
    result = adjusted_test(change, treated, world.cases, level, level_variance=noise, **options)
    return result


def _fill_corners(
    low: np.ndarray, high: np.ndarray, treated: np.ndarray, n_pre: int
) -> tuple[np.ndarray, np.ndarray]:
    """Fill hidden figures so that the estimate is lowest, and highest."""
    after = np.arange(low.shape[1]) >= n_pre
    raises = treated[:, None] == after
    return np.where(raises, low, high), np.where(raises, high, low)


def _leave_one_out(change: np.ndarray, treated: np.ndarray) -> np.ndarray:
    own = change[treated]
    result: np.ndarray = (own.sum() - own) / (len(own) - 1) - change[~treated].mean()
    return result


def _extrapolate(
    world: TrialWorld, low: np.ndarray, high: np.ndarray, treated: np.ndarray
) -> tuple[float, float]:
    """Bound the effect that the trend before the start would give, as the verdict's inputs do."""
    if world.n_pre < 2:
        return nan, nan
    centred = world.pre - world.pre.mean()
    weights = centred / (centred**2).sum() * world.horizon
    low, high = low[:, : world.n_pre], high[:, : world.n_pre]
    least, most = (np.where(weights > 0, a, b) @ weights for a, b in ((low, high), (high, low)))
    if np.isnan(least[treated]).all():
        return nan, nan
    ours = np.nanmean(least[treated]), np.nanmean(most[treated])
    return float(ours[0] - most[~treated].mean()), float(ours[1] - least[~treated].mean())


def _allow_for_family(p_value: float, size: float, rng: np.random.Generator) -> float:
    """Adjust a p-value for a family whose other members have no effect, by Sidak's step-down.

    References
    ----------
    Holland and Copenhaver (1987), Biometrics 43(2).
    """
    others = np.sort(rng.random(round(size) - 1))
    place = int(np.searchsorted(others, p_value))
    ordered = np.append(others[:place], p_value)
    steps = 1 - (1 - ordered) ** (size - np.arange(place + 1))
    return float(steps.max())
