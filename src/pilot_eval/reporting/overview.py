"""The picture at the front: every outcome's effect and how far it is known."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pilot_eval.plan import EvaluationPlan
from pilot_eval.reporting.display import Figure, format_number, save_canvas
from pilot_eval.reporting.figures import DARK_BLUE, DARK_PINK, GREY, TEXT, canvas, wrap
from pilot_eval.reporting.sentences import row_to_show

FAMILIES = {"delay": DARK_BLUE, "safety": DARK_PINK}
SHAPES = {"robust": "o", "sharp": "D"}


def plot_overview(plan: EvaluationPlan, table: pd.DataFrame, *, scenario: str) -> Figure | None:
    """Plot each outcome's effect with its interval, turned so that harm lies to the right.

    Parameters
    ----------
    plan : EvaluationPlan
    table : DataFrame
        The evidence table.
    scenario : str

    Returns
    -------
    Figure or None
        Outcomes of delay and safety in percentage points that were estimated; None without any.
    """
    rows = _rows(plan, table, scenario)
    if rows.empty:
        return None
    title = _say(plan, rows, scenario)
    places = np.arange(len(rows))[::-1]
    with canvas(height=1.7 + 0.5 * len(rows)) as (figure, axes):
        axes.axvline(0, color=TEXT, lw=1)
        for place, row in zip(places, rows.itertuples(), strict=True):
            colour = FAMILIES[row.family]
            axes.plot([row.low, row.high], [place] * 2, color=colour, lw=2.5)
            axes.plot(row.effect, place, SHAPES[row.test], color=colour, ms=8)
        for family, colour in FAMILIES.items():
            own = places[(rows["family"] == family).to_numpy()]
            if own.size:
                axes.text(
                    1.0,
                    own.max(),
                    family,
                    color=colour,
                    ha="right",
                    va="center",
                    transform=axes.get_yaxis_transform(),
                    fontweight="bold",
                )
        axes.set_yticks(places, [wrap(label) for label in rows["label"]])
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="y", color=GREY, alpha=0.2)
        level = round(100 * (1 - plan.inference.alpha))
        axes.set_xlabel(
            f"Percentage points relative to comparators, harm to the right; {level}% interval\n"
            "Circle: robust test. Diamond: sharp test, where the robust one cannot be relied on"
        )
        png = save_canvas(figure)
    numbers = rows[["label", "test", "effect", "low", "high"]].round(1)
    return Figure(
        name=f"overview_{scenario}",
        title=title,
        alt=f"Dots with intervals, one an outcome, harm to the right of zero. {title}.",
        numbers=numbers.set_axis(
            ["Outcome", "Test", "Effect, harm positive", "Interval from", "Interval to"], axis=1
        ),
        png=png,
    )


def _rows(plan: EvaluationPlan, table: pd.DataFrame, scenario: str) -> pd.DataFrame:
    own = table[
        (table["scenario"] == scenario)
        & table["family"].isin(list(FAMILIES))
        & (table["status"] == "estimated")
        & (table["unit"] == "percentage points")
    ]
    rows = []
    for outcome, group in own.groupby("outcome", sort=False):
        shown = row_to_show(group)
        sign = -1 if plan.outcomes[outcome].harm == "falls" else 1
        low, high = sorted((sign * shown["conf_low"], sign * shown["conf_high"]))
        rows.append(
            {
                "label": plan.outcomes[outcome].label,
                "family": shown["family"],
                "test": shown.name,
                "effect": sign * shown["estimate"],
                "low": low,
                "high": high,
            }
        )
    return pd.DataFrame(rows)


def _say(plan: EvaluationPlan, rows: pd.DataFrame, scenario: str) -> str:
    """Count the intervals that lie wholly on one side of zero."""
    harm, gain = int((rows["low"] > 0).sum()), int((rows["high"] < 0).sum())
    short, widths = plan.scenarios[scenario].short, rows["high"] - rows["low"]
    return (
        f"{short[0].upper()}{short[1:]}: of {len(rows)} outcomes compared, {harm or 'none'} shows "
        f"harm beyond chance and {gain or 'none'} a gain; the intervals are "
        f"{format_number(widths.min(), 0)} to {format_number(widths.max(), 0)} points wide"
    )
