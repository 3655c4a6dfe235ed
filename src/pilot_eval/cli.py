"""The command line: `pilot-eval COMMAND`. Heavy libraries load where a command needs them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pilot_eval.errors import ParameterError, PilotEvalError, explain

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
    for failed in result.failed:
        print(
            f"\n{failed.name} failed in {failed.cell}:\n  {failed.error}\n"
            f"  kept as {result.folder / 'notebooks' / failed.path.name}",
            file=sys.stderr,
        )
    opened = result.folder / ("evidence.csv" if options.no_notebooks else "index.html")
    _say(f"\n{'Incomplete results' if result.failed else 'Open'}: {opened}")
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


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
