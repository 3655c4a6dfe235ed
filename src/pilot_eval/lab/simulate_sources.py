"""Simulated records in the sources beyond the yearly return, and with what later returns correct.

A Standard Safeguarding Dataset as CSV, a database of any of the forms, returns that are sent again
and episodes that the next return has under another date.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from pilot_eval.errors import ParameterError, explain
from pilot_eval.records.names import ASSESSMENT_LINK, HEADER, STANDARD
from pilot_eval.records.schema import CensusTables, frames_of
from pilot_eval.records.ssd import CONFERENCES, SSD_MODULES
from pilot_eval.records.views import year_bounds
from pilot_eval.records.writers import fill_header, link_modules
from pilot_eval.records.written import written_modules
from pilot_eval.reference.facts import load_councils

_SEX = {"1": "M", "2": "F"}
_EARLIER = np.timedelta64(14, "D")


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
    from sqlalchemy import create_engine

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
