"""A council's own way of writing values, put into the return's by its mapping file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from pilot_eval.records.date_forms import read_day
from pilot_eval.records.mapping import FieldMapping
from pilot_eval.records.returns import RawReturn
from pilot_eval.records.schema import SCHEMA

if TYPE_CHECKING:
    import pyarrow as pa

DATES = frozenset(
    name for columns in SCHEMA.values() for name, kind in columns.items() if kind == "date"
)


def translate(raw: RawReturn, mapping: FieldMapping | None) -> RawReturn:
    """Put a return's own words, codes and dates into the return's.

    Parameters
    ----------
    raw : RawReturn
    mapping : FieldMapping or None

    Returns
    -------
    RawReturn
        The same where the mapping does not cover its year, or says nothing about values.
    """
    if mapping is None or raw.header.year not in mapping.years or not mapping.says_values:
        return raw
    modules = {key: _translate_table(table, mapping) for key, table in raw.modules.items()}
    return replace(raw, modules=modules)


def _translate_table(table: pa.Table, mapping: FieldMapping) -> pa.Table:
    import pyarrow as pa

    for number, name in enumerate(table.column_names):
        column = table[name]
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
            continue
        meant = partial(_meaning, name=name, mapping=mapping)
        table = table.set_column(number, name, _map_distinct(column, meant))
    return table


def _map_distinct(column: pa.ChunkedArray, meant: Callable[[str], str | None]) -> pa.Array:
    """Change each distinct text once."""
    import pyarrow as pa

    coded = column.combine_chunks().dictionary_encode()
    texts = [None if text is None else meant(text) for text in coded.dictionary.to_pylist()]
    return pa.array(texts, pa.string()).take(coded.indices)


def _meaning(text: str, *, name: str, mapping: FieldMapping) -> str | None:
    bare = text.strip()
    if bare.casefold() in mapping.nothing:
        return None
    own = mapping.values.get(name, {})
    if bare.casefold() in own:
        return own[bare.casefold()] or None
    if name not in DATES or not mapping.date_format:
        return text
    day = read_day(bare, mapping.date_format)
    return text if day is None else day.isoformat()
