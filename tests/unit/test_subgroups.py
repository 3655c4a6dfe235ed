"""Groups of children add up to all children, and to counts made in another way."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest
from census_examples import GATESHEAD, HACKNEY, frame, make_tables

from pilot_eval.errors import DataError
from pilot_eval.lab.simulate import simulate_census
from pilot_eval.lab.simulate_settings import SimulationSettings
from pilot_eval.records.census_panel import PanelSettings, build_census_panel
from pilot_eval.records.group_populations import POPULATION_COLUMNS, read_group_populations
from pilot_eval.records.subgroups import GROUPINGS, build_subgroup_panel
from pilot_eval.records.validation import validate_census
from pilot_eval.reporting.subgroup_tables import protect_subgroups

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


SEXES = "LEA,Year,By,Group,Population\n204,2013,sex,female,30000\n0390,2012/13,Sex,Female,20000\n"


def read_table(folder, text):
    path = folder / "groups.csv"
    path.write_text(text, encoding="utf-8")
    return read_group_populations(path)


def test_rates_of_a_group_are_of_its_own_population(accepted, tmp_path):
    people = read_table(tmp_path, SEXES)
    assert dict(zip(people["council_code"], people["population_0_17"], strict=True)) == {
        HACKNEY: 30000,
        GATESHEAD: 20000,
    }
    panel = build_subgroup_panel(accepted, SETTINGS["year"], "sex", populations=people)
    rates = panel[panel["indicator"].str.endswith("_rate")]
    known = rates[rates["denominator"].notna()]
    assert set(known["group"]) == {"female"}
    assert set(known["period"]) == {2013}
    np.testing.assert_allclose(known["value"], 10_000 * known["numerator"] / known["denominator"])
    assert known["value_status"].eq("reported").all()
    assert rates.drop(index=known.index)["value_status"].eq("not_available").all()


def test_successors_of_a_divided_council_are_added_up(tmp_path):
    text = "LEA,Year,By,Group,Population\n942,2024,sex,male,2\n943,2024,sex,male,5\n"
    assert read_table(tmp_path, text)["population_0_17"].tolist() == [7]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("999,2013,sex,female,1", "line 4` must name a council"),
        ("204,13,sex,female,1", "line 4` must give the year"),
        ("204,2013,need,N1,1", "line 4` must name a grouping"),
        ("204,2013,sex,girl,1", "line 4` must name a grouping"),
        ("204,2013,sex,male,0", "line 4` must give a population"),
        ("204,2013,sex,male,1.5", "line 4` must give a population"),
        ("204,2013,sex,male,", "line 4` must give a population"),
        ("204,2013,sex,female,1", "line 4` must give each group .* once"),
    ],
)
def test_a_table_of_populations_that_cannot_be_used_is_refused(tmp_path, row, said):
    with pytest.raises(DataError, match=said):
        read_table(tmp_path, f"{SEXES}{row}\n")
    with pytest.raises(DataError, match="have the column Population"):
        read_table(tmp_path, SEXES.replace("Population", "People"))


def test_released_rates_say_nothing_that_released_counts_do_not():
    codes = [f"E0900000{number}" for number in range(1, 5)]
    counts = {"female": (40, 60), "male": (2, 3), "unknown": (7, 9)}
    rows = [
        ("sex", group, code, 2013, "rereferral_12m_pct", top, bottom)
        for group, (top, bottom) in counts.items()
        for code in codes
    ]
    names = ["by", "group", "council_code", "period", "indicator", "numerator", "denominator"]
    panel = pd.DataFrame(rows, columns=names)
    people = pd.DataFrame(
        [(code, 2013, "sex", group, 5000) for code in codes for group in ("female", "male")],
        columns=list(POPULATION_COLUMNS),
    )

    def release(people, threshold=3):
        table = protect_subgroups(panel, people, threshold=threshold, rounding=5)
        return table.set_index("group")[["denominator", "population", "cases_per_10000"]]

    open_table, hidden = release(people), release(people, threshold=13)
    assert open_table.loc["female"].tolist() == [240, 20_000, 120.0]
    assert open_table.loc["unknown"].tolist() == [35, "x", "x"]
    assert hidden.loc["male"].tolist() == ["c", 20_000, "c"]
    for table in (open_table, hidden):  # the printed count, and nothing behind it
        for count, of, rate in table.to_numpy():
            if isinstance(rate, float):
                assert rate == round(10_000 * count / of, 1)
    short = people.drop(index=people.index[-1])  # one council's boys are not known
    assert release(short).loc["male"].tolist()[1:] == ["x", "x"]
    assert set(release(people.iloc[:0])["population"]) == {"x"}
