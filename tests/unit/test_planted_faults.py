"""Faults planted in simulated returns: read as meant, or lost and counted exactly."""

from __future__ import annotations

import csv
import shutil

import numpy as np
import pandas as pd
import pytest

from pilot_eval.app.census_command import run_census
from pilot_eval.lab.simulate import simulate_census
from pilot_eval.lab.simulate_settings import SimulationSettings
from pilot_eval.records.mapping import EXAMPLE_MAPPING
from pilot_eval.records.read import read_census
from pilot_eval.records.schema import frames_of
from pilot_eval.records.writers import write_census

SHARES = (0.01, 0.05, 0.2)
UK_DATES = '[dates]\nformat = "%d/%m/%Y"\n'
DATES = ("CINreferralDate", "CINclosureDate", "AssessmentAuthorisationDate", "CPPstartDate")


@pytest.fixture(scope="module")
def returns(tmp_path_factory):
    """Write the return of one council for one year, as CSV."""
    settings = SimulationSettings(
        councils=("E08000020",), first_year=2014, last_year=2014, scale=0.15
    )
    folder = tmp_path_factory.mktemp("clean")
    write_census(simulate_census(settings, seed=4)[0], folder, format="csv", years=[2014])
    return next(path for path in folder.iterdir() if path.is_dir())


@pytest.fixture(scope="module")
def clean_run(returns, tmp_path_factory):
    return _count(returns, tmp_path_factory.mktemp("run") / "out")


def _count(folder, out):
    """Run a return; give what became of the records of each table, and why some were set aside."""
    run_census([folder], data_cut="2014-03-31", out=out, jobs=1, tell=str)
    summary = pd.read_csv(out / "summary.csv").set_index("table")
    return summary, pd.read_csv(out / "set_aside.csv").set_index(["table", "rule"])["records"]


def _plant(source, target, columns, share, change):
    """Change a share of the values in some columns; give the number changed in each."""
    shutil.copytree(source, target)
    rng, changed = np.random.default_rng(5), {}
    for path in sorted(target.glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
        for column in columns:
            given = [row for row in rows if row.get(column)]
            if not given:
                continue
            chosen = rng.permutation(len(given))[: max(1, round(share * len(given)))]
            for number in chosen:
                given[number][column] = change(given[number][column])
            changed[path.stem, column] = len(chosen)
        if rows:
            with path.open("w", encoding="utf-8", newline="") as stream:
                writer = csv.DictWriter(stream, rows[0])
                writer.writeheader()
                writer.writerows(rows)
    assert changed
    return changed


def _uk(text):
    return "/".join(reversed(text.split("-")))


REPAIRED = {
    "midnight times": (DATES, lambda text: f"{text} 00:00:00", ""),
    "zones": (DATES, lambda text: f"{text}Z", ""),
    "dates of the day first": (DATES, _uk, UK_DATES),
    "numbers of a spreadsheet": (("NumberOfPreviousCPP",), lambda text: f"{text}.0", ""),
    "codes in lower case": (("PrimaryNeedCode", "Ethnicity", "ReasonForClosure"), str.lower, ""),
    "answers in words": (("ReferralNFA",), lambda text: "Y" if text == "1" else "N", ""),
    "blanks": (("LAchildID", "PrimaryNeedCode"), lambda text: f" {text} ", ""),
}


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("fault", REPAIRED)
def test_what_is_only_written_otherwise_gives_the_clean_tables(fault, share, returns, tmp_path):
    columns, change, words = REPAIRED[fault]
    _plant(returns, tmp_path / returns.name, columns, share, change)
    mapping = tmp_path / "own.toml"
    mapping.write_text(EXAMPLE_MAPPING.read_text(encoding="utf-8") + words, encoding="utf-8")
    clean, planted = read_census(returns), read_census(tmp_path / returns.name, mapping=mapping)
    for name, frame in frames_of(clean).items():
        pd.testing.assert_frame_equal(frame, frames_of(planted)[name])
    assert len(clean.issues) == len(planted.issues)


LOST = {
    # fault: module, column, new value, table, rule
    "no date": ("CINdetails", "CINreferralDate", "31/02/2013", "referrals", "unparsable_date"),
    "impossible end": (
        *("Assessments", "AssessmentAuthorisationDate", "1990-01-01"),
        *("assessments", "end_before_start"),
    ),
    "date gone": ("CINdetails", "CINreferralDate", "NULL", "referrals", "missing_date"),
}


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("fault", LOST)
def test_what_is_lost_is_stated_exactly(fault, share, returns, clean_run, tmp_path):
    module, column, value, table, rule = LOST[fault]
    counts = _plant(returns, tmp_path / returns.name, (column,), share, lambda _: value)
    summary, reasons = _count(tmp_path / returns.name, tmp_path / "out")
    before, after = clean_run[0].loc[table], summary.loc[table]
    assert after["set_aside"] - before["set_aside"] == counts[module, column]
    assert after["records"] == before["records"]
    assert reasons[table, rule] == counts[module, column]
