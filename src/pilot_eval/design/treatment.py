"""Who is treated: scenario councils, and which were freed from the requirement at issue."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from pilot_eval.errors import DesignError, explain
from pilot_eval.plan import EvaluationPlan
from pilot_eval.reference.pilot_facts import Exemption
from pilot_eval.reference.plan_periods import Period, first_day, last_day, period_days


def treated_codes(plan: EvaluationPlan, scenario: str) -> tuple[str, ...]:
    """Return the codes of a scenario's councils, in the plan's order, minus `drop_councils`."""
    codes = {name: code for code, name in plan.names.items()}
    councils = plan.scenarios[scenario].councils
    return tuple(codes[name] for name in councils if name not in plan.drop_councils)


@dataclass(frozen=True, slots=True, kw_only=True)
class AdoptionPath:
    """When a council was treated within a window, and the periods that is compared with.

    Attributes
    ----------
    exposed : tuple of int or str
        Periods at least half of whose days lie between its start and its end.
    reference : tuple of int or str
        Periods before it started; those after it stopped where it was treated from the first; none
        where levels are compared.
    ends : bool
        Whether it stopped within the window.
    """

    exposed: tuple[Period, ...]
    reference: tuple[Period, ...]
    ends: bool = field(default=False, compare=False)


def find_paths(
    plan: EvaluationPlan, scenario: str, outcome: str
) -> tuple[dict[str, AdoptionPath], dict[str, str]]:
    """Find each treated council's path through the window of an outcome.

    Starts are the scenario's, or the register's for the outcome's requirement; ends are the
    scenario's where it gives one, else the register's.

    Parameters
    ----------
    plan : EvaluationPlan
    scenario, outcome : str

    Returns
    -------
    paths : dict
        Council code -> path.
    reasons : dict
        Council code -> why it has none.

    Raises
    ------
    DesignError
        If neither the scenario nor the register says when a council started.
    """
    window = plan.window_of(outcome, scenario)
    periods = window.years
    paths, reasons, codes = {}, {}, _codes(plan, scenario)
    for name, (start, end) in _spells(plan, scenario, plan.outcomes[outcome].requirement).items():
        code = codes[name]
        exposed = tuple(period for period in periods if _is_exposed(period, start, end))
        places = [place for place, period in enumerate(periods) if period in exposed]
        before = periods[: places[0]] if places else ()
        after = periods[places[-1] + 1 :] if places else ()
        if not exposed:
            reasons[code] = "not treated in any period of the window"
        elif window.earlier and len(exposed) < len(periods):
            reasons[code] = "not treated in every period that is compared"
        elif not (before or after or window.earlier):
            reasons[code] = "treated in every period of the window"
        else:
            paths[code] = AdoptionPath(exposed=exposed, reference=before or after, ends=bool(after))
    return paths, reasons


def describe_starts(plan: EvaluationPlan, scenario: str) -> dict[str, str]:
    """Say from when, and how long in the first year where that is known, by council.

    Parameters
    ----------
    plan : EvaluationPlan
    scenario : str

    Returns
    -------
    dict
        Council name -> such as ``"12 of the 12 months of 2011-12"`` or ``"from 2012Q2"``.
    """
    chosen = plan.scenarios[scenario]
    starts = dict(zip(chosen.councils, chosen.first_treated, strict=False))
    months = dict(zip(chosen.councils, chosen.months_exposed, strict=False))
    words = {}
    for name, (start, end) in _spells(plan, scenario, None).items():
        first = starts.get(name)
        if first is None:
            words[name] = f"from {start:%Y-%m}"
        elif isinstance(first, int):
            year = f"{first - 1}-{first % 100:02d}"
            words[name] = f"{months[name]} of the 12 months of {year}" if months else f"from {year}"
        else:
            words[name] = f"from {first}"
        if name in chosen.last_treated:
            words[name] += f" to {chosen.last_treated[name]}"
        elif end is not None and not starts:
            words[name] += f" to {end:%Y-%m}"
    return words


def _is_exposed(period: Period, start: date, end: date | None) -> bool:
    first, last = period_days(period)
    treated = min(last, end or last).toordinal() - max(first, start).toordinal() + 1
    return 2 * treated >= last.toordinal() - first.toordinal() + 1


def _spells(
    plan: EvaluationPlan, scenario: str, requirement: str | None
) -> dict[str, tuple[date, date | None]]:
    """Find the first and the last day of treatment of each council of a scenario, by name."""
    settings = plan.scenarios[scenario]
    starts = dict(zip(settings.councils, settings.first_treated, strict=False))
    spells: dict[str, tuple[date, date | None]] = {}
    for name, code in _codes(plan, scenario).items():
        rows = [
            row
            for row in plan.treatment_register
            if row.council_code == code
            and row.freed != "no"
            and requirement in (None, row.requirement)
        ]
        if name in starts:
            start = period_days(starts[name])[0]
        else:
            known = [row.started or row.granted for row in rows if row.started or row.granted]
            if not known:
                got = f"no start of {name} in the scenario or the register"
                action = "Write first_treated, or `granted` or `started` in register.csv."
                raise DesignError(explain(f"scenarios.{scenario}", "have starts", got, action))
            start = min(first_day(partial) for partial in known)
        if name in settings.last_treated:
            spells[name] = start, period_days(settings.last_treated[name])[1]
        else:
            ends = [row.ended for row in rows]
            known_end = bool(ends) and all(ends)
            spells[name] = start, max(last_day(partial) for partial in ends) if known_end else None
    return spells


def _codes(plan: EvaluationPlan, scenario: str) -> dict[str, str]:
    return dict(
        zip(
            (n for n in plan.scenarios[scenario].councils if n not in plan.drop_councils),
            treated_codes(plan, scenario),
            strict=True,
        )
    )


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


def grade_councils(
    plan: EvaluationPlan, requirement: str | None, codes: tuple[str, ...]
) -> dict[str, str]:
    """Give the grade of what is known of each council's freedom from a requirement.

    Parameters
    ----------
    plan : EvaluationPlan
    requirement : str or None
        None, or one that the register does not have: no grades.
    codes : tuple of str

    Returns
    -------
    dict
        Council code -> A (government), B (press), C (inference) or empty; none where it is not
        known as freed.
    """
    freed = _find_freed(plan, requirement or "")
    return {code: freed[code].grade for code in codes if code in freed}


def _find_freed(plan: EvaluationPlan, requirement: str) -> dict[str, Exemption]:
    return {
        row.council_code: row
        for row in plan.treatment_register
        if row.requirement == requirement and row.freed in ("yes", "inferred")
    }


def measure_doses(
    plan: EvaluationPlan, scenario: str, years: int, *, in_practice: bool = False
) -> dict[str, float]:
    """Measure how much of the time and of the teams after the start was under the trial.

    Parameters
    ----------
    plan : EvaluationPlan
    scenario : str
    years : int
        Periods after the start, of twelve months.
    in_practice : bool
        Count from the month in which the register says that work under the trial began, where that
        is later than what the scenario states (a power granted may be used months later).

    Returns
    -------
    dict of str to float
        Council code -> share of full exposure, at most 1; above 0, but in practice 0 or less where
        work began after the last period.
    """
    codes = {name: code for code, name in plan.names.items()}
    chosen = plan.scenarios[scenario]
    count = len(chosen.councils)
    months, shares = chosen.months_exposed or (12,) * count, chosen.share_of_teams or (1.0,) * count
    doses = {}
    for place, name in enumerate(chosen.councils):
        first = months[place]
        if in_practice and chosen.first_treated:
            opened = period_days(chosen.first_treated[place])[0]
            first = min(first, 12 - _count_months_late(plan, codes[name], opened))
        doses[codes[name]] = shares[place] * (first + 12 * (years - 1)) / (12 * years)
    return doses


def _count_months_late(plan: EvaluationPlan, code: str, opened: date) -> int:
    """Count the months from a period's first day to the first start that the register records."""
    begun = [
        first_day(known)
        for row in plan.treatment_register
        if row.council_code == code and row.freed != "no" and (known := row.started or row.granted)
    ]
    first = min(begun, default=opened)
    return 12 * (first.year - opened.year) + first.month - opened.month
