"""Which fillings of the hidden counts a method is run on, and a search for those extreme in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import numpy as np

from pilot_eval.estimation.adjustment import adjust_changes, why_not_adjustable
from pilot_eval.estimation.did import Units
from pilot_eval.evaluation.batch_methods import ANSWERS, Answers, adjustment_of
from pilot_eval.evaluation.filling_search import improve
from pilot_eval.evaluation.fillings import FilledUnits
from pilot_eval.inference.robust import Figure, find_extreme_rows, find_wider_rows
from pilot_eval.plan import EvaluationPlan

#: Methods that take long for each filling: they see only the fillings that decide a row.
SLOW = ("robust", "adjusted", "stratified_type", "stratified_region")
SCREENING_DRAWS = 499
STEPS = tuple(step for step in range(-20, 21) if step)
"""Children more or fewer in a count that the search for the adjusted set's ends tries."""
MANY_HIDDEN, STARTS, HALVING_ROUNDS = 110, 4, 200
"""Where more counts than that are hidden the search goes by halves, and from more fillings."""
FEW_HIDDEN, ROBUST_ROUNDS = 8, 10
"""Where more are hidden than that the robust test's own ends are searched, in so many rounds."""
EXTREMES_OF: tuple[tuple[Figure, int], ...] = (
    ("conf_low", -1),
    ("conf_high", 1),
    ("p_value", 1),
    ("p_value", -1),
)
"""Figures of a test, and the sign with which each is made as large as possible."""
EXTREMES = 2
"""Fillings kept at each end when a slow method is tried on all with few draws."""


def pick_rows(plan: EvaluationPlan, method: str, stack: Units, deciding: np.ndarray) -> np.ndarray:
    """Pick the fillings that a method is run on.

    Parameters
    ----------
    plan : EvaluationPlan
    method : str
    stack : Units
        At many fillings.
    deciding : ndarray of int
        Fillings that decide the ends of the difference in mean changes.

    Returns
    -------
    ndarray of int
        All for quick methods; for the adjusted test also those with its own least and largest
        estimate.
    """
    if method not in SLOW:
        return np.arange(len(stack.change))
    given = adjustment_of(plan, stack)
    if method != "adjusted" or why_not_adjustable(stack.treated, given["covariates"]):
        return deciding
    estimate = _estimate_adjusted(stack, given)
    return np.unique([*deciding, estimate.argmin(), estimate.argmax()])


def add_adjusted_corners(
    plan: EvaluationPlan, filled: FilledUnits, counts: np.ndarray
) -> np.ndarray:
    """Add the fillings with the least and the largest adjusted estimate, shape (fillings, h).

    The estimate is nearly linear in the counts: one child more in each of them gives its slope.
    From the corners that it names, and from the best of the given fillings, a search goes on cell
    by cell, since adjusting bends it; where many are hidden, by halves, from the best of several.
    """
    hidden = filled.hidden
    near = filled.at(hidden.middle() + np.vstack([np.zeros(len(hidden)), np.eye(len(hidden))]))
    given = adjustment_of(plan, near)
    if why_not_adjustable(near.treated, given["covariates"]):
        return counts
    estimate = _estimate_adjusted(near, given)
    slope, many = estimate[1:] - estimate[0], len(hidden) > MANY_HIDDEN
    found = []
    for sign in (-1, 1):

        def pull(units: Units, _: float = -np.inf, sign: int = sign) -> np.ndarray:
            return sign * _estimate_adjusted(units, given)

        tried = np.vstack([filled.corner(sign * slope), counts])
        ranked = np.argsort(-pull(filled.at(tried)), kind="stable")
        starts = tried[sorted({0, *map(int, ranked[: STARTS if many else 1])})]
        if many:  # how far ends and middles lead tells how far all steps do
            search = partial(improve, filled, halving=True, rounds=HALVING_ROUNDS)
            led = np.array([search(one, pull) for one in starts])
            found.append(search(led[pull(filled.at(led)).argmax()], pull, STEPS))
        else:
            found += [tried[0], *(improve(filled, one, pull, STEPS) for one in starts)]
    every = np.vstack([counts, *found])
    return np.asarray(every[np.sort(np.unique(every, axis=0, return_index=True)[1])])


def add_robust_extremes(
    plan: EvaluationPlan, filled: FilledUnits, counts: np.ndarray, deciding: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Add the fillings at which the robust test itself is extreme, found with few draws.

    Welch's t, by which fillings are chosen, ranks them as other draws would; where the test hardly
    rejects anything over a stretch, another filling's interval can be much longer. Where units
    start at different times all draws are made: few lead elsewhere, and such designs are few.

    Returns
    -------
    counts, deciding : ndarray
        With up to four more fillings, which decide too.
    """
    if len(filled.hidden) <= FEW_HIDDEN:
        return counts, deciding
    quick, found = plan if filled.base.paths else _with_few_draws(plan), []
    known = ANSWERS["robust"](quick, filled.at(counts[deciding]))
    for figure, sign in EXTREMES_OF:
        value = sign * getattr(known, figure)
        start = counts[deciding[np.where(np.isnan(value), -np.inf, value).argmax()]]
        objective = partial(_compute_robust, quick, figure=figure, sign=sign)
        found.append(improve(filled, start, objective, halving=True, rounds=ROBUST_ROUNDS))
    more = len(counts) + np.arange(len(found))
    return np.vstack([counts, *found]), np.concatenate([deciding, more])


def _compute_robust(
    plan: EvaluationPlan, units: Units, above: float, *, figure: Figure, sign: int
) -> np.ndarray:
    """Compute what the search makes as large as possible, where it exceeds what is known."""
    if units.paths is not None:
        value = sign * getattr(ANSWERS["robust"](plan, units), figure)
        return np.where(np.isnan(value), -np.inf, value)
    return find_extreme_rows(
        units.change,
        units.treated,
        units.cases,
        figure=figure,
        sign=sign,
        above=above,
        draws=plan.inference.draws,
        seed=plan.seed,
        alpha=plan.inference.alpha,
        period_factor=units.period_factor,
    )


def _estimate_adjusted(stack: Units, given: Mapping[str, np.ndarray]) -> np.ndarray:
    level = stack.known_level()
    residual = adjust_changes(stack.change, stack.treated, level, **given).residual
    return np.asarray(residual[:, stack.treated].mean(axis=1))


def add_wider(plan: EvaluationPlan, stack: Units, found: Answers) -> np.ndarray:
    """Find the fillings that the robust test's answer on some of them does not cover yet.

    Their p-values at the ends of its interval and at 0 tell, without their intervals. Where units
    start at different times these are of their changes alone, and few draws on paths tell besides.
    """
    hull = found.hull()
    wider = find_wider_rows(
        stack.change,
        stack.treated,
        stack.cases,
        low=hull["conf_low"],
        high=hull["conf_high"],
        p_value=hull["p_value"],
        draws=plan.inference.draws,
        seed=plan.seed,
        alpha=plan.inference.alpha,
        period_factor=stack.period_factor,
    )
    return wider if stack.paths is None else np.union1d(wider, pick_extremes(plan, "robust", stack))


def pick_extremes(plan: EvaluationPlan, method: str, stack: Units) -> np.ndarray:
    """Pick the fillings with extreme intervals and p-values, by a slow method with few draws."""
    found = ANSWERS[method](_with_few_draws(plan), stack)
    ranked = [-sign * getattr(found, figure) for figure, sign in EXTREMES_OF]
    return np.unique([np.argsort(key, kind="stable")[:EXTREMES] for key in ranked])


def _with_few_draws(plan: EvaluationPlan) -> EvaluationPlan:
    draws = min(SCREENING_DRAWS, plan.inference.draws)
    return plan.model_copy(update={"inference": plan.inference.model_copy(update={"draws": draws})})


def pick_fillings(units: Units, rows: np.ndarray | int) -> Units:
    """Take some of the fillings of a stack."""
    level = None if units.level is None else units.level[rows]
    paths = units.paths and replace(units.paths, changes=units.paths.changes[rows])
    return replace(units, change=units.change[rows], level=level, paths=paths)
