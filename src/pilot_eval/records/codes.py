"""Code sets of the children-in-need census, and how raw codes become ours.

A field whose codes are few and change their spelling between years (sex, yes/no) is translated
when it is read. The others keep the statutory code; validation blanks a code that is not listed.
"""

from __future__ import annotations

NEED_CODES = tuple(f"N{number}" for number in range(10))
CLOSURE_CODES = tuple(f"RC{number}" for number in range(1, 10))
ABUSE_CODES = ("NEG", "PHY", "SAB", "EMO", "MUL")
# Collected from 2013-14.
SOURCE_CODES = (
    *("1A", "1B", "1C", "1D", "2A", "2B", "3A", "3B", "3C", "3D", "3E", "3F", "4"),
    *("5A", "5B", "5C", "5D", "6", "7", "8", "9", "10"),
)
# DfE's main ethnicity codes (common to its collections); extended codes count as unknown.
ETHNICITY_CODES = (
    *("WBRI", "WIRI", "WIRT", "WOTH", "WROM", "MWBC", "MWBA", "MWAS", "MOTH", "AIND", "APKN"),
    *("ABAN", "AOTH", "BCRB", "BAFR", "BOTH", "CHNE", "OOTH", "REFU", "NOBT"),
)
ASSESSMENT_TYPES = ("initial", "core", "single")
SEX_CODES = ("male", "female", "unknown")

#: Column of any table -> the codes it may hold.
CODE_SETS: dict[str, tuple[str, ...]] = {
    "sex": SEX_CODES,
    "ethnicity": ETHNICITY_CODES,
    "referral_source": SOURCE_CODES,
    "primary_need": NEED_CODES,
    "closure_reason": CLOSURE_CODES,
    "assessment_type": ASSESSMENT_TYPES,
    "initial_category": ABUSE_CODES,
    "latest_category": ABUSE_CODES,
}

# GenderCurrent: 0 not known, 1 male, 2 female, 9 not specified. Sex: M, F, U.
_SEXES = {
    "male": ("1", "1.0", "M", "MALE"),
    "female": ("2", "2.0", "F", "FEMALE"),
    "unknown": ("0", "9", "0.0", "9.0", "U", "UNKNOWN"),
}
SEX_FROM_RAW = {raw: sex for sex, spellings in _SEXES.items() for raw in spellings}
SEX_TO_RAW = {"male": "1", "female": "2", "unknown": "0"}
_YES_NO = {
    "yes": ("1", "true", "y", "yes", "t", "1.0"),
    "no": ("0", "false", "n", "no", "f", "0.0"),
}
YES_NO_FROM_RAW = {raw: answer for answer, spellings in _YES_NO.items() for raw in spellings}
NO_DISABILITY = "NONE"
# What a writer puts for a child with a disability whose kind the tables do not hold.
SOME_DISABILITY = "DDA"
