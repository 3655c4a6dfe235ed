"""The options of `pilot-eval census`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from pilot_eval.app.cli_examples import add_command

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def add_census(commands: Commands) -> None:
    """Add `pilot-eval census` and its options.

    Parameters
    ----------
    commands : argparse subparsers
    """
    census = add_command(commands, "census", help="evaluate children's records")
    census.add_argument(
        "paths",
        type=read_source,
        nargs="+",
        metavar="PATH",
        help="returns, folders of them, or the URL of a database",
    )
    census.add_argument(
        "--data-cut",
        required=True,
        metavar="DATE",
        help="last day that the records cover, as 2013-03-31",
    )
    census.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="new folder; what can be released goes to DIR-release",
    )
    census.add_argument("--format", choices=("xml", "csv", "parquet"), help="read only these")
    census.add_argument(
        "--mapping",
        type=Path,
        metavar="FILE",
        help="field mapping of the two-stage returns of 2009-13",
    )
    _add_engines(census)
    add_loss_limit(census)
    _add_own_files(census)
    _add_outputs(census)
    add_pilot(census)
    census.set_defaults(command="census")


def _add_own_files(census: argparse.ArgumentParser) -> None:
    census.add_argument("--local", type=Path, metavar="FILE", help="local indicators")
    census.add_argument(
        "--strategy-discussions", type=Path, metavar="FILE", help="local extract of their dates"
    )
    census.add_argument(
        "--crosswalk", type=Path, metavar="FILE", help="identifiers that changed between returns"
    )
    census.add_argument(
        "--core-groups", type=Path, metavar="FILE", help="local extract of their dates"
    )
    census.add_argument(
        "--scenario",
        action="append",
        default=[],
        metavar="NAME",
        help="of the plan (may be repeated); default all",
    )


def _add_outputs(census: argparse.ArgumentParser) -> None:
    for name, choices, what in (
        ("--panel", ("quarter", "year"), "also write a panel of these periods (may be repeated)"),
        (
            "--by",
            ("need", "age", "sex", "ethnicity", "disability"),
            "panels for groups of children by year, and their protected shares (may be repeated)",
        ),
    ):
        census.add_argument(name, action="append", default=[], choices=choices, help=what)
    census.add_argument(
        "--tables",
        default="",
        choices=("parquet",),
        help="keep the typed tables, with a data dictionary; they stay in the secure environment",
    )


def _add_engines(census: argparse.ArgumentParser) -> None:
    census.add_argument(
        "--scheduler",
        default="",
        metavar="ADDRESS",
        help="dask scheduler, as tls://host:8786; tcp://host:8786 is not encrypted",
    )
    census.add_argument(
        "--engine",
        default="",
        choices=("spark",),
        help="spark: on the workers of Spark, --scheduler its master (docs/for-databricks.md)",
    )
    census.add_argument("--jobs", type=int, metavar="N", help="processes; default one per core")


def add_loss_limit(command: argparse.ArgumentParser) -> None:
    """Add the option that says how much a council may lose.

    Parameters
    ----------
    command : argparse.ArgumentParser
    """
    command.add_argument(
        "--fail-on-loss",
        type=_share,
        default=1.0,
        metavar="X",
        help="exit code 3 if a council loses more than this share (0 to 1) of its children or "
        "referrals; all files are written nevertheless",
    )


def add_pilot(command: argparse.ArgumentParser) -> None:
    """Add the option that names the pilot.

    Parameters
    ----------
    command : argparse.ArgumentParser
    """
    command.add_argument(
        "--pilot", default="", metavar="NAME", help="folder in pilots/, or the path of one"
    )
    command.add_argument("--plan", default="", help=argparse.SUPPRESS)  # of version 0.1: refused


def read_source(text: str) -> str | Path:
    """Read where returns are: a path, or the URL of a database.

    Parameters
    ----------
    text : str

    Returns
    -------
    str or pathlib.Path
    """
    from pilot_eval.records.unpacking import is_url

    return text if is_url(text) else Path(text)


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"must be a share between 0 and 1; got {text!r}")
    return share
