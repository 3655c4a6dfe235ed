"""One comparison, built so that it cannot be wrong."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pilot_eval.design.comparators import comparator_codes
from pilot_eval.design.treatment import freed_from, treated_codes
from pilot_eval.errors import DesignError, explain
from pilot_eval.plan import EvaluationPlan, Window
from pilot_eval.reference.facts import council_names, load_breaks

_FIGURE_COLUMNS = ("value", "value_low", "value_high")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """A council left out of a comparison, and why."""

    council_code: str
    council_name: str
    role: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """Who is compared with whom, over which periods, on which figures.

    `figures`, `low` and `high` are council_code x period; low and high differ from `figures` only
    where a small count was suppressed, and `bounded_treated` and `bounded_comparators` are the
    councils that can be compared once it is put between them. `cases` is the size behind the
    outcome, one a council.
    """

    scenario: str
    outcome: str
    pre: tuple[int, ...]
    post: tuple[int, ...]
    treated: tuple[str, ...]
    scenario_size: int
    comparators: tuple[str, ...]
    bounded_treated: tuple[str, ...]
    bounded_comparators: tuple[str, ...]
    figures: pd.DataFrame
    low: pd.DataFrame
    high: pd.DataFrame
    cases: pd.Series
    cases_basis: str
    dropped: tuple[Dropped, ...]
    breaks: tuple[str, ...]
    freed: str

    @property
    def codes(self) -> tuple[str, ...]:
        """Treated councils, then comparators."""
        return (*self.treated, *self.comparators)

    @property
    def is_treated(self) -> np.ndarray:
        """Boolean mask over `codes`."""
        return np.arange(len(self.codes)) < len(self.treated)

    @property
    def names(self) -> list[str]:
        """Names of the treated councils that have figures."""
        return [council_names()[code] for code in self.treated]


def build_design(
    plan: EvaluationPlan, panel: pd.DataFrame, *, scenario: str, outcome: str
) -> Design:
    """Build the comparison of one scenario on one outcome.

    A wrong plan is refused. Missing data are no error: a council without a figure before and
    after is dropped and recorded, and the design may be left with no treated council.

    Parameters
    ----------
    plan : EvaluationPlan
    panel : DataFrame
        As from `build_panel`.
    scenario, outcome : str
        Keys of the plan.

    Returns
    -------
    Design

    Raises
    ------
    DesignError
        If the scenario or outcome is unknown, there is no pre-period, a treated council is among
        the comparators, or the window crosses a measurement break that the plan does not accept.

    Examples
    --------
    >>> design = build_design(plan, panel, scenario="granted", outcome="cin_rate")
    ...                                                                   # doctest: +SKIP
    """
    _require("scenario", scenario, plan.scenarios)
    _require("outcome", outcome, plan.outcomes)
    settings = plan.outcomes[outcome]
    window = plan.windows[settings.window]
    _require_pre_period(outcome, window)
    breaks = crossed_breaks(plan, outcome)
    rows = panel[panel["outcome"] == outcome]
    figures, low, high = (_wide(rows, name, window) for name in _FIGURE_COLUMNS)
    everyone = treated_codes(plan, scenario)
    pool = comparator_codes(plan, everyone, figures, window.pre)
    treated, comparators = (_usable(figures, codes, window) for codes in (everyone, pool))
    bounded = [_usable(low, codes, window) for codes in (everyone, pool)]
    cases, basis = _cases(rows, window, (*treated, *comparators), (*bounded[0], *bounded[1]))
    return Design(
        scenario=scenario,
        outcome=outcome,
        pre=window.pre,
        post=window.post,
        treated=treated,
        scenario_size=len(plan.scenarios[scenario].councils),
        comparators=comparators,
        bounded_treated=bounded[0],
        bounded_comparators=bounded[1],
        figures=figures,
        low=low,
        high=high,
        cases=cases,
        cases_basis=basis,
        dropped=tuple(
            _explain_drop(rows, code, "treated" if code in everyone else "comparator", window)
            for code in (*everyone, *pool)
            if code not in treated and code not in comparators
        ),
        breaks=breaks,
        freed=freed_from(settings.requirement, everyone),
    )


def crossed_breaks(plan: EvaluationPlan, outcome: str) -> tuple[str, ...]:
    """List the measurement breaks an outcome's window crosses; refuse one not accepted."""
    window = plan.windows[plan.outcomes[outcome].window]
    years = (*window.pre, *window.post)
    crossed = [
        record
        for record in load_breaks()
        if record.basis == "value"
        and outcome in record.indicators
        and min(years) < record.first_year_after <= max(years)
    ]
    accepted = plan.outcomes[outcome].accepted_breaks
    for record in crossed:
        if record.break_id not in accepted:
            raise DesignError(
                explain(
                    f"outcomes.{outcome}",
                    f"accept the break {record.break_id} with a reason, or end before it",
                    f"the years {years[0]} to {years[-1]}",
                    f"{record.description} Write accepted_breaks.{record.break_id} = "
                    '"<reason>" in the plan, or shorten the window.',
                )
            )
    return tuple(record.break_id for record in crossed)


def _require(what: str, key: str, known: object) -> None:
    if key not in known:
        raise DesignError(explain(what, f"be one of {', '.join(known)}", repr(key), "Choose one."))


def _require_pre_period(outcome: str, window: Window) -> None:
    if not window.pre:
        raise DesignError(
            explain(
                f"outcomes.{outcome}.window",
                "hold a year before the start",
                "none",
                "Without one there is no difference-in-differences; describe the figures instead.",
            )
        )


def _wide(rows: pd.DataFrame, column: str, window: Window) -> pd.DataFrame:
    wide = rows.pivot(index="council_code", columns="period", values=column)
    return wide.reindex(columns=[*window.pre, *window.post])


def _usable(figures: pd.DataFrame, codes: tuple[str, ...], window: Window) -> tuple[str, ...]:
    """Keep the councils with a figure before and a figure after."""
    known = figures.notna()
    both = known[list(window.pre)].any(axis=1) & known[list(window.post)].any(axis=1)
    usable = set(figures.index[both])
    return tuple(code for code in codes if code in usable)


def _cases(
    rows: pd.DataFrame, window: Window, codes: tuple[str, ...], bounded: tuple[str, ...]
) -> tuple[pd.Series, str]:
    """Harmonic mean of the denominators over the periods used, or the proxy for everybody."""
    size = _harmonic_mean(_wide(rows, "denominator", window)).reindex(list(bounded))
    if size.reindex(list(codes)).notna().all():
        return size, "denominator"
    proxy = _harmonic_mean(_wide(rows, "size_proxy", window)).reindex(list(bounded))
    return proxy, "plans at 31 March"


def _harmonic_mean(wide: pd.DataFrame) -> pd.Series:
    return 1 / (1 / wide.where(wide > 0)).mean(axis=1)


def _explain_drop(rows: pd.DataFrame, code: str, role: str, window: Window) -> Dropped:
    own = rows[rows["council_code"] == code].set_index("period")["value_status"]
    gaps = {
        side: ", ".join(f"{year}: {own.get(year, 'no row')}" for year in years)
        for side, years in (("before", window.pre), ("after", window.post))
        if all(own.get(year) != "reported" for year in years)
    }
    reason = "; ".join(f"no figure {side} the start ({text})" for side, text in gaps.items())
    return Dropped(
        council_code=code,
        council_name=council_names()[code],
        role=role,
        reason=reason or "no comparable figure",
    )
