"""Every defensible choice at once: no choice is picked for its result."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import product
from typing import get_args

import numpy as np
import pandas as pd

from pilot_eval.checks.quick import QUICK_DRAWS
from pilot_eval.design.build import Design, build_design
from pilot_eval.errors import DesignError
from pilot_eval.evaluation import FEWEST_TREATED
from pilot_eval.evaluation.fillings import collapse_fillings
from pilot_eval.evaluation.identified import identify
from pilot_eval.evaluation.stored import stored
from pilot_eval.evaluation.units import METHODS
from pilot_eval.inference.size_adjusted import compute_size_adjusted
from pilot_eval.plan import EvaluationPlan
from pilot_eval.plan_settings import ComparatorRule
from pilot_eval.published.council_indicators import use_band_sums
from pilot_eval.published.panel import build_panel
from pilot_eval.reference.plan_periods import Period

NUMBERS = ("estimate_low", "estimate_high", "conf_low", "conf_high")
SAMPLED = 20  # random fillings alongside the corners, where councils are weighted by children
ALIKE = 9  # decimals: estimates that differ beyond these differ by the processor's rounding
WEIGHTS = ("councils equal", "by children")
CHOICES = ("scenario", "years", "breaks", "comparators", "weights", "figures", "inference")
CURVE_COLUMNS = (
    *CHOICES,
    "estimate_low",
    "estimate_high",
    "conf_low",
    "conf_high",
    "n_treated",
    "n_comparators",
)


@stored
def specification_curve(plan: EvaluationPlan, table: pd.DataFrame, *, outcome: str) -> pd.DataFrame:
    """Estimate an outcome under every defensible combination of choices.

    Scenario, years used, comparator rule, weights, the figures behind the percentage or rate
    (denominators), and inference are varied together. With the years varies the treatment of
    changes of definition: `breaks` names those that the years span and the plan accepts.

    Parameters
    ----------
    plan : EvaluationPlan
    table : DataFrame
        As from `load_published`.
    outcome : str

    Returns
    -------
    DataFrame
        One row for each specification, columns `CURVE_COLUMNS`, sorted by estimate, which is a set
        where counts are hidden. Combinations in which fewer than two treated councils have figures
        are left out.

    References
    ----------
    Simonsohn, Simmons and Nelson (2020), Nature Human Behaviour 4, 1208-1214.
    """
    quick = plan.revise({"inference.draws": QUICK_DRAWS})
    rows = []
    for figures, own_table in _tables(table, outcome):
        panel = build_panel(own_table, plan)
        choices = [
            (*choice, scenario)
            for scenario in plan.scenarios
            if (scenario, outcome) in plan.comparisons
            for choice in product(list_windows(plan, scenario, outcome), get_args(ComparatorRule))
        ]
        for (years, window), rule, scenario in choices:
            revised = quick.revise(window | {"comparators.rule": rule})
            label = {"scenario": scenario, "years": years, "comparators": rule, "figures": figures}
            rows += [label | row for row in _estimates(revised, panel, scenario, outcome)]
    curve = pd.DataFrame(rows, columns=list(CURVE_COLUMNS))
    return _order(curve)


def _order(curve: pd.DataFrame) -> pd.DataFrame:
    """Sort by estimate; specifications with the same one keep their order on every machine."""
    alike = partial(pd.Series.round, decimals=ALIKE)
    ends = ["estimate_low", "estimate_high"]
    return curve.sort_values(ends, key=alike, ignore_index=True, kind="stable")


def summarise_curve(curve: pd.DataFrame) -> dict[str, float]:
    """Summarise a specification curve.

    Parameters
    ----------
    curve : DataFrame
        As from `specification_curve`.

    Returns
    -------
    dict
        `specifications`, `median` (of the middles of sets), `lowest`, `highest`, `share_above_zero`
        (whole sets), and `share_excluding_zero` (intervals that leave zero out).
    """
    excluding = (curve["conf_low"] > 0) | (curve["conf_high"] < 0)
    return {
        "specifications": len(curve),
        "median": curve[["estimate_low", "estimate_high"]].mean(axis=1).median(),
        "lowest": curve["estimate_low"].min(),
        "highest": curve["estimate_high"].max(),
        "share_above_zero": (curve["estimate_low"] > 0).mean(),
        "share_excluding_zero": excluding.mean(),
    }


def _tables(table: pd.DataFrame, outcome: str) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the published figures, and with the other defensible denominator if there is one."""
    yield "as planned", table
    if outcome.endswith("_rate"):
        own = table["indicator"] == outcome
        printed = table["value"].mask(own, table["published_value"])
        yield "rates as printed", table.assign(value=printed)
    elif outcome.split("_")[0] in ("ia", "ca", "icpc"):
        sums = use_band_sums(table)
        both = pd.concat([sums[sums["indicator"] == outcome], table], ignore_index=True)
        keys = ["indicator", "year_ending", "council_code"]
        yield "sum of bands where there are bands", both.drop_duplicates(keys)


def list_windows(
    plan: EvaluationPlan, scenario: str, outcome: str
) -> Iterator[tuple[str, dict[str, object]]]:
    """Yield the years as planned, then fewer before or after: words, and the plan's keys."""
    own = plan.outcomes[outcome].window
    name = plan.scenarios[scenario].windows.get(own, own)
    window = plan.windows[name]
    options = {(window.pre, window.post), (window.pre, window.post[:1])}
    options |= {(window.pre[-1:], window.post), (window.pre[-1:], window.post[:1])}
    for pre, post in sorted(options, reverse=True):
        yield (
            f"{_span(pre)} to {_span(post)}",
            {f"windows.{name}.pre": list(pre), f"windows.{name}.post": list(post)},
        )


def _span(years: tuple[Period, ...]) -> str:
    return "+".join(str(year) for year in years)


def _estimates(
    plan: EvaluationPlan, panel: pd.DataFrame, scenario: str, outcome: str
) -> Iterator[dict[str, object]]:
    try:
        design = build_design(plan, panel, scenario=scenario, outcome=outcome)
    except DesignError:
        return  # a choice the design refuses is not defensible
    if len(design.treated) < FEWEST_TREATED or len(design.comparators) < len(design.treated) + 2:
        return
    found = identify(plan, design, METHODS, thorough=False)
    breaks: dict[str, object] = {
        "breaks": f"accepted: {', '.join(design.breaks)}" if design.breaks else "none spanned"
    }
    counts: dict[str, object] = {
        "n_treated": int(found.units.treated.sum()),
        "n_comparators": int((~found.units.treated).sum()),
    }
    for method, numbers in found.numbers.items():
        shown = {name: numbers[name] for name in NUMBERS}
        yield breaks | counts | {"weights": WEIGHTS[0], "inference": method} | shown
    counts = {"n_treated": len(design.treated), "n_comparators": len(design.comparators)}
    weighted: dict[str, object] = {"weights": WEIGHTS[1], "inference": "sharp"}
    weighted |= _weigh_by_children(plan, design)
    yield breaks | counts | weighted


def _weigh_by_children(plan: EvaluationPlan, design: Design) -> dict[str, float]:
    """Estimate with councils weighted by their cases, whatever the hidden counts are."""
    filled = collapse_fillings(design)
    corners = np.stack(filled.corners())
    units = filled.at(np.vstack([corners, filled.hidden.sample(SAMPLED, plan.seed)]))
    found = compute_size_adjusted(
        units.change, units.treated, units.cases, units.period_factor, weights=units.cases
    )
    low, high = found.interval(plan.inference.alpha)
    ends = filled.ends(units.cases)
    return {
        "estimate_low": ends[0],
        "estimate_high": ends[1],
        "conf_low": float(low.min()),
        "conf_high": float(high.max()),
    }
