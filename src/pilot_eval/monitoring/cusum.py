"""Chart each council against its own past, month by month (CUSUM).

Each month's share is standardised by what the council's own earlier months and its cases predict;
the chart sums what exceeds a reference value, and rings when the sum reaches a threshold that was
calibrated by simulation to a stated mean time between false alarms.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from pilot_eval.doors import Names, Numbers, Whole, takes
from pilot_eval.errors import DataError, ParameterError, explain

FloatArray = NDArray[np.float64]

REFERENCE = 0.5
"""Half the shift the chart is tuned to, in standard deviations: one standard deviation."""
FEWEST_MONTHS = 12
"""Months of a council's own past below which its chart is not drawn."""
# Charts are simulated for four run lengths; those still quiet are censored, and the mean run
# length is months at risk over alarms. About 80 MB of memory whatever the run length.
_LONGEST, _CELLS, _MOST_RUNS = 4, 20_000_000, 40_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CusumThreshold:
    """A threshold and what it was calibrated to.

    Attributes
    ----------
    threshold, reference : float
        In standard deviations.
    run_length : float
        Mean months between false alarms asked for.
    achieved : float
        As simulated again with the threshold.
    monte_carlo_error : float
        Standard error of `achieved`.
    persistence : float
        Correlation of a month's deviation with the one before.
    """

    threshold: float
    reference: float
    run_length: float
    achieved: float
    monte_carlo_error: float
    persistence: float


def calibrate_cusum(
    run_length: float, *, reference: float = REFERENCE, persistence: float = 0.0, seed: int
) -> CusumThreshold:
    """Find the threshold with a given mean time between false alarms, by simulation.

    Parameters
    ----------
    run_length : float
        Mean months until a chart in control rings, 10 to 5,000.
    reference : float
        Above 0.
    persistence : float
        Of the standardised deviations (AR(1)), 0 to below 1: with persistence the same threshold
        rings more often.
    seed : int

    Returns
    -------
    CusumThreshold

    Raises
    ------
    ParameterError
        If a setting is impossible.

    References
    ----------
    Page (1954), Continuous inspection schemes, Biometrika 41; reference values in Lucas and Crosier
    (1982), Technometrics 24(3): two-sided run length 168 at h = 4 and 465 at h = 5, with k = 0.5.

    Examples
    --------
    >>> found = calibrate_cusum(100, seed=1)
    >>> bool(2.5 < found.threshold < 3.1)
    True
    """
    if not 10 <= run_length <= 5000:
        raise ParameterError(
            explain("run_length", "lie between 10 and 5000 months", run_length, "Choose another.")
        )
    if not 0 < reference <= 5 or not 0 <= persistence < 1:
        raise ParameterError(
            explain(
                "reference, persistence",
                "be above 0, and lie from 0 to below 1",
                f"{reference}, {persistence}",
                "Correct them.",
            )
        )
    rng = np.random.default_rng([seed, 1])
    peaks = _record_peaks(rng, run_length, reference, persistence)
    low, high = 0.0, 60.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if _run_length(peaks, middle)[0] < run_length else (low, middle)
    check = _record_peaks(np.random.default_rng([seed, 2]), run_length, reference, persistence)
    achieved, error = _run_length(check, high)
    return CusumThreshold(
        threshold=float(high),
        reference=reference,
        run_length=run_length,
        achieved=achieved,
        monte_carlo_error=error,
        persistence=persistence,
    )


@takes(
    DataError,
    council_code=Names(),
    numerator=Numbers(least=0, ndim=(2,)),
    denominator=Numbers(least=0, ndim=(2,)),
    expected=Numbers(ndim=(2,)),
)
@takes(ParameterError, months_before=Whole())
def compute_cusum(
    council_code: ArrayLike,
    numerator: ArrayLike,
    denominator: ArrayLike,
    *,
    months_before: int,
    harm: Literal["rises", "falls"],
    threshold: CusumThreshold,
    expected: ArrayLike | None = None,
) -> pd.DataFrame:
    """Draw every council's chart from the month after its own past.

    Parameters
    ----------
    council_code : array of str, shape (n,)
    numerator, denominator : array of shape (n, months)
        The first `months_before` months are the past, the others are watched.
    months_before : int
        At least 12.
    harm : {"rises", "falls"}
    threshold : CusumThreshold
        From `calibrate_cusum`.
    expected : array of shape (n, months), optional
        Risk-adjusted expectation of each share, 0 to 1 (from case mix, season, comparators). If
        left out, the council's own past share.

    Returns
    -------
    DataFrame
        One row per council and watched month: council_code, month (1, 2, ... after the past), z
        (harm positive), cusum, threshold, alarm (the month it reaches the threshold, after which
        the sum starts again from 0), alarms_so_far. A month without cases adds nothing (z NaN).

    Raises
    ------
    DataError
        If counts do not fit, the past is too short, or a council is named twice or has no
        cases in its past.

    References
    ----------
    Grigg, Farewell and Spiegelhalter (2003), Use of risk-adjusted CUSUM and RSPRT charts,
    Statistical Methods in Medical Research 12(2). The standard deviation of a month is
    sqrt(p (1 - p) / cases + s^2), p the expected share and s^2 the council's own variance in
    excess of that in its past months, at least 0.
    """
    events, cases = _check_counts(council_code, numerator, denominator, months_before)
    past = slice(None, months_before)
    own = (events[:, past].sum(1) + 0.5) / (cases[:, past].sum(1) + 1)
    mean = (
        np.broadcast_to(own[:, None], events.shape)
        if expected is None
        else _check_expected(np.asarray(expected, float), events.shape)
    )
    apart = np.where(cases > 0, events / np.maximum(cases, 1) - mean, np.nan)
    chance = mean * (1 - mean) / np.maximum(cases, 1)
    beyond = _beyond_chance(apart[:, past], chance[:, past])
    sign = 1.0 if harm == "rises" else -1.0
    z = sign * apart / np.sqrt(chance + beyond[:, None])
    return _chart(np.asarray(council_code, dtype=object), z[:, months_before:], threshold)


def _chart(codes: NDArray[Any], z: FloatArray, threshold: CusumThreshold) -> pd.DataFrame:
    """Run the recursion over the watched months."""
    total = np.zeros(len(z))
    sums, alarms = np.empty(z.shape), np.zeros(z.shape, dtype=bool)
    for month in range(z.shape[1]):
        step = np.where(np.isnan(z[:, month]), 0.0, z[:, month] - threshold.reference)
        total = np.maximum(0.0, total + step)
        sums[:, month], alarms[:, month] = total, total >= threshold.threshold
        total = np.where(alarms[:, month], 0.0, total)
    n, months = z.shape
    return pd.DataFrame(
        {
            "council_code": np.repeat(codes, months),
            "month": np.tile(np.arange(1, months + 1), n),
            "z": z.ravel(),
            "cusum": sums.ravel(),
            "threshold": threshold.threshold,
            "alarm": alarms.ravel(),
            "alarms_so_far": np.cumsum(alarms, axis=1).ravel(),
        }
    )


def _beyond_chance(apart: FloatArray, chance: FloatArray) -> FloatArray:
    """Variance of each council's past months beyond sampling variation; 0 where there is none."""
    known = ~np.isnan(apart)
    months = np.maximum(known.sum(1), 2)
    square = np.where(known, apart**2, 0.0).sum(1) / (months - 1)
    expected = np.where(known, chance, 0.0).sum(1) / months
    result: FloatArray = np.maximum(square - expected, 0.0)
    return result


def _record_peaks(
    rng: np.random.Generator, run_length: float, reference: float, persistence: float
) -> NDArray[np.float32]:
    """Record highs of charts without threshold or restart, month by month: shape (months, runs)."""
    months = int(_LONGEST * run_length)
    runs = min(_MOST_RUNS, _CELLS // months)
    deviation = rng.standard_normal(runs)
    total, peak = np.zeros(runs), np.zeros(runs)
    peaks = np.empty((months, runs), dtype=np.float32)
    for month in range(months):
        total = np.maximum(0.0, total + deviation - reference)
        peak = np.maximum(peak, total)
        peaks[month] = peak
        fresh = rng.standard_normal(runs)
        deviation = persistence * deviation + np.sqrt(1 - persistence**2) * fresh
    return peaks


def _run_length(peaks: NDArray[np.float32], threshold: float) -> tuple[float, float]:
    """Estimate the mean run length and its standard error, allowing for runs still going."""
    quiet = (peaks < threshold).sum(axis=0)
    rung = quiet < len(peaks)
    alarms = max(int(rung.sum()), 1)
    mean = float((quiet + rung).sum()) / alarms
    return mean, mean / float(np.sqrt(alarms))


def _check_counts(
    council_code: ArrayLike, numerator: ArrayLike, denominator: ArrayLike, months_before: int
) -> tuple[NDArray[np.float32], FloatArray]:
    events, cases = np.asarray(numerator, float), np.asarray(denominator, float)
    codes = np.asarray(council_code, dtype=object)
    rows = codes.shape
    fits = events.ndim == 2 and events.shape == cases.shape and rows == events.shape[:1]
    if not fits or not FEWEST_MONTHS <= months_before < events.shape[1]:
        raise DataError(
            explain(
                "numerator, denominator",
                f"have a row per council and {FEWEST_MONTHS} or more months before those watched",
                f"{events.shape} and {cases.shape} with {months_before} months before",
                "Pivot the panel to one row per council, or wait.",
            )
        )
    known = np.isfinite(events).all() and np.isfinite(cases).all()
    if not known or (events < 0).any() or (events > cases).any():
        raise DataError(
            explain(
                "numerator",
                "lie between 0 and the denominator in every month",
                "counts that do not, or missing ones",
                "Leave such councils out and say so.",
            )
        )
    if not cases[:, :months_before].sum(axis=1).all() or len(set(codes)) < len(codes):
        rule, got = "be above 0 in the past of every council, each named once", "one that is not"
        raise DataError(explain("denominator", rule, got, "Leave such councils out and say so."))
    return events, cases


def _check_expected(mean: FloatArray, shape: tuple[int, int]) -> FloatArray:
    if mean.shape != shape or not ((mean > 0) & (mean < 1)).all():
        raise DataError(
            explain(
                "expected",
                f"hold a share above 0 and below 1 for each of {shape}",
                f"an array of {mean.shape}, or shares outside",
                "Predict a share for every council and month.",
            )
        )
    return mean
