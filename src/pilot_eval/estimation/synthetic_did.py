"""Synthetic difference-in-differences, synthetic control and DiD in one form, with placebos."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np

from pilot_eval.doors import Seed, Whole, takes
from pilot_eval.errors import DesignError, explain
from pilot_eval.estimation.cohorts import build_cohort_panel
from pilot_eval.estimation.group_time import check_never
from pilot_eval.estimation.synthetic_weights import (
    Method,
    Solver,
    SyntheticWeights,
    split_units,
)

ROUNDING = 1e-12
"""Relative size below which differences between changes are rounding, not variation."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SyntheticEstimate:
    """One estimate with its weights.

    Attributes
    ----------
    att : float
    unit_weights : float array (n_comparators,)
        In the order of the comparators' rows.
    time_weights : float array (n_pre,)
        Zero for "sc".
    gap : float array (n_periods,)
        Treated mean minus weighted comparators; the ATT is its post-treatment mean minus its
        time-weighted pre-treatment mean.
    pre_rmse : float
        Root mean square of the gap before the start, about its mean (about zero for "sc").
    n_treated, n_comparators, n_pre : int
    method, solver : str
    """

    att: float
    unit_weights: np.ndarray
    time_weights: np.ndarray
    gap: np.ndarray
    pre_rmse: float
    n_treated: int
    n_comparators: int
    n_pre: int
    method: str
    solver: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlaceboDistribution:
    """The estimate among estimates for comparators treated as if.

    Attributes
    ----------
    att : float
    placebos : float array (n_placebos,)
    p_value : float
        (1 + placebos at least as large in size) / (1 + n_placebos); never 0.
    std_error : float
        Standard deviation of the placebos; its normal interval is not valid where the treated
        differ in size from the comparators.
    exact : bool
        True when every set of comparators of that size was used.
    """

    att: float
    placebos: np.ndarray
    p_value: float
    std_error: float
    exact: bool


@takes(DesignError)
def estimate_synthetic_did(
    outcomes: np.ndarray,
    treated: np.ndarray,
    n_pre: int,
    *,
    method: Method = "sdid",
    solver: Solver = "exact",
) -> SyntheticEstimate:
    """Estimate the ATT of one start with weighted comparators and periods.

    Parameters
    ----------
    outcomes : float array (n_units, n_periods)
        Complete.
    treated : bool array (n_units,)
    n_pre : int
        Columns before the start, at least 2.
    method : {"sdid", "sc", "did"}
        Synthetic DiD; synthetic control on pre-treatment outcomes; plain DiD.
    solver : {"exact", "frank_wolfe"}
        The optimum itself; or the published software's algorithm, which stops a little short of it
        (its numbers are the published ones).

    Returns
    -------
    SyntheticEstimate

    Raises
    ------
    DesignError
        If an outcome is missing, nobody is treated or compared, or n_pre cannot be used.

    References
    ----------
    Arkhangelsky, Athey, Hirshberg, Imbens and Wager (2021), AER 111(12), algorithm 1; Abadie,
    Diamond and Hainmueller (2010), JASA 105. ``docs/methods-estimators.md``, block SDID.
    """
    pool, own = split_units(outcomes, treated, n_pre, method, solver)
    fit = SyntheticWeights.of(pool, n_pre, len(own), method, solver)
    donors = np.ones((1, len(pool)), dtype=bool)
    unit, time = fit.weights(own.mean(0)[None], donors)
    gap = own.mean(0) - unit[0] @ pool
    centre = 0.0 if method == "sc" else gap[:n_pre].mean()
    return SyntheticEstimate(
        att=float(gap[n_pre:].mean() - time[0] @ gap[:n_pre]),
        unit_weights=unit[0],
        time_weights=time[0],
        gap=gap,
        pre_rmse=float(np.sqrt(((gap[:n_pre] - centre) ** 2).mean())),
        n_treated=len(own),
        n_comparators=len(pool),
        n_pre=n_pre,
        method=method,
        solver=solver,
    )


@takes(DesignError, draws=Whole(), seed=Seed())
def placebo_synthetic_did(
    outcomes: np.ndarray,
    treated: np.ndarray,
    n_pre: int,
    *,
    draws: int = 200,
    seed: int,
    method: Method = "sdid",
    solver: Solver = "exact",
) -> PlaceboDistribution:
    """Re-estimate for sets of comparators treated as if, every weight fitted again.

    Parameters
    ----------
    outcomes, treated, n_pre, method, solver
        As `estimate_synthetic_did`.
    draws : int
        Sets of as many comparators as there are treated units; all of them, exactly, where there
        are no more than this.
    seed : int

    Returns
    -------
    PlaceboDistribution

    Raises
    ------
    DesignError
        As `estimate_synthetic_did`; or if placebo sets would leave fewer than two comparators, or
        comparators all change alike.

    References
    ----------
    Arkhangelsky et al. (2021), algorithm 4; Abadie et al. (2010), section 2.4.
    """
    pool, own = split_units(outcomes, treated, n_pre, method, solver)
    apart = np.ptp(np.diff(pool, axis=1), axis=0).max()
    if apart <= ROUNDING * np.abs(pool).max():
        raise DesignError(
            explain(
                "comparators", "differ in their changes", "equal changes", "Nothing says how sure."
            )
        )
    sets, exact = _placebo_sets(len(pool), len(own), draws, seed)
    fit = SyntheticWeights.of(pool, n_pre, len(own), method, solver)
    effects = fit.effects(*_with_placebos(pool, own, sets, sets))
    return rank_among(effects[0], effects[1:], exact=exact)


@takes(DesignError, draws=Whole(least=0), seed=Seed())
def estimate_staggered_synthetic_did(
    outcomes: np.ndarray,
    first_treated: np.ndarray,
    periods: np.ndarray | None = None,
    *,
    method: Method = "sdid",
    solver: Solver = "exact",
    draws: int = 0,
    seed: int = 0,
) -> tuple[PlaceboDistribution, np.ndarray]:
    """Estimate cohort by cohort against the never treated, and average over treated cells.

    Parameters
    ----------
    outcomes : float array (n_units, n_periods)
        Complete.
    first_treated : float array (n_units,)
        First treated period; NaN = never treated.
    periods : int array (n_periods,), optional
    method, solver
        As `estimate_synthetic_did`.
    draws : int
        Placebo paths: comparators drawn into cohorts of the same sizes and starts. 0 = none.
    seed : int

    Returns
    -------
    PlaceboDistribution
        With NaN p-value and standard error where draws is 0.
    float array (n_cohorts,)
        The cohorts' own estimates.

    Raises
    ------
    DesignError
        As `placebo_synthetic_did`.

    References
    ----------
    Arkhangelsky et al. (2021), appendix A; Clarke, Pailanir, Athey and Imbens (2023),
    algorithm 2. ``docs/methods-estimators.md``, block SDID.
    """
    panel = build_cohort_panel(outcomes, first_treated, periods)
    check_never(panel, "never")
    pool, own = split_units(panel.outcomes, panel.treated, int(panel.starts[0]), method, solver)
    sizes = (panel.cohort == np.arange(len(panel.starts))[:, None]).sum(1)
    share = sizes * (panel.shape[1] - panel.starts)
    share = share / share.sum()
    if draws:
        _check_enough(len(pool), len(own))
    paths = _random_sets(len(pool), len(own), draws, np.random.default_rng(seed))
    effects = np.empty((len(panel.starts), 1 + draws))
    for g, start in enumerate(panel.starts):
        fit = SyntheticWeights.of(pool, int(start), int(sizes[g]), method, solver)
        first = sizes[:g].sum()
        cohort = panel.outcomes[panel.cohort == g]
        sets = paths[:, first : first + sizes[g]]
        effects[g] = fit.effects(*_with_placebos(pool, cohort, sets, paths))
    whole = share @ effects
    return rank_among(whole[0], whole[1:], exact=False), effects[:, 0]


def _with_placebos(
    pool: np.ndarray, own: np.ndarray, sets: np.ndarray, excluded: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """List targets and donors: the treated first, then sets of comparators treated as if."""
    target = np.vstack([own.mean(0), pool[sets].mean(1)]) if len(sets) else own.mean(0)[None]
    donors = np.ones((1 + len(sets), len(pool)), dtype=bool)
    donors[1 + np.arange(len(sets))[:, None], excluded] = False
    return target, donors


def rank_among(att: float, placebos: np.ndarray, *, exact: bool) -> PlaceboDistribution:
    """Rank an effect's size among those of placebos.

    Parameters
    ----------
    att : float
    placebos : float array (n_placebos,)
    exact : bool
        Whether they are all there are.

    Returns
    -------
    PlaceboDistribution
    """
    some = len(placebos) > 1
    extreme = int((np.abs(placebos) >= abs(att) * (1 - 1e-12)).sum())
    return PlaceboDistribution(
        att=float(att),
        placebos=placebos,
        p_value=(1 + extreme) / (1 + len(placebos)) if some else float("nan"),
        std_error=float(placebos.std(ddof=1)) if some else float("nan"),
        exact=exact,
    )


def _placebo_sets(n_pool: int, size: int, draws: int, seed: int) -> tuple[np.ndarray, bool]:
    _check_enough(n_pool, size)
    if comb(n_pool, size) <= draws:
        return np.array(list(combinations(range(n_pool), size))), True
    return _random_sets(n_pool, size, draws, np.random.default_rng(seed)), False


def _check_enough(n_pool: int, size: int) -> None:
    """Refuse placebos that would leave fewer than two comparators to each other."""
    if n_pool - size < 2:
        raise DesignError(
            explain(
                "comparators",
                f"number at least {size + 2} for placebos of {size} treated",
                n_pool,
                "Use the estimate without a placebo distribution.",
            )
        )


def _random_sets(n_pool: int, size: int, draws: int, rng: np.random.Generator) -> np.ndarray:
    drawn = [rng.choice(n_pool, size, replace=False) for _ in range(draws)]
    return np.array(drawn, dtype=int).reshape(draws, size)
