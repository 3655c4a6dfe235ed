"""One part of a census run: some whole councils, from their returns to what is kept of them.

The part travels to a worker and only panel, counts and changes travel back, so that memory holds
one part's records at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from traceback import extract_tb

import pandas as pd

from pilot_eval.app.send_back import write_send_back
from pilot_eval.errors import DataError, PilotEvalError, explain
from pilot_eval.estimation.census_changes import CensusSettings
from pilot_eval.evaluation.records_strand import CensusChanges, collapse_part
from pilot_eval.records.census_panel import (
    PanelSettings,
    fill_panel,
    lay_out_grid,
    prepare_for_panel,
)
from pilot_eval.records.crosswalk import apply_crosswalk
from pilot_eval.records.indicators import Records
from pilot_eval.records.issues import RULE_SEVERITIES, stack
from pilot_eval.records.local_extracts import add_local_extracts
from pilot_eval.records.local_indicators import LocalIndicator
from pilot_eval.records.parts import CouncilReturns, build_coverage, list_parts
from pilot_eval.records.periods import Frequency
from pilot_eval.records.read import Format, read_census
from pilot_eval.records.resubmissions import word_resubmission
from pilot_eval.records.schema import SCHEMA, CensusTables, concat_tables, empty_issues
from pilot_eval.records.subgroups import By, build_subgroup_panel
from pilot_eval.records.tables_out import FOLDER as TABLES
from pilot_eval.records.tables_out import write_tables
from pilot_eval.records.validation import validate_census

PANEL_FILE, SUBGROUP_FILE = "panel_{}.csv", "panel_by_{}.csv"
GROUPED_BY: Frequency = "year"


@dataclass(frozen=True, slots=True, kw_only=True)
class PartReading:
    """How every part is read and validated.

    Attributes
    ----------
    data_cut : date or None
    data_format, mapping_file, strategy_discussions, core_groups, crosswalk
        As in `run_census`.
    folder : Path or None
        Private: where the workbooks to send back go, and the typed tables if they are kept.
    """

    data_cut: date | None
    data_format: Format | None
    mapping_file: Path | None
    strategy_discussions: Path | None = None
    core_groups: Path | None = None
    crosswalk: Path | None = None
    folder: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PartWork(PartReading):
    """What is done with every part.

    Attributes
    ----------
    panel : PanelSettings
    changes : CensusSettings or None
        None where the records leave nothing to compare.
    coverage, exemptions, populations : DataFrame
        As in `build_census_panel`.
    group_populations : DataFrame
        As from `read_group_populations`.
    local
        As in `run_census`.
    more_panels, by
        As `panels` and `by` in `run_census`.
    keep_tables : bool
    """

    panel: PanelSettings
    changes: CensusSettings | None
    coverage: pd.DataFrame
    exemptions: pd.DataFrame
    populations: pd.DataFrame
    group_populations: pd.DataFrame
    local: tuple[LocalIndicator, ...]
    more_panels: tuple[Frequency, ...] = ()
    by: tuple[By, ...] = ()
    keep_tables: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PartResult:
    """What is kept of a part: no record of a child, but located issues.

    Attributes
    ----------
    councils : tuple of str
        Whose returns it holds.
    strand : str
    issues, summary, set_aside, panel : DataFrame
    more : mapping of str to DataFrame
        Further panels, by the name of their file.
    changes : CensusChanges or None
    failed : str
        Why nothing of it can be used; empty otherwise.
    """

    councils: tuple[str, ...]
    strand: str
    issues: pd.DataFrame
    summary: pd.DataFrame
    set_aside: pd.DataFrame
    panel: pd.DataFrame
    changes: CensusChanges | None
    failed: str = ""
    more: Mapping[str, pd.DataFrame] = field(default_factory=dict)


def work_on_part(part: CouncilReturns, work: PartWork) -> PartResult:
    """Read, validate, count and collapse one part; what is wrong with it stays its own.

    Parameters
    ----------
    part : CouncilReturns
    work : PartWork

    Returns
    -------
    PartResult
    """
    try:
        return _work(part, work)
    except Exception as fault:
        return _failed(part, _word_fault(fault))


def check_part(part: CouncilReturns, reading: PartReading) -> PartResult:
    """Read and validate one part; what is wrong with it stays its own.

    Parameters
    ----------
    part : CouncilReturns
    reading : PartReading

    Returns
    -------
    PartResult
        Without panel and changes.
    """
    try:
        return _read(part, reading)[0]
    except Exception as fault:
        return _failed(part, _word_fault(fault))


def _word_fault(fault: Exception) -> str:
    """Word what stopped a part: of a fault nobody foresaw its kind and place, never its words."""
    if isinstance(fault, PilotEvalError):
        return str(fault)
    last = extract_tb(fault.__traceback__)[-1]
    got = f"{type(fault).__name__} in {Path(last.filename).name}, line {last.lineno}"
    return explain("its returns", "be of a form that is foreseen", got, "Please report this line.")


def _failed(part: CouncilReturns, why: str, **kept: pd.DataFrame) -> PartResult:
    nothing = {name: pd.DataFrame() for name in ("summary", "set_aside", "panel")}
    strand = "simulated" if part.headers[0].simulated else "census"
    frames = {"issues": empty_issues(), **nothing, **kept}
    return PartResult(councils=part.councils, strand=strand, changes=None, failed=why, **frames)


def _read(part: CouncilReturns, work: PartReading) -> tuple[PartResult, CensusTables | None]:
    """Read and validate a part; the accepted records are None where there are none to count."""
    tables = read_census(
        [place.path for place in part.places],
        mapping=work.mapping_file,
        format=work.data_format,
        rules=True,
    )
    tables = apply_crosswalk(tables, work.crosswalk)
    tables = add_local_extracts(
        tables, strategy_discussions=work.strategy_discussions, core_groups=work.core_groups
    )
    result = validate_census(tables, data_cut=work.data_cut)
    if work.folder is not None:
        write_send_back(result.issues, work.folder)
    if not len(result.accepted.children) or not len(result.accepted.referrals):
        kept = {"issues": result.issues, "summary": result.summary, "set_aside": result.set_aside}
        return _failed(part, "no child and referral that can be used", **kept), None
    checked = PartResult(
        councils=part.councils,
        strand=result.accepted.strand,
        issues=result.issues,
        summary=result.summary,
        set_aside=result.set_aside,
        panel=pd.DataFrame(),
        changes=None,
    )
    return checked, result.accepted


def _work(part: CouncilReturns, work: PartWork) -> PartResult:
    checked, accepted = _read(part, work)
    if accepted is None:
        return checked
    if work.folder is not None and work.keep_tables:
        write_tables(accepted, work.folder / TABLES, part="_".join(part.councils))
    records = prepare_for_panel(accepted, work.panel, work.exemptions)
    return replace(
        checked,
        panel=_build_panel(records, work, work.panel),
        more=_build_more(records, work),
        changes=collapse_part(accepted, work.changes, work.exemptions) if work.changes else None,
    )


def _build_panel(records: Records, work: PartWork, settings: PanelSettings) -> pd.DataFrame:
    grid = lay_out_grid(records, settings, coverage=work.coverage, populations=work.populations)
    panel = fill_panel(records, grid, settings, work.local)
    return panel.astype({"council_code": "str"})


def _build_more(records: Records, work: PartWork) -> dict[str, pd.DataFrame]:
    """Build the panels of other periods, and those of groups of children by year."""
    settings = {
        name: replace(work.panel, frequency=name) for name in {*work.more_panels, GROUPED_BY}
    }
    more = {
        PANEL_FILE.format(name): _build_panel(records, work, settings[name])
        for name in work.more_panels
    }
    for by in work.by:
        panel = build_subgroup_panel(
            records.tables,
            settings[GROUPED_BY],
            by,
            exemptions=work.exemptions,
            coverage=work.coverage,
            populations=work.group_populations,
            local=work.local,
        )
        more[SUBGROUP_FILE.format(by)] = panel.astype({"council_code": "str"})
    return more


def read_councils(
    paths: Sequence[Path],
    *,
    data_format: Format | None,
    mapping_file: Path | None,
    refused: list[str],
) -> tuple[CensusTables, pd.DataFrame, dict[str, str]]:
    """Read whole councils' returns; those of a council that cannot be read are left out.

    Parameters
    ----------
    paths : sequence of Path
    data_format : {"xml", "csv", "parquet"}, optional
    mapping_file : Path, optional
    refused : list of str
        Why archives and workbooks could not be opened.

    Returns
    -------
    tables : CensusTables
    coverage : DataFrame
        As from `build_coverage`, of all councils.
    unread : dict of str to str
        Council, or for a return whose header cannot be read nothing, -> why.

    Raises
    ------
    DataError
        If no council's returns can be read.
    """
    parts = list_parts(paths, format=data_format, refused=refused)
    unread = {"": "; ".join(refused)} if refused else {}
    tables = []
    for part in parts:
        places = [place.path for place in part.places]
        try:
            tables.append(read_census(places, mapping=mapping_file, format=data_format))
        except Exception as fault:
            unread |= dict.fromkeys(part.councils, _word_fault(fault))
    if not tables:
        raise DataError("\n".join(dict.fromkeys(unread.values())))
    source = "; ".join(dict.fromkeys(one.source for one in tables))
    return concat_tables(tables, source=source), build_coverage(parts), unread


def find_parts(
    paths: Sequence[Path],
    data_format: Format | None,
    names: Mapping[str, str],
    tell: Callable[[str], None],
    refused: list[str],
) -> list[CouncilReturns]:
    """List the returns by council; say which were sent again.

    Parameters
    ----------
    paths : sequence of Path
    data_format : {"xml", "csv", "parquet"}, optional
    names : mapping of str to str
        Council code -> name.
    tell : callable
    refused : list of str
        Takes why returns are in none: what cannot be opened, or has no header that can be read.

    Returns
    -------
    list of CouncilReturns
    """
    parts = list_parts(paths, format=data_format, refused=refused)
    for part in parts:
        for earlier, last in part.resubmitted.items():
            name = names.get(last.council_code, last.council_code)
            tell(f"SENT AGAIN: {word_resubmission(earlier, last, name)}")
    return parts


def join_issues(parts: Sequence[PartResult]) -> pd.DataFrame:
    """Put the parts' issues below one another; every part has met those of the local extracts."""
    issues = stack([part.issues for part in parts])
    own = issues["table"].isin(list(SCHEMA)) | issues["severity"].isin(RULE_SEVERITIES)
    again = issues.duplicated() & ~own
    return issues[~again].reset_index(drop=True)
