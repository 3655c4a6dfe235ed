"""Placebos: effects where there can be none, in time and in space."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import nan
from typing import Any

import numpy as np
import pandas as pd

from pilot_eval.checks.quick import QUICK_COLUMNS, compare
from pilot_eval.design.build import build_design
from pilot_eval.doors import takes
from pilot_eval.errors import DataError
from pilot_eval.estimation.did import estimate_att
from pilot_eval.evaluation import collapse_councils, council_effects
from pilot_eval.evaluation.calibration import (
    PathPool,
    PlaceboPool,
    build_pools,
    calibrate_pools,
)
from pilot_eval.evaluation.fillings import collapse_fillings, name_units
from pilot_eval.evaluation.stored import stored
from pilot_eval.inference.placebo_sets import draw_placebo_sets
from pilot_eval.inference.set_statistics import mean_difference
from pilot_eval.plan import EvaluationPlan
from pilot_eval.published.panel import PANEL, build_panel

STRATA = 5  # size bands within which placebo groups are drawn

NINE_OF_TEN = 0.9
YEAR_COLUMNS = ("start", "comparators", "units", "robust_share", "adjusted_share", "within")
PLACEBO = "placebo"
"""Name of the window of a start before the trial, in a copy of the plan."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceboInSpace:
    """Where the pilots' effect lies among groups of untreated councils of the same sizes.

    Attributes
    ----------
    estimate_low, estimate_high : float
        Different where counts are hidden.
    placebos : ndarray, shape (draws,)
        Effects of the placebo groups, at the filling whose estimate is nearest to zero.
    share_as_large : float
        Share of groups, the pilots' own included, whose effect is at least as far from zero: the
        largest over the ends of the set; 1 where the set spans zero.

    No placebos, and NaN, where there are no more comparators than treated, or no treated.
    """

    estimate_low: float
    estimate_high: float
    placebos: np.ndarray
    share_as_large: float


@takes(DataError, panel=PANEL)
def placebo_in_space(
    plan: EvaluationPlan, panel: pd.DataFrame, *, scenario: str, outcome: str
) -> PlaceboInSpace:
    """Compare the pilots' effect with effects of comparator groups of the same size profile.

    Parameters
    ----------
    plan : EvaluationPlan
    panel : DataFrame
    scenario, outcome : str

    Returns
    -------
    PlaceboInSpace

    References
    ----------
    Abadie, Diamond and Hainmueller (2010), JASA 105(490), section 2.4: placebo studies.
    """
    design = build_design(plan, panel, scenario=scenario, outcome=outcome)
    filled = collapse_fillings(design).combine(name_units(plan, design))
    units = filled.at(np.stack(filled.corners()))
    pool = np.flatnonzero(~units.treated)
    if not 0 < units.treated.sum() < len(pool):
        return PlaceboInSpace(
            estimate_low=nan, estimate_high=nan, placebos=np.empty(0), share_as_large=nan
        )
    band = _size_bands(units.cases, units.treated)
    rng = np.random.default_rng(plan.seed)
    groups = _draw_like(band[units.treated], band[pool], plan.inference.draws, rng)
    low, high = (estimate_att(change, units.treated) for change in units.change)
    nearest = units.change[int(abs(high) < abs(low)), pool]
    size = groups.shape[1]
    inside = nearest[groups].sum(axis=1)
    placebos = inside / size - (nearest.sum() - inside) / (len(pool) - size)
    gap = 0.0 if low < 0 < high else min(abs(low), abs(high))
    as_large = 1 + int((np.abs(placebos) >= gap).sum())
    return PlaceboInSpace(
        estimate_low=low,
        estimate_high=high,
        placebos=placebos,
        share_as_large=as_large / (1 + len(placebos)),
    )


@takes(DataError, panel=PANEL)
def placebo_in_time(
    plan: EvaluationPlan, panel: pd.DataFrame, *, scenario: str, outcome: str
) -> pd.DataFrame:
    """Estimate effects of starts before the trial, from pre-trial years alone.

    Parameters
    ----------
    plan : EvaluationPlan
    panel : DataFrame
    scenario, outcome : str

    Returns
    -------
    DataFrame
        One row per possible start: `start` and the columns of a quick comparison. With fewer than
        two pre-trial years there is none, and the table is empty.
    """
    pre = plan.window_of(outcome, scenario).pre
    councils = len(plan.scenarios[scenario].councils)
    rows = []
    for place, start in enumerate(pre[1:], start=1):
        moved = plan.revise(
            {
                f"windows.{PLACEBO}": {
                    "pre": list(pre[:place]),
                    "post": list(pre[place:]),
                },
                f"scenarios.{scenario}.windows": dict.fromkeys(plan.windows, PLACEBO),
                f"scenarios.{scenario}.first_treated": [start] * councils,
                f"scenarios.{scenario}.last_treated": {},
            }
        )
        rows.append({"start": start} | compare(moved, panel, scenario=scenario, outcome=outcome))
    return pd.DataFrame(rows, columns=["start", *QUICK_COLUMNS])


@stored
def list_placebo_years(
    plan: EvaluationPlan,
    table: pd.DataFrame,
    *,
    scenario: str,
    outcome: str,
    starts: Iterable[int],
    before: int,
    after: int,
) -> pd.DataFrame:
    """Pretend starts in other years, in sets of comparators that resemble the treated.

    Nothing was tried on them, so that an honest test rejects as often as its level says, and what
    moved them is what moves councils by chance. Levels are compared in each year by itself.

    Parameters
    ----------
    plan : EvaluationPlan
        `calibration.sets` are drawn for each start.
    table : DataFrame
        Long table of council indicators, as from `load_published`.
    scenario, outcome : str
    starts : iterable of int
        Years ending 31 March.
    before, after : int
        Years on either side; without a year before, levels are compared.

    Returns
    -------
    DataFrame
        A row for each start that can be pretended: `start`, `comparators`, `units` (in a set),
        `robust_share` and `adjusted_share` (of sets that each test rejects; the larger over the
        hidden counts), and `within` (nine sets of ten moved less, unadjusted).
    """
    scenario_size = len(plan.scenarios[scenario].councils)
    own = plan.window_of(outcome, scenario)
    rows = []
    for start in starts:
        sides = {"pre": [*range(start - before, start)], "post": [*range(start, start + after)]}
        moved = plan.revise(
            {
                f"windows.{PLACEBO}": sides | {"earlier": own.earlier},
                f"scenarios.{scenario}.windows": dict.fromkeys(plan.windows, PLACEBO),
                f"scenarios.{scenario}.first_treated": [start] * scenario_size,
                f"scenarios.{scenario}.last_treated": {},
            }
        )
        panel = build_panel(table, moved)
        design = build_design(moved, panel, scenario=scenario, outcome=outcome)
        pools = [pool for pool in build_pools(moved, design) if not isinstance(pool, PathPool)]
        if pools:  # all pretend to start in one year
            rows.append({"start": start, **_describe_pools(moved, pools)})
    return pd.DataFrame(rows, columns=list(YEAR_COLUMNS))


def _describe_pools(plan: EvaluationPlan, pools: list[PlaceboPool]) -> dict[str, float]:
    rates = calibrate_pools(plan, pools)
    return {
        "comparators": len(pools[0].changes),
        "units": len(pools[0].treated_cases),
        "robust_share": rates["robust"].share,
        "adjusted_share": rates["adjusted"].share if "adjusted" in rates else nan,
        "within": max(_reach(pool, plan.calibration.sets, plan.seed) for pool in pools),
    }


def _reach(pool: PlaceboPool, sets: int, seed: int) -> float:
    """Find the distance from zero within which nine placebo effects of ten lie."""
    members = draw_placebo_sets(
        pool.treated_groups, pool.treated_cases, pool.groups, pool.cases, sets=sets, seed=seed
    )
    sums, total = pool.changes[members].sum(axis=1), float(pool.changes.sum())
    effects = mean_difference(sums, total, members.shape[1], len(pool.changes))
    return float(np.quantile(np.abs(effects), NINE_OF_TEN))


@takes(DataError, panel=PANEL)
def placebo_council(
    plan: EvaluationPlan, panel: pd.DataFrame, *, council: str, outcome: str
) -> dict[str, object]:
    """Estimate the 'effect' on one council that the primary scenario counts as treated.

    Parameters
    ----------
    plan : EvaluationPlan
        Its primary scenario must name the council.
    panel : DataFrame
    council : str
        Name.
    outcome : str

    Returns
    -------
    dict
        `effect_low`, `effect_high`, `conf_low`, `conf_high`, `p_value` of the size-adjusted test,
        and `rank_p`, the share of councils with a change at least as far from the comparators'
        mean. Empty where the council has no figures.
    """
    design = build_design(plan, panel, scenario=plan.family.primary_scenario, outcome=outcome)
    found = {row["council_name"]: row for row in council_effects(plan, design)}
    if council not in found:
        return {}
    own: dict[str, Any] = found[council]
    low, high = own["effect_low"], own["effect_high"]
    nearest = 0.0 if low < 0 < high else min(abs(low), abs(high))
    units = collapse_councils(design)
    others = units.change[~units.treated]
    as_far = 1 + int((np.abs(others - others.mean()) >= nearest).sum())
    return own | {"rank_p": as_far / (1 + len(others))}


def _size_bands(cases: np.ndarray, treated: np.ndarray) -> np.ndarray:
    """Divide units at quantiles of the comparators' size, into as many bands as can be drawn from.

    A band must have as many comparators as treated units; one band for all is the last resort.
    """
    for bands in range(STRATA, 1, -1):
        edges = np.quantile(cases[~treated], np.linspace(0, 1, bands + 1)[1:-1])
        band = np.digitize(cases, edges)
        counts = (np.bincount(band[side], minlength=bands) for side in (treated, ~treated))
        if np.less_equal(*counts).all():
            return np.asarray(band)
    return np.zeros(cases.size, dtype=int)


def _draw_like(
    wanted: np.ndarray, bands: np.ndarray, draws: int, rng: np.random.Generator
) -> np.ndarray:
    """Draw groups with as many members of each size band as wanted, shape (draws, group)."""
    columns = []
    for band in np.unique(wanted):
        members = np.flatnonzero(bands == band)
        how_many = int((wanted == band).sum())
        order = rng.random((draws, len(members))).argpartition(how_many - 1, axis=1)
        columns.append(members[order[:, :how_many]])
    return np.concatenate(columns, axis=1)
