"""The facts in a pilot folder: who was freed from what, other events, changes of definition."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pilot_eval.errors import DataError, explain
from pilot_eval.reference.rows import read_rows, split_list

REGISTER, EVENTS, BREAKS, UNITS = "register.csv", "events.csv", "breaks.csv", "units.csv"
REQUIREMENTS = "requirements.csv"
PartialDate = Annotated[str, Field(pattern=r"^(\d{4}(-\d{2}(-\d{2})?)?)?$")]
"""A date as precise as its source: ``2012``, ``2012-05``, ``2012-05-17``; empty where unknown."""


class _Fact(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Exemption(_Fact):
    """The freedom of one council from one statutory requirement.

    Where the end is not known, `in_force_to` is the last day on which it is known to have been in
    force and `ended_by` the first on which it is known to be over. `grade` says who stands behind
    it: A government, B press, C inference.
    """

    council_code: str
    council_name: str
    requirement: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    freed: Literal["yes", "inferred", "unknown", "no"]
    announced: PartialDate
    granted: PartialDate
    started: PartialDate
    ended: PartialDate
    coverage: str
    evidence_grade: Literal["sourced", "inferred", "not_found"]
    source: str
    note: str
    in_force_to: PartialDate = ""
    ended_by: PartialDate = ""
    grade: Literal["A", "B", "C", ""] = ""


class Requirement(_Fact):
    """A statutory requirement: its limit, and when it lapsed for every council (empty: never)."""

    requirement: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    label: Annotated[str, Field(min_length=1)]
    began: PartialDate
    lapsed: PartialDate
    source: str


class MeasurementBreak(_Fact):
    """A change of definition between `first_year_after` - 1 and `first_year_after`."""

    break_id: Annotated[str, Field(min_length=1)]
    first_year_after: Annotated[int, Field(strict=False)]
    indicators: Annotated[tuple[str, ...], Field(strict=False)]
    basis: Literal["value", "published_value"]
    description: str
    source: str


class CouncilEvent(_Fact):
    """Something else that happened to a council (or everywhere: empty code)."""

    council_code: str
    council_name: str
    date: PartialDate
    event: str
    source: str
    evidence_grade: Literal["sourced", "not_re_read"]


class PilotUnit(_Fact):
    """A unit of the pilot's own: a team, a ward, a council outside England or of another year."""

    unit_code: Annotated[str, Field(min_length=1)]
    unit_name: Annotated[str, Field(min_length=1)]
    region: str = ""
    unit_type: str = ""


F = TypeVar("F", bound=_Fact)


def read_register(folder: Path) -> tuple[Exemption, ...]:
    """Read a pilot's register: council x requirement, with its evidence.

    Parameters
    ----------
    folder : pathlib.Path
        A pilot folder; without ``register.csv`` the register is empty.

    Returns
    -------
    tuple of Exemption

    Raises
    ------
    DataError
        If a cell is not what its column may contain; all faults are listed.
    """
    return _read(folder / REGISTER, Exemption)


def check_codes(register: Sequence[Exemption], names: Mapping[str, str]) -> list[str]:
    """Find codes of a register that are no unit's, and names that are another unit's.

    Parameters
    ----------
    register : sequence of Exemption
    names : mapping of str to str
        Code of every unit -> its name.

    Returns
    -------
    list of str
        One sentence each; empty where nothing is wrong.
    """
    codes = {name: code for code, name in names.items()}
    faults = []
    for code, name in dict.fromkeys((row.council_code, row.council_name) for row in register):
        if code not in names:
            faults.append(f"{REGISTER}: {code} ({name}) is the code of no unit: correct it")
        elif codes.get(name, code) != code:
            faults.append(f"{REGISTER}: {code} is {names[code]}, and {name} is {codes[name]}")
    return faults


def read_requirements(folder: Path) -> tuple[Requirement, ...]:
    """Read the life of each requirement for all councils; see `read_register`."""
    return _read(folder / REQUIREMENTS, Requirement)


def read_events(folder: Path) -> tuple[CouncilEvent, ...]:
    """Read the other events of a pilot's councils, to mark on charts; see `read_register`."""
    return _read(folder / EVENTS, CouncilEvent)


def read_breaks(folder: Path) -> tuple[MeasurementBreak, ...]:
    """Read the changes of definition of a pilot's indicators; see `read_register`."""
    return _read(
        folder / BREAKS,
        MeasurementBreak,
        lambda row: {**row, "indicators": split_list(row.get("indicators", ""))},
    )


def read_units(folder: Path) -> tuple[PilotUnit, ...]:
    """Read a pilot's own units; without ``units.csv`` they are England's councils."""
    units = _read(folder / UNITS, PilotUnit)
    for column in ("unit_code", "unit_name"):
        values = [getattr(unit, column) for unit in units]
        twice = sorted({value for value in values if values.count(value) > 1})
        if twice:
            got = f"{', '.join(twice)} twice"
            place = f"{folder.name}/{UNITS}, column {column}"
            raise DataError(explain(place, "name each unit once", got, "Correct those rows."))
    return units


def _read(
    path: Path, kind: type[F], shape: Callable[[dict[str, str]], Mapping[str, Any]] = dict
) -> tuple[F, ...]:
    if not path.is_file():
        return ()
    facts, faults = [], []
    for number, row in enumerate(read_rows(path), start=2):
        try:
            facts.append(kind.model_validate(shape({key: row[key].strip() for key in row})))
        except ValidationError as fault:
            faults += [_describe(path, number, error) for error in fault.errors()]
    if faults:
        raise DataError("\n".join(faults))
    return tuple(facts)


def _describe(path: Path, number: int, error: Mapping[str, Any]) -> str:
    column = str(error["loc"][0]) if error["loc"] else "row"
    got = "nothing" if error["type"] == "missing" else repr(error["input"])[:60]
    return explain(
        f"{path.parent.name}/{path.name}, row {number}, column {column}",
        "be valid",
        got,
        f"{error['msg']}.",
    )
