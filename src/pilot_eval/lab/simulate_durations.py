"""How long a simulated assessment or conference takes: a model the estimators do not assume.

A case is ready after a lognormal number of working days; some cases get stuck and take much
longer; some are done on the day. A time limit then pulls: cases ready early are held until the
last days before the limit, and cases that would be late are rushed into the same days. What
remains is a spike at the limit and a shoulder on either side, as in the published bands.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pilot_eval.errors import ParameterError, explain

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# A limit pulls on cases ready between 0.3 and 2.5 times the limit, and pulls them into the last
# two fifths before it, five days at most. Stated choices, not estimates.
EARLIEST_PULLED = 0.3
LATEST_PULLED = 2.5
WINDOW_SHARE = 0.4
LONGEST_WINDOW = 5
# Longest duration drawn: about three and a half years of working days.
LONGEST_DAYS = 900


@dataclass(frozen=True, slots=True, kw_only=True)
class DurationModel:
    """Constants of one clock's durations, in working days.

    Parameters
    ----------
    same_day, stuck, hold, rush : float
        Shares: done on the day; stuck (of the others); held until the limit (of those ready
        before it); rushed into the limit (of those ready after it).
    log_mean, log_sd, stuck_log_mean, stuck_log_sd : float
        Of the logarithm of the working days until a case is ready.
    crowding : float
        Ratio of the weight of one day of the window before the limit to that of the next.
    """

    same_day: float
    log_mean: float
    log_sd: float
    stuck: float
    stuck_log_mean: float
    stuck_log_sd: float
    hold: float
    rush: float
    crowding: float

    def __post_init__(self) -> None:
        for name in ("same_day", "stuck", "hold", "rush", "crowding"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise ParameterError(explain(name, "lie between 0 and 1", value, "Give a share."))
        for name in ("log_sd", "stuck_log_sd"):
            if not getattr(self, name) > 0:
                raise ParameterError(
                    explain(name, "be above 0", getattr(self, name), "Give a spread.")
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class DurationDraws:
    """The chance behind n durations: five arrays of shape (n,).

    It is kept so that the same case can be run with and without a limit.
    """

    same_day: FloatArray
    ready: FloatArray
    stuck: FloatArray
    pulled: FloatArray
    window: FloatArray

    def select(self, rows: NDArray[np.bool_] | IntArray) -> DurationDraws:
        """Keep the draws of some cases."""
        return DurationDraws(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})


def draw_chances(rng: np.random.Generator, n: int) -> DurationDraws:
    """Draw the chance behind n durations.

    Parameters
    ----------
    rng : numpy.random.Generator
    n : int

    Returns
    -------
    DurationDraws
    """
    same_day, stuck, pulled, window = rng.random((4, n))
    return DurationDraws(
        same_day=same_day,
        ready=rng.standard_normal(n),
        stuck=stuck,
        pulled=pulled,
        window=window,
    )


def compute_duration(
    model: DurationModel,
    draws: DurationDraws,
    *,
    limit: ArrayLike,
    shift: ArrayLike = 0.0,
    pull: ArrayLike = 1.0,
) -> IntArray:
    """Turn chance into durations under a limit.

    Parameters
    ----------
    model : DurationModel
    draws : DurationDraws
        Of n cases.
    limit : int or array of shape (n,)
        Working days.
    shift : float or array of shape (n,)
        Added to the logarithm of the days until a case is ready: 0.1 is about a tenth longer.
    pull : float or array of shape (n,)
        Strength of the limit's pull: 1 as calibrated, 0 none.

    Returns
    -------
    ndarray of int, shape (n,)
        Working days, the start being day 0.

    Examples
    --------
    >>> model = DurationModel(same_day=0.1, log_mean=1.8, log_sd=0.8, stuck=0.1,
    ...     stuck_log_mean=3.3, stuck_log_sd=0.6, hold=0.5, rush=0.5, crowding=0.6)
    >>> draws = draw_chances(np.random.default_rng(1), 5)
    >>> compute_duration(model, draws, limit=10)
    array([ 7,  5, 10, 14,  6])
    """
    limit = np.asarray(limit, dtype=np.int64)
    stuck = draws.stuck < model.stuck
    log_days = np.where(
        stuck,
        model.stuck_log_mean + model.stuck_log_sd * draws.ready,
        model.log_mean + model.log_sd * draws.ready,
    )
    days = np.ceil(np.minimum(np.exp(log_days + shift), LONGEST_DAYS))
    early = (days >= np.ceil(EARLIEST_PULLED * limit)) & (days < limit)
    late = (days > limit) & (days <= np.ceil(LATEST_PULLED * limit))
    chance = np.where(early, model.hold, np.where(late, model.rush, 0.0)) * pull
    target = limit - _days_before_limit(model, draws.window, limit)
    pulled = ~stuck & (draws.pulled < chance)
    days = np.where(pulled, np.where(late, target, np.maximum(days, target)), days)
    return np.where(draws.same_day < model.same_day, 0, days).astype(np.int64)


def expected_shares(
    model: DurationModel, *, limit: int, shift: float = 0.0, pull: float = 1.0
) -> FloatArray:
    """Compute the exact distribution that `compute_duration` draws from.

    Parameters
    ----------
    model : DurationModel
    limit : int
        Working days.
    shift, pull : float
        As in `compute_duration`.

    Returns
    -------
    ndarray of float, shape (901,)
        Share of cases that take exactly 0, 1, 2, ... working days; sums to 1.
    """
    usual = _ready_shares(model.log_mean + shift, model.log_sd)
    stuck = _ready_shares(model.stuck_log_mean + shift, model.stuck_log_sd)
    days = np.arange(LONGEST_DAYS + 1)
    early = (days >= np.ceil(EARLIEST_PULLED * limit)) & (days < limit)
    late = (days > limit) & (days <= np.ceil(LATEST_PULLED * limit))
    moved = usual * np.where(early, model.hold, np.where(late, model.rush, 0.0)) * pull
    usual = usual - moved
    weights = _window_weights(model, limit)
    for before, weight in enumerate(weights):
        target = limit - before
        usual[target] += weight * moved[late].sum()
        np.add.at(usual, np.maximum(days[early], target), weight * moved[early])
    shares = (1 - model.same_day) * ((1 - model.stuck) * usual + model.stuck * stuck)
    shares[0] += model.same_day
    return shares


def window_length(limit: int) -> int:
    """Count the days up to a limit into which it pulls cases."""
    return min(LONGEST_WINDOW, int(np.ceil(WINDOW_SHARE * limit)))


def _window_weights(model: DurationModel, limit: int) -> FloatArray:
    """Weights of 0, 1, 2, ... days before the limit; they sum to 1."""
    weights = model.crowding ** np.arange(window_length(limit))
    result: FloatArray = weights / weights.sum()
    return result


def _days_before_limit(model: DurationModel, chance: FloatArray, limit: IntArray) -> IntArray:
    """Days before the limit on which a pulled case is finished."""
    limits = np.broadcast_to(limit, chance.shape)
    before = np.zeros(chance.shape, dtype=np.int64)
    for value in np.unique(limits):
        here = limits == value
        edges = np.cumsum(_window_weights(model, int(value)))[:-1]
        before[here] = np.searchsorted(edges, chance[here], side="right")
    return before


def _ready_shares(log_mean: float, log_sd: float) -> FloatArray:
    """Share of cases ready on each working day, the last one holding the tail."""
    from scipy.stats import norm

    edges = norm.cdf((np.log(np.arange(1, LONGEST_DAYS)) - log_mean) / log_sd)
    return np.diff(np.concatenate(([0.0, 0.0], edges, [1.0])))
