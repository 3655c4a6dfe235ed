"""Results of checks that take long, as they were last computed for the project's own pilots.

A result is found by the hash of all that it rests on: arguments, code, reference facts, stored
calibrations and the versions of what computes. One that is out of date is not found; it is then
computed, which takes longer and gives the same.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from functools import cache, lru_cache, wraps
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, ParamSpec

import numpy as np
import pandas as pd

from pilot_eval.evaluation.calibration_store import STORE as CALIBRATIONS
from pilot_eval.evaluation.code_hash import hash_code
from pilot_eval.project import find_file
from pilot_eval.run_cache import hash_folder, once_per_run

STORE = "docs/validity/stored"
AGAIN = "PILOT_EVAL_STORE_AGAIN"
"""Environment variable: the folder in which what is used is noted, while it is stored again."""
FACTS = "data/reference"
COMPUTING = ("numpy", "pandas", "scipy")

P = ParamSpec("P")


class _UnknownError(Exception):
    """An argument that has no hash."""


def stored(function: Callable[P, pd.DataFrame]) -> Callable[P, pd.DataFrame]:
    """Let a function take its results from the store, where they are there.

    Parameters
    ----------
    function : callable
        Its result follows from its arguments, the reference facts, the stored calibrations and the
        code, holds no child's record and has an index of row numbers.

    Returns
    -------
    callable
        The same function; within a run it computes each answer once.
    """
    computed = once_per_run(function)

    @wraps(function)
    def found(*args: P.args, **kwargs: P.kwargs) -> pd.DataFrame:
        path, again = find_file(STORE) / f"{function.__name__}.jsonl", os.environ.get(AGAIN)
        if not path.is_file() and not again:
            return computed(*args, **kwargs)
        try:
            key = f"{find_state(function)} {_hash_arguments(args, kwargs)}"
        except _UnknownError:
            return computed(*args, **kwargs)
        line = _read_lines(path).get(key)
        if line is None:
            with _not_noting():
                result = computed(*args, **kwargs)
        else:
            result = _lay_out(line)
        if again:
            noted = hashlib.sha256(key.encode()).hexdigest()
            text = line or json.dumps({"key": key, "columns": _describe(result)}, default=_plain)
            Path(again, f"{function.__name__}-{noted}").write_text(text, encoding="utf-8")
        return result

    return found


@contextmanager
def noting(folder: Path) -> Iterator[None]:
    """Note in a folder every result that is used meanwhile, here and in processes started here."""
    os.environ[AGAIN] = str(folder)
    try:
        yield
    finally:
        del os.environ[AGAIN]


@contextmanager
def _not_noting() -> Iterator[None]:
    """Note nothing of what a stored result is computed from: once it is stored, nobody asks."""
    folder = os.environ.pop(AGAIN, None)
    try:
        yield
    finally:
        if folder:
            os.environ[AGAIN] = folder


def write_store(noted: Path, root: Path, new: Path, *, whole: bool) -> None:
    """Write the store again from what was noted.

    Parameters
    ----------
    noted : path
        The folder of `noting`.
    root, new : path
        Project folder, and the folder in which the new store is written.
    whole : bool
        Whether what was not used goes. What an older state of a function gave goes in any case.
    """
    fresh: dict[str, dict[str, str]] = defaultdict(dict)
    for path in sorted(noted.iterdir()):
        line = path.read_text(encoding="utf-8")
        fresh[path.name.rpartition("-")[0]][_read_key(line)] = line
    earlier = [] if whole else sorted((root / STORE).glob("*.jsonl"))
    old = {path.stem: _read_lines(path) for path in earlier}
    (new / STORE).mkdir(parents=True)
    for name in {**old, **fresh}:
        states = {_state(key) for key in fresh[name] or old[name]}
        kept = {key: line for key, line in old.get(name, {}).items() if _state(key) in states}
        own = kept | fresh[name]
        text = "".join(f"{own[key]}\n" for key in sorted(own))
        (new / STORE / f"{name}.jsonl").write_text(text, encoding="utf-8", newline="\n")


def find_state(function: Callable[..., object]) -> str:
    """Hash what a function's results rest on besides its arguments.

    Returns
    -------
    str
        SHA-256, hexadecimal.
    """
    calibrations = find_file(CALIBRATIONS)
    parts = [_hash_function(function.__module__, function.__name__)]
    parts.append(hash_folder(find_file(FACTS)))
    parts.append(calibrations.read_text(encoding="utf-8") if calibrations.is_file() else "")
    parts += [version(name) for name in COMPUTING]
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()


@cache
@once_per_run
def _hash_function(module: str, name: str) -> str:
    return hash_code(getattr(import_module(module), name))


def _hash_arguments(args: tuple[object, ...], kwargs: Mapping[str, object]) -> str:
    digest = hashlib.sha256()
    for part in _parts((args, dict(kwargs))):
        digest.update(part + b"\0")
    return digest.hexdigest()


def _parts(value: object) -> Iterator[bytes]:
    """Write a value as bytes that do not depend on the process or the machine."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        yield repr(value).encode()
    elif isinstance(value, (pd.DataFrame, pd.Series, pd.Index)):
        yield from _parts_of_table(value)
    elif isinstance(value, np.ndarray):
        yield from _parts_of_table(pd.DataFrame(value.reshape(-1, 1)))
        yield repr(value.shape).encode()
    elif isinstance(value, Mapping):
        yield from _parts([list(pair) for pair in value.items()])
    elif isinstance(value, Set):
        yield from _parts(sorted(value))
    elif isinstance(value, (list, tuple, range)):
        yield f"[{len(value)}".encode()
        for item in value:
            yield from _parts(item)
    elif is_dataclass(value) and not isinstance(value, type):
        yield from _parts([type(value).__name__, *(_field(value, f.name) for f in fields(value))])
    elif hasattr(value, "model_dump_json"):
        yield str(value.model_dump_json()).encode()
    else:
        raise _UnknownError


def _field(value: object, name: str) -> list[object]:
    return [name, getattr(value, name)]


def _parts_of_table(value: pd.DataFrame | pd.Series | pd.Index) -> Iterator[bytes]:
    if isinstance(value, pd.DataFrame):
        yield from _parts(list(map(str, value.columns)))
    yield np.ascontiguousarray(pd.util.hash_pandas_object(value), dtype="<u8").tobytes()


def _read_lines(path: Path) -> dict[str, str]:
    """Read a file of the store: key -> line; empty where there is no file."""
    return _read_written(path, path.stat().st_mtime_ns) if path.is_file() else {}


@lru_cache(maxsize=32)
def _read_written(path: Path, _written: int) -> dict[str, str]:
    return {_read_key(line): line for line in path.read_text(encoding="utf-8").splitlines()}


def _read_key(line: str) -> str:
    return line.split('"')[3]


def _state(key: str) -> str:
    return key.partition(" ")[0]


def _describe(result: pd.DataFrame) -> dict[str, dict[str, Any]]:
    if not result.index.equals(pd.RangeIndex(len(result))):
        raise TypeError("what is stored has an index of row numbers")
    return {
        str(name): {"dtype": str(column.dtype), "values": column.tolist()}
        for name, column in result.items()
    }


def _plain(value: Any) -> object:
    return value.item()


def _lay_out(line: str) -> pd.DataFrame:
    columns = json.loads(line)["columns"]
    return pd.DataFrame(
        {name: pd.Series(own["values"], dtype=own["dtype"]) for name, own in columns.items()}
    )
