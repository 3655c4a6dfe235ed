"""California's active choice of organ donation (Kessler and Roth 2014).

Data: donation rates of 27 states, six quarters from late 2010, from the package causaldata 0.1.5
(MIT). Reference values: Huntington-Klein, The Effect (2022), section 18.2.2, which prints the
two-way fixed effects coefficient -0.022. docs/methods-estimators.md, block TWFE.
"""

import pandas as pd
import pytest
from replication_data import HERE

from pilot_eval.estimation.did import collapse_changes, estimate_att, estimate_twfe
from pilot_eval.estimation.group_time import estimate_group_time
from pilot_eval.estimation.group_time_aggregates import aggregate_group_time
from pilot_eval.estimation.imputation import estimate_imputation

QUARTERS_BEFORE = 3
PRINTED = -0.022


@pytest.fixture(scope="module")
def rates():
    data = pd.read_csv(HERE / "organ_donations.csv")
    return data.pivot(index="state", columns="quarter", values="rate")


def test_two_way_fixed_effects_and_the_difference_of_changes(rates):
    treated = rates.index == "California"
    units = collapse_changes(rates, treated, QUARTERS_BEFORE)
    assert estimate_twfe(rates, treated, QUARTERS_BEFORE) == pytest.approx(PRINTED, abs=5e-4)
    assert estimate_att(units.change, treated) == pytest.approx(PRINTED, abs=5e-4)


def test_imputation_is_the_same_number(rates):
    start = [QUARTERS_BEFORE if state == "California" else None for state in rates.index]
    assert estimate_imputation(rates, start).att == pytest.approx(PRINTED, abs=5e-4)


def test_group_time_compares_with_the_last_quarter_alone(rates):
    start = [QUARTERS_BEFORE if state == "California" else None for state in rates.index]
    found = aggregate_group_time(estimate_group_time(rates, start)).overall
    by_hand = (rates.iloc[:, QUARTERS_BEFORE:].mean(axis=1) - rates.iloc[:, 2]).groupby(
        rates.index == "California"
    )
    assert found == pytest.approx(by_hand.mean()[True] - by_hand.mean()[False], abs=1e-12)
