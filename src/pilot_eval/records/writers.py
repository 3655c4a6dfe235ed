"""Write returns: the reverse of the readers, for simulated children and round trips."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from types import MappingProxyType
from xml.sax.saxutils import escape

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pyarrow import csv as arrow_csv

from pilot_eval.errors import ParameterError, explain
from pilot_eval.records.local_extracts import write_local_extracts
from pilot_eval.records.mapping import FieldMapping, read_mapping
from pilot_eval.records.names import (
    BEFORE_MODULE,
    CHILD,
    CHILD_LINK,
    CHILDREN,
    COLLECTION,
    COUNCIL_COLUMN,
    HEADER,
    HEADER_PARTS,
    PLAN_LINK,
    REFERRAL_LINK,
    ROOT,
    SIMULATED_COLUMN,
    SIMULATED_SOFTWARE,
    YEAR_COLUMN,
    Layout,
    modules_within,
)
from pilot_eval.records.read import FORMATS, Format
from pilot_eval.records.returns import ReturnHeader, layout_of
from pilot_eval.records.schema import CensusTables
from pilot_eval.records.views import split_by_year, years_of
from pilot_eval.records.written import Written, written_modules
from pilot_eval.reference.facts import load_councils

_XML_NOTE = f"<!-- {SIMULATED_SOFTWARE}: every record is invented. -->\n"
_OWN_SOFTWARE = "pilot_eval"
_NO_TEXT = np.array([], dtype=object)


def write_census(
    tables: CensusTables,
    folder: str | Path,
    *,
    format: Format,
    mapping: FieldMapping | str | Path | None = None,
    years: Iterable[int] | None = None,
    serial: int = 1,
    root: str | Path | None = None,
) -> list[Path]:
    """Write one return a council and year, as XML files or as folders of CSV or Parquet modules.

    Parameters
    ----------
    tables : CensusTables
        With `census_year`, each record goes to the return of that year. Without it (simulated
        histories) each year's return holds the episodes open in the year, as they stood on
        31 March: an episode of several years is in several returns.
    folder : path
        Made if need be; existing returns of the same council and year are overwritten.
    format : {"xml", "csv", "parquet"}
    mapping : FieldMapping or path, optional
        Names of the two-stage returns of years ending before 2014; simulated ones use the example
        mapping by default.
    years : iterable of int, optional
        Years ending 31 March to write; default all from the first referral to the last.
    serial : int
        2 and more: the return sent again, with a later DateTime and a name of its own.
    root : path, optional
        Project root, for the list of councils.

    Returns
    -------
    list of Path
        ``<dfe number>_<year>.xml``, or a folder ``<dfe number>_<year>``; and, where the tables
        hold such dates, the local extracts ``strategy_discussions.csv`` and ``core_groups.csv``.
        Simulated returns say inside that they are simulated.

    Raises
    ------
    DataError
        If the tables cannot be written as returns (see `written_modules`), or a mapping is needed.
    ParameterError
        If there is no such format.

    Examples
    --------
    >>> write_census(tables, "data/simulated", format="parquet")  # doctest: +SKIP
    """
    if format not in FORMATS:
        rule = f"be one of {', '.join(FORMATS)}"
        raise ParameterError(explain("format", rule, format, "Choose one of them."))
    if not isinstance(mapping, FieldMapping) and mapping is not None:
        mapping = read_mapping(mapping)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    numbers = {council.council_code: council.dfe_number for council in load_councils(root)}
    written = []
    chosen = years_of(tables) if years is None else sorted(years)
    for year, frames in split_by_year(tables, chosen):
        for code, part in _by_council(frames):
            header = ReturnHeader(
                file=f"{numbers[code]}_{year}" + (f"_{serial}" if serial > 1 else ""),
                council_code=code,
                year=year,
                simulated=tables.strand == "simulated",
            )
            layout = layout_of(folder / header.file, header, mapping)
            modules = written_modules(part, layout)
            fields = fill_header(numbers[code], year, simulated=header.simulated, serial=serial)
            written.append(_WRITERS[format](folder / header.file, fields, layout, modules))
    return written + write_local_extracts(tables, folder, numbers)


def _by_council(frames: dict[str, pd.DataFrame]) -> Iterable[tuple[str, dict[str, pd.DataFrame]]]:
    """Split the tables by council, in the order of the codes."""
    groups = {
        name: dict(iter(frame.groupby(frame["council_code"].astype("str"), sort=False)))
        for name, frame in frames.items()
    }
    for code in sorted(set().union(*groups.values())):
        yield code, {name: groups[name].get(code, frames[name].iloc[:0]) for name in frames}


def fill_header(number: str, year: int, *, simulated: bool, serial: int = 1) -> dict[str, str]:
    """Fill the header of a return; the time stamp is made, so that files do not change.

    Parameters
    ----------
    number : str
        DfE number of the council.
    year : int
        Ending 31 March.
    simulated : bool
    serial : int
        How often it has been sent: each time a day later, from the reference date on.

    Returns
    -------
    dict of str to str
    """
    sent = date(year, 3, 31) + timedelta(days=serial - 1)
    return {
        "Collection": COLLECTION,
        "Year": str(year),
        "ReferenceDate": f"{year}-03-31",
        "SourceLevel": "L",
        "LEA": number,
        "SoftwareCode": SIMULATED_SOFTWARE if simulated else _OWN_SOFTWARE,
        "Release": "1",
        "SerialNo": f"{serial:03d}",
        "DateTime": f"{sent}T00:00:00",
    }


def _is_simulated(fields: dict[str, str]) -> bool:
    return fields["SoftwareCode"] == SIMULATED_SOFTWARE


def _write_xml(
    path: Path, fields: dict[str, str], layout: Layout, modules: dict[str, Written]
) -> Path:
    size = len(modules["identifiers"].above)
    inner = _inner_text(layout, modules, "", size)
    children = "".join(f"<{CHILD}>{text}</{CHILD}>\n" for text in inner)
    parts = [
        f"<{part}>{''.join(_tagged(name, fields[name]) for name in names)}</{part}>"
        for part, names in HEADER_PARTS.items()
    ]
    note = _XML_NOTE if _is_simulated(fields) else ""
    head = f'<?xml version="1.0" encoding="utf-8"?>\n{note}<{ROOT}>\n<{HEADER}>{"".join(parts)}'
    text = f"{head}</{HEADER}>\n<{CHILDREN}>\n{children}</{CHILDREN}>\n</{ROOT}>\n"
    target = path.with_name(f"{path.name}.xml")
    target.write_bytes(text.encode())
    return target


def _tagged(tag: str, text: str | None) -> str:
    return "" if text is None else f"<{tag}>{escape(text)}</{tag}>"


def _inner_text(
    layout: Layout,
    modules: dict[str, Written],
    key: str,
    size: int,
    late: Mapping[str, NDArray[np.object_]] = MappingProxyType({}),
) -> NDArray[np.object_]:
    """Write, for each of the `size` records of a module, the elements of the modules inside it.

    In the order of the return's schema: assessments first; `late` stands before a module.
    """
    text = np.full(size, "", dtype=object)
    inside = modules_within(layout, key)
    for name in sorted(inside, key=lambda one: not inside[one].assessment_type):
        module = inside[name]
        text = text + late.get(name, "")
        if name not in modules or not len(modules[name].above):
            continue
        own = modules[name]
        texts = {
            tag: np.array([_tagged(tag, value) for value in values], dtype=object)
            for tag, values in own.fields.items()
        }
        after = {BEFORE_MODULE[tag]: texts.pop(tag) for tag in BEFORE_MODULE if tag in texts}
        body = _inner_text(layout, modules, name, len(own.above), after)
        for fields in reversed(texts.values()):
            body = fields + body
        wrapped = f"<{module.element}>" + body + f"</{module.element}>\n"
        text = text + _joined(wrapped, own.above, size)
    return text


def _joined(text: NDArray[np.object_], above: NDArray[np.int64], size: int) -> NDArray[np.object_]:
    """Join the texts that belong to each record; `above` is ascending."""
    ends = np.searchsorted(above, np.arange(size), side="right")
    starts = np.concatenate([[0], ends[:-1]]) if size else ends
    spans = zip(starts.tolist(), ends.tolist(), strict=True)
    return np.array(["".join(text[start:end]) for start, end in spans], dtype=object)


def _write_folder(
    path: Path,
    fields: dict[str, str],
    layout: Layout,
    modules: dict[str, Written],
    *,
    write: Callable[[pa.Table, Path, bool], None],
    suffix: str,
) -> Path:
    path.mkdir(exist_ok=True)
    simulated = _is_simulated(fields)
    header = pa.table({name: [text] for name, text in fields.items()})
    write(header, path / f"{HEADER}{suffix}", simulated)
    for key, table in link_modules(fields, layout, modules).items():
        write(table, path / f"{layout[key].element}{suffix}", simulated)
    return path


def link_modules(
    fields: dict[str, str], layout: Layout, modules: dict[str, Written]
) -> dict[str, pa.Table]:
    """Add to each module the columns that link it.

    Parameters
    ----------
    fields : dict of str to str
        Of the header.
    layout : Layout
    modules : dict of str to Written

    Returns
    -------
    dict of str to pyarrow.Table
        By module key: text columns by their statutory names.
    """
    child_tag = next(
        tag for tag, name in layout["identifiers"].fields.items() if name == "child_id"
    )
    ids = modules["identifiers"].fields[child_tag]
    rows: dict[str, dict[str, NDArray[np.object_]]] = {"": {CHILD_LINK: ids}}
    tables = {}
    for key, module in layout.items():
        own = modules[key]
        links = {name: values[own.above] for name, values in rows[module.parent].items()}
        if key in _NUMBERED:
            links[_NUMBERED[key]] = np.arange(1, len(own.above) + 1).astype(str).astype(object)
        rows[key] = links
        place = {name: np.full(len(own.above), fields[name]) for name in _PLACE}
        columns = {**place, **links, **own.fields}
        tables[key] = pa.table(
            {name: pa.array(values, pa.string()) for name, values in columns.items()}
        )
    return tables


_PLACE = (COUNCIL_COLUMN, YEAR_COLUMN)
_NUMBERED = {"referrals": REFERRAL_LINK, "plans": PLAN_LINK}


def _csv_table(table: pa.Table, path: Path, simulated: bool) -> None:
    if simulated:
        mark = pa.array([SIMULATED_SOFTWARE] * table.num_rows, pa.string())
        table = table.append_column(SIMULATED_COLUMN, mark)
    arrow_csv.write_csv(table, path)


def _parquet_table(table: pa.Table, path: Path, simulated: bool) -> None:
    mark = {SIMULATED_COLUMN: SIMULATED_SOFTWARE} if simulated else {}
    pq.write_table(table.replace_schema_metadata(mark), path, compression="zstd")


Writer = Callable[[Path, dict[str, str], Layout, dict[str, Written]], Path]
_WRITERS: dict[Format, Writer] = {
    "xml": _write_xml,
    "csv": partial(_write_folder, write=_csv_table, suffix=".csv"),
    "parquet": partial(_write_folder, write=_parquet_table, suffix=".parquet"),
}
