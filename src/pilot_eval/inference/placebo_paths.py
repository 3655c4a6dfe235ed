"""The tests on placebo sets whose members take over the starts and ends of the treated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from pilot_eval.inference.assignments import Assignments
from pilot_eval.inference.path_sets import draw_members, path_statistics
from pilot_eval.inference.placebo_sets import compute_adjusted_p_values, compute_cr2_p_values
from pilot_eval.inference.set_statistics import TIE
from pilot_eval.inference.size_adjusted import compute_size_adjusted

BLOCK = 500
"""Draws after which tests that are certain not to reject are left out."""


def compute_path_p_values(
    changes: np.ndarray,
    cases: np.ndarray,
    period_factor: np.ndarray,
    members: np.ndarray,
    of: np.ndarray,
    *,
    strata: Mapping[str, np.ndarray],
    adjustment: Mapping[str, np.ndarray] | None = None,
    draws: int,
    seed: int,
    decide_at: float,
) -> dict[str, np.ndarray]:
    """Test each placebo set, on the treated units' paths, against the other comparators.

    Parameters
    ----------
    changes, period_factor : array of shape (n, paths + 1)
        Of the comparators alone: their changes on every path, as in `PathChanges`.
    cases : array of shape (n,)
    members : int array of shape (sets, k)
        Positions of the placebo councils.
    of : int array of shape (k,)
        Path that the councils of each column take.
    strata : mapping of str to array of shape (n,)
        Name of each stratified test, and its strata.
    adjustment : mapping of str to array, optional
        `levels`, `covariates` and `level_variance` of the adjusted test.
    draws, seed : int
        As for `path_test`.
    decide_at : float
        A randomisation test ends as soon as its p-value is certain to be above this level; the
        p-value is then only a lower bound that is above it.

    Returns
    -------
    dict
        Test -> p-values, shape (sets,): `robust` and the stratified tests over paths, `sharp`,
        `cr2` and `adjusted` on each council's change on its own path.

    Examples
    --------
    >>> changes = np.random.default_rng(1).normal(size=(40, 3))
    >>> found = compute_path_p_values(
    ...     changes, np.full(40, 90.0), np.ones((40, 3)), np.array([[0, 1, 2], [3, 4, 5]]),
    ...     np.array([0, 0, 1]), strata={}, draws=99, seed=1, decide_at=0.05,
    ... )
    >>> {name: p_values.shape for name, p_values in found.items()}
    {'robust': (2,), 'sharp': (2,), 'cr2': (2,)}
    """
    last = changes.shape[1] - 1
    rows = np.arange(len(members))[:, None]
    path = np.full((len(members), len(cases)), last)
    path[rows, members] = of
    mask, places = path < last, np.arange(len(cases))
    own, factor = changes[places, path], period_factor[places, path]
    sharp = compute_size_adjusted(own, mask, cases, factor)
    root = np.sqrt(sharp.fit.variance[:, :, None] * period_factor / factor[:, :, None])
    others = np.where(mask[:, :, None], np.nan, changes)
    z = (changes - np.nanmean(others, axis=1, keepdims=True)) / root
    found = {"robust": np.empty(0), "sharp": sharp.p_value}
    found["cr2"] = compute_cr2_p_values(own, mask, sharp.estimate)
    settings: dict[str, Any] = {"draws": draws, "seed": seed, "decide_at": decide_at}
    if adjustment is not None:
        data = own, mask, cases, factor
        found["adjusted"] = compute_adjusted_p_values(data, members, adjustment, settings)
    for name, labels in ({"robust": None} | dict(strata)).items():
        found[name] = np.empty(len(members))
        for alike in _alike(path, labels):
            found[name][alike] = _rank(z[alike], path[alike], labels, **settings)
    return found


def _alike(path: np.ndarray, strata: np.ndarray | None) -> Iterator[np.ndarray]:
    """Yield the rows of sets with as many councils on each path in each stratum."""
    labels = np.zeros(path.shape[1], int)
    if strata is not None:
        labels = np.unique(strata.astype(str), return_inverse=True)[1]
    kinds = np.sort(path + labels * (path.max() + 1), axis=1)
    member = np.unique(kinds, axis=0, return_inverse=True)[1].ravel()
    for kind in range(member.max() + 1):
        yield np.flatnonzero(member == kind)


def _rank(
    z: np.ndarray,
    path: np.ndarray,
    strata: np.ndarray | None,
    *,
    draws: int,
    seed: int,
    decide_at: float,
) -> np.ndarray:
    """Rank each set's statistic among those of other assignments of its paths."""
    treated = path < z.shape[2] - 1
    drawn, labels, complete = draw_members(
        path[0], treated[0], draws=draws, strata=strata, seed=seed
    )
    sets = Assignments(members=drawn, complete=complete)
    actual = np.array(
        [
            path_statistics(one[None], np.flatnonzero(ours)[None], paths[ours])[0, 0]
            for one, ours, paths in zip(z, treated, path, strict=True)
        ]
    )
    least, reached = np.abs(actual) * (1 - TIE), np.zeros(len(z), dtype=np.int64)
    active = np.arange(len(z))
    for start in range(0, len(drawn), BLOCK):
        statistics = path_statistics(z[active], drawn[start : start + BLOCK], labels)
        reached[active] += (np.abs(statistics) >= least[active, None]).sum(1)
        active = active[sets.p_value(reached[active]) <= decide_at]
        if not active.size:
            break
    return sets.p_value(reached)
