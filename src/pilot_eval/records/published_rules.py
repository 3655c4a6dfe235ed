"""DfE's published validation rules for the children-in-need return, asked of returns as sent.

What each rule says, the places it names and the check that asks it are rows of
`published_rules.csv`; the numbers and what they mean are those of the sector's open validator
(docs/published-rules.md). Found records are issues like any other, of severity *error* or *query*:
nothing is set aside for them.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from pilot_eval.records import sent_checks, sent_groups
from pilot_eval.records.issues import stack
from pilot_eval.records.resubmissions import RETURN, note_returns
from pilot_eval.records.returns import RawReturn, ReturnHeader
from pilot_eval.records.schema import ISSUE_COLUMNS, empty_issues
from pilot_eval.records.sent import MODULES, PLACES, Rows, Sent, table_of
from pilot_eval.records.sent_checks import Check, Places
from pilot_eval.records.sent_groups import WHOLE_RETURN

RULES_FILE = Path(__file__).with_name("published_rules.csv")
NOT_ASKED = "rule_not_asked"
"""Of a rule about a column or module that a folder does not have; the field is its number."""
#: The oldest set that is known: returns before it are asked the rules of this year.
FIRST_YEAR, NO_END = 2023, 9999


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedRule:
    """One rule of some years.

    Attributes
    ----------
    number, severity, explanation : str
    year_from, year_to : int
        Returns (years ending 31 March) that it is asked of.
    check : callable
    places : tuple of str
        As ``Module.Field``, or ``Module`` for its records; the first is where the fault is shown.
    given : str
        What else the check needs: codes, days, levels.
    """

    number: str
    severity: str
    year_from: int
    year_to: int
    check: Check
    places: Places
    given: str
    explanation: str

    @property
    def modules(self) -> tuple[str, ...]:
        """Modules that it names, in order."""
        return tuple(dict.fromkeys(place.partition(".")[0] for place in self.places))


#: Rule, table, field, rows and lines.
_One = tuple[PublishedRule, str, str, Rows, Rows]


@cache
def load_published_rules() -> tuple[PublishedRule, ...]:
    """Read the rules.

    Returns
    -------
    tuple of PublishedRule
        By number; a rule that has changed is there for each of its forms.

    Examples
    --------
    >>> len({rule.number for rule in load_published_rules()})
    109
    """
    checks = {**vars(sent_checks), **vars(sent_groups)}
    with RULES_FILE.open(encoding="utf-8", newline="") as stream:
        return tuple(
            PublishedRule(
                number=row["number"],
                severity=row["severity"],
                year_from=int(row["year_from"]),
                year_to=int(row["year_to"] or NO_END),
                check=checks[row["check"]],
                places=tuple(row["fields"].split()),
                given=row["given"],
                explanation=row["explanation"],
            )
            for row in csv.DictReader(stream)
        )


@cache
def rules_of(year: int) -> tuple[PublishedRule, ...]:
    """List the rules that a return is asked.

    Parameters
    ----------
    year : int
        Year ending 31 March.

    Returns
    -------
    tuple of PublishedRule
    """
    asked = max(year, FIRST_YEAR)
    return tuple(rule for rule in load_published_rules() if rule.year_from <= asked <= rule.year_to)


def can_ask(rule: PublishedRule, absent: frozenset[str]) -> bool:
    """Say whether a source has everything that a rule asks about.

    Parameters
    ----------
    rule : PublishedRule
    absent : frozenset of str
        Modules and places that it lacks.

    Returns
    -------
    bool
    """
    return absent.isdisjoint(rule.places) and absent.isdisjoint(rule.modules)


def ask_published_rules(raw: RawReturn, frames: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Ask the rules of one return.

    Parameters
    ----------
    raw : RawReturn
        Read with what only the rules ask about.
    frames : mapping of str to DataFrame
        Its typed tables.

    Returns
    -------
    DataFrame
        Columns `ISSUE_COLUMNS`: `rule` is the number, `severity` error or query, `table` and
        `field` where it is shown, `row` the position in the module as it was sent. Rules about a
        column or module that a folder does not have are not asked, and noted (`NOT_ASKED`).
    """
    sent = Sent(raw, frames)
    asked: list[PublishedRule] = []
    left_out: list[tuple[ReturnHeader, str, str, str]] = []
    for rule in rules_of(raw.header.year):
        if can_ask(rule, sent.absent):
            asked.append(rule)
        else:
            left_out.append((raw.header, rule.number, NOT_ASKED, "note"))
    found = [one for rule in asked for one in _find(sent, rule)]
    return stack([_as_issues(found, raw.header), note_returns(left_out)])


def _as_issues(found: list[_One], header: ReturnHeader) -> pd.DataFrame:
    """Put what was found into one table."""
    if not found:
        return empty_issues()
    sizes = [len(rows) for *_, rows, _ in found]
    columns = {
        "table": np.repeat([table for _, table, *_ in found], sizes),
        "field": np.repeat([name for _, _, name, *_ in found], sizes),
        "row": np.concatenate([rows for *_, rows, _ in found]),
        "rule": np.repeat([rule.number for rule, *_ in found], sizes),
        "severity": np.repeat([rule.severity for rule, *_ in found], sizes),
        "council_code": header.council_code,
        "source_file": header.file,
        "source_row": np.concatenate([lines for *_, lines in found]),
    }
    kinds = dict(empty_issues().dtypes.items())
    return pd.DataFrame(columns)[list(ISSUE_COLUMNS)].astype(kinds)


def _find(sent: Sent, rule: PublishedRule) -> Iterator[_One]:
    """Ask one rule; yield the rows that break it, place by place."""
    for place, broken in rule.check(sent, rule.places, rule.given):
        if place == WHOLE_RETURN:
            if broken.any():
                nowhere = np.array([-1])
                yield rule, RETURN, "", nowhere, nowhere
            continue
        key, column = PLACES.get(place) or (MODULES[place], "")
        rows = np.flatnonzero(broken)
        if len(rows):
            yield rule, table_of(key), column, rows, sent.lines(key)[rows]
