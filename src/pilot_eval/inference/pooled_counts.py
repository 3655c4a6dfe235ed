"""Counts pooled over councils: how the odds or the rate of an event changed, by randomisation."""

from __future__ import annotations

from typing import Literal

import numpy as np

from pilot_eval.doors import ALPHA, Flags, Numbers, OneOf, Seed, Whole, takes
from pilot_eval.errors import InferenceError, explain
from pilot_eval.inference.assignments import draw_assignments
from pilot_eval.inference.inputs import check_changes
from pilot_eval.inference.inversion import invert_test
from pilot_eval.inference.result import Counts, InferenceResult
from pilot_eval.inference.set_statistics import TIE
from pilot_eval.inference.size_adjusted import MIN_COMPARATORS

METHOD = "pooled_counts"
Link = Literal["odds", "rate"]
BISECTIONS = 24
"""Halvings around an interval's end: to seven digits of a logarithm."""
LARGEST = 50.0
"""Effects beyond it, in logarithms, are as good as infinite."""
START = 0.5
"""First step away from an estimate when its interval is sought, in logarithms."""


@takes(
    InferenceError,
    events=Numbers(least=0, ndim=(2,)),
    exposure=Numbers(above=0, ndim=(2,)),
    treated=Flags(),
    link=OneOf(("odds", "rate")),
    draws=Whole(),
    seed=Seed(),
    alpha=ALPHA,
)
def pooled_counts_test(
    events: np.ndarray,
    exposure: np.ndarray,
    treated: np.ndarray,
    *,
    link: Link,
    draws: int = 9999,
    seed: int | np.random.Generator,
    alpha: float = 0.05,
) -> InferenceResult:
    """Estimate a ratio of odds or rates by binomial or Poisson difference-in-differences.

    The saturated generalised linear model of group and period, in which a child counts as much as
    any other and a large council for more. Its own standard errors treat children of a council as
    independent, so the p-value comes from other treated sets instead.

    Parameters
    ----------
    events, exposure : array of shape (n, 2)
        Counts and denominators (or children at risk) before and after, one row per council.
    treated : bool array of shape (n,)
    link : {"odds", "rate"}
        Binomial with logit link, or Poisson with logarithmic link and exposure.
    draws : int
    seed : int or numpy Generator
    alpha : float

    Returns
    -------
    InferenceResult
        `estimate` and interval are natural logarithms of the ratio: of the treated councils' odds
        or rate after to before, over the comparators' ratio.

    Raises
    ------
    InferenceError
        If shapes disagree, a count is missing or below 0, or more than its denominator where there
        are odds.

    References
    ----------
    Puhani (2012), Economics Letters 115(1), for the effect in a nonlinear model; McCullagh and
    Nelder (1989), Generalized Linear Models, section 9.2, for the dispersion that is ignored there.

    Examples
    --------
    >>> import numpy as np
    >>> doubled, others = [[19.0, 40.0], [20.0, 42.0], [21.0, 38.0]], [[29.0, 31.0], [31.0, 29.0]]
    >>> events = np.array(doubled + others * 6)
    >>> exposure = np.full((15, 2), 100.0)
    >>> treated = np.arange(15) < 3
    >>> result = pooled_counts_test(events, exposure, treated, link="rate", seed=1)
    >>> round(float(np.exp(result.estimate)), 6)
    2.0
    """
    if events.shape[1] != 2 or exposure.shape != events.shape:
        action = "Give counts and denominators before and after."
        raise InferenceError(explain("events", "have two columns", f"shape {events.shape}", action))
    if link == "odds" and (events > exposure).any():
        rule, action = "be at most their denominator", "Correct the counts."
        raise InferenceError(explain("events", rule, "more", action))
    data = check_changes(events[:, 1] - events[:, 0], treated)
    counts: Counts = {
        "n_treated": data.n_treated,
        "n_comparators": data.n_comparators,
        "alpha": alpha,
    }
    if data.n_treated < 2 or data.n_comparators < MIN_COMPARATORS:
        reason = f"not estimable: needs 2 treated councils and {MIN_COMPARATORS} comparators"
        return InferenceResult(method=METHOD, reason=reason, **counts)
    assignments = draw_assignments(data.treated, draws=draws, seed=seed)
    actual = np.flatnonzero(data.treated)[None]
    found, error = _statistics(events, exposure, actual, link)
    if not (np.isfinite(found[0]) and error[0] > 0):
        reason = "not estimable: a group has no events, or nothing but events, on one side"
        return InferenceResult(method=METHOD, reason=reason, **counts)

    members = assignments.members
    moving = data.treated[members].any(1)  # sets whose own counts an effect changes
    pooled = _pool(events, exposure, members, link)

    def p_value(effect: np.ndarray) -> np.ndarray:
        moved = _take_off(events, exposure, data.treated, float(effect[0]), link)
        centre = _standardise(*_statistics(moved, exposure, actual, link))[0]
        for part, new in zip(pooled, _pool(moved, exposure, members[moving], link), strict=True):
            part[moving] = new
        drawn = _standardise(*_compare(moved, exposure, pooled, link))
        reached = np.count_nonzero(np.abs(drawn) >= abs(centre) * (1 - TIE))
        return np.atleast_1d(assignments.p_value(np.array(reached)))

    low, high = invert_test(p_value, found, np.array([START]), alpha, BISECTIONS)
    return InferenceResult(
        method=METHOD,
        estimate=float(found[0]),
        p_value=float(p_value(np.zeros(1))[0]),
        conf_low=float(low[0]),
        conf_high=float(high[0]),
        **counts,
    )


def _take_off(
    events: np.ndarray, exposure: np.ndarray, treated: np.ndarray, effect: float, link: Link
) -> np.ndarray:
    """Take a hypothesised effect off the treated councils' counts after the start."""
    moved = events.copy()
    share = events[treated, 1] / exposure[treated, 1]
    if link == "rate":
        share = share * np.exp(-np.clip(effect, -LARGEST, LARGEST))
    else:
        share = share / (share + (1 - share) * np.exp(np.clip(effect, -LARGEST, LARGEST)))
    moved[treated, 1] = exposure[treated, 1] * share
    return moved


def _statistics(
    events: np.ndarray, exposure: np.ndarray, members: np.ndarray, link: Link
) -> tuple[np.ndarray, np.ndarray]:
    """Compute the log ratio of each set and its standard error, councils being the clusters."""
    return _compare(events, exposure, _pool(events, exposure, members, link), link)


def _pool(
    events: np.ndarray, exposure: np.ndarray, members: np.ndarray, link: Link
) -> tuple[np.ndarray, ...]:
    """Sum events and exposure of each set; compute its log change and the variance of that."""
    own = events[members], exposure[members]
    return own[0].sum(1), own[1].sum(1), *_log_change(*own, link)


def _compare(
    events: np.ndarray, exposure: np.ndarray, pooled: tuple[np.ndarray, ...], link: Link
) -> tuple[np.ndarray, np.ndarray]:
    """Take the log change of all others off that of each set, as from `_pool`."""
    own_events, own_exposure, log_own, variance_own = pooled
    rest = events.sum(0) - own_events, exposure.sum(0) - own_exposure
    log_rest, _ = _log_change(rest[0][:, None], rest[1][:, None], link)
    with np.errstate(invalid="ignore"):  # neither has events on one side
        return log_own - log_rest, np.sqrt(variance_own)


def _log_change(
    events: np.ndarray, exposure: np.ndarray, link: Link
) -> tuple[np.ndarray, np.ndarray]:
    """Pool sets of councils, shape (sets, k, 2); give log change and linearised variance."""
    total = exposure.sum(1)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = events.sum(1) / total
        log = np.log(share) if link == "rate" else np.log(share) - np.log1p(-share)
        slope = 1 / share if link == "rate" else 1 / (share * (1 - share))
        pull = (events - share[:, None] * exposure) / total[:, None] * slope[:, None]
        score = pull[..., 1] - pull[..., 0]
        change = log[:, 1] - log[:, 0]  # nothing where a set has no events on either side
    k = events.shape[1]
    return change, (score**2).sum(1) * k / max(k - 1, 1)


def _standardise(log_ratio: np.ndarray, error: np.ndarray) -> np.ndarray:
    usable = np.isfinite(log_ratio) & (error > 0)
    result: np.ndarray = np.divide(log_ratio, error, out=np.zeros_like(log_ratio), where=usable)
    return result
