"""Effects by year since the start, with a band that contains the whole path at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from pilot_eval.design.comparators import comparator_codes
from pilot_eval.design.treatment import treated_codes
from pilot_eval.evaluation.stored import stored
from pilot_eval.evaluation.units import FEWEST_TREATED
from pilot_eval.inference.assignments import draw_subsets
from pilot_eval.plan import EvaluationPlan
from pilot_eval.plan_clusters import find_clusters
from pilot_eval.published.panel import build_panel
from pilot_eval.reference.plan_periods import middle_of

LONG_WINDOW = "long_run"
FEWEST_YEARS = 4
"""From the start on: a shorter path is no long run."""
MOST_SHARE = 0.5
"""Of the comparators, a placebo set takes at most this share: the others are its comparators."""
ENDS = ("estimate_low", "estimate_high", "conf_low", "conf_high")
RUN_COLUMNS = (
    *("scenario", "outcome", "time", "year", *ENDS),
    *("p_value", "n_treated", "n_units", "n_comparators", "n_gaps"),
)


@stored
def list_long_runs(
    plan: EvaluationPlan, table: pd.DataFrame, *, before: int = 2, after: int = 10
) -> pd.DataFrame:
    """Estimate the path of every comparison of changes, year by year since the start.

    Parameters
    ----------
    plan : EvaluationPlan
    table : DataFrame
        As from `load_published`, of as many years as there are.
    before, after : int
        Years shown on both sides of the first treated one, which is 0.

    Returns
    -------
    DataFrame
        Columns `RUN_COLUMNS`: a row for each scenario, outcome and year with at least two treated
        units. `year` is missing where units start in different years. The effect is the change
        since the year before the start, treated units minus comparators; the band contains the
        whole true path with probability 1 - alpha; `p_value` is of the path being 0 throughout.
        Ends of treatment do not matter: a path goes on. `n_gaps` comparators lack a year and are
        left out of the path. A path ends before a change of definition that the plan does not
        accept.

    Notes
    -----
    Sets of as many comparators are drawn in the treated units' place, on their years, against the
    other comparators. The largest distance from 0 over all years, in standard deviations of those
    sets, has the critical value, moved from normal to t because the spread is estimated: it assumes
    that the treated vary as comparators do. Whole paths of random walks without effect leave a band
    of 95% in 5.8% of 3,000 trials, with 60 or 130 comparators, four units and gaps.

    References
    ----------
    Romano and Wolf (2005), Econometrica 73(4); Conley and Taber (2011), Review of Economics and
    Statistics 93(1). ``docs/methods-checks.md``, the long run.
    """
    years = [year for year in table["year_ending"].unique() if isinstance(year, (int, np.integer))]
    span = {"pre": [int(min(years))], "post": [int(max(years))]}
    panel = build_panel(table, plan.revise({f"windows.{LONG_WINDOW}": span}))
    rows = [
        row
        for scenario, outcome in plan.comparisons
        if plan.window_of(outcome, scenario).pre and plan.scenarios[scenario].first_treated
        for row in _list_path(plan, panel, scenario, outcome, np.arange(-before, after + 1))
    ]
    found = pd.DataFrame(rows, columns=list(RUN_COLUMNS))
    last = found.groupby(["scenario", "outcome"])["time"].transform("max")
    return found[last >= FEWEST_YEARS - 1].reset_index(drop=True)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Paths:
    """Changes since the year before the start, all minus the comparators' mean on the same years.

    Attributes
    ----------
    low, high : ndarray, shape (units, times)
        Of the treated, with hidden counts at either end; NaN where there is no figure.
    placebo : ndarray, shape (units, comparators, times)
        Of the comparators, on each unit's years.
    """

    low: np.ndarray
    high: np.ndarray
    placebo: np.ndarray


def place_band(
    paths: Paths, *, draws: int, seed: int, alpha: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, float]:
    """Estimate each year's effect and a band for all of them.

    Parameters
    ----------
    paths : Paths
    draws, seed, alpha
        As of the plan.

    Returns
    -------
    estimate_low, estimate_high, conf_low, conf_high : ndarray, shape (times,)
        NaN in years with fewer than two treated units.
    p_value : float
        Of no effect in any year; NaN where no year has two units, or comparators are too few.
    """
    seen = np.isfinite(paths.low)
    number, comparators = seen.sum(axis=0), paths.placebo.shape[1]
    usable = (number >= FEWEST_TREATED) & np.isfinite(paths.placebo).all(axis=(0, 1))
    ends = [
        np.where(usable, _mean_seen(values, seen), np.nan) for values in (paths.low, paths.high)
    ]
    if not usable.any() or len(seen) > MOST_SHARE * comparators:
        nothing = np.full(len(usable), np.nan)
        return nothing, nothing, nothing, nothing, np.nan
    rng = np.random.default_rng(seed)
    members = rng.permuted(draw_subsets(rng, draws, comparators, len(seen)), axis=1)
    drawn = np.stack([own[members[:, unit]] for unit, own in enumerate(paths.placebo)])
    means = _mean_seen(drawn, seen[:, None]) * comparators / (comparators - number)
    spread = np.where(usable, means.std(axis=0), np.nan)
    varies = usable & (spread > 0)
    largest = np.abs(means[:, varies] / spread[varies]).max(axis=1)
    critical = float(np.quantile(largest, 1 - alpha, method="higher"))
    nearest = np.maximum(np.maximum(ends[0], -ends[1]), 0.0)
    furthest = float((nearest[varies] / spread[varies]).max())
    df = comparators - 1  # the spread is estimated from so many
    reached = int((largest >= -ndtri(stdtr(df, -furthest))).sum())
    half = stdtrit(df, ndtr(critical)) * spread
    return ends[0], ends[1], ends[0] - half, ends[1] + half, (1 + reached) / (1 + draws)


def _mean_seen(values: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Average over units, the first axis, that have a figure; 0 where none has."""
    total = np.where(seen, values, 0.0).sum(axis=0)
    result: np.ndarray = total / np.maximum(seen.sum(axis=0), 1)
    return result


def _list_path(
    plan: EvaluationPlan, panel: pd.DataFrame, scenario: str, outcome: str, times: np.ndarray
) -> Iterator[dict[str, object]]:
    rows = panel[panel["outcome"] == outcome]
    low, high = (
        rows.pivot(index="council_code", columns="period", values=f"value_{end}")
        .reindex(columns=_list_years(plan, outcome, rows["period"]))
        .astype(float)
        for end in ("low", "high")
    )
    settings = plan.scenarios[scenario]
    given = dict(zip(settings.councils, map(middle_of, settings.first_treated), strict=True))
    starts = {code: int(given[plan.names[code]]) for code in treated_codes(plan, scenario)}
    known = low.notna()
    starts = {
        code: start
        for code, start in starts.items()
        if code in known.index and start - 1 in known and known.loc[code, start - 1]
    }
    if not starts:
        return
    needed = {start + time for start in starts.values() for time in times} & {*low.columns}
    pool = comparator_codes(plan, tuple(starts), low, (min(starts.values()) - 1,))
    pool = known.index.intersection(pool)
    complete = pool[known.loc[pool, sorted(needed)].all(axis=1)]
    after = [year for year in sorted(needed) if year >= min(starts.values())]
    clusters = find_clusters(plan.clusters, plan.outcomes[outcome].requirement, after)
    labels = np.array([clusters.get(plan.names[code], code) for code in starts])
    paths, number = _lay_out(labels, np.stack([low, high]), low, starts, complete, times)
    settled = plan.inference
    bands = place_band(paths, draws=settled.draws, seed=plan.seed, alpha=settled.alpha)
    units = np.isfinite(paths.low).sum(axis=0)
    common = len(set(starts.values())) == 1
    row = {"scenario": scenario, "outcome": outcome, "p_value": bands[-1]}
    row |= {"n_comparators": len(complete), "n_gaps": len(pool) - len(complete)}
    for place, time in enumerate(times):
        if np.isfinite(bands[0][place]):
            ends = {name: float(band[place]) for name, band in zip(ENDS, bands[:4], strict=True)}
            year = min(starts.values()) + int(time) if common else None
            counts = {"n_treated": int(number[place]), "n_units": int(units[place])}
            yield row | {"time": int(time), "year": year} | ends | counts


def _list_years(plan: EvaluationPlan, outcome: str, periods: pd.Series) -> list[int]:
    """List the years up to the first change of definition that the plan does not accept."""
    first, last = int(periods.min()), int(periods.max())
    ends = [
        record.first_year_after
        for record in plan.breaks
        if outcome in record.indicators
        and record.basis == "value"
        and record.break_id not in plan.outcomes[outcome].accepted_breaks
        and record.first_year_after > first
    ]
    return list(range(first, min([*ends, last + 1])))


def _lay_out(
    labels: np.ndarray,
    ends: np.ndarray,
    table: pd.DataFrame,
    starts: Mapping[str, int],
    others: pd.Index,
    times: np.ndarray,
) -> tuple[Paths, np.ndarray]:
    """Lay out changes by time, councils under one management combined; count the councils.

    `ends` is the lowest and the highest figure by council and year of `table`; `labels` name the
    unit of each treated council.
    """
    years, reference = np.array(table.columns), int(np.flatnonzero(times == -1)[0])
    rest, found = table.index.get_indexer(others), []
    for code, start in starts.items():
        wanted = start + times
        figures = np.where(
            np.isin(wanted, years),
            ends[:, :, np.clip(wanted - years[0], 0, len(years) - 1)],
            np.nan,
        )
        change = figures - figures[::-1, :, [reference]]  # least minus most, most minus least
        change[:, :, reference] = np.where(np.isfinite(figures[0, :, reference]), 0.0, np.nan)
        own = change[:, table.index.get_loc(code)] - change[::-1, rest].mean(axis=1)
        middle = change[:, rest].mean(axis=0)
        found.append((own, middle - middle.mean(axis=0)))
    units = [np.flatnonzero(labels == label) for label in dict.fromkeys(labels)]
    own = np.stack([pair[0] for pair in found])
    low, high = np.stack([_combine(own[unit]) for unit in units], axis=1)
    placebo = np.stack([found[unit[0]][1] for unit in units])
    return Paths(low=low, high=high, placebo=placebo), np.isfinite(own[:, 0]).sum(axis=0)


def _combine(values: np.ndarray) -> np.ndarray:
    """Average the members of a unit that have a figure; NaN where none has."""
    seen = np.isfinite(values)
    return np.where(seen.any(axis=0), _mean_seen(values, seen), np.nan)
