"""The main job against its floor and against the code it was first measured with.

The floor is what notebooks cost that import what the real ones do and do nothing else, by
Papermill, two at a time, grammars put off: the nine of commit 950ee88, and those that there are
now. Both floors, that commit's main job and today's are run in alternation; processor seconds of
all their processes are compared, so that a busy machine matters little. A round before them is not
counted: in it every package is compiled, for all. Linux only.

    python benchmarks/floor.py [--rounds 3] [--write benchmarks/ratios.json]
"""

from __future__ import annotations

import argparse
import ast
import ctypes
import io
import json
import os
import resource
import statistics
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

from criteria import judge, print_criteria

ROOT = Path(__file__).resolve().parents[1]
COMMIT = "950ee88"
ON_REQUEST = "08_council_report"
PILOT = "pilots/timescales-2011"
GOAL = 2.2
SUBREAPER = 36  # prctl: processes whose parent has ended become ours, and their time is counted
TITLES = {
    "floor": "floor of 950ee88: its nine notebooks, only importing",
    "floor_now": "floor of today: its {} notebooks, only importing",
    COMMIT: f"main job at {COMMIT}",
    "now": "main job now",
}
READING = """\
The main job is `pilot-eval run`: every notebook not on request, evidence, workbook, tidy data,
report and quality log. Its workers and their kernels are copies of one process that has done the
imports (on Windows they start as ever), and evidence, designs and simulated children are computed
once and shared through the run's private folder; readings and searches that take long are stored
(docs/decisions/stored-results.md).
`rfc3987_syntax` compiles its 38 grammars only when a text is checked with
them (`app/grammars.py`): no check is lost, and no notebook needs one.
"""
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

FLOOR_PROGRAM = """
import sys, types
later = types.ModuleType("rfc3987_syntax")
later.is_valid_syntax = lambda *_: True
sys.modules["rfc3987_syntax"] = later
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
import papermill

def run(path):
    papermill.execute_notebook(str(path), str(path.with_suffix(".done")),
        kernel_name="python3", progress_bar=False, cwd=str(path.parent))

if __name__ == "__main__":
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        list(pool.map(run, sorted(Path(sys.argv[1]).glob("[0-9]*.ipynb"))))
"""


def main() -> None:
    """Measure, print and, if asked, write the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--write", type=Path, help="file of ratios to update")
    options = parser.parse_args()
    ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)
    with tempfile.TemporaryDirectory() as scratch:
        old, floor, own = (Path(scratch, name) for name in ("old", "floor", "floor_now"))
        check_out(old)
        strip_notebooks([old / "notebooks"], floor)
        count = strip_notebooks([ROOT / "notebooks", ROOT / PILOT / "notebooks"], own)
        program = floor / "run_floor.py"
        program.write_text(FLOOR_PROGRAM, encoding="utf-8")
        jobs = {
            "floor": (old, [str(program), str(floor)]),
            "floor_now": (ROOT, [str(program), str(own)]),
            COMMIT: (old, ["-m", "pilot_eval.cli", "run"]),
            "now": (ROOT, ["-m", "pilot_eval.app.cli", "run"]),
        }
        seconds: dict[str, list[float]] = {name: [] for name in jobs}
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = str(Path(scratch, "bytecode"))
        for number in range(options.rounds + 1):
            for name, (root, command) in jobs.items():
                out = (
                    []
                    if name.startswith("floor")
                    else ["--out", str(Path(scratch, f"{name}-{number}"))]
                )
                seconds[name].append(processor_seconds(root, [*command, *out]))
                print(
                    f"round {number}, {name}: {seconds[name][-1]:.1f} processor s",
                    flush=True,
                    file=sys.stderr,
                )
    seconds = {name: counted for name, (_, *counted) in seconds.items()}
    ratios = {
        f"main_job_{name}_to_floor": compare(seconds[name], seconds["floor"])
        for name in (COMMIT, "now")
    }
    ratios["main_job_now_to_floor_now"] = compare(seconds["now"], seconds["floor_now"])
    show(seconds, options.rounds, ratios, count)
    if options.write:
        update(options.write, ratios)


def show(
    seconds: dict[str, list[float]], rounds: int, ratios: dict[str, float], count: int
) -> None:
    """Print the section of docs/performance.md."""
    print(f"## The main job\n\n{READING}")
    print(f"| {rounds} round(s) in alternation | processor s | to the floor of {COMMIT} |")
    print("|---|---:|---:|")
    for name, values in seconds.items():
        times = compare(values, seconds["floor"])
        print(f"| {TITLES[name].format(count)} | {statistics.median(values):.1f} | {times:.2f} |")
    floors = {"that there are now": "floor_now", f"of {COMMIT}": "floor"}
    found = {which: ratios[f"main_job_now_to_{name}"] for which, name in floors.items()}
    print_criteria(
        judge(f"main job, times the floor of the notebooks {which}", ratio, most=GOAL)
        for which, ratio in found.items()
    )


def check_out(folder: Path) -> None:
    """Unpack the old commit."""
    archive = subprocess.run(
        ["git", "-C", str(ROOT), "archive", COMMIT], capture_output=True, check=True
    )
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(folder, filter="data")


def strip_notebooks(sources: Sequence[Path], target: Path) -> int:
    """Keep of every notebook the cells that only import; return how many there are."""
    target.mkdir()
    found = [path for source in sources for path in sorted(source.glob("[0-9]*.ipynb"))]
    found = [path for path in found if path.stem != ON_REQUEST]
    for path in found:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        notebook["cells"] = [cell for cell in notebook["cells"] if only_imports(cell)]
        (target / path.name).write_text(json.dumps(notebook), encoding="utf-8")
    return len(found)


def only_imports(cell: dict) -> bool:
    """Say whether a cell holds code, all of it imports."""
    if cell["cell_type"] != "code":
        return False
    body = ast.parse("".join(cell["source"])).body
    return bool(body) and all(isinstance(node, ast.Import | ast.ImportFrom) for node in body)


def processor_seconds(root: Path, command: Sequence[str]) -> float:
    """Run Python on a command; return the processor time of all processes that it started."""
    environment = {**os.environ, **dict.fromkeys(THREADS, "1")}
    environment |= {"PYTHONPATH": str(root / "src"), "PILOT_EVAL_ROOT": str(root)}
    environment.pop("MPLBACKEND", None)
    before = used()
    subprocess.run(
        [sys.executable, *command], cwd=root, env=environment, check=True, stdout=subprocess.DEVNULL
    )
    while True:
        try:
            os.wait()
        except ChildProcessError:
            return used() - before


def used() -> float:
    """Processor time of the processes waited for so far."""
    times = resource.getrusage(resource.RUSAGE_CHILDREN)
    return times.ru_utime + times.ru_stime


def compare(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Median over rounds of the ratio within a round."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def update(path: Path, ratios: dict[str, float]) -> None:
    """Write ratios into the committed file, beside those of other benchmarks."""
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    known |= {name: round(ratio, 3) for name, ratio in ratios.items()}
    path.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
