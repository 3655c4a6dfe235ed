"""What each command does; `cli` describes their options."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pilot_eval.app.listing_commands import completion, data, design, parameters
from pilot_eval.app.options import hand_on, take_options
from pilot_eval.app.progress import keep_telling
from pilot_eval.errors import DataError, ParameterError, explain
from pilot_eval.file_sets import finish_sets, whole_file

if TYPE_CHECKING:
    from pandas import DataFrame

    from pilot_eval.app.run import RunResult

OK, FAILED, BAD_INPUT, LOST = 0, 1, 2, 3

__all__ = [
    "census",
    "check",
    "check_release",
    "completion",
    "council_report",
    "data",
    "design",
    "import_published",
    "init",
    "monitor",
    "parameters",
    "refresh",
    "reproduce",
    "run",
    "simulate",
    "validity",
]


def run(options: Namespace) -> int:
    """Run the evaluation; see `run_evaluation`."""
    from pilot_eval.app.request import RunRequest
    from pilot_eval.app.run import run_evaluation
    from pilot_eval.app.staging import name_release, refuse_used
    from pilot_eval.project import find_root
    from pilot_eval.records.unpacking import copied

    options.parameters = _pairs(options.parameters)
    take_options(options)
    mapping = options.parameters.get("mapping_file")
    with (
        copied(options.census, mapping=mapping) as census,
        keep_telling(_progress(options)) as tell,
    ):
        asked = {**hand_on(options, RunRequest), "census": census}
        request = RunRequest(root=find_root(), **asked)
        if census and options.out:
            refuse_used(options.out, name_release(options.out))
        result = run_evaluation(request, tell)
        rules = _rules_of(result.folder, [census]) if census and not result.failed else None
    if rules is not None:
        _release(options, name_release(result.folder), result.folder, rules, keep=True)
    page = "index.html" if options.notebooks else "evidence.csv"
    code = _tell_result(options, result, page)
    return code or _judge_losses(options, result.losses)


def _tell_result(options: Namespace, result: RunResult, page: str) -> int:
    for item in result.failed:
        print(
            f"\n{item.name} failed in {item.cell}:\n  {item.error}\n"
            f"  kept as {result.folder / 'notebooks' / item.path.name}",
            file=sys.stderr,
        )
    word = "Incomplete results" if result.failed else "Open"
    failed = {item.name: item.error for item in result.failed}
    lines = f"\n{word}: {result.folder / page}"
    _finish(options, lines, folder=result.folder, page=result.folder / page, failed=failed)
    return FAILED if result.failed else OK


def _pairs(given: Sequence[Sequence[str]]) -> dict[str, str]:
    """Read NAME=VALUE or NAME VALUE."""
    pairs: dict[str, str] = {}
    for words in given:
        name, value = words if len(words) == 2 else (words[0].partition("=")[0::2])
        if len(words) > 2 or (len(words) == 1 and "=" not in words[0]):
            got = " ".join(words)
            raise ParameterError(explain("-p", "be NAME=VALUE", got, "Write -p alpha=0.1."))
        if name in pairs:
            raise ParameterError(explain(f"-p {name}", "be given once", "it twice", "Remove one."))
        pairs[name] = value
    return pairs


def init(options: Namespace) -> int:
    """Write a pilot folder to change."""
    from pilot_eval.app.pilot_folders import check_pilot, init_pilot, list_dropped

    folder = init_pilot(**hand_on(options, init_pilot))
    say = _progress(options)
    say(f"Written: {folder}")
    for name in list_dropped(options.plan_file) if options.plan_file else ():
        say(f"Could not be converted and was left out: {name}")
    faults = check_pilot(str(folder))
    say("\n".join(["It cannot be run yet:", *faults]) if faults else "")
    following = f"Next: change {folder.name}/plan.toml, then `pilot-eval check {folder.name}`."
    _finish(options, following, folder=folder, faults=faults)
    return OK


def check(options: Namespace) -> int:
    """Say everything that is wrong with a pilot folder."""
    from pilot_eval.app.pilot_folders import check_pilot

    faults = check_pilot(options.pilot, options.table_file)
    if not options.json:
        for fault in faults:
            print(fault, file=sys.stderr)
    if not faults or options.json:
        _finish(options, "Nothing is wrong with it.", faults=faults)
    return BAD_INPUT if faults else OK


def import_published(options: Namespace) -> int:
    """Import DfE's source files."""
    from pilot_eval.project import find_root
    from pilot_eval.published import council_indicators as published

    written = published.import_published(options.folder, find_root() / "data")
    lines = "\n".join(["Written:", *(f"  {path}" for path in written)])
    _finish(options, lines, written=written)
    return OK


def refresh(options: Namespace) -> int:
    """Execute the committed notebooks again, then write reports/published from them."""
    from pilot_eval.app.refresh import PUBLISHED, refresh_project
    from pilot_eval.lab.validity_report import write_validity
    from pilot_eval.project import find_root

    root = find_root()
    with keep_telling(_progress(options)) as tell:
        tell("Calibrating the tests on real data, for docs/validity ...")
        write_validity(root / "docs", only="calibration", tell=tell)
        results = refresh_project(root, options.notebooks, tell)
    if not all(result.ok for result in results):
        _progress(options)("Nothing was written.")
        return FAILED
    written = root / PUBLISHED
    _finish(options, f"Written: {written}", written=written)
    return OK


def council_report(options: Namespace) -> int:
    """Report single councils against their comparators."""
    from pilot_eval.app.request import RunRequest
    from pilot_eval.app.run import run_evaluation
    from pilot_eval.plan import load_plan
    from pilot_eval.project import find_root

    plan = load_plan(options.pilot)
    treated = (name for scenario in plan.scenarios.values() for name in scenario.councils)
    options.councils = options.councils or list(dict.fromkeys(treated))
    request = RunRequest(root=find_root(), **hand_on(options, RunRequest))
    with keep_telling(_progress(options)) as tell:
        result = run_evaluation(request, tell)
    return _tell_result(options, result, "index.html")


def reproduce(options: Namespace) -> int:
    """Make a run's results again and compare them."""
    from pilot_eval.app import reproduce as again
    from pilot_eval.project import find_root

    differences = again.reproduce(options.folder, find_root(), options.table_file)
    same = "Evidence, workbook and tidy data are the same."
    lines = [*differences, f"{len(differences)} differences."] if differences else [same]
    _finish(options, "\n".join(lines), differences=differences)
    return FAILED if differences else OK


def check_release(options: Namespace) -> int:
    """Judge every file of a folder, and move what passes if asked."""
    from pilot_eval.disclosure.release.release_check import check_release as check
    from pilot_eval.disclosure.release.release_check import describe_release

    finish_sets(options.folder.absolute().parent)  # of a census that was killed
    with keep_telling(_progress(options)) as tell:
        if options.returns:
            tell("Reading the identifiers of the returns ...")
        settings = _rules_of(options.folder, options.returns)
        if options.sheet:
            tell(f"Describing every file of {options.folder} in {options.sheet} ...")
            with whole_file(options.sheet) as new:
                describe_release(options.folder, **settings).to_csv(new, index=False)
        if not options.move_to:
            tell(f"Checking every file of {options.folder} ...")
            checked = check(options.folder, **settings)
    if options.move_to:
        return _release(options, options.move_to, options.folder, settings)
    return _tell_verdicts(options, checked)


def _rules_of(folder: Path, returns: Sequence[str | Path]) -> dict[str, Any]:
    """Take a run's own threshold and rounding, the default pilot's where it says none."""
    from pilot_eval.disclosure.release.register import read_own_rules
    from pilot_eval.disclosure.release.run_identifiers import read_identifiers
    from pilot_eval.plan import load_plan

    shared = {"threshold", "rounding"}
    rules = read_own_rules(folder) or load_plan().disclosure.model_dump(include=shared)
    known = read_identifiers(returns)
    if returns and not len(known):  # a check against nothing is none
        action = "Name the returns that the run read, or a census run's folder with its tables."
        raise DataError(explain("--returns", "hold identifiers of children", "none", action))
    return {**rules, "identifiers": known}


def _release(
    options: Namespace, target: Path, folder: Path, rules: dict[str, Any], *, keep: bool = False
) -> int:
    from pilot_eval.disclosure.release.release_check import release

    with keep_telling(_progress(options)) as tell:
        tell(f"Checking every file of {folder} for release ...")
        checked = release(folder, target, **rules, keep=keep)
    _progress(options)(f"What passed is in {target}; what did not is where it was.")
    return _tell_verdicts(options, checked)


def _tell_verdicts(options: Namespace, checked: DataFrame) -> int:
    """Print verdicts, the worst first; anything but a pass is a failure."""
    from pilot_eval.disclosure.release.release_check import ORDER

    width = checked["file"].str.len().max()
    lines = [f"{'verdict':9}{'file':{width}}  reason"]
    for verdict in reversed(ORDER):
        for row in checked[checked["verdict"] == verdict].itertuples():
            lines.append(f"{verdict:9}{row.file:{width}}  {row.reason}".rstrip())
    counts = checked["verdict"].value_counts()
    words = ", ".join(f"{counts.get(verdict, 0)} {verdict}" for verdict in ORDER)
    said = "\n".join([*lines, f"{len(checked)} files: {words}."])
    _finish(options, said, files=checked[["file", "verdict", "reason"]].to_dict("records"))
    return OK if counts.get("pass", 0) == len(checked) else FAILED


def census(options: Namespace) -> int:
    """Evaluate children's records."""
    from pilot_eval.app.census_command import run_census
    from pilot_eval.app.notebooks import use_one_thread_each
    from pilot_eval.plan import load_plan

    use_one_thread_each()
    with keep_telling(_progress(options)) as tell:
        plan = load_plan(options.pilot)
        result = run_census(**hand_on(options, run_census), plan=plan, tell=tell)
    if not options.json:
        _tell_verdicts(options, result.verdicts)
    passed = result.released if result.released.is_dir() else "nothing passed the release check"
    lines = f"\nEverything: {result.folder}\nCan be released: {passed}"
    _finish(options, lines, folder=result.folder, released=result.released)
    if result.losses["failed"].ne("").all():
        print(
            "No council's records can be used; losses.csv and issues.csv say why.", file=sys.stderr
        )
        return BAD_INPUT
    return _judge_losses(options, result.losses)


def _judge_losses(options: Namespace, losses: DataFrame | None) -> int:
    """Compare what councils lost with the largest share that is accepted."""
    if losses is None or not (losses["share_lost"] > options.fail_on_loss).any():
        return OK
    names = ", ".join(losses.loc[losses["share_lost"] > options.fail_on_loss, "council"])
    print(f"Lost more than --fail-on-loss {options.fail_on_loss:g}: {names}", file=sys.stderr)
    return LOST


def monitor(options: Namespace) -> int:
    """Add months to a running trial and say what follows."""
    from pilot_eval.app.monitor_command import monitor as add_and_judge

    watch = add_and_judge(**hand_on(options, add_and_judge))
    alert = watch.alert
    lines = f"{alert['month']}: {alert['state']}. For the board: {options.folder / 'board.md'}"
    _finish(options, lines, folder=options.folder, **alert)
    return watch.code


def validity(options: Namespace) -> int:
    """Simulate how often the tests are wrong."""
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    from pilot_eval.app.notebooks import count_cores, use_one_thread_each
    from pilot_eval.lab.validity_report import write_validity

    use_one_thread_each()
    with (
        keep_telling(_progress(options)) as tell,
        ProcessPoolExecutor(count_cores(), mp_context=get_context("spawn")) as executor,
    ):
        write_validity(
            options.out, only=options.only, draws=options.draws, executor=executor, tell=tell
        )
    _finish(options, f"Written: {options.out}", written=options.out)
    return OK


def simulate(options: Namespace) -> int:
    """Write returns of invented children: all of them, into a new or empty folder."""
    from pilot_eval.app.staging import publish, stage
    from pilot_eval.lab.simulate import simulate_census
    from pilot_eval.lab.simulate_settings import SimulationSettings
    from pilot_eval.lab.simulate_sources import write_sources

    options.councils = tuple(options.councils)
    settings = SimulationSettings(**hand_on(options, SimulationSettings))
    tables, _truth = simulate_census(settings, seed=options.seed)
    years = range(options.first_year, options.last_year + 1)
    with stage(options.out) as folder:
        asked = {**hand_on(options, write_sources), "folder": folder, "years": years}
        found = write_sources(tables, **asked)
        names = [path.relative_to(folder) for path in found]
        publish(folder, iter([options.out]))
    written = [options.out / name for name in names]
    kind = "returns" if options.source == "returns" else options.source
    count = sum(path.suffix != ".csv" for path in names)  # local extracts are not returns
    lines = f"{count} {kind} of invented children written to {options.out}"
    _finish(options, lines, written=written)
    return OK


def _progress(options: Namespace) -> Callable[[str], None]:
    """Say where progress goes: nowhere with --quiet or --json."""
    return _say_nothing if options.quiet or options.json else _say


def _finish(options: Namespace, lines: str, **record: object) -> None:
    """Print the result: as lines, or as one JSON object for machines."""
    said = lines.lstrip("\n") if options.quiet else lines
    _say(json.dumps(record, default=str, ensure_ascii=False) if options.json else said)


def _say_nothing(line: str) -> None:
    pass


def _say(line: str) -> None:
    print(line, flush=True)
