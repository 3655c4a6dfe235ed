"""Placebos: effects where there can be none, in time and in space."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pilot_eval.checks.quick import QUICK_COLUMNS, compare
from pilot_eval.design.build import build_design
from pilot_eval.evaluation import collapse_councils, collapse_design
from pilot_eval.inference import size_adjusted_test
from pilot_eval.plan import EvaluationPlan
from pilot_eval.reference.facts import council_names

STRATA = 5  # size bands within which placebo groups are drawn


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceboInSpace:
    """Where the pilots' effect lies among groups of untreated councils of the same sizes.

    Attributes
    ----------
    estimate : float
    placebos : ndarray, shape (draws,)
        Effects of the placebo groups.
    share_as_large : float
        Share of groups, the pilots' own included, whose effect is at least as far from zero.
    """

    estimate: float
    placebos: np.ndarray
    share_as_large: float


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
    units = collapse_design(plan, design)
    pool = np.flatnonzero(~units.treated)
    edges = np.quantile(units.cases[pool], np.linspace(0, 1, STRATA + 1)[1:-1])
    band = np.digitize(units.cases, edges)
    rng = np.random.default_rng(plan.seed)
    groups = _draw_like(band[units.treated], band[pool], plan.inference.draws, rng)
    change = units.change[pool]
    size = groups.shape[1]
    inside = change[groups].sum(axis=1)
    placebos = inside / size - (change.sum() - inside) / (len(change) - size)
    estimate = float(units.change[units.treated].mean() - change.mean())
    as_large = 1 + int((np.abs(placebos) >= abs(estimate)).sum())
    return PlaceboInSpace(
        estimate=estimate, placebos=placebos, share_as_large=as_large / (1 + len(placebos))
    )


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
        One row a possible start: `start` and the columns of a quick comparison. With fewer than
        two pre-trial years there is none, and the table is empty.
    """
    window = plan.outcomes[outcome].window
    pre = plan.windows[window].pre
    rows = []
    for start in pre[1:]:
        moved = plan.revise(
            {
                f"windows.{window}.pre": [year for year in pre if year < start],
                f"windows.{window}.post": [year for year in pre if year >= start],
            }
        )
        rows.append({"start": start} | compare(moved, panel, scenario=scenario, outcome=outcome))
    return pd.DataFrame(rows, columns=["start", *QUICK_COLUMNS])


def placebo_council(
    plan: EvaluationPlan, panel: pd.DataFrame, *, council: str, outcome: str
) -> dict[str, float]:
    """Estimate the 'effect' on one council that was announced but not exempted.

    Parameters
    ----------
    plan : EvaluationPlan
        Its scenario ``announced`` must name the council.
    panel : DataFrame
    council : str
        Name, such as ``"Gateshead"``.
    outcome : str

    Returns
    -------
    dict
        `estimate`, `conf_low`, `conf_high`, `p_value` of the size-adjusted test, and `rank_p`, the
        share of councils with a change at least as far from the comparators' mean. Empty where
        the council has no figures.
    """
    design = build_design(plan, panel, scenario="announced", outcome=outcome)
    names = council_names()
    held = [names[code] for code in design.treated]
    if council not in held:
        return {}
    units = collapse_councils(design)
    keep = ~units.treated
    keep[held.index(council)] = True
    result = size_adjusted_test(
        units.change[keep],
        units.treated[keep],
        units.cases[keep],
        period_factor=units.period_factor[keep],
        alpha=plan.inference.alpha,
    )
    gaps = np.abs(units.change[~units.treated] - units.change[~units.treated].mean())
    as_far = 1 + int((gaps >= abs(result.estimate)).sum())
    return {
        "estimate": result.estimate,
        "conf_low": result.conf_low,
        "conf_high": result.conf_high,
        "p_value": result.p_value,
        "rank_p": as_far / (1 + len(gaps)),
    }


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
