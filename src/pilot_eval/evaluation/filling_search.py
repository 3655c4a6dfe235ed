"""The fillings that decide a row: corners, random ones, and those that a search finds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from pilot_eval.design.hidden import HiddenCounts
from pilot_eval.estimation.did import Units
from pilot_eval.evaluation.fillings import FilledUnits
from pilot_eval.inference.size_adjusted import comparator_squares
from pilot_eval.inference.variance import fit_size_function

RANDOM_FILLINGS = 200
SEARCH_ROUNDS = 40
"""Rounds of improving a filling, all cells at once or one; they end sooner where none helps."""
COARSE = (1, 2, 4, 8, 16)
"""Children more or fewer that are tried before every step is: a quarter of the work."""
PATH_STEPS = 9
"""Fillings between the two corners: somewhere among them a set that spans zero comes near it."""

Objective = Callable[[np.ndarray], np.ndarray]
UnitObjective = Callable[[Units, float], np.ndarray]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Candidates:
    """Fillings to evaluate, and those among them that decide the ends of an interval.

    Attributes
    ----------
    counts : ndarray of int, shape (fillings, h)
        Both corners first, then random fillings, those between the corners, and those a search
        found.
    deciding : ndarray of int
        Rows of `counts`: both corners, the ends of the interval and the smallest and largest
        p-value, ranked by Welch's t of size-standardised changes.
    """

    counts: np.ndarray
    deciding: np.ndarray


def choose_fillings(
    filled: FilledUnits, *, seed: int, fillings: int = RANDOM_FILLINGS
) -> Candidates:
    """Choose fillings: both corners, random ones, and those a search finds to be extreme.

    Parameters
    ----------
    filled : FilledUnits
    seed : int
    fillings : int
        Number of random ones.

    Returns
    -------
    Candidates
    """
    hidden = filled.hidden
    low, high = filled.corners()
    counts = np.unique(
        np.vstack([hidden.sample(fillings, seed), _between(hidden, low, high)]), axis=0
    )
    counts = np.vstack([low, high, counts])
    deciding = [0, 1]
    for weight in _weights(filled, counts):
        objectives = _objectives(filled.base, weight)
        changes = filled.at(counts).change
        starts = [int(np.argmax(objective(changes))) for objective in objectives]
        pairs = zip(objectives, starts, strict=True)
        found = [
            improve(filled, counts[start], _of_changes(objective)) for objective, start in pairs
        ]
        deciding += range(len(counts), len(counts) + len(found))
        counts = np.vstack([counts, *found])
    return _without_repeats(counts, np.array(deciding))


def _of_changes(objective: Objective) -> UnitObjective:
    return lambda units, _: objective(units.change)


def _without_repeats(counts: np.ndarray, deciding: np.ndarray) -> Candidates:
    """Keep each filling once, where it comes first."""
    _, first, member = np.unique(counts, axis=0, return_index=True, return_inverse=True)
    order = np.sort(first)
    place = np.searchsorted(order, first[member.ravel()])
    return Candidates(counts=counts[order], deciding=np.unique(place[deciding]))


def _between(hidden: HiddenCounts, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    share = np.linspace(0, 1, PATH_STEPS + 2)[1:-1, None]
    return hidden.into_possible(np.rint(low + share * (high - low)).astype(np.int64))


def _weights(filled: FilledUnits, counts: np.ndarray) -> list[np.ndarray]:
    """Weigh changes by the standard deviation that size predicts, and equally (CR2)."""
    units = filled.at(counts[:1])
    comparator = ~units.treated[None]
    if comparator.sum() < 2:
        return []
    squares = comparator_squares(units.change, units.treated[None])
    fit = fit_size_function(squares, comparator, units.cases, units.period_factor)
    equal = np.ones(units.treated.size)
    if not (fit.variance[0] > 0).all():
        return [equal]
    return [1 / np.sqrt(fit.variance[0]), equal]


def _objectives(units: Units, weight: np.ndarray) -> list[Objective]:
    """List what a search makes as large as possible.

    Minus the lower end of an interval, its upper end, the size of t and minus the size of t, all by
    Welch's t of treated against comparators.
    """
    treated = units.treated
    n_treated, n_others = int(treated.sum()), int((~treated).sum())
    if min(n_treated, n_others) < 2:
        return []
    scale = weight[treated].mean()
    critical = float(stdtrit(n_treated - 1, 0.975))

    def summarise(changes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        centred = (changes - changes[:, ~treated].mean(1, keepdims=True)) * weight
        ours, others = centred[:, treated], centred[:, ~treated]
        error = ours.var(1, ddof=1) / n_treated + others.var(1, ddof=1) / n_others
        return (ours.mean(1) - others.mean(1)) / scale, np.sqrt(error) / scale

    def lower(changes: np.ndarray) -> np.ndarray:
        centre, error = summarise(changes)
        return np.asarray(critical * error - centre)

    def upper(changes: np.ndarray) -> np.ndarray:
        centre, error = summarise(changes)
        return np.asarray(critical * error + centre)

    def strongest(changes: np.ndarray) -> np.ndarray:
        centre, error = summarise(changes)
        return np.asarray(np.abs(centre) / np.where(error > 0, error, np.inf))

    return [lower, upper, strongest, lambda changes: -strongest(changes)]


def improve(
    filled: FilledUnits,
    counts: np.ndarray,
    objective: UnitObjective,
    steps: Sequence[int] = (),
    *,
    halving: bool = False,
    rounds: int = SEARCH_ROUNDS,
) -> np.ndarray:
    """Improve a filling until no other count of a single cell is better.

    Every round moves all cells that help at once, or else the one that helps most. Steps are tried
    only where no end and no middle helps: they are many.

    Parameters
    ----------
    filled : FilledUnits
    counts : ndarray of int, shape (h,)
    objective : callable
        From units at many fillings, and what they have to exceed, to what is made as large as
        possible, shape (fillings,); minus infinity will do where it does not exceed that.
    steps : sequence of int
        Children more or fewer that are tried besides ends and middles, where the best filling may
        lie between them.
    halving : bool
        Try also the better half of the cells that help, its better half and so on, and coarse
        steps before all.
    rounds : int
        At most so many.

    Returns
    -------
    ndarray of int, shape (h,)
    """
    current = counts.copy()
    best = float(objective(filled.at(current[None]), -np.inf)[0])
    coarse = [tuple(step for step in steps if abs(step) in COARSE)] if halving else []
    stages, stage = [(), *coarse, tuple(steps)], 0
    for _ in range(rounds):
        cell, option = filled.hidden.options(current, stages[stage])
        value = objective(filled.beside(current, cell, option), best) if cell.size else np.empty(0)
        if not value.size or not value.max() > best + 1e-12 * max(1.0, abs(best)):
            if stages[stage] == stages[-1]:
                break
            stage += 1
            continue
        stage = stage if halving else 0
        helps = np.flatnonzero(value > best)
        helps = helps[np.argsort(value[helps], kind="stable")]  # a cell's best move comes last
        sizes = helps.size >> np.arange(helps.size.bit_length())  # all, the better half, ... one
        sizes = sizes if halving else sizes[[0, -1]]
        moved = np.repeat(current[None], sizes.size, axis=0)
        for filling, many in zip(moved, sizes, strict=True):
            filling[cell[helps[-many:]]] = option[helps[-many:]]
        values = objective(filled.at(moved), -np.inf)
        current, best = moved[values.argmax()], float(values.max())
    return current
