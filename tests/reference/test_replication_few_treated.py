"""Five treated of 152 units over 60 months: every estimator's point estimate is one number.

Reference: docs/methods-estimators.md; clubSandwich (R) and diff-diff give 1.119650035 and the
CR2 standard error 0.1994842365.
"""

import numpy as np
import pytest
from replication_data import read_replication

from pilot_eval.estimation.event_study import change_covariance, estimate_event_study
from pilot_eval.estimation.group_time import estimate_group_time
from pilot_eval.estimation.group_time_aggregates import aggregate_group_time
from pilot_eval.estimation.imputation import estimate_imputation
from pilot_eval.estimation.two_way import estimate_twfe

ESTIMATE, CR2_STD_ERROR = 1.119650035, 0.1994842365


def test_five_treated_of_152():
    data = read_replication("few_treated_panel.csv")
    outcomes = data.pivot(index="unit", columns="time", values="y").to_numpy()
    exposure = data.pivot(index="unit", columns="time", values="treated_post").to_numpy(float)
    treated = exposure.any(1)
    start = int(exposure.any(0).argmax())
    first = np.where(treated, float(start), np.nan)
    assert estimate_twfe(outcomes, exposure) == pytest.approx(ESTIMATE, abs=5e-10)
    # The imputation estimator uses all pre-treatment months, so on one start it is the same.
    assert estimate_imputation(outcomes, first).att == pytest.approx(ESTIMATE, abs=5e-10)
    # Group-time effects compare with the last month before: another number, by design.
    effects = aggregate_group_time(estimate_group_time(outcomes, first))
    study = estimate_event_study(outcomes, first)
    assert effects.overall == pytest.approx(study.estimates[study.event_times >= 0].mean())
    change = outcomes[:, start:].mean(1) - outcomes[:, :start].mean(1)
    variance = change_covariance(change[:, None], treated)
    assert np.sqrt(variance[0, 0]) == pytest.approx(CR2_STD_ERROR, abs=5e-11)
