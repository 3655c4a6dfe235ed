"""Changes as a function of the hidden counts.

Changes are linear in the hidden counts, so many fillings cost one matrix product.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from pilot_eval.design.build import Design
from pilot_eval.design.hidden import HiddenCounts
from pilot_eval.estimation.did import (
    PathChanges,
    Units,
    collapse_changes,
    collapse_levels,
    combine_clusters,
)
from pilot_eval.estimation.path_changes import collapse_paths
from pilot_eval.plan import EvaluationPlan
from pilot_eval.plan_clusters import find_clusters

NOISE = 1e-9
"""A count that moves an estimate by a smaller share of what it moves its council does not move it:
the rest is rounding, and has another sign on another processor."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FilledUnits:
    """Changes and pre-trial levels of every unit, whatever the hidden counts are.

    Attributes
    ----------
    hidden : HiddenCounts
        Of the councils compared.
    base : Units
        With every hidden count at its lowest.
    change_slope, level_slope : ndarray, shape (h, n)
        What one child more in each hidden count adds.
    path_slope : ndarray, shape (h, n, paths + 1), optional
        The same of `base.paths.changes`.
    """

    hidden: HiddenCounts
    base: Units
    change_slope: np.ndarray
    level_slope: np.ndarray
    path_slope: np.ndarray | None = None

    def at(self, counts: np.ndarray) -> Units:
        """Give the units at one filling, shape (h,), or at many, shape (fillings, h)."""
        step = np.asarray(counts) - self.hidden.low
        return replace(
            self.base,
            change=self.base.change + step @ self.change_slope,
            level=self.base.known_level() + step @ self.level_slope,
            paths=self._paths_at(step),
        )

    def beside(self, counts: np.ndarray, cell: np.ndarray, option: np.ndarray) -> Units:
        """Give changes and levels at fillings that differ from one in a single cell each.

        Parameters
        ----------
        counts : ndarray of int, shape (h,)
        cell, option : ndarray of int, shape (fillings,)
            Which cell is another, and what it is instead.
        """
        near, step = self.at(counts), (option - counts[cell])[:, None]
        paths, slope = near.paths, self.path_slope
        if paths is not None and slope is not None:
            paths = replace(paths, changes=paths.changes + step[:, :, None] * slope[cell])
        return replace(
            near,
            change=near.change + step * self.change_slope[cell],
            level=near.known_level() + step * self.level_slope[cell],
            paths=paths,
        )

    def _paths_at(self, step: np.ndarray) -> PathChanges | None:
        paths, slope = self.base.paths, self.path_slope
        if paths is None or slope is None:
            return None
        return replace(paths, changes=paths.changes + np.tensordot(step, slope, axes=1))

    def combine(self, labels: list[str]) -> FilledUnits:
        """Combine councils under one management, as `combine_clusters` does."""
        base = combine_clusters(self.base, labels)
        if base is self.base:
            return self
        paths, slope = self.base.paths, self.path_slope
        if paths is not None and slope is not None:
            paths = replace(paths, changes=slope)
        slopes = replace(self.base, change=self.change_slope, level=self.level_slope, paths=paths)
        slopes = combine_clusters(slopes, labels)
        return replace(
            self,
            base=base,
            change_slope=slopes.change,
            level_slope=slopes.known_level(),
            path_slope=None if slopes.paths is None else slopes.paths.changes,
        )

    def with_change(self, values: np.ndarray) -> FilledUnits:
        """Put other values in the place of changes: at the lowest counts, then a child more each.

        Parameters
        ----------
        values : ndarray, shape (1 + h, n)
        """
        base = replace(self.base, change=values[0], paths=None)
        return replace(self, base=base, change_slope=values[1:] - values[0])

    def corners(self) -> tuple[np.ndarray, np.ndarray]:
        """Find the fillings with the lowest and the highest estimate, each of shape (h,).

        Counts that do not move the estimate are at their lowest in one and their highest in the
        other, since they move its uncertainty.
        """
        pull = self._pull(np.ones(len(self.base.treated)))
        return self.hidden.corner(-pull), self.hidden.corner(np.where(pull == 0, 1.0, pull))

    def corner(self, pull: np.ndarray) -> np.ndarray:
        """Find the filling at which an estimate is largest, shape (h,).

        Parameters
        ----------
        pull : ndarray, shape (h,)
            What one child more in each hidden count adds to the estimate.
        """
        return self.hidden.corner(self._without_noise(pull))

    def _without_noise(self, pull: np.ndarray) -> np.ndarray:
        noise = NOISE * np.abs(self.change_slope).sum(axis=1)
        return np.where(np.abs(pull) > noise, pull, 0.0)

    def ends(self, weights: np.ndarray | None = None) -> tuple[float, float]:
        """Find the lowest and the highest effect that the hidden counts allow.

        Parameters
        ----------
        weights : ndarray, shape (n,), optional
            Weights of the units in their group's mean; 0 leaves a unit out. Equal by default.
        """
        every = np.ones(len(self.base.treated)) if weights is None else np.asarray(weights, float)
        span = (self.hidden.high - self.hidden.low) * self._pull(every)
        lowest = float(self.base.change @ self._contrast(every))
        return lowest + float(np.minimum(span, 0).sum()), lowest + float(np.maximum(span, 0).sum())

    def _pull(self, weights: np.ndarray) -> np.ndarray:
        return self._without_noise(self.change_slope @ self._contrast(weights))

    def _contrast(self, weights: np.ndarray) -> np.ndarray:
        treated = self.base.treated
        total = np.where(treated, weights[treated].sum(), -weights[~treated].sum())
        return np.asarray(weights / total)


@lru_cache(maxsize=8)
def collapse_fillings(design: Design) -> FilledUnits:
    """Collapse a design to one change for each council, as a function of its hidden counts.

    Parameters
    ----------
    design : Design

    Returns
    -------
    FilledUnits
        In the order of `design.codes`.
    """
    cases = design.cases.reindex(list(design.codes)).to_numpy(float)
    if design.earlier is not None:
        earlier = design.earlier.reindex(list(design.codes)).to_numpy(float)
        units = collapse_levels(lay_out(design), design.is_treated, earlier, cases)
    elif design.is_staggered:
        units = collapse_paths(lay_out(design), *design.lay_out_paths(), cases)
    else:
        units = collapse_changes(lay_out(design), design.is_treated, len(design.pre), cases)
    level, paths = units.known_level(), units.paths
    lowest = None if paths is None else replace(paths, changes=paths.changes[0])
    return FilledUnits(
        hidden=design.own_hidden,
        base=replace(units, change=units.change[0], level=level[0], paths=lowest),
        change_slope=units.change[1:] - units.change[0],
        level_slope=level[1:] - level[0],
        path_slope=None if paths is None else paths.changes[1:] - paths.changes[0],
    )


def lay_out(design: Design) -> np.ndarray:
    """Lay figures out with hidden counts at their lowest, then with one child more in each.

    Parameters
    ----------
    design : Design

    Returns
    -------
    ndarray, shape (1 + h, n, periods)
        Councils in the order of `design.codes`.
    """
    hidden, codes = design.own_hidden, list(design.codes)
    lowest = hidden.fill(design.figures, hidden.low).reindex(codes).to_numpy(float)
    place = {code: position for position, code in enumerate(codes)}
    years = {year: position for position, year in enumerate((*design.pre, *design.post))}
    values = np.repeat(lowest[None], len(hidden) + 1, axis=0)
    rows = [place[council] for council, _ in hidden.cells]
    columns = [years[period] for _, period in hidden.cells]
    values[np.arange(1, len(hidden) + 1), rows, columns] += hidden.unit_value
    return values


def name_units(plan: EvaluationPlan, design: Design) -> list[str]:
    """Name the unit of each council of `design.codes`: its cluster, or itself."""
    requirement = plan.outcomes[design.outcome].requirement
    cluster_of = find_clusters(plan.clusters, requirement, design.post)
    names = plan.names
    return [cluster_of.get(names[code], code) for code in design.codes]
