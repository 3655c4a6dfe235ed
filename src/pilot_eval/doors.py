"""The one door for what callers hand to a function: labelled or not, of whatever dtype.

A public function says with `takes` what each argument is. Labelled input (pandas objects) is put
into the order of the first labelled argument, or refused; numbers, flags and starts are read from
any dtype that holds them, and nothing else is coerced. Behind the door there are NumPy arrays.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, wraps
from typing import Any, Literal, ParamSpec, TypeVar

import numpy as np
import pandas as pd

from pilot_eval.door_readers import Error, read_line, read_numbers, refuse
from pilot_eval.door_values import (
    ALPHA,
    LARGEST,
    LARGEST_WHOLE,
    Made,
    Number,
    OneOf,
    Seed,
    Table,
    Value,
    Whole,
    Yes,
    find_value_kind,
)

__all__ = [
    "ALPHA",
    "Flags",
    "Kind",
    "Made",
    "Names",
    "Number",
    "Numbers",
    "OneOf",
    "Periods",
    "Seed",
    "Starts",
    "Table",
    "Whole",
    "Yes",
    "align",
    "find_kinds",
    "takes",
]

P = ParamSpec("P")
R = TypeVar("R")
Axis = Literal["rows", "columns"]
MOST_PERIODS = 1200
"""A hundred years of months: methods make matrices of periods by periods."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """An array of numbers.

    Attributes
    ----------
    axis : {"rows", "columns"}, optional
        Along which the units lie; input without units has none.
    missing : bool
        Whether missing values are allowed (they become NaN).
    infinite : bool
        Whether infinite values are allowed.
    above : float, optional
        Limit that every value must exceed.
    least, most : float, optional
        Limits that values may reach.
    ndim : tuple of int, optional
        Numbers of dimensions allowed.
    """

    axis: Axis | None = "rows"
    missing: bool = False
    infinite: bool = False
    above: float | None = None
    least: float | None = None
    most: float | None = None
    ndim: tuple[int, ...] | None = None

    def read(self, name: str, value: object, error: Error) -> np.ndarray:
        """Read the argument."""
        array = read_numbers(name, value, error)
        if self.ndim is not None and array.ndim not in self.ndim:
            shapes = " or ".join(str(n) for n in self.ndim)
            refuse(error, name, f"have {shapes} dimensions", f"shape {array.shape}")
        wrong = np.isinf(array) & (not self.infinite) | np.isnan(array) & (not self.missing)
        if wrong.any():
            rule = "be finite, or missing" if self.missing else "be finite"
            refuse(error, name, rule, f"{wrong.sum()} missing or infinite of {array.size}")
        for limit, wrong, word in (
            (self.above, np.less_equal, "above"),
            (self.least, np.less, "at least"),
            (self.most, np.greater, "at most"),
        ):
            if limit is not None and (found := int(np.count_nonzero(wrong(array, limit)))):
                refuse(error, name, f"be {word} {limit:g}", f"{found} other values")
        self._check_size(name, array, error)
        return array

    def _check_size(self, name: str, array: np.ndarray, error: Error) -> None:
        """Refuse sizes whose powers overflow: sizes of all numbers, or each of weights and counts.

        Probabilities, which have a largest value, may be as small as they like.
        """
        sizes = np.abs(array[np.isfinite(array) & (array != 0)])
        if not sizes.size:
            return
        each = (self.above is not None or self.least is not None) and self.most is None
        smallest = 1.0 if self.most is not None else sizes.min() if each else sizes.max()
        if sizes.max() > LARGEST or smallest < 1 / LARGEST:
            rule = f"be between {1 / LARGEST:g} and {LARGEST:g} in size; state another unit"
            refuse(error, name, rule, "smaller or larger numbers")


@dataclass(frozen=True, slots=True, kw_only=True)
class Flags:
    """Yes or no for every unit: booleans, or 0 and 1; a missing flag is refused."""

    axis: Axis | None = "rows"
    ndim: tuple[int, ...] = (1,)

    def read(self, name: str, value: object, error: Error) -> np.ndarray:
        """Read the argument."""
        array = read_line(name, value, error, self.ndim)
        if not np.isin(array, (0.0, 1.0)).all():
            unknown = int(np.count_nonzero(~np.isin(array, (0.0, 1.0))))
            refuse(error, name, "be true or false for every unit", f"{unknown} missing or others")
        return array.astype(bool)


@dataclass(frozen=True, slots=True, kw_only=True)
class Starts:
    """First treated period of every unit; missing (or infinite) for one that never is."""

    axis: Axis | None = "rows"

    def read(self, name: str, value: object, error: Error) -> np.ndarray:
        """Read the argument."""
        array = read_line(name, value, error)
        if np.isneginf(array).any():
            got = "minus infinity"
            refuse(error, name, "be a period, or missing for the never treated", got)
        return np.where(np.isposinf(array), np.nan, array)


@dataclass(frozen=True, slots=True, kw_only=True)
class Periods:
    """Ascending numbers, one for each column of the outcomes; whole ones where they have a least.

    Attributes
    ----------
    least : int, optional
        The first may not be below it.
    """

    least: int | None = None
    axis: Axis | None = None

    def read(self, name: str, value: object, error: Error) -> np.ndarray:
        """Read the argument."""
        array = read_numbers(name, value, error)
        if array.ndim != 1 or not np.isfinite(array).all() or (np.diff(array) <= 0).any():
            refuse(error, name, "be ascending numbers", "others")
        whole = bool((array % 1 == 0).all() and (np.abs(array) < LARGEST_WHOLE).all())
        few = array.size and whole and array[0] >= (self.least or 0)
        if self.least is not None and not few:
            refuse(error, name, f"be ascending whole numbers from {self.least}", "others")
        return array.astype(np.int64) if whole else array


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """A label for every unit, of any type; a missing one is refused."""

    axis: Axis | None = "rows"

    def read(self, name: str, value: object, error: Error) -> np.ndarray:
        """Read the argument."""
        labels = value.tolist() if isinstance(value, pd.Index) else value
        try:
            array = np.asarray(labels, dtype=object)
            fine = array.ndim == 1 and not pd.isna(array).any()
        except (ValueError, ArithmeticError):  # another shape; a number that is none
            fine = False
        if not fine:
            refuse(error, name, "have one label for every unit", "missing ones or another shape")
        return np.array([str(label) for label in array])


Kind = Numbers | Flags | Starts | Periods | Names | Table | Value


def takes(
    error: Error, /, *, twice: bool = False, reorder: bool = True, **kinds: Kind
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Say what a public function's arguments are, and check them before it runs.

    Parameters
    ----------
    error : type of PilotEvalError
        Raised where an argument cannot be used.
    twice : bool
        Whether a label may come twice, as that of cases may and that of councils may not.
    reorder : bool
        Whether labelled input in another order is put in order, or refused.
    kinds : Kind
        What each argument is. A flag, a choice of words and an object of the project's own need
        not be named: their annotation says it. An optional argument that is None is left alone.

    Returns
    -------
    callable
        Decorator.

    Raises
    ------
    PilotEvalError
        Of the class given, when the function is called: labels that are no permutation of each
        other, text or dates for numbers, flags that are neither true nor false, values out of
        their limits, different numbers of units.

    Examples
    --------
    >>> from pilot_eval.errors import DesignError
    >>> @takes(DesignError, change=Numbers(), treated=Flags())
    ... def pick(change, treated):
    ...     return change[treated]
    >>> change = pd.Series([1.0, 2.0], ["a", "b"])
    >>> pick(change, pd.Series([True, False], ["b", "a"]))
    array([2.])
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        signature = inspect.signature(function)

        @cache
        def find_all() -> dict[str, Kind]:
            return kinds | {n: k for n, k in _annotated_kinds(function).items() if n not in kinds}

        @wraps(function)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            bound = signature.bind(*args, **kwargs)
            known = find_all()
            given = {name: bound.arguments[name] for name in known if name in bound.arguments}
            for name in [name for name, value in given.items() if value is None]:
                if signature.parameters[name].default is not None:
                    refuse(error, name, "be given", "None")
                del given[name]
            given = align(error, given, known, twice=twice, reorder=reorder and not twice)
            read = {name: known[name].read(name, value, error) for name, value in given.items()}
            _same_units(error, read, known)
            bound.arguments.update(read)
            return function(*bound.args, **bound.kwargs)

        checked.find_kinds = find_all  # type: ignore[attr-defined]
        return checked

    return decorate


def find_kinds(function: Callable[..., object]) -> dict[str, Kind]:
    """Find what a function's door says its arguments are; empty where it has none.

    Parameters
    ----------
    function : callable

    Returns
    -------
    dict of str to Kind
    """
    found: Callable[[], dict[str, Kind]] = getattr(function, "find_kinds", dict)
    return found()


def _annotated_kinds(function: Callable[..., object]) -> dict[str, Kind]:
    """Find the kinds that annotations say: flags, choices of words, the project's own objects."""
    own = function.__annotations__
    found = {name: find_value_kind(own[name], function.__globals__) for name in own}
    return {name: kind for name, kind in found.items() if kind is not None and name != "return"}


def align(
    error: Error,
    given: Mapping[str, Any],
    kinds: Mapping[str, Kind],
    *,
    twice: bool = False,
    reorder: bool = True,
) -> dict[str, Any]:
    """Put labelled arguments into the order of the first labelled one.

    Parameters
    ----------
    error : type of PilotEvalError
    given : mapping of str to object
    kinds : mapping of str to Kind
        Says along which axis each argument's units lie.
    twice, reorder : bool
        As in `takes`.

    Returns
    -------
    dict
    """
    first: pd.Index | None = None
    aligned = dict(given)
    for name, value in given.items():
        labels = _labels(value, kinds[name].axis)
        if labels is None:
            continue
        if labels.has_duplicates and not twice:
            refuse(error, name, "name each unit once", "duplicates")
        if first is None:
            first = labels
        elif not labels.equals(first):
            place = _find_places(first, labels) if reorder else None
            if place is None:
                got = "other labels, or another order"
                refuse(error, name, "name the same units as the other arguments", got)
            columns = kinds[name].axis == "columns" and isinstance(value, pd.DataFrame)
            aligned[name] = value.iloc[:, place] if columns else value.iloc[place]
    return aligned


def _find_places(wanted: pd.Index, labels: pd.Index) -> np.ndarray | None:
    """Find where each wanted label stands; None where they are no permutation of each other."""
    try:
        places = dict(zip(labels, range(len(labels)), strict=True))
        found = [places.pop(label) for label in wanted]
    except (KeyError, TypeError):  # another label, or one that cannot be looked up
        return None
    return np.array(found, dtype=np.intp) if not places else None


def _labels(value: object, axis: Axis | None) -> pd.Index | None:
    """Take the labels of the units, if the argument has any."""
    if axis is None or not isinstance(value, (pd.Series, pd.DataFrame)):
        return None
    columns = axis == "columns" and isinstance(value, pd.DataFrame)
    return value.columns if columns else value.index


def _same_units(error: Error, read: Mapping[str, Any], kinds: Mapping[str, Kind]) -> None:
    """Refuse arguments with different numbers of units."""
    sizes = {}
    for name, value in read.items():
        axis = kinds[name].axis
        if axis is not None and isinstance(value, np.ndarray) and 0 < value.ndim < 3:
            sizes[name] = value.shape[-1 if axis == "columns" else 0]
    if len(set(sizes.values())) > 1:
        got = ", ".join(f"{count} in {name}" for name, count in sizes.items())
        refuse(error, next(iter(sizes)), "have as many units as the other arguments", got)
