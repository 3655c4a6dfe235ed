"""The tables of the workbook: what each sheet shows, rounded and with symbols."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from pilot_eval.disclosure.protect.rounding import round_half_up
from pilot_eval.disclosure.protect.symbols import (
    NOT_APPLICABLE,
    ROUNDS_TO_ZERO,
    UNAVAILABLE,
    show_value,
)
from pilot_eval.evidence import Verdict
from pilot_eval.plan import EvaluationPlan
from pilot_eval.published.statuses import say_statuses
from pilot_eval.reference.plan_periods import name_year, period_kind

METHODS = {
    "robust": "Robust: randomisation test",
    "sharp": "Sharp: size-adjusted t test",
    "cr2": "Cluster-robust: CR2 t test",
    "adjusted": "Adjusted: randomisation test among those of the same level before the start",
    "stratified_type": "Robust, sets of the same types",
    "stratified_region": "Robust, sets of the same regions",
    "none": "None: described only",
}
STRANDS = {
    "published": "table of figures",
    "census": "children's records",
    "simulated": "invented children",
}
P_DECIMALS = 3
ENGLAND = "E92000001"

#: Column of the evidence -> heading; headings with units as the guidance asks.
RESULT_COLUMNS = {
    "estimate_low": "Estimate, lower end",
    "estimate_high": "Estimate, upper end",
    "conf_low": "Confidence interval, lower end",
    "conf_high": "Confidence interval, upper end",
    "mde": "Minimum detectable effect",
    "left_out_estimate": "Estimate without hidden figures",
}


LONG_RUN_COLUMNS = {
    "estimate_low": "Effect, lower end",
    "estimate_high": "Effect, upper end",
    "conf_low": "Band, lower end",
    "conf_high": "Band, upper end",
}


def tabulate_results(
    plan: EvaluationPlan,
    evidence: pd.DataFrame,
    verdicts: Sequence[Verdict] = (),
    *,
    family: str,
) -> pd.DataFrame:
    """Lay out the evidence of one family of outcomes for readers of a spreadsheet.

    Parameters
    ----------
    plan : EvaluationPlan
    evidence : pandas.DataFrame
        `Evidence.table`.
    verdicts : sequence of Verdict
        `Evidence.verdicts`; rows without one have the symbol for not applicable.
    family : str
        Key of one of the plan's questions.

    Returns
    -------
    pandas.DataFrame of str and float
        One row per outcome, scenario, strand and method; symbols in brackets where there is no
        figure.
    """
    rows = evidence[evidence["family"] == family]
    judged = {(v.inputs.strand, v.inputs.scenario, v.inputs.outcome): v for v in verdicts}
    keys = zip(rows["strand"], rows["scenario"], rows["outcome"], strict=True)
    found = [judged.get(key) for key in keys]
    columns = {
        "Outcome": [_label_outcome(plan, key) for key in rows["outcome"]],
        "Scenario": [_label_scenario(plan, key) for key in rows["scenario"]],
        "Data": rows["strand"].map(STRANDS).to_list(),
        "Finding": [v.short if v else bracket(NOT_APPLICABLE) for v in found],
        "Security, 0 to 5": [v.rating if v else bracket(NOT_APPLICABLE) for v in found],
        "Method": [METHODS.get(method, method) for method in rows["method"]],
        "Unit": rows["unit"].to_list(),
    }
    for column, heading in RESULT_COLUMNS.items():
        columns[heading] = [show_estimate(value) for value in rows[column]]
    columns["P-value"] = [show_estimate(value, decimals=P_DECIMALS) for value in rows["p_value"]]
    columns["Treated"] = [_show_whole(value) for value in rows["n_treated"]]
    columns["Comparators"] = [_show_whole(value) for value in rows["n_comparators"]]
    columns["Remarks"] = [
        "" if pd.isna(text) else say_statuses(str(text)) for text in rows["reason"]
    ]
    frame = pd.DataFrame(columns, dtype=object)
    return frame.assign(Remarks=frame["Remarks"].replace("", "None"))


def tabulate_long_runs(plan: EvaluationPlan, long_runs: pd.DataFrame) -> pd.DataFrame:
    """Lay out effects by year since the start.

    Parameters
    ----------
    plan : EvaluationPlan
    long_runs : pandas.DataFrame
        As from `checks.long_run.list_long_runs`.

    Returns
    -------
    pandas.DataFrame of str and float
        A row per outcome, scenario and year; symbols in brackets where units start in different
        years.
    """
    columns: dict[str, list[object]] = {
        "Outcome": [_label_outcome(plan, key) for key in long_runs["outcome"]],
        "Scenario": [_label_scenario(plan, key) for key in long_runs["scenario"]],
        "Years since the start": long_runs["time"].tolist(),
        "Year": [
            bracket(NOT_APPLICABLE) if pd.isna(year) else name_year(int(year))
            for year in long_runs["year"]
        ],
    }
    for column, heading in LONG_RUN_COLUMNS.items():
        columns[heading] = [show_estimate(value) for value in long_runs[column]]
    for column, heading in (("n_treated", "Treated"), ("n_comparators", "Comparators")):
        columns[heading] = long_runs[column].tolist()
    return pd.DataFrame(columns, dtype=object)


def tabulate_indicator(
    indicators: pd.DataFrame, names: dict[str, str], *, indicator: str
) -> pd.DataFrame:
    """Lay out one indicator: a row per council (England first), a column per year.

    Parameters
    ----------
    indicators : pandas.DataFrame
        As `load_published` returns it (or protected figures in the same shape).
    names : dict of str to str
        council_code -> name.
    indicator : str

    Returns
    -------
    pandas.DataFrame
        Figures to one decimal and symbols.
    """
    own = indicators[indicators["indicator"] == indicator]
    shown = own.assign(
        shown=[
            bracket(show_value(value, status, decimals=1))
            for value, status in zip(own["value"], own["value_status"], strict=True)
        ]
    )
    wide = shown.pivot(index="council_code", columns="year_ending", values="shown")
    wide = wide.astype(object).where(wide.notna(), bracket(UNAVAILABLE))
    wide.columns = [name_year(year) for year in wide.columns]
    order = sorted(wide.index, key=lambda code: (code != ENGLAND, names.get(code, code)))
    wide = wide.loc[order]
    wide.insert(0, "Council", [names.get(code, "England") for code in order])
    return wide.rename_axis("Area code").reset_index()


def show_estimate(value: float, *, decimals: int = 1) -> float | str:
    """Show an estimate to some decimals, or a symbol in brackets.

    Parameters
    ----------
    value : float
    decimals : int

    Returns
    -------
    float or str
    """
    if value is None or pd.isna(value):
        return bracket(NOT_APPLICABLE)
    if math.isinf(value):
        return "no limit"
    shown = float(round_half_up(value, decimals=decimals))
    return bracket(ROUNDS_TO_ZERO) if shown == 0 and value != 0 else shown


def bracket(shown: float | str) -> float | str:
    """Write a symbol as the spreadsheet guidance does, in square brackets.

    Parameters
    ----------
    shown : float or str

    Returns
    -------
    float or str

    Examples
    --------
    >>> bracket("c"), bracket(4.2)
    ('[c]', 4.2)
    """
    return f"[{shown}]" if isinstance(shown, str) else shown


def name_periods(plan: EvaluationPlan) -> str:
    """Say what the periods of a plan are, in the plural."""
    kind = period_kind(next(iter(plan.windows.values())).post[0])
    return {"year": "years ending 31 March", "quarter": "quarters", "month": "months"}[kind]


def _label_outcome(plan: EvaluationPlan, key: str) -> str:
    """Name an outcome of the plan, or a measure of delay from children's records."""
    from pilot_eval.reporting.records_tables import CLOCK_WORDS, word_outcome

    if key in plan.outcomes:
        return plan.outcomes[key].label
    known = ((words, prefix) for words, prefix, _ in CLOCK_WORDS.values())
    clock = next((words for words, prefix in known if key.startswith(f"{prefix}_")), None)
    words = word_outcome(key)
    return f"{clock.capitalize()}: {words[0].lower()}{words[1:]}" if clock else key


def _label_scenario(plan: EvaluationPlan, key: str) -> str:
    return plan.scenarios[key].short if key in plan.scenarios else key


def _show_whole(value: float) -> int | str:
    return f"[{NOT_APPLICABLE}]" if pd.isna(value) else int(value)
