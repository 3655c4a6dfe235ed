"""Put a set of files in place: all of them or none, whenever the process ends."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

PREFIX, FINISHED = ".unfinished-", ".finished-"
WORKING = "pilot_eval-"
INDEX = ".set.json"
MOST_HOST = 20  # letters of the machine's name in a folder's


@contextmanager
def whole_set(base: Path, *, replaces: Iterable[str] = (), folders: bool = False) -> Iterator[Path]:
    """Give a hidden folder whose files take the places of those of the same names in `base`.

    The files are written first; one rename then decides that all of them stand. A process that is
    killed before it leaves everything as it was, one killed after it is finished by `finish_sets`,
    which every command that reads or writes there calls. After an error nothing has changed.

    Parameters
    ----------
    base : pathlib.Path
        Made if it is not there.
    replaces : iterable of str
        Folders below `base` that hold nothing but the new files afterwards.
    folders : bool
        What is written are new folders, which keep their permissions; none of them is there yet.

    Yields
    ------
    pathlib.Path
        A private folder in `base`.
    """
    base.mkdir(parents=True, exist_ok=True)
    finish_sets(base)
    clear_dead(base)
    folder = new_folder(base, "set")
    try:
        yield folder
        whole = sorted(path.name for path in folder.iterdir()) if folders else []
        names = [] if folders else list_files(folder)
        old = [f"{top}/{name}" for top in replaces for name in list_files(base / top)]
        _check_places(base, names)
        index = {"files": names, "gone": sorted(set(old) - set(names)), "folders": whole}
        (folder / INDEX).write_text(json.dumps(index), encoding="utf-8")
        with locked(base):
            _finish_all(base)
            for place in (base / name for name in whole):
                if place.exists() and not _is_empty(place):
                    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(place))
            folder.rename(base / f"{FINISHED}{time.time_ns():020d}-{os.getpid()}")
            _finish_all(base)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give the name of a new file, which takes the place of `path` when it is finished.

    Parameters
    ----------
    path : pathlib.Path
        In a folder that is there.

    Yields
    ------
    pathlib.Path
    """
    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    with whole_set(path.parent) as new:
        yield new / path.name


def finish_sets(base: Path) -> None:
    """Put in place what a killed process had written in full.

    Parameters
    ----------
    base : pathlib.Path
        As in `whole_set`; without such a folder nothing is done.
    """
    if base.is_dir() and any(base.glob(f"{FINISHED}*")):
        with locked(base):
            _finish_all(base)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Let one process at a time put files in place; the lock ends with the process.

    Windows has no such lock of a folder: there two commands must not write the same set at once.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def list_files(folder: Path) -> list[str]:
    """List the files below a folder, sorted; none where there is no folder."""
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def new_folder(parent: Path, what: str) -> Path:
    """Make a hidden folder that only its owner can open, named by its process."""
    stem = f"{PREFIX}{what}-{owner()}"
    free = (parent / f"{stem}-{number}" for number in count())
    folder = next(path for path in free if not path.exists())
    folder.mkdir(mode=0o700)
    return folder


def clear_dead(parent: Path) -> None:
    """Remove the unfinished and working folders of this machine's ended processes.

    Parameters
    ----------
    parent : pathlib.Path
    """
    host, _, _ = owner().rpartition("-")
    dead = re.compile(rf"(?:{PREFIX}.*-|{WORKING}){re.escape(host)}-(\d+)-\w+")
    for path in parent.iterdir():
        found = dead.fullmatch(path.name)
        if found and not _is_alive(int(found[1])):
            shutil.rmtree(path, ignore_errors=True)


def owner() -> str:
    """Name this machine and process."""
    host = re.sub(r"\W", "", socket.gethostname())[:MOST_HOST]
    return f"{host}-{os.getpid()}"


def _check_places(base: Path, names: Iterable[str]) -> None:
    """Refuse, before anything is decided, places that no file can take."""
    for place in (base / name for name in names):
        if place.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(place))
        above = next(folder for folder in place.parents if folder.exists())
        if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(above))


def _finish_all(base: Path) -> None:
    for folder in sorted(base.glob(f"{FINISHED}*")):
        if not (folder / INDEX).exists():  # all stands: the process ended while clearing up
            folder.rmdir()
            continue
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        for name in index["folders"]:
            if (folder / name).is_dir():
                if (base / name).is_dir():
                    (base / name).rmdir()
                (folder / name).rename(base / name)
        for name in index["files"]:
            if (folder / name).exists():
                (base / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).replace(base / name)
        for name in index["gone"]:
            (base / name).unlink(missing_ok=True)
        _clear(folder)


def _is_empty(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())


def _clear(folder: Path) -> None:
    """Remove a set that stands; its index last, so that a killed process can be followed."""
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
    (folder / INDEX).unlink()
    folder.rmdir()


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
