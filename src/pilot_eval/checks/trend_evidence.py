"""What the event study says about trends: coefficients and their covariance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

import numpy as np

from pilot_eval.doors import Numbers, takes
from pilot_eval.errors import InferenceError, explain
from pilot_eval.estimation.event_study import EventStudy, change_covariance

SINGULAR = 1e-10
"""Share of the largest eigenvalue, or of a square, below which a variance is rounding."""
FEWEST_COMPARATORS = 8
COMPARATORS_PER_COEFFICIENT = 2
"""Comparators below which intervals cover too seldom: measured in docs/methods-estimators.md."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrendEvidence:
    """Event-study coefficients with their covariance, reference period left out.

    Attributes
    ----------
    estimates : float array (n_pre + n_post,)
        Consecutive event times ..., -3, -2, then 0, 1, ...
    covariance : float array (n_pre + n_post, n_pre + n_post)
    n_pre : int
    target : float array (n_post,)
        Weights of the effect of interest; default in the builders: event time 0.
    df : float
        Degrees of freedom of the effect's standard error. Where finite, `bound_trends` widens the
        covariance by the squared ratio of the t to the normal critical value.
    reason : str
        Why no bound can be had from it, such as too few comparators; empty otherwise.
    """

    estimates: np.ndarray
    covariance: np.ndarray
    n_pre: int
    target: np.ndarray
    df: float = float("inf")
    reason: str = ""

    def __post_init__(self) -> None:
        n = len(self.estimates)
        if not (1 <= self.n_pre < n and np.shape(self.target) == (n - self.n_pre,)):
            refuse("n_pre", "leave one pre- and one post-treatment coefficient or more", self.n_pre)
        if not np.isfinite(self.estimates).all() or np.shape(self.covariance) != (n, n):
            refuse("estimates", "be finite, with a square covariance", np.shape(self.covariance))
        if not np.allclose(self.covariance, np.transpose(self.covariance), rtol=1e-8, atol=0.0):
            refuse("covariance", "be symmetric and finite", "another matrix")
        eigenvalues = np.linalg.eigvalsh(self.covariance)
        if not eigenvalues[0] > -1e-10 * eigenvalues[-1] or eigenvalues[-1] <= 0:
            refuse("covariance", "be positive semi-definite and not zero", "another matrix")
        if not self.df > 0:
            refuse("df", "be above 0", self.df)

    @property
    def is_singular(self) -> bool:
        """Whether some combination of the coefficients has no variance."""
        eigenvalues = np.linalg.eigvalsh(self.covariance)
        return bool(eigenvalues[0] <= SINGULAR * eigenvalues[-1])

    @property
    def n_post(self) -> int:
        """Number of post-treatment coefficients."""
        return len(self.target)

    @property
    def effect(self) -> float:
        """Estimate of the effect of interest under parallel trends."""
        return float(self.target @ self.estimates[self.n_pre :])

    @property
    def std_error(self) -> float:
        """Standard error of `effect`."""
        post = self.covariance[self.n_pre :, self.n_pre :]
        return float(np.sqrt(self.target @ post @ self.target))


@takes(InferenceError, target=Numbers(axis=None, ndim=(1,)))
def trend_evidence(
    study: EventStudy, target: np.ndarray | None = None, *, few_treated: bool = False
) -> TrendEvidence:
    """Take the longest consecutive run of complete event times around the reference.

    Parameters
    ----------
    study : EventStudy
        With reference -1 throughout (base "universal").
    target : float array (n_post,), optional
        Weights of post-treatment effects; default: event time 0 alone.
    few_treated : bool
        Take the coefficients' correlations from the comparators and the scale from the treated,
        with its Satterthwaite degrees of freedom, so that the intervals are as wide as the
        effect's t interval asks. Needed below 20 treated councils (coverage measured in
        ``docs/methods-estimators.md``, block RR).

    Returns
    -------
    TrendEvidence
        Covariance by Bell and McCaffrey's correction of the collapsed changes, unless
        `few_treated`.

    Raises
    ------
    InferenceError
        If there is no coefficient before the reference, or none after.
    """
    if study.base != "universal":
        refuse("study", 'have base "universal"', study.base)
    complete = set(study.event_times[np.isfinite(study.changes).all(0)].tolist())
    first, last = -1, -1
    while first - 1 in complete:
        first -= 1
    while last + 1 in complete:
        last += 1
    if first > -2 or last < 0:
        refuse("study", "have a complete event time before -1 and one after", (first, last))
    chosen = (study.event_times >= first) & (study.event_times <= last)
    chosen &= study.event_times != -1
    n_post = last + 1
    target = np.eye(n_post)[0] if target is None else target
    if target.shape != (n_post,):
        refuse("target", f"have one weight for each of {n_post} effects", target.size)
    changes = study.changes[:, chosen]
    covariance, df, reason = change_covariance(changes, study.treated), np.inf, ""
    n_pre = int(chosen.sum()) - n_post
    if few_treated:
        reason = _too_few(changes, study.treated)
        covariance, df = _few_treated_covariance(changes, study.treated, target, n_pre)
    return TrendEvidence(
        estimates=study.estimates[chosen],
        covariance=covariance,
        n_pre=n_pre,
        target=target,
        df=df,
        reason=reason,
    )


def _too_few(changes: np.ndarray, treated: np.ndarray) -> str:
    """Say so where there are too few comparators to learn the covariance from."""
    needed = max(FEWEST_COMPARATORS, COMPARATORS_PER_COEFFICIENT * changes.shape[1])
    found = int((~treated).sum())
    if found >= needed:
        return ""
    return (
        f"no bound: {found} comparators for {changes.shape[1]} coefficients, needs {needed} "
        "(docs/methods-estimators.md, block RR)"
    )


def _few_treated_covariance(
    changes: np.ndarray, treated: np.ndarray, target: np.ndarray, n_pre: int
) -> tuple[np.ndarray, float]:
    """Take the shape of the covariance from comparators, its scale from the treated.

    A covariance of many coefficients cannot be learnt from a few treated councils; weights chosen
    by it would fit its noise. Weights fitted on the comparators' covariance make it look smaller by
    a degree of freedom each, which is put back; the treated councils' scale has n1 - 1.
    """
    own, others = changes[treated], changes[~treated]
    if min(len(own), len(others)) < 2:
        refuse("study", "have two or more treated and comparators", len(own))
    shape = np.cov(others, rowvar=False)
    effect = changes[:, -len(target) :] @ target
    spread = effect[~treated].var(ddof=1)
    if not spread > SINGULAR * (effect**2).max():
        refuse("study", "have comparators that differ in their changes", "equal changes")
    ratio = effect[treated].var(ddof=1) / spread
    free, left = n_pre - 1, len(others) - 1
    corrected = left / (left - free) if left > free else 1.0  # too few: refused by `reason`
    return (ratio / len(own) + 1 / len(others)) * corrected * shape, float(len(own) - 1)


def refuse(name: str, rule: str, got: object) -> NoReturn:
    """Refuse an argument that does not follow its rule."""
    raise InferenceError(explain(name, rule, got, "See the method's block in the documentation."))
