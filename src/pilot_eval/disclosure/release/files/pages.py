"""Read HTML, notebooks, SVG and plain text for the release check."""

from __future__ import annotations

import base64
import binascii
import json
import re
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

from pilot_eval.disclosure.release.files.content import Content, merge
from pilot_eval.disclosure.release.files.layouts import (
    find_attributes,
    find_page_tables,
    find_pairs,
    walk,
)
from pilot_eval.disclosure.release.files.pictures import read_picture
from pilot_eval.disclosure.release.files.printed import find_printed_tables
from pilot_eval.disclosure.release.files.sheets import find_json_tables, read_wrapping

DATA_URI = re.compile(r"data:(image/[\w.+-]+);base64,([A-Za-z0-9+/=\s]+)")
DATA_LINK = re.compile(r"data:([\w.+-]+/[\w.+-]+)[^,\"'>]*?(;base64)?,([^\"'>\s]*)")
HTML_TABLE = re.compile(r"<(?:table|tr|dl)\b", re.IGNORECASE)
PACKED = ("image/", "application/pdf", "application/octet-stream", "audio/", "video/")
COLOUR = re.compile(r"[0-9A-Fa-f]{6}|[0-9A-Fa-f]{8}")  # or the number of a revision
DATA_KEYS = ("data", "attachments")
CELLS = ("td", "th", "dt", "dd", "tr")
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
    bare = DATA_URI.sub("", source)
    tree = _parse(bare)
    # The source as well as the words: attributes and comments are released too.
    texts = [("source", bare), ("words", _words_of(tree))]
    return merge(
        [
            Content(
                tables=list(find_page_tables(tree)),
                texts=texts,
            ),
            *_pictures_in(source),
            *_links_in(source),
        ],
        titled=bool(tree.xpath("//title[normalize-space()]")),
    )


def _parse(source: str) -> Any:
    from lxml import etree, html

    try:
        return html.fromstring(source if source.strip() else "<p></p>")
    except (etree.ParserError, etree.XMLSyntaxError):  # nothing but comments
        return html.fromstring("<p></p>")


def _words_of(tree: Any) -> str:
    """Join a page's words, with a bar between cells: "3 | children" are two cells, no count."""
    words: list[str] = []
    for event, item in walk(tree):
        if getattr(item, "tag", None) in CELLS:
            words.append("|")
        words.append((item.text if event == "start" else item.tail) or "")
    return " ".join(" ".join(words).split())


def _links_in(source: str) -> Iterator[Content]:
    """Decode links that carry a file of words in themselves."""
    for number, match in enumerate(DATA_LINK.finditer(source), start=1):
        kind, packed, payload = match[1].lower(), match[2], match[3]
        if kind.startswith("image/") and packed:
            continue  # a picture, read as such
        where = f"link {number}"
        try:
            data = base64.b64decode(payload) if packed else unquote_to_bytes(payload)
            text = data.decode("utf-8")
        except (binascii.Error, ValueError):
            yield Content(unread=[where])
        else:
            yield Content(texts=[(where, text)], tables=list(find_printed_tables(text)))


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
    parts = [Content(texts=[("notebook", _dump(_without_data(book)))])]
    for number, cell in enumerate(book["cells"], start=1):
        where = f"cell {number}"
        parts.append(Content(texts=[(where, _join(cell["source"]))]))
        parts += [part.placed(where) for part in _attachments_of(cell)]
        parts += [
            part.placed(where) for output in cell.get("outputs", []) for part in _read(output)
        ]
    first = next((_join(c["source"]) for c in book["cells"] if c["cell_type"] == "markdown"), "")
    return merge(parts, titled=first.lstrip().startswith("# "))


def _dump(node: object) -> str:
    """Write JSON with its letters as they are, not as escapes."""
    return json.dumps(node, ensure_ascii=False)


def _without_data(node: Any) -> Any:
    """Leave out what notebooks carry as data, which is read by its type."""
    if isinstance(node, list):
        return [_without_data(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {
        key: list(value) if key in DATA_KEYS and isinstance(value, dict) else _without_data(value)
        for key, value in node.items()
    }


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
    words = Content(texts=[("text", text)], tables=list(find_printed_tables(text)))
    return merge([words, parse_page(text)]) if HTML_TABLE.search(text) else words


def read_docx(path: Path) -> Content:
    """Read a Word document: the words of every part, and its pictures' metadata.

    Parameters
    ----------
    path : pathlib.Path

    Returns
    -------
    Content
    """
    from lxml import etree

    parts = [read_wrapping(path)]
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            data = archive.read(name)
            if name.endswith((".xml", ".rels")):
                root = etree.fromstring(data)
                values = [str(value) for node in root.iter() for value in node.attrib.values()]
                named = dict.fromkeys(value for value in values if not COLOUR.fullmatch(value))
                words = "\n".join([" ".join(root.itertext()), *named])
                parts.append(Content(texts=[(name, words)], titled="<dc:title>" in str(data)))
            else:
                parts.append(read_picture(data).placed(name))
    return merge(parts)


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
    unread = ["a document type"] if "<!DOCTYPE" in bare and "<!ENTITY" in bare else []
    words = [" ".join(node.itertext()) for node in tree.iter() if _named(node, "text", "desc")]
    title = [node for node in tree.iter() if _named(node, "title") and node.text]
    texts = [("source", bare), *(("words", word) for word in words)]
    words_and_numbers = Content(
        texts=texts, unread=unread, tables=[*find_pairs(tree), *find_attributes(tree)]
    )
    parts = [words_and_numbers, *_pictures_in(source), *_links_in(source)]
    return merge(parts, titled=bool(title))


def _named(node: Any, *names: str) -> bool:
    return isinstance(node.tag, str) and node.tag.rpartition("}")[2] in names


def _read(output: dict[str, Any]) -> Iterator[Content]:
    """Read one output of a notebook cell in the richest form it has."""
    if "text" in output:
        text = _join(output["text"])
        yield Content(texts=[("stream", text)], tables=list(find_printed_tables(text)))
    if output.get("output_type") == "error":
        words = [output.get("ename", ""), output.get("evalue", ""), *output.get("traceback", [])]
        yield Content(texts=[("error", "\n".join(map(str, words)))])
    for kind, content in output.get("data", {}).items():
        yield from _read_form(kind, content, "text/html" in output["data"])


def _read_form(kind: str, content: object, has_html: bool) -> Iterator[Content]:
    text = _join(content) if isinstance(content, (str, list)) else _dump(content)
    if kind == "text/html":
        yield parse_page(text)
    elif kind == "image/svg+xml":
        yield _parse_svg(text)
    elif kind in PICTURE_TYPES:
        yield _decode(kind, text)
    elif kind.startswith(PACKED):
        yield Content(unread=[kind])
    elif "json" in kind:
        yield Content(texts=[(kind, text)], tables=list(find_json_tables(content)))
    else:
        tables = [] if has_html else list(find_printed_tables(text))
        yield Content(texts=[(kind, text)], tables=tables)


def _attachments_of(cell: dict[str, Any]) -> Iterator[Content]:
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


def _join(source: str | Iterable[str]) -> str:
    return source if isinstance(source, str) else "".join(map(str, source))
