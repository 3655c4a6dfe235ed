"""The workbooks for the councils: which of DfE's published rules their returns break."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from pilot_eval.records.issues import RULE_SEVERITIES

FOLDER = "send_back"
NOTES = "note"


def write_send_back(issues: pd.DataFrame, folder: Path) -> list[Path]:
    """Write a workbook for each council whose returns break a published rule.

    Parameters
    ----------
    issues : DataFrame
        Of the returns of some councils, with those of the published rules.
    folder : Path
        Private: `send_back` is made in it, unless it is there.

    Returns
    -------
    list of Path
    """
    from pilot_eval.reporting.rules_workbook import write_rules_workbook

    own = issues[issues["severity"].isin([*RULE_SEVERITIES, NOTES])]
    broken = own.loc[own["severity"].isin(RULE_SEVERITIES), "council_code"].unique()
    if not len(broken):
        return []
    target = folder / FOLDER
    target.mkdir(exist_ok=True)
    return [
        write_rules_workbook(
            target / f"{code}.xlsx",
            own[own["council_code"] == code],
            council=code,
        )
        for code in sorted(broken)
    ]
