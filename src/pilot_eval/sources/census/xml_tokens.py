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

from pilot_eval.sources.census.names import NOT_READ, Layout, Module, modules_within

IntArray = NDArray[np.int64]

_OTHER_STATE, _CHILD_STATE = 0, 1
_OTHER_NAME, _NOT_READ_NAME = 0, 1
_OPEN, _EMPTY, _CLOSE = 1, 0, -1
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
    follow: NDArray[np.int64]
    modules: Layout


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Records of one module in one chunk."""

    columns: pa.Table
    doubled: IntArray
    strange: IntArray


def build_grammar(layout: Layout) -> Grammar:
    """Build the table of a layout.

    Parameters
    ----------
    layout : Layout

    Returns
    -------
    Grammar
    """
    modules = {CHILDREN_KEY: Module(element="Child", parent="-", fields={}), **layout}
    tags = {tag for module in modules.values() for tag in (module.element, *module.fields)}
    names = dict.fromkeys(NOT_READ - tags, _NOT_READ_NAME)
    names |= {name: number for number, name in enumerate(sorted(tags), start=2)}
    pairs = [(key, tag) for key, module in modules.items() for tag in ("", *module.fields)]
    states = {pair: number for number, pair in enumerate(pairs, start=1)}
    follow = np.zeros((len(states) + 1, len(tags) + 2), dtype="int64")
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
    line_of = np.asarray(lines, dtype="int64")
    return {key: _module_chunk(key, elements, records, line_of, grammar) for key in grammar.modules}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Elements:
    """The elements of a chunk, in the order in which they open; parents by position, or -1."""

    state: IntArray
    parent: IntArray
    strange: IntArray
    text: pa.StringArray
    text_at: IntArray

    def text_of(self, elements: IntArray, rows: IntArray, size: int) -> pa.StringArray:
        """Put the text of elements into rows of a column of `size`; other rows are missing."""
        at = np.zeros(size, dtype="int64")
        at[rows] = self.text_at[elements]
        text = self.text.take(pa.array(at, mask=at == 0))
        if pc.any(pc.match_substring(text, "&")).as_py():
            for written, meant in _ENTITIES.items():
                text = pc.replace_substring(text, written, meant)
        return text


def _elements(serialised: bytes, grammar: Grammar) -> _Elements:
    """Find tags and text, nest the elements and give each its state."""
    strings = _cut(serialised)
    tags = strings.take(pa.array(np.arange(1, len(strings), 4))).dictionary_encode()
    codes = tags.indices.to_numpy()
    kinds, names = _describe_tags(tags.dictionary.to_pylist(), grammar.names)
    kind = kinds[codes]
    starting = np.flatnonzero(kind != _CLOSE)
    depth = (np.cumsum(kind) - kind)[starting]
    name = names[codes[starting]]
    state, parent = _nest(depth, name, grammar)
    return _Elements(
        state=state,
        parent=parent,
        strange=np.flatnonzero((name == _OTHER_NAME) & (parent >= 0)),
        text=strings,
        # An empty element has no text: what follows its tag is not its own. 0 stands for missing.
        text_at=np.where(kind[starting] == _OPEN, 4 * starting + 3, 0),
    )


def _cut(serialised: bytes) -> pa.StringArray:
    """Cut the text before and after each ``<`` and ``>``: "<", tag, ">", text, "<", tag, ..."""
    characters = np.frombuffer(serialised, dtype=np.uint8)
    opening, closing = (
        np.flatnonzero(characters == ord("<")),
        np.flatnonzero(characters == ord(">")),
    )
    cuts = np.empty(4 * len(opening) + 1, dtype="int32")
    cuts[0:-1:4], cuts[1::4], cuts[2::4], cuts[3::4] = opening, opening + 1, closing, closing + 1
    cuts[-1] = len(serialised)
    return pa.StringArray.from_buffers(len(cuts) - 1, pa.py_buffer(cuts), pa.py_buffer(serialised))


def _describe_tags(tags: list[str], known: dict[str, int]) -> tuple[IntArray, IntArray]:
    """Tell opening, empty and closing tags apart, and number their local names."""
    kinds, names = [], []
    for tag in tags:
        kinds.append(_CLOSE if tag.startswith("/") else _EMPTY if tag.endswith("/") else _OPEN)
        local = tag.strip("/").split(maxsplit=1)[0].rpartition(":")[2]
        names.append(known.get(local, _OTHER_NAME))
    return np.array(kinds, dtype="int64"), np.array(names, dtype="int64")


def _nest(depth: IntArray, name: IntArray, grammar: Grammar) -> tuple[IntArray, IntArray]:
    """Give each element its parent and its state, level by level."""
    state, parent = np.zeros_like(depth), np.full_like(depth, -1)
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
        return np.flatnonzero(elements.state == grammar.states[key, ""])
    own = np.zeros(len(grammar.follow), dtype=bool)
    own[[grammar.states[key, tag] for tag in module.fields]] = True
    return np.flatnonzero(own[elements.state])


def _module_chunk(
    key: str,
    elements: _Elements,
    records: dict[str, IntArray],
    line_of: IntArray,
    grammar: Grammar,
) -> Chunk:
    module, own = grammar.modules[key], records[key]
    child = np.searchsorted(records[CHILDREN_KEY], own, side="right") - 1
    columns = {
        "above": pa.array(_above(module, elements, records, own)),
        "source_row": pa.array(line_of[child]),
    }
    doubled = [np.empty(0, dtype="int64")]
    for tag, column in module.fields.items():
        fields = np.flatnonzero(elements.state == grammar.states[key, tag])
        rows = np.searchsorted(own, fields if module.repeats else elements.parent[fields])
        columns[column] = elements.text_of(fields, rows, len(own))
        doubled.append(rows[1:][rows[1:] == rows[:-1]])
    return Chunk(
        columns=pa.table(columns),
        doubled=np.unique(np.concatenate(doubled)),
        strange=_strange_records(elements, own),
    )


def _above(
    module: Module, elements: _Elements, records: dict[str, IntArray], own: IntArray
) -> IntArray:
    """Find the position, in the parent's module, of the record that holds each record."""
    if module.parent == "-":
        return np.full(len(own), -1, dtype="int64")
    holder = elements.parent[own]
    if module.repeats:
        holder = elements.parent[holder]
    return np.searchsorted(records[module.parent or CHILDREN_KEY], holder)


def _strange_records(elements: _Elements, own: IntArray) -> IntArray:
    """List the records that hold an element the return does not have there."""
    if not len(elements.strange):
        return elements.strange
    holders = elements.parent[elements.strange]
    return np.unique(np.searchsorted(own, holders[np.isin(holders, own)]))
