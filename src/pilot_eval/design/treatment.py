"""Who is treated: scenario councils, and which were freed from the requirement at issue."""

from __future__ import annotations

from pilot_eval.plan import EvaluationPlan
from pilot_eval.reference.facts import council_names
from pilot_eval.reference.pilot_facts import Exemption


def treated_codes(plan: EvaluationPlan, scenario: str) -> tuple[str, ...]:
    """Return the codes of a scenario's councils, in the plan's order, less `drop_councils`."""
    codes = {name: code for code, name in council_names().items()}
    councils = plan.scenarios[scenario].councils
    return tuple(codes[name] for name in councils if name not in plan.drop_councils)


def freed_from(plan: EvaluationPlan, requirement: str | None, codes: tuple[str, ...]) -> str:
    """Say which treated councils the register knows as freed from a requirement.

    Parameters
    ----------
    plan : EvaluationPlan
    requirement : str or None
        Key of the exemption register, or None where no clock is involved.
    codes : tuple of str
        Council codes to report on.

    Returns
    -------
    str
        For example ``"Anytown (inferred), Otherham (sourced)"``, ``"not found which"``, or
        empty where no requirement is at issue.
    """
    if requirement is None:
        return ""
    freed = _find_freed(plan, requirement)
    named = [
        f"{freed[code].council_name} ({freed[code].evidence_grade})"
        for code in codes
        if code in freed
    ]
    return ", ".join(named) or "not found which"


def count_freed(plan: EvaluationPlan, requirement: str, codes: tuple[str, ...]) -> int:
    """Count the councils that the register knows as freed from a requirement."""
    return len(_find_freed(plan, requirement).keys() & set(codes))


def _find_freed(plan: EvaluationPlan, requirement: str) -> dict[str, Exemption]:
    return {
        row.council_code: row
        for row in plan.treatment_register
        if row.requirement == requirement and row.freed in ("yes", "inferred")
    }
