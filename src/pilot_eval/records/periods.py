"""Months, quarters and financial years as running numbers."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from pilot_eval.errors import ParameterError, explain

Frequency = Literal["month", "quarter", "year"]
FREQUENCIES: tuple[Frequency, ...] = get_args(Frequency)
MONTHS = {"month": 1, "quarter": 3, "year": 12}
# A year runs from April: the year ending 31 March 1971 is number 1 (months since January 1970).
_FIRST_MONTH = {"month": 0, "quarter": 0, "year": -9}


def check_frequency(frequency: str) -> None:
    """Refuse a frequency that is not month, quarter or year."""
    if frequency not in FREQUENCIES:
        rule = "be one of " + ", ".join(FREQUENCIES)
        raise ParameterError(explain("frequency", rule, frequency, "Choose one of them."))


def number_periods(day: NDArray[np.datetime64], frequency: Frequency) -> NDArray[np.int64]:
    """Give each day the number of its period; NaT gets a very negative one.

    Examples
    --------
    >>> number_periods(np.array(["2011-03-31", "2011-04-01"], dtype="datetime64[D]"), "year")
    array([41, 42])
    """
    month = day.astype("datetime64[M]").astype(np.int64)
    return (month - _FIRST_MONTH[frequency]) // MONTHS[frequency]


def first_days(period: NDArray[np.int64], frequency: Frequency) -> NDArray[np.datetime64]:
    """Find the first day of each numbered period."""
    month = np.asarray(period) * MONTHS[frequency] + _FIRST_MONTH[frequency]
    return month.astype("datetime64[M]").astype("datetime64[D]")


def last_days(period: NDArray[np.int64], frequency: Frequency) -> NDArray[np.datetime64]:
    """Find the last day of each numbered period."""
    return first_days(np.asarray(period) + 1, frequency) - np.timedelta64(1, "D")


def label_periods(period: NDArray[np.int64], frequency: Frequency) -> list[str] | list[int]:
    """Name periods as the panel does: "2012-05", "2012Q2", or the year ending 31 March as int.

    Examples
    --------
    >>> label_periods(np.array([41]), "year"), label_periods(np.array([164]), "quarter")
    ([2011], ['2011Q1'])
    """
    first = first_days(period, frequency).astype("datetime64[M]").astype(np.int64)
    if frequency == "year":
        return [1970 + int(month) // 12 + 1 for month in first]
    if frequency == "quarter":
        return [f"{1970 + month // 12}Q{month % 12 // 3 + 1}" for month in first]
    return [f"{1970 + month // 12}-{month % 12 + 1:02d}" for month in first]


def years_ending(period: NDArray[np.int64], frequency: Frequency) -> NDArray[np.int64]:
    """Find the year ending 31 March that each period's last day lies in."""
    return 1970 + number_periods(last_days(period, frequency), "year")
