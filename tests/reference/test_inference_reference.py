"""Inference against published figures and other packages on the same data."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pilot_eval.inference import cr2_test

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
