"""CR2 and CR3 standard errors with Satterthwaite degrees of freedom, on collapsed changes.

With one change a council and a treatment that switches once, the cluster-robust matrices of the
two-way fixed effects regression on a balanced panel reduce to the formulas here.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy.special import stdtr, stdtrit

from pilot_eval.inference.inputs import Changes, check_changes, no_variation, why_not_estimable
from pilot_eval.inference.randomisation import difference_of_means
from pilot_eval.inference.result import InferenceResult

FEWEST_VALIDATED = 3
"""Fewest treated councils at which simulation shows the stated error rate."""


def cr2_test(changes: np.ndarray, treated: np.ndarray, *, alpha: float = 0.05) -> InferenceResult:
    """Test the effect with the bias-reduced cluster-robust (CR2, Bell-McCaffrey) standard error.

    Parameters
    ----------
    changes : array of shape (n,)
        Mean after minus mean before, one value a council, in the outcome's unit.
    treated : bool array of shape (n,)
    alpha : float
        Level of the two-sided test and interval.

    Returns
    -------
    InferenceResult
        All NaN with one treated council, whose own spread cannot be seen; marked as not validated
        with two.

    Raises
    ------
    InferenceError
        If the input is not one finite value a council.

    References
    ----------
    Bell and McCaffrey (2002), Survey Methodology 28(2); Imbens and Kolesar (2016), Review of
    Economics and Statistics 98(4); Pustejovsky and Tipton (2018), JBES 36(4).

    Examples
    --------
    >>> import numpy as np
    >>> result = cr2_test(np.array([3.0, 5.0, 0.0, 1.0, 2.0]), np.arange(5) < 2)
    >>> result.estimate, round(result.std_error, 4)
    (3.0, 1.1547)
    """
    return _cluster_robust("cr2", changes, treated, alpha)


def cr3_test(changes: np.ndarray, treated: np.ndarray, *, alpha: float = 0.05) -> InferenceResult:
    """Test the effect with the jackknife (CR3) standard error, larger than CR2's.

    Parameters
    ----------
    changes : array of shape (n,)
        Mean after minus mean before, one value a council, in the outcome's unit.
    treated : bool array of shape (n,)
    alpha : float
        Level of the two-sided test and interval.

    Returns
    -------
    InferenceResult

    Raises
    ------
    InferenceError
        If the input is not one finite value a council.

    References
    ----------
    Pustejovsky and Tipton (2018), JBES 36(4); MacKinnon, Nielsen and Webb (2023), Journal of
    Applied Econometrics 38(5).

    Examples
    --------
    >>> import numpy as np
    >>> result = cr3_test(np.array([3.0, 5.0, 0.0, 1.0, 2.0]), np.arange(5) < 2)
    >>> round(result.std_error, 4)
    1.5811
    """
    return _cluster_robust("cr3", changes, treated, alpha)


def _cluster_robust(
    kind: Literal["cr2", "cr3"], changes: object, treated: object, alpha: float
) -> InferenceResult:
    data = check_changes(changes, treated, alpha=alpha)
    counts = {"n_treated": data.n_treated, "n_comparators": data.n_comparators, "alpha": alpha}
    reason = _why_not(data)
    if reason:
        return InferenceResult(method=kind, reason=reason, **counts)
    estimate = difference_of_means(data)
    variance, df = compute_cluster_robust(data.changes[None], data.treated[None], kind)
    std_error, df = float(np.sqrt(variance[0])), float(df[0])
    half = float(stdtrit(df, 1 - alpha / 2)) * std_error
    p_value = max(2 * float(stdtr(df, -abs(estimate) / std_error)), np.finfo(float).tiny)
    few = data.n_treated < FEWEST_VALIDATED
    return InferenceResult(
        method=kind,
        estimate=estimate,
        std_error=std_error,
        df=df,
        p_value=p_value,
        conf_low=estimate - half,
        conf_high=estimate + half,
        reason="not validated: two treated councils leave one degree of freedom" if few else "",
        **counts,
    )


def compute_cluster_robust(
    changes: np.ndarray, treated: np.ndarray, kind: Literal["cr2", "cr3"]
) -> tuple[np.ndarray, np.ndarray]:
    """Compute variance of the effect and its degrees of freedom for a batch.

    A group's share is s^2/n in CR2 and s^2/(n-1) in CR3; the degrees of freedom are those of the
    sum of two independent scaled chi-squares with one common variance.

    Parameters
    ----------
    changes : array of shape (batch, n)
    treated : bool array of shape (batch, n)
    kind : {"cr2", "cr3"}

    Returns
    -------
    variance, df : array of shape (batch,)
    """
    variance, mean, spread = 0.0, 0.0, 0.0
    for group in (treated, ~treated):
        n = group.sum(1)
        centre = np.where(group, changes, 0.0).sum(1) / n
        s2 = (np.where(group, changes - centre[:, None], 0.0) ** 2).sum(1) / (n - 1)
        size = n if kind == "cr2" else n - 1
        variance = variance + s2 / size
        mean = mean + 1 / size
        spread = spread + 1 / (size**2 * (n - 1.0))
    return variance, mean**2 / spread


def _why_not(data: Changes) -> str:
    reason = why_not_estimable(data, min_treated=2, min_comparators=2)
    if not reason and no_variation(data.changes[data.treated]):
        return "not estimable: the treated councils' changes are all equal, so their spread is 0"
    return reason
