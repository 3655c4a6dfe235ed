"""Which councils could have been treated on which path: random or complete lists."""

from __future__ import annotations

from itertools import combinations
from math import factorial, prod

import numpy as np

from pilot_eval.errors import InferenceError, explain


def draw_paths(
    codes: np.ndarray, *, draws: int, strata: object = None, seed: int | np.random.Generator
) -> tuple[np.ndarray, bool]:
    """Draw assignments of paths to councils, or list all of them when there are at most `draws`.

    Parameters
    ----------
    codes : int array of shape (n,)
        Path of each council.
    draws : int
    strata : array-like of shape (n,), optional
    seed : int or numpy Generator

    Returns
    -------
    orders : int array of shape (assignments, n)
    complete : bool
    """
    if not (isinstance(draws, (int, np.integer)) and draws >= 1):
        raise InferenceError(explain("draws", "be a whole number above 0", draws, "Write 9999."))
    labels = np.zeros(codes.size, int) if strata is None else np.asarray(strata)
    if labels.shape != codes.shape:
        got = f"shape {labels.shape} for {codes.size} councils"
        raise InferenceError(explain("strata", "have one label a council", got, "Align them."))
    groups = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    possible = prod(_multinomial(codes[group]) for group in groups)
    if possible <= draws:
        return _list_paths(codes, groups), True
    rng = np.random.default_rng(seed)
    orders = np.repeat(codes[None], draws, axis=0)
    for group in groups:
        if np.ptp(codes[group]):
            orders[:, group] = rng.permuted(orders[:, group], axis=1)
    return orders, False


def _multinomial(codes: np.ndarray) -> int:
    return factorial(codes.size) // prod(factorial(int(k)) for k in np.unique_counts(codes).counts)


def _list_paths(codes: np.ndarray, groups: list[np.ndarray]) -> np.ndarray:
    rows = codes[None]
    for group in groups:
        arrangements = _arrange(codes[group])
        count = len(rows)
        rows = np.repeat(rows, len(arrangements), axis=0)
        rows[:, group] = np.tile(arrangements, (count, 1))
    return rows


def _arrange(codes: np.ndarray) -> np.ndarray:
    """List the distinct orders of a vector with repeats: one path after another is placed."""
    paths, counts = np.unique(codes, return_counts=True)
    most = int(counts.argmax())
    rows = [np.full(codes.size, paths[most])]
    for path, count in zip(np.delete(paths, most), np.delete(counts, most), strict=True):
        placed = []
        for row in rows:
            free = np.flatnonzero(row == paths[most]).tolist()
            for chosen in combinations(free, int(count)):
                new = row.copy()
                new[list(chosen)] = path
                placed.append(new)
        rows = placed
    return np.array(rows)
