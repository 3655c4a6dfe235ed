"""Small counts of children in running text and in labels of drawings."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from functools import cache

from pilot_eval.disclosure.release.disguise import read_as_person
from pilot_eval.disclosure.release.findings import PUBLISHED, SPELT, Rules
from pilot_eval.disclosure.release.identifiers import Finding
from pilot_eval.reference.facts import council_names

_PERSONS = (
    r"(?:child(?:ren)?|boys?|girls?|siblings?|pupils?|kids?|minors?|infants?|bab(?:y|ies)|toddlers?|"
    r"twins|young (?:people|persons?))"
)
_UNITS = (
    rf"(?:{_PERSONS}|referrals?|(?:initial |core |single )?assessments?|conferences?|"
    r"(?:child protection )?plans?|cases|episodes)"
)
_START = r"(?<![\w.,:/–-])"
# Words that part a number from what stands further on.
_OTHER = r"(?!(?:and|or|of|in|for|to|with|the|that|per|councils?|pilots?|years?|months?|days?)\b)"
# One word between, or two that belong together: "3 late children", "3 very young children".
_BETWEEN = rf"(?:[a-z]+ |(?:{_OTHER}[a-z]+ ){{2}})?"
_DIGITS = re.compile(
    rf"(?<!\d in ){_START}(\d{{1,2}}) {_BETWEEN}(?:{_UNITS})\b(?! (?:in|of) (?:every|ten))"
)
_PART = re.compile(
    rf"{_START}(\d{{1,4}}) \(?(?:(?:out )?of|in(?! \d |"
    rf" 10{{1,3}} )) (?:the )?(\d{{1,4}})\)? "
    rf"{_BETWEEN}(?:{_UNITS})\b"
)
# Parts of something that is not named, and of what is no child.
_OUT_OF = re.compile(
    rf"{_START}(\d{{1,4}}) of (?:the |all )?(\d{{1,4}}) (?:were|was|are|is|had|have|waited)\b|"
    rf"{_START}(\d{{1,4}}) out of (?:the |all )?(\d{{1,4}})\b(?![.,]\d|[ -](?:[a-z]+ )?"
    r"(?:councils?|pilots?|outcomes?|years?|months?|quarters?|days?|periods?|tests?|rows?|files?|"
    r"teams?|points?))"
)
_SHARE = re.compile(
    rf"{_START}(\d{{1,3}}(?:\.(\d+))?) ?(?:%|per ?cent) of (?:the )?(\d{{1,5}}) "
    rf"{_BETWEEN}(?:{_UNITS})\b"
)
_SHARE_AFTER = re.compile(
    rf"\b(?:of|among) (?:the |these |all )?(\d{{1,5}}) {_BETWEEN}(?:{_UNITS})\b[^.\d\n]{{0,40}}?"
    r"\b(\d{1,3}(?:\.(\d+))?) ?(?:%|per ?cent)",
    re.IGNORECASE,
)
_BASE = re.compile(
    rf"\b(?:base|denominator|total|n)(?: of)?\s*[:=]?\s*(\d{{1,5}}) {_BETWEEN}{_UNITS}\b"
    r"[^\d\n]{0,40}?\b(\d{1,3}(?:\.(\d+))?) ?(?:%|per ?cent)",
    re.IGNORECASE,
)
_MARKS = re.compile(r"[*_`]+|</?(?:b|i|em|strong|span)(?:\s[^>]*)?>")
_SPELT = re.compile(
    rf"\b({'|'.join(SPELT)}) (?:(?:out )?of (?:the )?[a-z-]+ )?(?:{_UNITS})\b(?! in\b)",
    re.IGNORECASE,
)
_FEW = re.compile(
    rf"\b(?:a single|an only|a couple of|a pair of|both) (?:[a-z]+ )?{_PERSONS}\b", re.IGNORECASE
)
_NUMBER = rf"(\d{{1,2}}|{'|'.join(SPELT)})\b(?![.,]\d|\s*[%/]|\s*rows\b)"
_SAYS = (
    r"(?:(?: [a-z]+){0,3}\s*[:=]|\s*[\n(]|[-–—]| [-–—](?= )"
    r"|,? (?:count(?: of| is|:)?|was|were|is|are))"
)
_AFTER = re.compile(
    rf"\b{_PERSONS}{_SAYS}\s*{_NUMBER}(?![–-])"
    rf"|\b{_UNITS}(?: [a-z]+)?\s*:\s*{_NUMBER}(?![–-]|\s*[a-z])"
    rf"|\bnumber of {_BETWEEN}(?:{_UNITS})(?: [a-z]+){{0,3}}[:=]? {_NUMBER}",
    re.IGNORECASE,
)
_BESIDE = re.compile(
    rf"\((\d{{1,2}})\) (?:of (?:the )?)?{_BETWEEN}{_UNITS}\b"
    rf"|(?<![\w.,:/–-])(\d{{1,2}}) ?(?:–|-|to) ?\d{{1,2}} {_PERSONS}\b"
    rf"|\bfrom (\d{{1,2}}) to \d{{1,4}} {_BETWEEN}{_UNITS}\b"
    rf"|\ball (?:but|except) {_NUMBER}(?! (?:councils|units|outcomes|periods|years|months|days))",
    re.IGNORECASE,
)
_OF_WHOLE = re.compile(
    rf"\bof (?:the |these )?(\d{{1,4}}) {_BETWEEN}{_UNITS},? (?:only |just )?(\d{{1,4}})\b"
    rf"|{_START}(\d{{1,4}}) ?/ ?(\d{{1,4}}) {_BETWEEN}{_UNITS}\b"
    r"|\d ?(?:%|per ?cent) \((\d{1,4}) (?:out )?of (\d{1,4})\)",
    re.IGNORECASE,
)
# What a number beside a council's name is not a count of: a share, a time, a place, a part.
_NO_COUNT = (
    r"(?!\d|[.,]\d|\s*(?:%|/|-\d|per|months?|years?|days?|of|to|points?|working|th\b|st\b|nd\b|rd\b|"
    r"periods?|quarters?|councils?|outcomes?|figures?|rows?|January|February|March|April|May|June|July|"
    r"August|September|October|November|December))"
)
_SIZE = re.compile(r"\b[nN] ?= ?(\d{1,2})(?![\d.,])(?! ?(?:treated|councils|pilots|comparators))")


def find_small_counts(text: str, rules: Rules) -> Iterator[Finding]:
    """Look for "3 children", "three children" and "n = 3" in a passage.

    Parameters
    ----------
    text : str
    rules : Rules

    Yields
    ------
    (verdict, str)
        Digits fail; words and bare sample sizes go to a person, who can tell figures from speech.

    Examples
    --------
    >>> list(find_small_counts("of these, 3 children waited", Rules(threshold=5)))
    [('fail', 'a count of children below the threshold in the text')]
    """
    if rules.strand == PUBLISHED:
        return
    told = read_as_person(text)
    text = _MARKS.sub("", told) + "\n" + "\n".join(filter(_holds_more, _MARKS.findall(told)))
    parts = [(int(part), int(whole)) for part, whole in _PART.findall(text)]
    parts += [part for share in _SHARE.findall(text) for part in _derive(*share)]
    parts += [
        part
        for pattern in (_SHARE_AFTER, _BASE)
        for whole, percent, decimals in pattern.findall(text)
        for part in _derive(percent, decimals, whole)
    ]
    parts += [_order(*filter(None, match)) for match in _OF_WHOLE.findall(text)]
    if any(1 <= number <= rules.threshold for p, w in parts for number in (p, w - p)):
        yield "fail", "a part of children that leaves fewer than the threshold"
    if any(1 <= int(number) <= rules.threshold for number in _DIGITS.findall(text)):
        yield "fail", "a count of children below the threshold in the text"
    unnamed = [_order(*filter(None, match)) for match in _OUT_OF.findall(text)]
    if any(1 <= number <= rules.threshold < w for p, w in unnamed for number in (p, w - p)):
        yield "review", "a small part of something; say of what"
    spelt = any(SPELT[word.lower()] <= rules.threshold for word in _SPELT.findall(text))
    if spelt or _FEW.search(text):
        yield "review", "what may be a small count of children, in words"
    if any(1 <= _count(match) <= rules.threshold for match in _AFTER.findall(text)):
        yield "review", "what may be a small count after what it counts"
    if any(1 <= _count(match) <= rules.threshold for match in _BESIDE.findall(text)):
        yield "review", "what may be a small count beside what it counts"
    if any(1 <= int(number) <= rules.threshold for number in _SIZE.findall(text)):
        yield "review", "a small n; say of what"
    if any(1 <= _count(match) <= rules.threshold for match in _by_council().findall(text)):
        yield "review", "a small number beside a council's name; say of what"


@cache
def _by_council() -> re.Pattern[str]:
    """Compile "Anytown: 3", "Anytown had 3" and "3 in Anytown", for the names of councils."""
    names = "|".join(sorted(map(re.escape, council_names().values()), key=len, reverse=True))
    had = r"(?:(?:'s)?(?: [a-z]+){0,3} (?:had|has|with|saw|recorded|reported|was|were|is|are))?"
    number = rf"(\d{{1,2}}|(?:{'|'.join(SPELT)})\b)"
    return re.compile(
        rf"\b(?:{names})\b{had}(?:[:,=–'\"(-]{{1,2}}[ \n]|[ \n][:=–(-]? ?){number}{_NO_COUNT}"
        rf"|(?<![\d.,])\b(\d{{1,2}}) (?:in|from|at) (?:{names})\b"
    )


def _holds_more(mark: str) -> bool:
    """Whether a mark says something in its attributes."""
    return "=" in mark


def _count(match: tuple[str, ...]) -> int:
    """Read the one number of several places where it can stand."""
    word = next(filter(None, match)).lower()
    return SPELT[word] if word in SPELT else int(word)


def _order(one: str, other: str) -> tuple[int, int]:
    """Give the part and the whole of two numbers, whichever comes first."""
    part, whole = sorted((int(one), int(other)))
    return part, whole


def _derive(percent: str, decimals: str, whole: str) -> Iterator[tuple[int, int]]:
    """Give the one count that a share and its whole leave, if there is one."""
    slack = 0.5 / 10 ** len(decimals)
    low, high = ((float(percent) + sign * slack) * int(whole) / 100 for sign in (-1, 1))
    if math.ceil(low) == math.floor(high):
        yield math.ceil(low), int(whole)
