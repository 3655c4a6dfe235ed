"""The record of a run: everything another analyst needs to make it again."""

from __future__ import annotations

import hashlib
import json
import platform
import re
import subprocess
import tomllib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

from pilot_eval import __version__
from pilot_eval.app.results import read_table
from pilot_eval.evidence import to_csv_bytes
from pilot_eval.plan import EvaluationPlan
from pilot_eval.project import find_file, find_root

DATA_FOLDERS = ("data/published", "data/reference")
HASH_LENGTH = 12
SEAL = "manifest"


def hash_file(path: Path) -> str:
    """Hash a file.

    Parameters
    ----------
    path : pathlib.Path

    Returns
    -------
    str
        SHA-256, hexadecimal.
    """
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def hash_data(plan: EvaluationPlan, root: Path, table: Path | None = None) -> dict[str, str]:
    """Hash every data file a run reads.

    Parameters
    ----------
    plan : EvaluationPlan
        Says whether an own table is public.
    root : pathlib.Path
        Project folder.
    table : pathlib.Path, optional
        An analyst's own council table. What is hashed is what may be printed of it: the hash of
        the file itself would let a reader try withheld counts until one fits.

    Returns
    -------
    dict
        Path below the project (or the table's file name) -> SHA-256.
    """
    hashes = {
        f"{folder}/{path.name}": hash_file(path)
        for folder in DATA_FOLDERS
        for path in sorted(find_file(folder, root).glob("*"))
        if path.is_file()
    }
    if table is not None:
        printed = to_csv_bytes(read_table(plan, table))
        hashes[table.name] = hashlib.sha256(printed).hexdigest()
    return hashes


def hash_outputs(folder: Path) -> dict[str, str]:
    """Hash everything in a run's folder, by relative path."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hash_file(path) for path in files}


def seal(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Add the hash of all else that a manifest says, so that an edit shows.

    Parameters
    ----------
    manifest : mapping
        An earlier seal is replaced.

    Returns
    -------
    dict
        With ``manifest``, the SHA-256 of its other entries as JSON with sorted keys.
    """
    rest = {name: value for name, value in manifest.items() if name != SEAL}
    text = json.dumps(rest, sort_keys=True, default=str)
    return {**rest, SEAL: hashlib.sha256(text.encode()).hexdigest()}


def summarise_hashes(hashes: dict[str, str]) -> str:
    """Shorten a mapping of hashes to one of twelve digits."""
    lines = "\n".join(f"{name} {digest}" for name, digest in sorted(hashes.items()))
    return hashlib.sha256(lines.encode()).hexdigest()[:HASH_LENGTH]


def describe_code(root: Path) -> dict[str, str]:
    """Say which code ran.

    Parameters
    ----------
    root : pathlib.Path
        Project folder.

    Returns
    -------
    dict
        Package version, hash of the installed source, and the git commit where there is one.
    """
    package = Path(__file__).resolve().parent.parent
    source = {path.relative_to(package).as_posix(): hash_file(path) for path in _code(package)}
    described = {
        "version": __version__,
        "source_hash": summarise_hashes(source),
        "commit": _git(root, "rev-parse", "HEAD") or "not known: no git here",
    }
    if _git(root, "status", "--porcelain", "--untracked-files=no"):
        described["commit"] += " with uncommitted changes"
    return described


def describe_versions() -> dict[str, str]:
    """Give the versions of Python, the system and every direct dependency.

    Returns
    -------
    dict
    """
    versions = {"python": platform.python_version(), "system": platform.platform()}
    names = [
        re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0]
        for line in _list_requirements()
        if "extra ==" not in line
    ]
    return {**versions, **{name: _find_version(name) for name in sorted(names)}}


def _list_requirements() -> list[str]:
    """List what the package needs, installed or run from its folder."""
    with suppress(metadata.PackageNotFoundError):
        return metadata.requires("pilot-eval") or []
    project = find_root() / "pyproject.toml"
    if not project.is_file():
        return []
    return list(tomllib.loads(project.read_text(encoding="utf-8"))["project"]["dependencies"])


def _find_version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def _code(package: Path) -> Iterable[Path]:
    return sorted(
        path for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    )


def _git(root: Path, *arguments: str) -> str:
    try:
        result = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False
        )
    except OSError:
        return ""
    return result.stdout.strip() if result.returncode == 0 else ""
