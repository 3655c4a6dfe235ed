"""Speed and memory of children's records to panel: python benchmarks/bench_census_panel.py.

Writes invented nations of Parquet (one folder a council; the calibrated simulator is not needed
for speed) and prints a section of docs/performance.md: seconds and peak memory of a national year
and of ten years, growth from 1x to 16x, and one process against two.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from criteria import judge, print_criteria, read_options

from pilot_eval.records.census_panel import PanelSettings, build_census_panel
from pilot_eval.records.schema import SCHEMA, build_tables, frames_of

N_COUNCILS = 152
REFERRALS_A_YEAR = 600_000
FIRST_YEAR = 2009
MOST_SECONDS, MOST_GIGABYTES = 20.0, 3.0  # of a national year
MOST_GROWTH = 1.25  # "near-linear": time a record at 16x over that at 1x
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


def build_part(folders: tuple[Path, ...], settings: PanelSettings) -> pd.DataFrame:
    """Build the panel of one part, as a worker of `pilot-eval census` does."""
    return build_census_panel(load_councils(folders), settings).panel


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
    task = partial(build_part, settings=settings)
    if processes == 1:
        panels = list(map(task, parts))
    else:
        with ProcessPoolExecutor(processes) as executor:
            panels = list(executor.map(task, parts))
    seconds = time.perf_counter() - begin
    own = resource.getrusage(resource.RUSAGE_SELF)
    workers = resource.getrusage(resource.RUSAGE_CHILDREN)
    peak = own.ru_maxrss + workers.ru_maxrss * (processes > 1) * processes
    busy = own.ru_utime + own.ru_stime + workers.ru_utime + workers.ru_stime
    return {
        "seconds": seconds,
        "busy": busy,
        "rows": sum(map(len, panels)),
        "peak_gb": peak / 1024**2,
    }


def measure(folder: Path, years: int, processes: int) -> dict[str, float]:
    """Run in a fresh process, so that one measurement's memory is not another's."""
    command = [sys.executable, __file__, "--once", f"{folder}:{years}:{processes}"]
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    return {name: float(value) for name, value in (p.split("=") for p in answer.stdout.split())}


def show_growth(smallest: int) -> float:
    """Print processor seconds from records in memory to panel, 1x to 16x: growth without files."""
    settings = PanelSettings(
        frequency="month", first_day=date(FIRST_YEAR, 4, 1), data_cut=date(FIRST_YEAR + 1, 3, 31)
    )
    build_census_panel(invent_tables("E00000000", 1000, 1, seed=0), settings)  # imports, caches
    print("\n| records in memory to panel | referrals | processor seconds | per 100,000 |")
    print("|---|---:|---:|---:|")
    each = {}
    for factor in (1, 2, 4, 8, 16):
        tables = invent_tables("E00000000", smallest * factor, 1, seed=factor)
        begin = time.process_time()
        build_census_panel(tables, settings)
        busy = time.process_time() - begin
        each[factor] = busy / (smallest * factor) * 1e5
        print(f"| {factor}x | {smallest * factor:,} | {busy:.2f} | {each[factor]:.2f} |")
    return each[16] / each[1]


def show_nations(year: int) -> dict[tuple[int, int], dict[str, float]]:
    """Print and return what a national year and ten years take, on one and two processes."""
    print("| Parquet to panel | referrals | processes | seconds | processor seconds | peak GB |")
    print("|---|---:|---:|---:|---:|---:|")
    found = {}
    for name, years in (("a national year", 1), ("ten years", 10)):
        with tempfile.TemporaryDirectory() as place:
            write_nation(Path(place), year * years, years)
            for processes in (1, 2):
                figures = found[years, processes] = measure(Path(place), years, processes)
                shown = f"{figures['seconds']:.1f} | {figures['busy']:.1f}"
                shown += f" | {figures['peak_gb']:.2f} |"
                print(f"| {name} | {year * years:,} | {processes} | {shown}", flush=True)
    return found


def main() -> None:
    """Measure everything, or (--once) one nation for `measure`."""
    options = read_options(__doc__, "--once")
    if options.once:
        folder, years, processes = options.once.rsplit(":", 2)
        figures = run(Path(folder), int(years), int(processes))
        print(" ".join(f"{name}={value}" for name, value in figures.items()))
        return
    year = REFERRALS_A_YEAR // (100 if options.small else 1)
    print("## Children's records to the monthly panel\n")
    print("152 councils of uneven size, a Parquet folder each: referrals with their assessments,")
    print(
        "enquiries, conferences, plans and reviews, to all indicators by month. Memory is the peak"
    )
    print(
        "of the main process and of all workers, added up. Ten years are built in smaller parts.\n"
    )
    found = show_nations(year)
    growth = show_growth(max(16, year // 16))
    gains = {years: found[years, 1]["seconds"] / found[years, 2]["seconds"] for years in (1, 10)}
    print_criteria(
        [
            judge(
                f"a national year on 2 cores in under {MOST_SECONDS:g} s",
                found[1, 2]["seconds"],
                most=MOST_SECONDS,
                unit=" s",
            ),
            *(
                judge(
                    f"{name} within {MOST_GIGABYTES:g} GB",
                    max(found[years, processes]["peak_gb"] for processes in (1, 2)),
                    most=MOST_GIGABYTES,
                    unit=" GB",
                )
                for years, name in ((1, "a national year"), (10, "ten years"))
            ),
            judge(
                f"growth: time a record at 16x at most {MOST_GROWTH:g} times that at 1x",
                growth,
                most=MOST_GROWTH,
            ),
            judge("two processes are faster than one, a national year", gains[1], least=1),
            judge("two processes are faster than one, ten years", gains[10], least=1),
        ]
    )


if __name__ == "__main__":
    main()
