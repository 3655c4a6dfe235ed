"""Compulsory high-school mathematics and earnings (Goodman 2019, JOLE), decomposed.

Data: log earnings by state and class of 1975 to 1994, and the first class under the reform, from
the R package bacondecomp 0.1.1 (MIT). Reference values: the package's README, which prints six of
the comparisons and their summary by kind. docs/methods-estimators.md, block GB.
"""

import pandas as pd
import pytest
from replication_data import HERE

from pilot_eval.estimation.goodman_bacon import decompose_goodman_bacon
from pilot_eval.estimation.two_way import estimate_twfe

PRINTED = {  # (treated from, compared with): estimate, weight
    (1987, 1985): (0.04575585, 0.031655309),
    (1986, 1985): (0.11390411, 0.001978457),
    (1984, 1985): (0.12012908, 0.001978457),
    (1985, 1987): (0.01021379, 0.039569136),
    (1986, 1987): (-0.09374495, 0.005440756),
    (1984, 1987): (0.09784857, 0.013354583),
}
SUMMARY = {
    "earlier_vs_later": (0.06353, 0.02868),
    "later_vs_earlier": (0.05265, 0.03375),
    "treated_vs_never": (0.88382, -0.00129),
}


@pytest.fixture(scope="module")
def wide():
    data = pd.read_csv(HERE / "math_reform.csv")
    wide = data.pivot(index="state", columns="class", values="log_earnings")
    return wide, data.groupby("state")["first_class"].first().reindex(wide.index)


@pytest.fixture(scope="module")
def parts(wide):
    return decompose_goodman_bacon(*wide, wide[0].columns.to_numpy())


@pytest.mark.parametrize("pair", PRINTED)
def test_each_printed_comparison(parts, pair):
    row = parts.set_index(["treated_from", "comparator_from"]).loc[pair]
    assert row["estimate"] == pytest.approx(PRINTED[pair][0], abs=5e-9)
    assert row["weight"] == pytest.approx(PRINTED[pair][1], abs=5e-10)


@pytest.mark.parametrize("kind", SUMMARY)
def test_weight_and_mean_of_each_kind(parts, kind):
    own = parts[parts["kind"] == kind]
    mean = (own["estimate"] * own["weight"]).sum() / own["weight"].sum()
    assert own["weight"].sum() == pytest.approx(SUMMARY[kind][0], abs=5e-6)
    assert mean == pytest.approx(SUMMARY[kind][1], abs=5e-6)


def test_the_parts_add_up_to_the_coefficient(wide, parts):
    outcomes, first = wide
    exposure = (outcomes.columns.to_numpy() >= first.to_numpy()[:, None]).astype(float)
    total = (parts["estimate"] * parts["weight"]).sum()
    assert estimate_twfe(outcomes, exposure) == pytest.approx(total, abs=1e-12)
