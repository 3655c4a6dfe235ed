"""A check of the sharp test without the t distribution, and the points behind its variance."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pilot_eval.errors import InferenceError, explain
from pilot_eval.inference.inputs import check_changes, takes_changes, why_not_estimable
from pilot_eval.inference.randomisation import difference_of_means
from pilot_eval.inference.result import Counts, InferenceResult
from pilot_eval.inference.robust import fit_on_comparators
from pilot_eval.inference.set_statistics import TIE
from pilot_eval.inference.size_adjusted import MIN_COMPARATORS, comparator_squares

METHOD = "size_adjusted_resampling"


@takes_changes()
def resampling_test(
    changes: np.ndarray,
    treated: np.ndarray,
    cases: np.ndarray,
    *,
    draws: int = 9999,
    seed: int | np.random.Generator,
    period_factor: np.ndarray | None = None,
    alpha: float = 0.05,
) -> InferenceResult:
    """Check the size-adjusted t by resampling comparators rescaled to each council's variance.

    Parameters
    ----------
    changes : array of shape (n,)
        Mean after minus mean before, one value per council, in the outcome's unit.
    treated : bool array of shape (n,)
    cases : array of shape (n,)
        Cases behind each change, above 0.
    draws : int
    seed : int or numpy Generator
    period_factor : array of shape (n,), optional
    alpha : float

    Returns
    -------
    InferenceResult
        It shares the sharp test's assumption and takes the fitted variance as known, but not the
        shape of the errors.

    Raises
    ------
    InferenceError
        If the input is not one finite value a council, or cases are not above 0.

    References
    ----------
    Ferman and Pinto (2019), Review of Economics and Statistics 101(3), section III.

    Examples
    --------
    >>> import numpy as np
    >>> changes = np.r_[5.0, np.linspace(-1, 1, 30)]
    >>> resampling_test(changes, np.arange(31) == 0, np.full(31, 90.0), seed=1).p_value < 0.01
    True
    """
    data = check_changes(changes, treated, cases, period_factor)
    counts: Counts = {
        "n_treated": data.n_treated,
        "n_comparators": data.n_comparators,
        "alpha": alpha,
    }
    reason = why_not_estimable(data, min_treated=1, min_comparators=MIN_COMPARATORS)
    if reason:
        return InferenceResult(method=METHOD, reason=reason, **counts)
    root = np.sqrt(fit_on_comparators(data).variance[0])
    control = data.changes[~data.treated]
    n0 = control.size
    z = (control - control.mean()) / (root[~data.treated] * np.sqrt((n0 - 1) / n0))
    chosen = np.random.default_rng(seed).integers(n0, size=(draws, root.size))
    share = np.where(data.treated, 1 / data.n_treated, -1 / n0) * root
    null = np.sort(np.abs(z[chosen] @ share))
    estimate = difference_of_means(data)
    reached = draws - np.searchsorted(null, abs(estimate) * (1 - TIE))
    rank = min(int(np.floor(alpha * (draws + 1) + 1e-9)), draws)
    half = null[-rank] if rank else np.inf
    return InferenceResult(
        method=METHOD,
        estimate=estimate,
        p_value=float((1 + reached) / (1 + draws)),
        conf_low=float(estimate - half),
        conf_high=float(estimate + half),
        **counts,
    )


@takes_changes()
def variance_points(
    changes: np.ndarray,
    treated: np.ndarray,
    cases: np.ndarray,
    *,
    period_factor: np.ndarray | None = None,
) -> pd.DataFrame:
    """List what the variance function was fitted to, for a plot of squares against size.

    Parameters
    ----------
    changes : array of shape (n,)
    treated : bool array of shape (n,)
    cases : array of shape (n,)
    period_factor : array of shape (n,), optional

    Returns
    -------
    pandas.DataFrame
        One row per council, in the order given: cases, square (squared deviation from the
        comparators' mean times n0 / (n0 - 1)), fitted variance, treated. The treated councils'
        squares hold any effect and were not fitted.

    Raises
    ------
    InferenceError
        If the input is not usable, or there are too few comparators.

    Examples
    --------
    >>> import numpy as np
    >>> points = variance_points(np.arange(8.0), np.arange(8) < 2, np.full(8, 50.0))
    >>> list(points.columns)
    ['cases', 'square', 'fitted', 'treated']
    """
    data = check_changes(changes, treated, cases, period_factor)
    reason = why_not_estimable(data, min_treated=0, min_comparators=MIN_COMPARATORS)
    if reason:
        action = "There is no variance function to show."
        raise InferenceError(explain("changes", "allow a variance function", reason, action))
    return pd.DataFrame(
        {
            "cases": data.cases,
            "square": comparator_squares(data.changes[None], data.treated[None])[0],
            "fitted": fit_on_comparators(data).variance[0],
            "treated": data.treated,
        }
    )
