"""Read one module of a return from Parquet; columns may be text or typed."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pilot_eval.records.absent_columns import choose_columns
from pilot_eval.records.returns import refusal

SUFFIX = ".parquet"


def read_module(path: Path, wanted: set[str]) -> tuple[pa.Table, list[str]]:
    """Read the wanted columns of a Parquet file.

    Parameters
    ----------
    path : Path
    wanted : set of str
        Statutory names; those that are not in the file are left out.

    Returns
    -------
    table : pyarrow.Table
    other : list of str
        Columns that are not wanted.

    Raises
    ------
    DataError
        If it is not a Parquet file, is damaged, or holds nested columns; or a column is a near miss
        of a wanted one.
    """
    failed = False
    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            chosen = choose_columns(path, names, wanted)
            table = file.read(columns=list(chosen), use_threads=False)
    except (pa.ArrowException, OSError):
        failed = True  # raised below, without the inner message
    if failed or any(pa.types.is_nested(column.type) for column in table.columns):
        rule = "be a complete Parquet file of plain columns"
        raise refusal(path, None, rule, "something else", "Export the module again.")
    renamed = table.rename_columns([chosen[name] for name in table.column_names])
    return renamed, [name for name in names if name not in chosen]
