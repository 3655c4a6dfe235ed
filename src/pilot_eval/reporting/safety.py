"""Safety as tables and figures: margins and verdicts, funnel plots, a trial under way."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from pilot_eval.evidence import Evidence
from pilot_eval.house_style import (
    DARK_BLUE,
    DARK_PINK,
    GREY,
    ORANGE,
    TEXT,
    Picture,
    canvas,
    label_points,
    name_axis,
    save_canvas,
)
from pilot_eval.monitoring.funnel import Funnel, compute_funnel
from pilot_eval.plan import EvaluationPlan
from pilot_eval.reference.plan_periods import Period, name_year
from pilot_eval.reporting.display import Figure, Opening, Sentence, Table, format_number

EXCLUDED = {True: "excluded", False: "not excluded", None: "no interval"}


def tabulate_margins(plan: EvaluationPlan) -> Table:
    """List the margins and why each was chosen before the results."""
    rows = [
        {
            "Outcome": outcome.label,
            "Harm if it": outcome.harm,
            "Margin": outcome.margin,
            "Why": outcome.margin_reason,
        }
        for outcome in plan.outcomes.values()
        if outcome.margin is not None
    ]
    return Table(
        frame=pd.DataFrame(rows), caption="Non-inferiority margins, in the unit of each outcome"
    )


def tabulate_safety(plan: EvaluationPlan, evidence: Evidence) -> Table:
    """Show the verdict on every outcome with a margin, harm counted positive.

    Parameters
    ----------
    plan : EvaluationPlan
    evidence : Evidence

    Returns
    -------
    Table
        One row for each outcome and scenario. The margin is excluded where the whole interval
        lies on its safe side (non-inferiority read from the interval, Piaggio et al. 2012).
    """
    rows = []
    for verdict in evidence.verdicts:
        used = verdict.inputs
        if used.margin is None:
            continue
        sign = -1 if used.harm == "falls" else 1
        least, most = sorted((sign * used.conf_low, sign * used.conf_high))
        rows.append(
            {
                "Outcome": used.label,
                "Scenario": used.group,
                "Finding": verdict.short,
                "Least harm": least,
                "Most harm": most,
                "Margin": used.margin,
                "Harm of the margin": EXCLUDED[verdict.excludes_margin],
                "p": used.p_value,
                "p, family": used.p_family,
            }
        )
    return Table(
        frame=pd.DataFrame(rows),
        caption="Safety: findings, ends of the interval (harm positive), and the margin",
        decimals={"p": 3, "p, family": 3},
    )


def open_margins(plan: EvaluationPlan, evidence: Evidence, *, scenario: str) -> Opening:
    """Open the page on margins: how many are excluded, and which."""
    own = [v for v in evidence.verdicts if v.inputs.scenario == scenario and v.inputs.margin]
    if not own:
        return Opening("No outcome has a margin", "No harm is asked about, so none is excluded.")
    out = [verdict.inputs.label for verdict in own if verdict.excludes_margin]
    return Opening(
        f"Harms excluded: {len(out)} of {len(own)}",
        f"Under {plan.scenarios[scenario].short}, the intervals exclude a harm as large as the "
        f"margin for: {'; '.join(out) or 'no outcome'}.",
    )


def open_looks(title: str, looks: pd.DataFrame) -> Opening:
    """Open the page on monitoring: when the boundary was crossed, and what that rests on."""
    return Opening(
        title,
        f"{len(looks)} monthly looks were taken. A harm was planted, so that an alarm is right; a "
        "boundary keeps the chance of a false one, over all looks together, at the level stated.",
    )


def count_excluded(plan: EvaluationPlan, evidence: Evidence) -> Table:
    """Count, for each scenario, the safety outcomes whose interval excludes their margin.

    All of them together are excluded only where each is (intersection-union, Berger 1982).
    """
    rows = []
    for scenario in dict.fromkeys(verdict.inputs.scenario for verdict in evidence.verdicts):
        own = [
            verdict.excludes_margin
            for verdict in evidence.verdicts
            if verdict.inputs.scenario == scenario and verdict.inputs.margin is not None
        ]
        counts = {f"Margin {word}": own.count(key) for key, word in EXCLUDED.items()}
        rows.append(
            {"Scenario": plan.scenarios[scenario].short, "Outcomes": len(own)}
            | counts
            | {"All excluded": all(value is True for value in own)}
        )
    rows = [row for row in rows if row["Outcomes"]]
    return Table(frame=pd.DataFrame(rows), caption="Safety outcomes together")


def plot_funnel(
    plan: EvaluationPlan,
    panel: pd.DataFrame,
    *,
    outcome: str,
    marked: tuple[str, ...],
    year: Period | None = None,
) -> Figure | Sentence:
    """Plot every council's percentage against its cases, with limits that allow for spread.

    Parameters
    ----------
    plan : EvaluationPlan
    panel : DataFrame
        As from `build_panel`.
    outcome : str
        An outcome in percent.
    marked : tuple of str
        Council codes to name.
    year : int or str, optional
        Period; by default the last of the outcome's window.

    Returns
    -------
    Figure or Sentence
        Its numbers: the marked councils. A sentence where the outcome is not a percentage.
    """
    label = plan.outcomes[outcome].label
    if plan.outcomes[outcome].unit != "percentage points":
        return Sentence(f"{label}: no percentage, so there is no funnel plot.")
    year = plan.window_of(outcome).post[-1] if year is None else year
    rows = panel[(panel["outcome"] == outcome) & (panel["period"] == year)]
    rows = rows.dropna(subset=["numerator", "denominator"])
    funnel = compute_funnel(rows["council_code"], rows["numerator"], rows["denominator"])
    shown = funnel.councils[funnel.councils["council_code"].isin(marked)]
    beyond = shown[shown["position"].str.endswith("99.8%")]
    names = plan.names
    named = ", ".join(names[code] for code in beyond["council_code"])
    inside = names[marked[0]] if len(marked) == 1 else f"all {len(shown)} marked"
    title = (
        f"{label}, {name_year(year)}: {named or inside} {'outside' if named else 'within'} the "
        "99.8% limits, "
        f"which allow for a spread of {format_number(funnel.tau)} points between {plan.texts.units}"
    )
    picture = _draw_funnel(funnel, shown, names, label)
    numbers = shown.assign(council=shown["council_code"].map(names))
    numbers = numbers[["council", "value", "cases", "low_998", "high_998", "position"]]
    return Figure(
        name=f"funnel_{outcome}_{year}",
        title=title,
        alt=f"Funnel plot, one dot for each against its number of cases. {title}.",
        numbers=numbers.rename(
            columns={
                "council": plan.texts.unit.capitalize(),
                "value": "Percent",
                "cases": "Cases",
                "low_998": "Lower limit",
                "high_998": "Upper limit",
                "position": "Position",
            }
        ).round(1),
        picture=picture,
    )


def plot_looks(looks: pd.DataFrame, *, title: str) -> Figure:
    """Plot a trial's statistic against its boundary, look by look.

    Parameters
    ----------
    looks : DataFrame
        As from `monitor_trial`.
    title : str
        The finding; says that the data are simulated where they are.

    Returns
    -------
    Figure
    """
    with canvas(height=4.2) as (figure, axes):
        months = looks["months_after"]
        axes.plot(months, looks["boundary"], "--", color=TEXT, lw=2, label="Boundary for an alarm")
        axes.plot(months, looks["z"], color=DARK_BLUE, lw=2.5, marker="o", label="Statistic")
        alarm = looks[looks["alarm"]]
        axes.plot(alarm["months_after"], alarm["z"], "D", color=DARK_PINK, ms=9, label="Alarm")
        top = min(max(looks["boundary"].max(), looks["z"].max()), 8)
        axes.set_ylim(min(-1, looks["z"].min() - 0.5), top + 0.5)
        name_axis(axes, "Months since the start")
        axes.set_ylabel("Standard deviations, harm upwards")
        axes.legend(frameon=False)
        picture = save_canvas(figure)
    numbers = looks[["months_after", "estimate", "z", "boundary", "alarm", "p_anytime"]]
    return Figure(
        name="looks",
        title=title,
        alt=f"Line chart of a statistic and its boundary over the months. {title}.",
        numbers=numbers.round(2).rename(
            columns={
                "months_after": "Months",
                "estimate": "Estimate",
                "z": "Statistic",
                "boundary": "Boundary",
                "alarm": "Alarm",
                "p_anytime": "Anytime p",
            }
        ),
        picture=picture,
    )


def tabulate_detection(found: pd.DataFrame) -> Table:
    """Show how soon harms of stated sizes would raise an alarm (simulated trials)."""
    frame = pd.DataFrame(
        {
            "Harm, points": found["harm"],
            "Method": found["method"].str.replace("_", " "),
            "Found in 24 months, percent": 100 * found["detected"],
            "Median months": found["median_months"],
            "Within 6, percent": 100 * found["within_6"],
            "Within 12, percent": 100 * found["within_12"],
        }
    )
    return Table(
        frame=frame,
        caption="Simulated: months until an alarm, by size of harm (0 shows false alarms)",
        decimals={"Median months": 0},
    )


def _draw_funnel(
    funnel: Funnel, shown: pd.DataFrame, names: Mapping[str, str], label: str
) -> Picture:
    others = funnel.councils.drop(shown.index)
    with canvas(height=5.0) as (figure, axes):
        curves = funnel.curves
        for side in ("low", "high"):
            axes.plot(curves["cases"], curves[f"{side}_998"], "-", color=TEXT, lw=1.2)
            axes.plot(curves["cases"], curves[f"{side}_95"], "--", color=GREY, lw=1)
        axes.axhline(funnel.target, color=ORANGE, lw=1.5)
        axes.plot(others["cases"], others["value"], "o", color=GREY, ms=4, alpha=0.6)
        axes.plot(shown["cases"], shown["value"], "D", color=DARK_BLUE, ms=7)
        axes.set_xscale("log")
        ticks = [tick for tick in (30, 100, 300, 1000, 3000, 10000) if _inside(tick, curves)]
        axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
        axes.minorticks_off()
        top = np.nanmax(funnel.councils["value"])
        axes.set_ylim(max(0, funnel.councils["value"].min() - 3), top + 3)
        name_axis(axes, "Cases (lines: 95% and 99.8% limits, allowing for spread; solid: average)")
        axes.set_ylabel("Percent")
        own = shown.dropna(subset=["cases", "value"])
        labels = own["council_code"].map(names)
        label_points(axes, zip(own["cases"], own["value"], labels, strict=True), DARK_BLUE)
        return save_canvas(figure)


def _inside(tick: int, curves: pd.DataFrame) -> bool:
    return bool(curves["cases"].min() <= tick <= curves["cases"].max())
