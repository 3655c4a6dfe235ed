"""Read XML returns: streamed, in bounded memory, with nothing expanded or fetched."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
from lxml import etree

from pilot_eval.errors import DataError
from pilot_eval.records.absent_columns import NEEDED
from pilot_eval.records.mapping import FieldMapping
from pilot_eval.records.names import (
    CHILD,
    HEADER,
    HEADER_PARTS,
    ROOT,
    Layout,
)
from pilot_eval.records.near_names import spell
from pilot_eval.records.returns import (
    MAX_TEXT,
    RawReturn,
    ReturnHeader,
    find_too_long,
    layout_of,
    read_header,
    refusal,
)
from pilot_eval.records.xml_tokens import CHILDREN_KEY, build_grammar, read_chunk

_TAG_NAME = re.compile(rb"<(?:[\w.-]+:)?([\w.-]+)")
# Bytes without a complete child after which a file is given up: a real child takes some kilobytes.
MAX_RECORD_BYTES = 16_000_000
# Bytes read between two turns of records into columns; bounds the memory for records.
FLUSH_BYTES = 4_000_000
_ENCODINGS = (b"utf-8", b"utf-16", b"us-ascii", b"iso-8859-1", b"windows-1252")
# Looked for in each piece of the file together with the end of the piece before.
_DECLARATIONS = (b"<!DOCTYPE", b"<!ENTITY")
_OVERLAP = 32
_PARSER_OPTIONS = {
    "events": ("end",),
    "tag": tuple(
        f"{{*}}{spelt}" for name in (HEADER, CHILD) for spelt in (name, name.lower(), name.upper())
    ),
    "remove_blank_text": True,
    "remove_comments": True,
    "remove_pis": True,
    "resolve_entities": False,
    "load_dtd": False,
    "no_network": True,
    "huge_tree": False,
}

# The form in which children are handed to `xml_tokens`.
_NORMAL_FORM = {"encoding": "utf-8", "xml_declaration": False, "with_tail": False}


def read_xml(
    path: Path,
    *,
    mapping: FieldMapping | None = None,
    root: Path | None = None,
    rules: bool = False,
) -> RawReturn:
    """Read one XML return.

    Parameters
    ----------
    path : Path
    mapping : FieldMapping, optional
        For two-stage returns.
    root : Path, optional
        Project root, for the list of councils.
    rules : bool
        Whether to read what only the published rules ask about as well.

    Returns
    -------
    RawReturn

    Raises
    ------
    DataError
        If the file cannot be trusted: not well formed, truncated, wrongly encoded, with a document
        type or entities, a field too long, another collection. Names file and line, no value.
    """
    with path.open("rb") as stream:
        source = _GuardedFile(stream, path)
        collector: _Collector | None = None
        for element in _elements(path, source):
            if collector is not None and _same(element.tag, collector.child_tag):
                collector.add(element, source.total)
            else:
                collector = _begin(path, element, collector, (mapping, root, rules))
            source.record_done()
    if collector is None:
        raise _no_header(path)
    return collector.finish()


def read_xml_header(path: Path, *, root: Path | None = None) -> ReturnHeader:
    """Read the header of one XML return and nothing after it.

    Parameters
    ----------
    path : Path
    root : Path, optional
        Project root, for the list of councils.

    Returns
    -------
    ReturnHeader

    Raises
    ------
    DataError
        If the file does not begin with a header that can be trusted.
    """
    with path.open("rb") as stream:
        for element in _elements(path, _GuardedFile(stream, path)):
            _check_first(path, element)
            return _header(path, element, root)
    raise _no_header(path)


def _no_header(path: Path) -> DataError:
    return refusal(path, 1, "have a Header", "none", "Give children-in-need returns only.")


def _check_first(path: Path, element: etree._Element) -> None:
    if not _same(etree.QName(element).localname, HEADER):
        raise _misplaced(path, element)


def _same(tag: str, wanted: str) -> bool:
    """Compare tags whatever their case; the namespace is compared as well."""
    return tag == wanted or tag.casefold() == wanted.casefold()


def _misplaced(path: Path, element: etree._Element) -> DataError:
    rule = "have one Header, before its children, and one namespace"
    return refusal(path, element.sourceline, rule, "something else", "Export it again.")


def _begin(
    path: Path,
    element: etree._Element,
    collector: _Collector | None,
    reading: tuple[FieldMapping | None, Path | None, bool],
) -> _Collector:
    """Start on the header; refuse children before it, and a second one."""
    mapping, root, rules = reading
    name = etree.QName(element)
    if collector is not None:
        raise _misplaced(path, element)
    _check_first(path, element)
    header = _header(path, element, root)
    child_tag = f"{{{name.namespace}}}{CHILD}" if name.namespace else CHILD
    layout = layout_of(path, header, mapping, rules=rules)
    declared = frozenset() if mapping is None else mapping.absent
    return _Collector(path, header, layout, child_tag, declared)


class _GuardedFile:
    """A file that refuses what no return holds before the parser sees it."""

    def __init__(self, stream: BinaryIO, path: Path) -> None:
        self.total = 0
        self._stream, self._path = stream, path
        self._tail, self._last_record = b"", 0

    def read(self, size: int = -1) -> bytes:
        chunk = self._stream.read(size)
        if not self.total:
            self._check_start(chunk)
        if b"!" in chunk or b"!" in self._tail:
            self._check_declarations(chunk)
        self.total += len(chunk)
        self._tail = chunk[-_OVERLAP:]
        if self.total - self._last_record > MAX_RECORD_BYTES:
            rule = f"hold children of less than {MAX_RECORD_BYTES // 1_000_000} MB"
            raise self._refuse(self._last_record, rule, "a longer record", "Export it again.")
        return chunk

    def record_done(self) -> None:
        self._last_record = self.total

    def _check_start(self, chunk: bytes) -> None:
        start = chunk[:200].replace(b"\0", b"")
        declared = start.lower().partition(b"encoding=")[2][1:20] if b"?>" in start else b""
        known = not declared or declared.startswith(_ENCODINGS)
        if not start.lstrip(b"\xef\xbb\xbf\xff\xfe \r\n\t").startswith(b"<") or not known:
            rule = "be an XML file in UTF-8 or another encoding that XML tools share"
            raise self._refuse(0, rule, "something else", "Export the return as XML in UTF-8.")

    def _check_declarations(self, chunk: bytes) -> None:
        window = (self._tail + chunk).replace(b"\0", b"")
        for name in _DECLARATIONS:
            at = window.find(name)
            if at >= 0:
                rule = "have no document type and no entities"
                offset = self.total + max(at - len(self._tail), 0)
                raise self._refuse(offset, rule, "a declaration", "Do not use this file.")

    def _refuse(self, offset: int, rule: str, got: str, action: str) -> Exception:
        return refusal(self._path, _line_at(self._path, offset), rule, got, action)


def _line_at(path: Path, offset: int) -> int:
    """Count the lines up to a byte, reading little at a time."""
    line = 1
    with path.open("rb") as stream:
        while offset > 0 and (chunk := stream.read(min(offset, 1 << 20))):
            line += chunk.count(b"\n")
            offset -= len(chunk)
    return line


def _elements(path: Path, source: _GuardedFile) -> Iterator[etree._Element]:
    """Walk headers and children; a syntax error becomes a refusal without the parser's words."""
    etree.clear_error_log()  # else an error may be reported with the place of another file's
    walk = etree.iterparse(source, **_PARSER_OPTIONS)
    while True:
        fault: tuple[int, str] | None = None
        try:
            _, element = next(walk)
        except StopIteration:
            return
        except etree.XMLSyntaxError as error:
            # The parser's message may quote the file: only its kind and line are passed on.
            last = error.error_log[-1] if len(error.error_log) else None
            line = error.lineno or (last.line if last else 1)
            fault = (line, last.type_name if last else "ERR_DOCUMENT_EMPTY")
        if fault is not None:
            rule = "be complete, well-formed XML in its declared encoding"
            raise refusal(path, fault[0], rule, fault[1], "Export the return again.")
        yield element


def _header(path: Path, element: etree._Element, root: Path | None) -> ReturnHeader:
    line = element.sourceline
    if not _same(etree.QName(element.getroottree().getroot()).localname, ROOT):
        action = "Give children-in-need returns only."
        raise refusal(path, line, f"be a {ROOT}", "another document", action)
    fields = {field for part in HEADER_PARTS.values() for field in part}
    found = {etree.QName(part).localname: part.text for part in element.iter()}
    same, _ = spell(found, fields)
    return read_header(path, line, {same.get(key, key): found[key] for key in found}, root)


class _Collector:
    """Gather Child elements and turn them into text columns, chunk by chunk."""

    def __init__(
        self,
        path: Path,
        header: ReturnHeader,
        layout: Layout,
        child_tag: str,
        declared: frozenset[str],
    ) -> None:
        self.child_tag, self._declared = child_tag, declared
        self._path, self._header, self._layout = path, header, layout
        self._grammar = build_grammar(layout)
        self._serialised: list[bytes] = []
        self._lines: list[int] = []
        self._next_flush = FLUSH_BYTES
        self._tables: dict[str, list[pa.Table]] = {key: [] for key in self._grammar.modules}
        self._rows = dict.fromkeys(self._grammar.modules, 0)
        self._faults: list[tuple[str, int, str]] = []

    def add(self, child: etree._Element, position: int) -> None:
        self._lines.append(child.sourceline)
        if child.tag != self.child_tag:
            child.tag = self.child_tag
        self._serialised.append(etree.tostring(child, **_NORMAL_FORM))
        child.clear()
        if position >= self._next_flush:
            self._next_flush = position + FLUSH_BYTES
            self._flush()
            _drop_before(child)

    def finish(self) -> RawReturn:
        self._flush()
        modules = {key: pa.concat_tables(tables) for key, tables in self._tables.items()}
        self._refuse_without_dates(modules)
        return RawReturn(
            header=self._header, layout=self._layout, modules=modules, faults=self._faults
        )

    def _refuse_without_dates(self, modules: dict[str, pa.Table]) -> None:
        """Refuse a module with unknown elements and none of a date that ends or begins records."""
        strange = {key for key, _, rule in self._faults if rule == "unknown_element"}
        for key in sorted(strange & set(self._layout)):
            for tag, column in self._layout[key].fields.items():
                none = modules[key][column].null_count == modules[key].num_rows
                if none and column in NEEDED and tag not in self._declared:
                    element = self._layout[key].element
                    rule = f"name the elements of {element} as the return does, {tag} among them"
                    got = f"no {tag} and elements of other names"
                    action = f'Correct the export, or declare it: [absent] columns = ["{tag}"].'
                    raise refusal(self._path, None, rule, got, action)

    def _flush(self) -> None:
        serialised = b"".join(self._serialised)
        chunks = read_chunk(serialised, self._lines, self._grammar)
        if any(len(chunk.strange) for chunk in chunks.values()):
            spelt = self._respell(serialised)
            if spelt != serialised:
                chunks = read_chunk(spelt, self._lines, self._grammar)
        start = dict(self._rows)
        for key, chunk in chunks.items():
            if chunk.longest > MAX_TEXT:
                self._check_lengths(chunk.columns)
            parent = self._grammar.modules[key].parent or CHILDREN_KEY
            above = pc.add(chunk.columns["above"], start.get(parent, 0))
            self._tables[key].append(chunk.columns.set_column(0, "above", above))
            self._rows[key] += chunk.columns.num_rows
            self._faults += [(key, start[key] + row, "repeated_field") for row in chunk.doubled]
            self._faults += [(key, start[key] + row, "unknown_element") for row in chunk.strange]
        self._serialised, self._lines = [], []

    def _respell(self, serialised: bytes) -> bytes:
        """Spell elements as the return does where only their case differs; refuse near misses."""
        known = set(self._grammar.names)
        found = {name.decode() for name in _TAG_NAME.findall(serialised)}
        same, near = spell(sorted(found - known - {CHILD}), known)
        if near:
            wrong, meant = next(iter(near.items()))
            rule, got = "name its elements as the return does", f"<{wrong}>"
            action = f"Did you mean <{meant}>? Correct the export."
            raise refusal(self._path, self._lines[0], rule, got, action)
        for wrong, meant in same.items():
            pattern = rb"(</?(?:[\w.-]+:)?)" + re.escape(wrong.encode()) + rb"(?=[\s/>])"
            serialised = re.sub(pattern, rb"\g<1>" + meant.encode(), serialised)
        return serialised

    def _check_lengths(self, columns: pa.Table) -> None:
        row = find_too_long(columns)
        if row is not None:
            line = columns["source_row"][row].as_py()
            rule = f"hold fields of at most {MAX_TEXT} characters"
            action = "Correct the record of the child that begins there."
            raise refusal(self._path, line, rule, "a longer one", action)


def _drop_before(child: etree._Element) -> None:
    """Free what lies before a child that is done with."""
    parent = child.getparent()
    if parent is not None:
        del parent[: parent.index(child)]
