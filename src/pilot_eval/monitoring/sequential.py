"""Looking more than once: boundaries that keep the false-alarm rate over all looks.

Two companions: group-sequential boundaries (looks planned, error spent by a function of the
information) and an anytime-valid martingale (any number of looks, at a price in speed).
"""

from __future__ import annotations

from functools import cache
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pilot_eval.doors import Number, Numbers, OneOf, takes
from pilot_eval.errors import ParameterError, explain

FloatArray = NDArray[np.float64]
Spending = Literal["obrien_fleming", "pocock"]

# Gauss-Legendre nodes over the continuation region, and how many standard deviations of the
# statistic its open end is followed. 300 nodes give boundaries good to 1e-6 up to 60 looks.
NODES = 300
TAIL = 9.0
# A look whose share of the error is below this has no boundary that arithmetic can hold.
LEAST_SPENT = 1e-14


@takes(
    ParameterError,
    fractions=Numbers(axis=None, ndim=(0, 1)),
    alpha=Number(low=0.0, high=0.5, open=True),
    spending=OneOf(get_args(Spending)),
)
def spent_error(
    fractions: ArrayLike, *, alpha: float = 0.05, spending: Spending = "obrien_fleming"
) -> FloatArray:
    """Compute the error that may be spent up to each look.

    Parameters
    ----------
    fractions : array of shape (k,)
        Information at each look over that at the last planned one, rising, above 0 up to 1.
    alpha : float
        One-sided error over all looks.
    spending : {"obrien_fleming", "pocock"}
        Lan and DeMets' functions: 2 - 2 Phi(z(1 - alpha/2) / sqrt(t)), and
        alpha log(1 + (e - 1) t).

    Returns
    -------
    ndarray of shape (k,)
        Cumulative error; `alpha` at 1.

    Raises
    ------
    ParameterError
        If fractions do not rise within 0 to 1, or alpha is not a probability below a half.

    References
    ----------
    Lan and DeMets (1983), Discrete sequential boundaries for clinical trials, Biometrika 70(3).

    Examples
    --------
    >>> spent_error([0.5, 1.0], alpha=0.025).round(5)
    array([0.00153, 0.025  ])
    """
    from scipy.special import ndtr, ndtri

    t = _check_fractions(fractions)
    if spending == "pocock":
        return alpha * np.log1p((np.e - 1) * t)
    result: FloatArray = 2 * ndtr(ndtri(alpha / 2) / np.sqrt(t))
    return result


@takes(
    ParameterError,
    fractions=Numbers(axis=None, ndim=(0, 1)),
    alpha=Number(low=0.0, high=0.5, open=True),
    sides=OneOf((1, 2)),
    spending=OneOf(get_args(Spending)),
)
def group_sequential_boundaries(
    fractions: ArrayLike,
    *,
    alpha: float = 0.05,
    sides: Literal[1, 2] = 1,
    spending: Spending = "obrien_fleming",
) -> FloatArray:
    """Compute the z boundary of every look by numerical recursion.

    Parameters
    ----------
    fractions : array of shape (k,)
        As in `spent_error`.
    alpha : float
        Error over all looks, of both sides together if there are two.
    sides : {1, 2}
        1: alarm only on the side of harm; 2: on either side, each with half of alpha.
    spending : {"obrien_fleming", "pocock"}

    Returns
    -------
    ndarray of shape (k,)
        Alarm where z (or its absolute value) is at or above it; infinite where a look's share of
        the error is too small for any alarm.

    Raises
    ------
    ParameterError
        As `spent_error`.

    References
    ----------
    Armitage, McPherson and Rowe (1969), JRSS A 132(2); Jennison and Turnbull (2000), Group
    Sequential Methods with Applications to Clinical Trials, chapter 19. Two-sided boundaries spend
    alpha/2 on each side; as usual, a path that crosses both is counted twice (below 1e-6).

    Examples
    --------
    >>> group_sequential_boundaries([0.2, 0.4, 0.6, 0.8, 1.0], alpha=0.05, sides=2).round(3)
    array([4.877, 3.357, 2.68 , 2.29 , 2.031])
    """
    from scipy.optimize import brentq

    t = _check_fractions(fractions)
    error = np.diff(spent_error(t, alpha=alpha / sides, spending=spending), prepend=0.0)
    bounds = np.full(t.size, np.inf)
    path = _Path(two_sided=sides == 2)
    for look, (now, share) in enumerate(zip(t, error, strict=True)):
        path.step(now)
        if share > LEAST_SPENT:
            bounds[look] = brentq(lambda z, s=share: path.exit(z) - s, -2.0, TAIL - 0.5, xtol=1e-9)
        path.cut(bounds[look])
    return bounds


@takes(
    ParameterError,
    bounds=Numbers(axis=None, infinite=True, ndim=(0, 1)),
    fractions=Numbers(axis=None, ndim=(0, 1)),
    drift=Number(),
    sides=OneOf((1, 2)),
)
def crossing_probability(
    bounds: ArrayLike, fractions: ArrayLike, *, drift: float = 0.0, sides: Literal[1, 2] = 1
) -> FloatArray:
    """Compute the probability of crossing a boundary for the first time at each look.

    Parameters
    ----------
    bounds : array of shape (k,)
        z boundaries; infinite ones cannot be crossed.
    fractions : array of shape (k,)
    drift : float
        Expected z at the last look: the effect over its standard error there.
    sides : {1, 2}
        2 adds the crossings of the lower boundary.

    Returns
    -------
    ndarray of shape (k,)
        Their sum is the power under `drift`, or the error where it is 0.

    Examples
    --------
    >>> crossing_probability([1.96], [1.0], sides=2).round(3)
    array([0.05])
    """
    t, z = _check_fractions(fractions), np.atleast_1d(np.asarray(bounds, dtype=float))
    if z.shape != t.shape:
        raise ParameterError(explain("bounds", "fit fractions", z.shape, "Give one a look."))
    found = np.zeros(t.size)
    path = _Path(two_sided=sides == 2, drift=drift)
    for look, now in enumerate(t):
        path.step(now)
        found[look] = path.exit(z[look]) + (path.exit_below(z[look]) if sides == 2 else 0.0)
        path.cut(z[look])
    return found


class _Path:
    """Density of the score over the region where no boundary has been crossed yet.

    The score S(t) is a Brownian motion with drift; z = S / sqrt(t).
    """

    def __init__(self, *, two_sided: bool, drift: float = 0.0) -> None:
        self._two_sided, self._drift = two_sided, drift
        self._nodes = self._mass = None
        self._before = self._now = 0.0

    def step(self, now: float) -> None:
        """Move to the next look."""
        self._before, self._now = self._now, now

    def exit(self, z: float) -> float:
        """Probability of lying at or above z now, having crossed nothing before."""
        from scipy.special import ndtr

        gap = self._centre() - z * np.sqrt(self._now)
        return float(np.sum(self._weights() * ndtr(gap / self._spread())))

    def exit_below(self, z: float) -> float:
        """Probability of lying at or below -z now, having crossed nothing before."""
        from scipy.special import ndtr

        gap = -z * np.sqrt(self._now) - self._centre()
        return float(np.sum(self._weights() * ndtr(gap / self._spread())))

    def cut(self, z: float) -> None:
        """Keep what lies below z (and above -z)."""
        top = min(z, TAIL + abs(self._drift)) * np.sqrt(self._now)
        bottom = -top if self._two_sided else -(TAIL + abs(self._drift)) * np.sqrt(self._now)
        x, w = _gauss_legendre()
        nodes = bottom + (top - bottom) * (x + 1) / 2
        apart = (nodes[:, None] - self._centre()[None, :]) / self._spread()
        density = np.exp(-0.5 * apart**2) / (np.sqrt(2 * np.pi) * self._spread())
        mass = (density @ self._weights()) * w * (top - bottom) / 2
        self._nodes, self._mass = nodes, mass

    def _spread(self) -> float:
        return float(np.sqrt(self._now - self._before))

    def _centre(self) -> FloatArray:
        start = np.zeros(1) if self._nodes is None else self._nodes
        return start + self._drift * (self._now - self._before)

    def _weights(self) -> FloatArray:
        return np.ones(1) if self._mass is None else self._mass


@cache
def _gauss_legendre() -> tuple[FloatArray, FloatArray]:
    return np.polynomial.legendre.leggauss(NODES)


@takes(
    ParameterError,
    estimates=Numbers(axis=None),
    std_errors=Numbers(axis=None, above=0),
    scale=Number(low=0.0, open=True),
    alpha=Number(low=0.0, high=0.5, open=True),
    sides=OneOf((1, 2)),
)
def anytime_valid(
    estimates: ArrayLike,
    std_errors: ArrayLike,
    *,
    scale: float,
    alpha: float = 0.05,
    sides: Literal[1, 2] = 1,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Compute anytime-valid evidence of harm by a mixture martingale.

    Parameters
    ----------
    estimates, std_errors : array of shape (..., k)
        At the looks so far, harm positive. Standard errors must be positive.
    scale : float
        Size of effect the mixture is tuned to, in the outcome's unit, above 0: the margin is a
        natural choice. Set before the first look; it moves power, not validity.
    alpha : float
    sides : {1, 2}
        1 mixes over harmful effects only (half-normal), 2 over both directions (normal).

    Returns
    -------
    martingale : ndarray of shape (..., k)
        Alarm where at or above 1 / alpha, at any look, planned or not (Ville's inequality).
    p_value : ndarray of shape (..., k)
        Smallest 1 / martingale so far, at most 1.
    half_width : ndarray of shape (..., k)
        Of the confidence sequence of level 1 - alpha about each estimate (two-sided mixture): it
        holds the effect at all looks together with that probability.

    Raises
    ------
    ParameterError
        If scale or a standard error is not above 0.

    References
    ----------
    Robbins (1970), Annals of Mathematical Statistics 41(5); Howard, Ramdas, McAuliffe and Sekhon
    (2021), Annals of Statistics 49(2), normal mixture. With I = 1 / se^2 and S = estimate x I the
    martingale is (1 + scale^2 I)^(-1/2) exp(scale^2 S^2 / (2 (1 + scale^2 I))), one-sided twice
    that times Phi(scale S / sqrt(1 + scale^2 I)).

    Examples
    --------
    >>> martingale, p_value, half = anytime_valid([0.0, 3.0], [1.0, 0.8], scale=3.0)
    >>> bool(martingale[1] > 20), bool(p_value[1] < 0.05)
    (True, True)
    """
    from scipy.special import ndtr

    _check_alpha(alpha)
    estimate, error = np.asarray(estimates, float), np.asarray(std_errors, float)
    if estimate.shape != error.shape:
        rule, got = "have one value for each estimate", f"{error.shape} for {estimate.shape}"
        raise ParameterError(explain("std_errors", rule, got, "Align them."))
    information = 1 / error**2
    score, grown = estimate * information, 1 + scale**2 * information
    log_value = scale**2 * score**2 / (2 * grown) - 0.5 * np.log(grown)
    if sides == 1:
        log_value = log_value + np.log(2 * ndtr(scale * score / np.sqrt(grown)) + 1e-300)
    martingale = np.exp(np.minimum(log_value, 700.0))
    p_value = np.minimum.accumulate(np.minimum(1 / np.maximum(martingale, 1e-300), 1.0), axis=-1)
    half = np.sqrt(grown * np.log(grown / alpha**2)) / (scale * information)
    return martingale, p_value, half


def _check_fractions(fractions: ArrayLike) -> FloatArray:
    t = np.atleast_1d(np.asarray(fractions, dtype=float))
    inside = t.ndim == 1 and t.size > 0 and (t > 0).all() and (t <= 1 + 1e-12).all()
    if not inside or (np.diff(t) <= 0).any():
        raise ParameterError(
            explain(
                "fractions",
                "rise from above 0 to at most 1",
                np.array2string(t, threshold=6),
                "Divide the information at each look by that of the last planned one.",
            )
        )
    result: FloatArray = np.minimum(t, 1.0)
    return result


def _check_alpha(alpha: float) -> None:
    if not 0 < alpha < 0.5:
        raise ParameterError(explain("alpha", "lie between 0 and 0.5", alpha, "Write 0.05 for 5%."))
