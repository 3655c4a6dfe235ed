"""One comparison, built so that it cannot be wrong."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from pilot_eval.design.comparators import comparator_codes
from pilot_eval.design.hidden import HiddenCounts, read_hidden
from pilot_eval.design.treatment import freed_from, treated_codes
from pilot_eval.errors import DesignError, explain
from pilot_eval.plan import EvaluationPlan
from pilot_eval.plan_settings import Window
from pilot_eval.reference.facts import council_names

_FIGURE_COLUMNS = ("value", "denominator", "size_proxy")


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

    `treated` and `comparators` have a figure, known or bounded, before and after the start.
    `figures` is council_code x period and missing where a count is hidden; `hidden` is what those
    counts can be, and `fill` puts a filling in. `cases` is the size behind the outcome, one value
    for each council.
    """

    scenario: str
    outcome: str
    pre: tuple[int, ...]
    post: tuple[int, ...]
    treated: tuple[str, ...]
    scenario_size: int
    comparators: tuple[str, ...]
    figures: pd.DataFrame
    hidden: HiddenCounts
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

    @property
    def own_hidden(self) -> HiddenCounts:
        """The hidden counts of the councils compared here."""
        own = set(self.codes)
        return self.hidden.select(np.array([code in own for code, _ in self.hidden.cells], bool))

    def fill(self, counts: np.ndarray) -> Design:
        """Put one filling of `own_hidden` into the figures; nothing is hidden in the copy."""
        own, none = self.own_hidden, np.zeros(len(self.hidden), dtype=bool)
        return replace(
            self, figures=own.fill(self.figures, counts), hidden=self.hidden.select(none)
        )

    def bounds(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Give the least and the most that every figure can be; equal where it is known."""
        own = self.own_hidden
        return own.fill(self.figures, own.low), own.fill(self.figures, own.high)

    def restrict(self, treated: tuple[str, ...], comparators: tuple[str, ...]) -> Design:
        """Keep some of the councils, in the order given."""
        strange = set(treated) - set(self.treated) | set(comparators) - set(self.comparators)
        if strange:
            got = ", ".join(sorted(strange))
            rule, action = "be of the design", "Name councils of the design on their own side."
            raise DesignError(explain("councils", rule, got, action))
        return replace(self, treated=treated, comparators=comparators)

    def leave_out_hidden(self) -> Design:
        """Leave out the years with a hidden count, and the councils left without a side."""
        window = Window(pre=self.pre, post=self.post)
        treated, comparators = (
            _usable(self.figures.notna(), codes, window)
            for codes in (self.treated, self.comparators)
        )
        none = self.hidden.select(np.zeros(len(self.hidden), dtype=bool))
        return replace(self, treated=treated, comparators=comparators, hidden=none)

    def count_figures(self) -> pd.DataFrame:
        """Count treated councils and comparators with a figure, known or bounded, by period.

        Returns
        -------
        DataFrame, period x (treated, comparators)
        """
        known = self.own_hidden.mark(self.figures.notna())
        groups = {"treated": self.treated, "comparators": self.comparators}
        return pd.DataFrame({name: known.loc[list(codes)].sum() for name, codes in groups.items()})


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
    hidden = read_hidden(rows, outcome, (*window.pre, *window.post))
    wide = _wide(rows, window)
    figures = wide["value"]
    seen = hidden.mark(figures.notna())
    everyone = treated_codes(plan, scenario)
    pool = comparator_codes(plan, everyone, figures, window.pre)
    treated, comparators = (_usable(seen, codes, window) for codes in (everyone, pool))
    cases, basis = _cases(wide, (*treated, *comparators))
    return Design(
        scenario=scenario,
        outcome=outcome,
        pre=window.pre,
        post=window.post,
        treated=treated,
        scenario_size=len(plan.scenarios[scenario].councils),
        comparators=comparators,
        figures=figures,
        hidden=hidden,
        cases=cases,
        cases_basis=basis,
        dropped=_explain_drops(
            rows, window, [everyone, pool], kept=frozenset((*treated, *comparators))
        ),
        breaks=breaks,
        freed=freed_from(plan, settings.requirement, everyone),
    )


def crossed_breaks(plan: EvaluationPlan, outcome: str) -> tuple[str, ...]:
    """List the measurement breaks an outcome's window crosses; refuse one not accepted."""
    window = plan.windows[plan.outcomes[outcome].window]
    years = (*window.pre, *window.post)
    crossed = [
        record
        for record in plan.breaks
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


def _wide(rows: pd.DataFrame, window: Window) -> dict[str, pd.DataFrame]:
    """Lay out every column as council x period of the window."""
    council, codes = pd.factorize(rows["council_code"], sort=True)
    years = pd.Index([*window.pre, *window.post], name="period")
    period = years.get_indexer(rows["period"])
    inside = period >= 0
    wide = {}
    for name in _FIGURE_COLUMNS:
        cells = np.full((len(codes), len(years)), np.nan)
        cells[council[inside], period[inside]] = rows[name].to_numpy(float)[inside]
        wide[name] = pd.DataFrame(cells, pd.Index(codes, name="council_code"), years)
    return wide


def _usable(known: pd.DataFrame, codes: tuple[str, ...], window: Window) -> tuple[str, ...]:
    """Keep the councils with a figure before and a figure after."""
    before, after = (known[list(years)].to_numpy(bool) for years in (window.pre, window.post))
    both = before.any(axis=1) & after.any(axis=1)
    usable = set(known.index[both])
    return tuple(code for code in codes if code in usable)


def _cases(wide: dict[str, pd.DataFrame], codes: tuple[str, ...]) -> tuple[pd.Series, str]:
    """Harmonic mean of the denominators over the periods used, or the proxy for everybody."""
    size = _harmonic_mean(wide["denominator"]).reindex(list(codes))
    if size.notna().all():
        return size, "denominator"
    proxy = _harmonic_mean(wide["size_proxy"]).reindex(list(codes))
    return proxy, "plans at 31 March"


def _harmonic_mean(wide: pd.DataFrame) -> pd.Series:
    return 1 / (1 / wide.where(wide > 0)).mean(axis=1)


def _explain_drops(
    rows: pd.DataFrame, window: Window, sides: list[tuple[str, ...]], kept: frozenset[str]
) -> tuple[Dropped, ...]:
    """Say of every council that was not kept, treated first, why."""
    status: dict[str, dict[int, str]] = {}
    gone = rows.loc[~rows["council_code"].isin(kept), ["council_code", "period", "value_status"]]
    for code, period, word in gone.itertuples(index=False):
        status.setdefault(code, {})[period] = word
    names = council_names()
    return tuple(
        Dropped(
            council_code=code,
            council_name=names[code],
            role=role,
            reason=_explain_drop(status.get(code, {}), window),
        )
        for role, codes in zip(("treated", "comparator"), sides, strict=True)
        for code in codes
        if code not in kept
    )


def _explain_drop(status: dict[int, str], window: Window) -> str:
    gaps = {
        side: ", ".join(f"{year}: {status.get(year, 'no row')}" for year in years)
        for side, years in (("before", window.pre), ("after", window.post))
        if all(status.get(year) != "reported" for year in years)
    }
    reason = "; ".join(f"no figure {side} the start ({text})" for side, text in gaps.items())
    return reason or "no comparable figure"
