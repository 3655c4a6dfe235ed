"""Show how the estimators' time grows with units, beside other packages.

Run: ``python benchmarks/bench_estimators.py``. Prints a section of docs/performance.md.
"""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import multiprocessing.connection
import time
import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd
from criteria import read_options

from pilot_eval.estimation.group_time import estimate_group_time
from pilot_eval.estimation.group_time_aggregates import aggregate_group_time
from pilot_eval.estimation.imputation import estimate_imputation
from pilot_eval.estimation.staggered_paths import (
    estimate_over_paths,
    path_coefficients,
    path_scores,
)
from pilot_eval.estimation.synthetic_did import estimate_synthetic_did

warnings.simplefilter("ignore")
N_PERIODS, FIRST_WAVE, SECOND_WAVE = 60, 30, 36
MOST_GIGABYTES, MOST_SECONDS = 6, 120  # of one task in the growth table
Task = Callable[[], object]


def simulate(n_units: int, seed: int = 0) -> pd.DataFrame:
    """Monthly panel: 4 councils treated from month 30, 4 from month 36, effect growing to 1."""
    rng = np.random.default_rng(seed)
    unit, month = np.divmod(np.arange(n_units * N_PERIODS), N_PERIODS)
    start = np.where(unit < 4, FIRST_WAVE, np.where(unit < 8, SECOND_WAVE, 0))
    age = np.where(start > 0, np.maximum(month - start + 1, 0), 0)
    y = 5 * rng.normal(size=n_units)[unit] + rng.normal(size=N_PERIODS).cumsum()[month]
    y = y + rng.normal(size=len(unit)) + np.minimum(age / 12, 1)
    panel = pd.DataFrame({"unit": unit, "time": month, "g": start, "y": y})
    return panel.assign(D=(age > 0).astype(float))


def to_wide(panel: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    wide = panel.pivot(index="unit", columns="time", values="y")
    first = panel.groupby("unit")["g"].first().replace(0, np.nan)
    return wide.to_numpy(), first.to_numpy(float)


def time_task(task: Task) -> float:
    """Seconds of one call."""
    with contextlib.redirect_stdout(io.StringIO()):
        began = time.perf_counter()
        task()
        return time.perf_counter() - began


def group_time_tasks(panel: pd.DataFrame) -> dict[str, Task]:
    import diff_diff as dd
    from csdid.att_gt import ATTgt

    outcomes, first = to_wide(panel)

    def ours_from_table() -> float:
        effects = estimate_group_time(*to_wide(panel), influence=True)
        return aggregate_group_time(effects).overall_std_error

    def csdid() -> object:
        return ATTgt(
            yname="y", tname="time", idname="unit", gname="g", data=panel.assign(g=panel["g"] * 1.0)
        ).fit(est_method="reg", base_period="universal", bstrap=False)

    return {
        "pilot_eval, array": lambda: aggregate_group_time(estimate_group_time(outcomes, first)),
        "pilot_eval, from the table with influence": ours_from_table,
        "diff-diff": lambda: dd.CallawaySantAnna(
            estimation_method="reg", base_period="universal"
        ).fit(panel, outcome="y", unit="unit", time="time", first_treat="g"),
        "csdid": csdid,
    }


def imputation_tasks(panel: pd.DataFrame) -> dict[str, Task]:
    import diff_diff as dd
    import pyfixest as pf

    outcomes, first = to_wide(panel)
    return {
        "pilot_eval, array": lambda: estimate_imputation(outcomes, first),
        "pilot_eval, from the table": lambda: estimate_imputation(*to_wide(panel)),
        "diff-diff": lambda: dd.ImputationDiD().fit(
            panel, outcome="y", unit="unit", time="time", first_treat="g"
        ),
        "pyfixest (did2s)": lambda: pf.did2s(
            panel,
            yname="y",
            first_stage="~ 0 | unit + time",
            second_stage="~ D",
            treatment="D",
            cluster="unit",
        ),
    }


def synthetic_tasks(panel: pd.DataFrame) -> dict[str, Task]:
    panel = panel[panel["g"] != SECOND_WAVE]

    def ours(solver: str) -> Task:
        def task() -> object:
            outcomes, first = to_wide(panel)
            treated = np.isfinite(first)
            return estimate_synthetic_did(outcomes, treated, FIRST_WAVE, solver=solver)

        return task

    return {
        "pilot_eval, published algorithm": ours("frank_wolfe"),
        "pilot_eval, exact optimum": ours("exact"),
    }


def path_tasks(panel: pd.DataFrame, draws: int) -> dict[str, Task]:
    outcomes, first = to_wide(panel)
    starts = np.array([FIRST_WAVE, SECOND_WAVE])
    cohort = np.where(np.isnan(first), -1, np.where(first == FIRST_WAVE, 0, 1))
    sizes = [4, 4, len(first) - 8]
    rng = np.random.default_rng(0)
    paths = np.stack([rng.permutation(cohort) for _ in range(draws)])

    def task(method: str) -> Task:
        def run() -> object:
            coefficients = path_coefficients(sizes, starts, N_PERIODS, method)
            return estimate_over_paths(path_scores(outcomes, coefficients), paths)

        return run

    return {f"pilot_eval, {m}": task(m) for m in ("group_time", "imputation", "twfe")}


def grow(sizes: tuple[int, ...]) -> None:
    """Print seconds of one estimate, each in a process of its own, as councils grow."""
    rows: dict[str, list[str]] = {}
    for n_units in sizes:
        panel = simulate(n_units)
        groups = {
            "Group-time": group_time_tasks(panel),
            "Imputation": imputation_tasks(panel),
            "Synthetic DiD, one estimate": synthetic_tasks(panel),
        }
        for title, tasks in groups.items():
            for name, task in tasks.items():
                rows.setdefault(f"{title}: {name}", []).append(seconds_in_child(task))
    print("| seconds | " + " | ".join(f"{n:,} units" for n in sizes) + " |")
    print("|---|" + "---:|" * len(sizes))
    for name, cells in rows.items():
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def seconds_in_child(task: Task) -> str:
    """Time a task once in a process of its own that may use so much memory and time."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_limited, args=(task, sender))
    child.start()
    answered = receiver.poll(MOST_SECONDS)
    try:
        answer = receiver.recv() if answered else f"over {MOST_SECONDS} s"
    except EOFError:
        answer = f"over {MOST_GIGABYTES} GB"
    child.kill()
    child.join()
    return answer


def _limited(task: Task, sender: multiprocessing.connection.Connection) -> None:
    import resource  # not on Windows, where the growth table cannot be made

    limit = MOST_GIGABYTES * 2**30
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    try:
        sender.send(f"{time_task(task):.3f}")
    except MemoryError:
        sender.send(f"over {MOST_GIGABYTES} GB")


READING = """\
Panels of 60 months, 4 councils treated from month 30 and 4 from month 36. Every figure is one
estimate in a process of its own, limited to 6 GB and 120 s; diff-diff has no synthetic DiD without
placebos or bootstrap, so there is no row for it.
"""


def main() -> None:
    """Print assignments of one panel, and the growth table."""
    small = read_options(__doc__).small
    print(f"## How estimators grow\n\n{READING}", flush=True)
    draws = 199 if small else 9_999
    print(f"| {draws:,} staggered assignments, 152 councils | seconds |\n|---|---:|")
    for name, task in path_tasks(simulate(152), draws).items():
        print(f"| {name} | {min(time_task(task) for _ in range(3)):.3f} |", flush=True)
    print()
    grow((152, 304) if small else (152, 1_520, 15_200))


if __name__ == "__main__":
    main()
