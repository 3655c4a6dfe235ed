"""Read HTML, notebooks, SVG and plain text for the release check."""

from __future__ import annotations

import base64
import binascii
import json
import re
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

from pilot_eval.disclosure.release.files.content import Content, make_table, merge
from pilot_eval.disclosure.release.files.pictures import read_picture
from pilot_eval.disclosure.release.files.printed import find_printed_tables
from pilot_eval.disclosure.release.files.sheets import find_json_tables, read_wrapping

DATA_URI = re.compile(r"data:(image/[\w.+-]+);base64,([A-Za-z0-9+/=\s]+)")
DATA_LINK = re.compile(r"data:([\w.+-]+/[\w.+-]+)[^,\"'>]*?(;base64)?,([^\"'>\s]*)")
HTML_TABLE = re.compile(r"<(?:table|tr|dl)\b", re.IGNORECASE)
PACKED = ("image/", "application/pdf", "application/octet-stream", "audio/", "video/")
COLOUR = re.compile(r"[0-9A-Fa-f]{6}|[0-9A-Fa-f]{8}")  # or the number of a revision
DATA_KEYS = ("data", "attachments")
MOST_LISTS = 500
LINES = ("br", "p", "div", "li")
TOLD = ("title", "aria-label", "abbr", "value")
VALUED = ("meter", "progress", "data", "input")
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
    tables = [
        (_caption_of(table, number), make_table(list(_html_rows(table))))
        for number, table in enumerate(tree.iter("table"), start=1)
    ]
    # The source as well as the words: attributes and comments are released too.
    texts = [("source", bare), ("words", _words_of(tree))]
    return merge(
        [
            Content(
                tables=[
                    *tables,
                    *_lists_of(tree),
                    *_grids_of(tree),
                    *_data_of(tree),
                    *_attributes_of(tree),
                ],
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
    for event, item in _walk(tree):
        if getattr(item, "tag", None) in CELLS:
            words.append("|")
        words.append((item.text if event == "start" else item.tail) or "")
    return " ".join(" ".join(words).split())


def _walk(tree: Any) -> Iterator[tuple[str, Any]]:
    from lxml import etree

    result: Iterator[tuple[str, Any]] = etree.iterwalk(tree, events=("start", "end", "comment"))
    return result


def _lists_of(tree: Any) -> Iterator[tuple[str, Any]]:
    """Read lists of terms and values as tables."""
    for number, listed in enumerate(tree.iter("dl"), start=1):
        words = [
            (item.tag, " ".join(item.text_content().split())) for item in listed.iter("dt", "dd")
        ]
        names = [text for tag, text in words if tag == "dt"]
        values = [text for tag, text in words if tag == "dd"]
        if len(names) == len(values) and names:
            yield f"list {number}", make_table([names, values])


def _grids_of(tree: Any) -> Iterator[tuple[str, Any]]:
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


def _data_of(tree: Any) -> Iterator[tuple[str, Any]]:
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


def _attributes_of(tree: Any) -> Iterator[tuple[str, Any]]:
    """Read numbers that stand in attributes: of a table's cells, and of what else holds a value."""
    for number, table in enumerate(tree.iter("table"), start=1):
        rows = [
            [_number_of(cell) for cell in row.iterchildren("th", "td")] for row in table.iter("tr")
        ]
        if any(map(any, rows)):
            heads = next(_html_rows(table), [])
            yield f"attributes of {_caption_of(table, number)}", make_table([heads, *rows])
    for item in tree.iter(*VALUED, "div", "span", "p", "li"):
        for name, value in item.attrib.items():
            told = name.startswith("data-") or (name == "value" and item.tag in VALUED)
            if told and value.strip().isdecimal():
                head = item.get("name") or name.removeprefix("data-")
                yield f"attribute {name}", make_table([[head], [value]])


def _number_of(cell: Any) -> str:
    """Give the number that a cell's attributes tell, or nothing."""
    told = (
        value.strip()
        for name, value in cell.attrib.items()
        if name.startswith("data-") or name in TOLD
    )
    return next(filter(str.isdecimal, told), "")


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
    parts = [Content(texts=texts, unread=unread), *_pictures_in(source), *_links_in(source)]
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
    for event, item in _walk(cell):
        if event == "start":
            words += ["\n" if item.tag in LINES else "", item.text or ""]
        elif item is not cell:
            words.append(item.tail or "")
    text = "".join(words)
    return [line for part in text.split("\n") if (line := " ".join(part.split()))]


def _join(source: str | Iterable[str]) -> str:
    return source if isinstance(source, str) else "".join(map(str, source))
