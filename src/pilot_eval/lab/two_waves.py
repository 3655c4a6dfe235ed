"""Two waves of starts by month, simulated: what annual figures cannot show.

March and September 2011 fall in one financial year, so the published figures hold one cohort.
Everything here is simulated and says so.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pilot_eval.estimation.estimator_comparison import (
    compare_staggered_estimators,
    weight_on_already_treated,
)
from pilot_eval.estimation.event_study import estimate_event_study
from pilot_eval.estimation.synthetic_control import estimate_each_council
from pilot_eval.house_style import (
    DARK_BLUE,
    GREY,
    ORANGE,
    TEXT,
    Picture,
    canvas,
    name_axis,
    save_canvas,
)
from pilot_eval.inference.simultaneous import simultaneous_band
from pilot_eval.lab.simulate_monthly import MonthlySettings, simulate_monthly_panel
from pilot_eval.reference.facts import council_names
from pilot_eval.reporting.display import Figure, Opening, Table, format_number

INDICATOR = "rereferral_12m_pct"
METHOD_NAMES = {
    "twfe": "Naive pooled regression",
    "group_time": "Group-time effects, against never treated",
    "group_time_not_yet": "Group-time effects, against not yet treated",
    "imputation": "Imputation",
    "sun_abraham": "Interaction-weighted",
    "synthetic_did": "Synthetic difference-in-differences",
}
SHOWN_EVERY = 3  # months between rows of the figure's numbers


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TwoWaves:
    """Simulated monthly re-referrals of councils that start in two waves.

    Attributes
    ----------
    outcomes : float array (n, months)
        Percent; councils with a month without cases are left out.
    first : float array (n,)
        Column of the first treated month; NaN = never treated.
    cases : float array (n,)
        Harmonic mean of the monthly cases.
    council_code, months : str arrays (n,) and (months,)
    truth : DataFrame
        The effects put in: `council_code`, `event_time`, `cohort`, `effect`.
    """

    outcomes: np.ndarray
    first: np.ndarray
    cases: np.ndarray
    council_code: np.ndarray
    months: np.ndarray
    truth: pd.DataFrame


def simulate_two_waves(*, effect: float, ramp_months: int, seed: int) -> TwoWaves:
    """Simulate the eight granted councils in their two waves among all others.

    Parameters
    ----------
    effect : float
        Full effect on re-referrals, percentage points.
    ramp_months : int
        Months over which it grows.
    seed : int

    Returns
    -------
    TwoWaves
    """
    settings = MonthlySettings(
        indicators=(INDICATOR,), effects={INDICATOR: effect}, ramp_months=ramp_months
    )
    panel, truth = simulate_monthly_panel(settings, seed=seed)
    wide = panel.pivot(index="council_code", columns="period", values="value").dropna()
    cases = panel.pivot(index="council_code", columns="period", values="denominator")
    cohort = truth.groupby("council_code")["cohort"].first().reindex(wide.index)
    place = {month: column for column, month in enumerate(wide.columns)}
    return TwoWaves(
        outcomes=wide.to_numpy(float),
        first=cohort.map(place).to_numpy(float),
        cases=1 / (1 / cases.loc[wide.index]).mean(axis=1).to_numpy(),
        council_code=wide.index.to_numpy(str),
        months=wide.columns.to_numpy(str),
        truth=truth[truth["cohort"].notna() & (truth["event_time"] >= 0)],
    )


def tabulate_estimators(waves: TwoWaves) -> Table:
    """Compare estimators for staggered starts with the naive number; the last row is the truth."""
    found = compare_staggered_estimators(waves.outcomes, waves.first)
    already = weight_on_already_treated(waves.outcomes, waves.first)
    frame = pd.DataFrame(
        {
            "Method": [*(METHOD_NAMES[name] for name in found["method"]), "Truth (simulated)"],
            "Estimate": [*found["estimate"], waves.truth["effect"].mean()],
            "Compares with": [*found["compares_with"], ""],
        }
    )
    return Table(
        frame=frame,
        caption="Simulated, two waves by month: estimators of the average effect "
        f"(weight of the naive number on councils already treated: {100 * already:.1f}%)",
        decimals={"Estimate": 2},
    )


def open_estimators(table: Table) -> Opening:
    """Open the page on two waves, from the table of estimators: naive number, others, truth."""
    naive, *others, truth = table.frame["Estimate"]
    return Opening(
        f"Simulated: the naive regression finds {naive:.2f}, estimators for two starts "
        f"{min(others):.2f} to {max(others):.2f}; the truth is {truth:.2f}",
        "Re-referrals were made to rise in the councils of both waves, so the answer is known. "
        "Estimators that never compare with councils already treated can be judged by it.",
    )


def plot_event_study(waves: TwoWaves, *, draws: int, seed: int, alpha: float) -> Figure:
    """Plot effects by months since the start, with bands that hold all of them at once.

    Parameters
    ----------
    waves : TwoWaves
    draws : int
        Random treated sets behind each band.
    seed : int
    alpha : float

    Returns
    -------
    Figure
        Its numbers: every third month.
    """
    study = estimate_event_study(waves.outcomes, waves.first)
    whole = np.isfinite(study.changes).all(axis=0)  # months seen for both waves
    months = study.event_times[whole]
    bands = {
        method: simultaneous_band(
            study.changes[:, whole],
            study.treated,
            waves.cases,
            method=method,
            draws=draws,
            seed=seed,
            alpha=alpha,
        )
        for method in ("robust", "sharp")
    }
    truth = waves.truth.groupby("event_time")["effect"].mean().reindex(months, fill_value=0.0)
    shown = ", ".join(f"{name} {format_number(b.p_value, 3)}" for name, b in bands.items())
    title = f"Simulated: effects by month since the start; p that all are zero: {shown}"
    numbers = pd.DataFrame({"Months since the start": months, "Estimate": bands["sharp"].estimate})
    for method, band in bands.items():
        numbers[f"{method.capitalize()} band, from"] = band.conf_low
        numbers[f"{method.capitalize()} band, to"] = band.conf_high
    numbers["Truth"] = truth.to_numpy()
    return Figure(
        name="event_study_simulated",
        title=title,
        alt=f"Line of effects by month with two simultaneous bands and the true effect. {title}.",
        numbers=numbers[months % SHOWN_EVERY == 0],
        picture=_draw_event_study(numbers),
    )


def _draw_event_study(numbers: pd.DataFrame) -> Picture:
    months = numbers["Months since the start"]
    with canvas(height=4.4) as (figure, axes):
        for name, colour, opacity in (("Robust", GREY, 0.2), ("Sharp", DARK_BLUE, 0.25)):
            low, high = numbers[f"{name} band, from"], numbers[f"{name} band, to"]
            label = f"{name} band"
            axes.fill_between(months, low, high, color=colour, alpha=opacity, lw=0, label=label)
        axes.plot(months, numbers["Estimate"], color=DARK_BLUE, marker="o", ms=3, label="Estimate")
        axes.plot(months, numbers["Truth"], color=ORANGE, lw=2, ls="--", label="Truth (simulated)")
        axes.axhline(0, color=TEXT, lw=1)
        axes.axvline(-0.5, color=TEXT, lw=1, ls=":")
        name_axis(axes, "Months since the start")
        axes.set_ylabel("Effect, percentage points")
        figure.legend(loc="outside upper left", ncols=4)
        return save_canvas(figure)


def tabulate_each_council(waves: TwoWaves) -> Table:
    """Show synthetic control and synthetic DiD of every treated council with its exact rank."""
    names = council_names()
    control, did = (
        estimate_each_council(waves.outcomes, waves.first, method=method)
        for method in ("sc", "sdid")
    )
    truth = waves.truth.groupby("council_code")["effect"].mean()
    frame = pd.DataFrame(
        {
            "Council": [names[waves.council_code[found.unit]] for found in control],
            "From": [waves.months[found.first_treated] for found in control],
            "Synthetic control": [found.estimate.att for found in control],
            "p (rank)": [found.p_value for found in control],
            "Synthetic DiD": [found.estimate.att for found in did],
            "p (rank) ": [found.p_value for found in did],
            "Truth (simulated)": [truth[waves.council_code[found.unit]] for found in control],
        }
    )
    least = control[0].smallest_p_value
    return Table(
        frame=frame,
        caption="Simulated: each council against its synthetic self, ranked among the same "
        f"estimate for each of {len(control[0].placebos)} comparators "
        f"(smallest p-value possible: {format_number(least, 3)})",
        decimals={"p (rank)": 3, "p (rank) ": 3},
    )
