"""Tables in a page: those that are marked as such, and those that only look like one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain, islice, zip_longest
from typing import Any

import pandas as pd

from pilot_eval.disclosure.release.files.content import make_table
from pilot_eval.disclosure.release.files.sheets import find_json_tables
from pilot_eval.disclosure.release.kinds import find_kind

MOST_LISTS = 500
LONGEST_LABEL = 60
LINES = ("br", "p", "div", "li")
TOLD = ("title", "aria-label", "abbr", "value")
VALUED = ("meter", "progress", "data", "input")
CELLS = ("td", "th", "tr")
BLOCKS = ("p", "div", "span", "li", "strong", "b", "h1", "h2", "h3", "h4", "h5", "h6", "text")

Place = tuple[str, pd.DataFrame]


def find_page_tables(tree: Any) -> Iterator[Place]:
    """Find the tables of a parsed page, whatever they are made of.

    Parameters
    ----------
    tree : lxml element

    Yields
    ------
    (str, pandas.DataFrame)
        Where it stands, and its cells as text.
    """
    for number, table in enumerate(tree.iter("table"), start=1):
        yield _caption_of(table, number), make_table(list(_html_rows(table)))
    kinds = (_lists_of, _grids_of, find_pairs, _data_of, _attributes_of, _choices_of)
    yield from chain.from_iterable(kind(tree) for kind in kinds)


def find_pairs(tree: Any) -> Iterator[Place]:
    """Read a number next to a block of words that says what it counts as a row of a table."""
    rows = []
    for box in tree.iter("{*}*"):
        tag = box.tag.rpartition("}")[2]
        before = box.getprevious() if tag in BLOCKS else None
        if before is None or not isinstance(before.tag, str):
            continue
        label, number = (" ".join("".join(item.itertext()).split()) for item in (before, box))
        if number.isdecimal() and len(label) <= LONGEST_LABEL and find_kind(label) == "children":
            rows.append((label, number))
    if rows:
        yield "numbers next to their words", make_table([("", "value"), *rows])


def walk(tree: Any) -> Iterator[tuple[str, Any]]:
    """Walk through the elements and comments of a page, into each and out again."""
    from lxml import etree

    result: Iterator[tuple[str, Any]] = etree.iterwalk(tree, events=("start", "end", "comment"))
    return result


def _lists_of(tree: Any) -> Iterator[Place]:
    """Read lists of terms and values as tables."""
    for number, listed in enumerate(tree.iter("dl"), start=1):
        words = [
            (item.tag, " ".join(item.text_content().split())) for item in listed.iter("dt", "dd")
        ]
        names = [text for tag, text in words if tag == "dt"]
        values = [text for tag, text in words if tag == "dd"]
        if len(names) == len(values) and names:
            yield f"list {number}", make_table([names, values])


def _grids_of(tree: Any) -> Iterator[Place]:
    """Read boxes that hold nothing but boxes of words as the rows of tables, by their width."""
    rows: dict[int, list[list[str]]] = {}
    for box in tree.iter("div", "section", "p", "li"):
        cells = list(box)
        if any(cell.tag not in ("div", "span") or len(cell) for cell in cells):
            continue
        words = [" ".join((cell.text or "").split()) for cell in cells]
        if len(words) > 1 and any(word.isdecimal() for word in words):
            rows.setdefault(len(words), []).append(words)
    for number, (width, own) in enumerate(rows.items(), start=1):
        yield f"grid {number}", make_table([[""] * width, *own])


def _data_of(tree: Any) -> Iterator[Place]:
    """Read the data that a page keeps for its scripts as tables."""
    for script in tree.iter("script"):
        words = script.text or ""
        try:
            found = [json.loads(words)]
        except ValueError:  # a program
            found = list(_records_in(words))
        for node in found:
            yield from find_json_tables(node, "data of a script")


def _records_in(program: str) -> Iterator[Any]:
    """Read the lists of records that stand in a program."""
    for match in islice(re.finditer(r"\[\s*\{", program), MOST_LISTS):
        with suppress(ValueError):  # part of the program
            yield json.JSONDecoder().raw_decode(program, match.start())[0]


def _attributes_of(tree: Any) -> Iterator[Place]:
    """Read numbers that stand in attributes: of a table's cells, and of what else holds a value."""
    for number, table in enumerate(tree.iter("table"), start=1):
        rows = [
            [_number_of(cell) for cell in row.iterchildren("th", "td")] for row in table.iter("tr")
        ]
        if any(map(any, rows)):
            heads = next(_html_rows(table), [])
            yield f"attributes of {_caption_of(table, number)}", make_table([heads, *rows])
    yield from find_attributes(tree)


def find_attributes(tree: Any) -> Iterator[Place]:
    """Read numbers that stand in attributes of what is no cell of a table.

    Parameters
    ----------
    tree : lxml element

    Yields
    ------
    (str, pandas.DataFrame)
    """
    for item in tree.iter("{*}*"):
        tag = item.tag.rpartition("}")[2]
        for name, value in () if tag in CELLS else item.attrib.items():
            told = name.startswith("data-") or (name == "value" and tag in VALUED)
            if told and value.strip().isdecimal():
                head = item.get("name") or name.removeprefix("data-")
                yield f"attribute {name}", make_table([[head], [value]])


def _choices_of(tree: Any) -> Iterator[Place]:
    """Read the values of a form's choices, unless they are the places of the choices."""
    for number, choice in enumerate(tree.iter("select"), start=1):
        given = [
            (one.text_content(), one.get("value", "").strip()) for one in choice.iter("option")
        ]
        rows = [(words, value) for words, value in given if value.isdecimal()]
        if [int(value) for _, value in rows] not in (
            list(range(start, start + len(rows))) for start in (0, 1)
        ):
            yield f"choice {number}", make_table([["", choice.get("name", "value")], *rows])


def _number_of(cell: Any) -> str:
    """Give the number that a cell's attributes tell, or nothing."""
    told = (
        value.strip()
        for name, value in cell.attrib.items()
        if name.startswith("data-") or name in TOLD
    )
    return next(filter(str.isdecimal, told), "")


def _caption_of(table: Any, number: int) -> str:
    caption = " ".join((table.findtext("caption") or "").split())
    return f'table "{caption}"' if caption else f"table {number}"


def _html_rows(table: Any) -> Iterator[list[str]]:
    for row in table.iter("tr"):
        cells = [_lines_of(cell) for cell in row.iterchildren("th", "td")]
        several = any(len(lines) > 1 and all(map(str.isdecimal, lines)) for lines in cells)
        if several:  # several rows in one
            yield from map(list, zip_longest(*cells, fillvalue=""))
        else:
            yield [" ".join(lines) for lines in cells]


def _lines_of(cell: Any) -> list[str]:
    """Read a cell's lines: a break, a paragraph or an item of a list begins one."""
    words: list[str] = []
    for event, item in walk(cell):
        if event == "start":
            words += ["\n" if item.tag in LINES else "", item.text or ""]
        elif item is not cell:
            words.append(item.tail or "")
    text = "".join(words)
    return [line for part in text.split("\n") if (line := " ".join(part.split()))]
