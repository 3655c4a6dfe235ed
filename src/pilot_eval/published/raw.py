"""Read one source CSV file as text, refusing what is not a table, and read one cell of it."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pilot_eval.errors import DataError, explain
from pilot_eval.published.statuses import REPORTED

LARGEST = 100_000_000
"""Bytes of a table, workbooks unpacked; that of every release since 2009 has 8 million."""
_MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_NUMBER = re.compile(r"\d{1,3}(,\d{3})+(\.\d+)?|\d+(\.\d+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class RawTable:
    """The text of a CSV file: `rows` are mappings from column name, `lines` their file lines."""

    file: str
    columns: tuple[str, ...]
    rows: tuple[dict[str, str], ...]
    lines: tuple[int, ...]
    delimiter: str = ","


def read_raw(
    path: str | Path, *, encoding: str = "cp1252", delimiters: str = ",", named: bool = False
) -> RawTable:
    """Read a CSV file as text, blanks around names and figures removed.

    Parameters
    ----------
    path : path
        The file.
    encoding : str
        DfE's files are cp1252; a byte-order mark switches to UTF-8 or UTF-16.
    delimiters : str
        What may separate cells; the one that separates most names of the header does.
    named : bool
        Whether figures in a column without a name are refused; otherwise they are left out.

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
    text = _decode(path, encoding)
    header_line = next(iter(text.split("\n", 1)))
    delimiter = max(delimiters, key=header_line.count)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=delimiter)
    try:
        numbered = [(reader.line_num, line) for line in reader if any(map(str.strip, line))]
    except csv.Error as error:
        raise unreadable(path, f"{error} (line {reader.line_num})") from error
    return make_table(path, numbered, delimiter, named=named)


def make_table(
    path: Path, numbered: Sequence[tuple[int, list[str]]], delimiter: str = ",", *, named: bool
) -> RawTable:
    """Make a table of numbered lines of cells, the first of which is the header.

    Parameters
    ----------
    path : path
        Of the file, for messages.
    numbered : sequence of tuple
        Number in the file, and cells, of each line that is not empty.
    delimiter : str
        What separated the cells.
    named : bool
        As in `read_raw`.

    Returns
    -------
    RawTable

    Raises
    ------
    DataError
        As `read_raw`.
    """
    if len(numbered) < 2:
        raise unreadable(path, "no rows")
    header = [name.strip() for name in numbered[0][1]]
    _check_header(path, header)
    _check_lengths(path, header, numbered[1:])
    if named:
        _check_named(path, header, numbered[1:])
    rows = tuple(
        {name: cell.strip() for name, cell in zip(header, line, strict=True) if name}
        for _, line in numbered[1:]
    )
    return RawTable(
        file=path.name,
        columns=tuple(name for name in header if name),
        rows=rows,
        lines=tuple(n for n, _ in numbered[1:]),
        delimiter=delimiter,
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
        refuse_large(path, path.stat().st_size)
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
    encoding = next((name for mark, name in _MARKS.items() if data.startswith(mark)), encoding)
    if b"\0" in data and encoding != "utf-16":
        raise unreadable(path, "binary data")
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise unreadable(path, f"bytes that are not {encoding} text (line {line})") from error


def refuse_large(path: Path, size: int) -> None:
    """Refuse a table that is larger than any of councils, before it is read."""
    if size > LARGEST:
        got, most = f"{size / 1e6:,.0f} MB", f"{LARGEST / 1e6:,.0f} MB"
        action = (
            "Keep the rows of the plan's years and outcomes; children's records go to `census`."
        )
        raise DataError(explain(path.name, f"be at most {most} of councils' figures", got, action))


def unreadable(path: Path, got: str) -> DataError:
    """Say that a file is not a table, and what was found."""
    return DataError(
        explain(
            path.name,
            "be a CSV file with a header line and rows",
            got,
            "Save it again as CSV (from a spreadsheet: 'CSV UTF-8'), or fetch it again.",
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


def _check_lengths(path: Path, header: list[str], rows: Sequence[tuple[int, list[str]]]) -> None:
    wrong = [(number, len(line)) for number, line in rows if len(line) != len(header)]
    if wrong:
        more = f" (so {len(wrong) - 1} other lines)" if len(wrong) > 1 else ""
        raise DataError(
            explain(
                f"{path.name}, line {wrong[0][0]}",
                f"have {len(header)} cells, as the header has",
                f"{wrong[0][1]}{more}",
                "Look for a missing or unquoted comma, or a file cut off in transfer.",
            )
        )


def _check_named(path: Path, header: list[str], rows: Sequence[tuple[int, list[str]]]) -> None:
    for number, line in rows:
        if any(cell.strip() for name, cell in zip(header, line, strict=True) if not name):
            action = "Name the column, or empty it."
            got = "a cell below an empty name"
            raise DataError(explain(f"{path.name}, line {number}", "have named cells", got, action))
