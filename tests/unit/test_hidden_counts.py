"""Hidden counts: what they can be, and that no filling leaves the set or changes its meaning.

docs/methods.md#hidden-counts.
"""

from dataclasses import replace
from itertools import product
from math import prod

import numpy as np
import pandas as pd
import pytest

import pilot_eval as pe
from pilot_eval.design.hidden import HiddenCounts
from pilot_eval.errors import DesignError
from pilot_eval.estimation.adjustment import adjust_changes
from pilot_eval.estimation.covariates import UnitFacts
from pilot_eval.estimation.did import Units, collapse_changes, combine_clusters, estimate_att
from pilot_eval.evaluation.batch_methods import ANSWERS, adjustment_of
from pilot_eval.evaluation.extreme_fillings import (
    STEPS,
    add_adjusted_corners,
    add_robust_extremes,
)
from pilot_eval.evaluation.filling_search import choose_fillings, improve
from pilot_eval.evaluation.fillings import collapse_fillings, name_units
from pilot_eval.evaluation.identified import identify
from pilot_eval.evaluation.unit_facts import collapse_units
from pilot_eval.published.council_table import read_council_table

FEW = 500  # fillings that are few enough to try all
DRAWS = 199  # of the robust test here


@pytest.fixture(scope="module")
def plan():
    return pe.load_plan().revise({"inference.draws": DRAWS})


@pytest.fixture(scope="module")
def table():
    return pe.load_published()


@pytest.fixture(scope="module")
def designs(plan, table):
    """Every design of one start with a hidden count that can matter."""
    panel = pe.build_panel(table, plan)
    built = [
        pe.build_design(plan, panel, scenario=scenario, outcome=key)
        for scenario, key in plan.comparisons
        if plan.outcomes[key].descriptive is None
    ]
    built = [one for one in built if not one.is_staggered]  # those with waves: test_plan_readings
    hidden = [one for one in built if len(one.own_hidden) and len(one.treated) > 1]
    return [(one, identify(plan, one)) for one in hidden]


def hidden_counts(low, high, gap=None):
    size = len(low)
    gap_low, gap_high = gap or (low, low)
    return HiddenCounts(
        outcome="any",
        cells=tuple((f"council {i}", 2012) for i in range(size)),
        low=np.array(low),
        high=np.array(high),
        gap_low=np.array(gap_low),
        gap_high=np.array(gap_high),
        unit_value=np.ones(size),
    )


def effects_of(plan, design, fillings):
    """Estimate at fillings from filled tables alone, without what the package knows of slopes."""
    hidden, figures = design.own_hidden, design.figures.reindex(list(design.codes))
    rows = figures.index.get_indexer([council for council, _ in hidden.cells])
    columns = figures.columns.get_indexer([period for _, period in hidden.cells])
    values = np.repeat(figures.to_numpy(float)[None], len(fillings), axis=0)
    values[:, rows, columns] = fillings * hidden.unit_value
    units = collapse_changes(values, design.is_treated, len(design.pre))
    units = combine_clusters(units, name_units(plan, design))
    return np.array([estimate_att(change, units.treated) for change in units.change])


def test_gateshead_has_one_small_count_of_two(plan, table):
    # DfE, SFR27/2012: 282 conferences, 237 within 11 to 15 days, none within 16 to 20; two bands
    # hidden that sum to 45. One is 1 to 5, so 238 to 242 or 277 to 281 were in time.
    panel = pe.build_panel(table, plan)
    design = pe.build_design(plan, panel, scenario="announced", outcome="icpc_within_15wd_pct")
    hidden = design.own_hidden
    place = hidden.cells.index(("E08000020", 2012))
    drawn = hidden.sample(2000, seed=1)
    assert hidden.admits(drawn).all()
    assert set(drawn[:, place]) == {*range(238, 243), *range(277, 282)}
    wrong = drawn.copy()
    wrong[:, place] = 260
    assert not hidden.admits(wrong).any()


def test_a_hidden_figure_has_the_same_draws_in_every_comparison(designs):
    drawn = {}
    for design, _ in designs:
        hidden = design.own_hidden
        for place, cell in enumerate(hidden.cells):
            own = hidden.sample(50, seed=3)[:, place].tolist()
            assert drawn.setdefault((hidden.outcome, cell), own) == own


def test_bounds_that_admit_nothing_are_refused():
    with pytest.raises(DesignError, match="admit nothing"):
        hidden_counts([5], [1])
    with pytest.raises(DesignError, match="admit nothing"):
        hidden_counts([1], [9], gap=([0], [4]))


def test_the_ends_are_those_of_brute_force(plan, designs):
    # All fillings where they are few. Otherwise: the estimate is a sum over hidden cells, so no
    # filling is lower than one that no single cell can lower.
    assert len(designs) > 15
    for design, found in designs:
        hidden, ends = design.own_hidden, found.numbers["cr2"]
        corners = collapse_fillings(design).combine(name_units(plan, design)).corners()
        named = ("estimate_low", 1), ("estimate_high", -1)
        for corner, (name, sign) in zip(corners, named, strict=True):
            flip = np.diag(hidden.low + hidden.high - 2 * corner)
            at_corner, *others = effects_of(plan, design, np.vstack([corner, corner + flip]))
            assert at_corner == pytest.approx(ends[name], abs=1e-10)
            assert (sign * (np.array(others) - at_corner) >= -1e-12).all()
        ranges = [range(a, b + 1) for a, b in zip(hidden.low, hidden.high, strict=True)]
        if prod(len(each) for each in ranges) <= FEW:
            every = np.array(list(product(*ranges)))
            effects = effects_of(plan, design, every[hidden.admits(every)])
            brute = pytest.approx((effects.min(), effects.max()), abs=1e-10)
            assert (ends["estimate_low"], ends["estimate_high"]) == brute


def test_no_random_filling_leaves_the_set_or_changes_what_a_row_shows(plan, designs):
    for design, found in designs:
        stack = collapse_units(plan, design).at(design.own_hidden.sample(200, seed=20261126))
        means = stack.change[:, stack.treated].mean(1) - stack.change[:, ~stack.treated].mean(1)
        for method, answer in ANSWERS.items():
            row, each = found.numbers[method], answer(plan, stack)
            if np.isnan(row["estimate_low"]):
                continue
            effects = means if each.estimate is None else each.estimate
            assert row["estimate_low"] - 1e-9 <= effects.min()
            assert effects.max() <= row["estimate_high"] + 1e-9
            shown = each.conclusions()
            if not row["fragile"]:
                assert len(shown) == 1, (design.scenario, design.outcome, method)
            if row["conf_low"] > 0 or row["conf_high"] < 0:
                assert shown == {"rise" if row["conf_low"] > 0 else "fall"}


def build_wide(plan, seed, *, n, cells, high, unit_value):
    """Build a comparison with wide hidden counts of comparators, and its adjusted estimate."""
    rng = np.random.default_rng(seed)
    values = rng.normal(10, 2, size=(n, 4))
    codes = tuple(f"c{i}" for i in range(n))
    figures = pd.DataFrame(values, index=list(codes), columns=[2010, 2011, 2012, 2013])
    cells = tuple((codes[place], year) for place, year in cells)
    for council, year in cells:
        figures.loc[council, year] = np.nan
    low = np.ones(len(cells), dtype=int)
    bounds = {"low": low, "high": np.array(high), "gap_low": low, "gap_high": low}
    hidden = HiddenCounts(outcome="any", cells=cells, **bounds, unit_value=np.array(unit_value))
    filled = collapse_fillings(_compare(figures, codes, hidden))
    facts = UnitFacts(
        names=np.array(codes),
        types=np.full(n, "county"),
        regions=np.full(n, "east"),
        low_income=np.zeros(n),
        level_variance=rng.uniform(0.5, 2.0, n),
    )
    filled = replace(filled, base=replace(filled.base, facts=facts))
    plain = plan.revise({"adjustment.covariates": []})

    def estimate_at(counts):
        stack = filled.at(counts)
        given = adjustment_of(plain, stack)
        adjusted = adjust_changes(stack.change, stack.treated, stack.known_level(), **given)
        return adjusted.residual[:, stack.treated].mean(axis=1)

    found = add_adjusted_corners(plain, filled, hidden.sample(64, seed=seed))
    return hidden, estimate_at, found


@pytest.mark.parametrize("seed", range(20))
def test_the_adjusted_set_is_that_of_brute_force(plan, seed):
    # Wide counts of comparators move level and change at once, and the spline bends: the best
    # filling may lie between the ends. All 20 x 20 x 5 fillings of three comparators are tried.
    high, cells = (20, 20, 5), ((10, 2011), (20, 2011), (30, 2012))
    wide = {"n": 60, "cells": cells, "high": high, "unit_value": [1.5, 0.8, 2.0]}
    _, estimate_at, found = build_wide(plan, seed, **wide)
    every = np.array(list(product(*(range(1, most + 1) for most in high))))
    estimate, searched = estimate_at(every), estimate_at(found)
    span = np.ptp(estimate)
    assert searched.min() == pytest.approx(estimate.min(), abs=1e-9 * span)
    assert searched.max() == pytest.approx(estimate.max(), abs=1e-9 * span)


def test_no_other_count_leads_beyond_the_adjusted_set_where_many_are_hidden(plan):
    cells = [(place, year) for place in range(10, 70) for year in (2011, 2012)]
    many = {"high": [20] * len(cells), "unit_value": [0.5] * len(cells)}
    hidden, estimate_at, found = build_wide(plan, 0, n=80, cells=cells, **many)
    estimate = estimate_at(found)
    for sign in (-1, 1):
        end = found[(sign * estimate).argmax()]
        cell, option = hidden.options(end, STEPS)
        beside = np.repeat(end[None], len(cell), axis=0)
        beside[np.arange(len(cell)), cell] = option
        furthest = (sign * estimate_at(beside)).max()
        assert furthest <= (sign * estimate).max() + 1e-9 * np.ptp(estimate)


@pytest.mark.parametrize(
    "comparison",
    [
        ("granted_september", "plan_ended_2y_pct"),  # Welch's t chose a third of the width short
        ("single_switches", "sa_within_45wd_pct"),  # units start at different times
    ],
)
def test_no_other_count_leads_far_beyond_the_robust_interval(plan, table, comparison):
    scenario, outcome = comparison
    panel = pe.build_panel(table, plan)
    design = pe.build_design(plan, panel, scenario=scenario, outcome=outcome)
    found = identify(plan, design, ["robust"])
    filled, row = collapse_units(plan, design), found.numbers["robust"]
    chosen = choose_fillings(filled, seed=plan.seed)
    counts, deciding = add_robust_extremes(plan, filled, chosen.counts, chosen.deciding)
    answers = ANSWERS["robust"](plan, filled.at(counts[deciding]))
    width = row["conf_high"] - row["conf_low"]
    for figure, sign in (("conf_low", -1), ("conf_high", 1)):
        end = counts[deciding[(sign * getattr(answers, figure)).argmax()]]
        cell, option = filled.hidden.options(end)
        beside = np.repeat(end[None], len(cell), axis=0)
        beside[np.arange(len(cell)), cell] = option
        furthest = (sign * getattr(ANSWERS["robust"](plan, filled.at(beside)), figure)).max()
        assert furthest < sign * row[figure] + 0.05 * width


def test_an_interval_covers_whatever_the_hidden_counts_are(plan, table):
    # Five of forty real comparators stand in the pilots' place, with no effect. Their counts are
    # known: five are hidden behind their range of 1 to 5 around them, and the interval must cover
    # zero in at least 95% of sets, minus Monte Carlo error (200 sets: 3 errors of 1.5 points).
    rng = np.random.default_rng(4)
    covered = 0
    for _ in range(200):
        values = rng.normal(10, 2, size=(40, 4))
        treated = np.arange(40) < 5
        counts = rng.integers(1, 6, size=5)
        values[:5, 2] += 0.5 * (counts - 3)
        design = _design(values, treated, counts)
        filled = collapse_fillings(design)
        chosen = choose_fillings(filled, seed=1, fillings=20)
        row = ANSWERS["cr2"](plan, filled.at(chosen.counts)).hull()
        covered += row["conf_low"] <= 0 <= row["conf_high"]
    assert covered / 200 >= 0.95 - 3 * 0.0155


def _design(values, treated, counts):
    codes = tuple(f"c{i}" for i in range(len(values)))
    figures = pd.DataFrame(values, index=list(codes), columns=[2010, 2011, 2012, 2013])
    low = figures.loc[list(codes[:5]), 2012] - 0.5 * (counts - 1)
    hidden = HiddenCounts(
        outcome="any",
        cells=tuple((code, 2012) for code in codes[:5]),
        low=np.ones(5, dtype=int),
        high=np.full(5, 5),
        gap_low=np.ones(5, dtype=int),
        gap_high=np.ones(5, dtype=int),
        unit_value=np.full(5, 0.5),
    )
    figures.loc[list(codes[:5]), 2012] = np.nan
    figures.loc[list(codes[:5])] -= (low - 0.5).to_numpy()[:, None]  # a count of 1 is worth 0.5
    return _compare(figures, codes, hidden)


def _compare(figures, codes, hidden):
    """The first five councils against all others, two years before and two after."""
    return pe.design.build.Design(
        scenario="announced",
        outcome="any",
        pre=(2010, 2011),
        post=(2012, 2013),
        treated=codes[:5],
        scenario_size=5,
        comparators=codes[5:],
        figures=figures,
        hidden=hidden,
        cases=pd.Series(100.0, index=list(codes)),
        cases_basis="denominator",
        dropped=(),
        breaks=(),
        freed="",
    )


def test_a_count_that_can_be_one_thing_only_has_nothing_to_improve():
    values = np.arange(40.0).reshape(10, 4) % 7
    design = _design(values, None, np.ones(5, dtype=int))
    known = replace(design.hidden, high=design.hidden.low)
    filled = collapse_fillings(replace(design, hidden=known))
    found = improve(filled, known.low, lambda units, _: units.change.sum(axis=1))
    assert found.tolist() == known.low.tolist()


OWN = "council_code,year_ending,indicator,numerator,denominator,numerator_low,numerator_high"


def read_own(tmp_path, *lines):
    path = tmp_path / "own.csv"
    path.write_text("\n".join([OWN, *lines]) + "\n", encoding="utf-8")
    rows = read_council_table(path).set_index("indicator")
    return rows[["numerator_low", "numerator_high"]]


def test_an_own_tables_share_in_time_is_bounded_by_its_bands(tmp_path):
    bands = [
        f"E08000020,2012,icpc_band_{name},{count},282,,"
        for name, count in (("0_10", "c"), ("11_15", 237), ("16_20", 0), ("21_plus", "c"))
    ]
    share = "E08000020,2012,icpc_within_15wd_pct,c,282,,"
    assert read_own(tmp_path, share, *bands).loc["icpc_within_15wd_pct"].tolist() == [238, 281]
    alone = read_own(tmp_path, share).loc["icpc_within_15wd_pct"]
    assert alone.isna().all()  # not one small count: without its bands it can be anything
    given = read_own(tmp_path, share.removesuffix(",,") + ",240,250")
    assert given.loc["icpc_within_15wd_pct"].tolist() == [240, 250]


@pytest.mark.parametrize("method", ["robust", "sharp", "cr2", "adjusted"])
def test_a_method_without_an_answer_at_one_filling_says_why_and_has_none(plan, method):
    """At the second filling all comparators change alike; the first alone looks answerable."""
    rng, treated = np.random.default_rng(1), np.arange(40) < 3
    change = np.vstack([rng.normal(size=40), np.where(treated, rng.normal(size=40), 1.0)])
    ones, level = np.ones(40), np.tile(rng.normal(size=40), (2, 1))
    facts = UnitFacts(
        names=np.arange(40).astype(str),
        types=np.full(40, "a"),
        regions=np.full(40, "b"),
        low_income=20 * ones,
        level_variance=ones / 9,
    )
    units = Units(
        change=change,
        treated=treated,
        cases=100 * ones,
        period_factor=ones,
        level=level,
        facts=facts,
    )
    found = ANSWERS[method](plan, units)
    assert np.isnan(found.hull()["p_value"])
    assert found.reason.startswith("not estimable: the comparators' changes are all equal")
    alone = ANSWERS[method](plan, replace(units, change=change[:1], level=level[:1]))
    assert 0 < alone.hull()["p_value"] < 1


def test_a_copy_of_the_published_table_has_the_published_bounds(tmp_path, table):
    path = tmp_path / "copy.csv"
    table.to_csv(path, index=False)
    keys = ["year_ending", "indicator", "council_code", "numerator_low", "numerator_high"]
    both = (
        one[keys].sort_values(keys[:3], ignore_index=True)
        for one in (read_council_table(path), table)
    )
    ours, theirs = both
    hidden = theirs["numerator_low"] < theirs["numerator_high"]
    pd.testing.assert_frame_equal(ours[hidden], theirs[hidden])


def test_bounds_of_bands_are_in_percent(plan, table):
    outcome = plan.outcomes["icpc_within_15wd_pct"].model_dump() | {"accepted_breaks": {}}
    band = plan.revise({"outcomes.icpc_band_0_10": outcome})
    rows = pe.build_panel(table, band).query(
        "outcome == 'icpc_band_0_10' and council_name == 'Gateshead' and period == 2012"
    )
    assert rows["value_low"].iloc[0] == pytest.approx(100 * 1 / 282)
    assert rows["value_high"].iloc[0] == pytest.approx(100 * 44 / 282)
