"""Panels against a counter that shares nothing with the package but the files it reads."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from xml_counter import count_cases, count_open

from pilot_eval.lab.simulate import simulate_census
from pilot_eval.lab.simulate_settings import SimulationSettings
from pilot_eval.lab.simulate_sources import redate_episodes
from pilot_eval.records.census_panel import PanelSettings, build_census_panel
from pilot_eval.records.read import read_census
from pilot_eval.records.subgroups import build_subgroup_panel
from pilot_eval.records.validation import validate_census
from pilot_eval.records.writers import write_census
from pilot_eval.reference.facts import load_councils

COUNCILS = ("E09000012", "E08000020", "E10000017")
FIRST, CUT = date(2012, 4, 1), date(2014, 3, 31)
YEARS = range(2013, 2015)
NUMBERS = {council.council_code: council.dfe_number for council in load_councils()}


@pytest.fixture(scope="module")
def simulated():
    settings = SimulationSettings(councils=COUNCILS, first_year=2012, last_year=2014, scale=0.1)
    return simulate_census(settings, seed=8)[0]


@pytest.fixture(scope="module")
def sent_once(simulated, tmp_path_factory):
    folder = tmp_path_factory.mktemp("once")
    write_census(simulated, folder, format="xml", years=YEARS)
    return folder


@pytest.fixture(scope="module")
def sent_again(simulated, tmp_path_factory):
    """Write first versions with half of the referrals, some of them under other dates."""
    folder = tmp_path_factory.mktemp("again")
    half = replace(simulated, referrals=simulated.referrals.iloc[::2])
    redated, _ = redate_episodes(half, 2013, share=0.5, seed=2)
    write_census(redated, folder, format="xml", years=YEARS)
    write_census(simulated, folder, format="xml", years=YEARS, serial=2)
    return folder


def panel_of(folder, frequency, by=""):
    accepted = validate_census(read_census(folder), data_cut=CUT).accepted
    settings = PanelSettings(frequency=frequency, first_day=FIRST, data_cut=CUT)
    if by:
        return build_subgroup_panel(accepted, settings, by)
    return build_census_panel(accepted, settings).panel.assign(group="")


def found_in(panel, counted):
    """Read hits and cases where either the panel or the other counter has some."""
    known = {key[-1] for key in counted}
    rows = panel[panel["indicator"].isin(known) & (panel["cases"].fillna(0) > -1)]
    rows = rows.astype({"council_code": "str", "period": "str", "indicator": "str"})
    found = {}
    for row in rows.itertuples():
        cases = row.numerator if row.indicator.endswith("_rate") else row.denominator
        if cases > 0:
            key = (NUMBERS[row.council_code], row.group, row.period, row.indicator)
            found[key] = (int(row.numerator), int(cases))
    return found


@pytest.mark.parametrize("frequency", ["month", "quarter", "year"])
@pytest.mark.parametrize("sent", ["sent_once", "sent_again"])
def test_every_count_of_every_period_is_the_other_counters(sent, frequency, request):
    folder = request.getfixturevalue(sent)
    counted = count_cases(folder, frequency, "", FIRST, CUT)
    found = found_in(panel_of(folder, frequency), counted)
    assert found == counted
    assert {"sa_within_45wd_pct", "rereferral_12m_pct"} <= {key[-1] for key in counted}
    councils_and_years = {(council, period) for council, _, period, _ in counted}
    assert len(councils_and_years) == 3 * {"month": 24, "quarter": 8, "year": 2}[frequency]


@pytest.mark.parametrize("by", ["sex", "age", "need"])
@pytest.mark.parametrize("frequency", ["quarter", "year"])
def test_every_count_of_every_group_is_the_other_counters(sent_again, by, frequency):
    counted = count_cases(sent_again, frequency, by, FIRST, CUT)
    assert found_in(panel_of(sent_again, frequency, by), counted) == counted
    assert len({group for _, group, _, _ in counted}) > 2


def test_what_is_open_is_the_other_counters(sent_again):
    days = {"2013": date(2013, 3, 31), "2014": CUT}
    counted = count_open(sent_again, list(days.values()))
    rows = panel_of(sent_again, "year")
    rows = rows[rows["indicator"].isin(["cin_rate", "cpp_rate"])].astype({"period": "str"})
    for row in rows.itertuples():
        key = (NUMBERS[row.council_code], days[row.period], row.indicator)
        assert row.numerator == counted[key]
