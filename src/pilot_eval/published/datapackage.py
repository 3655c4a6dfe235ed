"""Keep the hashes in `datapackage.json` true to the committed tables."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from pilot_eval.errors import DataError, explain

DESCRIPTOR = "datapackage.json"


def refresh_hashes(data_dir: str | Path, new_dir: Path | None = None) -> None:
    """Write size and SHA-256 of every described table into the descriptor.

    Parameters
    ----------
    data_dir : path
        The data folder. Without a descriptor nothing is done.
    new_dir : pathlib.Path, optional
        Where tables that are about to replace those of the data folder lie; the descriptor is
        written alongside them. Default: the data folder.
    """
    data_dir = Path(data_dir)
    new_dir = new_dir or data_dir
    if not (data_dir / DESCRIPTOR).is_file():
        return
    descriptor = json.loads((data_dir / DESCRIPTOR).read_text(encoding="utf-8"))
    for resource in descriptor["resources"]:
        tables = [folder / resource["path"] for folder in (new_dir, data_dir)]
        table = next((table for table in tables if table.is_file()), None)
        if table is not None:
            resource["bytes"] = table.stat().st_size
            resource["hash"] = hash_file(table)
    text = json.dumps(descriptor, indent=2, ensure_ascii=False) + "\n"
    (new_dir / DESCRIPTOR).write_text(text, encoding="utf-8", newline="\n")


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
