"""Monthly counts of the council table, and alarms where nothing was done."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

import pilot_eval as pe
from pilot_eval.errors import DataError
from pilot_eval.monitoring.false_alarms import (
    lay_out_months,
    list_boundary_alarms,
    list_chart_alarms,
)
from pilot_eval.monitoring.trial import MonitoringPlan

SETS, ALPHA = 100, 0.05


@pytest.fixture(scope="module")
def steady():
    """Councils with a constant rate: what every method assumes."""
    months = pd.period_range("2012-04", periods=48, freq="M").astype(str)
    rng = np.random.default_rng(4)
    children = pd.DataFrame(np.repeat(rng.integers(20_000, 90_000, (60, 1)), 48, 1), columns=months)
    return children * 0 + rng.binomial(children, 0.0045), children


def test_months_stand_in_order_and_add_up_to_the_year():
    table = pe.load_published()
    counts, children = lay_out_months(table, "referrals")
    assert list(counts.columns[[0, 8, 9, -1]]) == ["2012-04", "2012-12", "2013-01", "2022-03"]
    assert counts.columns.is_monotonic_increasing
    [westminster] = [c for c, name in pe.load_plan().names.items() if name == "Westminster"]
    assert counts.loc[westminster, ["2012-04", "2013-03"]].tolist() == [152, 120]  # c6, 2013
    rows = table[(table["indicator"] == "referral_rate") & (table["year_ending"] == 2020)]
    years = rows.set_index("council_code")["numerator"].reindex(counts.index)
    twelve = counts.loc[:, "2019-04":"2020-03"].sum(axis=1)
    assert (twelve == years).mean() > 0.9  # the year's total is of a later release
    assert children.loc[westminster].nunique() == 10  # one population a year


def test_the_boundary_is_crossed_as_seldom_as_planned_where_nothing_changes(steady):
    plan = MonitoringPlan(months_before=24, looks=(6, 12, 18, 24), harm="rises", scale=0.05)
    given = {"size": 4, "starts": ["2014-04"], "sets": SETS, "seed": 1}
    [row] = list_boundary_alarms(*steady, plan, **given).to_dict("records")
    assert row["councils"] == 60
    assert row["boundary_share"] * SETS <= binom.ppf(0.999, SETS, ALPHA)
    counts, children = steady
    risen = (counts * np.where(counts.columns >= "2014-04", 1.5, 1.0)).round()
    [same] = list_boundary_alarms(risen, children, plan, **given).to_dict("records")
    assert same["boundary_share"] < 0.3  # what rises everywhere is no alarm


def test_charts_ring_as_often_as_they_say_where_nothing_changes(steady):
    given = {"months_before": 24, "run_length": 60.0, "months": 24, "seed": 1}
    [row] = list_chart_alarms(*steady, starts=["2014-04"], **given).to_dict("records")
    assert row["expected"] == 60 * 24 / 60
    assert 0.5 * row["expected"] < row["own_past"] < 2 * row["expected"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"starts": ["2014-13"]}, "`starts` must be a month with 24 months before it"),
        ({"starts": ["2012-05"]}, "`starts` must be a month with 24 months before it"),
        ({"starts": ["2015-12"]}, "24 from it on"),
        ({"size": 60}, "`size` must be from 1 to 59"),
    ],
)
def test_starts_and_sizes_that_cannot_be_are_refused(steady, change, said):
    plan = MonitoringPlan(months_before=24, looks=(6, 12, 18, 24), harm="rises", scale=0.05)
    given = {"size": 4, "starts": ["2014-04"], "sets": SETS, "seed": 1} | change
    with pytest.raises(DataError, match=said):
        list_boundary_alarms(*steady, plan, **given)
    if "starts" in change:
        own = {"months_before": 24, "run_length": 60.0, "months": 24, "seed": 1} | change
        with pytest.raises(DataError, match=said):
            list_chart_alarms(*steady, **own)


def test_tables_that_do_not_fit_are_refused(steady):
    counts, children = steady
    with pytest.raises(DataError, match="councils and months of the counts"):
        list_chart_alarms(
            counts,
            children.iloc[::-1],
            starts=["2014-04"],
            months_before=24,
            run_length=60.0,
            months=24,
            seed=1,
        )
    with pytest.raises(DataError, match="no refusals_in_april_rate"):
        lay_out_months(pe.load_published(), "refusals")
