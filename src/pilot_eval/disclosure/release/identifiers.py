"""Patterns of what identifies a child or a member of staff. Findings never repeat the value."""

from __future__ import annotations

import getpass
import html
import re
import unicodedata
from collections.abc import Iterator
from typing import Literal

Verdict = Literal["pass", "review", "fail"]
Finding = tuple[Verdict, str]

_MONTH = r"(?:0?[1-9]|1[0-2])"
_DAY = r"(?:0?[1-9]|[12]\d|3[01])"
_DATE = (
    rf"(?:(?:19|20)\d\d[-/. ]?{_MONTH}[-/. ]?{_DAY}"
    rf"|{_DAY}[-/. ]?{_MONTH}[-/. ]?(?:19|20)?\d\d"
    r"|\d{1,2}(?:st|nd|rd|th)? (?:of )?[A-Z][a-z]{2,8},? (?:19|20)\d\d"
    r"|[A-Z][a-z]{2,8} \d{1,2}(?:st|nd|rd|th)?,? (?:19|20)\d\d)"
)
# Years in which children of these records were born.
_BORN = r"(?:199\d|200\d|201\d|202\d)"
_BORN_ON = rf"(?:{_BORN}[-/.]{_MONTH}[-/.]{_DAY}|{_DAY}[-/.]{_MONTH}[-/.]{_BORN})"

# A unique pupil number is a letter, eleven digits, and a digit or letter. Its check letter is not
# looked at: a number with a typing error identifies a child too.
_RULES: tuple[tuple[Verdict, str, re.Pattern[str]], ...] = (
    (
        "fail",
        "a unique pupil number",
        re.compile(r"(?<![\w])[A-HJ-NP-Z](?:[ .-]?\d){11}[ .-]?[\dA-Z](?![\w])", re.IGNORECASE),
    ),
    (
        "fail",
        "a National Insurance number",
        re.compile(
            r"(?<!\w)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z](?:[ -]?\d){6}[ -]?[A-D](?!\w)",
            re.IGNORECASE,
        ),
    ),
    (
        "fail",
        "a postcode",
        re.compile(r"(?<![\w.#-])[A-Z]{1,2}\d[A-Z\d]? ?\d[ABD-HJLNP-UW-Z]{2}(?![\w-])"),
    ),
    (
        "fail",
        "a child's id beside its name (LAchildID)",
        re.compile(
            r"""(?:LA[ _]?child[ _]?ID|child[ _]?id)["'<>/\s:=#|,]{1,8}(?=\w*\d)\w{2,20}""",
            re.IGNORECASE,
        ),
    ),
    ("fail", "the id of a (simulated) child", re.compile(r"(?<!\w)SIM\d{7}(?!\w)")),
    (
        "fail",
        "a date of birth",
        re.compile(
            r"(?:birth[ _]?date|date[ _]?of[ _]?birth|\bd\.?o\.?b\.?\b|\bborn\b|birth)"
            r"(?:\W|\bon\b|\bis\b|\bwas\b|[\"'<>/a-z]){0,24}?" + _DATE,
            re.IGNORECASE,
        ),
    ),
    (
        "fail",
        "a National Health Service number",
        re.compile(r"\bNHS\b[^\d\n]{0,20}\d{3}[ -]?\d{3}[ -]?\d{4}"),
    ),
    (
        "review",
        "a day in the years in which the children were born",
        re.compile(
            r"(?<![\w./-])(?:199\d|200[0-8])-(?:0[1-9]|1[0-2])-(?:[0-2]\d|3[01])(?![\w/-])"
            rf"|(?<![\w./-]){_DAY}/{_MONTH}/(?:199\d|200[0-8])(?![\w/-])"
        ),
    ),
    (
        "fail",
        "a folder with a user's name",
        re.compile(r"(?:/home/|/Users/|[A-Za-z]:[\\/]+Users[\\/]+)[\w.-]+"),
    ),
    (
        "review",
        "a path on somebody's machine",
        re.compile(
            r"(?<![\w/.:])/(?:root|tmp|mnt|var|opt|srv|work|media|data|private|workspace)/[\w.-]+"
            r"|(?<![\w])[A-Z]:\\+[\w.-]+|\\\\\\\\?[\w.-]+\\+[\w.$-]+"
        ),
    ),
)

# Written in threes and a four, as the health service does.
_TEN_DIGITS = re.compile(r"(?<![\d.,/-])\d{3}[ -]\d{3}[ -]\d{4}(?!\d|[.,/-]\d)")
_UNSEEN = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")
_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}\.[\w.-]{0,100}\w")
_NAME_LENGTH = 4
_NOT_A_NAME = {"root", "user", "admin", "runner", "jovyan", "ubuntu", "debian", "test", "guest"}


def find_identifiers(text: str) -> Iterator[Finding]:
    """Look for identifiers in a passage.

    Parameters
    ----------
    text : str

    Yields
    ------
    (verdict, str)
        What was found, without the value.

    Examples
    --------
    >>> [reason for _, reason in find_identifiers("UPN A123456789012")]
    ['a unique pupil number']
    """
    read = read_as_person(text)
    for verdict, what, pattern in _RULES:
        if pattern.search(text) or (read != text and pattern.search(read)):
            yield verdict, what
    if any(_is_health_number(digits) for digits in _TEN_DIGITS.findall(read)):
        yield "fail", "a National Health Service number"
    if any(name in text for name in _user_names()):
        yield "fail", "the name of the user"
    if _EMAIL.search(text):
        yield "review", "an e-mail address"


def read_as_person(text: str) -> str:
    """Read a passage as a person sees it: entities resolved, other forms of letters, no ghosts.

    Parameters
    ----------
    text : str

    Returns
    -------
    str
    """
    plain = unicodedata.normalize("NFKC", html.unescape(text))
    return _UNSEEN.sub("", plain)


def _is_health_number(digits: str) -> bool:
    """Tell a number whose eleven-modulus check digit is right; chance gives one in eleven."""
    numbers = [int(digit) for digit in digits if digit.isdigit()]
    total = sum(number * weight for number, weight in zip(numbers, range(10, 1, -1), strict=False))
    return (11 - total % 11) % 11 == numbers[9] and len(set(numbers)) > 1


def _user_names() -> list[str]:
    try:
        name = getpass.getuser()
    except (OSError, KeyError):
        return []
    usable = len(name) >= _NAME_LENGTH and name.lower() not in _NOT_A_NAME
    return [name] if usable else []
