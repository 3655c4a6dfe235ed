"""Each published rule passes one row and finds the other; a clean return breaks none.

The cases are rows of `published_rule_cases.csv`: changes of one clean child, as
``Module[n].Field=value``; the year is that of the return.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from openpyxl import load_workbook
from project_folder import ROOT

from pilot_eval.errors import DataError
from pilot_eval.lab.simulate import simulate_census
from pilot_eval.lab.simulate_settings import Recording, SimulationSettings
from pilot_eval.records.issues import RULE_SEVERITIES
from pilot_eval.records.names import ASSESSMENT_LINK, STANDARD
from pilot_eval.records.published_rules import (
    load_published_rules,
    rules_of,
)
from pilot_eval.records.read import read_census
from pilot_eval.records.validation import validate_census
from pilot_eval.records.writers import write_census
from pilot_eval.reporting.rules_workbook import count_broken_rules, write_rules_workbook

CASES = list(
    csv.DictReader(
        Path(__file__).with_name("published_rule_cases.csv").read_text("utf-8").splitlines()
    )
)
#: Council-level rules that a single child cannot but break.
OF_MANY = {"2887Q", "2888Q"}
REPEATED = {"Disabilities": "Disability", "FactorsIdentifiedAtAssessment": "AssessmentFactors"}
#: Module -> the module that holds it, and what its one record says.
CLEAN = {
    "ChildIdentifiers": (
        "Child",
        "LAchildID=A1 UPN=J201200000001 PersonBirthDate=2012-05-05 GenderCurrent=1 Sex=M",
    ),
    "ChildCharacteristics": ("Child", "Ethnicity=WBRI"),
    "Disabilities": ("ChildCharacteristics", "Disability=MOB"),
    "CINdetails": (
        "Child",
        "CINreferralDate=2022-05-03 ReferralSource=1A PrimaryNeedCode=N1 ReferralNFA=false",
    ),
    "Assessments": (
        "CINdetails",
        "AssessmentActualStartDate=2022-05-04 AssessmentAuthorisationDate=2022-06-01",
    ),
    "FactorsIdentifiedAtAssessment": ("Assessments", "AssessmentFactors=1A"),
    "CINPlanDates": ("CINdetails", "CINPlanStartDate=2022-05-04 CINPlanEndDate=2022-06-17"),
    "Section47": (
        "CINdetails",
        "S47ActualStartDate=2022-06-06 InitialCPCtarget=2022-06-24 DateOfInitialCPC=2022-06-20 "
        "ICPCnotRequired=false",
    ),
    "ChildProtectionPlans": (
        "CINdetails",
        "CPPstartDate=2022-06-20 InitialCategoryOfAbuse=NEG LatestCategoryOfAbuse=NEG "
        "NumberOfPreviousCPP=0",
    ),
    "Reviews": ("ChildProtectionPlans", "CPPreviewDate=2022-09-14"),
}
Records = dict[str, list[dict[str, str]]]


def clean_records() -> Records:
    return {
        module: [dict(pair.split("=") for pair in said.split())]
        for module, (_, said) in CLEAN.items()
    }


def changed(changes: str) -> tuple[Records, dict[str, str], dict[str, str]]:
    """Change the clean child; return its records, the header's changes and a second child."""
    records, header, second = clean_records(), {}, {}
    for change in filter(None, changes.split(";")):
        where, _, value = change.partition("=")
        module, number, field = re.fullmatch(r"(\w+)(?:\[(\d)\])?\.?(\w*)", where).groups()
        if module in ("Header", "Child"):
            (header if module == "Header" else second)[field] = value
        elif value == "none":
            records[module] = []
        else:
            rows = records[module]
            if int(number or 0) == len(rows):
                rows.append({})
            rows[int(number or 0)][field] = value
    return records, header, second


def write(path: Path, year: int, changes: str) -> Path:
    records, header, second = changed(changes)
    day = header.get("ReferenceDate", f"{year}-03-31")
    dated = f"<ReferenceDate>{day}</ReferenceDate>" if day else ""
    first = "".join(_elements(records, "Child", 0))
    others = clean_records() | {"CINdetails": []}
    others["ChildIdentifiers"][0] |= {"LAchildID": "B1", "UPN": "", **second}
    other = f"<Child>{''.join(_elements(others, 'Child', 0))}</Child>" if second else ""
    path.write_text(
        f"<Message><Header><CollectionDetails><Collection>CIN</Collection><Year>{year}</Year>"
        f"{dated}</CollectionDetails><Source><LEA>204</LEA></Source></Header>"
        f"<Children><Child>{first}</Child>{other}</Children></Message>"
    )
    return path


def _elements(records: Records, parent: str, number: int) -> Iterator[str]:
    """Write the modules of one record; further records of a module hold nothing."""
    for module, (holder, _) in CLEAN.items():
        if holder != parent or number:
            continue
        for place, fields in enumerate(records.get(module, [])):
            repeated = REPEATED.get(module)
            values = [(repeated, one) for one in fields[repeated].split()] if repeated else None
            inner = "".join(f"<{tag}>{v}</{tag}>" for tag, v in values or fields.items() if v)
            yield f"<{module}>{inner}{''.join(_elements(records, module, place))}</{module}>"


def broken(path: Path, year: int, changes: str) -> set[str]:
    issues = read_census([write(path / "return.xml", year, changes)], rules=True).issues
    return set(issues.loc[issues["severity"].isin(RULE_SEVERITIES), "rule"])


@pytest.mark.parametrize("case", CASES, ids=[f"{case['number']}-{case['year']}" for case in CASES])
def test_a_rule_passes_one_row_and_finds_the_other(case, tmp_path):
    number, year = case["number"], int(case["year"])
    moved = f"{case['passes']};"
    assert number not in broken(tmp_path, year, moved)
    assert number in broken(tmp_path, year, case["breaks"])


def test_every_form_of_every_rule_has_its_two_rows():
    asked = {
        (rule.number, rule.year_from)
        for case in CASES
        for rule in rules_of(int(case["year"]))
        if rule.number == case["number"]
    }
    assert asked == {(rule.number, rule.year_from) for rule in load_published_rules()}
    assert len({number for number, _ in asked}) >= 100


def test_a_clean_return_breaks_no_rule(tmp_path):
    assert broken(tmp_path, 2023, "") == OF_MANY


def test_a_rule_about_a_column_that_is_not_there_is_not_asked(tmp_path):
    """A folder without pupil numbers, factors or plans breaks no rule about them."""
    folder = tmp_path / "2023"
    folder.mkdir()
    (folder / "Header.csv").write_text("Collection,Year,LEA\nCIN,2023,204\n")
    links = {"LAchildID": "A1", "CINdetailsID": "1", "CPPID": "1"}
    for module in STANDARD.values():
        names = {**links, **dict.fromkeys(module.fields, "")}
        row = names | clean_records()[module.element][0] | links
        pd.DataFrame([row]).to_csv(folder / f"{module.element}.csv", index=False)
    issues = read_census([folder], rules=True).issues
    found = set(issues.loc[issues["severity"].isin(RULE_SEVERITIES), "rule"])
    assert found == OF_MANY | {"100"}
    factors = {"LAchildID": "A1", "CINdetailsID": "1", ASSESSMENT_LINK: "7"}
    assessments = pd.read_csv(folder / "Assessments.csv").assign(**{ASSESSMENT_LINK: 7})
    assessments.to_csv(folder / "Assessments.csv", index=False)
    pd.DataFrame([factors | {"AssessmentFactors": code} for code in ("21", "1A")]).to_csv(
        folder / "FactorsIdentifiedAtAssessment.csv", index=False
    )
    issues = read_census([folder], rules=True).issues
    assert "8869" in set(issues["rule"])


def test_a_council_is_sent_what_where_and_how_often_and_no_value(tmp_path):
    changes = (
        "Assessments.AssessmentAuthorisationDate=2022-05-03;ChildIdentifiers.UPN=A201200000001"
    )
    path = write(tmp_path / "return.xml", 2023, changes)
    issues = read_census([path], rules=True).issues
    counts = count_broken_rules(issues).set_index("rule")
    assert counts.loc["8608", ["kind", "modules", "return", "records"]].tolist() == [
        "error",
        "Assessments",
        "return.xml",
        1,
    ]
    assert counts.index.tolist() == ["1510", "2887Q", "2888Q", "8608"]
    book = load_workbook(write_rules_workbook(tmp_path / "a.xlsx", issues, council="Hackney"))
    where = [[cell.value for cell in row] for row in book["Where"].rows]
    assert ["8608", "return.xml", "Assessments", "AssessmentAuthorisationDate", 1] in where
    assert ["1510", "return.xml", "ChildIdentifiers", "UPN", 1] in where
    cells = [str(cell.value) for sheet in book for row in sheet.rows for cell in row]
    assert not [text for text in cells if "2022-05-03" in text or "A20120000" in text]


def test_the_page_lists_every_rule():
    page = (ROOT / "docs" / "published-rules.md").read_text(encoding="utf-8")
    listed = [
        line.split(" | ")
        for line in page.splitlines()
        if re.match(r"\| \d+Q? \| (error|query)", line)
    ]
    assert [row[0].removeprefix("| ") for row in listed] == [
        r.number for r in load_published_rules()
    ]
    assert [row[-1].removesuffix(" |") for row in listed] == [
        rule.explanation for rule in load_published_rules()
    ]


@pytest.mark.parametrize("form", ["xml", "csv"])
def test_simulated_returns_break_no_rule_of_kind_error(form, tmp_path):
    """Three years and both kinds of assessment, deaths, unborn children and episodes of years."""
    settings = SimulationSettings(
        councils=("E10000006",),
        first_year=2012,
        last_year=2014,
        scale=0.1,
        recording=Recording(late=0, missing=0),
    )
    tables, _ = simulate_census(settings, seed=3)
    write_census(tables, tmp_path, format=form, years=range(2012, 2015))
    read = read_census(tmp_path, rules=True)
    assert len(read.plans) > 100
    assert set(read.issues.loc[read.issues["severity"] == "error", "rule"]) == set()
    assert "plan_without_icpc" not in set(validate_census(read).issues["rule"])


SHARED = Path(os.environ.get("PILOT_EVAL_SHARED", ROOT.parent / "shared"))
SAMPLES = SHARED / "cases" / "public_samples"


def test_the_public_samples_are_read_or_refused_by_field():
    """Nine samples of the open validator and one of liia-tools, as the page lists them."""
    if not SAMPLES.is_dir():
        pytest.skip("the public sample files are not here; they are fetched, not kept")
    page = (ROOT / "docs" / "published-rules.md").read_text(encoding="utf-8")
    fates = dict.fromkeys(path.name for path in SAMPLES.glob("*.xml"))
    for line in page.splitlines():
        names, _, fate = line.removeprefix("| ").partition(" | ")
        fates |= {name: fate for name in fates if f"`{name}`" in names}
    for name, fate in fates.items():
        wanted = re.search(r"`(\w+)`", fate)
        try:
            found = read_census([SAMPLES / name], rules=True).issues
            broken = found[found["severity"].isin(RULE_SEVERITIES)]
            said = f"{broken['rule'].nunique()} rules broken in {len(broken)} places"
        except DataError as refused:
            said = str(refused)
        assert (wanted[1] in said) if fate.startswith("refused") else (said in fate)
