"""Open an analyst's own table: CSV as spreadsheets save it anywhere, or a workbook."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

from pilot_eval.errors import DataError, explain
from pilot_eval.published.raw import RawTable, make_table, read_raw, refuse_large, unreadable

_NAMES = {"period": "year_ending", "council": "council_name"}
_DIGITS = 10
"""Decimals kept of a percentage that a workbook stores as a fraction: 0.562 is 56.2%."""


def read_own_file(path: str | Path) -> RawTable:
    """Read a CSV file (comma, semicolon or tab) or the one sheet of a workbook as text.

    Parameters
    ----------
    path : path
        ``.xlsx`` or ``.xlsm`` is read as a workbook, everything else as CSV.

    Returns
    -------
    RawTable
        Names of columns in lower case with underscores; ``period`` is ``year_ending``.

    Raises
    ------
    DataError
        If it is not a table; a workbook must have exactly one sheet with rows.
    """
    path = Path(path)
    if path.suffix.lower() in {".xlsx", ".xlsm"}:
        return _rename(path, make_table(path, _read_workbook(path), named=True))
    return _rename(path, read_raw(path, encoding="utf-8", delimiters=",;\t", named=True))


def _rename(path: Path, table: RawTable) -> RawTable:
    plain = {name: re.sub(r"[\s_-]+", "_", name.strip().lower()) for name in table.columns}
    names = {name: _NAMES.get(text, text) for name, text in plain.items()}
    twice = [name for name, text in names.items() if list(names.values()).count(text) > 1]
    if twice:
        action = "Remove or rename all but one."
        got = f"columns {', '.join(twice)}, which mean the same"
        raise DataError(explain(path.name, "name every column once", got, action))
    rows = tuple({names[name]: text for name, text in row.items()} for row in table.rows)
    return replace(table, columns=tuple(names.values()), rows=rows)


def _read_workbook(path: Path) -> list[tuple[int, list[str]]]:
    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        with ZipFile(path) as archive:
            refuse_large(path, sum(part.file_size for part in archive.infolist()))
        book = load_workbook(path, data_only=True)
    except (OSError, BadZipFile, InvalidFileException, KeyError, ValueError) as error:
        raise unreadable(path, f"no workbook that can be read ({type(error).__name__})") from error
    sheets = {sheet.title: _read_sheet(sheet.iter_rows()) for sheet in book.worksheets}
    filled = {title: lines for title, lines in sheets.items() if lines}
    if len(filled) > 1:
        action = "Keep the table alone, or save its sheet as CSV."
        got = f"sheets {', '.join(filled)}"
        raise DataError(explain(path.name, "have one sheet with rows", got, action))
    return next(iter(filled.values()), [])


def _read_sheet(rows: Iterable[tuple[Any, ...]]) -> list[tuple[int, list[str]]]:
    lines = [
        (number, [_read_cell(cell) for cell in row]) for number, row in enumerate(rows, start=1)
    ]
    lines = [(number, line) for number, line in lines if any(line)]
    width = max((k + 1 for _, line in lines for k, text in enumerate(line) if text), default=0)
    return [(number, line[:width]) for number, line in lines]


def _read_cell(cell: Any) -> str:
    """Write a cell as text: 204.0 as 204, 0.562 shown as 56.2% as 56.2%, 2012-01-01 as 2012-01."""
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, date):
        return f"{value:%Y-%m}" if value.day == 1 else f"{value:%Y-%m-%d}"
    if isinstance(value, (int, float)) and "%" in str(cell.number_format):
        return f"{_plain(100.0 * value)}%"
    return _plain(value) if isinstance(value, float) else str(value).strip()


def _plain(value: float) -> str:
    value = round(value, _DIGITS)
    return str(int(value)) if value.is_integer() else repr(value)
