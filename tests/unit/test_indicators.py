"""National definitions against a hand count; local indicators as an analyst declares them."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest

from pilot_eval.errors import PlanError
from pilot_eval.records.census_panel import PanelSettings, build_census_panel
from pilot_eval.records.local_indicators import load_local_indicators
from pilot_eval.records.schema import build_tables

A = "E08000020"

# Twenty children referred in spring 2011, counted by hand on a wall calendar. Bank holidays:
# Friday 22, Monday 25 and Friday 29 April, Monday 2 and Monday 30 May. Day 0 is the referral in
# the first count; the second also counts the referral's own day where that is a working day.
# (referred, completed, days with the start as day 0, days with the end counted too)
TWENTY = (
    ("2011-04-04", "2011-04-04", 0, 1),  # Monday, the same day
    ("2011-04-04", "2011-04-05", 1, 2),
    ("2011-04-04", "2011-04-08", 4, 5),
    ("2011-04-04", "2011-04-13", 7, 8),
    ("2011-04-04", "2011-04-15", 9, 10),
    ("2011-04-04", "2011-04-18", 10, 11),  # in time only with the start as day 0
    ("2011-04-04", "2011-04-19", 11, 12),
    ("2011-04-09", "2011-04-18", 6, 6),  # Saturday: the count is the same either way
    ("2011-04-10", "2011-04-21", 9, 9),  # Sunday
    ("2011-04-15", "2011-05-04", 9, 10),  # 18-21 April 4, 26-28 April 3, 3-4 May 2
    ("2011-04-18", "2011-05-05", 9, 10),  # 19-21 April 3, 26-28 April 3, 3-5 May 3
    ("2011-04-21", "2011-05-09", 8, 9),
    ("2011-04-22", "2011-05-02", 3, 3),  # Good Friday to May Day: 26, 27, 28 April
    ("2011-04-28", "2011-05-16", 10, 11),  # 3-6 May 4, 9-13 May 5, 16 May 1 = 10
    ("2011-05-03", "2011-05-17", 10, 11),
    ("2011-05-03", "2011-05-18", 11, 12),
    ("2011-05-16", "2011-06-01", 11, 12),  # 17-20 May 4, 23-27 May 5, 31 May, 1 June 2 = 11
    ("2011-05-27", "2011-05-31", 1, 2),  # Friday over the bank holiday to Tuesday
    ("2011-05-27", None, None, None),  # never completed: in no published percent
    ("2011-05-31", "2011-05-30", None, None),  # ends before it starts: set aside, counted
)


def _tables(**frames):
    return build_tables(frames, strand="simulated", source="a test")


def _twenty():
    referred, completed = zip(*((row[0], row[1]) for row in TWENTY), strict=True)
    base = {"council_code": A, "child_id": [f"c{i}" for i in range(20)], "referral_id": range(20)}
    return _tables(
        referrals=pd.DataFrame({**base, "referral_date": pd.to_datetime(list(referred))}),
        assessments=pd.DataFrame(
            {
                **base,
                "assessment_type": "initial",
                "start_date": pd.to_datetime(list(referred)),
                "end_date": pd.to_datetime(list(completed)),
            }
        ),
    )


def _read(panel, indicator, period):
    rows = panel[(panel["indicator"] == indicator) & (panel["period"] == period)]
    assert len(rows) == 1
    return rows.iloc[0]


@pytest.mark.parametrize(
    ("convention", "within_10", "within_7", "bands"),
    [
        # 18 completed. Day 0: three took 11 days, 15 at most 10; 7 took 0 1 4 7 6 3 1.
        # Bands: 1 the same day; 1 4 3 1 = 4 on days 1-5; 10 on days 6-10; 3 on days 11-15.
        ("start_is_day_0", 15, 7, (1, 4, 10, 3)),
        # End counted: 11 12 11 11 12 12 are out, 12 left; 1 2 5 6 3 2 = 6 take at most 7.
        # Bands: nothing takes 0 days; 1 2 5 3 2 = 5 on days 1-5; 8 10 6 9 10 10 9 = 7; 6.
        ("end_counts", 12, 6, (0, 5, 7, 6)),
    ],
)
def test_percent_in_time_of_twenty_children(convention, within_10, within_7, bands):
    settings = PanelSettings(
        frequency="year",
        first_day=date(2011, 4, 1),
        data_cut=date(2012, 3, 31),
        convention=convention,
        bands=True,
    )
    built = build_census_panel(_twenty(), settings)
    for days, hits in ((10, within_10), (7, within_7)):
        cell = _read(built.panel, f"ia_within_{days}wd_pct", 2012)
        assert (cell["numerator"], cell["denominator"]) == (hits, 18)
        assert cell["value"] == pytest.approx(100 * hits / 18)
    for name, hits in zip(("same_day", "1_5", "6_10", "11_15"), bands, strict=True):
        assert _read(built.panel, f"ia_band_{name}", 2012)["numerator"] == hits
    set_aside = built.set_aside[["clock", "reason", "cases"]].to_numpy().tolist()
    assert ["initial_assessment", "end_before_start", 1] in set_aside


def test_completed_quantiles_and_mean_of_twenty_children():
    settings = PanelSettings(
        frequency="year", first_day=date(2011, 4, 1), data_cut=date(2012, 3, 31)
    )
    panel = build_census_panel(_twenty(), settings).panel
    # In order: 0 1 1 3 4 6 7 8 9 9 9 9 10 10 10 11 11 11, sum 129. A quarter (4.5 -> 5th): 4; half
    # (9th): 9; three quarters (13.5 -> 14th): 10; nine tenths (16.2 -> 17th): 11.
    expected = {"p25": 4, "median": 9, "p75": 10, "p90": 11, "mean": 129 / 18}
    for name, days in expected.items():
        assert _read(panel, f"ia_{name}_wd", 2012)["value"] == pytest.approx(days)
    # The nineteenth child waits on: of 19 children 4 are unfinished after day 10, and the mean to
    # day 40 counts it with 40 days: (129 + 40) / 19. Leaving it out says 129 / 18.
    assert _read(panel, "ia_unfinished_10wd_pct", 2012)["value"] == pytest.approx(400 / 19)
    assert _read(panel, "ia_restricted_mean_wd", 2012)["value"] == pytest.approx(169 / 19)
    completed_only = _read(panel, "ia_started_completed_only_mean_wd", 2012)
    assert completed_only["value"] == pytest.approx(129 / 18)
    assert _read(panel, "ia_started_median_wd", 2012)["value"] == 9


def test_other_national_indicators_by_hand():
    referred = ["2010-06-01", "2011-05-31", "2011-06-02", "2011-07-01"]
    base = {"council_code": A, "child_id": ["c1", "c1", "c2", "c3"], "referral_id": range(4)}
    closed = pd.to_datetime(["2010-09-01", None, "2012-03-31", None])
    referrals = pd.DataFrame(
        {**base, "referral_date": pd.to_datetime(referred), "closure_date": closed}
    )
    plans = pd.DataFrame(
        {
            **base,
            "plan_start_date": pd.to_datetime(
                ["2009-05-05", "2011-06-14", "2011-12-31", "2012-01-10"]
            ),
            "plan_end_date": pd.to_datetime(["2011-05-05", "2012-03-31", None, None]),
            "number_previous_plans": [0, 1, 0, 0],
        }
    )
    reviews = pd.DataFrame(
        {
            "council_code": A,
            "child_id": ["c2"],
            "plan_start_date": pd.to_datetime(["2011-12-31"]),
            "review_date": pd.to_datetime(["2012-03-01"]),
        }
    )
    settings = PanelSettings(
        frequency="year", first_day=date(2010, 4, 1), data_cut=date(2012, 3, 31)
    )
    populations = pd.DataFrame(
        {"council_code": [A], "year_ending": [2012], "population_0_17": [20_000]}
    )
    panel = build_census_panel(
        _tables(referrals=referrals, plans=plans, reviews=reviews),
        settings,
        populations=populations,
    ).panel
    expected = {
        "rereferral_12m_pct": (1, 3),  # c1 came back a day before 12 months had passed
        "repeat_plan_pct": (1, 3),
        "plan_ended_2y_pct": (1, 2),  # 2 years to the day, and 9 months
        # On 31 March 2012: the second plan has just ended, the fourth is not 3 months old.
        "plan_reviewed_on_time_pct": (1, 1),
        "cin_rate": (2, 20_000),  # the third was closed that day
        "cpp_rate": (2, 20_000),
        "referral_rate": (3, 20_000),
    }
    for key, counts in expected.items():
        cell = _read(panel, key, 2012)
        assert (cell["numerator"], cell["denominator"]) == counts, key
    assert _read(panel, "referral_rate", 2012)["value"] == pytest.approx(1.5)
    no_population = _read(panel, "referral_rate", 2011)
    assert no_population["numerator"] == 1
    assert np.isnan(no_population["value"])
    assert no_population["value_status"] == "not_available"


LOCAL = """
[[indicator]]
key = "young_child_seen_10wd_pct"
title = "Young children's enquiries with a conference within 10 working days"
table = "section47s"
day = "s47_start_date"
harm = "falls"
denominator = [
  { column = "children.sex", is_in = ["female", "male"] },
  { column = "icpc_not_required", is_in = ["no"] },
]
numerator = [{ column = "icpc_date", after = "s47_start_date", within_working_days = 10 }]

[[indicator]]
key = "neglect_referral_rate"
title = "Referrals for abuse or neglect, not closed within 1 month"
table = "referrals"
day = "referral_date"
unit = "per 10,000 children"
harm = "ambiguous"
denominator = [{ column = "primary_need", is_not_in = ["N2", "N3"] }]
numerator = [{ column = "closure_date", is_missing = true }]
"""


def test_local_indicators_need_no_code(tmp_path):
    file = tmp_path / "local.toml"
    file.write_text(LOCAL, encoding="utf-8")
    base = {"council_code": A, "child_id": ["c1", "c2", "c3"], "referral_id": [0, 1, 2]}
    tables = _tables(
        children=pd.DataFrame(
            {"council_code": A, "child_id": ["c1", "c2"], "sex": ["female", "U"]}
        ),
        referrals=pd.DataFrame(
            {
                **base,
                "referral_date": pd.Timestamp("2011-03-01"),
                "closure_date": pd.to_datetime([None, "2011-06-01", None]),
                "primary_need": ["N1", "N1", None],
            }
        ),
        section47s=pd.DataFrame(
            {
                **base,
                "s47_start_date": pd.Timestamp("2011-03-07"),
                # 10 working days are 21 March. c2's sex is unknown; c3 is nobody.
                "icpc_date": pd.to_datetime(["2011-03-21", "2011-03-08", "2011-03-08"]),
                "icpc_not_required": "no",
            }
        ),
    )
    settings = PanelSettings(
        frequency="month", first_day=date(2011, 3, 1), data_cut=date(2011, 4, 30)
    )
    population = {"council_code": [A], "year_ending": [2011], "population_0_17": [10_000]}
    panel = build_census_panel(
        tables,
        settings,
        local=load_local_indicators(file),
        populations=pd.DataFrame(population),
    ).panel
    cell = _read(panel, "young_child_seen_10wd_pct", "2011-03")
    assert (cell["numerator"], cell["denominator"], cell["value"]) == (1, 1, 100)
    assert cell["complete_follow_up"]  # 10 working days need a month at most; April is covered
    cell = _read(panel, "neglect_referral_rate", "2011-03")
    assert (cell["numerator"], cell["denominator"], cell["value"]) == (1, 10_000, 1)


def test_all_faults_of_a_declaration_at_once(tmp_path):
    file = tmp_path / "local.toml"
    file.write_text(
        """
[[indicator]]
key = "Bad Key"
title = "x"
table = "visits"
day = "referral_date"
harm = "rises"
numerator = []

[[indicator]]
key = "twice"
title = "x"
table = "plans"
day = "initial_category"
harm = "rises"
numerator = [{ column = "colour", is_missing = true }]
denominator = [{ column = "plan_start_date", is_in = ["x"] }]

[[indicator]]
key = "third"
title = "x"
table = "plans"
day = "plan_start_date"
harm = "rises"
colour = "red"
numerator = [{ column = "plan_end_date", is_missing = true, at_least = 1 }]

[[indicator]]
key = "fourth"
title = "x"
table = "plans"
day = "plan_start_date"
harm = "rises"
numerator = [{ column = "children.sex", is_in = ["F"] }]
""",
        encoding="utf-8",
    )
    with pytest.raises(PlanError) as caught:
        load_local_indicators(file)
    told = str(caught.value)
    for words in ("0.key", "0.table", "'initial_category'", "'colour'", "'plan_start_date'"):
        assert words in told
    for words in (
        "exactly one of",
        "colour`: is not a known key",
        "male, female, unknown; got 'F'",
    ):
        assert words in told
    with pytest.raises(PlanError, match="TOML"):
        load_local_indicators(tmp_path / "absent.toml")
