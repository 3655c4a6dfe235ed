"""Watch a running trial month by month: treated councils against comparators at every look."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from pilot_eval.door_values import read_fields
from pilot_eval.doors import (
    ALPHA,
    MOST_PERIODS,
    Flags,
    Number,
    Numbers,
    OneOf,
    Periods,
    Whole,
    takes,
)
from pilot_eval.errors import DataError, ParameterError, explain
from pilot_eval.monitoring.sequential import anytime_valid, group_sequential_boundaries
from pilot_eval.monitoring.shares import compare_shares, percentages

FloatArray = NDArray[np.float64]

FEWEST_COMPARATORS = 20
"""The variance function of the statistic is fitted on comparators at every look."""
PERSISTENCE = Number(low=0.0, high=1 - 1e-9)
LEAST_STEP = 1e-9
"""With a strong persistence a further month may add no information; looks stay in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitoringPlan:
    """What is written down before the first look.

    Parameters
    ----------
    months_before : int
        Months before the start that each council is compared with, 2 or more.
    looks : tuple of int
        Months after the start at which one looks, rising.
    harm : {"rises", "falls"}
    scale : float
        Effect the anytime-valid companion is tuned to, in the outcome's unit; the margin.
    alpha : float
        Probability of an alarm at any look of a harmless trial.
    persistence : float
        Correlation of a council's deviation with the month before's, for the information at the
        looks (`estimate_persistence`).
    """

    months_before: int
    looks: tuple[int, ...]
    harm: Literal["rises", "falls"]
    scale: float
    alpha: float = 0.05
    persistence: float = 0.0

    def __post_init__(self) -> None:
        read_fields(
            self,
            ParameterError,
            months_before=Whole(least=2, most=MOST_PERIODS),
            looks=Periods(least=1),
            harm=OneOf(("rises", "falls")),
            scale=Number(low=0.0, open=True),
            alpha=ALPHA,
            persistence=PERSISTENCE,
        )
        object.__setattr__(self, "looks", tuple(self.looks))


@dataclass(frozen=True, slots=True, kw_only=True)
class Looks:
    """The statistics of a batch of trials; arrays of shape (batch, looks) if not said otherwise.

    Attributes
    ----------
    months_after : ndarray, shape (looks,)
    fraction, boundary : ndarray, shape (looks,)
        Information over that of the last planned look, and the z boundary.
    estimate, std_error : ndarray
        Effect in the outcome's unit, signed as the outcome is.
    z : ndarray
        Size-adjusted t turned into a normal deviate, harm positive: the smaller of the one on
        percentages and the one on Cox and Snell's scale, so that no alarm rests on the skewness
        of few events.
    martingale, p_anytime, half_width : ndarray
        As `anytime_valid`.
    """

    months_after: NDArray[np.int64]
    fraction: FloatArray
    boundary: FloatArray
    estimate: FloatArray
    std_error: FloatArray
    z: FloatArray
    martingale: FloatArray
    p_anytime: FloatArray
    half_width: FloatArray


@takes(
    ParameterError,
    months_before=Whole(most=MOST_PERIODS),
    looks=Periods(least=1),
    persistence=PERSISTENCE,
)
def information_fractions(
    months_before: int, looks: tuple[int, ...], *, persistence: float = 0.0
) -> FloatArray:
    """Compute the information at each look over that at the last one.

    Parameters
    ----------
    months_before : int
    looks : tuple of int
    persistence : float
        Of an AR(1) deviation.

    Returns
    -------
    ndarray of shape (looks,)
        Var(mean of all months after - mean before) over Var(mean of the first k months after -
        mean before).

    Examples
    --------
    >>> information_fractions(12, (1, 12)).round(4)  # by hand: (1/12 + 1/12) / (1/12 + 1)
    array([0.1538, 1.    ])
    """
    total = months_before + looks[-1]
    lag = np.abs(np.arange(total)[:, None] - np.arange(total)[None, :])
    covariance = np.where(lag == 0, 1.0, float(persistence) ** lag)
    variance = np.empty(len(looks))
    for row, months in enumerate(looks):
        weight = np.zeros(total)
        weight[:months_before] = -1 / months_before
        weight[months_before : months_before + months] = 1 / months
        variance[row] = weight @ covariance @ weight
    fraction = np.minimum.accumulate((variance[-1] / variance)[::-1])[::-1]
    result: FloatArray = fraction - LEAST_STEP * np.arange(len(looks))[::-1]
    return result


@takes(
    DataError,
    numerator=Numbers(least=0, missing=True, ndim=(2,)),
    denominator=Numbers(least=0, missing=True, ndim=(2,)),
)
def estimate_persistence(numerator: ArrayLike, denominator: ArrayLike) -> float:
    """Estimate how much of a council's deviation lasts to the next month.

    Parameters
    ----------
    numerator, denominator : array of shape (n, months)
        Comparators before the start.

    Returns
    -------
    float
        First autocorrelation of the shares after council and month means, corrected for the short
        series, between 0 and 0.95. Sampling noise pulls it down, as it should: what matters is how
        the mean of the months behaves.

    Raises
    ------
    DataError
        If there are fewer than 8 months or 5 councils with cases in all of them, or a council's
        shares are all equal or infinite.

    References
    ----------
    Marriott and Pope (1954), Bias in the estimation of autocorrelations, Biometrika 41.
    """
    events, cases = np.asarray(numerator, float), np.asarray(denominator, float)
    if events.shape != cases.shape or (events > cases).any():
        rule, got = "lie between 0 and the denominator in every month", "others, or other months"
        raise DataError(explain("numerator", rule, got, "Leave such councils out and say so."))
    share = percentages(events, cases)
    share = share[~np.isnan(share).any(axis=1)]
    n, months = share.shape
    usable = np.isfinite(share).all() and (share.max(axis=1) > share.min(axis=1)).all()
    if months < 8 or n < 5 or not usable:
        raise DataError(
            explain(
                "panel",
                "have 8 months and 5 councils with cases in all, and finite shares that vary",
                f"{months} months and {n} councils",
                "State the persistence in the plan.",
            )
        )
    apart = share - share.mean(axis=1, keepdims=True)
    apart = apart - apart.mean(axis=0, keepdims=True)
    scale = apart / np.sqrt((apart**2).mean(axis=1, keepdims=True))
    raw = float((scale[:, 1:] * scale[:, :-1]).sum() / (n * months))
    return float(np.clip((months * raw + 1) / (months - 3), 0, 0.95))


@takes(
    DataError,
    numerator=Numbers(least=0, ndim=(2,)),
    denominator=Numbers(least=0, ndim=(2,)),
    treated=Flags(),
)
def monitor_trial(
    numerator: ArrayLike, denominator: ArrayLike, treated: ArrayLike, *, plan: MonitoringPlan
) -> pd.DataFrame:
    """Judge a trial at every look reached so far.

    Parameters
    ----------
    numerator, denominator : array of shape (n, months)
        Counts of each council and month: `plan.months_before` months before the start, then the
        months since. Shares are shown in percent.
    treated : bool array of shape (n,)
        Councils whose trial started with the first month after; councils that were freed earlier
        or later belong in neither group.
    plan : MonitoringPlan

    Returns
    -------
    DataFrame
        One row per look: months_after, information_fraction, estimate (percentage points),
        std_error, z (harm positive), boundary, alarm (at this look), alarm_so_far, martingale,
        p_anytime, alarm_anytime, conf_low, conf_high (confidence sequence), n_treated,
        n_comparators.

    Raises
    ------
    DataError
        If counts do not fit, or a council has no cases before the start or by the first look.

    References
    ----------
    Lan and DeMets (1983) for the boundary, Ferman and Pinto (2019) for the statistic, Cox and Snell
    (1968), JRSS B 30(2), for the scale on which a share is nearly symmetric.

    Notes
    -----
    No alarm is not a finding of safety: a verdict reads the interval against the margin.
    """
    counts = np.asarray(numerator, float), np.asarray(denominator, float)
    chosen = np.asarray(treated, dtype=bool)
    _check_counts(*counts, chosen, plan)
    looks = compute_looks(counts[0][None], counts[1][None], chosen, plan=plan)
    first = {name: getattr(looks, name)[0] for name in ("estimate", "std_error", "z")}
    alarm = first["z"] >= looks.boundary
    return pd.DataFrame(
        {
            "months_after": looks.months_after,
            "information_fraction": looks.fraction,
            **first,
            "boundary": looks.boundary,
            "alarm": alarm,
            "alarm_so_far": np.maximum.accumulate(alarm),
            "martingale": looks.martingale[0],
            "p_anytime": looks.p_anytime[0],
            "alarm_anytime": looks.p_anytime[0] <= plan.alpha,
            "conf_low": first["estimate"] - looks.half_width[0],
            "conf_high": first["estimate"] + looks.half_width[0],
            "n_treated": int(chosen.sum()),
            "n_comparators": int((~chosen).sum()),
        }
    )


def compute_looks(
    numerator: NDArray[Any],
    denominator: NDArray[Any],
    treated: NDArray[np.bool_],
    *,
    plan: MonitoringPlan,
) -> Looks:
    """Compute the statistics of a batch of trials at every look that the data reach.

    Parameters
    ----------
    numerator, denominator : array of shape (batch, n, months)
    treated : bool array of shape (n,)
    plan : MonitoringPlan

    Returns
    -------
    Looks
    """
    before = plan.months_before
    reached = [look for look in plan.looks if before + look <= numerator.shape[-1]]
    fraction = information_fractions(before, plan.looks, persistence=plan.persistence)
    boundary = group_sequential_boundaries(fraction, alpha=plan.alpha)
    base = numerator[..., :before].sum(-1), denominator[..., :before].sum(-1)
    sign = 1.0 if plan.harm == "rises" else -1.0
    estimate, error, z = (np.empty((numerator.shape[0], len(reached))) for _ in range(3))
    for row, look in enumerate(reached):
        span = slice(before, before + look)
        now = numerator[..., span].sum(-1), denominator[..., span].sum(-1)
        cases = 2 / (look / np.maximum(now[1], 1) + before / np.maximum(base[1], 1))
        estimate[:, row], error[:, row], z[:, row] = compare_shares(
            now, base, cases, treated, sign=sign
        )
    martingale, p_anytime, half = anytime_valid(
        sign * estimate, error, scale=plan.scale, alpha=plan.alpha
    )
    return Looks(
        months_after=np.array(reached),
        fraction=fraction[: len(reached)],
        boundary=boundary[: len(reached)],
        estimate=estimate,
        std_error=error,
        z=z,
        martingale=martingale,
        p_anytime=p_anytime,
        half_width=half,
    )


def _check_counts(
    numerator: FloatArray, denominator: FloatArray, treated: NDArray[Any], plan: MonitoringPlan
) -> None:
    fits = numerator.ndim == 2 and numerator.shape == denominator.shape
    if not fits or treated.shape != numerator.shape[:1]:
        raise DataError(
            explain(
                "numerator, denominator, treated",
                "have shapes (n, months), (n, months) and (n,)",
                f"{numerator.shape}, {denominator.shape}, {treated.shape}",
                "Pivot the panel to one row per council.",
            )
        )
    if numerator.shape[1] < plan.months_before + plan.looks[0]:
        raise DataError(
            explain("panel", "reach the first look", f"{numerator.shape[1]} months", "Wait for it.")
        )
    if treated.sum() < 1 or (~treated).sum() < FEWEST_COMPARATORS:
        raise DataError(
            explain(
                "treated",
                f"leave one treated council and {FEWEST_COMPARATORS} comparators",
                f"{int(treated.sum())} and {int((~treated).sum())}",
                "Widen the comparison.",
            )
        )
    _check_cases(numerator, denominator, plan)
    shares = percentages(numerator[~treated], denominator[~treated])
    if not (np.nanmax(shares, axis=1) > np.nanmin(shares, axis=1)).any():
        raise DataError(
            explain(
                "comparators", "vary from month to month", "equal shares", "Nothing says how sure."
            )
        )


def _check_cases(numerator: FloatArray, denominator: FloatArray, plan: MonitoringPlan) -> None:
    known = np.isfinite(numerator).all() and np.isfinite(denominator).all()
    if not known or (numerator < 0).any() or (numerator > denominator).any():
        raise DataError(
            explain(
                "numerator",
                "lie between 0 and the denominator in every month",
                "counts that do not, or missing ones",
                "Leave councils with missing months out and say so.",
            )
        )
    edge = plan.months_before + plan.looks[0]
    early = denominator[:, plan.months_before : edge].sum(axis=1)
    without = (denominator[:, : plan.months_before].sum(axis=1) == 0) | (early == 0)
    if without.any():
        raise DataError(
            explain(
                "denominator",
                "be above 0 before the start and by the first look",
                f"none in {int(without.sum())} councils",
                "Leave those councils out and say so, or look later.",
            )
        )
