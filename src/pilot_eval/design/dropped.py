"""Who was left out of a comparison, and why: without exception."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from pilot_eval.design.treatment import AdoptionPath
from pilot_eval.plan import EvaluationPlan
from pilot_eval.reference.plan_periods import Period


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """A council left out of a comparison, and why: for want of figures, or by the plan."""

    council_code: str
    council_name: str
    role: Literal["treated", "comparator"]
    reason: str
    cause: Literal["figures", "plan"] = "figures"


def explain_drops(
    plan: EvaluationPlan,
    rows: pd.DataFrame,
    gone: Mapping[str, AdoptionPath],
    treated: frozenset[str],
) -> tuple[Dropped, ...]:
    """Say of every council without figures, treated first, which are missing."""
    status: dict[str, dict[Period, str]] = {}
    own = rows.loc[rows["council_code"].isin(gone), ["council_code", "period", "value_status"]]
    for code, period, word in own.itertuples(index=False):
        status.setdefault(code, {})[period] = word
    names = plan.names
    return tuple(
        Dropped(
            council_code=code,
            council_name=names[code],
            role="treated" if code in treated else "comparator",
            reason=_explain_drop(status.get(code, {}), path),
        )
        for code, path in gone.items()
    )


def _explain_drop(status: Mapping[Period, str], path: AdoptionPath) -> str:
    before, after = sorted((path.reference, path.exposed))
    gaps = {
        side: ", ".join(f"{period}: {status.get(period, 'no row')}" for period in periods)
        for side, periods in (("before", before), ("after", after))
        if periods and all(status.get(period) != "reported" for period in periods)
    }
    change = "start" if before == path.reference else "end"
    reason = "; ".join(f"no figure {side} the {change} ({text})" for side, text in gaps.items())
    return reason or "no comparable figure"


def list_left_out(
    plan: EvaluationPlan, reasons: Mapping[str, str], role: Literal["treated", "comparator"]
) -> tuple[Dropped, ...]:
    """Say of every council that the plan leaves out, why."""
    names = plan.names
    return tuple(
        Dropped(council_code=code, council_name=names[code], role=role, reason=why, cause="plan")
        for code, why in reasons.items()
    )
