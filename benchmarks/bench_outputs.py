"""Attack what is printed of confidential council tables, as the tests do, on many of them.

    python benchmarks/bench_outputs.py [--tables 200]

An integer program that shares no code with the package knows every printed figure to any digit, all
denominators, England's totals and, in two of three attacks, one council's own row. On every tenth
table primary suppression alone is attacked as well: an attacker who finds nothing there is none.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from pilot_eval.disclosure.protect.indicator_tables import protect_indicators

TESTS = Path(__file__).resolve().parents[1] / "tests"
sys.path[:0] = [str(TESTS / "unit"), str(TESTS / "reference")]
FIRST_SEED, THRESHOLD, CONTROL_EVERY = 100, 5, 10


def main() -> int:
    """Attack tables and print what was pinned."""
    from output_attacker import draw_counts, find_pinned
    from test_protected_outputs import hide, make_table

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", type=int, default=200)
    tables = parser.parse_args().tables
    withheld = pinned = control = 0
    for seed in range(FIRST_SEED, FIRST_SEED + tables):
        names, counts, totals = draw_counts(np.random.default_rng(seed))
        table = make_table(counts, totals)
        protected = protect_indicators(table, threshold=THRESHOLD)
        hidden = hide(protected, protected["value"].isna())
        withheld += len(hidden)
        for insider in (None, names[0], names[-1]):
            pinned += len(find_pinned(names, counts, totals, hidden, insider))
        if seed % CONTROL_EVERY == 0:
            small = hide(table, table["numerator"].between(1, THRESHOLD))
            control += len(find_pinned(names, counts, totals, small))
    print(
        f"{tables} tables, {withheld:,} withheld counts: {pinned} pinned in {3 * tables} attacks;"
    )
    print(f"with primary suppression alone {control} in {-(-tables // CONTROL_EVERY)} attacks.")
    return int(pinned > 0 or control == 0)


if __name__ == "__main__":
    sys.exit(main())
