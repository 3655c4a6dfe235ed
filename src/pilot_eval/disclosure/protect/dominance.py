"""Means and sums that tell of one contributor: too few behind them, or one far ahead."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pilot_eval.disclosure.protect.suppression import check_threshold
from pilot_eval.errors import DisclosureError, explain

# ACRO's and the UK data services' usual settings.
LARGEST = 2
SHARE = 0.9
RATIO = 0.1


def check_dominance(
    contributions: pd.Series,
    group: pd.Series,
    *,
    threshold: int,
    largest: int = LARGEST,
    share: float = SHARE,
    ratio: float = RATIO,
) -> pd.DataFrame:
    """Judge whether the mean (or sum) of each group may be shown.

    Parameters
    ----------
    contributions : pandas.Series of float
        What each child or episode adds, from 0: durations, counts, costs. Missing ones are left
        out.
    group : pandas.Series
        Group of each contribution, same index.
    threshold : int
        A mean of 1 to this many contributions is withheld.
    largest, share : int, float
        (n, k) rule: withheld when the `largest` contributions are more than `share` of the sum.
    ratio : float
        p% rule: withheld when all but the two largest sum to less than `ratio` of the largest,
        so that the second could estimate the first.

    Returns
    -------
    pandas.DataFrame
        One row a group: group, contributors, may_show, reason. No values.

    Raises
    ------
    DisclosureError
        For negative contributions.

    References
    ----------
    Hundepool, A. et al. (2012). Statistical Disclosure Control, chapter 4. Wiley.

    Examples
    --------
    >>> days = pd.Series([10, 12, 9, 11, 14, 13, 900, 1, 1, 1, 1, 1])
    >>> check_dominance(days, pd.Series(list("AAAAAABBBBBB")), threshold=5)["may_show"].tolist()
    [True, False]
    """
    check_threshold(threshold)
    if (contributions < 0).any():
        raise DisclosureError(
            explain("contributions", "be 0 or more", "a negative one", "Check it as two groups.")
        )
    rows = [
        {"group": name, **_judge(np.sort(values.dropna().to_numpy())[::-1], limits)}
        for limits in [(threshold, largest, share, ratio)]
        for name, values in contributions.groupby(group)
    ]
    return pd.DataFrame(rows, columns=["group", "contributors", "may_show", "reason"])


def _judge(values: np.ndarray, limits: tuple[int, int, float, float]) -> dict[str, object]:
    threshold, largest, share, ratio = limits
    total = values.sum()
    reason = ""
    if len(values) <= threshold:
        reason = "too few contributors"
    elif total > 0 and values[:largest].sum() > share * total:
        reason = f"the {largest} largest contributors make up more than {share:.0%}"
    elif total > 0 and values[2:].sum() < ratio * values[0]:
        reason = "the second largest contributor could estimate the largest"
    shown_count = len(values) if len(values) > threshold else np.nan
    return {"contributors": shown_count, "may_show": not reason, "reason": reason}
