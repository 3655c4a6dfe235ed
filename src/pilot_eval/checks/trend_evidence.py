"""What the event study says about trends: coefficients and their covariance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

import numpy as np

from pilot_eval.errors import InferenceError, explain
from pilot_eval.estimation.event_study import EventStudy, change_covariance


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
    """

    estimates: np.ndarray
    covariance: np.ndarray
    n_pre: int
    target: np.ndarray
    df: float = float("inf")

    def __post_init__(self) -> None:
        n = len(self.estimates)
        if not (1 <= self.n_pre < n and np.shape(self.target) == (n - self.n_pre,)):
            refuse("n_pre", "leave one pre- and one post-treatment coefficient or more", self.n_pre)
        if not np.isfinite(self.estimates).all() or np.shape(self.covariance) != (n, n):
            refuse("estimates", "be finite, with a square covariance", np.shape(self.covariance))
        eigenvalues = np.linalg.eigvalsh(self.covariance)
        if not eigenvalues[0] > -1e-10 * eigenvalues[-1] or eigenvalues[-1] <= 0:
            refuse("covariance", "be positive semi-definite and not zero", "another matrix")
        if not self.df > 0:
            refuse("df", "be above 0", self.df)

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
    target = np.eye(n_post)[0] if target is None else np.asarray(target, dtype=float)
    changes = study.changes[:, chosen]
    covariance, df = change_covariance(changes, study.treated), np.inf
    if few_treated:
        covariance, df = _few_treated_covariance(changes, study.treated, target)
    return TrendEvidence(
        estimates=study.estimates[chosen],
        covariance=covariance,
        n_pre=int(chosen.sum()) - n_post,
        target=target,
        df=df,
    )


def _few_treated_covariance(
    changes: np.ndarray, treated: np.ndarray, target: np.ndarray
) -> tuple[np.ndarray, float]:
    """Take the shape of the covariance from comparators, its scale from the treated.

    A covariance of many coefficients cannot be learnt from a few treated councils; weights chosen
    by it would fit its noise. The standard error of the effect is the same as without.
    """
    own, others = changes[treated], changes[~treated]
    shape = np.cov(others, rowvar=False)
    effect = changes[:, -len(target) :] @ target
    ratio = effect[treated].var(ddof=1) / effect[~treated].var(ddof=1)
    parts = ratio / len(own), 1 / len(others)
    spread = parts[0] ** 2 / (len(own) - 1) + parts[1] ** 2 / (len(others) - 1)
    return sum(parts) * shape, float(sum(parts) ** 2 / spread)


def refuse(name: str, rule: str, got: object) -> NoReturn:
    """Refuse an argument that does not follow its rule."""
    raise InferenceError(explain(name, rule, got, "See the method's block in the documentation."))
