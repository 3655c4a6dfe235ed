"""Parquet datasets partitioned by council and year, as DuckDB, Spark and Arrow write them.

``<module>/LEA=330/Year=2014/*.parquet``: the modules of a return, `Header` among them. One
council's year is a folder of each module, so that it is added or replaced without reading the rest.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pilot_eval.errors import DataError, explain
from pilot_eval.records.names import COUNCIL_COLUMN, YEAR_COLUMN

_KEYS = (COUNCIL_COLUMN, YEAR_COLUMN)
_PART = "part-0.parquet"


def copy_dataset(path: Path, folder: Path) -> None:
    """Lay a dataset out as a folder for each return.

    Parameters
    ----------
    path : Path
    folder : Path
        Exists; gets a folder ``<LEA>_<Year>`` for each return.

    Raises
    ------
    DataError
        If a part cannot be read.
    """
    for module in sorted(part for part in path.iterdir() if part.is_dir()):
        for place in sorted(module.glob(f"{COUNCIL_COLUMN}=*/{YEAR_COLUMN}=*")):
            key = [part.partition("=")[2] for part in place.parts[-2:]]
            target = folder / "_".join(key)
            target.mkdir(exist_ok=True)
            files = sorted(place.glob("*.parquet"))
            pq.write_table(_read(files, key), target / f"{module.name}.parquet")


def add_to_dataset(returned: Path, dataset: Path, *, lea: str, year: int) -> None:
    """Add one return to a dataset, or replace it.

    Parameters
    ----------
    returned : Path
        Folder of Parquet modules of one return.
    dataset : Path
        Made if need be; other returns in it are not read.
    lea : str
        DfE number of the council.
    year : int
        Ending 31 March.
    """
    for file in sorted(returned.glob("*.parquet")):
        place = dataset / file.stem / f"{COUNCIL_COLUMN}={lea}" / f"{YEAR_COLUMN}={year}"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        table = pq.read_table(file)
        pq.write_table(
            table.drop_columns([k for k in _KEYS if k in table.column_names]), place / _PART
        )


def _read(files: list[Path], key: list[str]) -> pa.Table:
    """Read the files of one module of a return, with council and year as columns."""
    failed = False
    try:
        table = pa.concat_tables(
            [pq.ParquetFile(file).read() for file in files], promote_options="permissive"
        )
    except (pa.ArrowException, OSError):
        failed = True  # raised below, without the inner message
    if failed:
        rule = "be complete Parquet files of plain columns"
        raise DataError(explain("the dataset", rule, "something else", "Write that part again."))
    table = table.drop_columns([name for name in _KEYS if name in table.column_names])
    for name, value in zip(_KEYS, key, strict=True):
        table = table.append_column(name, pa.array([value] * table.num_rows, pa.string()))
    return table
