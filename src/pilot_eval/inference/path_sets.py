"""Welch's t of councils treated on different paths, for every assignment of the paths.

Whole paths of treatment are reassigned: every draw assigns each path to as many councils as were
treated on it, and every estimate is a sum of one number for each council and path.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from pilot_eval.inference.assignments import Assignments, draw_assignments
from pilot_eval.inference.inputs import centre
from pilot_eval.inference.paths import draw_paths
from pilot_eval.inference.randomisation import (
    BLOCK,
    Coefficients,
    find_ends,
    square,
    step_size,
    variance_of_mean,
)
from pilot_eval.inference.set_statistics import count_at_least, sum_sets
from pilot_eval.inference.size_adjusted import comparator_squares
from pilot_eval.inference.variance import fit_size_function


def draw_path_sets(
    changes: np.ndarray,
    of: np.ndarray,
    cases: np.ndarray,
    exposure: np.ndarray | None,
    period_factor: np.ndarray | None,
    *,
    draws: int,
    strata: np.ndarray | None,
    seed: int,
) -> PathSets:
    """Divide changes by the deviations that sizes and periods predict; draw who else was treated.

    Parameters
    ----------
    changes : array of shape (F, n, paths + 1)
    of, cases, exposure, period_factor, draws, strata, seed
        As for `path_test`, checked.

    Returns
    -------
    PathSets
    """
    rows, last = np.arange(len(of)), changes.shape[2] - 1
    treated = of < last
    factor = np.ones(changes.shape[1:]) if period_factor is None else period_factor
    shift = np.repeat(treated[:, None], last + 1, 1) if exposure is None else exposure
    mask = np.broadcast_to(treated, changes.shape[:2])
    squares = comparator_squares(centre(changes[:, rows, of], treated), mask)
    fit = fit_size_function(squares, ~mask, cases, factor[rows, of])
    root = np.sqrt(fit.variance[:, :, None] * factor / factor[rows, of][:, None])
    centred = changes - changes[:, ~treated].mean(axis=1, keepdims=True)
    members, labels, complete = draw_members(of, treated, draws=draws, strata=strata, seed=seed)
    return PathSets(
        z=centred / root,
        w=shift / root,
        scale=step_size(fit.variance[:, treated]),
        sets=Assignments(members=members, complete=complete),
        labels=labels,
        actual=np.flatnonzero(treated)[None],
        own_labels=of[treated],
    )


def draw_members(
    of: np.ndarray, treated: np.ndarray, *, draws: int, strata: object, seed: int
) -> tuple[np.ndarray, np.ndarray, bool]:
    """Draw who is treated on which path: members (draws, k), path of each column, completeness."""
    sets = draw_assignments(treated, draws=draws, strata=strata, seed=seed)
    named = np.zeros(of.size) if strata is None else np.asarray(strata)
    labels = np.unique(named.astype(str), return_inverse=True)[1]  # in the order of the sets
    groups = [np.sort(of[treated & (labels == code)]) for code in range(labels.max() + 1)]
    paths = np.concatenate(groups)
    if np.ptp(paths) == 0:
        return sets.members, paths, sets.complete
    if sets.complete:  # few sets, but perhaps many assignments of paths to their members
        orders, complete = draw_paths(of, draws=draws, strata=strata, seed=seed)
        return np.argsort(orders, axis=1, kind="stable")[:, : paths.size], np.sort(paths), complete
    return _shuffle(sets, tuple(len(group) for group in groups), seed), paths, False


def _shuffle(sets: Assignments, sizes: tuple[int, ...], seed: int) -> np.ndarray:
    """Put the members of each set in random order within their stratum."""
    rng = np.random.default_rng([seed, len(sizes)])
    columns = np.split(sets.members, np.cumsum(sizes)[:-1], axis=1)
    return np.concatenate([rng.permuted(part, axis=1) for part in columns], axis=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class PathSets:
    """Welch's t of z - tau * w for every assignment of paths, for many outcomes at once.

    Attributes
    ----------
    z, w : array of shape (F, n, paths + 1)
        Standardised changes and exposures.
    scale : array of shape (F,)
        Standard error of each outcome's effect.
    sets : Assignments
    labels : int array of shape (k,)
        Path of each column of `sets.members`.
    actual, own_labels : int array of shape (1, k), (k,)
        The same of the councils that were treated.
    """

    z: np.ndarray
    w: np.ndarray
    scale: np.ndarray
    sets: Assignments
    labels: np.ndarray
    actual: np.ndarray
    own_labels: np.ndarray

    def p_value(self) -> np.ndarray:
        """Compute the p-value of no effect, shape (F,)."""
        reached = [
            count_at_least(
                path_statistics(block.z, self.sets.members, self.labels), block.statistic()
            )
            for block in self.blocks()
        ]
        return self.sets.p_value(np.concatenate(reached))

    def interval(self, alpha: float) -> tuple[np.ndarray, np.ndarray]:
        """Find the ends of the effects that are not rejected, each of shape (F,)."""
        centre = self.centre()
        centred = replace(self, z=self.z - centre[:, None, None] * self.w)
        ends = [
            find_ends(block.drawn(), block.own(), self.sets, alpha, block.scale)
            for block in centred.blocks()
        ]
        low, high = np.concatenate(ends, axis=1)
        return centre + low, centre + high

    def statistic(self) -> np.ndarray:
        """Compute the actual statistic, shape (F,)."""
        return _divide(*self.own())[:, 0]

    def centre(self) -> np.ndarray:
        """Find the effect at which the actual statistic is 0, shape (F,)."""
        (constant, slope), _ = self.own()
        return -(constant / slope)[:, 0]

    def blocks(self) -> Iterator[PathSets]:
        """Cut the outcomes into blocks that stay in a processor's cache."""
        size = max(1, BLOCK // len(self.sets.members))
        for start in range(0, len(self.z), size):
            rows = slice(start, start + size)
            yield replace(self, z=self.z[rows], w=self.w[rows], scale=self.scale[rows])

    def drawn(self) -> tuple[Coefficients, Coefficients]:
        """Write the statistic of every assignment as polynomials of tau."""
        return self._polynomials(self.sets.members, self.labels)

    def own(self) -> tuple[Coefficients, Coefficients]:
        """Write the statistic of the councils that were treated as polynomials of tau."""
        return self._polynomials(self.actual, self.own_labels)

    def _polynomials(
        self, members: np.ndarray, labels: np.ndarray
    ) -> tuple[Coefficients, Coefficients]:
        """Sum over the treated of each assignment on their paths, and over the rest."""
        parts = (self.z, -self.w)
        squares = square(*parts)
        k, rest = members.shape[1], self.z.shape[1] - members.shape[1]
        sums = [_sum_sides(part, members, labels) for part in (*parts, *squares)]
        inside, outside = zip(*sums, strict=True)
        difference = tuple(inside[power] / k - outside[power] / rest for power in range(2))
        spread = map(
            np.add,
            variance_of_mean(inside[2:], tuple(inside[:2]), k),
            variance_of_mean(outside[2:], tuple(outside[:2]), rest),
        )
        return difference, tuple(spread)


def path_statistics(z: np.ndarray, members: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Compute Welch's t of no effect for assignments of paths.

    Parameters
    ----------
    z : array of shape (F, n, paths + 1)
        Standardised changes.
    members : int array of shape (assignments, k)
    labels : int array of shape (k,)
        Path of each column of `members`.

    Returns
    -------
    array of shape (F, assignments)
    """
    sums, squares = (_sum_sides(part, members, labels) for part in (z, z * z))
    counts = members.shape[1], z.shape[1] - members.shape[1]
    means = [part / count for part, count in zip(sums, counts, strict=True)]
    parts = zip(squares, sums, counts, strict=True)
    spread = [(one - two * two / count) * (1 / (count * (count - 1))) for one, two, count in parts]
    return _divide((means[0] - means[1],), (spread[0] + spread[1],))


def _sum_sides(
    values: np.ndarray, members: np.ndarray, labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Sum over members on their paths, and over all others as comparators.

    From values of shape (F, n, paths + 1) to two arrays of shape (F, assignments).
    """
    outcomes, _, paths = values.shape
    flat, first = values.reshape(outcomes, -1), members * paths
    inside = sum_sets(flat, first + labels)
    return inside, values[:, :, -1].sum(1)[:, None] - sum_sets(flat, first + paths - 1)


def _divide(difference: Coefficients, spread: Coefficients) -> np.ndarray:
    """Compute the statistics of no effect, shape (F, assignments)."""
    root = np.sqrt(np.maximum(spread[0], 0.0))
    return np.divide(difference[0], root, out=np.zeros_like(root), where=root > 0)
