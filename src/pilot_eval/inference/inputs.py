"""Check what the tests are given, once, at the boundary."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pilot_eval.errors import InferenceError, explain

ROUNDING = 1e-12
"""Relative size below which differences between changes are rounding, not variation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """Checked input of a test: one value a council, all finite.

    Attributes
    ----------
    changes : array of shape (n,)
        Mean after minus mean before, in the outcome's unit.
    treated : bool array of shape (n,)
    cases : array of shape (n,)
        Cases behind each change, all above 0 (ones where the method does not use them).
    period_factor : array of shape (n,)
        Factor of each change's variance that comes from its number of periods.
    """

    changes: np.ndarray
    treated: np.ndarray
    cases: np.ndarray
    period_factor: np.ndarray

    @property
    def n_treated(self) -> int:
        """Number of treated councils."""
        return int(self.treated.sum())

    @property
    def n_comparators(self) -> int:
        """Number of comparators."""
        return int(self.treated.size - self.treated.sum())


def check_changes(
    changes: object,
    treated: object,
    cases: object = None,
    period_factor: object = None,
    *,
    alpha: float,
) -> Changes:
    """Turn a caller's arrays into checked NumPy arrays, or say what is wrong with them.

    Parameters
    ----------
    changes, treated, cases, period_factor : array-like of shape (n,)
        One value a council. pandas Series must share one index without duplicates.
    alpha : float
        Level of the test, between 0 and 1.

    Returns
    -------
    Changes

    Raises
    ------
    InferenceError
        If lengths differ, a value is missing or infinite, cases or factors are not positive,
        treatment is not yes/no, or a council appears twice.
    """
    given = {"changes": changes, "treated": treated, "cases": cases, "period_factor": period_factor}
    check_index({name: value for name, value in given.items() if value is not None})
    check_alpha(alpha)
    change = finite_vector("changes", changes)
    return Changes(
        changes=change,
        treated=_yes_no("treated", treated, change.size),
        cases=_positive("cases", cases, change.size),
        period_factor=_positive("period_factor", period_factor, change.size),
    )


def check_batch(
    changes: object, treated: object, cases: object, period_factor: object, *, alpha: float
) -> tuple[np.ndarray, ...]:
    """Check many vectors of changes that share their treated councils.

    Parameters
    ----------
    changes : array-like of shape (F, n)
    treated : array-like of shape (n,)
    cases, period_factor : array-like of shape (n,) or (F, n), or None
    alpha : float

    Returns
    -------
    changes, treated, cases, period_factor : arrays of shapes (F, n), (n,), (F, n), (F, n)

    Raises
    ------
    InferenceError
        As `check_changes`, of any row.
    """
    check_alpha(alpha)
    columns = {"changes": changes, "cases": cases, "period_factor": period_factor}
    check_index({name: getattr(part, "T", part) for name, part in columns.items()})
    check_index({"changes": getattr(changes, "T", changes), "treated": treated})
    values = np.array(changes, dtype=float)
    if values.ndim != 2 or not values.size:
        got = f"shape {values.shape}"
        raise InferenceError(explain("changes", "be a table", got, "Give one row a filling."))
    size = values.shape[1]
    positive = []
    for name, given in (("cases", cases), ("period_factor", period_factor)):
        array = np.ones(size) if given is None else np.asarray(given, dtype=float)
        if array.shape not in ((size,), values.shape):
            got = f"shape {array.shape} for changes of shape {values.shape}"
            raise InferenceError(explain(name, "fit the changes", got, "Align the arrays."))
        _positive(name, array.ravel(), array.size)
        positive.append(np.broadcast_to(array, values.shape))
    finite_vector("changes", values.ravel())
    return values, _yes_no("treated", treated, size), positive[0], positive[1]


def check_alpha(alpha: float) -> None:
    """Refuse a level that is not strictly between 0 and 1."""
    if not (isinstance(alpha, (int, float)) and 0 < alpha < 1):
        raise InferenceError(
            explain("alpha", "be a number between 0 and 1", alpha, "Write 0.05 for 5%.")
        )


def check_index(given: dict[str, object]) -> None:
    """Refuse labelled input that names a council twice or orders councils differently."""
    first = None
    for name, value in given.items():
        index = getattr(value, "index", None)
        if index is None or not hasattr(index, "duplicated"):
            continue
        if index.duplicated().any():
            raise InferenceError(
                explain(name, "name each council once", "duplicates", "Keep one row a council.")
            )
        first = index if first is None else first
        if not index.equals(first):
            action = "Align them by council_code first."
            raise InferenceError(explain(name, "list the same councils", "another order", action))


def finite_vector(name: str, values: object) -> np.ndarray:
    """Return `values` as a float vector, refusing missing and infinite entries."""
    try:
        vector = np.array(values, dtype=float)
    except (TypeError, ValueError):
        raise InferenceError(
            explain(name, "be numbers", type(values).__name__, "Give one number a council.")
        ) from None
    if vector.ndim != 1 or vector.size == 0:
        got = f"shape {vector.shape}"
        raise InferenceError(explain(name, "be a vector", got, "Give one number a council."))
    if not np.isfinite(vector).all():
        got = f"{int((~np.isfinite(vector)).sum())} missing or infinite of {vector.size}"
        action = "Leave councils without a value out before testing, and record why."
        raise InferenceError(explain(name, "be finite", got, action))
    return vector


def _yes_no(name: str, values: object, size: int) -> np.ndarray:
    vector = finite_vector(name, values)
    _same_length(name, vector, size)
    if not np.isin(vector, (0.0, 1.0)).all():
        action = "Mark each council True (treated) or False (comparator)."
        raise InferenceError(explain(name, "be yes or no", "other values", action))
    return vector.astype(bool)


def _positive(name: str, values: object, size: int) -> np.ndarray:
    if values is None:
        return np.ones(size)
    vector = finite_vector(name, values)
    _same_length(name, vector, size)
    if (vector <= 0).any():
        got = f"{int((vector <= 0).sum())} councils at 0 or below"
        action = "A council without cases has no change to test: leave it out, and record why."
        raise InferenceError(explain(name, "be above 0", got, action))
    return vector


def _same_length(name: str, vector: np.ndarray, size: int) -> None:
    if vector.size != size:
        got = f"{vector.size} for {size} changes"
        raise InferenceError(explain(name, "have one value a council", got, "Align the arrays."))


def why_not_estimable(data: Changes, *, min_treated: int, min_comparators: int) -> str:
    """Say why a method has no answer on these data, or return an empty string.

    Parameters
    ----------
    data : Changes
    min_treated, min_comparators : int
        Fewest councils on each side that the method needs.
    """
    if data.n_treated < max(min_treated, 1):
        return f"not estimable: {_count(data.n_treated, 'treated')}, needs {max(min_treated, 1)}"
    if data.n_comparators < min_comparators:
        found = _count(data.n_comparators, "comparator")
        return f"not estimable: {found}, needs {min_comparators}"
    if no_variation(data.changes[~data.treated]):
        return "not estimable: the comparators' changes are all equal, so nothing says how sure"
    return ""


def no_variation(values: np.ndarray) -> bool:
    """Tell whether values are equal up to rounding."""
    return bool(np.ptp(values) <= ROUNDING * max(1.0, float(np.abs(values).max())))


def _count(number: int, what: str) -> str:
    return f"{number} {what} council{'' if number == 1 else 's'}"
