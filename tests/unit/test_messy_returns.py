"""Returns as councils really have them: what is meant is read, and what is lost is said."""

from __future__ import annotations

import csv
import os
import re
import zipfile
from dataclasses import replace
from datetime import date
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from openpyxl import Workbook
from project_folder import ROOT

from pilot_eval.app.census_command import run_census
from pilot_eval.app.census_losses import COUNTED
from pilot_eval.app.cli import main
from pilot_eval.app.open_records import open_records
from pilot_eval.errors import DataError, ParameterError
from pilot_eval.records.codes import YES_NO_FROM_RAW
from pilot_eval.records.columns import to_codes, to_dates, to_numbers, to_yes_no
from pilot_eval.records.crosswalk import apply_crosswalk
from pilot_eval.records.near_names import find_near, spell
from pilot_eval.records.parts import build_coverage, find_missing_returns, list_parts
from pilot_eval.records.read import read_census
from pilot_eval.records.schema import build_tables, frames_of
from pilot_eval.records.validation import validate_census

CASES = Path(os.environ.get("PILOT_EVAL_SHARED", ROOT.parent / "shared")) / "cases" / "records"
NUMBERED = r"\d{3,4}Q?|rule_not_asked"
needs_cases = pytest.mark.skipif(
    not CASES.is_dir(), reason="the small returns are not part of the project: see CONTRIBUTING.md"
)


@pytest.mark.parametrize(
    "text",
    [
        *("2013-06-03", " 2013-06-03 ", "2013-6-3", "2013-06-03Z", "2013-06-03+01:00"),
        *("2013-06-03T00:00:00", "2013-06-03 00:00:00", "2013-06-03 00:00:00.000"),
        *("2013-06-03T00:00:00Z", "2013-06-03T00:00:00.0+01:00"),
    ],
)
def test_a_date_is_read_however_it_is_exported(text):
    dates, bad = to_dates(pa.array([text]))
    assert pd.Timestamp(dates[0]) == pd.Timestamp("2013-06-03")
    assert not len(bad)


@pytest.mark.parametrize("text", ["03/06/2013", "2013-06-03T09:30:00", "20130603", "2013-06-31"])
def test_what_may_mean_another_day_is_no_date(text):
    _, bad = to_dates(pa.array([text]))
    assert bad.tolist() == [0]


@pytest.mark.parametrize("nothing", ["", " ", "NULL", "null", "NaN", "\\N"])
def test_words_for_nothing_are_nothing(nothing):
    column = pa.array([nothing, None])
    dates, bad_dates = to_dates(column)
    numbers, bad_numbers = to_numbers(column)
    assert pd.isna(dates).all()
    assert pd.isna(numbers).all()
    assert pd.isna(to_codes(column)).all()
    assert not len(bad_dates) + len(bad_numbers)


def test_integers_of_a_spreadsheet_and_codes_in_any_case():
    numbers, bad = to_numbers(pa.array(["1.0", "0", "2.00", "1.5"]))
    assert numbers[:3].tolist() == [1, 0, 2]
    assert bad.tolist() == [3]
    assert to_codes(pa.array(["n1", "Rc8"])).tolist() == ["N1", "RC8"]
    answers, bad = to_yes_no(pa.array(["Y", "n", "TRUE", "0", "maybe"]), YES_NO_FROM_RAW)
    assert answers.tolist()[:4] == ["yes", "no", "yes", "no"]
    assert bad.tolist() == [4]


def test_names_in_another_case_are_the_same_and_near_misses_are_named():
    known = {"CINclosureDate", "CINreferralDate", "AssessmentAuthorisationDate"}
    same, near = spell(["CINClosureDate", "AssessmentAuthorizationDate", "Worker"], known)
    assert same == {"CINClosureDate": "CINclosureDate"}
    assert near == {"AssessmentAuthorizationDate": "AssessmentAuthorisationDate"}
    assert find_near("Team", known) == ""


@needs_cases
def test_a_closure_date_in_another_case_closes_the_episode():
    closed = read_census(CASES / "odd_case_CINDetails.xml").referrals
    assert closed["referral_date"].notna().all()


@needs_cases
def test_a_misspelt_column_is_refused_with_what_was_meant():
    with pytest.raises(DataError, match="Did you mean `AssessmentAuthorisationDate`"):
        read_census(CASES / "csv_misspelt_end")


@needs_cases
def test_floats_for_integers_change_nothing():
    clean, floats = (read_census(CASES / name) for name in ("csv_clean", "csv_float_numbers"))
    expected = clean.plans["number_previous_plans"].tolist()
    assert floats.plans["number_previous_plans"].tolist() == expected


def _copy(to, change=lambda text: text):
    to.mkdir()
    for path in (CASES / "csv_clean" / "330_2014").glob("*.csv"):
        (to / path.name).write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")
    return to


def _zip(to):
    with zipfile.ZipFile(to.with_suffix(".zip"), "w") as archive:
        for path in (CASES / "csv_clean" / "330_2014").glob("*.csv"):
            archive.write(path, f"returns/330_2014/{path.name}")
            archive.writestr(f"__MACOSX/returns/330_2014/._{path.name}", "anything")
    return to.with_suffix(".zip")


def _workbook(to):
    book = Workbook()
    book.remove(book.active)
    for path in (CASES / "csv_clean" / "330_2014").glob("*.csv"):
        sheet = book.create_sheet(path.stem)
        for row in csv.reader(path.read_text(encoding="utf-8").splitlines()):
            sheet.append([date.fromisoformat(one) if one[4:5] == "-" else one for one in row])
    book.save(to.with_suffix(".xlsx"))
    return to.with_suffix(".xlsx")


@needs_cases
@pytest.mark.parametrize(
    "make",
    [
        _zip,
        _workbook,
        lambda to: _copy(to, lambda text: text.replace(",", ";")),
        lambda to: _copy(to, lambda text: text.replace(",", "\t")),
        lambda to: _copy(to, lambda text: text.replace(",330,", ",0330,")),
        lambda to: _copy(to, lambda text: text.replace(",330,", ",E08000025,")),
    ],
    ids=["zip", "xlsx", "semicolon", "tab", "padded LEA", "ONS code"],
)
def test_the_same_return_in_another_wrapping_is_the_same(make, tmp_path):
    clean, other = read_census(CASES / "csv_clean"), read_census(make(tmp_path / "330_2014"))
    for name, frame in frames_of(clean).items():
        pd.testing.assert_frame_equal(frame, frames_of(other)[name])


MAPPING = """
[returns]
years = [2014]
[modules.referrals.fields]
closure_date = "Date case closed"
[dates]
format = "%d/%m/%Y"
[nothing]
words = ["unknown"]
[values.primary_need]
"Abuse" = "N1"
"""


@needs_cases
def test_a_mapping_reads_own_names_dates_codes_and_words_for_nothing(tmp_path):
    def own(text):
        text = re.sub(r"(\d{4})-(\d\d)-(\d\d)", r"\3/\2/\1", text)
        text = text.replace("CINclosureDate", "Date case closed").replace(",N1,", ",abuse,")
        return text.replace(",,", ",Unknown,")

    (tmp_path / "own.toml").write_text(MAPPING, encoding="utf-8")
    clean = read_census(CASES / "csv_clean")
    other = read_census(_copy(tmp_path / "330_2014", own), mapping=tmp_path / "own.toml")
    for name, frame in frames_of(clean).items():
        pd.testing.assert_frame_equal(frame, frames_of(other)[name])


@needs_cases
def test_an_absent_end_is_refused_unless_declared_and_other_columns_are_said(tmp_path):
    folder = _copy(tmp_path / "330_2014", lambda text: text.replace("CPPendDate", "Team"))
    with pytest.raises(DataError, match="have the column CPPendDate"):
        read_census(folder)
    text = '[returns]\nyears = [2014]\n[absent]\ncolumns = ["CPPendDate", "Reviews"]\n'
    (tmp_path / "own.toml").write_text(text, encoding="utf-8")
    tables = read_census(folder, mapping=tmp_path / "own.toml")
    said = tables.issues[tables.issues["table"] == "return"].groupby("rule")["field"].agg(list)
    assert said["absent_module"] == ["Disabilities", "Section47"]
    assert said["absent_column"] == ["DateOfInitialCPC", "AssessmentInternalReviewDate"]


@needs_cases
def test_rates_of_the_panel_have_their_population(tmp_path):
    run_census([CASES / "csv_clean"], data_cut="2014-03-31", out=tmp_path / "o", jobs=1, tell=str)
    panel = pd.read_csv(tmp_path / "o" / "panel.csv")
    rates = panel[panel["indicator"].str.endswith("_rate")]
    assert rates["denominator"].gt(0).any()


@needs_cases
def test_records_without_windows_are_checked_and_a_comparison_says_why():
    study = open_records(data_folder=str(CASES / "csv_clean"), data_cut="2014-03-31")
    assert len(study.validation.accepted.children) == 2
    with pytest.raises(ParameterError, match="follow-up after April 2011"):
        study.collapse()


@needs_cases
def test_of_returns_sent_again_the_last_is_used_and_both_are_named(tmp_path):
    first = (CASES / "bom.xml").read_bytes()
    (tmp_path / "returns").mkdir()
    for number, (name, day) in enumerate({"a": "2013-06-20", "b": "2013-06-21"}.items()):
        again = first.replace(b"<SerialNo>001", b"<SerialNo>%03d" % (9 + number))
        text = again.replace(b"2013-06-20", day.encode())
        (tmp_path / "returns" / f"{name}.xml").write_bytes(text)
    told: list[str] = []
    paths, out = [tmp_path / "returns"], tmp_path / "out"
    run = run_census(paths, data_cut="2014-03-31", out=out, jobs=1, tell=told.append)
    assert read_census(paths).assessments["end_date"].tolist() == [pd.Timestamp("2013-06-21")]
    assert run.losses["children_records"].tolist() == [1]
    [words] = [line for line in told if line.startswith("SENT AGAIN")]
    assert "`b.xml`" in words.split("is used")[0]
    assert "`a.xml`" in words.split("is used")[1]


@needs_cases
def test_parts_of_a_divided_council_are_read_as_that_council(tmp_path):
    cumberland = (CASES / "lea_cumberland.xml").read_bytes()
    (tmp_path / "cumberland.xml").write_bytes(cumberland)
    half = build_coverage(list_parts(tmp_path))
    assert find_missing_returns(half) == {"E10000006": "no return for the year ending March 2024"}
    (tmp_path / "westmorland.xml").write_bytes(cumberland.replace(b">942<", b">943<"))
    tables = read_census(tmp_path)
    assert tables.children["council_code"].tolist() == ["E10000006"] * 2
    assert tables.children["child_id"].nunique() == 2
    assert not find_missing_returns(build_coverage(list_parts(tmp_path)))


@needs_cases
@pytest.mark.parametrize(
    ("name", "referrals", "assessments", "superseded"),
    [
        ("corrected_assessment_start", ["2014-03-03"], ["2014-03-05"], ("not_", "assessments")),
        ("corrected_referral_date", ["2013-06-04"], ["2013-06-04"], ("redated_", "referrals")),
        ("episode_vanished", ["2014-05-03"], ["2014-05-05"], ("not_", "referrals")),
    ],
)
def test_what_a_later_return_no_longer_has_is_not_open(name, referrals, assessments, superseded):
    result = validate_census(read_census(CASES / name))
    accepted = result.accepted
    assert accepted.referrals["referral_date"].astype(str).tolist() == referrals
    assert accepted.assessments["start_date"].astype(str).tolist() == assessments
    found = result.issues.groupby(["rule", "table"]).size()
    assert found[f"{superseded[0]}in_later_return", superseded[1]] == 1


@needs_cases
def test_without_the_next_return_an_open_case_stays_open():
    alone = validate_census(read_census(CASES / "episode_vanished" / "y14.xml"))
    assert alone.accepted.referrals["closure_date"].isna().tolist() == [True]


@needs_cases
def test_a_crosswalk_links_identifiers_that_changed(tmp_path):
    tables = read_census(CASES / "reopened")
    later = tables.children["census_year"] == 2015
    changed = replace(
        tables,
        **{
            name: frame.assign(child_id=frame["child_id"].where(frame["census_year"] < 2015, "N9"))
            for name, frame in frames_of(tables).items()
        },
    )
    assert later.sum() == 1
    assert len(validate_census(changed).accepted.children) == 2
    path = tmp_path / "crosswalk.csv"
    path.write_text("LEA,LAchildID,NewLAchildID\n330,C1,M5\n0330,M5,N9\n", encoding="utf-8")
    linked = validate_census(apply_crosswalk(changed, path)).accepted
    assert linked.children["child_id"].tolist() == ["N9"]
    assert linked.referrals["closure_date"].isna().tolist() == [True]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("330,A,B\n330,A,C\n", "line 3` must give each identifier one new one"),
        ("330,A,B\n330,B,A\n", "must lead to a last identifier"),
        ("999,A,B\n", "line 2` must name a council"),
    ],
)
def test_a_crosswalk_that_cannot_be_used_is_refused(rows, said, tmp_path):
    path = tmp_path / "crosswalk.csv"
    path.write_text("LEA,LAchildID,NewLAchildID\n" + rows, encoding="utf-8")
    with pytest.raises(DataError, match=said):
        apply_crosswalk(build_tables({}, strand="census", source="none"), path)


@needs_cases
def test_lost_leading_zeros_are_noticed(tmp_path):
    text = (CASES / "bom.xml").read_bytes()
    (tmp_path / "y14.xml").write_bytes(text.replace(b">C1<", b">0012<"))
    later = text.replace(b">2014<", b">2015<").replace(b"2014-03-31", b"2015-03-31")
    (tmp_path / "y15.xml").write_bytes(later.replace(b">C1<", b">12<"))
    found = validate_census(read_census(tmp_path)).issues.query("rule == 'lost_leading_zeros'")
    assert found["source_file"].tolist() == ["y15.xml"]


PAGE = ROOT / "docs" / "messy-returns.md"


def _read_page():
    """Read the table of the page: case -> what it says of children, referrals and the rest."""
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line[:3] == "| `"]
    cells = [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows]
    return {name.strip("`"): tuple(rest) for name, *rest in cells}


def _say(path, folder):
    """Run a case and say what happens as the page does."""
    file = path if path.is_file() else next(path.rglob("Header.csv"), path / "y15.xml")
    year = re.search(rb"Year>(20\d\d)|CIN,(20\d\d)", file.read_bytes().replace(b"\0", b""))
    found = (year[1] or year[2]).decode() if year else "2014"
    cut = "2014" if found == "2013" else found  # a year written 2013/14
    try:
        run = run_census([path], data_cut=f"{cut}-03-31", out=folder, jobs=1, tell=str)
    except DataError as fault:
        return "refused", "refused", _refusal(str(fault))
    [row] = run.losses.to_dict("records")
    if "must" in row["failed"]:
        return "refused", "refused", _refusal(row["failed"])
    issues = pd.read_csv(folder / "issues.csv", dtype={"rule": str})
    own = ~issues["rule"].str.fullmatch(NUMBERED)  # DfE's: docs/published-rules.md
    rules = issues[own].groupby("rule").size()
    met = ", ".join(f"{rule} {count}" for rule, count in rules.items()) or "nothing"
    used = [f"{row[f'{one}_accepted']} of {row[f'{one}_records']}" for one in COUNTED]
    return *used, met


def _refusal(words):
    place, _, rest = words.partition("must ")
    return f"{place.strip().strip('`')}: must {rest.split('. ')[0]}".replace("|", "/")


@needs_cases
def test_the_page_lists_every_case():
    there = {path.name for path in CASES.iterdir() if path.name != "README.md"}
    assert set(_read_page()) == there


@needs_cases
@pytest.mark.parametrize("name", list(_read_page()))
def test_a_case_ends_as_the_page_says(name, tmp_path):
    assert _say(CASES / name, tmp_path / "o") == _read_page()[name]


@needs_cases
def test_a_folder_is_named_for_release_only_if_something_is_in_it(tmp_path, capsys):
    given = [str(CASES / "csv_clean"), "--data-cut", "2014-03-31", "--jobs", "1"]
    assert main(["census", *given, "--out", str(tmp_path / "o")]) == 0
    [line] = [one for one in capsys.readouterr().out.splitlines() if "Can be released" in one]
    folder = tmp_path / "o-release"
    assert line.endswith(str(folder) if folder.is_dir() else "nothing passed the release check")
