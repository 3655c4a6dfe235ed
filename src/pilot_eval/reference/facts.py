"""Load the councils of England from `data/reference/` into typed records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from math import nan
from pathlib import Path

from pilot_eval.project import find_file
from pilot_eval.reference.pilot_facts import PilotUnit
from pilot_eval.reference.rows import read_rows, split_list

ENGLAND = "E92000001"
COUNCILS = "data/reference/councils.csv"
NEIGHBOURS = "data/reference/neighbours.csv"


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
    return _councils(find_file(COUNCILS, root))


@cache
def _councils(path: Path) -> tuple[Council, ...]:
    return tuple(
        Council(
            council_code=row["council_code"],
            dfe_number=row["dfe_number"],
            council_name=row["council_name"],
            region=row["region"],
            council_type=row["council_type"],
            child_low_income_2011_pct=float(row["child_low_income_2011_pct"] or "nan"),
            statistical_neighbours_2021=split_list(row["statistical_neighbours_2021"]),
        )
        for row in read_rows(path)
    )


@cache
def describe_units(units: tuple[PilotUnit, ...]) -> Mapping[str, Council]:
    """Describe a pilot's units by code: its own, or England's councils where it has none.

    Parameters
    ----------
    units : tuple of PilotUnit
        As from `read_units`.

    Returns
    -------
    mapping of str to Council
    """
    if not units:
        return {council.council_code: council for council in load_councils()}
    return {
        unit.unit_code: Council(
            council_code=unit.unit_code,
            dfe_number="",
            council_name=unit.unit_name,
            region=unit.region,
            council_type=unit.unit_type,
            child_low_income_2011_pct=nan,
            statistical_neighbours_2021=(),
        )
        for unit in units
    }


def council_names(root: str | Path | None = None) -> dict[str, str]:
    """Return council_code -> name for the 152 councils."""
    return dict(_names(find_file(COUNCILS, root)))


@cache
def _names(path: Path) -> dict[str, str]:
    return {council.council_code: council.council_name for council in _councils(path)}


def load_neighbours(root: str | Path | None = None) -> Mapping[str, frozenset[str]]:
    """Return council_code -> codes of councils that border it or lie within 500 metres of it."""
    return _neighbours(find_file(NEIGHBOURS, root))


@cache
def _neighbours(path: Path) -> Mapping[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for row in read_rows(path):
        pair = row["council_code"], row["neighbour_code"]
        for code, other in (pair, pair[::-1]):
            found.setdefault(code, set()).add(other)
    return {code: frozenset(others) for code, others in found.items()}
