"""Inference against published figures and other packages on the same data."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pilot_eval.inference import (
    cr1_test,
    cr2_test,
    cr3_test,
    randomisation_test,
    wild_bootstrap_test,
)

ROOT = Path(__file__).parents[2]
SOURCE = Path(os.environ.get("PILOT_EVAL_SOURCE_DATA", ROOT / ".." / "shared" / "data"))
PANEL = SOURCE / "replication" / "few_treated_panel.csv"
# docs/methods.md: clubSandwich (R) and diff-diff agree on these to 1e-9.
ESTIMATE, CR2_SE, CR2_DF = 1.119650035, 0.1994842365, 4.2766010


@pytest.fixture(scope="module")
def collapsed() -> pd.DataFrame:
    if not PANEL.is_file():
        pytest.skip(f"{PANEL.name} is not in the source data; set PILOT_EVAL_SOURCE_DATA")
    panel = pd.read_csv(PANEL)
    start = panel.loc[panel["treated_post"] == 1, "time"].min()
    after = panel["time"] >= start
    means = panel.assign(after=after).groupby(["unit", "after"])["y"].mean().unstack()
    by_unit = panel.groupby("unit")
    return pd.DataFrame(
        {
            "change": means[True] - means[False],
            "treated": by_unit["treated_post"].max().astype(bool),
            "cases": by_unit["size"].first(),
        }
    )


def test_cr2_on_the_few_treated_panel(collapsed):
    result = cr2_test(collapsed["change"], collapsed["treated"])
    assert result.estimate == pytest.approx(ESTIMATE, abs=1e-9)
    assert result.std_error == pytest.approx(CR2_SE, abs=1e-9)
    assert result.df == pytest.approx(CR2_DF, abs=1e-6)


@pytest.mark.parametrize(("kind", "n1", "n0"), [("HC2", 5, 40), ("HC2", 3, 9)])
def test_cr2_is_statsmodels_hc2_on_changes(kind, n1, n0):
    from statsmodels.regression.linear_model import OLS

    rng = np.random.default_rng(n1)
    treated = np.arange(n1 + n0) < n1
    changes = rng.normal(size=n1 + n0) + treated
    fit = OLS(changes, np.column_stack([np.ones(n1 + n0), treated])).fit(cov_type=kind)
    result = cr2_test(changes, treated)
    assert result.estimate == pytest.approx(fit.params[1], rel=1e-10)
    assert result.std_error == pytest.approx(fit.bse[1], rel=1e-10)


def test_cr3_is_statsmodels_hc3_and_cr1_its_cluster_default():
    from statsmodels.regression.linear_model import OLS

    rng = np.random.default_rng(3)
    treated = np.arange(60) < 20
    changes = rng.normal(size=60) + treated
    model = OLS(changes, np.column_stack([np.ones(60), treated]))
    assert cr3_test(changes, treated).std_error == pytest.approx(
        model.fit(cov_type="HC3").bse[1], rel=1e-10
    )
    clustered = model.fit(cov_type="cluster", cov_kwds={"groups": np.arange(60)}, use_t=True)
    result = cr1_test(changes, treated)
    assert result.std_error == pytest.approx(clustered.bse[1], rel=1e-10)
    assert result.p_value == pytest.approx(clustered.pvalues[1], rel=1e-8)


@pytest.mark.filterwarnings("ignore")  # pyfixest's own, about pandas
def test_cr3_is_pyfixests_cluster_jackknife(collapsed):
    pf = pytest.importorskip("pyfixest")
    data = collapsed.reset_index().assign(treated=lambda d: d["treated"].astype(float))
    fit = pf.feols(
        "change ~ treated", data, vcov={"CRV3": "unit"}, ssc=pf.ssc(k_adj=False, G_adj=False)
    )
    ours = cr3_test(collapsed["change"], collapsed["treated"])
    assert ours.estimate == pytest.approx(float(fit.coef()["treated"]), rel=1e-8)
    assert ours.std_error == pytest.approx(float(fit.se()["treated"]), rel=1e-8)


def test_exact_randomisation_against_scipy():
    from scipy import stats

    rng = np.random.default_rng(4)
    changes, treated = rng.normal(size=11), np.arange(11) < 4
    for statistic, function in (
        ("difference", lambda x, y: abs(x.mean() - y.mean())),
        ("t", lambda x, y: abs(stats.ttest_ind(x, y, equal_var=False).statistic)),
    ):
        expected = stats.permutation_test(
            (changes[treated], changes[~treated]),
            function,
            n_resamples=np.inf,
            alternative="greater",
        ).pvalue
        ours = randomisation_test(changes, treated, statistic=statistic, seed=1)
        assert ours.p_value == pytest.approx(expected)


def test_wild_bootstrap_against_diff_diff():
    dd = pytest.importorskip("diff_diff")
    rng = np.random.default_rng(5)
    treated = np.arange(12) < 5
    changes = rng.normal(size=12) + 1.2 * treated
    design = np.column_stack([np.ones(12), treated])
    theirs = dd.wild_bootstrap_se(design, changes, changes, np.arange(12), 1, n_bootstrap=4096)
    ours = wild_bootstrap_test(changes, treated, seed=1)  # all 4096 sign vectors
    # The actual signs and their mirror image tie with the statistic: they leave them out, and can
    # reach p = 0; we count them.
    assert ours.p_value == pytest.approx(theirs.p_value + 2 / 4096)
