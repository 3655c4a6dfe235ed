"""Single values and tables that callers hand over: numbers, words, flags, paths, own objects."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from types import NoneType, SimpleNamespace, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np
import pandas as pd

from pilot_eval.door_readers import Error, is_number, read_numbers, refuse, show_word, to_float

LARGEST = 1e30
"""Numbers above it, and below its inverse, are refused: their eighth powers, products of squares of
variances, would be no numbers."""
LARGEST_WHOLE = 2**31 - 1
"""Counts above it are refused: nothing here has so many parts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """One whole number."""

    least: int = 1
    most: int | None = LARGEST_WHOLE
    axis: None = None

    def read(self, name: str, value: object, error: Error) -> int:
        """Read the argument."""
        fine = is_number(value) and isinstance(value, Integral)
        number = int(value) if fine else self.least - 1  # type: ignore[call-overload]  # fine
        if number < self.least or (self.most is not None and number > self.most):
            top = "" if self.most in (None, LARGEST_WHOLE) else f" to {self.most}"
            refuse(error, name, f"be a whole number from {self.least}{top}", show_word(value))
        return number


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """One number between two limits, which it may reach unless they are `open`."""

    low: float = -np.inf
    high: float = np.inf
    open: bool = False
    infinite: bool = False
    axis: None = None

    def read(self, name: str, value: object, error: Error) -> float:
        """Read the argument."""
        number = to_float(value) if is_number(value) else np.nan
        inside = self.low < number < self.high if self.open else self.low <= number <= self.high
        if number and np.isfinite(number):
            inside = inside and 1 / LARGEST <= abs(number) <= LARGEST
        if not inside or (np.isinf(number) and not self.infinite):
            ends = f" between {self.low:g} and {self.high:g}"
            if self.high == np.inf:
                ends = "" if self.low == -np.inf else f" of at least {self.low:g}"
            rule = f"be a number{ends}"
            refuse(error, name, rule, show_word(value))
        return number


@dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """A whole number from 0 up, or a NumPy generator."""

    axis: None = None

    def read(self, name: str, value: object, error: Error) -> object:
        """Read the argument."""
        if isinstance(value, np.random.Generator):
            return value
        return Whole(least=0, most=None).read(name, value, error)


@dataclass(frozen=True, slots=True)
class OneOf:
    """One of some words or whole numbers."""

    words: tuple[str | int, ...]
    axis: None = None

    def read(self, name: str, value: object, error: Error) -> object:
        """Read the argument."""
        plain = str(value) if isinstance(value, str) else value  # NumPy's words among them
        same = [word for word in self.words if type(word) is type(plain) and word == plain]
        if not same:
            refuse(error, name, f"be one of {', '.join(map(str, self.words))}", show_word(value))
        return plain


@dataclass(frozen=True, slots=True)
class Made:
    """An object of the project's own.

    Attributes
    ----------
    kind : type
    by : str
        The public function that makes it; empty where its name says enough.
    """

    kind: type
    by: str = ""
    axis: None = None

    def read(self, name: str, value: object, error: Error) -> object:
        """Read the argument."""
        if not isinstance(value, self.kind):
            rule = f"be made by `{self.by}`" if self.by else f"be of the type {self.kind.__name__}"
            refuse(error, name, rule, type(value).__name__)
        return value


@dataclass(frozen=True, slots=True)
class Yes:
    """One yes or no: a boolean."""

    axis: None = None

    def read(self, name: str, value: object, error: Error) -> bool:
        """Read the argument."""
        if not isinstance(value, (bool, np.bool_)):
            refuse(error, name, "be true or false", show_word(value))
        return bool(value)


@dataclass(frozen=True, slots=True)
class Word:
    """One text."""

    axis: None = None

    def read(self, name: str, value: object, error: Error) -> str:
        """Read the argument."""
        if not isinstance(value, str):
            refuse(error, name, "be a text", show_word(value))
        return str(value)


@dataclass(frozen=True, slots=True)
class Place:
    """A path, or the text of one."""

    axis: None = None

    def read(self, name: str, value: object, error: Error) -> str | Path:
        """Read the argument."""
        if not isinstance(value, (str, Path)) or "\0" in str(value):
            refuse(error, name, "be a path", type(value).__name__)
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table with named columns, each row named once.

    Attributes
    ----------
    columns : tuple of str
        Columns it must have; others may be there too.
    key : tuple of str
        Columns that name a row; empty where the function itself looks.
    numbers : tuple of str
        Columns of numbers, of any dtype that holds them; they become floats.
    """

    columns: tuple[str, ...]
    key: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    axis: None = None

    def read(self, name: str, value: object, error: Error) -> pd.DataFrame:
        """Read the argument."""
        if not isinstance(value, pd.DataFrame):
            refuse(error, name, "be a table", type(value).__name__)
        if value.columns.nlevels > 1:
            refuse(error, name, "have one name for each column", "names of several levels")
        if lacking := [column for column in self.columns if column not in value]:
            refuse(error, name, f"have the columns {', '.join(self.columns)}", f"no {lacking[0]}")
        if again := [column for column in self.columns if (value.columns == column).sum() > 1]:
            refuse(error, name, "name each column once", f"{again[0]} twice")
        if twice := self._count_repeated(name, value, error):
            refuse(error, name, f"have one row for each {' and '.join(self.key)}", f"{twice} more")
        other = [column for column in self.numbers if value[column].dtype != float]
        read = {column: read_numbers(column, value[column], error) for column in other}
        return value.assign(**read) if read else value

    def _count_repeated(self, name: str, value: pd.DataFrame, error: Error) -> int:
        """Count rows whose key another has; lists and the like are no keys."""
        if not self.key:
            return 0
        try:
            return int(value.duplicated(list(self.key)).sum())
        except TypeError:
            refuse(error, name, "have single values as keys", "lists or others")


Value = Whole | Number | Seed | OneOf | Yes | Word | Place | Made
ALPHA = Number(low=0.0, high=1.0, open=True)


def read_fields(item: object, error: Error, **kinds: Any) -> None:
    """Check the fields of a frozen object as it is made, and keep them as they are read.

    Parameters
    ----------
    item : object
    error : type of PilotEvalError
    kinds : Kind
        What each field is.
    """
    for name, kind in kinds.items():
        object.__setattr__(item, name, kind.read(name, getattr(item, name), error))


def find_value_kind(hint: object, names: dict[str, Any]) -> Value | None:
    """Find the kind that an annotation says: a flag, words, a path, an own object; else None.

    Parameters
    ----------
    hint : type or str
        As the function has it.
    names : dict of str to object
        What the names in it mean; one that only a type checker imports means nothing here.

    Returns
    -------
    Value or None
    """
    part = SimpleNamespace(__annotations__={"part": hint}, __globals__=names)
    try:
        hint = get_type_hints(part)["part"]
    except NameError:
        return None
    if get_origin(hint) in (Union, UnionType):
        parts = [part for part in get_args(hint) if part is not NoneType]
        if set(parts) == {str, Path}:
            return Place()
        return find_value_kind(parts[0], names) if len(parts) == 1 else None
    if get_origin(hint) is Literal:
        return OneOf(get_args(hint))
    if hint in (bool, str):
        return Yes() if hint is bool else Word()
    if not isinstance(hint, type) or not hint.__module__.startswith("pilot_eval."):
        return None
    return None if getattr(hint, "_is_protocol", False) else Made(hint)
