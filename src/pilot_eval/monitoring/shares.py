"""Compare the treated councils' change in a share with the comparators', many trials at once."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

from pilot_eval.inference.size_adjusted import SizeAdjusted, compute_size_adjusted

FloatArray = NDArray[np.float64]
Counts = tuple[FloatArray, FloatArray]

PERCENT = 100.0


def compare_shares(
    now: Counts,
    base: Counts,
    cases: FloatArray,
    treated: NDArray[np.bool_],
    *,
    sign: float,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Test a batch of changes in shares on two scales, and keep the more cautious answer.

    Parameters
    ----------
    now, base : pair of arrays of shape (batch, n)
        Numerators and denominators after and before the start.
    cases : array of shape (batch, n)
        Cases behind each change.
    treated : bool array of shape (n,)
    sign : {1.0, -1.0}
        1 where harm is a rise.

    Returns
    -------
    estimate, std_error : ndarray of shape (batch,)
        Percentage points.
    z : ndarray of shape (batch,)
        Normal deviate of the size-adjusted t, harm positive: the smaller of the one on percentages
        and the one on Cox and Snell's scale, so that no alarm rests on the skewness of few events.

    References
    ----------
    Ferman and Pinto (2019), REStat 101(3), for the statistic; Cox and Snell (1968), A general
    definition of residuals, JRSS B 30(2), for the scale on which a share is nearly symmetric.
    """
    answer = _size_adjusted(_percent, now, base, cases, treated)
    curved = _size_adjusted(_symmetric, now, base, cases, treated)
    z = np.minimum(_deviate(answer, sign), _deviate(curved, sign))
    return answer.estimate, np.sqrt(answer.variance), z


def percentages(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    """Divide counts, in percent; NaN where there are no cases."""
    counted = np.maximum(denominator, 1)
    return np.where(denominator > 0, PERCENT * numerator / counted, np.nan)


def _size_adjusted(
    scale: Callable[[Counts], tuple[FloatArray, FloatArray]],
    now: Counts,
    base: Counts,
    cases: FloatArray,
    treated: NDArray[np.bool_],
) -> SizeAdjusted:
    """Apply the size-adjusted statistic, on a scale, to councils with cases on both sides.

    Chance differs between councils of one size where their shares do: a council's cases count by
    its own variance a case before the start, relative to the mean one.
    """
    (after, _), (before, chance) = scale(now), scale(base)
    usable = ((now[1] > 0) & (base[1] > 0)).all(axis=0)
    change, chance = (after - before)[:, usable], chance[:, usable]
    counted = cases[:, usable] * chance.mean(axis=1, keepdims=True) / chance
    return compute_size_adjusted(change, treated[usable], counted, np.ones_like(counted))


def _deviate(answer: SizeAdjusted, sign: float) -> FloatArray:
    """Turn a t with its degrees of freedom into a normal deviate, harm positive."""
    from scipy.special import ndtri, stdtr

    t = sign * answer.estimate / np.sqrt(answer.variance)
    tail = np.maximum(stdtr(answer.df, -np.abs(t)), 1e-300)
    result: FloatArray = np.sign(t) * -ndtri(tail)
    return result


def _percent(counts: Counts) -> tuple[FloatArray, FloatArray]:
    """Shares in percent, and their variance a case."""
    share = (counts[0] + 1) / (counts[1] + 2)
    return percentages(*counts), share * (1 - share)


def _symmetric(counts: Counts) -> tuple[FloatArray, FloatArray]:
    """Shares on Cox and Snell's scale, where few events are not skewed, and variance a case."""
    share = (counts[0] + 1 / 6) / (counts[1] + 1 / 3)
    return np.interp(share, *_cox_snell_table()), np.cbrt(_percent(counts)[1])


@cache
def _cox_snell_table() -> tuple[FloatArray, FloatArray]:
    """Tabulate the scale, the regularised incomplete beta function with both parameters 2/3."""
    from scipy.special import betainc

    share = np.sin(np.linspace(0, np.pi / 2, 20_001)) ** 2
    return share, betainc(2 / 3, 2 / 3, share)
