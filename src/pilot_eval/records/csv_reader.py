"""Read one module of a return from CSV: all text, located refusals, no values in messages."""

from __future__ import annotations

import csv
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Collection
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pyarrow as pa
from pyarrow import csv as arrow_csv

from pilot_eval.records.absent_columns import choose_columns
from pilot_eval.records.near_names import MOST_TITLE_LINES, find_names, find_near
from pilot_eval.records.returns import refusal

# No row of the return comes near this; a longer one is an unclosed quotation mark.
MAX_ROW_BYTES = 1_000_000
SUFFIX = ".csv"
FIRST_LINE = b"first line"
"""In the metadata of a table: the line of the file on which its rows begin."""
DELIMITERS = (",", ";", "\t", "|")
"""What may stand between fields: the one that gives most of the known names; else a comma."""
_ACTION = "Export the module again."
_NO_NAMES = "begin with a line of column names, in UTF-8 or marked UTF-16"
_FIELDS = "be a CSV file with as many fields in every row as in the line of names"
_TEXT = "be text in UTF-8, or marked UTF-16, with rows of at most 1,000,000 bytes"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Form:
    """How a file is written: its names, on which line, from 0, and whether anything follows."""

    names: list[str]
    line: int
    delimiter: str
    encoding: str
    more: bool


def read_module(path: Path, wanted: set[str]) -> tuple[pa.Table, list[str]]:
    """Read the wanted columns of a CSV file as text; empty fields are missing.

    Parameters
    ----------
    path : Path
        May have lines of title before the names, and columns and rows without anything in them.
    wanted : set of str
        Statutory names; those that are not in the file are left out.

    Returns
    -------
    table : pyarrow.Table
        `FIRST_LINE` in its metadata.
    other : list of str
        Columns that are not wanted; those without a name only where they hold something.

    Raises
    ------
    DataError
        If the file is not UTF-8 or marked UTF-16, has no line of names, a row has another number of
        fields, or a row is too long. Names file and line.
    """
    form = _find_form(path, wanted)
    chosen = choose_columns(path, form.names, wanted)
    read = [place for place, name in enumerate(form.names) if name in chosen or not name]
    wrong_rows: list[int] = []
    table = _read(path, form, read, wrong_rows)
    if table is None or wrong_rows:
        line, rule = (wrong_rows[0], _FIELDS) if wrong_rows else (_bad_line(path, form), _TEXT)
        raise refusal(path, line, rule, "something else", _ACTION)
    empty = [place for place in read if table[str(place)].null_count == table.num_rows]
    other = [
        name
        for place, name in enumerate(form.names)
        if name not in chosen and (name or place not in empty)
    ]
    kept = {str(place): chosen[form.names[place]] for place in read if form.names[place]}
    table = table.select(list(kept)).rename_columns(list(kept.values()))
    return table.replace_schema_metadata({FIRST_LINE: str(form.line + 2)}), other


def _read(path: Path, form: _Form, read: list[int], wrong: list[int]) -> pa.Table | None:
    """Read columns, named by their places; None where the file cannot be read."""
    names = [str(place) for place in range(len(form.names))]
    included = [str(place) for place in read]
    if not form.more:
        return pa.table({name: pa.array([], pa.string()) for name in included})

    def note(row: arrow_csv.InvalidRow) -> str:
        wrong.append(row.number)
        return "skip"

    try:
        return arrow_csv.read_csv(
            path,
            read_options=arrow_csv.ReadOptions(
                use_threads=False,
                block_size=MAX_ROW_BYTES,
                column_names=names,
                skip_rows=form.line + 1,
                encoding=form.encoding,
            ),
            parse_options=arrow_csv.ParseOptions(
                delimiter=form.delimiter, newlines_in_values=True, invalid_row_handler=note
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                include_columns=included,
                null_values=[""],
                strings_can_be_null=True,
            ),
        )
    except (pa.ArrowInvalid, UnicodeDecodeError):
        return None  # the inner message quotes the row: refused by the caller without it


def _find_form(path: Path, wanted: Collection[str]) -> _Form:
    """Find the line of names, what stands between them, and the encoding."""
    try:
        encoding = _find_encoding(path)
        with path.open(encoding=encoding, errors="replace", newline=None) as stream:
            first = [line[:MAX_ROW_BYTES] for line in islice(stream, MOST_TITLE_LINES + 1)]
        rows = {
            one: [next(csv.reader([t], delimiter=one), []) for t in first] for one in DELIMITERS
        }
    except (csv.Error, OSError):
        first, rows = [], {}
    found = {one: find_names(split, wanted) for one, split in rows.items()}
    best = max(found, key=lambda one: _count(rows[one], found[one], wanted), default="")
    line = found.get(best, -1)
    if not first or not _count(rows[best], line, wanted):
        raise refusal(path, 1, _NO_NAMES, "something else", _ACTION)
    names = [name.strip() for name in rows[best][line]]
    more = any(text.strip() for text in first[line + 1 :]) or len(first) > MOST_TITLE_LINES
    return _Form(names=names, line=line, delimiter=best, encoding=encoding, more=more)


def _count(rows: list[list[str]], line: int, wanted: Collection[str]) -> int:
    return sum(bool(find_near(name, wanted)) for name in rows[line]) if rows else 0


def _find_encoding(path: Path) -> str:
    with path.open("rb") as stream:
        mark = stream.read(2)
    return "utf-16" if mark in (BOM_UTF16_LE, BOM_UTF16_BE) else "utf-8-sig"


def _bad_line(path: Path, form: _Form) -> int | None:
    """Find the first line that is not UTF-8 or is too long."""
    if form.encoding == "utf-16":
        return None
    with path.open("rb") as stream:
        for number, line in enumerate(iter(lambda: stream.readline(MAX_ROW_BYTES), b""), start=1):
            try:
                line.decode("utf-8-sig")
            except UnicodeDecodeError:
                return number
            if len(line) == MAX_ROW_BYTES:
                return number
    return None
