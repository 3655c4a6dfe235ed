"""Examples in the help of every command, and the options that all of them have."""

from __future__ import annotations

import argparse

EXAMPLES = {
    "run": (
        "pilot-eval run",
        "pilot-eval run --only 03_child_outcomes -p alpha=0.1",
        "pilot-eval run --no-notebooks --table my-council.csv --out reports/mine",
    ),
    "init": ("pilot-eval init my-pilot",),
    "check": ("pilot-eval check my-pilot",),
    "import-published": ("pilot-eval import-published dfe-files",),
    "refresh": ("pilot-eval refresh 99_summary",),
    "council-report": ("pilot-eval council-report Kent Leeds",),
    "reproduce": ("pilot-eval reproduce reports/mine",),
    "check-release": (
        "pilot-eval check-release reports/mine --sheet outputs.csv",
        "pilot-eval check-release results-release --returns children",
    ),
    "validity": ("pilot-eval validity --out validity --only calibration",),
    "simulate": ("pilot-eval simulate --out children --scale 0.1",),
    "census": ("pilot-eval census children --data-cut 2013-03-31 --out results",),
    "monitor": ("pilot-eval monitor 2011-06.csv --rules monitoring.toml --history watched",),
    "design": (
        "pilot-eval design --outcome rate --councils 6 8 --fixed Kent --forbidden Leeds",
        "pilot-eval design --outcome rate --chosen Kent --chosen Leeds --chosen Devon",
    ),
    "data": ("pilot-eval data", "pilot-eval data rate --json"),
    "parameters": ("pilot-eval parameters 02_delay",),
    "completion": (
        "pilot-eval completion bash",
        "pilot-eval completion fish",
    ),
}


def add_command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    *,
    help: str,
) -> argparse.ArgumentParser:
    """Add a command with its examples, and with what every command can be asked for."""
    lines = "\n".join(f"  {line}" for line in EXAMPLES[name])
    command = commands.add_parser(
        name,
        help=help,
        description=f"{help[0].upper()}{help[1:]}.",
        epilog=f"examples:\n{lines}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("--quiet", action="store_true", help="print only the result")
    command.add_argument("--json", action="store_true", help="print the result as JSON")
    return command
