"""Shares of one step of the child's journey that reach the next, from published counts."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from pilot_eval.published.statuses import REPORTED

KEY = ["year_ending", "council_code"]


def add_step_shares(
    table: pd.DataFrame, steps: Mapping[str, tuple[tuple[str, str], tuple[str, str]]]
) -> pd.DataFrame:
    """Add cases of one step per 100 of the step before as indicators of their own.

    Parameters
    ----------
    table : DataFrame
        As from `load_published`.
    steps : mapping
        Key of the new indicator, ending in `STEPS` -> where the counts of the later and of the
        earlier step are: indicator and column, ``"numerator"`` or ``"denominator"``.

    Returns
    -------
    DataFrame
        The table with a row for each year and council of which both counts are known. The cases of
        one step are not followed: a conference can belong to a referral of the year before.
    """
    found = [table]
    for key, places in steps.items():
        later, earlier = (
            table[table["indicator"] == indicator].set_index(KEY)[column]
            for indicator, column in places
        )
        both = pd.DataFrame({"numerator": later, "denominator": earlier}).dropna()
        both = both[both["denominator"] > 0].reset_index()
        statuses = {name: REPORTED for name in table if name.endswith("_status")}
        ends = {"numerator_low": both["numerator"], "numerator_high": both["numerator"]}
        value = 100 * both["numerator"] / both["denominator"]
        found.append(both.assign(indicator=key, value=value, **statuses, **ends))
    return pd.concat(found, ignore_index=True)[list(table)]
