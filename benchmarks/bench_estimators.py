"""Time the estimators against other packages on the same panel, in one run.

Usage: ``python benchmarks/bench_estimators.py [--growth] [--write docs/performance-estimators.md]``

Every row is one task; times are the best of several rounds in which all tools take turns, so that
a busy machine slows all of them; processor seconds (all threads) depend on other work least.
Ratios are theirs / ours: above 1, ours is faster. Ours starts
from the same long table as theirs ("from the table": with the pivot to an array) unless it says
otherwise.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import multiprocessing
import multiprocessing.connection
import os
import platform
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from pilot_eval.estimation.goodman_bacon import decompose_goodman_bacon
from pilot_eval.estimation.group_time import estimate_group_time
from pilot_eval.estimation.group_time_aggregates import aggregate_group_time
from pilot_eval.estimation.imputation import estimate_imputation
from pilot_eval.estimation.staggered_paths import (
    estimate_over_paths,
    path_coefficients,
    path_scores,
)
from pilot_eval.estimation.sun_abraham import estimate_sun_abraham
from pilot_eval.estimation.synthetic_did import estimate_synthetic_did, placebo_synthetic_did
from pilot_eval.estimation.two_way import estimate_twfe

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
    return pd.DataFrame({"unit": unit, "time": month, "g": start, "y": y}).assign(
        D=(age > 0).astype(float), early=(unit < 4).astype(int)
    )


def to_wide(panel: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    wide = panel.pivot(index="unit", columns="time", values="y")
    first = panel.groupby("unit")["g"].first().replace(0, np.nan)
    return wide.to_numpy(), first.to_numpy(float)


def race(tasks: dict[str, Task], rounds: int) -> dict[str, tuple[float, float]]:
    """Seconds and processor seconds of each task: best of rounds in which they take turns."""
    best = dict.fromkeys(tasks, (np.inf, np.inf))
    for _ in range(rounds):
        for name, task in tasks.items():
            with contextlib.redirect_stdout(io.StringIO()):
                began, began_cpu = time.perf_counter(), time.process_time()
                task()
                took = time.perf_counter() - began, time.process_time() - began_cpu
                best[name] = min(best[name][0], took[0]), min(best[name][1], took[1])
    return best


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


def sun_abraham_tasks(panel: pd.DataFrame) -> dict[str, Task]:
    import diff_diff as dd
    import pyfixest as pf

    return {
        "pilot_eval, from the table": lambda: aggregate_group_time(
            estimate_sun_abraham(*to_wide(panel))
        ),
        "diff-diff": lambda: dd.SunAbraham().fit(
            panel, outcome="y", unit="unit", time="time", first_treat="g"
        ),
        "pyfixest (saturated)": lambda: pf.event_study(
            panel, yname="y", idname="unit", tname="time", gname="g", estimator="saturated"
        ),
    }


def decomposition_tasks(panel: pd.DataFrame) -> dict[str, Task]:
    import diff_diff as dd

    return {
        "pilot_eval, from the table": lambda: decompose_goodman_bacon(*to_wide(panel)),
        "diff-diff": lambda: dd.BaconDecomposition().fit(
            panel, outcome="y", unit="unit", time="time", first_treat="g"
        ),
    }


def pooled_tasks(panel: pd.DataFrame) -> dict[str, Task]:
    import linearmodels
    import pyfixest as pf

    index = panel.set_index(["unit", "time"])

    def ours() -> float:
        outcomes, first = to_wide(panel)
        exposure = np.arange(outcomes.shape[1]) >= first[:, None]
        return estimate_twfe(outcomes, exposure.astype(float))

    return {
        "pilot_eval, from the table": ours,
        "linearmodels": lambda: linearmodels.PanelOLS(
            index["y"], index[["D"]], entity_effects=True, time_effects=True
        ).fit(),
        "pyfixest": lambda: pf.feols("y ~ D | unit + time", panel),
    }


def synthetic_tasks(panel: pd.DataFrame, draws: int) -> dict[str, Task]:
    import diff_diff as dd

    panel = panel[panel["g"] != SECOND_WAVE]

    def ours(solver: str) -> Task:
        def task() -> object:
            outcomes, first = to_wide(panel)
            treated = np.isfinite(first)
            if draws == 0:
                return estimate_synthetic_did(outcomes, treated, FIRST_WAVE, solver=solver)
            return placebo_synthetic_did(
                outcomes, treated, FIRST_WAVE, draws=draws, seed=1, solver=solver
            )

        return task

    tasks = {
        "pilot_eval, published algorithm": ours("frank_wolfe"),
        "pilot_eval, exact optimum": ours("exact"),
    }
    if draws:
        tasks["diff-diff"] = lambda: dd.SyntheticDiD(
            variance_method="placebo", n_bootstrap=draws, seed=1
        ).fit(
            panel,
            outcome="y",
            treatment="early",
            unit="unit",
            time="time",
            post_periods=list(range(FIRST_WAVE, N_PERIODS)),
        )
    return tasks


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


def table(title: str, found: dict[str, tuple[float, float]], reference: str) -> list[str]:
    lines = [f"| {title} | seconds | times ours | processor seconds | times ours |"]
    lines.append("|---|---:|---:|---:|---:|")
    base, base_cpu = found[reference]
    for name, (seconds, cpu) in found.items():
        mark = " (ours = 1)" if name == reference else ""
        ratios = seconds / base, cpu / base_cpu
        lines.append(
            f"| {name}{mark} | {seconds:.4f} | {ratios[0]:.2f} | {cpu:.4f} | {ratios[1]:.2f} |"
        )
    return [*lines, ""]


def first_row(tasks: dict[str, Task]) -> str:
    return next((name for name in tasks if "from the table" in name), next(iter(tasks)))


def main_table() -> list[str]:
    panel = simulate(152)
    lines = ["## 152 councils x 60 months, 4 treated from month 30 and 4 from month 36", ""]
    races = [
        ("Group-time effects", group_time_tasks(panel), 5),
        ("Imputation", imputation_tasks(panel), 5),
        ("Sun-Abraham", sun_abraham_tasks(panel), 3),
        ("Goodman-Bacon decomposition", decomposition_tasks(panel), 3),
        ("Pooled two-way fixed effects", pooled_tasks(panel), 5),
        ("Synthetic DiD with 200 placebos", synthetic_tasks(panel, 200), 3),
        ("9,999 staggered assignments", path_tasks(panel, 9_999), 3),
    ]
    for title, tasks, rounds in races:
        lines += table(title, race(tasks, rounds), first_row(tasks))
    return lines


def growth_table() -> list[str]:
    """Seconds of one estimate, each in a process of its own, as councils grow a hundredfold."""
    sizes = (152, 1_520, 15_200)
    rows: dict[str, list[str]] = {}
    for n_units in sizes:
        panel = simulate(n_units)
        groups = {
            "Group-time": group_time_tasks(panel),
            "Imputation": imputation_tasks(panel),
            "Synthetic DiD, one estimate": synthetic_tasks(panel, 0),
        }
        for title, tasks in groups.items():
            for name, task in tasks.items():
                rows.setdefault(f"{title}: {name}", []).append(seconds_in_child(task))
    lines = ["## Growth", "", "| seconds | " + " | ".join(f"{n:,} units" for n in sizes) + " |"]
    lines.append("|---|" + "---:|" * len(sizes))
    lines += [f"| {name} | {' | '.join(cells)} |" for name, cells in rows.items()]
    return [*lines, ""]


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
        seconds, _ = race({"": task}, 1)[""]
        sender.send(f"{seconds:.3f}")
    except MemoryError:
        sender.send(f"over {MOST_GIGABYTES} GB")


def describe_machine() -> list[str]:
    from importlib.metadata import version

    import diff_diff

    tools = {name: version(name) for name in ("diff-diff", "csdid", "pyfixest", "linearmodels")}
    versions = ", ".join(f"{name} {number}" for name, number in tools.items())
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    return [
        f"Python {platform.python_version()}, NumPy {np.__version__}, {os.cpu_count()} cores "
        f"({platform.machine()}), load average {load:.1f} at the start; {versions}; diff-diff's "
        f"compiled backend: {'on' if diff_diff.HAS_RUST_BACKEND else 'off'}.",
        "",
    ]


READING = """\
Best of several rounds in which the tools take turns, from one long table. *Processor seconds*
count all threads and depend least on what else the machine does; above 1 in a *times ours*
column, ours is faster. The other packages compute their standard errors in the same call; ours
return what inference for few councils needs instead (influence for group-time effects, one effect
a council for imputation). Synthetic DiD in its published algorithm takes the same steps as diff-
diff's compiled code; the exact optimum is another way to the same weights. In the growth table
every figure is one estimate in a process of its own, limited to 6 GB and 120 s; diff-diff has no
synthetic DiD without placebos or bootstrap, so there is no row for it.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--growth", action="store_true")
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    lines = ["# Speed of the estimators", ""]
    lines += ["Written by `python benchmarks/bench_estimators.py --growth`.", ""]
    lines += [*READING.splitlines(), "", *describe_machine(), *main_table()]
    if options.growth:
        lines += growth_table()
    text = "\n".join(lines)
    print(text)
    if options.write:
        options.write.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
