"""An attacker on council tables: an integer program over every figure that a reader can have.

It shares no code with the package. A reader has the printed figures (to any number of digits),
every denominator, England's totals, the duration bands' sums, and one council's own row.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

BANDS = ("icpc_band_0_10", "icpc_band_11_15", "icpc_band_16_20", "icpc_band_21_plus")
IN_TIME = "icpc_within_15wd_pct"
ENOUGH = 3


def draw_counts(rng, councils=9, large=4):
    """Draw counts, council x indicator, and denominators: `large` councils have no small ones."""
    names = [f"E0900000{i}" for i in range(1, councils + 1)]
    counts, totals = {}, {}
    for number, name in enumerate(names):
        means = [60, 90] if number >= councils - large else [2, 8, 30, 60]
        bands = rng.poisson(rng.choice(means, size=len(BANDS)))
        total = int(bands.sum())
        counts |= {(name, key): int(n) for key, n in zip(BANDS, bands, strict=True)}
        counts[name, IN_TIME] = int(bands[:2].sum())
        counts[name, "repeat_plan_pct"] = int(rng.poisson(rng.choice(means)))
        totals |= dict.fromkeys([(name, key) for key in (*BANDS, IN_TIME)], total)
        totals[name, "repeat_plan_pct"] = 60 + counts[name, "repeat_plan_pct"]
    return names, counts, totals


def find_pinned(names, counts, totals, hidden, insider=None):
    """List hidden counts with fewer feasible values than promised: three, or two for an insider.

    Parameters
    ----------
    names : list of str
    counts, totals : dict
        (council, indicator) -> count and denominator; totals of England are sums of counts.
    hidden : set
        Keys that are not printed.
    insider : str, optional
        Council whose row the reader knows.
    """
    blank = {name for name in names if all((name, key) in hidden for key in BANDS)}
    unknown = sorted(
        key for key in hidden if key[0] != insider and (counts[key] or key[0] in blank)
    )
    place = {key: i for i, key in enumerate(unknown)}
    rows, right = [], []

    def add(parts, total):
        row = np.zeros(len(unknown))
        for key, sign in parts:
            if key in place:
                row[place[key]] += sign
            else:
                total -= sign * counts[key]
        if row.any():
            rows.append(row)
            right.append(total)

    for name in names:
        add([((name, key), 1) for key in BANDS], totals[name, IN_TIME])
        add([((name, BANDS[0]), 1), ((name, BANDS[1]), 1), ((name, IN_TIME), -1)], 0)
    for key in (*BANDS, IN_TIME, "repeat_plan_pct"):
        add([((name, key), 1) for name in names], sum(counts[name, key] for name in names))
    high = np.array([totals[key] for key in unknown], float)
    low = np.array([key[0] not in blank for key in unknown], float)
    sums = LinearConstraint(np.array(rows), right, right) if rows else ()
    enough = ENOUGH if insider is None else ENOUGH - 1
    return [key for key in unknown if _count_values(place[key], (low, high), sums, enough) < enough]


def _count_values(cell, bounds, sums, enough):
    """Count feasible values of one cell, up to `enough`."""
    low, high = bounds
    aim = np.zeros(len(high))
    aim[cell] = 1

    def solve(cost, low, high):
        whole = np.ones(len(high))
        return milp(cost, constraints=sums, integrality=whole, bounds=Bounds(low, high))

    least, most = (round(solve(sign * aim, low, high).x[cell]) for sign in (1, -1))
    found = {least, most}
    for value in range(least + 1, most):
        if len(found) >= enough:
            break
        if solve(aim, np.where(aim, value, low), np.where(aim, value, high)).success:
            found.add(value)
    return len(found)
