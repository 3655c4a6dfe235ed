"""Write into a hidden folder beside the target, then rename: a reader never sees half a run."""

from __future__ import annotations

import errno
import os
import re
import shutil
import socket
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from pilot_eval.errors import RunError, explain

PREFIX = ".unfinished-"
WORKING = "pilot_eval-"
MOST_HOST = 20  # letters of the machine's name in a folder's
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
        A new folder beside `target`, to fill and then to `publish`.

    Raises
    ------
    RunError
        If the folder cannot be written, in plain words; whatever was there is untouched.
    """
    if _is_occupied(target):
        raise _occupied(target)
    made = [parent for parent in target.parents if not parent.exists()]
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        clear_dead(target.parent)
        folder = _new_folder(target)
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


def publish(folder: Path, names: Iterable[Path], *, private: bool = False) -> Path:
    """Rename a finished folder, in one step, to the first name that is free.

    Parameters
    ----------
    folder : pathlib.Path
    names : iterable of pathlib.Path
    private : bool
        Whether it stays closed to others, as working files of children's records do.

    Returns
    -------
    pathlib.Path
        The name it has now.

    Raises
    ------
    RunError
        If none is free: another run took it meanwhile.
    """
    if not private:
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


def swap(folder: Path, target: Path) -> None:
    """Put a finished folder in an earlier one's place: readers see the one or the other whole.

    Parameters
    ----------
    folder : pathlib.Path
        From `stage` of a folder beside `target`.
    target : pathlib.Path
        What is replaced; it is back as it was if that fails.
    """
    old = folder.with_name(f"{folder.name}-old")
    folder.chmod(0o777 & ~_umask())
    if target.exists():
        target.rename(old)
    try:
        folder.rename(target)
    except OSError:
        if old.exists():
            old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def working_folder() -> Iterator[str]:
    """Give a private temporary folder; those of killed runs are removed first."""
    clear_dead(Path(tempfile.gettempdir()))
    prefix = f"{WORKING}{_owner()}-"
    with tempfile.TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True) as folder:
        yield folder


def clear_dead(parent: Path) -> None:
    """Remove the unfinished and working folders of this machine's ended processes.

    Parameters
    ----------
    parent : pathlib.Path
    """
    host, _, _ = _owner().rpartition("-")
    dead = re.compile(rf"(?:{PREFIX}.*-|{WORKING}){re.escape(host)}-(\d+)-\w+(?:-old)?")
    for path in parent.iterdir():
        found = dead.fullmatch(path.name)
        if found and not _is_alive(int(found[1])):
            shutil.rmtree(path, ignore_errors=True)


def _owner() -> str:
    host = re.sub(r"\W", "", socket.gethostname())[:MOST_HOST]
    return f"{host}-{os.getpid()}"


def _is_alive(process: int) -> bool:
    if os.name == "nt":
        return True  # signal 0 would end it there
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's, or no number of a process
        return True
    return True


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


def _new_folder(target: Path) -> Path:
    stem = f"{PREFIX}{target.name}-{_owner()}"
    free = (target.parent / f"{stem}-{number}" for number in count())
    folder = next(path for path in free if not path.exists())
    folder.mkdir(mode=0o700)
    return folder
