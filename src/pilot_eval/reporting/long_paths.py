"""Paths of single councils over many years, alongside those that were never treated."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle

import pandas as pd

from pilot_eval.house_style import GREY, canvas, save_canvas
from pilot_eval.plan import EvaluationPlan
from pilot_eval.reference.plan_periods import name_year
from pilot_eval.reporting.display import Figure, Table, format_number
from pilot_eval.reporting.figures import COLOURS, label_ends, set_periods


def lay_out_paths(plan: EvaluationPlan, table: pd.DataFrame, indicator: str) -> pd.DataFrame:
    """Lay out an indicator as council name x year, for councils of the register and all others.

    Parameters
    ----------
    plan : EvaluationPlan
        Councils that it excludes as comparators are left out.
    table : DataFrame
        As from `load_published`, of any years.
    indicator : str

    Returns
    -------
    DataFrame
        Indexed by `treated` (in the register) and `council_name`.
    """
    names = plan.names
    rows = table[(table["indicator"] == indicator) & table["council_code"].isin(list(names))]
    rows = rows.assign(
        council_name=rows["council_code"].map(names),
        treated=rows["council_code"].isin(list(plan.ever_treated)),
    )
    rows = rows[~rows["council_name"].isin(list(plan.comparators.exclude))]
    return rows.pivot(index=["treated", "council_name"], columns="year_ending", values="value")


def tabulate_paths(
    plan: EvaluationPlan,
    table: pd.DataFrame,
    indicator: str,
    *,
    label: str,
    councils: Sequence[str],
    years: Sequence[int],
) -> Table:
    """Show the figures of chosen councils year by year, and the others' mean and spread.

    Parameters
    ----------
    plan, table, indicator
        As of `lay_out_paths`.
    label : str
        What the figures are.
    councils : sequence of str
        Names.
    years : sequence of int
        Years ending 31 March.

    Returns
    -------
    Table
        One row for each council; empty cells were hidden or withheld.
    """
    wide = lay_out_paths(plan, table, indicator).reindex(columns=list(years))
    others = wide.loc[False]
    shown = wide.loc[True].reindex(list(councils))
    shown.loc["Others, mean"] = others.mean()
    shown.loc["Others, a tenth are below"] = others.quantile(0.1)
    shown.loc["Others, a tenth are above"] = others.quantile(0.9)
    shown.columns = [name_year(year) for year in years]
    known = f"{plan.texts.units} not known to be {plan.texts.treated_word}"
    caption = f"{label}. Others: {len(others)} {known}"
    return Table(frame=shown.round(1).reset_index(names="Council"), caption=caption)


def plot_paths(
    plan: EvaluationPlan,
    table: pd.DataFrame,
    indicator: str,
    *,
    label: str,
    councils: Sequence[str],
    years: Sequence[int],
) -> Figure:
    """Plot the paths of chosen councils over four fifths of the others; a gap is a hidden figure.

    Parameters
    ----------
    plan, table, indicator, label, councils, years
        As of `tabulate_paths`.

    Returns
    -------
    Figure
        Its numbers are those of `tabulate_paths`.
    """
    shown = tabulate_paths(plan, table, indicator, label=label, councils=councils, years=years)
    wide = lay_out_paths(plan, table, indicator).reindex(columns=list(years))
    others, mean = wide.loc[False], wide.loc[False].mean()
    title = _say_paths(label, wide.loc[True].reindex(list(councils)), mean)
    breaks = [row for row in plan.breaks if indicator in row.indicators and row.basis == "value"]
    with canvas(height=4.6) as (figure, axes):
        band = others.quantile([0.1, 0.9])
        axes.fill_between(years, band.iloc[0], band.iloc[1], color=GREY, alpha=0.15, lw=0)
        axes.plot(years, mean, color=GREY, lw=3, marker="s")
        ends = [(years[-1], mean.dropna().iloc[-1], "others (mean)", GREY)]
        for place, (name, colour, marker) in enumerate(
            zip(councils, cycle(COLOURS), cycle("oDv^PX"))
        ):
            line = wide.loc[True].loc[name]
            style = "-" if place < len(COLOURS) else "--"  # colours come round again
            axes.plot(years, line, color=colour, lw=1.7, marker=marker, ls=style)
            last = line.last_valid_index()
            if last is not None:
                ends.append((last, line[last], name, colour))
        label_ends(axes, ends)
        for record in breaks:
            if years[0] < record.first_year_after <= years[-1]:
                axes.axvline(record.first_year_after - 0.5, color=GREY, lw=1, ls=":")
        set_periods(axes, years)
        axes.set_xlim(years[0] - 0.1, years[-1] + 0.3 * len(years))
        axes.set_ylabel("Percent")
        picture = save_canvas(figure)
    return Figure(
        name=f"paths_{indicator}",
        title=title,
        alt=f"Line chart by year. {title}. A shaded band holds four fifths of the other councils; "
        f"{len(breaks)} dotted lines mark changes of definition.",
        numbers=shown.frame,
        picture=picture,
    )


def _say_paths(label: str, ours: pd.DataFrame, mean: pd.Series) -> str:
    """Say where the others' mean and each council began and ended."""
    told = [
        f"{name} {format_number(line.iloc[0])} to {format_number(line.iloc[-1])}"
        for name, line in (("others' mean", mean), *ours.iterrows())
        for line in [line.dropna()]
        if len(line)
    ]
    return f"{label}, percent, {name_year(mean.index[0])} to {name_year(mean.index[-1])}: " + (
        "; ".join(told)
    )
