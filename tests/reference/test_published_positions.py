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

from pilot_eval.plan import load_plan
from pilot_eval.project import find_root
from pilot_eval.published.boundaries import read_boundary_changes
from pilot_eval.published.council_indicators import (
    SOURCE_VARIABLE,
    find_pilot_years,
    load_published,
)
from pilot_eval.published.lookups import read_lookups
from pilot_eval.published.published_rows import build_rows
from pilot_eval.published.vintage_reader import Councils, read_vintage
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
    "later/c6_children_in_need_referrals_by_month_2013_to_2022.csv": {
        "referrals_in_april_rate": ("numerator", 12),
        "referrals_in_december_rate": ("numerator", 20),
        "referrals_in_march_rate": ("numerator", 23),
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
# Releases of a single year: council tables of 2015 to 2017, which later releases have replaced in
# the table but not in the comparison of releases; and the looked-after tables. Places from 0.
SINGLE_YEARS = {
    "SFR41/2015": {
        "cin_rate": ("numerator", 7),
        "referral_rate": ("numerator", 81),
        "rereferral_12m_pct": ("numerator", 83),
        "referral_nfa_pct": ("numerator", 85),
        "sa_within_45wd_pct": ("denominator", 91),
        "sa_band_same_day": ("numerator", 93),
        "sa_band_41_45": ("numerator", 98),
        "sa_band_61_plus": ("numerator", 101),
        "sa_median_wd": ("value", 103),
        "s47_rate": ("numerator", 129),
        "icpc_rate": ("numerator", 131),
        "icpc_band_0_10": ("numerator", 133),
        "icpc_band_21_plus": ("numerator", 136),
        "icpc_p75_wd": ("value", 139),
        "cpp_rate": ("numerator", 160),
        "repeat_plan_pct": ("numerator", 176),
        "plan_ended_2y_pct": ("numerator", 213),
    },
    "SFR52/2016": {
        "cin_rate": ("numerator", 7),
        "referral_rate": ("numerator", 72),
        "rereferral_12m_pct": ("numerator", 74),
        "referral_nfa_pct": ("numerator", 76),
        "sa_within_45wd_pct": ("denominator", 80),
        "sa_band_same_day": ("numerator", 82),
        "sa_band_41_45": ("numerator", 87),
        "sa_band_61_plus": ("numerator", 90),
        "sa_median_wd": ("value", 92),
        "s47_rate": ("numerator", 115),
        "icpc_rate": ("numerator", 117),
        "icpc_band_0_10": ("numerator", 119),
        "icpc_band_21_plus": ("numerator", 122),
        "icpc_p75_wd": ("value", 125),
        "cpp_rate": ("numerator", 141),
        "repeat_plan_pct": ("numerator", 153),
        "plan_ended_2y_pct": ("numerator", 186),
    },
    "SFR61/2017": {
        "cin_rate": ("numerator", 16),
        "referral_rate": ("numerator", 78),
        "rereferral_12m_pct": ("numerator", 80),
        "referral_nfa_pct": ("numerator", 82),
        "sa_within_45wd_pct": ("denominator", 90),
        "sa_band_same_day": ("numerator", 92),
        "sa_band_41_45": ("numerator", 97),
        "sa_band_61_plus": ("numerator", 100),
        "sa_median_wd": ("value", 102),
        "s47_rate": ("numerator", 127),
        "icpc_rate": ("numerator", 131),
        "icpc_band_0_10": ("numerator", 135),
        "icpc_band_21_plus": ("numerator", 138),
        "icpc_p75_wd": ("value", 141),
        "cpp_rate": ("numerator", 165),
        "repeat_plan_pct": ("numerator", 177),
        "plan_ended_2y_pct": ("numerator", 210),
    },
    "SFR34/2015": {"cla_rate": ("numerator", 4), "cla_outside_la_pct": ("numerator", 44)},
    "SFR41/2016": {"cla_rate": ("numerator", 4), "cla_outside_la_pct": ("numerator", 44)},
    "SFR50/2017": {"cla_rate": ("numerator", 5), "cla_outside_la_pct": ("numerator", 45)},
    **{
        file: {"cla_started_rate": ("numerator", 4)}
        for file in ("SFE21_ADM.csv", "SFR20_ADM2012.csv", "SFR36_ADM2013.csv")
    },
    **{
        file: {"cla_started_rate": ("numerator", 4)}
        for file in ("SFR36_ADM2014.csv", "SFR34_ADM2015.csv", "SFR41_ADM2016.csv")
    },
    "SFR27_2010_Started.csv": {"cla_started_rate": ("numerator", 3)},
    "SFR50_ADM2017.csv": {"cla_started_rate": ("numerator", 5)},
    **{
        file: {
            "cla_convicted_pct": ("numerator", 6 + shift),
            "cla_substance_pct": ("numerator", 7 + shift),
            "cla_immunised_pct": ("numerator", 10 + shift),
            "cla_dental_check_pct": ("numerator", 11 + shift),
            "cla_health_check_pct": ("denominator", 4 + shift),
        }
        for file, shift in (
            ("SFR34_OC22015.csv", 0),
            ("SFR41_OC22016.csv", 0),
            ("SFR50_OC22017.csv", 1),
        )
    },
    "SFR34_Missing2015.csv": {"cla_missing_rate": ("numerator", 4)},
    "SFR41_Missing2016.csv": {"cla_missing_rate": ("numerator", 4)},
    "SFR50_Missing_2017.csv": {"cla_missing_rate": ("numerator", 5)},
}
"""By DfE's reference, or by file where a release has several."""


def place_of_number(header: list[str]) -> int:
    """Find where DfE's number of the council stands: next to its level."""
    return [name.strip().lower() for name in header].index("geog_c")


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


@pytest.mark.skipif(not (SOURCE / "later").is_dir(), reason="DfE's later files are not here")
@pytest.mark.parametrize("reference", SINGLE_YEARS)
def test_releases_of_one_year_are_read_from_where_they_stand(reference):
    """Every council of each file, at least twenty: each figure, or that it is hidden."""
    vintages = read_vintages()
    vintage = next(item for item in vintages if reference in (item.dfe_reference, item.file))
    lookups = read_lookups(SOURCE)
    changes = read_boundary_changes(ROOT / "data" / "reference" / "boundary_changes.csv")
    councils, path = Councils(lookups.councils, changes), SOURCE / vintage.folder / vintage.file
    [(year, figures)] = read_vintage(path, vintage, councils).items()
    pilots = find_pilot_years(load_plan().treatment_register)
    found = {
        (row["council_code"], row["indicator"]): row
        for row in build_rows(vintage, year, figures, {}, pilots)
    }
    checked = 0
    with path.open(encoding="cp1252", newline="") as lines:
        header, *cells = csv.reader(lines)
        there = place_of_number(header)
        for line in cells:
            level, number = line[there - 1 : there + 1]
            if level != "LA":  # Scilly's row of 2017 has no level: the importer takes it as absent
                continue
            code = lookups.councils[number]["council_code"]
            for indicator, (part, place) in SINGLE_YEARS[reference].items():
                value, text = found[code, indicator][part], line[place].replace(",", "")
                known = text.replace(".", "", 1).isdecimal()
                assert pd.isna(value) if not known else value == float(text), (code, indicator)
            checked += 1
    assert checked >= CHECKED


@pytest.mark.skipif(not (SOURCE / "pilot2").is_dir(), reason="the population files are not here")
def test_populations_stand_where_the_files_have_them():
    """Estimates of mid-2014 on from ONS's table, earlier years from the look-up's own columns."""
    table = pd.read_csv(ROOT / "data" / "reference" / "populations.csv")
    ours = table.set_index(["council_code", "mid_year"])["population_0_17"]
    compared = 0
    for line in read_cells("pilot2/ons_mid-year_population_estimates_2012_to_2024.csv"):
        key = LATER_CODES.get(line[8], line[8]), int(line[0])
        if line[2] == "Local authority" and key[1] >= 2014 and key in ours.index:
            hidden = not line[11].isdecimal()
            assert pd.isna(ours[key]) if hidden else ours[key] == float(line[11]), key
            compared += not hidden
    assert compared > CHECKED * 11
    places = {2009: 27, 2010: 28, 2011: 29, 2012: 9, 2013: 10}
    lines = read_cells("lookups/council_covariates.csv")
    for line in lines[3 : 3 + 2 * CHECKED : 2]:
        for year, place in places.items():
            key, text = (line[1], year), line[place]
            assert ours[key] == float(text) if text else pd.isna(ours[key]), key


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
