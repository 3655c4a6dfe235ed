"""One comparison read under other choices of the plan, and with unknown treated units left out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import sqrt
from statistics import NormalDist

import numpy as np
import pandas as pd

from pilot_eval.design.build import Design, build_design
from pilot_eval.design.treatment import grade_councils
from pilot_eval.errors import DesignError
from pilot_eval.evaluation.calibration_store import find_carrying_test
from pilot_eval.evaluation.council_effects import council_effects
from pilot_eval.evaluation.identified import identify
from pilot_eval.evaluation.stored import stored
from pilot_eval.evaluation.units import collapse_councils, is_comparison
from pilot_eval.plan import EvaluationPlan
from pilot_eval.published.panel import build_panel
from pilot_eval.reference.facts import load_neighbours

HEADLINE = "robust"
AS_PLANNED = "as planned"
_NUMBERS = ("estimate_low", "estimate_high", "conf_low", "conf_high", "p_value")
READING_COLUMNS = ("reading", *_NUMBERS, "n_treated", "n_comparators", "test")
GRADES = {"grade A alone": "A", "grades A and B": "AB", "grades A, B and C": "ABC"}
"""Reading -> grades of the register whose councils count as treated."""
MOVED = ("fell most", "rose most")
ONE = "one council, its own interval"
OWN_TEST = "sharp"
LONDON = ("Inner London", "Outer London")
"""Regions of the councils' facts."""


@stored
def list_plan_readings(
    plan: EvaluationPlan,
    panel: pd.DataFrame,
    readings: Mapping[str, Mapping[str, object]],
    *,
    scenario: str,
    outcome: str,
) -> pd.DataFrame:
    """Estimate one comparison as planned and under other choices.

    Here and in every function of this module by the test that carries the verdict as planned.

    Parameters
    ----------
    plan : EvaluationPlan
    panel : DataFrame
        As from `build_panel`.
    readings : mapping
        What the choice is -> changes of the plan, as `EvaluationPlan.revise` takes them.
    scenario, outcome : str

    Returns
    -------
    DataFrame
        Columns `READING_COLUMNS`; `n_treated` counts units: councils under one management are one.

    Examples
    --------
    >>> readings = {"units apart": {"clusters": {}}}
    >>> list_plan_readings(plan, panel, readings, scenario="a", outcome="b")  # doctest: +SKIP
    """
    planned = build_design(plan, panel, scenario=scenario, outcome=outcome)
    test = find_carrying_test(plan, planned)
    rows = [{"reading": AS_PLANNED} | _number(plan, planned, test)]
    for reading, changes in readings.items():
        revised = plan.revise(changes)
        design = build_design(revised, panel, scenario=scenario, outcome=outcome)
        rows.append({"reading": reading} | _number(revised, design, test))
    return pd.DataFrame(rows, columns=list(READING_COLUMNS))


@stored
def bound_unknown_treated(plan: EvaluationPlan, design: Design) -> pd.DataFrame:
    """Leave out the comparators that would move an estimate most, as if they had been treated.

    Parameters
    ----------
    plan : EvaluationPlan
        `comparators.not_identified` is how many treated units no source names.
    design : Design
        With at least two treated units.

    Returns
    -------
    DataFrame
        Columns `READING_COLUMNS`: as planned, and without those comparators whose changes are the
        smallest and the largest (of levels: which are lowest and highest), test and interval
        computed again. Whichever comparators were treated, an unadjusted estimate without them lies
        between. The rows name nobody: it is not known.

    Examples
    --------
    >>> bound_unknown_treated(plan, design)                               # doctest: +SKIP
    """
    units = collapse_councils(design)
    changes = units.change[~units.treated]
    order = np.array(design.comparators)[np.argsort(changes, kind="stable")]
    unknown = plan.comparators.not_identified
    kept = {AS_PLANNED: order}
    if unknown:
        least, most = ("are lowest", "are highest") if design.compares_levels else MOVED
        kept[f"without the {unknown} comparators that {least}"] = order[unknown:]
        kept[f"without the {unknown} comparators that {most}"] = order[:-unknown]
    sets = [(reading, design.treated, tuple(sorted(codes))) for reading, codes in kept.items()]
    return _restrict_each(plan, design, sets)


@stored
def list_spillover_readings(plan: EvaluationPlan, design: Design) -> pd.DataFrame:
    """Estimate without comparators that what was done next to them can have reached.

    Parameters
    ----------
    plan : EvaluationPlan
    design : Design

    Returns
    -------
    DataFrame
        Columns `READING_COLUMNS`: as planned; without comparators that border any council of the
        register, or lie within 500 metres of it (``data/reference/neighbours.csv``); without
        comparators in London, whose councils share staff and families; and, where councils in
        London are treated, without London altogether.

    Raises
    ------
    DesignError
        If the plan has units of its own, whose borders are not known.
    """
    if plan.units:
        raise DesignError(f"which {plan.texts.units} lie next to each other is not known.")
    borders = load_neighbours()
    near = frozenset[str]().union(*(borders.get(code, ()) for code in plan.ever_treated))
    capital = {code for code, council in plan.councils.items() if council.region in LONDON}
    ours, others = design.treated, design.comparators
    apart, outside = (
        tuple(code for code in others if code not in left_out) for left_out in (near, capital)
    )
    remaining = tuple(code for code in ours if code not in capital)
    sets = [(AS_PLANNED, ours, others)]
    sets.append((f"without comparators next to {plan.texts.units} of the register", ours, apart))
    sets.append(("without comparators in London", ours, outside))
    sets += [("without London altogether", remaining, outside)] * (remaining != ours)
    return _restrict_each(plan, design, sets)


@stored
def list_certainty_readings(plan: EvaluationPlan, design: Design) -> pd.DataFrame:
    """Estimate with the councils alone whose treatment the register grades well enough.

    Parameters
    ----------
    plan : EvaluationPlan
    design : Design
        Of an outcome with a requirement.

    Returns
    -------
    DataFrame
        Columns `READING_COLUMNS`, a row for each of `GRADES`. Councils of a lower grade are neither
        treated nor comparators. Of one council the size-adjusted interval is given; of none,
        nothing.
    """
    grades = grade_councils(plan, plan.outcomes[design.outcome].requirement, design.treated)
    kept = {
        reading: tuple(code for code in design.treated if grades.get(code, "-") in allowed)
        for reading, allowed in GRADES.items()
    }
    sets = [(reading, codes, design.comparators) for reading, codes in kept.items()]
    return _restrict_each(plan, design, sets)


@stored
def list_left_out(plan: EvaluationPlan, design: Design) -> pd.DataFrame:
    """Estimate without each treated council in turn.

    Parameters
    ----------
    plan : EvaluationPlan
    design : Design

    Returns
    -------
    DataFrame
        Columns `READING_COLUMNS`; where one council is left, its size-adjusted interval.
    """
    sets = [
        (
            f"without {design.labels[gone]}",
            tuple(code for code in design.treated if code != gone),
            design.comparators,
        )
        for gone in design.treated
    ]
    return _restrict_each(plan, design, sets)


@stored
def list_like_readings(
    plan: EvaluationPlan,
    table: pd.DataFrame,
    labels: Mapping[str, str],
    *,
    scenario: str,
    outcome: str,
) -> pd.DataFrame:
    """Estimate on other indicators as one outcome of a scenario is: on every band of a duration.

    Parameters
    ----------
    plan : EvaluationPlan
    table : DataFrame
        Long table of council indicators, as from `load_published`.
    labels : mapping
        Indicator -> what it is.
    scenario, outcome : str

    Returns
    -------
    DataFrame
        Columns `READING_COLUMNS`, a row for each indicator.
    """
    no_harm = {"harm": "ambiguous", "margin": None, "margin_reason": None}
    like, days = plan.outcomes[outcome].model_dump() | no_harm, {"unit": "working days"}
    own = {
        f"outcomes.{key}": like | {"label": label} | (days if key.endswith("_wd") else {})
        for key, label in labels.items()
    }
    revised = plan.revise(own | {f"scenarios.{scenario}.outcomes": list(labels)})
    panel = build_panel(table, revised)
    own_panel = build_panel(table, plan)
    test = find_carrying_test(
        plan, build_design(plan, own_panel, scenario=scenario, outcome=outcome)
    )
    rows = [
        {"reading": label}
        | _number(revised, build_design(revised, panel, scenario=scenario, outcome=key), test)
        for key, label in labels.items()
    ]
    return pd.DataFrame(rows, columns=list(READING_COLUMNS))


def measure_step(panel: pd.DataFrame, design: Design, *, before: int, after: int) -> pd.Series:
    """Measure how differently comparators moved from one year to another.

    Across a change of definition the spread is the most by which it can have moved councils
    unlike: it contains their ordinary changes too.

    Parameters
    ----------
    panel : DataFrame
    design : Design
        Its comparators are looked at.
    before, after : int
        Years ending 31 March.

    Returns
    -------
    Series
        `councils`, `mean`, `sd` and the quartiles of the changes.
    """
    rows = panel[panel["outcome"] == design.outcome]
    wide = rows.pivot(index="council_code", columns="period", values="value")
    change = (wide[after] - wide[before]).reindex(list(design.comparators)).dropna()
    low, high = change.quantile([0.25, 0.75])
    found = [len(change), change.mean(), change.std(), low, high]
    return pd.Series(found, index=["councils", "mean", "sd", "lower quartile", "upper quartile"])


def widen_by_step(readings: pd.DataFrame, sd: float, alpha: float) -> pd.DataFrame:
    """Widen intervals as if each treated unit had moved with a step's own spread besides.

    Cautious: comparators' changes across the step contain that spread once already.

    Parameters
    ----------
    readings : DataFrame
        Columns `READING_COLUMNS`.
    sd : float
        Of the step, as from `measure_step`.
    alpha : float
        Two-sided level.

    Returns
    -------
    DataFrame
        With new `conf_low` and `conf_high`, and without `p_value`.
    """
    more = NormalDist().inv_cdf(1 - alpha / 2) * sd / readings["n_treated"].map(sqrt)
    middle = (readings["conf_low"] + readings["conf_high"]) / 2
    half = np.hypot((readings["conf_high"] - readings["conf_low"]) / 2, more)
    return readings.assign(conf_low=middle - half, conf_high=middle + half, p_value=np.nan)


def _restrict_each(
    plan: EvaluationPlan,
    design: Design,
    sets: Iterable[tuple[str, tuple[str, ...], tuple[str, ...]]],
) -> pd.DataFrame:
    """Estimate on some treated councils and comparators at a time; of one, its own change."""
    rows: list[dict[str, object]] = []
    test = find_carrying_test(plan, design)
    for reading, codes, others in sets:
        part = design.restrict(codes, others)
        if is_comparison(part):
            rows.append({"reading": reading} | _number(plan, part, test))
            continue
        own = next(council_effects(plan, part), {}) if codes and others else {}
        ends = {f"estimate_{end}": own.get(f"effect_{end}") for end in ("low", "high")}
        rest = {name: own.get(name) for name in _NUMBERS[2:]}
        sizes: dict[str, object] = {"n_treated": len(codes)}
        sizes |= {"n_comparators": len(others)}
        sizes |= {"test": OWN_TEST if own else ""}
        why = "no comparator" if codes and not others else ONE if codes else "no council"
        said = f"{reading}: {plan.texts.in_units(why)}"
        rows.append({"reading": said} | ends | rest | sizes)
    frame = pd.DataFrame(rows, columns=list(READING_COLUMNS))
    return frame.astype(dict.fromkeys(_NUMBERS, float))


def _number(plan: EvaluationPlan, design: Design, test: str) -> dict[str, object]:
    found = identify(plan, design, tuple(dict.fromkeys((HEADLINE, test))))
    numbers = {name: found.numbers[test][name] for name in _NUMBERS}
    sizes = {"n_treated": int(found.units.treated.sum()), "n_comparators": len(design.comparators)}
    return numbers | sizes | {"test": test}
