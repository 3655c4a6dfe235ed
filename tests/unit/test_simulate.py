"""The simulator: settings, determinism, shape of the records, faults, the duration model."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import fields
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pilot_eval.errors import ParameterError
from pilot_eval.lab.simulate import simulate_census
from pilot_eval.lab.simulate_durations import (
    DurationModel,
    compute_duration,
    draw_chances,
    expected_shares,
)
from pilot_eval.lab.simulate_monthly import MonthlySettings, simulate_monthly_panel
from pilot_eval.lab.simulate_settings import (
    Effects,
    Exemption,
    FaultRates,
    Recording,
    SimulationSettings,
)
from pilot_eval.records.schema import SCHEMA, frames_of
from pilot_eval.records.validation import validate_census
from pilot_eval.reference.working_days import count_working_days

ROOT = Path(__file__).resolve().parents[2]
GATESHEAD, CUMBRIA, KNOWSLEY = "E08000020", "E10000006", "E08000011"
SMALL = SimulationSettings(
    councils=(GATESHEAD, CUMBRIA),
    first_year=2011,
    last_year=2012,
    scale=0.3,
    exemptions=(Exemption(council_code=CUMBRIA, start=date(2011, 3, 1)),),
    effects=Effects(pull=0.8, delay=0.2, rereferral=0.05, repeat_plan=0.05),
    faults=FaultRates(end_before_start=0.02, two_plans=0.05),
)


def fingerprint(settings: SimulationSettings, seed: int) -> str:
    tables, truth = simulate_census(settings, seed=seed)
    text = [frame.to_csv(index=False) for frame in frames_of(tables).values()]
    text += [truth.durations.to_csv(index=False), truth.effects.to_csv(index=False)]
    return hashlib.sha256("".join(text).encode()).hexdigest()


def test_same_seed_same_bytes_also_with_another_hash_seed() -> None:
    here = fingerprint(SMALL, 7)
    assert here == fingerprint(SMALL, 7)
    assert here != fingerprint(SMALL, 8)
    code = "from tests.unit.test_simulate import SMALL, fingerprint; print(fingerprint(SMALL, 7))"
    path = os.pathsep.join([str(ROOT), str(ROOT / "src")])
    environment = {**os.environ, "PYTHONHASHSEED": "12345", "PYTHONPATH": path}
    other = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert other.stdout.strip() == here


def test_a_council_does_not_depend_on_the_others() -> None:
    alone = SimulationSettings(councils=(GATESHEAD,), first_year=2011, last_year=2011)
    both = SimulationSettings(councils=(GATESHEAD, KNOWSLEY), first_year=2011, last_year=2011)
    first, _ = simulate_census(alone, seed=3)
    second, _ = simulate_census(both, seed=3)
    shared = second.referrals[second.referrals["council_code"] == GATESHEAD]
    assert first.referrals["referral_date"].tolist() == shared["referral_date"].tolist()


@pytest.mark.parametrize(
    "bad",
    [
        lambda: SimulationSettings(first_year=2013, last_year=2011),
        lambda: SimulationSettings(first_year=2005),
        lambda: SimulationSettings(scale=0),
        lambda: SimulationSettings(councils=(GATESHEAD, GATESHEAD)),
        lambda: SimulationSettings(data_cut=date(2015, 3, 31)),
        lambda: SimulationSettings(
            councils=(GATESHEAD,),
            exemptions=(Exemption(council_code=CUMBRIA, start=date(2011, 3, 1)),),
        ),
        lambda: Exemption(council_code=CUMBRIA, start=date(2011, 3, 1), clocks=("lunch",)),
        lambda: Exemption(council_code=CUMBRIA, start=date(2011, 3, 1), coverage=0),
        lambda: Effects(pull=1.2),
        lambda: Effects(delay=float("nan")),
        lambda: FaultRates(two_plans=-0.1),
        lambda: Recording(late_days=0),
        lambda: simulate_census(SimulationSettings(councils=("E99999999",)), seed=1),
        lambda: MonthlySettings(first="2011-13"),
        lambda: MonthlySettings(effects={"happiness": 1.0}),
        lambda: MonthlySettings(persistence=1.0),
    ],
)
def test_impossible_settings_are_refused(bad) -> None:
    with pytest.raises(ParameterError, match=r"must .*; got "):
        bad()


@pytest.fixture(scope="module")
def clean():
    settings = SimulationSettings(
        councils=(GATESHEAD, CUMBRIA), first_year=2012, last_year=2014, data_cut=date(2013, 11, 30)
    )
    return simulate_census(settings, seed=11)


def test_records_have_the_contract_of_the_census_tables(clean) -> None:
    tables, truth = clean
    assert tables.strand == "simulated"
    assert "invented" in tables.source
    for name, columns in SCHEMA.items():
        frame = getattr(tables, name)
        assert list(frame.columns) == list(columns)
        for column, kind in columns.items():
            expected = {"date": "datetime64[s]", "code": "category", "yes_no": "category"}
            if kind in expected:
                assert str(frame[column].dtype) == expected[kind], (name, column)
    assert tables.children["child_id"].str.fullmatch(r"SIM\d{7}").all()
    assert truth.faults.empty


def test_clean_records_are_consistent_and_end_at_the_cut(clean) -> None:
    tables, _ = clean
    cut = pd.Timestamp("2013-11-30")
    for name, frame in frames_of(tables).items():
        targets = {"target_date", "icpc_target_date", "expected_birth_date"}
        for column in set(frame.select_dtypes("datetime").columns) - targets:
            assert not (frame[column] > cut).any(), (name, column)
    key = ["council_code", "referral_id"]
    referrals = tables.referrals
    assert not referrals.duplicated(key).any()
    joined = tables.assessments.merge(referrals, on=key, validate="many_to_one")
    assert len(joined) == len(tables.assessments)
    assert (joined["start_date"] >= joined["referral_date"]).all()
    assert not (joined["end_date"] < joined["start_date"]).any()
    assert tables.plans["plan_start_date"].isin(tables.conferences["icpc_date"]).all()
    ordered = referrals.sort_values(["council_code", "child_id", "referral_date"])
    groups = ordered.groupby(["council_code", "child_id"], observed=True)
    assert not (ordered["closure_date"] >= groups["referral_date"].shift(-1)).any()
    held = tables.conferences["icpc_date"].dt.date.to_numpy("datetime64[D]")
    assert np.is_busday(held).all()
    issues = validate_census(tables).issues
    assert not (issues["severity"] == "fatal").any()


def test_nothing_follows_a_death(clean) -> None:
    tables, _truth = clean
    died = tables.children.dropna(subset="death_date")
    assert len(died)
    ends = tables.referrals.merge(died, on=["council_code", "child_id"])
    ended = ends["closure_date"] == ends["death_date"]
    assert (ended == (ends["closure_reason"] == "RC2")).all()
    assert set(ends.loc[ended, "child_id"]) == set(ends["child_id"])
    assert (tables.referrals["closure_reason"] == "RC2").sum() == ended.sum()
    assert "activity_after_death" not in set(validate_census(tables).issues["rule"])


def test_two_stage_until_2013_and_single_assessments_after(clean) -> None:
    tables, _ = clean
    singles = tables.assessments.query("assessment_type == 'single'")
    assert len(singles) > 0
    assert singles["start_date"].min() >= pd.Timestamp("2013-04-15")


def test_no_effect_is_exactly_none() -> None:
    settings = SimulationSettings(
        councils=(CUMBRIA,),
        first_year=2012,
        last_year=2012,
        exemptions=(Exemption(council_code=CUMBRIA, start=date(2011, 4, 1)),),
    )
    tables, truth = simulate_census(settings, seed=5)
    assert (truth.effects["effect"] == 0).all()
    assert (truth.effects["cases"] > 0).all()
    # The exempt council has no target dates any more, and only from its start.
    exempt = tables.assessments["start_date"] >= pd.Timestamp("2011-04-01")
    assert tables.assessments["target_date"].isna()[exempt].mean() > 0.99
    assert tables.assessments["target_date"].notna()[~exempt].all()


def test_truth_holds_what_the_cut_hides(clean) -> None:
    tables, truth = clean
    key = ["council_code", "referral_id"]
    initial = tables.assessments.query("assessment_type == 'initial'")
    known = truth.durations.query("clock == 'initial'").merge(initial, on=key, validate="1:1")
    assert len(known) == len(initial)
    shown = count_working_days(known["start_date_y"], known["end_date"])
    exact = known["duration_working_days"].to_numpy(float)
    # 3% are written down late and half a percent never: the rest is recorded as it was.
    recorded = ~np.isnan(shown)
    assert 0.95 < (shown == exact)[recorded].mean() < 0.985
    assert (shown >= exact)[recorded].all()
    hidden = known["end_date"].isna() & known["recorded_end"].notna()
    assert (known.loc[hidden, "recorded_end"] > pd.Timestamp("2013-11-30")).all()


def test_faults_come_at_the_chosen_rates_and_are_located() -> None:
    rates = {f.name: 0.1 for f in fields(FaultRates)}
    settings = SimulationSettings(
        councils=(CUMBRIA,), first_year=2012, last_year=2013, faults=FaultRates(**rates)
    )
    tables, truth = simulate_census(settings, seed=2)
    found = truth.faults.groupby("fault")["row"].size()
    assert set(found.index) == set(rates)
    sizes = {"children": "duplicated_child", "assessments": "two_assessments", "plans": "two_plans"}
    for table, repeated in sizes.items():
        before = len(getattr(tables, table)) - found[repeated]
        spread = 4 * np.sqrt(0.1 * 0.9 / before)
        assert abs(found[repeated] / before - 0.1) < spread
    rows = truth.faults.set_index("fault")["row"]
    assessments, children = tables.assessments, tables.children
    spoilt = assessments.iloc[rows["end_before_start"]]
    late_start = spoilt["start_date"] < spoilt["end_date"]  # also moved before the referral
    assert late_start.mean() < 0.1
    assert (children["ethnicity"].iloc[rows["unknown_ethnicity"]] == "X?").all()
    assert children["birth_date"].iloc[rows["missing_birth_date"]].isna().all()
    assert (
        tables.conferences["icpc_date"].iloc[rows["conference_at_weekend"]].dt.day_of_week == 5
    ).all()
    after = tables.referrals["referral_date"].iloc[rows["referral_after_cut"]]
    assert (after > pd.Timestamp("2013-03-31")).all()


@pytest.mark.parametrize(
    ("limit", "pull", "shift"), [(10, 1.0, 0.0), (7, 0.5, 0.2), (35, 0.0, -0.3)]
)
def test_drawn_durations_follow_the_stated_distribution(limit, pull, shift) -> None:
    model = DurationModel(
        same_day=0.1,
        log_mean=1.9,
        log_sd=0.8,
        stuck=0.1,
        stuck_log_mean=3.3,
        stuck_log_sd=0.6,
        hold=0.4,
        rush=0.5,
        crowding=0.7,
    )
    n = 200_000
    draws = draw_chances(np.random.default_rng(1), n)
    days = compute_duration(model, draws, limit=limit, pull=pull, shift=shift)
    exact = expected_shares(model, limit=limit, pull=pull, shift=shift)
    assert exact.sum() == pytest.approx(1, abs=1e-12)
    seen = np.bincount(days, minlength=len(exact)) / n
    assert np.abs(seen - exact).max() < 5 * np.sqrt(0.25 / n)
    if pull == 0:
        # Without pull nothing marks the limit: by hand, a lognormal share rounded up.
        assert abs(exact[limit] - exact[limit + 1]) < 0.01


def test_monthly_panel_moves_only_the_treated_from_their_wave() -> None:
    settings = MonthlySettings(
        effects={"rereferral_12m_pct": 6.0}, ramp_months=3, noise_sd=2.0, last="2012-03"
    )
    panel, truth = simulate_monthly_panel(settings, seed=4)
    assert len(panel) == 4 * 152 * 36
    assert (panel["strand"] == "simulated").all()
    moved = truth[truth["effect"] != 0]
    assert set(moved["cohort"]) == {"2011-03", "2011-09"}
    assert (moved["indicator"] == "rereferral_12m_pct").all()
    by_event = moved.groupby("event_time")["effect"].first()
    # Three months' ramp: 2, 4, 6 points at event times 0, 1, 2, and 6 from then on.
    assert by_event.loc[[0, 1, 2, 5]].tolist() == pytest.approx([2, 4, 6, 6])
    assert (moved["event_time"] >= 0).all()
    again, _ = simulate_monthly_panel(settings, seed=4)
    pd.testing.assert_frame_equal(panel, again)


def test_monthly_variance_is_noise_plus_sampling() -> None:
    """Var = noise_sd^2 + p (1 - p) 10^4 / cases, within 10%, for one large council."""
    settings = MonthlySettings(
        first="1990-01",
        last="2049-12",
        councils=("E10000017",),  # Lancashire
        indicators=("rereferral_12m_pct",),
        starts={},
        noise_sd=3.0,
        persistence=0.0,
    )
    panel, truth = simulate_monthly_panel(settings, seed=9)
    level = truth["level_without"].mean() / 100
    sampling = 1e4 * level * (1 - level) * (1 / panel["denominator"]).mean()
    assert panel["value"].var() == pytest.approx(9 + sampling, rel=0.2)
