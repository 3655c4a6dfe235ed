"""The one function that every number passes before it is written or shown."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from pilot_eval.evidence import Evidence
from pilot_eval.plan import EvaluationPlan

FEWEST_COUNCILS = 3
"""With two, each could work out the other's figure from its own."""
DIGITS = 2
"""Digits of an interval's half width, and of p-values, that are shown."""
NUMBERS = (
    *("estimate", "estimate_low", "estimate_high", "std_error", "df", "conf_low", "conf_high"),
    *("p_value", "p_romano_wolf", "p_benjamini_hochberg", "mde"),
    *("left_out_estimate", "left_out_conf_low", "left_out_conf_high"),
)
BY_THEMSELVES = ("p_value", "p_romano_wolf", "p_benjamini_hochberg", "df")
WITHHELD = "withheld: fewer than 3 councils on one side"


def release_evidence(plan: EvaluationPlan, evidence: Evidence, *, public: bool) -> Evidence:
    """Make evidence fit for release.

    Parameters
    ----------
    plan : EvaluationPlan
        Its `disclosure` gives the threshold and the rounding.
    evidence : Evidence
    public : bool
        Whether it rests on figures that may be printed as they are: DfE's, and own tables, which
        are protected before anything is computed from them.

    Returns
    -------
    Evidence
        The same evidence where the figures are public. From children's records: comparisons of
        fewer than `FEWEST_COUNCILS` councils on a side are withheld, numbers are rounded to
        `DIGITS` digits of their interval's half width, and single councils' effects stay in the
        room: a council's effect to ten digits is its count to whoever knows its total.
    """
    if public:
        return evidence
    return replace(
        evidence, table=_round(_withhold(evidence.table)), effects=evidence.effects.iloc[:0]
    )


def may_leave_out(plan: EvaluationPlan, *, own_table: bool) -> bool:
    """Say whether results without one council may be written alongside those with it.

    The difference of the two is that council's figure, so not where an own table is confidential.
    """
    return not own_table or plan.disclosure.own_tables == "public"


def release_grid(plan: EvaluationPlan, grid: pd.DataFrame, *, own_table: bool) -> pd.DataFrame:
    """Make a specification grid fit for release: the same where `may_leave_out` allows it.

    Parameters
    ----------
    plan : EvaluationPlan
    grid : DataFrame
        As from `compute_specification_grid`, of published figures or of an own table that was
        protected before anything was computed from it.
    own_table : bool

    Returns
    -------
    DataFrame
        Of a confidential own table, without the rows that leave a council out and those of fewer
        than `FEWEST_COUNCILS` on a side.
    """
    if may_leave_out(plan, own_table=own_table):
        return grid
    enough = grid[["n_treated", "n_comparators"]].min(axis=1) >= FEWEST_COUNCILS
    return grid[enough & (grid["left_out"] == "")]


def _withhold(table: pd.DataFrame) -> pd.DataFrame:
    few = table[["n_treated", "n_comparators"]].min(axis=1) < FEWEST_COUNCILS
    few &= table["status"] == "estimated"
    numbers = {name: table[name].mask(few) for name in NUMBERS}
    reason = table["reason"].mask(few, WITHHELD)
    status = table["status"].mask(few, "not_estimable")
    return table.assign(**numbers, reason=reason, status=status)


def _round(table: pd.DataFrame) -> pd.DataFrame:
    table = table.astype(dict.fromkeys(NUMBERS, float))
    half = (table["conf_high"] - table["conf_low"]) / 2
    half = half.where(np.isfinite(half) & (half > 0), table["estimate"].abs())
    shared = [name for name in NUMBERS if name not in BY_THEMSELVES]
    rounded = {name: round_to(table[name], half) for name in shared}
    rounded |= {name: round_to(table[name], table[name].abs()) for name in BY_THEMSELVES}
    return table.assign(**rounded)


def round_to(values: pd.Series, size: pd.Series) -> pd.Series:
    """Round values to `DIGITS` digits of a size.

    Parameters
    ----------
    values, size : pandas.Series of float, shape (n,)
        A size of 0, infinite or missing leaves `DIGITS` decimals.

    Returns
    -------
    pandas.Series, shape (n,)

    Examples
    --------
    >>> round_to(pd.Series([3.14159, 314.159]), pd.Series([0.5, 42.0])).tolist()
    [3.14, 314.0]
    """
    usable = np.isfinite(size) & (size > 0)
    with np.errstate(divide="ignore"):
        places = DIGITS - 1 - np.floor(np.log10(size.where(usable, 1.0)))
    pairs = zip(values, places.astype(int), strict=True)
    return pd.Series([round(value, place) for value, place in pairs], index=values.index)
