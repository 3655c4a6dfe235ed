"""Read the cells of an own table: councils, periods and figures as people write them.

What can be read in one way only is put into the form of the published table; what can be read in
two ways, or in none, is left as it is, with a fault that says what to write.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

from pilot_eval.published.own_problems import Problem
from pilot_eval.published.published_rows import is_share
from pilot_eval.published.raw import RawTable
from pilot_eval.reference.plan_periods import PERIOD_PATTERN

COUNTS = ("numerator", "denominator", "numerator_low", "numerator_high")
FIRST_YEAR, LAST_YEAR = 1990, 2100

_BLANKS = " \u00a0\u202f'\u2019"
_WHOLE = re.compile(r"\d+(\.0+)?")
_DECIMAL = re.compile(r"\d+(\.\d+)?")
_GROUPED = re.compile(rf"\d{{1,3}}(?:([,{_BLANKS}])\d{{3}})(?:\1\d{{3}})*(\.\d+)?")
_POINT_BEFORE_THREE = re.compile(r"\d{1,3}\.\d{3}")
_NEGATIVE = re.compile(r"[-\u2212]\s*[\d.].*|\([\d.,]+\)")
_POWER = re.compile(r"\d+([.,]\d+)?[eE][+-]?\d+")
_SEPARATED = re.compile(rf"[\d.,{_BLANKS}]*\d[\d.,{_BLANKS}]*")
_YEAR_PAIR = re.compile(r"(\d{4})\s*[-/\u2013]?\s*(\d{4}|\d{2})")
_QUARTER = re.compile(r"(\d{4})[ -]?[qQ]([1-4])")
_YEAR_END = re.compile(r"(\d{4})-03-31")
_PREFIX = re.compile(
    r"^(the )?((london borough|royal borough|city|county|borough|metropolitan) of |county )"
)
_SUFFIX = re.compile(
    r"( city of| county of)$"
    r"|( (london|royal|county|city|borough|metropolitan|district|unitary|lb|lbc|mbc|council))+$"
)
_FRACTION = re.compile(r"0?\.\d{2,}")
_MOST_DIGITS = 8
"""Of a count: England has fewer than 100 million people."""

NEGATIVE = "must not be negative. Write the count, or c where it is hidden"
PERCENT = "must be a count, not a percentage. Write percentages in column value"
NOT_PERCENT = "must not have a percent sign: the indicator is not a percentage. Remove the sign"
AMBIGUOUS = (
    "must be a whole number, and a point before three digits may be another country's sign for "
    "thousands. Write the count in digits alone, as 1234"
)
SEPARATORS = (
    "must have a point before decimals, and at most commas or blanks between thousands. Write "
    "1234.5 for one thousand two hundred and thirty-four and a half"
)
DECIMALS = "must be a whole number: it is a count. Write shares and rates in column value"
FRACTION = (
    "must be a percentage, such as 56.2: below 1 it may be a share of 1. Write a percentage that "
    "is so small with its sign, as 0.43%"
)
HUGE = "must be a count of children, not more people than England has. Correct it"
POWER = "must be written out in digits, without an exponent. Show the cell as a number"


class Councils(NamedTuple):
    """Ways to name a council, each to its council_code."""

    by_code: Mapping[str, str]
    by_number: Mapping[str, str]
    by_name: Mapping[str, str]

    def find(self, text: str) -> str | None:
        """Find the code of a council given by code, DfE number or name."""
        number = text.removesuffix(".0")
        by_name = self.by_name.get(plain_name(text))
        code = self.by_code.get(text) or self.by_code.get(text.upper())
        return code or self.by_number.get(number) or by_name


def plain_name(name: str) -> str:
    """Write a council's name without what varies: case, points, "London Borough of", "Council".

    Examples
    --------
    >>> plain_name("London Borough of Camden"), plain_name("St. Helens")
    ('camden', 'st helens')
    """
    words = re.sub(r"[^\w ]+", " ", name.lower().replace("&", " and "))
    words = " ".join(words.split())
    return _SUFFIX.sub("", _PREFIX.sub("", words)) or words


def tidy_cells(table: RawTable, councils: Councils) -> tuple[RawTable, list[Problem]]:
    """Put cells into the form of the published table.

    Parameters
    ----------
    table : RawTable
        As from `read_own_file`.
    councils : Councils

    Returns
    -------
    RawTable
        Counts and values in plain digits, councils by code, periods as in the published table.
    list of Problem
        For each cell that cannot be read, or can be read in two ways; it stays as it is.
    """
    periods = read_periods(row["year_ending"] for row in table.rows)
    rows, problems = [], []
    for line, row in zip(table.lines, table.rows, strict=True):
        tidy = row | {"year_ending": periods.get(row["year_ending"], row["year_ending"])}
        tidy |= _read_council(row, councils)
        for name in (*COUNTS, "value"):
            text, rule = _read_figure(name, row.get(name, ""), row["indicator"], table.delimiter)
            if not rule and name == "value" and _may_be_fraction(row):
                rule = FRACTION
            if rule:
                problems.append(Problem(line, name, rule, "", tidy["council_code"]))
            elif name in row:
                tidy[name] = text
        if "confidence" in row:
            tidy["confidence"] = row["confidence"].removesuffix(".0").upper()
        rows.append(tidy)
    return replace(table, rows=tuple(rows)), problems


def _read_council(row: Mapping[str, str], councils: Councils) -> dict[str, str]:
    """Give code and number as texts that are known, where they are; a name fills an empty code."""
    code, number = row.get("council_code", ""), row.get("dfe_number", "").removesuffix(".0")
    if code not in councils.by_code and (found := councils.find(code)):
        code = found
    if not code and not number:
        name = row.get("council_name", "")
        code = councils.find(name) or name
    return {"council_code": code, "dfe_number": number}


def read_periods(texts: Iterable[str]) -> dict[str, str]:
    """Read a table's periods: ``2009-10`` is a year where the other periods are, else a month.

    Parameters
    ----------
    texts : iterable of str

    Returns
    -------
    dict
        Text to ``2012``, ``2012Q1`` or ``2012-01``; a text that is not a period is left out.

    Examples
    --------
    >>> read_periods(["2009-10", "2010/11", "2012"])
    {'2009-10': '2010', '2010/11': '2011', '2012': '2012'}
    >>> read_periods(["2009-09", "2009-10"])
    {'2009-09': '2009-09', '2009-10': '2009-10'}
    """
    known = {text: (_read_year(text), _read_part(text)) for text in dict.fromkeys(texts)}
    known = {text: both for text, both in known.items() if any(both)}
    yearly = all(year for year, _ in known.values())
    return {text: str(year if yearly else part or year) for text, (year, part) in known.items()}


def _read_year(text: str) -> str:
    text = text.removesuffix(".0")
    if match := _YEAR_END.fullmatch(text):
        text = match[1]
    elif match := _YEAR_PAIR.fullmatch(text):
        following = str(int(match[1]) + 1)
        text = following if following.endswith(match[2]) else ""
    return text if text.isdecimal() and FIRST_YEAR <= int(text) <= LAST_YEAR else ""


def _read_part(text: str) -> str:
    if match := _QUARTER.fullmatch(text):
        return f"{match[1]}Q{match[2]}"
    return text if re.fullmatch(PERIOD_PATTERN, text) else ""


def _read_figure(name: str, text: str, indicator: str, delimiter: str) -> tuple[str, str]:
    """Read one figure: its plain form, or the rule it breaks; what is not a number stays."""
    if _NEGATIVE.fullmatch(text):
        return text, NEGATIVE
    if _POWER.fullmatch(text):
        return text, POWER
    if name in COUNTS:
        return _read_count(text)
    return _read_value(text, indicator, delimiter)


def _read_count(text: str) -> tuple[str, str]:
    if text.endswith("%"):
        return text, PERCENT
    if _POINT_BEFORE_THREE.fullmatch(text):
        return text, AMBIGUOUS
    digits = re.sub(f"[,{_BLANKS}]", "", text) if _GROUPED.fullmatch(text) else text
    if _WHOLE.fullmatch(digits):
        count = digits.partition(".")[0]
        return count, HUGE if len(count) > _MOST_DIGITS else ""
    if _DECIMAL.fullmatch(digits):
        return text, DECIMALS
    return text, SEPARATORS if _SEPARATED.fullmatch(text) else ""


def _may_be_fraction(row: Mapping[str, str]) -> bool:
    """Whether a percentage that its counts do not give is written as a share of 1 may be."""
    counted = all(row.get(name, "")[:1].isdecimal() for name in COUNTS[:2])
    return (
        not counted
        and is_share(row["indicator"])
        and bool(_FRACTION.fullmatch(row.get("value", "")))
    )


def _read_value(text: str, indicator: str, delimiter: str) -> tuple[str, str]:
    if text.endswith("%"):
        if not is_share(indicator):
            return text, NOT_PERCENT
        text = text.removesuffix("%").rstrip()
    if _DECIMAL.fullmatch(text):
        return text, ""
    # A comma in a percentage or in days, or alongside semicolons, is more likely a decimal sign.
    clear = "," not in text or (delimiter == "," and indicator.endswith("_rate"))
    if _GROUPED.fullmatch(text) and clear:
        return re.sub(f"[,{_BLANKS}]", "", text), ""
    return text, SEPARATORS if _SEPARATED.fullmatch(text) else ""
