"""Drawing the treated by lot: which sets could be drawn, and what effect they would show.

If treated units are drawn by lot, within strata or not, the share of possible sets whose difference
in means is as large as the one drawn is an exact p-value. What it would detect is read from real
changes of years in which nothing was tried.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from pilot_eval.errors import DesignError, explain
from pilot_eval.inference.assignments import Assignments, draw_assignments

Strata = Literal["none", "type", "region", "level"]
STRATA: tuple[Strata, ...] = ("none", "type", "region", "level")
LEVELS = 4  # quarters of the level before the start


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lot:
    """A way of drawing.

    Attributes
    ----------
    strata : str
    labels : ndarray of str, shape (n,)
        Stratum of each unit.
    sets : Assignments
        What could be drawn, as positions.
    """

    strata: Strata
    labels: np.ndarray
    sets: Assignments


def build_lot(strata: Strata, labels: np.ndarray, n_treated: int, *, draws: int, seed: int) -> Lot:
    """List the sets that a lot could draw, proportionally from every stratum.

    Parameters
    ----------
    strata : {"none", "type", "region", "level"}
        What the labels are, for the result.
    labels : ndarray of str, shape (n,)
    n_treated : int
    draws, seed : int
        Random sets; all are listed where there are at most `draws`.

    Returns
    -------
    Lot

    Raises
    ------
    DesignError
        If there are too few units to draw from.

    Examples
    --------
    >>> lot = build_lot("type", np.array(["a", "a", "b", "b"]), 2, draws=99, seed=1)
    >>> lot.sets.members.tolist()
    [[0, 2], [0, 3], [1, 2], [1, 3]]
    """
    if not 1 <= n_treated <= len(labels) - 2:
        rule = f"be from 1 to {len(labels) - 2}, so that two comparators are left"
        raise DesignError(explain("councils", rule, n_treated, "Allow more, or treat fewer."))
    mask = np.zeros(len(labels), dtype=bool)
    for label, size in allocate(labels, n_treated).items():
        mask[np.flatnonzero(labels == label)[:size]] = True
    sets = draw_assignments(mask, draws=draws, strata=labels, seed=seed)
    return Lot(strata=strata, labels=labels, sets=sets)


def allocate(labels: np.ndarray, n_treated: int) -> dict[str, int]:
    """Share places out among strata by size: largest remainders, ties to the first by name."""
    names, sizes = np.unique(labels, return_counts=True)
    exact = n_treated * sizes / sizes.sum()
    places = np.floor(exact).astype(int)
    order = np.argsort(-(exact - places), kind="stable")
    places[order[: n_treated - places.sum()]] += 1
    return dict(zip(names.tolist(), places.tolist(), strict=True))


def differences(changes: np.ndarray, members: np.ndarray) -> np.ndarray:
    """Compute the difference in means of every set, in waves where there are several.

    Parameters
    ----------
    changes : ndarray, shape (n, waves)
        Change of every unit had it started with each wave.
    members : ndarray of int, shape (sets, n_treated)
        Places are dealt to waves in turn.

    Returns
    -------
    ndarray, shape (sets,)
        Mean over treated units of own change minus that of the untreated in the same periods.
    """
    n, waves = changes.shape
    total = np.zeros(len(members))
    for place in range(members.shape[1]):
        own = changes[:, place % waves]
        rest = (own.sum() - own[members].sum(axis=1)) / (n - members.shape[1])
        total += own[members[:, place]] - rest
    mean: np.ndarray = total / members.shape[1]
    return mean


def detectable_by_lot(
    changes: np.ndarray, lot: Lot, *, alpha: float = 0.05, power: float = 0.8
) -> float:
    """Find the effect that the exact test of a lot detects with the stated power.

    Parameters
    ----------
    changes : ndarray, shape (n, waves)
        Real changes without any effect.
    lot : Lot
    alpha, power : float

    Returns
    -------
    float
        The larger of what is needed upwards and downwards; infinite where there are too few sets
        for any result to be significant.

    Examples
    --------
    >>> changes = np.arange(-20.0, 21.0)[:, None]
    >>> lot = build_lot("none", np.full(41, "all"), 4, draws=999, seed=1)
    >>> 10 < detectable_by_lot(changes, lot) < 30
    True
    """
    found = np.sort(differences(changes, lot.sets.members))
    n_sets = len(found) + (not lot.sets.complete)
    allowed = int(np.floor(alpha * n_sets + 1e-9)) - (not lot.sets.complete)
    if allowed < 1:
        return float("inf")
    critical = np.sort(np.abs(found))[-allowed]
    up = critical - np.quantile(found, 1 - power, method="inverted_cdf")
    down = critical + np.quantile(found, power, method="inverted_cdf")
    return float(max(up, down))
