"""Check what the tests are given, once, at the boundary."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

import numpy as np

from pilot_eval.doors import ALPHA, Flags, Kind, Names, Numbers, Seed, Whole, takes
from pilot_eval.errors import InferenceError

P = ParamSpec("P")
R = TypeVar("R")
COMMON: dict[str, Kind] = {
    "changes": Numbers(ndim=(1,)),
    "treated": Flags(),
    "cases": Numbers(above=0, ndim=(1,)),
    "period_factor": Numbers(above=0, ndim=(1,)),
    "strata": Names(),
    "draws": Whole(),
    "seed": Seed(),
    "alpha": ALPHA,
}
BATCH: dict[str, Kind] = {
    "changes": Numbers(axis="columns", ndim=(2,)),
    "cases": Numbers(axis="columns", above=0, ndim=(1, 2)),
    "period_factor": Numbers(axis="columns", above=0, ndim=(1, 2)),
    "levels": Numbers(axis="columns", ndim=(2,)),
    "covariates": Numbers(ndim=(2,)),
}

ROUNDING = 1e-12
"""Relative size below which differences between changes are rounding, not variation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """Checked input of a test: one value per council, all finite.

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


def takes_changes(
    **more: Kind,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Check the arguments that tests on one change for each council share (`doors.takes`).

    Parameters
    ----------
    more : Kind
        Arguments of the test's own, or others than usual.
    """
    return takes(InferenceError, twice=False, reorder=True, **(COMMON | more))


def check_changes(
    changes: np.ndarray,
    treated: np.ndarray,
    cases: np.ndarray | None = None,
    period_factor: np.ndarray | None = None,
) -> Changes:
    """Gather what a test is given; changes are taken from the comparators' mean.

    A number that is added to every change is no effect. Taking it off first keeps the digits that
    squares of large changes would lose.

    Parameters
    ----------
    changes, treated, cases, period_factor : array of shape (n,)
        As they come through the door.

    Returns
    -------
    Changes
    """
    values = np.asarray(changes, dtype=float)
    mask = np.asarray(treated, dtype=bool)
    one = np.ones(values.size)
    return Changes(
        changes=centre(values[None], mask)[0],
        treated=mask,
        cases=one if cases is None else np.asarray(cases, dtype=float),
        period_factor=one if period_factor is None else np.asarray(period_factor, dtype=float),
    )


def centre(changes: np.ndarray, treated: np.ndarray) -> np.ndarray:
    """Take the comparators' mean off each row of changes, shape (rows, n)."""
    if treated.all():
        return changes
    once = changes - changes[:, ~treated].mean(axis=1, keepdims=True)
    result: np.ndarray = once - once[:, ~treated].mean(axis=1, keepdims=True)  # what rounding left
    return result


def check_batch(
    changes: np.ndarray,
    treated: np.ndarray,
    cases: np.ndarray,
    period_factor: np.ndarray | None,
) -> tuple[np.ndarray, ...]:
    """Gather many vectors of changes that share their treated councils.

    Parameters
    ----------
    changes : array of shape (F, n)
    treated : bool array of shape (n,)
    cases, period_factor : array of shape (n,) or (F, n), or None

    Returns
    -------
    changes, treated, cases, period_factor : arrays of shapes (F, n), (n,), (F, n), (F, n)
    """
    spread = [
        np.broadcast_to(1.0 if given is None else given, changes.shape)
        for given in (cases, period_factor)
    ]
    return centre(changes, treated), treated, spread[0], spread[1]


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
        return (
            "not estimable: the comparators' changes are all equal, so the uncertainty cannot be "
            "estimated"
        )
    return ""


def no_variation(values: np.ndarray) -> bool:
    """Tell whether values are equal up to rounding."""
    return bool(rows_without_variation(values[None])[0])


def rows_without_variation(rows: np.ndarray) -> np.ndarray:
    """Tell of each row whether its values are equal up to rounding, shape (rows,)."""
    result: np.ndarray = np.ptp(rows, axis=1) <= ROUNDING * np.abs(rows).max(axis=1)
    return result


def _count(number: int, what: str) -> str:
    return f"{number} {what} council{'' if number == 1 else 's'}"
