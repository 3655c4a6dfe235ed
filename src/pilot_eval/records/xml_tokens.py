"""Turn serialised Child elements into columns, without a Python step per element.

The XML parser has checked the file and writes every Child back in its own normal form: no
comments, no blank text, ``<`` and ``>`` only around tags. In that form the tags of a chunk of
children can be found, nested and assigned to modules and fields by array operations. (Walking the
elements in Python takes twice as long as parsing them.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pilot_eval.records.names import NOT_READ, Layout, Module, modules_within

IntArray = NDArray[np.int64]

_OTHER_STATE, _CHILD_STATE = 0, 1
_OTHER_NAME, _NOT_READ_NAME = 0, 1
# The parent of the module of children themselves.
_NOWHERE = "-"
# Pieces a tag is cut into: its inside, ">", the text after it, and the rest up to the next one.
_PIECES, _TAG, _TEXT = 4, 0, 2
_NO_ROWS = np.empty(0, dtype="int64")
_ENTITIES = {"&lt;": "<", "&gt;": ">", "&quot;": '"', "&#13;": "\r", "&amp;": "&"}
CHILDREN_KEY = "children"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grammar:
    """The layout as a table: state of the parent and name of an element -> state of the element.

    Attributes
    ----------
    names : dict of str to int
        Local name -> number; 0 stands for any other name, 1 for those that are not read.
    states : dict of (str, str) to int
        (Module key, tag or "") -> state; "" is the module's own element.
    follow : ndarray, shape (states, names)
        State of an element; 0 where the return has no such element there.
    modules : Layout
        The layout with `children`, the Child element itself, in front.
    """

    names: dict[str, int]
    states: dict[tuple[str, str], int]
    follow: NDArray[np.int16]
    modules: Layout


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Records of one module in one chunk.

    Attributes
    ----------
    columns : pyarrow.Table
        Text columns by our names, `above` and `source_row`.
    doubled, strange : ndarray of int
        Rows with a field twice, and with an element that the return does not have there.
    longest : int
        Bytes of the longest text in the chunk, in whatever element.
    """

    columns: pa.Table
    doubled: IntArray
    strange: IntArray
    longest: int


def build_grammar(layout: Layout) -> Grammar:
    """Build the table of a layout.

    Parameters
    ----------
    layout : Layout

    Returns
    -------
    Grammar
    """
    modules = {CHILDREN_KEY: Module(element="Child", parent=_NOWHERE, fields={}), **layout}
    tags = {tag for module in modules.values() for tag in (module.element, *module.fields)}
    names = dict.fromkeys(NOT_READ - tags, _NOT_READ_NAME)
    names |= {name: number for number, name in enumerate(sorted(tags), start=2)}
    pairs = [(key, tag) for key, module in modules.items() for tag in ("", *module.fields)]
    states = {pair: number for number, pair in enumerate(pairs, start=1)}
    follow = np.zeros((len(states) + 1, len(tags) + 2), dtype="int16")
    for key, module in modules.items():
        state = states[key, ""]
        for tag in module.fields:
            follow[state, names[tag]] = states[key, tag]
        for inner, nested in modules_within(layout, "" if key == CHILDREN_KEY else key).items():
            follow[state, names[nested.element]] = states[inner, ""]
    return Grammar(names=names, states=states, follow=follow, modules=modules)


def read_chunk(serialised: bytes, lines: list[int], grammar: Grammar) -> dict[str, Chunk]:
    """Read the records of a chunk of children.

    Parameters
    ----------
    serialised : bytes
        Child elements one after the other, in the parser's normal form, UTF-8.
    lines : list of int
        Line of each child in the file.
    grammar : Grammar

    Returns
    -------
    dict of str to Chunk
        By module key: text columns, `above` (position in the parent's module, within the chunk)
        and `source_row` (line of the child).
    """
    elements = _elements(serialised, grammar)
    records = {
        key: _records(key, module, elements, grammar) for key, module in grammar.modules.items()
    }
    # An element is a record of one module at most: its row there, for those that belong to it.
    row = np.zeros(len(elements.state), dtype="int64")
    for own in records.values():
        row[own] = np.arange(len(own))
    line_of = np.asarray(lines, dtype="int64")
    chunks = {}
    for key, module in grammar.modules.items():
        own = records[key]
        child = np.searchsorted(records[CHILDREN_KEY], own, side="right") - 1
        place = {"above": _above(module, elements, own, row), "source_row": line_of[child]}
        chunks[key] = _module_chunk(key, elements, row, place, grammar)
    return chunks


@dataclass(frozen=True, slots=True, kw_only=True)
class _Elements:
    """The elements of a chunk, in the order in which they open; parents by position, or -1.

    `by_state` lists the elements of a state from ``starts[state]`` to ``starts[state + 1]``.
    """

    state: IntArray
    parent: IntArray
    by_state: IntArray
    starts: IntArray
    strange: IntArray
    text: pa.StringArray
    empty: NDArray[np.bool_]
    escaped: bool
    longest: int

    def in_state(self, state: int) -> IntArray:
        """List the elements in a state."""
        return self.by_state[self.starts[state] : self.starts[state + 1]]

    def text_of(self, elements: IntArray, rows: IntArray, size: int) -> pa.StringArray:
        """Put the text of elements into rows of a column of `size`; other rows are missing."""
        if not len(elements):
            return pa.nulls(size, pa.string())
        at, missing = np.zeros(size, dtype="int64"), np.ones(size, dtype=bool)
        # An empty element has no text: what follows its tag is not its own.
        at[rows], missing[rows] = _PIECES * elements + _TEXT, self.empty[elements]
        text = self.text.take(pa.array(at, mask=missing))
        if self.escaped:
            for written, meant in _ENTITIES.items():
                text = pc.replace_substring(text, written, meant)
        return text


def _elements(serialised: bytes, grammar: Grammar) -> _Elements:
    """Find tags and text, nest the elements and give each its state."""
    characters = np.frombuffer(serialised, dtype=np.uint8)
    opening, closing = (
        np.flatnonzero(characters == ord("<")),
        np.flatnonzero(characters == ord(">")),
    )
    ends = characters[opening + 1] == ord("/")
    starting = np.flatnonzero(~ends)
    empty = characters[closing[starting] - 1] == ord("/")
    strings = _cut(serialised, opening, closing, starting)
    tags = strings.take(pa.array(np.arange(_TAG, len(strings), _PIECES))).dictionary_encode()
    name = _number_names(tags.dictionary.to_pylist(), grammar.names)[tags.indices.to_numpy()]
    # Of the tags before an element, those that open and do not close enclose it.
    opened = np.arange(len(starting)) - np.cumsum(empty) + empty
    depth = opened - (starting - np.arange(len(starting)))
    state, parent = _nest(depth, name, grammar)
    return _Elements(
        state=state,
        parent=parent,
        by_state=np.argsort(state, kind="stable"),
        starts=np.cumsum(np.bincount(state + 1, minlength=len(grammar.follow) + 1)),
        strange=np.flatnonzero((state == _OTHER_STATE) & (name != _NOT_READ_NAME)),
        text=strings,
        empty=empty,
        escaped=b"&" in serialised,
        longest=int((np.append(opening[1:], len(serialised)) - closing).max(initial=0)),
    )


def _cut(
    serialised: bytes, opening: IntArray, closing: IntArray, starting: IntArray
) -> pa.StringArray:
    """Cut the text into pieces, four for each tag that starts an element: see `_PIECES`."""
    cuts = np.empty(_PIECES * len(starting) + 1, dtype="int32")
    following = np.append(opening, len(serialised))[starting + 1]
    cuts[0:-1:_PIECES], cuts[1::_PIECES] = opening[starting] + 1, closing[starting]
    cuts[2::_PIECES], cuts[3::_PIECES] = closing[starting] + 1, following
    cuts[-1] = len(serialised)
    return pa.StringArray.from_buffers(len(cuts) - 1, pa.py_buffer(cuts), pa.py_buffer(serialised))


def _number_names(tags: list[str], known: dict[str, int]) -> IntArray:
    """Give local names their numbers, from tags that may have prefixes and attributes."""
    local = [tag.strip("/").split(maxsplit=1)[0].rpartition(":")[2] for tag in tags]
    return np.array([known.get(name, _OTHER_NAME) for name in local], dtype="int16")


def _nest(depth: IntArray, name: IntArray, grammar: Grammar) -> tuple[IntArray, IntArray]:
    """Give each element its parent and its state, level by level."""
    state, parent = np.zeros(len(depth), dtype="int16"), np.full(len(depth), -1, dtype="int64")
    above = np.flatnonzero(depth == 0)
    state[above] = _CHILD_STATE
    for level in range(1, int(depth.max(initial=0)) + 1):
        here = np.flatnonzero(depth == level)
        parent[here] = above[np.searchsorted(above, here) - 1]
        state[here] = grammar.follow[state[parent[here]], name[here]]
        above = here
    return state, parent


def _records(key: str, module: Module, elements: _Elements, grammar: Grammar) -> IntArray:
    """List the elements that are records of a module."""
    if not module.repeats:
        return elements.in_state(grammar.states[key, ""])
    own = [elements.in_state(grammar.states[key, tag]) for tag in module.fields]
    return np.sort(np.concatenate(own))


def _above(module: Module, elements: _Elements, own: IntArray, row: IntArray) -> IntArray:
    """Find the position, in the parent's module, of the record that holds each record."""
    if module.parent == _NOWHERE:
        return np.full(len(own), -1, dtype="int64")
    holder = elements.parent[own]
    return row[elements.parent[holder] if module.repeats else holder]


def _module_chunk(
    key: str,
    elements: _Elements,
    row: IntArray,
    place: dict[str, IntArray],
    grammar: Grammar,
) -> Chunk:
    module, size = grammar.modules[key], len(place["above"])
    columns, doubled = {}, [_NO_ROWS]
    for tag, column in module.fields.items():
        fields = elements.in_state(grammar.states[key, tag])
        rows = row[fields if module.repeats else elements.parent[fields]]
        columns[column] = elements.text_of(fields, rows, size)
        doubled.append(rows[1:][rows[1:] == rows[:-1]])
    return Chunk(
        columns=pa.table({name: pa.array(values) for name, values in {**place, **columns}.items()}),
        doubled=np.unique(np.concatenate(doubled)),
        longest=elements.longest,
        strange=_NO_ROWS if module.repeats else _strange(elements, row, grammar.states[key, ""]),
    )


def _strange(elements: _Elements, row: IntArray, own: int) -> IntArray:
    """List the records that hold an element the return does not have there."""
    if not len(elements.strange):
        return _NO_ROWS
    holders = elements.parent[elements.strange]
    return np.unique(row[holders[elements.state[holders] == own]])
