"""Simulated records in every source give the records that were simulated."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest
from mess_examples import records, write

from pilot_eval.app.cli import main
from pilot_eval.errors import ParameterError
from pilot_eval.lab.simulate import simulate_census
from pilot_eval.lab.simulate_settings import SimulationSettings
from pilot_eval.lab.simulate_sources import redate_episodes, write_database, write_ssd_dataset
from pilot_eval.records.read import read_census
from pilot_eval.records.validation import validate_census
from pilot_eval.records.writers import write_census

YEARS = (2013, 2014)
COUNTED = {
    "referrals": ["child_id", "referral_date", "closure_date", "primary_need"],
    "assessments": ["child_id", "start_date", "end_date"],
    "plans": ["child_id", "plan_start_date", "plan_end_date", "latest_category"],
    "conferences": ["child_id", "icpc_date"],
}


@pytest.fixture(scope="module")
def simulated():
    """One council, the assessments that a dataset can hold."""
    settings = SimulationSettings(
        councils=("E10000006",), first_year=2013, last_year=2014, scale=0.05
    )
    tables, _ = simulate_census(settings, seed=5)
    single = tables.assessments["assessment_type"] == "single"
    return tables, replace(tables, assessments=tables.assessments[single])


def accepted(path) -> dict[str, list]:
    tables = validate_census(read_census([path]), data_cut="2014-03-31").accepted
    return {
        name: sorted(map(str, getattr(tables, name)[columns].astype("str").to_numpy().tolist()))
        for name, columns in COUNTED.items()
    }


def test_the_safeguarding_dataset_as_csv_and_in_a_database(simulated, tmp_path):
    whole, single = simulated
    with pytest.raises(ParameterError, match="single assessments alone"):
        write_ssd_dataset(whole, tmp_path / "none", YEARS)
    write_census(single, tmp_path / "returns", format="parquet", years=YEARS)
    returns = accepted(tmp_path / "returns")
    folder = write_ssd_dataset(single, tmp_path / "ssd", YEARS)
    dataset = accepted(folder)
    assert len(dataset["referrals"]) > 100
    assert dataset == returns
    broken = read_census([folder], rules=True).issues
    assert set(broken.loc[broken["severity"] == "error", "rule"]) <= {"8565", "8867"}
    pytest.importorskip("sqlalchemy", reason="the extra `sql` is not installed")
    write_database(folder, f"sqlite:///{tmp_path / 'ssd.db'}")
    assert accepted(f"sqlite:///{tmp_path / 'ssd.db'}") == dataset
    write_database(tmp_path / "returns", f"sqlite:///{tmp_path / 'returns.db'}")
    assert accepted(f"sqlite:///{tmp_path / 'returns.db'}") == returns


@pytest.mark.parametrize("form", ["xml", "csv"])
def test_of_returns_sent_again_the_last_counts(simulated, tmp_path, form):
    whole, _ = simulated
    fewer = replace(whole, reviews=whole.reviews.iloc[:0])
    write_census(whole, tmp_path / "once", format=form, years=YEARS)
    write_census(fewer, tmp_path / "again", format=form, years=YEARS)
    write_census(whole, tmp_path / "again", format=form, years=YEARS, serial=2)
    tables = read_census([tmp_path / "again"])
    assert len(tables.reviews) == len(read_census([tmp_path / "once"]).reviews)
    assert (tables.issues["rule"] == "resubmitted_return").sum() == len(YEARS)
    assert accepted(tmp_path / "again") == accepted(tmp_path / "once")


@pytest.mark.parametrize("share", [0.01, 0.05, 0.2])
def test_redated_episodes_are_counted_and_the_later_return_stands(simulated, tmp_path, share):
    whole, _ = simulated
    earlier, redated = redate_episodes(whole, YEARS[0], share=share, seed=1)
    write_census(earlier, tmp_path / "redated", format="csv", years=YEARS[:1])
    write_census(whole, tmp_path / "redated", format="csv", years=YEARS[1:])
    write_census(whole, tmp_path / "true", format="csv", years=YEARS)
    result = validate_census(read_census([tmp_path / "redated"]), data_cut="2014-03-31")
    found = result.issues.groupby(["rule", "table"]).size()
    assert found.get(("redated_in_later_return", "referrals"), 0) == redated
    assert ("not_in_later_return", "referrals") not in found
    assert redated or share < 0.05
    # What had ended by the end of the first year is in no later return, and is not lost.
    assert accepted(tmp_path / "redated") == accepted(tmp_path / "true")
    assert found.get(("moved_to_redated_episode", "assessments"), 0) == count_ended(earlier, whole)


def count_ended(earlier, whole) -> int:
    """Count in the tables themselves what had ended in the episodes that were re-dated."""
    changed = earlier.referrals["referral_date"] != whole.referrals["referral_date"]
    inside = whole.assessments.merge(
        whole.referrals.loc[changed, ["council_code", "child_id", "referral_id"]]
    )
    return int(inside["end_date"].between(f"{YEARS[0] - 1}-04-01", f"{YEARS[0]}-03-31").sum())


ASKED = ["--council", "E10000006", "--council", "E09000012", "--first-year", "2013"]
ASKED += ["--last-year", "2014", "--scale", "0.05", "--seed", "5"]


def simulated_by(folder, *more) -> dict[str, list]:
    assert main(["simulate", "--out", str(folder), *ASKED, *more]) == 0
    return accepted(folder)


def test_the_command_writes_every_source_and_what_later_returns_correct(tmp_path, capsys):
    whole = simulated_by(tmp_path / "plain")
    again = simulated_by(tmp_path / "again", "--resubmit", "--redated", "0.2", "--format", "csv")
    assert again == whole
    assert "8 returns of invented children" in capsys.readouterr().out
    issues = read_census([tmp_path / "again"]).issues["rule"]
    assert (issues == "resubmitted_return").sum() == 4
    result = validate_census(read_census([tmp_path / "again"]), data_cut="2014-03-31")
    assert (result.issues["rule"] == "redated_in_later_return").sum() > 0
    datasets = simulated_by(tmp_path / "ssd", "--source", "ssd")
    assert {name: datasets[name] for name in ("referrals", "plans", "conferences")} == {
        name: whole[name] for name in ("referrals", "plans", "conferences")
    }
    assert 0 < len(datasets["assessments"]) < len(whole["assessments"])
    pytest.importorskip("sqlalchemy", reason="the extra `sql` is not installed")
    assert main(["simulate", "--out", str(tmp_path / "base"), *ASKED, "--source", "database"]) == 0
    assert [path.name for path in (tmp_path / "base").iterdir()] == ["children.db"]
    assert accepted(f"sqlite:///{tmp_path / 'base' / 'children.db'}") == whole


@pytest.mark.parametrize(
    "asked",
    [
        ("--source", "ssd", "--resubmit"),
        ("--source", "database", "--resubmit"),
        ("--source", "ssd", "--redated", "0.1"),
        ("--redated", "1.5"),
        ("--redated", "0.1", "--first-year", "2014"),
    ],
)
def test_what_a_source_cannot_hold_is_refused(tmp_path, capsys, asked):
    assert main(["simulate", "--out", str(tmp_path / "o"), *ASKED, *asked]) == 2
    assert "Write returns" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


def test_tables_and_columns_that_a_mapping_names_are_read_from_a_database(tmp_path):
    pytest.importorskip("sqlalchemy", reason="the extra `sql` is not installed")
    folder = write(tmp_path)
    for file, old, new in (
        ("CINdetails", "CINclosureDate", "Date case closed"),
        ("CINdetails", "PrimaryNeedCode", "PrimaryNeedCode,Team"),
        ("CINdetails", ",N1,", ",N1,x,"),
        ("Section47", "S47ActualStartDate", "enquiry_begun"),
    ):
        path = folder / f"{file}.csv"
        path.write_text(path.read_text().replace(old, new))
    (folder / "Section47.csv").rename(folder / "Enquiries.csv")
    (tmp_path / "own.toml").write_text(
        '[returns]\nyears = [2014]\n[modules.referrals.fields]\nclosure_date = "Date case closed"\n'
        '[modules.section47s]\nelement = "Enquiries"\n'
        '[modules.section47s.fields]\ns47_start_date = "enquiry_begun"\n'
    )
    url, own = f"sqlite:///{tmp_path / 'own.db'}", tmp_path / "own.toml"
    write_database(folder, url)
    assert [len(records(url, mapping=own)[name]) for name in ("referrals", "section47s")] == [3, 1]
    for name, frame in records(folder, mapping=own).items():
        pd.testing.assert_frame_equal(records(url, mapping=own)[name], frame)
    issues = read_census(url, mapping=own).issues
    assert issues.loc[issues["rule"] == "unknown_column", "field"].tolist() == ["Team"]
