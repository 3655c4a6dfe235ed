"""Returns or a Standard Safeguarding Dataset in a database: copied out, a folder for each return.

Any database that SQLAlchemy has a dialect for: the address is its URL. The tables of a return are
named after its modules, those of the dataset ``ssd_...``, in capitals or not, in any one schema.
Nothing is written to the database, and no message quotes the address, which may hold a password.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from datetime import date, datetime
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pilot_eval.errors import DataError, ParameterError, explain
from pilot_eval.records.mapping import EXAMPLE_MAPPING, FieldMapping, read_mapping
from pilot_eval.records.names import (
    ASSESSMENT_LINK,
    CHILD_LINK,
    COUNCIL_COLUMN,
    HEADER,
    HEADER_PARTS,
    PLAN_LINK,
    REFERRAL_LINK,
    STANDARD,
    YEAR_COLUMN,
    add_rules_layout,
)
from pilot_eval.records.near_names import fold
from pilot_eval.records.returns import name_return
from pilot_eval.records.ssd import SSD_COLUMNS, write_ssd_returns

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection, Inspector, Select, TableClause

ROWS_AT_ONCE = 5_000
_AS_TEXT = ("sqlite", "postgresql")
"""Databases that write values as a return does; there the columns of a row come as one text."""
_JOINT = "\x1f"  # no field holds it
_KEY = (COUNCIL_COLUMN, YEAR_COLUMN)
_LINKS = (CHILD_LINK, REFERRAL_LINK, PLAN_LINK, ASSESSMENT_LINK)
_HEADER_FIELDS = tuple(field for part in HEADER_PARTS.values() for field in part)
OwnTable = tuple[str | None, str, dict[str, str]]
"""Schema, name, and columns: those that are wanted -> how the database calls them."""
Tables = dict[str, OwnTable]


def copy_database(url: str, folder: Path, mapping: FieldMapping | None = None) -> None:
    """Copy the returns in a database to folders of Parquet modules.

    Parameters
    ----------
    url : str
        As SQLAlchemy reads it: ``postgresql+psycopg://user@host/name``, ``sqlite:///file.db``,
        ``mssql+pyodbc://...``, ``databricks://...``.
    folder : Path
        Exists and is empty; gets a folder for each return.
    mapping : FieldMapping, optional
        Own names of tables and columns; by default those of simulated two-stage returns.

    Raises
    ------
    ParameterError
        If SQLAlchemy or the driver is not installed.
    DataError
        If the database cannot be read, or holds neither returns nor the dataset.
    """
    mapping = read_mapping(EXAMPLE_MAPPING) if mapping is None else mapping
    create_engine, inspect, failures = _import_sqlalchemy()
    failed = ""
    try:
        engine = create_engine(url)
        file = engine.url.database
        of_file = engine.url.get_backend_name() == "sqlite" and not str(file).startswith("file:")
        if of_file and file and not Path(file).is_file():
            raise FileNotFoundError  # connecting would make an empty one
        try:
            with engine.connect() as connection:
                _copy(connection, inspect(connection), folder, mapping)
        finally:
            engine.dispose()
    except ModuleNotFoundError as fault:
        failed = f"a driver that is not installed ({fault.name})"
    except failures as fault:  # their words may quote the address or a value
        failed = type(fault).__name__
    if failed:
        action = "Check address, driver, rights and network; see docs/census-format.md."
        raise DataError(explain("the database", "be readable with SQLAlchemy", failed, action))


def _import_sqlalchemy() -> tuple[Any, Any, tuple[type[Exception], ...]]:
    try:
        from sqlalchemy import create_engine, inspect
        from sqlalchemy.exc import SQLAlchemyError
    except ModuleNotFoundError:
        rule, action = "have SQLAlchemy", "Install the extra: pip install pilot_eval[sql]."
        raise ParameterError(explain("a database", rule, "none", action)) from None
    return create_engine, inspect, (SQLAlchemyError, OSError)


def _copy(
    connection: Connection, inspector: Inspector, folder: Path, mapping: FieldMapping
) -> None:
    layouts = [add_rules_layout(layout) for layout in (STANDARD, mapping.layout)]
    modules = [module for layout in layouts for module in layout.values()]
    wanted: dict[str, tuple[str, ...]] = {one.element: (*_LINKS, *_KEY) for one in modules}
    for one in modules:
        wanted[one.element] = (*wanted[one.element], *one.fields)
    tables = _find_tables(inspector, {HEADER: _HEADER_FIELDS, **wanted, **SSD_COLUMNS})
    if HEADER not in tables:
        rule = f"hold a table {HEADER} that names council (LEA) and year"
        raise DataError(explain("the database", rule, "none", "See docs/census-format.md."))
    header = _fetch(connection, tables[HEADER])
    if "ssd_person" in tables:
        found = {name: _fetch(connection, tables[name]) for name in SSD_COLUMNS if name in tables}
        write_ssd_returns(header, found, folder)
        return
    heads = header.to_pylist()
    for head in heads:
        _write(pa.Table.from_pylist([head], header.schema), folder, _return_name(head), HEADER)
    for name in tables:
        if name != HEADER:
            _copy_module(connection, tables[name], folder, name, heads)


def _copy_module(
    connection: Connection,
    table: OwnTable,
    folder: Path,
    name: str,
    heads: list[dict[str, Any]],
) -> None:
    """Copy one module, return by return: they are counted first, then come in that order."""
    if any(key not in table[2] for key in _KEY):
        if len(heads) > 1:
            rule = f"have the columns {' and '.join(_KEY)}, as there are several returns"
            raise DataError(explain(name, rule, "neither or one", "Add them."))
        _write(_fetch(connection, table), folder, _return_name(heads[0]), name)
        return
    empty = {_name(head.get(key) for key in _KEY): _return_name(head) for head in heads}
    columns = [one for one in table[2] if one not in _KEY]
    joined = connection.dialect.name in _AS_TEXT
    counts, query = _select_by_return(table, columns, joined=joined)
    as_table = _split_rows if joined else _as_table
    found = [(_name(key), size) for *key, size in connection.execute(counts)]
    sizes = [(empty.pop(key, ""), size) for key, size in found]
    if unknown := [key for key, _ in sizes if not key]:
        rule = f"belong to a return that is in {HEADER}, and name it in one way"
        got = f"{len(unknown)} that are not or do not"
        raise DataError(explain(name, rule, got, "Correct LEA or Year."))
    query = query if len(sizes) > 1 else query.order_by(None)
    with closing(_fetch_pieces(connection, query, [size for _, size in sizes])) as pieces:
        for (key, _), rows in zip(sizes, pieces, strict=True):
            _write(pa.concat_tables([as_table(columns, part) for part in rows]), folder, key, name)
    for key in empty.values():
        _write(_as_table(columns, []), folder, key, name)


def _fetch_pieces(
    connection: Connection, query: Select[Any], sizes: Sequence[int]
) -> Generator[list[Sequence[Any]]]:
    """Fetch rows in pieces of given sizes, each as lists of at most `ROWS_AT_ONCE`.

    Rows come straight from the driver's cursor: columns have no SQL types here, so that SQLAlchemy
    would only wrap each row. That none is lost or added is checked by the sizes.
    """
    if not sizes:
        return
    with connection.execution_options(stream_results=True).execute(query) as result:
        ahead = result.fetchmany(1)  # SQLAlchemy has taken one row off the cursor
        for size in sizes:
            found, ahead = [ahead], []
            missing = size - len(found[0])
            while missing > 0 and (rows := result.cursor.fetchmany(min(missing, ROWS_AT_ONCE))):
                found.append(rows)
                missing -= len(rows)
            if missing:
                break
            yield found
        else:
            if not result.cursor.fetchmany(1):
                return
    action = "Read it while nobody writes to it."
    raise DataError(explain("the database", "not change while it is read", "changes", action))


def _select_by_return(
    table: OwnTable, columns: Sequence[str], *, joined: bool
) -> tuple[Select[Any], Select[Any]]:
    """Write the queries that count the rows of each return, and that select them in that order."""
    from sqlalchemy import Text, cast, func, select

    source, own = _name_source(table), table[2]
    keys = [source.c[own[key]] for key in _KEY]
    counts = select(*keys, func.count()).group_by(*keys).order_by(*keys)
    chosen: list[ColumnElement[Any]] = [source.c[own[one]] for one in columns]
    if joined:
        joint, *rest = (func.coalesce(cast(one, Text), "") for one in chosen)
        chosen = [reduce(lambda left, right: left.concat(_JOINT).concat(right), rest, joint)]
    return counts, select(*chosen).order_by(*keys)


def _split_rows(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> pa.Table:
    """Split rows, each one text, into columns."""
    cells = pc.split_pattern(pa.array([row[0] for row in rows], pa.string()), _JOINT)
    if pc.any(pc.not_equal(pc.list_value_length(cells), len(columns))).as_py():
        rule, got = "hold no control characters", "some"
        raise DataError(explain("the database", rule, got, "Take them out."))
    texts = [pc.list_element(cells, number) for number in range(len(columns))]
    empty = pa.scalar(None, pa.string())
    return pa.table(
        {
            name: pc.if_else(pc.equal(text, ""), empty, text)
            for name, text in zip(columns, texts, strict=True)
        }
    )


def _find_tables(inspector: Inspector, wanted: dict[str, Sequence[str]]) -> Tables:
    """Find the tables in the default schema, or in the first other one that has the header."""
    known = {fold(name): name for name in wanted}
    for schema in [None, *inspector.get_schema_names()]:
        own = [*inspector.get_table_names(schema), *inspector.get_view_names(schema)]
        found = {known[fold(name)]: name for name in own if fold(name) in known}
        if HEADER in found:
            return {
                name: (schema, table, _find_columns(inspector, schema, table, wanted[name]))
                for name, table in found.items()
            }
    return {}


def _find_columns(
    inspector: Inspector, schema: str | None, table: str, wanted: Sequence[str]
) -> dict[str, str]:
    """Name the columns as they are known; a module's others come too, for the reader to name."""
    known = {fold(name): name for name in wanted}
    own = [str(column["name"]) for column in inspector.get_columns(table, schema)]
    alone = table.casefold().startswith(("ssd_", HEADER.casefold()))
    return {known.get(fold(one), one): one for one in own if not alone or fold(one) in known}


def _name_source(table: OwnTable) -> TableClause:
    from sqlalchemy import column
    from sqlalchemy import table as named

    schema, name, columns = table
    return named(name, *(column(own) for own in columns.values()), schema=schema)


def _fetch(connection: Connection, table: OwnTable) -> pa.Table:
    """Fetch a table piece by piece, as text columns."""
    from sqlalchemy import select

    options = connection.execution_options(stream_results=True)
    found = options.execute(select(*_name_source(table).c)).partitions(ROWS_AT_ONCE)
    return pa.concat_tables([_as_table(list(table[2]), rows) for rows in ([], *found)])


def _as_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> pa.Table:
    """Turn rows into text columns; dates as YYYY-MM-DD."""
    values = zip(*rows, strict=True) if rows else [()] * len(columns)
    arrays = [_as_text(one) for one in values]
    return pa.table(dict(zip(columns, arrays, strict=True)))


def _as_text(values: Sequence[Any]) -> pa.Array:
    try:
        found = pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        found = None
    if found is not None and _is_plain(found.type):
        return found.cast(pa.string())
    return pa.array([_plain(value) or None for value in values], pa.string())


def _is_plain(kind: pa.DataType) -> bool:
    """Say whether Arrow writes values of a type as a return does."""
    checks = (pa.types.is_string, pa.types.is_date, pa.types.is_null, pa.types.is_integer)
    return any(check(kind) for check in checks)


def _plain(value: object) -> str:
    """Write a value as a return does."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        midnight = value.time() == datetime.min.time()
        return value.date().isoformat() if midnight else value.isoformat()
    return value.isoformat() if isinstance(value, date) else str(value).strip()


def _name(key: Iterable[object]) -> str:
    """Name a return however its council and year are written."""
    lea, year = map(_plain, key)
    return name_return(lea, year)


def _return_name(head: dict[str, Any]) -> str:
    return "_".join(_plain(head.get(key)) for key in _KEY)


def _write(table: pa.Table, folder: Path, key: str, name: str) -> None:
    place = folder / key
    place.mkdir(exist_ok=True)
    pq.write_table(table, place / f"{name}.parquet", compression="none")
