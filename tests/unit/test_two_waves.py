"""Two simulated waves as notebook 06 shows them, against the estimators and the truth put in.

docs/methods-estimators.md, blocks ES and SC; docs/methods-inference.md#simultaneous-bands.
"""

import numpy as np
import pytest

from pilot_eval.estimation.group_time import estimate_group_time
from pilot_eval.estimation.group_time_aggregates import aggregate_group_time
from pilot_eval.estimation.synthetic_did import estimate_synthetic_did
from pilot_eval.lab import two_waves

EFFECT, RAMP, SEED = 5.0, 12, 20110201


@pytest.fixture(scope="module")
def waves():
    return two_waves.simulate_two_waves(effect=EFFECT, ramp_months=RAMP, seed=SEED)


def test_the_truth_is_the_effect_that_was_put_in(waves):
    # From March 2011 to March 2013 there are 25 months: 12 of growth (mean 5 x 6.5/12), 13 in
    # full; from September 2011 there are 19.
    early = (12 * EFFECT * 6.5 / 12 + 13 * EFFECT) / 25
    late = (12 * EFFECT * 6.5 / 12 + 7 * EFFECT) / 19
    shown = two_waves.tabulate_each_council(waves).frame.set_index("Council")
    assert shown.loc["Hackney", "Truth (simulated)"] == pytest.approx(early)
    assert shown.loc["Wandsworth", "Truth (simulated)"] == pytest.approx(late)
    assert shown["From"].value_counts().to_dict() == {"2011-03": 4, "2011-09": 4}


def test_every_estimator_and_the_truth_are_shown(waves):
    table = two_waves.tabulate_estimators(waves)
    assert "Simulated" in table.caption
    assert table.frame["Method"].tolist() == [*two_waves.METHOD_NAMES.values(), "Truth (simulated)"]
    group_time = aggregate_group_time(estimate_group_time(waves.outcomes, waves.first)).overall
    assert table.frame["Estimate"].iloc[1] == pytest.approx(group_time)


def test_the_event_study_is_the_dynamic_aggregate_and_its_bands_hold_the_truth(waves):
    figure = two_waves.plot_event_study(waves, draws=999, seed=SEED, alpha=0.05)
    numbers = figure.numbers.set_index("Months since the start")
    dynamic = aggregate_group_time(estimate_group_time(waves.outcomes, waves.first), "dynamic")
    for month, row in numbers.iterrows():
        own = dynamic.estimates[dynamic.labels == month]
        assert row["Estimate"] == pytest.approx(own[0])
        assert row["Robust band, from"] < row["Truth"] < row["Robust band, to"]
    assert figure.title.startswith("Simulated")


def test_each_councils_rank_is_counted_among_all_comparators(waves):
    shown = two_waves.tabulate_each_council(waves).frame.set_index("Council")
    row = int(np.flatnonzero(waves.council_code == "E09000012")[0])  # Hackney, first wave
    pool = waves.outcomes[np.isnan(waves.first)]
    start = int(waves.first[row])
    effects = [
        estimate_synthetic_did(Y, np.arange(len(Y)) == 0, start, method="sc", solver="exact").att
        for Y in (np.vstack([waves.outcomes[row], pool]), *_in_turn(pool))
    ]
    assert shown.loc["Hackney", "Synthetic control"] == pytest.approx(effects[0], abs=1e-8)
    rank = (np.abs(effects) >= abs(effects[0]) - 1e-9).sum()
    assert shown.loc["Hackney", "p (rank)"] == pytest.approx(rank / len(effects))


def _in_turn(pool):
    """Put every comparator first in turn: as if treated, with the others as donors."""
    for place in range(len(pool)):
        yield np.vstack([pool[place], np.delete(pool, place, axis=0)])
