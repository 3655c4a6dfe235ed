"""Groups of children add up to all children, and to counts made in another way."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest
from census_examples import HACKNEY, frame, make_tables

from pilot_eval.lab.simulate import simulate_census
from pilot_eval.lab.simulate_settings import SimulationSettings
from pilot_eval.records.census_panel import PanelSettings, build_census_panel
from pilot_eval.records.subgroups import GROUPINGS, build_subgroup_panel
from pilot_eval.records.validation import validate_census

CUT = date(2013, 3, 31)
SETTINGS = {
    frequency: PanelSettings(frequency=frequency, first_day=date(2011, 4, 1), data_cut=CUT)
    for frequency in ("month", "quarter", "year")
}
KEY = ["council_code", "period", "indicator"]


@pytest.fixture(scope="module")
def accepted():
    settings = SimulationSettings(
        councils=(HACKNEY, "E08000020"), first_year=2012, last_year=2013, scale=0.2
    )
    tables, _ = simulate_census(settings, seed=3)
    return validate_census(tables, data_cut=CUT).accepted


@pytest.mark.parametrize("by", GROUPINGS)
def test_groups_add_up_to_all_children(accepted, by):
    panel = build_subgroup_panel(accepted, SETTINGS["quarter"], by)
    whole = build_census_panel(accepted, SETTINGS["quarter"]).panel
    summed = panel.groupby(KEY, observed=True)[["numerator", "cases"]].sum(min_count=1)
    alone = whole.set_index(KEY)[["numerator", "cases"]]
    counted = ~alone.index.get_level_values("indicator").str.contains("_wd|_rate|unfinished")
    joined = summed.reindex(alone.index)
    np.testing.assert_allclose(joined["numerator"][counted], alone["numerator"][counted])
    np.testing.assert_allclose(joined["cases"][counted], alone["cases"][counted])
    rates = alone.index.get_level_values("indicator").str.endswith("_rate")
    np.testing.assert_allclose(joined["numerator"][rates], alone["numerator"][rates])


@pytest.mark.parametrize(("frequency", "code"), [("month", "M"), ("quarter", "Q"), ("year", "Y")])
def test_referrals_by_need_are_those_that_another_counter_finds(accepted, frequency, code):
    panel = build_subgroup_panel(accepted, SETTINGS[frequency], "need")
    found = panel[(panel["indicator"] == "referral_rate") & (panel["numerator"] > 0)]
    found = found.set_index(["council_code", "group", "period"])["numerator"]
    rows = accepted.referrals
    rows = rows[rows["referral_date"].between("2011-04-01", pd.Timestamp(CUT))]
    day = rows["referral_date"]
    label = {
        "M": day.dt.strftime("%Y-%m"),
        "Q": day.dt.year.astype("str") + "Q" + day.dt.quarter.astype("str"),
        "Y": day.dt.year + (day.dt.month > 3),
    }[code]
    need = rows["primary_need"].astype("object").fillna("unknown")
    counted = rows.groupby([rows["council_code"].astype("str"), need, label]).size()
    assert counted.sum() == found.sum()
    names = found.index.set_names([None] * 3)
    found.index, counted.index = names, counted.index.set_names([None] * 3)
    index = [tuple(map(str, key)) for key in counted.index]
    again = dict(zip([tuple(map(str, key)) for key in found.index], found, strict=True))
    assert again == dict(zip(index, counted.astype(float), strict=True))


def test_the_age_is_that_of_the_day_of_the_referral():
    children = frame(
        "child_id birth_date expected_birth_date sex ethnicity disabled",
        ("A", "2011-06-01", None, "female", "CHNE", "yes"),
        ("B", None, "2012-01-01", "unknown", "REFU", None),
        ("C", None, None, "male", "WBRI", "no"),
    )
    referrals = frame(
        "child_id referral_id referral_date",
        ("A", 1, "2012-05-31"),
        ("A", 2, "2012-06-01"),
        ("B", 3, "2011-12-31"),
        ("C", 4, "2012-06-01"),
    )
    tables = make_tables(children=children, referrals=referrals)

    def groups(by: str) -> dict[str, float]:
        panel = build_subgroup_panel(tables, SETTINGS["year"], by)
        counts = panel[panel["indicator"] == "referral_rate"].groupby("group")["numerator"].sum()
        return counts[counts > 0].to_dict()

    assert groups("age") == {"under 1": 1, "1 to 4": 1, "unborn": 1, "unknown": 1}
    assert groups("sex") == {"female": 2, "male": 1, "unknown": 1}
    assert groups("ethnicity") == {"asian": 2, "unknown": 1, "white": 1}
    assert groups("disability") == {"yes": 2, "no": 1, "unknown": 1}
    # The second referral of A follows the first, whose age group is another.
    again = build_subgroup_panel(tables, SETTINGS["year"], "age").query("group == '1 to 4'")
    hits = again[again["indicator"] == "rereferral_12m_pct"]["numerator"].sum()
    assert hits == 1
