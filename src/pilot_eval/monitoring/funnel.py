"""Funnel plots: which councils lie outside what their size and the usual spread explain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from pilot_eval.doors import Names, Number, Numbers, OneOf, takes
from pilot_eval.errors import DataError, ParameterError, explain

FloatArray = NDArray[np.float64]
Overdispersion = Literal["additive", "multiplicative", "none"]

LIMITS = (0.95, 0.998)
"""Limits drawn: about two and about three standard deviations."""
WINSORISED = 0.1
"""Share of councils at each end whose z is pulled in before the spread is estimated."""
PERCENT = 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Funnel:
    """A funnel plot's figures.

    Attributes
    ----------
    councils : DataFrame
        One row per council with cases: council_code, value (percent), cases, target, z (chance
        only), z_adjusted (chance and over-dispersion), low_95, high_95, low_998, high_998 (limits
        at the council's cases), position ("within", "above 95%", "above 99.8%", "below 95%",
        "below 99.8%").
    curves : DataFrame
        cases, low_95, high_95, low_998, high_998: the lines to draw.
    target : float
        Percent.
    phi : float
        Over-dispersion: mean squared winsorised z; 1 is chance alone.
    tau : float
        Standard deviation between councils beyond sampling variation, percentage points
        (additive), else 0.
    without_cases : tuple of str
        Councils left out because they have none.
    """

    councils: pd.DataFrame
    curves: pd.DataFrame
    target: float
    phi: float
    tau: float
    without_cases: tuple[str, ...]


@takes(
    ParameterError,
    target=Number(low=0.0, high=PERCENT, open=True),
    winsorised=Number(low=0.0, high=0.5),
    overdispersion=OneOf(get_args(Overdispersion)),
)
@takes(
    DataError,
    council_code=Names(),
    numerator=Numbers(least=0, ndim=(1,)),
    denominator=Numbers(least=0, ndim=(1,)),
)
def compute_funnel(
    council_code: ArrayLike,
    numerator: ArrayLike,
    denominator: ArrayLike,
    *,
    target: float | None = None,
    overdispersion: Overdispersion = "additive",
    winsorised: float = WINSORISED,
) -> Funnel:
    """Compute a funnel plot of percentages, allowing for over-dispersion.

    Parameters
    ----------
    council_code : array of str, shape (n,)
    numerator, denominator : array of shape (n,)
        Counts; a missing one is refused.
    target : float, optional
        Percent to compare with; all councils' numerators over their denominators if left out.
    overdispersion : {"additive", "multiplicative", "none"}
        How limits are widened for such spread. Additive (councils truly differ by tau)
        does not let large councils be judged by chance alone.
    winsorised : float
        Share of councils at each end whose z counts as that quantile, 0 to below 0.5.

    Returns
    -------
    Funnel

    Raises
    ------
    DataError
        If counts are missing or do not fit, or fewer than 10 councils have cases.
    ParameterError
        If the target or a setting is impossible.

    References
    ----------
    Spiegelhalter (2005), Funnel plots for comparing institutional performance, Statistics in
    Medicine 24(8): z = (y - target) / s with s^2 = target (1 - target) / cases; phi = mean
    winsorised z^2; multiplicative limits are s sqrt(phi) where phi exceeds 1, additive ones
    sqrt(s^2 + tau^2) with tau^2 = max(0, (I phi - (I - 1)) / (sum w - sum w^2 / sum w)), w = 1/s^2.

    Examples
    --------
    >>> codes = [f"council {i}" for i in range(12)]
    >>> funnel = compute_funnel(codes, [20] * 11 + [60], [100] * 12, target=20.0)
    >>> funnel.councils["position"].iloc[-1], round(funnel.tau, 2)
    ('above 99.8%', 0.0)
    """
    codes, events, cases = _check(council_code, numerator, denominator)
    usable = cases > 0
    if usable.sum() < 10:
        raise DataError(
            explain("denominator", "be above 0 in 10 councils", int(usable.sum()), "Add councils.")
        )
    events, cases = events[usable], cases[usable]
    centre = _centre(events, cases, target)
    error = np.sqrt(centre * (1 - centre) / cases)
    z = (events / cases - centre) / error
    phi, tau = _spread(z, error, overdispersion, winsorised)
    limits = _limits(cases, centre, phi, tau, overdispersion)
    value = PERCENT * events / cases
    councils = {
        "council_code": codes[usable],
        "value": value,
        "cases": cases,
        "target": PERCENT * centre,
        "z": z,
        "z_adjusted": z * error / _widened(error, phi, tau, overdispersion),
        **limits,
        "position": _position(value, limits),
    }
    grid = np.geomspace(cases.min(), cases.max(), 100)
    return Funnel(
        councils=pd.DataFrame(councils),
        curves=pd.DataFrame({"cases": grid} | _limits(grid, centre, phi, tau, overdispersion)),
        target=PERCENT * centre,
        phi=phi,
        tau=PERCENT * tau,
        without_cases=tuple(codes[~usable].tolist()),
    )


def _centre(events: FloatArray, cases: FloatArray, target: float | None) -> float:
    """Share that councils are compared with."""
    centre = events.sum() / cases.sum() if target is None else target / PERCENT
    if not 0 < centre < 1:
        raise DataError(
            explain("numerator", "give a target above 0% and below 100%", PERCENT * centre, "Wait.")
        )
    return float(centre)


def _spread(
    z: FloatArray, error: FloatArray, overdispersion: str, winsorised: float
) -> tuple[float, float]:
    """Estimate phi, and tau where it is asked for."""
    low, high = np.quantile(z, [winsorised, 1 - winsorised])
    phi = float(np.mean(np.clip(z, low, high) ** 2))
    if overdispersion != "additive":
        return phi, 0.0
    weight = 1 / error**2
    scale = weight.sum() - (weight**2).sum() / weight.sum()
    if not scale > 0:  # one council has all the cases: nothing says how the others spread
        return phi, 0.0
    tau2 = (len(z) * phi - (len(z) - 1)) / scale
    return phi, float(np.sqrt(max(tau2, 0.0)))


def _widened(error: FloatArray, phi: float, tau: float, overdispersion: str) -> FloatArray:
    if overdispersion == "multiplicative":
        result: FloatArray = error * np.sqrt(max(phi, 1.0))
        return result
    return np.sqrt(error**2 + tau**2)


def _limits(
    cases: FloatArray, centre: float, phi: float, tau: float, overdispersion: str
) -> dict[str, FloatArray]:
    from scipy.special import ndtri

    error = np.sqrt(centre * (1 - centre) / cases)
    spread = _widened(error, phi, tau, overdispersion)
    columns = {}
    for level, name in zip(LIMITS, ("95", "998"), strict=True):
        half = ndtri((1 + level) / 2) * spread
        columns[f"low_{name}"] = PERCENT * np.clip(centre - half, 0, 1)
        columns[f"high_{name}"] = PERCENT * np.clip(centre + half, 0, 1)
    return columns


def _position(value: FloatArray, limits: dict[str, FloatArray]) -> NDArray[Any]:
    """Say outside which limit a council lies."""
    conditions = [
        value > limits["high_998"],
        value > limits["high_95"],
        value < limits["low_998"],
        value < limits["low_95"],
    ]
    names = ["above 99.8%", "above 95%", "below 99.8%", "below 95%"]
    return np.select(conditions, names, default="within")


def _check(
    council_code: ArrayLike, numerator: ArrayLike, denominator: ArrayLike
) -> tuple[NDArray[Any], FloatArray, FloatArray]:
    codes = np.asarray(council_code, dtype=object)
    events, cases = np.asarray(numerator, float), np.asarray(denominator, float)
    fits = codes.ndim == 1 and codes.shape == events.shape == cases.shape
    if not fits or len(set(codes.tolist())) != codes.size:
        raise DataError(
            explain(
                "council_code", "name each row's council once", "repeats or gaps", "Correct it."
            )
        )
    known = np.isfinite(events) & np.isfinite(cases)
    if not known.all() or (events < 0).any() or (events > cases).any():
        raise DataError(
            explain(
                "numerator",
                "lie between 0 and the denominator for every council",
                "counts that do not, or missing ones",
                "Leave councils without counts out and say so.",
            )
        )
    return codes, events, cases
