"""What `python3 run.py test` runs, in its environment: linters, notebooks, browser and pytest."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from coverage import CoverageException
from measure_coverage import FLOOR, VARIABLE, measure_shares

ROOT = Path(__file__).resolve().parents[1]
PLUGINS = ROOT / "tests" / "notebooks"
PAGE_CHECKER = "html_codesniffer@2.5.1"  # an npm package: PyPI has none like it


def main(arguments: list[str] | None = None) -> int:
    """Run every step; say at the end what each found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--slow", action="store_true", help="simulation studies at full size, every notebook's page"
    )
    parser.add_argument("--quick", action="store_true", help="linters and quick tests only")
    options = parser.parse_args(arguments)
    results = []
    if not options.quick:
        get_page_checker()
    with TemporaryDirectory() as kept:  # what is computed or executed once serves all steps
        environment = {"PYTHONPATH": os.pathsep.join([str(PLUGINS), str(ROOT / "tests")])}
        for variable in ("PILOT_EVAL_RUN_CACHE", "PILOT_EVAL_FRESH_OUTPUTS", VARIABLE):
            environment[variable] = str(Path(kept, variable))
            Path(kept, variable).mkdir()
        steps = test_steps(options.slow, options.quick)
        alone = [step for step in steps if "-n" in step[1]]
        with ThreadPoolExecutor(2) as pool:  # the others use one processor each
            together = [step for step in steps if step not in alone]
            results += pool.map(lambda step: run_step(*step, environment, show=False), together)
        results += [run_step(*step, environment) for step in alone]
        if not options.quick:
            results.append(judge_coverage(Path(kept, VARIABLE)))
    print("\n== Result")
    for name, code, summary, seconds in results:
        print(f"{'ok    ' if code == 0 else 'FAILED'} {name} ({seconds:.0f} s) {summary}")
    passed, failed, skipped = (count(results, what) for what in ("passed", "failed", "skipped"))
    failed += count(results, "error") + count(results, "errors")
    failed += sum(
        code != 0 and not re.search(r"\d+ (failed|error)", summary)
        for _, code, summary, _ in results
    )
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return max((1 for _, code, _, _ in results if code), default=0)


def get_page_checker() -> None:
    """Get the second accessibility checker, where npm is found; its test is skipped elsewhere."""
    npm, folder = shutil.which("npm"), Path(sys.prefix) / "browser"
    if npm is None or (folder / "node_modules" / "html_codesniffer").is_dir():
        return
    command = [npm, "install", "--prefix", str(folder), "--no-audit", "--no-fund", "--silent"]
    if subprocess.call([*command, "--ignore-scripts", PAGE_CHECKER]):
        print(f"npm could not get {PAGE_CHECKER}: the tests that need it are skipped.")


def test_steps(slow: bool, quick: bool) -> list[tuple[str, list[str]]]:
    """List the steps: name and command."""
    steps = list_steps("not browser" if slow else "not browser and not slow")
    if not quick:
        return steps
    linters = [step for step in steps if step[0] in ("ruff check", "ruff format", "mypy (strict)")]
    name, command = list_steps("not browser and not slow and not long", quick)[-1]
    return [*linters, (name, command)]


def list_steps(marks: str, quick: bool = False) -> list[tuple[str, list[str]]]:
    """List all steps, the last one with the tests of these marks."""
    python = sys.executable
    pytest = [python, "-m", "pytest", "-q", "--color=no", "-rfEs"]
    sanitize = ROOT / "tests" / "notebooks" / "sanitize.cfg"
    nbval = ["-p", "keep_outputs", "--nbval", "--nbval-current-env", "--nbval-cell-timeout=120"]
    browser = "browser and not slow" if "not slow" in marks else "browser"
    measure = [] if quick else ["-p", "measure_coverage"]
    parallel = ["-n", "2", "--dist", "loadscope"]  # loadscope: a notebook's cells stay together
    nbval += [f"--nbval-sanitize-with={sanitize}", *parallel]
    notebooks = [ROOT / "notebooks", *sorted(ROOT.glob("pilots/*/notebooks"))]
    return [
        ("ruff check", [python, "-m", "ruff", "check", str(ROOT)]),
        ("ruff format", [python, "-m", "ruff", "format", "--check", str(ROOT)]),
        ("mypy (strict)", [python, "-m", "mypy"]),
        ("numbers that moved", [python, str(ROOT / "tools" / "list_moved_numbers.py")]),
        ("notebooks (strict nbval)", [*pytest, *nbval, *map(str, notebooks)]),
        (
            "examples in docstrings",
            [*pytest, "--doctest-modules", str(ROOT / "src" / "pilot_eval")],
        ),
        ("site", [python, str(ROOT / "tools" / "build_site.py")]),
        ("browser", [*pytest, *parallel, "-m", browser, str(ROOT / "tests" / "browser")]),
        ("pytest", [*pytest, *measure, *parallel, "-m", marks, str(ROOT / "tests")]),
    ]


def run_step(
    name: str, command: list[str], environment: dict[str, str], *, show: bool = True
) -> tuple[str, int, str, float]:
    """Run one step, showing its output as it comes or at the end.

    Returns name, exit code, pytest's summary line and seconds.
    """
    summary, started, kept = "", time.monotonic(), []
    say = partial(print, end="", flush=True) if show else kept.append
    say(f"\n== {name}\n")
    process = subprocess.Popen(
        command,
        cwd=str(ROOT),
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    with process:
        for line in process.stdout:
            say(line)
            if re.search(r"\d+ (passed|failed|error|errors|skipped|deselected)\b.* in ", line):
                summary = line.strip("= \n")
    print("".join(kept), end="", flush=True)
    return name, process.returncode, summary, time.monotonic() - started


def judge_coverage(folder: Path) -> tuple[str, int, str, float]:
    """Say which share of the core's branches the quick tests take; too few is a failure."""
    started = time.monotonic()
    try:
        shares = measure_shares(folder)
    except CoverageException as fault:  # nothing was measured: pytest could not start
        return "branch coverage", 1, str(fault), time.monotonic() - started
    words = ", ".join(f"{name} {share:.1f}%" for name, share in shares.items())
    code = int(min(shares.values()) < FLOOR)
    return "branch coverage", code, f"{words}; at least {FLOOR}%", time.monotonic() - started


def count(results: list[tuple[str, int, str, float]], word: str) -> int:
    """Add up one word of pytest's summary lines."""
    found = (re.search(rf"(\d+) {word}\b", summary) for _, _, summary, _ in results)
    return sum(int(match.group(1)) for match in found if match)


if __name__ == "__main__":
    sys.exit(main())
