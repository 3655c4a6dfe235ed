"""Dates the census lacks, from a council's own extracts: strategy discussions and core groups.

The ICPC clock starts at a strategy discussion and the core-group clock stops at the first core
group; neither date is a census item. Each extract is a CSV file with the columns LEA, LAchildID
and its date.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import csv as arrow_csv

from pilot_eval.records.columns import to_dates, to_keys
from pilot_eval.records.csv_reader import read_module
from pilot_eval.records.issues import locate, stack
from pilot_eval.records.names import CHILD_LINK, COUNCIL_COLUMN, SIMULATED_SOFTWARE
from pilot_eval.records.returns import refusal
from pilot_eval.records.schema import CensusTables
from pilot_eval.reference.facts import load_councils

STRATEGY_COLUMN, CORE_GROUP_COLUMN = "StrategyDiscussionDate", "CoreGroupDate"
STRATEGY_FILE, CORE_GROUP_FILE = "strategy_discussions.csv", "core_groups.csv"
# A strategy discussion starts the enquiry that follows it within this time, a core group belongs
# to the conference before it within this time: generous against limits of 15 and 10 working days.
LONGEST_WAIT = np.timedelta64(183, "D")
_CHILD = ["council_code", "child_id"]


def add_local_extracts(
    tables: CensusTables,
    *,
    strategy_discussions: str | Path | None = None,
    core_groups: str | Path | None = None,
    root: str | Path | None = None,
) -> CensusTables:
    """Add the dates of local extracts to the tables.

    Parameters
    ----------
    tables : CensusTables
    strategy_discussions, core_groups : path, optional
        CSV files with the columns LEA, LAchildID and StrategyDiscussionDate or CoreGroupDate.
    root : path, optional
        Project root, for the list of councils.

    Returns
    -------
    CensusTables
        `section47s` with `strategy_date`, the discussion that started the enquiry (the last one on
        or before its start), and a further column `last_strategy_date`, the last one on or before
        the conference (the clock of Working Together 2010). `conferences` with `core_group_date`,
        the first core group on or after the conference. Dates further away than 183 days belong
        to something else and are not used. Issues of the extracts are added.

    Raises
    ------
    DataError
        If an extract cannot be read or lacks a column.
    """
    section47s, conferences, issues = tables.section47s, tables.conferences, [tables.issues]
    if strategy_discussions is not None:
        dates, found = _read_extract(Path(strategy_discussions), STRATEGY_COLUMN, root)
        started = _nearest(section47s, "s47_start_date", dates, "backward")
        last = _nearest(section47s, "icpc_date", dates, "backward")
        section47s = section47s.assign(strategy_date=started, last_strategy_date=last)
        issues.append(found)
    if core_groups is not None:
        dates, found = _read_extract(Path(core_groups), CORE_GROUP_COLUMN, root)
        first = _nearest(conferences, "icpc_date", dates, "forward")
        conferences = conferences.assign(core_group_date=first)
        issues.append(found)
    return replace(tables, section47s=section47s, conferences=conferences, issues=stack(issues))


def write_local_extracts(
    tables: CensusTables, folder: Path, council_numbers: dict[str, str]
) -> list[Path]:
    """Write strategy discussions and core groups as local extracts, where there are any.

    Parameters
    ----------
    tables : CensusTables
    folder : Path
    council_numbers : dict of str to str
        council_code -> DfE number.

    Returns
    -------
    list of Path
    """
    written = []
    for name, frame, column, title in (
        (STRATEGY_FILE, tables.section47s, "strategy_date", STRATEGY_COLUMN),
        (CORE_GROUP_FILE, tables.conferences, "core_group_date", CORE_GROUP_COLUMN),
    ):
        known = frame[frame[column].notna()].drop_duplicates([*_CHILD, column])
        if len(known):
            columns = {
                COUNCIL_COLUMN: known["council_code"].astype("str").map(council_numbers),
                CHILD_LINK: known["child_id"],
                title: known[column].dt.strftime("%Y-%m-%d"),
            }
            if tables.strand == "simulated":
                columns["SimulatedData"] = SIMULATED_SOFTWARE
            written.append(folder / name)
            arrow_csv.write_csv(pa.Table.from_pandas(pd.DataFrame(columns)), written[-1])
    return written


def _read_extract(
    path: Path, column: str, root: str | Path | None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read one extract: its usable dates, and issues for those that are none."""
    wanted = (COUNCIL_COLUMN, CHILD_LINK, column)
    table = read_module(path, set(wanted))[0]
    missing = [name for name in wanted if name not in table.column_names]
    if missing:
        raise refusal(
            path, 1, f"have the column {missing[0]}", "none", "See docs/census-format.md."
        )
    codes = {council.dfe_number: council.council_code for council in load_councils(root)}
    dates, bad = to_dates(table[column])
    council = pd.Series(to_keys(table[COUNCIL_COLUMN]), dtype="str").map(codes)
    frame = pd.DataFrame(
        {
            "council_code": council.astype("str"),
            "child_id": to_keys(table[CHILD_LINK]),
            "date": dates,
            "source_file": path.name,
            "source_row": np.arange(1, len(dates) + 1),
        }
    )
    lost = np.flatnonzero(frame["council_code"].isna() | frame["child_id"].isna())
    table_name = path.stem
    issues = [
        locate(table_name, column, bad, "unparsable_date", "fatal", frame),
        locate(table_name, CHILD_LINK, lost, "unknown_child", "fatal", frame),
    ]
    return frame.dropna(subset=["council_code", "child_id", "date"]), stack(issues)


def _nearest(frame: pd.DataFrame, column: str, dates: pd.DataFrame, direction: str) -> pd.Series:
    """Find each child's nearest date in one direction, or nothing within the longest wait."""
    left = frame[[*_CHILD, column]].astype({"council_code": "str"})
    left = left.rename(columns={column: "at"}).assign(row=np.arange(len(frame)))
    left = left.dropna(subset=["at", "child_id"]).sort_values("at", kind="stable")
    right = dates[[*_CHILD, "date"]].sort_values("date", kind="stable")
    found = pd.merge_asof(
        left,
        right,
        left_on="at",
        right_on="date",
        by=_CHILD,
        direction=direction,
        tolerance=pd.Timedelta(LONGEST_WAIT),
    )
    values = pd.Series(pd.NaT, index=np.arange(len(frame)), dtype=frame[column].dtype)
    values.loc[found["row"].to_numpy()] = found["date"].to_numpy()
    return pd.Series(values.to_numpy(), index=frame.index)
