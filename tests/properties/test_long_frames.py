"""One-line estimators on long tables: labels, dtypes and order of rows move no number.

Every table says the same in another way; what cannot be said without doubt is refused.
"""

from __future__ import annotations

import re
from datetime import date

import numpy as np
import pandas as pd
import pytest

import pilot_eval as pe
from pilot_eval.errors import DataError, ParameterError, PilotEvalError

UNITS, YEARS, START, TREATED = 12, range(2008, 2014), 2011, ("c00", "c01", "c02")
NAMED = {"outcome": "y", "unit": "council", "period": "year", "start": "first"}
ESTIMATORS = ("difference_in_differences", "event_study", "group_time", "imputation",
              "synthetic_did", "robust_test")  # fmt: skip


def make_table() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    names = [f"c{number:02d}" for number in range(UNITS)]
    table = pd.DataFrame({"council": np.repeat(names, len(YEARS)), "year": [*YEARS] * UNITS})
    table["y"] = rng.normal(size=len(table))
    table["kind"] = rng.choice(["a", "b"], len(table))
    return table.assign(first=np.where(table["council"].isin(TREATED), float(START), np.nan))


def estimate(table: pd.DataFrame, name: str = "imputation", **changes: object) -> pd.DataFrame:
    return getattr(pe, name)(table, **(NAMED | {"draws": 9} | changes)).table


def dated(table: pd.DataFrame, write: object) -> pd.DataFrame:
    """Write years and starts in another way."""
    known = table["first"].notna()
    first = table["first"].where(known, START).map(lambda year: write(int(year)))
    return table.assign(year=table["year"].map(write), first=first.where(known, None))


SAME = {
    "rows in another order": (lambda t: t.sample(frac=1, random_state=1), {}),
    "an index that repeats": (lambda t: t.set_index(pd.Index([7] * len(t))), {}),
    "nullable": (lambda t: t.convert_dtypes(), {}),
    "Arrow": (lambda t: t.convert_dtypes(dtype_backend="pyarrow"), {}),
    "categories": (lambda t: t.astype({"council": "category", "year": "category"}), {}),
    "objects": (lambda t: t.astype(object), {}),
    "never is infinite": (lambda t: t.assign(first=t["first"].fillna(np.inf)), {}),
    "never is far off": (lambda t: t.assign(first=t["first"].fillna(9999).astype(int)), {}),
    "years as text": (lambda t: dated(t, str), {}),
    "financial years": (lambda t: dated(t, lambda year: f"{year}-{year % 100 + 1:02d}"), {}),
    "dates": (lambda t: dated(t, lambda year: date(year, 3, 31)), {}),
    "timestamps": (lambda t: dated(t, lambda year: pd.Timestamp(year, 3, 31)), {}),
    "time zones": (lambda t: dated(t, lambda year: pd.Timestamp(year, 3, 31, tz="UTC")), {}),
    "periods": (lambda t: dated(t, lambda year: pd.Period(str(year), "Y")), {}),
    "names that are numbers": (
        lambda t: t.rename(columns={"council": 0, "year": 1, "y": 2, "first": 3}),
        {"unit": 0, "period": 1, "outcome": 2, "start": 3},
    ),
    "starts by unit": (lambda t: t, {"start": dict.fromkeys(TREATED, START)}),
    "starts as a series": (lambda t: t, {"start": pd.Series(START, index=[*TREATED])}),
    "dates by unit as text": (
        lambda t: dated(t, lambda year: pd.Timestamp(year, 3, 31)),
        {"start": dict.fromkeys(TREATED, "2011-03-31")},
    ),
    "categories in an order that is not of the alphabet": (
        lambda t: spell(t).astype({"year": pd.CategoricalDtype([*"zyxwvu"], ordered=True)}),
        {},
    ),
}


def spell(table: pd.DataFrame) -> pd.DataFrame:
    """Name years by letters whose alphabetical order is not that of time."""
    return dated(table, lambda year: "zyxwvu"[year - YEARS[0]])


@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize("how", SAME)
def test_the_same_table_said_in_another_way_gives_the_same(how, name):
    change, names = SAME[how]
    table = change(make_table())
    before = table.copy(deep=True)
    found = estimate(table, name, **names)
    pd.testing.assert_frame_equal(table, before)
    expected = estimate(make_table(), name)
    pd.testing.assert_frame_equal(found, expected, check_dtype=False, rtol=1e-9, atol=1e-12)


FACTORS = (1e-9, 1e-3, 1e9, -1.0)
UNITLESS = r"p_value|term|^n_|share"


@pytest.mark.parametrize("covariates", [None, "x"])
@pytest.mark.parametrize("name", ESTIMATORS)
def test_the_unit_of_the_outcome_moves_the_estimates_alone(name, covariates):
    given = {} if name == "robust_test" else {"covariates": covariates}
    table = with_covariate()
    base = estimate(table, name, **given).select_dtypes("number")
    for factor in FACTORS:
        found = estimate(table.assign(y=factor * table["y"]), name, **given)
        swap = {c: c.replace("low", "high") if "low" in c else c.replace("high", "low")
                for c in base}  # fmt: skip
        for column in base:
            same = bool(re.search(UNITLESS, column))
            other = swap[column] if factor < 0 and not same else column
            size = 1.0 if same else abs(factor) if "error" in column else factor
            np.testing.assert_allclose(
                found[other].to_numpy(float), size * base[column], rtol=1e-6, atol=1e-6 * abs(size)
            )


@pytest.mark.parametrize(("factor", "constant"), [(1e-9, 0.0), (1e9, 0.0), (-1.0, 1e6)])
@pytest.mark.parametrize("name", [name for name in ESTIMATORS if name != "robust_test"])
def test_unit_and_level_of_a_covariate_move_nothing(name, factor, constant):
    table = with_covariate()
    base = estimate(table, name, covariates="x")
    found = estimate(table.assign(x=factor * table["x"] + constant), name, covariates="x")
    pd.testing.assert_frame_equal(found, base, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", [name for name in ESTIMATORS if name != "robust_test"])
@pytest.mark.parametrize("value", [0.0, 0.1, 1e-9, 1e9])
def test_a_constant_covariate_is_refused_in_every_unit(name, value):
    with pytest.raises(PilotEvalError):
        estimate(make_table().assign(x=value), name, covariates="x")


def with_covariate() -> pd.DataFrame:
    table = make_table()
    return table.assign(x=np.random.default_rng(5).normal(size=len(table)))


@pytest.mark.parametrize("dtype", ["str", "string", "category", object])
def test_a_covariate_of_words_has_columns_for_its_levels_in_every_dtype(dtype):
    plain = estimate(make_table(), covariates="C(kind)")
    other = estimate(make_table().astype({"kind": dtype}), covariates="kind")
    pd.testing.assert_frame_equal(other, plain)


@pytest.mark.parametrize(
    ("texts", "fine"),
    [
        (("2010-03", "2010-06", "2011-03"), True),
        (("2010Q1", "2010Q2", "2011Q1"), True),
        (("P01", "P02", "P10"), True),
        (("1", "2", "10"), False),
        (("Q1 2010", "Q2 2010", "Q1 2011"), False),
        (("31/03/2010", "30/06/2010", "31/03/2011"), False),
        (("03-10", "06-10", "03-11"), False),
        (("Jan", "Feb", "Mar"), False),
        (("2010 before", "2010 during", "2010 after"), False),
    ],
)
def test_texts_that_do_not_sort_in_time_are_no_periods(texts, fine):
    table = make_table().query("year <= 2010")
    table = dated(table.assign(first=table["first"] - 1), lambda year: texts[year % 2008 % 3])
    if fine:
        assert np.isfinite(estimate(table)["estimate"]).all()
    else:
        with pytest.raises(DataError, match="sort in time"):
            estimate(table)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"start": {"c00": START, "c001": START}}, ParameterError, "Did you mean 'c01'"),
        ({"start": {"c00": "2011"}}, DataError, "kind of the periods"),
        ({"start": {"c00": date(2011, 1, 1)}}, DataError, "kind of the periods"),
        ({"start": {"c00": "soon"}}, DataError, "kind of the periods"),
        ({"start": None}, ParameterError, "be known"),
        ({"start": [2011]}, ParameterError, "be known"),
        ({"outcome": "Y"}, ParameterError, "Did you mean 'y'"),
        ({"period": "council"}, PilotEvalError, "council"),
        ({"draws": 0}, ParameterError, "draws"),
        ({"alpha": 5}, ParameterError, "alpha"),
        ({"seed": -1}, ParameterError, "seed"),
    ],
)
@pytest.mark.parametrize("name", ESTIMATORS)
def test_what_cannot_be_meant_is_refused_by_every_estimator(name, changes, error, message):
    with pytest.raises(error, match=message):
        estimate(make_table(), name, **changes)


@pytest.mark.parametrize("write", [pd.Timestamp, lambda year: pd.Period(year, "Y")])
@pytest.mark.parametrize("start", [2011, 2011.0, "soon", pd.Timedelta(1)])
def test_a_start_that_is_no_date_is_refused_where_periods_are_dates(write, start):
    table = dated(make_table(), lambda year: write(str(year)))
    with pytest.raises(DataError, match="kind of the periods"):
        estimate(table, start={"c00": start})


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.to_dict("list"),
        lambda t: pd.concat([t, t[["y"]]], axis=1),
        lambda t: t.assign(y=t["y"] + 1j),
        lambda t: t.assign(year=[2008, "2009"] * (len(t) // 2)),
        lambda t: t[:0],
    ],
)
@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_table_of_another_kind_is_refused_by_every_estimator(name, change):
    with pytest.raises(PilotEvalError):
        estimate(change(make_table()), name)


def test_without_residuals_there_is_an_estimate_and_no_standard_error():
    data = pd.DataFrame({"u": [0, 0, 1, 1], "t": [0, 1, 0, 1], "y": [1.0, 5.0, 2.0, 3.0]})
    found = pe.difference_in_differences(data, outcome="y", unit="u", period="t", start={0: 1})
    [row] = found.to_frame().to_dict("records")
    assert row["estimate"] == pytest.approx((5 - 1) - (3 - 2))
    assert np.isnan([row["std_error"], row["p_value"], row["conf_low"]]).all()
    assert "1 treated unit, needs 2" in found.summary()


@pytest.mark.parametrize("kind", ["object", "str", "int64", "category", "datetime64[ns]"])
def test_a_table_without_rows_is_refused_whatever_its_periods_are(kind):
    empty = pd.DataFrame({"unit": [], "period": [], "y": [], "start": []}).astype({"period": kind})
    with pytest.raises(DataError, match="be in a row or more"):
        pe.robust_test(empty, outcome="y", unit="unit", period="period", start="start")
