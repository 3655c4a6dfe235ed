"""From returns to evidence: what `pilot-eval census` writes, and what of it can be released."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from pilot_eval.app.census_losses import LOSSES, measure_losses
from pilot_eval.app.census_parts import (
    PartResult,
    PartWork,
    find_parts,
    join_issues,
    work_on_part,
)
from pilot_eval.app.executors import open_executor
from pilot_eval.app.open_records import build_settings
from pilot_eval.app.parameters import check_parameters
from pilot_eval.app.results import WORKBOOK
from pilot_eval.app.staging import name_release, stage
from pilot_eval.design.records_design import design_census
from pilot_eval.disclosure.release.register import ROW_LEVEL
from pilot_eval.errors import DataError, ParameterError, explain
from pilot_eval.evaluation.records_strand import evaluate_census, join_changes
from pilot_eval.evidence import to_csv_bytes
from pilot_eval.file_sets import finish_sets, whole_set
from pilot_eval.plan import EvaluationPlan, load_plan
from pilot_eval.records.census_panel import PanelSettings, read_populations
from pilot_eval.records.durations import build_exemption_table
from pilot_eval.records.group_populations import read_group_populations
from pilot_eval.records.mapping import read_mapping
from pilot_eval.records.parts import (
    build_coverage,
    covered_days,
    find_missing_returns,
)
from pilot_eval.records.tables_out import DICTIONARY, describe_tables
from pilot_eval.records.tables_out import FOLDER as TABLES
from pilot_eval.records.unpacking import unpacked
from pilot_eval.reference.working_days import DEFAULT_CONVENTION

if TYPE_CHECKING:
    from pilot_eval.disclosure.release.register import Entry
    from pilot_eval.estimation.census_changes import CensusSettings
    from pilot_eval.evidence import Evidence
    from pilot_eval.records.local_indicators import LocalIndicator
    from pilot_eval.records.periods import Frequency
    from pilot_eval.records.read import Format
    from pilot_eval.records.subgroups import By

POPULATION = "children in need in the councils and years of the returns that were read"
# Working files: what each is, and why it stays in the secure environment.
ROWS, COUNTS = ROW_LEVEL, "working file of unprotected counts"
PRIVATE = {
    LOSSES: ("children and referrals read and lost, by council", COUNTS),
    "issues.csv": ("located issues of the returns: table, field, row and rule", ROWS),
    "summary.csv": ("records by council and table", COUNTS),
    "set_aside.csv": ("records set aside, by council and rule", COUNTS),
    "rules.csv": ("records that break each of DfE's published rules, by return", COUNTS),
    "panel.csv": ("council by month counts and delays", COUNTS),
    "panel_*.csv": ("further panels, by period or by group of children", COUNTS),
    "tables/*": ("children's records", ROWS),
    "council_effects.csv": ("each treated council's own effect", COUNTS),
}
SUBGROUPS = "subgroups.csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class CensusRun:
    """What a census run wrote.

    Attributes
    ----------
    folder : pathlib.Path
        Everything; stays in the secure environment.
    released : pathlib.Path
        What passed the release check, copied here.
    verdicts : DataFrame
        The release check: file, verdict, reason, moved.
    losses : DataFrame
        As from `measure_losses`: what was read and lost, by council.
    """

    folder: Path
    released: Path
    verdicts: pd.DataFrame
    losses: pd.DataFrame


def run_census(
    paths: Sequence[str | Path],
    *,
    data_cut: str,
    out: Path,
    data_format: Format | None = None,
    mapping_file: Path | None = None,
    local_file: Path | None = None,
    strategy_discussions: Path | None = None,
    core_groups: Path | None = None,
    crosswalk: Path | None = None,
    group_populations: Path | None = None,
    panels: Sequence[Frequency] = (),
    by: Sequence[By] = (),
    tables: str = "",
    scenarios: Sequence[str] = (),
    plan: EvaluationPlan | None = None,
    scheduler: str = "",
    engine: str = "",
    jobs: int | None = None,
    tell: Callable[[str], None] = print,
) -> CensusRun:
    """Read returns, validate, build the panel, evaluate, and release what may be released.

    Councils are processed separately, so that memory is bounded by the largest one.

    Parameters
    ----------
    paths : sequence of path
        Returns: XML files, folders of CSV or Parquet modules, or folders of such; database URLs.
    data_cut : str
        Last day that the records cover, as 2013-03-31.
    out : path
        New folder for everything; what passes the release check goes to ``<out>-release``.
    data_format : {"xml", "csv", "parquet"}, optional
    mapping_file : path, optional
        Field mapping of two-stage returns.
    local_file : path, optional
        Local indicators (docs/local-indicators.md).
    strategy_discussions, core_groups : path, optional
        Local extracts of dates that the census lacks (docs/census-format.md).
    crosswalk : path, optional
        Identifiers that changed between returns (docs/census-format.md).
    group_populations : path, optional
        Children of each group by council and year: rates by group (docs/census-format.md).
    panels : sequence of {"quarter", "year"}
        Further panels alongside that by month.
    by : sequence of {"need", "age", "sex", "ethnicity", "disability"}
        Groups of children for which panels by year are built, and a protected table released.
    tables : {"", "parquet"}
        Format in which the typed tables are kept, with a data dictionary.
    scenarios : sequence of str
        Keys of the plan; all by default.
    plan : EvaluationPlan, optional
    scheduler : str
        Address of a dask scheduler, or of Spark's master; empty: processes on this machine.
    engine : {"", "spark"}
        Spark in place of processes or dask.
    jobs : int, optional
        Processes; one a core by default.
    tell : callable
        Where progress goes.

    Returns
    -------
    CensusRun

    Raises
    ------
    PilotEvalError
        If a return, a parameter or a folder cannot be used; nothing half-written is left.
    """
    plan = load_plan() if plan is None else plan
    for given in ({"data_cut": data_cut}, *({"scenario": one} for one in scenarios)):
        check_parameters(plan, **given)
    released = name_release(out)
    finish_sets(out.parent)  # of a run that was killed
    _refuse_existing(out, released)
    _check_given(mapping_file, strategy_discussions, core_groups, crosswalk, group_populations)
    grouped = read_group_populations(group_populations)
    within, refused = out.parent if out.parent.is_dir() else None, list[str]()
    with unpacked(paths, within=within, refused=refused, mapping=mapping_file) as found:
        parts = find_parts(found, data_format, plan.names, tell, refused)
        coverage = build_coverage(parts)
        first_day, cut = covered_days(coverage, data_cut)
        settings, trouble = _try_settings(plan, first_day, cut)
        work = PartWork(
            data_cut=cut,
            panel=PanelSettings(frequency="month", first_day=first_day, data_cut=cut),
            changes=settings,
            coverage=coverage[coverage["complete"]],
            exemptions=build_exemption_table(plan.treatment_register),
            populations=read_populations(),
            group_populations=grouped,
            data_format=data_format,
            mapping_file=mapping_file,
            strategy_discussions=strategy_discussions,
            core_groups=core_groups,
            local=_read_local(local_file),
            crosswalk=crosswalk,
            more_panels=tuple(panels),
            by=tuple(by),
        )
        with stage(out) as folder:
            work = replace(work, folder=folder, keep_tables=bool(tables))
            tell(f"Reading, validating and counting {len(coverage)} returns by council ...")
            with open_executor(scheduler, jobs, engine, tell=tell) as executor:
                done = list(executor.map(partial(work_on_part, work=work), parts))
            losses = measure_losses(done, plan.names, refused)
            for line in losses["words"]:
                tell(line)
            _write_private(done, losses, folder)
            _write_panels(done, plan, folder, grouped)
            if any(not part.failed for part in done) and settings is not None:
                tell("Estimating ...")
                evidence = _estimate(plan, done, coverage, scenarios or plan.open_scenarios, tell)
                _write_results(evidence, plan, folder, done[0].strand)
            else:  # records of one year are still checked and counted
                tell(f"No estimates: {trouble or 'no record of any council can be used.'}")
            _write_register(folder, plan, done[0].strand)
            verdicts = _publish(plan, folder, (out, released), [*found, *filter(None, [crosswalk])])
    return CensusRun(folder=out, released=released, verdicts=verdicts, losses=losses)


def _publish(
    plan: EvaluationPlan, folder: Path, places: tuple[Path, Path], returns: Sequence[Path]
) -> pd.DataFrame:
    """Put results in their place, and what passes the release check alongside: both or neither.

    The returns' own identifiers are looked for.
    """
    from pilot_eval.disclosure.release.release_check import release
    from pilot_eval.disclosure.release.run_identifiers import read_identifiers

    rules = plan.disclosure.model_dump(include={"threshold", "rounding"})
    known = read_identifiers(returns)
    out, released = places
    with whole_set(out.parent, folders=True) as new:
        folder.rename(new / out.name)
        return release(new / out.name, new / released.name, **rules, identifiers=known, keep=True)


def _estimate(
    plan: EvaluationPlan,
    done: Sequence[PartResult],
    coverage: pd.DataFrame,
    scenarios: Sequence[str],
    tell: Callable[[str], None],
) -> Evidence:
    """Evaluate the councils whose records can be used; name those left out of comparisons."""
    usable = [part for part in done if not part.failed]
    kept = {code for part in usable for code in part.councils}
    missing = find_missing_returns(coverage[coverage["council_code"].isin(list(kept))])
    for code, why in missing.items():
        tell(f"Left out of every comparison: {plan.names[code]}, {why}.")
    changes = join_changes([part.changes for part in usable if part.changes is not None], missing)
    return evaluate_census(changes, plan, [design_census(plan, key) for key in scenarios])


def _check_given(mapping_file: Path | None, *extracts: Path | None) -> None:
    """Refuse files that every council needs before any council is read."""
    if mapping_file is not None:
        read_mapping(mapping_file)
    for path in extracts:
        if path is not None and not path.is_file():
            raise DataError(explain(path.name, "exist", "no such file", "Correct the path."))


def _try_settings(
    plan: EvaluationPlan, first_day: date, cut: date
) -> tuple[CensusSettings | None, str]:
    """Cut the years into windows; without any, say why."""
    try:
        days = {"first_day": first_day, "data_cut": cut}
        return build_settings(plan, **days, convention=DEFAULT_CONVENTION), ""
    except ParameterError as fault:
        return None, str(fault)


def _read_local(file: Path | None) -> tuple[LocalIndicator, ...]:
    from pilot_eval.records.local_indicators import load_local_indicators

    return tuple(load_local_indicators(file)) if file else ()


def _refuse_existing(*folders: Path) -> None:
    for folder in folders:
        if folder.exists():
            raise ParameterError(
                explain("out", "be a new folder", f"{folder}, which exists", "Name another.")
            )


def _write_results(evidence: Evidence, plan: EvaluationPlan, folder: Path, strand: str) -> None:
    """Write the evidence and its workbook; figures by council are in the panel alone."""
    from pilot_eval.disclosure.release_evidence import release_evidence
    from pilot_eval.reporting.workbook import write_workbook

    (folder / "council_effects.csv").write_bytes(to_csv_bytes(evidence.effects))
    evidence = release_evidence(plan, evidence, public=False)
    evidence.write(folder)
    write_workbook(
        folder / WORKBOOK,
        plan=plan,
        evidence=evidence.table,
        indicators=pd.DataFrame(columns=["indicator"]),
        names={},
        source=f"{strand} records of {POPULATION}",
    )


def _write_private(parts: Sequence[PartResult], losses: pd.DataFrame, folder: Path) -> None:
    from pilot_eval.reporting.rules_workbook import count_broken_rules

    issues = join_issues(parts)
    frames = {
        LOSSES: losses.drop(columns="words"),
        "issues.csv": issues,
        "rules.csv": count_broken_rules(issues),
        "summary.csv": pd.concat([part.summary for part in parts]),
        "set_aside.csv": pd.concat([part.set_aside for part in parts]),
        "panel.csv": pd.concat([part.panel for part in parts]),
    }
    for name, frame in frames.items():
        (folder / name).write_bytes(to_csv_bytes(frame))


def _write_panels(
    parts: Sequence[PartResult], plan: EvaluationPlan, folder: Path, populations: pd.DataFrame
) -> None:
    """Write the further panels, which stay, and the groups' protected shares, which may leave."""
    from pilot_eval.reporting.subgroup_tables import protect_subgroups

    if (folder / TABLES).is_dir():
        (folder / DICTIONARY).write_bytes(to_csv_bytes(describe_tables()))
    names = dict.fromkeys(name for part in parts for name in part.more)
    whole = {name: pd.concat([part.more[name] for part in parts if part.more]) for name in names}
    for name, panel in whole.items():
        (folder / name).write_bytes(to_csv_bytes(panel))
    grouped = [panel for panel in whole.values() if "group" in panel]
    if grouped:
        rules = plan.disclosure.model_dump(include={"threshold", "rounding"})
        shares = protect_subgroups(pd.concat(grouped), populations, **rules)
        (folder / SUBGROUPS).write_bytes(to_csv_bytes(shares))


def _write_register(folder: Path, plan: EvaluationPlan, strand: str) -> None:
    from pilot_eval.disclosure.release.register import (
        describe_outputs,
        list_outputs,
        write_register,
    )

    written = list_outputs(folder)
    write_register(
        folder,
        describe_outputs(
            folder,
            strand=strand,
            population=POPULATION,
            threshold=plan.disclosure.threshold,
            rounding=plan.disclosure.rounding,
            extra=[
                _private_entry(file, *words, strand)
                for pattern, words in PRIVATE.items()
                for file in fnmatch.filter(written, pattern) or [pattern]
                if "*" not in file
            ],
        ),
    )


def _private_entry(name: str, what: str, why: str, strand: str) -> Entry:
    from pilot_eval.disclosure.release.register import Entry

    return Entry(
        file=name,
        what=what,
        population=POPULATION,
        strand=strand,
        threshold="none: stays in the secure environment",
        rounding="none: stays in the secure environment",
        stays=why,
    )
