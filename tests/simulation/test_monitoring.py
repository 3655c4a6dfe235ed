"""False alarms over 24 monthly looks, months to detection, and false alarms of CUSUM charts.

docs/methods-monitoring.md, docs/detection.md.
"""

from __future__ import annotations

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from pilot_eval.lab.detection import months_to_detection
from pilot_eval.lab.simulate_monthly import (
    TWO_WAVES,
    MonthlySettings,
    simulate_monthly_counts,
)
from pilot_eval.monitoring.cusum import calibrate_cusum, compute_cusum
from pilot_eval.monitoring.sequential import anytime_valid

ROOT = Path(__file__).parents[2]
TOOL = SimpleNamespace(**runpy.run_path(str(ROOT / "tools" / "measure_detection.py")))
ALPHA, REREFERRALS, TRIALS = TOOL.ALPHA, TOOL.REREFERRALS, TOOL.TRIALS


def check_false_alarms(trial: tuple, draws: int) -> None:
    found = TOOL.measure(trial, (0.0,), draws).set_index("method")["detected"]
    error = np.sqrt(ALPHA * (1 - ALPHA) / draws)
    assert found["group_sequential"] <= ALPHA + 3 * error
    assert found["anytime_valid"] <= ALPHA + 3 * error
    assert found["group_sequential"] >= 0.02


@pytest.mark.parametrize("trial", TRIALS[:2])
def test_false_alarms_over_24_looks(trial) -> None:
    check_false_alarms(trial, draws=500)


@pytest.mark.slow
@pytest.mark.parametrize("trial", TRIALS)
def test_false_alarms_over_24_looks_in_full(trial) -> None:
    check_false_alarms(trial, draws=5000)


def test_larger_harms_are_seen_sooner() -> None:
    settings = TOOL.settings_for(list(TWO_WAVES), 0.6)
    table = months_to_detection(
        REREFERRALS,
        [2.0, 6.0],
        settings=settings,
        plan=TOOL.plan_for(REREFERRALS, "rises", settings),
        draws=100,
        seed=3,
    )
    shown = table.set_index(["method", "harm"])
    assert shown.loc[("group_sequential", 6.0), "detected"] == 1.0
    assert shown.loc[("group_sequential", 6.0), "median_months"] <= 3
    assert shown.loc[("group_sequential", 2.0), "median_months"] > 3
    for method in ("group_sequential", "anytime_valid"):
        assert shown.loc[(method, 6.0), "within_6"] > shown.loc[(method, 2.0), "within_6"]


def test_martingale_keeps_its_level_at_every_look() -> None:
    """Ville's inequality on the canonical process: independent increments, 200 looks."""
    rng = np.random.default_rng(5)
    information = np.linspace(0.05, 4.0, 200)
    steps = rng.standard_normal((8000, 200)) * np.sqrt(np.diff(information, prepend=0.0))
    estimates = np.cumsum(steps, axis=1) / information
    errors = np.broadcast_to(1 / np.sqrt(information), estimates.shape)
    for sides in (1, 2):
        _, p_value, half = anytime_valid(estimates, errors, scale=1.5, alpha=ALPHA, sides=sides)
        assert (p_value[:, -1] <= ALPHA).mean() < ALPHA + 3 * np.sqrt(ALPHA * 0.95 / 8000)
        assert (np.abs(estimates) <= half).all(axis=1).mean() >= 0.95 - 0.0075


def test_cusum_charts_ring_about_as_often_as_stated() -> None:
    """Expected alarms of 140 councils in 24 months at one false alarm in 240 months: about 14.

    The standard deviation is estimated from 36 months of a council's own past, which makes charts
    ring somewhat more often than the stated rate; persistence is not removed but allowed for.
    """
    settings = MonthlySettings(first="2008-04", last="2013-03", starts={}, persistence=0.3)
    counts = simulate_monthly_counts(REREFERRALS, settings, draws=3, seed=1)
    threshold = calibrate_cusum(240, persistence=0.3, seed=1)
    large = counts.denominator.mean(axis=(0, 2)) >= 50
    alarms = [
        compute_cusum(
            counts.council_code[large],
            counts.numerator[draw][large],
            counts.denominator[draw][large],
            months_before=36,
            harm="rises",
            threshold=threshold,
        )["alarm"].sum()
        for draw in range(3)
    ]
    stated = large.sum() * 24 / 240
    assert 0.5 * stated < np.mean(alarms) < 2.5 * stated
