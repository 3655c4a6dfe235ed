"""Periods as plans and panels name them: 2012 (year ending 31 March), "2012Q1" or "2012-01"."""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import date

Period = int | str
PERIOD_PATTERN = r"^\d{4}(Q[1-4]|-(0[1-9]|1[0-2]))$"


def period_kind(period: Period) -> str:
    """Return ``year``, ``quarter`` or ``month``."""
    if not isinstance(period, str):
        return "year"
    return "quarter" if "Q" in period else "month"


def period_days(period: Period) -> tuple[date, date]:
    """Find the first and the last day of a period.

    Parameters
    ----------
    period : int or str

    Returns
    -------
    tuple of date

    Examples
    --------
    >>> [day.isoformat() for day in period_days(2012)]
    ['2011-04-01', '2012-03-31']
    >>> [day.isoformat() for day in period_days("2012Q1")]
    ['2012-01-01', '2012-03-31']
    """
    kind = period_kind(period)
    if kind == "year":
        return date(int(period) - 1, 4, 1), date(int(period), 3, 31)
    year, number = (int(part) for part in re.split("[Q-]", str(period)))
    first, last = (3 * number - 2, 3 * number) if kind == "quarter" else (number, number)
    return date(year, first, 1), date(year, last, monthrange(year, last)[1])


def middle_of(period: Period) -> float:
    """Place the middle of a period on an axis where a year ending 31 March is its number.

    Examples
    --------
    >>> middle_of(2012), middle_of("2011Q3"), middle_of("2011Q4")
    (2012.0, 2011.875, 2012.125)
    """
    first, last = period_days(period)
    months = 12 * (last.year - first.year) + first.month - 1 + last.month
    return first.year + months / 24 + 0.25


def name_year(period: Period) -> str:
    """Name the year that ends on 31 March; quarters and months as they are.

    Parameters
    ----------
    period : int or str

    Returns
    -------
    str

    Examples
    --------
    >>> name_year(2012)
    '2011-12'
    """
    return str(period) if isinstance(period, str) else f"{period - 1}-{period % 100:02d}"


def width_of(period: Period) -> float:
    """Measure a period in years."""
    return {"year": 1.0, "quarter": 1 / 4, "month": 1 / 12}[period_kind(period)]


def year_of(period: Period) -> int:
    """Find the year ending 31 March in which a period ends."""
    last = period_days(period)[1]
    return last.year + (last.month > 3)


def first_day(partial: str) -> date:
    """Find the first day of a date as precise as its source: ``2012``, ``2012-05``."""
    year, month, day = ([int(part) for part in partial.split("-")] + [1, 1])[:3]
    return date(year, month, day)


def last_day(partial: str) -> date:
    """Find the last day of a date as precise as its source."""
    year, month, day = ([int(part) for part in partial.split("-")] + [12, 0])[:3]
    return date(year, month, day or monthrange(year, month)[1])
