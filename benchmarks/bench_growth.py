"""How `evaluate` grows with councils: England's 152 and simulated copies of them, to 15,200.

Run: ``python benchmarks/bench_growth.py``. Prints a section of docs/performance.md. Copies are
comparators with names and codes of their own; their figures are the original's and noise. Each size
runs in a process of its own: processor seconds and peak memory of `evaluate` and of reading.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from criteria import judge, print_criteria, read_options

ROOT = Path(__file__).resolve().parents[1]
COPIES = (1, 10, 100)
MOST_SECONDS, MOST_GIGABYTES = 60.0, 2.0
COUNCILS = Path("data", "reference", "councils.csv")
FIGURES = Path("data", "published", "council_indicators.csv")
NOISE = 0.05
PROGRAM = """
import json, resource, time
from pilot_eval.evaluation import evaluate
from pilot_eval.plan import load_plan
from pilot_eval.published.council_indicators import load_published
plan, table = load_plan(), load_published()
start = time.process_time()
evidence = evaluate(plan, table)
used = time.process_time() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
print(json.dumps([used, peak, int(evidence.table["n_comparators"].max())]))
"""


def main() -> None:
    """Measure each size and print the section."""
    options = read_options(__doc__)
    sizes = COPIES[:2] if options.small else COPIES
    print("## Growth with councils\n\n| councils | processor s | peak GB | most comparators |")
    print("|---:|---:|---:|---:|")
    measured = []
    for copies in sizes:
        with tempfile.TemporaryDirectory() as folder:
            councils = write_project(Path(folder), copies)
            used, peak, comparators = run(Path(folder))
        measured.append((councils, used, peak))
        print(f"| {councils:,} | {used:.1f} | {peak:.2f} | {comparators:,} |", flush=True)
    (first, least, _), (last, most, peak) = measured[0], measured[-1]
    rows = [
        judge(f"{last:,} councils", most, most=MOST_SECONDS, unit=" s"),
        judge("peak memory", peak, most=MOST_GIGABYTES, unit=" GB"),
        judge("time grows no faster than councils", most / least / (last / first), most=1.0),
    ]
    print_criteria(rows)


def write_project(folder: Path, copies: int) -> int:
    """Write a project whose councils are there `copies` times; return how many there are."""
    shutil.copytree(ROOT / "pilots", folder / "pilots")
    for path in (COUNCILS, FIGURES):
        (folder / path).parent.mkdir(parents=True)
    for path in (ROOT / COUNCILS).parent.iterdir():
        shutil.copy(path, folder / COUNCILS.parent)
    councils = copy_rows(pd.read_csv(ROOT / COUNCILS, dtype=str, keep_default_na=False), copies)
    councils.to_csv(folder / COUNCILS, index=False)
    figures = pd.read_csv(ROOT / FIGURES, keep_default_na=False, dtype={"council_code": str})
    text = ["value", "numerator", "denominator"]
    table = copy_rows(figures[figures["council_code"].isin(councils["council_code"])], copies)
    value = pd.to_numeric(table["value"], errors="coerce")
    copied = table["council_code"].str.contains("x") & value.notna()
    rng = np.random.default_rng(1)
    noisy = value * (1 + NOISE * rng.standard_normal(len(value)))
    table["value"] = np.where(copied, noisy.round(6).astype(str), table["value"])
    table.loc[:, text] = table[text].astype(str)
    table.to_csv(folder / FIGURES, index=False)
    return len(councils)


def copy_rows(rows: pd.DataFrame, copies: int) -> pd.DataFrame:
    """Repeat rows; every copy has codes and names of its own."""
    parts = [rows]
    for number in range(1, copies):
        part = rows.copy()
        for name in ("council_code", "council_name", "dfe_number"):
            if name in part:
                part[name] = part[name].astype(str) + f"x{number}"
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def run(folder: Path) -> tuple[float, float, int]:
    """Evaluate in a process of its own: processor seconds, peak gigabytes, comparators."""
    environment = {**os.environ, "PILOT_EVAL_ROOT": str(folder), "OPENBLAS_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = str(ROOT / "src")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=environment,
        cwd=folder,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return tuple(json.loads(done.stdout))


if __name__ == "__main__":
    main()
