"""The validation rules: what they say, where they are asked and how much they matter.

*Fatal* rules say that a record cannot be used in any clock or count: it is set aside.
*Warnings* leave it in. What is done about records that overlap or repeat is in `overlaps`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from pilot_eval.records import finders
from pilot_eval.records.child_rows import Records
from pilot_eval.records.codes import CODE_SETS
from pilot_eval.records.finders import START_OF, Found, Settings
from pilot_eval.records.schema import SCHEMA
from pilot_eval.records.views import FIRST_DATE, PLANNED
from pilot_eval.reference.working_days import FIRST_YEAR, LAST_YEAR

Place = tuple[str, str]


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


def _everywhere(name: str, *, without: tuple[str, ...] = ()) -> tuple[Place, ...]:
    return tuple(
        (table, name) for table in SCHEMA if name in SCHEMA[table] and table not in without
    )


#: Asked first, of every record: it cannot be used, whatever else is known.
RECORD_RULES = (
    Rule(
        name="missing_child_id",
        severity="fatal",
        says="a record names its child",
        places=_everywhere("child_id"),
        find=finders.is_missing,
    ),
    Rule(
        name="missing_date",
        severity="fatal",
        says="a record has the date by which it exists",
        places=tuple(FIRST_DATE.items()),
        find=finders.is_missing,
    ),
    Rule(
        name="date_out_of_range",
        severity="fatal",
        says=f"dates lie in {FIRST_YEAR} to {LAST_YEAR}",
        places=_DATES,
        find=finders.is_out_of_range,
    ),
    Rule(
        name="end_before_start",
        severity="fatal",
        says="nothing ends before it starts",
        places=tuple(START_OF),
        find=finders.ends_before_start,
    ),
    Rule(
        name="unknown_referral",
        severity="fatal",
        says="work belongs to a referral that is there",
        places=_everywhere("referral_id", without=("referrals",)),
        find=finders.has_no_referral,
    ),
    Rule(
        name="unknown_plan",
        severity="fatal",
        says="a review belongs to a plan that is there",
        places=(("reviews", "plan_start_date"),),
        find=finders.has_no_plan,
    ),
)

#: Asked once records that overlap are one: the record lies outside its episode.
EPISODE_RULES = (
    Rule(
        name="ended_before_referral",
        severity="fatal",
        says="work does not end before its referral",
        places=_ENDS,
        find=finders.ended_before_referral,
    ),
    Rule(
        name="activity_after_closure",
        severity="fatal",
        says="no work begins after its episode was closed",
        places=_EVENTS,
        find=finders.started_after_closure,
    ),
)

#: Asked of the records that stay.
WARNING_RULES = (
    Rule(
        name="event_before_referral",
        severity="warning",
        says="work does not begin before its referral",
        places=_EVENTS,
        find=finders.started_before_referral,
    ),
    Rule(
        name="unfinished_at_closure",
        severity="warning",
        says="work is finished when its episode is closed",
        places=_ENDS,
        find=finders.unfinished_at_closure,
    ),
    Rule(
        name="overlapping_assessments",
        severity="warning",
        says="a child has one assessment of a type at once",
        places=(("assessments", "start_date"),),
        find=finders.overlaps_same_type,
    ),
    Rule(
        name="plan_without_icpc",
        severity="warning",
        says="a plan follows an initial conference",
        places=(("plans", "plan_start_date"),),
        find=finders.has_no_conference,
    ),
    Rule(
        name="plan_start_not_icpc",
        severity="warning",
        says="a plan starts on the day of its initial conference",
        places=(("plans", "plan_start_date"),),
        find=finders.starts_off_conference,
    ),
    Rule(
        name="icpc_on_weekend",
        severity="warning",
        says="no conference is on a weekend",
        places=(("conferences", "icpc_date"),),
        find=finders.is_on_weekend,
    ),
    Rule(
        name="icpc_on_bank_holiday",
        severity="warning",
        says="no conference is on a bank holiday",
        places=(("conferences", "icpc_date"),),
        find=finders.is_on_bank_holiday,
    ),
    Rule(
        name="icpc_before_s47",
        severity="warning",
        says="a conference follows its section 47 enquiry",
        places=(("section47s", "icpc_date"),),
        find=finders.conference_before_enquiry,
    ),
    Rule(
        name="unborn_without_expected_date",
        severity="warning",
        says="a child has a date of birth or an expected one",
        places=(("children", "expected_birth_date"),),
        find=finders.is_unborn_without_date,
    ),
    Rule(
        name="date_outside_census_year",
        severity="warning",
        says="dates do not lie after the return's year, nor closures before it",
        places=tuple(
            place for place in _DATES if place[1] not in PLANNED and place[0] != "children"
        ),
        find=finders.is_outside_year,
    ),
    Rule(
        name="date_after_data_cut",
        severity="warning",
        says="nothing is dated after the data were taken",
        places=tuple(FIRST_DATE.items()),
        find=finders.is_after_cut,
    ),
    Rule(
        name="unknown_code",
        severity="warning",
        says="codes are in the census's code sets",
        places=tuple(place for name in CODE_SETS for place in _everywhere(name)),
        find=finders.is_unknown_code,
    ),
    Rule(
        name="missing_mandatory",
        severity="warning",
        says="mandatory codes are given",
        places=(
            ("children", "sex"),
            ("children", "ethnicity"),
            ("referrals", "primary_need"),
            ("assessments", "assessment_type"),
            ("plans", "initial_category"),
        ),
        find=finders.is_missing,
    ),
    Rule(
        name="missing_referral_source",
        severity="warning",
        says="referrals from 2013-14 on name their source",
        places=(("referrals", "referral_source"),),
        find=finders.lacks_source,
    ),
    Rule(
        name="closure_half_recorded",
        severity="warning",
        says="a closure has a date and a reason",
        places=(("referrals", "closure_reason"),),
        find=finders.closure_half_recorded,
    ),
    Rule(
        name="unknown_child",
        severity="warning",
        says="the child of a record is there",
        places=_everywhere("child_id", without=("children",)),
        find=finders.has_no_child,
    ),
    Rule(
        name="activity_after_death",
        severity="warning",
        says="no record is dated after the child's death",
        places=tuple(FIRST_DATE.items()),
        find=finders.follows_death,
    ),
    Rule(
        name="assessed_without_action",
        severity="warning",
        says="a referral with no further action has no assessment",
        places=(("referrals", "no_further_action"),),
        find=finders.assessed_without_action,
    ),
)


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
