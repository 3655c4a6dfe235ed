"""Statutory names to our names, once: every element of the return that is read, in one table.

The names are those of the single-assessment return (2013-14 onwards). The tag names of the
two-stage return of 2009-13 are not known to this project: an analyst supplies them, see `mapping`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

COLLECTION = "CIN"
ROOT, HEADER, CHILDREN, CHILD = "Message", "Header", "Children", "Child"
HEADER_PARTS: dict[str, tuple[str, ...]] = {
    "CollectionDetails": ("Collection", "Year", "ReferenceDate"),
    "Source": ("SourceLevel", "LEA", "SoftwareCode", "Release", "SerialNo", "DateTime"),
}
# A return written from simulated tables carries this as its software code.
SIMULATED_COLUMN = "SimulatedData"
SIMULATED_SOFTWARE = "SIMULATED CHILDREN"

# Columns that link the modules of a CSV or Parquet folder; XML links by nesting.
CHILD_LINK, REFERRAL_LINK, PLAN_LINK = "LAchildID", "CINdetailsID", "CPPID"
# Assessments have a number of their own only where their factors are a file as well.
ASSESSMENT_LINK = "AssessmentID"
# Columns that name the return where a folder holds several.
COUNCIL_COLUMN, YEAR_COLUMN = "LEA", "Year"


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """One module of the return.

    Attributes
    ----------
    element : str
        Name of its XML element, and of its file in a folder.
    parent : str
        Key of the module that holds it; empty for those directly in ``Child``.
    fields : mapping of str to str
        Statutory tag -> our column. Two tags may name one column (GenderCurrent, Sex).
    repeats : bool
        Whether every field in the element is a record of its own (Disability, CPPreviewDate).
    assessment_type : str
        For assessment modules: initial, core or single.
    """

    element: str
    parent: str = ""
    fields: Mapping[str, str]
    repeats: bool = False
    assessment_type: str = ""


Layout = dict[str, Module]

STANDARD: Layout = {
    "identifiers": Module(
        element="ChildIdentifiers",
        fields={
            "LAchildID": "child_id",
            "PersonBirthDate": "birth_date",
            "ExpectedPersonBirthDate": "expected_birth_date",
            "GenderCurrent": "gender_current",
            "Sex": "sex",
            "PersonDeathDate": "death_date",
        },
    ),
    "characteristics": Module(element="ChildCharacteristics", fields={"Ethnicity": "ethnicity"}),
    "disabilities": Module(
        element="Disabilities",
        parent="characteristics",
        fields={"Disability": "disability"},
        repeats=True,
    ),
    "referrals": Module(
        element="CINdetails",
        fields={
            "CINreferralDate": "referral_date",
            "ReferralSource": "referral_source",
            "PrimaryNeedCode": "primary_need",
            "CINclosureDate": "closure_date",
            "ReasonForClosure": "closure_reason",
            "DateOfInitialCPC": "icpc_date",
            "ReferralNFA": "no_further_action",
        },
    ),
    "single_assessments": Module(
        element="Assessments",
        parent="referrals",
        fields={
            "AssessmentActualStartDate": "start_date",
            "AssessmentInternalReviewDate": "target_date",
            "AssessmentAuthorisationDate": "end_date",
        },
        assessment_type="single",
    ),
    "section47s": Module(
        element="Section47",
        parent="referrals",
        fields={
            "S47ActualStartDate": "s47_start_date",
            "InitialCPCtarget": "icpc_target_date",
            "DateOfInitialCPC": "icpc_date",
            "ICPCnotRequired": "icpc_not_required",
        },
    ),
    "plans": Module(
        element="ChildProtectionPlans",
        parent="referrals",
        fields={
            "CPPstartDate": "plan_start_date",
            "CPPendDate": "plan_end_date",
            "InitialCategoryOfAbuse": "initial_category",
            "LatestCategoryOfAbuse": "latest_category",
            "NumberOfPreviousCPP": "number_previous_plans",
        },
    ),
    "reviews": Module(
        element="Reviews",
        parent="plans",
        fields={"CPPreviewDate": "review_date"},
        repeats=True,
    ),
}

#: Tags that stand before a module in the return's schema, not with the other fields: tag -> module.
BEFORE_MODULE = {"ReferralNFA": "plans"}

#: Assessment modules that only a field mapping can describe: key -> type of assessment.
TWO_STAGE = {"initial_assessments": "initial", "core_assessments": "core"}
ASSESSMENT_FIELDS = ("start_date", "target_date", "end_date")

#: What no measure needs and only the published rules ask about: modules, and the child's fields.
FOR_RULES: Layout = {
    "cin_plans": Module(
        element="CINPlanDates",
        parent="referrals",
        fields={"CINPlanStartDate": "plan_start_date", "CINPlanEndDate": "plan_end_date"},
    ),
    "factors": Module(
        element="FactorsIdentifiedAtAssessment",
        parent="single_assessments",
        fields={"AssessmentFactors": "factor"},
        repeats=True,
    ),
}
PUPIL_NUMBERS = {"UPN": "upn", "FormerUPN": "former_upn", "UPNunknown": "upn_unknown"}

#: Statutory elements that are read only when the published rules are asked.
NOT_READ = frozenset(PUPIL_NUMBERS).union(
    *({module.element, *module.fields} for module in FOR_RULES.values())
)


def add_rules_layout(layout: Layout) -> Layout:
    """Add to a layout what only the published rules ask about.

    Parameters
    ----------
    layout : Layout

    Returns
    -------
    Layout
    """
    own = layout["identifiers"]
    identifiers = replace(own, fields={**own.fields, **PUPIL_NUMBERS})
    return {**layout, "identifiers": identifiers, **FOR_RULES}


def modules_within(layout: Layout, parent: str) -> Layout:
    """List the modules directly inside another.

    Parameters
    ----------
    layout : Layout
    parent : str
        Key of a module, or empty for ``Child``.

    Returns
    -------
    Layout
    """
    return {key: module for key, module in layout.items() if module.parent == parent}
