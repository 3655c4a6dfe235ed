"""Bunching at a limit: how many more cases finish just before it than a smooth curve would have.

The counterfactual is a polynomial in the day, fitted by least squares to the share a day of the
bins outside the last band before the limit. It is linear in the shares, so excess shares average
and difference without bias, however few cases a cell has.
Method, assumptions and reference values: docs/methods-unfinished-cases.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pilot_eval.doors import Numbers, Whole, takes
from pilot_eval.errors import ParameterError, explain
from pilot_eval.estimation.council_changes import CouncilChanges, collapse_levels
from pilot_eval.estimation.survival import DelayCases, count_cases, survival_curves
from pilot_eval.records.survival_curves import Floats

BAND_WIDTH = 5  # the last band before each of DfE's limits (10, 15, 35, 45) is five days wide
DEGREE = 3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BunchingFit:
    """The linear map from shares by bin to the excess share before a limit.

    Attributes
    ----------
    limit : int
    first, last : ndarray of int, shape (B,)
        Days of each bin, both included.
    in_band : ndarray of bool, shape (B,)
        Bins of the last band before the limit.
    smooth : ndarray, shape (B, B)
        Shares by bin times this matrix (transposed) are the counterfactual shares by bin.
    """

    limit: int
    first: np.ndarray
    last: np.ndarray
    in_band: np.ndarray
    smooth: Floats

    def counterfactual(self, shares: Floats) -> Floats:
        """Compute the smooth shares by bin, shape (..., B)."""
        return shares @ self.smooth.T

    def excess(self, shares: Floats) -> Floats:
        """Compute the excess share in the band, shape (...)."""
        result: Floats = (shares - self.counterfactual(shares))[..., self.in_band].sum(axis=-1)
        return result


@takes(
    ParameterError,
    first=Numbers(axis=None, ndim=(1,)),
    last=Numbers(axis=None, ndim=(1,)),
    limit=Whole(least=0),
    width=Whole(),
    degree=Whole(least=0),
)
def fit_bunching(
    first: np.ndarray,
    last: np.ndarray,
    limit: int,
    *,
    width: int = BAND_WIDTH,
    degree: int = DEGREE,
) -> BunchingFit:
    """Work out the smooth counterfactual for a set of bins and a limit.

    Parameters
    ----------
    first, last : arrays of int, shape (B,)
        Days of each bin, both included: single days, or closed bands.
    limit : int
        Working days.
    width : int
        Days of the last band before the limit: `limit` - `width` + 1 to `limit`.
    degree : int
        Degree of the polynomial; lowered to what the bins outside the band can carry.

    Returns
    -------
    BunchingFit

    Raises
    ------
    ParameterError
        If the band is not made up of whole bins, or fewer than two bins lie outside it.

    References
    ----------
    Kleven (2016), Annual Review of Economics 8, section 2 (the bunching estimator).

    Examples
    --------
    >>> days = np.arange(1, 31)
    >>> fit = fit_bunching(days, days, 10)
    >>> float(fit.excess(np.full(30, 1 / 30)).round(12)) + 0.0
    0.0
    """
    first, last = _check_bins(first, last)
    in_band = (first > limit - width) & (last <= limit)
    days = (last - first + 1).astype(float)
    outside = int((~in_band).sum())
    if days[in_band].sum() != min(width, limit - first.min() + 1) or outside < 2:
        rule = f"cover days {limit - width + 1} to {limit} by whole bins, two or more around them"
        got = f"{int(in_band.sum())} bins in the band and {outside} outside"
        raise ParameterError(explain("bins", rule, got, "Use single days, or DfE's bands."))
    powers = _mean_powers(first, last, min(degree, outside - 1))
    # Weighted least squares of the share a day; pinv is stable because days are scaled to [-1, 1].
    root = np.sqrt(np.where(in_band, 0.0, days))
    solve = np.linalg.pinv(root[:, None] * powers) * root
    return BunchingFit(
        limit=limit,
        first=first,
        last=last,
        in_band=in_band,
        smooth=days[:, None] * powers @ solve / days,
    )


def _check_bins(first: np.ndarray, last: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Refuse bins of part days, bins that end before they begin, and bins that overlap."""
    whole = first.shape == last.shape and bool(first.size) and not (first % 1 + last % 1).any()
    if not whole or (last < first).any():
        rule = "be whole days, the last no earlier than the first"
        raise ParameterError(
            explain("bins", rule, "others", "Give a first and a last day of each.")
        )
    order = np.argsort(first)
    if (first[order][1:] <= last[order][:-1]).any():
        rule, action = "not overlap", "Count every day once."
        raise ParameterError(explain("bins", rule, "a day in two bins", action))
    return first.astype(np.int64), last.astype(np.int64)


def change_in_bunching(
    cases: DelayCases,
    limit: int,
    *,
    to_day: int | None = None,
    width: int = BAND_WIDTH,
    degree: int = DEGREE,
) -> CouncilChanges:
    """Compute each council's change of the excess share just before a limit.

    Parameters
    ----------
    cases : DelayCases
    limit : int
        Working days.
    to_day : int, optional
        Last day of the curve; default, twice the limit and 10 days more. Day 0, which has a mass
        of its own (done at once), is left out.
    width, degree : int
        As in `fit_bunching`.

    Returns
    -------
    CouncilChanges
        Share of all cases started (between -1 and 1), unfinished ones included.

    Raises
    ------
    InferenceError
        If `to_day` is longer than the follow-up of any window.
    """
    top = 2 * limit + 10 if to_day is None else to_day
    survival = survival_curves(cases, np.arange(top + 1))
    days = np.arange(1, top + 1)
    fit = fit_bunching(days, days, limit, width=width, degree=degree)
    shares = -np.diff(survival, axis=-1)
    excess = fit.excess(shares)
    # A case finished on day k adds the excess of a curve with all its weight on that day.
    spread = shares @ fit.excess(np.eye(top)) ** 2 - excess**2
    reason = "not watched to the end of the curve"
    return collapse_levels(excess, count_cases(cases), cases.councils, cases.n_pre, reason, spread)


def _mean_powers(first: np.ndarray, last: np.ndarray, degree: int) -> Floats:
    """Average each power of the (scaled) day over each bin, shape (B, degree + 1)."""
    day = np.arange(first.min(), last.max() + 1)
    low, high = day[0], day[-1]
    scaled = 2 * (day - low) / max(high - low, 1) - 1
    powers = np.cumsum(scaled[:, None] ** np.arange(degree + 1), axis=0)
    powers = np.vstack([np.zeros(degree + 1), powers])
    result: Floats = (powers[last - low + 1] - powers[first - low]) / (last - first + 1)[:, None]
    return result
