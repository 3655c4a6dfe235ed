"""A figure, council or year of an own table, however it is written: itself, or refused."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilot_eval.errors import DataError
from pilot_eval.project import find_root
from pilot_eval.published.council_table import read_council_table

ROOT = find_root()
FEW = settings(max_examples=20, deadline=None, derandomize=True, database=None)
WIDE = {48 + digit: 0xFF10 + digit for digit in range(10)}
COUNTS = {
    "plain": "{n}",
    "commas": '"{n:,}"',
    "points": "{points}",
    "blanks": "{blanks}",
    "narrow blanks": "{narrow}",
    "a decimal": "{n}.0",
    "three decimals": "{n}.000",
    "thousands": "{thousands:.3f}",
    "an exponent": "{n:.3E}",
    "a percent sign": "{n}%",
    "a note": "{n}*",
    "a mark": "{n}r",
    "wide digits": "{wide}",
    "quotes": "'{n}",
    "a sign": "+{n}",
    "brackets": "({n})",
    "underscores": "{n:_}",
}
SHARES = {
    "plain": "{p:.1f}",
    "a sign": "{p:.1f}%",
    "a blank and a sign": "{p:.1f} %",
    "a comma": '"{comma}"',
    "a share of 1": "{share:.3f}",
    "an exponent": "{p:.3E}",
    "per mille": "{mille:.0f}",
    "a sign before": "%{p:.1f}",
}
COUNCILS = (
    *("E09000012", "e09000012", " E09000012 ", "204", "204.0", "Hackney", "HACKNEY", "hackney "),
    *("London Borough of Hackney", "Hackney London Borough Council", "Hackney LB", "Hackny", "20"),
    *("LB Hackney", "The London Borough of Hackney", "Hackney Council", "E09000112", "2O4"),
)
YEARS = (
    *("2010", "2009-10", "2009/10", "2009-2010", "2009\u201310", "2010.0", "2010-03-31"),
    *("09/10", "31/03/2010", "FY10", "2009-11", "2010-09", "10", "'2010", "2010/09", "March 2010"),
)


def read(tmp_path, cells):
    path = tmp_path / "ours.csv"
    names = ("council_code", "year_ending", "indicator", "numerator", "denominator", "value")
    lines = [",".join(names), ",".join(cells[name] for name in names)]
    # A second period that can only be a year.
    lines.append("Camden,2013,visits_rate,1,50000,")
    path.write_text("\n".join(lines), encoding="utf-8")
    try:
        table = read_council_table(path, root=ROOT)
    except DataError:
        return None
    return table[table["council_code"] != "E09000007"].iloc[0]


ROW = {
    "council_code": "E09000012",
    "year_ending": "2012",
    "indicator": "visits_rate",
    "numerator": "0",
    "denominator": "99999999",
    "value": "",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("own")


@given(count=st.integers(6, 10**7), how=st.sampled_from([*COUNTS]), column=st.booleans())
@FEW
def test_a_count_is_itself_or_refused(folder, count, how, column):
    grouped = f"{count:,}"
    text = COUNTS[how].format(
        n=count,
        points=grouped.replace(",", "."),
        blanks=grouped.replace(",", " "),
        narrow=grouped.replace(",", "\u202f"),
        thousands=count / 1000,
        wide=str(count).translate(WIDE),
    )
    name = "numerator" if column else "denominator"
    row = read(folder, ROW | {name: text})
    assert row is None or row[name] == count, text


@given(share=st.integers(0, 1000), how=st.sampled_from([*SHARES]))
@FEW
def test_a_percentage_is_itself_or_refused(folder, share, how):
    percent = share / 10
    comma = f"{percent:.1f}".replace(".", ",")
    text = SHARES[how].format(p=percent, comma=comma, share=share / 1000, mille=share)
    row = read(
        folder,
        ROW | {"indicator": "seen_pct", "numerator": "..", "denominator": "..", "value": text},
    )
    believed = row is not None and row["value"] != pytest.approx(percent)
    # A number of at most 100 without a sign may be a percentage whatever was meant.
    assert not believed or (how == "per mille" and share <= 100) or share in (0, 1000), text


@pytest.mark.parametrize("name", COUNCILS)
def test_a_council_is_itself_or_refused(tmp_path, name):
    row = read(tmp_path, ROW | {"council_code": name})
    assert row is None or row["council_code"] == "E09000012"


@pytest.mark.parametrize("year", YEARS)
def test_a_year_is_itself_or_refused(tmp_path, year):
    row = read(tmp_path, ROW | {"year_ending": year})
    assert row is None or row["year_ending"] == 2010


def test_a_table_without_values_is_read(tmp_path):
    path = tmp_path / "ours.csv"
    header = "council_code,year_ending,indicator,numerator,denominator"
    path.write_text(f"{header}\nHackney,2012,seen_pct,c,40\n", encoding="utf-8")
    assert read_council_table(path, root=ROOT)["value_status"].tolist() == ["suppressed"]
