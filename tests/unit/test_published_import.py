"""The importer on made-up files: each trap of DfE's tables once, each refusal once.

Every figure of the made-up files is 10 (England 20) unless a test overrides it; shares are 100.0.
"""

from __future__ import annotations

import csv
import math
import shutil
from pathlib import Path

import pytest

from pilot_eval.errors import DataError, RunError
from pilot_eval.plan import load_plan
from pilot_eval.project import find_root
from pilot_eval.published.council_indicators import (
    find_pilot_years,
    import_published,
    load_published,
)
from pilot_eval.published.raw import parse_cell, read_raw
from pilot_eval.published.statuses import SUPPRESSED
from pilot_eval.published.vintages import RELEASE_COLUMNS, RELEASES, read_vintages
from pilot_eval.reference.facts import ENGLAND

ROOT = find_root(Path(__file__).parent)
HACKNEY, CAMDEN, KNOWSLEY, POOLE = "E09000012", "E09000007", "E08000011", "E06000029"
PILOTS = dict.fromkeys((HACKNEY, KNOWSLEY), range(2012, 2015))
VINTAGES = [vintage for vintage in read_vintages() if vintage.years]
BY_FILE = {vintage.file: vintage for vintage in VINTAGES}
CIN_2010, CIN_2011, CIN_2012, CIN_2014 = (
    "osr28-2010ud.csv",
    "osr26-2011ud.csv",
    "SFR27-2012ud.csv",
    "SFR43-2014.csv",
)
C1_2025 = "c1_children_in_need_referrals_and_rereferrals_2013_to_2025.csv"
C4_2022 = "c4_children_in_need_section_47s_and_icpcs_2013_to_2022.csv"
CUMBRIA, SOMERSET = "E10000006", "E10000027"


def _councils() -> list[dict[str, str]]:
    with (ROOT / "data/reference/councils.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _make_row(vintage, level: str, number: str, code: str, figure: str) -> dict[str, str]:
    confidence = {f.confidence for f in vintage.figures if f.confidence}
    row = {name: "3" if name in confidence else figure for name in vintage.columns}
    row |= {vintage.level_column: level, vintage.code_column: number}
    if vintage.new_code_column:
        row[vintage.new_code_column] = code
    return row


def _write(path: Path, rows: list[dict[str, str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="cp1252", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def make_source(folder: Path, overrides: dict[str, dict[str, dict[str, str]]]) -> Path:
    """Write made-up source files; `overrides`: file -> DfE number -> column -> text."""
    councils = _councils()
    for vintage in VINTAGES:
        # England carries the Isle of Wight's number and code, as in the real files.
        rows = []
        for year in vintage.years:
            own = [_make_row(vintage, vintage.national_level, "921", "E06000046", "20")]
            own += [
                _make_row(vintage, vintage.council_level, number, code, "10")
                for number, code in _numbers(councils, year if vintage.year_column else 0)
                if number not in vintage.absent
            ]
            if vintage.year_column:
                own = [row | {vintage.year_column: str(year)} for row in own]
            rows += own
        for number, cells in overrides.get(vintage.file, {}).items():
            wanted = {vintage.year_column: cells.get("time_period")} if vintage.year_column else {}
            wanted |= {vintage.code_column: number}
            (_find(rows, wanted) or rows[0]).update(cells)
        _write(folder / vintage.folder / vintage.file, rows)
    _write_lookups(folder / "lookups", councils)
    return folder


def _numbers(councils: list[dict[str, str]], year: int) -> list[tuple[str, str]]:
    """DfE number and code of the councils of a year: Cumbria is divided from 2024."""
    own = [(c["dfe_number"], c["council_code"]) for c in councils]
    if year < 2024:
        return own
    parts = [("942", "E06000063"), ("943", "E06000064")]
    return [pair for pair in own if pair[1] != CUMBRIA] + parts


def _find(rows: list[dict[str, str]], wanted: dict[str, str]) -> dict[str, str] | None:
    return next((row for row in rows if wanted.items() <= row.items()), None)


def _write_lookups(folder: Path, councils: list[dict[str, str]]) -> None:
    keys = [
        {
            "old_la_code": c["dfe_number"],
            "ons_code_2013": c["council_code"],
            "la_name": c["council_name"],
            "region": c["region"],
            "la_type": c["council_type"],
        }
        for c in councils
    ]
    _write(folder / "councils_152.csv", keys)
    populations = ("backcast_2009", "backcast_2010", "backcast_2011", "ees_2012", "ees_2013")
    _write(
        folder / "council_covariates.csv",
        [
            {
                "old_la_code": c["dfe_number"],
                "ons_code_2013_new": c["council_code_new"],
                "child_low_income_2011_pct_all": "20",
                "idaci2015_avg_score": "0.2",
                "sn_2021": "A; B",
                **{f"pop_0_17_{name}": _population(c, name) for name in populations},
            }
            for c in councils
        ],
    )


def _population(council: dict[str, str], name: str) -> str:
    return ("x" if "ees" in name else "") if council["council_code"] == POOLE else "1000"


TRAPS = {
    CIN_2010: {
        "202": {
            # A percent printed alongside two hidden counts that differ by 1 to 5.
            "CPPsReviewedinTimescales": "x",
            "CPPat310310For3+mths": "x",
            "%CPPsReviewedinTimescales": "96.7",
            "Referrals0910": "1,234",
            "Referrals0910Rate": "999.9",
            # A share of nothing.
            "ICPC15daysofS470910": "0",
            "ICPCin0910": "0",
            "%ICPC15daysofS470910": "0",
        },
        # Aggregates only, before the pilot: not withheld because of it.
        "204": {"IAsWithin10wd0910": "..", "%IAsWithin10wd0910": "..", "IAsWithin7wd0910DCI": "A"},
    },
    CIN_2012: {
        "204": {
            "IAs1112": "..",
            "IAsStartEndSameDay1112": "..",
            "IAs1-5days1112": "..",
            "IAs6-10days1112": "..",
            "IAsMedian1112": "0",
            "IAsDuration1112DCI": "P",
            "ReferralsNFA112": "0",
            "%ReferralsNFA1112": "0",
        },
        "202": {
            "IAs1112": "94",
            "IAsMedian1112": "0",
            "IAsStartEndSameDay1112": "40",
            "IAs1-5days1112": "x",
            "IAs6-10days1112": "20",
            # Hidden beyond the limit: the share in core time needs only the bands up to it.
            "CAs1112": "100",
            "CAs61+days1112": "x",
            "ReferralsNFA112": "0",
            "%ReferralsNFA1112": "0",
            "S471112": "..",
            "CPPStart1112SecondTime": "x",
            "%CPPStart1112SecondTime": "x",
            "CPPStart1112": "119",
        },
        "836": {
            "Referrals1112Rate": "321.0",
            "IAs1112": "120",
            "IAs1-5days1112": "x",
            "IAs21+days1112": "x",
        },
    },
    CIN_2014: {"202": {"IAs1314": ".", "IAs1-5days1314": ".", "IAsDuration1314DCI": "."}},
    "SFR20_CLA2012.csv": {"202": {"CLA_Outbound": "30", "CLA_Mar2012": "45"}},
    # Hidden, unavailable and meaningless have other symbols in today's releases.
    C4_2022: {
        "202": {"time_period": "2016", "Duration_0-10_days": "c", "ICPC": "22"},
        "204": {"time_period": "2021", "Duration_0-10_days": "x", "ICPC": "x"},
        "203": {"time_period": "2016", "ICPC": "0", "Duration_median": "z"},
    },
    C1_2025: {
        "942": {"time_period": "2024", "rereferral_count": "4"},
        "943": {"time_period": "2025", "referral_count": "c"},
        "933": {"time_period": "2025", "new_la_code": "E06000066"},
    },
}


@pytest.fixture(scope="module")
def imported(tmp_path_factory):
    folder = make_source(tmp_path_factory.mktemp("source é"), TRAPS)
    out = folder / "out"
    import_published(folder, out, pilots=PILOTS)
    return load_published(out / "published/council_indicators.csv").set_index(
        ["year_ending", "council_code", "indicator"]
    )


NAN = math.nan


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        # Percent alongside two `x`: the value is reported, its parts are not.
        (
            (2010, CAMDEN, "plan_reviewed_on_time_pct"),
            {
                "value": 96.7,
                "value_status": "reported",
                "numerator_status": "suppressed",
                "denominator_status": "suppressed",
                "value_basis": "published",
                "numerator_high": NAN,
            },
        ),
        # Thousands with a comma; the rate on the one population series, the printed one beside.
        (
            (2010, CAMDEN, "referral_rate"),
            {"numerator": 1234, "denominator": 1000, "value": 12340.0, "published_value": 999.9},
        ),
        (
            (2010, CAMDEN, "icpc_within_15wd_pct"),
            {"value": NAN, "value_status": "not_applicable", "numerator": 0},
        ),
        (
            (2010, HACKNEY, "ia_within_10wd_pct"),
            {"value_status": "not_available", "denominator_status": "reported", "confidence": "A"},
        ),
        # Withheld: in the register, in a year of the pilot, and nothing printed.
        (
            (2012, HACKNEY, "ia_within_10wd_pct"),
            {"value": NAN, "value_status": "withheld_pilot", "confidence": "P"},
        ),
        ((2012, CAMDEN, "s47_rate"), {"value_status": "not_available", "value": NAN}),
        # A median of 0 is false where there is no count, and true where there is one.
        (
            (2012, HACKNEY, "ia_median_wd"),
            {"value": NAN, "value_status": "false_zero", "published_value": NAN},
        ),
        ((2012, CAMDEN, "ia_median_wd"), {"value": 0, "value_status": "reported"}),
        (
            (2012, HACKNEY, "referral_nfa_pct"),
            {"value": NAN, "value_status": "false_zero", "numerator": NAN, "published_value": NAN},
        ),
        ((2012, CAMDEN, "referral_nfa_pct"), {"value": 0, "value_status": "reported"}),
        # Bands: 40 + (1 to 5) + 20 within 10 days of 94, of which 30 lie beyond: 61 to 64.
        (
            (2012, CAMDEN, "ia_within_10wd_pct"),
            {"value_status": "suppressed", "numerator_low": 61, "numerator_high": 64},
        ),
        # Two hidden bands share 120 - 40 = 80: one is not a count of 1 to 5. 20 + (1 to 79).
        (
            (2012, POOLE, "ia_within_10wd_pct"),
            {"value_status": "suppressed", "numerator_low": 21, "numerator_high": 99},
        ),
        # Four bands of 10 up to day 35, over the published total, whatever lies beyond is hidden.
        ((2012, CAMDEN, "ca_within_35wd_pct"), {"value": 40.0, "numerator": 40}),
        ((2012, CAMDEN, "ca_band_61_plus"), {"value_status": "suppressed", "denominator": 100}),
        (
            (2012, CAMDEN, "repeat_plan_pct"),
            {"value_status": "suppressed", "denominator": 119, "numerator_high": 5},
        ),
        # No population in the series: no value; the printed rate stays beside.
        (
            (2012, POOLE, "referral_rate"),
            {"value": NAN, "value_status": "not_available", "published_value": 321.0},
        ),
        ((2014, CAMDEN, "ia_band_1_5"), {"value_status": "not_applicable"}),
        # Placed outside, of inside plus outside (30 of 40), not of all looked after (45).
        ((2012, CAMDEN, "cla_outside_la_pct"), {"value": 75.0, "denominator": 40}),
        ((2012, "E06000053", "cla_rate"), {"value_status": "not_available"}),
        # Series of several years: 1 to 5 and 10 of 22 in time, 10 and 10 not: 11 to 12 of 22.
        (
            (2016, CAMDEN, "icpc_within_15wd_pct"),
            {"value_status": "suppressed", "numerator_low": 1 + 10 - 9, "denominator": 22},
        ),
        # After the pilot a missing figure is not put down to it.
        ((2021, HACKNEY, "icpc_within_15wd_pct"), {"value_status": "not_available"}),
        ((2016, "E09000011", "icpc_median_wd"), {"value_status": "not_applicable"}),
        # Cumbria from its parts: 4 + 10 of 10 + 10 referrals; one part hidden: no figure.
        (
            (2024, CUMBRIA, "rereferral_12m_pct"),
            {"value": 70.0, "numerator": 14, "denominator": 20},
        ),
        ((2025, CUMBRIA, "rereferral_12m_pct"), {"value_status": "not_available"}),
        ((2025, SOMERSET, "rereferral_12m_pct"), {"value": 100.0}),
        ((2012, ENGLAND, "cla_rate"), {"numerator": 20}),
        ((2012, "E06000046", "cla_rate"), {"numerator": 10}),
    ],
)
def test_traps_of_the_tables(imported, key, expected):
    row = imported.loc[key]
    for name, value in expected.items():
        got = row[name]
        if isinstance(value, str):
            assert got == value, name
        else:
            assert got == pytest.approx(value, nan_ok=True), name


def test_every_year_has_every_council_and_england_for_every_indicator(imported):
    counts = imported.groupby(["year_ending", "indicator"]).size()
    assert set(counts) == {153}


@pytest.mark.parametrize(
    ("text", "expected"),
    [("615,000", 615000.0), ("0", 0.0), ("12.5", 12.5), ("x", NAN)],
)
def test_cells_are_numbers_or_symbols(text, expected):
    value, _ = parse_cell(text, {"x": SUPPRESSED})
    assert value == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("text", ["", "k", "-1", "1,23", "#VALUE!", "nan", "1e3", "1 234"])
def test_cells_are_nothing_else(text):
    assert parse_cell(text, {"x": SUPPRESSED}) is None


@pytest.fixture(scope="module")
def clean_source(tmp_path_factory):
    return make_source(tmp_path_factory.mktemp("clean"), {})


@pytest.fixture
def source(clean_source, tmp_path):
    return shutil.copytree(clean_source, tmp_path / "source")


def _edit(source: Path, file: str, old: str, new: str) -> None:
    path = source / BY_FILE[file].folder / file
    text = path.read_text(encoding="cp1252")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="cp1252", newline="")


def _replace_file(source: Path, file: str, data: bytes) -> None:
    (source / BY_FILE[file].folder / file).write_bytes(data)


@pytest.mark.parametrize(
    ("spoil", "fragments"),
    [
        pytest.param(
            lambda s: shutil.copy(s / "dfe-cin/SFR45-2013ud.csv", s / "dfe-cin" / CIN_2014),
            [CIN_2014, "It has the columns of SFR45-2013ud.csv", "new vintage"],
            id="wrong file under a right name",
        ),
        pytest.param(
            lambda s: _edit(s, CIN_2012, "IAs1-5days1112", "IAs1to5days"),
            [CIN_2012, "1 missing: IAs1-5days1112"],
            id="missing column",
        ),
        pytest.param(
            lambda s: _edit(s, CIN_2012, "LA,202,10", "LA,202,k"),
            [f"{CIN_2012}, line 4, column Mid2011Pop0-17", "'k'", "symbols"],
            id="unknown symbol",
        ),
        pytest.param(
            lambda s: _edit(s, CIN_2012, "LA,203,", "LA,202,"),
            [f"{CIN_2012}, line 5, column geog_c", "202 again (first in line 4)"],
            id="duplicated council",
        ),
        pytest.param(
            lambda s: _edit(s, CIN_2012, "LA,202,", "LA,999,"),
            [f"{CIN_2012}, line 4, column geog_c", "'999'", "DfE number"],
            id="unknown council",
        ),
        pytest.param(
            lambda s: _edit(s, CIN_2012, "LA,202,", "Region,202,"),
            [f"{CIN_2012}, line 4, column geog_l", "'Region'"],
            id="unknown level",
        ),
        pytest.param(
            lambda s: _edit(s, CIN_2014, "LA,202,E09000007", "LA,202,E09000008"),
            [f"{CIN_2014}, line 4, column new_la_code", "E09000007"],
            id="code of another council",
        ),
        pytest.param(
            lambda s: shutil.copy(s / "dfe-cin" / CIN_2014, s / "dfe-cin/SFR41-2015.csv"),
            ["dfe-cin/SFR41-2015.csv", "no vintage describes", "new vintage"],
            id="sixth vintage",
        ),
        pytest.param(
            lambda s: (s / "dfe-cla/SFR21_CLA.csv").unlink(),
            ["SFR21_CLA.csv", "No such file"],
            id="missing file",
        ),
        pytest.param(
            lambda s: _replace_file(s, CIN_2012, b"PK\x03\x04\x00\x00"),
            [CIN_2012, "binary data", "CSV"],
            id="spreadsheet, not CSV",
        ),
        pytest.param(
            lambda s: _replace_file(s, CIN_2012, b"geog_l,geog_c\n\x81,1\n"),
            [CIN_2012, "line 2", "not cp1252"],
            id="unreadable text",
        ),
        pytest.param(
            lambda s: _replace_file(s, CIN_2012, b""), [CIN_2012, "no rows"], id="empty file"
        ),
        pytest.param(
            lambda s: _edit(s, CIN_2012, "LA,202,10,", "LA,202,"),
            [f"{CIN_2012}, line 4", "cells"],
            id="row of another length",
        ),
        pytest.param(
            lambda s: _edit(s, CIN_2012, "geog_l,geog_c,", "geog_l,geog_l,"),
            [CIN_2012, "column geog_l more than once"],
            id="doubled column",
        ),
        pytest.param(
            lambda s: _edit(s, "SFR21_CLA.csv", "LA,202,", "REGION,H,"),
            ["SFR21_CLA.csv", "none for 202 Camden (1 in all)"],
            id="missing council",
        ),
        pytest.param(
            lambda s: (s / "lookups/councils_152.csv").write_text("a,b\n1,2\n", encoding="utf-8"),
            ["councils_152.csv", "old_la_code"],
            id="wrong look-up file",
        ),
    ],
)
def test_a_bad_source_is_refused_and_nothing_written(source, tmp_path, spoil, fragments):
    spoil(source)
    with pytest.raises(DataError) as caught:
        import_published(source, tmp_path / "out", pilots=PILOTS)
    for fragment in fragments:
        assert fragment in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_no_source_folder_says_how_to_name_one(monkeypatch, tmp_path):
    monkeypatch.delenv("PILOT_EVAL_SOURCE_DATA", raising=False)
    with pytest.raises(DataError, match="PILOT_EVAL_SOURCE_DATA"):
        import_published(out_dir=tmp_path, pilots={})
    with pytest.raises(DataError, match="not a folder"):
        import_published(tmp_path / "none", tmp_path, pilots={})


def test_the_same_files_give_the_same_bytes_with_lf(clean_source, tmp_path):
    first = import_published(clean_source, tmp_path / "1", pilots=PILOTS)
    second = import_published(clean_source, tmp_path / "2", pilots=PILOTS)
    for one, two in zip(first, second, strict=True):
        assert one.read_bytes() == two.read_bytes()
        assert b"\r" not in one.read_bytes()


def test_an_unwritable_folder_is_named(clean_source, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("", encoding="utf-8")
    with pytest.raises(RunError, match="be one that can be written"):
        import_published(clean_source, blocked, pilots=PILOTS)


def test_cp1252_and_blank_padded_headers_are_read(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes("name ,CLA_NetGain ,\nCaf\xe9 \x96 bar,1,\n".encode("latin-1"))
    table = read_raw(path)
    assert table.columns == ("name", "CLA_NetGain")
    assert table.rows[0]["name"] == "Café – bar"


def test_pilot_years_follow_the_register():
    """March and September 2011 count from 2011-12, to the last known year; Gateshead never."""
    years = find_pilot_years(load_plan().treatment_register)
    assert {years[code].start for code in years} == {2012}
    assert years[HACKNEY] == range(2012, 2019)  # last known to be exempt in January 2018
    assert years[CUMBRIA] == range(2012, 2015)
    assert len(years) == 8
    assert "E08000020" not in years


@pytest.mark.parametrize(
    ("content", "fragment"),
    [
        ("year_ending,council_code\n2012,E1\n", "no indicator"),
        ("", "EmptyDataError"),
        (None, "File"),
    ],
)
def test_loading_another_table_is_refused(tmp_path, content, fragment):
    path = tmp_path / "table.csv"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=fragment):
        load_published(path)


def test_every_release_and_indicator_is_described_by_a_row_alone():
    """Two files: a vintage or an indicator is added without touching any module."""
    described = {vintage.file for vintage in VINTAGES}
    modules = sorted((ROOT / "src/pilot_eval").rglob("*.py"))
    assert not [p.name for p in modules if any(f in p.read_text("utf-8") for f in described)]


@pytest.mark.parametrize(
    ("table", "old", "new"),
    [
        (RELEASE_COLUMNS, ",percent,", ",share,"),
        (RELEASE_COLUMNS, "osr28-2010ud.csv,ia_within_7wd", "other.csv,ia_within_7wd"),
        (RELEASE_COLUMNS, "ia_within_10wd_pct", "ia_within_7wd_pct"),
        (RELEASES, "x=suppressed", "x=hidden"),
    ],
)
def test_a_wrong_description_is_refused(tmp_path, table, old, new):
    paths = [tmp_path / path.name for path in (RELEASES, RELEASE_COLUMNS)]
    for path, source in zip(paths, (RELEASES, RELEASE_COLUMNS), strict=True):
        text = source.read_text(encoding="utf-8")
        path.write_text(text.replace(old, new, 1) if source == table else text, encoding="utf-8")
    with pytest.raises(DataError, match=table.name):
        read_vintages(*paths)
