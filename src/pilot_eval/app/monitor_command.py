"""`pilot-eval monitor`: a month's counts added to a running trial, and what follows from them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from pilot_eval.errors import DataError, explain
from pilot_eval.evidence import to_csv_bytes
from pilot_eval.file_sets import finish_sets, whole_set
from pilot_eval.monitoring.cusum import CusumThreshold, calibrate_cusum, compute_cusum
from pilot_eval.monitoring.monthly_counts import COLUMNS, add_months, arrange, read_counts
from pilot_eval.monitoring.trial import monitor_trial
from pilot_eval.monitoring.trial_rules import TrialRules, read_trial_rules
from pilot_eval.reference.facts import council_names
from pilot_eval.reporting.monitoring_page import write_monitoring_page

NOTHING, ALERT, WITHDRAW = 0, 4, 5
STATES = {NOTHING: "no alert", ALERT: "alert", WITHDRAW: "withdrawal rule met"}
HISTORY = "history.csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """A trial as it stands after its last month.

    Attributes
    ----------
    code : int
        0 no alert, 4 alert, 5 withdrawal rule met.
    months_after : int
        Months of the trial that are there.
    looks, charts : DataFrame
        As from `monitor_trial` and `compute_cusum` (treated councils); no rows before the first
        month of the trial.
    alert : dict
        What the alert file says.
    """

    code: int
    months_after: int
    looks: pd.DataFrame
    charts: pd.DataFrame
    alert: dict[str, object]


def monitor(extract: Path, *, rules_file: Path, folder: Path, replace: bool = False) -> Watch:
    """Add an extract to the history, judge the trial, and write what a board reads.

    Parameters
    ----------
    extract : Path
        CSV: council_code, month, numerator, denominator.
    rules_file : Path
        What was written down before the first look (docs/live-trial.md).
    folder : Path
        History and results; made if it is not there.
    replace : bool
        Whether months that are there already may be replaced.

    Returns
    -------
    Watch

    Raises
    ------
    PilotEvalError
        If rules or counts cannot be used: nothing in the folder has changed.
    """
    rules = read_trial_rules(rules_file)
    new = read_counts(extract)
    finish_sets(folder)
    known = folder / HISTORY
    past = read_counts(known) if known.is_file() else pd.DataFrame(columns=COLUMNS)
    history = add_months(past, new, replace=replace)
    watch, left_out = _judge(history, rules)
    page = write_monitoring_page(
        rules, watch.alert, watch.looks, watch.charts, council_names(), left_out
    )
    files = {
        "looks.csv": to_csv_bytes(watch.looks),
        "charts.csv": to_csv_bytes(watch.charts),
        "board.md": page.encode(),
        "alert.json": (json.dumps(watch.alert, indent=2) + "\n").encode(),
        HISTORY: to_csv_bytes(history),
    }
    with whole_set(folder) as new:
        for name, content in files.items():
            (new / name).write_bytes(content)
    return watch


def _judge(history: pd.DataFrame, rules: TrialRules) -> tuple[Watch, list[str]]:
    codes, numerator, denominator, left_out = arrange(history, rules)
    after = numerator.shape[1] - rules.months_before
    if after > rules.last_month:
        rule = f"end with month {rules.last_month} of the trial"
        raise DataError(explain("history", rule, f"{after} months", "Plan more looks beforehand."))
    treated = np.isin(codes, rules.treated)
    looks, charts = pd.DataFrame(), pd.DataFrame()
    if after:
        looks = monitor_trial(numerator, denominator, treated, plan=rules.plan)
        charts = compute_cusum(
            np.array(codes, dtype=object)[treated],
            numerator[treated],
            denominator[treated],
            months_before=rules.months_before,
            harm=rules.harm,
            threshold=_calibrate(rules.run_length, rules.persistence, rules.seed),
        )
    last = str(history["month"].max())
    alert = _describe(rules, last, after, looks, charts)
    watch = Watch(
        code=int(str(alert["exit_code"])),
        months_after=after,
        looks=looks,
        charts=charts,
        alert=alert,
    )
    return watch, left_out


@cache
def _calibrate(run_length: int, persistence: float, seed: int) -> CusumThreshold:
    return calibrate_cusum(run_length, persistence=persistence, seed=seed)


def _describe(
    rules: TrialRules, last: str, after: int, looks: pd.DataFrame, charts: pd.DataFrame
) -> dict[str, object]:
    """Say what the rules say of the last month: alarms, and whether to withdraw."""
    boundary = bool(looks["alarm"].iloc[-1]) if after else False
    rung = charts[(charts["month"] == after) & charts["alarm"]]["council_code"] if after else []
    withdraw = bool(after) and _meets_withdrawal(looks, rules)
    code = WITHDRAW if withdraw else ALERT if boundary or len(rung) else NOTHING
    return {
        "outcome": rules.outcome,
        "month": last,
        "months_of_trial": after,
        "state": STATES[code],
        "exit_code": code,
        "boundary_reached": boundary,
        "councils_whose_chart_rang": [str(one) for one in rung],
        "withdrawal_rule_met": withdraw,
    }


def _meets_withdrawal(looks: pd.DataFrame, rules: TrialRules) -> bool:
    """Whether the last looks all reach the boundary with an estimate beyond the margin."""
    wanted = rules.withdrawal.looks_in_a_row
    last = looks.tail(wanted)
    sign = 1.0 if rules.harm == "rises" else -1.0
    beyond = sign * last["estimate"] >= rules.withdrawal.margin
    return len(last) == wanted and bool((last["alarm"] & beyond).all())
