"""Councils under one management are one cluster: combine them before inference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pilot_eval.errors import InferenceError, explain
from pilot_eval.inference.inputs import check_changes


@dataclass(frozen=True, slots=True, kw_only=True)
class Clustered:
    """One value a cluster, in order of first appearance.

    Attributes
    ----------
    changes, cases, period_factor : array of shape (clusters,)
    treated : bool array of shape (clusters,)
    members : tuple of int tuples
        Positions of each cluster's councils in the input.
    """

    changes: np.ndarray
    treated: np.ndarray
    cases: np.ndarray
    period_factor: np.ndarray
    members: tuple[tuple[int, ...], ...]


def combine_clusters(
    changes: np.ndarray,
    treated: np.ndarray,
    cases: np.ndarray,
    clusters: object,
    *,
    period_factor: np.ndarray | None = None,
) -> Clustered:
    """Merge councils under one management into one, weighted by their cases.

    Parameters
    ----------
    changes : array of shape (n,)
    treated : bool array of shape (n,)
    cases : array of shape (n,)
        Added up within a cluster.
    clusters : array-like of shape (n,)
        Label of each council's management; None, NaN or "" where a council stands alone.
    period_factor : array of shape (n,), optional
        Averaged with the same weights.

    Returns
    -------
    Clustered

    Raises
    ------
    InferenceError
        If a cluster holds treated councils and comparators: it is neither.

    Examples
    --------
    >>> import numpy as np
    >>> merged = combine_clusters([1.0, 4.0, 2.0], [1, 1, 0], [100, 200, 50], ["a", "a", None])
    >>> merged.changes, merged.cases
    (array([3., 2.]), array([300.,  50.]))
    """
    data = check_changes(changes, treated, cases, period_factor, alpha=0.5)
    labels = list(clusters)
    if len(labels) != data.changes.size:
        got = f"{len(labels)} for {data.changes.size} changes"
        raise InferenceError(explain("clusters", "have one label a council", got, "Align them."))
    groups: dict[object, list[int]] = {}
    for position, label in enumerate(labels):
        alone = label is None or label == "" or label != label  # NaN differs from itself
        groups.setdefault(("alone", position) if alone else ("cluster", label), []).append(position)
    mixed = [key[1] for key, at in groups.items() if np.ptp(data.treated[at].astype(int))]
    if mixed:
        action = "Treat all of a cluster's councils, or leave its untreated ones out."
        raise InferenceError(
            explain("clusters", "be treated or not as a whole", ", ".join(map(str, mixed)), action)
        )
    members = list(groups.values())
    weights = [data.cases[at] for at in members]
    return Clustered(
        changes=np.array(
            [
                np.average(data.changes[at], weights=w)
                for at, w in zip(members, weights, strict=True)
            ]
        ),
        treated=np.array([data.treated[at[0]] for at in members]),
        cases=np.array([w.sum() for w in weights]),
        period_factor=np.array(
            [
                np.average(data.period_factor[at], weights=w)
                for at, w in zip(members, weights, strict=True)
            ]
        ),
        members=tuple(tuple(at) for at in members),
    )
