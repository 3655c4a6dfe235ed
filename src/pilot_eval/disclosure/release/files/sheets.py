"""Read CSV, JSON and XLSX files for the release check."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from lxml import etree

from pilot_eval.disclosure.release.files.content import Content, make_table, merge


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
    rows = list(csv.reader(io.StringIO(text, newline="")))
    return Content(tables=[("table", make_table(rows))], texts=[("text", text)])


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
    return Content(tables=list(find_json_tables(json.loads(text))), texts=[("text", text)])


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
    if isinstance(node, list):
        records = [item for item in node if isinstance(item, dict)]
        if records:
            yield where, pd.DataFrame(_scalars(records)).fillna("").astype(str)
        for item in node:
            yield from find_json_tables(item, where) if isinstance(item, list) else ()
        for record in records:
            yield from _inside(record, where)
    elif isinstance(node, dict):
        yield where, pd.DataFrame(_scalars([node])).astype(str)
        columns = {key: value for key, value in node.items() if _is_column(value)}
        if columns and len({len(column) for column in columns.values()}) == 1:
            yield where, pd.DataFrame(columns).astype(str)
        else:
            for key, column in columns.items():
                yield f"{where}.{key}", pd.DataFrame({key: column}).astype(str)
        yield from _inside(node, where)


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

    book = openpyxl.load_workbook(path)
    properties = book.properties
    texts = [
        (f"property {name}", str(getattr(properties, name) or ""))
        for name in ("creator", "lastModifiedBy", "title", "subject", "description", "keywords")
    ]
    texts += [(f"name {name}", str(item.value)) for name, item in book.defined_names.items()]
    texts += _read_parts(path)
    parts = [Content(texts=texts), *(_read_sheet(sheet) for sheet in book.worksheets)]
    return merge(parts, titled=bool(properties.title))


def _read_parts(path: Path) -> Iterator[tuple[str, str]]:
    """Read the words that the file keeps outside cells: names, headers, prompts, properties."""
    with zipfile.ZipFile(path) as book:
        for name in book.namelist():
            if name.endswith((".xml", ".rels")):
                root = etree.fromstring(book.read(name))
                words = [n.text for n in root.iter() if n.text and not _is_value(n)]
                words += [word for node in root.iter() for word in node.attrib.values()]
                yield f"part {name}", "\n".join(dict.fromkeys(words))


def _is_value(node: etree._Element) -> bool:
    """Tell a cell's value, which its table judges, from words."""
    return isinstance(node.tag, str) and etree.QName(node).localname == "v"


def _read_sheet(sheet: object) -> Content:
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


def _inside(record: dict, where: str) -> Iterator[tuple[str, pd.DataFrame]]:
    for key, value in record.items():
        if isinstance(value, (dict, list)) and not _is_column(value):
            yield from find_json_tables(value, f"{where}.{key}")


def _scalars(records: list[dict]) -> list[dict]:
    return [
        {key: value for key, value in record.items() if not isinstance(value, (dict, list))}
        for record in records
    ]


def _is_column(value: object) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and not any(isinstance(item, (dict, list)) for item in value)
    )
