"""Goodman-Bacon decomposition: which two-group comparisons make up the pooled coefficient."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pandas as pd

from pilot_eval.doors import takes
from pilot_eval.errors import DesignError, explain
from pilot_eval.estimation.cohorts import CohortPanel, build_cohort_panel

COLUMNS = ["kind", "treated_from", "comparator_from", "estimate", "weight"]


@takes(DesignError)
def decompose_goodman_bacon(
    outcomes: np.ndarray, first_treated: np.ndarray, periods: np.ndarray | None = None
) -> pd.DataFrame:
    """Decompose the two-way fixed effects coefficient into its 2x2 comparisons.

    Parameters
    ----------
    outcomes : float array (n_units, n_periods)
        Complete: the theorem holds for balanced panels only.
    first_treated : float array (n_units,)
        First treated period; NaN = never treated. Units treated from the first period on serve
        as "always treated" comparators.
    periods : int array (n_periods,), optional

    Returns
    -------
    pandas.DataFrame
        One row per comparison: ``kind`` (treated_vs_never, earlier_vs_later, later_vs_earlier,
        later_vs_always), ``treated_from``, ``comparator_from`` (NaN = never treated),
        ``estimate``, ``weight``. Weights sum to 1; the weighted sum of estimates is the pooled
        coefficient. later_vs_earlier uses already treated units as comparators.

    Raises
    ------
    DesignError
        As `build_cohort_panel`; or if a value is missing.

    References
    ----------
    Goodman-Bacon (2021), J. Econometrics 225, theorem 1. ``docs/methods-estimators.md``,
    block GB.

    Examples
    --------
    >>> y = np.array([[1.0, 2.0, 6.0], [0.0, 1.0, 2.0]])
    >>> decompose_goodman_bacon(y, np.array([2.0, np.nan]))["estimate"].tolist()
    [3.0]
    """
    panel = build_cohort_panel(outcomes, first_treated, periods, always_treated="keep")
    if not panel.complete:
        raise DesignError(
            explain(
                "outcomes",
                "be complete for this decomposition",
                f"{int(np.isnan(panel.outcomes).sum())} missing values",
                "Leave incomplete councils or periods out, and say so.",
            )
        )
    rows = _comparisons(panel)
    whole = sum(weight for *_, weight in rows)
    return pd.DataFrame([(*row, weight / whole) for *row, weight in rows], columns=COLUMNS)


def _comparisons(panel: CohortPanel) -> list[tuple[str, float, float, float, float]]:
    member = panel.membership()
    size = member.sum(1)
    path = member @ panel.outcomes / np.where(size > 0, size, 1.0)[:, None]
    end = panel.shape[1]
    starts = np.append(panel.starts, end)  # the never treated "start" after the last period
    label = np.append(panel.start_periods.astype(float), np.nan)
    rows = []
    for k, j in permutations(range(len(starts)), 2):
        if size[k] == 0 or size[j] == 0 or starts[k] in (0, end):
            continue
        first, last = (0, starts[j]) if starts[k] < starts[j] else (starts[j], end)
        before, after = slice(first, starts[k]), slice(starts[k], last)
        change = path[:, after].mean(1) - path[:, before].mean(1)
        # (n_k + n_j)^2 n_kj (1 - n_kj) = n_k n_j; the window's variance of treatment, times its
        # squared length, is the product of its two parts' lengths.
        weight = size[k] * size[j] * (starts[k] - first) * (last - starts[k])
        rows.append(
            (_kind(starts[k], starts[j], end), label[k], label[j], change[k] - change[j], weight)
        )
    return rows


def _kind(start: int, other: int, end: int) -> str:
    if other == end:
        return "treated_vs_never"
    if other == 0:
        return "later_vs_always"
    return "earlier_vs_later" if start < other else "later_vs_earlier"
