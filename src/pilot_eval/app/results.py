"""What a run computes: the evidence, a workbook of it, and the figures behind it as tidy data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pandas import DataFrame

    from pilot_eval.evidence import Evidence
    from pilot_eval.plan import EvaluationPlan

EVIDENCE = "evidence.csv"
WORKBOOK = "tables.xlsx"
TIDY = "ees"


def calibrate_tests(
    plan: EvaluationPlan, table_file: Path | None, tell: Callable[[str], None] | None = None
) -> None:
    """Measure how often the tests err on these data, unless that is stored.

    Parameters
    ----------
    plan : EvaluationPlan
    table_file : pathlib.Path, optional
        As for `write_results`.
    tell : callable, optional
        Where progress goes, a line at a time.
    """
    from pilot_eval.checks.real_data_placebos import calibrate
    from pilot_eval.published.panel import LACKING

    table = read_table(plan, table_file)
    if tell and (lacking := table.attrs.get(LACKING)):
        tell(f"Not in the table, and so not estimated: {lacking}.")
    calibrate(plan, table, tell=tell)


def read_table(plan: EvaluationPlan, table_file: Path | None) -> DataFrame:
    """Read the analyst's own table, or DfE's published figures where there is none.

    What an own table lacks of the plan is not available (`fill_own_table`). Unless the plan says
    that it is public, figures that rest on few children are withheld before anything is computed.
    """
    from pilot_eval.disclosure.protect.indicator_tables import protect_indicators
    from pilot_eval.published.council_indicators import load_published
    from pilot_eval.published.council_table import read_council_table
    from pilot_eval.published.panel import fill_own_table

    if table_file is None:
        return load_published()
    units = {unit.unit_code: unit.unit_name for unit in plan.units}
    table = read_council_table(table_file, units=units)
    if plan.disclosure.own_tables == "confidential":
        treated = {name for scenario in plan.scenarios.values() for name in scenario.councils}
        table = protect_indicators(
            table,
            threshold=plan.disclosure.threshold,
            keep=[code for code, name in plan.names.items() if name in treated],
            earlier=None if plan.units else load_published(),
        )
    return fill_own_table(table, plan)


def write_results(plan: EvaluationPlan, table_file: Path | None, folder: Path) -> None:
    """Compute the evidence; write it, the workbook and the tidy data.

    Parameters
    ----------
    plan : EvaluationPlan
    table_file : pathlib.Path, optional
        An analyst's own council table instead of the published figures.
    folder : pathlib.Path
        Where to write.

    Notes
    -----
    The same plan and data give the same bytes.
    """
    from pilot_eval.checks.long_run import list_long_runs
    from pilot_eval.disclosure.release_evidence import release_evidence
    from pilot_eval.evaluation import evaluate
    from pilot_eval.reporting.workbook import SOURCE

    table = read_table(plan, table_file)
    evidence = release_evidence(plan, evaluate(plan, table), public=True)
    source = f"the analyst's own table {table_file.name}" if table_file else SOURCE
    runs = None if table_file else list_long_runs(plan, table)
    write_files(plan, evidence, table, source, folder, long_runs=runs)


def write_grid(plan: EvaluationPlan, table_file: Path | None, folder: Path) -> None:
    """Estimate every comparison under other choices than the plan's; write it for the explorer.

    Nothing is written where nothing can be estimated.

    Parameters
    ----------
    plan : EvaluationPlan
    table_file : pathlib.Path, optional
        As for `write_results`.
    folder : pathlib.Path
        Where to write.
    """
    from pilot_eval.checks.specification_grid import compute_specification_grid
    from pilot_eval.disclosure.release_evidence import may_leave_out, release_grid
    from pilot_eval.reporting.explorer import write_specifications

    own = table_file is not None
    table = read_table(plan, table_file)
    allowed = may_leave_out(plan, own_table=own)
    grid = compute_specification_grid(plan, table, leave_one_out=allowed)
    if len(grid):
        write_specifications(plan, release_grid(plan, grid, own_table=own), folder)


def write_files(
    plan: EvaluationPlan,
    evidence: Evidence,
    table: DataFrame,
    source: str,
    folder: Path,
    *,
    long_runs: DataFrame | None = None,
) -> None:
    """Write evidence that is there, the workbook and the tidy data.

    Parameters
    ----------
    plan : EvaluationPlan
    evidence : Evidence
    table : pandas.DataFrame
        The figures behind it, as they may be shown: written from the first to the last period of
        the plan's windows.
    source : str
        Where they come from, in words.
    folder : pathlib.Path
    long_runs : pandas.DataFrame, optional
        As from `list_long_runs`; of figures that are public alone.
    """
    from pilot_eval import __version__
    from pilot_eval.published.panel import select_span
    from pilot_eval.reporting.answers_file import collect_answers, write_answers
    from pilot_eval.reporting.ees import write_ees, write_ees_long_runs
    from pilot_eval.reporting.workbook import write_workbook

    table = select_span(table, plan)
    evidence.write(folder)
    write_answers(collect_answers(plan, evidence, version=__version__), folder)
    write_workbook(
        folder / WORKBOOK,
        plan=plan,
        evidence=evidence.table,
        indicators=table,
        names=plan.names,
        verdicts=evidence.verdicts,
        long_runs=long_runs,
        source=source,
    )
    if plan.units:
        return  # the service knows councils and regions of England alone
    write_ees(
        folder / TIDY,
        plan=plan,
        indicators=table,
        councils=tuple(plan.councils.values()),
        verdicts=evidence.verdicts,
    )
    if long_runs is not None:
        write_ees_long_runs(folder / TIDY, plan=plan, runs=long_runs)
