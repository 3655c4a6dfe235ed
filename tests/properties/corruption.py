"""Arguments that are wrong in every way that a type allows, bounded so that no call is long."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
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
)
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
        spoilt.flat[rng.integers(spoilt.size)] = _pick((*NUMBERS, *THINGS[:12]), rng)
    return spoilt


def _labels(array: np.ndarray, rng: np.random.Generator) -> Any:
    if array.ndim not in (1, 2):
        return array
    make = pd.Series if array.ndim == 1 else pd.DataFrame
    n = len(array)
    index = (
        pd.Index(rng.integers(0, max(n, 1), n)),
        pd.Index([f"E{k:02d}" for k in rng.permutation(n)]),
        pd.date_range("2012", periods=n),
    )
    return make(array, index=index[rng.integers(3)])


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
    lambda a, r: a * float(r.choice([1e-300, 1e-9, 1e9, 1e300])) if a.dtype.kind in "if" else a,
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
