"""Simulated records in the sources beyond the yearly return, and with what later returns correct.

A Standard Safeguarding Dataset as CSV, a database of any of the forms, returns that are sent again
and episodes that the next return has under another date.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from pilot_eval.errors import ParameterError, explain
from pilot_eval.records.names import ASSESSMENT_LINK, HEADER, STANDARD
from pilot_eval.records.read import Format
from pilot_eval.records.schema import CensusTables, frames_of
from pilot_eval.records.ssd import CONFERENCES, SSD_MODULES
from pilot_eval.records.views import year_bounds
from pilot_eval.records.writers import fill_header, link_modules, write_census
from pilot_eval.records.written import written_modules
from pilot_eval.reference.facts import load_councils

Source = Literal["returns", "ssd", "database"]
DATABASE = "children.db"
_SEX = {"1": "M", "2": "F"}
_EARLIER = np.timedelta64(14, "D")


def write_sources(
    tables: CensusTables,
    folder: Path,
    *,
    years: range,
    source: Source = "returns",
    format: Format = "xml",
    resubmit: bool = False,
    redated: float = 0.0,
    seed: int = 1,
) -> list[Path]:
    """Write simulated children in a source, with what later returns correct.

    Parameters
    ----------
    tables : CensusTables
        Whole episodes.
    folder : Path
    years : range
        Ending 31 March.
    source : {"returns", "ssd", "database"}
        Yearly returns; a Standard Safeguarding Dataset per council, which has single assessments
        alone (others are left out); the returns in a SQLite file.
    format : {"xml", "csv", "parquet"}
        Of returns.
    resubmit : bool
        Whether each return is sent twice, first without its reviews.
    redated : float
        Share, 0 to 1, of the episodes open at the end of the first year that its return has two
        weeks earlier than the next.
    seed : int
        For the choice of those.

    Returns
    -------
    list of Path

    Raises
    ------
    ParameterError
        If a source cannot hold what is asked for.
    """
    _check_sources(years, source, resubmit=resubmit, redated=redated)
    if source == "ssd":
        return _write_datasets(tables, folder, years)
    if source == "database":
        with TemporaryDirectory(dir=folder) as place:
            _write_returns(tables, Path(place), years, "parquet", False, redated, seed)
            write_database(place, f"sqlite:///{folder / DATABASE}")
        return [folder / DATABASE]
    return _write_returns(tables, folder, years, format, resubmit, redated, seed)


def _check_sources(years: range, source: Source, *, resubmit: bool, redated: float) -> None:
    if source != "returns" and resubmit:
        rule = "be left out: a dataset or database has one version of a return"
        raise ParameterError(explain("resubmit", rule, source, "Write returns."))
    if redated and (source == "ssd" or len(years) < 2 or not 0 <= redated <= 1):
        rule = "be a share from 0 to 1, of returns of two years or more"
        raise ParameterError(explain("redated", rule, "something else", "Write returns, as 0.05."))


def _write_returns(
    tables: CensusTables,
    folder: Path,
    years: range,
    format: Format,
    resubmit: bool,
    redated: float,
    seed: int,
) -> list[Path]:
    versions = [(years, tables)]
    if redated:
        earlier, _ = redate_episodes(tables, years[0], share=redated, seed=seed)
        versions = [(years[:1], earlier), (years[1:], tables)]
    written = []
    for own, seen in versions:
        if resubmit:
            first = replace(seen, reviews=seen.reviews.iloc[:0])
            written += write_census(first, folder, format=format, years=own)
        serial = 2 if resubmit else 1
        written += write_census(seen, folder, format=format, years=own, serial=serial)
    return list(dict.fromkeys(written))


def _write_datasets(tables: CensusTables, folder: Path, years: range) -> list[Path]:
    numbers = {one.council_code: one.dfe_number for one in load_councils()}
    single = (tables.assessments["assessment_type"] == "single").to_numpy()
    frames = {**frames_of(tables), "assessments": tables.assessments[single]}
    written = []
    for code in sorted(tables.referrals["council_code"].astype("str").unique()):
        own = {name: frame[frame["council_code"] == code] for name, frame in frames.items()}
        written.append(write_ssd_dataset(replace(tables, **own), folder / numbers[code], years))
    return written


def write_ssd_dataset(tables: CensusTables, folder: str | Path, years: Iterable[int]) -> Path:
    """Write one council's history as a Standard Safeguarding Dataset.

    Parameters
    ----------
    tables : CensusTables
        Of one council, whole episodes. The dataset has one kind of assessment: initial and core
        ones, which it cannot hold, are refused.
    folder : path
        New.
    years : iterable of int
        Ending 31 March, for which it stands.

    Returns
    -------
    Path
        The folder, with ``ssd_<table>.csv`` and ``Header.csv``.

    Raises
    ------
    ParameterError
        If there are several councils or assessments that are not single.
    """
    codes = tables.referrals["council_code"].astype("str").unique()
    kinds = set(tables.assessments["assessment_type"].dropna())
    if len(codes) != 1 or kinds - {"single"}:
        rule, action = "be of one council, with single assessments alone", "Choose them first."
        raise ParameterError(explain("tables", rule, "others", action))
    folder = Path(folder)
    folder.mkdir(parents=True)
    number = {one.council_code: one.dfe_number for one in load_councils()}[codes[0]]
    heads = [fill_header(number, year, simulated=True) for year in years]
    pd.DataFrame(heads).to_csv(folder / f"{HEADER}.csv", index=False)
    linked = link_modules(heads[0], STANDARD, written_modules(frames_of(tables), STANDARD))
    modules = {STANDARD[key].element: table.to_pandas() for key, table in linked.items()}
    modules["Assessments"] = _number(modules["Assessments"], ASSESSMENT_LINK)
    modules["Section47"] = enquiries = _number(modules["Section47"], "enquiry").assign(
        ended=lambda own: own["S47ActualStartDate"].where(own["ICPCnotRequired"] == "1")
    )
    people = modules["ChildIdentifiers"]
    modules["ChildIdentifiers"] = people.assign(Sex=people["GenderCurrent"].map(_SEX).fillna("U"))
    characteristics = modules["ChildCharacteristics"][["LAchildID", "Ethnicity"]]
    modules["ChildIdentifiers"] = modules["ChildIdentifiers"].merge(characteristics, how="left")
    wanted: dict[str, tuple[str, dict[str, str]]] = {}
    for module, (table, columns) in SSD_MODULES.items():
        if module in modules and module != "ChildCharacteristics":
            wanted[table] = (module, dict(columns))
    wanted["ssd_person"][1]["pers_ethnicity"] = "Ethnicity"
    for table, (module, columns) in wanted.items():
        _write(modules[module], columns, folder / f"{table}.csv")
    held = enquiries.dropna(subset="DateOfInitialCPC")
    _write(held, CONFERENCES, folder / "ssd_initial_cp_conference.csv")
    return folder


def _number(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    return frame.assign(**{name: np.arange(1, len(frame) + 1).astype(str)})


def _write(frame: pd.DataFrame, columns: dict[str, str], path: Path) -> None:
    """Write the columns that there are under the dataset's names."""
    there = {own: name for own, name in columns.items() if name in frame}
    pd.DataFrame({own: frame[name] for own, name in there.items()}).to_csv(path, index=False)


def write_database(folder: str | Path, url: str) -> None:
    """Put a dataset (CSV) or returns (folders of CSV or Parquet) into a database.

    Parameters
    ----------
    folder : path
        Its files become tables of their names; those of several returns are put together.
    url : str
        As SQLAlchemy reads it.
    """
    try:
        from sqlalchemy import create_engine
    except ImportError:
        rule, action = "have its extra installed", "Install it: pip install 'pilot-eval[sql]'."
        raise ParameterError(explain("database", rule, "none", action)) from None

    engine = create_engine(url)
    files = sorted(one for one in Path(folder).rglob("*") if one.suffix in (".csv", ".parquet"))
    for file in files:
        frame = (
            pd.read_csv(file, dtype="str")
            if file.suffix == ".csv"
            else pq.read_table(file).to_pandas()
        )
        frame.to_sql(file.stem, engine, index=False, if_exists="append")
    engine.dispose()


def redate_episodes(
    tables: CensusTables, year: int, *, share: float, seed: int
) -> tuple[CensusTables, int]:
    """Date a share of the episodes open at the end of a year two weeks earlier.

    Written as the return of that year, with the true tables as that of the next, they are episodes
    that were re-dated: the next return has them under another date.

    Parameters
    ----------
    tables : CensusTables
        Whole episodes.
    year : int
        Ending 31 March.
    share : float
        0 to 1.
    seed : int

    Returns
    -------
    tables : CensusTables
    redated : int
        Episodes whose date was changed.
    """
    _, last = year_bounds(year)
    referrals = tables.referrals
    day, closed = referrals["referral_date"], referrals["closure_date"]
    first = day.groupby([referrals["council_code"].astype("str"), referrals["child_id"]])
    alone = first.transform("size") == 1  # so that no earlier episode is met
    open_then = (day <= last) & ~(closed <= last) & alone
    chosen = open_then & (np.random.default_rng(seed).random(len(day)) < share)
    moved = referrals.assign(referral_date=day.mask(chosen, day - _EARLIER))
    return replace(tables, referrals=moved), int(chosen.sum())
