"""Checks of the published rules on single records of a return: one small function a check.

Each is given the return, the places that the rule names and what else it says, and answers, for a
place, which of its records break the rule.
"""

from __future__ import annotations

import operator
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pilot_eval.records.codes import CODE_SETS
from pilot_eval.records.schema import DATE_DTYPE, NO_DATE
from pilot_eval.records.sent import CHILD, PLACES, Bools, Days, Sent
from pilot_eval.reference.working_days import add_working_days

Places = tuple[str, ...]
Found = list[tuple[str, Bools]]
Letters = NDArray[np.uint32]
Check = Callable[[Sent, Places, str], Found]

_DAY = np.timedelta64(1, "D")
_SATURDAY = 5
_FIRST_WEEKDAY = 3  # 1 January 1970 was a Thursday, the fourth day
_COMPARED = {"<": operator.lt, ">": operator.gt, "<=": operator.le, "==": operator.eq}
_UPN_LETTERS = "ABCDEFGHJKLMNPQRTUVWXYZ"
UPN_LENGTH = 13


def missing(sent: Sent, places: Places, _: str) -> Found:
    """Find records without a value."""
    return [(places[0], ~sent.held(places[0]))]


def missing_or_after_year(sent: Sent, places: Places, _: str) -> Found:
    """Find records without a date, or with one after the year."""
    days = sent.days(places[0])
    return [(places[0], np.isnat(days) | (days > sent.last))]


def after_year(sent: Sent, places: Places, _: str) -> Found:
    """Find dates after the year."""
    return [(places[0], sent.days(places[0]) > sent.last)]


def outside_year(sent: Sent, places: Places, _: str) -> Found:
    """Find dates before or after the year."""
    days = sent.days(places[0])
    return [(places[0], (days < sent.first) | (days > sent.last))]


def compare(sent: Sent, places: Places, given: str) -> Found:
    """Find dates that stand wrongly to a date of the same record or of one that holds it."""
    *asked, limit = places
    compared = _COMPARED[given]
    return [
        (place, compared(sent.days(place), sent.days(limit, at=PLACES[place][0])))
        for place in asked
    ]


def long_before(sent: Sent, places: Places, given: str) -> Found:
    """Find dates more than so many days before any of some others."""
    asked, *limits = places
    days = sent.days(asked) + int(given) * _DAY
    early = [days < sent.days(limit, at=PLACES[asked][0]) for limit in limits]
    return [(asked, np.logical_or.reduce(early))]


def weekend(sent: Sent, places: Places, _: str) -> Found:
    """Find dates on a Saturday or Sunday."""
    days = sent.days(places[0])
    number = days.astype("datetime64[D]").astype("int64")
    return [(places[0], ~np.isnat(days) & ((number + _FIRST_WEEKDAY) % 7 >= _SATURDAY))]


def not_a_code(sent: Sent, places: Places, given: str) -> Found:
    """Find values that are not in the code set."""
    return [(places[0], sent.held(places[0]) & ~sent.among(places[0], _codes(given)))]


def missing_or_not_a_code(sent: Sent, places: Places, given: str) -> Found:
    """Find records without a code of the set; where a date is named, of those from a day on."""
    if len(places) == 1:
        return [(places[0], ~sent.among(places[0], _codes(given)))]
    codes, _, since = given.partition(" ")
    late = sent.days(places[1]) >= np.datetime64(since).astype(DATE_DTYPE)
    return [(places[0], late & ~sent.among(places[0], _codes(codes)))]


def uses_code(sent: Sent, places: Places, given: str) -> Found:
    """Find records with one of some codes."""
    return [(places[0], sent.among(places[0], given.split()))]


def missing_while(sent: Sent, places: Places, given: str) -> Found:
    """Find records without the first value while the second is there, or is one of some codes."""
    absent, present = places
    key = sent.deepest(absent, present)
    there = sent.held(present, at=key)
    if given:
        there = sent.among(present, given.split(), at=key)
    named = absent if PLACES[absent][0] == key else present
    return [(named, there & ~sent.held(absent, at=key))]


def not_one_of_two(sent: Sent, places: Places, _: str) -> Found:
    """Find records with neither or both of two values."""
    return [(places[0], sent.held(places[0]) == sent.held(places[1]))]


def not_expected_soon(sent: Sent, places: Places, given: str) -> Found:
    """Find dates not between so many days before and months after the end of the year."""
    days, (before, months) = sent.days(places[0]), (int(part) for part in given.split())
    latest = add_months(np.array([sent.last]), months)
    return [(places[0], (days <= sent.last - before * _DAY) | (days >= latest))]


def unborn_with_sex(sent: Sent, places: Places, given: str) -> Found:
    """Find unborn children with another sex than not known."""
    sex, born, expected = places
    unborn = sent.held(expected) & ~sent.held(born)
    return [(sex, unborn & ~sent.among(sex, given.split()))]


def no_start_by(sent: Sent, places: Places, _: str) -> Found:
    """Find records with an end and no start on or before it."""
    start, end = (sent.days(place) for place in places)
    return [(places[0], ~np.isnat(end) & ~(start <= end))]


def old_without_action(sent: Sent, places: Places, _: str) -> Found:
    """Find referrals from before the year that do not say that action was taken."""
    eve = _working_days_before(sent.first, 1)
    return [(places[1], (sent.days(places[0]) < eve) & ~sent.among(places[1], ["no"]))]


def find_open(sent: Sent, end: str, flag: str = "", *, unless: bool = False) -> Bools:
    """Find records without an end that need one.

    Parameters
    ----------
    sent : Sent
    end, flag : str
        Places. Referrals need an end unless they led to no action, enquiries unless they need no
        conference.
    unless : bool
        Whether a record that does not say counts as one that needs an end.

    Returns
    -------
    ndarray of bool
    """
    ended = sent.held(end)
    if not flag:
        return ~ended
    needs = ~sent.among(flag, ["yes"]) if unless else sent.among(flag, ["no"])
    return ~ended & needs


def open_for_long(sent: Sent, places: Places, given: str) -> Found:
    """Find unfinished records that started many working days before the end of the year."""
    early = sent.days(places[0]) < _working_days_before(sent.last, int(given))
    return [(places[0], find_open(sent, *places[1:]) & early)]


def open_outside_year(sent: Sent, places: Places, _: str) -> Found:
    """Find unfinished records that did not start in the year."""
    start = sent.days(places[0])
    within = (start >= sent.first) & (start <= sent.last)
    return [(places[0], find_open(sent, *places[1:]) & ~within)]


def enquiry_open_at_closure(sent: Sent, places: Places, _: str) -> Found:
    """Find enquiries of closed cases with neither a conference nor the mark of none."""
    end, flag, closure = places
    closed = sent.held(closure, at=PLACES[end][0])
    return [(end, closed & find_open(sent, end, flag, unless=True))]


def pupil_without_upn(sent: Sent, places: Places, given: str) -> Found:
    """Find children of school age, of cases taken further, without number and without reason."""
    number, reason, born, action = places
    day, *reasons = given.split()
    limit = np.datetime64(f"{sent.last.astype('datetime64[Y]').astype(int) + 1970 - 6}-{day}")
    old = sent.days(born) <= limit.astype(DATE_DTYPE)
    further = _any_referral(sent, sent.among(action, ["no"]))
    return [(number, old & further & ~sent.held(number) & ~sent.among(reason, reasons))]


def code_despite_action(sent: Sent, places: Places, given: str) -> Found:
    """Find children with a reason of no action, one of whose referrals led to action."""
    further = _any_referral(sent, ~sent.among(places[1], ["yes"]))
    return [(places[0], sent.among(places[0], given.split()) & further)]


def too_old(sent: Sent, places: Places, given: str) -> Found:
    """Find people over an age whose case was not closed before they came of it."""
    born, closure = places
    months = 12 * int(given)
    birth = sent.days(born)
    of_age = add_months(birth, months)
    own = np.append(of_age, NO_DATE)[sent.above("referrals", CHILD)]
    late = ~(sent.days(closure) <= own)
    return [(born, (of_age < sent.last) & _any_referral(sent, late))]


def add_months(days: Days, months: int) -> Days:
    """Move dates by whole months; a day that the month does not have runs into the next.

    Parameters
    ----------
    days : ndarray of datetime64
    months : int

    Returns
    -------
    ndarray of datetime64[s]
    """
    month = days.astype("datetime64[M]")
    moved = (month + np.timedelta64(months, "M")).astype("datetime64[D]")
    shifted: Days = (moved + (days.astype("datetime64[D]") - month)).astype(DATE_DTYPE)
    return shifted


def upn_letter(sent: Sent, places: Places, _: str) -> Found:
    """Find pupil numbers whose first letter does not follow from their digits."""
    letters = _letters(sent, places[0])
    digits = letters[:, 1:].astype("int64") - ord("0")
    whole = _is_full(letters) & ((digits >= 0) & (digits <= 9)).all(axis=1)
    due = (digits * np.arange(2, UPN_LENGTH + 1)).sum(axis=1) % len(_UPN_LETTERS)
    wanted = np.array([ord(letter) for letter in _UPN_LETTERS])[due]
    return [(places[0], whole & (letters[:, 0] != wanted))]


def upn_council(sent: Sent, places: Places, given: str) -> Found:
    """Find pupil numbers whose characters 2 to 4 are no council's number."""
    letters = _letters(sent, places[0])
    digits = letters[:, 1:4].astype("int64") - ord("0")
    number = digits @ np.array([100, 10, 1])
    ranges = [part.split("-") for part in given.split()]
    known = [(number >= int(low)) & (number <= int(high)) for low, high in ranges]
    plain = ((digits >= 0) & (digits <= 9)).all(axis=1)
    return [(places[0], _is_full(letters) & ~(plain & np.logical_or.reduce(known)))]


def upn_digits(sent: Sent, places: Places, _: str) -> Found:
    """Find pupil numbers whose characters 5 to 12 are not all digits."""
    digits = np.strings.isdigit(np.strings.slice(sent.texts(places[0]), 4, 12))
    return [(places[0], sent.held(places[0]) & ~digits)]


def upn_last(sent: Sent, places: Places, given: str) -> Found:
    """Find pupil numbers whose last character is not one of some."""
    letters = _letters(sent, places[0])
    known = np.isin(letters[:, UPN_LENGTH - 1], [ord(one) for one in given])
    return [(places[0], _is_full(letters) & ~known)]


def former_upn(sent: Sent, places: Places, _: str) -> Found:
    """Find former numbers that are not a letter and twelve digits."""
    texts = sent.texts(places[0])
    rest = np.strings.slice(texts, 1, UPN_LENGTH)
    form = np.strings.isalpha(np.strings.slice(texts, 0, 1)) & np.strings.isdigit(rest)
    good = form & (np.strings.str_len(texts) == UPN_LENGTH)
    return [(places[0], (texts != "") & ~good)]


def longer_than(sent: Sent, places: Places, given: str) -> Found:
    """Find texts of more than so many characters."""
    return [(places[0], np.strings.str_len(sent.texts(places[0])) > int(given))]


def other_than_letters(sent: Sent, places: Places, _: str) -> Found:
    """Find texts with other characters than letters and digits."""
    texts = sent.texts(places[0])
    return [(places[0], (texts != "") & ~np.strings.isalnum(texts))]


def _codes(given: str) -> list[str]:
    """Take codes as given, or the set of a column."""
    return list(CODE_SETS[given]) if given in CODE_SETS else given.split()


def _working_days_before(day: np.datetime64, number: int) -> np.datetime64:
    before: np.datetime64 = add_working_days(np.array([day]), -number)[0].astype(DATE_DTYPE)
    return before


def _any_referral(sent: Sent, of_referrals: Bools) -> Bools:
    """Say of each child whether anything is so of one of its referrals."""
    found = np.zeros(sent.size(CHILD) + 1, dtype=bool)
    found[sent.above("referrals", CHILD)[of_referrals]] = True
    return found[:-1]


def _letters(sent: Sent, place: str) -> Letters:
    """Spread texts over the columns of a table of characters; other lengths are all zeros."""
    texts = sent.texts(place)
    whole = np.where(np.strings.str_len(texts) == UPN_LENGTH, texts, "").astype(f"U{UPN_LENGTH}")
    letters: Letters = whole.view("uint32").reshape(len(texts), UPN_LENGTH)
    return letters


def _is_full(letters: Letters) -> Bools:
    return letters[:, -1] > 0
