"""Read CSV, JSON and XLSX files for the release check."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pandas as pd
from lxml import etree

from pilot_eval.disclosure.release.files.content import Content, make_table, merge
from pilot_eval.disclosure.release.files.pictures import read_picture, readable

SIGNS = ",;\t|"
LARGEST_FIELD = 10_000_000
LARGEST_PACKED = 200_000_000
"""Bytes that the parts of a workbook may unpack to."""
#: Parts of a workbook that are read; any other may carry data which no cell shows, or code.
PARTS: tuple[str, ...] = (
    "[Content_Types]",
    "_rels/",
    "docProps/",
    "xl/_rels/",
    "xl/workbook",
    "xl/worksheets/",
)
PARTS += ("xl/styles", "xl/sharedStrings", "xl/theme/", "xl/tables/", "xl/comments", "xl/drawings/")
PARTS += ("xl/metadata",)
WORDED = (".xml", ".rels", ".vml")
ARCHIVE_START, ARCHIVE_END, END_LENGTH = b"PK\x03\x04", b"PK\x05\x06", 22


def read_csv(path: Path) -> Content:
    """Read a CSV file as one table and its raw text.

    Parameters
    ----------
    path : pathlib.Path

    Returns
    -------
    Content
    """
    text = path.read_text(encoding="utf-8-sig")
    return Content(tables=[("table", _read_rows(text))], texts=[("text", text)])


def _read_rows(text: str) -> pd.DataFrame:
    csv.field_size_limit(LARGEST_FIELD)
    between = _between(text)
    return make_table(
        _drop_titles(list(csv.reader(io.StringIO(text, newline=""), delimiter=between)))
    )


def _between(text: str) -> str:
    """Find what stands between fields: the sign of which most lines have the same number."""
    lines = [line for line in text.splitlines()[:200] if line.strip()]

    def agreement(sign: str) -> tuple[int, int]:
        counts = [line.count(sign) for line in lines]
        common = max(set(counts) - {0}, key=counts.count, default=0)
        return (counts.count(common) if common else 0, common)

    return max(SIGNS, key=agreement)


def _drop_titles(rows: list[list[str]]) -> list[list[str]]:
    """Drop lines above the header: those with fewer filled fields than most rows have."""
    filled = [sum(bool(cell.strip()) for cell in row) for row in rows]
    usual = max(set(filled), key=filled.count, default=0)
    start = next((place for place, count in enumerate(filled) if count >= max(usual, 1)), 0)
    return rows[start:]


def read_json(path: Path) -> Content:
    """Read a JSON file: raw text, and every list of records, record and set of equal lists.

    Parameters
    ----------
    path : pathlib.Path

    Returns
    -------
    Content
    """
    text = path.read_text(encoding="utf-8")
    node = json.loads(text, object_pairs_hook=_keep_all)
    # Letters may be written as escapes: what is looked through is what they stand for.
    texts = [("text", text), ("decoded", json.dumps(node, ensure_ascii=False))]
    return Content(tables=list(find_json_tables(node)), texts=texts)


def _keep_all(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Keep every value of a key that comes again: a program reads one of them, a person all."""
    kept: dict[str, Any] = {}
    for key, value in pairs:
        again = sum(name == key or name.startswith(f"{key} (") for name in kept)
        kept[f"{key} ({again + 1})" if again else key] = value
    return kept


def find_json_tables(node: object, where: str = "top") -> Iterator[tuple[str, pd.DataFrame]]:
    """Walk parsed JSON and yield what reads as a table.

    Parameters
    ----------
    node : object
    where : str
        Place of `node`, as keys joined by dots.

    Yields
    ------
    (str, pandas.DataFrame)
    """
    if isinstance(node, str):
        if sum(map(bool, map(str.strip, node.splitlines()))) > 1:  # a table in a string
            yield where, _read_rows(node)
    elif isinstance(node, list):
        records = [item for item in node if isinstance(item, dict)]
        if records:
            yield where, pd.DataFrame(_scalars(records), dtype=object).fillna("").astype(str)
            yield from _named_series(records, where)
        if len(node) > 1 and all(map(_is_row, node)):
            yield where, make_table(node)
        for item in node:
            yield from find_json_tables(item, where) if isinstance(item, (list, str)) else ()
        for record in records:
            yield from _inside(record, where)
    elif isinstance(node, dict):
        yield where, pd.DataFrame(_scalars([node])).astype(str)
        yield from _laid_out(node.get("columns"), node.get("data"), where)
        columns = {key: value for key, value in node.items() if _is_column(value)}
        if columns and len({len(column) for column in columns.values()}) == 1:
            yield where, pd.DataFrame(columns).astype(str)
        else:
            for key, column in columns.items():
                yield f"{where}.{key}", pd.DataFrame({key: column}).astype(str)
        yield from _inside(node, where)


def _named_series(records: list[dict[str, Any]], where: str) -> Iterator[tuple[str, pd.DataFrame]]:
    """Read the series of a chart, each with its name, as the rows of a table."""
    rows = [
        [next((value for value in record.values() if isinstance(value, str)), ""), *column]
        for record in records
        for column in record.values()
        if _is_column(column)
    ]
    if any(name for name, *_ in rows):
        width = max(map(len, rows))
        yield f"{where}, series", make_table([["", *map(str, range(1, width))], *rows])


def _laid_out(names: object, rows: object, where: str) -> Iterator[tuple[str, pd.DataFrame]]:
    """Read a table given as the names of its columns and lists of their values."""
    if not (isinstance(names, list) and isinstance(rows, list) and _is_column(names)):
        return
    if all(_is_column(row) and len(row) == len(names) for row in rows):
        yield where, pd.DataFrame(rows, columns=list(map(str, names))).astype(str)


def read_xlsx(path: Path) -> Content:
    """Read every sheet (hidden ones too), comments, defined names and document properties.

    Parameters
    ----------
    path : pathlib.Path

    Returns
    -------
    Content
    """
    import openpyxl

    _refuse_bombs(path)
    book = openpyxl.load_workbook(path)
    properties = book.properties
    texts = [
        (f"property {name}", str(getattr(properties, name) or ""))
        for name in ("creator", "lastModifiedBy", "title", "subject", "description", "keywords")
    ]
    texts += [(f"name {name}", str(item.value)) for name, item in book.defined_names.items()]
    texts += _read_parts(path)
    parts = [
        Content(texts=texts),
        read_wrapping(path),
        *_read_carriers(path),
        *(_read_sheet(sheet) for sheet in book.worksheets),
    ]
    return merge(parts, titled=bool(properties.title))


# What stands before the words of a header or footer: place, font, size, colour.
MARGIN_CODE = re.compile(r'&(?:"[^"]*"|K[0-9A-F]{6}|\d{1,3}|[A-Z])')


def _read_parts(path: Path) -> Iterator[tuple[str, str]]:
    """Read the words that the file keeps outside cells: names, headers, prompts, properties."""
    with zipfile.ZipFile(path) as book:
        for name in book.namelist():
            if name.endswith(WORDED):
                root = etree.fromstring(book.read(name))
                words = [n.text for n in root.iter() if n.text and not _is_value(n)]
                words += [MARGIN_CODE.sub(" ", word) for word in words if "&" in word]
                words += [word for node in root.iter() for word in node.attrib.values()]
                yield f"part {name}", "\n".join(dict.fromkeys(words))


def _refuse_bombs(path: Path) -> None:
    """Refuse parts that unpack to far more than they are, or declare entities."""
    with zipfile.ZipFile(path) as book:
        if sum(part.file_size for part in book.infolist()) > LARGEST_PACKED:
            raise ValueError("parts too large to be read")
        for part in book.infolist():
            if part.filename.endswith(WORDED):
                with book.open(part) as stream:
                    if b"<!DOCTYPE" in stream.read(4096):
                        raise ValueError("a document type")


def _read_carriers(path: Path) -> Iterator[Content]:
    """Read pictures in a workbook, and name the parts that carry data out of sight."""
    with zipfile.ZipFile(path) as book:
        for name in book.namelist():
            if name.startswith("xl/media/"):
                yield read_picture(book.read(name)).placed(f"part {name}")
            elif not name.startswith(PARTS) or not name.endswith(WORDED):
                yield Content(unread=[f"part {name}"])
            elif name.startswith("xl/worksheets/") and re.search(
                rb"<(?:\w+:)?f[ >]", book.read(name)
            ):
                yield Content(unread=[f"formulas of {name}"])


def read_wrapping(path: Path) -> Content:
    """Read what an archive of parts carries before and after them.

    Parameters
    ----------
    path : pathlib.Path

    Returns
    -------
    Content
    """
    data = path.read_bytes()
    after = data[data.rfind(ARCHIVE_END) + END_LENGTH :]
    first = data.startswith(ARCHIVE_START)
    texts = [("after the archive", readable(after))] if after else []
    return Content(texts=texts, unread=[] if first else ["what stands before the archive"])


def _is_value(node: etree._Element) -> bool:
    """Tell a cell's value, which its table judges, from words."""
    return isinstance(node.tag, str) and etree.QName(node).localname == "v"


def _read_sheet(sheet: Any) -> Content:
    where = f"sheet {sheet.title}"
    rows = [[cell.value for cell in row] for row in sheet.iter_rows()]
    comments = [
        (f"{where}, comment", f"{cell.comment.author} {cell.comment.text}")
        for row in sheet.iter_rows()
        for cell in row
        if cell.comment is not None
    ]
    tables = [
        (where, make_table([[cell.value for cell in row] for row in sheet[table.ref]]))
        for table in sheet.tables.values()
    ]
    text = "\n".join(" \t ".join(str(c) for c in row if c is not None) for row in rows)
    return Content(
        tables=tables or [(where, make_table(_from_header(rows)))],
        texts=[(where, text), *comments],
    )


def _from_header(rows: list[list[object]]) -> list[list[object]]:
    """Drop the lines above a table: its header is the first row with two or more texts."""
    for start, row in enumerate(rows):
        if sum(isinstance(cell, str) for cell in row) > 1:
            return rows[start:]
    return rows


def _inside(record: dict[str, Any], where: str) -> Iterator[tuple[str, pd.DataFrame]]:
    for key, value in record.items():
        if isinstance(value, (dict, list, str)) and not _is_column(value):
            yield from find_json_tables(value, f"{where}.{key}")


def _scalars(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {key: value for key, value in record.items() if not isinstance(value, (dict, list))}
        for record in records
    ]


def _is_row(value: object) -> bool:
    """Tell a list that names what it gives a number of: ["Anytown", 3]."""
    return _is_column(value) and any(
        isinstance(item, str) and any(map(str.isalpha, item)) for item in cast("list[Any]", value)
    )


def _is_column(value: object) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and not any(isinstance(item, (dict, list)) for item in value)
    )
