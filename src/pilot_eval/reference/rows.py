"""Read the rows of a small reference file."""

from __future__ import annotations

import csv
from pathlib import Path

from pilot_eval.errors import DataError, explain


def read_rows(path: Path) -> list[dict[str, str]]:
    """Read a UTF-8 CSV file as text.

    Parameters
    ----------
    path : pathlib.Path

    Returns
    -------
    list of dict
        Column -> text, one for each row.

    Raises
    ------
    DataError
        If the file cannot be read, or a row has more or fewer cells than the header.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file, restkey="", restval=None))
    except (OSError, UnicodeDecodeError, csv.Error) as fault:
        action = "Check the path, or restore the file."
        raise DataError(
            explain(path.name, "be a readable UTF-8 CSV file", type(fault).__name__, action)
        ) from fault
    for number, row in enumerate(rows, start=2):
        if "" in row or None in row.values():
            action = "Quote cells that contain commas."
            raise DataError(
                explain(f"{path.name}, row {number}", "fit the header", "other cells", action)
            )
    return rows


def split_list(text: str) -> tuple[str, ...]:
    """Split the parts of a cell at semicolons."""
    return tuple(part.strip() for part in text.split(";") if part.strip())
