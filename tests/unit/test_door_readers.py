"""Numbers read from objects: the same whether many plain ones or a few odd ones are among them."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilot_eval.door_readers import read_numbers
from pilot_eval.errors import DataError

PLAIN = {
    "1": (1, 1.0),
    "2.5": (2.5, 2.5),
    "2**70": (2**70, 2.0**70),
    "infinite": (float("inf"), np.inf),
    "NumPy's float": (np.float64(3.5), 3.5),
    "NumPy's integer": (np.int64(4), 4.0),
    "None": (None, np.nan),
    "NA": (pd.NA, np.nan),
    "NaT": (pd.NaT, np.nan),
    "NaN": (np.nan, np.nan),
}
ODD = {
    "too large": (10**400, np.inf),
    "too small": (-(10**400), -np.inf),
    "true": (True, 1.0),
    "NumPy's false": (np.False_, 0.0),
    "fraction": (Fraction(1, 4), 0.25),
    "short float": (np.float32(0.5), 0.5),
}
NONE = {"a word": "1", "a decimal": Decimal(1), "a duration": np.timedelta64(1, "D")}


def as_objects(values):
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


@settings(max_examples=200, derandomize=True, deadline=None)
@given(st.lists(st.sampled_from([*PLAIN.values(), *PLAIN.values(), *ODD.values()])))
def test_every_value_is_read_as_it_is_alone(pairs):
    read = read_numbers("x", as_objects([value for value, _ in pairs]), DataError)
    np.testing.assert_array_equal(read, np.array([number for _, number in pairs], dtype=float))
    assert read.dtype == float


@pytest.mark.parametrize("odd", NONE.values(), ids=NONE)
def test_what_is_no_number_is_refused_among_many_that_are(odd):
    with pytest.raises(DataError, match=f"a value of type {type(odd).__name__}"):
        read_numbers("x", as_objects([*[1.5] * 50, odd]), DataError)


@pytest.mark.parametrize("dtype", ["Int64", "Float64", "int64[pyarrow]", "double[pyarrow]"])
def test_nullable_columns_are_numbers(dtype):
    column = pd.array([1, None, 3], dtype=dtype)
    np.testing.assert_array_equal(read_numbers("x", column, DataError), [1.0, np.nan, 3.0])
