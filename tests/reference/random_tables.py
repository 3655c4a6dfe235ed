"""Random tables of counts: flat, in regions, with overlapping groups, with an earlier release."""

import numpy as np
import pandas as pd

KINDS = (
    *("flat", "regions", "rounded", "differencing", "release"),
    *("rest", "rounded release", "shares"),
)


def draw_table(rng, kind):
    """Return arguments of `protect_table` for a table of up to 8 x 6.

    rest: regions that leave councils out, so that England less all of them is a figure; rounded
    release: an earlier one with totals rounded to 10; shares: numerators and denominators.
    """
    if kind == "shares":
        return draw_shares(rng)
    n, m = int(rng.integers(2, 9)), int(rng.integers(2, 7))
    mean = float(rng.choice([1.0, 4.0, 12.0, 40.0]))
    values = rng.negative_binomial(0.8, 0.8 / (0.8 + mean), size=(n, m))
    rows = [f"r{i}" for i in range(n)]
    counts = pd.DataFrame(values, index=rows, columns=[f"c{j}" for j in range(m)])
    threshold = int(rng.choice([5, 5, 5, 7, 10]))
    options = {"threshold": threshold, "row_groups": {"England": rows}}
    cut = int(rng.integers(1, n))
    if kind in ("regions", "rounded"):
        options["row_groups"] = {"North": rows[:cut], "South": rows[cut:], "England": rows}
    if kind == "rounded":
        options["rounding"] = {"North": 10, "South": 10, "England": 10}
    if kind == "differencing":
        left_out = rows[int(rng.integers(n))]
        named = [row for row in rows if row != left_out]
        options["row_groups"] = {"named": named, "England": rows}
        options["hidden_rows"] = [left_out]
    if kind == "release":
        options["row_groups"] = {"first": rows[:cut], "England": rows}
        options["hidden_rows"] = ["first"]
        told = values[:cut].sum(axis=0)
        shown = [int(v) if v == 0 or v > threshold else np.nan for v in told]
        options["earlier"] = pd.DataFrame([shown], index=["first"], columns=counts.columns)
    if kind == "rounded release":
        told = np.floor(values.sum(axis=0) / 10 + 0.5) * 10
        shown = [np.nan if total < 5 else int(total) for total in told]
        options["earlier"] = pd.DataFrame([shown], index=["England"], columns=counts.columns)
        options["earlier_rounding"] = {"England": 10}
    if kind == "rest":
        ends = sorted(rng.choice(n + 1, size=2))
        regions = {"North": rows[: ends[0]], "South": rows[ends[0] : ends[1]]}
        options["row_groups"] = {k: v for k, v in regions.items() if len(v) > 1}
        options["row_groups"] |= {"England": rows}
        options["hidden_rows"] = rows[ends[1] :]
    return counts, options


def draw_shares(rng):
    """Return numerators and what is outside them: printed are numerators and denominators."""
    n = int(rng.integers(2, 9))
    denominator = rng.negative_binomial(1.5, 1.5 / (1.5 + 40), size=n)
    numerator = rng.binomial(denominator, rng.choice([0.05, 0.5, 0.95]))
    rows = [f"r{i}" for i in range(n)]
    outside = denominator - numerator
    counts = pd.DataFrame({"numerator": numerator, "outside": outside}, index=rows)
    return counts, {
        "threshold": 5,
        "row_groups": {"England": rows},
        "column_groups": {"denominator": ["numerator", "outside"]},
        "hidden_columns": ["outside"],
    }


def describe_for_attacker(counts, options, protected):
    """Write a protected table as the attacker sees it."""
    rows = {row: [int(row == r) for r in counts.index] for row in counts.index}
    columns = {c: [int(c == d) for d in counts.columns] for c in counts.columns}
    hidden_rows, inside = list(options.get("hidden_rows", [])), list(rows)
    for name, group in options["row_groups"].items():
        rows[name] = [int(r in group) for r in counts.index]
    for name, group in options.get("column_groups", {"Total": counts.columns}).items():
        columns[name] = [int(c in group) for c in counts.columns]
    regions = [v for k, v in options["row_groups"].items() if k != "England" and len(v) > 1]
    printed = {row for region in regions for row in region}
    if hidden_rows and printed and len(printed) < len(inside) - 1:
        rows["England less all regions"] = [int(row not in printed) for row in inside]
        hidden_rows.append("England less all regions")
    return {
        "rows": rows,
        "columns": columns,
        "published": protected.published,
        "status": protected.status,
        "threshold": options["threshold"],
        "base": options.get("rounding", {}),
        "hidden_rows": hidden_rows,
        "hidden_columns": options.get("hidden_columns", []),
        "truth": counts.to_numpy(),
        "told": protected.knowledge,
        "earlier": list(_tell_earlier(counts, options, rows, columns)),
    }


def _tell_earlier(counts, options, rows, columns):
    if "earlier" not in options:
        return
    for row, figures in options["earlier"].iterrows():
        for column, figure in figures.items():
            if not np.isnan(figure):
                base = options.get("earlier_rounding", {}).get(row, 1)
                below = (base // 2, (base - 1) // 2)
                yield np.outer(rows[row], columns[column]), figure - below[0], figure + below[1]
