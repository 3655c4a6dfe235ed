"""The grid of simulated worlds as a reader meets it: a table, a picture and a text."""

from __future__ import annotations

from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pilot_eval.house_style import (
    DARK_BLUE,
    DARK_PINK,
    GREY,
    ORANGE,
    PALE,
    TURQUOISE,
    canvas,
    fix_ticks,
)
from pilot_eval.lab.validity import PERMUTATIONS, run_validity
from pilot_eval.lab.validity_cells import full_grid
from pilot_eval.lab.validity_section import Section

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DRAWS = 5_000
METHODS = {
    "robust": ("Robust", DARK_BLUE, "o", -0.22),
    "size_adjusted": ("Sharp", ORANGE, "D", 0.0),
    "adaptive": ("Adaptive", TURQUOISE, "s", 0.22),
    "cr1": ("CR1, the packages' default", DARK_PINK, "x", 0.0),
}
"""Methods in the picture: label, the Analysis Function's colour, a marker and its offset."""
SHOWN_TO = 0.26
"""Right edge of the picture; larger rates are written at the edge."""


def run_grid(draws: int, seed: int, executor: Executor | None = None) -> pd.DataFrame:
    """Measure every test in every world of the full grid.

    Parameters
    ----------
    draws : int
        Simulated data sets per world.
    seed : int
    executor : concurrent.futures.Executor, optional
        Runs batches in parallel.

    Returns
    -------
    pandas.DataFrame
        As `run_validity` returns it.
    """
    return run_validity(full_grid(), draws, seed, executor)


def plot_grid(table: pd.DataFrame) -> Figure:
    """Draw false-positive rates and power, cell by cell.

    Parameters
    ----------
    table : pandas.DataFrame
        As `run_validity` returns it.

    Returns
    -------
    matplotlib.figure.Figure
    """
    names = list(dict.fromkeys(table["name"]))
    with canvas(1.8 + 0.24 * len(names), columns=[3, 2], width=11.0) as (figure, (left, right)):
        left.axvspan(0.04, 0.06, color=PALE, alpha=0.5, lw=0, zorder=0)
        right.axvline(1.0, color=GREY, lw=1, zorder=0)
        for method, (label, colour, marker, offset) in METHODS.items():
            rows = table[table["method"] == method]
            height = [names.index(name) + offset for name in rows["name"]]
            style = {"c": colour, "marker": marker, "s": 20, "zorder": 3}
            left.scatter(rows["false_positive"].clip(upper=SHOWN_TO), height, label=label, **style)
            if method != "cr1":
                right.scatter(rows["power_ratio"], height, **style)
        _write_large_rates(left, table, names)
        _finish_axes(left, right, names)
        figure.suptitle(_finding(table), x=0.01, ha="left", fontsize=12, fontweight="bold")
        figure.legend(loc="outside lower left", ncols=4, frameon=False, fontsize=10)
        return fix_ticks(figure)


def _finding(table: pd.DataFrame) -> str:
    """State what the picture shows, from its own numbers."""
    promised = table[(table["met"] != "") & (table["method"] != "cr1")]["false_positive"]
    default = table[(table["method"] == "cr1") & (table["n_treated"] <= 5)]["false_positive"]
    found = f"Where they promise it, our tests reject {_range(promised)} of true nulls"
    return (
        found if default.empty else f"{found}; the default (CR1, up to 5 treated) {_range(default)}"
    )


def _range(rates: pd.Series) -> str:
    low, high = f"{100 * rates.min():.0f}", f"{100 * rates.max():.0f}"
    return f"{low}%" if low == high else f"{low}-{high}%"


def _write_large_rates(axes: Any, table: pd.DataFrame, names: list[str]) -> None:
    large = table[table["method"].isin(METHODS) & (table["false_positive"] > SHOWN_TO)]
    for name, rate in zip(large["name"], large["false_positive"], strict=True):
        axes.annotate(
            f"{rate:.0%}",
            (SHOWN_TO, names.index(name)),
            xytext=(-8, 0),
            textcoords="offset points",
            ha="right",
            va="center",
            fontsize=8,
        )


def _finish_axes(left: Any, right: Any, names: list[str]) -> None:
    left.set_yticks(range(len(names)), names, fontsize=8)
    left.set_ylim(len(names) - 0.5, -0.5)
    left.set_xlim(0, SHOWN_TO * 1.03)
    left.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    left.set_title("True nulls rejected (wanted: 4-6%, grey)", loc="left", fontsize=10)
    right.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    right.set_title("Power as a share of the oracle's", loc="left", fontsize=10)
    for axes in (left, right):
        axes.grid(axis="y", color=PALE, lw=0.4)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(axis="y", length=0)


def describe_grid(table: pd.DataFrame) -> str:
    """Write the section: what was done, what held, what did not, and every figure.

    Parameters
    ----------
    table : pandas.DataFrame
        As `run_validity` returns it.

    Returns
    -------
    str
        Markdown.
    """
    judged = table[table["met"] != ""]
    missed = judged[judged["met"] == "no"]
    parts = [
        _introduction(table),
        "![False-positive rate and power of the tests in every simulated world; "
        "the figures are in the table below](validity/grid.png)",
        "### What is promised, and whether it held",
        _summary(table),
        f"{len(judged) - len(missed)} of {len(judged)} promises held.",
        _missed(missed),
        "### What no test can do",
        _adverse(table),
        "### Every figure",
        LEGEND,
        _full_table(table),
    ]
    return "\n\n".join(parts)


def _introduction(table: pd.DataFrame) -> str:
    draws = int(table["draws"].max())
    cells = table["name"].nunique()
    return (
        f"In each of {cells} simulated worlds {draws:,} data sets were made without any effect "
        "and tested at 5%: an honest test rejects 5% of them. "
        "Then an effect was added that an *oracle*, who "
        "knows every council's variance, finds in 80% of data sets. Unless the name says "
        "otherwise: 152 councils, 5 treated at random, 8 periods before and 2 after the start, "
        "normal errors with serial correlation 0.6, error variance 0.5 + 200/cases with cases "
        "from about 80 to 2,000. Outlying comparators: 3% with five times the standard deviation. "
        "Shocks: standard deviation 0.5. A wrong size law: variance proportional to the root of "
        "1/cases times a random factor of its own (log standard deviation 0.5). Variance not "
        "explained by size: such a factor of 0.7. Persistent worlds add a random walk, with steps "
        "of variance 0.2 (8 + 4 periods) or 0.05 (24 + 12) times the other noise's, 0.1 and 0.02 "
        "where that is uncorrelated; *treated 1.5x* is the standard deviation of the treated "
        "councils' walk. Binomial: counts around moving shares, with the published denominators "
        "of initial assessments. "
        f"Randomisation used {PERMUTATIONS} draws a data set (9,999 in the evaluation, which adds "
        "about a point of power). A target counts as met within three Monte Carlo standard errors."
    )


def _summary(table: pd.DataFrame) -> str:
    lines = [
        "| test | where | promised | false positives | least power | held |",
        "|---|---|---|---|---|---|",
    ]
    for method, label in (
        ("robust", "Robust"),
        ("size_adjusted", "Sharp"),
        ("adaptive", "Adaptive"),
    ):
        rows = table[(table["method"] == method) & (table["met"] != "")]
        for target, part in rows.groupby("target", sort=False):
            rate = part["false_positive"]
            held = f"{(part['met'] == 'yes').sum()} of {len(part)}"
            lines.append(
                f"| {label} | {len(part)} worlds | {target} | {rate.min():.1%} to {rate.max():.1%} "
                f"| {part['power_ratio'].min():.0%} | {held} |"
            )
    return "\n".join(lines)


def _missed(missed: pd.DataFrame) -> str:
    if missed.empty:
        return "No promise was missed."
    rows = [
        f"- {METHODS[method][0]}, {name}: {note} (promised: {target})"
        for method, name, note, target in missed[["method", "name", "note", "target"]].to_numpy()
    ]
    return "Missed, with the measured figure:\n\n" + "\n".join(rows)


def _adverse(table: pd.DataFrame) -> str:
    rows = table[(table["group"] == "adverse") & table["method"].isin(METHODS)]
    text = (
        "A shock that hits the treated councils and nobody else is indistinguishable from an "
        "effect of the pilot. Every test is fooled by it; only the choice of councils can help. "
        "Councils chosen for high values before the start fall back without any effect "
        "(regression to the mean); here only adjusting for the level helps."
    )
    figures = [
        f"- {name}: "
        + ", ".join(
            f"{METHODS[m][0].split(',')[0]} {rate:.0%}"
            for m, rate in zip(part["method"], part["false_positive"], strict=True)
        )
        for name, part in rows.groupby("name", sort=False)
    ]
    return "\n\n".join([text, "\n".join(figures)]) if figures else text


LEGEND = (
    "False positives in percent with the Monte Carlo standard error; power as a share of the "
    "oracle's (above 1 it is bought with false positives); coverage in percent; length (geometric "
    "mean) in lengths of the oracle's interval. *c*: conservative (below 4%). *!*: a promise "
    "missed. A dash: the test has no answer there (robust and CR2 with one treated council; "
    "adaptive with fewer than eight pre-trial periods)."
)


def _full_table(table: pd.DataFrame) -> str:
    shown = {
        "robust": "Robust",
        "size_adjusted": "Sharp",
        "adaptive": "Adaptive",
        "cr2": "CR2",
        "cr1": "CR1",
    }
    head = "| world | " + " | ".join(f"{label}" for label in shown.values()) + " |"
    lines = [head, "|---" * (len(shown) + 1) + "|"]
    for name, part in table.groupby("name", sort=False):
        by_method = part.set_index("method")
        cells = [_cell_text(by_method.loc[m]) if m in by_method.index else "-" for m in shown]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell_text(row: pd.Series) -> str:
    mark = " !" if row["met"] == "no" else " c" if row["note"] == "conservative" else ""
    length = f"{row['interval_length']:.2f}" if np.isfinite(row["interval_length"]) else "none"
    return (
        f"{100 * row['false_positive']:.1f} ({100 * row['false_positive_error']:.1f}){mark}; "
        f"power {row['power_ratio']:.2f}; cov {100 * row['coverage']:.1f}; length {length}"
    )


GRID = Section(
    name="grid",
    heading="Simulated worlds",
    draws=DRAWS,
    run=run_grid,
    describe=describe_grid,
    plot=plot_grid,
)
