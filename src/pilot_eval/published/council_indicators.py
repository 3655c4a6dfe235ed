"""DfE's published council tables: import them once, load the tidy table everywhere."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from pilot_eval.errors import DataError, RunError, explain
from pilot_eval.plan import load_plan
from pilot_eval.project import find_file, find_root
from pilot_eval.published.bands import split_bands
from pilot_eval.published.datapackage import refresh_hashes
from pilot_eval.published.looked_after import CLA_NOT_READ, CLA_VINTAGES
from pilot_eval.published.lookups import Lookups, read_lookups
from pilot_eval.published.published_rows import COLUMNS, build_rows
from pilot_eval.published.statuses import NOT_AVAILABLE
from pilot_eval.published.vintage_reader import CouncilFigures, read_vintage
from pilot_eval.published.vintages_2012_2013 import CIN_2012, CIN_2013
from pilot_eval.published.vintages_2014 import CIN_2014
from pilot_eval.published.vintages_to_2011 import CIN_2010, CIN_2011
from pilot_eval.reference.facts import ENGLAND
from pilot_eval.reference.pilot_facts import Exemption

SOURCE_VARIABLE = "PILOT_EVAL_SOURCE_DATA"
TABLE_NAME = "published/council_indicators.csv"
COUNCILS_NAME = "reference/councils.csv"
POPULATIONS_NAME = "reference/populations.csv"
VINTAGES = (CIN_2010, CIN_2011, CIN_2012, CIN_2013, CIN_2014, *CLA_VINTAGES)
SIGNIFICANT_DIGITS = 10
BAND_SUM = "band_sum"
_DFE_REBASED = "dfe_rebased"  # England: DfE's own mid-year figure, rebased from mid-2011
_FIRST_REBASED = 2011
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
        table = pd.read_csv(
            path,
            dtype=dict.fromkeys(_TEXT_COLUMNS, str),
            keep_default_na=False,
            na_values={name: [""] for name in COLUMNS if name not in _TEXT_COLUMNS},
        )
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        rule = "be the tidy table of published indicators"
        raise _unusable(path, rule, type(error).__name__) from error
    missing = [name for name in COLUMNS if name not in table.columns]
    if missing:
        rule = f"have the columns {', '.join(COLUMNS)}"
        raise _unusable(path, rule, f"no {', '.join(missing)}")
    return table[list(COLUMNS)]


def _unusable(path: Path, rule: str, got: str) -> DataError:
    action = "Restore it from version control, or run `pilot-eval import-published DIR`."
    return DataError(explain(str(path), rule, got, action))


def import_published(
    source_dir: str | Path | None = None,
    out_dir: str | Path | None = None,
    *,
    pilots: Mapping[str, int] | None = None,
) -> tuple[Path, ...]:
    """Import DfE's source files of 2009-10 to 2013-14 into the project's tables.

    Everything is read and checked before anything is written. The same files give the same bytes.

    Parameters
    ----------
    source_dir : path, optional
        Folder of ``dfe-cin``, ``dfe-cla`` and ``lookups``. Default: the environment variable
        ``PILOT_EVAL_SOURCE_DATA``.
    out_dir : path, optional
        The data folder to write to. Default: ``data`` of the project.
    pilots : mapping of str to int, optional
        As from `first_pilot_years` of the exemption register (the default).

    Returns
    -------
    tuple of pathlib.Path
        The files written: the tidy table, populations and councils.

    Raises
    ------
    DataError
        If a file is missing, unknown or not what its vintage says: by file, line and column.
    RunError
        If a table cannot be written.

    References
    ----------
    DfE: OSR28/2010, OSR26/2011, SFR27/2012, SFR45/2013, SFR43/2014 (children in need);
    SFR27/2010, SFR21/2011, SFR20/2012, SFR36/2013, SFR36/2014 (looked-after children).

    Examples
    --------
    >>> import_published("path/to/dfe/files")  # doctest: +SKIP
    """
    source = _source_folder(source_dir)
    out = Path(out_dir) if out_dir is not None else find_root() / "data"
    pilots = first_pilot_years(load_plan().treatment_register) if pilots is None else pilots
    _check_known_files(source)
    lookups = read_lookups(source)
    cells = tuple(
        read_vintage(source / v.folder / v.file, v, lookups.councils, VINTAGES) for v in VINTAGES
    )
    populations = _population_rows(lookups, cells)
    tables: dict[str, Sequence[Mapping[str, object]]] = {
        TABLE_NAME: _indicator_rows(cells, populations, pilots),
        POPULATIONS_NAME: populations,
        COUNCILS_NAME: list(lookups.councils.values()),
    }
    written = tuple(_write_table(out / name, rows) for name, rows in tables.items())
    refresh_hashes(out)
    return written


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


def first_pilot_years(exemptions: Iterable[Exemption]) -> dict[str, int]:
    """Give the first year in which each council's missing figures are put down to its pilot.

    Parameters
    ----------
    exemptions : iterable of Exemption
        The register. A council that was announced but granted nothing is left out.

    Returns
    -------
    dict of str to int
        Council code to year ending 31 March: the first year that ends after the month of the
        grant (or of the start, where no grant is dated). A grant in March of one year gives the
        next: the figures of the year to that March were collected under the old rules.

    Examples
    --------
    >>> first_pilot_years(load_plan().treatment_register)  # doctest: +SKIP
    """
    years: dict[str, int] = {}
    for exemption in exemptions:
        date = exemption.granted or exemption.started
        if date:
            year, month = int(date[:4]), int(date[5:7] or 1)
            first = year if month < 3 else year + 1
            code = exemption.council_code
            years[code] = min(first, years.get(code, first))
    return years


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
    for folder in sorted({vintage.folder for vintage in VINTAGES}):
        described = {v.file for v in VINTAGES if v.folder == folder} | CLA_NOT_READ
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


def _population_rows(
    lookups: Lookups, cells: Sequence[Mapping[str, CouncilFigures]]
) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for vintage, figures in zip(VINTAGES, cells, strict=True):
        if not vintage.population_column:
            continue
        mid_year = vintage.year_ending - 1
        for code in sorted(figures):
            printed = figures[code].cells[vintage.population_column].value
            if code == ENGLAND:
                rebased = mid_year >= _FIRST_REBASED
                value, basis = (printed, _DFE_REBASED) if rebased else (math.nan, NOT_AVAILABLE)
            else:
                value, basis = lookups.populations[code, mid_year]
            rows.append(
                {
                    "council_code": code,
                    "mid_year": mid_year,
                    "year_ending": vintage.year_ending,
                    "population_0_17": value,
                    "basis": basis,
                    "population_0_17_as_published": printed,
                }
            )
    return sorted(rows, key=lambda row: (str(row["council_code"]), str(row["mid_year"])))


def _indicator_rows(
    cells: Sequence[Mapping[str, CouncilFigures]],
    populations: Sequence[Mapping[str, object]],
    pilots: Mapping[str, int],
) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for vintage, figures in zip(VINTAGES, cells, strict=True):
        children = {
            str(row["council_code"]): float(str(row["population_0_17"]))
            for row in populations
            if row["year_ending"] == vintage.year_ending
        }
        rows.extend(build_rows(vintage, figures, children, pilots))
    order = {name: number for number, name in enumerate(_indicator_order())}
    return sorted(
        rows,
        key=lambda row: (
            str(row["year_ending"]),
            order[str(row["indicator"])],
            str(row["council_code"]),
        ),
    )


def _indicator_order() -> tuple[str, ...]:
    names = (figure.indicator for vintage in VINTAGES for figure in vintage.figures)
    return tuple(dict.fromkeys(names))


def _write_table(path: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(rows[0])
            writer.writerows([_format(cell) for cell in row.values()] for row in rows)
        part.replace(path)
    except OSError as error:
        raise RunError(
            explain(
                str(path),
                "be a file that can be written",
                error.strerror or type(error).__name__,
                "Free some space or name another folder; the table that was there is unchanged.",
            )
        ) from error
    return path


def _format(cell: object) -> object:
    if not isinstance(cell, float):
        return cell
    return "" if math.isnan(cell) else f"{cell:.{SIGNIFICANT_DIGITS}g}"
