"""Functions of children's cases, found by introspection: how the records are written is no fact.

They take cases that `place_cases` has put into cells, from a table of durations.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from laws import same
from subjects import find_functions, flatten

from pilot_eval.errors import PilotEvalError
from pilot_eval.estimation.survival import Window, place_cases

COUNCILS, CASES, YEARS = ("E01", "E02", "E03", "E04"), 40, (2010, 2011)
GIVEN = {"horizon": 20, "days": (5.0, 10.0), "probability": 0.5, "limit": 8, "to_day": 20}
FUNCTIONS = {
    name: item.function
    for name, item in find_functions().items()
    if str(getattr(item.parameters.get("cases"), "annotation", "")) == "DelayCases"
}
SEEDS = given(seed=st.integers(0, 2**32 - 1))
FEW = settings(max_examples=20, deadline=None, derandomize=True, database=None)


def draw_table(seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    n = len(COUNCILS) * len(YEARS) * CASES
    cell = np.repeat(np.arange(n // CASES), CASES)
    start = [date(YEARS[c % 2], 1, 1) + timedelta(int(d)) for c, d in
             zip(cell, rng.integers(0, 365, n), strict=True)]  # fmt: skip
    return pd.DataFrame(
        {
            "council_code": np.array(COUNCILS)[cell // 2],
            "start_date": pd.to_datetime(start),
            "duration_working_days": rng.integers(1, 40, n),
            "entry_working_days": np.where(rng.random(n) < 0.2, 0, -1),
            "event_observed": rng.random(n) < 0.8,
        }
    )


def call(
    function: Callable[..., Any],
    table: pd.DataFrame,
    councils: tuple[str, ...] = COUNCILS,
    later: timedelta = timedelta(0),
) -> Mapping[str, np.ndarray]:
    windows = [Window(first=date(y, 1, 1) + later, last=date(y, 12, 31) + later) for y in YEARS]
    cases = place_cases(
        table, councils, pre=windows[:1], post=windows[1:], data_cut=date(2012, 6, 30) + later
    )
    wanted = {name: GIVEN[name] for name in inspect.signature(function).parameters if name in GIVEN}
    return dict(flatten(function(cases, **wanted)))


@pytest.mark.parametrize("name", FUNCTIONS)
@SEEDS
@FEW
def test_order_index_other_councils_and_columns_change_nothing(name, seed):
    rng = np.random.default_rng(seed)
    table = draw_table(seed)
    base = call(FUNCTIONS[name], table)
    assert any(np.isfinite(value).any() for value in base.values())
    more = pd.concat([table, table.iloc[:50].assign(council_code="E99")])
    more = more.iloc[rng.permutation(len(more))].assign(note="x")
    more.index = pd.Index(rng.integers(0, 9, len(more)))
    same(base, call(FUNCTIONS[name], more), mixed=True)
    later = timedelta(364)
    moved = more.assign(start_date=more["start_date"] + later)
    same(base, call(FUNCTIONS[name], moved, later=later), mixed=True)


@pytest.mark.parametrize("name", FUNCTIONS)
@SEEDS
@FEW
def test_another_dtype_changes_nothing(name, seed):
    rng = np.random.default_rng(seed)
    table = draw_table(seed)
    kinds = {
        "council_code": ["category", "object", "string"],
        "start_date": ["datetime64[s]", "object", "timestamp[us][pyarrow]"],
        "duration_working_days": ["Int64", "float64", "int64[pyarrow]", "object"],
        "entry_working_days": ["Int64", "float64", "int32"],
        "event_observed": ["boolean", "object", "bool[pyarrow]", "int64"],
    }
    other = table.astype({column: rng.choice(names) for column, names in kinds.items()})
    same(call(FUNCTIONS[name], table), call(FUNCTIONS[name], other), mixed=True)


@pytest.mark.parametrize("name", FUNCTIONS)
@SEEDS
@FEW
def test_every_case_twice_is_the_same_change(name, seed):
    table = draw_table(seed)
    base = call(FUNCTIONS[name], table)
    twice = call(FUNCTIONS[name], pd.concat([table, table]))
    points = [key for key in base if key.rpartition(".")[2] in ("change", "level")]
    same({key: base[key] for key in points}, {key: twice[key] for key in points}, mixed=True)


SPOILT = {
    "a missing flag": ("event_observed", [None]),
    "no for a flag": ("event_observed", ["no"]),
    "two for a flag": ("event_observed", [2]),
    "a missing duration": ("duration_working_days", [np.nan]),
    "a duration in words": ("duration_working_days", ["9 days"]),
    "a negative duration": ("duration_working_days", [-3]),
    "an endless duration": ("duration_working_days", [np.inf]),
    "an entry in words": ("entry_working_days", ["none"]),
    "a missing entry": ("entry_working_days", [np.nan]),
    "a missing start": ("start_date", [None]),
    "a start in words": ("start_date", ["soon"]),
    "a start that is a number": ("start_date", [14975]),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("how", SPOILT)
def test_a_spoilt_case_is_refused(name, how):
    column, (value,) = SPOILT[how]
    table = draw_table(1)
    table[column] = table[column].astype(object)
    table.loc[3, column] = value
    with pytest.raises(PilotEvalError):
        call(FUNCTIONS[name], table)
