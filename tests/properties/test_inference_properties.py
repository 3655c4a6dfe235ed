"""Properties of the inference that a small fault in one step would break.

docs/methods-inference.md, the block of each name.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pilot_eval as pe
from pilot_eval.inference import adjusted_test, robust_test
from pilot_eval.inference.adjusted import adjusted_batch
from pilot_eval.inference.multiplicity import romano_wolf
from pilot_eval.inference.robust import robust_batch
from pilot_eval.inference.staggered import path_batch, path_test

FAMILIES = st.integers(1, 4).flatmap(
    lambda k: st.tuples(
        st.lists(st.integers(0, 6), min_size=k, max_size=k),
        st.lists(st.lists(st.integers(0, 6), min_size=k, max_size=k), min_size=3, max_size=12),
    )
)


@given(FAMILIES)
@settings(max_examples=150, deadline=None)
def test_romano_wolf_is_the_closed_test(family):
    # Step-down is a short cut to closure: an outcome is rejected where every subset that holds it
    # is rejected by its own maximum. The short cut needs its monotone step to be right.
    actual, draws = np.array(family[0], float), np.array(family[1], float)
    expected = [
        max(
            (1 + (draws[:, list(part)].max(1) >= actual[list(part)].max()).sum()) / (1 + len(draws))
            for size in range(1, actual.size + 1)
            for part in combinations(range(actual.size), size)
            if outcome in part
        )
        for outcome in range(actual.size)
    ]
    assert romano_wolf(actual, draws.T) == pytest.approx(expected)


def test_cases_of_a_council_are_the_size_with_its_average_sampling_variance():
    # A share's sampling variance is proportional to 1/cases: averaged over the years, it is that
    # of one year with as many cases as the harmonic (not arithmetic) mean of the denominators.
    plan = pe.load_plan()
    panel = pe.build_panel(pe.load_published(), plan)
    design = pe.build_design(plan, panel, scenario="granted", outcome="repeat_plan_pct")
    assert design.cases_basis == "denominator"
    years = [*design.pre, *design.post]
    rows = panel[(panel["outcome"] == "repeat_plan_pct") & panel["period"].isin(years)]
    rows = rows[rows["denominator"] > 0]
    inverse = rows.assign(inverse=1 / rows["denominator"]).groupby("council_code")["inverse"].mean()
    expected = 1 / inverse[list(design.codes)]
    assert design.cases.to_numpy() == pytest.approx(expected.to_numpy())
    arithmetic = rows.groupby("council_code")["denominator"].mean()[list(design.codes)]
    assert (arithmetic.to_numpy() > design.cases.to_numpy()).mean() > 0.9


@pytest.mark.parametrize("seed", [13, 16, 231, 234, 238, 369, *range(20)])
def test_an_interval_holds_its_estimate_however_units_differ(seed):
    # The first seeds were found by search: units so unlike each other that the effects that are
    # not rejected lie beside the mean over the treated, in which all count alike.
    rng = np.random.default_rng(seed)
    cases = np.exp(rng.normal(6, 3, 20))
    changes = rng.normal(size=20) * (1 + 100 / np.sqrt(cases))
    treated = np.arange(20) < 4
    changes[treated] += rng.normal(size=4) * 20
    level = rng.normal(size=20)
    level[0] += 8
    drawn = {"draws": 199, "seed": 1}
    of = np.where(treated, np.arange(20) % 2, 2)
    paths = np.repeat(changes[:, None], 3, axis=1)
    batches = [
        robust_batch(changes[None], treated, cases, **drawn),
        adjusted_batch(changes[None], treated, cases, level[None], **drawn),
        path_batch(paths[None], of, cases, **drawn),
    ]
    singles = [
        robust_test(changes, treated, cases, **drawn),
        adjusted_test(changes, treated, cases, level, **drawn),
        path_test(paths, of, cases, **drawn),
    ]
    for found in (*batches, *singles):
        assert found.conf_low <= found.estimate <= found.conf_high
    for many, one in zip(batches, singles, strict=True):
        assert many.conf_low[0] == pytest.approx(one.conf_low)
        assert many.conf_high[0] == pytest.approx(one.conf_high)
