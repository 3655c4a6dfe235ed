"""Located issues: table, field, row, rule, severity, and where the record was read; no values."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from pilot_eval.records.schema import ISSUE_COLUMNS, empty_issues

#: fatal: the record is set aside. warning: it is kept, the analyst should know. note: what was
#: done about records that repeat or overlap.
SEVERITIES = ("fatal", "warning", "note")
#: Of DfE's published rules: what must and what should be corrected by the council. Nothing is set
#: aside for them.
RULE_SEVERITIES = ("error", "query")

OTHER_DATE_FORM = "other_date_form"
"""Of a return whose dates seem to be in another form: its field is that form."""
#: Rules the readers themselves apply, and their severity.
READER_RULES = {
    "unparsable_date": "fatal",
    "unparsable_number": "warning",
    "unknown_code": "warning",
    "repeated_field": "warning",
    "unknown_element": "warning",
}


def locate(
    table: str,
    field: str,
    rows: ArrayLike,
    rule: str,
    severity: str,
    frame: pd.DataFrame,
) -> pd.DataFrame:
    """Build issues that say where, never what.

    Parameters
    ----------
    table, field : str
        Our names; `field` may be empty where the whole record is meant.
    rows : array of int
        Positions in the table, from 0.
    rule, severity : str
    frame : DataFrame
        The table, for council and origin; its values go nowhere else.

    Returns
    -------
    DataFrame
        Columns of `ISSUE_COLUMNS`.
    """
    rows = np.asarray(rows, dtype="int64")
    if not len(rows):
        return empty_issues()
    origin = frame.take(rows)
    file = origin["source_file"].astype("str") if "source_file" in frame else ""
    line = origin["source_row"].to_numpy() if "source_row" in frame else -1
    issues = pd.DataFrame({"row": rows})
    issues = issues.assign(
        table=table,
        field=field,
        rule=rule,
        severity=severity,
        council_code=origin["council_code"].astype("str").to_numpy(),
        source_file=np.asarray(file),
        source_row=line,
    )
    kinds = dict(empty_issues().dtypes.items())
    return issues[list(ISSUE_COLUMNS)].astype(kinds)


def stack(parts: list[pd.DataFrame]) -> pd.DataFrame:
    """Put issues below one another.

    Parameters
    ----------
    parts : list of DataFrame

    Returns
    -------
    DataFrame
        With a fresh index; no rows if no part has any.
    """
    parts = [part for part in parts if len(part)]
    return pd.concat(parts, ignore_index=True) if parts else empty_issues()


def note_faults(
    faults: Mapping[tuple[str, str], list[int]], frames: Mapping[str, pd.DataFrame]
) -> pd.DataFrame:
    """Turn what a reader noticed about whole records into issues.

    Parameters
    ----------
    faults : mapping of (table, rule) to list of int
    frames : mapping of str to DataFrame

    Returns
    -------
    DataFrame
    """
    parts = [
        locate(table, "", rows, rule, READER_RULES[rule], frames[table])
        for (table, rule), rows in faults.items()
    ]
    return stack(parts)
