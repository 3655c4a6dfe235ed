"""Simulated records in every source give the records that were simulated."""

from __future__ import annotations

from dataclasses import replace

import pytest

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
