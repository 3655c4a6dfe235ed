"""The validation rules: what they say, where they are asked and how much they matter.

*Fatal* rules say that a record cannot be used in any clock or count: it is set aside.
*Warnings* leave it in. The rules are rows of `rules.csv`: when each is asked, what it says, where,
and which of `finders` finds what breaks it. What is done about records that overlap or repeat is in
`overlaps`.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from pilot_eval.records import finders
from pilot_eval.records.child_rows import Records
from pilot_eval.records.codes import CODE_SETS
from pilot_eval.records.finders import START_OF, Found, Settings
from pilot_eval.records.schema import SCHEMA
from pilot_eval.records.views import FIRST_DATE, PLANNED
from pilot_eval.reference.working_days import FIRST_YEAR, LAST_YEAR

Place = tuple[str, str]
RULES_FILE = Path(__file__).with_name("rules.csv")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule: its name, what it says, the places it is asked about, and how it finds."""

    name: str
    severity: str
    says: str
    places: tuple[Place, ...]
    find: Callable[[Records, str, str, Settings], Found]


_DATES = tuple(
    (table, name) for table, kinds in SCHEMA.items() for name in kinds if kinds[name] == "date"
)
_EVENTS = tuple(
    (table, name) for table, name in FIRST_DATE.items() if "referral_id" in SCHEMA[table]
)[1:]
_ENDS = (("assessments", "end_date"), ("plans", "plan_end_date"))


def _everywhere(name: str) -> tuple[Place, ...]:
    return tuple((table, name) for table in SCHEMA if name in SCHEMA[table])


def _places(words: str) -> tuple[Place, ...]:
    """Read where a rule is asked: a name of `_PLACES`, or each as ``table.field``."""
    if words in _PLACES:
        return _PLACES[words]
    return tuple(
        (table, name) for table, _, name in (word.partition(".") for word in words.split())
    )


_PLACES: Mapping[str, tuple[Place, ...]] = {
    "records": _everywhere("child_id"),
    "records about children": tuple(
        place for place in _everywhere("child_id") if place[0] != "children"
    ),
    "work": tuple(place for place in _everywhere("referral_id") if place[0] != "referrals"),
    "first dates": tuple(FIRST_DATE.items()),
    "dates": _DATES,
    "recorded dates": tuple(
        place for place in _DATES if place[1] not in PLANNED and place[0] != "children"
    ),
    "dates after a start": tuple(START_OF),
    "events": _EVENTS,
    "ends": _ENDS,
    "codes": tuple(place for name in CODE_SETS for place in _everywhere(name)),
}


def _read_rules() -> dict[str, tuple[Rule, ...]]:
    rules: dict[str, list[Rule]] = {}
    with RULES_FILE.open(encoding="utf-8", newline="") as handle:
        for row in csv.DictReader(handle):
            rule = Rule(
                name=row["rule"],
                severity=row["severity"],
                says=row["says"].format(FIRST_YEAR=FIRST_YEAR, LAST_YEAR=LAST_YEAR),
                places=_places(row["places"]),
                find=getattr(finders, row["find"]),
            )
            rules.setdefault(row["asked"], []).append(rule)
    return {asked: tuple(found) for asked, found in rules.items()}


_RULES = _read_rules()
#: Asked first, of every record: it cannot be used, whatever else is known.
RECORD_RULES = _RULES["record"]
#: Asked once records that overlap are one: the record lies outside its episode.
EPISODE_RULES = _RULES["episode"]
#: Asked of the records that stay.
WARNING_RULES = _RULES["warning"]


def list_rules() -> pd.DataFrame:
    """List the validation rules.

    Returns
    -------
    DataFrame
        rule, severity, table, field, says; one row per place.

    Examples
    --------
    >>> list_rules().query("rule == 'unknown_plan'")["severity"].item()
    'fatal'
    """
    rules = (*RECORD_RULES, *EPISODE_RULES, *WARNING_RULES)
    rows = [
        (rule.name, rule.severity, table, name, rule.says)
        for rule in rules
        for table, name in rule.places
    ]
    return pd.DataFrame(rows, columns=["rule", "severity", "table", "field", "says"])
