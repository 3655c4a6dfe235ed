"""Read one module of a return from Parquet; columns may be text or typed."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pilot_eval.records.returns import refusal

SUFFIX = ".parquet"


def read_module(path: Path, wanted: set[str]) -> pa.Table:
    """Read the wanted columns of a Parquet file.

    Parameters
    ----------
    path : Path
    wanted : set of str
        Statutory names; those that are not in the file are left out.

    Returns
    -------
    pyarrow.Table

    Raises
    ------
    DataError
        If it is not a Parquet file, is damaged, or holds nested columns.
    """
    failed = False
    try:
        with pq.ParquetFile(path) as file:
            names = [name for name in file.schema_arrow.names if name in wanted]
            table = file.read(columns=names, use_threads=False)
    except (pa.ArrowException, OSError):
        failed = True  # raised below, without the inner message
    if failed or any(pa.types.is_nested(column.type) for column in table.columns):
        rule = "be a complete Parquet file of plain columns"
        raise refusal(path, None, rule, "something else", "Export the module again.")
    return table
