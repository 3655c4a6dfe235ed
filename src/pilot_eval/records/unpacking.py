"""Archives, workbooks, databases and datasets as folders of returns, which are removed again."""

from __future__ import annotations

import csv
import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from itertools import chain, islice
from pathlib import Path
from typing import TextIO

from pilot_eval.errors import DataError, explain
from pilot_eval.records.mapping import FieldMapping, read_mapping
from pilot_eval.records.names import COUNCIL_COLUMN, HEADER, HEADER_PARTS, STANDARD
from pilot_eval.records.near_names import MOST_TITLE_LINES, find_module, find_names

ZIP, WORKBOOKS = ".zip", (".xlsx", ".xlsm")
UNREADABLE = (".xls", ".xlsb", ".ods", ".7z", ".rar", ".gz", ".tgz", ".tar")
"""Forms in which returns are kept that are not opened: they are named, not left out in silence."""
URL_MARK = "://"
SSD_CHILDREN = "ssd_person"
_NAMES = frozenset(
    {"LAchildID", "CINdetailsID"}.union(
        *(module.fields for module in STANDARD.values()), *HEADER_PARTS.values()
    )
)
MAX_BYTES = 20_000_000_000
"""Unpacked size of an archive: a nation's returns of ten years are less."""
_READABLE = (".xml", ".csv", ".parquet", *WORKBOOKS, ZIP, *UNREADABLE)


@contextmanager
def unpacked(
    paths: str | Path | Iterable[str | Path],
    *,
    within: Path | None = None,
    refused: list[str] | None = None,
    mapping: FieldMapping | Path | str | None = None,
) -> Iterator[list[Path]]:
    """Give the paths with archives and workbooks at or below them unpacked.

    Parameters
    ----------
    paths : path or iterable of paths
        A zip archive holds returns in any form; a workbook is one return, a module per sheet; a
        text with ``://`` is the URL of a database; a folder may be a Standard Safeguarding Dataset
        as CSV or a Parquet dataset partitioned by council and year.
    within : Path, optional
        Folder in which the place for unpacked files is made; the system's by default. Only the
        user can read it, and it is removed at the end.
    refused : list, optional
        Takes the messages of archives and workbooks that cannot be opened, so that the others can
        be read; without it the first one is an error.
    mapping : FieldMapping or path, optional
        Own names of a database's tables and columns.

    Yields
    ------
    list of Path

    Raises
    ------
    DataError
        If a source cannot be opened; names the file, never what is in it.
    """
    listed = [paths] if isinstance(paths, str | Path) else list(paths)
    sources = [path for path in listed if is_url(path) or _holds_tables(Path(path))]
    given = [Path(path) for path in listed if path not in sources]
    sources += [inner for path in given for inner in _find_datasets(path)]
    packed = [path for one in given for path in _find_packed(one)]
    if not packed and not sources:
        yield given
        return
    place = Path(tempfile.mkdtemp(prefix=".returns-", dir=within))
    try:
        kept = [path for path in given if path not in packed and _holds_more(path)]
        folders = _unpack_all(packed, place, refused)
        yield [*kept, *folders, *_copy_all(sources, place, mapping)]
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _holds_tables(path: Path) -> bool:
    """Say whether a folder is a dataset, and not returns."""
    return path.is_dir() and (is_ssd(path) or _is_partitioned(path))


def is_ssd(path: Path) -> bool:
    """Say whether a folder is a Standard Safeguarding Dataset."""
    return find_module(path / f"{SSD_CHILDREN}.csv").is_file()


def _find_datasets(path: Path) -> list[Path]:
    """Find the datasets below a folder."""
    inside = sorted(path.rglob("*.csv")) if path.is_dir() else []
    return [one.parent for one in inside if one.stem.casefold() == SSD_CHILDREN]


def _is_partitioned(path: Path) -> bool:
    return any((path / HEADER).glob(f"{COUNCIL_COLUMN}=*"))


def _copy_all(
    sources: Iterable[str | Path], place: Path, mapping: FieldMapping | Path | str | None
) -> list[Path]:
    """Copy databases and datasets to folders of returns."""
    folders = []
    for number, source in enumerate(sources):
        folder = place / f"source-{number}"
        folder.mkdir()
        if is_url(source):
            from pilot_eval.records.sql_source import copy_database

            own = read_mapping(mapping) if isinstance(mapping, str | Path) else mapping
            copy_database(str(source), folder, own)
        elif is_ssd(Path(source)):
            from pilot_eval.records.ssd import copy_ssd_folder

            copy_ssd_folder(Path(source), folder)
        else:
            from pilot_eval.records.datasets import copy_dataset

            copy_dataset(Path(source), folder)
        folders.append(folder)
    return folders


@contextmanager
def copied(
    source: str | Path | None, *, within: Path | None = None, mapping: str | None = None
) -> Iterator[Path | None]:
    """Give returns by a path: those of a database as a copy, which is removed at the end.

    So that its address, which may hold a password, is in no parameter and no output.

    Parameters
    ----------
    source : str, Path or None
    within, mapping : path, optional
        As in `unpacked`.

    Yields
    ------
    Path or None
    """
    if source is None or not is_url(source):
        yield None if source is None else Path(source)
        return
    with unpacked(source, within=within, mapping=mapping or None) as (folder,):
        yield folder


def is_url(path: object) -> bool:
    """Say whether something given as a path is the address of a database.

    Parameters
    ----------
    path : object

    Returns
    -------
    bool
    """
    return isinstance(path, str) and URL_MARK in path


def _find_packed(path: Path) -> list[Path]:
    found = sorted(path.rglob("*")) if path.is_dir() else [path]
    return [
        one
        for one in found
        if one.suffix.lower() in (ZIP, *WORKBOOKS, *UNREADABLE)
        and not one.name.startswith((".", "~"))
        and one.is_file()
    ]


def _holds_more(path: Path) -> bool:
    """Say whether a folder holds anything that is read where it is."""
    readable = (".xml", ".csv", ".parquet")
    return not path.is_dir() or any(one.suffix.lower() in readable for one in path.rglob("*"))


def _unpack_all(packed: Iterable[Path], place: Path, refused: list[str] | None) -> list[Path]:
    folders = []
    for number, path in enumerate(packed):
        folder = place / str(number) / path.stem
        folder.mkdir(parents=True)
        try:
            _unpack(path, folder)
        except DataError as fault:
            if refused is None:
                raise
            refused.append(str(fault))
            continue
        inner = [one for one in _find_packed(folder) if folder in one.parents]
        if inner:
            folders += _unpack_all(inner, place / f"{number}-inner", refused)
        if _holds_more(folder):
            folders.append(folder)
    return folders


def _unpack(path: Path, folder: Path) -> None:
    suffix = path.suffix.lower()
    if suffix in UNREADABLE:
        rule = f"be of a form that is opened: {ZIP}, {', '.join(WORKBOOKS)}"
        raise DataError(explain(path.name, rule, suffix, "Save it as one of them, or unpack it."))
    (_unpack_zip if suffix == ZIP else _unpack_workbook)(path, folder)


def _unpack_zip(path: Path, folder: Path) -> None:
    failed = ""
    try:
        with zipfile.ZipFile(path) as archive:
            for one in archive.infolist():  # some Windows tools write their own separator
                one.filename = one.filename.replace("\\", "/")
            wanted = [
                one
                for one in archive.infolist()
                if Path(one.filename).suffix.lower() in _READABLE
                and not Path(one.filename).name.startswith("._")
                and "__MACOSX" not in Path(one.filename).parts
            ]
            if sum(one.file_size for one in wanted) > MAX_BYTES:
                failed = "an archive of more than 20 GB"
            else:
                archive.extractall(folder, wanted)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError):
        failed = "a damaged, encrypted or other archive"
    if failed:
        action = "Unpack it and give the folder."
        raise DataError(explain(path.name, "be a zip archive that can be opened", failed, action))


def _unpack_workbook(path: Path, folder: Path) -> None:
    """Write each sheet as the CSV file of its module; a row keeps its number."""
    from openpyxl import load_workbook

    failed = False
    try:
        book = load_workbook(path, read_only=True, data_only=True)
        for sheet in book.worksheets:
            with (folder / f"{sheet.title}.csv").open("w", encoding="utf-8", newline="") as stream:
                _write_sheet(sheet.iter_rows(values_only=True), stream)
        book.close()
    except Exception:  # whatever the package raises may quote a cell: none of it goes on
        failed = True
    if failed:
        rule = "be a workbook that can be opened, a sheet per module"
        raise DataError(explain(path.name, rule, "something else", "Save it again as xlsx."))


def _write_sheet(rows: Iterator[tuple[object, ...]], stream: TextIO) -> None:
    """Write a sheet from its names on: titles become blank lines, blank rows at its end go."""
    first = [[_word(value) for value in row] for row in islice(rows, MOST_TITLE_LINES + 1)]
    line = find_names(first, _NAMES)
    width = max((n for n, name in enumerate(first[line], start=1) if name), default=0)
    if not width:
        return
    stream.write("\n" * line)
    writer, blank = csv.writer(stream), 0
    for texts in chain(first[line:], ([_word(value) for value in row] for row in rows)):
        if not any(texts):
            blank += 1
            continue
        for _ in range(blank):
            writer.writerow([""] * width)
        blank = 0
        writer.writerow([*texts[:width], *[""] * (width - len(texts))])


def _word(value: object) -> str:
    if isinstance(value, datetime):
        midnight = value.time() == datetime.min.time()
        return value.date().isoformat() if midnight else value.isoformat(sep=" ")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "" if value is None else str(value)
