"""The child's journey: from referral to assessment, enquiry, conference and plan."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from itertools import combinations

import numpy as np
import pandas as pd

from pilot_eval.records.linking import Days, Rows, find_referrals, list_councils, to_days
from pilot_eval.records.schema import CensusTables
from pilot_eval.records.survival_curves import estimate_survival, survival_quantile
from pilot_eval.reference.working_days import DEFAULT_CONVENTION, Convention, count_working_days

#: Steps in the order of the guidance: name -> table, date column.
STEPS: dict[str, tuple[str, str]] = {
    "referral": ("referrals", "referral_date"),
    "assessment_started": ("assessments", "start_date"),
    "assessment_completed": ("assessments", "end_date"),
    "s47_started": ("section47s", "s47_start_date"),
    "icpc": ("conferences", "icpc_date"),
    "plan_started": ("plans", "plan_start_date"),
    "plan_ended": ("plans", "plan_end_date"),
}
_NEVER = np.datetime64("NaT", "D")


def build_journey(tables: CensusTables) -> pd.DataFrame:
    """Build one row per referral with the first date of every step.

    Parameters
    ----------
    tables : CensusTables

    Returns
    -------
    DataFrame
        In the order of the referrals: council_code, referral_id, closure_date and a date for
        every step of `STEPS`; NaT where the step was not taken (or is not recorded).

    Examples
    --------
    >>> build_journey(tables)["icpc"].notna().mean()                        # doctest: +SKIP
    """
    councils = list_councils(tables)
    journey = tables.referrals[["council_code", "referral_id", "closure_date"]].copy()
    for step, (table, column) in STEPS.items():
        rows = getattr(tables, table)
        if table == "referrals":
            journey[step] = rows[column]
            continue
        of = find_referrals(rows, tables.referrals, councils)
        first = _first_by_referral(of, to_days(rows[column]), len(journey))
        journey[step] = first.astype("datetime64[s]")
    return journey


def summarise_journey(
    journey: pd.DataFrame,
    *,
    data_cut: date | str,
    convention: Convention = DEFAULT_CONVENTION,
    pairs: Sequence[tuple[str, str]] | None = None,
) -> pd.DataFrame:
    """Summarise the time between every pair of steps, by council.

    Parameters
    ----------
    journey : DataFrame
        As from `build_journey`.
    data_cut : date
        Last day that the records cover; steps after it have not been taken yet.
    convention : {"start_is_day_0", "end_counts"}
    pairs : sequence of (step, later step), optional
        Default: every pair in the order of `STEPS`.

    Returns
    -------
    DataFrame
        One row per council and pair: council_code, from_step, to_step, reached_first (referrals
        that took the first step), reached_both, out_of_order (the later step dated before the
        first; set aside), p25_wd, median_wd, p75_wd (of those that took both, working days).
    """
    cut = np.datetime64(str(data_cut)[:10], "D")
    council = pd.Categorical(journey["council_code"])
    parts = []
    for first, later in pairs or combinations(STEPS, 2):
        begin, end = to_days(journey[first]), to_days(journey[later])
        reached = (begin <= cut) & (council.codes >= 0)
        both = reached & (end <= cut)
        ordered = both & (end >= begin)
        taken = count_working_days(begin[ordered], end[ordered], convention=convention)
        size = len(council.categories)
        table = estimate_survival(
            taken, np.ones(len(taken)), group=council.codes[ordered], n_groups=size
        )
        counts = {
            "reached_first": np.bincount(council.codes[reached], minlength=size),
            "reached_both": np.bincount(council.codes[both], minlength=size),
            "out_of_order": np.bincount(council.codes[both & ~ordered], minlength=size),
        }
        quantiles = {
            f"{name}_wd": survival_quantile(table, p)
            for name, p in (("p25", 0.25), ("median", 0.5), ("p75", 0.75))
        }
        steps = {"from_step": first, "to_step": later}
        parts.append(
            pd.DataFrame({"council_code": council.categories, **steps, **counts, **quantiles})
        )
    return pd.concat(parts, ignore_index=True)


def _first_by_referral(of: Rows, day: Days, n_referrals: int) -> Days:
    """Find the earliest date of each referral, NaT where it has none."""
    known = (of >= 0) & ~np.isnat(day)
    first = np.full(n_referrals, _NEVER)
    latest_first = np.argsort(-day[known].astype(np.int64), kind="stable")
    # Later assignments win: the earliest date is written last.
    first[of[known][latest_first]] = day[known][latest_first]
    return first
