"""Councils and child populations from the look-up files, for the reference tables."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pilot_eval.errors import DataError, explain
from pilot_eval.published.raw import RawTable, parse_cell, read_raw
from pilot_eval.published.statuses import NOT_AVAILABLE, REPORTED

COUNCIL_COUNT = 152
_FOLDER = "lookups"
_COUNCILS_FILE = "councils_152.csv"
_COVARIATES_FILE = "council_covariates.csv"
_KEY = "old_la_code"
_COUNCIL_COLUMNS = (_KEY, "ons_code_2013", "la_name", "region", "la_type")
_SYMBOLS = {"": NOT_AVAILABLE, "x": NOT_AVAILABLE}
BACKCAST = "backcast"
ESTIMATE = "mid_year_estimate"
# One consistent series: mid-year to column and what the column is.
_POPULATION_COLUMNS: Mapping[int, tuple[str, str]] = {
    2009: ("pop_0_17_backcast_2009", BACKCAST),
    2010: ("pop_0_17_backcast_2010", BACKCAST),
    2011: ("pop_0_17_backcast_2011", BACKCAST),
    2012: ("pop_0_17_ees_2012", ESTIMATE),
    2013: ("pop_0_17_ees_2013", ESTIMATE),
}
# Column of the look-up file to column of councils.csv.
_COVARIATES: Mapping[str, str] = {
    "ons_code_2013_new": "council_code_new",
    "child_low_income_2011_pct_all": "child_low_income_2011_pct",
    "idaci2015_avg_score": "idaci2015_avg_score",
    "sn_2021": "statistical_neighbours_2021",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookups:
    """Councils by DfE number (as rows of councils.csv) and populations by (code, mid-year)."""

    councils: Mapping[str, Mapping[str, str]]
    populations: Mapping[tuple[str, int], tuple[float, str]]
    last_mid_year: int = max(_POPULATION_COLUMNS)


def read_lookups(source_dir: str | Path) -> Lookups:
    """Read the 152 councils, their covariates and one consistent series of populations.

    Parameters
    ----------
    source_dir : path
        Folder that holds ``lookups/councils_152.csv`` and ``lookups/council_covariates.csv``.

    Returns
    -------
    Lookups
        A population that the series lacks is NaN with basis ``not_available``.

    Raises
    ------
    DataError
        If a file, column or council is missing, doubled or unreadable.
    """
    folder = Path(source_dir) / _FOLDER
    councils = _keyed(read_raw(folder / _COUNCILS_FILE, encoding="utf-8"), _COUNCIL_COLUMNS)
    covariates_table = read_raw(folder / _COVARIATES_FILE, encoding="utf-8")
    wanted = (_KEY, *_COVARIATES, *(name for name, _ in _POPULATION_COLUMNS.values()))
    covariates = _keyed(covariates_table, wanted)
    _check_complete(councils, covariates)
    return Lookups(
        councils={key: _council(councils[key], covariates[key]) for key in sorted(councils)},
        populations={
            (councils[key]["ons_code_2013"], year): _population(covariates[key], year)
            for key in sorted(councils)
            for year in _POPULATION_COLUMNS
        },
    )


def _council(row: Mapping[str, str], covariates: Mapping[str, str]) -> dict[str, str]:
    return {
        "council_code": row["ons_code_2013"],
        "dfe_number": row[_KEY],
        "council_name": row["la_name"].replace(" Of ", " of "),
        "region": row["region"].replace("Yorkshire and The Humber", "Yorkshire and the Humber"),
        "council_type": row["la_type"],
        **{name: covariates[column] for column, name in _COVARIATES.items()},
    }


def _population(covariates: Mapping[str, str], mid_year: int) -> tuple[float, str]:
    column, basis = _POPULATION_COLUMNS[mid_year]
    cell = parse_cell(covariates[column], _SYMBOLS)
    if cell is None:
        raise DataError(
            explain(
                f"{_COVARIATES_FILE}, column {column}, council {covariates[_KEY]}",
                "be a number or empty",
                repr(covariates[column]),
                "Correct the figure in the look-up file.",
            )
        )
    value, status = cell
    return (value, basis) if status == REPORTED else (math.nan, NOT_AVAILABLE)


def _keyed(table: RawTable, columns: tuple[str, ...]) -> dict[str, dict[str, str]]:
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise DataError(
            explain(
                table.file,
                f"have the columns {', '.join(columns)}",
                f"no {', '.join(missing)}",
                "Fetch the look-up file again, or restore the column names.",
            )
        )
    keyed: dict[str, dict[str, str]] = {}
    for row, line in zip(table.rows, table.lines, strict=True):
        if row[_KEY] in keyed:
            raise DataError(
                explain(
                    f"{table.file}, line {line}, column {_KEY}",
                    "name a council once",
                    f"DfE number {row[_KEY]} again",
                    "Remove the second row.",
                )
            )
        keyed[row[_KEY]] = row
    return keyed


def _check_complete(councils: Mapping[str, object], covariates: Mapping[str, object]) -> None:
    if len(councils) != COUNCIL_COUNT or set(councils) != set(covariates):
        raise DataError(
            explain(
                f"{_COUNCILS_FILE} and {_COVARIATES_FILE}",
                f"hold the same {COUNCIL_COUNT} councils",
                f"{len(councils)} and {len(covariates)}",
                "Restore the missing rows.",
            )
        )
