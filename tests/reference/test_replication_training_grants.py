"""Job-training grants and scrap rates (Holzer, Block, Cheatham and Knott 1993).

Data: `linearmodels.datasets.jobtraining`. Reference values: Wooldridge, Introductory
Econometrics, section 13.4 (policy analysis with two-period panel data), 54 firms, 1987-1988:
change in scrap = -.564 - .739 grant; change in log(scrap) = -.057 - .317 grant (standard error
.164). docs/methods-estimators.md, blocks ES and IMP.
"""

import numpy as np
import pytest

from pilot_eval.estimation.event_study import estimate_event_study
from pilot_eval.estimation.imputation import estimate_imputation

jobtraining = pytest.importorskip(
    "linearmodels.datasets.jobtraining", reason="the data ship with linearmodels"
)
PRINTED = 5e-4


@pytest.mark.parametrize(
    ("transform", "comparators", "effect"), [(None, -0.564, -0.739), (np.log, -0.057, -0.317)]
)
def test_training_grants(transform, comparators, effect):
    data = jobtraining.load()
    data = data[data["year"] < 1989]
    scrap = data.pivot(index="fcode", columns="year", values="scrap").dropna()
    grant = data[data["year"] == 1988].set_index("fcode")["grant"].reindex(scrap.index)
    outcomes = scrap.to_numpy() if transform is None else transform(scrap.to_numpy())
    first = np.where(grant == 1, 1988.0, np.nan)
    study = estimate_event_study(outcomes, first, [1987, 1988])
    assert (len(scrap), int(grant.sum())) == (54, 19)
    assert study.changes[~study.treated, 1].mean() == pytest.approx(comparators, abs=PRINTED)
    assert study.estimates[1] == pytest.approx(effect, abs=PRINTED)
    imputed = estimate_imputation(outcomes, first, [1987, 1988])
    assert imputed.att == pytest.approx(study.estimates[1], abs=1e-12)
