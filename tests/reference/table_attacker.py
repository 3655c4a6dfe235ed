"""An attacker on published tables: independent of the package, given only what is printed.

Every inner count is a whole number; every printed figure is a sum of inner counts, known up to
its rounding. A symbol hides a primary cell (1 to the threshold) or a secondary one (more), and
the attacker is told which, unless `told` says that only inner cells are known so.
"""

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

FAR = 10_000
OUTSIDER, INSIDER = 3, 2


def attack(table, enough, insider=None):
    """Return {cell: feasible values found} for every hidden count the attacker could care about.

    The search for a cell ends with `enough` values; each is proved by a whole table that fits.
    An insider knows a row exactly, and is not asked about sums of it and of printed zeros.
    """
    lines, low, high = [], [], []
    for row, row_members in table["rows"].items():
        for column, column_members in table["columns"].items():
            members = np.outer(row_members, column_members).ravel().astype(float)
            least, most = _read(table, row, column)
            if insider is not None and sum(row_members) == row_members[insider]:
                least = most = members @ table["truth"].ravel()
            lines.append(members)
            low.append(least)
            high.append(most)
    for members, least, most in table.get("earlier", []):
        lines.append(members.ravel().astype(float))
        low.append(least)
        high.append(most)
    lines, low, high = np.array(lines), np.array(low), np.array(high)
    wanted = _list_wanted(table)
    if insider is not None:
        known = (lines[(low == high) & (high == 0)] > 0).any(axis=0).reshape(table["truth"].shape)
        known[insider] = True
        wanted = {cell: line for cell, line in wanted.items() if line[~known.ravel()].any()}
    return _find_values((lines, low, high), wanted, enough)


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


def _find_values(sums, wanted, enough):
    lines, low, high = sums
    seen = {cell: set() for cell in wanted}
    plain = LinearConstraint(lines, low, high)

    def look(aim, *more):
        answer = milp(
            aim,
            integrality=np.ones(lines.shape[1]),
            bounds=Bounds(0, FAR),
            constraints=[plain, *more],
        )
        assert answer.status == 0 or more, answer.message
        if answer.status:
            return
        inner = np.round(answer.x)
        assert (lines @ inner >= low).all()
        assert (lines @ inner <= high).all()
        for other, members in wanted.items():
            seen[other].add(int(members @ inner))

    for cell, members in wanted.items():
        for sign in (1, -1):
            if len(seen[cell]) < enough:
                look(sign * members)
        for value in range(min(seen[cell]) + 1, max(seen[cell])):
            if len(seen[cell]) < enough and value not in seen[cell]:
                look(members, LinearConstraint(members[None, :], value, value))
    return seen


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


def find_narrow(table, insider=None, enough=None):
    """List hidden counts with fewer feasible values than promised: three, two for an insider."""
    enough = enough or (OUTSIDER if insider is None else INSIDER)
    return [cell for cell, seen in attack(table, enough, insider).items() if len(seen) < enough]


def find_all_narrow(table):
    """List what is narrow for the reader outside, and for each reader who knows a row."""
    found = [(None, cell) for cell in find_narrow(table)]
    for insider in range(len(table["truth"])):
        found += [(insider, cell) for cell in find_narrow(table, insider)]
    return found


def withhold_all(table):
    """Print nothing but zeros: what is narrow even then was told by an earlier release."""
    published = table["published"].map(lambda figure: figure if figure in (0, "z") else "c")
    return {**table, "published": published, "told": "symbols only"}
