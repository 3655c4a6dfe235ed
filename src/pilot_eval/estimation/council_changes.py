"""One change a council: what inference works on, and how many cases stand behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pilot_eval.errors import DesignError, explain
from pilot_eval.records.survival_curves import Floats

BORROWED_CASES = 20  # weight of all councils' spread in a cell's own: about a month's cases


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CouncilChanges:
    """One change a council: what inference works on.

    Attributes
    ----------
    councils : tuple of str
        Councils with a value in every window.
    change : ndarray, shape (n,) or (n, K)
        Mean of the windows after minus mean of those before; K columns where K figures were asked.
    level : ndarray, shape (n, n_pre + n_post) or (n, n_pre + n_post, K)
        The cells behind it.
    n_pre : int
        Windows before the start.
    size : ndarray, shape (n, n_pre + n_post)
        Cases in each cell.
    spread : ndarray, shape (n, n_pre + n_post)
        Variance between the cases of a cell; NaN where the figure has none (a quantile, a curve).
    dropped : mapping of str to str
        Council -> why it has no change.
    """

    councils: tuple[str, ...]
    change: Floats
    level: Floats
    n_pre: int
    size: Floats
    spread: Floats
    dropped: dict[str, str]

    @property
    def cases(self) -> Floats:
        """Harmonic mean over windows of the cases in a cell, shape (n,)."""
        result: Floats = self.size.shape[1] / (1 / self.size).sum(axis=1)
        return result


def collapse_levels(
    level: Floats,
    size: Floats,
    councils: Sequence[str],
    n_pre: int,
    reason: str,
    spread: Floats | None = None,
) -> CouncilChanges:
    """Collapse levels to changes; councils with a gap are dropped, with the reason.

    Parameters
    ----------
    level : ndarray, shape (C, P) or (C, P, K)
    size : ndarray, shape (C, P)
        Cases behind each level.
    councils : sequence of str
    n_pre : int
        Windows before the start.
    reason : str
        Why a level with cases may be missing.
    spread : ndarray, shape (C, P), optional
        Variance between the cases of a cell, where the level is a mean.

    Returns
    -------
    CouncilChanges

    Examples
    --------
    >>> level = np.array([[4.0, 6.0], [5.0, np.nan]])
    >>> collapse_levels(level, np.full((2, 2), 9.0), ["a", "b"], 1, "a gap").change
    array([2.])
    """
    flat = level.reshape(*size.shape, -1)
    empty, missing = (size == 0).any(axis=1), np.isnan(flat).any(axis=(1, 2))
    keep = ~(empty | missing)
    dropped = {
        code: "no case in a window" if nobody else reason
        for code, nobody, kept in zip(councils, empty, keep, strict=True)
        if not kept
    }
    between = np.full(size.shape, np.nan) if spread is None else spread
    return CouncilChanges(
        councils=tuple(code for code, kept in zip(councils, keep, strict=True) if kept),
        change=level[keep][:, n_pre:].mean(axis=1) - level[keep][:, :n_pre].mean(axis=1),
        level=level[keep],
        n_pre=n_pre,
        size=size[keep],
        spread=between[keep],
        dropped=dropped,
    )


def effective_cases(changes: CouncilChanges) -> Floats:
    """Count cases as if every council's cases were as spread out as the average council's.

    A trial that makes delay longer also makes it more uneven: a treated council is then noisier
    than its number of cases predicts. Child-level data say by how much. To be used for all
    councils at once, after parts are put together.

    Parameters
    ----------
    changes : CouncilChanges

    Returns
    -------
    ndarray, shape (n,)
        Average variance of a case over the variance that sampling gives the council's change, in
        units in which a council of average spread has `changes.cases`. Cells of few cases borrow
        from all councils' cells of the same window. The plain `cases` where spread is unknown.

    Examples
    --------
    >>> level, size = np.zeros((2, 2)), np.full((2, 2), 100.0)
    >>> spread = np.array([[1.0, 1.0], [1.0, 3.0]])
    >>> changes = collapse_levels(level, size, ["a", "b"], 1, "", spread)
    >>> effective_cases(changes).round(0)
    array([138.,  78.])
    """
    size, spread = changes.size, changes.spread
    if not len(size) or np.isnan(spread).any() or not (spread > 0).any():
        return changes.cases
    pooled = (size * spread).sum(axis=0) / size.sum(axis=0)
    shrunk = (size * spread + BORROWED_CASES * pooled) / (size + BORROWED_CASES)
    n_pre, n_post = changes.n_pre, size.shape[1] - changes.n_pre
    share = np.where(np.arange(size.shape[1]) < n_pre, 1 / n_pre**2, 1 / n_post**2)
    average = float((size * spread).sum() / size.sum())
    result: Floats = average * (1 / n_pre + 1 / n_post) / (share * shrunk / size).sum(axis=1)
    return result


def concat_changes(parts: Sequence[CouncilChanges]) -> CouncilChanges:
    """Put the changes of several parts of the councils together.

    Parameters
    ----------
    parts : sequence of CouncilChanges
        Of one outcome, windows alike.

    Returns
    -------
    CouncilChanges

    Raises
    ------
    DesignError
        If a council is in two parts.
    """
    councils = tuple(code for part in parts for code in (*part.councils, *part.dropped))
    if len(set(councils)) < len(councils):
        got = f"{len(councils) - len(set(councils))} council(s) in two parts"
        action = "Put all records of a council in one part."
        raise DesignError(explain("parts", "hold whole councils", got, action))
    return CouncilChanges(
        councils=tuple(code for part in parts for code in part.councils),
        change=np.concatenate([part.change for part in parts]),
        level=np.concatenate([part.level for part in parts]),
        n_pre=parts[0].n_pre,
        size=np.concatenate([part.size for part in parts]),
        spread=np.concatenate([part.spread for part in parts]),
        dropped={code: why for part in parts for code, why in part.dropped.items()},
    )


def leave_out(changes: CouncilChanges, reasons: Mapping[str, str]) -> CouncilChanges:
    """Drop councils whose records cannot be compared, with the reason.

    Parameters
    ----------
    changes : CouncilChanges
    reasons : mapping of str to str
        Council -> why.

    Returns
    -------
    CouncilChanges

    Examples
    --------
    >>> changes = collapse_levels(np.zeros((2, 2)), np.ones((2, 2)), ["a", "b"], 1, "")
    >>> leave_out(changes, {"a": "no return"}).councils
    ('b',)
    """
    keep = np.array([code not in reasons for code in changes.councils], dtype=bool)
    known = (*changes.councils, *changes.dropped)
    gone = {code: reasons[code] for code in known if code in reasons}
    return replace(
        changes,
        councils=tuple(code for code in changes.councils if code not in reasons),
        change=changes.change[keep],
        level=changes.level[keep],
        size=changes.size[keep],
        spread=changes.spread[keep],
        dropped=changes.dropped | gone,
    )


def leave_out_few(changes: CouncilChanges, fewest: int) -> CouncilChanges:
    """Drop councils in which a window has too few cases for a comparison, with the reason.

    Parameters
    ----------
    changes : CouncilChanges
    fewest : int
        Cases that every window must have.

    Returns
    -------
    CouncilChanges

    Examples
    --------
    >>> size = np.array([[9.0, 5.0], [9.0, 6.0]])
    >>> leave_out_few(collapse_levels(np.zeros((2, 2)), size, ["a", "b"], 1, ""), 6).dropped
    {'a': 'fewer than 6 cases in a window'}
    """
    few = np.atleast_1d((changes.size < fewest).any(axis=1))
    reason = f"fewer than {fewest} cases in a window"
    codes = [code for code, small in zip(changes.councils, few, strict=True) if small]
    return leave_out(changes, dict.fromkeys(codes, reason))
