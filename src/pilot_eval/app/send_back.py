"""The workbooks for the councils: which of DfE's published rules their returns break."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from pilot_eval.errors import PilotEvalError
from pilot_eval.records.issues import RULE_SEVERITIES
from pilot_eval.records.parts import list_parts
from pilot_eval.records.read import Format, read_census
from pilot_eval.records.unpacking import unpacked

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


def send_back_returns(
    path: Path,
    folder: Path,
    *,
    data_format: Format | None,
    mapping_file: Path | None,
    tell: Callable[[str], None],
) -> int:
    """Ask the published rules of returns, one council at a time, and write the workbooks.

    Parameters
    ----------
    path : Path
        Returns, or folders of them.
    folder : Path
        As in `write_send_back`.
    data_format : {"xml", "csv", "parquet"}, optional
    mapping_file : Path, optional
    tell : callable
        Where it goes which council's returns cannot be read.

    Returns
    -------
    int
        Workbooks written.
    """
    written = 0
    with unpacked([path]) as places:
        for part in list_parts(places, format=data_format, refused=[]):
            own = [place.path for place in part.places]
            try:
                issues = read_census(
                    own, mapping=mapping_file, format=data_format, rules=True
                ).issues
            except PilotEvalError as fault:
                tell(f"Rules not asked: {fault}")
                continue
            written += len(write_send_back(issues, folder))
    return written
