"""The picture at the front: every outcome's effect and how far it is known."""

from __future__ import annotations

from collections import Counter
from itertools import cycle

import numpy as np
import pandas as pd

from pilot_eval.evidence import Evidence
from pilot_eval.plan import EvaluationPlan
from pilot_eval.reporting.display import Figure, save_canvas
from pilot_eval.reporting.figures import (
    DARK_BLUE,
    DARK_PINK,
    GREY,
    ORANGE,
    TEXT,
    TURQUOISE,
    canvas,
    wrap,
)

COLOURS = (DARK_BLUE, DARK_PINK, TURQUOISE, ORANGE)


def plot_overview(plan: EvaluationPlan, evidence: Evidence, *, scenario: str) -> Figure | None:
    """Plot each outcome's effect with its interval, turned so that harm lies to the right.

    Parameters
    ----------
    plan : EvaluationPlan
    evidence : Evidence
    scenario : str

    Returns
    -------
    Figure or None
        Outcomes with a direction of harm in percentage points that were estimated; None without
        any.
    """
    rows = _rows(plan, evidence, scenario)
    if rows.empty:
        return None
    title = _say(plan, rows, scenario)
    places = np.arange(len(rows))[::-1]
    colours = dict(zip(dict.fromkeys(rows["family"]), cycle(COLOURS), strict=False))
    with canvas(height=1.7 + 0.5 * len(rows)) as (figure, axes):
        axes.axvline(0, color=TEXT, lw=1)
        for place, row in zip(places, rows.itertuples(), strict=True):
            colour = colours[row.family]
            axes.plot([row.low, row.high], [place] * 2, color=colour, lw=2.5)
            axes.plot([row.least, row.most], [place] * 2, color=colour, lw=8, alpha=0.5)
            axes.plot((row.least + row.most) / 2, place, "o", color=colour, ms=8)
            axes.text(row.high, place, f"  {row.rating} of 5", va="center", fontsize=9)
        for family, colour in colours.items():
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
            "Thick: effects that suppressed figures allow. At the right: security rating"
        )
        png = save_canvas(figure)
    numbers = rows[["label", "short", "least", "most", "low", "high"]].round(1)
    return Figure(
        name=f"overview_{scenario}",
        title=title,
        alt=f"Dots with intervals, one an outcome, harm to the right of zero. {title}.",
        numbers=numbers.set_axis(
            ["Outcome", "Finding", "Least harm", "Most harm", "Interval from", "Interval to"],
            axis=1,
        ),
        png=png,
    )


def _rows(plan: EvaluationPlan, evidence: Evidence, scenario: str) -> pd.DataFrame:
    rows = []
    for verdict in evidence.verdicts:
        used = verdict.inputs
        family = plan.outcomes[used.outcome].family
        if (used.scenario, used.status, used.unit) != (scenario, "estimated", "percentage points"):
            continue
        if used.harm == "ambiguous":
            continue
        sign = -1 if used.harm == "falls" else 1
        least, most = sorted((sign * used.estimate_low, sign * used.estimate_high))
        low, high = sorted((sign * used.conf_low, sign * used.conf_high))
        row = {"label": used.label, "family": family, "least": least, "most": most}
        words = {"finding": verdict.finding, "rating": verdict.rating, "short": verdict.short}
        rows.append(row | words | {"low": low, "high": high})
    return pd.DataFrame(rows)


def _say(plan: EvaluationPlan, rows: pd.DataFrame, scenario: str) -> str:
    """Count the findings."""
    short = plan.scenarios[scenario].short
    counted = ", ".join(f"{finding}: {n}" for finding, n in Counter(rows["finding"]).items())
    return (
        f"{short[0].upper()}{short[1:]}, {len(rows)} outcomes compared ({counted}); security at "
        f"most {rows['rating'].max()} of 5"
    )
