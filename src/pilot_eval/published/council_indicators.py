"""DfE's published council tables: import them once, load the tidy table everywhere."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from pilot_eval.doors import takes
from pilot_eval.errors import DataError, RunError, explain
from pilot_eval.file_sets import whole_set
from pilot_eval.plan import load_plan
from pilot_eval.project import find_file, find_root
from pilot_eval.published.bands import split_bands
from pilot_eval.published.boundaries import CHANGES, read_boundary_changes
from pilot_eval.published.datapackage import hash_file, refresh_hashes
from pilot_eval.published.lookups import ESTIMATE, Lookups, read_lookups
from pilot_eval.published.published_rows import COLUMNS, Row, build_rows
from pilot_eval.published.release_overlaps import compare_releases
from pilot_eval.published.statuses import NOT_AVAILABLE, REPORTED
from pilot_eval.published.vintage_reader import CouncilFigures, Councils, read_vintage
from pilot_eval.published.vintages import Vintage, read_vintages
from pilot_eval.reference.facts import ENGLAND
from pilot_eval.reference.pilot_facts import Exemption
from pilot_eval.run_cache import once_per_run

SOURCE_VARIABLE = "PILOT_EVAL_SOURCE_DATA"
TABLE_NAME = "published/council_indicators.csv"
COUNCILS_NAME = "reference/councils.csv"
POPULATIONS_NAME = "reference/populations.csv"
OVERLAPS_NAME = "published/overlaps.csv"
SIGNIFICANT_DIGITS = 10
BAND_SUM = "band_sum"
_DFE_REBASED = "dfe_rebased"  # England: DfE's own mid-year figure, rebased from mid-2011
_FIRST_REBASED = 2011
_LAST_MONTH = 3  # figures are of years to 31 March
_TEXT_COLUMNS = (
    "council_code",
    "indicator",
    "value_status",
    "numerator_status",
    "denominator_status",
    "value_basis",
    "confidence",
    "dfe_reference",
)


@takes(DataError)
def load_published(path: str | Path | None = None) -> pd.DataFrame:
    """Load the tidy table of published council indicators.

    Parameters
    ----------
    path : path, optional
        The table. Default: ``data/published/council_indicators.csv`` of the project.

    Returns
    -------
    pandas.DataFrame
        One row per year ending 31 March, council (England: ``E92000001``) and indicator, with
        the columns that ``data/README.md`` and ``data/datapackage.json`` describe. Figures are
        floats, NaN where their status is not ``reported``; text columns never hold NaN.

    Raises
    ------
    DataError
        If the table is missing, unreadable or lacks a column.

    Examples
    --------
    >>> table = load_published()
    >>> table["council_code"].nunique()
    153
    """
    path = Path(path) if path is not None else find_file(f"data/{TABLE_NAME}")
    try:
        table = _read_table(path, hash_file(path))
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        rule = "be the tidy table of published indicators"
        raise _unusable(path, rule, type(error).__name__) from error
    missing = [name for name in COLUMNS if name not in table.columns]
    if missing:
        rule = f"have the columns {', '.join(COLUMNS)}"
        raise _unusable(path, rule, f"no {', '.join(missing)}")
    return table[list(COLUMNS)]


@once_per_run
def _read_table(path: Path, _content: str) -> pd.DataFrame:
    """Read the table; its hash tells a run that it is the same one."""
    return pd.read_csv(
        path,
        dtype=dict.fromkeys(_TEXT_COLUMNS, str),
        keep_default_na=False,
        na_values={name: [""] for name in COLUMNS if name not in _TEXT_COLUMNS},
    )


def _unusable(path: Path, rule: str, got: str) -> DataError:
    action = "Restore it from version control, or run `pilot-eval import-published DIR`."
    return DataError(explain(str(path), rule, got, action))


def import_published(
    source_dir: str | Path | None = None,
    out_dir: str | Path | None = None,
    *,
    pilots: Mapping[str, range] | None = None,
) -> tuple[Path, ...]:
    """Import DfE's source files into the project's tables.

    Everything is read and checked before anything is written. The same files give the same bytes.

    Parameters
    ----------
    source_dir : path, optional
        Folder of the folders and files that ``releases.csv`` names, and of ``lookups``. Default:
        the environment variable ``PILOT_EVAL_SOURCE_DATA``.
    out_dir : path, optional
        The data folder to write to. Default: ``data`` of the project.
    pilots : mapping of str to range, optional
        As from `find_pilot_years` of the exemption register (the default).

    Returns
    -------
    tuple of pathlib.Path
        The files written: the tidy table, populations, councils and overlaps of releases.

    Raises
    ------
    DataError
        If a file is missing, unknown or not what its vintage says: by file, line and column.
    RunError
        If a table cannot be written.

    References
    ----------
    DfE: the releases of ``published/releases.csv``.

    Examples
    --------
    >>> import_published("path/to/dfe/files")  # doctest: +SKIP
    """
    source = _source_folder(source_dir)
    out = Path(out_dir) if out_dir is not None else find_root() / "data"
    pilots = find_pilot_years(load_plan().treatment_register) if pilots is None else pilots
    _check_known_files(source)
    lookups = read_lookups(source)
    councils = Councils(lookups.councils, read_boundary_changes(find_file(CHANGES)))
    vintages = [vintage for vintage in read_vintages() if vintage.years]
    cells = [
        (vintage, read_vintage(source / vintage.folder / vintage.file, vintage, councils, vintages))
        for vintage in vintages
    ]
    populations = _population_rows(lookups, cells)
    used, others = _choose_releases(_indicator_rows(cells, populations, pilots))
    tables: dict[str, Sequence[Mapping[str, object]]] = {
        TABLE_NAME: used,
        POPULATIONS_NAME: populations,
        COUNCILS_NAME: list(lookups.councils.values()),
        OVERLAPS_NAME: compare_releases(used, others),
    }
    try:
        with whole_set(out) as new:
            for name, rows in tables.items():
                _write_table(new / name, rows)
            refresh_hashes(out, new)
    except OSError as error:
        got = f"{out} ({error.strerror or type(error).__name__})"
        action = "Free some space or name another folder; every table is as it was."
        raise RunError(explain("data folder", "be one that can be written", got, action)) from error
    return tuple(out / name for name in tables)


def use_band_sums(table: pd.DataFrame) -> pd.DataFrame:
    """Replace the denominator of shares in time by the sum of their duration bands.

    A sensitivity: the published total is the denominator everywhere else, and it holds cases
    that the bands leave out (conferences dated before their section 47 enquiry began, for one).

    Parameters
    ----------
    table : pandas.DataFrame
        As from `load_published`.

    Returns
    -------
    pandas.DataFrame
        The rows of the indicators that bands make up, in the years that have bands, where every
        band is reported. ``value`` and ``denominator`` are new, ``value_basis`` is ``band_sum``.

    Examples
    --------
    >>> use_band_sums(load_published())  # doctest: +SKIP
    """
    keys = ["year_ending", "council_code"]
    changed = []
    for indicator in table["indicator"].unique():
        inside, outside = split_bands(indicator)
        bands = table[table["indicator"].isin([*inside, *outside])]
        if bands.empty:
            continue
        sums = bands.groupby(keys)["numerator"].agg(lambda counts: counts.sum(skipna=False))
        rows = table[table["indicator"] == indicator].set_index(keys).sort_index()
        sums = sums.reindex(rows.index)
        share = 100.0 * rows["numerator"] / sums.where(sums > 0)
        rows = rows.assign(value=share, denominator=sums, value_basis=BAND_SUM)
        changed.append(rows[share.notna()].reset_index())
    return pd.concat(changed, ignore_index=True)[list(COLUMNS)]


def find_pilot_years(exemptions: Iterable[Exemption]) -> dict[str, range]:
    """Give the years in which each council's missing figures are put down to its pilot.

    Parameters
    ----------
    exemptions : iterable of Exemption
        The register. A council that was announced but granted nothing is left out, and so is what
        a council is known not to have been freed from.

    Returns
    -------
    dict of str to range
        Council code to years ending 31 March. The first ends after the month of the grant (or of
        the start, where no grant is dated): a grant in March of one year gives the next, because
        the figures of the year to that March were collected under the old rules. The last is the
        year in which the last exemption ended, or in which it is last known to have been in force.

    Examples
    --------
    >>> find_pilot_years(load_plan().treatment_register)  # doctest: +SKIP
    """
    years: dict[str, range] = {}
    for exemption in exemptions:
        date = exemption.granted or exemption.started
        if date and exemption.freed != "no":
            year, month = int(date[:4]), int(date[5:7] or 1)
            first = year if month < _LAST_MONTH else year + 1
            last = _year_ending(exemption.ended or exemption.in_force_to or date)
            own = years.get(exemption.council_code, range(first, last + 1))
            years[exemption.council_code] = range(min(first, own.start), max(last + 1, own.stop))
    return years


def _year_ending(date: str) -> int:
    year, month = int(date[:4]), int(date[5:7] or 1)
    return year if month <= _LAST_MONTH else year + 1


def _source_folder(source_dir: str | Path | None) -> Path:
    named = source_dir or os.environ.get(SOURCE_VARIABLE)
    folder = Path(named) if named else None
    if folder is None or not folder.is_dir():
        raise DataError(
            explain(
                "source folder",
                "hold DfE's files in dfe-cin, dfe-cla and lookups",
                "no folder" if folder is None else f"{folder}, which is not a folder",
                f"Name it, or set the environment variable {SOURCE_VARIABLE}.",
            )
        )
    return folder


def _check_known_files(source: Path) -> None:
    vintages = read_vintages()
    for folder in sorted({vintage.folder for vintage in vintages}):
        described = {vintage.file for vintage in vintages if vintage.folder == folder}
        unknown = sorted({path.name for path in (source / folder).glob("*.csv")} - described)
        if unknown:
            raise DataError(
                explain(
                    f"{folder}/{unknown[0]}",
                    f"be one of the described files: {', '.join(sorted(described))}",
                    "a file that no vintage describes",
                    "Move it away, or describe its columns and symbols in a new vintage: column "
                    "names and the meaning of symbols change from release to release.",
                )
            )


Cells = Sequence[tuple[Vintage, Mapping[int, Mapping[str, CouncilFigures]]]]


def _population_rows(lookups: Lookups, cells: Cells) -> list[dict[str, object]]:
    """List children by council and mid-year: the look-up's series, then the estimates after it."""
    rows: list[dict[str, object]] = []
    for vintage, years in cells:
        column = vintage.population_column
        if column:
            rows += [
                _population_row(code, year - 1, *_one_series(lookups, code, year - 1, printed))
                for year, figures in years.items()
                for code, printed in ((c, figures[c].cells[column].value) for c in figures)
            ]
        for figure in vintage.figures:
            if figure.kind == "population":
                rows += [
                    _population_row(code, year, cell.value, basis, math.nan)
                    for year, figures in years.items()
                    if year > lookups.last_mid_year
                    for code, cell in ((c, figures[c].cells[figure.numerator[0]]) for c in figures)
                    for basis in [ESTIMATE if cell.status == REPORTED else NOT_AVAILABLE]
                ]
    return sorted(rows, key=lambda row: (str(row["council_code"]), str(row["mid_year"])))


def _one_series(
    lookups: Lookups, code: str, mid_year: int, printed: float
) -> tuple[float, str, float]:
    if code != ENGLAND:
        return *lookups.populations[code, mid_year], printed
    rebased = mid_year >= _FIRST_REBASED
    return (printed, _DFE_REBASED, printed) if rebased else (math.nan, NOT_AVAILABLE, printed)


def _population_row(
    code: str, mid_year: int, value: float, basis: str, printed: float
) -> dict[str, object]:
    return {
        "council_code": code,
        "mid_year": mid_year,
        "year_ending": mid_year + 1,
        "population_0_17": value,
        "basis": basis,
        "population_0_17_as_published": printed,
    }


def _indicator_rows(
    cells: Cells, populations: Sequence[Mapping[str, object]], pilots: Mapping[str, range]
) -> list[Row]:
    """Make the rows of every release, the first in precedence first."""
    children: dict[int, dict[str, float]] = {}
    for row in populations:
        own = children.setdefault(int(str(row["year_ending"])), {})
        own[str(row["council_code"])] = float(str(row["population_0_17"]))
    rows: list[Row] = []
    for vintage, years in cells:
        for year, figures in years.items():
            rows.extend(build_rows(vintage, year, figures, children.get(year, {}), pilots))
    return rows


def _choose_releases(rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """Take each indicator and year from the first release that has it; give the others apart."""
    release: dict[tuple[object, object], object] = {}
    for row in rows:
        release.setdefault((row["year_ending"], row["indicator"]), row["dfe_reference"])
    order = {name: place for place, name in enumerate(dict.fromkeys(r["indicator"] for r in rows))}
    chosen = [
        row for row in rows if release[row["year_ending"], row["indicator"]] == row["dfe_reference"]
    ]
    taken = set(map(id, chosen))
    used = sorted(
        chosen,
        key=lambda row: (
            str(row["year_ending"]),
            order[row["indicator"]],
            str(row["council_code"]),
        ),
    )
    return used, [row for row in rows if id(row) not in taken]


def _write_table(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(rows[0])
        writer.writerows([_format(cell) for cell in row.values()] for row in rows)


def _format(cell: object) -> object:
    if not isinstance(cell, float):
        return cell
    return "" if math.isnan(cell) else f"{cell:.{SIGNIFICANT_DIGITS}g}"
