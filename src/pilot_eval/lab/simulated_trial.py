"""Simulated monthly figures: what monitoring a trial looks like with months.

Everything here is simulated and says so.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pilot_eval.errors import ParameterError, explain
from pilot_eval.evaluation.stored import stored
from pilot_eval.lab.simulate_monthly import TWO_WAVES, MonthlySettings, simulate_monthly_panel
from pilot_eval.monitoring.cusum import calibrate_cusum, compute_cusum
from pilot_eval.monitoring.trial import MonitoringPlan
from pilot_eval.plan import load_plan
from pilot_eval.reference.facts import council_names

START = "2011-03"
MONTHS_BEFORE, MONTHS_AFTER = 23, 24
RUN_LENGTH = 120.0  # months between a chart's false alarms: one in ten years


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SimulatedTrial:
    """Monthly counts of a simulated trial with one start.

    Attributes
    ----------
    numerator, denominator : ndarray, shape (n, months)
    treated : ndarray of bool, shape (n,)
    council_code : ndarray of str, shape (n,)
    settings : MonthlySettings
    monitoring : MonitoringPlan
    """

    numerator: np.ndarray
    denominator: np.ndarray
    treated: np.ndarray
    council_code: np.ndarray
    settings: MonthlySettings
    monitoring: MonitoringPlan


def simulate_trial(*, indicator: str, harm: float, seed: int) -> SimulatedTrial:
    """Simulate a trial of the four councils granted in March 2011, month by month.

    Parameters
    ----------
    indicator : str
        Indicator of `simulate_monthly_panel` that harm raises.
    harm : float
        True effect, percentage points.
    seed : int

    Returns
    -------
    SimulatedTrial
        Councils of the second wave and other councils ever treated are left out.

    Raises
    ------
    ParameterError
        If the harm is below 0.
    """
    if harm < 0:
        raise ParameterError(explain("harm", "be 0 or more", harm, "Harm raises the indicator."))
    first_wave = {code: START for code, start in TWO_WAVES.items() if start == START}
    others = load_plan().ever_treated - set(first_wave)
    councils = tuple(code for code in council_names() if code not in others)
    settings = MonthlySettings(
        first="2009-04",
        last="2013-02",
        councils=councils,
        indicators=(indicator,),
        starts=first_wave,
        effects={indicator: harm},
    )
    panel, _ = simulate_monthly_panel(settings, seed=seed)
    counts = {
        name: panel.pivot(index="council_code", columns="period", values=name)
        for name in ("numerator", "denominator")
    }
    busy = (counts["denominator"] > 0).all(axis=1)
    codes = counts["numerator"].index[busy]
    return SimulatedTrial(
        numerator=counts["numerator"].loc[codes].to_numpy(float),
        denominator=counts["denominator"].loc[codes].to_numpy(float),
        treated=codes.isin(list(first_wave)),
        council_code=codes.to_numpy(str),
        settings=settings,
        monitoring=MonitoringPlan(
            months_before=MONTHS_BEFORE,
            looks=tuple(range(1, MONTHS_AFTER + 1)),
            harm="rises",
            scale=3.0,
            persistence=settings.persistence,
        ),
    )


def title_looks(looks: pd.DataFrame) -> str:
    """Word what the looks at a simulated trial found."""
    alarms = looks.loc[looks["alarm"], "months_after"]
    if alarms.empty:
        return f"Simulated: no alarm in {int(looks['months_after'].max())} months"
    return f"Simulated: the boundary is crossed {int(alarms.iloc[0])} months after the start"


@stored
def watch_councils(trial: SimulatedTrial, *, seed: int) -> pd.DataFrame:
    """Run every treated council's own chart.

    Parameters
    ----------
    trial : SimulatedTrial
    seed : int

    Returns
    -------
    DataFrame
        Council, the month of its first alarm (missing = none) and its number of alarms.
    """
    threshold = calibrate_cusum(RUN_LENGTH, persistence=trial.settings.persistence, seed=seed)
    own = trial.treated
    charts = compute_cusum(
        trial.council_code[own],
        trial.numerator[own],
        trial.denominator[own],
        months_before=MONTHS_BEFORE,
        harm="rises",
        threshold=threshold,
    )
    names = council_names()
    rows = []
    for code, chart in charts.groupby("council_code", sort=False):
        alarms = chart.loc[chart["alarm"], "month"]
        first = f"month {int(alarms.iloc[0])}" if len(alarms) else "none"
        rows.append({"Council": names[str(code)], "First alarm": first, "Alarms": len(alarms)})
    return pd.DataFrame(rows)
