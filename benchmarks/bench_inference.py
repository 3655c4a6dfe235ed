"""Time the few-councils tests against pyfixest and diff-diff, and show how they grow.

Run: ``python benchmarks/bench_inference.py``. Prints Markdown tables; ratios are within one run.
The packages get the same data already collapsed to one change a council, which is the fastest way
to call them; on the full panel they take longer.
"""

from __future__ import annotations

import contextlib
import io
import platform
import resource
import subprocess
import sys
import time
import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd

from pilot_eval.inference import (
    adaptive_test,
    collapse_panel,
    cr2_test,
    cr3_test,
    family_test,
    randomisation_test,
    resampling_test,
    robust_test,
    size_adjusted_test,
    staggered_test,
    wild_bootstrap_test,
)

DRAWS = 9999
COUNCILS, PERIODS, BEFORE, TREATED = 152, 60, 30, 5
REPEATS = 5
FEW = 99
"""Draws of the packages' slow loops, whose time grows in proportion."""


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


def our_tasks(panel, treated, cases) -> dict[str, Callable[[], object]]:
    d = collapse_panel(panel, BEFORE, treated).changes
    starts = np.where(treated, np.where(np.arange(len(d)) < 3, 30.0, 36.0), np.inf)
    return {
        "collapse the panel": lambda: collapse_panel(panel, BEFORE, treated),
        "robust, with interval": lambda: robust_test(d, treated, cases, draws=DRAWS, seed=1),
        "sharp": lambda: size_adjusted_test(d, treated, cases),
        "sharp, resampled": lambda: resampling_test(d, treated, cases, draws=DRAWS, seed=1),
        "adaptive": lambda: adaptive_test(d, treated, cases, panel[:, :BEFORE], seed=1),
        "CR2": lambda: cr2_test(d, treated),
        "CR3": lambda: cr3_test(d, treated),
        "randomisation, t": lambda: randomisation_test(d, treated, draws=DRAWS, seed=1),
        "randomisation, difference": lambda: randomisation_test(
            d, treated, statistic="difference", draws=DRAWS, seed=1
        ),
        "wild bootstrap, restricted": lambda: wild_bootstrap_test(d, treated, draws=DRAWS, seed=1),
        "wild bootstrap, unrestricted": lambda: wild_bootstrap_test(
            d, treated, restricted=False, draws=DRAWS, seed=1
        ),
        "staggered paths, with interval": lambda: staggered_test(
            panel, starts, draws=DRAWS, seed=1
        ),
    }


def package_tasks(panel, treated) -> dict[str, tuple[Callable[[], object], int]]:
    """Tasks of the packages, each with the draws it is timed with (then scaled to `DRAWS`)."""
    import diff_diff as dd
    import pyfixest as pf

    d = collapse_panel(panel, BEFORE, treated).changes
    frame = pd.DataFrame({"change": d, "treated": treated.astype(float), "unit": range(len(d))})
    long = pd.DataFrame(
        {
            "unit": np.repeat(np.arange(len(d)), 2),
            "post": np.tile([0, 1], len(d)),
            "treated": np.repeat(treated.astype(int), 2),
            "y": np.column_stack([panel[:, :BEFORE].mean(1), panel[:, BEFORE:].mean(1)]).ravel(),
        }
    )
    X = np.column_stack([np.ones(len(d)), treated])
    fit = pf.feols("change ~ treated", frame, vcov="hetero")
    rng = np.random.default_rng
    return {
        "pyfixest: randomisation, coefficient": (
            lambda: fit.ritest("treated", reps=FEW, rng=rng(1)),
            FEW,
        ),
        "pyfixest: randomisation, t": (
            lambda: fit.ritest("treated", reps=FEW, type="randomization-t", rng=rng(1)),
            FEW,
        ),
        "pyfixest: CRV3": (
            lambda: pf.feols("change ~ treated", frame, vcov={"CRV3": "unit"}),
            DRAWS,
        ),
        "diff-diff: wild bootstrap, restricted": (
            lambda: dd.wild_bootstrap_se(X, d, d, np.arange(len(d)), 1, n_bootstrap=DRAWS, seed=1),
            DRAWS,
        ),
        "diff-diff: permutation": (
            lambda: dd.permutation_test(
                long, "y", "treated", post="post", unit="unit", n_permutations=FEW, seed=1
            ),
            FEW,
        ),
        "diff-diff: CR2": (
            lambda: dd.DifferenceInDifferences(vcov_type="hc2_bm", cluster="unit").fit(
                long, outcome="y", treatment="treated", time="post"
            ),
            DRAWS,
        ),
    }


def compare() -> None:
    panel, treated, cases = simulate()
    print(f"## {COUNCILS} councils x {PERIODS} periods, {TREATED} treated, {DRAWS:,} draws\n")
    print("| task | seconds |\n|---|---|")
    total = 0.0
    for name, task in our_tasks(panel, treated, cases).items():
        total += (spent := seconds(task))
        print(f"| {name} | {spent:.4f} |", flush=True)
    print(f"| **all of ours together** | **{total:.3f}** |")
    theirs: dict[str, float] = {"pyfixest": 0.0, "diff-diff": 0.0}
    for name, (task, draws) in package_tasks(panel, treated).items():
        try:
            with contextlib.redirect_stderr(io.StringIO()):
                spent = seconds(task, 1) * DRAWS / draws
        except Exception as error:  # a package may not offer it on this platform
            print(f"| {name} | failed: {type(error).__name__} {str(error)[:80]} |")
            continue
        theirs[name.split(":")[0]] += spent
        scaled = f" (scaled from {draws} draws)" if draws != DRAWS else ""
        print(f"| {name}{scaled} | {spent:.3f} |", flush=True)
    for package, spent in theirs.items():
        print(
            f"| **{package}, what it has** | **{spent:.2f}** = {spent / total:.0f}x all of ours |"
        )


def grow() -> None:
    print(
        "\n## Growth\n\n| councils | robust | sharp | CR2 | wild restricted |\n"
        "|---|---|---|---|---|"
    )
    for councils in (COUNCILS, 10 * COUNCILS, 100 * COUNCILS):
        tasks = our_tasks(*simulate(councils))
        chosen = ("robust, with interval", "sharp", "CR2", "wild bootstrap, restricted")
        few = chosen[:3] if councils > 10 * COUNCILS else chosen
        spent = [f"{seconds(tasks[name], 2):.4f}" for name in few] + ["-"] * (4 - len(few))
        print(f"| {councils:,} | " + " | ".join(spent) + " |", flush=True)


def many_outcomes(outcomes: int = 1000) -> None:
    rng = np.random.default_rng(1)
    _, treated, cases = simulate()
    changes = rng.normal(size=(outcomes, COUNCILS))
    start = time.perf_counter()
    family_test(changes, treated, cases, draws=DRAWS, seed=1)
    spent = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"| {outcomes:,} outcomes x {DRAWS:,} draws, Romano-Wolf | {spent:.1f} s | {peak:.0f} MB |"
    )


if __name__ == "__main__":
    if "--many" in sys.argv:
        many_outcomes()
        sys.exit(0)
    warnings.simplefilter("ignore")
    print(f"{platform.platform()}, Python {platform.python_version()}, NumPy {np.__version__}\n")
    compare()
    grow()
    print("\n## Memory\n\n| task | time | peak memory |\n|---|---|---|", flush=True)
    subprocess.run([sys.executable, __file__, "--many"], check=True)
