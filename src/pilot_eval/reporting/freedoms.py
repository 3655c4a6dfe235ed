"""Who was treated, and when: the pilot's register as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from pilot_eval.house_style import (
    DARK_BLUE,
    GREY,
    PALE,
    TEXT,
    TURQUOISE,
    canvas,
    save_canvas,
    wrap,
)
from pilot_eval.reporting.answers_file import AnswersFile, Freedom
from pilot_eval.reporting.display import Figure
from pilot_eval.run_cache import once_per_run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

MID_YEAR, MID_MONTH = 7, 15
HEAD_LETTERS = 17
MOST_YEARS = 4
"""Labels of years that fit below a panel, about."""
LOOKS: dict[str, dict[str, Any]] = {
    "yes": {"facecolor": DARK_BLUE},
    "inferred": {"facecolor": TURQUOISE, "hatch": "///", "edgecolor": "white", "lw": 0},
    "unknown": {"facecolor": "white", "edgecolor": PALE, "ls": "--", "lw": 1.2},
}


@once_per_run
def plot_freedoms(answers: AnswersFile) -> Figure | None:
    """Plot each council's freedom from each requirement over time.

    Parameters
    ----------
    answers : AnswersFile

    Returns
    -------
    Figure or None
        One panel for each requirement, one row for each council; None without a register.
    """
    rows = answers.freedoms
    dated = [_place(date) for row in rows for date in (row.announced, _start(row), _end(row))]
    years = [date for date in dated if date is not None]
    if not years:
        return None
    names = list(dict.fromkeys(row.council for row in rows))
    heads = list(dict.fromkeys(row.requirement for row in rows))
    first, last = int(min(years)), int(max(years)) + 1
    words = name_states(answers.treated_word)
    title = _say(rows, answers)
    with canvas(height=1.5 + 0.33 * len(names), columns=[1] * len(heads)) as (figure, panels):
        for axes, head in zip(panels if len(heads) > 1 else [panels], heads, strict=True):
            for row in rows:
                if row.requirement == head:
                    _draw(axes, len(names) - 1 - names.index(row.council), row, last, words)
            axes.set_title(wrap(head, HEAD_LETTERS), fontsize=9.5, loc="left")
            axes.set(xlim=(first - 0.05, last + 0.05), ylim=(-0.6, len(names) - 0.4))
            shown = range(first, last + 1, 1 + (last - first) // MOST_YEARS)
            axes.set_xticks(shown, [str(year) for year in shown], fontsize=8)
            axes.set_yticks(range(len(names)), names[::-1], fontsize=9.5)
            axes.tick_params(axis="y", length=0)
        _explain(figure, words)
        picture = save_canvas(figure)
    return Figure(
        name="freedoms",
        title=title,
        alt=f"Bars over time, one for each of the {answers.units} and requirement. {title}.",
        numbers=_tabulate(rows, words, answers.units),
        picture=picture,
    )


def _draw(axes: Axes, place: int, row: Freedom, last: int, words: Mapping[str, str]) -> None:
    granted, start = _place(row.granted), _place(_start(row))
    announced, end = _place(row.announced), _place(_end(row))
    if announced is not None:
        axes.plot(announced, place, "|", color=TEXT, ms=11)
    if granted is not None and start is not None and granted < start:
        axes.plot([granted, start], [place] * 2, color=GREY, lw=1.5)
    if row.freed == "no" or start is None:
        word = words[row.freed] if row.freed in ("no", "unknown") else "date not known"
        axes.text(last, place, word, fontsize=8, color=GREY, va="center", ha="right")
        return
    until = last if end is None else end
    axes.barh(place, until - start, left=start, height=0.5, **LOOKS[row.freed])


def _explain(figure: Canvas, words: Mapping[str, str]) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    bars = [Patch(**look, label=words[key]) for key, look in LOOKS.items()]
    lines = [
        Line2D([], [], color=TEXT, marker="|", ls="", ms=10, label="announced"),
        Line2D([], [], color=GREY, lw=1.5, label="granted, not begun"),
    ]
    figure.legend(handles=[*bars, *lines], loc="outside lower center", ncols=5, fontsize=8.5)


def _start(row: Freedom) -> str:
    return row.started or row.granted


def _end(row: Freedom) -> str:
    """Give the end, or the last day on which the freedom is known to have been in force."""
    return row.ended or row.in_force_to


def _place(date: str) -> float | None:
    """Place a date, as precise as its source, on an axis of years; None without one."""
    if not date:
        return None
    parts = [int(part) for part in date.split("-")]
    year, month, day = [*parts, *(MID_YEAR, MID_MONTH)[len(parts) - 1 :]]
    return year + (month - 1) / 12 + (day - 1) / 365


def name_states(word: str) -> dict[str, str]:
    """Name the states of the register by what its "yes" is called."""
    return {
        "yes": word,
        "inferred": f"{word}, inferred",
        "unknown": "not known",
        "no": f"not {word}",
    }


def _say(rows: Sequence[Freedom], answers: AnswersFile) -> str:
    """Count for each requirement those who are known to have been treated."""
    heads = list(dict.fromkeys(row.requirement for row in rows))
    known = {
        head: sum(row.freed == "yes" for row in rows if row.requirement == head) for head in heads
    }
    said = [f"{head}, {n}" for head, n in known.items() if n]
    others = len(heads) - len(said)
    rest = f"; for {others} other requirements no name is certain" if others else ""
    who = f"{answers.units.capitalize()} named as {answers.treated_word}"
    return f"{who}: {'; '.join(said) or 'none'}{rest}"


def _tabulate(rows: Sequence[Freedom], words: Mapping[str, str], units: str) -> pd.DataFrame:
    names = {"council": units.removesuffix("s").capitalize(), "requirement": "Requirement"}
    names |= {"freed": words["yes"].capitalize()}
    names |= {key: key.capitalize() for key in ("announced", "granted", "started", "ended")}
    frame = pd.DataFrame([row.model_dump() for row in rows])
    frame["freed"] = frame["freed"].map(words)
    return frame[list(names)].rename(columns=names)
