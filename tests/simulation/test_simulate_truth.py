"""The simulator against DfE's published figures, and its stated effects against its records."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest

from pilot_eval.lab.simulate import simulate_census
from pilot_eval.lab.simulate_settings import (
    Effects,
    Exemption,
    Recording,
    SimulationSettings,
)
from pilot_eval.reference.working_days import count_working_days

# England, DfE's children-in-need tables: SFR27/2012 (year ending March 2012) if not said otherwise.
IA_BANDS = {0: 54_900, 5: 102_500, 10: 192_100, 15: 38_400, 20: 18_400, 999: 45_000}
CA_BANDS = {
    10: 34_840,
    20: 32_950,
    30: 35_210,
    35: 63_610,
    40: 13_200,
    50: 12_780,
    60: 7_620,
    999: 20_350,
}
ICPC_BANDS = {10: 13_650, 15: 26_980, 20: 5_270, 999: 9_560}
SA_BANDS = {  # SFR43/2014
    0: 8_820,
    10: 32_870,
    20: 33_960,
    30: 26_080,
    40: 26_980,
    45: 15_460,
    50: 6_940,
    60: 8_660,
    999: 15_500,
}
REFERRALS, ASSESSED, CORE, ENQUIRIES = 605_100, 451_500, 220_670, 124_590
CONFERENCES, PLANS = 56_200, 52_100
REREFERRALS, REPEATS = 0.261, 0.138
ENDED_2Y = 2_690 / 52_100  # SFR45/2013
# Referrals by month, mean of 2013-2019 (Children in need, 2022 release): August is lowest.
AUGUST_OVER_MEAN = 0.0706 * 12
SCALE = 0.15
START = pd.Timestamp("2011-04-01")


@pytest.fixture(scope="module")
def nation():
    settings = SimulationSettings(
        first_year=2011,
        last_year=2014,
        scale=SCALE,
        burn_in_years=3,
        recording=Recording(late=0, missing=0),
    )
    return simulate_census(settings, seed=20110201)


def within(frame: pd.DataFrame, column: str, year: int) -> pd.DataFrame:
    first, last = pd.Timestamp(f"{year - 1}-04-01"), pd.Timestamp(f"{year}-03-31")
    return frame[frame[column].between(first, last)]


def shares_in_bands(days: np.ndarray, bands: dict[int, int]) -> np.ndarray:
    edges = [-1, *bands]
    return np.histogram(days, bins=np.array(edges) + 0.5)[0] / len(days)


def days_of(tables, kind: str, year: int) -> np.ndarray:
    done = within(tables.assessments, "end_date", year).query("assessment_type == @kind")
    return count_working_days(done["start_date"], done["end_date"])


@pytest.mark.parametrize(
    ("kind", "year", "bands", "tolerance"),
    [
        ("initial", 2012, IA_BANDS, 0.02),
        ("core", 2012, CA_BANDS, 0.03),
        ("single", 2014, SA_BANDS, 0.06),
    ],
)
def test_bands_of_durations_are_the_published_ones(nation, kind, year, bands, tolerance) -> None:
    published = np.array(list(bands.values())) / sum(bands.values())
    simulated = shares_in_bands(days_of(nation[0], kind, year), bands)
    assert np.abs(simulated - published).max() < tolerance


def test_conferences_and_their_spike(nation) -> None:
    held = within(nation[0].section47s, "icpc_date", 2012)
    days = count_working_days(held["strategy_date"], held["icpc_date"])
    published = np.array(list(ICPC_BANDS.values())) / sum(ICPC_BANDS.values())
    assert np.abs(shares_in_bands(days, ICPC_BANDS) - published).max() < 0.09
    assert (days <= 15).mean() == pytest.approx(0.723, abs=0.04)


def test_share_in_time_and_spike_at_ten_days(nation) -> None:
    days = days_of(nation[0], "initial", 2012)
    assert (days <= 10).mean() == pytest.approx(0.774, abs=0.02)
    counts = [np.sum((days >= low) & (days <= low + 4)) for low in (1, 6, 11)]
    # Published 192,100 on days 6-10 to 102,500 on days 1-5: 1.87; to 38,400 on days 11-15: 5.0.
    assert counts[1] / counts[0] == pytest.approx(1.87, rel=0.15)
    assert counts[1] / counts[2] == pytest.approx(5.00, rel=0.15)


def test_numbers_of_events(nation) -> None:
    tables = nation[0]
    pairs = {
        REFERRALS: (within(tables.referrals, "referral_date", 2012), 0.03),
        ASSESSED: (
            within(tables.assessments, "start_date", 2012).query("assessment_type == 'initial'"),
            0.04,
        ),
        CORE: (
            within(tables.assessments, "start_date", 2012).query("assessment_type == 'core'"),
            0.05,
        ),
        ENQUIRIES: (within(tables.section47s, "s47_start_date", 2012), 0.06),
        CONFERENCES: (within(tables.conferences, "icpc_date", 2012), 0.06),
        PLANS: (within(tables.plans, "plan_start_date", 2012), 0.07),
    }
    for published, (frame, tolerance) in pairs.items():
        assert len(frame) / SCALE == pytest.approx(published, rel=tolerance)


def test_rereferrals_repeat_plans_and_long_plans(nation) -> None:
    tables = nation[0]
    ordered = tables.referrals.sort_values(["council_code", "child_id", "referral_date"])
    before = ordered.groupby(["council_code", "child_id"], observed=True)["referral_date"].shift(1)
    ordered = ordered.assign(again=(ordered["referral_date"] - before).dt.days <= 365)
    share = within(ordered, "referral_date", 2012)["again"].mean()
    assert share == pytest.approx(REREFERRALS, abs=0.015)
    started = within(tables.plans, "plan_start_date", 2012)
    assert (started["number_previous_plans"] > 0).mean() == pytest.approx(REPEATS, abs=0.015)
    ended = within(tables.plans, "plan_end_date", 2013)
    long = (ended["plan_end_date"] - ended["plan_start_date"]).dt.days >= 730
    assert long.mean() == pytest.approx(ENDED_2Y, abs=0.015)


def test_months(nation) -> None:
    months = within(nation[0].referrals, "referral_date", 2012)["referral_date"].dt.month
    counts = months.value_counts(normalize=True) * 12
    assert counts[8] == pytest.approx(AUGUST_OVER_MEAN, abs=0.04)
    assert counts.idxmin() == 8


TREATED = ("E10000006", "E08000011", "E09000033", "E09000012")
OTHERS = ("E08000020", "E10000017", "E08000019", "E08000003")


@pytest.mark.parametrize(
    ("pull", "delay", "rereferral", "repeat_plan"),
    [
        (0.0, 0.0, 0.0, 0.0),
        (1.0, 0.0, 0.0, 0.0),
        (0.5, 0.3, 0.06, 0.08),
    ],
)
def test_records_show_the_stated_effects(pull, delay, rereferral, repeat_plan) -> None:
    """Compare a council with itself a year before and with councils that were not freed."""
    start = date(2012, 4, 1)
    settings = SimulationSettings(
        councils=TREATED + OTHERS,
        first_year=2012,
        last_year=2014,
        scale=4,
        single_assessments=False,
        council_noise=0,
        recording=Recording(late=0, missing=0),
        exemptions=tuple(Exemption(council_code=c, start=start) for c in TREATED),
        effects=Effects(pull=pull, delay=delay, rereferral=rereferral, repeat_plan=repeat_plan),
    )
    tables, truth = simulate_census(settings, seed=1)
    assessments = tables.assessments.query("assessment_type == 'initial'")
    late = ["2011-04-01", "2013-03-31"]  # all finished well before the data cut of March 2014
    assessments = assessments[assessments["start_date"].between(*map(pd.Timestamp, late))]
    days = count_working_days(assessments["start_date"], assessments["end_date"])
    frame = assessments[["council_code"]].assign(
        after=assessments["start_date"] >= pd.Timestamp(start),
        y=np.minimum(days, truth.horizon["initial"]),
    )
    told = true_mean(truth, "restricted_mean_delay", "initial")
    assert did(frame) == pytest.approx(told, abs=0.12)
    ordered = tables.referrals.sort_values(["council_code", "child_id", "referral_date"])
    groups = ordered.groupby(["council_code", "child_id"], observed=True)["referral_date"]
    again = (groups.shift(-1) - ordered["referral_date"]).dt.days <= 365
    frame = ordered[["council_code"]].assign(
        after=ordered["referral_date"] >= pd.Timestamp(start), y=again.astype(float)
    )
    frame = frame[ordered["referral_date"].between(*map(pd.Timestamp, late))]
    assert did(frame) == pytest.approx(rereferral, abs=0.012)
    assert true_mean(truth, "rereferral", "") == pytest.approx(rereferral, abs=0.01)
    assert true_mean(truth, "repeat_plan", "") == pytest.approx(repeat_plan, abs=0.012)
    if pull == delay == 0:
        assert (truth.effects["effect"] == 0).all()


def true_mean(truth, outcome: str, clock: str) -> float:
    rows = truth.effects.query("outcome == @outcome and clock == @clock")
    return float(rows["effect"].mean())


def did(frame: pd.DataFrame) -> float:
    """Mean over treated of (after - before) minus the same over the others."""
    cells = frame.groupby(["council_code", "after"], observed=True)["y"].mean().unstack()
    change = cells[True] - cells[False]
    return float(change.loc[list(TREATED)].mean() - change.loc[list(OTHERS)].mean())
