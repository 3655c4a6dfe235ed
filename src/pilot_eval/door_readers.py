"""Numbers from any dtype that holds them, and the words in which a door refuses."""

from __future__ import annotations

from contextlib import suppress
from numbers import Real
from typing import Any, NoReturn, TypeGuard

import numpy as np
import pandas as pd

from pilot_eval.errors import PilotEvalError, explain

Error = type[PilotEvalError]
_MISSING = {type(None), type(pd.NA), type(pd.NaT)}
_PLAIN = {int, float, np.int64, np.float64} | _MISSING


def read_numbers(name: str, value: object, error: Error) -> np.ndarray:
    """Read an array of numbers from any dtype that holds them; missing becomes NaN.

    Parameters
    ----------
    name : str
        Of the argument, for the message.
    value : array-like
        Numbers or booleans, nullable, categorical, Arrow or object; not text, dates or durations.
    error : type of PilotEvalError

    Returns
    -------
    ndarray of float
        Of the value's shape.
    """
    if isinstance(value, pd.DataFrame):
        columns = [read_numbers(name, value.iloc[:, k], error) for k in range(value.shape[1])]
        return np.column_stack(columns) if columns else np.empty(value.shape)
    if isinstance(value, np.ma.MaskedArray):
        value = _unmask(value)
    if isinstance(value, (pd.Series, pd.Index)):
        value = value.array
    if isinstance(value, pd.api.extensions.ExtensionArray):
        value = value.to_numpy(dtype=object)
    array = value if isinstance(value, np.ndarray) else _to_array(name, value, error)
    if array.dtype.kind in "iufb":
        with np.errstate(over="ignore"):  # longer floats become infinite, and are refused as such
            return array.astype(float)
    if array.dtype.kind != "O":
        refuse(error, name, "be numbers", f"values of type {array.dtype}")
    return _read_objects(name, array, error)


def _unmask(value: np.ma.MaskedArray[Any, Any]) -> np.ndarray:
    """Make what is masked missing, instead of what happens to lie behind the mask."""
    plain = np.array(value.data, dtype=object)
    plain[np.ma.getmaskarray(value)] = None
    return plain


def read_line(name: str, value: object, error: Error, ndim: tuple[int, ...] = (1,)) -> np.ndarray:
    """Read one number for every unit."""
    array = read_numbers(name, value, error)
    if array.ndim not in ndim:
        refuse(error, name, "have one value for every unit", f"shape {array.shape}")
    return array


def _to_array(name: str, value: object, error: Error) -> np.ndarray:
    try:
        array = np.asarray(value)
        return array if array.dtype.kind in "iufb" else np.array(value, dtype=object)
    except (ValueError, TypeError):
        refuse(error, name, "be an array", "parts of different lengths")


def _read_objects(name: str, array: np.ndarray, error: Error) -> np.ndarray:
    items = array.ravel().tolist()
    if set(map(type, items)) <= _PLAIN:  # many tables: no need to look at each number
        with suppress(OverflowError):
            given = [np.nan if type(item) in _MISSING else item for item in items]
            return np.array(given, dtype=float).reshape(array.shape)
    flat = np.empty(array.size)
    for place, item in enumerate(array.ravel()):
        if type(item) in _MISSING:
            flat[place] = np.nan
        elif is_number(item):
            flat[place] = to_float(item)
        elif isinstance(item, (bool, np.bool_)):
            flat[place] = item
        else:
            refuse(error, name, "be numbers", f"a value of type {type(item).__name__}")
    return flat.reshape(array.shape)


def is_number(value: object) -> TypeGuard[float]:
    """Whether it is one real number: no truth value, and no duration, which NumPy counts as one."""
    return isinstance(value, Real) and not isinstance(value, (bool, np.bool_, np.timedelta64))


def to_float(value: float) -> float:
    """Convert a number; one that is too large for a float is infinite."""
    try:
        return float(value)
    except OverflowError:
        return np.inf if value > 0 else -np.inf


def show_word(value: object) -> object:
    """Show a single value in a message, or its type where it is no single number or word."""
    return value if isinstance(value, (Real, str)) else type(value).__name__


def refuse(error: Error, name: str, rule: str, got: object) -> NoReturn:
    """Raise the door's error in the project's one form."""
    action = "Correct the argument, or leave such units out and say so."
    raise error(explain(name, rule, got, action))
