"""Guard against getting slower: three short ratios, compared with the committed ones.

    python benchmarks/guard.py            print them
    python benchmarks/guard.py --check    fail where one is more than twice the committed ratio
    python benchmarks/guard.py --write    commit to what is measured now

Ratios of processor time within one run, medians of alternating rounds: the machine hardly matters.
`floor.py` writes the ratio of the main job to its floor into the same file.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np

from pilot_eval.inference import robust_batch, robust_test
from pilot_eval.inference.assignments import draw_assignments
from pilot_eval.inference.robust import compute_robust

RATIOS = Path(__file__).with_name("ratios.json")
MARGIN = 2.0
ROUNDS = 5
COUNCILS, TREATED, FILLINGS = 150, 5, 40
BISECTION = 85  # p-values that finding one interval by bisection takes
PLAIN = "import papermill"
DEFERRED = "from pilot_eval.app.grammars import defer_grammars; defer_grammars(); import papermill"


def main() -> int:
    """Measure, then print, check or write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    known = json.loads(RATIOS.read_text(encoding="utf-8")) if RATIOS.exists() else {}
    measured = {name: compare(*pair) for name, pair in pairs().items()}
    worse = []
    for name, ratio in measured.items():
        committed = known.get(name, float("nan"))
        print(f"{name}: {ratio:.3f} (committed {committed:.3f})")
        if ratio > MARGIN * committed:
            worse.append(name)
    if options.write:
        known |= {name: round(ratio, 3) for name, ratio in measured.items()}
        RATIOS.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    if options.check and worse:
        print(f"More than {MARGIN:g} times the committed ratio: {', '.join(worse)}")
        return 1
    return 0


def pairs() -> dict[str, tuple[Callable[[], float], Callable[[], float]]]:
    """Name the ratios: what is guarded, and its yardstick."""
    rng = np.random.default_rng(1)
    changes = rng.normal(size=COUNCILS) + 0.1 * rng.normal(size=(FILLINGS, COUNCILS))
    treated, cases = np.arange(COUNCILS) < TREATED, rng.uniform(100, 1000, COUNCILS)
    sets = draw_assignments(treated, draws=9999, seed=1)
    one = compute_robust(changes[:1], treated, cases, np.ones(COUNCILS), sets)[1]

    def bisect() -> None:
        for _ in range(BISECTION):
            one.p_value()

    def test_each() -> None:
        for row in changes:
            robust_test(row, treated, cases, seed=1)

    def test_one() -> None:
        robust_test(changes[0], treated, cases, seed=1)

    return {
        "robust_test_to_bisection": (timed(test_one), timed(bisect)),
        "robust_batch_to_single_tests": (
            timed(lambda: robust_batch(changes, treated, cases, seed=1)),
            timed(test_each),
        ),
        "import_papermill_to_plain": (lambda: started(DEFERRED), lambda: started(PLAIN)),
    }


def timed(task: Callable[[], None]) -> Callable[[], float]:
    """Make a function that returns the processor seconds of a task."""

    def seconds() -> float:
        before = time.process_time()
        task()
        return time.process_time() - before

    return seconds


def started(program: str) -> float:
    """Processor seconds of a Python that runs a program."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", program], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def compare(guarded: Callable[[], float], yardstick: Callable[[], float]) -> float:
    """Median ratio over alternating rounds."""
    return median(guarded() / yardstick() for _ in range(ROUNDS))


if __name__ == "__main__":
    sys.exit(main())
