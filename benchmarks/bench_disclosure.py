"""Attack protected random tables of eight kinds, and those of a rule used by hand as a control.

    python benchmarks/bench_disclosure.py [--tables 160] [--jobs 2] [--out FILE.json]

Prints a section of docs/performance.md; the record kept in
docs/assurance/disclosure_benchmark.json is what ``--out`` writes.

Every table is protected and attacked by the tests' independent integer program: for a reader of
what is printed every hidden count must have three feasible values, for readers who know one row
two. Flat tables and tables in regions are also protected as by hand (in every line with a single
withheld cell, withhold the smallest other one): an attacker who finds nothing there is none.
"""

import json
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import reduce
from pathlib import Path

import numpy as np
from criteria import judge, print_criteria, read_options

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "reference"))

from random_tables import KINDS, describe_for_attacker, draw_table
from table_attacker import find_all_narrow, withhold_all

from pilot_eval.disclosure.protect.suppression import protect_table

GREEDY_KINDS = ("flat", "regions")
GREEDY_EVERY = 4
SEEDS = (20110201, 20110202, 20110203, 20110204)


def find_lines(table):
    """List the printed sums: each a list of cells (row, column), its total last."""
    rows, columns, groups = table["rows"], list(table["columns"]), table["groups"]
    lines = [[(row, column) for column in columns] for row in rows]
    for group in groups:
        inside = [row for row in rows if row not in groups and _within(rows[row], rows[group])]
        lines += [[(row, column) for row in [*inside, group]] for column in columns]
    return lines


def _within(inner, outer):
    return all(o >= i for i, o in zip(inner, outer, strict=True))


def suppress_greedily(table, exact, start):
    """Withhold the smallest other cell of every line with a single withheld one."""
    withheld = set(start)
    lines = find_lines(table)
    changed = True
    while changed:
        changed = False
        for line in lines:
            hidden = [cell for cell in line if cell in withheld]
            if len(hidden) == 1:
                changed |= _withhold_smallest(line, withheld, exact)
    return withheld


def _withhold_smallest(line, withheld, exact):
    free = [cell for cell in line if cell not in withheld and exact[cell] > 0]
    if not free:
        return False
    withheld.add(min(free, key=lambda cell: exact[cell]))
    return True


def print_greedy(table, exact, withheld, primary):
    """Write greedy suppression as the attacker sees it."""
    published, status = table["published"].copy(), table["status"].copy()
    for row in published.index:
        for column in published.columns:
            hidden = (row, column) in withheld
            published.loc[row, column] = "c" if hidden else int(exact[row, column])
            kind = "primary" if (row, column) in primary else "secondary"
            status.loc[row, column] = kind if hidden else "shown"
    return {**table, "published": published, "status": status}


def compare_greedy(counts, options, table):
    """Return what the rule used by hand withholds beyond primary cells, and whether it leaks."""
    exact = {
        (row, column): np.outer(members, table["columns"][column]).ravel()
        @ counts.to_numpy().ravel()
        for row, members in table["rows"].items()
        for column in table["columns"]
    }
    primary = {cell for cell, n in exact.items() if 1 <= n <= options["threshold"]}
    withheld = suppress_greedily(table, exact, primary)
    leaks = bool(find_all_narrow(print_greedy(table, exact, withheld, primary)))
    return len(withheld - primary), leaks


def attack(table, options):
    """Return (tables with narrow counts, tables whose earlier release told a count already)."""
    narrow = set(find_all_narrow(table))
    told = set(find_all_narrow(withhold_all(table))) if narrow and "earlier" in options else set()
    return bool(narrow - told), bool(narrow & told)


def run(n_tables, seed):
    rng = np.random.default_rng(seed)
    record = {
        kind: {"tables": 0, "narrow": 0, "told_earlier": 0, "cells": 0, "primary": 0}
        | {"secondary": 0, "optimal": 0, "silence_needed": 0, "seconds": 0.0}
        for kind in KINDS
    }
    greedy = {"tables": 0, "package_cells": 0, "rule_cells": 0, "rule_leaks": 0}
    for number in range(n_tables):
        kind = KINDS[number % len(KINDS)]
        counts, options = draw_table(rng, kind)
        started = time.process_time()
        protected = protect_table(counts, **options)
        own = record[kind]
        own["seconds"] += time.process_time() - started
        table = describe_for_attacker(counts, options, protected)
        narrow, told = attack(table, options)
        own["tables"] += 1
        own["narrow"] += narrow
        own["told_earlier"] += told
        own["cells"] += protected.status.size
        own["primary"] += protected.n_primary
        own["secondary"] += protected.n_secondary
        own["optimal"] += protected.optimal
        own["silence_needed"] += protected.knowledge != "every primary cell"
        if kind in GREEDY_KINDS and (number // len(KINDS)) % GREEDY_EVERY == 0:
            withheld, leaks = compare_greedy(
                counts, options, {**table, "groups": list(options["row_groups"])}
            )
            greedy["tables"] += 1
            greedy["package_cells"] += protected.n_secondary
            greedy["rule_cells"] += withheld
            greedy["rule_leaks"] += leaks
    return {"kinds": record, "greedy": greedy}


def add(first, second):
    """Add two records, number by number."""
    if isinstance(first, dict):
        return {key: add(first[key], second[key]) for key in first}
    return first + second


def print_section(record, n_tables):
    print("## Disclosure control\n")
    print(f"{n_tables:,} random tables up to 8 x 6, each protected, then attacked by an integer")
    print("program that shares no code with the package: three feasible values of every hidden")
    print(
        "count for a reader outside, two for one who knows a row. Seconds are those of protecting."
    )
    print("\n| tables | number | seconds a table | cells | primary | further (share) |", end="")
    print(" proved least | needing silence | told earlier | narrow |\n|---|" + "---:|" * 9)
    for kind, found in record["kinds"].items():
        n = max(found["tables"], 1)
        cells = f"{found['tables']:,} | {found['seconds'] / n:.2f} | {found['cells']:,}"
        further = f"{found['secondary']:,} ({found['secondary'] / max(found['cells'], 1):.1%})"
        rest = f"{found['optimal'] / n:.1%} | {found['silence_needed']} | {found['told_earlier']}"
        print(
            f"| {kind} | {cells} | {found['primary']:,} | {further} | {rest} | {found['narrow']} |"
        )
    greedy = record["greedy"]
    print(
        f"\nOn {greedy['tables']} of the flat and regional tables the rule used by hand withholds"
    )
    print(f"{greedy['rule_cells']:,} further cells and {greedy['rule_leaks']} tables leak; the")
    print(f"package withholds {greedy['package_cells']:,}.")
    narrow = sum(found["narrow"] for found in record["kinds"].values())
    print_criteria(
        [
            judge("tables with a hidden count of too few values", narrow, most=0, unit=""),
            judge("tables that leak by the rule of hand", greedy["rule_leaks"], least=1, unit=""),
        ]
    )


def main():
    options = read_options(__doc__, "--tables", "--jobs", "--out")
    n_tables = int(options.tables or (32 if options.small else 160))
    with ProcessPoolExecutor(int(options.jobs or 2)) as pool:
        record = reduce(add, pool.map(run, [n_tables // len(SEEDS)] * len(SEEDS), SEEDS))
    print_section(record, n_tables)
    if options.out:
        text = json.dumps({"seeds": SEEDS, **record}, indent=2)
        Path(options.out).write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
