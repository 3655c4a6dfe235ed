"""List every published number that the code no longer gives: row, old, new, what to run.

    python tools/list_moved_numbers.py

Exits with 1 where one has moved. Evidence, verdicts and answers of every pilot are compared.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from pilot_eval.app.results import read_table
from pilot_eval.disclosure.release_evidence import release_evidence
from pilot_eval.evaluation import evaluate
from pilot_eval.plan import load_plan
from pilot_eval.project import default_pilot
from pilot_eval.reporting.table_comparison import KEYS, Change, list_changes, write_change_table

ROOT = Path(__file__).resolve().parents[1]
PUBLISHED = ROOT / "reports" / "published"
TABLES = {
    "evidence": KEYS,
    "verdicts": ("strand", "scenario", "outcome"),
    "answers": ("family", "scenario", "outcome"),
}
WORDS = ("short", "long", "doubts", "settings", "reason", "citation")
"""Columns of words: where a number moved with them they would only repeat it."""
MOST_SHOWN = 60


def main(published: Path = PUBLISHED) -> int:
    """Print the table; return 1 where a number moved."""
    changes = [
        change
        for folder in sorted({path.parent for path in published.rglob("evidence.csv")})
        for change in compare_pilot(folder, published)
    ]
    if not changes:
        print("No published number has moved.")
        return 0
    print(f"{len(changes)} published values have moved. If that is meant, run the command and say")
    print("in CHANGELOG.md under Results what moved and why.\n")
    print(write_change_table(changes[:MOST_SHOWN], run="pilot-eval refresh"))
    if len(changes) > MOST_SHOWN:
        print(f"... and {len(changes) - MOST_SHOWN} more")
    return 1


def compare_pilot(folder: Path, published: Path) -> list[Change]:
    """Compare what is stored of a pilot with what the code gives now."""
    pilot = default_pilot(ROOT) if folder == published else folder.name
    plan = load_plan(pilot, root=ROOT)
    evidence = release_evidence(plan, evaluate(plan, read_table(plan, None)), public=True)
    with TemporaryDirectory() as scratch:
        evidence.write(scratch)
        pairs = [
            (keys, *(pd.read_csv(Path(place) / f"{name}.csv") for place in (folder, scratch)))
            for name, keys in TABLES.items()
        ]
    found = [item for keys, old, new in pairs for item in list_changes(old, new, keys=keys)]
    return list(_leave_out_words(found))


def _leave_out_words(changes: list[Change]) -> Iterator[Change]:
    """Leave out changed words of rows whose numbers have changed."""
    moved = {item.row for item in changes if item.column not in WORDS}
    yield from (item for item in changes if item.column not in WORDS or item.row not in moved)


if __name__ == "__main__":
    sys.exit(main())
