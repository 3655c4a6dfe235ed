"""The same comparisons read in other ways: by dose, by counts, and in log odds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from math import exp, nan
from typing import Any

import numpy as np
import pandas as pd

from pilot_eval.design.build import Design, build_design
from pilot_eval.design.treatment import measure_doses
from pilot_eval.evaluation.fillings import collapse_fillings, name_units
from pilot_eval.evaluation.stored import stored
from pilot_eval.evaluation.unit_facts import collapse_units
from pilot_eval.evaluation.units import (
    FEWEST_TREATED,
    collapse_design,
    is_comparison,
    run_methods,
)
from pilot_eval.inference import InferenceResult, dose_test, pooled_counts_test
from pilot_eval.inference.pooled_counts import Link
from pilot_eval.plan import EvaluationPlan

PERCENT = "percentage points"
MIDDLE = (20.0, 80.0)
"""Between these levels, in percent, log odds are nearly linear in shares (Long 1997, p. 85)."""
BY_DOSE = "by dose"
IN_PRACTICE = "by dose, from the start in practice"
COLUMNS = ("outcome", "reading", "scale", "estimate_low", "estimate_high", "conf_low", "conf_high")
READING_COLUMNS = (*COLUMNS, "p_value", "n_treated", "reason")


@stored
def list_other_readings(
    plan: EvaluationPlan, panel: pd.DataFrame, *, scenario: str
) -> pd.DataFrame:
    """Read every comparison of a scenario in the other ways that apply to it.

    By dose, where the plan gives councils different exposure: the effect of full exposure; again
    from the months in which the register says that work began, where these are later. By counts
    pooled over councils, binomial or Poisson with exposure: a ratio of odds or rates. In log
    odds of shares near 0 or 100%, adjusted for the level before the start: a ratio of odds.

    Parameters
    ----------
    plan : EvaluationPlan
    panel : DataFrame
        As from `build_panel`.
    scenario : str

    Returns
    -------
    DataFrame
        Columns `READING_COLUMNS`. `scale` is the outcome's unit, ``"odds ratio"`` or ``"rate
        ratio"``. Hidden counts are put at the two corners with the lowest and the highest estimate;
        the row is the hull of both. None where councils start or stop in different periods,
        or levels are compared.
    """
    rows = []
    for outcome in plan.outcomes:
        if (scenario, outcome) not in plan.comparisons or plan.why_described(scenario, outcome):
            continue
        design = build_design(plan, panel, scenario=scenario, outcome=outcome)
        if not is_comparison(design) or design.is_staggered or not design.pre:
            continue
        ends = _fill_corners(design)
        for reading, scale, read in _list_readings(plan, panel, design):
            rows.append(_hull(outcome, reading, scale, [read(end) for end in ends]))
    return pd.DataFrame(rows, columns=list(READING_COLUMNS))


def _fill_corners(design: Design) -> list[Design]:
    """Fill hidden counts for the lowest and the highest estimate; once where none is hidden."""
    corners = collapse_fillings(design).corners()
    return [design.fill(counts) for counts in corners[: 1 + bool(len(design.own_hidden))]]


def _list_readings(
    plan: EvaluationPlan, panel: pd.DataFrame, design: Design
) -> Iterator[tuple[str, str, Callable[[Design], InferenceResult]]]:
    settings = plan.outcomes[design.outcome]
    doses = measure_doses(plan, design.scenario, len(design.post))
    if len(set(doses.values())) > 1:
        yield BY_DOSE, settings.unit, lambda end: _read_dose(plan, end, doses)
    used = measure_doses(plan, design.scenario, len(design.post), in_practice=True)
    if used != doses and min(used.values()) > 0:
        yield IN_PRACTICE, settings.unit, lambda end: _read_dose(plan, end, used)
    scale = "odds ratio" if settings.unit == PERCENT else "rate ratio"
    exposure = _lay_out_exposure(panel, design)
    ours = exposure.index.isin(design.treated)
    if ours.sum() < FEWEST_TREATED or ours.all():
        return
    yield "pooled counts", scale, lambda end: _read_counts(plan, end, exposure)
    before = design.figures.loc[list(design.comparators), list(design.pre)].to_numpy(float)
    known = before[~np.isnan(before)]
    if settings.unit == PERCENT and len(known) and not MIDDLE[0] <= known.mean() <= MIDDLE[1]:
        yield "log odds, adjusted", scale, lambda end: _read_log_odds(plan, end, exposure)


def _lay_out_exposure(panel: pd.DataFrame, design: Design) -> pd.DataFrame:
    """Lay out denominators as council x period, of councils with all figures and sizes."""
    rows = panel[panel["outcome"] == design.outcome]
    wide = rows.pivot(index="council_code", columns="period", values="denominator")
    complete = design.bounds()[0].loc[list(design.codes)].notna().all(axis=1)
    own = wide.reindex(index=complete.index[complete], columns=[*design.pre, *design.post])
    return own[(own > 0).all(axis=1)]


def _read_dose(plan: EvaluationPlan, design: Design, doses: dict[str, float]) -> InferenceResult:
    units = collapse_design(plan, design)
    own = collapse_fillings(design)
    given = np.array([doses.get(code, 0.0) for code in design.codes])
    carried = replace(own, base=replace(own.base, change=given))
    dose = carried.combine(name_units(plan, design)).base.change
    used: dict[str, Any] = {"draws": plan.inference.draws, "alpha": plan.inference.alpha}
    result: InferenceResult = dose_test(units.change, dose, seed=plan.seed, **used)
    return result


def _read_counts(plan: EvaluationPlan, design: Design, exposure: pd.DataFrame) -> InferenceResult:
    """Pool counts before and after, of councils with all their figures."""
    per = 100.0 if plan.outcomes[design.outcome].unit == PERCENT else 10_000.0
    events = design.figures.loc[exposure.index, exposure.columns] * exposure / per
    labels = pd.Series(name_units(plan, design), list(design.codes))[exposure.index]
    units = [table.groupby(labels, sort=False).sum() for table in (events, exposure)]
    sides = [list(design.pre), list(design.post)]
    before_after = [np.column_stack([table[side].sum(axis=1) for side in sides]) for table in units]
    ours = set(labels[exposure.index.isin(design.treated)])
    treated = np.array([label in ours for label in units[0].index])
    link: Link = "odds" if per == 100.0 else "rate"
    return pooled_counts_test(
        np.minimum(before_after[0], before_after[1]) if link == "odds" else before_after[0],
        before_after[1],
        treated,
        link=link,
        draws=plan.inference.draws,
        seed=plan.seed,
        alpha=plan.inference.alpha,
    )


def _read_log_odds(plan: EvaluationPlan, design: Design, exposure: pd.DataFrame) -> InferenceResult:
    """Run the adjusted test on log odds, half a child added on both sides."""
    codes = list(exposure.index)
    events = design.figures.loc[codes, exposure.columns] / 100 * exposure
    odds = np.log((events + 0.5) / (exposure - events + 0.5))
    kept = design.restrict(
        tuple(code for code in design.treated if code in set(codes)),
        tuple(code for code in design.comparators if code in set(codes)),
    )
    kept = replace(kept, figures=odds.reindex(list(kept.codes)))
    units = collapse_units(plan, kept).base
    noise = (1 / (events + 0.5) + 1 / (exposure - events + 0.5))[list(design.pre)]
    variance = noise.sum(axis=1).reindex(list(kept.codes)) / len(design.pre) ** 2
    labels = name_units(plan, kept)
    own = variance.groupby(np.array(labels), sort=False).mean()
    facts = replace(
        units.known_facts(), level_variance=own.loc[list(dict.fromkeys(labels))].to_numpy()
    )
    return run_methods(plan, replace(units, facts=facts), ("adjusted",))["adjusted"]


def _hull(
    outcome: str, reading: str, scale: str, found: list[InferenceResult]
) -> dict[str, object]:
    """Take the hull of both corners; ratios leave the logarithm."""
    back = (lambda value: value) if "ratio" not in scale else _exp
    return {
        "outcome": outcome,
        "reading": reading,
        "scale": scale,
        "estimate_low": back(min(result.estimate for result in found)),
        "estimate_high": back(max(result.estimate for result in found)),
        "conf_low": back(min(result.conf_low for result in found)),
        "conf_high": back(max(result.conf_high for result in found)),
        "p_value": max(result.p_value for result in found),
        "n_treated": found[0].n_treated,
        "reason": next((result.reason for result in found if result.reason), ""),
    }


def _exp(value: float) -> float:
    return nan if np.isnan(value) else exp(min(value, 700.0))
