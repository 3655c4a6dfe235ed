"""What the data can bear: which figures there are, which are missing, and where words changed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from math import floor

import pandas as pd

from pilot_eval.plan import EvaluationPlan
from pilot_eval.published.statuses import WORDS
from pilot_eval.reference.plan_periods import Period, middle_of, name_year
from pilot_eval.reporting.display import Opening, Sentence, Table

STATUS_MEANINGS = {
    "suppressed": "Suppressed: a small count, or a figure that could reveal one, was hidden.",
    "withheld_pilot": "Withheld: the figure was not published while its council took part.",
    "not_available": "Not available: no figure was returned or published.",
    "not_applicable": "Not applicable: there was nothing of which to give a figure.",
    "false_zero": "False zero: a zero was printed where no figure stands behind it.",
}


def open_quality(plan: EvaluationPlan, panel: pd.DataFrame) -> Opening:
    """Open the page on the data: how much of what is asked of the treated is known."""
    treated = {name for scenario in plan.scenarios.values() for name in scenario.councils}
    own = panel[panel["council_name"].isin(treated)]
    known = own["value"].notna()
    per = known.groupby(own["outcome"]).mean().reindex(list(plan.outcomes), fill_value=0.0)
    if known.all():
        return Opening(f"Every figure of the treated {plan.texts.units} is known", "")
    worst = plan.outcomes[str(per.idxmin())].label
    return Opening(
        f"{floor(100 * known.mean())}% of the treated {plan.texts.units}' figures are known",
        f"Fewest for: {worst} ({floor(100 * per.min())}%).",
    )


def tabulate_completeness(plan: EvaluationPlan, panel: pd.DataFrame) -> Table:
    """Count units with a figure, by outcome and period."""
    known = panel[panel["value"].notna()]
    counts = known.pivot_table(
        index="outcome", columns="period", values="council_code", aggfunc="nunique", fill_value=0
    ).reindex(list(plan.outcomes), fill_value=0)
    counts.columns = [name_year(period) for period in counts.columns]
    counts.insert(0, "Outcome", [plan.outcomes[key].label for key in counts.index])
    units = plan.texts.units.capitalize()
    return Table(frame=counts, caption=f"{units} with a figure, by period")


def tabulate_statuses(plan: EvaluationPlan, panel: pd.DataFrame) -> Table:
    """Count figures of every compared period by outcome and status; statuses that occur alone."""
    counts = _compared(plan, panel).groupby("outcome")["value_status"].value_counts()
    wide = counts.unstack(fill_value=0).reindex(list(plan.outcomes), fill_value=0)
    there = [status for status in WORDS if status in wide]
    frame = wide[there].rename(columns={key: WORDS[key].capitalize() for key in there})
    frame = frame.rename(columns={"Yes": "Reported"})
    frame.insert(0, "Outcome", [plan.outcomes[key].label for key in frame.index])
    return Table(frame=frame, caption="Figures in the periods that are compared, by status")


def explain_statuses(plan: EvaluationPlan, panel: pd.DataFrame) -> Sentence:
    """Say what the statuses mean that figures of the compared periods have."""
    there = set(_compared(plan, panel)["value_status"])
    said = [text for status, text in STATUS_MEANINGS.items() if status in there]
    last = "None of these is a zero." if said else "Every figure is there."
    return Sentence(" ".join([*said, last]))


def _compared(plan: EvaluationPlan, panel: pd.DataFrame) -> pd.DataFrame:
    """Keep the periods over which each outcome is compared in some scenario."""
    pairs = {
        (outcome, period)
        for scenario, outcome in plan.comparisons
        for period in plan.window_of(outcome, scenario).years
    }
    keys = zip(panel["outcome"], panel["period"], strict=True)
    return panel[[key in pairs for key in keys]]


def tabulate_availability(plan: EvaluationPlan, panel: pd.DataFrame, *, family: str) -> Table:
    """Show, for all that were ever treated, which periods of each outcome they have."""
    names = {row.council_code: row.council_name for row in plan.treatment_register}
    own = (pair for pair in plan.comparisons if plan.family_of(*pair) == family)
    outcomes = dict.fromkeys(outcome for _, outcome in own)
    unit = plan.texts.unit.capitalize()
    everything = sorted(panel["period"].unique(), key=middle_of)
    rows = []
    for code, name in names.items():
        row = {unit: name}
        for key in outcomes:
            own = panel[(panel["outcome"] == key) & (panel["council_code"] == code)]
            there = set(own.loc[own["value"].notna(), "period"])
            row[plan.outcomes[key].label] = _list_spans(there, everything) or "none"
        rows.append(row)
    return Table(
        frame=pd.DataFrame(rows),
        caption=f"Periods with a figure, by {unit.lower()}",
    )


def tabulate_breaks(plan: EvaluationPlan) -> Table:
    """List the measurement breaks and the plan's reason for accepting each."""
    rows = []
    for record in plan.breaks:
        for outcome, settings in plan.outcomes.items():
            if outcome in record.indicators:
                accepted = settings.accepted_breaks.get(record.break_id)
                rows.append(
                    {
                        "Break": record.description,
                        "Between": f"{record.first_year_after - 1} and {record.first_year_after}",
                        "Outcome": settings.label,
                        "Accepted because": accepted or "outside the window used, or not the basis",
                    }
                )
    return Table(frame=pd.DataFrame(rows), caption="Changes of definition, and what the plan says")


def _list_spans(there: set[Period], everything: Sequence[Period]) -> str:
    """List periods, those that follow each other by the first and the last."""
    runs = groupby(enumerate(everything), key=lambda pair: pair[1] in there)
    spans = [[period for _, period in run] for known, run in runs if known]
    return ", ".join(
        name_year(span[0]) + (f" to {name_year(span[-1])}" if span[1:] else "") for span in spans
    )


def list_periods(periods: Iterable[Period]) -> str:
    """List periods in the order of time."""
    return ", ".join(str(period) for period in sorted(periods, key=middle_of))
