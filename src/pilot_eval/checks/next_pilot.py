"""Design the next pilot: how many, which and for how long, judged on real figures of an outcome."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan, nan

import numpy as np
import pandas as pd

from pilot_eval.checks.lots import STRATA, Lot, Strata, build_lot, detectable_by_lot
from pilot_eval.checks.pilot_windows import History, collect_history, describe_chosen
from pilot_eval.doors import Number, Whole, takes
from pilot_eval.errors import DesignError, ParameterError, choose_names, explain
from pilot_eval.inference.power import Method, minimum_detectable_effect
from pilot_eval.plan import EvaluationPlan
from pilot_eval.published.panel import PANEL, PLAN
from pilot_eval.result_display import ShowsTable, to_text

TESTS: tuple[Method, ...] = ("robust", "size_adjusted", "cr2")
SETS = 4999


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class PilotDesign(ShowsTable):
    """What a next pilot could detect, and which councils to draw.

    Attributes
    ----------
    outcome, unit, units : str
        `unit` is the effects'; `units` are what is drawn, such as councils.
    table : DataFrame
        One row for each number of councils and of periods after the start: the detectable effect
        of the exact test of a lot (`lot_none`, `lot_type`, `lot_region`, `lot_level`: how the lot
        is stratified) and of the tests of a pilot not drawn by lot. Each is the worst over the
        stretches of years in which nothing was tried.
    strata : str
        The stratification that detects most with the recommended number.
    drawn, reserves : tuple of str
        Councils that the lot gives, fixed members first, and those to take next.
    choice : DataFrame
        A choice that somebody made, compared with a random draw of its size; empty without one.
    notes : tuple of str
        What the recommendation rests on.
    """

    outcome: str
    unit: str
    units: str
    table: pd.DataFrame
    strata: Strata
    drawn: tuple[str, ...]
    reserves: tuple[str, ...]
    choice: pd.DataFrame
    notes: tuple[str, ...]

    @property
    def title(self) -> str:
        """Name the recommendation."""
        how = "by lot" if self.strata == "none" else f"by lot within {self.strata}"
        return f"Draw {len(self.drawn)} {self.units} {how}"

    def to_frame(self) -> pd.DataFrame:
        """Return detectable effects by number of councils and periods."""
        return self.table.copy()

    def summary(self) -> str:
        """Return the recommendation, what each design detects, and the price of a choice."""
        parts = [
            f"{self.title}, judged on {self.outcome}",
            f"Drawn: {'; '.join(self.drawn)}",
            f"Reserves, in this order: {'; '.join(self.reserves)}",
            f"Detectable effects in {self.unit}:\n{to_text(self.table)}",
            to_text(self.choice) if len(self.choice) else "",
            *self.notes,
        ]
        return "\n\n".join(part for part in parts if part)

    def _tables(self) -> dict[str, pd.DataFrame]:
        return {"detectable": self.table, "choice": self.choice}


@takes(
    ParameterError,
    plan=PLAN,
    panel=PANEL,
    before=Whole(),
    waves=Whole(),
    detect=Number(low=0.0),
    seed=Whole(least=0),
)
def design_pilot(
    plan: EvaluationPlan,
    panel: pd.DataFrame,
    *,
    outcome: str,
    councils: int | Sequence[int] = (4, 5, 6, 8, 10, 12),
    periods: int | Sequence[int] = (1, 2),
    before: int = 2,
    waves: int = 1,
    fixed: str | Sequence[str] = (),
    forbidden: str | Sequence[str] = (),
    chosen: str | Sequence[str] = (),
    detect: float | None = None,
    seed: int = 1,
) -> PilotDesign:
    """Recommend how many councils to draw, how, and for how long.

    Parameters
    ----------
    plan : EvaluationPlan
        Gives the councils, their types and regions, breaks, level and power.
    panel : DataFrame
        From `build_panel`. Councils that were ever treated are left out of the figures.
    outcome : str
        Key of the plan.
    councils, periods : int or sequence of int
        Numbers of councils and of periods after the start to look at.
    before : int
        Periods before the start.
    waves : int
        Starts, one period apart; councils are dealt to them in turn.
    fixed : str or sequence of str
        Councils that take part in any case. They are not drawn, so the exact test leaves them out.
    forbidden : str or sequence of str
        Councils that cannot take part; they are not comparators either.
    chosen : str or sequence of str
        A choice to compare with a lot of the same size.
    detect : float, optional
        Effect that must be found, in the outcome's unit: the fewest councils that do are
        recommended. Default: the largest number looked at.
    seed : int
        Of the lot.

    Returns
    -------
    PilotDesign

    Raises
    ------
    ParameterError
        If an outcome or council is not known (it says which was probably meant), a council is
        both fixed and forbidden, or a number cannot be used.
    DesignError
        If no stretch of years without a break is long enough, or no councils are left to draw.

    References
    ----------
    Imbens and Rubin (2015), Causal Inference, chapters 5 and 9, for exact tests of stratified lots.

    Examples
    --------
    >>> import pilot_eval as pe
    >>> plan = pe.load_plan()
    >>> panel = pe.build_panel(pe.load_published(), plan)
    >>> outcome = plan.family.primary_outcomes[-1]
    >>> found = design_pilot(plan, panel, outcome=outcome, councils=[5], periods=[1])
    >>> len(found.drawn)
    5
    """
    choose_names("outcome", outcome, plan.outcomes)
    councils, periods = _whole("councils", councils, waves), _whole("periods", periods, waves)
    fixed, forbidden, chosen = (
        choose_names("council", given, plan.names.values()) for given in (fixed, forbidden, chosen)
    )
    if both := [name for name in fixed if name in forbidden]:
        rule = "be other councils than the fixed ones"
        raise ParameterError(explain("forbidden", rule, both[0], "Decide which it is."))
    history = collect_history(plan, panel, outcome, before=before, leave_out=(*fixed, *forbidden))
    rows = [
        _row(plan, history, n, n - len(fixed), after, waves, seed)
        for after in periods
        for n in councils
        if n > len(fixed) and history.stretches(after)
    ]
    if not rows:
        rule = f"be more than the fixed ones, with {before} + {min(periods)} unbroken periods"
        action = "Look at more councils, or fewer periods."
        raise DesignError(explain("councils", rule, len(history.periods), action))
    table = pd.DataFrame(rows)
    size = _recommend(table, detect)
    strata = _best_strata(table[table["councils"] == size])
    drawn, reserves = _draw(history, strata, size - len(fixed), seed)
    return PilotDesign(
        outcome=outcome,
        unit=plan.outcomes[outcome].unit,
        units=plan.texts.units,
        table=table,
        strata=strata,
        drawn=(*fixed, *drawn),
        reserves=reserves,
        choice=_price(plan, panel, history, chosen, int(table["periods_after"].max()), seed),
        notes=_notes(history, table, detect, size, plan.texts.units),
    )


def _whole(name: str, given: int | Sequence[int], waves: int) -> list[int]:
    """Read numbers to look at, each at least as many as waves."""
    several = given if isinstance(given, (Sequence, np.ndarray)) else [given]
    if not len(several):
        raise ParameterError(explain(name, "include a number", "none", "Name one."))
    numbers = sorted({Whole().read(name, number, ParameterError) for number in several})
    if numbers[0] < waves:
        rule = "be at least as many as waves"
        raise DesignError(explain(name, rule, numbers[0], "Look at more, or start at once."))
    return numbers


def _row(
    plan: EvaluationPlan,
    history: History,
    councils: int,
    n_drawn: int,
    after: int,
    waves: int,
    seed: int,
) -> dict[str, object]:
    """Give the detectable effects of one size: the worst over the stretches of years."""
    starts = history.stretches(after)
    settled = {"alpha": plan.inference.alpha, "power": plan.inference.power}
    found: dict[str, list[float]] = {}
    for start in starts:
        changes = history.changes(start, after, waves)
        for strata in STRATA:
            lot = _lot(history, strata, n_drawn, start, seed)
            found.setdefault(f"lot_{strata}", []).append(detectable_by_lot(changes, lot, **settled))
        typical = np.sort(history.cases)[_middle(len(history.cases), n_drawn)]
        for test in TESTS:
            effect = _detect(plan, changes[:, 0], history.cases, typical, test)
            found.setdefault(test, []).append(effect)
    worst = {name: max(effects) for name, effects in found.items()}
    return {"councils": councils, "periods_after": after, **worst, "stretches": len(starts)}


def _middle(n: int, size: int) -> np.ndarray:
    """Positions of councils of all sizes, evenly spread: those that a lot gives on average."""
    return ((np.arange(size) + 0.5) * n / size).astype(int)


def _detect(
    plan: EvaluationPlan, changes: np.ndarray, cases: np.ndarray, treated: np.ndarray, test: Method
) -> float:
    rules = plan.inference
    effect = minimum_detectable_effect(
        changes,
        cases,
        treated,
        len(treated),
        test,
        rules.alpha,
        rules.power,
        seed=plan.seed,
    )
    return float("inf") if isnan(effect) else effect


def _lot(history: History, strata: Strata, n_drawn: int, start: int, seed: int) -> Lot:
    return build_lot(strata, history.labels(strata, start), n_drawn, draws=SETS, seed=seed)


def _recommend(table: pd.DataFrame, detect: float | None) -> int:
    """Choose the fewest councils that find the effect, or the most that were looked at."""
    most = int(table["councils"].max())
    if detect is None:
        return most
    lots = table[[f"lot_{strata}" for strata in STRATA]].min(axis=1)
    enough = table.loc[lots <= detect, "councils"]
    return int(enough.min()) if len(enough) else most


def _best_strata(rows: pd.DataFrame) -> Strata:
    means = {strata: float(rows[f"lot_{strata}"].mean()) for strata in STRATA}
    return min(means, key=lambda strata: means[strata])


def _draw(
    history: History, strata: Strata, n_drawn: int, seed: int
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Draw once, and order reserves at random, as many as were drawn."""
    last = len(history.periods)
    lot = _lot(history, strata, n_drawn, last, seed)
    rng = np.random.default_rng(seed)
    members = lot.sets.members[rng.integers(len(lot.sets.members))]
    rest = rng.permutation(np.setdiff1d(np.arange(len(history.names)), members))[:n_drawn]
    return tuple(history.names[np.sort(members)]), tuple(history.names[rest])


def _price(
    plan: EvaluationPlan,
    panel: pd.DataFrame,
    history: History,
    chosen: Sequence[str],
    after: int,
    seed: int,
) -> pd.DataFrame:
    """Compare a choice with a random draw of its size: what each detects, and how unlike it is."""
    if not chosen:
        return pd.DataFrame()
    start = history.stretches(after)[0]
    cases, levels = describe_chosen(panel, history, chosen, start)
    size = len(cases)
    if size < 2:
        rule = "include two councils with figures before the start"
        raise DesignError(explain("chosen", rule, size, "Choose others."))
    changes = history.changes(start, after)
    rest = ~np.isin(history.names, chosen)
    by_choice = _detect(plan, changes[rest, 0], history.cases[rest], cases, "robust")
    lots = {
        n: min(detectable_by_lot(changes, _lot(history, s, n, start, seed)) for s in STRATA)
        for n in range(2, size + 1)
    }
    as_good = next((n for n, effect in lots.items() if effect <= by_choice), size)
    others = history.figures[rest, start - history.before : start].mean(axis=1)
    gap = (levels.mean() - others.mean()) / others.std() if np.ptp(others) else nan
    return pd.DataFrame(
        [
            {
                "choice": f"chosen ({size} with figures)",
                "detectable": by_choice,
                "level_gap_in_sd": gap,
                "p_value_rests_on": "an assumption: chosen as if by lot",
            },
            {
                "choice": f"lot of {size}",
                "detectable": lots[size],
                "level_gap_in_sd": 0.0,
                "p_value_rests_on": "the draw itself",
            },
            {
                "choice": f"lot of {as_good}, which detects no less than the choice",
                "detectable": lots[as_good],
                "level_gap_in_sd": 0.0,
                "p_value_rests_on": "the draw itself",
            },
        ]
    )


def _notes(
    history: History, table: pd.DataFrame, detect: float | None, size: int, units: str
) -> tuple[str, ...]:
    lots = [f"lot_{strata}" for strata in STRATA]
    notes = [
        f"Figures of {len(history.names)} {units}, {history.periods[0]} to {history.periods[-1]}; "
        f"{history.left_out} {units} with a gap are left out. An effect is the worst over "
        f"{int(table['stretches'].min())} to {int(table['stretches'].max())} stretches of periods.",
        f"The test of a lot is exact only if the {units} are really drawn, by the seed above and "
        "before anybody has seen the result.",
    ]
    own = table[table["councils"] == size]
    best = own[lots].min(axis=1)
    more = table[table["councils"] > size]
    if len(more):
        following = more[more["councils"] == more["councils"].min()]
        gain = best.mean() - following[lots].min(axis=1).mean()
        step = int(following["councils"].iloc[0]) - size
        notes.append(f"{step} more {units} would detect effects {_word_gain(gain)}.")
    if len(own) > 1:
        gain = best.iloc[0] - best.iloc[-1]
        notes.append(
            f"{own['periods_after'].iloc[-1]} periods instead of {own['periods_after'].iloc[0]} "
            f"would detect effects {_word_gain(gain)}."
        )
    if detect is not None and best.min() > detect:
        notes.append(f"No number looked at finds {detect:g}; the smallest is {best.min():.3g}.")
    return tuple(notes)


def _word_gain(gain: float) -> str:
    return f"smaller by {gain:.3g}" if gain >= 0 else f"larger by {-gain:.3g}"
