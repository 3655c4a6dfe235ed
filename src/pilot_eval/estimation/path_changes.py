"""Changes of councils that start or stop at different times: one for each on its own path."""

from __future__ import annotations

import numpy as np

from pilot_eval.estimation.did import PathChanges, Units, remove_period_effects


def collapse_paths(
    values: np.ndarray,
    of: np.ndarray,
    exposed: np.ndarray,
    reference: np.ndarray,
    cases: np.ndarray,
) -> Units:
    """Collapse a council x period matrix to one change for each council on its own path.

    A path is the set of periods in which a council was treated and the set with which they are
    compared: those before it started, or for a council that was treated from the first period,
    those after it stopped. A comparator's change is the average of its changes on all paths,
    weighted by the number of treated councils on each. Where some paths start and others stop, they
    are averaged in one direction of time: otherwise a start and a stop would cancel out, and
    comparators would seem not to vary.

    Parameters
    ----------
    values : ndarray, shape (n, periods) or (fillings, n, periods)
        NaN where missing, in every filling alike. Treated councils have a value on both sides of
        their own path, comparators on both sides of every path.
    of : ndarray of int, shape (n,)
        Path of each council; the number of paths for comparators.
    exposed, reference : ndarray of bool, shape (paths, periods)
    cases : ndarray, shape (n,)

    Returns
    -------
    Units
        With `paths`. A treated council without a value on one side of another path has there the
        change of its own.

    References
    ----------
    Callaway and Sant'Anna (2021), Journal of Econometrics 225(2), for effects by start; the
    reference here is the mean of all untreated periods before the start, as in Borusyak, Jaravel
    and Spiess (2024), Review of Economic Studies 91(6).

    Examples
    --------
    >>> values = np.array([[1.0, 4.0, 4.0], [0.0, 0.0, 3.0], [1.0, 1.0, 1.0], [2.0, 2.0, 2.0]])
    >>> exposed = np.array([[False, True, True], [False, False, True]])
    >>> of = np.array([0, 1, 2, 2])
    >>> collapse_paths(values, of, exposed, ~exposed, np.ones(4)).change.tolist()
    [3.0, 3.0, 0.0, 0.0]
    """
    values, of = np.asarray(values, dtype=float), np.asarray(of)
    treated = of < len(exposed)
    net, seen = remove_period_effects(values, treated)
    stops = reference.argmax(axis=1) > exposed.argmax(axis=1)
    mix = np.bincount(of[treated], minlength=len(exposed)) / treated.sum()
    mix = np.where(stops == stops[0], mix, -mix)
    weights = _path_weights(seen, exposed, reference, mix)
    bare = np.isnan(weights).any(axis=2)
    own = np.take_along_axis(weights, of[:, None, None], axis=1)
    weights = np.where(bare[:, :, None], own, weights)
    every = np.ones((1, seen.shape[1]), dtype=bool)
    full = (_path_weights(every, exposed, reference, mix)[0, -1] ** 2).sum()
    status = (exposed[np.minimum(of, len(exposed) - 1)] & treated[:, None]).astype(float)
    paths = PathChanges(
        changes=np.einsum("...nt,nkt->...nk", net, weights),
        factor=(weights**2).sum(axis=2) / full,
        exposure=np.einsum("nt,nkt->nk", status, weights),
        of=of,
    )
    before = np.minimum(np.take_along_axis(weights, of[:, None, None], axis=1)[:, 0], 0)
    rows = np.arange(len(of))
    return Units(
        change=paths.changes[..., rows, of],
        treated=treated,
        cases=cases,
        period_factor=paths.factor[rows, of],
        level=np.einsum("...nt,nt->...n", net, before / before.sum(axis=1, keepdims=True)),
        paths=paths,
    )


def _path_weights(
    seen: np.ndarray, exposed: np.ndarray, reference: np.ndarray, mix: np.ndarray
) -> np.ndarray:
    """Weigh periods for each council and path, the average path last; NaN without a side."""
    sides = [seen[:, None, :] & side for side in (exposed, reference)]
    with np.errstate(invalid="ignore"):
        parts = [side / side.sum(axis=2, keepdims=True) for side in sides]
    single = parts[0] - parts[1]
    return np.concatenate([single, np.einsum("k,nkt->nt", mix, single)[:, None]], axis=1)
