"""Load the reference facts of `data/reference/` into typed records."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from pilot_eval.errors import DataError, explain
from pilot_eval.project import find_root

ENGLAND = "E92000001"
_PARTIAL_DATE = re.compile(r"^(\d{4}(-\d{2}(-\d{2})?)?)?$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Council:
    """One of England's 152 councils with children's services."""

    council_code: str
    dfe_number: str
    council_name: str
    region: str
    council_type: str
    child_low_income_2011_pct: float
    statistical_neighbours_2021: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exemption:
    """One council's freedom from one statutory requirement.

    Dates are ISO text as precise as the source: ``2011``, ``2011-03``, ``2011-02-01``, or empty
    where unknown.
    """

    council_code: str
    council_name: str
    requirement: Literal[
        "two_stage_assessment", "assessment_time_limits", "icpc_15wd", "core_group_10wd"
    ]
    freed: Literal["yes", "inferred", "unknown", "no"]
    announced: str
    granted: str
    started: str
    ended: str
    coverage: str
    evidence_grade: Literal["sourced", "inferred", "not_found"]
    source: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasurementBreak:
    """A change of definition between `first_year_after` - 1 and `first_year_after`."""

    break_id: str
    first_year_after: int
    indicators: tuple[str, ...]
    basis: Literal["value", "published_value"]
    description: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CouncilEvent:
    """Something else that happened to a council (or to England: empty code)."""

    council_code: str
    council_name: str
    date: str
    event: str
    source: str
    evidence_grade: Literal["sourced", "not_re_read"]


def load_councils(root: str | Path | None = None) -> tuple[Council, ...]:
    """Load the councils of England.

    Parameters
    ----------
    root : path, optional
        Project root; found from the current folder by default.

    Returns
    -------
    tuple of Council
        152 records, in the order of their DfE numbers.

    Raises
    ------
    DataError
        If the file is missing a column.
    """
    return _councils(find_root(root))


@cache
def _councils(root: Path) -> tuple[Council, ...]:
    return tuple(
        Council(
            council_code=row["council_code"],
            dfe_number=row["dfe_number"],
            council_name=row["council_name"],
            region=row["region"],
            council_type=row["council_type"],
            child_low_income_2011_pct=float(row["child_low_income_2011_pct"] or "nan"),
            statistical_neighbours_2021=_split(row["statistical_neighbours_2021"]),
        )
        for row in _read("councils.csv", root)
    )


def load_exemptions(root: str | Path | None = None) -> tuple[Exemption, ...]:
    """Load the exemption register: council x requirement, with its evidence."""
    rows = _read("exemptions.csv", root)
    _check_dates("exemptions.csv", rows, ("announced", "granted", "started", "ended"))
    return tuple(Exemption(**row) for row in rows)


def load_breaks(root: str | Path | None = None) -> tuple[MeasurementBreak, ...]:
    """Load the measurement breaks of the published indicators."""
    return tuple(
        MeasurementBreak(
            break_id=row["break_id"],
            first_year_after=int(row["first_year_after"]),
            indicators=_split(row["indicators"]),
            basis=row["basis"],
            description=row["description"],
            source=row["source"],
        )
        for row in _read("measurement_breaks.csv", root)
    )


def load_events(root: str | Path | None = None) -> tuple[CouncilEvent, ...]:
    """Load the confounding events to mark on charts."""
    rows = _read("council_events.csv", root)
    _check_dates("council_events.csv", rows, ("date",))
    return tuple(CouncilEvent(**row) for row in rows)


def council_names(root: str | Path | None = None) -> dict[str, str]:
    """Return council_code -> name for the 152 councils."""
    return dict(_names(find_root(root)))


def ever_treated_codes(root: str | Path | None = None) -> frozenset[str]:
    """Return every council announced, granted or flagged as a pilot: never a comparator."""
    return frozenset(row.council_code for row in load_exemptions(root))


@cache
def _names(root: Path) -> dict[str, str]:
    return {council.council_code: council.council_name for council in _councils(root)}


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(";") if part.strip())


def _read(name: str, root: str | Path | None) -> list[dict[str, str]]:
    return _read_file(find_root(root) / "data" / "reference" / name)


@cache
def _read_file(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as fault:
        raise DataError(
            explain(path.name, "be a readable UTF-8 CSV file", type(fault).__name__, "Restore it.")
        ) from fault


def _check_dates(name: str, rows: list[dict[str, str]], columns: tuple[str, ...]) -> None:
    for number, row in enumerate(rows, start=2):
        for column in columns:
            if not _PARTIAL_DATE.match(row[column]):
                raise DataError(
                    explain(
                        f"{name}, row {number}, column {column}",
                        "be a date as YYYY, YYYY-MM or YYYY-MM-DD, or empty",
                        repr(row[column]),
                        "Leave unknown parts off.",
                    )
                )
