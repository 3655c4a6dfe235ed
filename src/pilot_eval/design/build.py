"""One comparison, built so that it cannot be wrong."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain

import numpy as np
import pandas as pd

from pilot_eval.design.comparators import comparator_codes, explain_left_out
from pilot_eval.design.dropped import Dropped, explain_drops, list_left_out
from pilot_eval.design.hidden import HiddenCounts, read_hidden
from pilot_eval.design.treatment import AdoptionPath, find_paths, freed_from, treated_codes
from pilot_eval.doors import takes
from pilot_eval.errors import DataError, DesignError, explain, suggest
from pilot_eval.plan import EvaluationPlan
from pilot_eval.plan_settings import Window
from pilot_eval.published.panel import PANEL, PLAN
from pilot_eval.reference.plan_periods import Period, middle_of, year_of

_FIGURE_COLUMNS = ("value", "denominator", "size_proxy")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Design:
    """Who is compared with whom, over which periods, on which figures.

    `treated` and `comparators` have a figure, known or bounded, before and after the start.
    `figures` is council_code x period and missing where a count is hidden; `hidden` is what those
    counts can be, and `fill` puts a filling in. `cases` is the size behind the outcome, one value
    for each council. `paths` says in which periods each treated council was treated; without it all
    were in `post`; where paths differ `pre` are the periods before the first start. `labels` are
    the names of councils. Without `pre` levels are compared: `earlier` is council_code x period of
    another outcome before the start.
    """

    scenario: str
    outcome: str
    pre: tuple[Period, ...]
    post: tuple[Period, ...]
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
    paths: Mapping[str, AdoptionPath] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    earlier: pd.DataFrame | None = None

    @property
    def compares_levels(self) -> bool:
        """Whether levels are compared and not changes, because no figure is from before."""
        return self.earlier is not None

    @property
    def own_paths(self) -> tuple[AdoptionPath, ...]:
        """The different paths of the treated councils, in order of their start."""
        found = {self._path(code) for code in self.treated}
        return tuple(sorted(found, key=lambda path: (path.exposed, path.reference)))

    @property
    def is_staggered(self) -> bool:
        """Whether treated councils start or stop in different periods, or all stop."""
        common = AdoptionPath(exposed=self.post, reference=self.pre)
        return any(path != common for path in self.own_paths)

    def _path(self, code: str) -> AdoptionPath:
        return self.paths.get(code, AdoptionPath(exposed=self.post, reference=self.pre))

    def name_starts(self) -> str:
        """Say from when, and until when, how many councils are treated: ``2012: 5 councils``."""
        groups = []
        for path in self.own_paths:
            first, last = path.exposed[0], path.exposed[-1]
            when = f"{first} to {last}" if path.ends else str(first)
            if path.reference and middle_of(path.reference[0]) > middle_of(last):
                when = f"until {last}"
            number = sum(self._path(code) == path for code in self.treated)
            groups.append(f"{when}: {number} {'councils' if number > 1 else 'council'}")
        return "; ".join(groups)

    def lay_out_paths(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Lay paths out over `codes` and periods, as `collapse_paths` takes them.

        Returns
        -------
        of : ndarray of int, shape (n,)
        exposed, reference : ndarray of bool, shape (paths, periods)
        """
        own, periods = self.own_paths, np.array([*self.pre, *self.post], dtype=object)
        place = {path: number for number, path in enumerate(own)}
        ours = [place[self._path(code)] for code in self.treated]
        of = np.array([*ours, *[len(own)] * len(self.comparators)], dtype=np.intp)
        exposed, reference = (
            np.array([np.isin(periods, getattr(path, side)) for path in own])
            for side in ("exposed", "reference")
        )
        return of, exposed, reference

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
        return [self.labels.get(code, code) for code in self.treated]

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
        known = self.figures.notna()
        treated = tuple(
            chain(*(_usable(known, (code,), (self._path(code),)) for code in self.treated))
        )
        comparators = _usable(known, self.comparators, self.own_paths)
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
        rows = {name: known.index.get_indexer(list(codes)) for name, codes in groups.items()}
        counts = {name: known.to_numpy()[own].sum(axis=0) for name, own in rows.items()}
        return pd.DataFrame(counts, index=known.columns)


@takes(DataError, plan=PLAN, panel=PANEL)
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
    >>> import pilot_eval as pe
    >>> plan = pe.load_plan()
    >>> panel = pe.build_panel(pe.load_published(), plan)
    >>> scenario, outcome = plan.family.primary_scenario, plan.family.primary_outcomes[-1]
    >>> design = build_design(plan, panel, scenario=scenario, outcome=outcome)
    >>> len(design.treated) > 1
    True
    """
    _require("scenario", scenario, plan.scenarios)
    _require("outcome", outcome, plan.outcomes)
    settings = plan.outcomes[outcome]
    window = plan.window_of(outcome, scenario)
    _require_pre_period(outcome, window)
    breaks = crossed_breaks(plan, outcome, scenario)
    paths, unfit = find_paths(plan, scenario, outcome)
    window = _fit_window(window, paths)
    rows = panel[panel["outcome"] == outcome]
    hidden = read_hidden(rows, outcome, window.years)
    wide = _wide(rows, window)
    figures = wide["value"]
    seen = hidden.mark(figures.notna())
    earlier = _read_earlier(panel, window)
    if earlier is not None:
        seen[~seen.index.isin(earlier.index)] = False
    everyone = treated_codes(plan, scenario)
    pool = comparator_codes(plan, everyone, figures, window.pre)
    treated = tuple(
        code for code in everyone if code in paths and _usable(seen, (code,), (paths[code],))
    )
    usual = AdoptionPath(exposed=window.post, reference=window.pre)
    routes = tuple({paths[code] for code in treated}) or (usual,)
    comparators = _usable(seen, pool, routes)
    cases, basis = _cases(plan, wide, (*treated, *comparators))
    sides = {code: paths.get(code, usual) for code in (*everyone, *pool) if code not in unfit}
    gone = {code: path for code, path in sides.items() if code not in (*treated, *comparators)}
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
        dropped=(
            *list_left_out(plan, unfit, "treated"),
            *explain_drops(plan, rows, gone, frozenset(everyone)),
            *list_left_out(plan, explain_left_out(plan, everyone, pool), "comparator"),
        ),
        breaks=breaks,
        freed=freed_from(plan, settings.requirement, everyone),
        paths={code: paths[code] for code in treated},
        labels=plan.names,
        earlier=earlier,
    )


def _read_earlier(panel: pd.DataFrame, window: Window) -> pd.DataFrame | None:
    """Lay out the earlier outcome of councils with a figure of it; None where there is none."""
    if window.earlier is None:
        return None
    rows = panel[panel["outcome"] == window.earlier.outcome]
    rows = rows[rows["period"].isin(list(window.earlier.periods)) & rows["value"].notna()]
    return rows.pivot(index="council_code", columns="period", values="value")


def _fit_window(window: Window, paths: Mapping[str, AdoptionPath]) -> Window:
    """Divide the periods at the first start, and leave out those that no path uses."""
    used = {period for path in paths.values() for period in (*path.exposed, *path.reference)}
    places = {period: place for place, period in enumerate(window.years)}
    joins = [
        places[path.exposed[0]]
        for path in paths.values()
        if path.reference and places[path.reference[0]] < places[path.exposed[0]]
    ]
    if not used or not joins:
        return window
    before, after = window.years[: min(joins)], window.years[min(joins) :]
    return Window(
        pre=tuple(period for period in before if period in used),
        post=tuple(period for period in after if period in used),
    )


def crossed_breaks(
    plan: EvaluationPlan, outcome: str, scenario: str | None = None
) -> tuple[str, ...]:
    """List the measurement breaks an outcome's window crosses; refuse one not accepted."""
    years = [year_of(period) for period in plan.window_of(outcome, scenario).years]
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


def _require(what: str, key: str, known: Collection[str]) -> None:
    if key not in known:
        raise DesignError(explain(what, "be known", repr(key), suggest(str(key), known)))


def _require_pre_period(outcome: str, window: Window) -> None:
    if not (window.pre or window.earlier):
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


def _usable(
    known: pd.DataFrame, codes: tuple[str, ...], paths: tuple[AdoptionPath, ...]
) -> tuple[str, ...]:
    """Keep the councils with a figure on both sides of every path."""
    sides = [list(side) for path in paths for side in (path.exposed, path.reference) if side]
    both = np.all([known[side].to_numpy(bool).any(axis=1) for side in sides], axis=0)
    usable = set(known.index[both])
    return tuple(code for code in codes if code in usable)


def _cases(
    plan: EvaluationPlan, wide: dict[str, pd.DataFrame], codes: tuple[str, ...]
) -> tuple[pd.Series, str]:
    """Harmonic mean of the denominators over the periods used, or one stand-in for everybody."""
    size = _harmonic_mean(wide["denominator"]).reindex(list(codes))
    if size.notna().all():
        return size, "denominator"
    proxy = _harmonic_mean(wide["size_proxy"]).reindex(list(codes))
    if plan.size_proxy is not None and proxy.notna().all():
        return proxy, plan.size_proxy.label
    return pd.Series(1.0, index=list(codes)), "unknown: councils taken as equally large"


def _harmonic_mean(wide: pd.DataFrame) -> pd.Series:
    return 1 / (1 / wide.where(wide > 0)).mean(axis=1)
