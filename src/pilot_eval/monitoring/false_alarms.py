"""How often monitoring rings on real monthly counts when nothing was done."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pandas as pd

from pilot_eval.errors import DataError, explain
from pilot_eval.evaluation.stored import stored
from pilot_eval.monitoring.cusum import calibrate_cusum, compute_cusum
from pilot_eval.monitoring.trial import MonitoringPlan, compute_looks, estimate_persistence

MONTHS = (
    *("april", "may", "june", "july", "august", "september"),
    *("october", "november", "december", "january", "february", "march"),
)
BATCH = 50
"""Placebo trials at once: 50 trials of 130 councils over four years are 5 MB."""


def lay_out_months(table: pd.DataFrame, stem: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Lay out monthly counts and populations as council x month.

    Parameters
    ----------
    table : DataFrame
        As from `load_published`.
    stem : str
        Of the twelve indicators, such as ``referrals`` of ``referrals_in_april_rate``.

    Returns
    -------
    counts, children : DataFrame
        Months such as ``"2012-04"``; councils with a count and a population in every month.

    Raises
    ------
    DataError
        If the table has no such indicators.
    """
    wanted = {f"{stem}_in_{month}_rate" for month in MONTHS}
    if missing := sorted(wanted - set(table["indicator"])):
        rule, action = "hold twelve indicators of months", "Check the stem."
        raise DataError(explain("table", rule, f"no {missing[0]}", action))
    found = []
    for place, month in enumerate(MONTHS):
        rows = table[table["indicator"] == f"{stem}_in_{month}_rate"]
        year = rows["year_ending"].astype(int) - (place < 9)
        name = year.astype(str) + f"-{(place + 3) % 12 + 1:02d}"
        found.append(rows.assign(month=name)[["council_code", "month", "numerator", "denominator"]])
    long = pd.concat(found)
    counts, children = (
        long.pivot(index="council_code", columns="month", values=column).sort_index(axis=1)
        for column in ("numerator", "denominator")
    )
    whole = counts.notna().all(axis=1) & children.notna().all(axis=1)
    return counts[whole], children[whole]


@stored
def list_boundary_alarms(
    counts: pd.DataFrame,
    children: pd.DataFrame,
    plan: MonitoringPlan,
    *,
    size: int,
    starts: Iterable[str],
    sets: int,
    seed: int,
) -> pd.DataFrame:
    """Count how many placebo trials cross the boundary at any look.

    Parameters
    ----------
    counts, children : DataFrame
        As from `lay_out_months`, of councils to which nothing was done.
    plan : MonitoringPlan
        Its persistence is estimated again for each start.
    size : int
        Councils of a placebo trial.
    starts : iterable of str
        First months after.
    sets, seed : int
        Placebo trials for each start.

    Returns
    -------
    DataFrame
        start, councils, persistence, boundary_share and anytime_share of trials with an alarm.

    Raises
    ------
    DataError
        If counts and children differ in councils or months, a start has too few months before or
        after it, or `size` leaves no comparators.
    """
    if not 0 < size < len(counts):
        got, action = str(size), "Give the number of councils of a trial."
        raise DataError(explain("size", f"be from 1 to {len(counts) - 1}", got, action))
    rows = []
    for start in starts:
        first, *pair = _cut(counts, children, start, plan.months_before, plan.looks[-1])
        before = [array[:, : plan.months_before] for array in pair]
        own = replace(plan, persistence=estimate_persistence(*before))
        rng = np.random.default_rng([seed, first])
        orders = np.stack([rng.permutation(len(counts)) for _ in range(sets)])
        treated = np.arange(len(counts)) < size
        rung = np.zeros((2, sets), dtype=bool)
        for place in range(0, sets, BATCH):
            part = orders[place : place + BATCH]
            looks = compute_looks(pair[0][part], pair[1][part], treated, plan=own)
            rung[0, place : place + BATCH] = (looks.z >= looks.boundary).any(axis=1)
            rung[1, place : place + BATCH] = (looks.p_anytime <= plan.alpha).any(axis=1)
        shares = dict(zip(("boundary_share", "anytime_share"), rung.mean(axis=1), strict=True))
        rows.append(
            {"start": start, "councils": len(counts), "persistence": own.persistence} | shares
        )
    return pd.DataFrame(rows)


def _cut(
    counts: pd.DataFrame, children: pd.DataFrame, start: str, before: int, after: int
) -> tuple[int, np.ndarray, np.ndarray]:
    """Cut counts and populations to months before and after a start; give the first's place too."""
    if not (counts.index.equals(children.index) and counts.columns.equals(children.columns)):
        rule, got = "have the councils and months of the counts", "others"
        raise DataError(explain("children", rule, got, "Take both from `lay_out_months`."))
    months = list(counts.columns)
    first = months.index(start) - before if start in months else -1
    if first < 0 or first + before + after > len(months):
        rule = f"be a month with {before} months before it and {after} from it on"
        raise DataError(explain("starts", rule, str(start), f"There are {len(months)} months."))
    span = slice(first, first + before + after)
    return first, counts.to_numpy(float)[:, span], children.to_numpy(float)[:, span]


@stored
def list_chart_alarms(
    counts: pd.DataFrame,
    children: pd.DataFrame,
    *,
    months_before: int,
    run_length: float,
    starts: Iterable[str],
    months: int,
    seed: int,
) -> pd.DataFrame:
    """Count the alarms of councils' own charts, with and without the season taken out.

    Parameters
    ----------
    counts, children, starts, seed
        As of `list_boundary_alarms`.
    months_before : int
        Of each council's own past.
    run_length : float
        Months between a chart's false alarms that the threshold is calibrated to.
    months : int
        Watched.

    Returns
    -------
    DataFrame
        start, councils, expected alarms, and alarms by the council's own past (`own_past`) and by
        its past times what all councils together did in that month (`season`).

    Raises
    ------
    DataError
        As `list_boundary_alarms`.
    """
    rows = []
    for start in starts:
        _, events, base = _cut(counts, children, start, months_before, months)
        past = slice(None, months_before)
        own = events[:, past].sum(axis=1) / base[:, past].sum(axis=1)
        everyone = events.sum(axis=0) / base.sum(axis=0)
        level = events[:, past].sum() / base[:, past].sum()
        season = np.clip(own[:, None] * everyone / level, 0, 1)
        rate = estimate_persistence(events[:, past], base[:, past])
        threshold = calibrate_cusum(run_length, persistence=rate, seed=seed)
        alarms = {
            name: compute_cusum(
                counts.index.to_numpy(str),
                events,
                base,
                months_before=months_before,
                harm="rises",
                threshold=threshold,
                expected=expected,
            )["alarm"].sum()
            for name, expected in (("own_past", None), ("season", season))
        }
        expected_alarms = len(counts) * months / run_length
        rows.append({"start": start, "councils": len(counts), "expected": expected_alarms} | alarms)
    return pd.DataFrame(rows)
