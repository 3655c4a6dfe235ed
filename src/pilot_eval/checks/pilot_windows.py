"""Real changes of an outcome over stretches of periods in which nothing was tried."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pilot_eval.doors import Names, Whole, takes
from pilot_eval.errors import DataError, DesignError, explain
from pilot_eval.plan import EvaluationPlan
from pilot_eval.published.panel import PANEL
from pilot_eval.reference.plan_periods import year_of


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class History:
    """Figures of councils that were never treated.

    Attributes
    ----------
    outcome : str
    names, types, regions : ndarray of str, shape (n,)
    figures : ndarray, shape (n, periods)
        In the outcome's unit, complete.
    cases : ndarray, shape (n,)
        Mean denominator.
    periods : tuple
    broken : ndarray of bool, shape (periods,)
        Whether a definition changed between a period and the one before, in a way that the plan
        does not accept.
    before : int
        Periods before the start.
    left_out : int
        Councils without a figure in every period.
    """

    outcome: str
    names: np.ndarray
    types: np.ndarray
    regions: np.ndarray
    figures: np.ndarray
    cases: np.ndarray
    periods: tuple[object, ...]
    broken: np.ndarray
    before: int
    left_out: int

    def stretches(self, after: int) -> list[int]:
        """List the columns of starts that have enough unbroken periods on both sides."""
        last = len(self.periods) - after
        starts = range(self.before, last + 1)
        return [s for s in starts if not self.broken[s - self.before + 1 : s + after].any()]

    def changes(self, start: int, after: int, waves: int = 1) -> np.ndarray:
        """Compute changes for a start, and for the waves that start later, (n, waves)."""
        values = self.figures[:, start - self.before : start + after]
        firsts = self.before + np.arange(waves)
        return np.column_stack(
            [values[:, first:].mean(axis=1) - values[:, :first].mean(axis=1) for first in firsts]
        )

    def labels(self, strata: str, start: int) -> np.ndarray:
        """Give every council's stratum before a start."""
        if strata == "type":
            return self.types
        if strata == "region":
            return self.regions
        if strata == "level":
            level = self.figures[:, start - self.before : start].mean(axis=1)
            cuts = np.quantile(level, [0.25, 0.5, 0.75])
            quarter: np.ndarray = np.searchsorted(cuts, level).astype(str)
            return quarter
        return np.full(len(self.names), "all")


@takes(DataError, panel=PANEL, before=Whole(least=0), leave_out=Names(axis=None))
def collect_history(
    plan: EvaluationPlan,
    panel: pd.DataFrame,
    outcome: str,
    *,
    before: int,
    leave_out: Sequence[str] = (),
) -> History:
    """Collect the figures of councils that were never treated and can be drawn.

    Parameters
    ----------
    plan : EvaluationPlan
    panel : DataFrame
        From `build_panel`.
    outcome : str
    before : int
    leave_out : sequence of str
        Names of councils that are neither drawn nor comparators.

    Returns
    -------
    History

    Raises
    ------
    DesignError
        If fewer than ten councils have a figure in every period used.
    """
    rows = panel[panel["outcome"] == outcome]
    rows = rows[~rows["council_code"].isin(list(plan.ever_treated))]
    rows = rows[~rows["council_name"].isin(list(leave_out))]
    values = rows.pivot(index="council_code", columns="period", values="value")
    values = values.loc[:, values.notna().mean() >= 0.5]
    complete = values.dropna()
    if len(complete) < 10 or complete.shape[1] <= before:
        got = f"{len(complete)} councils, number of periods {complete.shape[1]}"
        rule = f"have figures of ten councils in more than {before} periods"
        raise DesignError(explain(outcome, rule, got, "Choose another outcome, or fewer periods."))
    cases = rows.groupby("council_code")["denominator"].mean().reindex(complete.index)
    known = [plan.councils[code] for code in complete.index]
    accepted = plan.outcomes[outcome].accepted_breaks
    broken = {
        item.first_year_after
        for item in plan.breaks
        if outcome in item.indicators and item.basis == "value" and item.break_id not in accepted
    }
    periods = tuple(complete.columns)
    return History(
        outcome=outcome,
        names=np.array([council.council_name for council in known]),
        types=np.array([council.council_type or "all" for council in known]),
        regions=np.array([council.region or "all" for council in known]),
        figures=complete.to_numpy(float),
        cases=cases.fillna(cases.median()).fillna(1.0).to_numpy(float),
        periods=periods,
        broken=np.array([year_of(period) in broken for period in periods]),
        before=before,
        left_out=len(values) - len(complete),
    )


def describe_chosen(
    panel: pd.DataFrame, history: History, chosen: Sequence[str], start: int
) -> tuple[np.ndarray, np.ndarray]:
    """Look up sizes and levels before a start of councils that somebody chose.

    They may have been treated later: only figures of the periods before the start are read.

    Parameters
    ----------
    panel : DataFrame
        From `build_panel`.
    history : History
    chosen : sequence of str
        Names.
    start : int
        Column of the start.

    Returns
    -------
    cases, levels : ndarray, shape (m,)
        Of the chosen councils that have a figure before the start.
    """
    periods = list(history.periods[start - history.before : start])
    rows = panel[(panel["outcome"] == history.outcome) & panel["council_name"].isin(list(chosen))]
    rows = rows[rows["period"].isin(periods)].dropna(subset=["value"])
    means = rows.groupby("council_code")[["denominator", "value"]].mean()
    cases = means["denominator"].fillna(float(np.median(history.cases)))
    return cases.to_numpy(float), means["value"].to_numpy(float)
