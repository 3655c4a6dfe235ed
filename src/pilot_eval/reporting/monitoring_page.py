"""The page that a monitoring board reads after each month of a trial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from pilot_eval.monitoring.trial_rules import TrialRules
from pilot_eval.result_display import write_as_markdown


def write_monitoring_page(
    rules: TrialRules,
    alert: Mapping[str, object],
    looks: pd.DataFrame,
    charts: pd.DataFrame,
    names: Mapping[str, str],
    left_out: Sequence[str],
) -> str:
    """Write the page as Markdown; no count of any council is on it.

    Parameters
    ----------
    rules : TrialRules
    alert : mapping
        As in the alert file.
    looks, charts : DataFrame
        As from `monitor_trial` and `compute_cusum`; may be empty.
    names : mapping of str to str
        Council code -> name.
    left_out : sequence of str
        Councils without complete counts.

    Returns
    -------
    str
    """
    state = str(alert["state"])
    names = {code: write_as_markdown(name) for code, name in names.items()}
    outcome, month = write_as_markdown(rules.outcome), alert["months_of_trial"]
    lines = [
        f"# {outcome}: month {month} of the trial ({alert['month']})",
        "",
        f"**{state[0].upper()}{state[1:]}.** {_word_state(rules, alert, names)}",
        "",
        *_rules(rules),
    ]
    if len(looks):
        lines += ["", *_looks(looks, rules), "", *_charts(charts, names)]
    if left_out:
        who = ", ".join(names.get(code, code) for code in left_out)
        lines += ["", f"Left out, because months or cases are missing: {who}."]
    note = "No alert is not a finding of safety: it says that the rules above were not met so far."
    return "\n".join([*lines, "", note, ""])


def _word_state(rules: TrialRules, alert: Mapping[str, object], names: Mapping[str, str]) -> str:
    if not alert["months_of_trial"]:
        return "The trial has not begun: only months before the start are in the history."
    rung = alert["councils_whose_chart_rang"]
    said = []
    if alert["withdrawal_rule_met"]:
        said.append("The withdrawal rule is met: the councils are to be asked to withdraw.")
    if alert["boundary_reached"]:
        said.append("The treated councils together have reached the boundary this month.")
    if isinstance(rung, list) and rung:
        who = ", ".join(names.get(code, code) for code in rung)
        said.append(f"The chart of its own past rang this month for {who}.")
    return " ".join(said) or "The boundary was not reached and no council's chart rang this month."


def _rules(rules: TrialRules) -> list[str]:
    worse = "higher" if rules.harm == "rises" else "lower"
    times, unit = rules.withdrawal.looks_in_a_row, write_as_markdown(rules.unit)
    return [
        "## What was agreed beforehand",
        "",
        f"- Children are worse off where the figure is {worse}. One looks every month to month "
        f"{rules.last_month}; the chance of a false alarm over all looks is {rules.alpha:.0%}.",
        f"- Withdrawal: the boundary reached at {times} look{'s' if times > 1 else ''} in a row, "
        f"with an estimate of at least {rules.withdrawal.margin:g} {unit}.",
        f"- A council's own chart rings falsely about once in {rules.run_length} months.",
    ]


def _looks(looks: pd.DataFrame, rules: TrialRules) -> list[str]:
    rows = [
        f"| {row.months_after} | {row.estimate:.1f} | {row.conf_low:.1f} to {row.conf_high:.1f} "
        f"| {row.z:.2f} | {row.boundary:.2f} | {'reached' if row.alarm else ''} |"
        for row in looks.itertuples()
    ]
    unit = write_as_markdown(rules.unit)
    head = f"| month | estimate ({unit}) | interval at all looks | z | boundary | |"
    return ["## The treated councils together", "", head, "|---|---|---|---|---|---|", *rows]


def _charts(charts: pd.DataFrame, names: Mapping[str, str]) -> list[str]:
    last = charts[charts["month"] == charts["month"].max()]
    rows = [
        f"| {names.get(row.council_code, row.council_code)} | {row.cusum:.1f} "
        f"| {row.threshold:.1f} | {row.alarms_so_far} |"
        for row in last.itertuples()
    ]
    head = "| council | sum now | rings at | alarms so far |"
    return ["## Each council against its own past", "", head, "|---|---|---|---|", *rows]
