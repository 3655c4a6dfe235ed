"""Aggregates of group-time effects: simple, dynamic, group, calendar."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from pilot_eval.doors import takes
from pilot_eval.errors import DesignError
from pilot_eval.estimation.group_time import GroupTime

Kind = Literal["simple", "dynamic", "group", "calendar"]
KINDS = ("simple", "dynamic", "group", "calendar")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Aggregate:
    """Averages of group-time effects.

    Attributes
    ----------
    kind : str
    labels : int array (n_labels,)
        Event times, first treated periods or calendar periods; empty for "simple".
    estimates : float array (n_labels,)
    overall : float
    influence : float array (n_units, n_labels) or None
    overall_influence : float array (n_units,) or None
        As `GroupTime.influence`, with the estimated cohort shares accounted for.
    """

    kind: str
    labels: np.ndarray
    estimates: np.ndarray
    overall: float
    influence: np.ndarray | None
    overall_influence: np.ndarray | None

    @property
    def overall_std_error(self) -> float:
        """Large-sample standard error; not for inference where few councils are treated."""
        if self.overall_influence is None:
            return float("nan")
        return float(np.sqrt((self.overall_influence**2).sum()))


@takes(DesignError)
def aggregate_group_time(effects: GroupTime, kind: Kind = "simple") -> Aggregate:
    """Average group-time effects.

    Parameters
    ----------
    effects : GroupTime
    kind : {"simple", "dynamic", "group", "calendar"}
        Average of all post-treatment cells, by event time, by cohort or by calendar period; the
        overall figure of the last three averages their labels (event times from 0 on).

    Returns
    -------
    Aggregate
        Cells that are not estimable are left out of every average.

    References
    ----------
    Callaway and Sant'Anna (2021), section 3.2. ``docs/methods-estimators.md``, block GT.
    """
    cell = _Cells.of(effects)
    if kind == "simple":
        mean, psi = cell.average(cell.post)
        return _result(kind, np.array([], dtype=int), np.array([]), None, mean, psi)
    label_of = {
        "dynamic": cell.event_time,
        "group": effects.panel.start_periods[cell.g],
        "calendar": effects.panel.periods[cell.t],
    }[kind]
    usable = np.isfinite(cell.att) & (cell.post if kind != "dynamic" else True)
    labels = np.unique(label_of[usable])
    parts = [cell.average(usable & (label_of == label), equal=kind == "group") for label in labels]
    estimates = np.array([mean for mean, _ in parts])
    psi = (
        None if cell.influence is None else np.column_stack([p for _, p in parts if p is not None])
    )
    chosen = labels >= 0 if kind == "dynamic" else np.ones(len(labels), dtype=bool)
    overall, overall_psi = _overall(effects, kind, labels, estimates, psi, chosen)
    return _result(kind, labels, estimates, psi, overall, overall_psi)


def _overall(
    effects: GroupTime,
    kind: str,
    labels: np.ndarray,
    estimates: np.ndarray,
    psi: np.ndarray | None,
    chosen: np.ndarray,
) -> tuple[float, np.ndarray | None]:
    if kind != "group":
        mean = float(estimates[chosen].mean()) if chosen.any() else float("nan")
        return mean, None if psi is None else psi[:, chosen].mean(1)
    rows = np.searchsorted(effects.panel.start_periods, labels)
    return _share_weighted(effects, rows, estimates, psi)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Cells:
    """The group-time effects as one list of cells."""

    effects: GroupTime
    g: np.ndarray
    t: np.ndarray
    att: np.ndarray
    influence: np.ndarray | None

    @classmethod
    def of(cls, effects: GroupTime) -> _Cells:
        g, t = (index.ravel() for index in np.indices(effects.att_gt.shape))
        psi = effects.influence
        flat = None if psi is None else psi.reshape(len(psi), -1)
        return cls(effects=effects, g=g, t=t, att=effects.att_gt.ravel(), influence=flat)

    @property
    def event_time(self) -> np.ndarray:
        result: np.ndarray = self.t - self.effects.panel.starts[self.g]
        return result

    @property
    def post(self) -> np.ndarray:
        return self.event_time >= 0

    def average(
        self, chosen: np.ndarray, *, equal: bool = False
    ) -> tuple[float, np.ndarray | None]:
        """Average the chosen cells by cohort share, or equally (then shares play no part)."""
        chosen = chosen & np.isfinite(self.att)
        psi = None if self.influence is None else self.influence[:, chosen]
        if not chosen.any():
            return float("nan"), psi if psi is None else np.full(len(psi), np.nan)
        if equal:
            return float(self.att[chosen].mean()), None if psi is None else psi.mean(1)
        return _share_weighted(self.effects, self.g[chosen], self.att[chosen], psi)


def _share_weighted(
    effects: GroupTime, rows: np.ndarray, values: np.ndarray, psi: np.ndarray | None
) -> tuple[float, np.ndarray | None]:
    """Weight values by the share of their cohort, and carry the shares' own sampling error."""
    member = effects.panel.membership()[:-1]
    share = member.sum(1)[rows]
    weight = share / share.sum()
    mean = float(weight @ values)
    if psi is None:
        return mean, None
    own = member - member.sum(1)[:, None] / member.shape[1]
    return mean, psi @ weight + own[rows].T @ (values - mean) / share.sum()


def _result(
    kind: str,
    labels: np.ndarray,
    estimates: np.ndarray,
    psi: np.ndarray | None,
    overall: float,
    overall_psi: np.ndarray | None,
) -> Aggregate:
    return Aggregate(
        kind=kind,
        labels=labels,
        estimates=estimates,
        overall=overall,
        influence=psi,
        overall_influence=overall_psi,
    )
