"""Run every benchmark, one after the other, and write docs/performance.md.

Run: ``python benchmarks/write_performance.py [--validator PYTHON] [--python TOOL=PYTHON,...]`` on a
quiet machine (about a quarter of an hour). ``--only NAME`` measures one benchmark and keeps the
other sections; ``--small`` tries everything out at reduced size, and the page says so.
``--validator``: see bench_census_xml.py; ``--python``: see bench_peers.py.
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

from criteria import read_options

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "performance.md"
BENCHMARKS = (
    "bench_census_xml.py",
    "bench_census_panel.py",
    "bench_inference.py",
    "bench_peers.py",
    "bench_estimators.py",
    "bench_disclosure.py",
    "bench_growth.py",
    "floor.py",
)
PACKAGES = (
    *("numpy", "scipy", "pandas", "pyarrow", "lxml"),
    *("diff-diff", "csdid"),
)
TAKES = {"bench_census_xml.py": "validator", "bench_peers.py": "python"}
CRITERION = re.compile(r"^\| (.+) \| (.+) \| (met|\*\*not met\*\*|not measured) \|$", re.MULTILINE)
TRY_OUT = """\
**This is a try-out at reduced size: its figures say that the benchmarks run, and nothing else.**
"""


def describe_machine() -> str:
    """Name the machine and the versions."""
    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    names = re.findall(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    processor = names[0] if names else platform.machine()
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        f"{processor}, {os.cpu_count()} cores, {gigabytes:.0f} GB, {platform.system()}; Python "
        f"{platform.python_version()}, {packages}.\n"
    )


def run(benchmark: str, options: list[str]) -> str:
    """Run one benchmark; return the section it prints, with the day and how busy it was."""
    load, today = os.getloadavg()[0], datetime.now(UTC)
    command = [sys.executable, str(HERE / benchmark), *options]
    print(f"{today:%H:%M:%S} {benchmark}", flush=True)
    printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    title, _, body = printed.strip().partition("\n")
    return f"{title}\n\n*{today:%d %B %Y}, load average {load:.1f} at the start.*\n{body}"


def read_sections() -> dict[str, str]:
    """Read the sections of the page by title."""
    parts = re.split(r"^(?=## )", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return {part.partition("\n")[0]: part.strip() for part in parts}


def summarise(sections: str) -> str:
    """Count the criteria that are met, and name the others."""
    rows = CRITERION.findall(sections)
    met = sum(result == "met" for *_, result in rows)
    lines = [f"{met} of {len(rows)} criteria are met."]
    lines += [f"- {asked}: {shown}, {result}" for asked, shown, result in rows if result != "met"]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure all, or what is asked, and write the page."""
    options = read_options(__doc__, "--only", "--validator", "--python")
    sections = read_sections() if options.only else {}
    for name in [options.only] if options.only else BENCHMARKS:
        own = ["--small"] * (options.small and name != "floor.py")
        for benchmark, option in TAKES.items():
            if name == benchmark and getattr(options, option):
                own += [f"--{option}", getattr(options, option)]
        found = run(name, own)
        sections[found.partition("\n")[0]] = found
    body = "\n\n".join(sections.values()) + "\n"
    head = [
        "# Speed and memory\n",
        "Written by `python benchmarks/write_performance.py`. Ratios within one run are the "
        "criterion;\nabsolute times belong to the machine they were measured on.\n",
        *([TRY_OUT] if options.small else []),
        describe_machine(),
        summarise(body),
    ]
    PAGE.write_text("\n".join([*head, body]), encoding="utf-8")
    print(f"wrote {PAGE.relative_to(HERE.parent)}")


if __name__ == "__main__":
    main()
