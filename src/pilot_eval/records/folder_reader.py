"""Read returns kept as folders: one CSV or Parquet file a module, linked by columns.

A folder holds one return, or several that the columns LEA and Year distinguish.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import reduce
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pilot_eval.records import csv_reader, parquet_reader
from pilot_eval.records.absent_columns import (
    DECLARED_ABSENT,
    LINKS,
    RETURN_KEY,
    find_absent,
    find_unknown,
    find_unknown_files,
)
from pilot_eval.records.columns import drop_point_zero
from pilot_eval.records.mapping import FieldMapping
from pilot_eval.records.names import (
    ASSESSMENT_LINK,
    CHILD_LINK,
    FOR_RULES,
    HEADER,
    HEADER_PARTS,
    PLAN_LINK,
    REFERRAL_LINK,
    Layout,
    Module,
)
from pilot_eval.records.near_names import find_module, find_near, fold
from pilot_eval.records.returns import (
    MAX_TEXT,
    RawReturn,
    ReturnHeader,
    find_too_long,
    layout_of,
    name_return,
    read_header,
    refusal,
)

Reader = Callable[[Path, set[str]], tuple[pa.Table, list[str]]]
READERS: dict[str, tuple[str, Reader]] = {
    "csv": (csv_reader.SUFFIX, csv_reader.read_module),
    "parquet": (parquet_reader.SUFFIX, parquet_reader.read_module),
}
# What joins the parts of a link; no identifier holds it.
_JOINT = "\x1f"
_OWN_LINK = {"referrals": REFERRAL_LINK, "plans": PLAN_LINK}


def read_folder(
    folder: Path,
    form: str,
    *,
    mapping: FieldMapping | None = None,
    root: Path | None = None,
    rules: bool = False,
) -> Iterator[RawReturn]:
    """Read the returns of one folder.

    Parameters
    ----------
    folder : Path
        Holds `Header` and the modules, as CSV or Parquet.
    form : {"csv", "parquet"}
    mapping : FieldMapping, optional
        For two-stage returns.
    root : Path, optional
        Project root, for the list of councils.
    rules : bool
        Whether to read what only the published rules ask about as well.

    Yields
    ------
    RawReturn
        One for each row of `Header`.

    Raises
    ------
    DataError
        If a file cannot be trusted, a linking column is missing, or records belong to a return
        that is not in `Header`.
    """
    suffix, read = READERS[form]
    heads = _headers(find_module(folder / f"{HEADER}{suffix}"), read, root)
    layouts = [layout_of(folder, header, mapping, rules=rules) for _, header in heads]
    _refuse_misnamed_files(folder, suffix, layouts)
    declared = frozenset() if mapping is None else mapping.absent
    files: dict[str, list[pa.Table]] = {}
    known = {module.element for layout in layouts for module in layout.values()}
    absent = find_unknown_files(folder, suffix, known)
    for layout in layouts:
        for key, module in layout.items():
            if module.element not in files:
                path = find_module(folder / f"{module.element}{suffix}")
                returns = [place for place, _ in heads]
                tables, other = _read_file(path, read, module, _needed(key, module), returns)
                files[module.element] = tables
                absent += find_absent(path, module, tables[0].column_names, declared)
                absent += find_unknown(module, other)
                if key == "single_assessments" and ASSESSMENT_LINK not in tables[0].column_names:
                    absent += [(FOR_RULES["factors"].element, DECLARED_ABSENT)]
    for number, ((_, header), layout) in enumerate(zip(heads, layouts, strict=True)):
        parts = {key: files[module.element][number] for key, module in layout.items()}
        modules = _linked(folder, layout, parts)
        yield RawReturn(header=header, layout=layout, modules=modules, faults=[], absent=absent)


def read_folder_headers(folder: Path, form: str, *, root: Path | None = None) -> list[ReturnHeader]:
    """Read the headers of a folder's returns.

    Parameters
    ----------
    folder : Path
    form : {"csv", "parquet"}
    root : Path, optional
        Project root, for the list of councils.

    Returns
    -------
    list of ReturnHeader
        One for each row of `Header`.

    Raises
    ------
    DataError
        If `Header` cannot be trusted.
    """
    suffix, read = READERS[form]
    path = find_module(folder / f"{HEADER}{suffix}")
    return [header for _, header in _headers(path, read, root)]


def _headers(path: Path, read: Reader, root: Path | None) -> list[tuple[str, ReturnHeader]]:
    """Read the headers of a folder, each with the name of its return."""
    if not path.is_file():
        rule = f"stand by the modules of {path.parent.name}: it says whose return it is"
        alike = (
            one.name for one in sorted(path.parent.iterdir()) if fold(HEADER) in fold(one.stem)
        )
        misnamed = next(alike, "")
        got, action = (misnamed, f"Name files as their modules: {path.name}.")
        raise refusal(path, None, rule, got or "none", action if misnamed else "Export it too.")
    fields = {field for part in HEADER_PARTS.values() for field in part}
    table, _ = read(path, fields)
    rows = pa.table({name: table[name].cast(pa.string()) for name in table.column_names})
    heads = []
    for number, row in enumerate(rows.to_pylist(), start=_first_line(table)):
        if not any(row.values()):
            continue
        header = replace(read_header(path, number, row, root), file=path.parent.name)
        heads.append((name_return(row["LEA"] or "", row["Year"] or ""), header))
    if not heads or len({key for key, _ in heads}) < len(heads):
        rule = "have one row for each return"
        raise refusal(path, None, rule, "none, or one twice", "Correct the header.")
    return heads


def _read_file(
    path: Path,
    read: Reader,
    module: Module,
    needed: tuple[str, ...],
    returns: list[str],
) -> tuple[list[pa.Table], list[str]]:
    """Read the file of a module and split it by return; a file that is missing is empty.

    Columns of it that are not read are listed too.
    """
    if not path.is_file():
        return [_nothing({*needed, *module.fields})] * len(returns), []
    wanted = {*LINKS, *RETURN_KEY, *module.fields}
    table, other = read(path, wanted)
    table = _without_empty(_with_rows(table))
    missing = [name for name in needed if name not in table.column_names]
    if missing and module in FOR_RULES.values():
        return [_nothing(set(needed))] * len(returns), other
    if missing:
        rule = f"have the linking column {missing[0]}"
        raise refusal(path, 1, rule, "none", "See docs/census-format.md.")
    row = find_too_long(table)
    if row is not None:
        rule = f"hold fields of at most {MAX_TEXT} characters"
        line = int(table["source_row"][row].as_py()) + _first_line(table) - 1
        raise refusal(path, line, rule, "a longer one", "Correct the row.")
    return _split(path, table, returns), other


def _refuse_misnamed_files(folder: Path, suffix: str, layouts: list[Layout]) -> None:
    """Refuse a file that is nearly named as a module: it would be left out in silence."""
    known = {HEADER, *(module.element for layout in layouts for module in layout.values())}
    for path in sorted(folder.glob("*")):
        if path.suffix.lower() == suffix and not path.name.startswith("."):
            meant = find_near(path.stem, known)
            if meant and fold(meant) != fold(path.stem):
                rule, action = f"be named as its module: {meant}", "Rename it, or take it out."
                raise refusal(path, None, rule, "another spelling", action)


def _nothing(names: set[str]) -> pa.Table:
    """Build a module without records."""
    return _with_rows(pa.table({name: pa.array([], pa.string()) for name in sorted(names)}))


def _first_line(table: pa.Table) -> int:
    """Say on which line of its file the rows of a table begin."""
    return int((table.schema.metadata or {}).get(csv_reader.FIRST_LINE, 2))


def _with_rows(table: pa.Table) -> pa.Table:
    """Add the number of each row, from 1."""
    return table.append_column("source_row", pa.array(np.arange(1, table.num_rows + 1)))


def _without_empty(table: pa.Table) -> pa.Table:
    """Leave out rows in which nothing is written; the others keep their number."""
    if CHILD_LINK not in table.column_names or not table[CHILD_LINK].null_count:
        return table
    names = [name for name in table.column_names if name != "source_row"]
    filled = [pc.is_valid(table[name]) for name in names]
    return table.filter(reduce(pc.or_, filled))


def _needed(key: str, module: Module) -> tuple[str, ...]:
    """List the columns that link the records of a module, up and down."""
    own = (_OWN_LINK[key],) if key in _OWN_LINK else ()
    return (CHILD_LINK, *_links(module), *own)


def _links(module: Module) -> tuple[str, ...]:
    """List the columns, alongside the child's, that link a module to its parent and its parts."""
    if module.parent == "plans":
        return (REFERRAL_LINK, PLAN_LINK)
    if module.parent == "single_assessments":
        return (REFERRAL_LINK, ASSESSMENT_LINK)
    return (REFERRAL_LINK,) if module.parent == "referrals" else ()


def _split(path: Path, table: pa.Table, returns: list[str]) -> list[pa.Table]:
    """Split the rows of a file by the return they belong to."""
    if any(name not in table.column_names for name in RETURN_KEY):
        if len(returns) == 1:
            return [table]
        rule = f"have the columns {' and '.join(RETURN_KEY)}, as its folder holds several returns"
        raise refusal(path, 1, rule, "neither or one", "Add them, or use one folder per return.")
    written = _key(table, RETURN_KEY).combine_chunks().dictionary_encode()
    names = [name_return(*text.split(_JOINT)) for text in written.dictionary.to_pylist()]
    places = [returns.index(name) if name in returns else -1 for name in names]
    number = np.array(places, dtype="int64")[written.indices.to_numpy()]
    if (number < 0).any():
        row = int(np.flatnonzero(number < 0)[0])
        line = int(table["source_row"][row].as_py()) + _first_line(table) - 1
        rule = f"belong to a return that is in {HEADER}"
        raise refusal(path, line, rule, "a row that does not", "Correct LEA or Year.")
    if len(returns) == 1:
        return [table]
    order = np.argsort(number, kind="stable")
    sizes = np.bincount(number, minlength=len(returns))
    starts = np.cumsum(sizes) - sizes
    ordered = table.take(pa.array(order))
    return [ordered.slice(start, size) for start, size in zip(starts, sizes, strict=True)]


def _key(table: pa.Table, names: tuple[str, ...]) -> pa.ChunkedArray:
    """Join linking columns into one text a row; `1.0` is the same link as `1`."""
    texts = [drop_point_zero(pc.utf8_trim_whitespace(_text(table[name]))) for name in names]
    parts = [pc.fill_null(text, "").cast(pa.large_string()) for text in texts]
    return pc.binary_join_element_wise(*parts, pa.scalar(_JOINT, pa.large_string()))


def _text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    return column.cast(pa.string())


def _linked(folder: Path, layout: Layout, parts: dict[str, pa.Table]) -> dict[str, pa.Table]:
    """Rename the columns of each module and point each record at the one that holds it."""
    modules, keys = {}, {}
    for name, column in (("children", "identifiers"), ("characteristics", "characteristics")):
        keys[name] = _key(parts[column], (CHILD_LINK,))
    keys["referrals"] = _key(parts["referrals"], (CHILD_LINK, REFERRAL_LINK))
    keys["plans"] = _key(parts["plans"], (CHILD_LINK, REFERRAL_LINK, PLAN_LINK))
    assessments = parts.get("single_assessments")
    if assessments is not None and ASSESSMENT_LINK in assessments.column_names:
        links = (CHILD_LINK, REFERRAL_LINK, ASSESSMENT_LINK)
        keys["single_assessments"] = _key(assessments, links)
    for key, module in layout.items():
        parent = module.parent or "children"
        names = (CHILD_LINK, *_links(module))
        above = np.full(parts[key].num_rows, -1)
        if parent in keys:
            above = _find(keys[parent], _key(parts[key], names))
        if key == "identifiers":
            above = np.arange(len(above))
        modules[key] = _renamed(parts[key], module, above)
    modules["children"] = modules["identifiers"].select(["above", "source_row"])
    return modules


def _find(known: pa.ChunkedArray, wanted: pa.ChunkedArray) -> NDArray[np.int64]:
    """Find the first record with each key, or -1."""
    if isinstance(known, pa.ChunkedArray):
        known = known.combine_chunks()
    found = pc.fill_null(pc.index_in(wanted, value_set=known), -1)
    result: NDArray[np.int64] = found.to_numpy().astype("int64")
    return result


def _renamed(part: pa.Table, module: Module, above: NDArray[np.int64]) -> pa.Table:
    columns = {
        "above": pa.array(above.astype("int64")),
        "source_row": part["source_row"],
        "child_id": part[CHILD_LINK],
    }
    for tag, column in module.fields.items():
        if tag in part.column_names:
            columns[column] = part[tag]
        elif column not in columns:
            columns[column] = pa.nulls(part.num_rows, pa.string())
    return pa.table(columns)
