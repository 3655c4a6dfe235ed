"""Difference-in-differences on collapsed changes, and the same number by regression.

Every council's series is collapsed to one change, mean after minus mean before; everything later
(estimates, tests, placebos) works on those changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from pilot_eval.doors import Flags, Numbers, Whole, takes
from pilot_eval.errors import DesignError, explain
from pilot_eval.estimation import two_way
from pilot_eval.estimation.covariates import UnitFacts

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class PathChanges:
    """What every unit's change would be on each path of treatment, where paths differ.

    Attributes
    ----------
    changes : ndarray, shape (n, paths + 1) or (fillings, n, paths + 1)
        Mean while treated minus mean of the reference periods of each path; in the last column the
        average over paths, weighted by the number of treated units on each: a comparator's change.
    factor : ndarray, shape (n, paths + 1)
        Variance of each change relative to a comparator with every period.
    exposure : ndarray, shape (n, paths + 1)
        The same changes of the actual treatment indicator.
    of : ndarray of int, shape (n,)
        Path of each unit; `paths` for comparators.
    """

    changes: np.ndarray
    factor: np.ndarray
    exposure: np.ndarray
    of: np.ndarray


@dataclass(frozen=True, slots=True, kw_only=True)
class Units:
    """One change for each council, or for each cluster of councils under one management.

    Attributes
    ----------
    change : ndarray, shape (n,) or (fillings, n)
        Mean after minus mean before, net of the comparators' period effects.
    treated : ndarray of bool, shape (n,)
    cases : ndarray, shape (n,)
        Size behind the outcome.
    period_factor : ndarray, shape (n,)
        Variance of the change relative to a council with every period, for independent periods.
    level : ndarray, shape of `change`
        Mean before, net of the comparators' period effects.
    facts : UnitFacts, optional
        What is known of the councils; without it nothing can be adjusted or stratified.
    paths : PathChanges, optional
        Where treated units start or stop in different periods; `change` is then each one's own.
    """

    change: np.ndarray
    treated: np.ndarray
    cases: np.ndarray
    period_factor: np.ndarray
    level: np.ndarray | None = None
    facts: UnitFacts | None = None
    paths: PathChanges | None = None

    def known_facts(self) -> UnitFacts:
        """Return what is known of the councils; refused where nothing is."""
        return _require("facts", self.facts)

    def known_paths(self) -> PathChanges:
        """Return the changes on every path; refused where councils have one start."""
        return _require("paths", self.paths)

    def known_level(self) -> np.ndarray:
        """Return the level before the start; refused where it was not kept."""
        return _require("level", self.level)


def _require(name: str, value: T | None) -> T:
    if value is None:
        raise DesignError(explain(name, "be known", "nothing", "Collapse a design with them."))
    return value


@takes(
    DesignError,
    values=Numbers(missing=True, ndim=(2, 3)),
    treated=Flags(),
    n_pre=Whole(),
    cases=Numbers(least=0, ndim=(1,)),
)
def collapse_changes(
    values: np.ndarray, treated: np.ndarray, n_pre: int, cases: np.ndarray | None = None
) -> Units:
    """Collapse a council x period matrix to one change for each council.

    With gaps, councils are seen in different periods; period effects are therefore removed first,
    by least squares with council and period effects on the comparators alone. With none missing
    this is exactly the plain change minus a constant, so that estimates are the textbook ones.

    Parameters
    ----------
    values : ndarray, shape (n, n_pre + n_post) or (fillings, n, n_pre + n_post)
        NaN where missing, in every filling alike; every council has a value before and after.
    treated : ndarray of bool, shape (n,)
    n_pre : int
        Number of leading columns before the start.
    cases : ndarray, shape (n,), optional
        Size behind each council's outcome; equal by default.

    Returns
    -------
    Units

    Raises
    ------
    DesignError
        If a value is infinite, a council is named twice or lacks a value on one side, or there is
        no comparator.

    References
    ----------
    Borusyak, Jaravel and Spiess (2024), Review of Economic Studies 91(6), equation 6: period
    effects from untreated observations.

    Examples
    --------
    >>> collapse_changes(np.array([[1., 4.], [2., 3.]]), np.array([True, False]), 1).change
    array([2., 0.])
    """
    _check_matrix(values, treated, n_pre)
    net, seen = remove_period_effects(values, treated)
    counts = np.stack([seen[:, :n_pre].sum(axis=1), seen[:, n_pre:].sum(axis=1)])
    before, after = net[..., :n_pre].sum(-1) / counts[0], net[..., n_pre:].sum(-1) / counts[1]
    full = 1 / n_pre + 1 / (values.shape[-1] - n_pre)
    return Units(
        change=after - before,
        treated=treated,
        cases=np.ones(len(treated)) if cases is None else cases,
        period_factor=(1 / counts).sum(axis=0) / full,
        level=before,
    )


def collapse_levels(
    values: np.ndarray, treated: np.ndarray, earlier: np.ndarray, cases: np.ndarray
) -> Units:
    """Collapse a matrix without periods before the start to one level for each council.

    Parameters
    ----------
    values : ndarray, shape (n, periods) or (fillings, n, periods)
        As of `collapse_changes`; all periods are after the start.
    treated : ndarray of bool, shape (n,)
    earlier : ndarray, shape (n, earlier periods)
        Another outcome before the start; every council has a value.
    cases : ndarray, shape (n,)

    Returns
    -------
    Units
        `change` is the mean level, net of the comparators' period effects: a difference of its
        means is one of levels, not of changes. `level` is that of the earlier outcome.

    Examples
    --------
    >>> values, earlier = np.array([[70.0, 80.0], [90.0, 90.0]]), np.array([[60.0], [80.0]])
    >>> units = collapse_levels(values, np.array([True, False]), earlier, np.ones(2))
    >>> units.change.tolist(), units.level.tolist()
    ([75.0, 90.0], [60.0, 80.0])
    """
    (after, counts), (before, _) = (_mean_net(part, treated) for part in (values, earlier))
    return Units(
        change=after,
        treated=treated,
        cases=cases,
        period_factor=values.shape[-1] / counts,
        level=np.broadcast_to(before, after.shape),
    )


def _mean_net(values: np.ndarray, treated: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Average what is left without period effects; also give of how many periods."""
    net, seen = remove_period_effects(values, treated)
    counts = seen.sum(axis=1)
    return net.sum(axis=-1) / counts, counts


def remove_period_effects(values: np.ndarray, treated: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Take the comparators' period effects off; 0 where missing, and where values are seen."""
    seen = ~np.isnan(values.reshape(-1, *values.shape[-2:])[0])
    net = np.where(seen, values, 0.0)
    effects = two_way.solve_period_effects(net, seen & ~treated[:, None])[..., None, :]
    return np.where(seen, net - effects, 0.0), seen


def _check_matrix(matrix: np.ndarray, treated: np.ndarray, n_pre: int) -> None:
    values = matrix
    if (values.ndim == 3 and values.shape[1] != len(treated)) or not n_pre < values.shape[-1]:
        got = f"shape {values.shape}, {len(treated)} flags, n_pre {n_pre}"
        rule = "have a row for each flag and a column after the start"
        raise DesignError(explain("values", rule, got, "Align them."))
    seen = ~np.isnan(values)
    sides = seen[..., :n_pre].any(axis=-1) & seen[..., n_pre:].any(axis=-1)
    alike = values.ndim == 2 or bool((seen == seen[0]).all())
    checks = [
        ("values", "be missing in every filling alike", "different gaps", alike),
        ("values", "hold a value before and after in every row", "a gap", bool(sides.all())),
        ("treated", "leave a comparator", "none", not treated.all()),
    ]
    for name, rule, got, fine in checks:
        if not fine:
            raise DesignError(explain(name, rule, got, "Leave such councils out, and say so."))


def combine_clusters(units: Units, clusters: Sequence[str]) -> Units:
    """Combine councils under one management into one unit each.

    Parameters
    ----------
    units : Units
    clusters : sequence of str, length n
        Cluster of each council; a council of its own has its own label.

    Returns
    -------
    Units
        In order of first appearance: the mean change and period factor and the sum of cases.

    Raises
    ------
    DesignError
        If a cluster holds treated councils and comparators.
    """
    labels, first, member = np.unique(np.asarray(clusters), return_index=True, return_inverse=True)
    if len(labels) == len(units.treated):
        return units
    size = np.bincount(member)
    treated_share = np.bincount(member, units.treated) / size
    mixed = labels[(treated_share > 0) & (treated_share < 1)]
    if len(mixed):
        raise DesignError(
            explain(
                "clusters",
                "hold treated councils or comparators, not both",
                ", ".join(mixed),
                "Split the cluster, or exclude its untreated members as comparators.",
            )
        )
    order = np.argsort(first)
    share = (member[:, None] == order) / size[order]
    return Units(
        change=units.change @ share,
        treated=(treated_share == 1)[order],
        cases=np.bincount(member, units.cases)[order],
        period_factor=(np.bincount(member, units.period_factor) / size)[order],
        level=None if units.level is None else units.level @ share,
        paths=units.paths and _combine_paths(units.paths, share),
        facts=units.facts and units.facts.combine(labels[order], first[order], share),
    )


def _combine_paths(paths: PathChanges, share: np.ndarray) -> PathChanges:
    """Average members' changes; a cluster whose members differ is on the average of their paths."""
    last = paths.changes.shape[-1] - 1
    membership = share.T @ (paths.of[:, None] == np.arange(last + 1))
    treated = membership[:, last] == 0
    routes, of = np.unique(membership[treated], axis=0, return_inverse=True)
    routes = np.vstack([routes, np.eye(last + 1)[last]])
    every = np.full(len(treated), len(routes) - 1)
    every[treated] = of.ravel()
    rows, members = np.arange(len(every)), np.arange(len(paths.of))
    found = {}
    for name in ("changes", "factor", "exposure"):
        values = getattr(paths, name)
        found[name] = np.einsum("...nk,nu,rk->...ur", values, share, routes)
        found[name][..., rows, every] = values[..., members, paths.of] @ share
    return PathChanges(of=every, **found)


@takes(
    DesignError,
    change=Numbers(ndim=(1,)),
    treated=Flags(),
    weights=Numbers(least=0, ndim=(1,)),
)
def estimate_att(
    change: np.ndarray, treated: np.ndarray, weights: np.ndarray | None = None
) -> float:
    """Estimate the average effect on the treated.

    Parameters
    ----------
    change : ndarray, shape (n,)
    treated : ndarray of bool, shape (n,)
    weights : ndarray, shape (n,), optional
        Children behind each council; equal by default, a council being the unit.

    Returns
    -------
    float
        Mean change of the treated minus that of the comparators.

    Raises
    ------
    DesignError
        If a change is not finite, a council is named twice, or one side is empty.
    """
    if treated.all() or not treated.any():
        action = "Name treated councils and comparators."
        raise DesignError(explain("treated", "name both sides", f"{int(treated.sum())}", action))
    weights = np.ones(len(change)) if weights is None else weights
    if not (weights[treated].any() and weights[~treated].any()):
        action = "Give every side weight."
        raise DesignError(explain("weights", "not be 0 for a whole side", "0", action))
    return float(
        np.average(change[treated], weights=weights[treated])
        - np.average(change[~treated], weights=weights[~treated])
    )


@takes(DesignError, values=Numbers(missing=True, ndim=(2,)), treated=Flags(), n_pre=Whole())
def estimate_twfe(values: np.ndarray, treated: np.ndarray, n_pre: int) -> float:
    """Estimate the two-way fixed effects coefficient of one start.

    On a balanced panel it equals `estimate_att` of the collapsed changes.

    Parameters
    ----------
    values : ndarray, shape (n, n_pre + n_post)
        Council x period; NaN = missing.
    treated : ndarray of bool, shape (n,)
    n_pre : int

    Returns
    -------
    float
        NaN where treatment does not vary within councils and periods that are seen.

    Raises
    ------
    DesignError
        If a council is named twice, or one side is empty.

    References
    ----------
    Angrist and Pischke (2009), Mostly Harmless Econometrics, section 5.2.
    """
    if treated.all() or not treated.any() or not n_pre < values.shape[1]:
        action = "Name treated councils and comparators, and periods on both sides."
        raise DesignError(explain("treated", "name both sides", f"{int(treated.sum())}", action))
    exposed = treated[:, None] & (np.arange(values.shape[1]) >= n_pre)
    return two_way.estimate_twfe(values, exposed.astype(float))
