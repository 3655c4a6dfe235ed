"""Populations of groups of children, for rates by group: a table that the analyst gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from pilot_eval.records.columns import to_codes, to_keys
from pilot_eval.records.council_numbers import find_council
from pilot_eval.records.csv_reader import FIRST_LINE, read_module
from pilot_eval.records.returns import read_year, refusal
from pilot_eval.records.subgroups import GROUPINGS, list_groups

COLUMNS = ("LEA", "Year", "By", "Group", "Population")
POPULATION_COLUMNS = ("council_code", "year_ending", "by", "group", "population_0_17")
_KEY = list(POPULATION_COLUMNS[:-1])
_LARGEST = 10_000_000


def read_group_populations(path: Path | None) -> pd.DataFrame:
    """Read how many children of each group live in each council.

    Parameters
    ----------
    path : Path or None
        CSV with the columns LEA (DfE number or ONS code), Year (ending 31 March), By (age, sex,
        ethnicity or disability), Group (as in `panel_by_*.csv`) and Population (aged 0 to 17).
        Successors of a divided council are added up. None gives an empty table.

    Returns
    -------
    DataFrame
        Columns `POPULATION_COLUMNS`.

    Raises
    ------
    DataError
        If a column is missing, a council, year, grouping or group is unknown, a population is not
        a whole number from 1, or a group is there twice. Names the line.
    """
    if path is None:
        return pd.DataFrame(columns=list(POPULATION_COLUMNS))
    table = read_module(path, set(COLUMNS))[0]
    for name in COLUMNS:
        if name not in table.column_names:
            raise refusal(path, 1, f"have the column {name}", "none", "See docs/census-format.md.")
    text = {name: pd.Series(to_keys(table[name]), dtype="str").fillna("") for name in COLUMNS}
    groups = {name: pd.Series(to_codes(table[name], capitals=False)) for name in ("By", "Group")}
    by, group = (groups[name].astype("str").str.lower() for name in ("By", "Group"))
    found = text["LEA"].map(find_council)
    number = pd.to_numeric(text["Population"], errors="coerce").astype(float)
    frame = pd.DataFrame(
        {
            "council_code": [code for code, _, _ in found],
            "part": [part for _, part, _ in found],
            "year_ending": pd.to_numeric(text["Year"].map(read_year), errors="coerce"),
            "by": by,
            "group": group,
            "population_0_17": number,
        }
    )
    known = {(name, one) for name in GROUPINGS if name != "need" for one in list_groups(name)}
    pairs = pd.Series([*zip(by, group, strict=True)])
    first = int((table.schema.metadata or {})[FIRST_LINE])
    for wrong, rule in (
        (frame["council_code"] == "", "name a council by its DfE number or ONS code"),
        (frame["year_ending"].isna(), "give the year ending 31 March"),
        (~pairs.isin(known), "name a grouping and one of its groups, as in panel_by_*.csv"),
        (~number.between(1, _LARGEST) | (number % 1 != 0), "give a population from 1"),
        (frame.duplicated([*_KEY, "part"]), "give each group of a council and year once"),
    ):
        if wrong.any():
            line = int(np.flatnonzero(wrong)[0]) + first
            raise refusal(path, line, rule, "another row", "Correct the table.")
    summed = frame.groupby(_KEY, as_index=False)["population_0_17"].sum()
    return summed.astype({"year_ending": "int64"})[list(POPULATION_COLUMNS)]
