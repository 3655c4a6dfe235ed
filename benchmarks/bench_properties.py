"""Hold every public function to its laws in 5,000 worlds, and to 10,000 wrong calls.

    python3 benchmarks/bench_properties.py [--worlds N] [--wrong N] [NAME ...]

Prints each fault once with the seed that shows it; exit code 1 where there is one.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "properties"))

from subjects import SUBJECTS
from test_every_function import obey, refuse


def main() -> int:
    """Run both parts and count the faults."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="functions; default all")
    parser.add_argument("--worlds", type=int, default=5000, help="of each law")
    parser.add_argument("--wrong", type=int, default=10_000, help="calls in all")
    options = parser.parse_args()
    warnings.simplefilter("error")
    names = [name for name in SUBJECTS if not options.names or name in options.names]
    faults: dict[str, int] = {}
    for name in names:
        for seed in range(options.worlds):
            _try(lambda n=name, s=seed: obey(n, s, full=bool(s % 2)), name, seed, faults)
        for seed in range(-(-options.wrong // len(names))):
            _try(lambda n=name, s=seed: refuse(n, s), name, seed, faults)
    for fault, seed in faults.items():
        print(f"{fault} (seed {seed})")
    print(f"{len(names)} functions, {options.worlds} worlds each, {options.wrong} wrong calls")
    return min(len(faults), 1)


def _try(call: Callable[[], None], name: str, seed: int, faults: dict[str, int]) -> None:
    try:
        call()
    except Exception as fault:  # every kind is a finding here
        faults.setdefault(f"{name}: {type(fault).__name__}: {fault}"[:200], seed)


if __name__ == "__main__":
    sys.exit(main())
