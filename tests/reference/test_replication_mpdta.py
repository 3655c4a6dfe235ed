"""County teen employment and minimum wages (Callaway and Sant'Anna 2021).

Reference values: R package `did` 2.1 and its vignette, `fixest::sunab`, `didimputation`, without
covariates; docs/methods-estimators.md, blocks GT, ES, SA, IMP, TWFE.
"""

import numpy as np
import pytest
from replication_data import read_mpdta, to_wide

from pilot_eval.estimation.event_study import estimate_event_study
from pilot_eval.estimation.group_time import estimate_group_time
from pilot_eval.estimation.group_time_aggregates import aggregate_group_time
from pilot_eval.estimation.imputation import estimate_imputation
from pilot_eval.estimation.sun_abraham import estimate_sun_abraham
from pilot_eval.estimation.two_way import estimate_twfe

PRINTED = 5e-10  # reference values are printed to nine decimals
VARYING = [0.0305, -0.0006, -0.0245, -0.0199, -0.0510, -0.1373, -0.1008]  # event times -3..3


@pytest.fixture(scope="module")
def panel():
    return to_wide(read_mpdta())


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("simple", -0.039951275),
        ("dynamic", -0.077239821),
        ("group", -0.031018282),
        ("calendar", -0.041700432),
    ],
)
def test_group_time_aggregates(panel, kind, value):
    effects = estimate_group_time(*panel, influence=True)
    found = aggregate_group_time(effects, kind)
    assert found.overall == pytest.approx(value, abs=PRINTED)
    if kind == "simple":
        assert found.overall_std_error == pytest.approx(0.012034013, abs=PRINTED)


def test_event_times_with_the_varying_base_of_the_published_figure(panel):
    study = estimate_event_study(*panel, base="varying")
    assert study.event_times.tolist() == [-3, -2, -1, 0, 1, 2, 3]
    np.testing.assert_allclose(study.estimates, VARYING, atol=5e-5)


def test_event_study_is_the_dynamic_aggregate(panel):
    study = estimate_event_study(*panel)
    dynamic = aggregate_group_time(estimate_group_time(*panel), "dynamic")
    assert study.event_times.tolist() == dynamic.labels.tolist()
    np.testing.assert_allclose(study.estimates, dynamic.estimates, atol=1e-12)
    assert study.estimates[study.event_times == -1] == 0.0


def test_other_estimators(panel):
    imputed = estimate_imputation(*panel)
    saturated = aggregate_group_time(estimate_sun_abraham(*panel))
    naive = estimate_twfe(panel[0], imputed.panel.exposure())
    assert imputed.att == pytest.approx(-0.0477099183, abs=PRINTED)
    assert saturated.overall == pytest.approx(-0.03995128, abs=5e-9)
    assert naive == pytest.approx(-0.0365489367, abs=PRINTED)
