"""Simulated referrals of one council: who is referred when, assessed how, and comes back.

Referrals of new children arrive by day so that, together with returning children, each month has
its calibrated total. Each referral runs its assessments; a child may come back within 12 months
(a re-referral), or in the year after that (not one).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pilot_eval.lab.simulate_calibration import Calibration, CouncilConstants
from pilot_eval.lab.simulate_clocks import (
    DateArray,
    SimulatedCouncil,
    Timing,
    is_exempt,
    month_of,
    time_clock,
    year_ending,
)
from pilot_eval.lab.simulate_settings import FIRST_YEAR, LAST_YEAR, SimulationSettings
from pilot_eval.records.schema import ONE_MONTH
from pilot_eval.reference.working_days import england_bank_holidays

Columns = dict[str, NDArray[Any]]

# Kinds of referral, in the order of the journey.
NO_ACTION, OTHER, INITIAL_ONLY, CORE, ENQUIRY, CONFERENCE, PLAN = range(7)
# Weekends and bank holidays have an emergency duty team only.
QUIET_DAY_WEIGHT = 0.05
# Working Together 2013 came into force on this day.
SINGLE_FROM = np.datetime64("2013-04-15", "D")
# A council with less than this share of single assessments in 2013-14 has not turned yet.
LEAST_SINGLE = 0.03
# Shape of the time to a re-referral: early ones are more frequent. B = 1 - (1 - u)^(1/1.6).
RETURN_SHAPE = 1.6
LONGEST_RETURN = 360
LATEST_CLOSURE_OF_RETURNERS = 200
# Before a return, an episode must have ended: those that have not by then do not return.
_USUAL_CLOSURE = 25
_GENERATIONS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """The days a simulation runs over, and how referrals fall on them.

    Attributes
    ----------
    days : DateArray, shape (d,)
    month : ndarray of int, shape (d,)
        Index of the month since the first, 0, 1, ...
    within_month : ndarray, shape (d,)
        Weight of the day in its month; sums to the part of the month that is covered.
    totals : ndarray, shape (m,)
        Referrals of each month as a share of the mean year's.
    """

    days: DateArray
    month: NDArray[np.int64]
    within_month: NDArray[np.float64]
    totals: NDArray[np.float64]


def build_calendar(settings: SimulationSettings, calibration: Calibration) -> Calendar:
    """Lay out the days from the start of the burn-in to the data cut.

    Parameters
    ----------
    settings : SimulationSettings
    calibration : Calibration

    Returns
    -------
    Calendar
    """
    first = np.datetime64(f"{settings.first_year - 1 - settings.burn_in_years}-04-01", "D")
    last_month = np.datetime64(settings.cut, "M")
    days = np.arange(first, (last_month + ONE_MONTH).astype("datetime64[D]"))
    holidays = england_bank_holidays(settings.first_year - 9, settings.last_year + 1)
    weight = np.where(np.is_busday(days, holidays=holidays), 1.0, QUIET_DAY_WEIGHT)
    month = (days.astype("datetime64[M]") - first.astype("datetime64[M]")).astype(np.int64)
    within = weight / np.bincount(month, weights=weight)[month]
    starts = np.arange(first.astype("datetime64[M]"), last_month + ONE_MONTH).astype(
        "datetime64[D]"
    )
    years = np.clip(year_ending(starts), FIRST_YEAR, LAST_YEAR)
    level = np.array([calibration.years[int(year)] for year in years])
    known = days <= np.datetime64(settings.cut, "D")
    return Calendar(
        days=days[known],
        month=month[known],
        within_month=within[known],
        totals=level * calibration.months[month_of(starts)],
    )


def simulate_referrals(
    calendar: Calendar,
    council: SimulatedCouncil,
    settings: SimulationSettings,
    calibration: Calibration,
    rng: np.random.Generator,
) -> tuple[Columns, dict[str, Timing]]:
    """Simulate all referrals of a council, generation by generation of returning children.

    Parameters
    ----------
    calendar : Calendar
    council : SimulatedCouncil
    settings : SimulationSettings
    calibration : Calibration
    rng : numpy.random.Generator
        The council's own stream.

    Returns
    -------
    referrals : dict of str to ndarray
        child, date, kind, exempt, returns, returns_without, next_date (NaT = none), single,
        closure (NaT where a plan decides it); one row per referral, burn-in included.
    timings : dict of str to Timing
        "first" (the initial or the single assessment) and "core", aligned with the rows; rows
        without such an assessment hold numbers that mean nothing.
    """
    dates = _new_referrals(calendar, council.constants, settings, calibration, rng)
    child = np.arange(len(dates))
    generations: list[tuple[Columns, dict[str, Timing]]] = []
    for _ in range(_GENERATIONS):
        part = _one_generation(dates, child, council, settings, calibration, rng)
        generations.append(part)
        referrals = part[0]
        back = referrals["next_date"] <= calendar.days[-1]
        dates, child = referrals["next_date"][back], referrals["child"][back]
        if not len(dates):
            break
    columns = {
        name: np.concatenate([part[0][name] for part in generations]) for name in generations[0][0]
    }
    timings = {name: _join([part[1][name] for part in generations]) for name in generations[0][1]}
    return columns, timings


def _new_referrals(
    calendar: Calendar,
    constants: CouncilConstants,
    settings: SimulationSettings,
    calibration: Calibration,
    rng: np.random.Generator,
) -> DateArray:
    """Draw the dates of children referred for the first time.

    Their expected number a month is the month's total minus those expected back from earlier
    months, so that total and season come out as calibrated.
    """
    totals = constants.referrals * settings.scale * calendar.totals
    later = calibration.constants["returns"]["second_year"]
    back = constants.rereferral * _lag_shares()
    back = np.concatenate([back, np.full(12, later / 12)])
    expected = np.convolve(totals, back)[: len(totals)]
    new = np.maximum(totals - expected, 0.05 * totals)
    counts = rng.poisson(new[calendar.month] * calendar.within_month)
    return np.repeat(calendar.days, counts)


def _lag_shares() -> NDArray[np.float64]:
    """Approximate shares of re-referrals that come 0, 1, ..., 11 months after the referral."""
    chance = (np.arange(2000) + 0.5) / 2000
    offset = _USUAL_CLOSURE + _return_fraction(chance) * (LONGEST_RETURN - _USUAL_CLOSURE)
    # A referral falls anywhere in its month: half a month is added on average.
    month = np.minimum((offset / 30.44 + 0.5).astype(int), 11)
    return np.bincount(month, minlength=12) / len(chance)


def _return_fraction(chance: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1 - (1 - chance) ** (1 / RETURN_SHAPE)


def _one_generation(
    dates: DateArray,
    child: NDArray[np.int64],
    council: SimulatedCouncil,
    settings: SimulationSettings,
    calibration: Calibration,
    rng: np.random.Generator,
) -> tuple[Columns, dict[str, Timing]]:
    """Assess one generation of referrals, close them, and see who comes back."""
    n = len(dates)
    covered = is_exempt(council, dates, rng.random(n))
    kind = _draw_kind(dates, council.constants, calibration, rng)
    clock: dict[str, Any] = {
        "council": council,
        "settings": settings,
        "calibration": calibration,
        "rng": rng,
    }
    single = dates >= _single_from(council.constants, settings)
    initial = time_clock("initial", dates, covered, **clock)
    first = initial
    if single.any():
        first = _merge(single, time_clock("single", dates, covered, **clock), initial)
    strategy = np.minimum(np.floor(rng.exponential(4.0, n)).astype(np.int64), first.days)
    core_start = np.where(kind >= ENQUIRY, _add_calendar(dates, strategy), first.end)
    core = time_clock("core", core_start, covered, **clock)
    chance = rng.random(n)
    returns = _return_flags(chance, covered, council, settings, calibration, kind)
    closure = _close(dates, kind, single, first, core, returns, calibration, rng)
    referrals = {
        "child": child,
        "date": dates,
        "kind": kind,
        "exempt": covered,
        "single": single,
        "strategy": np.where(kind >= ENQUIRY, core_start, np.datetime64("NaT", "D")),
        "closure": closure,
    }
    return referrals | _come_back(referrals, returns, rng), {"first": first, "core": core}


def _draw_kind(
    dates: DateArray,
    constants: CouncilConstants,
    calibration: Calibration,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Draw how far each referral goes."""
    years = np.arange(FIRST_YEAR, LAST_YEAR + 1)
    reach = {}
    ceiling = np.full(len(years), 0.97)
    for stage in ("assessed", "core", "enquiry", "conference", "plan"):
        growth = calibration.constants[f"years_{stage}"]
        share = np.array([getattr(constants, stage) * growth[str(year)] for year in years])
        reach[stage] = ceiling = np.minimum(share, 0.98 * ceiling)
    no_action = np.minimum(calibration.constants["returns"]["no_action"], 1 - reach["assessed"])
    edges = np.stack(
        [
            no_action,
            1 - reach["assessed"],
            1 - reach["core"],
            1 - reach["enquiry"],
            1 - reach["conference"],
            1 - reach["plan"],
        ]
    )
    year = np.clip(year_ending(dates) - FIRST_YEAR, 0, len(years) - 1)
    result: NDArray[np.int64] = (rng.random(len(dates)) >= edges[:, year]).sum(axis=0)
    return result


def _single_from(constants: CouncilConstants, settings: SimulationSettings) -> np.datetime64:
    """Day on which the council turned to single assessments; far away if it did not."""
    if not settings.single_assessments or constants.single < LEAST_SINGLE:
        return np.datetime64("2100-01-01", "D")
    days = np.datetime64("2014-03-31", "D") - SINGLE_FROM
    result: np.datetime64 = SINGLE_FROM + (days * (1 - constants.single)).astype("timedelta64[D]")
    return result


def _return_flags(
    chance: NDArray[np.float64],
    covered: NDArray[np.bool_],
    council: SimulatedCouncil,
    settings: SimulationSettings,
    calibration: Calibration,
    kind: NDArray[np.int64],
) -> Columns:
    """Who comes back within 12 months, with and without the exemption, and who a year later.

    Children who reach a conference stay known and are not referred again; the others' chance is
    raised so that the share of all referrals is the council's.
    """
    able = kind < CONFERENCE
    base = council.constants.rereferral / max(able.mean() if len(able) else 1.0, 0.5)
    changed = base + council.factor * settings.effects.rereferral
    second = calibration.constants["returns"]["second_year"]
    within = np.clip(np.where(covered, changed, base), 0, 1)
    returns = able & (chance < within)
    return {
        "returns": returns,
        "returns_without": able & (chance < base),
        "returns_late": able & ~returns & (chance > 1 - second),
    }


def _close(
    dates: DateArray,
    kind: NDArray[np.int64],
    single: NDArray[np.bool_],
    first: Timing,
    core: Timing,
    returns: Columns,
    calibration: Calibration,
    rng: np.random.Generator,
) -> DateArray:
    """Close the episodes; those that return close early enough to be referred again."""
    n = len(dates)
    table = calibration.constants["service"]
    soon = rng.exponential(table["after_initial_mean_days"], n)
    long = np.exp(np.log(table["long_median_days"]) + table["long_log_sd"] * rng.normal(size=n))
    quick = rng.random(n) < table["short_share"]
    service = np.where(quick, rng.exponential(table["short_mean_days"], n), long)
    deep = kind >= CORE
    assessed_to = np.where(deep & ~single, np.maximum(core.end, first.end), first.end)
    start = np.where(kind >= INITIAL_ONLY, assessed_to, dates)
    extra = np.where(deep, service, np.where(kind == NO_ACTION, 0, soon))
    closure = _add_calendar(start, np.minimum(extra, 20 * 365).astype(np.int64))
    cap = np.maximum(start, dates + np.timedelta64(LATEST_CLOSURE_OF_RETURNERS, "D"))
    comes_back = returns["returns"] | returns["returns_late"]
    return np.where(comes_back, np.minimum(closure, cap), closure)


def _come_back(referrals: Columns, returns: Columns, rng: np.random.Generator) -> Columns:
    """Date the next referral of those who come back."""
    n = len(referrals["date"])
    closed = (referrals["closure"] - referrals["date"]).astype(np.int64)
    fraction = _return_fraction(rng.random(n))
    within = closed + 1 + fraction * (LONGEST_RETURN - closed)
    later = 366 + np.floor(364 * rng.random(n))
    in_time = closed < LONGEST_RETURN - 1
    offset = np.where(returns["returns"], within, later).astype(np.int64)
    due = np.busday_offset(_add_calendar(referrals["date"], offset), 0, roll="forward")
    back = in_time & (returns["returns"] | returns["returns_late"])
    return {
        "returns": returns["returns"] & in_time,
        "returns_without": returns["returns_without"] & in_time,
        "next_date": np.where(back, due, np.datetime64("NaT", "D")),
    }


def _add_calendar(dates: DateArray, days: NDArray[np.int64]) -> DateArray:
    result: DateArray = dates + days.astype("timedelta64[D]")
    return result


def _merge(use: NDArray[np.bool_], left: Timing, right: Timing) -> Timing:
    """Take rows of one timing where `use`, of the other elsewhere."""
    names = Timing.__slots__
    return Timing(**{k: np.where(use, getattr(left, k), getattr(right, k)) for k in names})


def _join(parts: list[Timing]) -> Timing:
    return Timing(**{k: np.concatenate([getattr(p, k) for p in parts]) for k in Timing.__slots__})
