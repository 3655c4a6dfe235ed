"""The workbook and the tidy files: right sheets, right figures, symbols kept, the same bytes."""

import io
import re
import shutil
import subprocess
from dataclasses import replace

import openpyxl
import pandas as pd
import pytest
from test_verdicts import STILL

from pilot_eval.checks.long_run import RUN_COLUMNS
from pilot_eval.errors import DataError
from pilot_eval.evaluation.verdicts import judge
from pilot_eval.evidence import EVIDENCE_COLUMNS
from pilot_eval.plan import load_plan
from pilot_eval.published.council_indicators import load_published
from pilot_eval.published.panel import select_span
from pilot_eval.reference.facts import council_names, load_councils
from pilot_eval.reporting.ees import (
    META_COLUMNS,
    PLACE_COLUMNS,
    RUN_FILTERS,
    write_ees,
    write_ees_long_runs,
)
from pilot_eval.reporting.workbook import write_workbook

VERDICT = judge(replace(STILL, outcome="repeat_plan_pct"), load_plan().verdict)


@pytest.fixture(scope="module")
def plan():
    return load_plan()


@pytest.fixture(scope="module")
def indicators(plan):
    return select_span(load_published(), plan)


@pytest.fixture(scope="module")
def evidence():
    """Three rows by hand: an estimate, a fragile one, one that cannot be had."""
    base = dict.fromkeys(EVIDENCE_COLUMNS) | {
        "strand": "published",
        "scenario": "announced",
        "outcome": "repeat_plan_pct",
        "family": "safety",
        "unit": "percentage points",
        "method": "robust",
        "n_treated": 5,
        "n_comparators": 138,
        "plan_hash": "abc",
        "data_hash": "def",
    }
    rows = [
        base
        | {
            "estimate_low": 4.25,
            "estimate_high": 4.25,
            "conf_low": -2.04,
            "conf_high": float("inf"),
            "p_value": 0.0624,
        }
        | {"mde": 7.0, "left_out_estimate": 4.1, "fragile": False, "reason": ""},
        base
        | {
            "method": "sharp",
            "estimate_low": 4.1,
            "estimate_high": 4.25,
            "p_value": 0.0001,
            "fragile": True,
        }
        | {"reason": "rests on variance following size"},
        base | {"scenario": "granted", "method": "none", "fragile": None, "reason": "withheld"},
    ]
    return pd.DataFrame(rows)


LONG_RUNS = pd.DataFrame(
    [
        ["granted", "repeat_plan_pct", -1, 2011.0, 0.0, 0.0, 0.0, 0.0, 0.2, 8, 8, 130, 9],
        ["granted", "repeat_plan_pct", 10, float("nan"), -1.24, 1.26, -9, 9, 0.2, 7, 7, 130, 9],
    ],
    columns=list(RUN_COLUMNS),
)


@pytest.fixture(scope="module")
def book_path(tmp_path_factory, plan, evidence, indicators):
    path = tmp_path_factory.mktemp("book") / "tables.xlsx"
    names = council_names()
    return write_workbook(
        path,
        plan=plan,
        evidence=evidence,
        indicators=indicators,
        names=names,
        verdicts=[VERDICT],
        long_runs=LONG_RUNS,
    )


@pytest.fixture(scope="module")
def book(book_path):
    return openpyxl.load_workbook(io.BytesIO(book_path.read_bytes()))


def read_table(sheet):
    """Read a sheet's one marked-up table."""
    (table,) = sheet.tables.values()
    rows = [[cell.value for cell in row] for row in sheet[table.ref]]
    return pd.DataFrame(rows[1:], columns=[head.split("\n")[0] for head in rows[0]])


def test_the_long_run_has_a_sheet(book):
    [sheet] = [s for s in book.worksheets if "years after the start" in str(s["A1"].value)]
    assert "up to 10 years" in sheet["A1"].value
    table = read_table(sheet)
    assert table["Year"].tolist() == ["2010-11", "[z]"]
    assert table["Effect, lower end"].tolist() == [0, -1.2]
    assert table["Effect, upper end"].tolist() == [0, 1.3]
    assert table["Band, upper end"].tolist() == [0, 9]
    assert table["Treated"].tolist() == [8, 7]


def test_cover_contents_notes_then_one_table_a_sheet(book, plan):
    assert book.sheetnames[:3] == ["Cover", "Contents", "Notes"]
    assert all(len(book[name].tables) == 1 for name in book.sheetnames[1:])
    listed = [row[0] for row in book["Contents"].iter_rows(min_row=4, values_only=True)]
    assert listed == book.sheetnames[3:]
    titles = " ".join(str(book[name]["A1"].value) for name in book.sheetnames)
    assert all(outcome.label in titles for outcome in plan.outcomes.values())


def test_symbols_and_notes_are_explained_where_they_are_used(book):
    for name in book.sheetnames[3:]:
        words = [str(cell.value) for row in book[name].iter_rows(max_row=12) for cell in row]
        explained = {word.split(":")[0] for word in words if re.match(r"\[\w+\]: ", word)}
        shown = {cell for row in book[name].iter_rows(values_only=True) for cell in row}
        assert explained == {cell for cell in shown if re.fullmatch(r"\[\w+\]", str(cell))}
        heading = int(re.findall(r"\d+", next(iter(book[name].tables.values())).ref)[0])
        assert book[name].freeze_panes == f"C{heading + 1}"
        heads = [word for word in words if "[note " in word]
        numbers = {int(word.split("[note ")[1].rstrip("]")) for word in heads}
        assert numbers
        assert numbers <= set(read_table(book["Notes"])["Note number"])


def test_results_are_rounded_and_say_when_there_is_none(book):
    table = read_table(book["Table_1"])
    first, second, third = table.to_dict("records")
    assert first["Estimate, lower end"] == 4.3
    assert first["Confidence interval, lower end"] == -2.0
    assert first["Confidence interval, upper end"] == "no limit"
    assert (first["P-value"], second["P-value"], third["P-value"]) == (0.062, "[low]", "[z]")
    assert [row["Finding"] for row in (first, second, third)] == [VERDICT.short] * 2 + ["[z]"]
    assert [row["Security, 0 to 5"] for row in (first, third)] == [VERDICT.rating, "[z]"]
    assert (third["Estimate, lower end"], third["Remarks"]) == ("[z]", "withheld")


# DfE, Characteristics of children in need: England's repeat plans, 13.3% in 2010-11; Westminster's
# are suppressed in 2011-12, and what was withheld for Hackney is printed as a gap, not as 0.
def test_figures_and_their_suppression_come_through(book, plan):
    sheets = {book[name]["A1"].value.split(",")[0]: name for name in book.sheetnames[3:]}
    repeat = read_table(book[sheets[plan.outcomes["repeat_plan_pct"].label]])
    repeat = repeat.set_index("Council")
    assert repeat.loc["England", "2010-11"] == 13.3
    assert repeat.loc["Westminster", "2011-12"] == "[c]"
    in_time = read_table(book[sheets[plan.outcomes["ia_within_10wd_pct"].label]])
    assert in_time.set_index("Council").loc["Hackney", "2011-12"] == "[x]"


def test_the_same_tables_give_the_same_bytes(book_path, tmp_path, plan, evidence, indicators):
    again = write_workbook(
        tmp_path / "other name.xlsx",
        plan=plan,
        evidence=evidence,
        indicators=indicators,
        names=council_names(),
        verdicts=[VERDICT],
        long_runs=LONG_RUNS,
    )
    assert again.read_bytes() == book_path.read_bytes()


def test_the_workbook_can_be_looked_at(book_path, tmp_path):
    office = shutil.which("soffice")
    if office is None:
        pytest.skip("LibreOffice is not installed: the sheets cannot be looked at as pages")
    command = [office, f"-env:UserInstallation=file://{tmp_path}/profile", "--headless"]
    command += ["--convert-to", "pdf", "--outdir", str(tmp_path), str(book_path)]
    subprocess.run(command, check=True, capture_output=True, timeout=240)
    assert (tmp_path / "tables.pdf").stat().st_size > 10_000


@pytest.fixture(scope="module")
def tidy(tmp_path_factory, plan, indicators):
    folder = tmp_path_factory.mktemp("ees")
    paths = write_ees(
        folder, plan=plan, indicators=indicators, councils=load_councils(), verdicts=[VERDICT]
    )
    return [pd.read_csv(path, dtype=str, keep_default_na=False) for path in paths]


def test_tidy_data_have_the_services_shape(tidy, plan):
    data, meta, footnotes = tidy
    assert list(data.columns[: len(PLACE_COLUMNS)]) == list(PLACE_COLUMNS)
    assert list(meta.columns) == list(META_COLUMNS)
    # Every column that is not a time or place is described, once.
    assert list(meta["col_name"]) == list(data.columns[len(PLACE_COLUMNS) :])
    assert set(meta["col_name"]) == set(plan.outcomes)
    assert footnotes.to_numpy().tolist() == [["repeat_plan_pct", f"the five: {VERDICT.short}."]]
    assert not data.duplicated(["time_period", "geographic_level", "new_la_code"]).any()
    assert (data["time_identifier"] == "Financial year").all()
    assert sorted(set(data["time_period"])) == [
        *("200910", "201011", "201112", "201213", "201314"),
        "201415",  # conferences are compared to 2014-15, single assessments to 2017-18
        *("201516", "201617", "201718"),
    ]


# Rules of DfE's public screener of files for its statistics service.
SCREENING = {
    "data_mandatory_cols": lambda data, meta: {"time_period", "time_identifier"} < {*data},
    "variable_snake_case": lambda data, meta: all(
        re.fullmatch(r"[a-z][a-z0-9_]*", name) for name in data
    ),
    "col_name_duplicate": lambda data, meta: meta["col_name"].is_unique,
    "duplicate_labels": lambda data, meta: meta["label"].is_unique and (meta["label"] != "").all(),
    "col_type": lambda data, meta: meta["col_type"].isin(["Indicator", "Filter"]).all(),
    "indicator_unit_validation": lambda data, meta: (
        meta["indicator_unit"].isin(["", "%", "pp", "£", "£m", "numberstring"]).all()
    ),
    "indicator_dp_validation": lambda data, meta: meta["indicator_dp"].str.fullmatch(r"\d*").all(),
    "time_period_six": lambda data, meta: all(
        re.fullmatch(r"\d{6}", text) and (int(text[:4]) + 1) % 100 == int(text[4:])
        for text in data["time_period"]
    ),
    "time_identifier_mix": lambda data, meta: len({*data["time_identifier"]}) == 1,
    "level_validity": lambda data, meta: (
        data["geographic_level"].isin(["National", "Regional", "Local authority"]).all()
    ),
    "overcompleted_national": lambda data, meta: (
        data.loc[data["geographic_level"] == "National", ["region_code", "new_la_code"]] == ""
    ).all(axis=None),
    "region_and_la_completed": lambda data, meta: (
        data.loc[data["geographic_level"] != "National", list(PLACE_COLUMNS)] != ""
    ).all(axis=None),
    "new_la_code": lambda data, meta: data["new_la_code"].str.fullmatch(r"(E\d{8})?").all(),
    "old_la_code": lambda data, meta: data["old_la_code"].str.fullmatch(r"(\d{3})?").all(),
    "la_combinations": lambda data, meta: (
        data.groupby("new_la_code")[["la_name", "old_la_code"]].nunique().eq(1).all(axis=None)
    ),
    "row_duplicates": lambda data, meta: (
        not data.duplicated(["time_period", "geographic_level", "new_la_code"]).any()
    ),
    "blank_cells": lambda data, meta: (data[list(meta["col_name"])] != "").all(axis=None),
    "symbols": lambda data, meta: (
        {cell for name in meta["col_name"] for cell in data[name] if not re.match(r"-?\d", cell)}
        <= {"z", "x", "c", "low", "u", "k"}
    ),
    "unused_metadata": lambda data, meta: set(meta["col_name"]) <= {*data},
}


@pytest.mark.parametrize("rule", SCREENING)
def test_tidy_data_keep_the_services_screening_rules(tidy, rule):
    assert SCREENING[rule](*tidy[:2])


@pytest.fixture(scope="module")
def tidy_runs(tmp_path_factory, plan):
    """Two paths of two years each, and one of units that start in different years."""
    ends = {"estimate_low": -1.04, "estimate_high": 2.06, "conf_low": -9.5, "conf_high": 9.96}
    counts = {"n_treated": 5, "n_units": 5, "n_comparators": 130, "n_gaps": 2, "p_value": 0.4}
    keys = [("announced", "repeat_plan_pct", 2012), ("granted", "cla_rate", 2012)]
    keys.append(("conferences_both", "icpc_within_15wd_pct", None))
    rows = [
        {"scenario": scenario, "outcome": outcome, "time": time, **ends, **counts}
        | {"year": start and start + time}
        for scenario, outcome, start in keys
        for time in (0, 1)
    ]
    folder = tmp_path_factory.mktemp("runs")
    paths = write_ees_long_runs(folder, plan=plan, runs=pd.DataFrame(rows))
    return [pd.read_csv(path, dtype=str, keep_default_na=False) for path in paths]


@pytest.mark.parametrize("rule", [*SCREENING, "filters"])
def test_the_long_run_keeps_the_services_screening_rules(tidy_runs, rule):
    """A row for each group, outcome and year; filters are in the file and tell rows apart."""
    data, meta = tidy_runs
    one = data[data["scenario"] == data["scenario"].iloc[0]]
    filters = meta.loc[meta["col_type"] == "Filter", "col_name"].tolist()
    rules = SCREENING | {
        "filters": lambda data, meta: filters == [*RUN_FILTERS],
        "row_duplicates": lambda data, meta: (
            not one.duplicated(["time_period"]).any()
            and not data.duplicated([*filters, "time_period"]).any()
        ),
        "symbols": lambda data, meta: SCREENING["symbols"](
            data, meta[meta["col_type"] == "Indicator"]
        ),
    }
    assert rules[rule](data, meta)


def test_the_long_run_holds_dated_paths_as_computed(tidy_runs, plan):
    data, meta = tidy_runs
    assert list(data.columns) == [*PLACE_COLUMNS, *meta["col_name"]]
    assert len(data) == 4
    row = data.set_index(["scenario", "time_period"]).loc[
        (plan.scenarios["announced"].label, "201213")
    ]
    ends = ["estimate_low", "estimate_high", "conf_low", "conf_high", "n_treated"]
    assert row[ends].tolist() == ["-1.0", "2.1", "-9.5", "10.0", "5"]


def test_paths_without_years_leave_no_tidy_data(tmp_path, plan):
    runs = pd.DataFrame({"year": [None, None]})
    assert write_ees_long_runs(tmp_path / "ees", plan=plan, runs=runs) == ()
    assert not (tmp_path / "ees").exists()


def test_tidy_data_hold_figures_and_symbols_as_published(tidy):
    data = tidy[0].set_index(["time_period", "la_name"])
    assert data.loc[("201011", ""), "repeat_plan_pct"] == "13.3"
    assert data.loc[("201112", "Westminster"), "repeat_plan_pct"] == "c"
    assert data.loc[("201112", "Hackney"), "ia_within_10wd_pct"] == "x"
    hackney = data.loc[("201112", "Hackney")]
    assert (hackney["region_code"], hackney["old_la_code"]) == ("E12000007", "204")


def test_an_unknown_area_is_refused(tmp_path, plan, indicators):
    known = indicators[indicators["indicator"] == "repeat_plan_pct"]
    strange = known.head(1).assign(council_code="E99999999")
    with pytest.raises(DataError, match="`council_code`"):
        write_ees(tmp_path, plan=plan, indicators=strange, councils=load_councils())
