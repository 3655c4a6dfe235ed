"""Unilateral divorce and women's suicide (Stevenson and Wolfers 2006, QJE 121(1), 267-288).

Data: women's suicide rate of 51 states, 1964-1996, as a share of its mean, and the first year of
unilateral divorce, from the R package bacondecomp 0.1.1 (MIT). Reference values: table 1, column 1,
changes in per cent by pairs of years since the law, as the package's tests print them. They are
coefficients of dummies pooled over all states, which our two-way fit reproduces. Effects against
the five states without the law are others, and are shown with the reason.
docs/methods-estimators.md, blocks TWFE, GB and ES.
"""

import numpy as np
import pandas as pd
import pytest
from replication_data import HERE, differs

from pilot_eval.errors import DesignError
from pilot_eval.estimation.event_study import estimate_event_study
from pilot_eval.estimation.goodman_bacon import decompose_goodman_bacon
from pilot_eval.estimation.two_way import estimate_twfe, fit_two_way

COLUMN = (1.6, -1.5, -1.5, -3.0, -8.0, -10.0, -11.9, -12.8, -13.3, -16.4, -18.7)
PRINTED = {2 * row: printed for row, printed in enumerate(COLUMN)}
"""Per cent, by years since the law: 0; 1 and 2; 3 and 4; ...; 19 and more."""
BEFORE_DATA = 1950
NEVER = "treated against the five states without the law"


@pytest.fixture(scope="module")
def states():
    data = pd.read_csv(HERE / "divorce_suicide.csv")
    wide = data.pivot(index="state", columns="year", values="suicide")
    return wide, data.groupby("state")["law"].first().reindex(wide.index)


def years_since(wide, law):
    since = wide.columns.to_numpy() - law.to_numpy()[:, None]
    pairs = np.where(since < 0, -1, np.minimum(20, 2 * np.ceil(since / 2)))
    pairs = np.where(law.to_numpy()[:, None] == BEFORE_DATA, 20, pairs)
    return np.where(np.isnan(since), -1, pairs)


def test_pooled_dummies_are_the_published_ones(states):
    wide, law = states
    pairs, cells = years_since(wide, law), np.ones(wide.shape)
    dummies = [(pairs == since).astype(float) for since in PRINTED]
    within = np.stack([(dummy - fit_two_way(dummy, cells).fitted).ravel() for dummy in dummies])
    for row, (since, printed) in enumerate(PRINTED.items()):
        others = np.delete(within, row, axis=0).T
        own = within[row] - others @ np.linalg.lstsq(others, within[row], rcond=None)[0]
        coefficient = estimate_twfe(wide.to_numpy(), own.reshape(wide.shape))
        assert 100 * coefficient == pytest.approx(printed, abs=0.0501), since


def test_comparisons_with_states_under_the_law_all_along_are_diff_diffs(states):
    peer = pytest.importorskip("diff_diff", reason="the crosscheck extra is not installed")
    wide, law = states
    parts = decompose_goodman_bacon(wide, law, wide.columns.to_numpy())
    on = (wide.columns.to_numpy() >= law.to_numpy()[:, None]).astype(float)
    total = (parts["estimate"] * parts["weight"]).sum()
    untreated = law.where(law != BEFORE_DATA).fillna(0)  # it has one group of never and always
    long = wide.reset_index().melt("state", value_name="y")
    long["first"] = long["state"].map(untreated)
    theirs = peer.BaconDecomposition().fit(long, "y", "state", "year", "first")
    assert total == pytest.approx(estimate_twfe(wide.to_numpy(), on), abs=1e-12)
    assert total == pytest.approx(theirs.twfe_estimate, abs=1e-8)


def test_effects_against_states_without_the_law_are_others(states):
    wide, law = states
    with pytest.raises(DesignError, match="treated from the first period"):
        estimate_event_study(wide, law, wide.columns.to_numpy())
    seen = (law != BEFORE_DATA).to_numpy()
    study = estimate_event_study(wide[seen], law[seen], wide.columns.to_numpy())
    effects = pd.Series(study.estimates, index=study.event_times)
    for since in (0, 2, 20):
        years = [0] if since == 0 else [since - 1, since]
        differs(100 * effects.loc[years].mean(), PRINTED[since], NEVER, digits=1)
