"""Measure how often monthly monitoring rings without harm, and how soon it sees harm.

Usage: ``python tools/measure_detection.py [--draws 5000] [--write docs/detection.md]``
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from pilot_eval.lab.detection import months_to_detection
from pilot_eval.lab.simulate_monthly import TWO_WAVES, MonthlySettings, simulate_monthly_counts
from pilot_eval.monitoring.trial import MonitoringPlan, estimate_persistence

ALPHA = 0.05
FIRST_WAVE = [code for code, month in TWO_WAVES.items() if month == "2011-03"]
REREFERRALS, REPEATS, IN_TIME = "rereferral_12m_pct", "repeat_plan_pct", "ia_within_10wd_pct"
NAMES = {
    REREFERRALS: "re-referrals within 12 months rise",
    REPEATS: "repeat plans rise",
    IN_TIME: "initial assessments within 10 working days fall",
}
# Indicator, direction of harm, treated councils, persistence of the noise.
TRIALS = [
    (REREFERRALS, "rises", list(TWO_WAVES), 0.6),
    (REPEATS, "rises", list(TWO_WAVES), 0.6),
    (IN_TIME, "falls", list(TWO_WAVES), 0.6),
    (REREFERRALS, "rises", FIRST_WAVE, 0.6),
    (REPEATS, "rises", FIRST_WAVE, 0.6),
    (REREFERRALS, "rises", list(TWO_WAVES), 0.0),
    (REREFERRALS, "rises", list(TWO_WAVES), 0.3),
    (REREFERRALS, "rises", list(TWO_WAVES), 0.9),
]
HARMS = (1.0, 2.0, 3.0, 5.0)
"""Percentage points."""


def settings_for(treated: list[str], persistence: float) -> MonthlySettings:
    """Choose 24 months before and 24 after a start in March 2011."""
    return MonthlySettings(
        first="2009-03",
        last="2013-02",
        starts=dict.fromkeys(treated, "2011-03"),
        noise_sd=3.0,
        persistence=persistence,
    )


def plan_for(indicator: str, harm: str, settings: MonthlySettings) -> MonitoringPlan:
    """Plan 24 looks; persistence as a trial would take it: from comparators before the start."""
    counts = simulate_monthly_counts(indicator, settings, draws=1, seed=99)
    past = counts.event_time[:, :24].max(axis=1) < -100
    persistence = estimate_persistence(
        counts.numerator[0][past, :24], counts.denominator[0][past, :24]
    )
    return MonitoringPlan(
        months_before=24,
        looks=tuple(range(1, 25)),
        harm=harm,
        scale=3.0,
        alpha=ALPHA,
        persistence=persistence,
    )


def measure(trial: tuple[str, str, list[str], float], harms: tuple, draws: int) -> pd.DataFrame:
    """Run simulated trials of one kind."""
    indicator, harm, treated, persistence = trial
    settings = settings_for(treated, persistence)
    plan = plan_for(indicator, harm, settings)
    return months_to_detection(
        indicator, harms, settings=settings, plan=plan, draws=draws, seed=7
    ).assign(indicator=indicator, persistence=persistence)


def describe(alarms: pd.DataFrame, detection: pd.DataFrame) -> str:
    """Write the page."""
    draws = int(alarms["draws"].max())
    error = 100 * float(np.sqrt(ALPHA * (1 - ALPHA) / draws))
    parts = [
        "# False alarms, and months until harm is seen",
        "Written by `python tools/measure_detection.py --write docs/detection.md`; simulated "
        "trials, no real child. Monthly panels of 152 councils (binomial numerators at calibrated "
        "cases and levels, council noise of 3 percentage points with first-order correlation), 24 "
        "months before the start, 24 monthly looks after it, one-sided alpha 5%, harm only. "
        "Methods: [methods-monitoring.md](methods-monitoring.md).",
        "## Without harm",
        f"Share of {draws:,} trials with an alarm at any of the 24 looks; Monte Carlo error "
        f"{error:.1f} points. Promised: at most 5%.",
        table(
            alarms,
            {
                "measure": lambda row: NAMES[row["indicator"]],
                "treated": lambda row: row["n_treated"],
                "correlation": lambda row: row["persistence"],
                "group-sequential": lambda row: f"{row['detected']:.1%}",
                "anytime-valid": lambda row: f"{row['anytime']:.1%}",
            },
        ),
        "## With harm",
        f"{int(detection['draws'].max()):,} trials a row, eight treated councils, correlation 0.6, "
        "harm in full from the first month. Months until half of the trials have rung, and the "
        "share that has rung by 6, 12 and 24 months.",
        table(
            detection,
            {
                "measure": lambda row: NAMES[row["indicator"]],
                "harm (points)": lambda row: f"{row['harm']:g}",
                "median months": lambda row: months(row["median_months"]),
                "by 6": lambda row: f"{row['within_6']:.0%}",
                "by 12": lambda row: f"{row['within_12']:.0%}",
                "by 24": lambda row: f"{row['within_24']:.0%}",
                "anytime-valid, by 24": lambda row: f"{row['anytime']:.0%}",
            },
        ),
    ]
    return "\n\n".join(parts) + "\n"


def months(value: float) -> str:
    """Write a median that may not have been reached."""
    return "more than 24" if np.isnan(value) else f"{value:.0f}"


def table(rows: pd.DataFrame, columns: dict) -> str:
    """Write a Markdown table."""
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for _, row in rows.iterrows():
        lines.append(f"| {' | '.join(str(write(row)) for write in columns.values())} |")
    return "\n".join(lines)


def side_by_side(found: pd.DataFrame) -> pd.DataFrame:
    """Put the anytime-valid share alongside the group-sequential figures."""
    method = found["method"]
    anytime = found.loc[method == "anytime_valid", "detected"].to_numpy()
    return found[method == "group_sequential"].assign(anytime=anytime)


def main() -> None:
    """Measure and print or write the page."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--draws", type=int, default=5000)
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    alarms = [side_by_side(measure(trial, (0.0,), options.draws)) for trial in TRIALS]
    harms = [side_by_side(measure(trial, HARMS, options.draws // 5)) for trial in TRIALS[:3]]
    text = describe(pd.concat(alarms), pd.concat(harms))
    if options.write:
        options.write.write_text(text, encoding="utf-8", newline="\n")
    else:
        print(text)


if __name__ == "__main__":
    main()
