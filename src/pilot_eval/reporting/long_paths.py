"""Paths over many years: of single councils, and effects by year with their bands."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import cycle

import numpy as np
import pandas as pd

from pilot_eval.house_style import DARK_BLUE, GREY, ORANGE, TEXT, canvas, save_canvas
from pilot_eval.plan import EvaluationPlan
from pilot_eval.reference.plan_periods import name_year
from pilot_eval.reporting.display import Figure, Opening, Table, format_number, format_range
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


def open_long_runs(plan: EvaluationPlan, runs: pd.DataFrame) -> Opening:
    """Open the page on the long run: how many paths leave zero out, and how many would by chance.

    Parameters
    ----------
    plan : EvaluationPlan
    runs : DataFrame
        As from `list_long_runs`.

    Returns
    -------
    Opening
    """
    each = runs.groupby(["scenario", "outcome"], sort=False)["p_value"].first()
    alpha = plan.inference.alpha
    far = [
        f"{plan.outcomes[outcome].label}, {plan.scenarios[scenario].short}"
        for (scenario, outcome), p_value in each.items()
        if p_value <= alpha
    ]
    leave = "leaves its" if len(far) == 1 else "leave their"
    return Opening(
        f"{len(far)} of {len(each)} paths {leave} band",
        f"By chance alone {alpha * len(each):.1f} would." + " Outside: ".join(["", *far]),
    )


def open_readings(readings: Iterable[pd.DataFrame]) -> Opening:
    """Open a page of readings outside the plan: how many intervals leave zero out.

    Parameters
    ----------
    readings : iterable of DataFrame
        As from `list_like_readings`.

    Returns
    -------
    Opening
    """
    every = pd.concat(readings)
    known = every[every["conf_low"].notna()]
    away = known[(known["conf_low"] > 0) | (known["conf_high"] < 0)]
    leave = "leaves" if len(away) == 1 else "leave"
    return Opening(
        f"{len(away)} of {len(known)} intervals {leave} zero out",
        "These readings are not in the plan: they were chosen after the results of others were "
        "known, and carry no finding.",
    )


def tabulate_long_runs(plan: EvaluationPlan, runs: pd.DataFrame) -> Table:
    """Show of every path the year that lies furthest from zero, and how unusual the path is.

    Parameters
    ----------
    plan, runs
        As of `open_long_runs`.

    Returns
    -------
    Table
    """
    half = (runs["conf_high"] - runs["conf_low"]) / 2
    distance = (runs["estimate_low"] + runs["estimate_high"]).abs() / half.where(half > 0)
    rows = []
    for (scenario, outcome), own in runs.groupby(["scenario", "outcome"], sort=False):
        row = own.loc[distance[own.index].idxmax()]
        councils, units = own["n_treated"].max(), own["n_units"].max()
        rows.append(
            {
                "Outcome": plan.outcomes[str(outcome)].label,
                "Group": plan.scenarios[str(scenario)].short,
                "Councils": f"{councils}" if units == councils else f"{councils} ({units} units)",
                "Comparators": row["n_comparators"],
                "Left out for gaps": row["n_gaps"],
                "To": _name_time(own.iloc[-1]),
                "Furthest": _name_time(row),
                "Effect": format_range(row["estimate_low"], row["estimate_high"]),
                "Band": format_range(row["conf_low"], row["conf_high"]),
                "p of the path": row["p_value"],
            }
        )
    frame = pd.DataFrame(rows).sort_values("p of the path", kind="stable")
    caption = "Each path's year furthest from zero, in widths of its band; p of no effect in any"
    return Table(frame=frame, caption=caption, decimals={"p of the path": 3})


def tabulate_bands_by_year(plan: EvaluationPlan, runs: pd.DataFrame, *, scenario: str) -> Table:
    """Show every path of a scenario: effects by year with their simultaneous bands.

    Parameters
    ----------
    plan, runs
        As of `open_long_runs`.
    scenario : str

    Returns
    -------
    Table
        One row for each outcome; of hidden counts the middle of the effect.
    """
    own = runs[runs["scenario"] == scenario]
    middle = (own["estimate_low"] + own["estimate_high"]) / 2
    words = [
        f"{format_number(effect)} ({format_number(row.conf_low)} to {format_number(row.conf_high)})"
        for effect, row in zip(middle, own.itertuples(), strict=True)
    ]
    cells = own.assign(words=words, head=[_name_time(row) for _, row in own.iterrows()])
    heads = cells.sort_values("time")["head"].unique()
    wide = cells[cells["time"] != -1].pivot(index="outcome", columns="head", values="words")
    wide = wide.reindex(index=own["outcome"].unique(), columns=[h for h in heads if h in wide])
    wide.index = pd.Index([plan.outcomes[key].label for key in wide.index], name="Outcome")
    caption = f"{plan.scenarios[scenario].label}: effect by year since the year before the start"
    return Table(frame=wide.fillna("").reset_index(), caption=caption)


def plot_long_run(
    plan: EvaluationPlan, runs: pd.DataFrame, *, scenario: str, outcome: str
) -> Figure:
    """Plot one path of effects with the band that contains all of it.

    Parameters
    ----------
    plan, runs
        As of `open_long_runs`.
    scenario, outcome : str

    Returns
    -------
    Figure
        Years in which fewer councils have figures have hollow marks; changes of definition that
        the path crosses, and the end of a limit for every council, are lines.
    """
    own = runs[(runs["scenario"] == scenario) & (runs["outcome"] == outcome)]
    title = _say_long_run(plan, own, scenario, outcome)
    dated = own["year"].notna().all()
    times = np.arange(own["time"].min(), own["time"].max() + 1)
    shown = own.set_index("time").reindex(times)  # a year without figures is a gap
    x = times + (own["year"] - own["time"]).iloc[0] if dated else times
    middle = (shown["estimate_low"] + shown["estimate_high"]) / 2
    with canvas(height=4.4) as (figure, axes):
        axes.fill_between(x, shown["conf_low"], shown["conf_high"], color=GREY, alpha=0.2, lw=0)
        axes.plot(x, middle, color=DARK_BLUE, lw=1.7, marker="o")
        fewer = (shown["n_treated"] < own["n_treated"].max()).to_numpy()
        if fewer.any():
            marks = {"ls": "", "marker": "o", "mfc": "white", "label": "fewer councils"}
            axes.plot(x[fewer], middle[fewer], color=DARK_BLUE, **marks)
        axes.axhline(0, color=TEXT, lw=1)
        axes.axvline(x[0] - times[0] - 0.5, color=TEXT, lw=1, ls="--", label="start")
        for place, at, label in _list_marks(plan, outcome, x) if dated else ():
            axes.axvline(
                at, color=(GREY, ORANGE)[place], lw=1.3, ls=(":", "-.")[place], label=label
            )
        if dated:
            set_periods(axes, [int(year) for year in x])
        else:
            axes.set_xticks(x, [format_number(time, 0) for time in x])
            axes.set_xlabel("Years since the first treated one")
        axes.set_ylabel(f"Effect, {plan.outcomes[outcome].unit}")
        figure.legend(loc="outside upper left", ncols=4)
        picture = save_canvas(figure)
    heads = {"n_treated": "Councils", "n_units": "Units"}
    ends = {"estimate_low": "Effect, from", "estimate_high": "Effect, to"}
    ends |= {"conf_low": "Band, from", "conf_high": "Band, to"}
    numbers = own[[*ends, *heads]].rename(columns=ends | heads)
    numbers.insert(0, "Year", [_name_time(row) for _, row in own.iterrows()])
    return Figure(
        name=f"long_run_{scenario}_{outcome}",
        title=title,
        alt=f"Line of effects by year with a shaded band. {title}.",
        numbers=numbers.reset_index(drop=True),
        picture=picture,
    )


def _list_marks(
    plan: EvaluationPlan, outcome: str, years: np.ndarray
) -> list[tuple[int, float, str]]:
    """List what happened to every council on the way: kind, place on the axis, words once each."""
    changed = {
        record.first_year_after
        for record in plan.breaks
        if outcome in record.indicators and record.basis == "value"
    }
    lapsed = {int(row.lapsed[:4]) + 1 for row in plan.requirements if row.lapsed}
    marks = []
    for kind, (found, words) in enumerate(
        ((changed, "definition changes"), (lapsed, "a limit ends for every council"))
    ):
        inside = sorted(year for year in found if years[0] < year <= years[-1])
        marks += [(kind, year - 0.5, words if year == inside[0] else "") for year in inside]
    return marks


def _name_time(row: pd.Series) -> str:
    if pd.notna(row["year"]):
        return name_year(int(row["year"]))
    return "the year before" if row["time"] == -1 else f"year {format_number(row['time'], 0)}"


def _say_long_run(plan: EvaluationPlan, own: pd.DataFrame, scenario: str, outcome: str) -> str:
    outside = own[(own["conf_low"] > 0) | (own["conf_high"] < 0)]
    first = own.iloc[0]
    found = "zero is inside the band in every year"
    if len(outside):
        years = ", ".join(_name_time(row) for _, row in outside.iterrows())
        found = f"zero is outside the band in {years}"
    sizes = f"{own['n_treated'].max()} councils against {first['n_comparators']} comparators"
    return (
        f"{plan.outcomes[outcome].label}, {plan.scenarios[scenario].short}: {found} ({sizes}; "
        f"{first['n_gaps']} with gaps are left out; p of the path {first['p_value']:.2f})"
    )
