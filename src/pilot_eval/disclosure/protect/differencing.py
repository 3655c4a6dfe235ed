"""What subtraction tells: one release from another, one group from a larger one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import permutations

import pandas as pd

from pilot_eval.disclosure.protect.suppression import check_threshold
from pilot_eval.errors import DisclosureError, explain


def check_releases(
    earlier: pd.DataFrame,
    later: pd.DataFrame,
    *,
    keys: Sequence[str],
    count: str,
    threshold: int,
) -> pd.DataFrame:
    """List the figures that two releases of one table tell more about than each alone.

    Parameters
    ----------
    earlier, later : pandas.DataFrame
        Tidy published tables: `keys` identify a row; `count` holds numbers and symbols.
    keys : sequence of str
        Columns that identify a figure, once each.
    count : str
        Column of counts of children.
    threshold : int

    Returns
    -------
    pandas.DataFrame
        `keys`, verdict (``fail`` or ``review``) and reason; no values. Empty: nothing to worry
        about.

    Raises
    ------
    DisclosureError
        If `keys` do not identify the rows.

    Examples
    --------
    >>> first = pd.DataFrame({"area": ["A", "B"], "n": [40, 20]})
    >>> check_releases(first, first.assign(n=[43, 20]), keys=["area"], count="n", threshold=5)
      area verdict                                             reason
    0    A    fail  the change between the releases tells of a few...
    """
    check_threshold(threshold)
    both = _pair(earlier, later, keys, count)
    before, after = (pd.to_numeric(both[f"{count}_{when}"], errors="coerce") for when in (1, 2))
    change = (after - before).abs()
    reasons = {
        ("fail", "the change between the releases tells of a few children"): change.between(
            1, threshold
        ),
        ("fail", "printed before and withheld now: withholding it protects nobody"): (
            before.notna() & (before != 0) & after.isna()
        ),
        ("review", "withheld before and printed now: pass the earlier release to protect_table"): (
            before.isna() & after.notna()
        ),
    }
    found = [
        both.loc[rows, list(keys)].assign(verdict=verdict, reason=reason)
        for (verdict, reason), rows in reasons.items()
    ]
    return pd.concat(found).sort_index().reset_index(drop=True)


def find_close_groups(
    groups: Mapping[str, Iterable[object]], counts: pd.Series, *, threshold: int
) -> pd.DataFrame:
    """List pairs of groups whose difference is one council, or a count too small to show.

    Figures for "all eight" and for "seven of them" are a figure for the eighth, whatever the table
    prints of it; that holds for means and estimates as much as for counts.

    Parameters
    ----------
    groups : mapping of str to labels
        Groups with figures of their own.
    counts : pandas.Series
        Children behind each label.
    threshold : int

    Returns
    -------
    pandas.DataFrame
        outer, inner, left_over (number of labels), verdict, reason.
    """
    check_threshold(threshold)
    sets = {name: frozenset(group) for name, group in groups.items()}
    rows = [
        {"outer": outer, "inner": inner, **_judge(sets[outer] - sets[inner], counts, threshold)}
        for outer, inner in permutations(sets, 2)
        if sets[inner] < sets[outer]
    ]
    columns = ["outer", "inner", "left_over", "verdict", "reason"]
    found = pd.DataFrame(rows, columns=columns)
    return found[found["verdict"] != "pass"].reset_index(drop=True)


def _judge(rest: frozenset, counts: pd.Series, threshold: int) -> dict[str, object]:
    children = counts.reindex(list(rest)).sum()
    verdict, reason = "pass", ""
    if len(rest) == 1:
        verdict, reason = "review", "the two figures together are a figure for one council"
    if 1 <= children <= threshold:
        verdict, reason = "fail", "the two figures differ by a count too small to show"
    return {"left_over": len(rest), "verdict": verdict, "reason": reason}


def _pair(
    earlier: pd.DataFrame, later: pd.DataFrame, keys: Sequence[str], count: str
) -> pd.DataFrame:
    wanted = [*keys, count]
    try:
        return earlier[wanted].merge(
            later[wanted], on=list(keys), suffixes=("_1", "_2"), validate="one_to_one"
        )
    except pd.errors.MergeError as fault:
        raise DisclosureError(
            explain("keys", "identify every figure once", list(keys), "Add the missing key.")
        ) from fault
