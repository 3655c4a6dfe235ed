"""Zip archives and workbooks as the folders they stand for, in a place that is removed again."""

from __future__ import annotations

import csv
import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path

from pilot_eval.errors import DataError, explain

ZIP, WORKBOOK = ".zip", ".xlsx"
MAX_BYTES = 20_000_000_000
"""Unpacked size of an archive: a nation's returns of ten years are less."""
_READABLE = (".xml", ".csv", ".parquet", WORKBOOK, ZIP)


@contextmanager
def unpacked(
    paths: str | Path | Iterable[str | Path], *, within: Path | None = None
) -> Iterator[list[Path]]:
    """Give the paths with archives and workbooks at or below them unpacked.

    Parameters
    ----------
    paths : path or iterable of paths
        A zip archive holds returns in any form; a workbook is one return, a module per sheet.
    within : Path, optional
        Folder in which the place for unpacked files is made; the system's by default. Only the
        user can read it, and it is removed at the end.

    Yields
    ------
    list of Path

    Raises
    ------
    DataError
        If an archive or a workbook cannot be opened; names the file, never what is in it.
    """
    given = [Path(paths)] if isinstance(paths, str | Path) else [Path(path) for path in paths]
    packed = [path for one in given for path in _find_packed(one)]
    if not packed:
        yield given
        return
    place = Path(tempfile.mkdtemp(prefix=".returns-", dir=within))
    try:
        kept = [path for path in given if path not in packed and _holds_more(path)]
        yield [*kept, *_unpack_all(packed, place)]
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _find_packed(path: Path) -> list[Path]:
    found = sorted(path.rglob("*")) if path.is_dir() else [path]
    return [
        one
        for one in found
        if one.suffix.lower() in (ZIP, WORKBOOK)
        and not one.name.startswith((".", "~"))
        and one.is_file()
    ]


def _holds_more(path: Path) -> bool:
    """Say whether a folder holds anything that is read where it is."""
    readable = (".xml", ".csv", ".parquet")
    return not path.is_dir() or any(one.suffix.lower() in readable for one in path.rglob("*"))


def _unpack_all(packed: Iterable[Path], place: Path) -> list[Path]:
    folders = []
    for number, path in enumerate(packed):
        folder = place / str(number) / path.stem
        folder.mkdir(parents=True)
        unpack = _unpack_workbook if path.suffix.lower() == WORKBOOK else _unpack_zip
        unpack(path, folder)
        inner = [one for one in _find_packed(folder) if folder in one.parents]
        if inner:
            folders += _unpack_all(inner, place / f"{number}-inner")
        if _holds_more(folder):
            folders.append(folder)
    return folders


def _unpack_zip(path: Path, folder: Path) -> None:
    failed = ""
    try:
        with zipfile.ZipFile(path) as archive:
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
                writer = csv.writer(stream)
                rows = sheet.iter_rows(values_only=True)
                names = [_word(name) for name in next(rows, ())]
                width = max((n for n, name in enumerate(names, start=1) if name), default=0)
                if width:
                    writer.writerow(names[:width])
                for row in rows:
                    if width and any(value is not None for value in row):
                        texts = [_word(value) for value in row[:width]]
                        writer.writerow([*texts, *[""] * (width - len(texts))])
        book.close()
    except Exception:  # whatever the package raises may quote a cell: none of it goes on
        failed = True
    if failed:
        rule = "be a workbook that can be opened, a sheet per module"
        raise DataError(explain(path.name, rule, "something else", "Save it again as xlsx."))


def _word(value: object) -> str:
    if isinstance(value, datetime):
        midnight = value.time() == datetime.min.time()
        return value.date().isoformat() if midnight else value.isoformat(sep=" ")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "" if value is None else str(value)
