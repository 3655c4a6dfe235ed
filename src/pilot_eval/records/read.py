"""Read children-in-need returns: XML files, CSV folders, Parquet folders, many at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from pilot_eval.errors import DataError, ParameterError, explain
from pilot_eval.records.issues import stack
from pilot_eval.records.mapping import FieldMapping, read_mapping
from pilot_eval.records.names import HEADER, STANDARD
from pilot_eval.records.near_names import find_module, fold
from pilot_eval.records.own_values import translate
from pilot_eval.records.resubmissions import (
    find_standing,
    note_resubmissions,
    refuse_unordered,
)
from pilot_eval.records.returns import MODULE_SUFFIXES, RawReturn, ReturnHeader
from pilot_eval.records.schema import CensusTables, concat_tables
from pilot_eval.records.unpacking import is_ssd, unpacked

Format = Literal["xml", "csv", "parquet"]
FORMATS: tuple[Format, ...] = get_args(Format)
_XML_SUFFIX = ".xml"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnFile:
    """A place where a return, or several, can be read: an XML file or a folder of modules."""

    path: Path
    form: Format


def read_census(
    paths: str | Path | Iterable[str | Path],
    *,
    mapping: FieldMapping | str | Path | None = None,
    format: Format | None = None,
    root: str | Path | None = None,
    rules: bool = False,
) -> CensusTables:
    """Read children-in-need returns of any number of councils and years.

    Parameters
    ----------
    paths : path or iterable of paths
        XML files, folders of modules, or folders that hold such files and folders at any depth;
        archives, workbooks, the URL of a database, datasets (docs/census-format.md).
    mapping : FieldMapping or path of a TOML file, optional
        Own names, dates and codes; needed for years ending before 2014.
    format : {"xml", "csv", "parquet"}, optional
        Read only returns of this format.
    root : path, optional
        Project root, for the list of councils; found from the current folder by default.
    rules : bool
        Whether to ask DfE's published rules of each return as it was sent
        (docs/published-rules.md).

    Returns
    -------
    CensusTables
        Rows in the order of the paths; every table also has `census_year` (year ending 31 March),
        `source_file` and `source_row`. `issues` holds what has no value of its kind. A record that
        is in the returns of several years is there as often: `validate_census` keeps the latest.

    Raises
    ------
    DataError
        If nothing is found, a return cannot be trusted, comes twice without an order, or real and
        simulated returns are mixed. Names file and line, never a value.

    Examples
    --------
    >>> tables = read_census("returns/2014")  # doctest: +SKIP
    >>> len(tables.referrals)  # doctest: +SKIP
    4120
    """
    # Imported here: typing needs pyarrow, which the command line must not load.
    from pilot_eval.records.typed import type_return

    if not isinstance(mapping, FieldMapping) and mapping is not None:
        mapping = read_mapping(mapping)
    root = None if root is None else Path(root)
    with unpacked(paths, mapping=mapping) as found:
        places = find_returns(found, format=format)
        headers = [header for place in places for header in read_headers(place, root)]
        standing = find_standing(headers)
        refuse_unordered(headers, standing)
        parts = []
        next_id: dict[str, int] = defaultdict(lambda: 1)
        for raw in _standing_returns(places, standing, mapping, root, rules):
            code = raw.header.council_code
            parts.append(type_return(raw, first_referral_id=next_id[code], rules=rules))
            next_id[code] += len(parts[-1].referrals)
    tables = concat_tables(parts, source=_describe(headers))
    notes = note_resubmissions(standing)
    return replace(tables, issues=stack([tables.issues, notes])) if len(notes) else tables


def read_headers(place: ReturnFile, root: Path | None = None) -> list[ReturnHeader]:
    """Read who sent the return, or the returns, at one place, and for which year.

    Parameters
    ----------
    place : ReturnFile
    root : Path, optional

    Returns
    -------
    list of ReturnHeader
    """
    if place.form == "xml":
        from pilot_eval.records.xml_reader import read_xml_header

        return [read_xml_header(place.path, root=root)]
    from pilot_eval.records.folder_reader import read_folder_headers

    return read_folder_headers(place.path, place.form, root=root)


def _standing_returns(
    places: Iterable[ReturnFile],
    standing: Container[ReturnHeader],
    mapping: FieldMapping | None,
    root: Path | None,
    rules: bool,
) -> Iterator[RawReturn]:
    """Read the returns that no later version stands for."""
    for place in places:
        if all(header in standing for header in read_headers(place, root)):
            continue
        for raw in read_return(place, mapping=mapping, root=root, rules=rules):
            if raw.header not in standing:
                yield raw


def find_returns(
    paths: str | Path | Iterable[str | Path],
    *,
    format: Format | None = None,
    refused: list[str] | None = None,
) -> list[ReturnFile]:
    """Find the returns at and below some paths, without reading them.

    Parameters
    ----------
    paths : path or iterable of paths
    format : {"xml", "csv", "parquet"}, optional
    refused : list, optional
        Takes the messages of places that cannot be returns, so that the others can be read;
        without it the first one is an error.

    Returns
    -------
    list of ReturnFile
        Sorted within each path.

    Raises
    ------
    DataError
        If a path does not exist or nothing is found.
    ParameterError
        If there is no such format.
    """
    if format is not None and format not in FORMATS:
        rule = f"be one of {', '.join(FORMATS)}"
        raise ParameterError(explain("format", rule, format, "Leave it out to read every format."))
    faults: list[str] = []
    found = [place for path in _listed(paths) for place in _places(path, faults)]
    kept = [place for place in found if format in (None, place.form)]
    if refused is not None:
        refused += faults
    known = faults if refused is None else refused
    if known and (refused is None or not kept):
        raise DataError("; ".join(known))
    if not kept:
        rule = f"hold XML returns, zip archives, workbooks or folders with {HEADER}.csv or .parquet"
        raise DataError(explain("paths", rule, "none", "See docs/census-format.md."))
    return kept


def read_return(
    place: ReturnFile,
    *,
    mapping: FieldMapping | None = None,
    root: Path | None = None,
    rules: bool = False,
) -> Iterator[RawReturn]:
    """Read the return, or the returns, at one place as text columns.

    Parameters
    ----------
    place : ReturnFile
    mapping : FieldMapping, optional
    root : Path, optional
    rules : bool
        Whether to read what only the published rules ask about as well.

    Yields
    ------
    RawReturn
    """
    if place.form == "xml":
        from pilot_eval.records.xml_reader import read_xml

        raw = read_xml(place.path, mapping=mapping, root=root, rules=rules)
        yield translate(raw, mapping)
    else:
        from pilot_eval.records.folder_reader import read_folder

        raws = read_folder(place.path, place.form, mapping=mapping, root=root, rules=rules)
        for raw in raws:
            yield translate(raw, mapping)


def _listed(paths: str | Path | Iterable[str | Path]) -> list[Path]:
    listed = [Path(paths)] if isinstance(paths, str | Path) else [Path(path) for path in paths]
    for path in listed:
        if not path.exists():
            raise DataError(explain(path.name, "exist", "no such path", "Correct the path."))
    return listed


def _places(path: Path, faults: list[str]) -> list[ReturnFile]:
    """List the returns at a path, or below it; what cannot be one is a fault."""
    if path.suffix.lower() in MODULE_SUFFIXES and path.is_file():
        rule, got = "be a return: a folder with all its modules", "one file"
        faults.append(explain(path.name, rule, got, "Give the folder that it is in."))
        return []
    if path.is_file():
        return [ReturnFile(path=path, form="xml")]
    if is_ssd(path):  # a dataset, of which `unpacked` makes returns
        return []
    forms = [form for form in FORMATS[1:] if _holds_modules(path, form)]
    if len(forms) > 1:
        rule = "hold its modules in one format"
        faults.append(explain(path.name, rule, "two", "Keep one folder per format."))
        return []
    if forms and find_module(path / f"{HEADER}.{forms[0]}").is_file():
        return [ReturnFile(path=path, form=forms[0])]
    without = [ReturnFile(path=path, form=form) for form in forms]  # refused where it is read
    parts = [part for part in path.iterdir() if not part.name.startswith("._")]
    text = [one for one in parts if fold(one.stem) == fold(HEADER) and _is_text(one)]
    rule = f"hold its modules as {' or '.join(MODULE_SUFFIXES)} files"
    faults += [explain(path.name, rule, one.suffix, "Rename them.") for one in text]
    inner = sorted(part for part in parts if part.is_dir() or _is_xml(part))
    return [*without, *(place for part in inner for place in _places(part, faults))]


def _holds_modules(path: Path, form: str) -> bool:
    """Say whether a folder is a return in a format: it holds the header, or a module."""
    names = (HEADER, *(module.element for module in STANDARD.values()))
    held = [fold(one.stem) for one in path.glob("*.*") if one.suffix.lower() == f".{form}"]
    exact = {fold(name) for name in names}
    # A whole return whose files have more in their names is refused where its header is missed.
    return not exact.isdisjoint(held) or any(fold(HEADER) in name for name in held)


def _is_text(path: Path) -> bool:
    return path.is_file() and path.suffix.lower() not in (_XML_SUFFIX, *MODULE_SUFFIXES)


def _is_xml(path: Path) -> bool:
    return path.suffix.lower() == _XML_SUFFIX


def _describe(headers: Iterable[ReturnHeader]) -> str:
    seen = {(header.council_code, header.part, header.year) for header in headers}
    councils = {code for code, _, _ in seen}
    years = sorted({year for _, _, year in seen})
    span = str(years[0]) if len(years) == 1 else f"{years[0]} to {years[-1]}"
    return f"{len(seen)} returns of {len(councils)} councils, years ending 31 March {span}"
