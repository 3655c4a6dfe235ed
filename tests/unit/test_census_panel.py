"""The council-by-period panel: zeros, gaps, late periods, parts (counts against plain pandas)."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest

from pilot_eval.errors import ParameterError
from pilot_eval.records.census_panel import (
    PANEL_COLUMNS,
    PanelSettings,
    build_census_panel,
)
from pilot_eval.records.schema import build_tables
from pilot_eval.records.survival_curves import estimate_survival, restricted_mean
from pilot_eval.reference.working_days import count_working_days

COUNCILS = ("E06000001", "E08000020", "E09000012")
MONTHLY = PanelSettings(frequency="month", first_day=date(2010, 4, 1), data_cut=date(2012, 3, 31))


def _tables(codes, seed=3):
    rng = np.random.default_rng(seed)
    frames = {"referrals": [], "assessments": []}
    for code in codes:
        n = int(rng.integers(400, 900))
        referred = pd.Timestamp("2010-04-01") + pd.to_timedelta(rng.integers(0, 731, n), unit="D")
        ended = referred + pd.to_timedelta(rng.geometric(0.05, n), unit="D")
        base = {
            "council_code": code,
            "child_id": rng.integers(0, n, n).astype(str),
            "referral_id": np.arange(n),
        }
        closed = (referred + pd.to_timedelta(200, unit="D")).where(rng.random(n) < 0.6)
        frames["referrals"].append(
            pd.DataFrame({**base, "referral_date": referred, "closure_date": closed})
        )
        frames["assessments"].append(
            pd.DataFrame(
                {
                    **base,
                    "assessment_type": "initial",
                    "start_date": referred,
                    "end_date": ended.where(rng.random(n) < 0.95),
                }
            )
        )
    whole = {name: pd.concat(parts, ignore_index=True) for name, parts in frames.items()}
    return build_tables(whole, strand="simulated", source="a test")


@pytest.fixture(scope="module")
def tables():
    return _tables(COUNCILS)


@pytest.fixture(scope="module")
def panel(tables):
    return build_census_panel(tables, MONTHLY).panel


def _wide(panel, indicator, column="value"):
    rows = panel[panel["indicator"] == indicator]
    return rows.pivot(index="council_code", columns="period", values=column).to_numpy()


def test_every_council_and_month_is_there_once(panel):
    assert tuple(panel) == PANEL_COLUMNS
    cells = panel.groupby(["indicator", "council_code", "period"], observed=False).size()
    assert (cells == 1).all()
    assert len(panel["period"].cat.categories) == 24
    assert panel["period"].cat.categories[[0, -1]].tolist() == ["2010-04", "2012-03"]


def test_counts_agree_with_pandas(tables, panel):
    referrals = tables.referrals
    month = referrals["referral_date"].dt.strftime("%Y-%m")
    expected = pd.crosstab(referrals["council_code"], month).to_numpy()
    np.testing.assert_array_equal(_wide(panel, "referral_rate", "numerator"), expected)
    month_ends = pd.period_range("2010-04", "2012-03", freq="M").end_time.normalize()
    for column, day in enumerate(month_ends):
        is_open = (referrals["referral_date"] <= day) & ~(referrals["closure_date"] <= day)
        counts = is_open.groupby(referrals["council_code"], observed=False).sum()
        got = _wide(panel, "cin_rate", "numerator")[:, column]
        np.testing.assert_array_equal(got, counts)


def test_pseudo_means_agree_with_kaplan_meier_of_the_cell(tables, panel):
    one = tables.referrals["council_code"] == COUNCILS[1]
    started = one & (tables.referrals["referral_date"].dt.strftime("%Y-%m") == "2012-02")
    begin = tables.referrals.loc[started, "referral_date"].to_numpy()
    end = tables.assessments.loc[started, "end_date"].to_numpy()
    closed = tables.referrals.loc[started, "closure_date"].to_numpy()
    cut = np.datetime64("2012-03-31")
    done = end <= cut
    taken = count_working_days(begin, np.where(done, end, np.fmin(closed, cut)))
    table = estimate_survival(taken, done, horizon=30)
    settings = PanelSettings(
        frequency="month",
        first_day=date(2010, 4, 1),
        data_cut=date(2012, 3, 31),
        horizons={"initial_assessment": 30},
    )
    short = build_census_panel(tables, settings).panel
    row = short[
        (short["indicator"] == "ia_restricted_mean_wd")
        & (short["council_code"] == COUNCILS[1])
        & (short["period"] == "2012-02")
    ].iloc[0]
    assert (~done).sum() >= 3  # unfinished cases matter here
    assert row["value"] == pytest.approx(restricted_mean(table, 30)[0], abs=0.05)
    assert row["cases"] == len(taken)
    assert not row["complete_follow_up"]  # 30 working days do not fit between 29 February and cut


def test_late_and_early_periods_are_flagged(panel):
    def flags(indicator):
        return _wide(panel, indicator, "complete_follow_up").all(axis=0)

    # Looking back 12 months is possible from April 2011, ahead up to March 2011.
    np.testing.assert_array_equal(flags("rereferral_12m_pct"), np.arange(24) >= 12)
    np.testing.assert_array_equal(flags("rereferred_12m_pct"), np.arange(24) < 12)
    assert flags("ia_within_10wd_pct").all()
    # 40 working days before 31 March 2012 is 3 February: January is the last complete month.
    np.testing.assert_array_equal(flags("ia_restricted_mean_wd"), np.arange(24) <= 21)
    history = PanelSettings(
        frequency="month",
        first_day=date(2010, 4, 1),
        data_cut=date(2010, 6, 15),
        history_from=date(2009, 4, 1),
    )
    early = build_census_panel(_tables(COUNCILS[:1]), history).panel
    assert _wide(early, "rereferral_12m_pct", "complete_follow_up").tolist() == [
        [True, True, False]
    ]


def test_zeros_gaps_and_nobody_are_three_things():
    tables = _tables(COUNCILS[:1])
    referrals, assessments = tables.referrals, tables.assessments
    # No referral at all in the year to March 2011: no return. None in June 2011: a zero.
    day = referrals["referral_date"]
    keep = (day >= "2011-04-01") & (day.dt.strftime("%Y-%m") != "2011-06")
    frames = {
        "referrals": referrals[keep],
        "assessments": assessments[keep & (assessments["end_date"] >= "2011-08-01")],
    }
    thinned = build_tables(frames, strand="simulated", source="a test")
    panel = build_census_panel(thinned, MONTHLY).panel.set_index(["indicator", "period"])
    columns = ["numerator", "denominator", "value", "cases"]
    gap = panel.loc[("ia_within_10wd_pct", "2010-06")]
    assert gap["value_status"] == "not_available"
    assert gap[columns].isna().tolist() == [True, True, True, False]
    assert gap["cases"] == 0
    assert not gap["complete_follow_up"]
    nobody = panel.loc[("ia_within_10wd_pct", "2011-06")]
    assert nobody["value_status"] == "not_applicable"
    assert nobody[["numerator", "denominator"]].tolist() == [0, 0]
    assert np.isnan(nobody["value"])
    assert panel.loc[("referral_rate", "2011-06")]["numerator"] == 0
    # Told which return is held, the panel does not guess.
    held = pd.DataFrame(
        {
            "council_code": [COUNCILS[0]],
            "first_day": pd.to_datetime(["2010-04-01"]),
            "last_day": pd.to_datetime(["2011-12-31"]),
        }
    )
    told = build_census_panel(thinned, MONTHLY, coverage=held).panel
    available = _wide(told, "rereferral_12m_pct", "value_status")[0] != "not_available"
    np.testing.assert_array_equal(available, np.arange(24) < 21)


def test_parts_put_together_are_the_whole(tables, panel):
    parts = [
        build_census_panel(_some(tables, codes), MONTHLY).panel.astype({"council_code": "str"})
        for codes in (COUNCILS[:2], COUNCILS[2:])
    ]
    joined = pd.concat(parts).astype({"council_code": "category"})
    pd.testing.assert_frame_equal(_sorted(joined), _sorted(panel))


def _some(tables, codes):
    frames = {
        name: getattr(tables, name)[getattr(tables, name)["council_code"].isin(list(codes))]
        for name in ("referrals", "assessments")
    }
    return build_tables(frames, strand="simulated", source="a part")


def _sorted(panel):
    keys = ["indicator", "council_code", "period"]
    plain = panel.astype({"council_code": "str", "indicator": "str"})
    return plain.sort_values(keys, ignore_index=True)


def test_quarters_and_years_add_up_to_months(tables, panel):
    by_month = _wide(panel, "referral_rate", "numerator")
    for frequency, months in (("quarter", 3), ("year", 12)):
        settings = PanelSettings(
            frequency=frequency, first_day=date(2010, 4, 1), data_cut=date(2012, 3, 31)
        )
        coarse = build_census_panel(tables, settings).panel
        added = by_month.reshape(3, -1, months).sum(axis=2)
        np.testing.assert_array_equal(_wide(coarse, "referral_rate", "numerator"), added)
    assert coarse["period"].unique().tolist() == [2011, 2012]


def test_impossible_settings_are_refused():
    days = {"first_day": date(2010, 4, 1), "data_cut": date(2012, 3, 31)}
    with pytest.raises(ParameterError, match="frequency"):
        PanelSettings(frequency="week", **days)
    with pytest.raises(ParameterError, match="data_cut"):
        PanelSettings(frequency="year", first_day=date(2012, 4, 1), data_cut=date(2012, 3, 31))
    with pytest.raises(ParameterError, match="name clocks"):
        PanelSettings(frequency="year", horizons={"visits": 10}, **days)
