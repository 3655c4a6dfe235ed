"""Time the few-councils tests, and show how they grow.

Run: ``python benchmarks/bench_inference.py``. Prints a section of docs/performance.md.
"""

from __future__ import annotations

import resource
import time
import warnings
from collections.abc import Callable

import numpy as np
from criteria import judge, print_criteria, read_options

from pilot_eval.estimation.path_changes import collapse_paths
from pilot_eval.inference import (
    adaptive_test,
    collapse_panel,
    cr2_test,
    cr3_test,
    family_test,
    path_test,
    randomisation_test,
    resampling_test,
    robust_test,
    size_adjusted_test,
    wild_bootstrap_test,
)

COUNCILS, PERIODS, BEFORE, TREATED = 152, 60, 30, 5
REPEATS = 5
MOST_GIGABYTES = 2.0


def simulate(councils: int = COUNCILS) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    cases = rng.lognormal(6, 0.8, councils)
    panel = rng.normal(size=(councils, PERIODS)) * np.sqrt(0.5 + 200 / cases)[:, None]
    return panel, np.arange(councils) < TREATED, cases


def seconds(task: Callable[[], object], repeats: int = REPEATS) -> float:
    best = np.inf
    for _ in range(repeats):
        start = time.perf_counter()
        task()
        best = min(best, time.perf_counter() - start)
    return best


def our_tasks(panel, treated, cases, draws) -> dict[str, Callable[[], object]]:
    d = collapse_panel(panel, BEFORE, treated).changes
    of = np.where(treated, np.arange(len(d)) >= 3, 2).astype(int)
    exposed = np.arange(panel.shape[1]) >= np.array([[30], [36]])
    return {
        "collapse the panel": lambda: collapse_panel(panel, BEFORE, treated),
        "robust, with interval": lambda: robust_test(d, treated, cases, draws=draws, seed=1),
        "sharp": lambda: size_adjusted_test(d, treated, cases),
        "sharp, resampled": lambda: resampling_test(d, treated, cases, draws=draws, seed=1),
        "adaptive": lambda: adaptive_test(
            d, treated, cases, panel[:, :BEFORE], n_after=panel.shape[1] - BEFORE, seed=1
        ),
        "CR2": lambda: cr2_test(d, treated),
        "CR3": lambda: cr3_test(d, treated),
        "randomisation, t": lambda: randomisation_test(d, treated, draws=draws, seed=1),
        "randomisation, difference": lambda: randomisation_test(
            d, treated, statistic="difference", draws=draws, seed=1
        ),
        "wild bootstrap, restricted": lambda: wild_bootstrap_test(d, treated, draws=draws, seed=1),
        "wild bootstrap, unrestricted": lambda: wild_bootstrap_test(
            d, treated, restricted=False, draws=draws, seed=1
        ),
        "staggered paths, with interval": lambda: path_test(
            collapse_paths(panel, of, exposed, ~exposed, cases).paths.changes,
            of,
            cases,
            draws=draws,
            seed=1,
        ),
    }


def list_seconds(draws: int) -> None:
    """Print every task's seconds."""
    panel, treated, cases = simulate()
    print(f"{COUNCILS} councils x {PERIODS} periods, {TREATED} treated, {draws:,} draws.\n")
    print("| task | seconds |\n|---|---:|")
    total = 0.0
    for name, task in our_tasks(panel, treated, cases, draws).items():
        total += (spent := seconds(task))
        print(f"| {name} | {spent:.4f} |", flush=True)
    print(f"| **all of ours together** | **{total:.3f}** |")


def grow(factors: tuple[int, ...], draws: int) -> None:
    print("\n| units | robust | sharp | CR2 | wild restricted |\n|---:|---:|---:|---:|---:|")
    chosen = ("robust, with interval", "sharp", "CR2", "wild bootstrap, restricted")
    for factor in factors:
        tasks = our_tasks(*simulate(factor * COUNCILS), draws)
        # The bootstrap draws a weight for every unit: beyond 1,520 units it needs the memory.
        wanted = chosen if factor <= 10 else chosen[:3]
        spent = [f"{seconds(tasks[name], 2):.4f} s" for name in wanted]
        spent += ["–"] * (len(chosen) - len(wanted))
        print(f"| {factor * COUNCILS:,} | {' | '.join(spent)} |", flush=True)


def many_outcomes(outcomes: int, draws: int) -> float:
    """Print time and peak memory of one family of many outcomes; return the gigabytes."""
    rng = np.random.default_rng(1)
    _, treated, cases = simulate()
    changes = rng.normal(size=(outcomes, COUNCILS))
    start = time.perf_counter()
    family_test(changes, treated, cases, draws=draws, seed=1)
    spent = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(
        f"\n{outcomes:,} outcomes x {draws:,} draws with Romano-Wolf: {spent:.1f} s, {peak:.2f} GB."
    )
    return peak


def main() -> None:
    options = read_options(__doc__)
    draws, outcomes, factors = (199, 20, (1, 2)) if options.small else (9999, 1000, (1, 10, 100))
    warnings.simplefilter("ignore")
    print("## Tests for few councils\n")
    # First, while the process is small: peak memory never falls again.
    peak = many_outcomes(outcomes, draws)
    print()
    list_seconds(draws)
    grow(factors, draws)
    print_criteria(
        [
            judge(
                f"{outcomes:,} outcomes x {draws:,} draws within {MOST_GIGABYTES:g} GB",
                peak,
                most=MOST_GIGABYTES,
                unit=" GB",
            ),
        ]
    )


if __name__ == "__main__":
    main()
