"""How often verdicts are wrong: the section of the validity page on simulated trials."""

from __future__ import annotations

from concurrent.futures import Executor
from math import sqrt
from typing import Any

import pandas as pd

from pilot_eval.evidence import CHANGED, UNANSWERED
from pilot_eval.lab.validity_section import Section
from pilot_eval.lab.verdict_trials import build_worlds, run_trials
from pilot_eval.plan import load_plan
from pilot_eval.published.council_indicators import load_published

TRIALS = 4000
REPORTING_SEED = 20170501
"""Of the trials reported: another one than those on which rules were fixed."""
SECURE, FAIR = 4, 3
"""Ratings from which a finding is called secure, and fair."""
MOST_FALSE, FEWEST_SECURE, LEAST_POWER = 0.05, 100, 0.8
ENOUGH_UNITS = 4
COLUMNS = ("part", "group", "findings", "share", "error", "target", "met")


def run_verdicts(draws: int, seed: int, executor: Executor | None = None) -> pd.DataFrame:
    """Simulate trials and count false and missed findings by rating.

    Parameters
    ----------
    draws : int
        Trials.
    seed : int
    executor : concurrent.futures.Executor, optional
        Not used: trials are quick.

    Returns
    -------
    DataFrame
        Columns `COLUMNS`.
    """
    plan = load_plan()
    worlds = build_worlds(plan, load_published())
    return summarise_trials(run_trials(plan, worlds, trials=draws, seed=[REPORTING_SEED, seed]))


def summarise_trials(trials: pd.DataFrame) -> pd.DataFrame:
    """Count findings, and how many are false or missed.

    Parameters
    ----------
    trials : DataFrame
        As from `run_trials`.

    Returns
    -------
    DataFrame
        Columns `COLUMNS`: `findings` counts what the share is of; `error` is its Monte Carlo
        standard error.
    """
    answered = trials[trials["finding"] != UNANSWERED]
    changed = answered[answered["finding"].isin(list(CHANGED))]
    secure = answered["rating"] >= SECURE
    rows = [
        _false("secure", "any finding", answered[secure], FEWEST_SECURE),
        _false("secure", "rose or fell", changed[changed["rating"] >= SECURE], 1),
    ]
    rows += [
        _false("rating", str(rating), own) for rating, own in changed.groupby("rating", sort=True)
    ]
    rows += [
        _false("selection", name, own[own["rating"] >= FAIR])
        for name, own in changed.groupby("selection", sort=True)
    ]
    sound = trials[trials["complete"] & trials["calibrated"] & (trials["n_units"] >= ENOUGH_UNITS)]
    rows += [_found(size, own) for size, own in sound.groupby(sound["effect"].abs(), sort=True)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def describe_verdicts(table: pd.DataFrame) -> str:
    """Write the section from its table.

    Parameters
    ----------
    table : DataFrame
        As from `run_verdicts`.

    Returns
    -------
    str
        Markdown.
    """
    lines = [
        "Simulated trials: one outcome in one scenario each, drawn from all that can be compared. "
        "Real comparators stand in the pilots' place, with the pilots' pattern of hidden counts "
        "and missing years. Half the trials have no effect, a quarter the detectable one, a "
        "quarter twice it. In a third of them the councils come from the top or the bottom quarter "
        "of the level before the start. The rules of the plan judge each trial "
        "([rules](decisions/verdict-rules.md)), which were fixed on other seeds.",
        "",
        "| what | of | findings | share | standard error | target | met |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {PARTS[row.part]} | {row.group} | {row.findings} | {row.share:.1%} | {row.error:.1%} "
        f"| {row.target or '–'} | {row.met or '–'} |"
        for row in table.fillna({"target": "", "met": ""}).itertuples()
    ]
    return "\n".join(lines)


PARTS = {
    "secure": f"false, rated {SECURE} or 5",
    "rating": "false, by rating",
    "selection": f"false, rated {FAIR} or more, by how councils were chosen",
    "found": f"found, four or more units, complete figures, usual test within limits: rated {FAIR} "
    "or more",
}
VERDICTS = Section(
    name="verdicts",
    heading="Verdicts",
    draws=TRIALS,
    run=run_verdicts,
    describe=describe_verdicts,
)


def _false(part: str, group: str, own: pd.DataFrame, fewest: int = 0) -> dict[str, Any]:
    """Count the false among some findings; a target is set where there must be enough of them."""
    row = _share(part, group, own["false"])
    if not fewest:
        return row
    fine = len(own) >= fewest and row["share"] <= MOST_FALSE
    target = f"at most {MOST_FALSE:.0%} of {fewest} or more"
    return row | {"target": target, "met": "yes" if fine else "no"}


def _found(size: float, own: pd.DataFrame) -> dict[str, Any]:
    """Count the effects of one size that are found, and rated fair or better."""
    stated = own["finding"].isin(list(CHANGED)) & (own["rating"] >= FAIR)
    names = {0.0: "no effect (false)", 1.0: "detectable effect", 2.0: "twice the detectable effect"}
    row = _share("found", names[size], stated & (~own["false"] if size else True))
    if size < 2:
        return row
    met = "yes" if row["share"] >= LEAST_POWER else "no"
    return row | {"target": f"at least {LEAST_POWER:.0%}", "met": met}


def _share(part: str, group: str, hits: pd.Series) -> dict[str, Any]:
    count = len(hits)
    share = float(hits.mean()) if count else float("nan")
    error = sqrt(share * (1 - share) / count) if count else float("nan")
    row = {"part": part, "group": group, "findings": count, "share": share, "error": error}
    return row | {"target": "", "met": ""}
