"""How long until a harm of a stated size would be seen, and how often a false alarm rings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from pilot_eval.errors import ParameterError, explain
from pilot_eval.evaluation.stored import stored
from pilot_eval.lab.simulate_monthly import MonthlySettings, simulate_monthly_counts
from pilot_eval.monitoring.trial import Looks, MonitoringPlan, compute_looks

# Panels held in memory at a time: 250 of 152 councils x 48 months take about 60 MB.
BATCH = 250
# Fewest cases expected a month: smaller councils (City of London, Isles of Scilly) are left out.
FEWEST_CASES = 5.0
WITHIN = (6, 12, 24)


@stored
def months_to_detection(
    indicator: str,
    harms: Sequence[float],
    *,
    settings: MonthlySettings,
    plan: MonitoringPlan,
    draws: int = 500,
    seed: int,
) -> pd.DataFrame:
    """Simulate how soon harms of stated sizes raise an alarm.

    Parameters
    ----------
    indicator : str
        Indicator of `simulate_monthly_panel`.
    harms : sequence of float
        Sizes of harm in percentage points, 0 or more (0 shows the false alarms); the plan says
        which way harm lies.
    settings : MonthlySettings
        Councils, noise, ramp. All `starts` must be one month, `plan.months_before` months after
        `settings.first`; `effects` are set by `harms`.
    plan : MonitoringPlan
    draws : int
        Simulated trials for each size of harm.
    seed : int

    Returns
    -------
    DataFrame
        One row per harm and method ("group_sequential", "anytime_valid"): harm, method, draws,
        detected (share with an alarm at any look), monte_carlo_error, median_months (NaN where
        fewer than half are detected), within_6, within_12, within_24 (share detected by then; NaN
        where no look is so late), n_treated, n_comparators.

    Raises
    ------
    ParameterError
        If a harm is below 0, or the starts and the plan do not fit together.
    """
    _check_starts(settings, plan, settings.months)
    if min(harms) < 0:
        raise ParameterError(
            explain("harms", "be 0 or more", min(harms), "The plan says which way harm lies.")
        )
    sign = 1.0 if plan.harm == "rises" else -1.0
    rows = []
    for number, harm in enumerate(harms):
        changed = _with_effect(settings, indicator, sign * harm)
        first: dict[str, list[Any]] = {"group_sequential": [], "anytime_valid": []}
        sizes = (0, 0)
        for start in range(0, draws, BATCH):
            size = min(BATCH, draws - start)
            looks, sizes = _one_batch(indicator, changed, plan, size, (seed, number, start))
            first["group_sequential"].append(_first_alarm(looks, looks.z >= looks.boundary))
            first["anytime_valid"].append(_first_alarm(looks, looks.p_anytime <= plan.alpha))
        rows += [
            _summarise(harm, name, np.concatenate(f), sizes, plan) for name, f in first.items()
        ]
    return pd.DataFrame(rows)


def _one_batch(
    indicator: str,
    settings: MonthlySettings,
    plan: MonitoringPlan,
    draws: int,
    key: tuple[int, int, int],
) -> tuple[Looks, tuple[int, int]]:
    """Simulate and judge a batch of trials."""
    seed = int(np.random.SeedSequence(key).generate_state(1)[0])
    counts = simulate_monthly_counts(indicator, settings, draws=draws, seed=seed)
    treated = np.isin(counts.council_code, list(settings.starts))
    large = counts.denominator.mean(axis=(0, 2)) >= FEWEST_CASES
    looks = compute_looks(
        counts.numerator[:, large].astype(float),
        counts.denominator[:, large].astype(float),
        treated[large],
        plan=plan,
    )
    return looks, (int(treated[large].sum()), int((~treated)[large].sum()))


def _first_alarm(looks: Looks, alarm: np.ndarray) -> np.ndarray:
    """Months until the first alarm of each trial; infinite where none rings."""
    when = looks.months_after[np.argmax(alarm, axis=1)].astype(float)
    return np.where(alarm.any(axis=1), when, np.inf)


def _summarise(
    harm: float, method: str, first: np.ndarray, sizes: tuple[int, int], plan: MonitoringPlan
) -> dict[str, object]:
    detected = float(np.isfinite(first).mean())
    middle = float(np.quantile(first, 0.5, method="inverted_cdf"))
    within = {
        f"within_{months}": float((first <= months).mean()) if plan.looks[-1] >= months else np.nan
        for months in WITHIN
    }
    return {
        "harm": float(harm),
        "method": method,
        "draws": len(first),
        "detected": detected,
        "monte_carlo_error": float(np.sqrt(detected * (1 - detected) / len(first))),
        "median_months": middle if np.isfinite(middle) else np.nan,
        **within,
        "n_treated": sizes[0],
        "n_comparators": sizes[1],
    }


def _with_effect(settings: MonthlySettings, indicator: str, effect: float) -> MonthlySettings:
    from dataclasses import replace

    return replace(settings, effects={indicator: effect})


def _check_starts(settings: MonthlySettings, plan: MonitoringPlan, months: np.ndarray) -> None:
    starts = set(settings.starts.values())
    due = str(months[plan.months_before]) if plan.months_before < len(months) else "later"
    if starts != {due}:
        raise ParameterError(
            explain(
                "settings.starts",
                f"all be {due}, {plan.months_before} months after {settings.first}",
                ", ".join(sorted(starts)),
                "Monitor councils that start in different months separately.",
            )
        )
