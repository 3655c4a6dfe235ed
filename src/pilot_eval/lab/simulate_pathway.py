"""Simulated enquiries, conferences, plans, reviews and children of one council."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pilot_eval.lab.simulate_calibration import Calibration
from pilot_eval.lab.simulate_clocks import (
    DateArray,
    SimulatedCouncil,
    Timing,
    time_clock,
)
from pilot_eval.lab.simulate_referrals import CONFERENCE, PLAN, Columns
from pilot_eval.lab.simulate_settings import SimulationSettings
from pilot_eval.reference.working_days import add_working_days

# A first review is due within 3 months of the conference, later ones within 6 of the last.
FIRST_REVIEW_DAYS, NEXT_REVIEW_DAYS = 91, 182
MOST_REVIEWS = 14
NOT_YET = np.datetime64("NaT", "D")


def simulate_conferences(
    referrals: Columns,
    *,
    council: SimulatedCouncil,
    settings: SimulationSettings,
    calibration: Calibration,
    rng: np.random.Generator,
) -> tuple[Columns, Timing]:
    """Run the conference clock for the referrals that reach one.

    Parameters
    ----------
    referrals : dict of str to ndarray
        Columns of `simulate_referrals`.
    council, settings, calibration, rng
        As there.

    Returns
    -------
    conferences : dict of str to ndarray
        row (of the referral), icpc_date, core_group_date, kind.
    timing : Timing
        Of the conferences, from the strategy discussion.
    """
    rows = np.flatnonzero(referrals["kind"] >= CONFERENCE)
    covered = referrals["exempt"][rows]
    clock: dict[str, Any] = {
        "council": council,
        "settings": settings,
        "calibration": calibration,
        "rng": rng,
    }
    timing = time_clock("conference", referrals["strategy"][rows], covered, **clock)
    # A conference can be neither on a weekend nor on a bank holiday, not even on day 0.
    held = np.where(timing.days == 0, add_working_days(timing.start, 1), timing.end)
    met = time_clock("core_group", held, covered, **clock).end
    conferences = {
        "row": rows,
        "icpc_date": held,
        "core_group_date": np.where(referrals["kind"][rows] == PLAN, met, NOT_YET),
        "kind": referrals["kind"][rows],
    }
    return conferences, timing


def simulate_plans(
    referrals: Columns,
    conferences: Columns,
    *,
    council: SimulatedCouncil,
    settings: SimulationSettings,
    calibration: Calibration,
    rng: np.random.Generator,
) -> Columns:
    """Draw the plans that start at the conferences.

    Parameters
    ----------
    referrals, conferences : dict of str to ndarray
    council, settings, calibration, rng
        As in `simulate_conferences`.

    Returns
    -------
    dict of str to ndarray
        row (of the referral), plan_start_date, plan_end_date, previous, previous_without,
        exempt, category, latest_category.
    """
    planned = conferences["kind"] == PLAN
    rows, start = conferences["row"][planned], conferences["icpc_date"][planned]
    n = len(rows)
    days = _plan_days(calibration, rng, n)
    base = council.constants.repeat_plan
    exempt = referrals["exempt"][rows]
    changed = base + council.factor * settings.effects.repeat_plan
    chance, more = rng.random(n), rng.geometric(0.8, n)
    category = _draw_codes(calibration, "abuse_categories", rng, n)
    switched = rng.random(n) < calibration.constants["plans"]["category_changes"]
    latest = np.where(switched, _draw_codes(calibration, "abuse_categories", rng, n), category)
    repeat = chance < np.clip(np.where(exempt, changed, base), 0, 1)
    return {
        "row": rows,
        "plan_start_date": start,
        "plan_end_date": start + days.astype("timedelta64[D]"),
        "previous": np.where(repeat, more, 0),
        "previous_without": np.where(chance < base, more, 0),
        "exempt": exempt,
        "category": category,
        "latest_category": latest,
    }


def simulate_reviews(plans: Columns, calibration: Calibration, rng: np.random.Generator) -> Columns:
    """Date the review conferences of every plan.

    Parameters
    ----------
    plans : dict of str to ndarray
    calibration : Calibration
    rng : numpy.random.Generator

    Returns
    -------
    dict of str to ndarray
        plan (row of the plan), review_date; in order within a plan.
    """
    late_share = calibration.constants["plans"]["review_late"]
    n = len(plans["row"])
    last, found = plans["plan_start_date"], []
    for number in range(MOST_REVIEWS):
        due = FIRST_REVIEW_DAYS if number == 0 else NEXT_REVIEW_DAYS
        early = rng.integers(0, 15, n)
        late = np.where(rng.random(n) < late_share, rng.integers(1, 60, n) + early, 0)
        day = last + (due - early + late).astype("timedelta64[D]")
        last = np.busday_offset(day, 0, roll="backward")
        found.append(np.where(last < plans["plan_end_date"], last, NOT_YET))
    dates = np.stack(found, axis=1)
    plan = np.broadcast_to(np.arange(n)[:, None], dates.shape)
    held = ~np.isnat(dates)
    return {"plan": plan[held], "review_date": dates[held]}


def close_episodes(
    referrals: Columns,
    conferences: Columns,
    plans: Columns,
    calibration: Calibration,
    rng: np.random.Generator,
) -> DateArray:
    """Close no episode before its conference, and those with a plan some time after its end."""
    mean = calibration.constants["service"]["after_plan_mean_days"]
    extra = rng.exponential(mean, len(plans["row"])).astype(np.int64)
    closure = referrals["closure"].copy()
    rows = conferences["row"]
    closure[rows] = np.maximum(closure[rows], conferences["icpc_date"])
    closure[plans["row"]] = plans["plan_end_date"] + extra.astype("timedelta64[D]")
    return closure


def end_by_death(death: DateArray, referrals: Columns) -> DateArray:
    """Put deaths on the closure of the child's last episode: a death ends what goes on.

    Parameters
    ----------
    death : ndarray of datetime64[D], shape (children,)
        NaT for children who live.
    referrals : dict of str to ndarray
        `child` (position) and `closure`.

    Returns
    -------
    ndarray of datetime64[D], shape (children,)
    """
    order = np.argsort(referrals["closure"], kind="stable")
    last = death.copy()
    last[referrals["child"][order]] = referrals["closure"][order]
    result: DateArray = np.where(np.isnat(death), death, last)
    return result


def simulate_children(
    first_seen: DateArray, calibration: Calibration, rng: np.random.Generator
) -> Columns:
    """Draw the children, by the day on which each was first referred.

    Parameters
    ----------
    first_seen : ndarray of datetime64[D], shape (n,)
    calibration : Calibration
    rng : numpy.random.Generator

    Returns
    -------
    dict of str to ndarray
        birth_date, expected_birth_date, sex, ethnicity, disabled, death_date. The unborn have an
        expected date and no birth date.
    """
    n = len(first_seen)
    names, shares = calibration.shares("ages")
    bounds = np.array([[int(part) for part in name.split("-")] for name in names])
    band = rng.choice(len(names), size=n, p=shares)
    low, high = 365.25 * bounds[band, 0], 365.25 * (bounds[band, 1] + 1)
    age_days = (low + rng.random(n) * (high - low)).astype(np.int64)
    unborn = rng.random(n) < calibration.constants["children"]["unborn"]
    expected = first_seen + rng.integers(14, 150, n).astype("timedelta64[D]")
    died = rng.random(n) < calibration.constants["children"]["died"]
    death = first_seen + rng.integers(10, 700, n).astype("timedelta64[D]")
    return {
        "birth_date": np.where(unborn, NOT_YET, first_seen - age_days.astype("timedelta64[D]")),
        "expected_birth_date": np.where(unborn, expected, NOT_YET),
        "death_date": np.where(died & ~unborn, death, NOT_YET),
        "sex": _draw_codes(calibration, "sexes", rng, n),
        "ethnicity": _draw_codes(calibration, "ethnicities", rng, n),
        "disabled": rng.random(n) < calibration.constants["children"]["disabled"],
    }


def _plan_days(calibration: Calibration, rng: np.random.Generator, n: int) -> NDArray[np.int64]:
    """Draw how long plans last from the published bands, evenly within a band."""
    names, shares = calibration.shares("plan_lengths")
    bounds = np.array([[int(part) for part in name.split("-")] for name in names])
    band = rng.choice(len(names), size=n, p=shares)
    low, high = bounds[band, 0], bounds[band, 1]
    result: NDArray[np.int64] = (low + rng.random(n) * (high - low)).astype(np.int64)
    return result


def _draw_codes(
    calibration: Calibration, section: str, rng: np.random.Generator, n: int
) -> NDArray[np.int8]:
    """Draw codes as positions in the section's list of names."""
    shares = calibration.shares(section)[1]
    return np.searchsorted(np.cumsum(shares)[:-1], rng.random(n), side="right").astype(np.int8)
