"""Every outcome of the census strand as changes, one a council, from part of the councils.

Councils are independent: parts are collapsed separately and put together, so that memory holds the
records of one part at a time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TypedDict

import numpy as np
import pandas as pd

from pilot_eval.errors import InferenceError
from pilot_eval.estimation.bunching import change_in_bunching
from pilot_eval.estimation.council_changes import (
    CouncilChanges,
    collapse_levels,
    leave_out_few,
)
from pilot_eval.estimation.distribution import change_in_distribution
from pilot_eval.estimation.survival import (
    DelayCases,
    Window,
    change_in_completed_only,
    change_in_quantile,
    change_in_restricted_mean,
    change_in_survival,
    place_cases,
)
from pilot_eval.published.bands import CLOCK_PREFIX
from pilot_eval.records.census_panel import DEFAULT_HORIZONS, LIMIT_DAYS
from pilot_eval.records.durations import add_months
from pilot_eval.records.indicators import (
    NATIONAL,
    Flow,
    Indicator,
    Records,
    Stock,
    prepare_records,
)
from pilot_eval.records.schema import CensusTables
from pilot_eval.reference.working_days import DEFAULT_CONVENTION, Convention

CLOCKS = ("initial_assessment", "core_assessment", "icpc")
CHILD_OUTCOMES = tuple(
    key
    for key, indicator in NATIONAL.items()
    if indicator.harm != "ambiguous"
    and not indicator.follow_up
    and not key.startswith(tuple(f"{prefix}_within_" for prefix in CLOCK_PREFIX.values()))
)
"""National indicators with a direction of harm that are not shares in time."""
QUANTILES = ("_median_wd", "_p90_wd")
FEWEST_FOR_QUANTILE = 10
"""Fewer cases than that, and a quantile is a child's own duration."""
COMPARISON_ONLY = "leaves unfinished cases out: shown for comparison, not an answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class CensusSettings:
    """What is compared.

    Attributes
    ----------
    pre, post : tuple of Window
        Windows before and after the start of the trial, by the day a case started.
    first_day, data_cut : date
        First and last day that the records cover.
    clocks : tuple of str
        Clocks whose delay is estimated.
    horizons : mapping of str to int
        Clock -> horizon, working days.
    safety : tuple of str
        National indicators of children's outcomes.
    starts : mapping of str to str
        Clock -> what starts it, where not the default.
    convention : {"start_is_day_0", "end_counts"}
    fewest_cases : int
        Cases that a council must have in every window: one more than the threshold below which
        counts of children are withheld, so that no estimate rests on fewer.
    """

    pre: tuple[Window, ...]
    post: tuple[Window, ...]
    first_day: date
    data_cut: date
    clocks: tuple[str, ...] = CLOCKS
    horizons: Mapping[str, int] = field(default_factory=lambda: dict(DEFAULT_HORIZONS))
    safety: tuple[str, ...] = CHILD_OUTCOMES
    starts: Mapping[str, str] = field(default_factory=dict)
    convention: Convention = DEFAULT_CONVENTION
    fewest_cases: int = 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OutcomeChanges:
    """One outcome's changes, with what a reader must know of it.

    Attributes
    ----------
    family, unit, harm : str
        "delay" or "safety"; the unit of the changes; the direction in which children are worse
        off.
    clock : str
        The clock behind a delay outcome, else "".
    note : str
        A limit of the outcome, for the evidence's `reason`.
    changes : CouncilChanges or None
        None where the outcome cannot be estimated; then `reason` says why.
    """

    family: str
    unit: str
    harm: str
    clock: str = ""
    note: str = ""
    reason: str = ""
    changes: CouncilChanges | None = None


class _Words(TypedDict):
    family: str
    unit: str
    clock: str


class _SafetyWords(TypedDict):
    family: str
    unit: str
    harm: str


def compute_changes(
    tables: CensusTables, settings: CensusSettings, exemptions: pd.DataFrame | None = None
) -> tuple[dict[str, OutcomeChanges], dict[str, CouncilChanges]]:
    """Collapse every outcome of the councils in `tables`.

    Parameters
    ----------
    tables : CensusTables
        Whole councils.
    settings : CensusSettings
    exemptions : DataFrame, optional
        As in `compute_durations`.

    Returns
    -------
    outcomes : dict of str to OutcomeChanges
        By outcome key.
    distributions : dict of str to CouncilChanges
        Changes of F(k), k = 0, ..., horizon, by clock.

    Raises
    ------
    InferenceError
        If a horizon is longer than the follow-up of a window.
    """
    records = prepare_records(
        tables,
        data_cut=settings.data_cut,
        clocks=tuple(dict.fromkeys((*settings.clocks, *CLOCKS))),
        starts=settings.starts,
        exemptions=exemptions,
        observed_from=settings.first_day,
        convention=settings.convention,
    )
    outcomes: dict[str, OutcomeChanges] = {}
    distributions: dict[str, CouncilChanges] = {}
    for clock in settings.clocks:
        cases = place_cases(
            records.durations[clock].table,
            records.councils,
            pre=settings.pre,
            post=settings.post,
            data_cut=settings.data_cut,
        )
        horizon = settings.horizons[clock]
        outcomes |= _delay(cases, clock, horizon)
        distributions[clock] = change_in_distribution(cases, horizon)
    for key in settings.safety:
        outcomes[key] = _safety(records, NATIONAL[key], settings)
    fewest = settings.fewest_cases
    return (
        {key: _leave_out_few(key, outcome, fewest) for key, outcome in outcomes.items()},
        {clock: leave_out_few(changes, fewest) for clock, changes in distributions.items()},
    )


def _leave_out_few(key: str, outcome: OutcomeChanges, fewest: int) -> OutcomeChanges:
    """Leave out councils with too few cases for an outcome; a quantile needs more."""
    if outcome.changes is None:
        return outcome
    needed = max(fewest, FEWEST_FOR_QUANTILE) if key.endswith(QUANTILES) else fewest
    return replace(outcome, changes=leave_out_few(outcome.changes, needed))


def _delay(cases: DelayCases, clock: str, horizon: int) -> dict[str, OutcomeChanges]:
    prefix = CLOCK_PREFIX[clock]
    days = {"family": "delay", "unit": "working days", "harm": "rises", "clock": clock}
    percent: _Words = {"family": "delay", "unit": "percentage points", "clock": clock}
    found = {
        f"{prefix}_restricted_mean_{horizon}wd": OutcomeChanges(
            **days, changes=change_in_restricted_mean(cases, horizon)
        ),
        f"{prefix}_completed_only_mean_{horizon}wd": OutcomeChanges(
            **days, note=COMPARISON_ONLY, changes=change_in_completed_only(cases, horizon)
        ),
    }
    for ending, probability in zip(QUANTILES, (0.5, 0.9), strict=True):
        changes = change_in_quantile(cases, probability, horizon)
        found[f"{prefix}{ending}"] = OutcomeChanges(**days, changes=changes)
    for limit in LIMIT_DAYS[clock]:
        changes = _in_percent(change_in_survival(cases, [limit]))
        unfinished = OutcomeChanges(**percent, harm="rises", changes=changes)
        found[f"{prefix}_unfinished_{limit}wd_pct"] = unfinished
        found[f"{prefix}_bunching_{limit}wd_pct"] = _bunching(cases, limit, percent)
    return found


def _bunching(cases: DelayCases, limit: int, percent: _Words) -> OutcomeChanges:
    try:
        changes = _in_percent(change_in_bunching(cases, limit))
    except InferenceError as refused:
        return OutcomeChanges(**percent, harm="ambiguous", reason=str(refused))
    return OutcomeChanges(**percent, harm="ambiguous", changes=changes)


def _in_percent(changes: CouncilChanges) -> CouncilChanges:
    return replace(
        changes,
        change=100 * changes.change,
        level=100 * changes.level,
        spread=100**2 * changes.spread,
    )


def _safety(records: Records, indicator: Indicator, settings: CensusSettings) -> OutcomeChanges:
    words: _SafetyWords = {"family": "safety", "unit": indicator.unit, "harm": indicator.harm}
    windows = (*settings.pre, *settings.post)
    gap = _uncovered(indicator, windows, settings)
    if gap:
        return OutcomeChanges(**words, reason=gap)
    rows = indicator.build(records)
    counts = [_count(rows, window, len(records.councils)) for window in windows]
    hits, every = np.array(counts, dtype=float).transpose(1, 2, 0)
    level = np.divide(100 * hits, every, out=np.full(every.shape, np.nan), where=every > 0)
    changes = collapse_levels(
        level,
        every,
        records.councils,
        len(settings.pre),
        "nobody it could happen to",
        spread=level * (100 - level),
    )
    return OutcomeChanges(**words, changes=changes)


def _uncovered(indicator: Indicator, windows: Sequence[Window], settings: CensusSettings) -> str:
    """Say which records an indicator lacks for the windows; empty if none."""
    first = np.array([window.first for window in windows], dtype="datetime64[D]")
    last = np.array([window.last for window in windows], dtype="datetime64[D]")
    before = add_months(first, -indicator.look_back) < np.datetime64(settings.first_day, "D")
    after = add_months(last, indicator.follow_up) > np.datetime64(settings.data_cut, "D")
    if before.any():
        return f"needs records from {indicator.look_back} months before the first window"
    if after.any():
        return f"needs records to {indicator.follow_up} months after the last window"
    return ""


def _count(rows: Flow | Stock, window: Window, n_councils: int) -> tuple[np.ndarray, np.ndarray]:
    first, last = np.datetime64(window.first, "D"), np.datetime64(window.last, "D")
    if isinstance(rows, Flow):
        counted = (rows.day >= first) & (rows.day <= last)
        hit = counted & rows.hit
    else:
        counted = (rows.begin <= last) & ~(rows.end <= last)
        hit = counted & ~(rows.hit_end <= last)
    happened, could_happen = (
        np.bincount(rows.council[chosen], minlength=n_councils) for chosen in (hit, counted)
    )
    return happened, could_happen
