"""Inputs like the known cases, made here: each is read as its name says, or refused.

The clean return is that of the cases (`csv_clean`), or one child in XML, written again with one
peculiarity. What can be read gives the same records; what cannot is refused with file, line or
field, and rule.
"""

from __future__ import annotations

import csv
import zipfile
from datetime import date, datetime, timedelta

import pandas as pd
import pytest
from mess_examples import CLEAN, DAY, XML, dates, each, lines, records, serial, write
from openpyxl import Workbook

from pilot_eval.app.census_command import run_census
from pilot_eval.errors import DataError
from pilot_eval.records.date_forms import FORMS, TIMES, guess_form, read_day
from pilot_eval.records.read import read_census
from pilot_eval.records.validation import validate_census


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    return records(write(tmp_path_factory.mktemp("clean")))


def assert_same(found, expected):
    for name, frame in expected.items():
        pd.testing.assert_frame_equal(found[name], frame)


#: What an export may do to every file, and is read.
TEXTS = {
    "BOM": {"encoding": "utf-8-sig"},
    "UTF-16": {"encoding": "utf-16"},
    "UTF-16 with tabs": {"encoding": "utf-16", "change": each(",", "\t")},
    "lines of Windows": {"change": each("\n", "\r\n")},
    "lines of old Macs": {"change": each("\n", "\r")},
    "upright bars": {"change": each(",", "|")},
    "all fields quoted": {
        "change": lines(lambda _, line: ";".join(f'"{one}"' for one in line.split(",")))
    },
    "a line that names the separator": {
        "change": lambda _, text: "sep=;\n" + text.replace(",", ";")
    },
    "title lines": {"change": lambda _, text: "Children in need, 2013-14\n\n" + text},
    "a quoted line end": {"change": each("WBRI\nC2", '"WBRI\n"\nC2', "ChildCharacteristics")},
    "blank lines at the end": {"change": lambda _, text: text + "\n\n"},
    "rows of commas at the end": {
        "change": lambda _, text: text + "," * text.splitlines()[0].count(",") + "\n"
    },
    "columns without name or content": {"change": lines(lambda _, line: line + ",,")},
    "a column of row numbers": {
        "change": lines(lambda number, line: (str(number - 1) if number else "") + "," + line)
    },
    "names in lower case": {"change": lines(lambda n, line: line if n else line.lower())},
    "names in snake case": {"change": each("CINclosureDate", "cin_closure_date")},
    "names with hyphens": {"change": each("CINclosureDate", "CIN-closure-date")},
    "names with blanks": {"change": each("LAchildID", " LA child ID ")},
    "file names in capitals": {"name_of": str.upper},
    "file names with blanks": {
        "name_of": lambda name: name.replace("ChildProtectionPlans", "Child Protection Plans")
    },
    "file names in snake case": {
        "name_of": lambda name: name.replace("ChildProtectionPlans", "child_protection_plans")
    },
    "suffix in capitals": {"name_of": lambda name: f"{name}.CSV"},
    "midnight to the tenth of a microsecond": {"change": dates("%Y-%m-%d 00:00:00.0000000")},
    "midnight in summer time": {"change": dates("%Y-%m-%dT00:00:00+01:00")},
    "codes in lower case with blanks": {"change": each(",N1,", ",\u00a0n1\t,")},
    "sex as letters": {"change": each("GenderCurrent\nC1,2005-02-03,,1\nC2,2008-02-03,,2",
                                      "Sex\nC1,2005-02-03,,M\nC2,2008-02-03,,F")},
    "sex as words": {"change": each(",,1\nC2,2008-02-03,,2", ",,Male\nC2,2008-02-03,,female")},
    "no as a word": {"change": lambda _, text: text.replace(",0\n", ",No\n")},
    "council as a float": {"change": each(",330,", ",330.00,")},
    "ONS code in lower case": {"change": each(",330,", ",e08000025,")},
    "a year as 2013-2014": {"change": each("CIN,2014", "CIN,2013-2014")},
    "a year as 201314": {"change": each("CIN,2014", "CIN,201314")},
    "a year as 13/14": {"change": each("CIN,2014", "CIN,13/14")},
    **{
        f"reference date {form}": {"change": each("2014-03-31", date(2014, 3, 31).strftime(form))}
        for form in ("%d/%m/%Y", "%d/%m/%y", "%d-%b-%Y", "%d %B %Y", "%Y%m%d", "%d/%m/%Y 00:00:00")
    },
    **{
        f"{word} for nothing": {"change": each("N1,,,", f"N1,{word},{word},")}
        for word in ("NULL", "(null)", "NA", "N/A", "#N/A", "nil", "NaT", "<NA>", ".", "-")
    },
    "None for no date": {"change": each("N1,,,", "N1,None,,")},
    "noughts for no date": {"change": each("N1,,,", "N1,00/00/0000,,")},
}  # fmt: skip


@pytest.mark.parametrize("name", TEXTS)
def test_what_an_export_does_is_read(clean, tmp_path, name):
    assert_same(records(write(tmp_path, **TEXTS[name])), clean)


def archive(folder, change=lambda path: f"330_2014/{path.name}", name="x.zip"):
    path = folder / name
    with zipfile.ZipFile(path, "w") as packed:
        for file in write(folder / "files").iterdir():
            info = zipfile.ZipInfo()
            info.filename = change(file)  # as it is, with the separator of another system
            packed.writestr(info, file.read_bytes())
    return path


def nest(folder):
    with zipfile.ZipFile(folder / "outer.zip", "w") as packed:
        packed.write(archive(folder), "deep/er/x.zip")
    return folder / "outer.zip"


def workbook(folder, before=(), left=0, name_of=str, suffix=".xlsx", more=0):
    book = Workbook()
    book.remove(book.active)
    for name, text in CLEAN.items():
        sheet = book.create_sheet(name_of(name))
        for title in before:
            sheet.append([title])
        for row in csv.reader(text.splitlines()):
            typed = [datetime.fromisoformat(one) if DAY.fullmatch(one) else one for one in row]
            sheet.append([None] * left + [one if one != "" else None for one in typed])
            for _ in range(more):
                sheet.append([None])
    path = folder / f"330_2014{suffix}"
    book.save(path)
    return path


@pytest.mark.parametrize(
    "make",
    [
        archive,
        lambda to: archive(to, lambda path: path.name, "330 2014.ZIP"),
        lambda to: archive(to, lambda path: rf"returns\330_2014\{path.name}"),
        nest,
        workbook,
        lambda to: workbook(to, before=("Children in need",)),
        lambda to: workbook(to, before=("Children in need", "2013-14", None)),
        lambda to: workbook(to, left=1),
        lambda to: workbook(to, more=1),
        lambda to: workbook(to, name_of=str.lower, suffix=".xlsm"),
    ],
    ids=[
        *("zip", "zip without folder", "zip of Windows", "zip in a zip", "workbook"),
        *("title", "titles", "an empty first column", "blank rows", "with macros"),
    ],
)
def test_packed_returns_are_read(clean, tmp_path, make):
    assert_same(records(make(tmp_path)), clean)


def test_a_row_keeps_its_number_under_titles_and_between_blank_rows(tmp_path):
    where = read_census(workbook(tmp_path, before=("2014",), more=1)).referrals["source_row"]
    assert where.tolist() == [2, 4, 6]
    long = each("C2,1,2013-05-01,1A", f"C2,1,2013-05-01,{'x' * 2000}", "CINdetails")
    for change, line in ((long, 4), (lambda *a: "Title\n\n" + long(*a), 6)):
        with pytest.raises(DataError, match=f"CINdetails.csv, line {line}`"):
            read_census(write(tmp_path / str(line), change))


@pytest.mark.parametrize("form", ["%d/%m/%Y", "%d.%m.%y", "%d-%b-%Y", "%Y%m%d", "%d/%m/%Y %H:%M"])
def test_the_form_of_dates_is_named_and_a_mapping_with_it_reads_them(clean, tmp_path, form):
    path = write(tmp_path, dates(form))
    told: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        run_census([path], data_cut="2014-03-31", out=tmp_path / "o", jobs=1, tell=told.append)
    line = f'format = "{form}"'
    [words] = [one for one in told if line in one]
    assert "under [dates]" in words
    assert not DAY.search(words.replace("2014-03-31", ""))
    (tmp_path / "own.toml").write_text(f"[returns]\nyears = [2014]\n[dates]\n{line}\n")
    assert_same(records(path, mapping=tmp_path / "own.toml"), clean)


def test_days_counted_by_a_spreadsheet_are_named_and_read(clean, tmp_path):
    path = write(tmp_path, lambda name, text: text if name == "Header" else DAY.sub(serial, text))
    assert "excel" in read_census(path).issues["field"].tolist()
    (tmp_path / "own.toml").write_text('[returns]\nyears = [2014]\n[dates]\nformat = "excel"\n')
    assert_same(records(path, mapping=tmp_path / "own.toml"), clean)


@pytest.mark.parametrize("form", [day + time for day in FORMS for time in TIMES])
def test_a_form_is_guessed_from_the_days_of_a_year(form):
    days = [date(2013, 4, 1) + timedelta(days=number) for number in range(365)]
    guessed = guess_form(day.strftime(form) for day in days)
    assert [read_day(day.strftime(form), guessed) for day in days] == days


def test_no_form_is_guessed_where_most_are_no_dates():
    assert not guess_form(["03/06/2013", "x", "31/02/2013"])
    assert not guess_form([])


#: What cannot be read: the change, and what the refusal says.
REFUSED = {
    "western encoding": (
        {"change": each("C1", "Cé1"), "encoding": "cp1252"},
        "ChildIdentifiers.csv, line 2` must be text in UTF-8",
    ),
    "an empty file": (
        {"change": lambda name, text: "" if name == "Reviews" else text},
        "Reviews.csv, line 1` must begin with a line of column names",
    ),
    "no names at all": (
        {"change": lambda name, text: "a,b\n1,2\n" if name == "Reviews" else text},
        "Reviews.csv, line 1` must begin with a line of column names",
    ),
    "a short row": (
        {"change": each("C2,1,2013-05-01,2013-05-31", "C2,1,2013-05-01")},
        "Assessments.csv, line 4` must be a CSV file with as many fields",
    ),
    "a long row under a title": (
        {"change": lambda n, text: "x\n" + text.replace("2013-05-31", "2013-05-31,1")},
        "Assessments.csv, line 5` must be a CSV file with as many fields",
    ),
    "a column twice": (
        {"change": each("ReferralSource,", "CINclosureDate,")},
        "CINdetails.csv, line 1` must have the column CINclosureDate once",
    ),
    "a near miss": (
        {"change": each("CINreferralDate", "CINreferalDate")},
        "Did you mean `CINreferralDate`",
    ),
    "a short name": (
        {"change": each("CINclosureDate", "ClosureDate")},
        "Did you mean `CINclosureDate`",
    ),
    "an end of another name": (
        {"change": each("AssessmentAuthorisationDate", "DateSignedOff")},
        "have the column AssessmentAuthorisationDate",
    ),
    "a link of another name": (
        {"change": each("CINdetailsID", "EpisodeNumber", "Assessments")},
        "have the linking column CINdetailsID",
    ),
    "a file in the singular": (
        {"name_of": lambda name: name.replace("Assessments", "Assessment")},
        "named as its module: Assessments",
    ),
    "files with a prefix": (
        {"name_of": "330_2014_{}".format},
        "Name files as their modules: Header.csv",
    ),
    "files as text": ({"name_of": "{}.txt".format}, "hold its modules as .csv or .parquet files"),
    "no header": (
        {"name_of": lambda name: name.replace("Header", "Kopf")},
        "Header.csv` must stand by the modules",
    ),
    "a council by name": ({"change": each(",330,", ",Birmingham,")}, "name a council"),
    "another collection": ({"change": each("CIN,", "CLA,")}, "be a return of the collection CIN"),
    "a year of two years": ({"change": each("CIN,2014", "CIN,2013/15")}, "give the Year"),
    "another reference date": (
        {"change": each("2014-03-31", "31/03/2015")},
        "ReferenceDate 31 March of its Year",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_refused_with_file_and_rule(tmp_path, name):
    how, said = REFUSED[name]
    with pytest.raises(DataError) as refusal:
        read_census(write(tmp_path, **how))
    assert said in str(refusal.value)


#: What is read, and the records and issues that are told of it.
NOTED = {
    "modules with names alone": (
        lambda name, text: text if name in ("Header", "ChildIdentifiers", "CINdetails")
        else text.splitlines()[0] + "\n",
        {"referrals": 3, "assessments": 0, "plans": 0}, ["missing_mandatory"],
    ),
    "a name of another kind": (
        each("PrimaryNeedCode", "Need"), {"referrals": 3}, ["absent_column", "unknown_column"],
    ),
    "identifiers that a spreadsheet rounded": (
        each("C2", "1.23E+11"), {"children": 1, "referrals": 2}, ["rounded_identifier"],
    ),
    "codes with their description": (
        each(",N1,", ",N1 Abuse,"), {"referrals": 3}, ["unknown_code"],
    ),
    "a number as a word": (each("NEG,2", "NEG,two"), {"plans": 1}, ["unparsable_number"]),
    "midnight of another zone": (
        each("2013-05-31", "2013-05-30T23:00:00Z"), {"assessments": 2}, ["unparsable_date"],
    ),
    "a word for nothing in disabilities": (each(",LD", ",N/A"), {"children": 2}, []),
    "a child born in the year, expected before": (
        each("C2,2008-02-03,", "C2,2013-06-01,2013-05-25"), {"children": 2}, [],
    ),
    "an unborn child": (each("C2,2008-02-03,", "C2,,2014-05-25"), {"children": 2}, []),
    "a plan after death": (
        lambda n, text: text.replace("GenderCurrent", "GenderCurrent,PersonDeathDate").replace(
            ",,1\n", ",,1,\n").replace(",,2\n", ",,2,2013-06-05\n")
        if n == "ChildIdentifiers" else text,
        {"plans": 1}, ["activity_after_death"],
    ),
    "a conference at the referral": (
        lambda n, text: {"Section47": "LAchildID,CINdetailsID,S47ActualStartDate,DateOfInitialCPC\n"
                         "C2,1,2013-06-03,\n",
                         "CINdetails": lines(lambda number, line: line + (
                             ("," if number < 3 else ",2013-06-10") if number
                             else ",DateOfInitialCPC"))(n, text)}.get(n, text),
        {"conferences": 1}, ["absent_column"],
    ),
    "three enquiries and one conference": (
        each("C2,1,2013-06-03,2013-06-10,0", "C2,1,2013-05-07,,1\nC2,1,2013-06-03,2013-06-10,0\n"
             "C2,1,2013-08-05,,0"),
        {"section47s": 3, "conferences": 1}, [],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NOTED)
def test_what_is_read_with_a_loss_says_so(tmp_path, name):
    change, counts, rules = NOTED[name]
    tables = read_census(write(tmp_path, change))
    result = validate_census(tables, data_cut=date(2014, 3, 31))
    assert {table: len(getattr(result.accepted, table)) for table in counts} == counts
    assert set(rules) <= set(result.issues["rule"])
    if "nothing in disabilities" in name:
        assert tables.children["disabled"].isna().tolist() == [False, True]


SUCCESSORS = {  # as DfE numbers and ONS codes: the council of 2013, or none
    **dict.fromkeys(("825", "E06000060", "E10000002"), "E10000002"),
    **dict.fromkeys(("940", "E06000061", "941", "E06000062"), "E10000021"),
    **dict.fromkeys(("942", "E06000063", "943", "E06000064"), "E10000006"),
    **dict.fromkeys(("815", "E06000065"), "E10000023"),
    **dict.fromkeys(("933", "E06000066"), "E10000027"),
    **dict.fromkeys(("E08000020", "E08000037"), "E08000020"),
    **dict.fromkeys(("E06000048", "E06000057"), "E06000048"),
    **dict.fromkeys(("838", "839", "E06000058", "E06000059", "E07000004"), ""),
}


@pytest.mark.parametrize("code", SUCCESSORS)
def test_councils_after_2013_are_those_of_2013_or_named(tmp_path, code):
    path = write(tmp_path, each(",330,", f",{code},", "Header"))
    if SUCCESSORS[code]:
        assert set(read_census(path).children["council_code"]) == {SUCCESSORS[code]}
    else:
        with pytest.raises(DataError, match="must name a council"):
            read_census(path)


def test_elements_under_other_names_are_refused_or_counted(tmp_path):
    path = tmp_path / "a.xml"
    path.write_text(XML.replace("AssessmentAuthorisationDate", "DateSignedOff"))
    with pytest.raises(DataError, match="AssessmentAuthorisationDate among them"):
        read_census(path)
    born = "<PersonBirthDate>2010-01-04</PersonBirthDate>"
    moved = XML.replace(born, "").replace("<ChildCharacteristics>", f"<ChildCharacteristics>{born}")
    path.write_text(moved)
    assert "unknown_element" in read_census(path).issues["rule"].tolist()
    path.write_text(XML)
    assert read_census(path).issues.empty
