"""Small counts of children in running text and in labels of drawings."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pilot_eval.disclosure.release.findings import PUBLISHED, Rules
from pilot_eval.disclosure.release.identifiers import Finding

_WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_UNITS = (
    r"(?:child(?:ren)?|referrals?|(?:initial |core |single )?assessments?|conferences?|"
    r"(?:child protection )?plans?|boys?|girls?|pupils?|cases|episodes|siblings?)"
)
# At most one word between: "3 late children".
_DIGITS = re.compile(
    rf"(?<![\w.,:/–-])(\d{{1,2}}) (?:[a-z]+ )?(?:{_UNITS})\b(?! (?:in|of) (?:every|ten))"
)
_PART = re.compile(rf"(?<![\w.,:/–-])(\d{{1,4}}) (?:out )?of (?:the )?(\d{{1,4}}) (?:{_UNITS})\b")
_MARKS = re.compile(r"[*_`]+|</?(?:b|i|em|strong|span)(?:\s[^>]*)?>")
_SPELT = re.compile(rf"\b({'|'.join(_WORDS)}) (?:{_UNITS})\b(?! in\b)", re.IGNORECASE)
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
    text = _MARKS.sub("", text)
    parts = [(int(part), int(whole)) for part, whole in _PART.findall(text)]
    if any(1 <= number <= rules.threshold for p, w in parts for number in (p, w - p)):
        yield "fail", "a part of children that leaves fewer than the threshold"
    if any(1 <= int(number) <= rules.threshold for number in _DIGITS.findall(text)):
        yield "fail", "a count of children below the threshold in the text"
    if any(_WORDS.index(word.lower()) < rules.threshold for word in _SPELT.findall(text)):
        yield "review", "what may be a small count of children, in words"
    if any(1 <= int(number) <= rules.threshold for number in _SIZE.findall(text)):
        yield "review", "a small n; say of what"
