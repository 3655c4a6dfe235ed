"""Find tables printed as plain text: what a notebook shows when it prints a frame or a series."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator
from itertools import groupby

import pandas as pd

from pilot_eval.disclosure.release.files.content import make_table

BETWEEN = "|&\t;,"
LINE_END = re.compile(r"\\\\.*$")  # of LaTeX
RULE = re.compile(r"[\s:|=-]*")
WORD = re.compile(r"\S+")
NUMBER = re.compile(r"-?\d[\d,]*(\.\d+)?")
LONGEST_LITERAL = 100_000
"""Letters of a text that is read as one value of Python: a longer one would take much memory."""
LITERAL = re.compile(r"[\[{(\d]")
WRAPPED = re.compile(r"^\w+\((.*?)(?:, dtype=\w+)?\)$", re.DOTALL)
LABELLED = re.compile(r"\s*(\S.*?)(?:\s{2,}|\t|\s*[:=]\s*)(-?\d[\d,]*(?:\.\d+)?)\s*")

NESTED = re.compile(r"^[ \t]*[-*+] (.+)\n[ \t]+[-*+] \**(\d+)\**[ \t]*$", re.MULTILINE)


def find_printed_tables(text: str) -> Iterator[tuple[str, pd.DataFrame]]:
    """Find right-aligned tables (as pandas prints them) and lines of "label  number".

    Parameters
    ----------
    text : str

    Yields
    ------
    (str, pandas.DataFrame)

    Examples
    --------
    >>> text = '''      council  children
    ... 0     Anytown       120'''
    >>> next(find_printed_tables(text))[1].columns.tolist()
    ['council', 'children']
    """
    lines = text.splitlines()
    for sign in BETWEEN:
        yield from _separated(lines, sign)
    start = 0
    while start < len(lines):
        rows = list(_rows_under(lines, start))
        if rows:
            header = [word for word, _ in _words(lines[start])]
            yield "printed table", make_table([header, *rows])
        start += 1 + len(rows)
    yield from _written_out(text)
    nested = [match.groups() for match in NESTED.finditer(text)]
    if nested:
        yield "nested list", make_table([("", "value"), *nested])
    labelled = [match.groups() for line in lines if (match := LABELLED.fullmatch(line))]
    if labelled:
        yield "printed list", make_table([("", "value"), *labelled])


def _written_out(text: str) -> Iterator[tuple[str, pd.DataFrame]]:
    """Read a list, a dictionary or a number as Python writes it, alone or in the name of a type."""
    if len(text) > LONGEST_LITERAL:
        return
    bare = WRAPPED.sub(r"\1", text.strip())
    if not LITERAL.match(bare):
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes that are none
            value = ast.literal_eval(bare)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return
    items = (
        list(value.items()) if isinstance(value, dict) else [("", item) for item in _list(value)]
    )
    if items and all(isinstance(item, (str, int, float)) for pair in items for item in pair):
        yield "printed value", make_table([("", "value"), *items])


def _list(value: object) -> list[object]:
    return list(value) if isinstance(value, (list, tuple, set, frozenset)) else [value]


def _separated(lines: list[str], sign: str) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield tables of Markdown or LaTeX: two or more lines with as many signs between cells."""
    for number, group in groupby(lines, key=lambda line: line.strip().strip("|").count(sign)):
        rows = [LINE_END.sub("", line.strip().strip("|")).split(sign) for line in group]
        rows = [[cell.strip() for cell in row] for row in rows if not RULE.fullmatch("".join(row))]
        if number and len(rows) > 1:
            yield "table of text", make_table(rows)


def _rows_under(lines: list[str], start: int) -> Iterator[list[str]]:
    """Yield the lines whose words end where the header's words end."""
    ends = [end for word, end in _words(lines[start]) if not NUMBER.fullmatch(word)]
    if not ends or len(ends) < len(_words(lines[start])) / 2:
        return
    places = [end for _, end in _words(lines[start])]
    for line in lines[start + 1 :]:
        cells = {end: word for word, end in _words(line)}
        matched = [cells.get(end, "") for end in places]
        needed = max(min(2, len(places)), len(places) / 2)
        if sum(cell != "" for cell in matched) < needed:
            return
        yield matched


def _words(line: str) -> list[tuple[str, int]]:
    return [(match[0], match.end()) for match in WORD.finditer(line)]
