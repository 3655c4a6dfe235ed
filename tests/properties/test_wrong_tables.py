"""Long tables that are wrong in every way: an answer, or one of the project's errors."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from corruption import THINGS
from test_long_frames import ESTIMATORS, NAMED, make_table

import pilot_eval as pe
from pilot_eval.errors import PilotEvalError

CALLS, MANY = 40, 2000
COLUMNS = ("council", "year", "y", "kind", "first")
DTYPES = (
    "object",
    "string",
    "category",
    "Int64",
    "double[pyarrow]",
    "bool",
    "complex128",
    "float32",
)
YEARS: tuple[Callable[[int], Any], ...] = (
    lambda year: f"{year}\u2013{year % 100 + 1}",
    lambda year: pd.Timestamp(year, 4, 1, tz="Europe/London"),
    lambda year: pd.Period(str(year), "Y") if year % 2 else pd.Period(f"{year}-01", "M"),
    lambda year: timedelta(days=year),
    lambda year: date(year, 1, 1),
    lambda year: (year, 1),
    lambda year: complex(year),
    lambda year: year / 1e9,
)
OTHERS: dict[str, tuple[Any, ...]] = {
    "outcome": ("nope", None, 3, ["y"], pd.NA, "year", "kind"),
    "unit": ("nope", None, "kind", "year"),
    "period": ("nope", None, "council", "y"),
    "start": (
        "nope",
        {},
        {"zz": 2011},
        {"c00": [1]},
        {"c00": 2011.5},
        2011,
        pd.Series(dtype=float),
    ),
    "draws": (0, None, "9", 10**30),
    "alpha": (0, 1, None, 1 - 1e-16),
    "covariates": ("nope", "y +", "", "log(y)", 5, "C(council)", "y", "0"),
}


def _cell(table: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    column = str(rng.choice(COLUMNS))
    values = np.empty(len(table), dtype=object)
    values[:] = table[column].astype(object).to_numpy()
    values[rng.integers(len(values))] = THINGS[rng.integers(len(THINGS))]
    return table.assign(**{column: pd.Series(values, index=table.index)})


def _dtype(table: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    try:
        return table.astype({str(rng.choice(COLUMNS)): str(rng.choice(DTYPES))})
    except (ValueError, TypeError):
        return table


def _years(table: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    write = YEARS[rng.integers(len(YEARS))]
    first = [write(2011) if known else None for known in table["first"].notna()]
    years = table.assign(year=pd.Series([write(year) for year in table["year"]], dtype=object))
    return years.assign(first=pd.Series(first, dtype=object)) if rng.random() < 0.6 else years


def _shape(table: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    shapes = (
        lambda: table.iloc[:0],
        lambda: table[table["council"] == "c00"],
        lambda: table[table["year"] == 2011],
        lambda: table[table["year"] >= 2011],
        lambda: table[rng.random(len(table)) < 0.3],
        lambda: table.assign(y=np.where(rng.random(len(table)) < 0.8, np.nan, table["y"])),
        lambda: table.assign(y=table["y"] * 10.0 ** int(rng.integers(-60, 60))),
        lambda: table.set_index(["council", "year"]),
        lambda: table.rename(columns={"kind": "y"}),
        lambda: table.set_axis(pd.MultiIndex.from_product([["a"], table.columns]), axis=1),
        lambda: table.assign(y=5.0),
    )
    return shapes[rng.integers(len(shapes))]()


def spoil(name: str, seed: int) -> None:
    """Call an estimator on one spoilt table with one odd argument or none."""
    rng = np.random.default_rng(seed)
    table = [_cell, _dtype, _years, _shape][rng.integers(4)](make_table(), rng)
    given: dict[str, Any] = NAMED | {"draws": 9}
    if rng.random() < 0.3:
        odd = str(
            rng.choice([key for key in OTHERS if key != "covariates" or "robust" not in name])
        )
        given[odd] = OTHERS[odd][rng.integers(len(OTHERS[odd]))]
    try:
        getattr(pe, name)(table, **given).summary()
    except PilotEvalError:
        return


@pytest.mark.parametrize("name", ESTIMATORS)
def test_wrong_tables_raise_nothing_but_the_projects_errors(name):
    for seed in range(CALLS):
        spoil(name, seed)


@pytest.mark.slow
@pytest.mark.parametrize("name", ESTIMATORS)
def test_many_wrong_tables_raise_nothing_but_the_projects_errors(name):
    for seed in range(MANY):
        spoil(name, seed)
