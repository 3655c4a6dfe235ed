"""What every benchmark shares: its one option, and a criterion beside what was measured."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from math import inf


def read_options(description: str, *more: str) -> argparse.Namespace:
    """Read `--small` (a try-out at reduced size) and further options that take a text."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="try it out at reduced size")
    for name in more:
        parser.add_argument(name)
    return parser.parse_args()


def judge(
    asked: str, measured: float | None, *, least: float = -inf, most: float = inf, unit: str = "x"
) -> tuple[str, str, str]:
    """Judge one criterion: at least `least`, at most `most`; None is not measured."""
    if measured is None:
        return asked, "–", "not measured"
    decimals = 0 if isinstance(measured, int) or abs(measured) >= 10 else 2
    met = least <= measured <= most
    return asked, f"{measured:,.{decimals}f}{unit}", "met" if met else "**not met**"


def print_criteria(rows: Iterable[tuple[str, str, str]]) -> None:
    print("\n| criterion | measured | |\n|---|---:|---|")
    for row in rows:
        print(f"| {' | '.join(row)} |", flush=True)
