"""Who the treated are compared with. Comparators were never treated anywhere."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from pilot_eval.errors import DesignError, explain
from pilot_eval.plan import EvaluationPlan
from pilot_eval.reference.facts import Council
from pilot_eval.reference.plan_periods import Period


def comparator_codes(
    plan: EvaluationPlan, treated: tuple[str, ...], values: pd.DataFrame, pre: tuple[Period, ...]
) -> tuple[str, ...]:
    """Choose comparators by the plan's rule.

    Councils of the pilot's register are never comparators,
    whatever the scenario and rule; nor are the plan's excluded councils.

    Parameters
    ----------
    plan : EvaluationPlan
    treated : tuple of str
        Codes of the treated councils.
    values : DataFrame, council_code x period
        The outcome; only pre-trial columns are looked at (rule ``nearest``).
    pre : tuple of int
        Pre-trial periods.

    Returns
    -------
    tuple of str
        Council codes, sorted.

    Raises
    ------
    DesignError
        If `comparators.only` names a council that was ever treated, or nobody is left.
    """
    councils = plan.councils
    out = set(plan.comparators.exclude) | set(plan.drop_councils)
    never = plan.ever_treated | set(treated)
    _refuse_treated(plan, councils, never)
    pool = [
        code
        for code, council in councils.items()
        if code not in never and council.council_name not in out
    ]
    if plan.comparators.only:
        pool = [code for code in pool if councils[code].council_name in plan.comparators.only]
    chosen = _apply_rule(plan, pool, [councils[code] for code in treated], councils, values, pre)
    if not chosen:
        raise DesignError(
            explain(
                "comparators",
                "leave at least one council",
                f"none under rule {plan.comparators.rule!r}",
                "Widen the rule or shorten `exclude`.",
            )
        )
    return tuple(sorted(chosen))


def explain_left_out(
    plan: EvaluationPlan, treated: tuple[str, ...], chosen: tuple[str, ...]
) -> dict[str, str]:
    """Say of every council that the plan does not compare, why.

    Parameters
    ----------
    plan : EvaluationPlan
    treated, chosen : tuple of str
        Codes of the treated councils and of the comparators chosen.

    Returns
    -------
    dict
        Council code -> reason.
    """
    named = {
        "left out of every comparison by the plan": plan.drop_councils,
        "excluded as a comparator by the plan": plan.comparators.exclude,
    }
    reasons = {}
    for council in plan.councils.values():
        code, name = council.council_code, council.council_name
        if code not in (*treated, *chosen):
            by_plan = [why for why, names in named.items() if name in names]
            reasons[code] = by_plan[0] if by_plan else _why_not_chosen(plan, council)
    return reasons


def _why_not_chosen(plan: EvaluationPlan, council: Council) -> str:
    if council.council_code in plan.ever_treated:
        return "in the register of this pilot: never a comparator"
    if plan.comparators.only and council.council_name not in plan.comparators.only:
        return "not among the plan's only comparators"
    return f"not chosen by the rule {plan.comparators.rule}"


def _refuse_treated(
    plan: EvaluationPlan, councils: Mapping[str, Council], never: frozenset[str] | set[str]
) -> None:
    treated_names = {councils[code].council_name for code in never}
    wrong = [name for name in plan.comparators.only if name in treated_names]
    if wrong:
        raise DesignError(
            explain(
                "comparators.only",
                "name councils that are not in the register",
                ", ".join(wrong),
                "Remove them: a pilot cannot be its own comparator.",
            )
        )


def _apply_rule(
    plan: EvaluationPlan,
    pool: list[str],
    treated: list[Council],
    councils: Mapping[str, Council],
    values: pd.DataFrame,
    pre: tuple[Period, ...],
) -> list[str]:
    rule = plan.comparators.rule
    if rule == "same_region":
        regions = {council.region for council in treated}
        return [code for code in pool if councils[code].region in regions]
    if rule == "same_type":
        types = {council.council_type for council in treated}
        return [code for code in pool if councils[code].council_type in types]
    if rule == "neighbours_2021":
        near = {name for council in treated for name in council.statistical_neighbours_2021}
        return [code for code in pool if councils[code].council_name in near]
    if rule == "nearest":
        return _nearest(plan.comparators.nearest, pool, treated, councils, values, pre)
    return pool


def _nearest(
    how_many: int,
    pool: list[str],
    treated: list[Council],
    councils: Mapping[str, Council],
    values: pd.DataFrame,
    pre: tuple[Period, ...],
) -> list[str]:
    """Take the councils nearest to any treated one in deprivation and pre-trial outcome."""
    codes = [*(council.council_code for council in treated), *pool]
    features = pd.DataFrame(
        {
            "low_income": [councils[code].child_low_income_2011_pct for code in codes],
            "outcome": values.reindex(codes)[list(pre)].mean(axis=1).to_numpy(),
        },
        index=codes,
    )
    scaled = (features - features.loc[pool].mean()) / features.loc[pool].std()
    known_pool = scaled.loc[pool].dropna()
    known_treated = scaled.iloc[: len(treated)].dropna()
    if known_treated.empty or known_pool.empty:
        return pool
    gaps = known_pool.to_numpy()[:, None, :] - known_treated.to_numpy()[None, :, :]
    distance = np.sqrt((gaps**2).sum(axis=2)).min(axis=1)
    nearest = np.argsort(distance, kind="stable")[:how_many]
    return [str(code) for code in known_pool.index[nearest]]
