"""The tables people read, each made from a panel, a design or the evidence."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf

import pandas as pd

from pilot_eval.design.build import Design
from pilot_eval.design.treatment import describe_starts
from pilot_eval.evaluation.verdict_words import MOST_POINTS, POINTS, name_test
from pilot_eval.evidence import Evidence, Verdict
from pilot_eval.plan import EvaluationPlan
from pilot_eval.published.statuses import WORDS, say_statuses
from pilot_eval.reference.pilot_facts import Exemption
from pilot_eval.reference.plan_periods import period_kind
from pilot_eval.reporting.display import Table, count, format_number, format_range
from pilot_eval.reporting.quality import list_periods


def tabulate_register(plan: EvaluationPlan, requirement: str = "") -> Table:
    """Show the register, or what it says of one requirement.

    Who was treated, when, and how well that is known.
    """
    frame = pd.DataFrame(
        [
            {
                plan.texts.unit.capitalize(): row.council_name,
                "Requirement": plan.texts.name_requirement(row.requirement),
                plan.texts.treated_word.capitalize(): row.freed,
                "Announced": row.announced,
                "Granted": row.granted,
                "Started": row.started,
                "Until": _word_end(row),
                "Coverage": row.coverage,
                "Evidence": row.evidence_grade.replace("_", " "),
                "Grade": row.grade,
            }
            for row in plan.treatment_register
            if requirement in ("", row.requirement)
        ]
    )
    caption = "The register; empty means not known"
    if requirement:
        frame = frame.drop(columns="Requirement")
        caption = f"{plan.texts.name_requirement(requirement)}; empty means not known"
    if frame["Grade"].any():
        caption += ". Grade: A government, B press, C inference"
    return Table(frame=frame.loc[:, frame.any()], caption=caption)


def tabulate_requirements(plan: EvaluationPlan) -> Table:
    """Show each requirement's life for all councils: an exemption ends with what it is from."""
    rows = [
        {
            "Requirement": row.label,
            "Began": row.began,
            "Lapsed for every council": row.lapsed or "in force",
            "Source": row.source,
        }
        for row in plan.requirements
    ]
    return Table(frame=pd.DataFrame(rows), caption="Requirements that councils were freed from")


def _word_end(row: Exemption) -> str:
    known = {"at least": row.in_force_to, "at most": row.ended_by}
    return row.ended or ", ".join(f"{how} {date}" for how, date in known.items() if date)


def tabulate_scenarios(plan: EvaluationPlan) -> Table:
    """List the scenarios: which councils count as treated, from when and until when."""
    rows = [
        {
            "Scenario": key,
            "Meaning": scenario.label,
            plan.texts.unit.capitalize(): council,
            "Treated": when,
        }
        for key, scenario in plan.scenarios.items()
        for council, when in describe_starts(plan, key).items()
    ]
    return Table(frame=pd.DataFrame(rows), caption="Who counts as treated, by scenario")


def tabulate_periods(plan: EvaluationPlan) -> Table:
    """List the periods before and after the first start that outcomes are compared over."""
    rows: dict[tuple[str, str, str], list[str]] = {}
    for scenario, outcome in plan.comparisons:
        window = plan.window_of(outcome, scenario)
        spans = list_periods(list(window.pre)) or "none", list_periods(list(window.post))
        rows.setdefault((plan.outcomes[outcome].label, *spans), []).append(
            plan.scenarios[scenario].short
        )
    frame = pd.DataFrame(
        [(label, "; ".join(names), *spans) for (label, *spans), names in rows.items()],
        columns=["Outcome", "Scenario", "Before", "After"],
    )
    frame = frame.sort_values("Outcome", key=lambda labels: labels.map(_order(plan)), kind="stable")
    return Table(frame=frame, caption="Periods before and after the start")


def _order(plan: EvaluationPlan) -> dict[str, int]:
    return {outcome.label: place for place, outcome in enumerate(plan.outcomes.values())}


def tabulate_balance(
    plan: EvaluationPlan, panel: pd.DataFrame, treated: tuple[str, ...], pool: tuple[str, ...]
) -> Table:
    """Compare treated councils and comparators before the start.

    Parameters
    ----------
    plan : EvaluationPlan
    panel : DataFrame
    treated, pool : tuple of str
        Codes of the treated councils and of the comparators.

    Returns
    -------
    Table
        Means, and the difference in standard deviations of the comparators.
    """
    wide = {
        outcome.label: _pre_mean(plan, panel, key)
        for key, outcome in plan.outcomes.items()
        if plan.window_of(key).pre
    }
    low_income = pd.Series(
        {item.council_code: item.child_low_income_2011_pct for item in plan.councils.values()}
    )
    if low_income.notna().any():
        wide["Children in low-income families, August 2011, percent"] = low_income
    rows = []
    for label, values in wide.items():
        ours, theirs = values.reindex(list(treated)), values.reindex(list(pool))
        gap, spread = ours.mean() - theirs.mean(), theirs.std()
        rows.append(
            {
                "Before the start": label,
                "Treated": ours.mean(),
                "Comparators": theirs.mean(),
                "Difference, standard deviations": gap / spread if spread > 0 else None,
                "Treated with figures": int(ours.notna().sum()),
            }
        )
    return Table(
        frame=pd.DataFrame(rows),
        caption="The treated and the comparators before the start",
        decimals={"Difference, standard deviations": 2},
    )


def tabulate_estimates(
    plan: EvaluationPlan, evidence: Evidence, *, family: str, scenario: str
) -> Table:
    """Show the verdicts under one scenario with their numbers; all tests are in the workbook.

    Parameters
    ----------
    plan : EvaluationPlan
    evidence : Evidence
    family : str
        Key of one of the plan's questions.
    scenario : str

    Returns
    -------
    Table
        One row per outcome.
    """
    own = [
        verdict
        for verdict in evidence.verdicts
        if verdict.inputs.scenario == scenario
        and plan.family_of(scenario, verdict.inputs.outcome) == family
    ]
    frame = pd.DataFrame([_verdict_row(verdict) for verdict in own])
    units = list(dict.fromkeys(verdict.inputs.unit for verdict in own))
    if len(units) > 1:
        frame.insert(2, "Unit", [verdict.inputs.unit for verdict in own])
    short = plan.scenarios[scenario].short
    unit = f", {units[0]}" if len(units) == 1 else ""
    return Table(
        frame=frame,
        caption=f"{short[0].upper()}{short[1:]}: effects{unit}, with "
        f"{1 - plan.inference.alpha:.0%} intervals of the test that carries the finding and of "
        "the other reading. Detectable: found with "
        f"probability {plan.inference.power:.0%}; compared: treated and comparators",
        decimals={"p": 3},
    )


def tabulate_tests(evidence: Evidence, *, scenario: str, outcome: str, title: str) -> Table:
    """Show what every test gives for one comparison."""
    rows = evidence.table.query("scenario == @scenario and outcome == @outcome")
    rows = rows[rows["status"] == "estimated"]
    frame = pd.DataFrame(
        {
            "Test": [name_test(method) for method in rows["method"]],
            "Effect": list(map(format_range, rows["estimate_low"], rows["estimate_high"])),
            "Interval": list(map(_write_interval, rows["conf_low"], rows["conf_high"])),
            "Treated": rows["n_treated"].to_list(),
        }
    )
    return Table(frame=frame, caption=f"{title}: every test")


def _verdict_row(verdict: Verdict) -> dict[str, object]:
    """Put a verdict and its numbers into one row."""
    used = verdict.inputs
    beyond = used.unit == POINTS and MOST_POINTS < used.mde < inf  # no share can change by as much
    return {
        "Outcome": used.label,
        "Finding": verdict.short,
        "Effect": format_range(used.estimate_low, used.estimate_high),
        "Interval": _write_interval(used.conf_low, used.conf_high),
        "Test": name_test(used.test) if used.test and used.status == "estimated" else "",
        "Other reading": _write_interval(used.other_conf_low, used.other_conf_high),
        "p": used.p_value,
        "Detectable": f"over {MOST_POINTS}" if beyond else used.mde,
        "Compared": f"{used.seen} and {used.n_comparators}",
    }


def _write_interval(low: float, high: float) -> str:
    return "" if pd.isna(low) else f"{format_number(low)} to {format_number(high)}"


def tabulate_notes(
    plan: EvaluationPlan, evidence: Evidence, *, family: str, scenario: str = ""
) -> Table:
    """Say what each comparison of a family rests on: councils, breaks, exemptions, limits.

    Of one scenario, or all; outcomes that rest on the same share a row, and columns without an
    entry are left out.
    """
    rows = evidence.table[evidence.table["family"] == family]
    rows = rows[rows["scenario"] == scenario] if scenario else rows
    rows = rows.drop_duplicates(["scenario", "outcome"])
    frame = pd.DataFrame(
        {
            "Outcome": [plan.outcomes[key].label for key in rows["outcome"]],
            "Scenario": [plan.scenarios[key].short for key in rows["scenario"]],
            "Rests on": [
                f"{row.share_of_scenario}: {row.treated.replace('; ', ', ')}"
                for row in rows.itertuples()
            ],
            plan.texts.treated_word.capitalize(): _texts(rows["freed"]),
            "Definition changes": [_describe_breaks(plan, text) for text in _texts(rows["breaks"])],
            "Note": [say_statuses(text) for text in _texts(rows["reason"])],
        }
    )
    shared = frame.columns[1:].to_list()
    frame = frame.groupby(shared, sort=False)["Outcome"].agg("; ".join).reset_index()
    filled = [name for name in shared if frame[name].any()]
    whose = f" ({plan.scenarios[scenario].short})" if scenario else ""
    return Table(
        frame=frame[["Outcome", *filled]],
        caption=f"What each comparison rests on: {plan.questions[family]}{whose}",
    )


def tabulate_dropped(evidence: Evidence, *, scenario: str, outcome: str, role: str) -> Table:
    """List the councils of one role (treated, comparator) left out of a comparison, and why."""
    rows = evidence.dropped.query("scenario == @scenario and outcome == @outcome and role == @role")
    reasons = [say_statuses(text) for text in rows["reason"]]
    frame = pd.DataFrame({"Council": rows["council_name"], "Why it was left out": reasons})
    return Table(frame=frame, caption=f"Councils left out of this comparison ({role})")


def tabulate_register_figures(
    plan: EvaluationPlan, table: pd.DataFrame, *, columns: Mapping[str, str], year: int
) -> Table:
    """Show figures of one year for every council of the register: description only.

    Parameters
    ----------
    plan : EvaluationPlan
    table : DataFrame
        As from `load_published`.
    columns : mapping of str to str
        Indicator -> heading; the first one's status is shown too.
    year : int
        Year ending 31 March.

    Returns
    -------
    Table
    """
    names = {row.council_code: row.council_name for row in plan.treatment_register}
    rows = table[(table["year_ending"] == year) & table["council_code"].isin(list(names))]
    wide, status = (
        rows.pivot(index="council_code", columns="indicator", values=column)
        for column in ("value", "value_status")
    )
    frame = pd.DataFrame({"Council": [names[code] for code in wide.index]})
    for key, label in columns.items():
        frame[label] = wide[key].to_list()
    frame["Figure"] = status[next(iter(columns))].map(WORDS).to_list()
    return Table(
        frame=frame.sort_values("Council"),
        caption=f"Year ending March {year}: a description, without a comparison",
    )


def design_summary(design: Design) -> str:
    """Say in one sentence who is compared with whom, and when."""
    treated = ", ".join(design.names) or "none"
    ending = "years ending " if period_kind(design.post[0]) == "year" else ""
    before, after = list_periods(list(design.pre)), list_periods(list(design.post))
    return (
        f"{treated} ({len(design.treated)} of {design.scenario_size}) against "
        f"{count(len(design.comparators), 'comparator')}; {ending}{before} before, {after} after."
    )


def _pre_mean(plan: EvaluationPlan, panel: pd.DataFrame, outcome: str) -> pd.Series:
    pre = plan.window_of(outcome).pre
    own = panel[(panel["outcome"] == outcome) & panel["period"].isin(list(pre))]
    return own.groupby("council_code")["value"].mean()


def _describe_breaks(plan: EvaluationPlan, keys: str) -> str:
    words = {record.break_id: record.description for record in plan.breaks}
    return " ".join(words[key] for key in keys.split("; ") if key)


def _texts(column: pd.Series) -> list[str]:
    return [value if isinstance(value, str) else "" for value in column]
