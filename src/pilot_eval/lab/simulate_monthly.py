"""Simulate council-by-month figures directly, for monitoring and staggered starts.

Fast where children are not needed: thousands of panels in the time of one simulated nation. Cases
and levels are calibrated by council as in `simulate_census`; a council's months are related (AR(1)
noise) and its numerators are binomial, so that the variance of a figure is a + b / cases.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pilot_eval.errors import ParameterError, explain
from pilot_eval.lab.simulate_calibration import (
    Calibration,
    CouncilConstants,
    load_calibration,
)
from pilot_eval.records.schema import ONE_MONTH

FloatArray = NDArray[np.float64]

# The eight councils that were granted exemptions, by month of the grant (the trial register is
# pilots/timescales-2011/register.csv).
TWO_WAVES: dict[str, str] = {
    "E10000006": "2011-03",  # Cumbria
    "E08000011": "2011-03",  # Knowsley
    "E09000033": "2011-03",  # Westminster
    "E09000012": "2011-03",  # Hackney
    "E09000013": "2011-09",  # Hammersmith and Fulham
    "E09000019": "2011-09",  # Islington
    "E09000020": "2011-09",  # Kensington and Chelsea
    "E09000032": "2011-09",  # Wandsworth
}
INDICATORS = (
    "ia_within_10wd_pct",
    "ca_within_35wd_pct",
    "rereferral_12m_pct",
    "repeat_plan_pct",
)
# Percentage points by which a unit of the log-duration shift lowers a share in time.
_POINTS_A_SHIFT = 25.0
# England's shares of 2012 (SFR27/2012).
_LEVELS = {"ia_within_10wd_pct": 77.4, "ca_within_35wd_pct": 75.5}


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthlySettings:
    """What the monthly panel is to hold.

    Parameters
    ----------
    first, last : str
        Months as "YYYY-MM", both included.
    councils : tuple of str
        ONS codes; all 152 if empty.
    indicators : tuple of str
        Among `INDICATORS`.
    starts : mapping of str to str
        Council -> first treated month; the two waves of the trial by default. Councils that are
        not simulated are passed over.
    effects : mapping of str to float
        Indicator -> change in percentage points once the effect is complete.
    ramp_months : int
        Months over which the effect grows to its full size; 1 is at once.
    effect_sd : float
        Standard deviation, between treated councils, of the factor (mean 1) on the effects.
    noise_sd : float
        Standard deviation of a council's own deviation, percentage points.
    persistence : float
        Correlation of that deviation with the month before's, 0 to below 1.
    scale : float
        Factor on the cases.
    """

    first: str = "2009-04"
    last: str = "2013-03"
    councils: tuple[str, ...] = ()
    indicators: tuple[str, ...] = INDICATORS
    starts: Mapping[str, str] = field(default_factory=lambda: dict(TWO_WAVES))
    effects: Mapping[str, float] = field(default_factory=dict)
    ramp_months: int = 1
    effect_sd: float = 0.0
    noise_sd: float = 3.0
    persistence: float = 0.6
    scale: float = 1.0

    @property
    def months(self) -> NDArray[np.datetime64]:
        """Every month from the first to the last, shape (m,)."""
        return np.arange(np.datetime64(self.first), np.datetime64(self.last) + ONE_MONTH)

    def __post_init__(self) -> None:
        months = [_month("first", self.first), _month("last", self.last)]
        if months[1] < months[0]:
            raise ParameterError(explain("last", f"be {self.first} or later", self.last, "Swap."))
        unknown = sorted((set(self.indicators) | set(self.effects)) - set(INDICATORS))
        if unknown or not self.indicators:
            raise ParameterError(
                explain("indicators", f"be among {INDICATORS}", unknown, "Correct the names.")
            )
        for code, start in self.starts.items():
            _month(f"starts[{code}]", start)
        self._check_numbers()

    def _check_numbers(self) -> None:
        bounds = {
            "ramp_months": (1, 120),
            "effect_sd": (0, 5),
            "noise_sd": (0, 50),
            "persistence": (0, 0.99),
            "scale": (0.001, 1000),
        }
        for name, (low, high) in bounds.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise ParameterError(
                    explain(name, f"lie between {low} and {high}", value, "Change the setting.")
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthlyCounts:
    """Simulated panels as arrays.

    Attributes
    ----------
    council_code : ndarray of str, shape (n,)
    period : ndarray of str, shape (t,)
    event_time : ndarray, shape (n, t)
        Months since the council's start; far below 0 where it never starts.
    numerator, denominator : ndarray of int, shape (draws, n, t)
    """

    council_code: NDArray[np.str_]
    period: NDArray[np.str_]
    event_time: FloatArray
    numerator: NDArray[np.int64]
    denominator: NDArray[np.int64]


def simulate_monthly_panel(
    settings: MonthlySettings, *, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Simulate monthly percentages of councils, with exemptions from chosen months.

    Parameters
    ----------
    settings : MonthlySettings
    seed : int

    Returns
    -------
    panel : DataFrame
        council_code, period ("YYYY-MM"), indicator, value (percent; NaN without cases),
        numerator, denominator, strand ("simulated"); sorted by indicator, council, period.
    truth : DataFrame
        council_code, period, indicator, cohort (first treated month, missing = never),
        event_time (months since then), effect (percentage points added to the level, after the
        level was kept between 0 and 100), level_without: aligned with `panel`.

    Raises
    ------
    ParameterError
        If a council is unknown.

    Examples
    --------
    >>> settings = MonthlySettings(last="2010-03", effects={"rereferral_12m_pct": 5.0})
    >>> panel, truth = simulate_monthly_panel(settings, seed=1)
    >>> len(panel) == 4 * 152 * 12 and float(truth["effect"].abs().max()) == 0.0
    True
    """
    calibration = load_calibration()
    councils = calibration.select(settings.councils)
    months = settings.months
    rng = np.random.default_rng([seed, len(months)])
    event_time = _event_times(councils, settings, months)
    factor = 1 + settings.effect_sd * rng.standard_normal(len(councils))
    parts = []
    for indicator in settings.indicators:
        cases = rng.poisson(_expected_cases(indicator, councils, months, calibration, settings))
        level = _levels(indicator, councils)[:, None] + _noise(rng, cases.shape, settings)
        reached = np.clip((event_time + 1) / settings.ramp_months, 0, 1)
        effect = settings.effects.get(indicator, 0.0) * factor[:, None] * reached
        without = np.clip(level, 0, 100)
        under = np.clip(level + effect, 0, 100)
        numerator = rng.binomial(cases, under / 100)
        parts.append((indicator, cases, numerator, under - without, without))
    return _panel(parts, councils, months), _truth(parts, councils, months, event_time, settings)


def simulate_monthly_counts(
    indicator: str, settings: MonthlySettings, *, draws: int, seed: int
) -> MonthlyCounts:
    """Simulate many panels of one indicator as arrays.

    Parameters
    ----------
    indicator : str
        Among `INDICATORS`.
    settings : MonthlySettings
        `indicators` is not used.
    draws : int
        Number of panels.
    seed : int

    Returns
    -------
    MonthlyCounts

    Raises
    ------
    ParameterError
        If a council or the indicator is unknown.

    Examples
    --------
    >>> settings = MonthlySettings(last="2009-06")
    >>> simulate_monthly_counts("repeat_plan_pct", settings, draws=2, seed=1).numerator.shape
    (2, 152, 3)
    """
    if indicator not in INDICATORS:
        raise ParameterError(
            explain("indicator", f"be among {INDICATORS}", indicator, "Correct the name.")
        )
    calibration = load_calibration()
    councils = calibration.select(settings.councils)
    months = settings.months
    rng = np.random.default_rng([seed, draws])
    event_time = _event_times(councils, settings, months)
    shape = (draws, len(councils), len(months))
    cases = rng.poisson(_expected_cases(indicator, councils, months, calibration, settings), shape)
    factor = 1 + settings.effect_sd * rng.standard_normal(shape[:2])
    reached = np.clip((event_time + 1) / settings.ramp_months, 0, 1)
    effect = settings.effects.get(indicator, 0.0) * factor[..., None] * reached
    level = _levels(indicator, councils)[:, None] + _noise(rng, shape, settings) + effect
    return MonthlyCounts(
        council_code=np.array([c.council_code for c in councils]),
        period=np.datetime_as_string(months),
        event_time=event_time,
        numerator=rng.binomial(cases, np.clip(level, 0, 100) / 100),
        denominator=cases,
    )


def _event_times(
    councils: list[CouncilConstants], settings: MonthlySettings, months: NDArray[np.datetime64]
) -> FloatArray:
    """Months since each council's start; very negative where it never starts."""
    never = "2999-01"
    starts = [np.datetime64(settings.starts.get(c.council_code, never), "M") for c in councils]
    result: FloatArray = (months[None, :] - np.array(starts)[:, None]).astype(float)
    return result


def _expected_cases(
    indicator: str,
    councils: list[CouncilConstants],
    months: NDArray[np.datetime64],
    calibration: Calibration,
    settings: MonthlySettings,
) -> FloatArray:
    share = {
        "ia_within_10wd_pct": [c.assessed for c in councils],
        "ca_within_35wd_pct": [c.core for c in councils],
        "rereferral_12m_pct": [1.0] * len(councils),
        "repeat_plan_pct": [c.plan for c in councils],
    }[indicator]
    yearly = np.array([c.referrals for c in councils]) * np.array(share) * settings.scale
    result: FloatArray = yearly[:, None] * calibration.months[months.astype(np.int64) % 12][None, :]
    return result


def _levels(indicator: str, councils: list[CouncilConstants]) -> FloatArray:
    """Usual level of each council, percent."""
    if indicator in _LEVELS:
        name = "initial_shift" if indicator.startswith("ia") else "core_shift"
        shift = np.array([getattr(c, name) for c in councils])
        return np.clip(_LEVELS[indicator] - _POINTS_A_SHIFT * shift, 20, 97)
    name = indicator.removesuffix("_pct").removesuffix("_12m")
    return 100 * np.array([getattr(c, name) for c in councils])


def _noise(
    rng: np.random.Generator, shape: tuple[int, ...], settings: MonthlySettings
) -> FloatArray:
    """AR(1) deviations in their stationary distribution, months on the last axis."""
    noise = rng.standard_normal(shape)
    rho = settings.persistence
    for month in range(1, shape[-1]):
        noise[..., month] *= np.sqrt(1 - rho**2)
        noise[..., month] += rho * noise[..., month - 1]
    return settings.noise_sd * noise


def _panel(
    parts: list[tuple[Any, ...]], councils: list[CouncilConstants], months: NDArray[np.datetime64]
) -> pd.DataFrame:
    frame = _index(parts, councils, months)
    cases = np.concatenate([p[1].ravel() for p in parts]).astype(float)
    numerator = np.concatenate([p[2].ravel() for p in parts]).astype(float)
    share = np.divide(numerator, cases, out=np.full(cases.shape, np.nan), where=cases > 0)
    return frame.assign(
        value=100 * share, numerator=numerator, denominator=cases, strand="simulated"
    )


def _truth(
    parts: list[tuple[Any, ...]],
    councils: list[CouncilConstants],
    months: NDArray[np.datetime64],
    event_time: FloatArray,
    settings: MonthlySettings,
) -> pd.DataFrame:
    frame = _index(parts, councils, months)
    frame["cohort"] = frame["council_code"].map(dict(settings.starts))
    times = np.tile(event_time.ravel(), len(parts))
    return frame.assign(
        event_time=np.where(frame["cohort"].isna(), np.nan, times),
        effect=np.concatenate([p[3].ravel() for p in parts]),
        level_without=np.concatenate([p[4].ravel() for p in parts]),
    )


def _index(
    parts: list[tuple[Any, ...]], councils: list[CouncilConstants], months: NDArray[np.datetime64]
) -> pd.DataFrame:
    codes = [c.council_code for c in councils]
    return pd.DataFrame(
        {
            "council_code": np.tile(np.repeat(codes, len(months)), len(parts)),
            "period": np.tile(np.datetime_as_string(months), len(parts) * len(codes)),
            "indicator": np.repeat([p[0] for p in parts], len(codes) * len(months)),
        }
    )


def _month(name: str, text: str) -> np.datetime64:
    """Read a month "YYYY-MM"."""
    try:
        month = np.datetime64(text, "M")
        right = np.datetime_as_string(month) == text
    except ValueError:
        right = False
    if not right:
        raise ParameterError(explain(name, "be a month as YYYY-MM", text, "Write 2011-03."))
    return month
