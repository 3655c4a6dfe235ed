"""Nobody can pin a withheld count: an independent attacker on random and on hand-made tables."""

import numpy as np
import pandas as pd
import pytest
from random_tables import KINDS, describe_for_attacker, draw_table
from table_attacker import attack, find_all_narrow, find_narrow, withhold_all

from pilot_eval.disclosure.protect.suppression import protect_table

TABLES_OF_A_KIND = 12  # 96 in all; benchmarks/bench_disclosure.py runs as many as asked


def protect_rows(values, threshold=5, **options):
    """Protect one row of counts with its total and describe it for the attacker."""
    counts = pd.DataFrame([values], index=["r0"], columns=[f"c{j}" for j in range(len(values))])
    options = {"threshold": threshold, "row_groups": {}, **options}
    protected = protect_table(counts, **options)
    return protected, describe_for_attacker(counts, options, protected)


@pytest.mark.parametrize("kind", KINDS)
def test_random_tables_leave_no_count_narrow(kind):
    rng = np.random.default_rng(KINDS.index(kind))
    for _ in range(TABLES_OF_A_KIND):
        counts, options = draw_table(rng, kind)
        protected = protect_table(counts, **options)
        assert "outside" not in protected.published.columns
        table = describe_for_attacker(counts, options, protected)
        narrow = find_all_narrow(table)
        if narrow and "earlier" in options:  # only what an earlier release told already
            narrow = set(narrow).difference(find_all_narrow(withhold_all(table)))
        assert not narrow


# Two cells of a total of 2 can only be 1 and 1; two of 10, each at most 5, only 5 and 5.
@pytest.mark.parametrize("values", [(1, 1), (5, 5), (1, 6), (5, 6), (1, 1, 0), (5, 5, 0, 40)])
def test_pairs_that_their_total_would_pin(values):
    _, table = protect_rows(values)
    assert find_all_narrow(table) == []


@pytest.mark.parametrize(("values", "total"), [((1, 1), 2), ((5, 5), 10)])
def test_attacker_finds_what_naive_suppression_gives_away(values, total):
    # Suppressing the two small cells and printing their total: the mistake to be caught.
    counts = pd.DataFrame([values], index=["r0"], columns=["c0", "c1"])
    options = {"threshold": 5, "row_groups": {}}
    protected = protect_table(counts, **options)
    table = describe_for_attacker(counts, options, protected)
    table["published"] = pd.DataFrame(
        [["c", "c", total]], index=["r0"], columns=["c0", "c1", "Total"]
    )
    table["status"] = pd.DataFrame(
        [["primary", "primary", "shown"]], index=["r0"], columns=["c0", "c1", "Total"]
    )
    assert find_narrow(table) == [("r0", "c0"), ("r0", "c1")]


def test_attacker_agrees_with_enumeration():
    # 2 x 2, all inner cells withheld, margins 7, 9 and 6, 10: x11 = x is the only unknown,
    # x12 = 7 - x, x21 = 6 - x, x22 = 3 + x. With 3 primary in x11 (1-5) and the others more
    # than 5 only if secondary: x12 = 4 and x21 = 3 are primary, x22 = 6 secondary (6 or more).
    # So x >= 3 from x22, x <= 5 from x11, x21 >= 1: x in 3..5.
    counts = pd.DataFrame([[3, 4], [3, 6]], index=["r0", "r1"], columns=["c0", "c1"])
    options = {"threshold": 5, "row_groups": {"England": ["r0", "r1"]}}
    protected = protect_table(counts, **options)
    table = describe_for_attacker(counts, options, protected)
    margins = protected.published.index, protected.published.columns
    table["published"] = pd.DataFrame(
        [["c", "c", 7], ["c", "c", 9], [6, 10, 16]], index=margins[0], columns=margins[1]
    )
    table["status"] = pd.DataFrame("shown", index=margins[0], columns=margins[1])
    table["status"].iloc[:2, :2] = [["primary", "primary"], ["primary", "secondary"]]
    assert attack(table, enough=9) == {
        ("r0", "c0"): {3, 4, 5},
        ("r0", "c1"): {2, 3, 4},
        ("r1", "c0"): {1, 2, 3},
        ("r1", "c1"): {6, 7, 8},
    }
    # Whoever works in r0 knows its 3, and with the margins everything.
    assert find_narrow(table, insider=0) == [("r1", "c0"), ("r1", "c1")]


def test_five_ones_in_five_cells_are_kept_by_silence_on_which_cells_are_primary():
    # Whoever knew that the total is primary would know that it is 5 and every cell 1.
    protected, table = protect_rows((1, 1, 1, 1, 1))
    assert protected.published.eq("c").all(axis=None)
    assert protected.knowledge == "inner primary cells"
    assert find_all_narrow(table) == []
