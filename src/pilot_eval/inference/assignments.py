"""Which councils could have been treated: random or complete lists of treated sets."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import combinations, product
from math import comb, prod

import numpy as np
from scipy.sparse import csr_array

from pilot_eval.errors import InferenceError, explain
from pilot_eval.inference.set_statistics import list_members


@dataclass(frozen=True, kw_only=True)
class Assignments:
    """Hypothetical treated sets.

    Attributes
    ----------
    members : int array of shape (sets, n_treated)
        Positions of the treated in each set.
    complete : bool
        True when these are all possible sets, the actual one among them.
    """

    members: np.ndarray
    complete: bool

    def sum_sets(self, values: np.ndarray) -> np.ndarray:
        """Sum each outcome, shape (outcomes, n), over the members of each set."""
        members = self._listed
        if members.shape[1] != values.shape[1]:
            members = list_members(self.members, values.shape[1])
            self.__dict__["_listed"] = members
        result: np.ndarray = (members @ values.T).T
        return result

    @cached_property
    def _listed(self) -> csr_array:
        return list_members(self.members, int(self.members.max()) + 1)

    def p_value(self, at_least: np.ndarray) -> np.ndarray:
        """Turn counts of sets at least as extreme as the actual one into p-values, never 0."""
        sets = len(self.members)
        return at_least / sets if self.complete else (1 + at_least) / (1 + sets)

    @property
    def smallest_p(self) -> float:
        """Smallest p-value that these sets can give."""
        return 1 / (len(self.members) + (0 if self.complete else 1))


def draw_assignments(
    treated: np.ndarray,
    *,
    draws: int,
    strata: object = None,
    seed: int | np.random.Generator,
) -> Assignments:
    """Draw treated sets of the actual size, or list all of them when there are at most `draws`.

    Parameters
    ----------
    treated : bool array of shape (n,)
    draws : int
        Number of random sets, at least 1.
    strata : array-like of shape (n,), optional
        Label of each council; every set keeps the actual number of treated in each stratum.
    seed : int or numpy Generator

    Returns
    -------
    Assignments
    """
    if not (isinstance(draws, (int, np.integer)) and draws >= 1):
        raise InferenceError(explain("draws", "be a whole number above 0", draws, "Write 9999."))
    groups = _strata(treated, strata)
    sizes = [(group, int(treated[group].sum())) for group in groups]
    if isinstance(seed, np.random.Generator):
        return _draw(sizes, draws, seed)
    return _draw_again(tuple((group.tobytes(), k) for group, k in sizes), draws, seed)


@lru_cache(maxsize=32)
def _draw_again(sizes: tuple[tuple[bytes, int], ...], draws: int, seed: int) -> Assignments:
    """Draw with a seed; outcome after outcome asks for the same sets."""
    groups = [(np.frombuffer(group, dtype=np.intp), k) for group, k in sizes]
    assignments = _draw(groups, draws, np.random.default_rng(seed))
    assignments.members.flags.writeable = False
    return assignments


def _draw(sizes: list[tuple[np.ndarray, int]], draws: int, rng: np.random.Generator) -> Assignments:
    if prod(comb(group.size, k) for group, k in sizes) <= draws:
        return Assignments(members=_list_all(sizes), complete=True)
    parts = [group[draw_subsets(rng, draws, group.size, k)] for group, k in sizes if k]
    return Assignments(members=np.concatenate(parts, axis=1), complete=False)


def _strata(treated: np.ndarray, strata: object) -> list[np.ndarray]:
    if strata is None:
        return [np.arange(treated.size)]
    labels = np.asarray(strata)
    if labels.shape != treated.shape:
        got = f"shape {labels.shape} for {treated.size} councils"
        raise InferenceError(explain("strata", "have one label a council", got, "Align them."))
    codes = np.unique(labels.astype(str), return_inverse=True)[1]
    groups = [np.flatnonzero(codes == code) for code in range(codes.max() + 1)]
    return [group for group in groups if treated[group].any()]


def _list_all(sizes: list[tuple[np.ndarray, int]]) -> np.ndarray:
    choices = [list(combinations(group.tolist(), k)) for group, k in sizes]
    return np.array([sum(parts, ()) for parts in product(*choices)], dtype=np.intp)


def draw_subsets(rng: np.random.Generator, draws: int, n: int, k: int) -> np.ndarray:
    """Draw `draws` subsets of k of n positions, uniformly, as an int array (draws, k)."""
    if 2 * k * k > n:
        block = max(1, 4_000_000 // n)
        rows = [
            np.argpartition(rng.random((min(block, draws - start), n)), k - 1, axis=1)[:, :k]
            for start in range(0, draws, block)
        ]
        return np.concatenate(rows)
    subsets = rng.integers(n, size=(draws, k))
    while (bad := _has_repeat(subsets)).any():
        subsets[bad] = rng.integers(n, size=(int(bad.sum()), k))
    return subsets


def _has_repeat(subsets: np.ndarray) -> np.ndarray:
    ordered = np.sort(subsets, axis=1)
    result: np.ndarray = (ordered[:, 1:] == ordered[:, :-1]).any(1)
    return result
