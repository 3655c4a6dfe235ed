"""The command line: `pilot-eval COMMAND`. Heavy libraries load where a command needs them."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from pilot_eval import __version__
from pilot_eval.app.cli_census import add_census, add_loss_limit, add_pilot, read_source
from pilot_eval.app.cli_examples import add_command
from pilot_eval.app.grammars import defer_grammars
from pilot_eval.errors import PilotEvalError, explain
from pilot_eval.file_sets import finish_sets
from pilot_eval.project import find_root

BAD_INPUT, INTERRUPTED, CLOSED = 2, 130, 141
SAFE_PATH = "PYTHONSAFEPATH"

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    arguments : sequence of str, optional
        Default: the process's own.

    Returns
    -------
    int
        0 if all went well, 1 if something in the run failed, 2 for bad input or a file that cannot
        be read or written, 130 after Ctrl-C, 141 where the reader of the output has gone.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    defer_grammars()
    options = build_parser().parse_args(arguments)
    try:
        with safe_path():
            commands = import_module("pilot_eval.app.commands")
            for folder in (find_root(), find_root() / "data"):
                finish_sets(folder)  # of a command that was killed
            code = int(getattr(commands, options.command)(options))
            sys.stdout.flush()
            return code
    except PilotEvalError as fault:
        print(f"\n{fault}", file=sys.stderr)
        return BAD_INPUT
    except BrokenPipeError:  # of `pilot-eval ... | head`; nothing more can be printed
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CLOSED
    except OSError as fault:
        got = fault.strerror or str(fault).partition("\n")[0]
        action = "Check the path, your rights and the space that is left."
        name = str(fault.filename or "a file")
        print(f"\n{explain(name, 'be readable and writable', got, action)}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print(
            "\nStopped. Nothing was kept of this run; earlier reports are as they were.",
            file=sys.stderr,
        )
        return INTERRUPTED


@contextmanager
def safe_path() -> Iterator[None]:
    """Let no process started here import a file of the current folder, such as a `random.py`."""
    before = os.environ.get(SAFE_PATH)
    os.environ[SAFE_PATH] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[SAFE_PATH]
        else:
            os.environ[SAFE_PATH] = before


def build_parser() -> argparse.ArgumentParser:
    """Describe every command and option.

    Returns
    -------
    argparse.ArgumentParser
    """
    parser = argparse.ArgumentParser(
        prog="pilot-eval",
        description="Evaluation of pilots that treat a few councils.",
        epilog="Each command shows examples: pilot-eval COMMAND --help",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_run(commands)
    _add_init(commands)
    _add_check(commands)
    _add_import(commands)
    _add_refresh(commands)
    _add_council_report(commands)
    _add_reproduce(commands)
    _add_check_release(commands)
    _add_validity(commands)
    _add_simulate(commands)
    add_census(commands)
    _add_monitor(commands)
    _add_design(commands)
    _add_data(commands)
    _add_parameters(commands)
    _add_completion(commands)
    return parser


def _add_run(commands: Commands) -> None:
    run = add_command(commands, "run", help="run the evaluation and write a report")
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
        nargs="+",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="set a notebook parameter; also NAME VALUE (which there are: pilot-eval parameters)",
    )
    add_pilot(run)
    run.add_argument(
        "--table", type=Path, metavar="FILE", help="your own council table (docs/own-data.md)"
    )
    run.add_argument(
        "--out", type=Path, metavar="DIR", help="folder to write; default reports/<run id>"
    )
    run.add_argument("--jobs", type=_positive, metavar="N", help="processes; default one per core")
    run.add_argument("--no-notebooks", action="store_true", help="write only evidence and tables")
    run.add_argument(
        "--census",
        type=read_source,
        metavar="PATH",
        help="returns for the notebooks on children's records, or the URL of a database; give "
        "their last day too: -p data_cut 2013-03-31",
    )
    add_loss_limit(run)
    run.add_argument(
        "--test-results",
        type=Path,
        metavar="FILE",
        help="JUnit XML of the tests (pytest --junit-xml FILE), for the quality assurance log",
    )
    run.set_defaults(command="run")


def _add_init(commands: Commands) -> None:
    init = add_command(commands, "init", help="write a pilot folder to change")
    init.add_argument("name", metavar="NAME", help="of the new folder in pilots/")
    init.add_argument("--like", default="", metavar="PILOT", help="copy this pilot")
    init.add_argument(
        "--from", dest="plan_file", type=Path, metavar="FILE", help="convert a plan of version 0.1"
    )
    init.set_defaults(command="init")


def _add_check(commands: Commands) -> None:
    check = add_command(commands, "check", help="list everything wrong with a pilot folder")
    check.add_argument("pilot", nargs="?", default="", metavar="NAME", help="default pilot if none")
    check.add_argument("--table", type=Path, metavar="FILE", help="your own council table")
    check.set_defaults(command="check")


def _add_import(commands: Commands) -> None:
    published = add_command(
        commands, "import-published", help="read DfE's source files into data/published"
    )
    published.add_argument("folder", type=Path, metavar="DIR", help="folder of the source files")
    published.set_defaults(command="import_published")


def _add_refresh(commands: Commands) -> None:
    refresh = add_command(commands, "refresh", help="execute the committed notebooks again")
    refresh.add_argument("notebooks", nargs="*", metavar="NOTEBOOK", help="default: all")
    refresh.set_defaults(command="refresh")


def _add_council_report(commands: Commands) -> None:
    report = add_command(
        commands, "council-report", help="report single councils against their comparators"
    )
    report.add_argument(
        "councils", nargs="*", metavar="COUNCIL", help="names; default every council of the plan"
    )
    add_pilot(report)
    report.add_argument("--table", type=Path, metavar="FILE", help="your own council table")
    report.add_argument("--out", type=Path, metavar="DIR", help="folder to write")
    report.set_defaults(command="council_report")


def _add_reproduce(commands: Commands) -> None:
    again = add_command(commands, "reproduce", help="make a run again and compare its evidence")
    again.add_argument("folder", type=Path, metavar="DIR", help="folder of the run")
    again.add_argument("--table", type=Path, metavar="FILE", help="the run's own council table")
    again.set_defaults(command="reproduce")


def _add_check_release(commands: Commands) -> None:
    check = add_command(
        commands, "check-release", help="can these files be released from the secure environment?"
    )
    check.add_argument("folder", type=Path, metavar="DIR", help="folder of a run")
    check.add_argument("--move-to", type=Path, metavar="DIR", help="move the files that pass there")
    check.add_argument("--sheet", type=Path, metavar="FILE", help="write the output-check sheet")
    check.add_argument(
        "--returns",
        action="append",
        default=[],
        type=read_source,
        metavar="PATH",
        help="the run's returns, or its working folder: their identifiers are looked for in every "
        "file (may be repeated)",
    )
    check.set_defaults(command="check_release")


def _add_validity(commands: Commands) -> None:
    validity = add_command(
        commands, "validity", help="simulate how often the tests are wrong (minutes)"
    )
    validity.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write")
    validity.add_argument("--only", metavar="SECTION", help="run only this section")
    validity.add_argument("--draws", type=_positive, metavar="N", help="simulations per world")
    validity.set_defaults(command="validity")


def _add_simulate(commands: Commands) -> None:
    simulate = add_command(commands, "simulate", help="write returns of invented children")
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
    simulate.set_defaults(command="simulate")


def _add_monitor(commands: Commands) -> None:
    watch = add_command(
        commands,
        "monitor",
        help="add months to a running trial; exits 0, 4 (alert) or 5",
    )
    watch.add_argument("extract", type=Path, metavar="FILE", help="counts by council and month")
    watch.add_argument(
        "--rules", type=Path, required=True, metavar="FILE", help="rules of the trial (TOML)"
    )
    watch.add_argument(
        "--history", type=Path, required=True, metavar="DIR", help="history, alert and board's page"
    )
    watch.add_argument(
        "--replace", action="store_true", help="replace months that are already there"
    )
    watch.set_defaults(command="monitor")


def _add_design(commands: Commands) -> None:
    design = add_command(
        commands, "design", help="design the next pilot: how many, which, how long"
    )
    design.add_argument("--outcome", required=True, metavar="NAME", help="outcome of the plan")
    design.add_argument(
        "--councils",
        type=_positive,
        nargs="+",
        default=[4, 5, 6, 8, 10, 12],
        metavar="N",
        help="numbers of councils to compare",
    )
    design.add_argument(
        "--periods", type=_positive, nargs="+", default=[1, 2], metavar="N", help="after the start"
    )
    design.add_argument("--before", type=_positive, default=2, metavar="N", help="periods before")
    design.add_argument(
        "--waves", type=_positive, default=1, metavar="N", help="starts, one period apart"
    )
    for name, text in (
        ("fixed", "takes part in any case"),
        ("forbidden", "cannot take part"),
        ("chosen", "in a choice to compare with a random draw of the same size"),
    ):
        design.add_argument(
            f"--{name}",
            action="append",
            default=[],
            metavar="COUNCIL",
            help=f"{text} (may be repeated)",
        )
    design.add_argument("--detect", type=float, metavar="X", help="effect that must be found")
    design.add_argument("--seed", type=_positive, default=1, metavar="N", help="of the random draw")
    design.add_argument("--out", type=Path, metavar="FILE", help="write the tables to a workbook")
    add_pilot(design)
    design.add_argument("--table", type=Path, metavar="FILE", help="your own council table")
    design.set_defaults(command="design")


def _add_data(commands: Commands) -> None:
    data = add_command(commands, "data", help="list indicators, years and councils with figures")
    data.add_argument("indicator", nargs="?", metavar="INDICATOR", help="one, year by year")
    add_pilot(data)
    data.add_argument("--table", type=Path, metavar="FILE", help="your own council table")
    data.set_defaults(command="data")


def _add_parameters(commands: Commands) -> None:
    listed = add_command(commands, "parameters", help="list the notebooks' parameters")
    listed.add_argument("notebooks", nargs="*", metavar="NOTEBOOK", help="default: all")
    add_pilot(listed)
    listed.set_defaults(command="parameters")


def _add_completion(commands: Commands) -> None:
    script = add_command(
        commands, "completion", help="print a script with which a shell completes pilot-eval"
    )
    script.add_argument("shell", choices=("bash", "zsh", "fish"))
    script.set_defaults(command="completion")


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1; got {text!r}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
