"""Episodes as the yearly returns see them: what a return of one year holds of longer histories.

A return of the year ending 31 March holds the episodes open at some time in the year, with what
had happened by the end of the year. An episode that lasts several years is in several returns;
what ended within it is in the return of the year in which it ended, and in those before.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from pilot_eval.records.schema import DATE_DTYPE, SCHEMA, CensusTables, frames_of

# Table -> the date by which a record exists; later dates of a record are blanked instead.
FIRST_DATE = {
    "referrals": "referral_date",
    "assessments": "start_date",
    "section47s": "s47_start_date",
    "conferences": "icpc_date",
    "plans": "plan_start_date",
    "reviews": "review_date",
}
# Table -> the date after whose year a record is in no return, though its episode goes on.
_LAST_DATE = {
    "referrals": "closure_date",
    "assessments": "end_date",
    "section47s": "icpc_date",
    "conferences": "icpc_date",
    "plans": "plan_end_date",
}
_UNBORN_SEX = "unknown"
# Blanked later events: column -> what goes with it.
_GOES_WITH = {"closure_date": "closure_reason"}
# Planned dates may lie in the future, and births are expected.
PLANNED = {"target_date", "icpc_target_date", "expected_birth_date"}


def year_ending(dates: pd.Series) -> pd.Series:
    """Give the year, ending on 31 March, in which dates fall.

    Parameters
    ----------
    dates : Series of datetime64

    Returns
    -------
    Series of float
        Missing where the date is.

    Examples
    --------
    >>> year_ending(pd.Series(pd.to_datetime(["2011-03-31", "2011-04-01"]))).tolist()
    [2011, 2012]
    """
    return dates.dt.year + (dates.dt.month > 3)


def year_bounds(year: int) -> tuple[np.datetime64, np.datetime64]:
    """Give the first and the last day of a year ending 31 March.

    Parameters
    ----------
    year : int

    Returns
    -------
    first, last : datetime64[s]
    """
    return (
        np.datetime64(f"{year - 1}-04-01").astype(DATE_DTYPE),
        np.datetime64(f"{year}-03-31").astype(DATE_DTYPE),
    )


def years_of(tables: CensusTables) -> list[int]:
    """List the years with a return: from the year of the first referral to that of the last.

    Parameters
    ----------
    tables : CensusTables

    Returns
    -------
    list of int
    """
    years = year_ending(tables.referrals["referral_date"]).dropna()
    return list(range(int(years.min()), int(years.max()) + 1)) if len(years) else []


def split_by_year(
    tables: CensusTables, years: Iterable[int]
) -> Iterable[tuple[int, dict[str, pd.DataFrame]]]:
    """Take the view of each year's return.

    Parameters
    ----------
    tables : CensusTables
        If they carry `census_year`, the records of that year; else the episodes open in the year,
        as they stood on its last day.
    years : iterable of int
        Years ending 31 March.

    Yields
    ------
    year, frames : int, dict of str to DataFrame
    """
    frames = frames_of(tables)
    for year in years:
        if "census_year" in tables.referrals:
            yield (
                year,
                {name: frame[frame["census_year"] == year] for name, frame in frames.items()},
            )
        else:
            yield year, _as_seen(frames, year)


def _as_seen(frames: dict[str, pd.DataFrame], year: int) -> dict[str, pd.DataFrame]:
    """Keep the episodes open in a year and blank what comes after it."""
    first, last = year_bounds(year)
    seen: dict[str, pd.DataFrame] = {}
    for name, column in FIRST_DATE.items():
        frame = frames[name]
        kept = ~(frame[column] > last)
        if name in _LAST_DATE:  # what ends before it starts is of the year in which it starts
            kept &= ~((frame[_LAST_DATE[name]] < first) & (frame[column] < first))
        if name != "referrals" and "referral_id" in SCHEMA[name]:
            kept &= _member(frame, seen["referrals"], "referral_id")
        elif name == "reviews":
            kept &= _member(frame, seen["plans"], "plan_start_date")
        seen[name] = _blank_after(frame[kept], SCHEMA[name], last)
    children = frames["children"]
    children = children[_member(children, seen["referrals"], None)]
    # A child who is born after the end of the year was expected in the return, of unknown sex.
    unborn = children["birth_date"] > last
    later = unborn & children["expected_birth_date"].isna()
    expected = children["expected_birth_date"].mask(later, children["birth_date"])
    sex = children["sex"].where(~unborn, _UNBORN_SEX)
    children = children.assign(expected_birth_date=expected, sex=sex)
    seen["children"] = _blank_after(children, SCHEMA["children"], last)
    return {name: seen[name] for name in SCHEMA}


def _member(frame: pd.DataFrame, among: pd.DataFrame, column: str | None) -> np.ndarray:
    """Tell which records belong to a child, and an episode, among those given."""
    names = ["council_code", "child_id", *([column] if column else [])]
    keys = [
        pd.MultiIndex.from_frame(part[names].astype({"council_code": "str"}))
        for part in (frame, among)
    ]
    result: np.ndarray = keys[0].isin(keys[1])
    return result


def _blank_after(frame: pd.DataFrame, kinds: dict[str, str], last: np.datetime64) -> pd.DataFrame:
    """Blank dates after the last day, and what goes with them."""
    blanked = {}
    for column, kind in kinds.items():
        if kind == "date" and column not in PLANNED:
            later = frame[column] > last
            if later.any():
                blanked[column] = frame[column].mask(later)
                partner = _GOES_WITH.get(column)
                if partner:
                    blanked[partner] = frame[partner].mask(later)
    return frame.assign(**blanked)
