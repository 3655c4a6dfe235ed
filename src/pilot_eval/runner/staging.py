"""Write into a hidden folder beside the target, then rename: a reader never sees half a run."""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from pilot_eval.errors import RunError, explain

PREFIX = ".unfinished-"
RENAME_TRIES = 10  # a virus scanner may hold a new file open for a moment
RENAME_PAUSE = 0.3

ADVICE = {
    errno.ENOSPC: "The disk is full: free some space, or name another folder with --out.",
    errno.EDQUOT: "Your disk quota is used up: free some space, or name another folder with --out.",
    errno.EROFS: "It is read-only: name another folder with --out.",
    errno.EACCES: "You may not write there: name another folder with --out.",
    errno.EPERM: "You may not write there: name another folder with --out.",
}


@contextmanager
def stage(target: Path) -> Iterator[Path]:
    """Give a folder to write into; it becomes `target` only if everything went well.

    Parameters
    ----------
    target : pathlib.Path
        The folder to appear. If it exists and holds anything, nothing is started.

    Yields
    ------
    pathlib.Path
        A new, hidden folder beside `target`.

    Raises
    ------
    RunError
        If the folder cannot be written, in plain words; whatever was there is untouched.
    """
    refuse_occupied(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        folder = _new_folder(target)
    except OSError as fault:
        raise unwritable(target.parent, fault) from fault
    try:
        yield folder
        if folder.exists():  # else the caller has published it under another name
            publish(folder, target)
    except OSError as fault:
        raise unwritable(target, fault) from fault
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def refuse_occupied(target: Path) -> None:
    """Raise RunError if `target` is a file or a folder that holds something."""
    occupied = target.is_file() or (target.is_dir() and any(target.iterdir()))
    if occupied:
        raise RunError(
            explain("--out", "be a new or empty folder", target, "Name another; nothing was run.")
        )


def publish(folder: Path, target: Path) -> None:
    """Rename a finished folder to its name in one step."""
    refuse_occupied(target)
    for attempt in range(RENAME_TRIES):
        try:
            if target.is_dir():
                target.rmdir()
            folder.rename(target)
            return
        except PermissionError:
            if os.name != "nt" or attempt == RENAME_TRIES - 1:
                raise
            time.sleep(RENAME_PAUSE)


def unwritable(path: Path, fault: OSError) -> RunError:
    """Word an operating-system error about writing."""
    advice = ADVICE.get(fault.errno or 0, "Check the folder, or name another with --out.")
    reason = fault.strerror or type(fault).__name__
    return RunError(
        explain(
            "results folder",
            "be writable",
            f"{path} ({reason})",
            f"{advice} Earlier reports are as they were.",
        )
    )


def _new_folder(target: Path) -> Path:
    stem = f"{PREFIX}{target.name}-{os.getpid()}"
    free = (target.parent / f"{stem}-{number}" for number in count())
    folder = next(path for path in free if not path.exists())
    folder.mkdir()
    return folder
