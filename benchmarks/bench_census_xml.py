"""Speed of reading census XML: python benchmarks/bench_census_xml.py [--validator PYTHON].

Prints a section of docs/performance.md: the time from XML to typed tables as a multiple of a bare
`lxml.etree.iterparse` walk of the same invented file, the time from a SQLite database as a multiple
of that from Parquet, the peak memory on files of growing size, and how many times faster than the
sector's open validator the reader is. The validator,
`csc-validator-be-cin`, needs an old pandas: give the Python of an environment made for it,

    python -m venv VENV && VENV/bin/pip install csc-validator-be-cin "numpy<2" "python-dateutil<3"

or leave `--validator` out to skip it. It reads a smaller file: its time grows with the square.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from criteria import judge, print_criteria, read_options
from lxml import etree
from sqlalchemy import create_engine

from pilot_eval.records.read import read_census
from pilot_eval.records.schema import CensusTables, build_tables, frames_of
from pilot_eval.records.validation import validate_census
from pilot_eval.records.writers import write_census
from pilot_eval.reference.facts import load_councils

COUNCIL = "E09000012"
YEAR_START = np.datetime64("2013-04-01", "s")
DAY = np.timedelta64(86_400, "s")
MOST_TIMES_WALK, MOST_TIMES_PARQUET, LEAST_TIMES_VALIDATOR = 2.0, 2.0, 10.0
READ_WITH_VALIDATOR = """
import sys, time, warnings
from importlib.metadata import version
import xml.etree.ElementTree as ET
warnings.simplefilter("ignore")
from cin_validator.cin_validator import convert_data
start = time.perf_counter()
tables = convert_data(ET.parse(sys.argv[1]).getroot())
print(len(tables["CINdetails"]), time.perf_counter() - start, version("csc-validator-be-cin"))
"""
# VmHWM begins anew with a process; ru_maxrss would begin with the size of this one. Linux only.
READ_AND_WEIGH = """
import sys
from pilot_eval.records.read import read_census
read_census(sys.argv[1])
status = open("/proc/self/status").read()
print(int(status.split("VmHWM:")[1].split()[0]) / 1024)
"""


def invent_tables(n_children: int, seed: int = 2011) -> CensusTables:
    """Invent a year of one council: a referral each, one assessment, some enquiries and plans."""
    rng = np.random.default_rng(seed)
    ids = np.char.add("C", np.arange(n_children).astype(str))
    referred = YEAR_START + rng.integers(0, 300, n_children) * DAY
    base = pd.DataFrame({"council_code": COUNCIL, "child_id": ids})
    linked = base.assign(referral_id=np.arange(1, n_children + 1), referred=referred)
    enquiry, plan = linked[rng.random(n_children) < 0.2], linked[rng.random(n_children) < 0.08]
    frames = {
        "children": base.assign(
            birth_date=referred - rng.integers(0, 6000, n_children) * DAY,
            sex=rng.choice(["male", "female"], n_children),
            ethnicity="WBRI",
            disabled="no",
        ),
        "referrals": linked.rename(columns={"referred": "referral_date"}).assign(
            referral_source="1A",
            primary_need=rng.choice(["N1", "N4", "N5"], n_children),
            closure_date=referred + rng.integers(20, 60, n_children) * DAY,
            closure_reason="RC7",
            no_further_action="no",
        ),
        "assessments": linked.assign(
            assessment_type="single",
            start_date=referred + DAY,
            end_date=referred + rng.integers(2, 19, n_children) * DAY,
            target_date=referred + 63 * DAY,
        ),
        "section47s": enquiry.assign(
            s47_start_date=enquiry["referred"] + 3 * DAY, icpc_not_required="no"
        ),
        "plans": plan.assign(plan_start_date=plan["referred"] + 10 * DAY, initial_category="NEG"),
    }
    return build_tables(frames, strand="simulated", source="benchmark")


def best_of(times: int, *works: Callable[[], object]) -> list[float]:
    """Time each work's fastest run, taking turns: what it costs when nothing else disturbs it."""
    seconds = [[] for _ in works]
    for _ in range(times):
        for work, taken in zip(works, seconds, strict=True):
            start = time.perf_counter()
            work()
            taken.append(time.perf_counter() - start)
    return [min(taken) for taken in seconds]


def walk(path: Path, *, clear: bool) -> None:
    for _, element in etree.iterparse(path):
        if clear:
            element.clear()


def indent(path: Path) -> Path:
    """Write the same return with one element a line, as most systems export it."""
    tree = etree.parse(path)
    etree.indent(tree)
    target = path.with_name("indented.xml")
    tree.write(target, encoding="utf-8", xml_declaration=True)
    return target


def compare_with_walk(path: Path, name: str, times: int) -> float:
    plain, cleared, ours = best_of(
        times,
        lambda: walk(path, clear=False),
        lambda: walk(path, clear=True),
        lambda: read_census(path),
    )
    ratio = ours / min(plain, cleared)
    size = path.stat().st_size / 1e6
    print(
        f"| {name} | {size:.0f} MB | {plain:.2f} s | {cleared:.2f} s | {ours:.2f} s "
        f"| {ratio:.2f} | {ours / plain:.2f} |"
    )
    return ratio


def compare_with_parquet(children: int, folder: Path, times: int) -> float:
    """Read ten councils' returns from Parquet and from a database; say how much longer it takes."""
    frames = frames_of(invent_tables(children // 10))
    for council in load_councils()[:10]:
        own = {
            name: frame.assign(council_code=council.council_code) for name, frame in frames.items()
        }
        tables = build_tables(own, strand="simulated", source="a benchmark")
        write_census(tables, folder / "parquet", format="parquet")
    engine = create_engine(f"sqlite:///{folder / 'returns.db'}")
    for file in sorted((folder / "parquet").glob("*/*.parquet")):
        pd.read_parquet(file).to_sql(file.stem, engine, index=False, if_exists="append")
    engine.dispose()
    works = (lambda: read_census(folder / "parquet"), lambda: read_census(str(engine.url)))
    parquet, database = best_of(times, *works)
    print("| Parquet to tables | SQLite to tables | ratio |\n|---:|---:|---:|")
    print(f"| {parquet:.2f} s | {database:.2f} s | {database / parquet:.2f} |\n")
    return database / parquet


def compare_with_validator(path: Path, python: str) -> float:
    command = [python, "-c", READ_WITH_VALIDATOR, str(path)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    (ours,) = best_of(3, lambda: read_census(path))
    ratio = float(answer[1]) / ours
    print(f"\ncsc-validator-be-cin {answer[2]} reads {answer[0]} referrals in")
    print(f"{float(answer[1]):.2f} s, pilot_eval in {ours:.3f} s.")
    return ratio


def peak_memory(path: Path) -> float:
    """Measure the peak memory, in MB, of a process of its own that reads a file."""
    command = [sys.executable, "-c", READ_AND_WEIGH, str(path)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def main() -> None:
    options = read_options(__doc__, "--validator")
    children, few_children, times = (1_000, 100, 1) if options.small else (40_000, 1_000, 5)
    print("## From XML to typed tables\n")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        path = write_census(invent_tables(children), folder, format="xml")[0]
        print("| file | size | bare walk | walk, cleared | to tables | ratio | to uncleared |")
        print("|---|---|---|---|---|---|---|")
        ratios = [compare_with_walk(path, "compact", times)]
        ratios.append(compare_with_walk(indent(path), "indented", times))
        tables = read_census(path)
        (seconds,) = best_of(2, lambda: validate_census(tables))
        print(f"\nValidation of its {len(tables.referrals):,} referrals: {seconds:.2f} s.\n")
        as_parquet = compare_with_parquet(children, folder, times)
        print("| XML | peak memory |\n|---:|---:|")
        for factor in (1, 2, 4):
            grown = write_census(
                invent_tables(children * factor), folder / str(factor), format="xml"
            )[0]
            size = grown.stat().st_size / 1e6
            print(f"| {size:.0f} MB | {peak_memory(grown):.0f} MB |")
        faster = None
        if options.validator:
            small = write_census(invent_tables(few_children), folder / "v", format="xml")[0]
            faster = compare_with_validator(small, options.validator)
    print_criteria(
        [
            judge(
                f"XML to tables takes at most {MOST_TIMES_WALK:g} times a bare walk of the file",
                max(ratios),
                most=MOST_TIMES_WALK,
            ),
            judge(
                f"a database to tables takes at most {MOST_TIMES_PARQUET:g} times Parquet",
                as_parquet,
                most=MOST_TIMES_PARQUET,
            ),
            judge(
                f"at least {LEAST_TIMES_VALIDATOR:g} times faster than the sector's open validator",
                faster,
                least=LEAST_TIMES_VALIDATOR,
            ),
        ]
    )


if __name__ == "__main__":
    main()
