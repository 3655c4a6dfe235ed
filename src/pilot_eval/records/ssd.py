"""The sector's Standard Safeguarding Dataset, as the yearly returns that it would make.

Table and column names are those of its public specification (`data-to-insight/ssd-data-model`).
The dataset does not say whose it is and for which years: a table or file `Header` does, as in a
return (columns Collection, LEA, Year), a row for each year. A year's return holds the episodes that
were open in it, as they stood on 31 March.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pyarrow as pa

from pilot_eval.records.csv_reader import read_module
from pilot_eval.records.names import (
    ASSESSMENT_LINK,
    CHILD_LINK,
    COUNCIL_COLUMN,
    HEADER,
    HEADER_PARTS,
    PLAN_LINK,
    REFERRAL_LINK,
    YEAR_COLUMN,
)
from pilot_eval.records.near_names import find_module
from pilot_eval.records.returns import read_year, refusal

PUPIL_NUMBER, FORMER_NUMBER = "Unique Pupil Number", "Former Unique Pupil Number"
#: Module -> table of the dataset, and its columns -> tags.
SSD_MODULES: dict[str, tuple[str, dict[str, str]]] = {
    "ChildIdentifiers": (
        "ssd_person",
        {
            "pers_person_id": CHILD_LINK,
            "pers_dob": "PersonBirthDate",
            "pers_expected_dob": "ExpectedPersonBirthDate",
            "pers_sex": "Sex",
            "pers_death_date": "PersonDeathDate",
            "pers_upn_unknown": "UPNunknown",
        },
    ),
    "ChildCharacteristics": (
        "ssd_person",
        {"pers_person_id": CHILD_LINK, "pers_ethnicity": "Ethnicity"},
    ),
    "Disabilities": (
        "ssd_disability",
        {"disa_person_id": CHILD_LINK, "disa_disability_code": "Disability"},
    ),
    "CINdetails": (
        "ssd_cin_episodes",
        {
            "cine_person_id": CHILD_LINK,
            "cine_referral_id": REFERRAL_LINK,
            "cine_referral_date": "CINreferralDate",
            "cine_referral_source_code": "ReferralSource",
            "cine_cin_primary_need_code": "PrimaryNeedCode",
            "cine_close_date": "CINclosureDate",
            "cine_close_reason": "ReasonForClosure",
            "cine_referral_nfa": "ReferralNFA",
        },
    ),
    "Assessments": (
        "ssd_cin_assessments",
        {
            "cina_person_id": CHILD_LINK,
            "cina_referral_id": REFERRAL_LINK,
            "cina_assessment_id": ASSESSMENT_LINK,
            "cina_assessment_start_date": "AssessmentActualStartDate",
            "cina_assessment_auth_date": "AssessmentAuthorisationDate",
        },
    ),
    "CINPlanDates": (
        "ssd_cin_plans",
        {
            "cinp_person_id": CHILD_LINK,
            "cinp_referral_id": REFERRAL_LINK,
            "cinp_cin_plan_start_date": "CINPlanStartDate",
            "cinp_cin_plan_end_date": "CINPlanEndDate",
        },
    ),
    "Section47": (
        "ssd_s47_enquiry",
        {
            "s47e_person_id": CHILD_LINK,
            "s47e_referral_id": REFERRAL_LINK,
            "s47e_s47_enquiry_id": "enquiry",
            "s47e_s47_start_date": "S47ActualStartDate",
            "s47e_s47_end_date": "ended",
        },
    ),
    "ChildProtectionPlans": (
        "ssd_cp_plans",
        {
            "cppl_person_id": CHILD_LINK,
            "cppl_referral_id": REFERRAL_LINK,
            "cppl_cp_plan_id": PLAN_LINK,
            "cppl_cp_plan_start_date": "CPPstartDate",
            "cppl_cp_plan_end_date": "CPPendDate",
            "cppl_cp_plan_initial_category": "InitialCategoryOfAbuse",
            "cppl_cp_plan_latest_category": "LatestCategoryOfAbuse",
        },
    ),
    "Reviews": (
        "ssd_cp_reviews",
        {
            "cppr_person_id": CHILD_LINK,
            "cppr_cp_plan_id": PLAN_LINK,
            "cppr_cp_review_date": "CPPreviewDate",
        },
    ),
}
CONFERENCES = {
    "icpc_s47_enquiry_id": "enquiry",
    "icpc_referral_id": REFERRAL_LINK,
    "icpc_icpc_target_date": "InitialCPCtarget",
    "icpc_icpc_date": "DateOfInitialCPC",
}
_FACTORS = {"cinf_assessment_id": ASSESSMENT_LINK, "cinf_assessment_factors_json": "factors"}
_NUMBERS = {
    "link_person_id": CHILD_LINK,
    "link_identifier_type": "kind",
    "link_identifier_value": "UPN",
}
#: Tables that are read, and their columns.
SSD_COLUMNS: dict[str, tuple[str, ...]] = {
    table: tuple(name for own, columns in SSD_MODULES.values() if own == table for name in columns)
    for table, _ in SSD_MODULES.values()
} | {
    "ssd_initial_cp_conference": tuple(CONFERENCES),
    "ssd_assessment_factors": tuple(_FACTORS),
    "ssd_linked_identifiers": tuple(_NUMBERS),
}
#: Module -> the date by which a record exists, and dates (with what goes with them) to come.
_STARTS = {
    "CINdetails": "CINreferralDate",
    "Assessments": "AssessmentActualStartDate",
    "CINPlanDates": "CINPlanStartDate",
    "Section47": "S47ActualStartDate",
    "ChildProtectionPlans": "CPPstartDate",
    "Reviews": "CPPreviewDate",
}
#: Module -> the date after whose year a record is in no return, and the link of what it holds.
_ENDS = {
    "Assessments": ("AssessmentAuthorisationDate", ASSESSMENT_LINK),
    "CINPlanDates": ("CINPlanEndDate", ""),
    "Section47": ("DateOfInitialCPC", ""),
    "ChildProtectionPlans": ("CPPendDate", PLAN_LINK),
}
_TO_COME = {
    "CINclosureDate": ("CINclosureDate", "ReasonForClosure"),
    "DateOfInitialCPC": ("DateOfInitialCPC",),
    "AssessmentAuthorisationDate": ("AssessmentAuthorisationDate",),
    "CINPlanEndDate": ("CINPlanEndDate",),
    "CPPendDate": ("CPPendDate",),
    "PersonDeathDate": ("PersonDeathDate",),
}
Modules = dict[str, pd.DataFrame]
_DAY = r"\d{4}-\d{2}-\d{2}"


def write_ssd_returns(header: pa.Table, tables: Mapping[str, pa.Table], folder: Path) -> None:
    """Write the dataset of one council as a folder of Parquet modules for each year.

    Parameters
    ----------
    header : pyarrow.Table
        One row for each year, as the `Header` of returns.
    tables : mapping of str to pyarrow.Table
        Tables of the dataset, of `SSD_COLUMNS`; those that are absent are empty.
    folder : Path
        Exists; gets a folder ``<LEA>_<Year>`` for each row.

    Notes
    -----
    A conference goes to its section 47 enquiry, or to the referral where it has none. An enquiry
    that has ended without a conference needs none; one that goes on does not say. The number of
    previous plans counts the earlier ones of the dataset.
    """
    whole = _build_modules(tables)
    for head in header.to_pylist():
        year = read_year(str(head.get(YEAR_COLUMN) or ""))
        place = folder / f"{str(head.get(COUNCIL_COLUMN) or '').strip()}_{year}"
        place.mkdir(exist_ok=True)
        modules = {HEADER: pd.DataFrame([head])} | (_cut_year(whole, int(year)) if year else {})
        for name, frame in modules.items():
            frame.astype("str").where(frame.notna(), None).to_parquet(
                place / f"{name}.parquet", index=False
            )


def copy_ssd_folder(path: Path, folder: Path) -> None:
    """Copy the dataset as CSV, ``ssd_<table>.csv`` and ``Header.csv``, to yearly returns.

    Parameters
    ----------
    path : Path
    folder : Path
        Exists; gets a folder for each year.

    Raises
    ------
    DataError
        If there is no header, or a file cannot be trusted.
    """
    file = find_module(path / f"{HEADER}.csv")
    if not file.is_file():
        rule = "be there, naming the council (LEA) and the years, a row for each"
        raise refusal(file, None, rule, "no such file", "See docs/census-format.md.")
    header = read_module(file, {part for parts in HEADER_PARTS.values() for part in parts})[0]
    files = {name: find_module(path / f"{name}.csv") for name in SSD_COLUMNS}
    tables = {
        name: read_module(file, set(SSD_COLUMNS[name]))[0]
        for name, file in files.items()
        if file.is_file()
    }
    write_ssd_returns(header, tables, folder)


def _build_modules(tables: Mapping[str, pa.Table]) -> Modules:
    modules = {name: _take(tables, *wanted) for name, wanted in SSD_MODULES.items()}
    conferences = _take(tables, "ssd_initial_cp_conference", CONFERENCES)
    plans, enquiries = modules["ChildProtectionPlans"], modules["Section47"]
    modules["Section47"] = _hold_conferences(enquiries, conferences)
    alone = conferences[~conferences["enquiry"].isin(enquiries["enquiry"])]
    alone = alone[["DateOfInitialCPC", REFERRAL_LINK]].dropna().drop_duplicates(REFERRAL_LINK)
    modules["CINdetails"] = modules["CINdetails"].merge(
        alone, on=REFERRAL_LINK, how="left", validate="many_to_one"
    )
    earlier = plans.sort_values("CPPstartDate", kind="stable").groupby(CHILD_LINK).cumcount()
    modules["ChildProtectionPlans"] = plans.assign(NumberOfPreviousCPP=earlier)
    modules["Reviews"] = modules["Reviews"].merge(
        plans[[PLAN_LINK, REFERRAL_LINK]].drop_duplicates(PLAN_LINK),
        on=PLAN_LINK,
        how="left",
        validate="many_to_one",
    )
    modules |= {"FactorsIdentifiedAtAssessment": _list_factors(tables, modules["Assessments"])}
    return _add_numbers(modules, _take(tables, "ssd_linked_identifiers", _NUMBERS))


def _take(tables: Mapping[str, pa.Table], table: str, columns: Mapping[str, str]) -> pd.DataFrame:
    """Take columns as text by their tags; a column that is not there is missing throughout."""
    found = tables.get(table)
    size = 0 if found is None else found.num_rows
    values: dict[str, Any] = {}
    for own, tag in columns.items():
        column = pd.Series([None] * size)
        if found is not None and own in found.column_names:
            column = found[own].cast(pa.string()).to_pandas()
        text = column.astype("object").where(column.notna(), None)
        values[tag] = text.str.slice(0, 10) if tag.endswith("Date") or tag in _DAYS else text
    return pd.DataFrame(values)


_DAYS = frozenset({"DateOfInitialCPC", "InitialCPCtarget", "ended"})


def _hold_conferences(enquiries: pd.DataFrame, conferences: pd.DataFrame) -> pd.DataFrame:
    first = conferences.dropna(subset=["enquiry"]).drop(columns=REFERRAL_LINK)
    first = first.sort_values("DateOfInitialCPC", kind="stable").drop_duplicates("enquiry")
    held = enquiries.merge(first, on="enquiry", how="left", validate="many_to_one")
    conference, ended = held["DateOfInitialCPC"].notna(), held["ended"].notna()
    needless = np.select([conference, ended], ["false", "true"], default="")
    held["ICPCnotRequired"] = pd.Series(needless, index=held.index).replace("", None)
    return held.drop(columns=["enquiry", "ended"])


def _list_factors(tables: Mapping[str, pa.Table], assessments: pd.DataFrame) -> pd.DataFrame:
    """Give each factor of an assessment a row; the dataset lists them as JSON."""
    listed = _take(tables, "ssd_assessment_factors", _FACTORS)
    listed["AssessmentFactors"] = [_read_list(text) for text in listed["factors"]]
    rows = listed.explode("AssessmentFactors").dropna(subset=["AssessmentFactors"])
    links = assessments[[CHILD_LINK, REFERRAL_LINK, ASSESSMENT_LINK]]
    rows = rows.merge(links.drop_duplicates(ASSESSMENT_LINK), on=ASSESSMENT_LINK)
    return rows[[CHILD_LINK, REFERRAL_LINK, ASSESSMENT_LINK, "AssessmentFactors"]]


def _read_list(text: str | None) -> list[str]:
    try:
        found = json.loads(text or "[]")
    except json.JSONDecodeError:
        return []
    return [str(one) for one in found] if isinstance(found, list) else []


def _add_numbers(modules: Modules, numbers: pd.DataFrame) -> Modules:
    children = modules["ChildIdentifiers"]
    for kind, tag in ((PUPIL_NUMBER, "UPN"), (FORMER_NUMBER, "FormerUPN")):
        own = numbers.loc[numbers["kind"] == kind, [CHILD_LINK, "UPN"]]
        own = own.drop_duplicates(CHILD_LINK, keep="last").rename(columns={"UPN": tag})
        children = children.merge(own, on=CHILD_LINK, how="left", validate="many_to_one")
    return {**modules, "ChildIdentifiers": children}


def _cut_year(whole: Modules, year: int) -> Modules:
    """Take the episodes open in a year, as they stood on its last day."""
    first, last = f"{year - 1}-04-01", f"{year}-03-31"
    cases = whole["CINdetails"]
    closed = _readable(cases["CINclosureDate"]).fillna("9999")
    open_ = cases[(_readable(cases["CINreferralDate"]).fillna(first) <= last) & (closed >= first)]
    cut = {}
    for name, module in whole.items():
        part = (
            module[module[REFERRAL_LINK].isin(open_[REFERRAL_LINK])]
            if (REFERRAL_LINK in module)
            else module[module[CHILD_LINK].isin(open_[CHILD_LINK])]
        )
        if name in _STARTS:
            part = part[_readable(part[_STARTS[name]]).fillna(last) <= last]
        cut[name] = part
    for name, (end, link) in _ENDS.items():
        part = cut[name]
        days = [_readable(part[tag]).fillna(last) for tag in (end, _STARTS[name])]
        ended = (days[0] < first) & (days[1] < first)
        gone = part.loc[ended, link] if link else ()
        inner = [one for one in cut if one != name and link in cut[one]]
        cut |= {one: cut[one][~cut[one][link].isin(gone)] for one in inner}
        cut[name] = part[~ended]
    cut["ChildIdentifiers"] = _mark_unborn(cut["ChildIdentifiers"], last)
    return {name: _blank_later(part, last) for name, part in cut.items()}


def _mark_unborn(children: pd.DataFrame, last: str) -> pd.DataFrame:
    """Take a child who is born after the year as expected in it, of unknown sex."""
    later = _readable(children["PersonBirthDate"]).fillna("") > last
    expected = children["ExpectedPersonBirthDate"]
    return children.assign(
        PersonBirthDate=children["PersonBirthDate"].mask(later),
        ExpectedPersonBirthDate=expected.mask(later & expected.isna(), children["PersonBirthDate"]),
        Sex=children["Sex"].mask(later, "U"),
    )


def _readable(dates: pd.Series) -> pd.Series:
    """Take dates as YYYY-MM-DD; others stay in the return, where the reader counts them."""
    return dates.where(dates.str.fullmatch(_DAY).fillna(False).astype("bool"))


def _blank_later(part: pd.DataFrame, last: str) -> pd.DataFrame:
    part = part.copy()
    for tag, gone in _TO_COME.items():
        if tag in part:
            later = _readable(part[tag]).fillna("") > last
            part.loc[later, [one for one in gone if one in part]] = None
            if tag == "DateOfInitialCPC" and "ICPCnotRequired" in part:
                part.loc[later, "ICPCnotRequired"] = None
    return cast(pd.DataFrame, part)
