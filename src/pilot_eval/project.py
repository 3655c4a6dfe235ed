"""Find the project: its root, its pilot folders, and the files that come with the package."""

from __future__ import annotations

import os
import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pilot_eval.errors import PlanError, RunError, explain

PILOTS = "pilots"
PLAN_NAME = "plan.toml"
TEXTS_NAME = "texts.toml"
ASSUMPTIONS = "assumptions.md"
DEFAULT_NAME = "pilots.toml"
ROOT_VARIABLE = "PILOT_EVAL_ROOT"


def find_root(start: str | Path | None = None) -> Path:
    """Find the project root: the nearest folder that holds ``pilots/``.

    Parameters
    ----------
    start : path, optional
        Folder to search from, upwards. Default: the folder named by the environment variable
        ``PILOT_EVAL_ROOT``, else the current folder.

    Returns
    -------
    pathlib.Path
        The nearest folder, at or above `start`, with pilot folders in ``pilots/``; where there is
        none, the project that comes with the package (see `find_shipped`).
    """
    _check_place("root", start)
    origin = Path(start or os.environ.get(ROOT_VARIABLE) or Path.cwd()).resolve()
    for folder in (origin, *origin.parents):
        if (folder / PILOTS).is_dir():
            return folder
    return find_shipped()


def find_shipped() -> Path:
    """Find the project that comes with the package: pilots, notebooks and published tables.

    Returns
    -------
    pathlib.Path
        ``pilot_eval/shipped`` of an installed wheel, or the checkout of an editable installation.

    Raises
    ------
    RunError
        If there is neither.
    """
    package = Path(__file__).resolve().parent
    for folder in (package / "shipped", *package.parents):
        if (folder / PILOTS / DEFAULT_NAME).is_file():
            return folder
    raise RunError(
        explain(
            "pilot_eval", "come with its pilots and data", "neither", "Install the package again."
        )
    )


def find_file(name: str, root: str | Path | None = None) -> Path:
    """Find a file or folder of the project, or the one that comes with the package.

    Parameters
    ----------
    name : str
        Path below the project root, such as ``data/reference/councils.csv``.
    root : path, optional
        As `start` of `find_root`.

    Returns
    -------
    pathlib.Path
        The project's own where it exists, else the package's, which may not exist.
    """
    own = find_root(root) / name
    return own if own.exists() else find_shipped() / name


def find_reports(root: Path) -> Path:
    """Find the folder that runs are written to: below the project, or here outside of it."""
    here = Path.cwd().resolve()
    inside = root == here or root in here.parents
    shipped = root == find_shipped() and not inside
    return (here if shipped else root) / "reports"


def find_pilot(pilot: str | Path | None = None, root: str | Path | None = None) -> Path:
    """Find a pilot folder.

    Parameters
    ----------
    pilot : str or path, optional
        A folder that holds ``plan.toml``, or the name of one in ``pilots/``. Default: the pilot
        that ``pilots/pilots.toml`` names.
    root : path, optional
        As `start` of `find_root`.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    PlanError
        If there is no such pilot, or `pilot` is a plan file of version 0.1.
    """
    _check_place("pilot", pilot)
    name = str(pilot or default_pilot(root))
    path = Path(name)
    if path.suffix == ".toml":
        action = f"Convert it with `pilot-eval init NAME --from {name}`, then use `--pilot NAME`."
        raise PlanError(explain("pilot", "be a pilot folder", f"the plan file {name}", action))
    for folder in (path, find_root(root) / PILOTS / name, find_shipped() / PILOTS / name):
        if _is_file(folder / PLAN_NAME):
            return folder.resolve()
    near = get_close_matches(name, list_pilots(root), n=1)
    hint = f"Did you mean {near[0]!r}? " if near else ""
    action = f"{hint}Known: {', '.join(list_pilots(root))}. `pilot-eval init NAME` makes a new one."
    raise PlanError(explain("pilot", f"name a folder with {PLAN_NAME}", repr(name), action))


def find_assumptions(pilot: str, root: str | Path | None = None) -> Path | None:
    """Find the assumptions of a pilot: those of the documents are the default pilot's.

    Parameters
    ----------
    pilot : str
        Name of its folder.
    root : path, optional
        As `start` of `find_root`.

    Returns
    -------
    pathlib.Path or None
        None where the pilot has written none in its folder.
    """
    if pilot == default_pilot(root):
        path = find_file(f"docs/{ASSUMPTIONS}", root)
    else:
        path = find_root(root) / PILOTS / pilot / ASSUMPTIONS
    return path if path.is_file() else None


def list_pilots(root: str | Path | None = None) -> list[str]:
    """List the pilots of the project and of the package by name."""
    folders = {find_root(root) / PILOTS, find_shipped() / PILOTS}
    return sorted({path.parent.name for f in folders for path in f.glob(f"*/{PLAN_NAME}")})


def default_pilot(root: str | Path | None = None) -> str:
    """Name the pilot that is evaluated when none is named."""
    path = find_file(f"{PILOTS}/{DEFAULT_NAME}", root)
    try:
        return str(tomllib.loads(path.read_text(encoding="utf-8"))["default"])
    except (OSError, ValueError, KeyError) as fault:
        action = 'Write one line into it: default = "NAME".'
        raise PlanError(
            explain(f"{PILOTS}/{DEFAULT_NAME}", "name a pilot", type(fault).__name__, action)
        ) from fault


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file; whatever cannot be read in it is one kind of error.

    Raises
    ------
    tomllib.TOMLDecodeError
        For wrong TOML, and for numbers and nesting beyond what Python reads.
    UnicodeDecodeError, OSError
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        raise
    except RecursionError as fault:
        raise tomllib.TOMLDecodeError("nested too deeply") from fault
    except ValueError as fault:
        raise tomllib.TOMLDecodeError("a number with too many digits") from fault


def _check_place(name: str, value: object) -> None:
    """Refuse what is neither a path nor the text of one."""
    if value is not None and (not isinstance(value, (str, Path)) or "\0" in str(value)):
        got = type(value).__name__
        raise PlanError(explain(name, "be a name or a path", got, "Name a pilot folder."))


def _is_file(path: Path) -> bool:
    """Whether it is a file; what is too long for a path is none."""
    try:
        return path.is_file()
    except OSError:
        return False
