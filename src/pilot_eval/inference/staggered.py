"""The robust test where treated councils start or stop at different times.

Whole paths of treatment change hands: in every draw as many councils as were treated on each path
are taken to have been treated on it, and every estimate is a sum of one number a council and path.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pilot_eval.doors import ALPHA, Names, Numbers, Starts, Whole, takes
from pilot_eval.errors import InferenceError, explain
from pilot_eval.estimation.did import Units
from pilot_eval.estimation.path_changes import collapse_paths
from pilot_eval.inference.assignments import Assignments, draw_assignments
from pilot_eval.inference.inputs import check_changes, why_not_estimable
from pilot_eval.inference.inversion import invert_test
from pilot_eval.inference.paths import draw_paths
from pilot_eval.inference.randomisation import name_limits, step_size
from pilot_eval.inference.result import InferenceResult
from pilot_eval.inference.robust import FEWEST_VALIDATED, METHOD, NOT_VALIDATED, fit_on_comparators
from pilot_eval.inference.set_statistics import count_at_least, welch_t
from pilot_eval.inference.size_adjusted import MIN_COMPARATORS


@takes(
    InferenceError,
    changes=Numbers(ndim=(2,)),
    of=Numbers(least=0, ndim=(1,)),
    cases=Numbers(above=0, ndim=(1,)),
    exposure=Numbers(ndim=(2,)),
    period_factor=Numbers(above=0, ndim=(2,)),
    strata=Names(),
    draws=Whole(),
    seed=Whole(least=0),
    alpha=ALPHA,
)
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
    of = _check_paths(changes, of)
    rows, last = np.arange(len(of)), changes.shape[1] - 1
    treated = of < last
    factor = np.ones(changes.shape) if period_factor is None else period_factor
    data = check_changes(changes[rows, of], treated, cases, factor[rows, of])
    empty = InferenceResult(
        method=METHOD,
        n_treated=data.n_treated,
        n_comparators=data.n_comparators,
        alpha=alpha,
        reason=why_not_estimable(data, min_treated=2, min_comparators=MIN_COMPARATORS),
    )
    if empty.reason:
        return empty
    shift = np.repeat(treated[:, None], last + 1, 1) if exposure is None else exposure
    variance = fit_on_comparators(data).variance[0][:, None] * factor / factor[rows, of][:, None]
    centred = changes - changes[~treated].mean(axis=0)
    z, w = centred / np.sqrt(variance), shift / np.sqrt(variance)
    members, labels, complete = _draw(of, treated, draws=draws, strata=strata, seed=seed)
    drawn = _PathSums.of(z, w, members, labels)
    actual = _PathSums.of(z, w, np.flatnonzero(treated)[None], of[treated])
    sets = Assignments(members=members, complete=complete)
    scale = step_size(variance[rows, of][None, treated])
    p_value, low, high = _answer(drawn, actual, sets, scale, alpha)
    weak = NOT_VALIDATED if data.n_treated < FEWEST_VALIDATED else ""
    return replace(
        empty,
        estimate=float(data.changes[treated].mean() - data.changes[~treated].mean()),
        p_value=p_value,
        conf_low=low,
        conf_high=high,
        reason="; ".join(filter(None, [weak, name_limits(sets, alpha, low, high)])),
        diagnostics={
            "statistic": float(actual.statistics(0.0)[0]),
            "centre": actual.centre(),
            "assignments": float(len(members)),
            "complete": float(complete),
            "smallest_p": sets.smallest_p,
        },
    )


def _check_paths(changes: np.ndarray, of: np.ndarray) -> np.ndarray:
    path = of.astype(np.intp)
    known = np.isin(np.arange(changes.shape[1] - 1), path).all()
    if not known or path.max() >= changes.shape[1] or (path != of).any():
        rule, action = "number the columns of `changes`", "Leave out paths that nobody is on."
        raise InferenceError(explain("of", rule, "another path", action))
    return path


def _draw(
    of: np.ndarray, treated: np.ndarray, *, draws: int, strata: object, seed: int
) -> tuple[np.ndarray, np.ndarray, bool]:
    """Draw who is treated on which path: members (draws, k), path of each column, completeness."""
    sets = draw_assignments(treated, draws=draws, strata=strata, seed=seed)
    named = np.zeros(of.size) if strata is None else np.asarray(strata)
    labels = np.unique(named.astype(str), return_inverse=True)[1]  # in the order of the sets
    groups = [np.sort(of[treated & (labels == code)]) for code in range(labels.max() + 1)]
    paths = np.concatenate(groups)
    if np.ptp(paths) == 0:
        return sets.members, paths, sets.complete
    if sets.complete:  # few sets, but perhaps many assignments of paths to their members
        orders, complete = draw_paths(of, draws=draws, strata=strata, seed=seed)
        return np.argsort(orders, axis=1, kind="stable")[:, : paths.size], np.sort(paths), complete
    return _shuffle(sets, tuple(len(group) for group in groups), seed), paths, False


def _shuffle(sets: Assignments, sizes: tuple[int, ...], seed: int) -> np.ndarray:
    """Put the members of each set in random order within their stratum."""
    rng = np.random.default_rng([seed, len(sizes)])
    columns = np.split(sets.members, np.cumsum(sizes)[:-1], axis=1)
    return np.concatenate([rng.permuted(part, axis=1) for part in columns], axis=1)


def _answer(
    drawn: _PathSums, actual: _PathSums, sets: Assignments, scale: np.ndarray, alpha: float
) -> tuple[float, float, float]:
    """Find the p-value of no effect and both ends of the interval."""

    def p_value(tau: np.ndarray) -> np.ndarray:
        shift = float(tau[0])
        reached = count_at_least(drawn.statistics(shift)[None], actual.statistics(shift))
        return sets.p_value(reached)

    low, high = invert_test(p_value, np.array([actual.centre()]), scale, alpha)
    return float(p_value(np.zeros(1))[0]), float(low[0]), float(high[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class _PathSums:
    """Sums from which Welch's t of z - tau * w follows, for many assignments of paths.

    Each is an array of shape (3 or 2, assignments): of z and w, or of z^2, z * w and w^2; over the
    councils that an assignment treats, and over the others.
    """

    inside: np.ndarray
    inside_squares: np.ndarray
    outside: np.ndarray
    outside_squares: np.ndarray
    size: tuple[int, int]

    @classmethod
    def of(cls, z: np.ndarray, w: np.ndarray, members: np.ndarray, labels: np.ndarray) -> _PathSums:
        """Sum over the treated of each assignment on their paths, and over the rest."""
        inside, inside_squares = _sum(z[members, labels], w[members, labels])
        gone, gone_squares = _sum(z[members, -1], w[members, -1])
        every, every_squares = _sum(z[None, :, -1], w[None, :, -1])
        return cls(
            inside=inside,
            inside_squares=inside_squares,
            outside=every - gone,
            outside_squares=every_squares - gone_squares,
            size=(members.shape[1], len(z)),
        )

    def statistics(self, tau: float) -> np.ndarray:
        """Compute the statistic of every assignment, shape (assignments,)."""
        k, n = self.size
        ours, rest = (part[0] - tau * part[1] for part in (self.inside, self.outside))
        own_squares, squares = (
            part[0] - 2 * tau * part[1] + tau**2 * part[2]
            for part in (self.inside_squares, self.outside_squares)
        )
        return welch_t(ours, own_squares, ours + rest, own_squares + squares, k, n)

    def centre(self) -> float:
        """Find the effect at which the first assignment's statistic is 0."""
        k, n = self.size
        gap = self.inside[:, 0] / k - self.outside[:, 0] / (n - k)
        return float(gap[0] / gap[1])


def _sum(z: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    sums = np.array([z.sum(1), w.sum(1)])
    return sums, np.array([(z * z).sum(1), (z * w).sum(1), (w * w).sum(1)])


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
    units = _collapse_starts(panel, starts, cases)
    paths = units.paths
    used = {"draws": draws, "strata": strata, "seed": seed, "alpha": alpha}
    if studentised:
        given = {"exposure": paths.exposure, "period_factor": paths.factor}
        return path_test(paths.changes, paths.of, units.cases, **given, **used)
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


def _collapse_starts(panel: np.ndarray, starts: np.ndarray, cases: np.ndarray | None) -> Units:
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
    return collapse_paths(panel, of, exposed, ~exposed, size)
