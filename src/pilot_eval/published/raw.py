"""Read one source CSV file as text, refusing what is not a table, and read one cell of it."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pilot_eval.errors import DataError, explain
from pilot_eval.published.statuses import REPORTED

_NUMBER = re.compile(r"\d{1,3}(,\d{3})+(\.\d+)?|\d+(\.\d+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class RawTable:
    """The text of a CSV file: `rows` are mappings from column name, `lines` their file lines."""

    file: str
    columns: tuple[str, ...]
    rows: tuple[dict[str, str], ...]
    lines: tuple[int, ...]


def read_raw(path: str | Path, *, encoding: str = "cp1252") -> RawTable:
    """Read a CSV file as text, blanks around names and figures removed.

    Parameters
    ----------
    path : path
        The file.
    encoding : str
        DfE's files are cp1252; a byte-order mark switches to UTF-8.

    Returns
    -------
    RawTable
        Columns without a name are left out.

    Raises
    ------
    DataError
        If the file is missing, not text, empty, names a column twice, or has a row of another
        length than its header.
    """
    path = Path(path)
    reader = csv.reader(io.StringIO(_decode(path, encoding), newline=""), strict=True)
    try:
        numbered = [(reader.line_num, line) for line in reader if any(map(str.strip, line))]
    except csv.Error as error:
        raise _unreadable(path, f"{error} (line {reader.line_num})") from error
    if len(numbered) < 2:
        raise _unreadable(path, "no rows")
    header = [name.strip() for name in numbered[0][1]]
    _check_header(path, header)
    _check_lengths(path, header, numbered[1:])
    rows = tuple(
        {name: cell.strip() for name, cell in zip(header, line, strict=True) if name}
        for _, line in numbered[1:]
    )
    columns = tuple(name for name in header if name)
    return RawTable(
        file=path.name, columns=columns, rows=rows, lines=tuple(n for n, _ in numbered[1:])
    )


def parse_cell(text: str, symbols: Mapping[str, str]) -> tuple[float, str] | None:
    """Read one figure: a number, or a symbol with its meaning in this vintage.

    Parameters
    ----------
    text : str
        The cell; thousands may carry commas.
    symbols : mapping of str to str
        Symbol to status, as that vintage uses them.

    Returns
    -------
    tuple of float and str, or None
        Value (NaN for a symbol) and status; None if the text is neither.

    Examples
    --------
    >>> parse_cell("615,000", {})
    (615000.0, 'reported')
    >>> parse_cell("x", {"x": "suppressed"})
    (nan, 'suppressed')
    """
    if text in symbols:
        return float("nan"), symbols[text]
    if _NUMBER.fullmatch(text):
        return float(text.replace(",", "")), REPORTED
    return None


def _decode(path: Path, encoding: str) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(
            explain(
                path.name,
                "be a file that can be read",
                error.strerror or type(error).__name__,
                f"Put it at {path}, or name another folder.",
            )
        ) from error
    if b"\0" in data:
        raise _unreadable(path, "binary data")
    if data.startswith(b"\xef\xbb\xbf"):
        encoding = "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise _unreadable(path, f"bytes that are not {encoding} text (line {line})") from error


def _unreadable(path: Path, got: str) -> DataError:
    return DataError(
        explain(
            path.name,
            "be a CSV file with a header line and rows",
            got,
            "Save it again as CSV (from a spreadsheet: 'CSV UTF-8'), or fetch it anew.",
        )
    )


def _check_header(path: Path, header: list[str]) -> None:
    twice = [name for name, count in Counter(header).items() if name and count > 1]
    if twice:
        raise DataError(
            explain(
                path.name,
                "name every column once",
                f"column {', '.join(twice)} more than once",
                "Remove or rename the second one.",
            )
        )


def _check_lengths(path: Path, header: list[str], rows: list[tuple[int, list[str]]]) -> None:
    for line_number, line in rows:
        if len(line) != len(header):
            raise DataError(
                explain(
                    f"{path.name}, line {line_number}",
                    f"have {len(header)} cells, as the header has",
                    len(line),
                    "Look for a missing or unquoted comma, or a file cut off in transfer.",
                )
            )
