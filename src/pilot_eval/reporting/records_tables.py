"""Children's records as tables and figures: counts by council and rule, never a value."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from pilot_eval.disclosure.protect.rounding import round_counts
from pilot_eval.estimation.census_changes import CHILD_OUTCOMES, CensusSettings
from pilot_eval.evidence import Evidence
from pilot_eval.house_style import (
    DARK_BLUE,
    GREY,
    ORANGE,
    TEXT,
    canvas,
    name_axis,
    save_canvas,
)
from pilot_eval.plan import EvaluationPlan
from pilot_eval.records.indicators import NATIONAL
from pilot_eval.records.validation import ValidationResult
from pilot_eval.reporting.display import Figure, Opening, Table, format_number

CLOCK_WORDS = {
    "initial_assessment": ("initial assessments", "ia", 10),
    "core_assessment": ("core assessments", "ca", 35),
    "icpc": ("child protection conferences", "icpc", 15),
}
OUTCOME_WORDS = {
    "restricted_mean": "mean delay to {days} working days, unfinished cases counted",
    "completed_only_mean": "the same from completed cases only (misleading)",
    "median": "median, working days",
    "p90": "90th percentile, working days",
    "unfinished": "not finished by day {days}, percent",
    "bunching": "excess finished just before day {days}, percent",
}
SYMBOL = "c"


def open_counts(plan: EvaluationPlan, result: ValidationResult) -> Opening:
    """Open the page on records: how many are accepted, and what became of the others."""
    names = ["records", "accepted", "superseded", "set_aside", "merged"]
    total = {name: _safe(plan, result.summary[name].sum()) for name in names}
    return Opening(
        _of(
            result.accepted.strand,
            f"Accepted are {total['accepted']} of {total['records']} records",
        ),
        f"A later return holds {total['superseded']}; {total['set_aside']} are set aside and "
        f"{total['merged']} merged ({_note(plan)}). What is accepted is counted; what broke a rule "
        "is listed below by rule.",
    )


def tabulate_counts(plan: EvaluationPlan, result: ValidationResult) -> Table:
    """Show what became of the records of each table, small counts suppressed and others rounded."""
    totals = result.summary.groupby("table", sort=False)[
        ["records", "superseded", "set_aside", "merged", "accepted", "warnings"]
    ].sum()
    frame = totals.map(lambda count: _safe(plan, count)).reset_index(names="Table")
    frame.columns = [name.replace("_", " ").capitalize() for name in frame.columns]
    return Table(
        frame=frame, caption=_of(result.accepted.strand, f"Records by table; {_note(plan)}")
    )


def tabulate_issues(plan: EvaluationPlan, result: ValidationResult) -> Table:
    """Show how often each rule was broken and in how many councils."""
    groups = result.issues.groupby(["severity", "rule", "table"], observed=True)
    found = groups.agg(issues=("row", "size"), councils=("council_code", "nunique")).reset_index()
    frame = pd.DataFrame(
        {
            "Rule": found["rule"].astype(str).str.replace("_", " "),
            "Table": found["table"].astype(str),
            "Severity": found["severity"].astype(str),
            "Records": [_safe(plan, count) for count in found["issues"]],
            "Councils": found["councils"].astype(int),
        }
    )
    return Table(
        frame=frame, caption=_of(result.accepted.strand, f"What validation found; {_note(plan)}")
    )


def tabulate_windows(settings: CensusSettings) -> Table:
    """Show the windows compared and the days the records cover."""
    rows = [
        {"Window": side, "First day": str(window.first), "Last day": str(window.last)}
        for side, windows in (("before", settings.pre), ("after", settings.post))
        for window in windows
    ]
    caption = f"Windows by the day a case started; records to {settings.data_cut}"
    return Table(frame=pd.DataFrame(rows), caption=caption)


def open_delay(evidence: Evidence, *, clock: str) -> Opening:
    """Open the page on delay in records: the first measure by the robust test."""
    prefix, days = CLOCK_WORDS[clock][1:]
    table = evidence.table
    rows = table[table["outcome"].str.startswith(f"{prefix}_") & table["method"].eq("robust")]
    strand = table["strand"].iloc[0]
    if rows.empty or rows["estimate"].isna().iloc[0]:
        return Opening(_of(strand, "Delay cannot be compared on these records"), "")
    row = rows.iloc[0]
    shown = [format_number(row[name]) for name in ("estimate", "conf_low", "conf_high")]
    return Opening(
        _of(strand, f"{word_outcome(row['outcome'])}: {shown[0]} ({shown[1]} to {shown[2]})"),
        f"Effect on {CLOCK_WORDS[clock][0]} in working days, with the interval of the robust test; "
        f"above zero is more delay. Their limit was {days} working days.",
    )


def tabulate_delay(evidence: Evidence, *, clock: str) -> Table:
    """Show every measure of delay of a clock: robust and sharp intervals side by side."""
    prefix = CLOCK_WORDS[clock][1]
    rows = evidence.table[evidence.table["outcome"].str.startswith(f"{prefix}_")]
    keys = list(dict.fromkeys(rows["outcome"]))
    by = rows.set_index(["outcome", "method"])
    frame = pd.DataFrame(
        [
            {
                "Measure": word_outcome(key),
                "Estimate": by["estimate"].get((key, "sharp"), np.nan),
                "Robust, from": by["conf_low"].get((key, "robust"), np.nan),
                "Robust, to": by["conf_high"].get((key, "robust"), np.nan),
                "Sharp, from": by["conf_low"].get((key, "sharp"), np.nan),
                "Sharp, to": by["conf_high"].get((key, "sharp"), np.nan),
                "Treated": int(rows.loc[rows["outcome"] == key, "n_treated"].max()),
            }
            for key in keys
        ]
    )
    words = CLOCK_WORDS[clock][0]
    caption = _of(evidence.table["strand"].iloc[0], f"Effect on {words}; above zero is more delay")
    return Table(frame=frame, caption=caption)


def tabulate_children(evidence: Evidence, plan: EvaluationPlan) -> Table:
    """Show the effects on children's outcomes from the records."""
    table = evidence.table
    rows = table[table["outcome"].isin(CHILD_OUTCOMES) & table["method"].isin(["robust", "none"])]
    frame = pd.DataFrame(
        {
            "Outcome": [_label(plan, key) for key in rows["outcome"]],
            "Estimate": rows["estimate"].to_list(),
            "From": rows["conf_low"].to_list(),
            "To": rows["conf_high"].to_list(),
            "Note": [text if isinstance(text, str) else "" for text in rows["reason"]],
        }
    )
    caption = _of(evidence.table["strand"].iloc[0], "Effect on children's outcomes (robust test)")
    return Table(frame=frame, caption=caption)


def _label(plan: EvaluationPlan, key: str) -> str:
    return plan.outcomes[key].label if key in plan.outcomes else NATIONAL[key].title


def tabulate_truth(evidence: Evidence, truth: pd.DataFrame, *, clock: str) -> Table:
    """Compare estimates with the simulated truth, for the restricted mean and completed cases.

    Parameters
    ----------
    evidence : Evidence
    truth : DataFrame
        `SimulationTruth.effects`.
    clock : str

    Returns
    -------
    Table
    """
    prefix = CLOCK_WORDS[clock][1]
    name = {"initial_assessment": "initial", "core_assessment": "core"}.get(clock, "conference")
    own = truth[(truth["clock"] == name) & (truth["outcome"] == "restricted_mean_delay")]
    sharp = evidence.table[evidence.table["method"] == "sharp"].set_index("outcome")
    rows = [
        {
            "Figure": word_outcome(key),
            "Estimate": sharp.loc[key, "estimate"],
            "From": sharp.loc[key, "conf_low"],
            "To": sharp.loc[key, "conf_high"],
        }
        for key in sharp.index
        if key.startswith((f"{prefix}_restricted", f"{prefix}_completed"))
    ]
    true_effect = own["effect"].mean() if len(own) else 0.0
    rows.append({"Figure": "Truth (simulated)", "Estimate": true_effect})
    return Table(frame=pd.DataFrame(rows), caption="Simulated: the estimate and the truth")


def plot_distribution(curves: pd.DataFrame, *, clock: str, label: str) -> Figure:
    """Plot the share finished by every day, as it was and as it would have been.

    Parameters
    ----------
    curves : DataFrame
        As from `evaluate_distributions`, one design.
    clock : str
    label : str
        What the records are, for the title.

    Returns
    -------
    Figure
        Its numbers: every tenth day.
    """
    words, _, limit = CLOCK_WORDS[clock]
    own = curves[(curves["clock"] == clock) & (curves["method"] == "sharp")]
    at = own.set_index("day").loc[limit]
    title = (
        f"{label} By working day {limit}, {100 * at['treated_after']:.0f}% of {words} in the "
        f"treated councils were finished; {100 * at['counterfactual']:.0f}% would have been "
        "without the pilot"
    )
    with canvas(height=4.6) as (figure, axes):
        days = own["day"]
        axes.plot(days, 100 * own["treated_after"], color=DARK_BLUE, lw=2.5, label="As it was")
        axes.plot(
            days,
            100 * own["counterfactual"],
            "--",
            color=ORANGE,
            lw=2.5,
            label="Without the pilot (estimate)",
        )
        low = 100 * (own["counterfactual"] + own["conf_low"]).clip(0, 1)
        high = 100 * (own["counterfactual"] + own["conf_high"]).clip(0, 1)
        axes.fill_between(days, low, high, color=GREY, alpha=0.2, lw=0, label="Band, all days")
        axes.axvline(limit, color=TEXT, lw=1)
        axes.text(limit + 0.4, 4, f"limit: day {limit}", fontsize=9)
        name_axis(axes, "Working days since the start")
        axes.set_ylabel("Percent finished")
        axes.set_ylim(0, 100)
        figure.legend(loc="outside upper center", ncols=3, fontsize=9)
        picture = save_canvas(figure)
    shown = own[own["day"] % 10 == 0]
    columns = ["treated_after", "counterfactual", "estimate", "conf_low", "conf_high"]
    numbers = (100 * shown[columns]).round(1)
    numbers.insert(0, "Day", shown["day"].astype(int))
    numbers.columns = ["Day", "As it was", "Without", "Effect", "From", "To"]
    return Figure(
        name=f"distribution_{clock}",
        title=title,
        alt=f"Two curves of the percent finished by working day. {title}.",
        numbers=numbers,
        picture=picture,
    )


def tabulate_journey(
    plan: EvaluationPlan, summary: pd.DataFrame, *, steps: Sequence[str], strand: str
) -> Table:
    """Show the time between steps of the child's journey over all councils.

    Parameters
    ----------
    plan : EvaluationPlan
    summary : DataFrame
        As from `summarise_journey`.
    steps : sequence of str
        Steps to start from.
    strand : {"census", "simulated"}
        What the records are.

    Returns
    -------
    Table
        Medians are those of the councils, small groups left out.
    """
    enough = summary[summary["reached_both"] > plan.disclosure.threshold]
    groups = enough[enough["from_step"].isin(steps)].groupby(["from_step", "to_step"], sort=False)
    found = groups.agg(cases=("reached_both", "sum"), median=("median_wd", "median")).reset_index()
    frame = pd.DataFrame(
        {
            "From": found["from_step"].str.replace("_", " "),
            "To": found["to_step"].str.replace("_", " "),
            "Cases": [_safe(plan, count) for count in found["cases"]],
            "Median council, working days": found["median"],
        }
    )
    return Table(frame=frame, caption=_of(strand, f"The child's journey; {_note(plan)}"))


def word_outcome(key: str) -> str:
    """Put an outcome of the census strand into words."""
    for name, words in OUTCOME_WORDS.items():
        if f"_{name}_" in f"{key}_":
            days = "".join(letter for letter in key.split("_")[-2 if key.endswith("pct") else -1])
            text = words.format(days="".join(c for c in days if c.isdigit()))
            return text[0].upper() + text[1:]
    return key.replace("_", " ")


def _of(strand: str, caption: str) -> str:
    """Say first if children are invented."""
    return f"Simulated: {caption[0].lower()}{caption[1:]}" if strand == "simulated" else caption


def _safe(plan: EvaluationPlan, count: float) -> str:
    """Suppress a small count of children and round a larger one."""
    if 0 < count <= plan.disclosure.threshold:
        return SYMBOL
    return format_number(float(round_counts(count, base=plan.disclosure.rounding)), 0)


def _note(plan: EvaluationPlan) -> str:
    return (
        f"{SYMBOL}: 1 to {plan.disclosure.threshold}, suppressed; "
        f"others to the nearest {plan.disclosure.rounding}"
    )
