"""Cluster-robust standard errors on collapsed changes: CR2, CR3, and CR1 where it can be trusted.

With one change a council and a treatment that switches once, the cluster-robust matrices of the
two-way fixed effects regression on a balanced panel reduce to the formulas here.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy.special import stdtr, stdtrit

from pilot_eval.inference.inputs import (
    Changes,
    check_changes,
    no_variation,
    takes_changes,
    why_not_estimable,
)
from pilot_eval.inference.randomisation import difference_of_means
from pilot_eval.inference.result import Counts, InferenceResult

Kind = Literal["cr1", "cr2", "cr3"]
FEWEST_VALIDATED = 3
"""Fewest treated councils at which simulation shows the stated error rate."""
FEWEST_FOR_CR1 = 20
"""Fewest treated councils for CR1, every package's default: with five it rejects 13% of nulls."""


@takes_changes()
def cr2_test(changes: np.ndarray, treated: np.ndarray, *, alpha: float = 0.05) -> InferenceResult:
    """Test the effect with the bias-reduced cluster-robust (CR2, Bell-McCaffrey) standard error.

    Parameters
    ----------
    changes : array of shape (n,)
        Mean after minus mean before, one value per council, in the outcome's unit.
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


@takes_changes()
def cr3_test(changes: np.ndarray, treated: np.ndarray, *, alpha: float = 0.05) -> InferenceResult:
    """Test the effect with the jackknife (CR3) standard error, larger than CR2's.

    Parameters
    ----------
    changes : array of shape (n,)
        Mean after minus mean before, one value per council, in the outcome's unit.
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


@takes_changes()
def cr1_test(changes: np.ndarray, treated: np.ndarray, *, alpha: float = 0.05) -> InferenceResult:
    """Test the effect with every package's default (CR1), refused below 20 treated councils.

    Parameters
    ----------
    changes : array of shape (n,)
        Mean after minus mean before, one value per council, in the outcome's unit.
    treated : bool array of shape (n,)
    alpha : float
        Level of the two-sided test and interval.

    Returns
    -------
    InferenceResult
        With fewer than 20 treated councils all NaN, with the reason.

    Raises
    ------
    InferenceError
        If the input is not one finite value a council.

    References
    ----------
    MacKinnon and Webb (2018), The Econometrics Journal 21(2), on why few treated clusters break it.

    Examples
    --------
    >>> import numpy as np
    >>> cr1_test(np.arange(30.0), np.arange(30) < 5).reason[:7]
    'refused'
    """
    return _cluster_robust("cr1", changes, treated, alpha)


def _cluster_robust(
    kind: Kind, changes: np.ndarray, treated: np.ndarray, alpha: float
) -> InferenceResult:
    data = check_changes(changes, treated)
    counts: Counts = {
        "n_treated": data.n_treated,
        "n_comparators": data.n_comparators,
        "alpha": alpha,
    }
    reason = _why_not(data, kind)
    if reason:
        return InferenceResult(method=kind, reason=reason, **counts)
    estimate = difference_of_means(data)
    variance, freedom = compute_cluster_robust(data.changes[None], data.treated[None], kind)
    std_error, df = float(np.sqrt(variance[0])), float(freedom[0])
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
    changes: np.ndarray, treated: np.ndarray, kind: Kind
) -> tuple[np.ndarray, np.ndarray]:
    """Compute variance of the effect and its degrees of freedom for a batch.

    A group's share is s^2/n in CR2 and s^2/(n-1) in CR3; their degrees of freedom are those of the
    sum of two independent scaled chi-squares with one common variance. CR1 scales the sum of the
    plain squares by N/(N-2) and counts N-1 degrees of freedom.

    Parameters
    ----------
    changes : array of shape (batch, n)
    treated : bool array of shape (batch, n)
    kind : {"cr1", "cr2", "cr3"}

    Returns
    -------
    variance, df : array of shape (batch,)
    """
    variance, mean, spread = 0.0, 0.0, 0.0
    for group in (treated, ~treated):
        n = group.sum(1)
        centre = np.where(group, changes, 0.0).sum(1) / n
        s2 = (np.where(group, changes - centre[:, None], 0.0) ** 2).sum(1) / (n - 1)
        size = {"cr1": n**2 / (n - 1), "cr2": n, "cr3": n - 1}[kind]
        variance = variance + s2 / size
        mean = mean + 1 / size
        spread = spread + 1 / (size**2 * (n - 1.0))
    if kind == "cr1":
        total = treated.shape[1]
        return variance * total / (total - 2), np.full(len(changes), total - 1.0)
    return variance, mean**2 / spread  # type: ignore[return-value]  # sums of arrays, from 0.0


def _why_not(data: Changes, kind: Kind) -> str:
    reason = why_not_estimable(data, min_treated=2, min_comparators=2)
    if not reason and no_variation(data.changes[data.treated]):
        return "not estimable: the treated councils' changes are all equal, so their spread is 0"
    if not reason and kind == "cr1" and data.n_treated < FEWEST_FOR_CR1:
        return (
            f"refused: CR1 rejects far too many true nulls with {data.n_treated} treated councils; "
            f"it needs {FEWEST_FOR_CR1}. Use the robust test or CR2."
        )
    return reason
