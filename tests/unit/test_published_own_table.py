"""An analyst's own council table (docs/own-data.md)."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from pilot_eval.errors import DataError
from pilot_eval.project import find_root
from pilot_eval.published.council_indicators import load_published
from pilot_eval.published.council_table import read_council_table

ROOT = find_root(Path(__file__).parent)
HEADER = "council_code,dfe_number,year_ending,indicator,numerator,denominator,value,confidence"


def _table(tmp_path: Path, *lines: str, header: str = HEADER) -> Path:
    path = tmp_path / "ours é.csv"
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


def _read(path: Path) -> pd.DataFrame:
    return read_council_table(path, root=ROOT)


def test_own_table_has_the_published_shape(tmp_path):
    path = _table(
        tmp_path,
        "E09000012,,2012,visited_pct,3,40,,2",  # a small count is allowed in a private run
        ",204,2013,visited_pct,c,40,,",
        'E08000037,390,2012,visits_rate,"1,200",40000,,',  # Gateshead's newer code
        "E92000001,,2012,core_wd,,,12.5,",
        "E09000012,,2014,core_band_1_5,..,40,71.5,P",
    )
    table = _read(path)
    published = load_published(ROOT / "data/published/council_indicators.csv")
    assert list(table.columns) == list(published.columns)
    assert table.dtypes.to_dict() == published.dtypes.to_dict()
    rows = table.set_index(["year_ending", "council_code", "indicator"])
    assert rows.loc[(2012, "E09000012", "visited_pct"), "value"] == pytest.approx(7.5)
    assert rows.loc[(2012, "E08000020", "visits_rate"), "value"] == pytest.approx(300.0)
    assert rows.loc[(2012, "E92000001", "core_wd"), "value"] == 12.5
    hidden = rows.loc[(2013, "E09000012", "visited_pct")]
    assert hidden["value_status"] == "suppressed"
    assert (hidden["numerator_low"], hidden["numerator_high"]) == (1, 5)
    stands_in = rows.loc[(2014, "E09000012", "core_band_1_5")]
    assert (stands_in["value"], stands_in["value_basis"]) == (71.5, "published")


def test_a_copy_of_the_published_table_can_be_read(tmp_path):
    source = ROOT / "data/published/council_indicators.csv"
    keys = ["year_ending", "indicator", "council_code"]
    published = load_published(source).sort_values(keys, ignore_index=True)
    same = ["value", "numerator", "denominator", "value_status", "numerator_status", "confidence"]
    # A rate without a population in the series has no value; both readers leave it out.
    pd.testing.assert_frame_equal(
        _read(source)[[*keys, *same]], published[[*keys, *same]], rtol=1e-9
    )


def test_every_fault_is_listed_at_once_by_line_and_column(tmp_path):
    path = _table(
        tmp_path,
        "E09000012,,2012,visited_pct,7341,40,,2",  # more than the denominator
        "E09000012,,2012,visited_pct,1,40,,2",  # twice
        "E99999999,,12,visited,-3,x,,9",
        "E09000012,205,2013,visited_pct,,40,,",  # two councils, and a blank
    )
    with pytest.raises(DataError) as caught:
        _read(path)
    message = str(caught.value)
    found = set(re.findall(r"line (\d+), column (\w+):", message))
    assert found == {
        ("2", "numerator"),
        ("3", "indicator"),
        ("4", "council_code"),
        ("4", "year_ending"),
        ("4", "indicator"),
        ("4", "numerator"),
        ("4", "denominator"),
        ("4", "confidence"),
        ("5", "dfe_number"),
        ("5", "numerator"),
    }
    assert "10 problems" in message
    assert "7341" not in message  # figures are never repeated


@pytest.mark.parametrize(
    ("header", "line", "fragment"),
    [
        (
            "council_code,year_ending,indicator,numerator",
            "E09000012,2012,a_pct,1",
            "no denominator",
        ),
        ("year_ending,indicator,numerator,denominator", "2012,a_pct,1,2", "council_code or dfe"),
        (HEADER + ",numerater", "E09000012,,2012,a_pct,1,2,,,3", "unknown column numerater"),
        (HEADER + ",value_status", "E09000012,,2012,a_pct,1,2,5,,gone", "column value_status"),
        (HEADER + ",numerator_status", "E09000012,,2012,a_pct,1,2,,,suppressed", "must fit"),
        (HEADER, "E09000012,,2012,a_wd,,,,", "column value"),
        (HEADER, "E09000012,,2012,a_pct,c,9,101,", "at most 100"),
        (HEADER, "E09000012,,2012,A pct,1,2,,", "lower case"),
    ],
)
def test_faults_name_their_column(tmp_path, header, line, fragment):
    with pytest.raises(DataError, match=re.escape(fragment)):
        _read(_table(tmp_path, line, header=header))


def test_councils_of_later_years_stand_for_those_of_2013(tmp_path):
    path = _table(
        tmp_path,
        "E06000060,,2021,visited_pct,30,40,,",  # Buckinghamshire's newer code
        "E06000061,,2022,visited_pct,10,40,,",  # both parts of Northamptonshire
        ",941,2022,visited_pct,20,60,,",
        "E06000063,,2024,visited_pct,10,40,,",  # one part of Cumbria without the other
        "E06000061,,2023,visited_pct,c,40,,",
        "E06000062,,2023,visited_pct,20,60,,",
        "E06000058,,2022,visited_pct,10,40,,",  # part of Dorset with two other councils
        "E06000059,,2022,visited_pct,10,40,,",
    )
    rows = _read(path).set_index(["year_ending", "council_code"])
    assert set(rows.index) == {
        (2021, "E10000002"),
        (2022, "E10000021"),
        (2023, "E10000021"),
        (2024, "E10000006"),
    }
    assert rows.loc[(2022, "E10000021"), ["numerator", "denominator"]].tolist() == [30, 100]
    assert rows.loc[(2023, "E10000021"), "value_status"] == "not_available"
    assert rows.loc[(2024, "E10000006"), "value_status"] == "not_available"


def test_a_part_of_a_divided_council_hides_no_fault(tmp_path):
    lines = ("E06000061,,2022,visited_pct,ten,40,,", "E06000062,,2022,visited_pct,20,60,,")
    with pytest.raises(DataError, match="line 2, column numerator"):
        _read(_table(tmp_path, *lines))
