"""What each command does; `cli` describes their options."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pilot_eval.errors import ParameterError, explain

if TYPE_CHECKING:
    from pandas import DataFrame

    from pilot_eval.app.run import RunResult

OK, FAILED, BAD_INPUT = 0, 1, 2


def run(options: Namespace) -> int:
    """Run the evaluation; see `run_evaluation`."""
    from pilot_eval.app.request import RunRequest
    from pilot_eval.app.run import run_evaluation
    from pilot_eval.project import find_root

    result = run_evaluation(
        RunRequest(
            root=find_root(),
            pilot=options.pilot or options.plan,
            table_file=options.table,
            only=options.only,
            parameters=_pairs(options.parameters),
            out=options.out.resolve() if options.out else None,
            jobs=options.jobs,
            notebooks=not options.no_notebooks,
            census=options.census,
            test_results=options.test_results,
        ),
        tell=_say,
    )
    if options.census and not result.failed:
        _release(result.folder, result.folder.with_name(f"{result.folder.name}-release"))
    return _tell_result(result, "evidence.csv" if options.no_notebooks else "index.html")


def _tell_result(result: RunResult, page: str) -> int:
    for failed in result.failed:
        print(
            f"\n{failed.name} failed in {failed.cell}:\n  {failed.error}\n"
            f"  kept as {result.folder / 'notebooks' / failed.path.name}",
            file=sys.stderr,
        )
    _say(f"\n{'Incomplete results' if result.failed else 'Open'}: {result.folder / page}")
    return FAILED if result.failed else OK


def _pairs(given: Sequence[Sequence[str]]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for name, value in given:
        if name in pairs:
            raise ParameterError(explain(f"-p {name}", "be given once", "it twice", "Remove one."))
        pairs[name] = value
    return pairs


def init(options: Namespace) -> int:
    """Write a pilot folder to change."""
    from pilot_eval.app.pilot_folders import check_pilot, init_pilot, list_dropped

    folder = init_pilot(options.name, like=options.like, plan_file=options.plan_file)
    _say(f"Written: {folder}")
    for name in list_dropped(options.plan_file) if options.plan_file else ():
        _say(f"Could not be converted and was left out: {name}")
    faults = check_pilot(str(folder))
    _say("\n".join(["It cannot be run yet:", *faults]) if faults else "")
    _say(f"Next: change {folder.name}/plan.toml, then `pilot-eval check {folder.name}`.")
    return OK


def check(options: Namespace) -> int:
    """Say everything that is wrong with a pilot folder."""
    from pilot_eval.app.pilot_folders import check_pilot

    faults = check_pilot(options.pilot)
    for fault in faults:
        print(fault, file=sys.stderr)
    if not faults:
        _say("Nothing is wrong with it.")
    return BAD_INPUT if faults else OK


def import_published(options: Namespace) -> int:
    """Import DfE's source files."""
    from pilot_eval.project import find_root
    from pilot_eval.published import council_indicators as published

    written = published.import_published(options.folder, find_root() / "data")
    _say("\n".join(["Written:", *(f"  {path}" for path in written)]))
    return OK


def refresh(options: Namespace) -> int:
    """Re-execute the committed notebooks, then write reports/published anew."""
    from pilot_eval.app.refresh import refresh_notebooks, refresh_published
    from pilot_eval.lab.validity_report import write_validity
    from pilot_eval.project import find_root

    write_validity(find_root() / "docs", only="calibration")
    results = refresh_notebooks(find_root(), options.notebooks)
    for result in results:
        fate = "refreshed" if result.ok else f"FAILED in {result.cell}: {result.error}"
        _say(f"{result.name}: {fate}")
    if not all(result.ok for result in results):
        return FAILED
    _say(f"Written: {refresh_published(find_root())}")
    return OK


def council_report(options: Namespace) -> int:
    """Report single councils against their comparators."""
    from pilot_eval.app.request import RunRequest
    from pilot_eval.app.run import run_evaluation
    from pilot_eval.plan import load_plan
    from pilot_eval.project import find_root

    root = find_root()
    plan = load_plan(options.pilot or options.plan)
    treated = (name for scenario in plan.scenarios.values() for name in scenario.councils)
    request = RunRequest(
        root=root,
        pilot=options.pilot or options.plan,
        table_file=options.table,
        out=options.out.resolve() if options.out else None,
        councils=options.councils or list(dict.fromkeys(treated)),
    )
    return _tell_result(run_evaluation(request, tell=_say), "index.html")


def reproduce(options: Namespace) -> int:
    """Make a run's results again and compare them."""
    from pilot_eval.app import reproduce as again
    from pilot_eval.project import find_root

    differences = again.reproduce(options.folder, find_root(), options.table)
    for line in differences:
        _say(line)
    _say(
        f"{len(differences)} differences."
        if differences
        else "Evidence, workbook and tidy data are the same."
    )
    return FAILED if differences else OK


def check_release(options: Namespace) -> int:
    """Judge every file of a folder, and move what passes if asked."""
    from pilot_eval.disclosure.release.release_check import check_release as check
    from pilot_eval.disclosure.release.release_check import describe_release
    from pilot_eval.plan import load_plan

    rules = load_plan().disclosure
    settings = {"threshold": rules.threshold, "rounding": rules.rounding}
    if options.sheet:
        describe_release(options.folder, **settings).to_csv(options.sheet, index=False)
    if options.move_to:
        return _release(options.folder, options.move_to)
    return _tell_verdicts(check(options.folder, **settings))


def _release(folder: Path, target: Path) -> int:
    from pilot_eval.disclosure.release.release_check import release
    from pilot_eval.plan import load_plan

    rules = load_plan().disclosure
    checked = release(folder, target, threshold=rules.threshold, rounding=rules.rounding)
    _say(f"What passed is in {target}; what did not is where it was.")
    return _tell_verdicts(checked)


def _tell_verdicts(checked: DataFrame) -> int:
    """Print verdicts, the worst first; anything but a pass is a failure."""
    from pilot_eval.disclosure.release.release_check import ORDER

    width = checked["file"].str.len().max()
    _say(f"{'verdict':9}{'file':{width}}  reason")
    for verdict in reversed(ORDER):
        for row in checked[checked["verdict"] == verdict].itertuples():
            _say(f"{verdict:9}{row.file:{width}}  {row.reason}".rstrip())
    counts = checked["verdict"].value_counts()
    words = ", ".join(f"{counts.get(verdict, 0)} {verdict}" for verdict in ORDER)
    _say(f"{len(checked)} files: {words}.")
    return OK if counts.get("pass", 0) == len(checked) else FAILED


def census(options: Namespace) -> int:
    """Evaluate children's records."""
    from pilot_eval.app.census_command import run_census
    from pilot_eval.app.notebooks import use_one_thread_each
    from pilot_eval.plan import load_plan

    use_one_thread_each()
    result = run_census(
        options.paths,
        data_cut=options.data_cut,
        out=options.out.resolve(),
        data_format=options.format,
        mapping_file=options.mapping,
        local_file=options.local,
        strategy_discussions=options.strategy_discussions,
        core_groups=options.core_groups,
        scenarios=options.scenario,
        plan=load_plan(options.pilot or options.plan),
        scheduler=options.scheduler,
        jobs=options.jobs,
        tell=_say,
    )
    _tell_verdicts(result.verdicts)
    _say(f"\nEverything: {result.folder}\nMay leave the room: {result.released}")
    return OK


def validity(options: Namespace) -> int:
    """Simulate how often the tests are wrong."""
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    from pilot_eval.app.notebooks import count_cores, use_one_thread_each
    from pilot_eval.lab.validity_report import write_validity

    use_one_thread_each()
    with ProcessPoolExecutor(count_cores(), mp_context=get_context("spawn")) as executor:
        write_validity(options.out, only=options.only, draws=options.draws, executor=executor)
    _say(f"Written: {options.out}")
    return OK


def simulate(options: Namespace) -> int:
    """Write returns of invented children."""
    from pilot_eval.lab.simulate import simulate_census
    from pilot_eval.lab.simulate_settings import SimulationSettings
    from pilot_eval.records.writers import write_census

    settings = SimulationSettings(
        councils=tuple(options.council),
        first_year=options.first_year,
        last_year=options.last_year,
        scale=options.scale,
    )
    tables, _truth = simulate_census(settings, seed=options.seed)
    years = range(options.first_year, options.last_year + 1)
    written = write_census(tables, options.out, format=options.format, years=years)
    _say(f"{len(written)} returns of invented children written to {options.out}")
    return OK


def _say(line: str) -> None:
    print(line, flush=True)
