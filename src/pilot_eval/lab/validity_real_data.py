"""Section of the validity page: every comparison's tests on comparators in the pilots' place."""

from __future__ import annotations

from concurrent.futures import Executor
from typing import Any

import pandas as pd

from pilot_eval.checks.real_data_placebos import calibrate
from pilot_eval.evaluation.calibration import Rate, choose_settings, erring
from pilot_eval.inference.placebo_sets import FEWEST_STAND_INS, NEAREST_SHARE
from pilot_eval.lab.validity_section import Section
from pilot_eval.plan import load_plan
from pilot_eval.project import list_pilots
from pilot_eval.published.council_indicators import load_published

TESTS = ("robust", "stratified_type", "stratified_region", "adjusted", "cr2", "sharp")
SETS = 2_000


def run_real_data(sets: int, seed: int, executor: Executor | None = None) -> pd.DataFrame:
    """Calibrate the plans of all pilots; the stored table is what evaluations read.

    Parameters
    ----------
    sets : int
    seed : int
        Not used: the plan's seed is.
    executor : concurrent.futures.Executor, optional
        Not used: all comparisons take about a minute.

    Returns
    -------
    pandas.DataFrame
        As from `calibrate`, with `pilot`.
    """
    table, names = load_published(), list_pilots()
    plans = {name: load_plan(name).revise({"calibration.sets": sets}) for name in names}
    found = [calibrate(plan, table).assign(pilot=name) for name, plan in plans.items()]
    return pd.concat(found, ignore_index=True)


def tabulate(found: pd.DataFrame, limit: float) -> pd.DataFrame:
    """Turn counts of rejections into rates with their Monte Carlo interval.

    Parameters
    ----------
    found : DataFrame
        As from `calibrate`.
    limit : float
        Of the plan: a test errs where its rate is certain to be above it.

    Returns
    -------
    DataFrame
        With `rate`, `low`, `high` and `errs`.
    """
    counts = zip(found["rejections"], found["sets"], strict=True)
    rates = [Rate(rejections=rejections, sets=sets) for rejections, sets in counts]
    return found.assign(
        rate=[rate.share for rate in rates],
        low=[rate.low for rate in rates],
        high=[rate.high for rate in rates],
        errs=[erring(rate.low, limit) for rate in rates],
    )


def describe_real_data(table: pd.DataFrame) -> str:
    """Write the section from the stored table."""
    plan = load_plan()
    limit = f"{plan.calibration.limit:.0%}"
    table = tabulate(table, plan.calibration.limit)
    tests = [test for test in TESTS if test in set(table["method"])]
    lines = [
        _introduction(table, limit),
        f"### How often each test rejects, by comparison\n\nIn percent, with the 95% Monte Carlo "
        f"interval. **Bold**: the interval lies above {limit}, and the test carries no verdict.",
        _rate_table(table, tests),
        "### By test",
        _by_test(table, tests, limit),
    ]
    return "\n\n".join(lines)


def _introduction(table: pd.DataFrame, limit: str) -> str:
    return (
        "For every comparison of each pilot whose councils start at one time, "
        f"{int(table['sets'].max()):,} sets of comparators stand in the treated councils' place, "
        "on the same published figures and years. A set has "
        "as many units as were treated, each of the same council type as one of them and drawn "
        f"from the {NEAREST_SHARE:.0%} of that type (at least {FEWEST_STAND_INS} where there are "
        "as many) that are nearest to it in size. Nothing was tried on these councils, so at 5% an "
        "honest test rejects 5% of the sets. Where counts are hidden, they are put at both of the "
        "fillings that make the pilots' own estimate lowest and highest, and the larger rate is "
        "shown. Sets overlap and there is one England: a rate says how a test does on these "
        "councils in these years, and its Monte Carlo interval does not say how much another "
        "England would differ. A test whose interval lies above "
        f"{limit} does not carry the verdict of that comparison; the next in the plan's order does."
    )


def _rate_table(table: pd.DataFrame, tests: list[str]) -> str:
    plans = {pilot: load_plan(pilot) for pilot in table["pilot"].unique()}
    lines = [f"| pilot | scenario | outcome | {' | '.join(tests)} | carries |"]
    lines.append("|---" * (len(tests) + 4) + "|")
    keys = ["pilot", "scenario", "outcome"]
    for (pilot, scenario, outcome), own in table.groupby(keys, sort=False):
        rows = {row.method: row for row in own.itertuples()}
        cells = [_cell(rows[test]) if test in rows else "-" for test in tests]
        order = choose_settings(plans[pilot], scenario, outcome).order
        fit = [test for test in order if test in rows and not rows[test].errs]
        carries = fit[0] if fit else "none"
        lines.append(f"| {pilot} | {scenario} | {outcome} | {' | '.join(cells)} | {carries} |")
    return "\n".join(lines)


def _cell(row: Any) -> str:
    text = f"{100 * row.rate:.1f} ({100 * row.low:.1f}-{100 * row.high:.1f})"
    return f"**{text}**" if row.errs else text


def _by_test(table: pd.DataFrame, tests: list[str], limit: str) -> str:
    lines = [f"| test | mean | largest | where | above {limit} |", "|---|---|---|---|---|"]
    for test in tests:
        own = table[table["method"] == test]
        worst = own.loc[own["rate"].idxmax()]
        where = ", ".join(worst[["pilot", "scenario", "outcome"]])
        lines.append(
            f"| {test} | {100 * own['rate'].mean():.1f}% | {100 * worst['rate']:.1f}% | "
            f"{where} | {own['errs'].sum()} of {len(own)} |"
        )
    return "\n".join(lines)


REAL_DATA = Section(
    name="calibration",
    heading="Every comparison's tests on real data",
    draws=SETS,
    run=run_real_data,
    describe=describe_real_data,
)
