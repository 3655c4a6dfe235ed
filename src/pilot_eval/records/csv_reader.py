"""Read one module of a return from CSV: all text, located refusals, no values in messages."""

from __future__ import annotations

import csv
from pathlib import Path

import pyarrow as pa
from pyarrow import csv as arrow_csv

from pilot_eval.records.absent_columns import choose_columns
from pilot_eval.records.near_names import find_near
from pilot_eval.records.returns import refusal

# No row of the return comes near this; a longer one is an unclosed quotation mark.
MAX_ROW_BYTES = 1_000_000
SUFFIX = ".csv"
DELIMITERS = (",", ";", "\t", "|")
"""What may stand between fields: the one that gives most of the known names; else a comma."""
_RULE = "be a CSV file in UTF-8 with as many fields in every row as in the first"
_ACTION = "Export the module again."


def read_module(path: Path, wanted: set[str]) -> tuple[pa.Table, list[str]]:
    """Read the wanted columns of a CSV file as text; empty fields are missing.

    Parameters
    ----------
    path : Path
    wanted : set of str
        Statutory names; those that are not in the file are left out.

    Returns
    -------
    table : pyarrow.Table
    other : list of str
        Columns that are not wanted.

    Raises
    ------
    DataError
        If the file is not UTF-8, a row has another number of fields, or a row is too long. Names
        file and line.
    """
    names, delimiter = _column_names(path, wanted)
    chosen = choose_columns(path, names, wanted)
    wrong_rows: list[int] = []

    def note(row: arrow_csv.InvalidRow) -> str:
        wrong_rows.append(row.number)
        return "skip"

    failed = False
    try:
        table = arrow_csv.read_csv(
            path,
            read_options=arrow_csv.ReadOptions(use_threads=False, block_size=MAX_ROW_BYTES),
            parse_options=arrow_csv.ParseOptions(
                delimiter=delimiter, newlines_in_values=True, invalid_row_handler=note
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                include_columns=list(chosen),
                null_values=[""],
                strings_can_be_null=True,
            ),
        )
    except pa.ArrowInvalid:
        failed = True  # the inner message quotes the row: raised below without it
    if failed or wrong_rows:
        line = wrong_rows[0] if wrong_rows else _bad_line(path)
        raise refusal(path, line, _RULE, "something else", _ACTION)
    return table.rename_columns(list(chosen.values())), [n for n in names if n not in chosen]


def _column_names(path: Path, wanted: set[str]) -> tuple[list[str], str]:
    """Read the names in the first line, each once, and find what stands between them."""
    failed = False
    try:
        with path.open("rb") as stream:
            first = stream.readline(MAX_ROW_BYTES).decode("utf-8-sig")
        splits = {one: next(csv.reader([first], delimiter=one), []) for one in DELIMITERS}
        delimiter = max(
            splits, key=lambda one: sum(bool(find_near(n, wanted)) for n in splits[one])
        )
        names = splits[delimiter]
    except (UnicodeDecodeError, csv.Error, OSError):
        failed = True
    if failed or not names or len(names) != len(set(names)):
        rule = "begin with a line of column names, each once, in UTF-8"
        raise refusal(path, 1, rule, "something else", _ACTION)
    return names, delimiter


def _bad_line(path: Path) -> int | None:
    """Find the first line that is not UTF-8 or is too long."""
    with path.open("rb") as stream:
        for number, line in enumerate(iter(lambda: stream.readline(MAX_ROW_BYTES), b""), start=1):
            try:
                line.decode("utf-8-sig")
            except UnicodeDecodeError:
                return number
            if len(line) == MAX_ROW_BYTES:
                return number
    return None
