"""An analyst's own council table (docs/own-data.md)."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import pandas as pd
import pytest
from openpyxl import Workbook

from pilot_eval.app.cli import main
from pilot_eval.errors import DataError, PlanError
from pilot_eval.plan import load_plan
from pilot_eval.project import find_root
from pilot_eval.published.council_indicators import load_published
from pilot_eval.published.council_table import read_council_table
from pilot_eval.published.panel import fill_own_table

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
        (
            "year_ending,indicator,numerator,denominator",
            "2012,a_pct,1,2",
            "council_code or dfe_number or council_name",
        ),
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


def _example() -> str:
    """Take the example of docs/own-data.md."""
    text = (ROOT / "docs/own-data.md").read_text(encoding="utf-8")
    lines = [line.removeprefix("    ") for line in text.splitlines() if line.startswith("    ")]
    return "\n".join(lines) + "\n"


def test_the_documents_own_example_is_read_and_evaluated(tmp_path, capsys):
    path = tmp_path / "example.csv"
    path.write_text(_example(), encoding="utf-8")
    rows = _read(path).set_index(["council_code", "year_ending", "indicator"])
    assert rows.loc[("E09000012", 2012, "ia_within_10wd_pct"), "numerator"] == 355
    assert rows.loc[("E06000005", 2012, "ia_within_10wd_pct"), "value_status"] == "suppressed"
    assert rows.loc[("E06000002", 2011, "ia_within_10wd_pct"), "value"] == 56.2
    assert (
        main(["run", "--no-notebooks", "--table", str(path), "--out", str(tmp_path / "out")]) == 0
    )
    told = capsys.readouterr().out
    assert told.count("ca_within_35wd_pct") == 1
    assert "not known" not in told


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_tables_are_read_as_spreadsheets_save_them(tmp_path, separator, encoding):
    lines = [["Council", "Period", "indicator", "numerator", "denominator", "value"]]
    lines += [["London Borough of Hackney", "2009-10", "visits_rate", "1 200", "56218.0", ""]]
    lines += [["204", "2010/11", "visits_rate", "1200", '"56,218"', ""]]
    lines += [["St. Helens Council", "2012", "visited_pct", "..", "..", "56.2%"]]
    path = tmp_path / "ours.csv"
    path.write_text("\n".join(separator.join(line) for line in lines), encoding=encoding)
    rows = _read(path)
    assert rows["year_ending"].tolist() == [2010, 2011, 2012]
    assert rows["council_code"].tolist() == ["E09000012", "E09000012", "E08000013"]
    assert rows["value"].tolist() == pytest.approx([12e6 / 56218, 12e6 / 56218, 56.2])


def test_a_workbook_is_read_as_it_is_shown(tmp_path):
    book = Workbook()
    sheet = book.active
    sheet.append(["dfe_number", "period", "indicator", "numerator", "denominator", "value"])
    sheet.append([204, datetime(2012, 1, 1), "visited_pct", 30, 40.0, None])
    sheet.append([204, "2012-02", "visited_pct", "..", "..", 0.562])
    sheet["F3"].number_format = "0.0%"
    book.create_sheet("empty")
    path = tmp_path / "ours.xlsx"
    book.save(path)
    rows = _read(path)
    assert rows["year_ending"].tolist() == ["2012-01", "2012-02"]
    assert rows["value"].tolist() == [75.0, 56.2]
    book["empty"].append(["more"])
    book.save(path)
    with pytest.raises(DataError, match="one sheet with rows"):
        _read(path)


def test_2009_10_is_a_month_beside_months(tmp_path):
    lines = [f"E09000012,,2009-{month:02},visited_pct,1,2,," for month in (9, 10)]
    assert _read(_table(tmp_path, *lines))["year_ending"].tolist() == ["2009-09", "2009-10"]


@pytest.mark.parametrize(
    ("figures", "column", "rule"),
    [
        ("visits_rate,30,56.218,", "denominator", "another country's sign for thousands"),
        ("visits_rate,30,56.000,", "denominator", "another country's sign for thousands"),
        ("visits_rate,30.5,400,", "numerator", "must be a whole number"),
        ('visits_rate,"1.234,5",40000,', "numerator", "must have a point before decimals"),
        ('visits_rate,"1,23",40000,', "numerator", "must have a point before decimals"),
        ("visits_rate,30%,40000,", "numerator", "must be a count, not a percentage"),
        ("visits_rate,5E+02,40000,", "numerator", "must be written out in digits"),
        ("visits_rate,-30,40000,", "numerator", "must not be negative"),
        ("visits_rate,401,400,", "numerator", "must not be larger than the denominator"),
        ("visits_rate,1,0,", "numerator", "must not be larger than the denominator"),
        ("visits_rate,..,..,10001", "value", "at most 10,000 per 10,000"),
        ("visits_rate,..,..,12%", "value", "must not have a percent sign"),
        ('visited_pct,..,..,"56,218"', "value", "must have a point before decimals"),
        ("visited_pct,..,..,0.562", "value", "may be a share of 1"),
        ("visits_rate,30,100000000,", "denominator", "not more people than England has"),
        ("core_wd,,,5001", "value", "working days of a childhood"),
        ('core_wd,,,"12,5"', "value", "must have a point before decimals"),
        ("core_wd,,,-2", "value", "must not be negative"),
    ],
)
def test_a_figure_that_can_be_read_in_two_ways_is_refused_by_cell(tmp_path, figures, column, rule):
    with pytest.raises(DataError) as caught:
        _read(_table(tmp_path, f"E09000012,,2012,{figures},"))
    assert re.search(
        rf"line 2, column {column}: .*{rule}.* \(council E09000012\)", str(caught.value)
    )
    assert "1 problem:" not in str(caught.value)
    assert str(caught.value).count("\n") == 1


def test_a_population_that_lost_its_thousands_is_refused(tmp_path):
    lines = ("E09000012,,2012,visits_rate,30,56,,", "E09000012,,2013,visits_rate,30,56218,,")
    with pytest.raises(DataError, match=r"line 2, column denominator: .*lost thousands"):
        _read(_table(tmp_path, *lines))


def test_fifty_equal_faults_are_one_line_with_a_count_and_the_first_places(tmp_path):
    lines = [f"E09000012,,{1990 + k},visits_rate,30,56.218,," for k in range(50)]
    with pytest.raises(DataError) as caught:
        _read(_table(tmp_path, *lines))
    head, *rest = str(caught.value).splitlines()
    assert "50 problems" in head
    assert len(rest) == 1
    assert "50 cells of column denominator" in rest[0]
    assert "line 2, council E09000012; line 3" in rest[0]


def test_figures_below_an_empty_name_are_not_lost(tmp_path):
    header = "council_code,year_ending,indicator,numerator,denominator,"
    path = _table(tmp_path, "E09000012,2012,visited_pct,1,2,", header=header)
    assert len(_read(path)) == 1
    path = _table(tmp_path, "E09000012,2012,visited_pct,1,2,7", header=header)
    with pytest.raises(DataError, match="below an empty name"):
        _read(path)


def test_a_table_without_the_plans_outcomes_is_refused_in_one_line(tmp_path):
    plan = load_plan()
    other = _read(_table(tmp_path, "E09000012,,2012,visited_pct,1,2,,"))
    with pytest.raises(PlanError) as caught:
        fill_own_table(other, plan)
    assert str(caught.value).count("outcomes") == 1
    misspelt = _read(
        _table(tmp_path, *(f"E09000012,,2012,{k},1,2,," for k in ("cin_rate", "cp_rate")))
    )
    with pytest.raises(PlanError, match="'cpp_rate' is not known; did you mean 'cp_rate'"):
        fill_own_table(misspelt, plan)


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_a_table_of_two_gigabytes_is_refused_before_it_is_read(tmp_path, monkeypatch, kind):
    path = tmp_path / f"big.{kind}"
    if kind == "csv":
        with path.open("wb") as file:
            file.truncate(2_000_000_000)  # takes no room on the disk
        monkeypatch.setattr(Path, "read_bytes", lambda path: pytest.fail("it was read"))
    else:
        with ZipFile(path, "w", ZIP_DEFLATED) as archive, archive.open("a.xml", "w") as part:
            for _ in range(101):
                part.write(bytes(1_000_000))
    with pytest.raises(DataError, match=r"be at most 100 MB of councils' figures; got [12]\S+ MB"):
        read_council_table(path, root=ROOT)
