"""DfE's published duration bands as a figure and a table: where cases end before a limit."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pilot_eval.house_style import (
    DARK_BLUE,
    DARK_PINK,
    ORANGE,
    TEXT,
    TURQUOISE,
    canvas,
    name_axis,
    save_canvas,
)
from pilot_eval.plan import EvaluationPlan
from pilot_eval.published.bands import PUBLISHED_BANDS, daily_shares
from pilot_eval.reference.facts import ENGLAND
from pilot_eval.reference.plan_periods import name_year
from pilot_eval.reporting.display import Figure, Table

CLOSED_BANDS = [band for band in PUBLISHED_BANDS["initial_assessment"] if np.isfinite(band.last)]


def plot_day_10_spike(
    plan: EvaluationPlan, table: pd.DataFrame, *, year: int, councils: tuple[str, ...]
) -> Figure:
    """Plot completed initial assessments per working day in each published band.

    It is a picture of the limit's pull in one year, not an effect.

    Parameters
    ----------
    plan : EvaluationPlan
    table : DataFrame
        As from `load_published`.
    year : int
        Year ending 31 March.
    councils : tuple of str
        Names of councils to show beside England; those without bands are left out.

    Returns
    -------
    Figure
        Its numbers: percent of completed assessments per working day, by band.
    """
    shares = daily_shares(table, CLOSED_BANDS, year=year)
    names = plan.names
    shown = {"England": shares.loc[ENGLAND]} | {
        names[code]: shares.loc[code] for code in shares.index if names.get(code) in councils
    }
    england = shown["England"]
    ratio = england["6 to 10"] / england["11 to 15"]
    title = (
        f"{name_year(year)}: in England {ratio:.0f} times as many initial "
        "assessments were finished on each of days 6 to 10 as on each of days 11 to 15"
    )
    with canvas(height=4.4) as (figure, axes):
        colours = (ORANGE, DARK_BLUE, TURQUOISE, DARK_PINK)
        styles = ("-", "--", "-.", ":")
        for (name, row), colour, style in zip(shown.items(), colours, styles, strict=False):
            edges = [day for band in CLOSED_BANDS for day in (band.first, band.last + 1)]
            axes.plot(edges, np.repeat(row.to_numpy(), 2), style, color=colour, lw=2.5, label=name)
        axes.axvline(11, color=TEXT, lw=1)
        axes.text(11.2, axes.get_ylim()[1] * 0.96, "limit: day 10", va="top", fontsize=10)
        axes.set_xticks([0, 5, 10, 15, 20])
        name_axis(axes, "Working days from referral (21 days and over left out)")
        axes.set_ylabel("Percent of completed\nassessments, per working day")
        axes.legend(frameon=False, title="Council")
        picture = save_canvas(figure)
    numbers = pd.DataFrame(shown).T.round(2)
    return Figure(
        name=f"day_10_spike_{year}",
        title=title,
        alt=f"Step chart of assessments finished per working day. {title}.",
        numbers=numbers.reset_index(names="Council"),
        picture=picture,
    )


def tabulate_bands(
    plan: EvaluationPlan, table: pd.DataFrame, *, prefix: str, year: int, councils: tuple[str, ...]
) -> Table:
    """Show the published duration bands of chosen councils, in percent of those completed."""
    names = {**plan.names, "E92000001": "England"}
    rows = table[
        (table["year_ending"] == year) & table["indicator"].str.startswith(f"{prefix}_band_")
    ]
    rows = rows[rows["council_code"].map(names).isin(["England", *councils])]
    wide = rows.pivot(index="council_code", columns="indicator", values="value")
    wide = wide[list(dict.fromkeys(rows["indicator"]))].dropna()
    wide.columns = [
        name.removeprefix(f"{prefix}_band_").replace("_plus", " and over").replace("_", " to ")
        if "same" not in name
        else "same day"
        for name in wide.columns
    ]
    wide.insert(0, "Council", [names[code] for code in wide.index])
    return Table(
        frame=wide, caption=f"Working days taken, percent of completed, year ending March {year}"
    )
