"""The figures people show. Each states its finding as a title and carries its numbers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pilot_eval.design.build import Design
from pilot_eval.evaluation.verdict_words import name_test
from pilot_eval.evidence import Evidence
from pilot_eval.house_style import (
    DARK_BLUE,
    DARK_PINK,
    GREY,
    ORANGE,
    TEXT,
    TURQUOISE,
    canvas,
    name_axis,
    save_canvas,
    wrap,
)
from pilot_eval.plan import EvaluationPlan
from pilot_eval.reference.plan_periods import Period, middle_of, name_year, width_of
from pilot_eval.reporting.display import (
    NO_SPECIFICATION,
    Figure,
    Sentence,
    count,
    format_number,
    format_range,
)
from pilot_eval.reporting.events import EVERYWHERE, find_events, mark_events

if TYPE_CHECKING:
    from matplotlib.axes import Axes


COLOURS = (DARK_BLUE, ORANGE, TURQUOISE, DARK_PINK, TEXT)
TICK_LETTERS = 48
"""Letters that fit below an axis, over all of its labels."""
EFFECT_NUMBERS = ["council_name", "effect_low", "effect_high", "conf_low", "conf_high"]


def plot_trend(plan: EvaluationPlan, design: Design) -> Figure:
    """Plot treated councils and the comparators' mean over the years, with breaks marked.

    Parameters
    ----------
    plan : EvaluationPlan
    design : Design
        Its figures are plotted: a missing one as a gap, a hidden one as a bar over what it can be.

    Returns
    -------
    Figure
        Its numbers: one row per line, one column per year.
    """
    periods = [*design.pre, *design.post]
    years = [middle_of(period) for period in periods]
    comparators = design.figures.loc[list(design.comparators)]
    names = plan.names
    lowest, highest = design.bounds()
    lines = {names[code]: lowest.loc[code] for code in design.treated}
    tops = {names[code]: highest.loc[code] for code in design.treated}
    known = {name: line.where(line == tops[name]) for name, line in lines.items()}
    title = _say_trend(plan, design)
    events = find_events(plan.events, [EVERYWHERE, *design.treated], years[0], years[-1] + 0.5)
    with canvas(height=4.6 + 0.17 * len(events)) as (figure, axes):
        band = comparators.quantile([0.1, 0.9])
        axes.fill_between(years, band.iloc[0], band.iloc[1], color=GREY, alpha=0.15, lw=0)
        mean = comparators.mean()
        axes.plot(years, mean, color=GREY, lw=3, marker="s")
        label = f"{count(len(comparators), 'comparator')} (mean)"
        ends = [(years[-1], value, label, GREY) for value in mean.dropna()[-1:]]  # all hidden: none
        for (name, line), colour, marker in zip(lines.items(), cycle(COLOURS), cycle("oDv^P")):
            axes.plot(years, known[name], color=colour, lw=1.7, marker=marker)
            axes.vlines(years, line, tops[name], color=colour, lw=4, alpha=0.5)
            last = line.last_valid_index()
            if last is not None:
                ends.append((middle_of(last), line[last], name, colour))
        label_ends(axes, ends)
        mark_start(axes, plan, design)
        set_periods(axes, periods)
        axes.set_xlim(years[0] - 0.1, years[-1] + 1.25)
        axes.set_ylabel(axis_label(plan, design.outcome))
        told = mark_events(axes, events)
        picture = save_canvas(figure)
    frame = pd.DataFrame({"Comparators, mean": mean} | known).T.round(1)
    frame.columns = [name_year(period) for period in periods]
    return Figure(
        name=f"trend_{design.scenario}_{design.outcome}",
        title=title,
        alt=f"Line chart over time. {title}. A shaded band holds four fifths of the comparators. "
        f"Events: {told or 'none'}.",
        numbers=frame.reset_index(names=plan.texts.units.capitalize()),
        picture=picture,
    )


def plot_effects(
    plan: EvaluationPlan, evidence: Evidence, *, scenario: str, outcome: str
) -> Figure | Sentence:
    """Plot each treated council's effect and the pooled one, with the detectable range shaded.

    Parameters
    ----------
    plan : EvaluationPlan
    evidence : Evidence
    scenario, outcome : str
        Keys of the plan.

    Returns
    -------
    Figure or Sentence
        A sentence where nothing was estimated.
    """
    own = evidence.effects.query("scenario == @scenario and outcome == @outcome")
    pooled = evidence.table.query("scenario == @scenario and outcome == @outcome")
    drawn = pooled[pooled["method"].isin(["sharp", "robust"])]
    if drawn.empty or not (drawn["status"] == "estimated").all():
        return Sentence(f"{plan.outcomes[outcome].label}: {pooled['reason'].iloc[0]}.")
    rows = [(*row, DARK_BLUE, "o") for row in own[EFFECT_NUMBERS].itertuples(False, None)]
    for method, colour in (("sharp", TURQUOISE), ("robust", DARK_PINK)):
        row = pooled[pooled["method"] == method].iloc[0]
        label = f"Pooled, {name_test(method)}"
        ends = ("estimate_low", "estimate_high", "conf_low", "conf_high")
        rows.append((label, *(row[name] for name in ends), colour, "D"))
    reach = pooled.set_index("method")["mde"]["sharp"]
    title = _say_effects(plan, outcome, own["effect_low"], rows[-1])
    with canvas(height=1.6 + 0.42 * len(rows)) as (figure, axes):
        if np.isfinite(reach):
            axes.axvspan(-reach, reach, color=GREY, alpha=0.13, lw=0)
        axes.axvline(0, color=TEXT, lw=1)
        for position, (_, first, last, low, high, colour, marker) in enumerate(reversed(rows)):
            axes.plot([low, high], [position] * 2, color=colour, lw=2.5, solid_capstyle="butt")
            axes.plot([first, last], [position] * 2, marker=marker, color=colour, ms=8, lw=7)
        axes.set_yticks(range(len(rows)), [row[0] for row in reversed(rows)])
        limit = _find_limit([abs(value) for row in rows for value in row[1:5]], 5 * reach)
        axes.set_xlim(-limit, limit)
        shaded = f"Shaded: too small to be {plan.inference.words} (sharp test)"
        told = shaded if np.isfinite(reach) else "No effect of any size would be sure to be seen"
        name_axis(axes, f"Effect, {plan.outcomes[outcome].unit}.\n{told}")
        picture = save_canvas(figure)
    return Figure(
        name=f"effects_{scenario}_{outcome}",
        title=title,
        alt=f"Dots with intervals, one for each of the treated and two pooled. {title}.",
        numbers=pd.DataFrame(
            [row[:5] for row in rows],
            columns=[
                plan.texts.unit.capitalize(),
                "Effect from",
                "Effect to",
                "Interval from",
                "Interval to",
            ],
        ).round(1),
        picture=picture,
    )


def _find_limit(sizes: list[float], most: float) -> float:
    """Find where an axis of effects ends: past all that are not far beyond what can be found."""
    finite = [size for size in sizes if np.isfinite(size)]
    near = [size for size in finite if size < most] or finite
    return 1.25 * max(near, default=0.0) or 1.0


def plot_detectable(
    plan: EvaluationPlan, evidence: Evidence, *, scenario: str
) -> Figure | Sentence:
    """Plot minimum detectable effects, in multiples of the comparators' outcome spread.

    Parameters
    ----------
    plan : EvaluationPlan
    evidence : Evidence
    scenario : str

    Returns
    -------
    Figure or Sentence
        One bar an outcome measured in percentage points, robust and sharp; a sentence without any.
    """
    rows = evidence.table.query(
        "scenario == @scenario and status == 'estimated' and unit == 'percentage points'"
    )
    rows = rows[rows["method"].isin(["sharp", "robust"])]
    if rows["method"].nunique() < 2:  # both, or neither: they need as many comparators
        return Sentence("No outcome in percentage points could be compared.")
    wide = rows.pivot(index="outcome", columns="method", values="mde").loc[
        list(dict.fromkeys(rows["outcome"]))
    ]
    labels = [plan.outcomes[outcome].label for outcome in wide.index]
    fewest, most = rows["n_treated"].agg(["min", "max"])
    found = wide["robust"].replace(np.inf, np.nan)
    ends = " to ".join(dict.fromkeys(format_number(end, 0) for end in (found.min(), found.max())))
    what = "no effect" if found.isna().all() else f"only effects of {ends} points"
    title = (
        f"With {most} treated {plan.texts.units}{'' if fewest == most else ' or fewer'}, "
        f"{what} could be relied on to show by the robust test"
    )
    places = np.arange(len(wide))[::-1]
    with canvas(height=1.4 + 0.55 * len(wide)) as (figure, axes):
        axes.barh(places + 0.19, wide["sharp"], height=0.36, color=DARK_BLUE, label="Sharp test")
        axes.barh(places - 0.19, wide["robust"], height=0.36, color=ORANGE, label="Robust test")
        for place, (sharp, robust) in zip(
            places, wide[["sharp", "robust"]].to_numpy(), strict=True
        ):
            for offset, value in ((0.19, sharp), (-0.19, robust)):
                if np.isfinite(value):
                    axes.text(value, place + offset, f" {value:.1f}", va="center", fontsize=9)
        axes.set_yticks(places, [wrap(label) for label in labels])
        name_axis(axes, f"Minimum detectable effect, percentage points:\n{plan.inference.words}")
        figure.legend(loc="outside upper center", ncols=2)
        picture = save_canvas(figure)
    numbers = wide[["sharp", "robust"]].round(1)
    numbers.insert(0, "Outcome", labels)
    return Figure(
        name=f"detectable_{scenario}",
        title=title,
        alt=f"Bar chart, one pair of bars per outcome. {title}.",
        numbers=numbers.rename(columns={"sharp": "Sharp test", "robust": "Robust test"}),
        picture=picture,
    )


def plot_specification_curve(
    plan: EvaluationPlan, curve: pd.DataFrame, *, outcome: str
) -> Figure | Sentence:
    """Plot every specification's estimate and interval in order, coloured by scenario.

    Parameters
    ----------
    plan : EvaluationPlan
    curve : DataFrame
        As from `specification_curve`.
    outcome : str

    Returns
    -------
    Figure or Sentence
        Its numbers: a row per scenario; a sentence where no specification has an interval.
    """
    ends = curve[["conf_low", "conf_high"]].to_numpy(dtype=float)
    finite = ends[np.isfinite(ends)]
    if not finite.size:
        return NO_SPECIFICATION
    above = 100 * (curve["estimate_low"] > 0).mean()
    excluding = 100 * ((curve["conf_low"] > 0) | (curve["conf_high"] < 0)).mean()
    title = (
        f"{plan.outcomes[outcome].label}: {above:.0f}% of {len(curve)} defensible specifications "
        f"give an estimate above zero, and {excluding:.0f}% an interval without zero"
    )
    with canvas(height=4.8) as (figure, axes):
        places = np.arange(len(curve))
        axes.axhline(0, color=TEXT, lw=1)
        names = list(dict.fromkeys(curve["scenario"]))
        for name, colour, marker in zip(names, cycle(COLOURS), cycle("oDsv")):
            own = (curve["scenario"] == name).to_numpy()
            low, high = curve["conf_low"][own], curve["conf_high"][own]
            axes.vlines(places[own], low, high, color=colour, alpha=0.25, lw=1.2)
            label = plan.scenarios[name].short
            ends = curve["estimate_low"][own], curve["estimate_high"][own]
            axes.vlines(places[own], *ends, color=colour, lw=3)
            axes.plot(places[own], ends[0], marker, color=colour, ms=4, label=label)
            axes.plot(places[own], ends[1], marker, color=colour, ms=4)
        reach = np.quantile(np.abs(finite), 0.9)
        axes.set_ylim(-1.1 * reach, 1.3 * reach)
        name_axis(axes, "Specifications, in order of their estimate")
        axes.set_ylabel(f"Effect, {plan.outcomes[outcome].unit}")
        figure.legend(loc="outside upper left", ncols=2)
        picture = save_canvas(figure)
    middles = curve.assign(estimate=curve[["estimate_low", "estimate_high"]].mean(axis=1))
    numbers = middles.groupby("scenario", sort=False)["estimate"].describe()
    numbers = numbers[["count", "min", "50%", "max"]].round(1)
    numbers.insert(0, "Scenario", [plan.scenarios[name].short for name in numbers.index])
    numbers["count"] = numbers["count"].astype(int)
    return Figure(
        name=f"specifications_{outcome}",
        title=title,
        alt=f"Estimates of all specifications in order, with intervals. {title}.",
        numbers=numbers.rename(
            columns={"count": "Specifications", "min": "Lowest", "50%": "Median", "max": "Highest"}
        ),
        picture=picture,
    )


def _say_trend(plan: EvaluationPlan, design: Design) -> str:
    """State how far each group moved, from the councils' mean before to their mean after."""
    pre, post = list(design.pre), list(design.post)
    low, high = design.bounds()
    least, most = (
        after[post].mean(axis=1) - before[pre].mean(axis=1)
        for before, after in ((high, low), (low, high))
    )
    groups = list(design.treated), list(design.comparators)
    ours, theirs = (_moved(least[codes].mean(), most[codes].mean()) for codes in groups)
    unit = plan.outcomes[design.outcome].unit
    return (
        f"{plan.outcomes[design.outcome].label}: before to after, "
        f"{count(len(design.treated), f'treated {plan.texts.unit}')} {ours} and "
        f"{count(len(design.comparators), 'comparator')} {theirs} {unit}"
    )


def _moved(low: float, high: float) -> str:
    """Say which way and how far, as in "rose by 1.2"."""
    if np.isnan([low, high]).any():
        return "moved by an unknown number of"
    if low < 0 < high:
        return f"moved by {format_range(low, high)}"
    return (
        f"rose by {format_range(low, high)}" if high > 0 else f"fell by {format_range(-high, -low)}"
    )


def _say_effects(
    plan: EvaluationPlan, outcome: str, effects: pd.Series, pooled: Sequence[Any]
) -> str:
    """State how many units' own effects are above zero, and the pooled interval."""
    _, first, last, low, high = pooled[:5]
    above = int((effects > 0).sum())
    return (
        f"{plan.outcomes[outcome].label}: {above} of {len(effects)} {plan.texts.units}' own "
        f"effects are above zero; together {format_range(first, last)}, and anything "
        f"from {format_number(low)} to {format_number(high)} could be true"
    )


def label_ends(axes: Axes, ends: Sequence[tuple[float, float, str, str]]) -> None:
    """Label lines in a column right of all, so that no label lies over a line or another label.

    A dotted line leads from where a line ends to a label that is not beside it.
    """
    from matplotlib.lines import Line2D

    if not ends:
        return
    gap = np.ptp(axes.get_ylim()) * 0.055
    last = max(end[0] for end in ends)
    first = axes.get_xlim()[0]
    if axes.dataLim.width == 0:  # limits around a single period are centuries apart
        first = last - 1
    column = last + 0.035 * (last - first)
    ends = sorted(ends, key=lambda end: end[1])
    steps = gap * np.arange(len(ends))
    apart = np.array([end[1] for end in ends]) - steps
    up, down = np.maximum.accumulate(apart), np.minimum.accumulate(apart[::-1])[::-1]
    heights = (up + down) / 2 + steps  # as far up as down, so that labels stay near their lines
    for (x, value, name, colour), height in zip(ends, heights, strict=True):
        axes.text(column, height, name, color=colour, fontsize=9.5, va="center")
        if x != last or abs(height - value) >= gap / 2:
            ends_at = column - 0.2 * (column - last)
            lead = Line2D([x, ends_at], [value, height], color=colour, lw=0.8, ls=":")
            axes.add_artist(lead)  # moves no limit of the axes


def set_periods(axes: Axes, periods: Sequence[Period]) -> None:
    """Name periods on an axis of years; with many, every so many so that names fit."""
    names = [name_year(period) for period in periods]
    most = max(TICK_LETTERS // max(map(len, names)), 2)
    every = slice(None, None, 1 + (len(names) - 1) // most)
    axes.set_xticks([middle_of(period) for period in periods[every]], names[every])


def mark_start(axes: Axes, plan: EvaluationPlan, design: Design, *, breaks: bool = True) -> None:
    """Mark the first start of a comparison and its changes of definition on an axis of years."""
    top, first = axes.get_ylim()[1], design.post[0]
    start = middle_of(first) - width_of(first) / 2
    axes.axvline(start, color=TEXT, lw=1, ls="--")
    axes.text(start + 0.03, top, name_start(plan, design), va="bottom", fontsize=9)
    for record in plan.breaks:
        if breaks and record.break_id in design.breaks:
            at = record.first_year_after - 0.5
            axes.axvline(at, color=GREY, lw=1, ls=":")
            if at != start:
                axes.text(at + 0.03, top, "definition changes", va="bottom", fontsize=9, color=GREY)


def name_start(plan: EvaluationPlan, design: Design) -> str:
    """Name the first start of a comparison: the pilot's own words are of its primary scenario."""
    own, primary = (
        plan.window_of(design.outcome, key)
        for key in (design.scenario, plan.family.primary_scenario)
    )
    return plan.texts.start_name if own == primary else "first start"


def axis_label(plan: EvaluationPlan, outcome: str) -> str:
    """Label a value axis with the outcome's unit."""
    unit = plan.outcomes[outcome].unit
    words = {"percentage points": "Percent", "working days": "Working days"}
    return words.get(unit, f"Rate {unit}")
