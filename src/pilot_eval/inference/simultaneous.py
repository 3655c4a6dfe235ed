"""Simultaneous bands: every figure of a curve at once, from the same randomisation draws.

The largest absolute studentised difference over the curve is compared with its distribution over
treated sets, so that the whole true curve lies in the band with the stated probability.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from pilot_eval.doors import Numbers, OneOf
from pilot_eval.errors import InferenceError, explain
from pilot_eval.inference.assignments import draw_assignments
from pilot_eval.inference.inputs import (
    Changes,
    check_changes,
    takes_changes,
    why_not_estimable,
)
from pilot_eval.inference.robust import FEWEST_VALIDATED
from pilot_eval.inference.set_statistics import sum_sets, welch_t
from pilot_eval.inference.size_adjusted import (
    LARGEST_DF,
    MIN_COMPARATORS,
    comparator_squares,
    satterthwaite_df,
)
from pilot_eval.inference.variance import fit_size_function, variance_of_total

Floats = NDArray[np.float64]
BandMethod = Literal["robust", "sharp"]
FEWEST = {"robust": 2, "sharp": 1}
NOT_VALIDATED = "not validated: two treated councils say too little about their own spread"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SimultaneousBand:
    """A curve of estimates with a band that holds all of it.

    Attributes
    ----------
    method : str
    estimate, std_error, conf_low, conf_high : ndarray, shape (K,)
        Where a figure does not vary among comparators its error is 0 and the band has no width.
    critical : ndarray, shape (K,)
        Standard errors from the estimate to the edge.
    p_value : float
        Of the hypothesis that the whole curve is 0; never 0.
    n_treated, n_comparators : int
    alpha : float
    reason : str
    """

    method: BandMethod
    estimate: Floats
    std_error: Floats
    conf_low: Floats
    conf_high: Floats
    critical: Floats
    p_value: float
    n_treated: int
    n_comparators: int
    alpha: float
    reason: str = ""


@takes_changes(changes=Numbers(ndim=(2,)), method=OneOf(("robust", "sharp")))
def simultaneous_band(
    changes: np.ndarray,
    treated: np.ndarray,
    cases: np.ndarray,
    *,
    method: BandMethod = "robust",
    draws: int = 9999,
    seed: int | np.random.Generator,
    alpha: float = 0.05,
) -> SimultaneousBand:
    """Compute a band for all figures of a curve at once.

    Parameters
    ----------
    changes : array of shape (n, K)
        One change a council and figure, such as F(k) for every day k.
    treated : bool array of shape (n,)
    cases : array of shape (n,)
        Cases behind the changes, above 0.
    method : {"robust", "sharp"}
        ``robust`` studentises by the treated's own spread (Welch); ``sharp`` by the variance that
        size predicts, with comparators' standardised changes drawn in the treated's place.
    draws : int
        Random sets; for ``robust`` all sets are listed when there are at most this many.
    seed : int or numpy Generator
    alpha : float

    Returns
    -------
    SimultaneousBand

    Raises
    ------
    InferenceError
        If the input is not finite, or the method unknown.

    References
    ----------
    Romano and Wolf (2005), Econometrica 73(4), for the maximum of studentised statistics; Montiel
    Olea and Plagborg-Moller (2019), Journal of Applied Econometrics 34(1), for bands.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> curve = rng.normal(size=(40, 3)) + np.array([0, 0, 5.0]) * (np.arange(40) < 5)[:, None]
    >>> band = simultaneous_band(curve, np.arange(40) < 5, np.full(40, 100.0), seed=1)
    >>> bool(band.conf_low[2] > 0), bool(band.p_value < 0.05)
    (True, True)
    """
    treated = np.asarray(treated)
    if not changes.size:
        raise InferenceError(explain("changes", "have figures", changes.shape, "Give one or more."))
    curves = changes - changes[~treated].mean(axis=0) if not treated.all() else changes
    data = check_changes(curves.mean(axis=1), treated, cases)
    few = why_not_estimable(data, min_treated=FEWEST[method], min_comparators=MIN_COMPARATORS)
    if few:
        return _nothing(method, curves.shape[1], data, alpha, few)
    build = _robust if method == "robust" else _sharp
    statistics, errors, df = build(curves, data, draws, seed)
    estimate = curves[data.treated].mean(axis=0) - curves[~data.treated].mean(axis=0)
    largest = float(np.quantile(statistics, 1 - alpha, method="higher"))
    critical = _as_t(np.full(len(df), largest), df)
    actual = np.abs(estimate) / np.where(errors > 0, errors, np.inf)
    reached = int((statistics >= _as_normal(actual, df).max(initial=0)).sum())
    unsure = method == "robust" and data.n_treated < FEWEST_VALIDATED
    return SimultaneousBand(
        method=method,
        estimate=estimate,
        std_error=errors,
        conf_low=estimate - critical * errors,
        conf_high=estimate + critical * errors,
        critical=critical,
        p_value=(1 + reached) / (1 + len(statistics)),
        n_treated=data.n_treated,
        n_comparators=data.n_comparators,
        alpha=alpha,
        reason=NOT_VALIDATED if unsure else "",
    )


def _robust(
    curves: Floats, data: Changes, draws: int, seed: int | np.random.Generator
) -> tuple[Floats, Floats, Floats]:
    """Compute Welch's t of other sets, the estimated effect taken out of the treated."""
    treated = data.treated
    centred = np.where(treated[:, None], curves - curves[treated].mean(axis=0), 0.0)
    rest = curves - curves[~treated].mean(axis=0)
    centred = np.where(treated[:, None], centred, rest).T
    members = draw_assignments(treated, draws=draws, seed=seed).members
    varies = np.ptp(centred, axis=1) > 0
    z = centred[varies]
    totals, squares = z.sum(axis=1)[:, None], (z**2).sum(axis=1)[:, None]
    sums, sums_of_squares = sum_sets(z, members), sum_sets(z**2, members)
    t = welch_t(sums, sums_of_squares, totals, squares, members.shape[1], z.shape[1])
    spread = curves[treated].var(axis=0, ddof=1) / data.n_treated
    spread += curves[~treated].var(axis=0, ddof=1) / data.n_comparators
    # The draws are of the very statistic that is read, so nothing is left to correct.
    exact = np.full(curves.shape[1], np.inf)
    return np.abs(t).max(axis=0, initial=0), np.sqrt(spread), exact


def _sharp(
    curves: Floats, data: Changes, draws: int, seed: int | np.random.Generator
) -> tuple[Floats, Floats, Floats]:
    """Put comparators' standardised changes, rescaled to the treated's sizes, in their place."""
    treated, n1, n0 = data.treated, data.n_treated, data.n_comparators
    batch = np.broadcast_to(treated, (curves.shape[1], len(treated)))
    squares = comparator_squares(curves.T, batch)
    fit = fit_size_function(squares, ~batch, data.cases, data.period_factor)
    variance, weight = fit.variance, np.where(treated, 1 / n1**2, 1 / n0**2)
    total = variance @ weight
    errors = np.sqrt(total)
    one = np.ones(len(total))
    spread = variance_of_total(fit, weight.sum() * one, (weight / data.cases).sum() * one)
    known = errors > 0
    root = np.sqrt(variance[known])
    centred = (curves - curves[~treated].mean(axis=0)).T[known]
    # The factor undoes what estimating the comparators' mean takes away.
    z = centred[:, ~treated] / root[:, ~treated] * np.sqrt(n0 / (n0 - 1))
    rng = np.random.default_rng(seed)
    members = rng.integers(n0, size=(draws, n1))  # with replacement: sets without vary too little
    drawn = (
        sum(z[:, members[:, column]] * root[:, treated][:, [column]] for column in range(n1)) / n1
    )
    # The comparators' mean is uncertain too; its part is normal to a close approximation.
    own = np.sqrt(variance[known][:, ~treated].sum(axis=1)) / n0
    drawn = drawn - own[:, None] * _common_noise(z, draws, rng)
    statistics = np.abs(drawn / errors[known][:, None]).max(axis=0, initial=0)
    df = np.full(len(total), np.inf)
    df[known] = satterthwaite_df(total[known], spread[known])
    return statistics, errors, df


def _common_noise(z: Floats, draws: int, rng: np.random.Generator) -> Floats:
    """Draw means of the comparators' standardised changes, as correlated along the curve."""
    weights = rng.normal(size=(z.shape[1], draws))
    result: Floats = z @ weights / np.sqrt(z.shape[1])
    return result


def _as_t(normal: Floats, df: Floats) -> Floats:
    """Move a normal quantile to the t quantile of the same probability: errors are estimated."""
    return np.where(df < LARGEST_DF, stdtrit(df, ndtr(normal)), normal)


def _as_normal(t: Floats, df: Floats) -> Floats:
    """Move a t quantile to the normal quantile of the same probability."""
    return np.where(df < LARGEST_DF, -ndtri(stdtr(df, -t)), t)


def _nothing(
    method: BandMethod, size: int, data: Changes, alpha: float, reason: str
) -> SimultaneousBand:
    nan = np.full(size, np.nan)
    return SimultaneousBand(
        method=method,
        estimate=nan,
        std_error=nan,
        conf_low=nan,
        conf_high=nan,
        critical=nan,
        p_value=np.nan,
        n_treated=data.n_treated,
        n_comparators=data.n_comparators,
        alpha=alpha,
        reason=reason,
    )
