"""The picture at the front: every outcome's effect, how far it is known, and where harm lies."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import pandas as pd

from pilot_eval.evaluation.verdict_words import SHORT_UNITS
from pilot_eval.house_style import (
    CLEAR,
    DARK_BLUE,
    DARK_PINK,
    GREY,
    TEXT,
    canvas,
    name_axis,
    save_canvas,
    wrap,
)
from pilot_eval.reporting.answers_file import AnswersFile, Comparison, Number
from pilot_eval.reporting.display import Figure, count, format_number, format_range
from pilot_eval.run_cache import once_per_run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

REACH = 2.2
"""Standard deviations to which the axis reaches; an interval that is longer ends in an arrow."""


@once_per_run
def plot_overview(answers: AnswersFile) -> Figure | None:
    """Plot each outcome's effect with its interval and the side on which a change would be harm.

    Parameters
    ----------
    answers : AnswersFile

    Returns
    -------
    Figure or None
        Every outcome of the scenario that the questions are answered for, by question. Signs are
        those of all tables; outcomes in different units share a scale by their spread between
        comparators. None where nothing was compared.
    """
    rows = answers.primary()
    if not any(row.spread for row in rows):
        return None
    names = {item.family: item.question for item in answers.questions}
    groups = [(key, list(own)) for key, own in groupby(rows, key=lambda row: row.family)]
    with canvas(height=1.0 + 0.46 * len(rows) + 0.4 * len(groups)) as (figure, axes):
        place, ticks = 0.0, []
        for family, own in groups:
            head = names.get(family, family)
            axes.text(-REACH, place, head, fontweight="bold", va="center", bbox=CLEAR)
            place -= 0.8
            for row in own:
                _draw_row(axes, place, row)
                ticks.append((place, wrap(row.label)))
                place -= 1
        axes.axvline(0, color=TEXT, lw=1, zorder=1)
        axes.set(xlim=(-REACH, REACH), ylim=(place + 0.4, 0.5))
        axes.set_yticks(*zip(*ticks, strict=True), fontsize=9)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        name_axis(
            axes,
            f"Effect against other {answers.units}, in standard deviations between them.\n"
            f"Bars: {1 - answers.level:.0%} intervals. Shaded: the side on which a change is harm.",
        )
        picture = save_canvas(figure)
    title = _say(rows, answers.group)
    return Figure(
        name="overview",
        title=title,
        alt=f"Dots with intervals, one for each outcome; the side of harm is shaded. {title}.",
        numbers=pd.DataFrame([_number(row) for row in rows]),
        picture=picture,
    )


def _draw_row(axes: Axes, place: float, row: Comparison) -> None:
    if row.harm != "ambiguous":
        side = REACH if row.harm == "rises" else -REACH
        axes.fill_between([0, side], place - 0.42, place + 0.42, color=DARK_PINK, alpha=0.1, lw=0)
    colour = DARK_PINK if row.direction == "worse" else DARK_BLUE
    if row.spread and row.estimate_low is not None and row.estimate_high is not None:
        low, high = (_place(end, row.spread, side) for end, side in _ends(row))
        axes.plot([low, high], [place] * 2, color=colour, lw=2.2)
        for end, mark in ((low, "<"), (high, ">")):
            if abs(end) >= REACH:
                axes.plot(end, place, mark, color=colour, ms=7, clip_on=False)
        set_ends = [end / row.spread for end in (row.estimate_low, row.estimate_high)]
        axes.plot(set_ends, [place] * 2, color=colour, lw=7, alpha=0.5)
        axes.plot(sum(set_ends) / 2, place, "o", color=colour, ms=7)
    place_in = axes.get_yaxis_transform()
    known = row.estimate_low is not None
    text = f"{_write_effect(row)}\n{row.short}" if known else row.short
    colour = TEXT if known else GREY
    axes.text(1.02, place, text, transform=place_in, va="center", fontsize=8.5, color=colour)


def _ends(row: Comparison) -> tuple[tuple[Number, int], tuple[Number, int]]:
    return (row.conf_low, -1), (row.conf_high, 1)


def _place(end: Number, spread: float, side: int) -> float:
    """Place an end of an interval on the axis; one that is too far, or has no end, at its edge."""
    return side * REACH if end is None else max(-REACH, min(REACH, end / spread))


def _write_effect(row: Comparison) -> str:
    if row.estimate_low is None or row.estimate_high is None:
        return ""
    unit = SHORT_UNITS.get(row.unit, row.unit)
    return f"{format_range(row.estimate_low, row.estimate_high)} {unit} ({write_interval(row)})"


def write_interval(row: Comparison) -> str:
    """Write the interval of a comparison, as in "-1.2 to 3.4"."""
    ends = (row.conf_low, row.conf_high)
    return " to ".join("no limit" if end is None else format_number(end) for end in ends)


def _number(row: Comparison) -> dict[str, str]:
    known = row.estimate_low is not None and row.estimate_high is not None
    return {
        "Outcome": row.label,
        "Harm if it": "–" if row.harm == "ambiguous" else row.harm,
        "Unit": row.unit,
        "Effect": format_range(row.estimate_low or 0.0, row.estimate_high or 0.0) if known else "–",
        "Interval": write_interval(row) if known else "–",
        "Finding": row.short,
        "With figures": f"{row.seen} of {row.listed}",
    }


def _say(rows: Sequence[Comparison], group: str) -> str:
    """Count the findings of every outcome."""
    counts: dict[str, int] = {}
    for row in rows:
        counts[row.finding] = counts.get(row.finding, 0) + 1
    counted = ", ".join(f"{finding}: {n}" for finding, n in counts.items())
    best = max(row.rating for row in rows)
    return (
        f"{group[:1].upper()}{group[1:]}, {count(len(rows), 'outcome')} ({counted}); "
        f"security at most {best} of 5"
    )
