"""Effects on the whole distribution of delay: F(k), the share finished by day k, for every k.

Day-level cases give changes and their implied effects on median, 90th percentile and mean.
Method, assumptions and reference values: docs/methods-unfinished-cases.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from pilot_eval.estimation.council_changes import CouncilChanges, collapse_levels
from pilot_eval.estimation.survival import DelayCases, count_cases, survival_curves
from pilot_eval.records.survival_curves import Floats

QUANTILES = {"median": 0.5, "p90": 0.9}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DistributionEffect:
    """The effect on the distribution of delay in the treated councils.

    Attributes
    ----------
    days : ndarray, shape (K,)
        0, 1, ..., horizon.
    effect : ndarray, shape (K,)
        Difference-in-differences of F(k); below 0 is more delay.
    treated_after, counterfactual : ndarray, shape (K,)
        F(k) of the treated after the start (a council is the unit), as it was and, made to rise
        and kept within 0 and 1, as it would have been.
    quantiles : mapping of str to (with, without, effect)
        "median" and "p90" in working days, interpolated between days; NaN beyond the horizon.
    mean_effect : float
        Effect on the mean of min(duration, horizon), working days.
    """

    days: Floats
    effect: Floats
    treated_after: Floats
    counterfactual: Floats
    quantiles: dict[str, tuple[float, float, float]]
    mean_effect: float


def change_in_distribution(cases: DelayCases, horizon: int) -> CouncilChanges:
    """Compute each council's change of F(k) for k = 0, ..., horizon, unfinished cases included.

    Parameters
    ----------
    cases : DelayCases
    horizon : int
        Working days.

    Returns
    -------
    CouncilChanges
        Shares, horizon + 1 columns; cells by Kaplan-Meier.

    Raises
    ------
    InferenceError
        If the horizon is longer than the follow-up of any window.
    """
    finished = 1 - survival_curves(cases, np.arange(horizon + 1))
    reason = "not watched to the horizon"
    return collapse_levels(finished, count_cases(cases), cases.councils, cases.n_pre, reason)


def estimate_distribution(changes: CouncilChanges, treated: ArrayLike) -> DistributionEffect:
    """Estimate the effect on F(k) and what it implies for median, 90th percentile and mean.

    Parameters
    ----------
    changes : CouncilChanges
        As from `change_in_distribution`.
    treated : array of bool, shape (n,)

    Returns
    -------
    DistributionEffect
        NaN throughout without any treated council or without any comparator.

    References
    ----------
    Callaway and Li (2019), Quantitative Economics 10(4), for distributions as outcomes;
    Chernozhukov, Fernandez-Val and Galichon (2010), Econometrica 78(3), for rearrangement.
    """
    treated = np.asarray(treated, dtype=bool)
    if treated.all() or not treated.any():
        return _no_effect(changes.change.shape[1])
    effect = changes.change[treated].mean(axis=0) - changes.change[~treated].mean(axis=0)
    after = changes.level[treated][:, changes.n_pre :].mean(axis=(0, 1))
    counterfactual = np.sort(np.clip(after - effect, 0, 1))
    days = np.arange(len(effect), dtype=float)
    quantiles = {}
    for name, probability in QUANTILES.items():
        with_trial = interpolate_quantile(after, days, probability)
        without = interpolate_quantile(counterfactual, days, probability)
        quantiles[name] = (with_trial, without, with_trial - without)
    return DistributionEffect(
        days=days,
        effect=effect,
        treated_after=after,
        counterfactual=counterfactual,
        quantiles=quantiles,
        # mean of min(T, h) = sum of 1 - F(k) over k = 0, ..., h - 1
        mean_effect=float(-effect[:-1].sum()),
    )


def _no_effect(n_days: int) -> DistributionEffect:
    unknown = np.full(n_days, np.nan)
    return DistributionEffect(
        days=np.arange(n_days, dtype=float),
        effect=unknown,
        treated_after=unknown,
        counterfactual=unknown,
        quantiles=dict.fromkeys(QUANTILES, (np.nan, np.nan, np.nan)),
        mean_effect=np.nan,
    )


def interpolate_quantile(share: Floats, days: Floats, probability: float) -> float:
    """Find the day at which a share has finished, straight between the days (or band ends) given.

    Parameters
    ----------
    share : ndarray, shape (K,)
        Share finished by the end of each day, not falling.
    days : ndarray, shape (K,)
    probability : float

    Returns
    -------
    float
        Working days; NaN where the share is not reached.

    Examples
    --------
    >>> interpolate_quantile(np.array([0.0, 0.4, 0.6]), np.array([0.0, 5.0, 10.0]), 0.5)
    7.5
    """
    reached = np.flatnonzero(share >= probability)
    if not len(reached):
        return float("nan")
    last = int(reached[0])
    if last == 0:
        return float(days[0])
    step = share[last] - share[last - 1]
    part = (probability - share[last - 1]) / step
    return float(days[last - 1] + part * (days[last] - days[last - 1]))
