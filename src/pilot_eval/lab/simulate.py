"""Simulate children's records with known truth: the way in.

Children in up to 152 councils, 2008-09 to 2013-14, calibrated to DfE's published tables. Every
child is invented. `simulate_census` returns the records a data cut would show and the truth
behind them: what each exemption did, case by case, and how long unfinished cases really take.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pilot_eval.lab.simulate_calibration import (
    Calibration,
    CouncilConstants,
    load_calibration,
)
from pilot_eval.lab.simulate_clocks import SimulatedCouncil, Timing, draw_council
from pilot_eval.lab.simulate_faults import plant_faults
from pilot_eval.lab.simulate_pathway import (
    close_episodes,
    end_by_death,
    simulate_children,
    simulate_conferences,
    simulate_plans,
    simulate_reviews,
)
from pilot_eval.lab.simulate_records import (
    CouncilRecords,
    EffectRow,
    build_census,
    record_council,
)
from pilot_eval.lab.simulate_referrals import (
    Calendar,
    Columns,
    build_calendar,
    simulate_referrals,
)
from pilot_eval.lab.simulate_settings import SimulationSettings
from pilot_eval.records.schema import CensusTables

SOURCE = "Simulated by pilot_eval: invented children, no real person"


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationTruth:
    """What is true in a simulation, whatever the records show.

    Attributes
    ----------
    effects : DataFrame
        One row per council with an exemption and outcome: council_code, outcome, clock, cases,
        without, with_exemption, effect: means over the council's exempt cases, run with and
        without the exemption on the same chance. Outcomes: mean_delay, restricted_mean_delay
        (to `horizon`; working days), within_limit (share), rereferral, repeat_plan (shares).
    durations : DataFrame
        One row per clock that started before the data cut: council_code, referral_id, clock,
        start_date, duration_working_days (uncensored, as it really was), duration_without,
        exempt, recorded_end (as written down, NaT if never).
    faults : DataFrame
        Planted faults: fault, table, row (position in the table).
    settings : SimulationSettings
    seed : int
    horizon : dict of str to int
        Working days to which delay is restricted, by clock.
    """

    effects: pd.DataFrame
    durations: pd.DataFrame
    faults: pd.DataFrame
    settings: SimulationSettings
    seed: int
    horizon: dict[str, int]


# Horizons of the restricted mean: four times the limit for the short clocks, about twice for the
# long ones.
HORIZON = {"initial": 40, "core": 80, "conference": 40, "single": 90}


def simulate_census(
    settings: SimulationSettings, *, seed: int
) -> tuple[CensusTables, SimulationTruth]:
    """Simulate children's records and the truth behind them.

    Every council has its own stream of chance, so that a council's children do not depend on
    which others are simulated.

    Parameters
    ----------
    settings : SimulationSettings
    seed : int
        0 or more; the same settings and seed give the same bytes.

    Returns
    -------
    tables : CensusTables
        Strand "simulated": what is known at the data cut, faults included.
    truth : SimulationTruth

    Raises
    ------
    ParameterError
        If a council is unknown.

    Examples
    --------
    >>> settings = SimulationSettings(councils=("E08000020",), first_year=2011, last_year=2011)
    >>> tables, truth = simulate_census(settings, seed=1)
    >>> tables.strand, len(truth.faults)
    ('simulated', 0)
    """
    calibration = load_calibration()
    calendar = build_calendar(settings, calibration)
    councils = calibration.select(settings.councils)
    records = [_simulate_council(c, calendar, settings, calibration, seed) for c in councils]
    frames, durations = build_census(records, settings, calibration)
    frames, faults = plant_faults(frames, settings, np.random.default_rng([seed, 0]))
    tables = CensusTables(**frames, strand="simulated", source=SOURCE)
    effects = _effect_table([row for record in records for row in record.effects])
    truth = SimulationTruth(
        effects=effects,
        durations=durations,
        faults=faults,
        settings=settings,
        seed=seed,
        horizon=dict(HORIZON),
    )
    return tables, truth


def _simulate_council(
    constants: CouncilConstants,
    calendar: Calendar,
    settings: SimulationSettings,
    calibration: Calibration,
    seed: int,
) -> CouncilRecords:
    """Simulate one council from its own stream."""
    rng = np.random.default_rng([seed, constants.dfe_number])
    council = draw_council(constants, settings, calibration, rng)
    world: dict[str, Any] = {
        "council": council,
        "settings": settings,
        "calibration": calibration,
        "rng": rng,
    }
    referrals, timings = simulate_referrals(calendar, council, settings, calibration, rng)
    conferences, conference_timing = simulate_conferences(referrals, **world)
    plans = simulate_plans(referrals, conferences, **world)
    reviews = simulate_reviews(plans, calibration, rng)
    referrals["closure"] = close_episodes(referrals, conferences, plans, calibration, rng)
    firsts = np.unique(referrals["child"], return_index=True)[1]
    children = simulate_children(referrals["date"][firsts], calibration, rng)
    children["death_date"] = end_by_death(children["death_date"], referrals)
    timings = timings | {"conference": conference_timing}
    effects = _true_effects(council, referrals, timings, conferences, plans)
    return record_council(
        constants=constants,
        referrals=referrals,
        timings=timings,
        conferences=conferences,
        plans=plans,
        reviews=reviews,
        children=children,
        effects=effects,
        settings=settings,
        calibration=calibration,
        rng=rng,
    )


def _true_effects(
    council: SimulatedCouncil,
    referrals: Columns,
    timings: dict[str, Timing],
    conferences: Columns,
    plans: Columns,
) -> list[EffectRow]:
    """Average the council's exempt cases with and without its exemption."""
    if council.exemption is None:
        return []
    rows: list[tuple[Any, ...]] = []
    two_stage = ~referrals["single"]
    used = {
        "initial": (timings["first"], two_stage & (referrals["kind"] >= 2)),
        "core": (timings["core"], two_stage & (referrals["kind"] >= 3)),
        "conference": (timings["conference"], np.ones(len(conferences["row"]), dtype=bool)),
    }
    for clock in council.exemption.clocks:
        timing, concerned = used[clock]
        rows += _delay_effects(clock, timing, concerned & timing.exempt)
    exempt = referrals["exempt"]
    pairs = {
        "rereferral": (referrals["returns_without"][exempt], referrals["returns"][exempt]),
        "repeat_plan": (
            plans["previous_without"][plans["exempt"]] > 0,
            plans["previous"][plans["exempt"]] > 0,
        ),
    }
    rows += [(name, "", *_means(*pair)) for name, pair in pairs.items()]
    return [(council.constants.council_code, *row) for row in rows]


def _delay_effects(clock: str, timing: Timing, rows: NDArray[np.bool_]) -> list[tuple[Any, ...]]:
    without, under = timing.days_without[rows], timing.days[rows]
    limit, horizon = timing.limit[rows], HORIZON[clock]
    return [
        ("mean_delay", clock, *_means(without, under)),
        (
            "restricted_mean_delay",
            clock,
            *_means(np.minimum(without, horizon), np.minimum(under, horizon)),
        ),
        ("within_limit", clock, *_means(without <= limit, under <= limit)),
    ]


def _means(without: NDArray[Any], under: NDArray[Any]) -> tuple[int, float, float]:
    """Count the cases and average them without and with the exemption; NaN where none is."""
    if not len(without):
        return 0, np.nan, np.nan
    return len(without), float(without.mean()), float(under.mean())


def _effect_table(rows: list[EffectRow]) -> pd.DataFrame:
    columns = ["council_code", "outcome", "clock", "cases", "without", "with_exemption"]
    types = dict.fromkeys(columns[:3], "str") | {"cases": "int64"}
    types |= dict.fromkeys(columns[4:], "float64")
    table = pd.DataFrame(rows, columns=columns).astype(types)
    return table.assign(effect=table["with_exemption"] - table["without"])
