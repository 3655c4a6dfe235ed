"""Who is compared with whom on children's records: the plan's scenarios, without their years."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import pandas as pd

from pilot_eval.design.comparators import comparator_codes
from pilot_eval.design.treatment import treated_codes
from pilot_eval.errors import DesignError, explain
from pilot_eval.plan import EvaluationPlan
from pilot_eval.plan_clusters import find_clusters


@dataclass(frozen=True, slots=True, kw_only=True)
class CensusDesign:
    """Who is compared with whom in one scenario.

    Attributes
    ----------
    scenario : str
    treated, comparators : tuple of str
        Council codes.
    clusters : mapping of str to str
        Council code -> name of the management it shares; others stand alone.
    """

    scenario: str
    treated: tuple[str, ...]
    comparators: tuple[str, ...]
    clusters: Mapping[str, str]

    def __post_init__(self) -> None:
        """Refuse a comparison that cannot be right."""
        both = sorted(set(self.treated) & set(self.comparators))
        if both or not self.treated or not self.comparators:
            got = ", ".join(both) or f"{len(self.treated)} and {len(self.comparators)}"
            rule = "be two groups of councils that share no member"
            action = "Correct the scenario or the comparators."
            raise DesignError(explain("treated, comparators", rule, got, action))


def design_census(plan: EvaluationPlan, scenario: str) -> CensusDesign:
    """Build the comparison of a scenario of the plan.

    Parameters
    ----------
    plan : EvaluationPlan
        Comparators by its rule (not ``nearest``, which looks at a published outcome); councils
        of the register are never comparators.
    scenario : str

    Returns
    -------
    CensusDesign

    Raises
    ------
    DesignError
        If the rule is ``nearest`` or leaves nobody.
    """
    if plan.comparators.rule == "nearest":
        action = "Choose another rule for the census strand."
        raise DesignError(explain("comparators.rule", "not look at outcomes", "nearest", action))
    treated = treated_codes(plan, scenario)
    codes = {name: code for code, name in plan.names.items()}
    return CensusDesign(
        scenario=scenario,
        treated=treated,
        comparators=comparator_codes(plan, treated, pd.DataFrame(), ()),
        clusters={
            codes[council]: name for council, name in find_clusters(plan.clusters, None, ()).items()
        },
    )


def crossed_breaks(
    plan: EvaluationPlan, indicator: str, first_day: date, last_day: date
) -> tuple[str, ...]:
    """List the measurement breaks of an indicator between two days.

    Parameters
    ----------
    plan : EvaluationPlan
    indicator : str
        Published key; "" for none.
    first_day, last_day : date
        First day of the first window and last day of the last.

    Returns
    -------
    tuple of str
        Ids of the breaks between the financial years of the two days.
    """
    first, last = (day.year + (day.month > 3) for day in (first_day, last_day))
    return tuple(
        record.break_id
        for record in plan.breaks
        if indicator in record.indicators
        and record.basis == "value"
        and first < record.first_year_after <= last
    )
