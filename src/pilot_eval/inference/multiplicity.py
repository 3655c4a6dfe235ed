"""Many outcomes, one question: adjusted p-values over a declared family."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pilot_eval.doors import Flags, Numbers, Seed, Whole, takes
from pilot_eval.errors import InferenceError, explain
from pilot_eval.inference.inputs import no_variation
from pilot_eval.inference.set_statistics import TIE, sum_sets, welch_t
from pilot_eval.inference.size_adjusted import MIN_COMPARATORS, comparator_squares
from pilot_eval.inference.variance import fit_size_function


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyResult:
    """P-values of a family; arrays of shape (comparisons,), NaN where not estimable.

    Attributes
    ----------
    p_value : array
        Each comparison's own p-value.
    romano_wolf : array
        Adjusted for the whole family: the chance of any false finding is controlled.
    benjamini_hochberg : array
        Adjusted for the share of false findings among findings.
    reasons : tuple of str
        Why a comparison is outside the family, or an empty string.
    """

    p_value: np.ndarray
    romano_wolf: np.ndarray
    benjamini_hochberg: np.ndarray
    reasons: tuple[str, ...]


@takes(
    InferenceError,
    reorder=False,
    changes=Numbers(axis="columns", missing=True, ndim=(2,)),
    treated=Flags(axis="columns", ndim=(1, 2)),
    cases=Numbers(axis="columns", missing=True, ndim=(1, 2)),
    period_factor=Numbers(axis="columns", missing=True, ndim=(1, 2)),
    draws=Whole(),
    seed=Seed(),
    p_values=Numbers(axis=None, missing=True, least=0, most=1, ndim=(1,)),
)
def family_test(
    changes: np.ndarray,
    treated: np.ndarray,
    cases: np.ndarray,
    *,
    draws: int = 9999,
    seed: int | np.random.Generator,
    period_factor: np.ndarray | None = None,
    p_values: np.ndarray | None = None,
) -> FamilyResult:
    """Adjust the robust test's p-values for a family of comparisons that share councils.

    In each draw one permutation of all councils puts others in the place of those treated
    anywhere, for every comparison at once, so that overlaps and missing cells stay. A comparison
    keeps its own number of treated councils: where a stand-in has no value in it, the next council
    of the permutation that has one takes its place.

    Parameters
    ----------
    changes : array of shape (comparisons, n)
        NaN where a council has no value or no part in a comparison.
    treated : bool array of shape (n,) or (comparisons, n)
    cases : array of shape (n,) or (comparisons, n)
    draws : int
    seed : int or numpy Generator
    period_factor : array of shape (n,) or (comparisons, n), optional
        Variance factor of each change from its number of periods. Default 1.
    p_values : array of shape (comparisons,), optional
        Each comparison's own p-value, such as the largest over hidden counts. Default: that of the
        joint draws.

    Returns
    -------
    FamilyResult
        Step-down on the smallest p-value of each draw, so that comparisons with different numbers
        of treated councils count alike. An adjusted p-value is never below its own, by
        construction: in every comparison at least floor(p (1 + draws)) draws, or all, have a
        p-value of p or less, because tied statistics get the smallest rank.

    Raises
    ------
    InferenceError
        If shapes disagree or a used case number is not above 0.

    References
    ----------
    Westfall and Young (1993), Resampling-Based Multiple Testing, algorithm 2.8 (smallest p-value);
    Romano and Wolf (2005), JASA 100(469).

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> family = family_test(rng.normal(size=(3, 40)), np.arange(40) < 4, np.ones(40), seed=1)
    >>> bool((family.romano_wolf >= family.p_value).all())
    True
    """
    treated = _check_family(changes, treated)
    cases = _check_positive("cases", cases, changes)
    one = 1.0 if period_factor is None else period_factor
    factor = _check_positive("period_factor", one, changes)
    reasons = tuple(map(_why_not, changes, treated))
    used = np.flatnonzero([not reason for reason in reasons])
    own = np.full(len(changes), np.nan)
    null = np.ones((len(changes), draws))
    order = _permute(np.atleast_1d(treated[used].any(0)), draws, seed)
    z = _standardise(changes[used], treated[used], cases[used], factor[used])
    for row, standardised in zip(used, z, strict=True):
        seen = np.isfinite(changes[row])
        members = _stand_in(order, treated[row], seen)
        own[row], null[row] = _one(standardised, treated[row] & seen, int(seen.sum()), members)
    if p_values is not None:
        if p_values.size != len(changes):
            action = "Give one p-value for each comparison."
            raise InferenceError(explain("p_values", "fit changes", p_values.size, action))
        own[used] = p_values[used]
    adjusted = np.full(len(changes), np.nan)
    if used.size:
        adjusted[used] = romano_wolf(-own[used], -null[used])
    return FamilyResult(
        p_value=own,
        romano_wolf=adjusted,
        benjamini_hochberg=benjamini_hochberg(own),
        reasons=reasons,
    )


@takes(
    InferenceError,
    statistics=Numbers(axis=None, infinite=True, ndim=(1,)),
    null=Numbers(axis=None, infinite=True, ndim=(2,)),
)
def romano_wolf(statistics: np.ndarray, null: np.ndarray, *, complete: bool = False) -> np.ndarray:
    """Adjust for a family by the step-down maximum of statistics that are large when unusual.

    Parameters
    ----------
    statistics : array of shape (outcomes,)
        Such as absolute t statistics, or minus the p-values.
    null : array of shape (outcomes, draws)
        The same statistics for each draw; a column is one draw for the whole family.
    complete : bool
        Whether the draws are all possible ones, the actual one among them.

    Returns
    -------
    array of shape (outcomes,)
        Adjusted p-values, never 0.

    Raises
    ------
    InferenceError
        If a statistic is missing, or there is not one row of draws for each.

    References
    ----------
    Romano and Wolf (2005), JASA 100(469), algorithm 4.1; Romano and Wolf (2016), Statistics and
    Probability Letters 113, for the p-values.

    Examples
    --------
    >>> import numpy as np
    >>> romano_wolf(np.array([3.0, 1.0]), np.array([[0.0, 2, 1], [2.0, 0, 1]]))
    array([0.25, 0.75])
    """
    if len(null) != statistics.size or not null.shape[1]:
        action = "Give one row of draws for each statistic."
        raise InferenceError(explain("null", "fit the statistics", f"shape {null.shape}", action))
    order = np.argsort(-statistics, kind="stable")
    ordered = null[order]
    largest = np.maximum.accumulate(ordered[::-1], axis=0)[::-1]
    level = statistics[order][:, None]
    reached = (largest >= level - TIE * np.abs(np.where(np.isfinite(level), level, 0.0))).sum(1)
    draws = null.shape[1]
    raw = reached / draws if complete else (1 + reached) / (1 + draws)
    adjusted = np.empty(statistics.size)
    adjusted[order] = np.maximum.accumulate(raw)
    return adjusted


@takes(InferenceError, p_values=Numbers(missing=True, least=0, most=1, ndim=(1,)))
def benjamini_hochberg(p_values: np.ndarray) -> np.ndarray:
    """Adjust p-values for the share of false findings; NaN stays NaN and does not count.

    Parameters
    ----------
    p_values : array of shape (outcomes,)

    Returns
    -------
    array of shape (outcomes,)

    References
    ----------
    Benjamini and Hochberg (1995), Journal of the Royal Statistical Society B 57(1).

    Examples
    --------
    >>> import numpy as np
    >>> benjamini_hochberg(np.array([0.01, 0.04, np.nan]))
    array([0.02, 0.04,  nan])
    """
    values = p_values
    adjusted = np.full(values.size, np.nan)
    used = np.flatnonzero(~np.isnan(values))
    if not used.size:
        return adjusted
    order = used[np.argsort(values[used], kind="stable")]
    scaled = values[order] * (order.size / np.arange(1, order.size + 1))
    adjusted[order] = np.minimum(1.0, np.minimum.accumulate(scaled[::-1])[::-1])
    return adjusted


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    """Permutations of councils, the first columns standing in for those treated anywhere.

    `place` is the column of each treated council, -1 for others; `councils` is draws x n.
    """

    place: np.ndarray
    councils: np.ndarray


def _permute(treated: np.ndarray, draws: int, seed: int | np.random.Generator) -> _Order:
    place = np.where(treated, np.cumsum(treated) - 1, -1)
    random = np.random.default_rng(seed).random((draws, treated.size), dtype=np.float32)
    return _Order(place=place, councils=random.argsort(axis=1).astype(np.int32))


def _stand_in(order: _Order, treated: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Name each draw's stand-ins for a comparison's treated councils, shape (draws, k)."""
    members = order.councils[:, order.place[treated & seen]]
    absent = ~seen[members]
    rows = np.flatnonzero(absent.any(1))
    if rows.size:
        later = order.councils[rows, order.place.max() + 1 :]
        rank = np.cumsum(seen[later], axis=1, dtype=np.int32)
        first = np.stack([(rank > i).argmax(1) for i in range(members.shape[1])], axis=1)
        spare = np.take_along_axis(later, first, axis=1)
        missing = absent[rows]
        which = np.cumsum(missing, axis=1) - 1
        chosen = np.take_along_axis(spare, np.maximum(which, 0), axis=1)
        members[rows] = np.where(missing, chosen, members[rows])
    return members


def _standardise(
    changes: np.ndarray, treated: np.ndarray, cases: np.ndarray, factor: np.ndarray
) -> np.ndarray:
    """Standardise changes by the size function of their comparison, 0 where there is no value."""
    seen = np.isfinite(changes)
    if not len(seen):
        return changes
    comparator = seen & ~treated
    filled = np.where(seen, changes, 0.0)
    mean = np.where(comparator, filled, 0.0).sum(1, keepdims=True) / comparator.sum(1)[:, None]
    squares = comparator_squares(filled, ~comparator)
    fit = fit_size_function(
        squares, comparator, np.where(seen, cases, np.inf), np.where(seen, factor, 1.0)
    )
    result: np.ndarray = np.divide(
        filled - mean, np.sqrt(fit.variance), out=np.zeros(seen.shape), where=seen
    )
    return result


def _one(
    z: np.ndarray, treated: np.ndarray, n: int, members: np.ndarray
) -> tuple[float, np.ndarray]:
    """Compute a comparison's p-value and that of every draw from n standardised changes."""
    stack = np.stack([z, z**2])
    k = int(treated.sum())
    actual = np.flatnonzero(treated)[None]
    totals, total_squares = stack.sum(1)
    null, own = (
        np.abs(welch_t(sums, squares, totals, total_squares, k, n))
        for sums, squares in (sum_sets(stack, members), sum_sets(stack, actual))
    )
    ordered = np.sort(null)
    above = null.size - np.searchsorted(ordered, null * (1 + TIE), side="right")
    reached = null.size - np.searchsorted(ordered, own * (1 - TIE))
    return float((1 + reached[0]) / (1 + null.size)), (1 + above) / (1 + null.size)


def _check_family(changes: np.ndarray, treated: np.ndarray) -> np.ndarray:
    if treated.shape not in (changes.shape, changes.shape[1:]):
        got = f"shapes {changes.shape} and {treated.shape}"
        action = "Give changes as comparisons x councils and treated as yes or no for each council."
        raise InferenceError(explain("changes", "fit treated", got, action))
    return np.broadcast_to(treated, changes.shape)


def _check_positive(name: str, values: np.ndarray | float, changes: np.ndarray) -> np.ndarray:
    """Spread values over the outcomes; only those behind a change must be above 0."""
    try:
        full = np.broadcast_to(np.asarray(values, dtype=float), changes.shape)
    except ValueError:
        got = f"shape {np.shape(values)}"
        raise InferenceError(explain(name, "fit changes", got, "Align them.")) from None
    if not (full[np.isfinite(changes)] > 0).all():
        action = "A council without cases has no change to test: mark it NaN in changes."
        raise InferenceError(explain(name, "be above 0", "0, below or missing", action))
    return np.where(full > 0, full, 1.0)


def _why_not(changes: np.ndarray, treated: np.ndarray) -> str:
    seen = np.isfinite(changes)
    if (seen & treated).sum() < 2 or (seen & ~treated).sum() < MIN_COMPARATORS:
        return f"not estimable: needs 2 treated councils and {MIN_COMPARATORS} comparators"
    if no_variation(changes[seen & ~treated]):
        return "not estimable: the comparators' changes are all equal: no uncertainty to estimate"
    return ""
