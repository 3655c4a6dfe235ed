"""Patterns of what identifies a child or a member of staff. Findings never repeat the value."""

from __future__ import annotations

import getpass
import re
from collections.abc import Collection, Iterator
from typing import Literal

Verdict = Literal["pass", "review", "fail"]
Finding = tuple[Verdict, str]

_DATE = (
    r"(?:(?:19|20)\d\d-\d\d-\d\d"
    r"|\d{1,2}[/.]\d{1,2}[/.](?:19|20)?\d\d"
    r"|\d{1,2} [A-Z][a-z]{2,8} (?:19|20)\d\d)"
)

# A unique pupil number is a letter, eleven digits, and a digit or letter. Its check letter is not
# looked at: a number with a typing error identifies a child too.
_RULES: tuple[tuple[Verdict, str, re.Pattern[str]], ...] = (
    ("fail", "a unique pupil number", re.compile(r"(?<![\w])[A-HJ-NP-Z]\d{11}[\dA-Z](?![\w])")),
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
            r"\W{0,12}(?:on |is |was )?\W{0,4}" + _DATE,
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
        re.compile(r"(?<![\w./-])(?:199\d|200[0-8])-(?:0[1-9]|1[0-2])-(?:[0-2]\d|3[01])(?![\w/-])"),
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

_EMAIL = re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+\w")
_NAME_LENGTH = 4
_NOT_A_NAME = {"root", "user", "admin", "runner", "jovyan", "ubuntu", "debian", "test", "guest"}


def find_identifiers(text: str, known: Collection[str] = ()) -> Iterator[Finding]:
    """Look for identifiers in a passage.

    Parameters
    ----------
    text : str
    known : collection of str
        Identifiers of this run's records, looked for as whole words.

    Yields
    ------
    (verdict, str)
        What was found, without the value.

    Examples
    --------
    >>> [reason for _, reason in find_identifiers("UPN A123456789012")]
    ['a unique pupil number']
    """
    for verdict, what, pattern in _RULES:
        if pattern.search(text):
            yield verdict, what
    if known and not set(known).isdisjoint(re.findall(r"\w+", text)):
        yield "fail", "an id from this run's records"
    if any(name in text for name in _user_names()):
        yield "fail", "the name of the user"
    if _EMAIL.search(text):
        yield "review", "an e-mail address"


def _user_names() -> list[str]:
    try:
        name = getpass.getuser()
    except (OSError, KeyError):
        return []
    usable = len(name) >= _NAME_LENGTH and name.lower() not in _NOT_A_NAME
    return [name] if usable else []
