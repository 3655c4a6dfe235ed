"""The simulator's committed constants are what their script derives from the published tables."""

from __future__ import annotations

import os
import runpy
import tomllib
from pathlib import Path

import pytest

from pilot_eval.published.council_indicators import load_published

ROOT = Path(__file__).resolve().parents[2]
COMMITTED = ROOT / "src" / "pilot_eval" / "lab"
SOURCE = Path(os.environ.get("PILOT_EVAL_SOURCE_DATA", ROOT.parent / "shared" / "data"))
DERIVE = runpy.run_path(str(ROOT / "tools" / "derive_calibration.py"))

needs_sources = pytest.mark.skipif(
    not (SOURCE / DERIVE["MONTHS_FILE"]).is_file(),
    reason="DfE's referrals by month are not part of the project: set PILOT_EVAL_SOURCE_DATA",
)


@pytest.fixture(scope="module")
def constants():
    return tomllib.loads((COMMITTED / "calibration.toml").read_text(encoding="utf-8"))


def test_stages_follow_the_published_table(constants):
    table = load_published()
    england = table[table["council_code"] == DERIVE["ENGLAND"]]
    for stage in DERIVE["STAGES"]:
        growth = DERIVE["stage_growth"](england, stage)
        committed = constants[f"years_{stage}"]
        assert {year: committed[str(year)] for year in growth} == growth


@needs_sources
def test_months_follow_the_published_table(constants):
    derived = DERIVE["month_shares"](SOURCE)
    assert {int(month): share for month, share in constants["months"].items()} == derived


@needs_sources
@pytest.mark.slow
def test_every_constant_is_derived_again(tmp_path):
    """All fits again: two minutes."""
    DERIVE["main"](SOURCE, tmp_path)
    for name in ("calibration.toml", "calibration_councils.csv"):
        assert (tmp_path / name).read_bytes() == (COMMITTED / name).read_bytes(), name
