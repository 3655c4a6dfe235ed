"""Keep the hashes in `datapackage.json` true to the committed tables."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from pilot_eval.errors import DataError, explain

DESCRIPTOR = "datapackage.json"


def refresh_hashes(data_dir: str | Path) -> Path | None:
    """Write size and SHA-256 of every described table into the descriptor.

    Parameters
    ----------
    data_dir : path
        The data folder. Without a descriptor nothing is done.

    Returns
    -------
    pathlib.Path or None
        The descriptor, None where there is none.
    """
    path = Path(data_dir) / DESCRIPTOR
    if not path.is_file():
        return None
    descriptor = json.loads(path.read_text(encoding="utf-8"))
    for resource in descriptor["resources"]:
        table = path.parent / resource["path"]
        if table.is_file():
            resource["bytes"] = table.stat().st_size
            resource["hash"] = hash_file(table)
    text = json.dumps(descriptor, indent=2, ensure_ascii=False) + "\n"
    path.write_text(text, encoding="utf-8", newline="\n")
    return path


def find_changed_tables(data_dir: str | Path) -> dict[str, str]:
    """Compare every described table with its recorded hash.

    Parameters
    ----------
    data_dir : path
        The data folder.

    Returns
    -------
    dict of str to str
        Path of each table that differs or is missing, with what was found. Empty: all is well.

    Raises
    ------
    DataError
        If there is no readable descriptor.
    """
    path = Path(data_dir) / DESCRIPTOR
    try:
        resources = json.loads(path.read_text(encoding="utf-8"))["resources"]
    except (OSError, ValueError, KeyError) as error:
        raise DataError(
            explain(DESCRIPTOR, "list the data tables", type(error).__name__, "Restore the file.")
        ) from error
    changed = {}
    for resource in resources:
        table = path.parent / resource["path"]
        found = hash_file(table) if table.is_file() else "no file"
        if found != resource["hash"]:
            changed[resource["path"]] = found
    return changed


def hash_file(path: str | Path) -> str:
    """Return ``sha256:`` and the hexadecimal SHA-256 of a file.

    Parameters
    ----------
    path : path
        The file.

    Returns
    -------
    str
    """
    return f"sha256:{hashlib.sha256(Path(path).read_bytes()).hexdigest()}"
