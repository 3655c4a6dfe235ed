"""Job-training grants and scrap rates (Holzer, Block, Cheatham and Knott 1993, ILRR 46(4)).

Data: `linearmodels.datasets.jobtraining`, 54 firms, 1987-1988. Reference values, regression of the
change on the grant: Wooldridge, Introductory Econometrics, section 13.4, prints
change in scrap = -.564 (.405) - .739 (.683) grant and
change in log(scrap) = -.057 (.097) - .317 (.164) grant. Stata notes on his two-period example
print the second to seven digits (`reg clscrap cgrant`, and with `robust`: Stata's HC1).
docs/methods-estimators.md, blocks ES and IMP.
"""

import numpy as np
import pytest

from pilot_eval.estimation.event_study import change_covariance, estimate_event_study
from pilot_eval.estimation.imputation import estimate_imputation

jobtraining = pytest.importorskip(
    "linearmodels.datasets.jobtraining", reason="the data ship with linearmodels"
)
PRINTED = {None: 5e-4, np.log: 5e-8}
ROBUST_STD_ERROR = 0.1714224


def read_firms(transform):
    data = jobtraining.load()
    data = data[data["year"] < 1989]
    scrap = data.pivot(index="fcode", columns="year", values="scrap").dropna()
    grant = data[data["year"] == 1988].set_index("fcode")["grant"].reindex(scrap.index)
    outcomes = scrap.to_numpy() if transform is None else transform(scrap.to_numpy())
    assert (len(scrap), int(grant.sum())) == (54, 19)
    return outcomes, np.where(grant == 1, 1988.0, np.nan)


@pytest.mark.parametrize(
    ("transform", "comparators", "effect"),
    [(None, -0.564, -0.739), (np.log, -0.0574357, -0.3170579)],
)
def test_training_grants(transform, comparators, effect):
    outcomes, first = read_firms(transform)
    study = estimate_event_study(outcomes, first, [1987, 1988])
    others = study.changes[~study.treated, 1].mean()
    assert others == pytest.approx(comparators, abs=PRINTED[transform])
    assert study.estimates[1] == pytest.approx(effect, abs=PRINTED[transform])
    imputed = estimate_imputation(outcomes, first, [1987, 1988])
    assert imputed.att == pytest.approx(study.estimates[1], abs=1e-12)


def test_robust_standard_error_of_the_grants():
    study = estimate_event_study(*read_firms(np.log), [1987, 1988])
    variance = change_covariance(study.changes[:, 1:], study.treated, kind="cr0")[0, 0]
    hc1 = np.sqrt(variance * 54 / (54 - 2))  # Stata's factor n / (n - k)
    assert hc1 == pytest.approx(ROBUST_STD_ERROR, abs=5e-8)
