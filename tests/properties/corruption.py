"""Arguments that are wrong in every way that a type allows, bounded so that no call is long."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
from subjects import DRAWS, Subject, World

from pilot_eval.doors import (
    Flags,
    Kind,
    Names,
    Number,
    Numbers,
    OneOf,
    Periods,
    Seed,
    Starts,
    Whole,
)

ARRAYS = (Numbers, Flags, Starts, Periods, Names)
NUMBERS = (0.0, -0.0, 1.0, -1.0, 0.5, np.nan, np.inf, -np.inf, 1e300, -1e300, 1e-300, 2**53 + 1.0)
THINGS: tuple[Any, ...] = (
    *("", "no", "2009-10", b"x", True, 3, 2.5, 1 + 2j, (), [], {}, [[1], [1, 2]], [None]),
    *(date(2012, 1, 1), timedelta(days=2), pd.NaT, pd.NA, np.datetime64("2012"), object()),
    *(np.array(1.0), np.empty(0), np.empty((0, 3)), np.zeros((2, 2, 2, 2)), ["a", 1.0], [np.nan]),
    *(
        10**400,
        -(10**30),
        2**64,
        np.longdouble(2) ** 2000,
        1 - 1e-16,
        5e-324,
        -0.0,
        np.float16(0.5),
    ),
    *(
        Decimal("1.5"),
        Decimal("sNaN"),
        Fraction(1, 3),
        np.timedelta64(3, "D"),
        np.datetime64("NaT"),
    ),
    *(
        pd.Period("2012-02"),
        pd.Interval(0, 1),
        pd.Timestamp("2012", tz="UTC"),
        "1e3",
        "\uff12",
        "yes",
    ),
    *(None, float, range(3), {1, 2}, pd.Series(dtype=float), pd.DataFrame()),
)
FACTORS = (1e-300, 1e-29, 1e-9, 1e9, 1e28, 1e300)
WHOLE = (-1, 0, 1, 2, 3, 7, 2.0, 2.5, True, np.int64(3), np.float64(3), "3", np.nan, 10**6)
SINGLE = (*NUMBERS, "0.1", True, np.float32(0.1), np.int64(1), [0.1], 10**30)
OTHERS: dict[type, tuple[Any, ...]] = {int: WHOLE, float: SINGLE, str: ("other", "", "t", 1, None)}
"""What is given for an argument whose kind no door names, by the type of a sound one."""


def corrupt(subject: Subject, world: World, rng: np.random.Generator) -> dict[str, Any]:
    """Take sound arguments and spoil one to three of them, or give optional ones anything."""
    given = subject.arguments(world)
    for name, parameter in subject.parameters.items():
        if isinstance(parameter.default, (int, float, str)) and rng.random() < 0.2:
            given.setdefault(name, parameter.default)
    names = [name for name in subject.parameters if name in subject.kinds or name in given]
    for name in rng.choice(names, size=min(len(names), int(rng.integers(1, 4))), replace=False):
        kind = subject.kinds.get(name)
        if kind is not None:
            given[str(name)] = _spoil(kind, given.get(str(name)), world, rng)
        elif type(given[name]) in OTHERS:
            given[str(name)] = _pick(OTHERS[type(given[name])], rng)
    return given


def _spoil(kind: Kind, value: Any, world: World, rng: np.random.Generator) -> Any:
    if rng.random() < 0.05:
        return _pick(THINGS, rng)
    if isinstance(kind, Whole):
        return _pick(WHOLE, rng)
    if isinstance(kind, Number):
        return _pick(SINGLE, rng)
    if isinstance(kind, OneOf):
        return _pick((*kind.words, "other", 1, 1.5, "", [], np.str_("t")), rng)
    if isinstance(kind, Seed):
        return _pick((0, 7, -1, 1.5, "x", np.random.default_rng(1), 2**70), rng)
    if value is None or rng.random() < 0.2:
        value = rng.normal(50, 10, len(world.names)).round(2)
    return _spoil_array(value, rng) if isinstance(kind, ARRAYS) else value


def _spoil_array(value: Any, rng: np.random.Generator) -> Any:
    if rng.random() < 0.15:
        return _pick(THINGS, rng)
    array = np.array(pd.DataFrame(value)) if isinstance(value, pd.DataFrame) else np.array(value)
    return SPOILERS[rng.integers(len(SPOILERS))](array, rng)


def _pick(things: tuple[Any, ...], rng: np.random.Generator) -> Any:
    return things[rng.integers(len(things))]


def _holes(array: np.ndarray, rng: np.random.Generator) -> Any:
    holed = array.astype(float) if array.dtype.kind in "iufb" else array.astype(object)
    holed[rng.random(array.shape) < rng.choice([0.02, 0.2, 0.9, 1.0])] = np.nan
    return holed


def _single(array: np.ndarray, rng: np.random.Generator) -> Any:
    spoilt = array.astype(object)
    if spoilt.size:
        place = np.unravel_index(rng.integers(spoilt.size), spoilt.shape)
        spoilt[place] = _pick((*NUMBERS, *THINGS), rng)
    return spoilt


def _labels(array: np.ndarray, rng: np.random.Generator) -> Any:
    if array.ndim not in (1, 2):
        return array
    make = pd.Series if array.ndim == 1 else pd.DataFrame
    n = len(array)
    index = (
        pd.Index(rng.integers(0, max(n, 1), n)),
        pd.Index([f"E{k:02d}" for k in rng.permutation(n)]),
        pd.date_range("2012", periods=n, tz="Europe/London"),
        pd.period_range("2012", periods=n, freq="M"),
        pd.timedelta_range("1D", periods=n),
        pd.MultiIndex.from_arrays([np.arange(n) // 5, np.arange(n) % 5]),
        pd.Index([None] * n),
    )
    return make(array, index=index[rng.integers(len(index))])


def _frame(array: np.ndarray, rng: np.random.Generator) -> Any:
    """Make a table with columns that are named alike, in two levels, of another type, or none."""
    table = pd.DataFrame(array if array.ndim == 2 else array.reshape(len(array), -1))
    n = table.shape[1]
    kind = rng.integers(5)
    if kind < 2:
        names = [pd.Index([0] * n), pd.MultiIndex.from_product([["a"], range(n)])][kind]
        return table.set_axis(names, axis=1)
    return [table.assign(extra="x"), table.iloc[:0], table.iloc[:, :0]][kind - 2]


def _arrow(array: np.ndarray, rng: np.random.Generator) -> Any:
    flat = [None if item != item else item for item in array.ravel().tolist()]
    numbers = ("float[pyarrow]", "Float32") if _plain(array) else ()
    kinds = ("string", "string[pyarrow]", "category", *numbers)
    kind = kinds[rng.integers(len(kinds))]
    return pd.array([str(item) for item in flat] if "string" in kind else flat, dtype=kind)


def _plain(array: np.ndarray) -> bool:
    return array.dtype.kind in "if"


SPOILERS: tuple[Callable[[np.ndarray, np.random.Generator], Any], ...] = (
    _holes,
    _single,
    _labels,
    lambda a, r: a.astype(object),
    lambda a, r: a.astype(str),
    lambda a, r: a.tolist(),
    lambda a, r: a[:-1],
    lambda a, r: a[None],
    lambda a, r: a.T,
    lambda a, r: a[..., :1],
    lambda a, r: np.full_like(a, a.flat[0]) if a.size else a,
    lambda a, r: -a if a.dtype.kind in "if" else ~a if a.dtype.kind == "b" else a,
    lambda a, r: (
        a * float(r.choice([1e-300, 1e-29, 1e-9, 1e9, 1e28, 1e300])) if a.dtype.kind in "if" else a
    ),
    _frame,
    _arrow,
    lambda a, r: np.ma.masked_array(a, mask=r.random(a.shape) < 0.2),
    lambda a, r: a.astype(r.choice(["complex128", "longdouble", "float32"])) if _plain(a) else a,
    lambda a, r: pd.arrays.SparseArray(a.ravel()) if _plain(a) else a,
    lambda a, r: [f"{item} " for item in a.ravel()],
    lambda a, r: np.zeros(len(a), dtype=[("x", float)]),
    lambda a, r: np.where(r.random(a.shape) < 0.1, r.choice([1e29, 1e-29, 1e49]), 1.0),
    lambda a, r: np.where(np.arange(len(a)) < 1, 1e29, a.T).T if _plain(a) and len(a) else a,
    lambda a, r: a + 1e15 if a.dtype.kind == "f" else a,
    lambda a, r: a[:0],
    lambda a, r: a[:2],
    lambda a, r: dict(enumerate(a.ravel().tolist())),
    lambda a, r: (item for item in a.ravel().tolist()),
    lambda a, r: np.round(a) if a.dtype.kind == "f" else a,
    lambda a, r: r.permutation(a),
    lambda a, r: pd.array(a.ravel().astype(object), dtype=object),
    lambda a, r: a.astype("datetime64[s]") if a.dtype.kind == "i" else a.astype(object),
)


def bound_draws(given: dict[str, Any]) -> dict[str, Any]:
    """Keep draws short: what is too many is no fault, only slow."""
    draws = given.get("draws")
    if isinstance(draws, (int, float, np.number)) and draws > DRAWS:
        given["draws"] = 99
    return given
