"""The command line: `pilot-eval COMMAND`. Heavy libraries load where a command needs them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pilot_eval.errors import ParameterError, PilotEvalError, explain

if TYPE_CHECKING:
    from pilot_eval.runner.run import RunResult

OK, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    arguments : sequence of str, optional
        Default: the process's own.

    Returns
    -------
    int
        0 if all went well, 1 if something in the run failed, 2 for bad input, 130 after Ctrl-C.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    options = build_parser().parse_args(arguments)
    try:
        return options.command(options)
    except PilotEvalError as fault:
        print(f"\n{fault}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print(
            "\nStopped. Nothing was kept of this run; earlier reports are as they were.",
            file=sys.stderr,
        )
        return INTERRUPTED


def build_parser() -> argparse.ArgumentParser:
    """Describe every command and option.

    Returns
    -------
    argparse.ArgumentParser
    """
    parser = argparse.ArgumentParser(
        prog="pilot-eval",
        description="Evaluation of the 2011 child-protection timescale pilots.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_run(commands)
    _add_import(commands)
    _add_refresh(commands)
    _add_council_report(commands)
    _add_reproduce(commands)
    _add_check_release(commands)
    _add_validity(commands)
    _add_simulate(commands)
    return parser


def _add_run(commands: argparse._SubParsersAction) -> None:
    run = commands.add_parser("run", help="run the evaluation and write a report")
    run.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="NOTEBOOK",
        help="run this notebook only (may be repeated)",
    )
    run.add_argument(
        "-p",
        dest="parameters",
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "VALUE"),
        help="set a notebook parameter",
    )
    run.add_argument("--plan", type=Path, metavar="FILE", help="instead of evaluation.toml")
    run.add_argument(
        "--table", type=Path, metavar="FILE", help="your own council table (docs/own-data.md)"
    )
    run.add_argument(
        "--out", type=Path, metavar="DIR", help="folder to write; default reports/<run id>"
    )
    run.add_argument("--jobs", type=_positive, metavar="N", help="processes; default one per core")
    run.add_argument("--no-notebooks", action="store_true", help="write the evidence alone")
    run.set_defaults(command=_run)


def _add_import(commands: argparse._SubParsersAction) -> None:
    published = commands.add_parser(
        "import-published", help="read DfE's source files into data/published"
    )
    published.add_argument("folder", type=Path, metavar="DIR", help="folder of the source files")
    published.set_defaults(command=_import_published)


def _add_refresh(commands: argparse._SubParsersAction) -> None:
    refresh = commands.add_parser(
        "refresh", help="re-execute the committed notebooks and reports/published"
    )
    refresh.add_argument("notebooks", nargs="*", metavar="NOTEBOOK", help="default: all")
    refresh.set_defaults(command=_refresh)


def _add_council_report(commands: argparse._SubParsersAction) -> None:
    report = commands.add_parser(
        "council-report", help="report single councils against their comparators"
    )
    report.add_argument(
        "councils", nargs="*", metavar="COUNCIL", help="names; default every council of the plan"
    )
    report.add_argument("--plan", type=Path, metavar="FILE", help="instead of evaluation.toml")
    report.add_argument("--table", type=Path, metavar="FILE", help="your own council table")
    report.add_argument("--out", type=Path, metavar="DIR", help="folder to write")
    report.set_defaults(command=_council_report)


def _add_reproduce(commands: argparse._SubParsersAction) -> None:
    again = commands.add_parser("reproduce", help="make a run again and compare its evidence")
    again.add_argument("folder", type=Path, metavar="DIR", help="folder of the run")
    again.add_argument("--table", type=Path, metavar="FILE", help="the run's own council table")
    again.set_defaults(command=_reproduce)


def _add_check_release(commands: argparse._SubParsersAction) -> None:
    check = commands.add_parser("check-release", help="may these files leave the room?")
    check.add_argument("folder", type=Path, metavar="DIR", help="folder of a run")
    check.add_argument("--move-to", type=Path, metavar="DIR", help="move there what passes")
    check.add_argument("--sheet", type=Path, metavar="FILE", help="write the output-check sheet")
    check.set_defaults(command=_check_release)


def _add_validity(commands: argparse._SubParsersAction) -> None:
    validity = commands.add_parser(
        "validity", help="simulate how often the tests are wrong (an hour at full size)"
    )
    validity.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write")
    validity.add_argument("--draws", type=_positive, metavar="N", help="simulations a cell")
    validity.set_defaults(command=_validity)


def _add_simulate(commands: argparse._SubParsersAction) -> None:
    simulate = commands.add_parser("simulate", help="write returns of invented children")
    simulate.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write")
    simulate.add_argument("--format", choices=("xml", "csv", "parquet"), default="xml")
    simulate.add_argument(
        "--council",
        action="append",
        default=[],
        metavar="CODE",
        help="ONS code (may be repeated); default all 152",
    )
    simulate.add_argument(
        "--first-year", type=_positive, default=2010, metavar="YEAR", help="year ending 31 March"
    )
    simulate.add_argument("--last-year", type=_positive, default=2013, metavar="YEAR")
    simulate.add_argument(
        "--scale", type=float, default=1.0, metavar="X", help="factor on the number of referrals"
    )
    simulate.add_argument("--seed", type=_positive, default=1, metavar="N")
    simulate.set_defaults(command=_simulate)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1; got {text!r}")
    return int(text)


def _run(options: argparse.Namespace) -> int:
    from pilot_eval.project import find_root
    from pilot_eval.runner.request import RunRequest
    from pilot_eval.runner.run import run_evaluation

    result = run_evaluation(
        RunRequest(
            root=find_root(),
            plan_file=options.plan,
            table_file=options.table,
            only=options.only,
            parameters=_pairs(options.parameters),
            out=options.out.resolve() if options.out else None,
            jobs=options.jobs,
            notebooks=not options.no_notebooks,
        ),
        tell=_say,
    )
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


def _import_published(options: argparse.Namespace) -> int:
    from pilot_eval.project import find_root
    from pilot_eval.sources.published import import_published

    written = import_published(options.folder, find_root() / "data")
    _say("\n".join(["Written:", *(f"  {path}" for path in written)]))
    return OK


def _refresh(options: argparse.Namespace) -> int:
    from pilot_eval.project import find_root
    from pilot_eval.runner.refresh import refresh_notebooks, refresh_published

    results = refresh_notebooks(find_root(), options.notebooks)
    for result in results:
        fate = "refreshed" if result.ok else f"FAILED in {result.cell}: {result.error}"
        _say(f"{result.name}: {fate}")
    if not all(result.ok for result in results):
        return FAILED
    _say(f"Written: {refresh_published(find_root())}")
    return OK


def _council_report(options: argparse.Namespace) -> int:
    from pilot_eval.plan import load_plan
    from pilot_eval.project import find_root
    from pilot_eval.runner.request import RunRequest
    from pilot_eval.runner.run import run_evaluation

    root = find_root()
    plan = load_plan(options.plan or root / "evaluation.toml")
    treated = (name for scenario in plan.scenarios.values() for name in scenario.councils)
    request = RunRequest(
        root=root,
        plan_file=options.plan,
        table_file=options.table,
        out=options.out.resolve() if options.out else None,
        councils=options.councils or list(dict.fromkeys(treated)),
    )
    return _tell_result(run_evaluation(request, tell=_say), "index.html")


def _reproduce(options: argparse.Namespace) -> int:
    from pilot_eval.project import find_root
    from pilot_eval.runner.reproduce import reproduce

    differences = reproduce(options.folder, find_root(), options.table)
    for line in differences:
        _say(line)
    _say(f"{len(differences)} differences." if differences else "The evidence is the same.")
    return FAILED if differences else OK


def _check_release(options: argparse.Namespace) -> int:
    from pilot_eval.disclosure.release_check import check_release, describe_release, release
    from pilot_eval.plan import load_plan

    rules = load_plan().disclosure
    settings = {"threshold": rules.threshold, "rounding": rules.rounding}
    if options.sheet:
        describe_release(options.folder, **settings).to_csv(options.sheet, index=False)
    if options.move_to:
        checked = release(options.folder, options.move_to, **settings)
    else:
        checked = check_release(options.folder, **settings)
    for row in checked.itertuples():
        _say(f"{row.verdict:7}{row.file}{': ' if row.reason else ''}{row.reason}")
    passed = checked["verdict"].eq("pass")
    _say(f"{passed.sum()} of {len(checked)} files pass.")
    return OK if passed.all() else FAILED


def _validity(options: argparse.Namespace) -> int:
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    from pilot_eval.assurance.validity_report import write_validity
    from pilot_eval.runner.notebooks import count_cores, use_one_thread_each

    use_one_thread_each()
    size = {"draws": options.draws} if options.draws else {}
    with ProcessPoolExecutor(count_cores(), mp_context=get_context("spawn")) as executor:
        write_validity(options.out, executor=executor, **size)
    _say(f"Written: {options.out}")
    return OK


def _simulate(options: argparse.Namespace) -> int:
    from pilot_eval.sources.census.writers import write_census
    from pilot_eval.sources.simulate import simulate_census
    from pilot_eval.sources.simulate_settings import SimulationSettings

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


if __name__ == "__main__":
    sys.exit(main())
