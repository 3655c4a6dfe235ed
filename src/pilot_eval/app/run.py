"""One run: execute notebooks alongside the evidence, then publish one folder of results."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, cast

from pilot_eval.app.notebooks import (
    Executed,
    Task,
    count_cores,
    execute_all,
    use_one_thread_each,
    worker_pool,
)
from pilot_eval.app.output import write_record, write_site
from pilot_eval.app.progress import Tell
from pilot_eval.app.request import NOTEBOOKS, RECORDS, Prepared, RunRequest, prepare
from pilot_eval.app.results import calibrate_tests, read_table, write_grid, write_results
from pilot_eval.app.staging import publish, stage
from pilot_eval.errors import DataError, explain
from pilot_eval.evidence import to_csv_bytes
from pilot_eval.project import find_reports
from pilot_eval.run_cache import keep_for_run

if TYPE_CHECKING:
    import pandas as pd

    from pilot_eval.plan import EvaluationPlan
    from pilot_eval.records.read import Format

INCOMPLETE = "-incomplete"
MOST_NAMES = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """Where the results are, and what failed."""

    folder: Path
    failed: Sequence[Executed]
    losses: pd.DataFrame | None = None
    """Of given returns, by council: as from `measure_losses`."""


def run_evaluation(request: RunRequest, tell: Tell = print) -> RunResult:
    """Run the evaluation and write one folder of results.

    Parameters
    ----------
    request : RunRequest
    tell : callable
        Where progress goes, a line at a time.

    Returns
    -------
    RunResult

    Raises
    ------
    PilotEvalError
        For bad input or an unwritable folder, before or instead of writing anything.
    """
    use_one_thread_each()
    started = datetime.now(UTC)
    tell("Reading the plan, the figures and the notebooks ...")
    prepared = prepare(request)
    run_id = f"{started:%Y%m%d-%H%M%S}-{prepared.plan.hash}"
    with keep_for_run():
        if not request.councils:
            calibrate_tests(prepared.plan, request.table_file, tell)
        elif request.table_file:
            read_table(prepared.plan, request.table_file)
        with stage(request.out or find_reports(request.root) / run_id) as folder:
            losses = _check_returns(request, prepared.plan, folder, tell)
            executed = _execute(request, prepared, folder, tell)
            failed = [result for result in executed if not result.ok]
            site = write_site(request, prepared, executed, folder, tell)
            tell("Checking what was written, for the quality assurance log ...")
            write_record(request, prepared, executed, folder, started, site)
            published = publish(folder, _names(request, run_id, complete=not failed))
    return RunResult(folder=published, failed=failed, losses=losses)


def _check_returns(
    request: RunRequest, plan: EvaluationPlan, folder: Path, tell: Tell
) -> pd.DataFrame | None:
    """Say of every council what is read and lost, and write what it is sent back."""
    if request.census is None:
        return None
    from pilot_eval.app.census_losses import LOSSES, measure_losses
    from pilot_eval.app.census_parts import PartReading, check_part, find_parts
    from pilot_eval.app.executors import open_executor
    from pilot_eval.app.send_back import FOLDER
    from pilot_eval.records.unpacking import unpacked

    given = request.parameters
    mapping, cut = given.get("mapping_file"), given.get("data_cut", "").strip()
    reading = PartReading(
        data_cut=date.fromisoformat(cut) if cut else None,
        data_format=cast("Format | None", given.get("data_format") or None),
        mapping_file=Path(mapping) if mapping else None,
        folder=folder,
    )
    refused: list[str] = []
    with unpacked([request.census], refused=refused, mapping=reading.mapping_file) as places:
        parts = find_parts(places, reading.data_format, plan.names, tell, refused)
        jobs = min(request.jobs or count_cores(), len(parts))
        with open_executor(jobs=jobs, tell=tell) as executor:
            checked = list(executor.map(partial(check_part, reading=reading), parts))
    losses = measure_losses(checked, plan.names, refused)
    for line in losses["words"]:
        tell(line)
    if losses["failed"].ne("").all():
        action = "Correct them; nothing was run."
        raise DataError(explain("--census", "hold returns that can be used", "none", action))
    (folder / FOLDER).mkdir(exist_ok=True)
    (folder / FOLDER / LOSSES).write_bytes(to_csv_bytes(losses.drop(columns="words")))
    tell(f"In {FOLDER}: {LOSSES}, and by council a workbook of the published rules it breaks.")
    return losses


def _names(request: RunRequest, run_id: str, *, complete: bool) -> Iterator[Path]:
    """List names for the results, best first; only an explicit --out has no second choice."""
    target = request.out or find_reports(request.root) / run_id
    stem = target.name if complete else f"{target.name}{INCOMPLETE}"
    yield target.with_name(stem)
    if not (request.out and complete):
        yield from (target.with_name(f"{stem}-{number}") for number in range(2, MOST_NAMES))


def _execute(request: RunRequest, prepared: Prepared, folder: Path, tell: Tell) -> list[Executed]:
    if not request.notebooks:
        tell("Estimating, and writing evidence, tables and workbook ...")
        write_results(prepared.plan, request.table_file, folder)
        tell("Evidence and tables written.")
        return []
    (folder / NOTEBOOKS).mkdir()
    tasks = [
        Task(
            name=name,
            source=page.source,
            target=folder / NOTEBOOKS / f"{name}.ipynb",
            parameters=page.changed,
        )
        for name, page in prepared.pages.items()
    ]
    jobs = max(1, min(request.jobs or count_cores(), count_cores(), len(tasks) + 1))
    for name, why in prepared.left_out.items():
        tell(f"Left out: {name}: {why}.")
    tell(f"Running {len(tasks)} notebook{'s' * (len(tasks) != 1)}, {jobs} at a time ...")
    done = count(1)

    def say(executed: Executed) -> None:
        fate = "done" if executed.ok else f"FAILED in {executed.cell}: {executed.error}"
        retried = " (kernel started twice)" if executed.retried else ""
        place = f"[{next(done)}/{len(tasks)}]"
        tell(f"  {place} {executed.name}: {fate}, {executed.seconds:.1f} s{retried}")

    with worker_pool(jobs, request.root) as pool:
        results = pool.submit(write_results, prepared.plan, request.table_file, folder)
        also = [results]
        if request.is_whole:
            also.append(pool.submit(write_grid, prepared.plan, request.table_file, folder))
        # Pages on children's records first: the others wait for the evidence.
        first = sorted(tasks, key=lambda task: RECORDS not in prepared.pages[task.name].parameters)
        found = {result.name: result for result in execute_all(pool, first, say, also=also)}
    return [found[task.name] for task in tasks]
