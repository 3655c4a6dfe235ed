"""The command line: `pilot-eval COMMAND`. Heavy libraries load where a command needs them."""

from __future__ import annotations

import argparse
import os
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from pilot_eval import __version__
from pilot_eval.app.grammars import defer_grammars
from pilot_eval.app.options import read_source
from pilot_eval.errors import PilotEvalError, explain
from pilot_eval.file_sets import finish_sets
from pilot_eval.project import find_root

BAD_INPUT, INTERRUPTED, CLOSED = 2, 130, 141
SAFE_PATH = "PYTHONSAFEPATH"
COMMANDS_FILE = Path(__file__).with_name("commands.toml")


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
    """Describe every command and option, as `commands.toml` has them.

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
    described = read_commands()
    shared = described.pop("shared")["options"]
    for name, about in described.items():
        lines = "\n".join(f"  {line}" for line in about["examples"])
        command = commands.add_parser(
            name,
            help=about["help"],
            description=f"{about['help'][0].upper()}{about['help'][1:]}.",
            epilog=f"examples:\n{lines}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.set_defaults(command=name.replace("-", "_"))
        for option, facts in {"--quiet": {}, "--json": {}, **about["options"]}.items():
            _add_option(command, option, facts or shared[option])
    return parser


def read_commands() -> dict[str, Any]:
    """Read what is known of every command: help, examples and options, in order."""
    return tomllib.loads(COMMANDS_FILE.read_text(encoding="utf-8"))


def _add_option(command: argparse.ArgumentParser, name: str, facts: Mapping[str, Any]) -> None:
    given = dict(facts)
    dest, many, flag = (given.pop(key, None) for key in ("to", "many", "flag"))
    if dest is not None:
        given["dest"] = dest
    if many:
        given |= {"action": "append", "default": []}
    elif flag:
        given["action"] = "store_false" if name.startswith("--no-") else "store_true"
    if given.pop("hidden", False):
        given["help"] = argparse.SUPPRESS
    if "type" in given:
        given["type"] = TYPES[given["type"]]
    command.add_argument(name, **given)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1; got {text!r}")
    return int(text)


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"must be a share between 0 and 1; got {text!r}")
    return share


TYPES: Mapping[str, Callable[[str], Any]] = {
    "path": Path,
    "count": _count,
    "whole": int,
    "number": float,
    "share": _share,
    "source": read_source,
}


if __name__ == "__main__":
    sys.exit(main())
