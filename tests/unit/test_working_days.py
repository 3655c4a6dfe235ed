"""Working days against a wall calendar of England (dates checked by hand)."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from pilot_eval.errors import DataError, ParameterError
from pilot_eval.reference.working_days import (
    add_working_days,
    count_working_days,
    england_bank_holidays,
)


def test_bank_holidays_have_the_one_off_days():
    days = set(england_bank_holidays(2010, 2013).astype(str))
    assert {"2011-04-29", "2012-06-04", "2012-06-05"} <= days
    assert "2012-05-28" not in days
    # Christmas and Boxing Day 2010 and New Year 2011 and 2012 fell at weekends.
    assert {"2010-12-27", "2010-12-28", "2011-01-03", "2012-01-02"} <= days


@pytest.mark.parametrize(
    ("start", "end", "day_0", "end_counts"),
    [
        # Good Friday to May Day 2011: 25 April is Easter Monday, 29 April the royal wedding.
        ("2011-04-22", "2011-05-02", 3, 3),
        ("2011-03-07", "2011-03-11", 4, 5),  # Monday to Friday of one week
        ("2011-03-07", "2011-03-07", 0, 1),  # same day
        ("2011-03-05", "2011-03-07", 1, 1),  # referred on a Saturday, done on Monday
        ("2011-03-04", "2011-03-07", 1, 2),  # Friday to Monday
        ("2012-06-01", "2012-06-06", 1, 2),  # Friday over the Jubilee to Wednesday
        ("2012-05-25", "2012-05-28", 1, 2),  # 28 May 2012 was an ordinary Monday
        ("2011-03-11", "2011-03-07", -4, -5),  # the wrong way round
        ("NaT", "2011-03-07", np.nan, np.nan),
    ],
)
def test_working_days_by_hand(start, end, day_0, end_counts):
    np.testing.assert_array_equal(count_working_days([start], [end]), [day_0])
    counted = count_working_days([start], [end], convention="end_counts")
    np.testing.assert_array_equal(counted, [end_counts])


def test_time_of_day_is_ignored():
    start = np.array(["2011-03-07T23:59:59"], dtype="datetime64[s]")
    end = np.array(["2011-03-08T00:00:01"], dtype="datetime64[s]")
    assert count_working_days(start, end).tolist() == [1.0]


@pytest.mark.parametrize("convention", ["start_is_day_0", "end_counts"])
def test_adding_is_the_inverse_of_counting_for_every_day_of_three_years(convention):
    start = np.arange("2010-01-01", "2013-01-01", dtype="datetime64[D]")
    for days in (1, 7, 10, 15, 35, 45):
        due = add_working_days(start, days, convention=convention)
        assert (count_working_days(start, due, convention=convention) == days).all()
        assert (np.is_busday(due)).all()


def test_going_back_is_the_inverse_too():
    target = np.arange("2010-01-01", "2013-01-01", dtype="datetime64[D]")
    start = add_working_days(target, -15)
    assert (count_working_days(start, target) == 15).all()
    assert np.isnat(add_working_days(["NaT"], [10])).all()


def test_counting_agrees_with_a_walk_through_the_calendar():
    holidays = {day.item() for day in england_bank_holidays(2011, 2012)}
    rng = np.random.default_rng(1)
    for offset, span in rng.integers(0, 300, size=(200, 2)):
        start = dt.date(2011, 1, 1) + dt.timedelta(days=int(offset))
        walk = [start + dt.timedelta(days=int(i)) for i in range(1, span + 1)]
        expected = sum(day.weekday() < 5 and day not in holidays for day in walk)
        end = start + dt.timedelta(days=int(span))
        assert count_working_days([start], [end])[0] == expected


def test_refusals_do_not_repeat_the_date():
    with pytest.raises(DataError, match="1 outside") as caught:
        count_working_days(["0211-03-07"], ["2011-03-07"])
    assert "0211" not in str(caught.value)
    with pytest.raises(ParameterError, match="convention"):
        count_working_days(["2011-03-07"], ["2011-03-07"], convention="both")
    with pytest.raises(ParameterError, match="1 or more"):
        add_working_days(["2011-03-07"], [0], convention="end_counts")
    with pytest.raises(ParameterError, match="2011 or later"):
        england_bank_holidays(2011, 2010)
