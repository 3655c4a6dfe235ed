"""Estimates from returns with planted faults, repaired by a mapping, are those from clean ones."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pilot_eval.app.census_command import CensusRun, run_census
from pilot_eval.lab.simulate import simulate_census
from pilot_eval.lab.simulate_settings import SimulationSettings
from pilot_eval.records.mapping import EXAMPLE_MAPPING
from pilot_eval.records.writers import write_census

pytestmark = pytest.mark.long  # five whole evaluations
FREED = ("E10000006", "E08000011", "E09000033", "E09000012")
OTHERS = ("E08000020", "E10000017", "E08000019", "E08000003", "E08000005", "E08000007")
YEARS = range(2010, 2014)


def british(day: str) -> str:
    return "/".join(reversed(day.split("-")))


#: Column -> how a share of its fields is written otherwise; the mapping says what that means.
SPOILT = {
    "CINreferralDate": british,
    "CINclosureDate": british,
    "InventedInitialEnd": british,
    "InventedCoreStart": british,
    "CPPstartDate": british,
    "S47ActualStartDate": lambda day: f"{day}T00:00:00Z",
    "PrimaryNeedCode": lambda code: f"Need {code}",
    "NumberOfPreviousCPP": lambda number: f"{number}.0",
    "ReferralNFA": {"1": "Y", "0": "N", "true": "yes", "false": "No"}.get,
    "DateOfInitialCPC": lambda day: f" {day} 00:00:00 ",
}
EMPTY = {"CINclosureDate": "not yet", "InventedInitialEnd": "NA", "CPPendDate": "(null)"}
MORE = '\n[dates]\nformat = "%d/%m/%Y"\n[nothing]\nwords = ["not yet"]\n[values.primary_need]\n'


def write_returns(folder: Path, **councils: tuple[str, ...]) -> Path:
    """Simulate the returns of some councils, or of all of them."""
    settings = SimulationSettings(first_year=2010, last_year=2013, scale=0.03, **councils)
    tables, _ = simulate_census(settings, seed=7)
    write_census(tables, folder, format="csv", years=YEARS)
    return folder


@pytest.fixture(scope="module")
def returns(tmp_path_factory) -> Path:
    return write_returns(tmp_path_factory.mktemp("some") / "clean", councils=FREED + OTHERS)


def evaluate(folder: Path, out: Path, mapping: Path | None = None, jobs: int = 1) -> CensusRun:
    given = [path for path in folder.iterdir() if path.is_dir()]
    return run_census(
        given, data_cut="2013-03-31", out=out, mapping_file=mapping, jobs=jobs, tell=str
    )


def write_mapping(folder: Path) -> Path:
    """Write a mapping that says what the spoilt fields mean."""
    mapping = folder / "own.toml"
    codes = "\n".join(f'"Need N{number}" = "N{number}"' for number in range(10))
    mapping.write_text(EXAMPLE_MAPPING.read_text(encoding="utf-8") + MORE + codes)
    return mapping


def hold_equal(repaired: CensusRun, clean: CensusRun) -> None:
    """Compare what two runs wrote byte by byte, and what they say of losses."""
    for name in ("evidence.csv", "council_effects.csv", "panel.csv", "set_aside.csv"):
        before = (clean.folder / name).read_bytes()
        assert before.count(b"\n") > 5 or name == "set_aside.csv"
        assert (repaired.folder / name).read_bytes() == before
    pd.testing.assert_frame_equal(
        repaired.losses.drop(columns="words"), clean.losses.drop(columns="words")
    )


@pytest.fixture(scope="module")
def clean(returns, tmp_path_factory) -> CensusRun:
    return evaluate(returns, tmp_path_factory.mktemp("run") / "out")


def plant(clean: Path, folder: Path, rate: float) -> int:
    """Spoil a share of the fields of every column; count them."""
    shutil.copytree(clean, folder)
    rng, planted = np.random.default_rng(4), 0
    for path in sorted(folder.rglob("*.csv")):
        if path.parent == folder:
            continue
        frame = pd.read_csv(path, dtype="str", keep_default_na=False)
        for column in frame.columns.intersection(list({**SPOILT, **EMPTY})):
            filled = frame[column] != ""
            chosen = rng.random(len(frame)) < rate
            if column in SPOILT:
                frame.loc[chosen & filled, column] = frame.loc[chosen & filled, column].map(
                    SPOILT[column]
                )
            if column in EMPTY:
                frame.loc[chosen & ~filled, column] = EMPTY[column]
            planted += int((chosen & (filled if column in SPOILT else ~filled)).sum())
        frame.to_csv(path, index=False)
    return planted


@pytest.mark.parametrize(
    "rate",
    [pytest.param(0.01, marks=pytest.mark.slow), pytest.param(0.05, marks=pytest.mark.slow), 0.2],
)
def test_estimates_from_repaired_returns_are_those_from_clean_ones(returns, clean, tmp_path, rate):
    assert plant(returns, tmp_path / "mess", rate) > 100
    repaired = evaluate(tmp_path / "mess", tmp_path / "out", write_mapping(tmp_path))
    hold_equal(repaired, clean)


@pytest.mark.slow
def test_a_whole_nations_estimates_from_repaired_returns_are_those_from_clean_ones(tmp_path):
    nation = write_returns(tmp_path / "clean")
    assert plant(nation, tmp_path / "mess", 0.05) > 10_000
    clean = evaluate(nation, tmp_path / "first", jobs=2)
    assert len(clean.losses) > 140
    mapping = write_mapping(tmp_path)
    hold_equal(evaluate(tmp_path / "mess", tmp_path / "second", mapping, jobs=2), clean)


def test_without_the_mapping_the_estimates_move_and_every_council_says_why(
    returns, clean, tmp_path
):
    plant(returns, tmp_path / "mess", 0.2)
    spoilt = evaluate(tmp_path / "mess", tmp_path / "out")
    assert (spoilt.losses["share_lost"] > 0.1).all()
    assert spoilt.losses["words"].str.contains('format = "%d/%m/%Y"', regex=False).all()
    name = "council_effects.csv"
    assert (spoilt.folder / name).read_bytes() != (clean.folder / name).read_bytes()
