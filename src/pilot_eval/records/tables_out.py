"""The typed tables of a run as Parquet, for other programs, with a dictionary of every column.

They are children's records: they stay in the private folder.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from pilot_eval.records.schema import DATE_DTYPE, ORIGIN, SCHEMA, CensusTables, frames_of

FOLDER = "tables"
DICTIONARY = "data_dictionary.csv"
_MEANINGS = Path(__file__).with_name(DICTIONARY)
EXTRACTED = {"section47s": {"last_strategy_date": "date"}}
"""Columns that local extracts add; empty where none were given."""
_KINDS = {
    "key": "text",
    "link": "whole number",
    "date": "date",
    "code": "code",
    "yes_no": "yes, no or missing",
    "number": "whole number or missing",
    "year": "year",
    "row": "whole number",
}


def describe_tables() -> pd.DataFrame:
    """List every column of every table.

    Returns
    -------
    DataFrame
        table, column, kind, meaning.

    Examples
    --------
    >>> describe_tables().query("table == 'reviews'")["column"].tolist()[-1]
    'source_row'
    """
    meanings = pd.read_csv(_MEANINGS).fillna("").set_index(["table", "column"])["meaning"]
    rows = [
        (table, column, _KINDS[kind], meanings["" if column in ORIGIN else table, column])
        for table, columns in SCHEMA.items()
        for column, kind in {**columns, **ORIGIN, **EXTRACTED.get(table, {})}.items()
    ]
    return pd.DataFrame(rows, columns=["table", "column", "kind", "meaning"])


def write_tables(tables: CensusTables, folder: Path, *, part: str) -> None:
    """Write the tables of some councils as ``<table>/<part>.parquet``.

    Parameters
    ----------
    tables : CensusTables
    folder : Path
        Private; the tables of every part together are one dataset in it.
    part : str
        Name of these councils' files.
    """
    for name, frame in frames_of(tables).items():
        place = folder / name
        place.mkdir(parents=True, exist_ok=True)
        empty = pd.Series(pd.NaT, index=frame.index, dtype=DATE_DTYPE)
        missing = [column for column in EXTRACTED.get(name, {}) if column not in frame]
        frame = frame.assign(**dict.fromkeys(missing, empty))
        codes = [column for column in frame if isinstance(frame[column].dtype, pd.CategoricalDtype)]
        frame.astype(dict.fromkeys(codes, "str")).to_parquet(place / f"{part}.parquet", index=False)
