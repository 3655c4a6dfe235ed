"""Write docs/properties.md: the laws, the functions, and where a law does not apply."""

from __future__ import annotations

import csv
import inspect
from pathlib import Path

from laws import LAWS, NOT_APPLIED
from subjects import BEHIND, SUBJECTS

ROOT = Path(__file__).resolve().parents[2]
PAGE, RUN = ROOT / "docs" / "properties.md", ROOT / "benchmarks" / "properties.csv"
HEAD = """# Properties that every public function has

Written by `tests/properties/property_page.py`. Every public function of `estimation/`,
`inference/`, `monitoring/`, `design/`, `checks/` and the survival functions of `records/` is found
by introspection and held to every law below in drawn worlds (25 units, 12 periods): 20 in the
default run, 200 by `python3 run.py test --slow`, 5,000 by `benchmarks/bench_properties.py`. A
function in no row of the second table has all laws. The same functions are called with wrong
arguments of every type: they answer, or raise one of the project's errors; and with 1,500 units.
One-line estimators on long tables, functions of a plan and a panel, functions of children's cases,
tables of children's records and own tables have laws of their own
(`properties/test_long_frames.py`, `properties/test_wrong_tables.py`,
`properties/test_plan_functions.py`, `properties/test_record_functions.py`,
`properties/test_record_tables.py`, `properties/test_own_tables.py`). Each kind of fault that these
laws came from is put back by `properties/test_seeded_faults.py`, and caught.
"""


def _word_long_run() -> str:
    """Say which functions the committed long run has reached."""
    with RUN.open(encoding="utf-8", newline="") as file:
        rows = {row["function"]: row for row in csv.DictReader(file)}
    done = [name for name in SUBJECTS if name in rows]
    faults = sum(int(rows[name]["faults"]) for name in done)
    left = ", ".join(f"`{name}`" for name in SUBJECTS if name not in rows)
    least = min(int(rows[name]["worlds"]) for name in done)
    rest = f" Not reached: {left}." if left else ""
    return (
        f"\nThe last long run (`benchmarks/properties.csv`) held {len(done)} of {len(SUBJECTS)} "
        f"functions to every law in {least:,} worlds and found {faults} faults.{rest}\n"
    )


def write_page() -> str:
    """Word the page."""
    laws = [f"| {name} | {inspect.getdoc(law)} |" for name, law in LAWS.items()]
    rows = [f"| `{part}` | {', '.join(names)} | {why} |" for part, names, why in NOT_APPLIED]
    behind = [f"| `{part}` | {why} |" for part, why in BEHIND.items()]
    functions = ", ".join(f"`{name}`" for name in SUBJECTS)
    parts = (
        ("## Laws", "| law | what holds |", laws),
        ("## Where a law does not apply", "| function or module | laws | reason |", rows),
        ("## Functions without laws of their own", "| function, module or package | why |", behind),
    )
    text = HEAD + _word_long_run()
    for title, header, lines in parts:
        line = "|" + " --- |" * (header.count("|") - 1)
        text += "\n".join(["", title, "", header, line, *lines, ""])
    return f"{text}\n## Functions\n\n{functions}.\n"


if __name__ == "__main__":
    PAGE.write_text(write_page(), encoding="utf-8", newline="\n")
