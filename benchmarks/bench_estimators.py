"""Show how the estimators' time grows with units, beside other packages.

Run: ``python benchmarks/bench_estimators.py``. Prints a section of docs/performance.md.
"""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import multiprocessing.connection
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from bench_peers import FIRST, PERIODS, SECOND, UNITS, write_world
from criteria import read_options
from peer_tools import GROUP_TIME, IMPUTATION, TASKS, World

from pilot_eval.estimation.staggered_paths import (
    estimate_over_paths,
    path_coefficients,
    path_scores,
)
from pilot_eval.estimation.synthetic_did import estimate_synthetic_did

warnings.simplefilter("ignore")
MOST_GIGABYTES, MOST_SECONDS = 6, 120  # of one task in the growth table
Task = Callable[[], object]


def make_world(units: int) -> World:
    """Invent a panel of so many units, as the tools of `bench_peers.py` are given."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "world.npz")
        write_world(path, units=units, draws=0, placebos=0)
        return World(str(path))


def time_task(task: Task) -> float:
    """Seconds of one call."""
    with contextlib.redirect_stdout(io.StringIO()):
        began = time.perf_counter()
        task()
        return time.perf_counter() - began


def tasks_of(world: World, wanted: str) -> dict[str, Task]:
    """List the tools' calls of one task that run in this environment."""
    return {
        tool: partial(call, world)
        for tool in ("pilot-eval", "diff-diff", "csdid", "pyfixest")
        for (title, *_), call in TASKS[tool].items()
        if title == wanted
    }


def synthetic_tasks(world: World) -> dict[str, Task]:
    """One estimate without placebos, by each solver."""
    outcomes, first = world.wide(world.early)

    def ours(solver: str) -> Task:
        return lambda: estimate_synthetic_did(outcomes, np.isfinite(first), FIRST, solver=solver)

    return {
        "pilot-eval, published algorithm": ours("frank_wolfe"),
        "pilot-eval, exact optimum": ours("exact"),
    }


def path_tasks(world: World, draws: int) -> dict[str, Task]:
    outcomes, first = world.wide()
    starts = np.array([FIRST, SECOND])
    cohort = np.where(np.isnan(first), -1, np.where(first == FIRST, 0, 1))
    sizes = [4, 4, len(first) - 8]
    rng = np.random.default_rng(0)
    paths = np.stack([rng.permutation(cohort) for _ in range(draws)])

    def task(method: str) -> Task:
        def run() -> object:
            coefficients = path_coefficients(sizes, starts, PERIODS, method)
            return estimate_over_paths(path_scores(outcomes, coefficients), paths)

        return run

    return {f"pilot_eval, {m}": task(m) for m in ("group_time", "imputation", "twfe")}


def grow(sizes: tuple[int, ...]) -> None:
    """Print seconds of one estimate, each in a process of its own, as councils grow."""
    rows: dict[str, list[str]] = {}
    for n_units in sizes:
        world = make_world(n_units)
        groups = {title: tasks_of(world, title) for title in (GROUP_TIME, IMPUTATION)}
        groups["Synthetic DiD, one estimate"] = synthetic_tasks(world)
        if not rows:
            for task in (task for tasks in groups.values() for task in tasks.values()):
                time_task(task)  # imports and compiles, so that no child does
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
    for name, task in path_tasks(make_world(UNITS), draws).items():
        print(f"| {name} | {min(time_task(task) for _ in range(3)):.3f} |", flush=True)
    print()
    grow((152, 304) if small else (152, 1_520, 15_200))


if __name__ == "__main__":
    main()
