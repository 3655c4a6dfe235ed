"""Time every tool's best documented option on the same table, and say what others do faster.

Run: ``python benchmarks/bench_peers.py [--python TOOL=PYTHON,TOOL=PYTHON] [--small]``. Tools that
need an environment of their own are named with its interpreter; what is not installed is named as
not measured. Prints a section of docs/performance.md.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from criteria import judge, print_criteria, read_options
from peer_tools import TASKS

HERE = Path(__file__).resolve().parent
UNITS, PERIODS, FIRST, SECOND, TREATED = 152, 60, 30, 36, 5
OURS = "pilot-eval"
ROUNDS, FEWEST_ROUNDS, MOST_SECONDS = 11, 3, 20.0
THREADS = ("OMP", "OPENBLAS", "MKL", "NUMBA", "NUMEXPR", "RAYON")
READING = """\
Every tool gets the same long table of 152 units and 60 periods (4 treated from period 30, 4 from
period 36), or the same 152 changes with 5 treated, 9,999 draws; whatever form it needs from there
it makes within the time. Each is called as its documentation says is fastest: compiled parts and
numba on, one thread for everybody, each in an interpreter of its own that stays open. *Warm* is the
median of rounds in which all tools take turns; *cold* is the import and the first call in a new
process. Above 1 in *times ours*, ours is faster. *Found* shows that the answers are the same, and
which hold a standard error: ours give inference for few treated units instead, and have one for
group-time effects and synthetic DiD alone.

- panelkit and diff-diff's synthetic DiD are compiled (Rust); csdid, moderndid, pyfixest and
  linearmodels are Python, pyfixest and wildboottest with numba. Where panelkit is ahead, both first
  pivot the table in pandas, about two thirds of our time; the rest is compiled code there, and
  NumPy with its checks of the input here.
- pyfixest's randomization inference tosses a coin for each unit and lwdid's needs the panel again:
  see [head to head](head-to-head.md). pyfixest's Sun-Abraham gives effects by period, whose plain
  mean is shown; panelkit's placebos are one for each comparator, its weights the exact optimum.
- CR2 and CR3: ours have degrees of freedom for few treated units; pyfixest's p-value is from a t
  with one degree less than units.
"""
Spent = tuple[float, float]


@dataclass
class Row:
    """One tool's call of one task, with what each round took."""

    tool: str
    option: str
    key: str
    numbers: list[float] = field(default_factory=list)
    fault: str = ""
    cold: float = float("nan")
    spent: list[Spent] = field(default_factory=list)

    def median(self, kind: int) -> float:
        """Median seconds (0) or processor seconds (1)."""
        return statistics.median(pair[kind] for pair in self.spent)


class Tool:
    """A tool's own interpreter, kept open; `version` is empty where it is not installed."""

    def __init__(self, name: str, python: str, world: Path) -> None:
        own = Path(sys.executable).resolve() == Path(python).resolve()
        path = {"PYTHONPATH": os.environ.get("PYTHONPATH", "")} if own else {"PYTHONPATH": ""}
        one = {f"{threads}_NUM_THREADS": "1" for threads in THREADS}
        self.process = subprocess.Popen(
            [python, str(HERE / "peer_tools.py"), name, str(world)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **one, **path},
            text=True,
        )
        first = self.process.stdout.readline()
        self.version = json.loads(first)["version"] if first else ""

    def call(self, key: str) -> dict:
        """Have one task done."""
        self.process.stdin.write(f"{key}\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self) -> None:
        """End the interpreter."""
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def write_world(path: Path, *, units: int = UNITS, draws: int, placebos: int) -> None:
    """Invent the panel and the changes that every tool is given."""
    rng = np.random.default_rng(0)
    start = np.where(np.arange(units) < 4, FIRST, np.where(np.arange(units) < 8, SECOND, 0))
    age = np.maximum(np.arange(PERIODS) - start[:, None] + 1, 0) * (start > 0)[:, None]
    noise = rng.normal(size=(units, PERIODS))
    y = 5 * rng.normal(size=units)[:, None] + rng.normal(size=PERIODS).cumsum() + noise
    treated = np.arange(units) < TREATED
    np.savez(
        path,
        y=y + np.minimum(age / 12, 1),
        start=start,
        first=FIRST,
        change=rng.normal(size=units) + 0.8 * treated,
        treated=treated,
        draws=draws,
        placebos=placebos,
    )


def race(rows: list[Row], tools: dict[str, Tool], rounds: int) -> None:
    """Let the tools take turns; a slow one stops when it has had its time."""
    for number in range(rounds + 1):  # the first, which compiles, does not count
        for row in rows:
            had = sum(pair[0] for pair in row.spent)
            if row.fault or (had > MOST_SECONDS and len(row.spent) >= FEWEST_ROUNDS):
                continue
            answer = tools[row.tool].call(row.key)
            row.fault, row.numbers = answer["fault"], answer["numbers"]
            if number:
                row.spent.append(tuple(answer["spent"]))


def take_cold(row: Row, python: str, world: Path) -> None:
    """Time the import and the first call in a new process."""
    tool = Tool(row.tool, python, world)
    row.cold = tool.call(row.key)["spent"][0]
    tool.close()


def list_rows(tools: dict[str, Tool]) -> dict[str, list[Row]]:
    """List the calls by task, ours first."""
    races: dict[str, list[Row]] = {}
    for tool in tools:
        for title, gives, option in TASKS[tool]:
            key = " / ".join((title, gives, option))
            races.setdefault(title, []).append(Row(tool, option, key))
    return races


def print_race(title: str, rows: list[Row]) -> None:
    """Print one task's table."""
    base = rows[0]
    print(f"\n| {title} | found | warm, ms | times ours | processor, times ours | cold, s |")
    print("|---|---|---:|---:|---:|---:|")
    for row in rows:
        name = f"{row.tool}, {row.option}" if row.option else row.tool
        if row.fault:
            print(f"| {name} | not measured: {row.fault} | – | – | – | – |")
            continue
        found = ", ".join("–" if np.isnan(n) else f"{n:.4f}" for n in row.numbers)
        ratios = [row.median(kind) / base.median(kind) for kind in (0, 1)]
        print(
            f"| {name} | {found} | {1000 * row.median(0):.3g} | {ratios[0]:.2f} | {ratios[1]:.2f} "
            f"| {row.cold:.2f} |",
            flush=True,
        )


def list_faster(races: dict[str, list[Row]]) -> list[str]:
    """Say what others do faster than we do, on which row, and by how much."""
    found = []
    for title, rows in races.items():
        own = min(row.median(0) for row in rows if row.tool == OURS and not row.fault)
        for row in rows:
            if row.tool != OURS and not row.fault and row.median(0) < own:
                found.append(f"- {title}: {row.tool} takes {row.median(0) / own:.2f} of our time.")
    return found or ["- Nothing: ours is ahead in every row."]


def judge_races(races: dict[str, list[Row]]) -> list[tuple[str, str, str]]:
    """Compare the fastest other tool with the faster of ours, task by task."""
    judged = []
    for title, rows in races.items():
        own = min(row.median(0) for row in rows if row.tool == OURS and not row.fault)
        others = [row.median(0) for row in rows if row.tool != OURS and not row.fault]
        if others:
            asked = f"{title}: ahead of every other tool"
            judged.append(judge(asked, min(others) / own, least=1, unit="x ours"))
    return judged


def main() -> None:
    """Measure every tool that is installed, and print the section."""
    options = read_options(__doc__, "--python")
    pythons = dict(item.split("=", 1) for item in (options.python or "").split(",") if item)
    with tempfile.TemporaryDirectory() as folder:
        world = Path(folder, "world.npz")
        draws, placebos = (199, 5) if options.small else (9_999, 200)
        write_world(world, draws=draws, placebos=placebos)
        tools = {
            name: tool
            for name in TASKS
            if (tool := Tool(name, pythons.get(name, sys.executable), world)).version
        }
        races = list_rows(tools)
        for rows in races.values():
            race(rows, tools, 2 if options.small else ROUNDS)
        for tool in tools.values():
            tool.close()
        for rows in races.values():
            for row in rows:
                if not row.fault:
                    take_cold(row, pythons.get(row.tool, sys.executable), world)
    print(
        f"## Against other packages\n\nWhat others do faster:\n\n{chr(10).join(list_faster(races))}"
    )
    print(f"\n{READING}")
    print("Versions: " + ", ".join(f"{name} {tool.version}" for name, tool in tools.items()) + ".")
    if missing := sorted(set(TASKS) - set(tools)):
        print(f"Not installed, so not measured: {', '.join(missing)}.")
    for title, rows in races.items():
        print_race(title, rows)
    print_criteria(judge_races(races))


if __name__ == "__main__":
    main()
