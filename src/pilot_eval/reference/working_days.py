"""Working days in England: Monday to Friday, without the bank holidays of the day.

Bank holidays come from the `holidays` package (subdivision England), one-off ones included: 2011
has the royal wedding on 29 April, 2012 has 4 and 5 June and no holiday on 28 May.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pilot_eval.errors import DataError, ParameterError, explain

Convention = Literal["start_is_day_0", "end_counts"]
CONVENTIONS: tuple[Convention, ...] = get_args(Convention)
DEFAULT_CONVENTION: Convention = "start_is_day_0"

# Bank holidays are laid down by statute from 1971; no record of a child is near the upper end.
FIRST_YEAR, LAST_YEAR = 1975, 2049
_ONE_DAY = np.timedelta64(1, "D")
_FIRST_DAY = np.datetime64(f"{FIRST_YEAR}-01-01", "D")
_LAST_DAY = np.datetime64(f"{LAST_YEAR}-12-31", "D")


def england_bank_holidays(start_year: int, end_year: int) -> NDArray[np.datetime64]:
    """List England's bank holidays of the years `start_year` to `end_year`, both included.

    Parameters
    ----------
    start_year, end_year : int
        Calendar years.

    Returns
    -------
    ndarray of datetime64[D], sorted

    Raises
    ------
    ParameterError
        If the years are the wrong way round.

    References
    ----------
    Banking and Financial Dealings Act 1971, schedule 1, and royal proclamations, as collected in
    the `holidays` package.

    Examples
    --------
    >>> england_bank_holidays(2012, 2012)[5:7]
    array(['2012-06-04', '2012-06-05'], dtype='datetime64[D]')
    """
    if end_year < start_year:
        raise ParameterError(
            explain("end_year", f"be {start_year} or later", end_year, "Swap the years.")
        )
    # Imported here: the package is only needed by those who count days.
    from holidays import country_holidays

    calendar = country_holidays("GB", subdiv="ENG", years=range(start_year, end_year + 1))
    return np.sort(np.array(list(calendar), dtype="datetime64[D]"))


def count_working_days(
    start: ArrayLike, end: ArrayLike, *, convention: Convention = DEFAULT_CONVENTION
) -> NDArray[np.float64]:
    """Count the working days from `start` to `end`.

    Parameters
    ----------
    start, end : array of dates (datetime64, any unit), shape (n,) or broadcastable
        The time of day is ignored. A missing date (NaT) gives NaN.
    convention : {"start_is_day_0", "end_counts"}
        ``start_is_day_0`` counts the working days after the start up to and including the end, so
        that the start date itself is day 0 (what DfE's bands "same day" and "1 to 10 days"
        imply). ``end_counts`` counts every working day of the span, first and last day included.

    Returns
    -------
    ndarray of float, shape (n,)
        Negative (or -0, within a weekend) where the end lies before the start: callers decide on
        such records by comparing the dates.

    Raises
    ------
    DataError
        If a date lies outside the years 1975 to 2049; the message gives their number only.
    ParameterError
        If the convention is unknown.

    Examples
    --------
    >>> count_working_days(["2011-03-07", "2011-04-22"], ["2011-03-11", "2011-05-02"])
    array([4., 3.])
    >>> count_working_days(["2011-03-07"], ["2011-03-11"], convention="end_counts")
    array([5.])
    """
    _check_convention(convention)
    first, last = np.broadcast_arrays(_to_days(start), _to_days(end))
    known = ~(np.isnat(first) | np.isnat(last))
    low, high = np.minimum(first[known], last[known]), np.maximum(first[known], last[known])
    skip = _ONE_DAY if convention == "start_is_day_0" else 0 * _ONE_DAY
    counted = np.busday_count(low + skip, high + _ONE_DAY, busdaycal=_calendar())
    days = np.full(first.shape, np.nan)
    days[known] = np.where(last[known] < first[known], -1.0, 1.0) * counted
    return days


def add_working_days(
    start: ArrayLike, working_days: ArrayLike, *, convention: Convention = DEFAULT_CONVENTION
) -> NDArray[np.datetime64]:
    """Find the date that lies `working_days` after (or, negative, before) `start`.

    Parameters
    ----------
    start : array of dates, shape (n,) or broadcastable
    working_days : array of int, shape (n,) or broadcastable
        Negative numbers go back from the start; ``end_counts`` allows 1 or more only.
    convention : {"start_is_day_0", "end_counts"}
        As in `count_working_days`, of which this is the inverse.

    Returns
    -------
    ndarray of datetime64[D], shape (n,)

    Raises
    ------
    DataError
        If a date lies outside the years 1975 to 2049.
    ParameterError
        If a number of days is below 1 under ``end_counts``, or the convention is unknown.

    Examples
    --------
    >>> add_working_days(["2011-04-21"], [3])
    array(['2011-04-28'], dtype='datetime64[D]')
    """
    _check_convention(convention)
    days = np.asarray(working_days).astype(np.int64)
    counts_start = convention == "end_counts"
    if counts_start and days.size and days.min() < 1:
        action = "Count from the day before, or use start_is_day_0."
        raise ParameterError(explain("working_days", "be 1 or more", int(days.min()), action))
    first = _to_days(start)
    known = ~np.isnat(first)
    roll: Literal["backward", "forward"] = "forward" if counts_start else "backward"
    safe = np.where(known, first, _FIRST_DAY)
    found = np.busday_offset(safe, days - counts_start, roll=roll, busdaycal=_calendar())
    # A start at the weekend is its own day 0, though the count runs from the Friday before.
    found = np.where(days < 0, found, np.maximum(found, first))
    return np.where(known, found, np.datetime64("NaT", "D"))


@lru_cache(maxsize=1)
def _calendar() -> np.busdaycalendar:
    return np.busdaycalendar(holidays=england_bank_holidays(FIRST_YEAR, LAST_YEAR))


def _to_days(dates: ArrayLike) -> NDArray[np.datetime64]:
    days = np.asarray(dates).astype("datetime64[D]")
    outside = int(np.count_nonzero((days < _FIRST_DAY) | (days > _LAST_DAY)))
    if outside:
        rule = f"lie between {FIRST_YEAR} and {LAST_YEAR}"
        got = f"{outside} outside"
        raise DataError(explain("dates", rule, got, "Set these records aside before counting."))
    return days


def _check_convention(convention: str) -> None:
    if convention not in CONVENTIONS:
        rule = "be one of " + ", ".join(CONVENTIONS)
        raise ParameterError(explain("convention", rule, convention, "Choose one of the two."))
