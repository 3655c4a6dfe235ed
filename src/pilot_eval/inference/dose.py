"""An effect in proportion to a dose: councils exposed for longer, or in more of their teams."""

from __future__ import annotations

import numpy as np

from pilot_eval.doors import Numbers
from pilot_eval.inference.assignments import draw_assignments
from pilot_eval.inference.inputs import (
    check_changes,
    takes_changes,
    why_not_estimable,
)
from pilot_eval.inference.inversion import invert_test
from pilot_eval.inference.result import Counts, InferenceResult
from pilot_eval.inference.robust import FEWEST_VALIDATED, NOT_VALIDATED
from pilot_eval.inference.set_statistics import TIE
from pilot_eval.inference.size_adjusted import MIN_COMPARATORS

METHOD = "dose"
BISECTIONS = 24
"""Halvings around an interval's end: to a ten millionth of a standard error or two."""


@takes_changes(doses=Numbers(least=0, ndim=(1,)))
def dose_test(
    changes: np.ndarray,
    doses: np.ndarray,
    *,
    draws: int = 9999,
    seed: int | np.random.Generator,
    alpha: float = 0.05,
) -> InferenceResult:
    """Test an effect that is proportional to a dose, by handing the doses to other councils.

    The estimate is the effect of a full dose: the slope through the origin of treated councils'
    changes, minus the comparators' mean, on their doses. Its statistic is divided by a standard
    error from the treated councils' own residuals.

    Parameters
    ----------
    changes : array of shape (n,)
        Mean after minus mean before, in the outcome's unit.
    doses : array of shape (n,)
        0 for comparators, else above 0; 1 is a full dose.
    draws : int
        Random sets of councils that are given the doses, in random order.
    seed : int or numpy Generator
    alpha : float
        Level of the two-sided test; the interval holds the effects it does not reject.

    Returns
    -------
    InferenceResult
        Diagnostics: `mean_dose`, of the treated. With equal doses of 1 the estimate is the
        difference-in-differences.

    Raises
    ------
    InferenceError
        If the input is not one finite value for each council, or a dose is below 0.

    Notes
    -----
    A reading under two assumptions more than the average effect needs: that the effect grows in
    proportion to the dose, and that doses were not given by expected effect (Callaway,
    Goodman-Bacon and Sant'Anna, 2024, NBER working paper 32117).

    Examples
    --------
    >>> import numpy as np
    >>> changes = np.random.default_rng(1).normal(size=60)
    >>> doses = np.r_[1.0, 1.0, 0.8, 0.3, np.zeros(56)]
    >>> result = dose_test(changes + 5 * doses, doses, draws=999, seed=1)
    >>> result.conf_low < 5 < result.conf_high
    True
    """
    given = doses
    data = check_changes(changes, given > 0)
    counts: Counts = {
        "n_treated": data.n_treated,
        "n_comparators": data.n_comparators,
        "alpha": alpha,
    }
    reason = why_not_estimable(data, min_treated=2, min_comparators=MIN_COMPARATORS)
    if reason:
        return InferenceResult(method=METHOD, reason=reason, **counts)
    rng = np.random.default_rng(seed)
    actual = np.flatnonzero(data.treated)[None]
    members = draw_assignments(data.treated, draws=draws, seed=rng).members
    members, dose = rng.permuted(members, axis=1), given[actual[0]]

    def p_value(effect: np.ndarray) -> np.ndarray:
        rest = data.changes - effect[0] * given
        found, drawn = _statistics(rest, actual, dose)[0], _statistics(rest, members, dose)
        reached = np.count_nonzero(np.abs(drawn) >= abs(found) * (1 - TIE))
        return np.array([(1 + reached) / (1 + len(drawn))])

    estimate = _slopes(data.changes, actual, dose)
    scale = _slopes(data.changes, members, dose).std(keepdims=True)
    low, high = invert_test(p_value, estimate, scale, alpha, BISECTIONS)
    return InferenceResult(
        method=METHOD,
        estimate=float(estimate[0]),
        p_value=float(p_value(np.zeros(1))[0]),
        conf_low=float(low[0]),
        conf_high=float(high[0]),
        reason=NOT_VALIDATED if data.n_treated < FEWEST_VALIDATED else "",
        diagnostics={"mean_dose": float(dose.mean())},
        **counts,
    )


def _slopes(changes: np.ndarray, members: np.ndarray, dose: np.ndarray) -> np.ndarray:
    result: np.ndarray = _deviations(changes, members) @ dose / (dose @ dose)
    return result


def _statistics(changes: np.ndarray, members: np.ndarray, dose: np.ndarray) -> np.ndarray:
    """Divide slopes by standard errors from residuals, corrected for the slope fitted."""
    own = _deviations(changes, members)
    slope = own @ dose / (dose @ dose)
    weight = dose / (dose @ dose)
    left = 1 - dose * weight
    residual = (own - slope[:, None] * dose) / np.where(left > TIE, left, 1.0) ** 0.5
    rest = len(changes) - len(dose)
    outside = changes.var(ddof=1) * weight.sum() ** 2 / rest
    error = np.sqrt((residual**2 * weight**2).sum(axis=1) + outside)
    result: np.ndarray = np.divide(slope, error, out=np.zeros_like(slope), where=error > 0)
    return result


def _deviations(changes: np.ndarray, members: np.ndarray) -> np.ndarray:
    """Take members' changes minus the mean of all others, shape of `members`."""
    own = changes[members]
    others = (changes.sum() - own.sum(axis=1)) / (len(changes) - members.shape[1])
    result: np.ndarray = own - others[:, None]
    return result
