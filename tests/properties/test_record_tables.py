"""Tables of children's records: order, index, dtype and other columns are no facts."""

from __future__ import annotations

from datetime import date
from functools import cache

import numpy as np
import pandas as pd
import pytest
from laws import same
from subjects import flatten

from pilot_eval.errors import PilotEvalError
from pilot_eval.estimation.census_changes import CensusSettings, compute_changes
from pilot_eval.estimation.survival import Window
from pilot_eval.lab.simulate import simulate_census
from pilot_eval.lab.simulate_settings import SimulationSettings
from pilot_eval.records.schema import SCHEMA, build_tables
from pilot_eval.reference.facts import council_names

SETTINGS = CensusSettings(
    pre=(Window(first=date(2010, 4, 1), last=date(2011, 2, 28)),),
    post=(Window(first=date(2011, 4, 1), last=date(2012, 2, 29)),),
    first_day=date(2009, 4, 1),
    data_cut=date(2012, 3, 31),
)


@cache
def _frames() -> dict[str, pd.DataFrame]:
    codes = tuple(sorted(council_names()))[-12:-8]
    settings = SimulationSettings(councils=codes, first_year=2010, last_year=2012, scale=0.1)
    tables, _ = simulate_census(settings, seed=3)
    return {name: getattr(tables, name) for name in SCHEMA}


def _answer(frames: dict[str, pd.DataFrame]) -> dict[str, np.ndarray]:
    tables = build_tables(frames, strand="simulated", source="a law")
    outcomes, distributions = compute_changes(tables, SETTINGS)
    return dict(flatten({"outcomes": outcomes, "distributions": distributions}))


@cache
def _base() -> dict[str, np.ndarray]:
    return _answer(_frames())


def _permuted(frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    frame = frame.iloc[rng.permutation(len(frame))]
    return frame[list(rng.permutation(frame.columns))]


def _indexed(frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    return frame.set_axis(pd.Index(rng.integers(0, 9, len(frame))), axis=0)


def _retyped(frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    text = [name for name in frame if frame[name].dtype.kind not in "ifbMm"]
    kinds = {name: str(rng.choice(["object", "category", "string"])) for name in text}
    days = {name: "object" for name in frame if frame[name].dtype.kind == "M"}
    return frame.astype(kinds | days)


SAME = {
    "rows and columns in another order": _permuted,
    "an index that repeats": _indexed,
    "other dtypes": _retyped,
    "columns of the council's own": lambda frame, rng: frame.assign(
        own=rng.normal(size=len(frame))
    ),
}


@pytest.mark.parametrize("how", SAME)
def test_the_same_records_written_in_another_way_give_the_same_changes(how):
    rng = np.random.default_rng(1)
    frames = {name: SAME[how](frame, rng) for name, frame in _frames().items()}
    assert any(np.isfinite(value).any() for value in _base().values())
    same(_base(), _answer(frames))


@pytest.mark.parametrize("odd", [3, "soon", [1], 1 + 2j])
def test_what_is_no_day_is_refused(odd):
    frame = _frames()["referrals"].astype({"referral_date": object})
    frame["referral_date"] = pd.Series([odd, *frame["referral_date"].tolist()[1:]], dtype=object)
    with pytest.raises(PilotEvalError):
        _answer(_frames() | {"referrals": frame})
