"""Medicaid expansion: the sensitivity example of the HonestDiD package (Rambachan and Roth 2023).

The covariance is the one the example uses: clustered by state, with fixest's factor
G/(G-1) (N-1)/(N-K) for G = 43 states, N observations and K = 15 (7 coefficients, 8 years).
docs/methods-estimators.md, block RR.
"""

import numpy as np
import pytest
from replication_data import read_replication

from pilot_eval.checks.sensitivity import (
    bound_trends,
    breakdown_value,
    relative_magnitude_tests,
)
from pilot_eval.checks.trend_evidence import TrendEvidence
from pilot_eval.estimation.event_study import change_covariance, estimate_event_study

# HonestDiD's README. Smoothness: its critical values come from 10^6 simulated normals (Monte
# Carlo error 0.002 of a standard error of 0.009), ours are exact.
SMOOTHNESS = {
    0.0: (0.0259, 0.0607),
    0.01: (0.0132, 0.0787),
    0.02: (0.00286, 0.0907),
    0.03: (-0.00714, 0.101),
    0.05: (-0.0271, 0.121),
}
# Relative magnitudes on its grid of 1,000 points (step 0.00037), first version of the README...
ON_GRID = {
    0.5: (0.0240, 0.0672),
    1.0: (0.0170, 0.0720),
    1.5: (0.00824, 0.0797),
    2.0: (-0.000916, 0.0881),
}
# ... and the present one, whose grid is not stated: within one and a quarter of those steps.
PRESENT = {
    0.5: (0.0241, 0.0673),
    1.0: (0.0171, 0.0720),
    1.5: (0.00859, 0.0796),
    2.0: (-0.00107, 0.0883),
}
ONE_AND_A_QUARTER_STEPS = 4.6e-4


def round_as_printed(value: float) -> float:
    return float(f"{value:.3g}")


@pytest.fixture(scope="module")
def evidence():
    data = read_replication("medicaid_ehec.csv")
    data = data[(data["year"] < 2016) & (data["yexp2"] != 2015)]
    wide = data.pivot(index="stfips", columns="year", values="dins")
    expansion = data.groupby("stfips")["yexp2"].first().reindex(wide.index)
    first = np.where(expansion == 2014, 2014.0, np.nan)
    study = estimate_event_study(wide.to_numpy(), first, wide.columns.to_numpy())
    kept = study.event_times != -1
    n_states, n = wide.shape[0], wide.size
    factor = n_states / (n_states - 1) * (n - 1) / (n - 15)
    covariance = factor * change_covariance(study.changes[:, kept], study.treated, kind="cr0")
    return TrendEvidence(
        estimates=study.estimates[kept],
        covariance=covariance,
        n_pre=5,
        target=np.array([1.0, 0.0]),
    )


@pytest.mark.parametrize("bound", SMOOTHNESS)
def test_smoothness(evidence, bound):
    found = bound_trends(evidence, bound, "smoothness")
    for value, published in zip((found.conf_low, found.conf_high), SMOOTHNESS[bound], strict=True):
        half_a_digit = 0.5 * 10 ** (np.floor(np.log10(abs(published))) - 2)
        assert value == pytest.approx(published, abs=half_a_digit + 5e-5)


@pytest.mark.parametrize("bound", ON_GRID)
def test_relative_magnitudes_to_the_printed_digit_on_the_published_grid(evidence, bound):
    grid = np.linspace(-20, 20, 1000) * evidence.std_error
    accepted = np.zeros(1000, dtype=bool)
    for test in relative_magnitude_tests(evidence, bound):
        accepted |= test.accepts(grid)
    found = tuple(round_as_printed(end) for end in (grid[accepted].min(), grid[accepted].max()))
    assert found == ON_GRID[bound]


@pytest.mark.parametrize("bound", PRESENT)
def test_relative_magnitudes(evidence, bound):
    found = bound_trends(evidence, bound)
    ends = (found.conf_low, found.conf_high)
    assert ends == pytest.approx(PRESENT[bound], abs=ONE_AND_A_QUARTER_STEPS)


def test_breakdown_values(evidence):
    # The README: about 2 (the last interval that leaves out 0 is just below) and M about 0.03
    # (0.02 leaves out 0, 0.03 does not).
    assert 1.5 < breakdown_value(evidence) < 2.0
    assert 0.02 < breakdown_value(evidence, "smoothness") < 0.03
