"""Figures of the council table against the cells of DfE's files, found by position.

The importer finds columns by name; here they are found by number, and rows by line, so that a name
in the wrong place is seen. Each file is read without the importer.
"""

from __future__ import annotations

import csv
import os
from pathlib import Path

import pandas as pd
import pytest

from pilot_eval.project import find_root
from pilot_eval.published.council_indicators import SOURCE_VARIABLE, load_published
from pilot_eval.published.vintages import read_vintages

ROOT = find_root(Path(__file__).parent)
SOURCE = Path(os.environ.get(SOURCE_VARIABLE) or ROOT.parent / "shared" / "data")
FIRST_LINE, STEP, CHECKED = 40, 61, 20
"""Lines are taken from all over the file: 61 is prime to the number of councils a year."""

# File: {indicator: (part of the row, place of the column from 0)}, as the header lines have them.
PLACES = {
    "later/c2_children_in_need_assessments_duration_2014_to_2022.csv": {
        "sa_band_same_day": ("numerator", 13),
        "sa_band_41_45": ("numerator", 18),
        "sa_band_61_plus": ("numerator", 21),
        "sa_within_45wd_pct": ("denominator", 11),
        "sa_median_wd": ("value", 23),
    },
    "later/c4_children_in_need_section_47s_and_icpcs_2013_to_2022.csv": {
        "s47_rate": ("numerator", 11),
        "icpc_rate": ("numerator", 15),
        "icpc_band_0_10": ("numerator", 19),
        "icpc_band_21_plus": ("numerator", 22),
        "icpc_p75_wd": ("value", 25),
    },
    "later/d6_cpps_reviewed_within_timescales_2013_to_2022.csv": {
        "plan_reviewed_on_time_pct": ("published_value", 13),
    },
    "later/d7_cpps_ending_by_duration_2013_to_2022.csv": {
        "plan_ended_2y_pct": ("numerator", 20),
    },
    "pilot2/b1_children_in_need_2013_to_2025.csv": {"cin_rate": ("numerator", 17)},
    "pilot2/c1_children_in_need_referrals_and_rereferrals_2013_to_2025.csv": {
        "referral_rate": ("numerator", 11),
        "rereferral_12m_pct": ("numerator", 12),
    },
    "pilot2/d3_cpps_subsequent_plan_2013_to_2025.csv": {
        "repeat_plan_pct": ("numerator", 12),
    },
    "pilot2/d5_cpps_at31march_by_duration_2013_to_2025.csv": {"cpp_rate": ("numerator", 11)},
}
LATER_CODES = {"E08000037": "E08000020", "E06000057": "E06000048"}


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return load_published().set_index(["year_ending", "council_code", "indicator"]).sort_index()


def read_cells(file: str) -> list[list[str]]:
    with (SOURCE / file).open(encoding="utf-8-sig", newline="") as lines:
        return list(csv.reader(lines))[1:]


@pytest.mark.skipif(not (SOURCE / "later").is_dir(), reason="DfE's later files are not here")
@pytest.mark.parametrize("file", PLACES)
def test_figures_stand_where_the_file_has_them(rows, file):
    """Twenty councils and years of each file: each figure, or that it is hidden."""
    own = {v.dfe_reference for v in read_vintages() if f"{v.folder}/{v.file}" == file}
    codes = set(rows.index.get_level_values("council_code"))
    lines, checked = read_cells(file), 0
    for number in range(FIRST_LINE, FIRST_LINE + STEP * len(lines), STEP):
        line = lines[number % len(lines)]
        year, code = int(line[0]), LATER_CODES.get(line[8], line[8])
        if line[2] != "Local authority" or code not in codes or year < 2015:
            continue
        for indicator, (part, place) in PLACES[file].items():
            row, text = rows.loc[(year, code, indicator)], line[place]
            assert {row["dfe_reference"]} == own
            if text.replace(".", "").isdecimal():
                assert row[part] == float(text), (year, code, indicator)
            else:
                assert pd.isna(row[part]), (year, code, indicator)
        checked += 1
        if checked == CHECKED:
            return
    raise AssertionError(f"only {checked} rows of {file} were checked")


def test_releases_of_the_same_year_agree():
    """Conferences of 2013-14: 146 of 148 within 0.6 points; repeat plans never revised."""
    overlaps = pd.read_csv(ROOT / "data/published/overlaps.csv")
    name, year = overlaps["indicator"], overlaps["year_ending"]
    conferences = overlaps[(name == "icpc_within_15wd_pct") & (year == 2014)]
    assert conferences[["within_0_6", "councils"]].to_numpy().tolist() == [[146, 148]]
    plans = overlaps[name == "repeat_plan_pct"]
    assert (plans["same"] == plans["councils"]).all()
    assert (overlaps[["within_0_6", "same"]].max(axis=1) <= overlaps["councils"]).all()
    assert set(year) == set(range(2013, 2023))
