"""Kill every writing command at random file operations and look at what is left.

    python benchmarks/bench_kills.py [--kills 100] [--only COMMAND]

Linux. Each command runs in a forked process of its own on a small project; before one of its file
operations in the folder it writes, drawn at random, it is killed without warning. Commands that
take long run once: before operations drawn at random, what is on the disk is copied, which is what
a kill would leave. The next command's start clears up. Prints a table: what was found then is the
state before or the finished one; anything else is "mixed". "Open" counts unfinished folders of
children's records that others could have read.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import shutil
import signal
import stat
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

from pilot_eval.app import commands, refresh
from pilot_eval.app.cli import main
from pilot_eval.file_sets import PREFIX, clear_dead, finish_sets
from pilot_eval.lab import validity_report

ROOT = Path(__file__).resolve().parents[1]

sys.path.insert(0, str(ROOT / "tests" / "unit"))
assert commands  # loaded once, before the forks
OPERATIONS = ("open", "os", "shutil")
RETURNS = ROOT / "data" / "synthetic" / "csv"
CENSUS = ("census", str(RETURNS), "--data-cut", "2012-03-31", "--jobs", "1", "--quiet")
SIMULATE = ("simulate", "--council", "E09000002", "--scale", "0.02", "--first-year", "2012")
RULES = """outcome = "Re-referrals"
start = "2011-03"
treated = ["E09000002"]
months_before = 12
last_month = 12
harm = "rises"
[withdrawal]
looks_in_a_row = 2
margin = 3.0
"""


def run(*arguments: str) -> Callable[[Path], None]:
    """Give a command of the command line, to be run in a folder."""

    def start(folder: Path) -> None:
        main([word.replace("FOLDER", str(folder)) for word in arguments])

    return start


def import_tables(folder: Path) -> None:
    from test_published_import import PILOTS

    from pilot_eval.published.council_indicators import import_published

    import_published(folder.parent / "source", folder, pilots=PILOTS)


def measure_validity(folder: Path) -> None:
    def measure(place: Path, draws: int | None, executor: object) -> None:
        for number in range(5):
            (place / f"made_up_{number}.csv").write_text("new")

    validity_report.compose_page = lambda folder, sections: "new"
    section = SimpleNamespace(name="made_up", measure=measure)
    validity_report.write_validity(folder, sections=[section])


def refresh_all(folder: Path) -> None:
    """Put executed notebooks, tables and the front page in place; computing them is left out."""

    def execute(root: Path, notebooks: dict[str, Path], scratch: Path) -> list[SimpleNamespace]:
        for name in notebooks:
            (scratch / f"{name}.ipynb").write_text("executed")
        return [SimpleNamespace(name=name, ok=True) for name in notebooks]

    def write(root: Path, place: Path, again: Path) -> None:
        (place / "figures").mkdir(parents=True)
        for name in ("evidence.csv", "effects.csv", "figures/1.svg", "figures/1.csv"):
            (place / name).write_text("new")

    refresh._execute, refresh.write_published = execute, write
    refresh._write_readme = lambda root, new: (new / "README.md").write_text("new")
    refresh.refresh_project(folder)


def make_before(command: str, folder: Path) -> None:
    """Write what is there before the command starts."""
    from project_folder import add_notebook, make_project

    folder.mkdir(parents=True)
    if command == "refresh":
        shutil.rmtree(folder)
        make_project(folder)
        shutil.rmtree(folder / "data")
        for number in range(1, 6):
            add_notebook(folder, f"0{number}_page", "1")
        (folder / "README.md").write_text("old")
        for name in ("evidence.csv", "effects.csv", "gone.csv", "about.md"):
            path = folder / "reports" / "published" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("old")
    elif command == "init":
        shutil.copytree(ROOT / "pilots", folder / "pilots")
    elif command == "validity":
        (folder / "validity").mkdir()
        for name in ("validity.md", "validity/made_up_0.csv", "validity/kept.csv"):
            (folder / name).write_text("old")
    elif command.startswith("check-release"):
        for number in range(8):
            (folder / "run" / "figures").mkdir(parents=True, exist_ok=True)
            (folder / "run" / "figures" / f"{number}.csv").write_text("outcome,estimate\na,2.5\n")
        from pilot_eval.disclosure.release.register import describe_outputs, write_register

        settings = {"strand": "published", "population": "p", "threshold": 5, "rounding": 10}
        write_register(folder / "run", describe_outputs(folder / "run", **settings))
    elif command == "monitor":
        (folder / "rules.toml").write_text(RULES)
        months = [f"2010-{month:02d}" for month in range(3, 13)] + ["2011-01", "2011-02"]
        rows = [f"E0900000{n},{month},{40 + n},100" for n in range(2, 9) for month in months]
        head = "council_code,month,numerator,denominator\n"
        (folder / "counts.csv").write_text(head + "\n".join(rows) + "\n")


COMMANDS: dict[str, Callable[[Path], None]] = {
    "import-published": import_tables,
    "refresh": refresh_all,
    "validity": measure_validity,
    "monitor": run(
        *("monitor", "FOLDER/counts.csv", "--rules", "FOLDER/rules.toml"),
        *("--history", "FOLDER/history", "--quiet"),
    ),
    "check-release --move-to": run(
        "check-release", "FOLDER/run", "--move-to", "FOLDER/out", "--quiet"
    ),
    "check-release --sheet": run(
        "check-release", "FOLDER/run", "--sheet", "FOLDER/s.csv", "--quiet"
    ),
    "simulate": run(*SIMULATE, "--last-year", "2012", "--out", "FOLDER/returns", "--quiet"),
    "init": run("init", "mine", "--quiet"),
    "design --out": run("design", "--outcome", "cpp_rate", "--out", "FOLDER/d.xlsx", "--quiet"),
    "census": run(*CENSUS, "--out", "FOLDER/results"),
    "census --tables parquet": run(
        *(*CENSUS, "--tables", "parquet", "--by", "sex", "--panel", "year"),
        *("--out", "FOLDER/results"),
    ),
    "council-report": run("council-report", "Hackney", "--out", "FOLDER/results"),
    "run": run("run", "--no-notebooks", "--out", "FOLDER/results", "--quiet"),
}
#: Too long to be run again for each kill.
SLOW = (
    *("import-published", "design --out", "census", "census --tables parquet"),
    *("council-report", "run"),
)
#: What these write differs in times and random names: their files are compared by name.
BY_NAME = (
    *("run", "council-report", "census", "census --tables parquet", "design --out", "simulate"),
    *("check-release --move-to", "check-release --sheet"),
)


def start(command: str, folder: Path, count: Path, act: Callable[[int], None]) -> int:
    """Run a command in a fork, and act before each of its file operations, by number."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    os.environ["PILOT_EVAL_ROOT"] = str(folder if command == "init" else ROOT)
    seen = 0

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal seen
        if seen < 0:  # what acting does itself
            return
        if event.split(".")[0] in OPERATIONS and str(folder) in str(arguments):
            number, seen = seen, -1
            act(number)
            seen = number + 1

    sys.addaudithook(watch)
    try:
        COMMANDS[command](folder)
    finally:
        count.write_text(str(seen))
        os._exit(0)


def list_state(folder: Path, by_name: bool) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): ""
        if by_name
        else hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def find_open(folder: Path) -> int:
    """Count unfinished folders that others than the owner can open."""
    left = [path for path in folder.rglob(f"{PREFIX}*") if path.is_dir()]
    return sum(bool(stat.S_IMODE(path.stat().st_mode) & 0o077) for path in left)


def clear_up(folder: Path) -> None:
    """Do what the next command does when it starts."""
    for place in [folder, *[path for path in folder.rglob("*") if path.is_dir()]]:
        if place.is_dir():
            finish_sets(place)
            clear_dead(place)


def die_at(limit: int) -> Callable[[int], None]:
    def act(number: int) -> None:
        if number >= limit:
            os.kill(os.getpid(), signal.SIGKILL)

    return act


def copy_states(folder: Path, states: Path, most: int) -> Callable[[int], None]:
    """Copy the folder before `most` of the operations, each equally likely to be among them."""
    draw = random.Random(20110201)

    def act(number: int) -> None:
        place = number if number < most else draw.randrange(number + 1)
        if place < most:
            shutil.rmtree(states / str(place), ignore_errors=True)
            shutil.copytree(folder, states / str(place), symlinks=True)

    return act


def list_left(command: str, place: Path, kills: int, operations: int) -> Iterator[None]:
    """Put in the folder, again and again, what a kill leaves."""
    before, folder, count = place / "before", place / "folder", place / "operations"
    draw = random.Random(20110201)
    for _ in range(0 if command in SLOW else kills):
        shutil.rmtree(folder)
        shutil.copytree(before, folder)
        start(command, folder, count, die_at(draw.randrange(operations)))
        yield
    for state in sorted((place / "states").glob("*")):
        shutil.rmtree(folder)
        state.rename(folder)
        yield


def kill(command: str, place: Path, kills: int) -> Counter[str]:
    """Kill a command many times and count how each ended."""
    before, folder, count = place / "before", place / "folder", place / "operations"
    make_before(command, before)
    by_name = command in BY_NAME
    states = {}
    shutil.copytree(before, folder)
    (place / "states").mkdir()
    states["as it was"] = list_state(folder, by_name)
    copy = copy_states(folder, place / "states", kills if command in SLOW else 0)
    start(command, folder, count, copy)
    states["finished"] = list_state(folder, by_name)
    found = Counter(operations=int(count.read_text()))
    if states["as it was"] == states["finished"]:
        raise SystemExit(f"{command} wrote nothing")
    for _ in list_left(command, place, kills, found["operations"]):
        found["kills"] += 1
        found["open"] += find_open(folder) if command.startswith("census") else 0
        clear_up(folder)
        state = list_state(folder, by_name)
        if command == "check-release --move-to" and state != states["as it was"]:
            # Copied, then taken away: a file may be in both places, never in none.
            state = {n: "" for n in state if n.startswith(("out/", "run/outputs"))}
        found[next((name for name, known in states.items() if known == state), "mixed")] += 1
    return found


def main_program() -> int:
    """Print the table of section "Killed commands" of docs/performance.md."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--only", choices=COMMANDS)
    options = parser.parse_args()
    print("| command | file operations | kills | as it was | finished | mixed | open |")
    print("|---|---|---|---|---|---|---|", flush=True)
    bad = 0
    for command in [options.only] if options.only else COMMANDS:
        with tempfile.TemporaryDirectory() as name:
            place = Path(name)
            if command == "import-published":
                from test_published_import import TRAPS, make_source

                make_source(place / "source", TRAPS)
            found = kill(command, place, options.kills)
        cells = [found[key] for key in ("as it was", "finished", "mixed", "open")]
        print(f"| `{command}` | {found['operations']} | {found['kills']} |", end=" ")
        print(" | ".join(map(str, cells)), "|", flush=True)
        bad += found["mixed"] + found["open"]
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main_program())
