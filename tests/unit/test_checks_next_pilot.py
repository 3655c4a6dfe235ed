"""The next pilot's design (docs/methods-checks.md, block Designing the next pilot)."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

import pilot_eval as pe
from pilot_eval.checks.lots import STRATA, allocate, build_lot, detectable_by_lot, differences
from pilot_eval.checks.next_pilot import design_pilot
from pilot_eval.errors import DesignError, ParameterError

NONE = np.full(12, "all")


@pytest.fixture(scope="module")
def real():
    plan = pe.load_plan()
    return plan, pe.build_panel(pe.load_published(), plan)


@pytest.fixture(scope="module")
def found(real):
    names = real[0].names.values()
    return design_pilot(
        *real, outcome="rereferral_12m_pct", councils=[5, 8], chosen=[*names][20:26]
    )


def test_the_detectable_effect_is_found_in_four_of_five_sets_and_no_smaller_one_is():
    changes = np.random.default_rng(3).normal(size=(12, 1))
    sets = list(combinations(range(12), 4))
    lot = build_lot("none", NONE, 4, draws=999, seed=1)
    assert sorted(map(tuple, lot.sets.members.tolist())) == sets
    effect = detectable_by_lot(changes, lot)
    nulls = np.abs(differences(changes, np.array(sets)))

    def power(size):
        values = np.abs(differences(changes, np.array(sets)) + size)
        p_values = (nulls >= values[:, None] - 1e-12).mean(axis=1)
        return (p_values <= 0.05).mean()

    assert min(power(effect + 1e-9), power(-effect - 1e-9)) >= 0.8
    assert min(power(effect - 0.05), power(0.05 - effect)) < 0.8


def test_a_lot_takes_its_share_of_every_stratum():
    labels = np.array(["a"] * 6 + ["b"] * 3 + ["c"] * 3)
    assert allocate(labels, 4) == {"a": 2, "b": 1, "c": 1}
    members = build_lot("type", labels, 4, draws=9999, seed=1).sets.members
    assert (labels[members] == "a").sum(axis=1).tolist() == [2] * len(members)
    assert len(members) == 15 * 3 * 3
    assert detectable_by_lot(np.zeros((4, 1)), build_lot("none", NONE[:4], 2, draws=9, seed=1)) == (
        np.inf  # six sets cannot give 5%
    )


def test_waves_are_compared_in_their_own_periods():
    changes = np.array([[3.0, 0.0], [0.0, 5.0], [1.0, 2.0], [1.0, 2.0]])
    assert differences(changes, np.array([[0, 1]])).tolist() == [((3 - 1) + (5 - 2)) / 2]


def test_more_councils_detect_less_and_the_lot_is_the_same_again(found, real):
    lots = [f"lot_{strata}" for strata in STRATA]
    by_size = found.table.groupby("councils")[lots].mean()
    assert (by_size.loc[8] < by_size.loc[5]).all()
    assert len(found.drawn) == 8
    assert not set(found.drawn) & set(found.reserves)
    treated = {row.council_name for row in real[0].treatment_register}
    assert not treated & {*found.drawn, *found.reserves}
    again = design_pilot(*real, outcome="rereferral_12m_pct", councils=[5, 8])
    assert again.drawn == found.drawn


def test_a_choice_is_priced_beside_a_lot_of_its_size(found):
    assert len(found.choice) == 3
    assert "Detectable effects" in found.summary()
    assert repr(found) == found.summary()
    assert found.choice["detectable"].gt(0).all()
    assert found.choice["detectable"].iloc[2] <= max(found.choice["detectable"].iloc[:2])


def test_the_councils_that_were_treated_can_be_priced_on_years_before(real):
    chosen = real[0].scenarios["announced"].councils
    found = design_pilot(*real, outcome="rereferral_12m_pct", councils=[5], chosen=chosen)
    assert found.choice["choice"][0] == "chosen (5 with figures)"
    assert not set(chosen) & {*found.drawn, *found.reserves}


def test_fixed_members_take_part_and_forbidden_ones_do_not(real, found):
    fixed, forbidden = found.reserves[0], found.drawn[0]
    other = design_pilot(
        *real, outcome="rereferral_12m_pct", councils=[8], fixed=[fixed], forbidden=[forbidden]
    )
    assert other.drawn[0] == fixed
    assert len(other.drawn) == 8
    assert forbidden not in (*other.drawn, *other.reserves)


def test_the_fewest_councils_that_find_an_effect_are_recommended(real, found):
    five = found.table.query("councils == 5").filter(like="lot_").min(axis=None)
    wanted = {"outcome": "rereferral_12m_pct", "councils": [5, 8]}
    assert len(design_pilot(*real, **wanted, detect=five).drawn) == 5
    out_of_reach = design_pilot(*real, **wanted, detect=0.01)
    assert len(out_of_reach.drawn) == 8
    assert any("No number looked at" in note for note in out_of_reach.notes)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"outcome": "rereferral"}, ParameterError, "Did you mean 'rereferral_12m_pct'"),
        ({"fixed": ["Kant"]}, ParameterError, "Did you mean 'Kent'"),
        ({"councils": [2], "fixed": ["Kent", "Leeds"]}, DesignError, "more than the fixed"),
        ({"periods": [9]}, DesignError, "unbroken periods"),
        ({"waves": 3}, DesignError, "at least as many as waves"),
        ({"chosen": ["Kent"]}, DesignError, "two councils"),
    ],
)
def test_what_cannot_be_designed_is_refused(real, change, error, message):
    settings = {"outcome": "rereferral_12m_pct", "councils": [5]} | change
    with pytest.raises(error, match=message):
        design_pilot(*real, **settings)
