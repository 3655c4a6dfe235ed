"""What a return calls things, where DfE's return calls them otherwise: an analyst's mapping file.

A mapping may name elements and columns, the form of dates, codes and words for nothing, for any
year, and columns that an export does not have. The two-stage return of 2009-13 needs one. That
return had separate initial and core assessments. Its tag names are not known to this project and
are never guessed: a TOML file names them. `example_mapping.toml` shows the form with invented tags.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pilot_eval.errors import DataError, explain
from pilot_eval.project import read_toml
from pilot_eval.records.date_forms import EXCEL
from pilot_eval.records.names import (
    ASSESSMENT_FIELDS,
    STANDARD,
    TWO_STAGE,
    Layout,
    Module,
)

#: First return (year ending 31 March) that is read without a mapping.
FIRST_SINGLE_ASSESSMENT_YEAR = 2014
_VALUE_TABLES = ("dates", "nothing", "values", "absent")
_DATE_PARTS = ("%d", "%m", "%b", "%B", "%Y", "%y")
EXAMPLE_MAPPING = Path(__file__).with_name("example_mapping.toml")


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldMapping:
    """The layout of returns, how they write values, and the years both are true of.

    Attributes
    ----------
    years : tuple of int
        Returns (years ending 31 March) that are read through this mapping.
    layout : Layout
        The standard layout with the mapping's elements and tags in place.
    invented : bool
        Whether the tags are made up (the example, simulated returns).
    date_format : str
        As `%d/%m/%Y`, or `excel`: days counted; empty: YYYY-MM-DD, which is
        always read.
    nothing : frozenset of str
        Words for nothing, in lower case.
    values : mapping of str to mapping of str to str
        Our column -> own code in lower case -> the return's.
    absent : frozenset of str
        Tags that the export is known not to have.
    """

    years: tuple[int, ...]
    layout: Layout
    invented: bool
    date_format: str = ""
    nothing: frozenset[str] = frozenset()
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    absent: frozenset[str] = frozenset()

    @property
    def says_values(self) -> bool:
        """Whether any value is to be changed."""
        return bool(self.date_format or self.nothing or self.values)


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
        If the file is not TOML, or names a module or field that does not exist; every message says
        which.

    Examples
    --------
    >>> mapping = read_mapping(EXAMPLE_MAPPING)
    >>> mapping.invented, mapping.years[-1]
    (True, 2014)
    """
    path = Path(path)
    content = _read_toml(path)
    _refuse_unknown(path, "top level", content, ("about", "returns", "modules", *_VALUE_TABLES))
    years = content.get("returns", {}).get("years", [])
    if not years or not all(isinstance(year, int) for year in years):
        rule = "list the years ending 31 March it holds for, as in years = [2010, 2011]"
        raise DataError(explain("returns.years", rule, "something else", f"Correct {path.name}."))
    layout = dict(STANDARD)
    for key, entry in content.get("modules", {}).items():
        layout[key] = _mapped_module(path, key, entry)
    missing = [key for key in TWO_STAGE if key not in layout]
    if missing and min(years) < FIRST_SINGLE_ASSESSMENT_YEAR:
        rule = f"describe {' and '.join(TWO_STAGE)}"
        raise DataError(explain("modules", rule, f"no {missing[0]}", f"Complete {path.name}."))
    invented = bool(content.get("about", {}).get("invented", False))
    return FieldMapping(
        years=tuple(years),
        layout=layout,
        invented=invented,
        date_format=_read_format(path, content.get("dates", {})),
        nothing=frozenset(_words(path, "nothing", content, "words", str.casefold)),
        values=_read_values(path, content.get("values", {}), layout),
        absent=frozenset(_words(path, "absent", content, "columns", str)),
    )


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


def _read_toml(path: Path) -> dict[str, Any]:
    fault = ""
    try:
        return read_toml(path)
    except FileNotFoundError:
        fault = "no such file"
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        fault = "a file that cannot be parsed"
    rule = "be a readable TOML file in UTF-8"
    raise DataError(explain(path.name, rule, fault, "Start from example_mapping.toml."))


def _read_format(path: Path, entry: Mapping[str, Any]) -> str:
    """Read the form of dates: day, month and year, each once."""
    _refuse_unknown(path, "dates", entry, ("format",))
    given = str(entry.get("format", ""))
    parts = [given.count(part) for part in _DATE_PARTS]
    if given == EXCEL or [sum(parts[:1]), sum(parts[1:4]), sum(parts[4:])] == [1, 1, 1]:
        return given
    if "format" not in entry:
        return ""
    rule = f"give day, month and year, as in %d/%m/%Y, or be {EXCEL}"
    raise DataError(explain("dates.format", rule, "something else", f"Correct {path.name}."))


def _words(
    path: Path, name: str, content: Mapping[str, Any], key: str, change: Callable[[str], str]
) -> list[str]:
    entry = content.get(name, {})
    _refuse_unknown(path, name, entry, (key,))
    words = entry.get(key, [])
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        rule = f'be a list of texts, as in {key} = ["A", "B"]'
        raise DataError(explain(f"{name}.{key}", rule, "something else", f"Correct {path.name}."))
    return [change(word.strip()) for word in words]


def _read_values(path: Path, entry: Mapping[str, Any], layout: Layout) -> dict[str, dict[str, str]]:
    known = sorted({column for module in layout.values() for column in module.fields.values()})
    _refuse_unknown(path, "values", entry, tuple(known))
    values = {}
    for column, own in entry.items():
        if not isinstance(own, Mapping) or not all(isinstance(code, str) for code in own.values()):
            rule = 'be a table of own codes, as in "Abuse" = "N1"'
            name = f"values.{column}"
            raise DataError(explain(name, rule, "something else", f"Correct {path.name}."))
        values[column] = {key.strip().casefold(): code for key, code in own.items()}
    return values


def _mapped_module(path: Path, key: str, entry: Mapping[str, Any]) -> Module:
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


def _two_stage_module(path: Path, key: str, entry: Mapping[str, Any]) -> Module:
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
