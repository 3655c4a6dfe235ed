"""One council's journey against its comparators: the yearly report to its safeguarding board."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from pilot_eval.design.build import Design, build_design
from pilot_eval.errors import ParameterError, explain
from pilot_eval.evaluation import council_effects, estimate_design
from pilot_eval.evaluation.verdict_inputs import collect_inputs
from pilot_eval.evaluation.verdicts import judge
from pilot_eval.house_style import DARK_BLUE, GREY, ORANGE, canvas, save_canvas
from pilot_eval.plan import EvaluationPlan
from pilot_eval.reference.plan_periods import middle_of, name_year
from pilot_eval.reporting.display import Figure, Opening, Table, count, format_number, format_range
from pilot_eval.reporting.events import EVERYWHERE, find_events, mark_events
from pilot_eval.reporting.figures import axis_label, mark_start, set_periods

SCENARIO = "council_report"
FREED = ("yes", "inferred")
PLACE = "Place in the last year known, from lowest"


def plan_for_council(plan: EvaluationPlan, council: str) -> EvaluationPlan:
    """Add a scenario that treats one council alone, against the plan's comparators.

    Parameters
    ----------
    plan : EvaluationPlan
    council : str
        Name of any of the 152 councils.

    Returns
    -------
    EvaluationPlan

    Raises
    ------
    ParameterError
        If there is no such council.
    """
    from difflib import get_close_matches

    known = list(plan.names.values())
    if council not in known:
        near = get_close_matches(council, known, n=1)
        hint = (
            f"Did you mean {near[0]}?" if near else "Use the name in data/reference/councils.csv."
        )
        raise ParameterError(explain("council", "be a council of the pilot", repr(council), hint))
    scenario: dict[str, object] = {
        "short": council,
        "label": f"{council} alone",
        "councils": [council],
    }
    scenario |= _own_start(plan, council)
    exclude = [name for name in plan.comparators.exclude if name != council]
    return plan.revise({f"scenarios.{SCENARIO}": scenario, "comparators.exclude": exclude})


def _own_start(plan: EvaluationPlan, council: str) -> dict[str, object]:
    """Take a council's start, end and windows from a scenario that names it, or the primary one."""
    primary = plan.family.primary_scenario
    order = sorted(plan.scenarios, key=lambda key: key != primary)
    key = next((key for key in order if council in plan.scenarios[key].councils), primary)
    chosen = plan.scenarios[key]
    found: dict[str, object] = {"windows": dict(chosen.windows)}
    if council in chosen.last_treated:
        found["last_treated"] = {council: chosen.last_treated[council]}
    starts = dict(zip(chosen.councils, chosen.first_treated, strict=False))
    if starts:
        found["first_treated"] = [starts.get(council, min(chosen.first_treated))]
    elif council not in chosen.councils:
        found["first_treated"] = [min(window.post[0] for window in plan.windows.values())]
    return found


def open_council(plan: EvaluationPlan, panel: pd.DataFrame, council: str) -> Opening:
    """Open a council's report: what it was freed from, and the verdicts on its changes."""
    word = plan.texts.treated_word
    own = [row for row in plan.treatment_register if row.council_name == council]
    freed = [plan.texts.name_requirement(row.requirement) for row in own if row.freed in FREED]
    unknown = sum(row.freed == "unknown" for row in own)
    said = "; ".join(freed)
    rest = f"; not known for {count(unknown, 'other requirement')}" if unknown else ""
    what = f"{word}: {said}" if freed else f"not {word} in this pilot"
    return Opening(f"{council}, {what}{rest}", " ".join(state_verdict(plan, panel)))


def describe_council(plan: EvaluationPlan, council: str) -> list[str]:
    """List what happened to a council: exemptions and events, as sentences."""
    [code] = codes_of(plan, council)
    lines = [
        f"{plan.texts.name_requirement(row.requirement)}: {plan.texts.treated_word}: {row.freed}"
        + (f", announced {row.announced}" if row.announced else "")
        + (f", granted {row.granted}" if row.granted else "")
        + (f", started {row.started}" if row.started else "")
        + (f", ended {row.ended}" if row.ended else "")
        + (f" ({row.coverage})" if row.coverage else "")
        + f"; evidence: {row.evidence_grade.replace('_', ' ')}."
        for row in plan.treatment_register
        if row.council_code == code
    ]
    lines += [
        f"{event.date}: {event.event}."
        for event in sorted(plan.events, key=lambda item: item.date)
        if event.council_code == code
    ]
    if code not in plan.ever_treated:
        lines.insert(0, "Not in the register of this pilot.")
    return lines


def tabulate_figures(plan: EvaluationPlan, panel: pd.DataFrame, council: str) -> Table:
    """Show a council's published figures by year, and its place among all councils at the end.

    Parameters
    ----------
    plan : EvaluationPlan
    panel : DataFrame
    council : str

    Returns
    -------
    Table
        Its place counts from the lowest figure of the last year it has.
    """
    rows = []
    for key, outcome in plan.outcomes.items():
        wide = panel[panel["outcome"] == key].pivot(
            index="council_name", columns="period", values="value"
        )
        own = wide.reindex([council]).iloc[0]
        last = own.last_valid_index()
        row = {"Outcome": outcome.label} | {name_year(year): own[year] for year in wide.columns}
        if last is not None:
            known = wide[last].dropna()
            row[PLACE] = f"{int(known.rank(method='min')[council])} of {len(known)}"
        rows.append(row)
    frame = pd.DataFrame(rows)
    frame = frame[[*(name for name in frame if name != PLACE), *({PLACE} & {*frame})]]
    return Table(frame=frame, caption=f"{council}: its figures by period")


def tabulate_council_effects(plan: EvaluationPlan, panel: pd.DataFrame, council: str) -> Table:
    """Show a council's own change against its comparators', outcome by outcome.

    Parameters
    ----------
    plan : EvaluationPlan
        As from `plan_for_council`.
    panel : DataFrame
    council : str

    Returns
    -------
    Table
        With size-adjusted intervals: with one council nothing else is available.
    """
    rows = []
    for key, outcome in plan.outcomes.items():
        if outcome.descriptive is not None:
            continue
        found = list(council_effects(plan, council_design(plan, panel, key)))
        numbers: dict[str, Any] = found[0] if found else {}
        rows.append(
            {
                "Outcome": outcome.label,
                "Change against comparators": format_range(
                    numbers.get("effect_low", np.nan), numbers.get("effect_high", np.nan)
                ),
                "From": numbers.get("conf_low", np.nan),
                "To": numbers.get("conf_high", np.nan),
                "Unit": outcome.unit,
                "Note": "" if found else "no figure before and after the start",
            }
        )
    return Table(
        frame=pd.DataFrame(rows),
        caption=f"{council}: change since before the start, minus the comparators' (sharp test)",
    )


def state_verdict(plan: EvaluationPlan, panel: pd.DataFrame) -> list[str]:
    """Word the verdicts on one council's changes; outcomes with the same one share a sentence.

    Parameters
    ----------
    plan : EvaluationPlan
        As from `plan_for_council`.
    panel : DataFrame

    Returns
    -------
    list of str
    """
    shared: dict[str, list[str]] = {}
    for key, outcome in plan.outcomes.items():
        if outcome.descriptive is None:
            design = council_design(plan, panel, key)
            rows = estimate_design(plan, design).rows
            verdict = judge(collect_inputs(plan, rows, design), plan.verdict)
            shared.setdefault(verdict.short, []).append(outcome.label)
    total = sum(len(labels) for labels in shared.values())
    return [
        f"{'Every outcome' if len(labels) == total else '; '.join(labels)}: {short}."
        for short, labels in shared.items()
    ]


def council_design(plan: EvaluationPlan, panel: pd.DataFrame, outcome: str) -> Design:
    """Build the design of the one-council scenario."""
    return build_design(plan, panel, scenario=SCENARIO, outcome=outcome)


def codes_of(plan: EvaluationPlan, council: str) -> tuple[str, ...]:
    """Find the code of a council that `plan_for_council` knows."""
    return tuple(code for code, name in plan.names.items() if name == council)


def plot_council(
    plan: EvaluationPlan, panel: pd.DataFrame, council: str, *, outcome: str
) -> Figure:
    """Plot a council against the comparators' spread, with its events marked.

    Parameters
    ----------
    plan : EvaluationPlan
        As from `plan_for_council`.
    panel : DataFrame
    council : str
    outcome : str

    Returns
    -------
    Figure
    """
    [code] = codes_of(plan, council)
    design = council_design(plan, panel, outcome)
    rows = panel[panel["outcome"] == outcome]
    wide = rows.pivot(index="council_code", columns="period", values="value")
    own, others = wide.loc[code], wide.loc[list(design.comparators)]
    periods = list(wide.columns)
    years = [middle_of(period) for period in periods]
    band = others.quantile([0.1, 0.5, 0.9])
    title = _title(plan, council, own, others, outcome)
    events = find_events(plan.events, [EVERYWHERE, code], years[0], years[-1] + 0.5)
    with canvas(height=4.4 + 0.17 * len(events)) as (figure, axes):
        axes.fill_between(years, band.loc[0.1], band.loc[0.9], color=GREY, alpha=0.18, lw=0)
        axes.plot(
            years, band.loc[0.5], color=ORANGE, lw=2.5, marker="s", label="Comparators, median"
        )
        axes.plot(years, own, color=DARK_BLUE, lw=3, marker="o", label=council)
        mark_start(axes, plan, design, breaks=False)
        told = mark_events(axes, events)
        set_periods(axes, periods)
        axes.set_ylabel(axis_label(plan, outcome))
        axes.legend(frameon=False, loc="best")
        picture = save_canvas(figure)
    numbers = pd.DataFrame(
        {
            "Line": [council, "Comparators, lowest tenth", "Comparators, median", "Highest tenth"],
            **{
                name_year(one): [own[one], *(band.loc[q, one] for q in (0.1, 0.5, 0.9))]
                for one in periods
            },
        }
    )
    return Figure(
        name=f"council_{council}_{outcome}".lower().replace(" ", "_"),
        title=title,
        alt=f"Line chart over time. {title} A shaded band holds four fifths of the comparators. "
        f"Events: {told or 'none'}.",
        numbers=numbers.round(1),
        picture=picture,
    )


def _title(
    plan: EvaluationPlan, council: str, own: pd.Series, others: pd.DataFrame, outcome: str
) -> str:
    label = plan.outcomes[outcome].label
    last = own.last_valid_index()
    if last is None:
        return f"{label}: no figure of {council} was published."
    share = 100 * (others[last].dropna() < own[last]).mean()
    return (
        f"{label}: in {name_year(last)} {council} stood at {format_number(own[last])}, "
        f"above {share:.0f}% of comparators."
    )
