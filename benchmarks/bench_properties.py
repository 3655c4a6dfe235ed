"""Hold every public function to its laws in 5,000 worlds, and to 10,000 wrong calls.

    python3 benchmarks/bench_properties.py [--worlds N] [--wrong N] [--out FILE] [NAME ...]

Prints each fault once with the seed that shows it; exit code 1 where there is one. With --out every
function is a row of the file as soon as it is done, and functions that have one already are left
out: a run that was stopped goes on where it was. Delete rows whose function has changed.
"""

from __future__ import annotations

import argparse
import csv
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "properties"))

from subjects import SUBJECTS
from test_every_function import obey, refuse

COLUMNS = ("function", "worlds", "wrong_calls", "faults")


def main() -> int:
    """Run both parts and count the faults."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="functions; default all")
    parser.add_argument("--worlds", type=int, default=5000, help="of each law")
    parser.add_argument("--wrong", type=int, default=10_000, help="calls in all")
    parser.add_argument("--out", type=Path, help="CSV file of the functions that are done")
    options = parser.parse_args()
    warnings.simplefilter("error")
    names = [name for name in options.names or SUBJECTS if name not in _read_done(options.out)]
    wrong = -(-options.wrong // len(SUBJECTS))
    total = 0
    for name in names:
        faults = _run(name, options.worlds, wrong)
        for fault, seed in faults.items():
            print(f"{name}: {fault} (seed {seed})", flush=True)
        if options.out:
            _write_row(options.out, (name, options.worlds, wrong, len(faults)))
        total += len(faults)
    print(f"{len(names)} functions, {options.worlds} worlds and {wrong} wrong calls each")
    return min(total, 1)


def _run(name: str, worlds: int, wrong: int) -> dict[str, int]:
    faults: dict[str, int] = {}
    for seed in range(worlds):
        _try(lambda s=seed: obey(name, s, full=bool(s % 2)), seed, faults)
    for seed in range(wrong):
        _try(lambda s=seed: refuse(name, s), seed, faults)
    return faults


def _try(call: Callable[[], None], seed: int, faults: dict[str, int]) -> None:
    try:
        call()
    except Exception as fault:  # every kind is a finding here
        faults.setdefault(f"{type(fault).__name__}: {fault}"[:200], seed)


def _read_done(path: Path | None) -> set[str]:
    if path is None or not path.exists():
        return set()
    with path.open(encoding="utf-8", newline="") as file:
        return {row["function"] for row in csv.DictReader(file)}


def _write_row(path: Path, row: tuple[object, ...]) -> None:
    new = not path.exists()
    with path.open("a", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([COLUMNS, row] if new else [row])


if __name__ == "__main__":
    sys.exit(main())
