"""Write into a hidden folder alongside the target, then rename: a reader never sees half a run."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pilot_eval.errors import RunError, explain
from pilot_eval.file_sets import WORKING, clear_dead, new_folder, owner

RENAME_TRIES = 10  # a virus scanner may hold a new file open for a moment
RENAME_PAUSE = 0.3

TAKEN = (errno.ENOTEMPTY, errno.EEXIST)

ADVICE = {
    errno.ENOSPC: "The disk is full: free some space, or name another folder with --out.",
    errno.EDQUOT: "Your disk quota is used up: free some space, or name another folder with --out.",
    errno.EROFS: "It is read-only: name another folder with --out.",
    errno.EACCES: "You may not write there: name another folder with --out.",
    errno.EPERM: "You may not write there: name another folder with --out.",
}


@contextmanager
def stage(target: Path) -> Iterator[Path]:
    """Give a hidden folder to write into; it is gone afterwards, unless it was published.

    Only its owner can open it. What a killed run left here is removed first.

    Parameters
    ----------
    target : pathlib.Path
        What is to appear. If it exists and holds anything, nothing is started.

    Yields
    ------
    pathlib.Path
        A new folder alongside `target`, to fill and then to `publish`.

    Raises
    ------
    RunError
        If the folder cannot be written, in plain words; whatever was there is untouched.
    """
    refuse_used(target)
    made = [parent for parent in target.parents if not parent.exists()]
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        clear_dead(target.parent)
        folder = new_folder(target.parent, target.name)
    except OSError as fault:
        raise unwritable(target.parent, fault) from fault
    try:
        yield folder
    except OSError as fault:
        raise unwritable(target, fault) from fault
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        for parent in made:
            with suppress(OSError):  # it holds what was published
                parent.rmdir()


def name_release(folder: Path) -> Path:
    """Name the folder alongside results for what of them passes the release check."""
    return folder.with_name(f"{folder.name}-release")


def refuse_used(*targets: Path) -> None:
    """Refuse places that hold something already, before anything is computed.

    Raises
    ------
    RunError
    """
    for target in targets:
        if _is_occupied(target):
            raise _occupied(target)


def publish(folder: Path, names: Iterable[Path]) -> Path:
    """Rename a finished folder, in one step, to the first name that is free.

    Parameters
    ----------
    folder : pathlib.Path
    names : iterable of pathlib.Path

    Returns
    -------
    pathlib.Path
        The name it has now.

    Raises
    ------
    RunError
        If none is free: another run took it meanwhile.
    """
    folder.chmod(0o777 & ~_umask())
    tried = folder
    for name in names:
        tried = name
        if _is_occupied(name):
            continue
        try:
            _rename(folder, name)
        except OSError as fault:
            if fault.errno in TAKEN:
                continue
            raise
        return name
    raise _occupied(tried)


@contextmanager
def working_folder() -> Iterator[str]:
    """Give a private temporary folder; those of killed runs are removed first."""
    clear_dead(Path(tempfile.gettempdir()))
    prefix = f"{WORKING}{owner()}-"
    with tempfile.TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True) as folder:
        yield folder


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _rename(folder: Path, name: Path) -> None:
    if name.is_dir():
        name.rmdir()
    for _ in range(RENAME_TRIES if os.name == "nt" else 0):
        try:
            folder.rename(name)
            return
        except PermissionError:
            time.sleep(RENAME_PAUSE)
    folder.rename(name)


def _is_occupied(path: Path) -> bool:
    return path.is_file() or (path.is_dir() and any(path.iterdir()))


def _occupied(path: Path) -> RunError:
    return RunError(
        explain("--out", "be a new or empty folder", path, "Name another; it is as it was.")
    )


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
