"""What the numbers of a column count: children, councils, periods, or nothing (estimates)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Literal, cast

from pilot_eval.records.schema import SCHEMA

Kind = Literal["children", "councils", "periods", "estimate", "label", "record", "untyped"]
KINDS: tuple[Kind, ...] = (
    "children",
    "councils",
    "periods",
    "estimate",
    "label",
    "record",
    "untyped",
)

#: Fields of the statutory return that stand for one child, alongside the package's own names.
RETURN_FIELDS = (
    "LAchildID",
    "UPN",
    "FormerUPN",
    "ULN",
    "PersonBirthDate",
    "ExpectedPersonBirthDate",
    "PersonDeathDate",
    "DateOfBirth",
    "DOB",
    "Surname",
    "Forename",
    "PersonSurname",
    "PersonGivenName",
    "NHSNumber",
    "NINumber",
    "NationalInsuranceNumber",
    "FirstName",
    "LastName",
    "GivenName",
    "FamilyName",
    "MiddleName",
    "FullName",
    "ChildName",
    "ChildsName",
    "ChildFullName",
    "PupilName",
    "NameOfChild",
    "MothersName",
    "ClientName",
    "KnownAs",
    "PreferredName",
    "Initials",
    "BirthDay",
    "BirthMonth",
    "ClientID",
    "CaseID",
    "PersonID",
    "PupilID",
    "SystemID",
    "Address",
    "AddressLine1",
    "Telephone",
    "Postcode",
    "CINreferralDate",
    "CINclosureDate",
    "AssessmentActualStartDate",
    "AssessmentAuthorisationDate",
    "S47ActualStartDate",
    "CPPstartDate",
    "CPPendDate",
    "CPPreviewDate",
    "CINPlanStartDate",
    "CINPlanEndDate",
)

_KEYS_AND_DATES = {
    column
    for columns in SCHEMA.values()
    for column, kind in columns.items()
    if kind in ("key", "link", "date")
}


def _squeeze(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


RECORD_FIELDS = frozenset(_squeeze(name) for name in (*RETURN_FIELDS, *_KEYS_AND_DATES))
# What a system calls one person's key: child_reference, pupil no, case number.
_PERSONS_KEY = re.compile(
    r"(?:child|young ?person|person|pupil|client|patient|case|service ?user|individual|learner)"
    r"'?s? ?(?:id|ids|ref|refs|reference|key|identifier|no\.?|num|number|code)"
    r"(?: ?(?:no\.?|number|code))?"
)

#: What is recorded of a person; two of them next to each other without a count is a list of people.
PERSON_FIELDS = frozenset(
    _squeeze(name)
    for name in (
        *("sex", "gender", "GenderCurrent", "age", "ethnicity", "disabled", "disability"),
        *("primary_need", "PrimaryNeedCode", "closure_reason", "ReasonForClosure", "religion"),
        *("referral_source", "initial_category", "latest_category", "birth_year", "postcode"),
    )
)

# The first pattern that is found in a name decides; "_" counts as a space.
_PATTERNS: tuple[tuple[Kind, str], ...] = (
    ("label", r"^(note number|no\.?|row)$|\b(code|name|label|status|reason|hash|settings)s?$"),
    ("label", r"\b(citation|source|unit|note)s?$"),
    ("label", r"^(outcomes?|scenarios?|findings?|specifications?|readings?|tests?|rank)$"),
    ("councils", r"^(with figures|rests on|seen|listed|units|how many|left out for gaps)$"),
    ("estimate", r"^rating$|^security\b|^(lowest|highest)$"),
    ("estimate", r"^(sharp|robust) test$|^cr2$|^by formula$|^lot( within (type|region|level))?$"),
    ("periods", r"^stretches$"),
    ("estimate", r"\bpct\b|percent|%|\brates?\b|median|\bmean\b|average|share|proportion|p value"),
    ("estimate", r"estimate|std error|\bse\b|\bconf\b|bound|interval|\bmde\b|effects?\b|weight"),
    ("estimate", r"(^|, )(from|to)$|^(p|df|alpha|seed|draws)$|^(seconds|(working )?days)$"),
    ("estimate", r"detectable|deviation"),
    ("estimate", r"duration|margin|threshold|rounding|\bpoints?\b|\bwd\b"),
    (
        "children",
        r"\b(kids?|minors?|infants?|bab(y|ies)|boys?|girls?|siblings?|toddlers?)\b",
    ),
    (
        "children",
        r"child|referral|assessment|conference|\bplans?\b|enquir|section ?47|pupils|people",
    ),
    ("children", r"\b(cases|episodes|records|numerator|denominator|population)\b"),
    ("councils", r"\bcouncils\b|council-years|authorities|\bpilots\b|\btreated\b|\bcomparators\b"),
    ("periods", r"\b(periods?|years?|months?|quarters?|event time)\b"),
    ("children", r"\b(n|counts?|numbers?|total|frequency)\b"),
)


def find_kind(name: str, typed: Mapping[str, str] | None = None) -> Kind:
    """Tell what the numbers of a column count.

    Parameters
    ----------
    name : str
        Column name or table header.
    typed : mapping of str to kind, optional
        Kinds the file's register entry states; they decide.

    Returns
    -------
    str
        One of `KINDS`; ``untyped`` where the name tells nothing.

    Examples
    --------
    >>> find_kind("n_treated"), find_kind("numerator"), find_kind("LAchildID"), find_kind("2011-12")
    ('councils', 'children', 'record', 'untyped')
    """
    if typed and name in typed:
        return cast(Kind, typed[name])
    return _kind_of(name)


@lru_cache(maxsize=10_000)
def _kind_of(name: str) -> Kind:
    if _squeeze(name) in RECORD_FIELDS:
        return "record"
    words = " ".join(name.lower().replace("_", " ").split())
    if _PERSONS_KEY.fullmatch(words):
        return "record"
    for kind, pattern in _PATTERNS:
        if re.search(pattern, words):
            return kind
    return "untyped"
