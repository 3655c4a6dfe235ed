"""Plant data-quality faults in simulated records, each at its rate, and say where they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pilot_eval.lab.simulate_settings import SimulationSettings

Frames = dict[str, pd.DataFrame]
Rows = NDArray[np.int64]

UNKNOWN_CODE = "X?"
# Faulty dates lie this many days away from where they should be.
NEAR, FAR = 1, 20


def plant_faults(
    frames: Frames, settings: SimulationSettings, rng: np.random.Generator
) -> tuple[Frames, pd.DataFrame]:
    """Spoil the chosen shares of rows.

    Parameters
    ----------
    frames : dict of str to DataFrame
        Clean tables; not changed.
    settings : SimulationSettings
        `faults` holds the rates, the data cut says which dates are impossible.
    rng : numpy.random.Generator

    Returns
    -------
    frames : dict of str to DataFrame
        New tables.
    faults : DataFrame
        fault, table, row (position in the new table), in the order of planting.
    """
    frames, planted = dict(frames), []
    rates = settings.faults
    for name, (table, concerned, spoil) in _FAULTS.items():
        rate = getattr(rates, name)
        if rate == 0:
            continue
        rows = concerned(frames)
        rows = rows[rng.random(len(rows)) < rate]
        rows = spoil(frames, rows, rng, np.datetime64(settings.cut, "s"))
        planted.append(pd.DataFrame({"fault": name, "table": table, "row": rows}))
    if not planted:
        empty = pd.DataFrame({"fault": [], "table": [], "row": []})
        return frames, empty.astype({"fault": "str", "table": "str", "row": "int64"})
    return frames, pd.concat(planted, ignore_index=True).astype({"row": "int64"})


def _all_of(table: str) -> Callable[[Frames], Rows]:
    return lambda frames: np.arange(len(frames[table]))


def _keys(frame: pd.DataFrame) -> pd.Series:
    """Name a referral across councils by one number."""
    result: pd.Series = (
        frame["council_code"].cat.codes.to_numpy(dtype=np.int64) * 10**9 + frame["referral_id"]
    )
    return result


def _some_days(rng: np.random.Generator, n: int) -> NDArray[np.timedelta64]:
    return (rng.integers(NEAR, FAR + 1, n) * 86400).astype("timedelta64[s]")


def _put(frames: Frames, table: str, column: str, rows: Rows, values: object) -> None:
    """Replace a column by one with new values in some rows; the old frame stays as it was."""
    fresh = frames[table][column].copy()
    fresh.iloc[rows] = values
    frames[table] = frames[table].assign(**{column: fresh})


def _dates(frames: Frames, table: str, column: str) -> NDArray[np.datetime64]:
    result: NDArray[np.datetime64] = frames[table][column].to_numpy()
    return result


def _blank(table: str, column: str) -> Callable[..., Any]:
    def spoil(frames: Frames, rows: Rows, _rng: object, _cut: object) -> Rows:
        _put(frames, table, column, rows, pd.NaT)
        return rows

    return spoil


def _unknown(table: str, column: str) -> Callable[..., Any]:
    def spoil(frames: Frames, rows: Rows, _rng: object, _cut: object) -> Rows:
        fresh = frames[table][column].cat.add_categories([UNKNOWN_CODE])
        frames[table] = frames[table].assign(**{column: fresh})
        _put(frames, table, column, rows, UNKNOWN_CODE)
        return rows

    return spoil


def _repeat(table: str, column: str | None = None) -> Callable[..., Any]:
    """Append copies of rows, a date of theirs moved a few days if a column is named."""

    def spoil(frames: Frames, rows: Rows, rng: np.random.Generator, _cut: object) -> Rows:
        copies = frames[table].iloc[rows]
        if column is not None:
            copies = copies.assign(
                **{column: copies[column].to_numpy() + _some_days(rng, len(rows))}
            )
        start = len(frames[table])
        frames[table] = pd.concat([frames[table], copies], ignore_index=True)
        return np.arange(start, start + len(rows))

    return spoil


def _after_cut(frames: Frames, rows: Rows, rng: np.random.Generator, cut: np.datetime64) -> Rows:
    _put(frames, "referrals", "referral_date", rows, cut + _some_days(rng, len(rows)))
    return rows


def _last_assessed(frames: Frames) -> NDArray[np.datetime64]:
    """Last end of an assessment of each referral; NaT where there is none."""
    assessments = frames["assessments"]
    last = assessments["end_date"].groupby(_keys(assessments)).max()
    result: NDArray[np.datetime64] = last.reindex(_keys(frames["referrals"])).to_numpy()
    return result


def _assessed_later(frames: Frames) -> Rows:
    """Find closed referrals whose assessment ended after the day of referral."""
    referrals = frames["referrals"]
    later = _last_assessed(frames) > referrals["referral_date"].to_numpy()
    return np.flatnonzero(later & referrals["closure_date"].notna().to_numpy())


def _close_early(frames: Frames, rows: Rows, _rng: object, _cut: object) -> Rows:
    before = _last_assessed(frames)[rows] - np.timedelta64(86400, "s")
    _put(frames, "referrals", "closure_date", rows, before)
    return rows


def _next_referral(frames: Frames) -> NDArray[np.datetime64]:
    """Date of the same child's next referral; NaT where there is none."""
    referrals = frames["referrals"]
    ordered = referrals.sort_values(["council_code", "child_id", "referral_date", "referral_id"])
    following = ordered.groupby(["council_code", "child_id"], observed=True)["referral_date"]
    result: NDArray[np.datetime64] = following.shift(-1).reindex(referrals.index).to_numpy()
    return result


def _followed(frames: Frames) -> Rows:
    return np.flatnonzero(~np.isnat(_next_referral(frames)))


def _overlap(frames: Frames, rows: Rows, rng: np.random.Generator, _cut: object) -> Rows:
    later = _next_referral(frames)[rows] + _some_days(rng, len(rows))
    _put(frames, "referrals", "closure_date", rows, later)
    return rows


def _ended(frames: Frames) -> Rows:
    return np.flatnonzero(frames["assessments"]["end_date"].notna().to_numpy())


def _end_early(frames: Frames, rows: Rows, rng: np.random.Generator, _cut: object) -> Rows:
    start = _dates(frames, "assessments", "start_date")[rows]
    _put(frames, "assessments", "end_date", rows, start - _some_days(rng, len(rows)))
    return rows


def _start_early(frames: Frames, rows: Rows, rng: np.random.Generator, _cut: object) -> Rows:
    referrals = frames["referrals"]
    dates = pd.Series(referrals["referral_date"].to_numpy(), index=_keys(referrals))
    known = dates.reindex(_keys(frames["assessments"].iloc[rows])).to_numpy()
    _put(frames, "assessments", "start_date", rows, known - _some_days(rng, len(rows)))
    return rows


def _to_saturday(frames: Frames, rows: Rows, _rng: object, _cut: object) -> Rows:
    """Move conferences to the Saturday after, in every table that dates them."""
    held = _dates(frames, "conferences", "icpc_date")[rows].astype("datetime64[D]")
    ahead = (5 - (held.astype(np.int64) + 3) % 7) % 7
    moved = (held + ahead.astype("timedelta64[D]")).astype("datetime64[s]")
    _move_conference(frames, _keys(frames["conferences"].iloc[rows]), moved)
    return rows


def _move_conference(frames: Frames, keys: NDArray[Any], dates: NDArray[np.datetime64]) -> None:
    """Date the conferences of some referrals again wherever they are recorded (NaT: nowhere)."""
    fresh = pd.Series(dates, index=np.asarray(keys))
    for table in ("conferences", "referrals", "section47s"):
        here = _keys(frames[table])
        rows = np.flatnonzero(here.isin(fresh.index).to_numpy())
        _put(frames, table, "icpc_date", rows, fresh.reindex(here.iloc[rows]).to_numpy())
    if np.isnat(dates).any():
        return
    plans = np.flatnonzero(_keys(frames["plans"]).isin(fresh.index).to_numpy())
    moved = fresh.reindex(_keys(frames["plans"].iloc[plans])).to_numpy()
    _move_plans(frames, plans, moved)


def _move_plans(frames: Frames, rows: Rows, dates: NDArray[np.datetime64]) -> None:
    """Date plans again, and the reviews that name them by their start."""
    plans, link = frames["plans"].iloc[rows], ["council_code", "child_id", "plan_start_date"]
    moved = plans[link].assign(moved=dates).drop_duplicates(link)
    _put(frames, "plans", "plan_start_date", rows, dates)
    found = frames["reviews"][link].merge(moved, on=link, how="left", validate="many_to_one")
    changed = np.flatnonzero(found["moved"].notna().to_numpy())
    _put(frames, "reviews", "plan_start_date", changed, found["moved"].to_numpy()[changed])


def _drop_conference(frames: Frames, rows: Rows, _rng: object, _cut: object) -> Rows:
    keys = _keys(frames["plans"].iloc[rows])
    _move_conference(frames, keys, np.full(len(keys), np.datetime64("NaT", "s")))
    kept = ~_keys(frames["conferences"]).isin(keys)
    frames["conferences"] = frames["conferences"][kept].reset_index(drop=True)
    return rows


def _with_conference(frames: Frames) -> Rows:
    held = _keys(frames["plans"]).isin(_keys(frames["conferences"]))
    return np.flatnonzero(held.to_numpy())


def _off_conference(frames: Frames, rows: Rows, rng: np.random.Generator, _cut: object) -> Rows:
    start = _dates(frames, "plans", "plan_start_date")[rows]
    _move_plans(frames, rows, start + _some_days(rng, len(rows)))
    return rows


# Fault -> (table, rows it can befall, how it spoils them). Rows are dropped first and appended
# last, so that the positions that are reported stay true.
_FAULTS: dict[str, tuple[str, Callable[[Frames], Rows], Callable[..., Any]]] = {
    "plan_without_conference": ("plans", _all_of("plans"), _drop_conference),
    "conference_at_weekend": ("conferences", _all_of("conferences"), _to_saturday),
    "plan_not_at_conference": ("plans", _with_conference, _off_conference),
    "missing_birth_date": (
        "children",
        _all_of("children"),
        _blank("children", "birth_date"),
    ),
    "unknown_ethnicity": ("children", _all_of("children"), _unknown("children", "ethnicity")),
    "unknown_need": ("referrals", _all_of("referrals"), _unknown("referrals", "primary_need")),
    "closed_before_assessed": ("referrals", _assessed_later, _close_early),
    "overlapping_episodes": ("referrals", _followed, _overlap),
    "end_before_start": ("assessments", _ended, _end_early),
    "assessed_before_referral": ("assessments", _all_of("assessments"), _start_early),
    "referral_after_cut": ("referrals", _all_of("referrals"), _after_cut),
    "duplicated_child": ("children", _all_of("children"), _repeat("children")),
    "two_assessments": (
        "assessments",
        _all_of("assessments"),
        _repeat("assessments", "start_date"),
    ),
    "two_plans": ("plans", _all_of("plans"), _repeat("plans", "plan_start_date")),
}
