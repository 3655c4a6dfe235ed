"""What a file says, whatever its type: tables, passages of text and attached properties."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import pandas as pd


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
    """Make a table of text from rows, the first being the header.

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
    return pd.DataFrame(filled[1:], columns=_apart(filled[0]), dtype=object)


def _apart(names: Sequence[str]) -> list[str]:
    """Give names that come again a number, so that no column hides another."""
    seen: dict[str, int] = {}
    apart = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        apart.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return apart
