"""Faults of real exports, planted in 1, 5 and 20% of a small nation's records.

What can be read is read as it was meant: the tables are those of the clean returns. What cannot is
counted exactly, against a count of the planted files themselves; and returns that a mapping
repairs give the clean panel.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pilot_eval.app.census_losses import measure_losses
from pilot_eval.app.census_parts import PartResult
from pilot_eval.lab.simulate import simulate_census
from pilot_eval.lab.simulate_settings import SimulationSettings
from pilot_eval.records.census_panel import PanelSettings, build_census_panel
from pilot_eval.records.mapping import EXAMPLE_MAPPING
from pilot_eval.records.read import read_census
from pilot_eval.records.schema import CensusTables, frames_of
from pilot_eval.records.validation import ValidationResult, validate_census
from pilot_eval.records.writers import write_census
from pilot_eval.reporting.rules_workbook import count_broken_rules

COUNCILS = ("E09000012", "E08000020", "E10000017")
YEAR, CUT = 2014, date(2014, 3, 31)
RATES = (0.01, 0.05, 0.2)
LINKS = ["LAchildID", "CINdetailsID"]
TABLES = {"Section47": "section47s", "ChildProtectionPlans": "plans"}


@pytest.fixture(scope="module")
def clean(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("nation") / "clean"
    settings = SimulationSettings(councils=COUNCILS, first_year=YEAR, last_year=YEAR, scale=0.15)
    tables, _ = simulate_census(settings, seed=11)
    write_census(tables, folder, format="csv", years=[YEAR])
    return folder


@pytest.fixture(scope="module")
def meant(clean) -> ValidationResult:
    return read(clean)


def read(folder: Path, **how: object) -> ValidationResult:
    tables = read_census([path for path in folder.iterdir() if path.is_dir()], **how)
    return validate_census(tables, data_cut=CUT)


def content(tables: CensusTables) -> dict[str, list]:
    return {
        name: frame.astype("str").to_numpy().tolist() for name, frame in frames_of(tables).items()
    }


def plant(
    clean: Path, folder: Path, module: str, column: str, rate: float, spoil: Callable[[str], str]
) -> dict[str, pd.DataFrame]:
    """Spoil a share of the fields that hold something; return each return's rows that were."""
    shutil.copytree(clean, folder)
    rng, planted = np.random.default_rng(5), {}
    for path in sorted(folder.rglob(f"{module}.csv")):
        frame = pd.read_csv(path, dtype="str", keep_default_na=False)
        chosen = (frame[column] != "") & (rng.random(len(frame)) < rate)
        planted[path.parent.name] = frame[chosen]
        frame.loc[chosen, column] = frame.loc[chosen, column].map(spoil)
        frame.to_csv(path, index=False)
    assert sum(map(len, planted.values())) > 0
    return planted


def british(day: str) -> str:
    return "/".join(reversed(day.split("-")))


#: What is planted where, and read as it was meant.
READ = {
    "midnight": ("CINdetails", "CINreferralDate", lambda day: f"{day} 00:00:00"),
    "zone": ("Assessments", "AssessmentAuthorisationDate", lambda day: f"{day}Z"),
    "float": ("ChildProtectionPlans", "NumberOfPreviousCPP", lambda number: f"{number}.0"),
    "lower case": ("CINdetails", "PrimaryNeedCode", str.lower),
    "letters": (
        "CINdetails",
        "ReferralNFA",
        lambda flag: {"1": "Y", "0": "N", "true": "Y", "false": "N"}[flag],
    ),
    "blanks": ("ChildIdentifiers", "LAchildID", lambda text: f" {text} "),
    "summer time": (
        "Assessments",
        "AssessmentAuthorisationDate",
        lambda day: f"{day}T00:00:00.000+01:00",
    ),
    "no leading noughts": ("Section47", "S47ActualStartDate", lambda day: day.replace("-0", "-")),
}


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("fault", READ)
def test_what_can_be_read_is_read_as_it_was_meant(clean, meant, tmp_path, fault, rate):
    module, column, spoil = READ[fault]
    plant(clean, tmp_path / "mess", module, column, rate, spoil)
    found = read(tmp_path / "mess")
    assert content(found.accepted) == content(meant.accepted)


@pytest.mark.parametrize("rate", RATES)
def test_words_for_nothing_stand_for_nothing(clean, meant, tmp_path, rate):
    """An empty field becomes a word in a share of the rows."""
    folder = tmp_path / "mess"
    shutil.copytree(clean, folder)
    rng = np.random.default_rng(6)
    for path in sorted(folder.rglob("CINdetails.csv")):
        frame = pd.read_csv(path, dtype="str", keep_default_na=False)
        empty = (frame["CINclosureDate"] == "") & (rng.random(len(frame)) < rate)
        words = rng.choice(["NULL", "NA", "N/A", "(null)", "None", "-"], len(frame))
        frame["CINclosureDate"] = frame["CINclosureDate"].mask(empty, words)
        frame.to_csv(path, index=False)
    assert content(read(folder).accepted) == content(meant.accepted)


@dataclass(frozen=True)
class Lossy:
    """A fault that loses records: where it is planted, and the rule that counts it."""

    module: str
    column: str
    spoil: Callable[[str], str]
    table: str
    rule: str


LOST = {
    "british referral": Lossy(
        "CINdetails", "CINreferralDate", british, "referrals", "unparsable_date"
    ),
    "british assessment": Lossy(
        "Assessments", "AssessmentActualStartDate", british, "assessments", "unparsable_date"
    ),
    "no such day": Lossy(
        "Section47", "S47ActualStartDate", lambda day: f"{day[:4]}-02-30", "section47s",
        "unparsable_date",
    ),
    "year 1900": Lossy(
        "ChildProtectionPlans", "CPPstartDate", lambda day: f"1900{day[4:]}", "plans",
        "date_out_of_range",
    ),
    "rounded identifier": Lossy(
        "Assessments", "LAchildID", lambda _: "1.23E+11", "assessments", "rounded_identifier"
    ),
    "time of day": Lossy(
        "Assessments", "AssessmentAuthorisationDate", lambda day: f"{day}T09:30:00", "assessments",
        "unparsable_date",
    ),
}  # fmt: skip


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("fault", LOST)
def test_what_is_lost_is_counted_exactly(clean, meant, tmp_path, fault, rate):
    lossy = LOST[fault]
    folder = tmp_path / "mess"
    planted = plant(clean, folder, lossy.module, lossy.column, rate, lossy.spoil)
    found = read(folder)
    counts = found.set_aside.groupby(["table", "rule"])["records"].sum()
    assert counts[lossy.table, lossy.rule] == sum(map(len, planted.values()))
    issues = found.issues.query("table == @lossy.table and rule == @lossy.rule")
    assert issues.groupby("source_file").size().to_dict() == {
        name: len(rows) for name, rows in planted.items() if len(rows)
    }
    if lossy.table == "referrals":  # what belongs to a lost referral, counted in the files
        for table, inside in _count_inside(folder, planted).items():
            assert counts.get((table, "referral_set_aside"), 0) == inside
    before = meant.summary.set_index(["council_code", "table"])["accepted"]
    lost = before - found.summary.set_index(["council_code", "table"])["accepted"]
    assert (lost >= 0).all()
    gone = {(name, row + 1) for name, rows in planted.items() for row in rows.index}
    anyway = meant.issues.query("table == @lossy.table and severity == 'fatal'")
    anyway = gone & {*zip(anyway["source_file"], anyway["source_row"], strict=True)}
    if lossy.table != "referrals":
        assert lost.xs(lossy.table, level="table").sum() == len(gone - anyway)
    _check_shares(found, planted if lossy.table == "referrals" else {})


def _count_inside(folder: Path, planted: dict[str, pd.DataFrame]) -> dict[str, int]:
    """Count in the files what lies inside the spoilt referrals."""
    counts = dict.fromkeys(("assessments", "section47s", "plans"), 0)
    for name, rows in planted.items():
        for path in (folder / name).glob("*.csv"):
            frame = pd.read_csv(path, dtype="str", keep_default_na=False)
            if path.stem in ("CINdetails", "Reviews") or "CINdetailsID" not in frame:
                continue
            inside = len(frame.merge(rows[LINKS].drop_duplicates(), on=LINKS))
            counts[TABLES.get(path.stem, "assessments")] += inside
    return counts


def _check_shares(found: ValidationResult, planted: dict[str, pd.DataFrame]) -> None:
    """The share lost, said for each council, is that of its planted referrals."""
    part = PartResult(
        councils=COUNCILS,
        strand="simulated",
        issues=found.issues,
        summary=found.summary,
        set_aside=found.set_aside,
        panel=pd.DataFrame(),
        changes=None,
    )
    losses = measure_losses([part], {}).set_index("council_code")
    code_of = found.issues.drop_duplicates("source_file").set_index("source_file")["council_code"]
    for name, rows in planted.items():
        if len(rows):
            own = losses.loc[code_of[name]]
            assert own["share_lost"] == len(rows) / own["referrals_records"]


@pytest.mark.parametrize("rate", RATES)
def test_a_mapping_repairs_dates_and_codes(clean, meant, tmp_path, rate):
    """Own dates and codes in a share of the rows, repaired, give the clean panel."""
    folder = tmp_path / "mess"
    plant(clean, folder, "CINdetails", "CINreferralDate", rate, british)
    again = tmp_path / "again"
    plant(folder, again, "CINdetails", "PrimaryNeedCode", rate, lambda code: f"Need {code}")
    lines = [f'"Need N{number}" = "N{number}"' for number in range(10)]
    mapping = tmp_path / "own.toml"
    mapping.write_text(
        EXAMPLE_MAPPING.read_text(encoding="utf-8")
        + '\n[dates]\nformat = "%d/%m/%Y"\n[values.primary_need]\n'
        + "\n".join(lines)
    )
    found = read(again, mapping=mapping)
    assert content(found.accepted) == content(meant.accepted)
    settings = PanelSettings(frequency="month", first_day=date(2013, 4, 1), data_cut=CUT)
    one, other = (build_census_panel(r.accepted, settings).panel for r in (found, meant))
    pd.testing.assert_frame_equal(one, other)


#: What breaks one of DfE's published rules in every record where it is planted.
BROKEN = {
    "8640": ("CINdetails", "ReasonForClosure", lambda _: "RC99"),
    "8568": ("CINdetails", "ReferralNFA", lambda _: "maybe"),
    "8910": ("ChildProtectionPlans", "LatestCategoryOfAbuse", lambda _: "XXX"),
    "8520": ("ChildIdentifiers", "PersonBirthDate", lambda day: f"2030{day[4:]}"),
    "8600": ("CINdetails", "CINreferralDate", lambda day: f"2030{day[4:]}"),
}


@pytest.fixture(scope="module")
def before(clean) -> pd.DataFrame:
    return count_rules(clean)


def count_rules(folder: Path) -> pd.DataFrame:
    issues = read_census([path for path in folder.iterdir() if path.is_dir()], rules=True).issues
    return count_broken_rules(issues).set_index(["rule", "return"])["records"]


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("rule", BROKEN)
def test_a_published_rule_finds_what_was_planted_and_no_more(clean, before, tmp_path, rule, rate):
    module, column, spoil = BROKEN[rule]
    planted = plant(clean, tmp_path / "mess", module, column, rate, spoil)
    assert rule not in before.index.get_level_values("rule")
    found = count_rules(tmp_path / "mess").xs(rule).to_dict()
    assert found == {name: len(rows) for name, rows in planted.items() if len(rows)}
