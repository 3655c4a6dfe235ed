"""Speed and memory of children's records to panel: python benchmarks/bench_census_panel.py.

Writes invented nations of Parquet (one folder a council; the calibrated simulator is not needed
for speed) and prints a Markdown table: seconds, records a second and peak memory of a national
year, ten years, growth from 1x to 16x, and one process against two.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from pilot_eval.measures.census_panel import (
    PanelSettings,
    build_census_panel,
    build_census_panel_in_parts,
)
from pilot_eval.sources.census.tables import SCHEMA, build_tables, frames_of

N_COUNCILS = 152
REFERRALS_A_YEAR = 600_000
FIRST_YEAR = 2009
BUILD_IN_PARTS = 19  # parts of 8 councils: fewer, larger reads than one council a part


def invent_tables(code: str, n_referrals: int, years: int, seed: int):
    """Invent one council's tables: dates at random, linked as real ones are."""
    rng = np.random.default_rng(seed)
    start = np.datetime64(f"{FIRST_YEAR}-04-01", "s")
    day = np.timedelta64(86_400, "s")
    n_children = max(1, int(n_referrals * 0.8))
    child = rng.integers(0, n_children, n_referrals)
    ids = np.char.add(f"{code}-", np.arange(n_children).astype(str))
    referred = start + rng.integers(0, 365 * years, n_referrals) * day
    closed = _later(rng, referred, 120, 0.7)
    referral = np.arange(n_referrals)
    base = {"child_id": ids[child], "referral_id": referral}
    assessed = rng.random(n_referrals) < 0.75
    core = rng.random(n_referrals) < 0.3
    enquiry = rng.random(n_referrals) < 0.19
    planned = enquiry & (rng.random(n_referrals) < 0.4)
    held = _later(rng, referred, 20, 0.9)
    frames = {
        "children": pd.DataFrame({"child_id": ids, "birth_date": start}),
        "referrals": pd.DataFrame({**base, "referral_date": referred, "closure_date": closed}),
        "assessments": pd.concat(
            [
                _assessments(rng, base, referred, assessed, "initial", 12),
                _assessments(rng, base, referred, core, "core", 45),
            ]
        ),
        "section47s": pd.DataFrame(
            {**base, "s47_start_date": referred, "icpc_date": held, "icpc_not_required": "no"}
        )[enquiry],
        "conferences": pd.DataFrame({**base, "icpc_date": held})[planned],
        "plans": pd.DataFrame(
            {
                **base,
                "plan_start_date": held,
                "plan_end_date": _later(rng, held, 300, 0.8),
                "number_previous_plans": rng.integers(0, 2, n_referrals),
            }
        )[planned],
    }
    plans = frames["plans"]
    frames["reviews"] = plans[["child_id", "plan_start_date"]].assign(
        review_date=_later(rng, plans["plan_start_date"].to_numpy(), 80, 0.9)
    )
    frames = {name: frame.assign(council_code=code) for name, frame in frames.items()}
    return build_tables(frames, strand="simulated", source="invented for a benchmark")


def _later(rng, begin, mean_days, share):
    later = begin + rng.exponential(mean_days, len(begin)).astype(int) * np.timedelta64(86_400, "s")
    return np.where(rng.random(len(begin)) < share, later, np.datetime64("NaT", "s"))


def _assessments(rng, base, referred, chosen, kind, mean_days):
    ended = _later(rng, referred, mean_days, 0.95)
    frame = pd.DataFrame({**base, "start_date": referred, "end_date": ended})[chosen]
    return frame.assign(assessment_type=kind)


def write_nation(folder: Path, referrals: int, years: int) -> None:
    """Write one folder a council, sizes spread as those of real councils are."""
    rng = np.random.default_rng(1)
    weights = rng.lognormal(0, 0.6, N_COUNCILS)
    sizes = np.maximum(20, (referrals * weights / weights.sum()).astype(int))
    for number, size in enumerate(sizes):
        code = f"E{number:08d}"
        tables = invent_tables(code, int(size), years, seed=number)
        for name, frame in frames_of(tables).items():
            path = folder / code / f"{name}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            frame.to_parquet(path, index=False)


def load_councils(folders: tuple[Path, ...]):
    """Read some councils' Parquet folders as one part."""
    frames = {
        name: pd.concat(
            [pd.read_parquet(folder / f"{name}.parquet") for folder in folders], ignore_index=True
        )
        for name in SCHEMA
    }
    return build_tables(frames, strand="simulated", source="Parquet of a benchmark")


def run(folder: Path, years: int, processes: int) -> dict[str, float]:
    """Build the panel once and measure it; peak memory counts this process and its children."""
    councils = sorted(folder.iterdir())
    # Small parts where there is much of each council: memory follows the part.
    n_parts = min(len(councils), BUILD_IN_PARTS * years)
    parts = [tuple(part) for part in np.array_split(np.array(councils, dtype=object), n_parts)]
    settings = PanelSettings(
        frequency="month",
        first_day=date(FIRST_YEAR, 4, 1),
        data_cut=date(FIRST_YEAR + years, 3, 31),
    )
    begin = time.perf_counter()
    if processes == 1:
        panel = build_census_panel_in_parts(parts, load_councils, settings).panel
    else:
        with ProcessPoolExecutor(processes) as executor:
            built = build_census_panel_in_parts(parts, load_councils, settings, executor=executor)
        panel = built.panel
    seconds = time.perf_counter() - begin
    own = resource.getrusage(resource.RUSAGE_SELF)
    workers = resource.getrusage(resource.RUSAGE_CHILDREN)
    peak = own.ru_maxrss + workers.ru_maxrss * (processes > 1) * processes
    busy = own.ru_utime + own.ru_stime + workers.ru_utime + workers.ru_stime
    return {"seconds": seconds, "busy": busy, "rows": len(panel), "peak_gb": peak / 1024**2}


def measure(folder: Path, years: int, processes: int) -> dict[str, float]:
    """Run in a fresh process, so that one measurement's memory is not another's."""
    command = [sys.executable, __file__, "--once", str(folder), str(years), str(processes)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    return {name: float(value) for name, value in (p.split("=") for p in answer.stdout.split())}


def show_growth(smallest: int) -> None:
    """Print processor seconds from records in memory to panel, 1x to 16x: growth without files."""
    settings = PanelSettings(
        frequency="month", first_day=date(FIRST_YEAR, 4, 1), data_cut=date(FIRST_YEAR + 1, 3, 31)
    )
    build_census_panel(invent_tables("E00000000", 1000, 1, seed=0), settings)  # imports, caches
    print("\n| records in memory to panel | referrals | processor seconds | per 100,000 |")
    print("|---|---:|---:|---:|")
    for factor in (1, 2, 4, 8, 16):
        tables = invent_tables("E00000000", smallest * factor, 1, seed=factor)
        begin = time.process_time()
        build_census_panel(tables, settings)
        busy = time.process_time() - begin
        each = busy / (smallest * factor) * 1e5
        print(f"| {factor}x | {smallest * factor:,} | {busy:.2f} | {each:.2f} |", flush=True)


def main() -> None:
    """Measure everything, or (--once) one nation for `measure`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--once", nargs=3, metavar=("FOLDER", "YEARS", "PROCESSES"))
    parser.add_argument("--scale", type=float, default=1.0, help="share of a nation, for a try-out")
    chosen = parser.parse_args()
    if chosen.once:
        folder, years, processes = chosen.once
        figures = run(Path(folder), int(years), int(processes))
        print(" ".join(f"{name}={value}" for name, value in figures.items()))
        return
    year = int(REFERRALS_A_YEAR * chosen.scale)
    print(
        f"Machine: {os.cpu_count()} cores, {platform.machine()}, Python {sys.version.split()[0]}\n"
    )
    print("| run | referrals | processes | seconds | processor seconds | peak memory, GB |")
    print("|---|---:|---:|---:|---:|---:|")
    cases = [("a national year", year, 1, (1, 2)), ("ten years", 10 * year, 10, (1, 2))]
    for name, referrals, years, runs in cases:
        with tempfile.TemporaryDirectory() as place:
            write_nation(Path(place), referrals, years)
            for processes in runs:
                figures = measure(Path(place), years, processes)
                shown = f"{figures['seconds']:.1f} | {figures['busy']:.1f}"
                shown += f" | {figures['peak_gb']:.2f} |"
                print(f"| {name} | {referrals:,} | {processes} | {shown}", flush=True)
    show_growth(max(16, year // 16))


if __name__ == "__main__":
    main()
