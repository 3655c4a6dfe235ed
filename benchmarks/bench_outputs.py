"""Attack what is printed of confidential council tables, as the tests do, on many of them.

    python benchmarks/bench_outputs.py [--tables 200] [--folders 50]

An integer program that shares no code with the package knows every printed figure to any digit, all
denominators, England's totals and, in two of three attacks, one council's own row. On every tenth
table primary suppression alone is attacked as well: an attacker who finds nothing there is none.

With --folders whole release folders are attacked: a confidential table is evaluated, withheld
counts of the same year change places, and every file that is written must be the same bytes. As a
control the tables are declared public: then the files differ.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from pilot_eval import load_plan, load_published
from pilot_eval.app.manifest import hash_outputs
from pilot_eval.app.results import write_results
from pilot_eval.disclosure.protect.indicator_tables import protect_indicators
from pilot_eval.plan import EvaluationPlan

TESTS = Path(__file__).resolve().parents[1] / "tests"
sys.path[:0] = [str(TESTS / "unit"), str(TESTS / "reference")]
FIRST_SEED, THRESHOLD, CONTROL_EVERY = 100, 5, 10
INDICATOR, LAST_YEAR = "repeat_plan_pct", 2013
COUNTS = ["numerator", "denominator"]


def main() -> int:
    """Attack tables and print what was pinned."""
    from output_attacker import draw_counts, find_pinned
    from test_protected_outputs import hide, make_table

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", type=int, default=200)
    parser.add_argument("--folders", type=int, default=0)
    options = parser.parse_args()
    if options.folders:
        return attack_folders(options.folders)
    tables = options.tables
    withheld = pinned = control = 0
    for seed in range(FIRST_SEED, FIRST_SEED + tables):
        names, counts, totals = draw_counts(np.random.default_rng(seed))
        table = make_table(counts, totals)
        protected = protect_indicators(table, threshold=THRESHOLD)
        hidden = hide(protected, protected["value"].isna())
        withheld += len(hidden)
        for insider in (None, names[0], names[-1]):
            pinned += len(find_pinned(names, counts, totals, hidden, insider))
        if seed % CONTROL_EVERY == 0:
            small = hide(table, table["numerator"].between(1, THRESHOLD))
            control += len(find_pinned(names, counts, totals, small))
    print(
        f"{tables} tables, {withheld:,} withheld counts: {pinned} pinned in {3 * tables} attacks;"
    )
    print(f"with primary suppression alone {control} in {-(-tables // CONTROL_EVERY)} attacks.")
    return int(pinned > 0 or control == 0)


def attack_folders(folders: int) -> int:
    """Let withheld counts change places, and count the folders whose files tell it."""
    told = moved = control = 0
    plan = load_plan()
    for seed in range(FIRST_SEED, FIRST_SEED + folders):
        table = draw_table(np.random.default_rng(seed))
        with tempfile.TemporaryDirectory() as place:
            other = swap_withheld(table, np.random.default_rng(seed))
            moved += int((other["numerator"] != table["numerator"]).sum())
            told += write(plan, table, Path(place)) != write(plan, other, Path(place))
            if seed % CONTROL_EVERY == 0:
                public = plan.revise({"disclosure.own_tables": "public"})
                control += write(public, table, Path(place)) != write(public, other, Path(place))
    print(f"{folders} folders, {moved:,} withheld counts in another place: {told} folders differ;")
    print(f"of {-(-folders // CONTROL_EVERY)} folders of tables declared public {control} differ.")
    return int(told > 0 or control == 0)


def draw_table(rng: np.random.Generator) -> pd.DataFrame:
    """Draw a table of an outcome that DfE publishes: its councils and denominators, new counts."""
    table = load_published()
    table = table[table["indicator"].eq(INDICATOR) & table["year_ending"].le(LAST_YEAR)]
    table = table[table["denominator"].gt(0) & table["council_code"].str.match("E0[6-9]|E10")]
    share = np.clip(rng.normal(rng.uniform(0.02, 0.08), 0.02, len(table)), 0.005, 0.5)
    table = table.assign(numerator=rng.binomial(table["denominator"].astype(int), share) * 1.0)
    sums = table.groupby(["indicator", "year_ending"], as_index=False)[COUNTS].sum()
    england = {"council_code": "E92000001", "council_name": "England"}
    table = pd.concat([table, sums.assign(**england)], ignore_index=True)
    words = dict.fromkeys(("value_status", "numerator_status", "denominator_status"), "reported")
    return table.assign(value=100 * table["numerator"] / table["denominator"], **words).drop(
        columns=["numerator_low", "numerator_high", "published_value", "value_basis"]
    )


def swap_withheld(table: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Give the small counts of each year, all of which are withheld, to one another."""
    numerator = table["numerator"].copy()
    for _, rows in table[numerator.between(1, THRESHOLD)].groupby("year_ending"):
        numerator.loc[rows.index] = rng.permutation(rows["numerator"])
    return table.assign(numerator=numerator, value=100 * numerator / table["denominator"])


def write(plan: EvaluationPlan, table: pd.DataFrame, folder: Path) -> object:
    """Evaluate a table and hash what is written."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        file, out = Path(place) / "own.csv", Path(place) / "out"
        table.to_csv(file, index=False)
        out.mkdir()
        write_results(plan, file, out)
        return hash_outputs(out)


if __name__ == "__main__":
    sys.exit(main())
