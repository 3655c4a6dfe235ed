"""Minimum wages in fast food (Card and Krueger 1994, AER 84(4), table 3, rows 1-3).

Full-time-equivalent employment per store, mean before and after: Pennsylvania 23.33, 21.17; New
Jersey 20.44, 21.03. By hand: (21.03 - 20.44) - (21.17 - 23.33) = 0.59 + 2.16 = 2.75; the table
prints 2.76, from unrounded means.
"""

import numpy as np
import pytest

from pilot_eval.estimation.event_study import estimate_event_study
from pilot_eval.estimation.group_time import estimate_group_time
from pilot_eval.estimation.imputation import estimate_imputation
from pilot_eval.estimation.synthetic_did import estimate_synthetic_did

MEANS = np.array([[20.44, 21.03], [23.33, 21.17]])
FIRST = np.array([1.0, np.nan])


def test_four_means_give_the_published_difference():
    by_hand = pytest.approx(2.75, abs=1e-12)
    assert estimate_event_study(MEANS, FIRST).estimates[1] == by_hand
    assert estimate_group_time(MEANS, FIRST).att_gt[0, 1] == by_hand
    assert estimate_imputation(MEANS, FIRST).att == by_hand
    assert estimate_event_study(MEANS, FIRST).estimates[1] == pytest.approx(2.76, abs=0.015)


def test_plain_did_of_the_synthetic_family_is_the_same_number():
    before = np.repeat(MEANS[:, :1], 2, axis=1)
    states = np.vstack([np.hstack([before, MEANS[:, 1:]]), [[23.33, 23.33, 21.17]]])
    found = estimate_synthetic_did(states, np.array([True, False, False]), 2, method="did")
    assert found.att == pytest.approx(2.75, abs=1e-12)
