"""Read HTML, notebooks, SVG and plain text for the release check."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from pilot_eval.disclosure.release.files.content import Content, make_table, merge
from pilot_eval.disclosure.release.files.pictures import read_picture
from pilot_eval.disclosure.release.files.printed import find_printed_tables

DATA_URI = re.compile(r"data:(image/[\w.+-]+);base64,([A-Za-z0-9+/=\s]+)")
PICTURE_TYPES = ("image/png", "image/jpeg")


def read_page(path: Path) -> Content:
    """Read an HTML page: tables, all text and attributes, comments, scripts, pictures in it.

    Parameters
    ----------
    path : pathlib.Path

    Returns
    -------
    Content
    """
    return parse_page(path.read_text(encoding="utf-8"))


def parse_page(source: str) -> Content:
    """Read HTML that is at hand as text.

    Parameters
    ----------
    source : str

    Returns
    -------
    Content
    """
    from lxml import html

    bare = DATA_URI.sub("", source)
    tree = html.fromstring(bare) if bare.strip() else html.fromstring("<p></p>")
    tables = [
        (_caption_of(table, number), make_table(list(_html_rows(table))))
        for number, table in enumerate(tree.iter("table"), start=1)
    ]
    # The source as well as the words: attributes and comments are released too.
    texts = [("source", bare), ("words", " ".join(tree.itertext()))]
    return merge(
        [Content(tables=tables, texts=texts), *_pictures_in(source)],
        titled=bool(tree.xpath("//title[normalize-space()]")),
    )


def read_notebook(path: Path) -> Content:
    """Read a notebook: sources, every output and all metadata.

    Parameters
    ----------
    path : pathlib.Path

    Returns
    -------
    Content
    """
    book = json.loads(path.read_text(encoding="utf-8"))
    parts = [Content(texts=[("notebook metadata", json.dumps(book.get("metadata", {})))])]
    for number, cell in enumerate(book["cells"], start=1):
        where = f"cell {number}"
        meta = json.dumps(cell.get("metadata", {}))
        parts.append(Content(texts=[(f"{where} metadata", meta), (where, _join(cell["source"]))]))
        parts += [part.placed(where) for part in _attachments_of(cell)]
        parts += [
            part.placed(where) for output in cell.get("outputs", []) for part in _read(output)
        ]
    first = next((_join(c["source"]) for c in book["cells"] if c["cell_type"] == "markdown"), "")
    return merge(parts, titled=first.lstrip().startswith("# "))


def read_text(path: Path) -> Content:
    """Read plain text, Markdown, TOML or a log.

    Parameters
    ----------
    path : pathlib.Path

    Returns
    -------
    Content
    """
    text = path.read_text(encoding="utf-8")
    return Content(texts=[("text", text)], tables=list(find_printed_tables(text)))


def read_svg(path: Path) -> Content:
    """Read an SVG drawing: its words, title, metadata, comments, and pictures in it.

    Parameters
    ----------
    path : pathlib.Path

    Returns
    -------
    Content
    """
    source = path.read_text(encoding="utf-8")
    return _parse_svg(source)


def _parse_svg(source: str) -> Content:
    from lxml import etree

    bare = DATA_URI.sub("", source)
    parser = etree.XMLParser(resolve_entities=False, no_network=True)
    tree = etree.fromstring(bare.encode(), parser)
    words = [" ".join(node.itertext()) for node in tree.iter() if _named(node, "text", "desc")]
    title = [node for node in tree.iter() if _named(node, "title") and node.text]
    texts = [("source", bare), *(("words", word) for word in words)]
    return merge([Content(texts=texts), *_pictures_in(source)], titled=bool(title))


def _named(node: object, *names: str) -> bool:
    return isinstance(node.tag, str) and node.tag.rpartition("}")[2] in names


def _read(output: dict) -> Iterator[Content]:
    """Read one output of a notebook cell in the richest form it has."""
    if "text" in output:
        text = _join(output["text"])
        yield Content(texts=[("stream", text)], tables=list(find_printed_tables(text)))
    if output.get("output_type") == "error":
        words = [output.get("ename", ""), output.get("evalue", ""), *output.get("traceback", [])]
        yield Content(texts=[("error", "\n".join(map(str, words)))])
    yield Content(texts=[("output metadata", json.dumps(output.get("metadata", {})))])
    for kind, content in output.get("data", {}).items():
        yield from _read_form(kind, content, "text/html" in output["data"])


def _read_form(kind: str, content: object, has_html: bool) -> Iterator[Content]:
    text = _join(content) if isinstance(content, (str, list)) else json.dumps(content)
    if kind == "text/html":
        yield parse_page(text)
    elif kind == "image/svg+xml":
        yield _parse_svg(text)
    elif kind in PICTURE_TYPES:
        yield _decode(kind, text)
    elif "json" in kind:
        from pilot_eval.disclosure.release.files.sheets import find_json_tables

        yield Content(texts=[(kind, text)], tables=list(find_json_tables(content)))
    else:
        tables = [] if has_html else list(find_printed_tables(text))
        yield Content(texts=[(kind, text)], tables=tables)


def _attachments_of(cell: dict) -> Iterator[Content]:
    for forms in cell.get("attachments", {}).values():
        for kind, content in forms.items():
            yield _decode(kind, _join(content))


def _pictures_in(source: str) -> Iterator[Content]:
    for number, match in enumerate(DATA_URI.finditer(source), start=1):
        yield _decode(match[1], match[2]).placed(f"picture {number}")


def _decode(kind: str, payload: str) -> Content:
    try:
        data = base64.b64decode(payload)
    except binascii.Error:
        return Content(unread=[kind])
    if kind == "image/svg+xml":
        return _parse_svg(data.decode("utf-8"))
    return read_picture(data)


def _caption_of(table: object, number: int) -> str:
    caption = " ".join((table.findtext("caption") or "").split())
    return f'table "{caption}"' if caption else f"table {number}"


def _html_rows(table: object) -> Iterator[list[str]]:
    for row in table.iter("tr"):
        yield [" ".join(cell.text_content().split()) for cell in row.iterchildren("th", "td")]


def _join(source: str | Iterable[str]) -> str:
    return source if isinstance(source, str) else "".join(map(str, source))
