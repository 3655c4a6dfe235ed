"""Write simulated councils down as a data cut would show them: seven tables and the truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pilot_eval.lab.simulate_calibration import Calibration, CouncilConstants
from pilot_eval.lab.simulate_clocks import DateArray, Timing
from pilot_eval.lab.simulate_referrals import (
    CORE,
    ENQUIRY,
    INITIAL_ONLY,
    NO_ACTION,
    Columns,
)
from pilot_eval.lab.simulate_settings import SimulationSettings
from pilot_eval.records.codes import CODE_SETS
from pilot_eval.records.schema import DATE_DTYPE, SCHEMA, YES_NO
from pilot_eval.reference.working_days import add_working_days

NOT_YET = np.datetime64("NaT", "D")
ASSESSMENT_TYPES = ("initial", "core", "single")
CLOCK_NAMES = ("initial", "core", "single", "conference")
# Referral sources are collected from the year 2013-14 on.
SOURCES_FROM = np.datetime64("2013-04-01", "D")
# Closed after assessment; the others are drawn from the published reasons, but for deaths, which
# are those of children who died. The reason that most others have stands in for a drawn death.
AFTER_ASSESSMENT, DIED, OTHERWISE = "RC8", "RC2", "RC7"
UNKNOWN_SEX = "unknown"

EffectRow = tuple[Any, ...]
"""Council, outcome, clock, cases, mean without and with the exemption."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CouncilRecords:
    """One council's tables, columns as arrays (codes as positions), and its truth."""

    council_code: str
    tables: dict[str, Columns]
    durations: Columns
    effects: list[EffectRow]


def record_council(
    *,
    constants: CouncilConstants,
    referrals: Columns,
    timings: dict[str, Timing],
    conferences: Columns,
    plans: Columns,
    reviews: Columns,
    children: Columns,
    effects: list[EffectRow],
    settings: SimulationSettings,
    calibration: Calibration,
    rng: np.random.Generator,
) -> CouncilRecords:
    """Write one council's records down as they are known at the data cut.

    Parameters
    ----------
    constants : CouncilConstants
    referrals, conferences, plans, reviews, children : dict of str to ndarray
        As the simulating functions return them, burn-in included.
    timings : dict of str to Timing
        first, core, conference.
    effects : list of tuple
        The council's true effects, passed on.
    settings, calibration, rng
        The simulation and the council's stream.

    Returns
    -------
    CouncilRecords
        Episodes that were open on or after the first day asked for.
    """
    cut = np.datetime64(settings.cut, "D")
    order, ids = _number_referrals(referrals, np.datetime64(settings.window_start, "D"), cut)
    seen = np.unique(referrals["child"][order], return_inverse=True)
    ids["child"] = np.zeros(len(referrals["child"]), dtype=np.int64)
    ids["child"][order] = seen[1] + 1
    assessments = _assessments(referrals, timings, order, settings, rng)
    link = {"assessments": assessments, "kept": ids["referral"] > 0, "cut": cut}
    tables = {
        "children": _children(children, seen[0], cut, calibration),
        "referrals": _referrals(referrals, children, order, cut, calibration, rng),
        "assessments": _known_assessments(assessments, cut),
        "section47s": _section47s(referrals, conferences, timings, order, cut, rng),
        "conferences": _conferences(conferences, link),
        **_plans_and_reviews(plans, reviews, referrals, link),
    }
    for name, table in tables.items():
        _link(name, table, referrals, ids)
    return CouncilRecords(
        council_code=constants.council_code,
        tables=tables,
        durations=_durations(assessments, timings, conferences, link, ids),
        effects=effects,
    )


def build_census(
    records: list[CouncilRecords], settings: SimulationSettings, calibration: Calibration
) -> tuple[dict[str, pd.DataFrame], pd.DataFrame]:
    """Put the councils' records together as typed tables.

    Parameters
    ----------
    records : list of CouncilRecords
    settings : SimulationSettings
    calibration : Calibration

    Returns
    -------
    tables : dict of str to DataFrame
        By table name, columns as `CensusTables` has them.
    durations : DataFrame
        As in `SimulationTruth`.
    """
    codes = [r.council_code for r in records]
    categories = _categories(calibration)
    tables = {}
    for name in records[0].tables:
        parts = [r.tables[name] for r in records]
        tables[name] = _frame(parts, codes, categories)[list(SCHEMA[name])]
    durations = _frame([r.durations for r in records], codes, {"clock": CLOCK_NAMES})
    return tables, durations


def _number_referrals(
    referrals: Columns, first: np.datetime64, cut: np.datetime64
) -> tuple[NDArray[np.int64], Columns]:
    """Order the episodes that were open in the window by date and number them from 1."""
    open_then = (referrals["closure"] >= first) & (referrals["date"] <= cut)
    rows = np.flatnonzero(open_then)
    order = rows[np.lexsort((referrals["child"][rows], referrals["date"][rows]))]
    numbers = np.zeros(len(open_then), dtype=np.int64)
    numbers[order] = np.arange(1, len(order) + 1)
    return order, {"referral": numbers}


def _assessments(
    referrals: Columns,
    timings: dict[str, Timing],
    order: NDArray[np.int64],
    settings: SimulationSettings,
    rng: np.random.Generator,
) -> Columns:
    """List the assessments of the kept referrals, with when they were written down."""
    kind, single = referrals["kind"][order], referrals["single"][order]
    first_rows = order[kind >= INITIAL_ONLY]
    core_rows = order[(kind >= CORE) & ~single]
    first, core = timings["first"], timings["core"]
    columns = {
        name: np.concatenate([getattr(first, name)[first_rows], getattr(core, name)[core_rows]])
        for name in Timing.__slots__
    }
    columns["row"] = np.concatenate([first_rows, core_rows])
    first_type = np.where(referrals["single"][first_rows], 2, 0)
    columns["type"] = np.concatenate([first_type, np.ones(len(core_rows), dtype=np.int64)])
    n, recording = len(columns["row"]), settings.recording
    lateness = rng.geometric(1 / recording.late_days, n)
    late = np.where(rng.random(n) < recording.late, lateness, 0)
    written = np.where(late > 0, add_working_days(columns["end"], late), columns["end"])
    columns["written"] = np.where(rng.random(n) < recording.missing, NOT_YET, written)
    return columns


def _known_assessments(assessments: Columns, cut: np.datetime64) -> Columns:
    known = assessments["start"] <= cut
    target = add_working_days(assessments["start"], assessments["limit"])
    target = np.where(assessments["exempt"], NOT_YET, target)
    return {
        "row": assessments["row"][known],
        "assessment_type": assessments["type"][known],
        "start_date": assessments["start"][known],
        "end_date": _until(assessments["written"][known], cut),
        "target_date": target[known],
    }


def _children(
    children: Columns, kept: NDArray[np.int64], cut: np.datetime64, calibration: Calibration
) -> Columns:
    columns = {name: values[kept] for name, values in children.items()}
    # An unborn child whose expected date is past was born on it.
    born = ~np.isnat(columns["expected_birth_date"]) & (columns["expected_birth_date"] <= cut)
    columns["birth_date"] = np.where(born, columns["expected_birth_date"], columns["birth_date"])
    columns["expected_birth_date"] = np.where(born, NOT_YET, columns["expected_birth_date"])
    columns["death_date"] = _until(columns["death_date"], cut)
    unknown = calibration.shares("sexes")[0].index(UNKNOWN_SEX)
    columns["sex"] = np.where(np.isnat(columns["birth_date"]), unknown, columns["sex"])
    columns["disabled"] = np.where(columns["disabled"], 0, 1)
    return {"child": kept} | columns


def _referrals(
    referrals: Columns,
    children: Columns,
    order: NDArray[np.int64],
    cut: np.datetime64,
    calibration: Calibration,
    rng: np.random.Generator,
) -> Columns:
    """List the kept referrals; their conferences are recorded at the enquiries alone."""
    kind, date = referrals["kind"][order], referrals["date"][order]
    n = len(order)
    closure = _until(referrals["closure"][order], cut)
    reasons = (*calibration.shares("closure_reasons")[0], AFTER_ASSESSMENT)
    reason = _draw(calibration, "closure_reasons", rng, n)
    reason = np.where(reason == reasons.index(DIED), reasons.index(OTHERWISE), reason)
    reason = np.where(kind < CORE, reasons.index(AFTER_ASSESSMENT), reason)
    ended = closure == children["death_date"][referrals["child"][order]]
    reason = np.where(ended, reasons.index(DIED), reason)
    source = _draw(calibration, "referral_sources", rng, n)
    return {
        "row": order,
        "referral_date": date,
        "referral_source": np.where(date >= SOURCES_FROM, source, -1),
        "primary_need": _draw(calibration, "primary_needs", rng, n),
        "closure_date": closure,
        "closure_reason": np.where(np.isnat(closure), -1, reason),
        "no_further_action": np.where(kind == NO_ACTION, 0, 1),
        "icpc_date": np.full(n, NOT_YET),
    }


def _section47s(
    referrals: Columns,
    conferences: Columns,
    timings: dict[str, Timing],
    order: NDArray[np.int64],
    cut: np.datetime64,
    rng: np.random.Generator,
) -> Columns:
    """Enquiries start with the strategy discussion or up to two working days after it."""
    held = np.full(len(referrals["date"]), NOT_YET)
    held[conferences["row"]] = conferences["icpc_date"]
    freed = np.zeros(len(referrals["date"]), dtype=bool)
    freed[conferences["row"]] = timings["conference"].exempt
    rows = order[(referrals["kind"][order] >= ENQUIRY) & (referrals["strategy"][order] <= cut)]
    strategy = referrals["strategy"][rows]
    wait = rng.choice(3, size=len(rows), p=[0.7, 0.2, 0.1])
    start = np.where(wait > 0, add_working_days(strategy, wait), strategy)
    start = np.where(np.isnat(held[rows]), start, np.minimum(start, held[rows]))
    started = start <= cut
    target = np.where(freed[rows], NOT_YET, add_working_days(strategy, 15))
    columns = {
        "row": rows,
        "s47_start_date": start,
        "strategy_date": strategy,
        "icpc_target_date": target,
        "icpc_date": _until(held[rows], cut),
        "icpc_not_required": np.where(np.isnat(held[rows]), 0, 1),
    }
    return {name: values[started] for name, values in columns.items()}


def _conferences(conferences: Columns, link: dict[str, Any]) -> Columns:
    known = link["kept"][conferences["row"]] & (conferences["icpc_date"] <= link["cut"])
    return {
        "row": conferences["row"][known],
        "icpc_date": conferences["icpc_date"][known],
        "core_group_date": _until(conferences["core_group_date"][known], link["cut"]),
    }


def _plans_and_reviews(
    plans: Columns, reviews: Columns, referrals: Columns, link: dict[str, Any]
) -> dict[str, Columns]:
    known = link["kept"][plans["row"]] & (plans["plan_start_date"] <= link["cut"])
    held = known[reviews["plan"]] & (reviews["review_date"] <= link["cut"])
    plan = reviews["plan"][held]
    return {
        "plans": {
            "row": plans["row"][known],
            "plan_start_date": plans["plan_start_date"][known],
            "plan_end_date": _until(plans["plan_end_date"][known], link["cut"]),
            "initial_category": plans["category"][known],
            "latest_category": plans["latest_category"][known],
            "number_previous_plans": plans["previous"][known],
        },
        "reviews": {
            "row": plans["row"][plan],
            "plan_start_date": plans["plan_start_date"][plan],
            "review_date": reviews["review_date"][held],
        },
    }


def _durations(
    assessments: Columns,
    timings: dict[str, Timing],
    conferences: Columns,
    link: dict[str, Any],
    ids: Columns,
) -> Columns:
    """Put the truth about every clock that started before the data cut in one table."""
    timing, kept = timings["conference"], link["kept"][conferences["row"]]
    clock = np.concatenate([assessments["type"], np.full(kept.sum(), 3)])
    columns = {
        "referral_id": ids["referral"][
            np.concatenate([assessments["row"], conferences["row"][kept]])
        ],
        "clock": clock,
        "start_date": np.concatenate([assessments["start"], timing.start[kept]]),
        "duration_working_days": np.concatenate([assessments["days"], timing.days[kept]]),
        "duration_without": np.concatenate(
            [assessments["days_without"], timing.days_without[kept]]
        ),
        "exempt": np.concatenate([assessments["exempt"], timing.exempt[kept]]),
        "recorded_end": np.concatenate([assessments["written"], conferences["icpc_date"][kept]]),
    }
    started = columns["start_date"] <= link["cut"]
    return {name: values[started] for name, values in columns.items()}


def _link(name: str, table: Columns, referrals: Columns, ids: Columns) -> None:
    """Replace positions by the ids a return would carry; keys come first."""
    if name == "children":
        table["child_id"] = np.arange(1, len(table.pop("child")) + 1)
        return
    rows = table.pop("row")
    table["child_id"] = ids["child"][rows]
    if name != "reviews":
        table["referral_id"] = ids["referral"][rows]


def _frame(
    parts: list[Columns], codes: list[str], categories: dict[str, tuple[str, ...]]
) -> pd.DataFrame:
    """Concatenate the councils' columns and give them their dtypes."""
    lengths = [len(next(iter(part.values()))) for part in parts]
    councils = np.repeat(np.arange(len(codes)), lengths)
    columns = {"council_code": pd.Categorical.from_codes(councils, codes)}
    names = [n for n in ("child_id", "referral_id") if n in parts[0]]
    for name in names + [n for n in parts[0] if n not in names]:
        values = np.concatenate([part[name] for part in parts])
        columns[name] = _typed(name, values, categories)
    return pd.DataFrame(columns)


def _typed(name: str, values: NDArray[Any], categories: dict[str, tuple[str, ...]]) -> object:
    if name == "child_id":
        # Ten characters, as councils' ids have; SIM marks every one as invented.
        return pd.array([f"SIM{number:07d}" for number in values.tolist()], dtype="str")
    if name in categories:
        drawn = pd.Categorical.from_codes(values, list(categories[name]))
        return drawn.set_categories(list(CODE_SETS[name])) if name in CODE_SETS else drawn
    if name in ("no_further_action", "icpc_not_required", "disabled"):
        return pd.Categorical.from_codes(values, dtype=pd.CategoricalDtype(YES_NO))
    if name == "number_previous_plans":
        return pd.array(values, dtype="Int64")
    if values.dtype.kind == "M":
        return values.astype(DATE_DTYPE)
    return values


def _categories(calibration: Calibration) -> dict[str, tuple[str, ...]]:
    reasons = (*calibration.shares("closure_reasons")[0], AFTER_ASSESSMENT)
    abuse = calibration.shares("abuse_categories")[0]
    return {
        "assessment_type": ASSESSMENT_TYPES,
        "sex": calibration.shares("sexes")[0],
        "ethnicity": calibration.shares("ethnicities")[0],
        "referral_source": calibration.shares("referral_sources")[0],
        "primary_need": calibration.shares("primary_needs")[0],
        "closure_reason": reasons,
        "initial_category": abuse,
        "latest_category": abuse,
    }


def _draw(
    calibration: Calibration, section: str, rng: np.random.Generator, n: int
) -> NDArray[np.int64]:
    shares = calibration.shares(section)[1]
    return np.searchsorted(np.cumsum(shares)[:-1], rng.random(n), side="right")


def _until(dates: DateArray, cut: np.datetime64) -> DateArray:
    """Blank what has not happened yet."""
    return np.where(dates <= cut, dates, NOT_YET)
