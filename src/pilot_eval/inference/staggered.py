"""The robust test where treated councils start or stop at different times.

Whole paths of treatment are reassigned, as `path_sets` describes.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pilot_eval.doors import ALPHA, Kind, Names, Numbers, Starts, Whole, takes
from pilot_eval.errors import InferenceError, explain
from pilot_eval.estimation.did import PathChanges, Units
from pilot_eval.estimation.path_changes import collapse_paths
from pilot_eval.inference.assignments import Assignments
from pilot_eval.inference.inputs import centre, check_changes, why_not_estimable
from pilot_eval.inference.path_sets import draw_path_sets
from pilot_eval.inference.paths import draw_paths
from pilot_eval.inference.randomisation import difference_of_means, hold_estimate, name_limits
from pilot_eval.inference.result import InferenceResult
from pilot_eval.inference.robust import (
    FEWEST_VALIDATED,
    METHOD,
    NOT_VALIDATED,
    RobustBatch,
    start_batch,
)
from pilot_eval.inference.set_statistics import count_at_least
from pilot_eval.inference.size_adjusted import MIN_COMPARATORS

PATHS: dict[str, Kind] = {
    "of": Numbers(least=0, ndim=(1,)),
    "cases": Numbers(above=0, ndim=(1,)),
    "exposure": Numbers(ndim=(2,)),
    "period_factor": Numbers(above=0, ndim=(2,)),
    "strata": Names(),
    "draws": Whole(),
    "seed": Whole(least=0),
    "alpha": ALPHA,
}


@takes(InferenceError, twice=False, reorder=True, changes=Numbers(ndim=(2,)), **PATHS)
def path_test(
    changes: np.ndarray,
    of: np.ndarray,
    cases: np.ndarray,
    *,
    exposure: np.ndarray | None = None,
    period_factor: np.ndarray | None = None,
    draws: int = 9999,
    strata: np.ndarray | None = None,
    seed: int,
    alpha: float = 0.05,
) -> InferenceResult:
    """Test the mean effect over treated councils that are treated on different paths.

    With one path it is `robust_test`: changes are divided by the standard deviation that a
    council's size and its periods predict, and Welch's t of treated against comparators is compared
    with its value for other assignments of the same paths.

    Parameters
    ----------
    changes : array of shape (n, paths + 1)
        Change of every council on each path, in the outcome's unit; in the last column the average
        over paths, which is a comparator's change.
    of : int array of shape (n,)
        Path of each council; the number of paths for comparators.
    cases : array of shape (n,)
        Cases behind each change, above 0.
    exposure : array of shape (n, paths + 1), optional
        The same changes of the actual treatment indicator: an effect tau in every treated period
        adds tau * exposure to `changes`. Default: 1 for treated councils on every path.
    period_factor : array of shape (n, paths + 1), optional
        Variance factor of each change from its periods. Default 1.
    draws : int
        Random assignments; all are listed instead when there are at most this many.
    strata : array of shape (n,), optional
        Paths change hands within strata only.
    seed : int
    alpha : float
        Level of the two-sided test; the interval contains the effects it does not reject.

    Returns
    -------
    InferenceResult
        As of `robust_test`. Diagnostics: statistic, centre, assignments, complete, smallest_p.

    Raises
    ------
    InferenceError
        If shapes disagree, a change is missing, or cases are not above 0.

    References
    ----------
    Chung and Romano (2013), Annals of Statistics 41(2), for the studentised statistic; Shaikh and
    Toulis (2021), JASA 116(536), for randomisation of adoption times.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> of = np.r_[0, 0, 1, 1, np.full(36, 2)]
    >>> changes = np.repeat(rng.normal(size=(40, 1)), 3, axis=1) + 5.0 * (of < 2)[:, None]
    >>> path_test(changes, of, np.full(40, 90.0), draws=999, seed=1).p_value < 0.05
    True
    """
    of = _check_paths(changes.shape[1], of, exposure, period_factor)
    own = np.arange(len(of)), of
    data = check_changes(
        changes[own],
        of < changes.shape[1] - 1,
        cases,
        None if period_factor is None else period_factor[own],
    )
    empty = InferenceResult(
        method=METHOD,
        n_treated=data.n_treated,
        n_comparators=data.n_comparators,
        alpha=alpha,
        reason=why_not_estimable(data, min_treated=2, min_comparators=MIN_COMPARATORS),
    )
    if empty.reason:
        return empty
    sets = draw_path_sets(
        changes[None],
        of,
        cases,
        exposure,
        period_factor,
        draws=draws,
        strata=strata,
        seed=seed,
    )
    estimate = difference_of_means(data)
    low, high = (float(end[0]) for end in hold_estimate(estimate, *sets.interval(alpha)))
    weak = NOT_VALIDATED if data.n_treated < FEWEST_VALIDATED else ""
    return replace(
        empty,
        estimate=estimate,
        p_value=float(sets.p_value()[0]),
        conf_low=low,
        conf_high=high,
        reason="; ".join(filter(None, [weak, name_limits(sets.sets, alpha, low, high)])),
        diagnostics={
            "statistic": float(sets.statistic()[0]),
            "centre": float(sets.centre()[0]),
            "assignments": float(len(sets.sets.members)),
            "complete": float(sets.sets.complete),
            "smallest_p": sets.sets.smallest_p,
        },
    )


@takes(InferenceError, twice=False, reorder=True, changes=Numbers(ndim=(3,)), **PATHS)
def path_batch(
    changes: np.ndarray,
    of: np.ndarray,
    cases: np.ndarray,
    *,
    exposure: np.ndarray | None = None,
    period_factor: np.ndarray | None = None,
    draws: int = 9999,
    strata: np.ndarray | None = None,
    seed: int,
    alpha: float = 0.05,
) -> RobustBatch:
    """Test many fillings of hidden counts with the same paths and the same draws.

    Parameters
    ----------
    changes : array of shape (F, n, paths + 1)
        As for `path_test`, one filling after another.
    of, cases, exposure, period_factor, draws, strata, seed, alpha
        As for `path_test`.

    Returns
    -------
    RobustBatch
        Every row is what `path_test` says of it.

    Raises
    ------
    InferenceError
        As `path_test`.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> of = np.r_[0, 0, 1, 1, np.full(36, 2)]
    >>> changes, cases = rng.normal(size=(3, 40, 3)), np.full(40, 90.0)
    >>> batch = path_batch(changes, of, cases, draws=999, seed=1)
    >>> bool(batch.p_value[2] == path_test(changes[2], of, cases, draws=999, seed=1).p_value)
    True
    """
    of = _check_paths(changes.shape[2], of, exposure, period_factor)
    treated = of < changes.shape[2] - 1
    own = changes[:, np.arange(len(of)), of]
    answer, usable = start_batch(centre(own, treated), treated)
    if not usable.any():
        return answer
    sets = draw_path_sets(
        changes[usable],
        of,
        cases,
        exposure,
        period_factor,
        draws=draws,
        strata=strata,
        seed=seed,
    )
    ends = hold_estimate(answer.estimate[usable], *sets.interval(alpha))
    answer.p_value[usable] = sets.p_value()
    answer.conf_low[usable], answer.conf_high[usable] = ends
    limits = name_limits(sets.sets, alpha, ends[0].min(), ends[1].max())
    return replace(answer, reason="; ".join(filter(None, [answer.reason, limits])))


def _check_paths(n_columns: int, of: np.ndarray, *others: np.ndarray | None) -> np.ndarray:
    known = np.isin(np.arange(n_columns - 1), of).all()
    if not known or not np.isin(of, np.arange(n_columns)).all():
        rule, action = "number the columns of `changes`", "Leave out paths that nobody is on."
        raise InferenceError(explain("of", rule, "another path", action))
    for part in others:
        if part is not None and part.shape != (len(of), n_columns):
            rule, got = "have the columns of `changes`", f"shape {part.shape}"
            raise InferenceError(explain("exposure, period_factor", rule, got, "Align them."))
    return of.astype(np.intp)


@takes(
    InferenceError,
    panel=Numbers(ndim=(2,)),
    starts=Starts(),
    cases=Numbers(above=0, ndim=(1,)),
    strata=Names(),
    draws=Whole(),
    seed=Whole(least=0),
    alpha=ALPHA,
)
def staggered_test(
    panel: np.ndarray,
    starts: np.ndarray,
    cases: np.ndarray | None = None,
    *,
    studentised: bool = True,
    draws: int = 9999,
    strata: np.ndarray | None = None,
    seed: int,
    alpha: float = 0.05,
) -> InferenceResult:
    """Test a staggered adoption by handing the adoption paths to other councils.

    Parameters
    ----------
    panel : array of shape (n, periods)
        Outcomes without gaps.
    starts : array of shape (n,)
        First treated period as a column number from 1; NaN or infinite when never treated.
    cases : array of shape (n,), optional
        Cases behind each council's outcomes; equal by default.
    studentised : bool
        `path_test`; or else the bare difference of means, which one treated council can be given.
    draws, strata, seed, alpha
        As for `path_test`.

    Returns
    -------
    InferenceResult
        The mean over treated councils of their change from before to after their own start, less
        the comparators' on the same paths. Without studentising there is no interval.

    Raises
    ------
    InferenceError
        If a start has no period before it or after it, or nobody is never treated.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> starts = np.where(np.arange(30) < 4, 6.0, np.where(np.arange(30) < 8, 9.0, np.inf))
    >>> result = staggered_test(rng.normal(size=(30, 12)), starts, draws=199, seed=1)
    >>> 0 < result.p_value <= 1
    True
    """
    units, paths = _collapse_starts(panel, starts, cases)
    if studentised:
        return path_test(
            paths.changes,
            paths.of,
            units.cases,
            exposure=paths.exposure,
            period_factor=paths.factor,
            draws=draws,
            strata=strata,
            seed=seed,
            alpha=alpha,
        )
    treated = units.treated
    orders, complete = draw_paths(paths.of, draws=draws, strata=strata, seed=seed)
    rows = np.arange(len(treated))
    found = [_difference(paths.changes[rows, order], order) for order in (paths.of, *orders)]
    sets = Assignments(members=orders, complete=complete)
    reached = count_at_least(np.array(found[1:])[None], np.array(found[:1]))
    return InferenceResult(
        method=METHOD,
        estimate=found[0],
        p_value=float(sets.p_value(reached)[0]),
        n_treated=int(treated.sum()),
        n_comparators=int((~treated).sum()),
        alpha=alpha,
        reason="no interval: not studentised",
        diagnostics={"assignments": float(len(orders)), "complete": float(complete)},
    )


def _difference(changes: np.ndarray, order: np.ndarray) -> float:
    treated = order < order.max()
    return float(changes[treated].mean() - changes[~treated].mean())


def _collapse_starts(
    panel: np.ndarray, starts: np.ndarray, cases: np.ndarray | None
) -> tuple[Units, PathChanges]:
    """Collapse a panel to changes on the path of every start."""
    ever = np.isfinite(starts)
    columns = np.arange(panel.shape[1])
    if not ever.any() or ever.all() or not np.isin(starts[ever], columns[1:]).all():
        rule = "be columns from 1 on for some, and missing for comparators"
        raise InferenceError(explain("starts", rule, "others", "Number columns from 0."))
    paths = np.unique(starts[ever])
    of = np.where(ever, np.searchsorted(paths, np.where(ever, starts, paths[0])), len(paths))
    exposed = columns >= paths[:, None]
    size = np.ones(len(panel)) if cases is None else cases
    units = collapse_paths(panel, of, exposed, ~exposed, size)
    return units, units.paths  # type: ignore[return-value]  # collapse_paths gives them
