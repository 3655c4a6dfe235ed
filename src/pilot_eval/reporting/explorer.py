"""The explorer: choose how a comparison is made, and see what becomes of its result."""

from __future__ import annotations

import json
from collections.abc import Iterator
from math import isfinite
from pathlib import Path
from typing import Any

import pandas as pd

from pilot_eval.checks.specification_grid import READINGS
from pilot_eval.plan import EvaluationPlan
from pilot_eval.reference.plan_periods import name_year
from pilot_eval.reporting.checks import OPTION_WORDS
from pilot_eval.reporting.display import Table, format_number, format_range
from pilot_eval.reporting.html import TEMPLATES, make_environment

SPECIFICATIONS = "specifications.json"
TITLE = "Choose how to compare"
PLACES, P_PLACES = 1, 2
READING_WORDS = dict(zip(READINGS, ("not adjusted", "adjusted"), strict=True))
CHOICES = ("scenario", "outcome", "comparators", "years", "method", "left_out")
NOBODY = "nobody"
ENDS = ("estimate_low", "estimate_high", "conf_low", "conf_high")
FALLBACK = "What the plan's own choice gives, and the range over all choices"


def write_specifications(plan: EvaluationPlan, grid: pd.DataFrame, folder: Path) -> None:
    """Write ``specifications.json``: the same grid, the same bytes.

    Parameters
    ----------
    plan : EvaluationPlan
    grid : DataFrame
        As released; as from `compute_specification_grid`.
    folder : pathlib.Path

    Notes
    -----
    Numbers have the decimals that the page prints; null where an interval has no end. A row is its
    choices, each as a position in the list of its name, and then its numbers.
    """
    keys = {name: list(dict.fromkeys(grid[name])) for name in CHOICES}
    places = {name: {key: at for at, key in enumerate(keys[name])} for name in CHOICES}
    words = {name: [_name(plan, name, key) for key in keys[name]] for name in CHOICES}
    rows = [
        [places[name][row[name]] for name in CHOICES]
        + [_round(row[name], PLACES) for name in ENDS]
        + [_round(row["p_value"], P_PLACES), row["n_treated"], row["n_comparators"]]
        + [row["rating"], int(row["is_planned"])]
        for row in grid.to_dict("records")
    ]
    content = {
        **words,
        "unit": [plan.outcomes[key].unit for key in keys["outcome"]],
        "units": plan.texts.units,
        "percent": f"{1 - plan.inference.alpha:.0%}",
        "start": [plan.scenarios[plan.family.primary_scenario].short, _first_label(plan)],
        "rows": rows,
    }
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    (folder / SPECIFICATIONS).write_text(f"{text}\n", encoding="utf-8", newline="\n")


def _first_label(plan: EvaluationPlan) -> str:
    return plan.outcomes[plan.family.primary_outcomes[0]].label


def _name(plan: EvaluationPlan, choice: str, key: str) -> str:
    """Name one option of a choice in words."""
    if choice == "scenario":
        return plan.scenarios[key].short
    if choice == "outcome":
        return plan.outcomes[key].label
    if choice == "comparators":
        return OPTION_WORDS[key]
    if choice == "years":
        return ", then ".join(_name_side(side.split("+")) for side in key.split(" to "))
    if choice == "left_out":
        treated = any(key in scenario.councils for scenario in plan.scenarios.values())
        return key if treated else f"{key} (comparator)" if key else NOBODY
    return READING_WORDS[key]


def _name_side(periods: list[str]) -> str:
    return " to ".join(dict.fromkeys(_name_period(one) for one in (periods[0], periods[-1])))


def _name_period(period: str) -> str:
    return name_year(int(period) if period.isdecimal() else period)


def _round(value: float, places: int) -> float | None:
    return float(f"{value:.{places}f}") + 0.0 if isfinite(value) else None


def read_script() -> str:
    """Read the page's script; the page's policy lets exactly this text run."""
    return (TEMPLATES / "explorer.js").read_text(encoding="utf-8")


def render_explorer(path: Path) -> str:
    """Render the explorer from ``specifications.json`` alone.

    Parameters
    ----------
    path : pathlib.Path

    Returns
    -------
    str
        HTML of the page's main part: without JavaScript, a table of every comparison.
    """
    text = path.read_text(encoding="utf-8")
    given = json.loads(text)
    frame = pd.DataFrame(_summarise(given))
    inside = text.replace("&", r"\u0026").replace("<", r"\u003c").replace(">", r"\u003e")
    return (
        make_environment()
        .get_template("explorer.html.j2")
        .render(
            title=TITLE,
            units=given["units"],
            data=inside,
            table=Table(frame=frame, caption=FALLBACK)._repr_html_(),
            may_leave_out=given["left_out"] != [NOBODY],
        )
    )


def _summarise(given: dict[str, Any]) -> Iterator[dict[str, object]]:
    """Give one row for each comparison: the plan's choice, then the range over all."""
    rows = pd.DataFrame(
        given["rows"],
        columns=[*CHOICES, *ENDS, "p", "treated", "others", "rating", "planned"],
    ).astype(dict.fromkeys(ENDS, float))
    for (scenario, outcome), own in rows.groupby(["scenario", "outcome"], sort=False):
        clear = (own["conf_low"] > 0) | (own["conf_high"] < 0)
        planned = own[(own["planned"] == 1) & (own["method"] == 0)]
        said = {"Estimate": "", "Interval": "", "Rating": ""}
        for row in planned.to_dict("records"):
            said = {
                "Estimate": format_range(row["estimate_low"], row["estimate_high"]),
                "Interval": word_ends(row["conf_low"], row["conf_high"]),
                "Rating": format_number(row["rating"], 0),
            }
        yield {
            "Outcome": given["outcome"][outcome],
            "Group": given["scenario"][scenario],
            "Unit": given["unit"][outcome],
            **said,
            "Ways": len(own),
            "Estimates of all": format_range(own["estimate_low"].min(), own["estimate_high"].max()),
            "Intervals without zero": int(clear.sum()),
        }


def word_ends(low: float, high: float) -> str:
    """Write an interval as the explorer's script does; an end that is missing has no limit."""
    ends = (format_number(end) if isfinite(end) else "no limit" for end in (low, high))
    return " to ".join(ends)
