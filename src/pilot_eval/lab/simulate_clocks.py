"""One simulated council's clocks: season, good and bad years, exemption, with and without it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pilot_eval.lab.simulate_calibration import Calibration, CouncilConstants
from pilot_eval.lab.simulate_durations import compute_duration, draw_chances
from pilot_eval.lab.simulate_settings import (
    FIRST_YEAR,
    LAST_YEAR,
    Exemption,
    SimulationSettings,
)
from pilot_eval.reference.working_days import add_working_days

DateArray = NDArray[np.datetime64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]

# The initial assessment's limit rose from 7 to 10 working days on this day.
LIMIT_RAISED = np.datetime64("2010-04-01", "D")
LIMITS = {"core": 35, "conference": 15, "single": 45, "core_group": 10}
# Years of burn-in lie before the first year; they share its noise.
_YEARS = LAST_YEAR - FIRST_YEAR + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedCouncil:
    """A council as this simulation has it: its constants, its luck and its exemption.

    Attributes
    ----------
    constants : CouncilConstants
    exemption : Exemption or None
    factor : float
        Scales every effect in this council.
    noise : dict of str to ndarray, shape (6,)
        By clock: deviation of the log duration in each year ending 2009 to 2014.
    """

    constants: CouncilConstants
    exemption: Exemption | None
    factor: float
    noise: dict[str, NDArray[np.float64]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """What n clocks showed: shape (n,) each.

    Attributes
    ----------
    start : DateArray
    days, days_without : IntArray
        Working days taken, and those the same cases take where no exemption exists.
    exempt : BoolArray
    end : DateArray
        Day on which it was really done.
    limit : IntArray
    """

    start: DateArray
    days: IntArray
    days_without: IntArray
    exempt: BoolArray
    end: DateArray
    limit: IntArray


def draw_council(
    constants: CouncilConstants,
    settings: SimulationSettings,
    calibration: Calibration,
    rng: np.random.Generator,
) -> SimulatedCouncil:
    """Draw what is particular to a council in this simulation.

    Parameters
    ----------
    constants : CouncilConstants
    settings : SimulationSettings
    calibration : Calibration
    rng : numpy.random.Generator
        The council's own stream.

    Returns
    -------
    SimulatedCouncil
    """
    freed = {e.council_code: e for e in settings.exemptions}
    table = calibration.constants["year_noise"]
    rho = table["persistence"]
    noise = {}
    for clock in ("initial", "core", "conference", "single", "core_group"):
        shocks = rng.standard_normal(_YEARS)
        path = np.empty(_YEARS)
        path[0] = shocks[0]
        for year in range(1, _YEARS):
            path[year] = rho * path[year - 1] + np.sqrt(1 - rho**2) * shocks[year]
        noise[clock] = settings.council_noise * table[clock] * path
    factor = 1.0 + settings.effects.council_sd * rng.standard_normal()
    exemption = freed.get(constants.council_code)
    return SimulatedCouncil(constants=constants, exemption=exemption, factor=factor, noise=noise)


def is_exempt(
    council: SimulatedCouncil, dates: DateArray, chance: NDArray[np.float64]
) -> BoolArray:
    """Say which cases an exemption covers, by their date and one draw each for the coverage."""
    if council.exemption is None:
        return np.zeros(len(dates), dtype=bool)
    covered = dates >= np.datetime64(council.exemption.start, "D")
    if council.exemption.end is not None:
        covered &= dates <= np.datetime64(council.exemption.end, "D")
    return covered & (chance < council.exemption.coverage)


def time_clock(
    clock: str,
    start: DateArray,
    covered: BoolArray,
    *,
    council: SimulatedCouncil,
    settings: SimulationSettings,
    calibration: Calibration,
    rng: np.random.Generator,
) -> Timing:
    """Run one clock over n cases, with and without the exemption, on the same chance.

    Parameters
    ----------
    clock : {"initial", "core", "conference", "single", "core_group"}
    start : ndarray of datetime64[D], shape (n,)
    covered : ndarray of bool, shape (n,)
        Cases that the council's exemption covers, whatever the clock.
    council, settings, calibration
        The council and the simulation it is part of.
    rng : numpy.random.Generator

    Returns
    -------
    Timing
    """
    model = calibration.durations[clock]
    draws = draw_chances(rng, len(start))
    limit = limits_on(clock, start)
    shift = _shift(clock, start, council, calibration)
    without = compute_duration(model, draws, limit=limit, shift=shift)
    freed = council.exemption is not None and clock in council.exemption.clocks
    exempt = covered if freed else np.zeros(len(start), dtype=bool)
    days = without.copy()
    if exempt.any():
        effects = settings.effects
        longer = np.log1p(np.clip(council.factor * effects.delay, -0.95, None))
        days[exempt] = compute_duration(
            model,
            draws.select(exempt),
            limit=limit[exempt],
            shift=shift[exempt] + longer,
            pull=1 - np.clip(council.factor * effects.pull, 0, 1),
        )
    end = add_working_days(start, days)
    return Timing(start=start, days=days, days_without=without, exempt=exempt, end=end, limit=limit)


def limits_on(clock: str, start: DateArray) -> IntArray:
    """Look up the statutory limit in force when each clock started, working days."""
    if clock == "initial":
        return np.where(start < LIMIT_RAISED, 7, 10)
    return np.full(len(start), LIMITS[clock])


def year_ending(dates: DateArray) -> IntArray:
    """Name the year ending 31 March that each date lies in."""
    months = dates.astype("datetime64[M]").astype(np.int64)
    return 1970 + (months - 3) // 12 + 1


def month_of(dates: DateArray) -> IntArray:
    """Find the calendar month of each date, 0 = January."""
    return dates.astype("datetime64[M]").astype(np.int64) % 12


def _shift(
    clock: str, start: DateArray, council: SimulatedCouncil, calibration: Calibration
) -> NDArray[np.float64]:
    """Sum what moves the log durations: council, year, month."""
    fixed = getattr(council.constants, f"{clock}_shift", 0.0)
    year = np.clip(year_ending(start) - FIRST_YEAR, 0, _YEARS - 1)
    season = calibration.constants["season"]
    monthly = np.array([season.get(str(month), 0.0) for month in range(1, 13)])
    result: NDArray[np.float64] = fixed + council.noise[clock][year] + monthly[month_of(start)]
    return result
