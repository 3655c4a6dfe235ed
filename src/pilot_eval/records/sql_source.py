"""Returns or a Standard Safeguarding Dataset in a database: copied out, a folder for each return.

Any database that SQLAlchemy has a dialect for: the address is its URL. The tables of a return are
named after its modules, those of the dataset ``ssd_...``, in capitals or not, in any one schema.
Nothing is written to the database, and no message quotes the address, which may hold a password.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pilot_eval.errors import DataError, ParameterError, explain
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
from pilot_eval.records.ssd import SSD_COLUMNS, write_ssd_returns

if TYPE_CHECKING:
    from sqlalchemy import Connection, Inspector, Select

ROWS_AT_ONCE = 20_000
_KEY = (COUNCIL_COLUMN, YEAR_COLUMN)
_LINKS = (CHILD_LINK, REFERRAL_LINK, PLAN_LINK, ASSESSMENT_LINK)
_HEADER_FIELDS = tuple(field for part in HEADER_PARTS.values() for field in part)
OwnTable = tuple[str | None, str, dict[str, str]]
"""Schema, name, and columns: those that are wanted -> how the database calls them."""
Tables = dict[str, OwnTable]


def copy_database(url: str, folder: Path) -> None:
    """Copy the returns in a database to folders of Parquet modules.

    Parameters
    ----------
    url : str
        As SQLAlchemy reads it: ``postgresql+psycopg://user@host/name``, ``sqlite:///file.db``,
        ``mssql+pyodbc://...``, ``databricks://...``.
    folder : Path
        Exists and is empty; gets a folder for each return.

    Raises
    ------
    ParameterError
        If SQLAlchemy or the driver is not installed.
    DataError
        If the database cannot be read, or holds neither returns nor the dataset.
    """
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
                _copy(connection, inspect(connection), folder)
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


def _copy(connection: Connection, inspector: Inspector, folder: Path) -> None:
    modules = {module.element: module.fields for module in add_rules_layout(STANDARD).values()}
    wanted = {name: (*_LINKS, *_KEY, *fields) for name, fields in modules.items()}
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
    for name in wanted:
        if name in tables:
            _copy_module(connection, tables[name], folder, name, heads)


def _copy_module(
    connection: Connection,
    table: OwnTable,
    folder: Path,
    name: str,
    heads: list[dict[str, Any]],
) -> None:
    """Copy one module, return by return, in one pass through the table."""
    if any(key not in table[2] for key in _KEY):
        if len(heads) > 1:
            rule = f"have the columns {' and '.join(_KEY)}, as there are several returns"
            raise DataError(explain(name, rule, "neither or one", "Add them."))
        _write(_fetch(connection, table), folder, _return_name(heads[0]), name)
        return
    empty = {_return_name(head): head for head in heads}
    for key, part in _split(_stream(connection, table, ordered=True)):
        if empty.pop(key, None) is None:
            rule = f"belong to a return that is in {HEADER}"
            raise DataError(explain(name, rule, "a row that does not", "Correct LEA or Year."))
        _write(part.drop_columns(list(_KEY)), folder, key, name)
    for key in empty:
        _write(_as_table([one for one in table[2] if one not in _KEY], []), folder, key, name)


def _split(tables: Iterator[pa.Table]) -> Iterator[tuple[str, pa.Table]]:
    """Split rows that come ordered by return; give each return's when it is complete."""
    held: list[pa.Table] = []
    current = ""
    for table in tables:
        keys = pc.binary_join_element_wise(*(pc.fill_null(table[key], "") for key in _KEY), "_")
        ends = pc.run_end_encode(keys.combine_chunks())
        start = 0
        for key, end in zip(ends.values.to_pylist(), ends.run_ends.to_pylist(), strict=True):
            if key != current and held:
                yield current, pa.concat_tables(held)
                held = []
            current = key
            held.append(table.slice(start, end - start))
            start = end
    if held:
        yield current, pa.concat_tables(held)


def _find_tables(inspector: Inspector, wanted: dict[str, Sequence[str]]) -> Tables:
    """Find the tables in the default schema, or in the first other one that has the header."""
    known = {name.casefold(): name for name in wanted}
    for schema in [None, *inspector.get_schema_names()]:
        own = [*inspector.get_table_names(schema), *inspector.get_view_names(schema)]
        found = {known[name.casefold()]: name for name in own if name.casefold() in known}
        if HEADER in found:
            return {
                name: (schema, table, _find_columns(inspector, schema, table, wanted[name]))
                for name, table in found.items()
            }
    return {}


def _find_columns(
    inspector: Inspector, schema: str | None, table: str, wanted: Sequence[str]
) -> dict[str, str]:
    known = {name.casefold(): name for name in wanted}
    own = [str(column["name"]) for column in inspector.get_columns(table, schema)]
    return {known[name.casefold()]: name for name in own if name.casefold() in known}


def _select(table: OwnTable, *, ordered: bool = False) -> Select[Any]:
    from sqlalchemy import column, select
    from sqlalchemy import table as named

    schema, name, columns = table
    source = named(name, *(column(own) for own in columns.values()), schema=schema)
    query = select(*(source.c[own].label(wanted) for wanted, own in columns.items()))
    return query.order_by(*(source.c[columns[key]] for key in _KEY)) if ordered else query


def _stream(
    connection: Connection, table: OwnTable, *, ordered: bool = False
) -> Iterator[pa.Table]:
    """Fetch a table piece by piece, as text columns."""
    options = connection.execution_options(stream_results=True)
    for rows in options.execute(_select(table, ordered=ordered)).partitions(ROWS_AT_ONCE):
        yield _as_table(list(table[2]), rows)


def _fetch(connection: Connection, table: OwnTable) -> pa.Table:
    return pa.concat_tables([_as_table(list(table[2]), []), *_stream(connection, table)])


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


def _return_name(head: dict[str, Any]) -> str:
    return "_".join(_plain(head.get(key)) for key in _KEY)


def _write(table: pa.Table, folder: Path, key: str, name: str) -> None:
    place = folder / key
    place.mkdir(exist_ok=True)
    pq.write_table(table, place / f"{name}.parquet", compression="none")
