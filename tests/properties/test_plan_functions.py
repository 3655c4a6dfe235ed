"""Functions of design/ and checks/ that take a plan and a panel: the table's form is no fact.

Found by introspection, as in `subjects`; those that take long are named with the reason.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from laws import same
from subjects import find_functions, flatten

import pilot_eval as pe
from pilot_eval.errors import PilotEvalError

LONG = {
    "checks.other_readings.list_other_readings": "a test of every other reading",
    "checks.next_pilot.design_pilot": "hundreds of lots",
    "checks.plan_readings.list_plan_readings": "a comparison of every reading of the plan",
    "checks.pilot_windows.describe_chosen": "takes what collect_history gives",
}
GIVEN = {"scenario": "announced", "outcome": "cpp_rate", "council": "Hackney", "before": 2}
FUNCTIONS = {
    name: item.function
    for name, item in find_functions().items()
    if {"plan", "panel"} <= set(item.parameters) and name not in LONG
}
FEW = settings(max_examples=20, deadline=None, derandomize=True, database=None)


@cache
def _study() -> tuple[Any, pd.DataFrame]:
    plan = pe.load_plan()
    panel = pe.build_panel(pe.load_published(), plan)
    some = {*plan.ever_treated, *sorted(panel["council_code"].unique())[::5]}
    kept = panel["council_code"].isin(some) & (panel["outcome"] == "cpp_rate")
    return plan, panel[kept].reset_index(drop=True)


def _call(function: Callable[..., Any], panel: pd.DataFrame) -> Mapping[str, np.ndarray]:
    known = {"plan": _study()[0], "panel": panel, **GIVEN}
    wanted = [
        name
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.default is inspect.Parameter.empty
    ]
    return dict(flatten(function(**{name: known[name] for name in wanted})))


@cache
def _base(name: str) -> Mapping[str, np.ndarray]:
    """Its answer to the panel as it is built."""
    return _call(FUNCTIONS[name], _study()[1])


@pytest.mark.parametrize("name", FUNCTIONS)
@given(seed=st.integers(0, 2**32 - 1))
@FEW
def test_order_index_and_extra_columns_change_nothing(name, seed):
    rng = np.random.default_rng(seed)
    panel = _study()[1]
    base = _base(name)
    assert any(np.isfinite(value).any() for value in base.values())
    other = panel.iloc[rng.permutation(len(panel))]
    other = other[list(rng.permutation(other.columns))].assign(a_note=rng.normal(size=len(other)))
    other.index = pd.Index(rng.permutation(len(other)) * 7)
    same(base, _call(FUNCTIONS[name], other), mixed=True)


@pytest.mark.parametrize("name", FUNCTIONS)
@given(seed=st.integers(0, 2**32 - 1))
@FEW
def test_the_same_values_in_another_dtype_change_nothing(name, seed):
    rng = np.random.default_rng(seed)
    panel = _study()[1]
    text = [column for column in panel if panel[column].dtype.kind not in "if"]
    kinds = {column: rng.choice(["object", "category", "string"]) for column in text}
    numbers = [column for column in panel if panel[column].dtype.kind == "f"]
    kinds |= {column: rng.choice(["object", "Float64", "double[pyarrow]"]) for column in numbers}
    same(_base(name), _call(FUNCTIONS[name], panel.astype(kinds)), mixed=True)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("spoil", ["a row twice", "no values", "values as text", "no rows"])
def test_a_spoilt_panel_raises_nothing_but_the_projects_errors(name, spoil):
    panel = _study()[1]
    spoilt = {
        "a row twice": pd.concat([panel, panel.iloc[:1]]),
        "no values": panel.drop(columns="value"),
        "values as text": panel.astype({"value": str}),
        "no rows": panel.iloc[:0],
    }
    try:
        _call(FUNCTIONS[name], spoilt[spoil])
    except PilotEvalError:
        return
    assert spoil == "no rows", "the spoilt panel is believed"  # without rows nobody is compared


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_column_that_is_not_there_is_named(name):
    panel = _study()[1]
    for column in panel:
        try:
            _call(FUNCTIONS[name], panel.drop(columns=column))
        except PilotEvalError:
            continue


ODD = (None, 3, 2.5, b"x", [], {"a"}, ["cpp_rate"], np.array([1.0, 2.0]), pd.DataFrame(), "no such")


@pytest.mark.parametrize("name", FUNCTIONS)
def test_arguments_of_another_type_are_refused(name):
    for argument in inspect.signature(FUNCTIONS[name]).parameters:
        for odd in ODD:
            given = {"plan": _study()[0], "panel": _study()[1], **GIVEN, argument: odd}
            known = inspect.signature(FUNCTIONS[name]).parameters
            try:
                FUNCTIONS[name](**{key: value for key, value in given.items() if key in known})
            except PilotEvalError:
                continue


NO_PILOT = (3, b"x", ["a"], np.array([1.0, 2.0]), "x" * 5000, "a\0b", "../x")


@pytest.mark.parametrize("place", NO_PILOT)
def test_what_is_no_pilot_is_refused(place):
    with pytest.raises(PilotEvalError):
        pe.load_plan(place)
    if not isinstance(place, str):  # a folder without pilots has those of the package
        with pytest.raises(PilotEvalError):
            pe.load_plan(root=place)


@pytest.mark.parametrize("changes", [3, "a", ["a"], {3: 1}, {"title.x": 1}, {"no such": 1}])
def test_changes_that_are_none_are_refused(changes):
    with pytest.raises(PilotEvalError):
        _study()[0].revise(changes)


@pytest.fixture(scope="module")
def published():
    table = pe.load_published()
    return table[table["indicator"].isin(list(_study()[0].outcomes))].reset_index(drop=True)


@pytest.mark.parametrize("kind", ["year as text", "year as float", "nullable"])
def test_another_dtype_of_the_published_table_changes_nothing(published, kind):
    other = {
        "year as text": published.astype({"year_ending": str}),
        "year as float": published.astype({"year_ending": float}),
        "nullable": published.convert_dtypes(),
    }
    panel = pe.build_panel(other[kind], _study()[0])
    pd.testing.assert_frame_equal(panel, pe.build_panel(published, _study()[0]), check_dtype=False)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("council_code", None),
        ("indicator", None),
        ("year_ending", None),
        ("year_ending", 2011.5),
        ("year_ending", "soon"),
        ("value", -5.0),
        ("numerator", np.inf),
        ("numerator", 1e9),
        ("denominator", -1.0),
    ],
)
def test_a_figure_that_cannot_be_is_refused_in_the_published_table(published, column, value):
    figures = published["indicator"].eq("cpp_rate") & published["year_ending"].eq(2011)
    spoilt = published.astype({column: object})
    spoilt.loc[figures.idxmax(), column] = value
    with pytest.raises(PilotEvalError, match="table"):
        pe.build_panel(spoilt, _study()[0])
