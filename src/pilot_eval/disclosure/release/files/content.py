"""What a file says, whatever its type: tables, passages of text and attached properties."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import pandas as pd

SMALL = re.compile(r"\d{1,3}(?:\.\d+)?")
FIGURE = re.compile(r"[-−]?\d[\d,]*(?:\.\d+)?%?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """A file's content, read.

    Attributes
    ----------
    tables : sequence of (where, DataFrame)
        Every table with its place in the file (a sheet, a caption, a cell); cells are text.
    texts : sequence of (where, str)
        Passages and metadata. Pictures' pixels and payloads of base64 are not among them.
    titled : bool
        True where the file says itself what it is.
    unread : sequence of str
        Parts that could not be read, by place.
    """

    tables: Sequence[tuple[str, pd.DataFrame]] = ()
    texts: Sequence[tuple[str, str]] = ()
    titled: bool = False
    unread: Sequence[str] = field(default=())

    def placed(self, where: str) -> Content:
        """Return the same content, its places prefixed: a picture inside a page."""
        return Content(
            tables=[(f"{where}, {place}", table) for place, table in self.tables],
            texts=[(f"{where}, {place}", text) for place, text in self.texts],
            titled=self.titled,
            unread=[f"{where}, {place}" for place in self.unread],
        )


def merge(parts: Iterable[Content], *, titled: bool = False) -> Content:
    """Put contents together.

    Parameters
    ----------
    parts : iterable of Content
    titled : bool
        Whether the whole says what it is.

    Returns
    -------
    Content
    """
    parts = list(parts)
    return Content(
        tables=[table for part in parts for table in part.tables],
        texts=[text for part in parts for text in part.texts],
        titled=titled,
        unread=[place for part in parts for place in part.unread],
    )


def make_table(rows: Sequence[Sequence[object]]) -> pd.DataFrame:
    """Make a table of text from rows, the first being the header where it is none of the rest.

    Parameters
    ----------
    rows : sequence of sequences
        Ragged rows are filled with empty cells.

    Returns
    -------
    pandas.DataFrame
    """
    width = max((len(row) for row in rows), default=0)
    filled = [
        ["" if cell is None else str(cell) for cell in [*row, *[""] * (width - len(row))]]
        for row in rows
    ]
    if not filled:
        return pd.DataFrame()
    if _is_headless(filled):
        filled = [[f"column {number}" for number in range(1, width + 1)], *filled]
    return pd.DataFrame(filled[1:], columns=_apart(filled[0]), dtype=object)


def _is_headless(rows: Sequence[Sequence[str]]) -> bool:
    """Tell a table that begins with its figures: a name and numbers above as below.

    Numbers that go up by one are heads (event times, ratings, days), and so are years.
    """
    first, *rest = rows
    numbers = [float(cell) for cell in first if SMALL.fullmatch(cell.strip())]
    if not numbers or not any(map(_is_word, first)):
        return False
    if not rest:
        return True
    steps = {high - low for low, high in pairwise(numbers)}
    alike = all(
        bool(SMALL.fullmatch(cell.strip())) == bool(FIGURE.fullmatch(below.strip()))
        for cell, below in zip(first, rest[0], strict=True)
    )
    return alike and (len(numbers) == 1 or steps != {1.0})


def _is_word(cell: str) -> bool:
    return any(letter.isalpha() for letter in cell)


def _apart(names: Sequence[str]) -> list[str]:
    """Give names that come again a number, so that no column hides another."""
    seen: dict[str, int] = {}
    apart = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        apart.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return apart
