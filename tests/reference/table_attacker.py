"""An attacker on published tables: independent of the package, given only what is printed.

Every inner count is a whole number; every printed figure is a sum of inner counts, known up to
its rounding. A symbol hides a primary cell (1 to the threshold) or a secondary one (more), and
the attacker is told which, unless `told` says that only inner cells are known so.
"""

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

FAR = 10_000


def attack(table):
    """Return {cell: (lowest, highest)} for every hidden count the attacker could care about.

    Values are proved different as soon as two consistent tables differ in the cell; only then is
    the search for that cell cut short.
    """
    lines, low, high = [], [], []
    for row, row_members in table["rows"].items():
        for column, column_members in table["columns"].items():
            least, most = _read(table, row, column)
            lines.append(np.outer(row_members, column_members).ravel().astype(float))
            low.append(least)
            high.append(most)
    for members, least, most in table.get("earlier", []):
        lines.append(members.ravel().astype(float))
        low.append(least)
        high.append(most)
    return _find_ranges(np.array(lines), np.array(low), np.array(high), table)


def _read(table, row, column):
    threshold, base = table["threshold"], table["base"].get(row, 1)
    if row in table["hidden_rows"] or column in table["hidden_columns"]:
        return 0, FAR
    figure, status = table["published"].loc[row, column], table["status"].loc[row, column]
    inner = sum(table["rows"][row]) == 1 and sum(table["columns"][column]) == 1
    if figure == "c":
        if table["told"] == "symbols only" or (table["told"] != "every primary cell" and not inner):
            return 1, FAR
        return (1, threshold) if status == "primary" else (threshold + 1, FAR)
    if figure == "low":
        return 1, (base - 1) // 2
    fits = [
        n for n in range(figure - base, figure + base + 1) if n >= 0 and _rounds(n, base, figure)
    ]
    return min(fits), max(fits)


def _rounds(n, base, figure):
    if figure == 0:
        return n == 0
    return figure <= n + base / 2 < figure + base


def _find_ranges(lines, low, high, table):
    wanted = _list_wanted(table)
    seen = {cell: set() for cell in wanted}
    constraint = LinearConstraint(lines, low, high)
    for cell, members in wanted.items():
        for sign in (1, -1):
            if len(seen[cell]) > 1:
                continue
            answer = milp(
                sign * members,
                integrality=np.ones(lines.shape[1]),
                bounds=Bounds(0, FAR),
                constraints=[constraint],
            )
            assert answer.status == 0, answer.message
            inner = np.round(answer.x)
            assert (lines @ inner >= low).all()
            assert (lines @ inner <= high).all()
            for other, other_members in wanted.items():
                seen[other].add(int(other_members @ inner))
    return {cell: (min(values), max(values)) for cell, values in seen.items()}


def _list_wanted(table):
    """Withheld cells, and small counts nobody printed."""
    wanted = {}
    for row, row_members in table["rows"].items():
        for column, column_members in table["columns"].items():
            members = np.outer(row_members, column_members).ravel().astype(float)
            unprinted = row in table["hidden_rows"] or column in table["hidden_columns"]
            if unprinted:
                small = 1 <= members @ table["truth"].ravel() <= table["threshold"]
            else:
                small = table["published"].loc[row, column] == "c"
            if small:
                wanted[row, column] = members
    return wanted


def find_pinned(table):
    """List the hidden counts the attacker knows for certain."""
    return [cell for cell, (low, high) in attack(table).items() if low == high]
