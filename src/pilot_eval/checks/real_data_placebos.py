"""Calibration on real data: every test on comparators that stand in the pilots' place."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from pilot_eval.evaluation.calibration import (
    PlaceboPool,
    build_pools,
    calibrate_pools,
    calibration_key,
)
from pilot_eval.evaluation.calibration_store import find_rates, keep_rates
from pilot_eval.evaluation.published_strand import build_designs
from pilot_eval.plan import EvaluationPlan

RATE_COLUMNS = ("scenario", "outcome", "method", "rejections", "sets", "key")
EVERY = 5  # comparisons between two lines of progress


def calibrate(
    plan: EvaluationPlan, table: pd.DataFrame, *, tell: Callable[[str], None] | None = None
) -> pd.DataFrame:
    """Measure how often each test rejects where nobody was treated, for every comparison.

    Only what is not stored for these data, design, level and code is computed; it is then kept in
    the user's cache.

    Parameters
    ----------
    plan : EvaluationPlan
    table : DataFrame
        Long table of council indicators, as from `load_published`.
    tell : callable, optional
        Where progress goes, a line at a time.

    Returns
    -------
    DataFrame
        One row for each scenario, outcome and test, columns `RATE_COLUMNS`.

    Examples
    --------
    >>> calibrate(load_plan(), load_published())                          # doctest: +SKIP
    """
    comparisons = list_comparisons(plan, table)
    missing = [item for item in comparisons if find_rates(item[2]) is None]
    for number, (_, _, key, pools) in enumerate(missing):
        if tell and number % EVERY == 0:
            tell(f"Calibrating the tests on real data: {number} of {len(missing)} comparisons")
        keep_rates(key, calibrate_pools(plan, pools))
    rows = [
        {"scenario": scenario, "outcome": outcome, "method": test, "key": key}
        | {"rejections": rate.rejections, "sets": rate.sets}
        for scenario, outcome, key, _ in comparisons
        for test, rate in (find_rates(key) or {}).items()
    ]
    return pd.DataFrame(rows, columns=list(RATE_COLUMNS))


def list_comparisons(
    plan: EvaluationPlan, table: pd.DataFrame
) -> list[tuple[str, str, str, list[PlaceboPool]]]:
    """List scenario, outcome, key and pools of every comparison that can be calibrated."""
    found = []
    for (scenario, outcome), design in build_designs(plan, table, tuple(plan.comparisons)).items():
        if pools := build_pools(plan, design):
            found.append((scenario, outcome, calibration_key(plan, pools), pools))
    return found
