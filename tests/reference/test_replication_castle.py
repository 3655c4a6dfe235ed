"""Castle-doctrine laws and homicide (Cheng and Hoekstra 2013), decomposed.

Data: log homicide rate of 50 states, 2000-2010, and the first year with a law, from the package
causaldata 0.1.5 (MIT). Reference values: Stata's `estat bdecomp` after
`xtdidregress (l_homicide) (post), group(sid) time(year)`, as printed in S. Rowe, Econ 672
(2024), chapter 2. docs/methods-estimators.md, block GB.
"""

import pandas as pd
import pytest
from replication_data import HERE

from pilot_eval.estimation.goodman_bacon import decompose_goodman_bacon
from pilot_eval.estimation.two_way import estimate_twfe

PUBLISHED = {
    "treated_vs_never": (0.07843799, 0.898809),
    "earlier_vs_later": (-0.02857716, 0.077079),
    "later_vs_earlier": (0.04563468, 0.024112),
}
POOLED = 0.0693984
FROM_NINE_DIGITS = 2e-8  # the file keeps nine digits of the outcome


def test_decomposition_of_the_castle_laws():
    states = pd.read_csv(HERE / "castle_homicide.csv", index_col="sid")
    first = states.pop("first_treated").to_numpy(float)
    years = states.columns.astype(int).to_numpy()
    table = decompose_goodman_bacon(states.to_numpy(), first, years)
    exposure = (years >= first[:, None]).astype(float)
    assert estimate_twfe(states.to_numpy(), exposure) == pytest.approx(POOLED, abs=5e-8)
    assert (table["weight"] * table["estimate"]).sum() == pytest.approx(POOLED, abs=5e-8)
    for kind, rows in table.groupby("kind"):
        estimate, weight = PUBLISHED[kind]
        mean = (rows["weight"] * rows["estimate"]).sum() / rows["weight"].sum()
        assert rows["weight"].sum() == pytest.approx(weight, abs=5e-7)
        assert mean == pytest.approx(estimate, abs=FROM_NINE_DIGITS)
