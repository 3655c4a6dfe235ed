"""Children's records to evidence, on simulated councils with known effects."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest

from pilot_eval.app.open_records import build_settings
from pilot_eval.design.records_design import CensusDesign, design_census
from pilot_eval.errors import DesignError
from pilot_eval.estimation.census_changes import COMPARISON_ONLY, QUANTILES, CensusSettings
from pilot_eval.estimation.census_units import select_units
from pilot_eval.estimation.council_changes import (
    collapse_levels,
    concat_changes,
    effective_cases,
)
from pilot_eval.estimation.survival import Window
from pilot_eval.evaluation.records_strand import (
    collapse_part,
    evaluate_census,
    evaluate_distributions,
    join_changes,
)
from pilot_eval.evidence import EVIDENCE_COLUMNS
from pilot_eval.inference.simultaneous import simultaneous_band
from pilot_eval.lab.simulate import simulate_census
from pilot_eval.lab.simulate_settings import Effects, Exemption, SimulationSettings
from pilot_eval.plan import load_plan
from pilot_eval.records.schema import SCHEMA, build_tables

SETTINGS = CensusSettings(
    pre=(Window(first=date(2010, 4, 1), last=date(2011, 2, 28)),),
    post=(Window(first=date(2011, 4, 1), last=date(2012, 2, 29)),),
    first_day=date(2009, 4, 1),
    data_cut=date(2012, 3, 31),
)


@pytest.fixture(scope="module")
def plan():
    return load_plan().revise({"inference.draws": 499})


@pytest.fixture(scope="module")
def design(plan):
    whole = design_census(plan, "granted")
    return replace(whole, comparators=whole.comparators[:24])


@pytest.fixture(scope="module")
def simulated(design):
    freed = tuple(Exemption(council_code=code, start=date(2011, 4, 1)) for code in design.treated)
    settings = SimulationSettings(
        councils=design.treated + design.comparators,
        first_year=2010,
        last_year=2012,
        exemptions=freed,
        effects=Effects(pull=0.9, delay=0.8),
        scale=0.3,
    )
    return simulate_census(settings, seed=5)


@pytest.fixture(scope="module")
def changes(simulated):
    return join_changes([collapse_part(simulated[0], SETTINGS)])


@pytest.fixture(scope="module")
def evidence(changes, plan, design):
    return evaluate_census(changes, plan, [design], data_hash="abc")


def test_every_outcome_has_its_methods_and_columns(evidence):
    table = evidence.table
    assert tuple(table) == EVIDENCE_COLUMNS
    assert set(table["strand"]) == {"simulated"}
    per_outcome = table.groupby("outcome")["method"].agg(list)
    assert all(methods == ["robust", "sharp", "cr2"] for methods in per_outcome)
    estimated = table[table["status"] == "estimated"]
    assert estimated[["estimate", "conf_low", "conf_high", "p_value", "mde"]].notna().all().all()
    assert (estimated["p_value"] > 0).all()
    # Westminster, H&F and K&C are one management: eight councils, six units.
    assert estimated["n_treated"].max() == 6
    note = table.loc[table["outcome"].str.contains("completed_only"), "reason"]
    assert note.str.contains(COMPARISON_ONLY, regex=False).all()


def test_the_true_delay_is_found(evidence, simulated, design):
    truth = simulated[1].effects
    truth = truth[(truth["outcome"] == "restricted_mean_delay") & (truth["clock"] == "initial")]
    rows = evidence.table[evidence.table["outcome"] == "ia_restricted_mean_40wd"]
    sharp = rows.set_index("method").loc["sharp"]
    unit = truth["council_code"].map(lambda code: design.clusters.get(code, code))
    true_effect = truth.groupby(unit)["effect"].mean().mean()
    assert sharp["conf_low"] < true_effect < sharp["conf_high"]
    assert sharp["conf_low"] > 0
    spike = evidence.table[evidence.table["outcome"] == "ia_bunching_10wd_pct"]
    assert (spike["conf_high"] < 0).all()  # the pull of the tenth day is gone
    own = evidence.effects[evidence.effects["outcome"] == "ia_restricted_mean_40wd"]
    assert set(own["council_name"]) >= {"Cumbria", "Hackney", "Islington"}


def test_the_whole_curve_and_its_band(changes, plan, design):
    bands = evaluate_distributions(changes, plan, [design])
    rows = bands[(bands["clock"] == "initial_assessment") & (bands["method"] == "sharp")]
    assert rows["day"].tolist() == list(range(41))
    # Fewer are finished by day 10, the mean effect is the area, and the band holds the curve.
    assert rows["estimate"].iloc[10] == rows["estimate"].min()
    assert rows["conf_high"].iloc[10] < 0
    assert (rows["conf_low"] <= rows["estimate"]).all()
    assert rows["p_value"].iloc[0] < 0.05
    assert rows["counterfactual"].is_monotonic_increasing


def test_parts_make_no_difference(simulated, changes, plan, design, evidence):
    tables = simulated[0]
    codes = sorted(design.treated + design.comparators)

    def collapse(members):
        frames = {name: getattr(tables, name) for name in SCHEMA}
        frames = {n: f[f["council_code"].isin(members)] for n, f in frames.items()}
        part = build_tables(frames, strand="simulated", source="a part")
        return collapse_part(part, SETTINGS)

    first, second = collapse(codes[:9]), collapse(codes[9:])
    again = evaluate_census(join_changes([first, second]), plan, [design], data_hash="abc")
    pd.testing.assert_frame_equal(again.table, evidence.table)
    with pytest.raises(DesignError, match="whole councils"):
        join_changes([first, collapse(codes[8:])])
    with pytest.raises(DesignError, match="one strand"):
        join_changes([])


def test_a_council_without_a_return_is_left_out_by_name(simulated, changes, plan, design):
    code = design.treated[0]
    missing = {code: "no return for the year ending March 2011"}
    left = join_changes([collapse_part(simulated[0], SETTINGS)], missing)
    table = evaluate_census(left, plan, [design])
    told = table.dropped.query("council_code == @code")["reason"].unique().tolist()
    assert told == ["no return for the year ending March 2011"]
    whole = evaluate_census(changes, plan, [design]).table
    key = ["outcome", "method"]
    both = whole.merge(table.table, on=key, suffixes=("", "_left")).query("method == 'sharp'")
    assert (both["n_treated_left"] == both["n_treated"] - 1).all()
    assert code not in left.distributions["core_assessment"].councils


def test_what_the_records_cannot_bear_is_not_estimated(simulated, plan, design):
    settings = replace(SETTINGS, first_day=date(2010, 4, 1), clocks=("initial_assessment",))
    changes = join_changes([collapse_part(simulated[0], settings)])
    absent = replace(design, treated=("E10000006",), comparators=("E06000053",))
    table = evaluate_census(changes, plan, [design, absent]).table
    early = table[(table["outcome"] == "rereferral_12m_pct") & (table["scenario"] == "granted")]
    assert early["status"].tolist()[0] == "not_estimable"
    assert "12 months before the first window" in early["reason"].iloc[0]
    alone = table[table["treated"] == "Cumbria"]
    assert (alone["status"] == "not_estimable").all()
    assert alone["reason"].str.contains("no comparator").all()


def test_no_change_rests_on_fewer_cases_than_may_be_told(simulated, changes):
    fewest = 60  # many councils have fewer enquiries in a window
    kept = collapse_part(simulated[0], replace(SETTINGS, fewest_cases=fewest))
    left_out = 0
    for key, outcome in kept.outcomes.items():
        before = changes.outcomes[key].changes
        if outcome.changes is None:
            continue
        assert (outcome.changes.size >= fewest).all()
        gone = set(before.councils) - set(outcome.changes.councils)
        assert {outcome.changes.dropped[code] for code in gone} <= {
            f"fewer than {fewest} cases in a window"
        }
        left_out += len(gone)
    assert left_out > 0
    quantiles = [o.changes for key, o in changes.outcomes.items() if key.endswith(QUANTILES)]
    assert all((one.size >= 10).all() for one in quantiles)
    settings = build_settings(
        load_plan(),
        first_day=SETTINGS.first_day,
        data_cut=date(2013, 3, 31),
        convention="end_counts",
    )
    assert settings.fewest_cases == load_plan().disclosure.threshold + 1


def test_real_records_name_breaks_and_freed_councils(changes, plan, design, evidence):
    assert evidence.table[["breaks", "freed"]].isna().all().all()  # invented children have none
    longer = replace(SETTINGS, post=(Window(first=date(2012, 4, 1), last=date(2013, 2, 28)),))
    real = replace(changes, strand="census", settings=longer)
    rows = evaluate_census(real, plan, [design]).table.set_index(["outcome", "method"])
    conference = rows.loc[("icpc_restricted_mean_45wd", "robust")]
    assert (conference["strand"], conference["breaks"]) == ("census", "icpc_clock")
    assert "Westminster (inferred)" in conference["freed"]
    assert rows.loc[("ia_median_wd", "cr2"), "breaks"] == "effective_to_actual_dates"
    within_a_year = replace(changes, strand="census")
    rows = evaluate_census(within_a_year, plan, [design]).table.set_index(["outcome", "method"])
    assert rows.loc[("ia_median_wd", "cr2"), "breaks"] == ""


def test_comparators_were_never_treated(plan):
    design = design_census(plan, "granted_march")
    assert "E08000020" not in design.comparators  # Gateshead: announced
    assert not set(design.comparators) & set(design_census(plan, "granted").treated)
    with pytest.raises(DesignError, match="nearest"):
        design_census(plan.revise({"comparators.rule": "nearest"}), "granted")
    with pytest.raises(DesignError, match="share no member"):
        CensusDesign(scenario="x", treated=("a",), comparators=("a", "b"), clusters={})


def test_more_uneven_delay_counts_as_fewer_cases():
    # Two councils of 100 cases a window; after the start b's cases spread twice as far (variance
    # 4). Without borrowing (many cases) the variances of the changes are (1 + 1) and (1 + 4) over
    # n, the average case has (1 + 1 + 1 + 4) / 4 = 1.75: effective n 1.75 and 0.7 times n.
    n = 1e7
    changes = collapse_levels(
        np.zeros((2, 2)), np.full((2, 2), n), ["a", "b"], 1, "", np.array([[1.0, 1.0], [1.0, 4.0]])
    )
    np.testing.assert_allclose(effective_cases(changes) / n, [1.75, 0.7], rtol=1e-4)
    unknown = collapse_levels(np.zeros((2, 2)), np.array([[2.0, 2.0], [3.0, 6.0]]), "ab", 1, "")
    np.testing.assert_allclose(effective_cases(unknown), [2, 4])
    both = concat_changes([changes, replace(unknown, councils=("c", "d"))])
    assert both.councils == ("a", "b", "c", "d")
    design = CensusDesign(
        scenario="x", treated=("b",), comparators=("a", "c", "d"), clusters={"c": "cd", "d": "cd"}
    )
    units, treated = select_units(both, design)
    assert (len(units.change), treated) == (3, ["b"])


@pytest.mark.parametrize("method", ["robust", "sharp"])
def test_a_band_of_one_figure_is_a_test_of_it(method):
    rng = np.random.default_rng(2)
    changes = rng.normal(size=(60, 1))
    treated = np.arange(60) < 5
    changes[treated] += 4
    band = simultaneous_band(changes, treated, np.full(60, 100.0), method=method, seed=1)
    assert band.estimate[0] == pytest.approx(changes[treated].mean() - changes[~treated].mean())
    assert 0 < band.conf_low[0] < 4 < band.conf_high[0]
    # Two-sided 5% of Welch's t with about 4 degrees of freedom, and of a t with about 50.
    low, high = {"robust": (2.2, 3.4), "sharp": (1.8, 2.3)}[method]
    assert low < band.critical[0] < high
    flat = simultaneous_band(
        np.hstack([changes, np.ones((60, 1))]), treated, np.full(60, 9.0), method=method, seed=1
    )
    assert flat.conf_low[1] == flat.estimate[1] == 0
    alone = simultaneous_band(changes, np.arange(60) < 1, np.full(60, 9.0), method=method, seed=1)
    assert np.isnan(alone.p_value) == (method == "robust")
