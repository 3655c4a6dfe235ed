"""Randomisation inference over staggered starts: whole adoption paths change hands.

An estimate that compares each cohort with the never treated is a sum of one number a council and
path, so that thousands of re-estimations are gathers and sums.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import factorial, prod

import numpy as np

from pilot_eval.errors import InferenceError, explain
from pilot_eval.inference.inputs import ROUNDING, check_alpha, check_index
from pilot_eval.inference.inversion import invert_test
from pilot_eval.inference.result import InferenceResult
from pilot_eval.inference.set_statistics import TIE

METHOD = "staggered_randomisation"
NEVER = np.inf
"""Start of a council that is never treated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PathContributions:
    """What each council adds to the estimate on each adoption path.

    Attributes
    ----------
    paths : array of shape (paths,)
        First treated period of each path; infinite for the never treated, last.
    outcome, exposure : array of shape (n, paths)
        Contributions computed on the outcome and on the actual treatment indicator: an effect tau
        in every treated period adds tau * exposure to outcome.
    """

    paths: np.ndarray
    outcome: np.ndarray
    exposure: np.ndarray


def path_contributions(panel: np.ndarray, starts: np.ndarray) -> PathContributions:
    """Split the average effect over treated council-periods into one number a council and path.

    The estimate is the group-time effect of Callaway and Sant'Anna against the never treated with
    reference one period before the start, averaged over all treated council-periods ("simple").

    Parameters
    ----------
    panel : array of shape (n, periods)
        Outcomes, without gaps.
    starts : array of shape (n,)
        First treated period as a column number from 1; NaN or infinite when never treated.

    Returns
    -------
    PathContributions

    Raises
    ------
    InferenceError
        If the panel has gaps, a start has no period before it, or nobody is never treated.

    References
    ----------
    Callaway and Sant'Anna (2021), Journal of Econometrics 225(2).
    """
    check_index({"panel": panel})
    panel, starts = _check_panel(panel, starts)
    paths, counts = np.unique(starts, return_counts=True)
    treated = (np.arange(panel.shape[1]) >= starts[:, None]).astype(float)
    return PathContributions(
        paths=paths,
        outcome=_contributions(panel, paths, counts),
        exposure=_contributions(treated, paths, counts),
    )


def _contributions(panel: np.ndarray, paths: np.ndarray, counts: np.ndarray) -> np.ndarray:
    periods = panel.shape[1]
    cells = sum(k * (periods - int(g)) for g, k in zip(paths[:-1], counts[:-1], strict=True))
    changes = [
        panel[:, int(g) :].sum(1) - (periods - int(g)) * panel[:, int(g) - 1] for g in paths[:-1]
    ]
    against = -sum(k * change for k, change in zip(counts[:-1], changes, strict=True)) / counts[-1]
    return np.column_stack([*changes, against]) / cells


def staggered_test(
    panel: np.ndarray | None,
    starts: np.ndarray,
    *,
    statistic: Callable[[np.ndarray], float] | None = None,
    contributions: np.ndarray | None = None,
    studentised: bool = True,
    draws: int = 9999,
    strata: np.ndarray | None = None,
    seed: int | np.random.Generator,
    alpha: float = 0.05,
) -> InferenceResult:
    """Test a staggered adoption by handing the adoption paths to other councils.

    Parameters
    ----------
    panel : array of shape (n, periods), optional
        Outcomes without gaps: the estimate is that of `path_contributions`, with an interval.
    starts : array of shape (n,)
        First treated period as a column number from 1; NaN or infinite when never treated.
    statistic : callable, optional
        Any other estimate, from an array of starts (never treated infinite) to a number.
    contributions : array of shape (n, paths), optional
        Any other estimate that is a sum of precomputed numbers, one a council and path; columns
        in order of start, the never treated last. Give one of the three.
    studentised : bool
        Divide sums by their standard error from the spread within paths (each path that is used
        needs two councils). Without effect for `statistic`.
    draws : int
        Random assignments of paths; all are listed instead when there are at most this many.
    strata : array of shape (n,), optional
        Paths change hands within strata only.
    seed : int or numpy Generator
    alpha : float

    Returns
    -------
    InferenceResult
        The interval exists with `panel` only. Diagnostics: statistic, assignments, complete,
        smallest_p.

    Raises
    ------
    InferenceError
        If none or several estimates are given, or the input is not usable.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> starts = np.where(np.arange(30) < 4, 6.0, np.where(np.arange(30) < 8, 9.0, np.inf))
    >>> result = staggered_test(rng.normal(size=(30, 12)), starts, draws=199, seed=1)
    >>> 0 < result.p_value <= 1
    True
    """
    check_alpha(alpha)
    if sum(given is not None for given in (panel, statistic, contributions)) != 1:
        action = "Give a panel, a statistic or contributions."
        raise InferenceError(explain("estimate", "be given in one way", "none or several", action))
    starts = _starts(starts)
    codes = np.unique(starts, return_inverse=True)[1]
    reason = _why_not(starts, studentised and statistic is None) or _why_flat(panel, starts)
    counts = {
        "n_treated": int(np.isfinite(starts).sum()),
        "n_comparators": int(np.isinf(starts).sum()),
        "alpha": alpha,
    }
    if reason:
        return InferenceResult(method=METHOD, reason=reason, **counts)
    orders, complete = draw_paths(codes, draws=draws, strata=strata, seed=seed)
    if statistic is not None:
        values = np.array([statistic(np.unique(starts)[row]) for row in (codes, *orders)])
        found = {"estimate": float(values[0]), "statistic": float(values[0])}
        found["p_value"] = float(_p_value(values[None, 1:], values[:1], complete)[0])
    else:
        found = _by_contributions(
            panel, starts, contributions, codes, orders, complete, studentised, alpha
        )
    diagnostics = {
        "statistic": found.pop("statistic"),
        "assignments": float(len(orders)),
        "complete": float(complete),
        "smallest_p": 1 / (len(orders) + (not complete)),
    }
    note = "" if panel is not None else "no interval: it needs the panel"
    return InferenceResult(method=METHOD, reason=note, diagnostics=diagnostics, **found, **counts)


def _why_flat(panel: object, starts: np.ndarray) -> str:
    """Say so where comparators all move alike, or return an empty string."""
    if panel is None:
        return ""
    check_index({"panel": panel})
    values = np.asarray(panel, dtype=float)
    if values.ndim != 2 or len(values) != len(starts) or not np.isfinite(values).all():
        return ""  # refused by `path_contributions`, which says how
    moves = np.diff(values[np.isinf(starts)], axis=1)
    scale = max(1.0, float(np.abs(values).max()))
    flat = np.ptp(moves, axis=0).max(initial=0) <= ROUNDING * scale
    return (
        "not estimable: the comparators all change alike, so nothing says how sure" if flat else ""
    )


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
    rows = [codes.copy()]
    for group in groups:
        arrangements = _arrange(codes[group].tolist())
        rows = [_put(row, group, new) for row in rows for new in arrangements]
    return np.array(rows)


def _put(row: np.ndarray, group: np.ndarray, new: list[int]) -> np.ndarray:
    changed = row.copy()
    changed[group] = new
    return changed


def _arrange(items: list[int]) -> list[list[int]]:
    """List the distinct orders of a list with repeats."""
    if len(items) < 2:
        return [items]
    found = []
    for first in sorted(set(items)):
        rest = items.copy()
        rest.remove(first)
        found += [[first, *order] for order in _arrange(rest)]
    return found


def _by_contributions(panel, starts, contributions, codes, orders, complete, studentised, alpha):
    """Answer for an estimate that is a sum over councils."""
    if panel is not None:
        parts = path_contributions(panel, starts)
        outcome, exposure = parts.outcome, parts.exposure
    else:
        outcome = _check_contributions(contributions, codes)
        exposure = np.zeros_like(outcome)
    null = _PathSums.of(outcome, exposure, orders)
    actual = _PathSums.of(outcome, exposure, codes[None])

    def p_value(tau: np.ndarray) -> np.ndarray:
        drawn = null.statistics(tau[0], studentised)
        return _p_value(drawn[None], actual.statistics(tau[0], studentised), complete)

    found = {
        "estimate": float(actual.statistics(0.0, False)[0]),
        "statistic": float(actual.statistics(0.0, studentised)[0]),
        "p_value": float(p_value(np.zeros(1))[0]),
    }
    if panel is not None:
        scale = null.statistics(0.0, False).std(keepdims=True)
        low, high = invert_test(p_value, np.array([found["estimate"]]), scale, alpha)
        found |= {"conf_low": float(low[0]), "conf_high": float(high[0])}
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _PathSums:
    """Sums within paths from which the statistic of outcome - tau * exposure follows.

    Arrays of shape (paths, assignments): sums of both and of their squares and products, each
    centred part scaled by count / (count - 1).
    """

    outcome: np.ndarray
    exposure: np.ndarray
    outcome_spread: np.ndarray
    cross_spread: np.ndarray
    exposure_spread: np.ndarray

    @classmethod
    def of(cls, outcome: np.ndarray, exposure: np.ndarray, orders: np.ndarray) -> _PathSums:
        parts = []
        for path in range(outcome.shape[1]):
            members = np.nonzero(orders == path)[1].reshape(len(orders), -1)
            y, x = outcome[members, path], exposure[members, path]
            yc, xc = y - y.mean(1, keepdims=True), x - x.mean(1, keepdims=True)
            scale = members.shape[1] / max(members.shape[1] - 1, 1)
            spreads = [scale * (u * v).sum(1) for u, v in ((yc, yc), (yc, xc), (xc, xc))]
            parts.append([y.sum(1), x.sum(1), *spreads])
        return cls(**dict(zip(cls.__slots__, np.array(parts).transpose(1, 0, 2), strict=True)))

    def statistics(self, tau: float, studentised: bool) -> np.ndarray:
        """Compute the statistic of every assignment, shape (assignments,)."""
        total = (self.outcome - tau * self.exposure).sum(0)
        if not studentised:
            return total
        spread = self.outcome_spread - 2 * tau * self.cross_spread + tau**2 * self.exposure_spread
        spread = np.maximum(spread, 0.0).sum(0)
        return np.where(spread > 0, total / np.sqrt(np.where(spread > 0, spread, 1.0)), 0.0)


def _p_value(null: np.ndarray, actual: np.ndarray, complete: bool) -> np.ndarray:
    reached = (np.abs(null) >= np.abs(actual)[:, None] * (1 - TIE)).sum(1)
    draws = null.shape[1]
    return reached / draws if complete else (1 + reached) / (1 + draws)


def _starts(starts: object) -> np.ndarray:
    vector = np.array(starts, dtype=float)
    return np.where(np.isnan(vector), NEVER, vector)


def _check_panel(panel: object, starts: object) -> tuple[np.ndarray, np.ndarray]:
    values, first = np.asarray(panel, dtype=float), _starts(starts)
    if values.ndim != 2 or first.shape != values.shape[:1]:
        got = f"shapes {values.shape} and {first.shape}"
        raise InferenceError(explain("panel", "have one row a start", got, "Align them."))
    if not np.isfinite(values).all():
        action = "Leave councils with gaps out, and record why."
        raise InferenceError(explain("panel", "have no gaps", "missing or infinite", action))
    finite = first[np.isfinite(first)]
    if ((finite < 1) | (finite >= values.shape[1]) | (finite % 1 != 0)).any():
        got = "a start without a period before or after it"
        action = "Number columns from 0; the first possible start is column 1."
        raise InferenceError(explain("starts", "be column numbers from 1", got, action))
    if not np.isinf(first).any():
        action = "The comparison needs councils that are never treated."
        raise InferenceError(explain("starts", "leave comparators", "none", action))
    return values, first


def _check_contributions(contributions: object, codes: np.ndarray) -> np.ndarray:
    values = np.asarray(contributions, dtype=float)
    wanted = (codes.size, int(codes.max()) + 1)
    if values.shape != wanted or not np.isfinite(values).all():
        got = f"shape {values.shape}"
        rule = f"be {wanted[0]} councils x {wanted[1]} paths, all finite"
        raise InferenceError(explain("contributions", rule, got, "One column a start, in order."))
    return values


def _why_not(starts: np.ndarray, studentised: bool) -> str:
    if not np.isinf(starts).any():
        return "not estimable: no council is never treated"
    if not np.isfinite(starts).any():
        return "not estimable: no council is treated"
    smallest = int(np.unique_counts(starts).counts.min())
    if studentised and smallest < 2:
        return "not estimable: a path of one council has no spread; use studentised=False"
    return ""
