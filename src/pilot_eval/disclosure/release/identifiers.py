"""Patterns of what identifies a child or a member of staff. Findings never repeat the value."""

from __future__ import annotations

import getpass
import re
import string
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from pilot_eval.disclosure.release.disguise import is_backwards, list_readings

Verdict = Literal["pass", "review", "fail"]
Finding = tuple[Verdict, str]
REACH = 40
"""Letters before and after an anchor that hold all of a match, and what stands beside it."""


@dataclass(frozen=True, slots=True)
class Near:
    """A pattern of which every match holds what `anchor` finds, at most `reach` letters away.

    To look for the pattern near the anchor costs a tenth of what it costs everywhere.
    """

    anchor: re.Pattern[str]
    pattern: re.Pattern[str]
    reach: int = REACH

    def search(self, text: str) -> re.Match[str] | None:
        """Find the first match in a text."""
        for place in self.anchor.finditer(text):
            at = place.start()
            for match in self.pattern.finditer(text, max(0, at - self.reach), at + self.reach):
                if match.start() <= at < match.end():  # not one that the reach cuts off
                    return match
        return None


@dataclass(frozen=True, slots=True)
class Shaped:
    """A pattern of which every match, drawn in outline, holds one of the `shapes`.

    In an outline every digit is a 0, every letter an a, or an A where it is a capital and `cased`,
    and what may stand `between` them is left out. To look for a shape costs next to nothing.
    """

    shapes: tuple[bytes, ...]
    pattern: re.Pattern[str] | Near
    between: bytes = b""
    cased: bool = False

    def search(self, text: str) -> re.Match[str] | None:
        """Find the first match in a text."""
        return self.pattern.search(text) if self.may_hold(text) else None

    def may_hold(self, text: str) -> bool:
        """Say whether a text holds one of the shapes, or letters that have no outline."""
        if not _can_be_drawn(text):
            return True
        outlines = _CASED if self.cased else _UNCASED
        drawn = text.encode("ascii", "replace").translate(outlines, self.between)
        return any(shape in drawn for shape in self.shapes)


@lru_cache(maxsize=8)
def _can_be_drawn(text: str) -> bool:
    """Say whether what patterns take for a digit, or in any case for a letter, is one of ASCII."""
    others = set() if text.isascii() else {letter for letter in set(text) if letter > "\x7f"}
    return not any(letter.isdecimal() or letter in _LIKE_LATIN for letter in others)


_LIKE_LATIN = "\u0130\u0131\u017f\u212a"
_SMALL, _CAPITAL = string.ascii_lowercase.encode(), string.ascii_uppercase.encode()
_CASED = bytes.maketrans(b"123456789" + _SMALL + _CAPITAL, b"0" * 9 + b"a" * 26 + b"A" * 26)
_UNCASED = bytes.maketrans(b"123456789" + _SMALL + _CAPITAL, b"0" * 9 + b"a" * 52)
_MONTH = r"(?:0?[1-9]|1[0-2])"
_DAY = r"(?:0?[1-9]|[12]\d|3[01])"
_ORDINAL = (
    r"(?:(?:twenty|thirty)[ -])?(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth)"
    r"|tenth|eleventh|twelfth|(?:thir|four|fif|six|seven|eigh|nine)teenth|(?:twen|thir)tieth"
)
_NUMBERED = rf"(?:\d{{1,2}}(?:st|nd|rd|th)?|{_ORDINAL})"
_WORD_YEAR = r"[-/., ]{1,2}'?(?:(?:19|20)\d\d|\d\d(?!\d))"
_DATE = (
    rf"(?:(?:19|20)\d\d[-/. ]?{_MONTH}[-/. ]?{_DAY}"
    rf"|{_DAY}[-/. ]?{_MONTH}[-/. ]?(?:19|20)?\d\d"
    r"|(?:19|20)\d\d-(?:W?\d\d-\d|\d{3})(?!\d)"
    rf"|{_NUMBERED}[-/. ]{{1,2}}(?:of )?[a-z]{{3,9}}{_WORD_YEAR}"
    rf"|[a-z]{{3,9}}[-/. ]{{1,2}}{_NUMBERED}{_WORD_YEAR})"
)
_BIRTH = ("birth", "born", "dob", "d.ob", "do.b", "d.o.b", "turned")
_NAME = "what may be a person's name"
_PERSONS = "(?:[Cc]hild|[Pp]upil|[Cc]lient|[Pp]atient|[Yy]oung person|[Mm]other|[Ff]ather|[Cc]arer)"
_MONTHS = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}"
_STREETS = (
    *("Street", "Road", "Lane", "Avenue", "Close", "Drive", "Crescent", "Gardens", "Terrace"),
    "Grove",
)
_FOLDERS = (
    *("root", "tmp", "mnt", "var", "opt", "srv", "work", "media", "data", "private"),
    "workspace",
)

# A unique pupil number is a letter, eleven digits, and a digit or letter. Its check letter is not
# looked at: a number with a typing error identifies a child too.
# Each rule names words, in small letters, of which a passage must hold one where the pattern does:
# to look for them costs a fiftieth of what the pattern costs.
RULES: tuple[tuple[Verdict, str, tuple[str, ...], re.Pattern[str] | Near | Shaped], ...] = (
    (
        "fail",
        "a unique pupil number",
        (),
        Shaped(
            (b"a" + b"0" * 12, b"a" + b"0" * 11 + b"a"),
            re.compile(
                r"(?<![\w])[A-HJ-NP-Z](?:[ \t._/*-]?\d){11}[ \t._/*-]?[\dA-Z](?![\w])",
                re.IGNORECASE,
            ),
            between=b" \t._/*-",
        ),
    ),
    (
        "fail",
        "a pupil's or learner's number by its name",
        ("upn", "uln", "pupil number", "learner number"),
        re.compile(
            r"\b(?:UPN|ULN|unique (?:pupil|learner) number|(?:pupil|learner) number)\b"
            r"(?:\W|\bis\b|\bwas\b){1,8}[A-Z]?\d{8,13}(?!\d)",
            re.IGNORECASE,
        ),
    ),
    (
        "review",
        "what may be one child's number",
        ("child", "pupil", "client", "boy", "girl"),
        Shaped(
            (b" 00000", b":00000", b"=00000", b"#00000"),
            re.compile(
                r"\b(?:child|pupil|client|boy|girl)(?: (?:id|no\.?|number|ref(?:erence)?))?"
                r"[ :=#]{1,3}\d{5,12}(?![\d.,])",
                re.IGNORECASE,
            ),
        ),
    ),
    (
        "review",
        _NAME,
        ("name",),
        Near(
            re.compile("[Nn]ame"),
            re.compile(
                rf"\b(?:{_PERSONS}(?:'s)? (?:full |first |last )?[Nn]ame"
                rf"|[Nn]ame of (?:the |a )?{_PERSONS}|(?:[Ff]ore|[Ss]ur|[Ff]irst |[Ll]ast )names?)"
                r"(?:[\s:=,-]{1,4}|\b is |\b was )[A-Z][a-z'-]+"
            ),
        ),
    ),
    (
        "review",
        _NAME,
        ("child", "pupil", "client", "patient"),
        re.compile(
            r"\b(?:child |pupil |client |(?:[Cc]hild|[Pp]upil|[Cc]lient|[Pp]atient): )"
            r"[A-Z][a-z'-]+ [A-Z][a-z'-]+"
        ),
    ),
    (
        "review",
        _NAME,
        (" aged", "(aged"),
        re.compile(r"\b[A-Z][a-z'-]+ [A-Z][a-z'-]+,? \(?aged \d{1,2}(?! ?(?:to|or|and|-|–)|\d)"),
    ),
    (
        "review",
        "what may be an address",
        tuple(map(str.casefold, _STREETS)),
        re.compile(
            r"\b\d{1,4}[a-zA-Z]?,? (?:[A-Z][a-z]+ ){1,3}"
            rf"(?:{'|'.join(_STREETS)})\b"
        ),
    ),
    (
        "review",
        "a telephone number",
        (),
        Shaped(
            (b"000 000", b"000-000"),
            re.compile(r"(?<![\d.,])(?:\+44 ?|0)[1-37]\d{2,3}[ -]\d{3}[ -]?\d{3,4}(?![\d.])"),
        ),
    ),
    (
        "review",
        "what may be a postcode in small letters",
        (),
        Shaped(
            (b"a0 0aa", b"a00 0aa", b"a0a 0aa"),
            re.compile(
                r"(?<![\w.#-])[a-z]{1,2}\d[a-z\d]? \d(?!st|nd|rd|th)[abd-hjlnp-uw-z]{2}(?![\w-])"
            ),
            cased=True,
        ),
    ),
    (
        "fail",
        "a National Insurance number",
        (),
        Shaped(
            (b"aa000000a",),
            Near(
                re.compile(r"\d(?:[ -]?\d){5}[ -]?[A-Da-d]"),
                re.compile(
                    r"(?<!\w)(?:QQ|[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z])(?:[ -]?\d){6}"
                    r"[ -]?[A-D](?!\w)",
                    re.IGNORECASE,
                ),
            ),
            between=b" -",
        ),
    ),
    (
        "fail",
        "a postcode",
        (),
        Shaped(
            (b"A00AA", b"A0 0AA", b"A000AA", b"A00 0AA", b"A0A0AA", b"A0A 0AA"),
            re.compile(r"(?<![\w.#-])[A-Z]{1,2}\d[A-Z\d]? ?\d[ABD-HJLNP-UW-Z]{2}(?![\w-])"),
            cased=True,
        ),
    ),
    (
        "fail",
        "a child's id alongside its name (LAchildID)",
        ("childid", "child id", "child_id"),
        re.compile(
            r"""(?:LA[ _]?child[ _]?ID|child[ _]?id)["'<>/\s:=#|,]{1,8}(?=\w*\d)\w{2,20}""",
            re.IGNORECASE,
        ),
    ),
    ("fail", "the id of a (simulated) child", ("sim",), re.compile(r"(?<!\w)SIM\d{7}(?!\w)")),
    (
        "fail",
        "a date of birth",
        _BIRTH,
        re.compile(
            r"(?:birth[ _]?date|date[ _]?of[ _]?birth|\bd\.?o\.?b\.?\b|\bborn\b|birth"
            r"|\bturned [a-z\d]+\b)"
            r"(?:\W|\bon\b|\bis\b|\bwas\b|[\"'<>/a-z]){0,24}?" + _DATE,
            re.IGNORECASE,
        ),
    ),
    (
        "fail",
        "a date of birth in words",
        _BIRTH,
        re.compile(
            r"\b(?:born|birth|d\.?o\.?b)\b[^.\n]{0,60}?"
            r"\b(?:two thousand|nineteen ninety|twenty[ -](?:oh|ten|eleven|twelve|thirteen))",
            re.IGNORECASE,
        ),
    ),
    (
        "fail",
        "a National Health Service number",
        ("nhs",),
        re.compile(r"\bNHS\b[^\d\n]{0,20}\d{3}[ -]?\d{3}[ -]?\d{4}"),
    ),
    (
        "review",
        "a day in the years in which the children were born",
        (),
        Near(
            re.compile(r"(?:199|200)\d"),
            re.compile(
                r"(?<![\w./-])(?:199\d|200[0-8])-(?:0[1-9]|1[0-2])-(?:[0-2]\d|3[01])(?![\w/-])"
                rf"|(?<![\w./-]){_DAY}/{_MONTH}/(?:199\d|200[0-8])(?![\w/-])"
                rf"|(?<![\w./-]){_DAY}(?:st|nd|rd|th)? {_MONTHS},? (?:199\d|200[0-8])(?![\w/-])"
            ),
        ),
    ),
    (
        "fail",
        "a folder with a user's name",
        ("/home/", "users"),
        re.compile(r"(?:/home/|/Users/|[A-Za-z]:[\\/]+Users[\\/]+)[\w.-]+"),
    ),
    (
        "review",
        "a path on somebody's machine",
        (*(f"/{folder}/" for folder in _FOLDERS), ":\\", "\\\\"),
        re.compile(
            rf"(?<![\w/.:])/(?:{'|'.join(_FOLDERS)})/[\w.-]+"
            r"|(?<![\w])[A-Z]:\\+[\w.-]+"
            # A server's folder, as it is and in JSON; a formula's backslashes are alike in number.
            r"|(?<!\\)(?:\\\\[\w.-]{3,}\\|\\\\\\\\[\w.-]{3,}\\\\)(?!\\)[\w.$-]{2,}"
        ),
    ),
)

# Written in threes and a four, as the health service does.
_TEN_DIGITS = re.compile(r"(?<![\d.,/-])\d{3}([ ./_-])\d{3}\1\d{4}(?!\d|[.,/-]\d)")
TENS = Shaped(
    (b"000 000 0000", b"000.000.0000", b"000/000/0000", b"000_000_0000", b"000-000-0000"),
    _TEN_DIGITS,
)
_EMAIL = Near(
    re.compile("@"),
    re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}\.[\w.-]{0,100}\w"),
    reach=170,
)
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
    >>> [reason for _, reason in find_identifiers("see A123456789012")]
    ['a unique pupil number']
    """
    readings = list_readings(text)
    folded = [(reading, fold(reading)) for reading in readings]
    found = (
        (verdict, what)
        for verdict, what, words, pattern in RULES
        if any(pattern.search(reading) for reading, text in folded if holds_one(text, words))
    )
    yield from dict.fromkeys(found)
    tens = (match[0] for reading in readings for match in _find_tens(reading))
    if any(map(_is_health_number, tens)):
        yield "fail", "a National Health Service number"
    if any(name in reading for name in _user_names() for reading in readings):
        yield "fail", "the name of the user"
    if any(_EMAIL.search(reading) for reading in readings if "@" in reading):
        yield "review", "an e-mail address"
    if is_backwards(text):
        yield "review", "text that is shown backwards"


def fold(text: str) -> str:
    """Put into small letters, as a pattern that ignores case does: dotless and dotted I too."""
    return text.casefold().replace("\u0131", "i").replace("\u0307", "")


def holds_one(text: str, words: tuple[str, ...]) -> bool:
    """Say whether a folded text holds one of the words; without words any text does."""
    return not words or any(word in text for word in words)


def _find_tens(text: str) -> Iterator[re.Match[str]]:
    return _TEN_DIGITS.finditer(text) if TENS.may_hold(text) else iter(())


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
