"""Small invented children for the census tests: nothing in here is a real record."""

from __future__ import annotations

import pandas as pd

from pilot_eval.records.schema import CensusTables, build_tables

HACKNEY, GATESHEAD = "E09000012", "E08000020"


def frame(columns: str, *rows: tuple) -> pd.DataFrame:
    """Make a frame from a line of names and rows; text that looks like a date becomes one."""
    table = pd.DataFrame(list(rows), columns=columns.split())
    for name in table:
        if name.endswith("_date"):
            table[name] = pd.to_datetime(table[name])
    return table.assign(council_code=table.get("council_code", HACKNEY))


def make_tables(strand: str = "census", **frames: pd.DataFrame) -> CensusTables:
    """Make typed tables; a children table for every child that a referral names."""
    if "children" not in frames and "referrals" in frames:
        children = frames["referrals"][["council_code", "child_id"]].drop_duplicates()
        frames["children"] = children.assign(
            birth_date=pd.Timestamp("2005-06-15"), sex="female", ethnicity="WBRI", disabled="no"
        )
    return build_tables(frames, strand=strand, source="invented children")


def two_councils(strand: str = "census", kind: str = "single") -> CensusTables:
    """Make a return's worth of children in two councils, with every module and some gaps."""
    year = 2014 if kind == "single" else 2012
    day = f"{year - 1}-%s".__mod__
    referrals = frame(
        "council_code child_id referral_id referral_date referral_source primary_need "
        "closure_date closure_reason no_further_action icpc_date",
        (HACKNEY, "A&1", 1, day("05-07"), "1A", "N1", day("09-02"), "RC7", "no", None),
        (HACKNEY, "A&1", 2, day("11-04"), "10", "N4", None, None, "no", day("11-20")),
        (HACKNEY, "A2", 3, day("06-03"), None, "N0", day("06-03"), "RC8", "yes", None),
        (GATESHEAD, "A2", 1, day("08-13"), "3F", "N2", None, None, None, None),
    )
    kinds = ("single", "single", "single") if kind == "single" else ("initial", "core", "initial")
    assessments = frame(
        "council_code child_id referral_id assessment_type start_date end_date target_date",
        (HACKNEY, "A&1", 1, kinds[0], day("05-08"), day("05-20"), day("05-21")),
        (HACKNEY, "A&1", 1, kinds[1], day("05-21"), day("07-01"), None),
        (GATESHEAD, "A2", 1, kinds[2], day("08-14"), None, day("08-28")),
    )
    return make_tables(
        strand,
        children=frame(
            "council_code child_id birth_date expected_birth_date sex death_date ethnicity "
            "disabled",
            (HACKNEY, "A&1", "2004-02-29", None, "male", None, "BAFR", "yes"),
            (HACKNEY, "A2", "2010-12-31", None, "female", None, "WBRI", "no"),
            (GATESHEAD, "A2", None, day("10-10"), "unknown", None, None, None),
        ),
        referrals=referrals,
        assessments=assessments,
        section47s=frame(
            "council_code child_id referral_id s47_start_date icpc_target_date icpc_date "
            "icpc_not_required",
            (HACKNEY, "A&1", 2, day("11-05"), day("11-26"), day("11-20"), "no"),
            (GATESHEAD, "A2", 1, day("08-15"), None, None, "yes"),
        ),
        conferences=frame(
            "council_code child_id referral_id icpc_date", (HACKNEY, "A&1", 2, day("11-20"))
        ),
        plans=frame(
            "council_code child_id referral_id plan_start_date plan_end_date initial_category "
            "latest_category number_previous_plans",
            (HACKNEY, "A&1", 2, day("11-20"), None, "NEG", "EMO", 1),
        ),
        reviews=frame(
            "council_code child_id plan_start_date review_date",
            (HACKNEY, "A&1", day("11-20"), f"{year}-02-18"),
            (HACKNEY, "A&1", day("11-20"), f"{year}-03-20"),
        ),
    )
