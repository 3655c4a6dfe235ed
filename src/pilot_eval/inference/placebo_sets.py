"""Every test on thousands of placebo sets at once: comparators that stand in for the treated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from scipy.special import stdtr

from pilot_eval.estimation.adjustment import adjust_changes, why_not_adjustable
from pilot_eval.inference.adjusted import label_strata, standardise_adjusted
from pilot_eval.inference.assignments import Assignments, draw_assignments
from pilot_eval.inference.cluster_robust import compute_cluster_robust
from pilot_eval.inference.inputs import ROUNDING
from pilot_eval.inference.set_statistics import TIE, welch_t
from pilot_eval.inference.size_adjusted import compute_size_adjusted
from pilot_eval.inference.variance import SizeFunction

NEAREST_SHARE = 0.5
"""Share of a council's own group, those nearest in size, that may stand in for it."""
FEWEST_STAND_INS = 8
"""Fewest councils that may stand in for one, where its group has that many."""
BLOCK = 131_072
"""Statistics worked on at a time: few enough to stay in a processor's cache."""


def draw_placebo_sets(
    treated_groups: np.ndarray,
    treated_cases: np.ndarray,
    groups: np.ndarray,
    cases: np.ndarray,
    *,
    sets: int,
    seed: int | np.random.Generator,
) -> np.ndarray:
    """Draw sets of comparators that resemble the treated, council by council.

    For each treated council one comparator of its group is drawn from the half of the group that
    is nearest to it in size, and no comparator comes twice in a set.

    Parameters
    ----------
    treated_groups, treated_cases : array of shape (k,)
        Group (such as the council type) and size of each treated council.
    groups, cases : array of shape (n,)
        The same of the comparators.
    sets : int
    seed : int or numpy Generator

    Returns
    -------
    int array of shape (sets, k)
        Positions among the comparators. A council whose group has too few comparators is replaced
        by one of any group.

    Examples
    --------
    >>> groups, cases = np.array(list("aaabbb")), np.arange(1.0, 7.0)
    >>> draw_placebo_sets(np.array(["b"]), np.array([5.0]), groups, cases, sets=2, seed=1) >= 3
    array([[ True],
           [ True]])
    """
    rng = np.random.default_rng(seed)
    stand_ins = [
        _stand_ins(group, size, int((treated_groups == group).sum()), groups, cases)
        for group, size in zip(treated_groups, treated_cases, strict=True)
    ]
    drawn = np.empty((sets, len(stand_ins)), dtype=np.intp)
    again = np.arange(sets)
    while again.size:
        for column, places in enumerate(stand_ins):
            drawn[again, column] = places[rng.integers(len(places), size=again.size)]
        ordered = np.sort(drawn[again], axis=1)
        again = again[(ordered[:, 1:] == ordered[:, :-1]).any(axis=1)]
    return drawn


def _stand_ins(
    group: str, size: float, wanted: int, groups: np.ndarray, cases: np.ndarray
) -> np.ndarray:
    """List the comparators that may stand in for one council; never fewer than a set needs."""
    own = np.flatnonzero(groups == group)
    if own.size <= wanted:
        own = np.arange(groups.size)
    nearest = own[np.argsort(np.abs(np.log(cases[own] / size)), kind="stable")]
    return nearest[: max(round(NEAREST_SHARE * own.size), FEWEST_STAND_INS, 2 * wanted)]


def compute_set_p_values(
    changes: np.ndarray,
    cases: np.ndarray,
    period_factor: np.ndarray,
    members: np.ndarray,
    *,
    strata: Mapping[str, np.ndarray],
    adjustment: Mapping[str, np.ndarray] | None = None,
    draws: int,
    seed: int,
    decide_at: float | None = None,
) -> dict[str, np.ndarray]:
    """Test each placebo set against the other comparators by every test of an evidence row.

    Parameters
    ----------
    changes, cases, period_factor : array of shape (n,)
        Of the comparators alone.
    members : int array of shape (sets, k)
        Positions of the placebo councils.
    strata : mapping of str to array of shape (n,)
        Name of each stratified test, and its strata.
    adjustment : mapping of str to array, optional
        `levels`, `covariates` and `level_variance` of the adjusted test.
    draws, seed : int
        As for `robust_test`.
    decide_at : float, optional
        Stop a randomisation test as soon as its p-value is certain to be above this level; the
        p-value is then only a lower bound that is above it, in a fifth of the time.

    Returns
    -------
    dict
        Test -> p-values, shape (sets,). NaN where a test has no answer. Equal to what the tests
        say of the sets one at a time.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> changes, ones, members = rng.normal(size=30), np.ones(30), np.array([[0, 1, 2], [3, 4, 5]])
    >>> found = compute_set_p_values(changes, ones, ones, members, strata={}, draws=99, seed=1)
    >>> {name: p_values.shape for name, p_values in found.items()}
    {'robust': (2,), 'sharp': (2,), 'cr2': (2,)}
    """
    mask = np.zeros((len(members), changes.size), dtype=bool)
    mask[np.arange(len(members))[:, None], members] = True
    spread = _spread(np.broadcast_to(changes, mask.shape), ~mask)
    known = spread > ROUNDING * max(1.0, float(np.abs(changes).max()))
    empty = np.full(len(members), np.nan)
    names = ["robust", "sharp", "cr2", *strata, *(["adjusted"] if adjustment is not None else [])]
    found = {name: empty.copy() for name in names}
    if known.any():
        data = np.broadcast_to(changes, mask[known].shape), mask[known], cases, period_factor
        settings = {"draws": draws, "seed": seed, "decide_at": decide_at}
        for name, p_values in _test_sets(data, members[known], strata, adjustment, settings):
            found[name][known] = p_values
    return found


def _test_sets(
    data: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    members: np.ndarray,
    strata: Mapping[str, np.ndarray],
    adjustment: Mapping[str, np.ndarray] | None,
    settings: Mapping[str, Any],
) -> Iterator[tuple[str, np.ndarray]]:
    table, mask, *_ = data
    sharp = compute_size_adjusted(*data)
    z = _standardise(table, mask, sharp.fit)
    yield "robust", _randomise(z, mask, members, None, **settings)
    yield "sharp", sharp.p_value
    yield "cr2", compute_cr2_p_values(table, mask, sharp.estimate)
    for name, labels in strata.items():
        yield name, _randomise(z, mask, members, labels, **settings)
    if adjustment is not None:
        yield "adjusted", compute_adjusted_p_values(data, members, adjustment, settings)


def compute_adjusted_p_values(
    data: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    members: np.ndarray,
    adjustment: Mapping[str, np.ndarray],
    settings: Mapping[str, Any],
) -> np.ndarray:
    """Test each set by the adjusted test.

    Parameters
    ----------
    data : tuple of array
        Changes and membership, shape (sets, n); sizes and period factors that broadcast to it.
    members : int array of shape (sets, k)
    adjustment : mapping of str to array
        `levels`, `covariates` and `level_variance`.
    settings : mapping
        `draws`, `seed` and `decide_at`, as for `compute_set_p_values`.

    Returns
    -------
    array of shape (sets,)
        NaN where nothing can be adjusted.
    """
    table, mask, cases, factor = data
    covariates = adjustment["covariates"]
    known = np.array([not why_not_adjustable(row, covariates) for row in mask], dtype=bool)
    p_values = np.full(len(mask), np.nan)
    if known.any():
        adjusted = adjust_changes(table[known], mask[known], **adjustment)
        _, z, _ = standardise_adjusted(adjusted, mask[known], cases, factor)
        strata = label_strata(adjustment["levels"])
        p_values[known] = _randomise(z, mask[known], members[known], strata, **settings)
    return p_values


def _standardise(table: np.ndarray, mask: np.ndarray, fit: SizeFunction) -> np.ndarray:
    centre = np.where(mask, 0.0, table).sum(1) / (~mask).sum(1)
    result: np.ndarray = np.divide(
        table - centre[:, None],
        np.sqrt(fit.variance),
        out=np.zeros(table.shape),
        where=fit.variance > 0,
    )
    return result


def _spread(table: np.ndarray, mask: np.ndarray) -> np.ndarray:
    result: np.ndarray = np.where(mask, table, -np.inf).max(1) - np.where(mask, table, np.inf).min(
        1
    )
    return result


def compute_cr2_p_values(table: np.ndarray, mask: np.ndarray, estimate: np.ndarray) -> np.ndarray:
    """Test each set's estimate by CR2; NaN where the comparators' changes are all equal."""
    variance, df = compute_cluster_robust(table, mask, "cr2")
    known = _spread(table, mask) > ROUNDING * np.maximum(1.0, np.abs(table).max(1))
    ratio = np.abs(estimate) / np.sqrt(np.where(known, variance, 1.0))
    return np.where(known, np.maximum(2 * stdtr(df, -ratio), np.finfo(float).tiny), np.nan)


def _randomise(
    z: np.ndarray,
    mask: np.ndarray,
    members: np.ndarray,
    strata: np.ndarray | None,
    *,
    draws: int,
    seed: int,
    decide_at: float | None,
) -> np.ndarray:
    """Compute randomisation p-values; sets with as many councils in each stratum share draws."""
    p_values = np.empty(len(members))
    for rows in _alike(mask, strata):
        assignments = draw_assignments(mask[rows[0]], draws=draws, strata=strata, seed=seed)
        actual = _welch(z[rows].T, members[rows].T, np.arange(len(rows)))
        p_values[rows] = _rank(z[rows].T, actual, assignments, decide_at)
    return p_values


def _alike(mask: np.ndarray, strata: np.ndarray | None) -> Iterator[np.ndarray]:
    """Yield the rows of sets whose councils lie in the same strata."""
    if strata is None:
        yield np.arange(len(mask))
        return
    labels = np.unique(np.asarray(strata).astype(str), return_inverse=True)[1]
    counts = mask @ np.eye(labels.max() + 1, dtype=int)[labels]
    member = np.unique(counts, axis=0, return_inverse=True)[1].ravel()
    for kind in range(member.max() + 1):
        yield np.flatnonzero(member == kind)


def _welch(z: np.ndarray, places: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Compute Welch's t of one set per column of z, shape (n, columns)."""
    own = z[places, columns]
    squares = z**2
    sums = own.sum(0), (own**2).sum(0)
    return welch_t(*sums, z.sum(0), squares.sum(0), len(places), len(z))


def _rank(
    z: np.ndarray, actual: np.ndarray, assignments: Assignments, decide_at: float | None
) -> np.ndarray:
    """Rank each column's actual statistic among those of the hypothetical sets."""
    reached = np.zeros(actual.size, dtype=np.int64)
    active, done = np.arange(actual.size), 0
    values, least = z, np.abs(actual) * (1 - TIE)
    while done < len(assignments.members) and active.size:
        block = assignments.members[done : done + max(1, BLOCK // active.size)]
        done += len(block)
        statistics = _all_sets(values, block)
        reached[active] += (np.abs(statistics) >= least[active]).sum(0)
        if decide_at is not None:
            open_still = assignments.p_value(reached[active]) <= decide_at
            active = active[open_still]
            values = values[:, open_still]
    return assignments.p_value(reached)


def _all_sets(values: np.ndarray, members: np.ndarray) -> np.ndarray:
    """Compute Welch's t of every set for every column of values, shape (sets, columns)."""
    squares = values**2
    sums = [_add_rows(part, members) for part in (values, squares)]
    return welch_t(  # type: ignore[call-arg]  # sums are two
        *sums,  # type: ignore[arg-type]  # sums are two
        values.sum(0),
        squares.sum(0),
        members.shape[1],
        len(values),
    )


def _add_rows(values: np.ndarray, members: np.ndarray) -> np.ndarray:
    total: np.ndarray = values[members[:, 0]]
    for column in range(1, members.shape[1]):
        total += values[members[:, column]]
    return total
