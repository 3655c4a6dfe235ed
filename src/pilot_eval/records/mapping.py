"""The two-stage return of 2009-13, through a field mapping that the analyst supplies.

That return had separate initial and core assessments. Its tag names are not known to this project
and are never guessed: a TOML file names them. `example_mapping.toml` shows the form with invented
tags.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pilot_eval.errors import DataError, explain
from pilot_eval.records.names import (
    ASSESSMENT_FIELDS,
    STANDARD,
    TWO_STAGE,
    Layout,
    Module,
)

#: First return (year ending 31 March) that is read without a mapping.
FIRST_SINGLE_ASSESSMENT_YEAR = 2014
EXAMPLE_MAPPING = Path(__file__).with_name("example_mapping.toml")


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldMapping:
    """The layout of two-stage returns and the years it holds for.

    Attributes
    ----------
    years : tuple of int
        Returns (years ending 31 March) that are read through this mapping.
    layout : Layout
        The standard layout with the mapping's elements and tags in place.
    invented : bool
        Whether the tags are made up (the example, simulated returns).
    """

    years: tuple[int, ...]
    layout: Layout
    invented: bool


def read_mapping(path: str | Path) -> FieldMapping:
    """Read a field mapping from TOML.

    Parameters
    ----------
    path : path
        See `docs/census-format.md` for the form.

    Returns
    -------
    FieldMapping

    Raises
    ------
    DataError
        If the file is no TOML, or names a module or field that does not exist; every message says
        which.

    Examples
    --------
    >>> mapping = read_mapping(EXAMPLE_MAPPING)
    >>> mapping.invented, mapping.years[-1]
    (True, 2014)
    """
    path = Path(path)
    content = _read_toml(path)
    _refuse_unknown(path, "top level", content, ("about", "returns", "modules"))
    years = content.get("returns", {}).get("years", [])
    if not years or not all(isinstance(year, int) for year in years):
        rule = "list the years ending 31 March it holds for, as in years = [2010, 2011]"
        raise DataError(explain("returns.years", rule, "something else", f"Correct {path.name}."))
    layout = dict(STANDARD)
    for key, entry in content.get("modules", {}).items():
        layout[key] = _mapped_module(path, key, entry)
    missing = [key for key in TWO_STAGE if key not in layout]
    if missing:
        rule = f"describe {' and '.join(TWO_STAGE)}"
        raise DataError(explain("modules", rule, f"no {missing[0]}", f"Complete {path.name}."))
    invented = bool(content.get("about", {}).get("invented", False))
    return FieldMapping(years=tuple(years), layout=layout, invented=invented)


def layout_for(year: int, mapping: FieldMapping | None) -> Layout | None:
    """Choose the layout of the return of one year.

    Parameters
    ----------
    year : int
        Year ending 31 March.
    mapping : FieldMapping or None

    Returns
    -------
    Layout or None
        None where the return needs a mapping and there is none for its year.
    """
    if mapping is not None and year in mapping.years:
        return mapping.layout
    return STANDARD if year >= FIRST_SINGLE_ASSESSMENT_YEAR else None


def _read_toml(path: Path) -> dict:
    fault = ""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        fault = "no such file"
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        fault = "a file that cannot be parsed"
    rule = "be a readable TOML file in UTF-8"
    raise DataError(explain(path.name, rule, fault, "Start from example_mapping.toml."))


def _mapped_module(path: Path, key: str, entry: Mapping) -> Module:
    """Build one module: the standard one with another element and other tags."""
    name = f"modules.{key}"
    _refuse_unknown(path, "modules", {key: entry}, (*STANDARD, *TWO_STAGE))
    _refuse_unknown(path, name, entry, ("element", "fields"))
    if key in TWO_STAGE:
        return _two_stage_module(path, key, entry)
    standard = STANDARD[key]
    columns = sorted(set(standard.fields.values()))
    fields = entry.get("fields", {})
    _refuse_unknown(path, f"{name}.fields", fields, tuple(columns))
    kept = {tag: column for tag, column in standard.fields.items() if column not in fields}
    tags = {**kept, **{tag: column for column, tag in fields.items()}}
    return replace(standard, element=entry.get("element", standard.element), fields=tags)


def _two_stage_module(path: Path, key: str, entry: Mapping) -> Module:
    """Build an assessment module, all of whose names come from the mapping."""
    name, fields = f"modules.{key}", entry.get("fields", {})
    _refuse_unknown(path, f"{name}.fields", fields, ASSESSMENT_FIELDS)
    if not entry.get("element") or not {"start_date", "end_date"} <= set(fields):
        rule = "name its element and the fields start_date and end_date"
        raise DataError(explain(name, rule, "less", f"Complete {path.name}."))
    return Module(
        element=entry["element"],
        parent="referrals",
        fields={tag: column for column, tag in fields.items()},
        assessment_type=TWO_STAGE[key],
    )


def _refuse_unknown(path: Path, name: str, entry: object, known: tuple[str, ...]) -> None:
    if not isinstance(entry, Mapping):
        raise DataError(explain(name, "be a TOML table", "something else", f"Correct {path.name}."))
    unknown = sorted(set(entry) - set(known))
    if unknown:
        rule = f"hold only {', '.join(known)}"
        raise DataError(explain(name, rule, ", ".join(unknown), f"Correct {path.name}."))
