"""Many outcomes, one question: adjusted p-values over a declared family."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pilot_eval.errors import InferenceError, explain
from pilot_eval.inference.assignments import Assignments, draw_assignments
from pilot_eval.inference.inputs import check_alpha, check_index, no_variation
from pilot_eval.inference.set_statistics import TIE, sum_sets, welch_t
from pilot_eval.inference.size_adjusted import MIN_COMPARATORS, comparator_squares
from pilot_eval.inference.variance import fit_size_function


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyResult:
    """P-values of a family of outcomes; arrays of shape (outcomes,), NaN where not estimable.

    Attributes
    ----------
    p_value : array
        Each outcome's own p-value, from the shared draws.
    romano_wolf : array
        Adjusted for the whole family: the chance of any false finding is controlled.
    benjamini_hochberg : array
        Adjusted for the share of false findings among findings.
    reasons : tuple of str
        Why an outcome has none, or an empty string.
    """

    p_value: np.ndarray
    romano_wolf: np.ndarray
    benjamini_hochberg: np.ndarray
    reasons: tuple[str, ...]


def family_test(
    changes: np.ndarray,
    treated: np.ndarray,
    cases: np.ndarray,
    *,
    draws: int = 9999,
    strata: np.ndarray | None = None,
    seed: int | np.random.Generator,
    alpha: float = 0.05,
    period_factor: np.ndarray | None = None,
) -> FamilyResult:
    """Apply the robust test to a family of outcomes with the same treated sets for all.

    Parameters
    ----------
    changes : array of shape (outcomes, n)
        NaN where a council has no value; it is then left out of that outcome in every set.
    treated : bool array of shape (n,)
    cases : array of shape (n,) or (outcomes, n)
    draws : int
    strata : array of shape (n,), optional
    seed : int or numpy Generator
    alpha : float
    period_factor : array of shape (n,) or (outcomes, n), optional
        Variance factor of each change from its number of periods. Default 1.

    Returns
    -------
    FamilyResult
        Romano-Wolf works on each draw's p-value within its outcome, so that outcomes with
        different numbers of treated councils count alike.

    Raises
    ------
    InferenceError
        If shapes disagree or a used case number is not above 0.

    References
    ----------
    Romano and Wolf (2005), JASA 100(469); Westfall and Young (1993).

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> family = family_test(rng.normal(size=(3, 40)), np.arange(40) < 4, np.ones(40), seed=1)
    >>> bool((family.romano_wolf >= family.p_value).all())
    True
    """
    check_alpha(alpha)
    check_index({"changes": getattr(changes, "T", changes), "treated": treated})
    changes, treated = _check_family(changes, treated)
    cases = _check_positive("cases", cases, changes)
    one = 1.0 if period_factor is None else period_factor
    factor = _check_positive("period_factor", one, changes)
    assignments = draw_assignments(treated, draws=draws, strata=strata, seed=seed)
    p_values = np.full(len(changes), np.nan)
    null = np.ones((len(changes), len(assignments.members)))
    reasons = []
    for row in range(len(changes)):
        reason = _why_not(changes[row], treated)
        reasons.append(reason)
        if not reason:
            p_values[row], null[row] = _one(
                changes[row], treated, cases[row], factor[row], assignments
            )
    used = ~np.isnan(p_values)
    adjusted = np.full(len(changes), np.nan)
    if used.any():
        complete = assignments.complete
        adjusted[used] = romano_wolf(-p_values[used], -null[used], complete=complete)
    return FamilyResult(
        p_value=p_values,
        romano_wolf=adjusted,
        benjamini_hochberg=benjamini_hochberg(p_values),
        reasons=tuple(reasons),
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
    order = np.argsort(-statistics, kind="stable")
    ordered = null[order]
    largest = np.maximum.accumulate(ordered[::-1], axis=0)[::-1]
    level = statistics[order][:, None]
    reached = (largest >= level - TIE * np.abs(level)).sum(1)
    draws = null.shape[1]
    raw = reached / draws if complete else (1 + reached) / (1 + draws)
    adjusted = np.empty(statistics.size)
    adjusted[order] = np.maximum.accumulate(raw)
    return adjusted


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
    values = np.asarray(p_values, dtype=float)
    adjusted = np.full(values.size, np.nan)
    used = np.flatnonzero(~np.isnan(values))
    if not used.size:
        return adjusted
    order = used[np.argsort(values[used], kind="stable")]
    scaled = values[order] * order.size / np.arange(1, order.size + 1)
    adjusted[order] = np.minimum(1.0, np.minimum.accumulate(scaled[::-1])[::-1])
    return adjusted


def _one(
    changes: np.ndarray,
    treated: np.ndarray,
    cases: np.ndarray,
    factor: np.ndarray,
    assignments: Assignments,
) -> tuple[float, np.ndarray]:
    """Compute an outcome's p-value and that of every set, councils without a value left out."""
    seen = np.isfinite(changes)
    d, m, t = changes[seen], cases[seen], treated[seen]
    squares = comparator_squares(d[None], t[None])
    fit = fit_size_function(squares, ~t[None], m, factor[seen])
    z = np.zeros(changes.size)
    z[seen] = (d - d[~t].mean()) / np.sqrt(fit.variance[0])
    stack = np.stack([z, z**2, seen.astype(float)])
    actual = np.flatnonzero(treated)[None]
    statistics = [
        _welch_of_sums(sum_sets(stack, sets), stack.sum(1))
        for sets in (assignments.members, actual)
    ]
    ranks, own = _p_of_each(np.abs(statistics[0]), abs(float(statistics[1][0])), assignments)
    return own, ranks


def _welch_of_sums(sums: np.ndarray, totals: np.ndarray) -> np.ndarray:
    """Compute Welch's t of sets in which each has its own number of observed councils."""
    k = np.maximum(sums[2], 2.0)
    t = welch_t(sums[0], sums[1], totals[0], totals[1], k, totals[2])
    return np.where(sums[2] >= 2, t, 0.0)


def _p_of_each(
    null: np.ndarray, actual: float, assignments: Assignments
) -> tuple[np.ndarray, float]:
    ordered = np.sort(null)
    draws = null.size
    reached = draws - np.searchsorted(ordered, null * (1 - TIE))
    own = float(assignments.p_value(draws - np.searchsorted(ordered, actual * (1 - TIE))))
    return assignments.p_value(reached), own


def _check_family(changes: object, treated: object) -> tuple[np.ndarray, np.ndarray]:
    changes = np.asarray(changes, dtype=float)
    mask = np.asarray(treated, dtype=float)
    if changes.ndim != 2 or mask.shape != changes.shape[1:] or not np.isin(mask, (0, 1)).all():
        got = f"shapes {changes.shape} and {mask.shape}"
        action = "Give changes as outcomes x councils and treated as yes or no for each council."
        raise InferenceError(explain("changes", "fit treated", got, action))
    if np.isinf(changes).any():
        action = "Mark councils without a value as NaN."
        raise InferenceError(explain("changes", "be finite or missing", "infinity", action))
    return changes, mask.astype(bool)


def _check_positive(name: str, values: object, changes: np.ndarray) -> np.ndarray:
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
        return "not estimable: the comparators' changes are all equal, so nothing says how sure"
    return ""
