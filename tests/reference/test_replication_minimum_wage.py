"""Minimum wages in fast food (Card and Krueger 1994, AER 84(4), 772-793, table 3, rows 1, 2 and 4).

Full-time-equivalent employment per store, mean (standard error) before and after: Pennsylvania
23.33 (1.35), 21.17 (0.94); New Jersey 20.44 (0.51), 21.03 (0.52); difference 2.76 (1.36). Reprinted
in Angrist and Pischke, Mostly Harmless Econometrics (2009), table 5.2.1. By hand:
(21.03 - 20.44) - (21.17 - 23.33) = 0.59 + 2.16 = 2.75; the table's 2.76 is from unrounded means.
docs/methods-estimators.md, blocks ES, GT, IMP and SDID.
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
