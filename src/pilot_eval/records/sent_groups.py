"""Checks of the published rules on several records at once: repeats, overlaps, other modules.

Records belong to one another by the child or the referral that holds them. What concerns a return
as a whole is answered for no place.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from pilot_eval.records.sent import CHILD, MODULES, PLACES, REFERRAL, Bools, Days, Rows, Sent
from pilot_eval.records.sent_checks import Found, Places, find_open

_LEVELS = {"child": CHILD, "referral": REFERRAL}
_DAY = np.timedelta64(1, "D")
_STEP = 2**32  # days of one group stand above those of the group before in one integer
MOST_WITHOUT_SEX = 0.02
MOST_CODES = 1
WHOLE_RETURN: Final = ""


def repeated(sent: Sent, places: Places, _: str) -> Found:
    """Find texts that come twice in the return."""
    numbers = sent.numbers(places[0])
    counts = np.bincount(numbers[numbers >= 0], minlength=1)
    return [(places[0], (numbers >= 0) & (counts[numbers] > 1))]


def repeated_within(sent: Sent, places: Places, _: str) -> Found:
    """Find codes that come twice within the record that holds them."""
    numbers, texts = sent.codes(places[0])
    held_by = _holder(sent, places[0])
    _pairs, pair, counts = np.unique(
        held_by * (len(texts) + 1) + numbers, return_inverse=True, return_counts=True
    )
    return [(places[0], (numbers >= 0) & (held_by >= 0) & (counts[pair] > 1))]


def mixed(sent: Sent, places: Places, given: str) -> Found:
    """Find a code for none at all alongside others within the record that holds them."""
    none = sent.among(places[0], given.split())
    held_by = _holder(sent, places[0])
    others = _has(held_by[~none & sent.held(places[0])], held_by)
    return [(places[0], none & others)]


def several_open(sent: Sent, places: Places, given: str) -> Found:
    """Find unfinished records of which a child or a referral has more than one."""
    key, level = PLACES[places[0]][0], _LEVELS[given]
    still = find_open(sent, *places, unless=level == REFERRAL)
    group = sent.above(key, level)
    counts = np.bincount(group[still & (group >= 0)], minlength=1)
    return [(places[0], still & (group >= 0) & (np.append(counts, 0)[_within(group, counts)] > 1))]


def open_and_not_latest(sent: Sent, places: Places, _: str) -> Found:
    """Find open cases of children who were referred again later."""
    start, *ending = places
    child = sent.above(REFERRAL, CHILD)
    latest = np.full(sent.size(CHILD) + 1, np.iinfo("int64").min)
    days = _as_numbers(sent.days(start))
    np.maximum.at(latest, child, days)
    later = (child >= 0) & (days < latest[child])
    return [(start, find_open(sent, *ending) & later & sent.held(start))]


def overlaps(sent: Sent, places: Places, given: str) -> Found:
    """Find records that start while an earlier one of the child or the referral goes on."""
    level, *how = given.split()
    start, end, *flag = places
    key = PLACES[start][0]
    group = sent.above(key, _LEVELS[level])
    ends = _ends(sent, start, end, *flag, unless=level == "referral", inclusive="inclusive" in how)
    spells = _Spells(group, sent.days(start), ends)
    return [(start, spells.start_within_earlier(alike_aside="alike_aside" in how))]


def within_other(sent: Sent, places: Places, _: str) -> Found:
    """Find dates that fall within a spell of another module of the child."""
    asked, start, end, *last = places
    spells = _Spells(sent.above(PLACES[start][0], CHILD), sent.days(start), _ends(sent, start, end))
    key = PLACES[asked][0]
    found = spells.hold(sent.above(key, CHILD), sent.days(asked))
    for place in last:  # the day on which the holder ends may lie there
        found &= ~(sent.days(asked) == sent.days(place, at=key))
    return [(asked, found)]


def both_open(sent: Sent, places: Places, _: str) -> Found:
    """Find records that go on while another module of the referral goes on as well."""
    start, end, other = places
    group = sent.above(PLACES[start][0], REFERRAL)
    of_others = sent.above(PLACES[other][0], REFERRAL)[~sent.held(other)]
    return [(end, sent.held(start) & ~sent.held(end) & _has(of_others, group))]


def has_records(sent: Sent, places: Places, given: str) -> Found:
    """Find referrals with a code that have what such a referral does not have."""
    code, *barred = places
    found = np.zeros(sent.size(REFERRAL), dtype=bool)
    rows = np.arange(len(found))
    for place in barred:
        key = MODULES.get(place) or PLACES[place][0]
        group = sent.above(key, REFERRAL)
        there = np.ones(len(group), dtype=bool) if place in MODULES else sent.held(place)
        found |= _has(group[there], rows)
    return [(code, sent.among(code, given.split()) & found)]


def lacks_records(sent: Sent, places: Places, given: str) -> Found:
    """Find records, all or those with a code, whose child or referral has none of a module."""
    asked, level, wanted = places
    key = MODULES.get(asked) or PLACES[asked][0]
    group = sent.above(key, MODULES[level])
    held = [sent.above(own, MODULES[level]) for own in sent.keys_of(wanted)]
    lacking = ~_has(np.concatenate(held), group)
    if given:
        lacking &= sent.among(asked, given.split())
    return [(asked, lacking)]


def disability_not_given(sent: Sent, places: Places, given: str) -> Found:
    """Find children born, whose case was taken further, without a valid code of disability."""
    code, born, action = places
    child = np.arange(sent.size(CHILD))
    further = _has(sent.above(REFERRAL, CHILD)[sent.among(action, ["no"])], child)
    holder = _holder(sent, code)
    valid = sent.among(code, given.split())
    wrong = _has(holder[sent.held(code) & ~valid], child) | ~_has(holder[valid], child)
    return [(born, sent.held(born) & further & wrong)]


def finished_without_factors(sent: Sent, places: Places, given: str) -> Found:
    """Find assessments that end in the year without a valid factor."""
    end, factor = places
    days = sent.days(end)
    valid = _has(_holder(sent, factor)[sent.among(factor, given.split())], np.arange(len(days)))
    return [(end, (days >= sent.first) & (days <= sent.last) & ~valid)]


def no_factors_not_closed(sent: Sent, places: Places, given: str) -> Found:
    """Find only assessments of a referral without factors, whose case was closed otherwise."""
    factor, reason = places
    none, *closed = given.split()
    group = sent.above("factors", REFERRAL)
    counts = np.bincount(np.maximum(sent.above("single_assessments", REFERRAL), 0), minlength=1)
    alone = np.append(counts, 0)[_within(group, counts)] == 1
    return [
        (factor, sent.among(factor, [none]) & alone & ~sent.among(reason, closed, at="factors"))
    ]


def conference_twice(sent: Sent, places: Places, _: str) -> Found:
    """Find conferences of referrals that an enquiry of the child has as well."""
    own, others = (_pair(sent.above(PLACES[place][0], CHILD), sent.days(place)) for place in places)
    return [(places[0], sent.held(places[0]) & np.isin(own, others[sent.held(places[1])]))]


def plan_off_conference(sent: Sent, places: Places, _: str) -> Found:
    """Find plans of the year that start on another day than a conference of their referral."""
    start, held, needless, recorded = places
    days, group = sent.days(start), sent.above("plans", REFERRAL)
    enquiries = sent.above("section47s", REFERRAL)
    asked = ~sent.among(needless, ["yes"])
    with_enquiry = _has(enquiries[asked], group)
    plans = _pair(group, days)
    at_enquiry = np.isin(plans, _pair(enquiries, sent.days(held))[asked & sent.held(held)])
    at_referral = days == sent.days(recorded, at="plans")
    off = np.where(with_enquiry, ~at_enquiry, ~at_referral)
    return [(start, (days >= sent.first) & (days <= sent.last) & off)]


def more_plans_than_conferences(sent: Sent, places: Places, _: str) -> Found:
    """Ask whether more plans start in the year than conferences take place."""
    plans, *conferences = (_count_in_year(sent, place) for place in places)
    return _of_return(plans > sum(conferences))


def share_without_sex(sent: Sent, places: Places, given: str) -> Found:
    """Ask whether sex is unknown for more than a share of the children who are born."""
    sex, expected = places
    unknown = (~sent.held(sex) | sent.among(sex, given.split())) & ~sent.held(expected)
    return _of_return(bool(unknown.sum() > MOST_WITHOUT_SEX * len(unknown)))


def few_codes_used(sent: Sent, places: Places, given: str) -> Found:
    """Ask whether fewer than so many codes are used, that for none aside."""
    used = {text for text in sent.codes(places[0])[1] if text != "NONE"}
    return _of_return(len(used) < int(given))


def one_code_for_each(sent: Sent, places: Places, _: str) -> Found:
    """Ask whether nobody has more than one code, though some have one."""
    some = sent.held(places[0]) & ~sent.among(places[0], ["NONE"])
    counts = np.bincount(_holder(sent, places[0])[some] + 1, minlength=2)[1:]
    return _of_return(bool(counts.max() == MOST_CODES))


def undated_return(sent: Sent, _: Places, __: str) -> Found:
    """Ask whether the return lacks its reference date (a wrong one is refused when read)."""
    return _of_return(not sent.dated)


class _Spells:
    """Spells of groups in order, each with the latest end so far."""

    def __init__(self, group: Rows, start: Days, end: Days) -> None:
        self._size = len(group)
        self._rows = np.flatnonzero((group >= 0) & ~np.isnat(start) & ~np.isnat(end))
        self._ends = _pair(group, end)[self._rows]
        order = np.lexsort((self._ends, _pair(group, start)[self._rows]))
        self._rows, self._ends = self._rows[order], self._ends[order]
        self._starts = _pair(group, start)[self._rows]
        self._reached = np.maximum.accumulate(self._ends) if len(order) else self._ends

    def start_within_earlier(self, *, alike_aside: bool) -> Bools:
        """Find spells that start before an earlier one of the group has ended."""
        starts, ends, reached = self._starts, self._ends, self._reached
        alike = (starts[1:] == starts[:-1]) & (ends[1:] == ends[:-1])
        within = starts[1:] < reached[:-1]
        found = np.zeros(self._size, dtype=bool)
        found[self._rows[1:][within & ~alike if alike_aside else within]] = True
        return found

    def hold(self, group: Rows, days: Days) -> Bools:
        """Say which dates fall within a spell of their group."""
        asked = _pair(group, days)
        before = np.searchsorted(self._starts, asked, side="right")
        reached = np.append(self._reached, np.iinfo("int64").min)[before - 1]
        return (before > 0) & (asked < reached) & (group >= 0) & ~np.isnat(days)


def _ends(
    sent: Sent, start: str, end: str, *flag: str, unless: bool = False, inclusive: bool = False
) -> Days:
    """Give each spell the first day after it; an unfinished one goes on to the end of the year.

    A spell that needs no end (no action, no conference) and has none holds nothing.
    """
    ends = sent.days(end) + int(inclusive) * _DAY
    still = find_open(sent, end, *flag, unless=unless)
    ends = np.where(still, sent.last + _DAY, ends)
    return np.where(np.isnat(ends), sent.days(start), ends)


def _holder(sent: Sent, place: str) -> Rows:
    """Find the record that holds each record of a module of repeated codes."""
    key = PLACES[place][0]
    return sent.above(key, CHILD if key == "disabilities" else "single_assessments")


def _has(members: Rows, asked: Rows) -> Bools:
    """Say which of the groups asked about are among those of some records."""
    size = max(int(asked.max(initial=-1)), int(members.max(initial=-1))) + 2
    there = np.zeros(size, dtype=bool)
    there[members] = True  # -1, nobody, is the last
    there[-1] = False
    return there[asked]


def _within(group: Rows, counts: Rows) -> Rows:
    """Point at the last, empty place where a group has no count."""
    return np.where((group >= 0) & (group < len(counts)), group, len(counts))


def _as_numbers(days: Days) -> Rows:
    return days.astype("datetime64[D]").astype("int64")


def _pair(group: Rows, days: Days) -> Rows:
    """Join group and date to one number that sorts by both."""
    return group * _STEP + np.maximum(_as_numbers(days), -(_STEP // 4))


def _count_in_year(sent: Sent, place: str) -> int:
    days = sent.days(place)
    return int(((days >= sent.first) & (days <= sent.last)).sum())


def _of_return(broken: bool) -> Found:
    return [(WHOLE_RETURN, np.array([broken]))]
