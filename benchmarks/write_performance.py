"""Run every benchmark, one after the other, and write docs/performance.md.

Run: ``python benchmarks/write_performance.py [--validator PYTHON]`` on a quiet machine (about
a quarter of an hour). ``--small`` tries everything out at reduced size; the page says so.
``--validator``: see bench_census_xml.py.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import diff_diff
from criteria import read_options

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "performance.md"
BENCHMARKS = (
    "bench_census_xml.py",
    "bench_census_panel.py",
    "bench_inference.py",
    "bench_estimators.py",
    "bench_disclosure.py",
    "bench_growth.py",
    "floor.py",
)
PACKAGES = (
    *("numpy", "scipy", "pandas", "pyarrow", "lxml"),
    *("diff-diff", "csdid", "pyfixest", "linearmodels"),
)
CRITERION = re.compile(r"^\| (.+) \| (.+) \| (met|\*\*not met\*\*|not measured) \|$", re.MULTILINE)
TRY_OUT = """\
**This is a try-out at reduced size: its figures say that the benchmarks run, and nothing else.**
"""


def describe_machine() -> str:
    """Name the machine and the versions, and how busy it was."""
    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    names = re.findall(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    processor = names[0] if names else platform.machine()
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    backend = "on" if diff_diff.HAS_RUST_BACKEND else "off"
    return (
        f"{processor}, {os.cpu_count()} cores, {gigabytes:.0f} GB, {platform.system()}; load "
        f"average {os.getloadavg()[0]:.1f} at the start, {datetime.now(UTC):%d %B %Y}. "
        f"Python {platform.python_version()}, {packages}; diff-diff's compiled backend is "
        f"{backend}.\n"
    )


def run(benchmark: str, options: list[str]) -> str:
    """Run one benchmark and return the section it prints."""
    command = [sys.executable, str(HERE / benchmark), *options]
    print(f"{datetime.now(UTC):%H:%M:%S} {benchmark}", flush=True)
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def summarise(sections: str) -> str:
    """Count the criteria that are met, and name the others."""
    rows = CRITERION.findall(sections)
    met = sum(result == "met" for *_, result in rows)
    lines = [f"{met} of {len(rows)} criteria are met."]
    lines += [f"- {asked}: {shown}, {result}" for asked, shown, result in rows if result != "met"]
    return "\n".join(lines) + "\n"


def main() -> None:
    options = read_options(__doc__, "--validator")
    machine = describe_machine()
    sections = []
    for name in BENCHMARKS:
        own = ["--small"] * (options.small and name != "floor.py")
        if options.validator and name == "bench_census_xml.py":
            own += ["--validator", options.validator]
        sections.append(run(name, own))
    body = "\n\n".join(sections) + "\n"
    head = [
        "# Speed and memory\n",
        "Written by `python benchmarks/write_performance.py`. Ratios within one run are the "
        "criterion;\nabsolute times belong to the machine they were measured on.\n",
        *([TRY_OUT] if options.small else []),
        machine,
        summarise(body),
    ]
    PAGE.write_text("\n".join([*head, body]), encoding="utf-8")
    print(f"wrote {PAGE.relative_to(HERE.parent)}")


if __name__ == "__main__":
    main()
