"""What every reader hands on: one return as text columns, and how a return is refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from pilot_eval.errors import DataError, explain
from pilot_eval.records.council_numbers import find_council
from pilot_eval.records.date_forms import may_mean
from pilot_eval.records.mapping import (
    EXAMPLE_MAPPING,
    FieldMapping,
    layout_for,
    read_mapping,
)
from pilot_eval.records.names import (
    COLLECTION,
    SIMULATED_SOFTWARE,
    Layout,
    add_rules_layout,
)

if TYPE_CHECKING:
    import pyarrow as pa

# No field of the return is longer than some tens of characters; more is a broken file.
MAX_TEXT = 1_000
MODULE_SUFFIXES = (".csv", ".parquet")
# 2014, 2014.0, and 2013/14, 2013-2014, 13/14 or 201314 for the year that begins in 2013.
_YEAR = re.compile(r"((?:20)?[0-4]\d)(?:\.0+|[/-](?:20)?(\d\d)|(\d\d)(?:\.0+)?)?")
_NEEDS_MAPPING = "Give a field mapping (see docs/census-format.md and example_mapping.toml)."


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnHeader:
    """Which return it is: whose, of which year, real or simulated.

    `sent` and `serial` are DateTime and SerialNo of the header, which order resubmissions; `part`
    is the DfE number of the successor where the council has been divided since; `dated` says
    whether there is a ReferenceDate.
    """

    file: str
    council_code: str
    year: int
    simulated: bool
    sent: str = ""
    serial: str = ""
    part: str = ""
    dated: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class RawReturn:
    """One return as read: text in our columns, not yet typed.

    Attributes
    ----------
    header : ReturnHeader
    layout : Layout
    modules : dict of str to pyarrow.Table
        Module key -> text columns by our names (Parquet may bring dates), with `source_row` and
        `above`: the position of the record that holds it in the parent's module, or in
        `children`; -1 where there is none. In folders `child_id` is in every module.
    faults : list of (module key, row, rule)
        What the reader noticed about records; rule is one of the validation's names.
    absent : list of (place, rule)
        Columns (``Module.Field``) and modules that a folder does not have, or has and nobody knows.
    """

    header: ReturnHeader
    layout: Layout
    modules: dict[str, pa.Table]
    faults: list[tuple[str, int, str]]
    absent: list[tuple[str, str]] = field(default_factory=list)


def refusal(path: Path, line: int | None, rule: str, got: str, action: str) -> DataError:
    """Word the refusal of a file, with the line where there is one.

    Parameters
    ----------
    path : Path
        Only its name is shown; of a folder's module the folder's name too, for every return's
        modules are named alike.
    line : int or None
        Line of the file, from 1.
    rule, got, action : str
        As in `explain`; never text from a record.

    Returns
    -------
    DataError
        To be raised outside any ``except`` block, so that it carries no inner error.
    """
    name = f"{path.parent.name}/{path.name}" if path.suffix in MODULE_SUFFIXES else path.name
    place = name if line is None else f"{name}, line {line}"
    return DataError(explain(place, rule, got, action))


def find_too_long(columns: pa.Table) -> int | None:
    """Find a record with a text longer than any field of the return.

    Parameters
    ----------
    columns : pyarrow.Table

    Returns
    -------
    int or None
        Its position, if there is one.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    for column in columns.columns:
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            lengths = pc.binary_length(column)
            if (pc.max(lengths).as_py() or 0) > MAX_TEXT:
                result: int | None = pc.index(pc.greater(lengths, MAX_TEXT), True).as_py()
                return result
    return None


def read_header(
    path: Path, line: int | None, found: Mapping[str, str | None], root: Path | None
) -> ReturnHeader:
    """Check the header of a return and turn it into a record.

    Parameters
    ----------
    path : Path
    line : int or None
        Where the header is.
    found : mapping of str to str
        Fields of CollectionDetails and Source.
    root : Path or None
        Project root, for the list of councils.

    Returns
    -------
    ReturnHeader

    Raises
    ------
    DataError
        If it is another collection, a council or year that does not exist.
    """
    text = {name: (value or "").strip() for name, value in found.items()}
    if text.get("Collection", "").upper() != COLLECTION:
        action = "Give children-in-need returns only."
        rule = f"be a return of the collection {COLLECTION}"
        raise refusal(path, line, rule, "another collection, or none", action)
    council_code, part, why = find_council(text.get("LEA", ""), root)
    if not council_code:
        rule = "name a council in Header/Source/LEA by its DfE number or ONS code"
        action = "See data/reference/councils.csv and boundary_changes.csv."
        raise refusal(path, line, rule, why, action)
    return ReturnHeader(
        file=path.name,
        council_code=council_code,
        year=_year(path, line, text),
        simulated=text.get("SoftwareCode", "") == SIMULATED_SOFTWARE,
        sent=text.get("DateTime", ""),
        serial=text.get("SerialNo", ""),
        part=part,
        dated=bool(text.get("ReferenceDate", "")),
    )


def layout_of(
    path: Path, header: ReturnHeader, mapping: FieldMapping | None, *, rules: bool = False
) -> Layout:
    """Choose the layout of a return, or refuse one that needs a mapping.

    Parameters
    ----------
    path : Path
    header : ReturnHeader
    mapping : FieldMapping or None
        None reads simulated two-stage returns through the example mapping.
    rules : bool
        Whether to read what only the published rules ask about as well.

    Returns
    -------
    Layout

    Raises
    ------
    DataError
        If it is a two-stage return and no mapping covers its year, or if a mapping of invented
        tags meets a return that is not simulated.
    """
    if mapping is None and header.simulated:
        mapping = read_mapping(EXAMPLE_MAPPING)  # what simulated returns are written with
    layout = layout_for(header.year, mapping)
    if layout is None:
        rule = "be read through a field mapping that covers its year"
        got = f"a two-stage return of {header.year}"
        raise refusal(path, None, rule, got, _NEEDS_MAPPING)
    own = mapping if mapping is not None and header.year in mapping.years else None
    if own is not None and own.invented and not header.simulated:
        rule = "be read through a mapping of its own tags"
        got = "the example's invented tags for a return that is not simulated"
        raise refusal(path, None, rule, got, _NEEDS_MAPPING)
    return add_rules_layout(layout) if rules else layout


def name_return(lea: str, year: str, root: Path | None = None) -> str:
    """Name a return by its council and year, however these are written.

    Parameters
    ----------
    lea, year : str
        As in a header.
    root : Path, optional
        Project root, for the list of councils.

    Returns
    -------
    str
        Equal for equal returns; what is no council or year stays as it is written.

    Examples
    --------
    >>> name_return("0330", "2013/14") == name_return("E08000025", "2014.0")
    True
    """
    council, part, _ = find_council(lea, root)
    return f"{part or council or lea.strip()}_{read_year(year.strip()) or year.strip()}"


def read_year(given: str) -> str:
    """Read the year ending 31 March from how a header may write it.

    Parameters
    ----------
    given : str
        As 2014, 2014.0, 2013/14, 2013-2014, 13/14 or 201314.

    Returns
    -------
    str
        Four digits; empty where it is not a year.
    """
    found = _YEAR.fullmatch(given)
    if not found:
        return ""
    second = found[2] or found[3]
    last = int(found[1][-2:]) + bool(second) + 2000
    unlike = second and last % 100 != int(second)
    return "" if unlike or len(found[0]) < 4 else str(last)


def _year(path: Path, line: int | None, text: Mapping[str, str]) -> int:
    """Read the year ending 31 March; ReferenceDate must agree where it is given."""
    year, reference = read_year(text.get("Year", "")), text.get("ReferenceDate", "")
    if not year:
        rule = "give the Year as four digits, or as 2013/14, in Header/CollectionDetails/Year"
        raise refusal(path, line, rule, "something else", "Correct the header.")
    if reference and not may_mean(reference, date(int(year), 3, 31)):
        rule = "give in Header/CollectionDetails/ReferenceDate 31 March of its Year"
        raise refusal(path, line, rule, "another day or year", "Correct one of the two.")
    return int(year)
