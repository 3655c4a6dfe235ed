"""Compute once per run what several notebooks and the report need.

A run names a folder of its own in ``PILOT_EVAL_RUN_CACHE``, or takes the one that it finds named
there, as where many runs follow each other; there, what a function marked
`once_per_run` returned is kept under a hash of its arguments, of the project's reference facts and
of the package's own code, so that nothing stale can be read. Without that variable, as in a
notebook opened alone, functions are simply called.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache, wraps
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, ParamSpec, TypeVar

from pilot_eval.project import find_file

VARIABLE = "PILOT_EVAL_RUN_CACHE"
PACKAGE = Path(__file__).resolve().parent
FACTS = ("data/reference", "pilots")

P = ParamSpec("P")
R = TypeVar("R")


def once_per_run(function: Callable[P, R]) -> Callable[P, R]:
    """Keep what a function returns for the other processes of the same run.

    For functions whose result follows from their arguments, the reference facts and the code, and
    holds no child's record.

    Parameters
    ----------
    function : callable
        Its arguments and result can be pickled.

    Returns
    -------
    callable
        The same function; inside a run it computes each answer once.
    """

    @wraps(function)
    def cached(*args: P.args, **kwargs: P.kwargs) -> R:
        folder = os.environ.get(VARIABLE)
        if not folder or not os.path.isdir(folder):  # no run, or its folder was cleared away
            return function(*args, **kwargs)
        name = f"{function.__module__}.{function.__qualname__}"
        path = Path(folder) / hash_call(name, args, kwargs)
        with _locked(path.with_suffix(".lock")):
            if path.exists():
                kept: R = pickle.loads(path.read_bytes())
                return kept
            written = pickle.dumps(function(*args, **kwargs), protocol=pickle.HIGHEST_PROTOCOL)
            with suppress(OSError):  # a full disk costs time here, not the result
                partial = path.with_suffix(".partial")
                partial.write_bytes(written)
                partial.replace(path)
        result: R = pickle.loads(written)  # as others read it: what rests on it has one hash
        return result

    return cached


@contextmanager
def keep_for_run() -> Iterator[None]:
    """Keep answers in the folder that the environment names, or in one that lasts as long.

    Processes that are started meanwhile keep theirs there too.
    """
    if os.environ.get(VARIABLE):
        yield
        return
    variable = VARIABLE
    with TemporaryDirectory(prefix="pilot_eval-", ignore_cleanup_errors=True) as folder:
        os.environ[variable] = folder
        try:
            yield
        finally:
            os.environ.pop(variable, None)


def hash_call(name: str, args: tuple[object, ...], kwargs: dict[str, object]) -> str:
    """Hash a call, the facts it may read and the code that it runs."""
    written = BytesIO()
    _Pickler(written, protocol=pickle.HIGHEST_PROTOCOL).dump((name, args, sorted(kwargs.items())))
    facts = [hash_folder(find_file(folder)) for folder in FACTS]
    parts = [hash_folder(PACKAGE), *facts, hashlib.sha256(written.getbuffer()).hexdigest()]
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()


@cache
def hash_folder(folder: Path) -> str:
    """Hash every file below a folder by name and content; no call reads notebooks or `.pyc`."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        if path.suffix not in (".ipynb", ".pyc"):
            digest.update(f"{path.relative_to(folder).as_posix()}\0".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


class _Pickler(pickle.Pickler):
    """Write plans by their JSON: the pickle of a pydantic model depends on the process."""

    def persistent_id(self, obj: object) -> str | None:
        to_json = getattr(obj, "model_dump_json", None)
        if to_json is None or isinstance(obj, type):
            return None
        return f"{getattr(obj, 'hash', '')} {to_json()}"


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Let one process at a time compute an answer; a lock ends with the process that holds it."""
    with path.open("a+b") as handle:
        _lock(handle)
        yield


def _lock(handle: IO[bytes]) -> None:
    if sys.platform == "win32":
        import msvcrt

        while True:
            with suppress(OSError):  # it gives up after ten seconds
                msvcrt.locking(handle.fileno(), msvcrt.LK_LOCK, 1)
                return
    else:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX)
