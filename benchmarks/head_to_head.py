"""Compare public tools with ours on five treated councils, and write docs/head-to-head.md.

Run: ``python benchmarks/head_to_head.py [--python TOOL=PYTHON ...]``. Tools that need another
environment are named with its interpreter; a tool that is not installed is named on the page.
``--page`` writes the page again from the committed table and measures nothing.
"""

from __future__ import annotations

import argparse
import io
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
from head_to_head_tools import ALPHA, DRAWS, MANY, NORMAL, TOOLS
from scipy.special import ndtr

from pilot_eval.evaluation.calibration import Rate
from pilot_eval.lab.real_placebos import (
    EFFECT,
    RealOutcome,
    choose_sets,
    collapse_untreated,
    count_types,
)
from pilot_eval.plan import load_plan
from pilot_eval.published.council_indicators import load_published
from pilot_eval.published.panel import build_panel

HERE = Path(__file__).resolve().parent
TABLE = HERE / "head_to_head.csv"
PAGE = HERE.parent / "docs" / "head-to-head.md"
OUTCOMES = ("ca_within_35wd_pct", "repeat_plan_pct", "cin_rate")
SEED = 20110401
KEYS = ["tool", "version", "option"]
NOTES = """\
## Notes on calls

- The default of pyfixest and linearmodels, and OLS with dummies, are one method (errors alike and
  independent in every row), as are the clustered rows; they differ by their small-sample factor.
  diff-diff's `LWDiD` with classical errors and lwdid's default are one method, and so are its
  `hc2_bm` with clusters and our CR2. HC3 of changes is nearly CRV3.
- pyfixest's `ritest` tosses a coin for each council instead of drawing as many as were treated, so
  its draws have half of the councils treated: with five treated it is not a test at its level.
  lwdid is called with `ri_method="permutation"`, which keeps the number.
- Group-time estimators compare with the last year before the start alone, the others with the mean
  of the years before.
- Ours takes the size of councils too (robust, adjusted, sharp) and the level before (adjusted),
  which no other row uses.

## Left out

- wildboottest by itself: pyfixest's wild bootstrap calls it.
- pyfixest's `ritest` with `randomization-t`, and its CRV3 and wild bootstrap on the whole panel:
  seconds for each call. On changes they are the same methods with one row for each council.
- CausalPy installs and runs, in seconds for each call: each answer is a set of Markov chains, and
  its credible interval makes no claim about false alarms.
- diff-diff's `DurationDiD` needs durations of single cases; a table of councils has none.
- R's packages: fixest and did are not in Debian. clubSandwich is: its CR2 is the number of the
  row CR2 ([reference values](reference-values.md)).
"""


def build_world(outcome: str) -> tuple[RealOutcome, dict[str, np.ndarray]]:
    """Figures of the comparators of one outcome, with sets of them as if treated."""
    plan = load_plan()
    panel = build_panel(load_published(), plan)
    window = plan.windows[plan.outcomes[outcome].window]
    data = collapse_untreated(plan, panel, outcome, window)
    periods = [*window.pre, *window.post]
    rows = panel[panel["outcome"] == outcome]
    figures = rows.pivot(index="council_code", columns="period", values="value")
    sets = choose_sets(data, count_types(plan), MANY, SEED)["random"]
    return data, {
        "y": figures.loc[list(data.codes), periods].to_numpy(float),
        "periods": np.array(periods),
        "start": np.array(window.post[0]),
        "cases": data.cases,
        "sets": sets,
        "effect": np.array(EFFECT * data.changes.std() / np.sqrt(sets.shape[1])),
    }


def call_tool(python: str, name: str, path: Path) -> pd.DataFrame | None:
    """Call every option of a tool in its own process; None where it is not installed."""
    command = [python, str(HERE / "head_to_head_tools.py"), str(path), name]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        print(f"{name}: not measured: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return None
    return pd.read_csv(io.StringIO(done.stdout), dtype={"version": str})


def summarise(calls: pd.DataFrame, data: RealOutcome, members: int) -> pd.DataFrame:
    """Count rejections of each option; lengths are shares of a known variance's interval."""
    n = len(data.codes)
    ideal = 2 * NORMAL * data.changes.std(ddof=1) * np.sqrt(1 / members + 1 / (n - members))
    calls = calls.assign(length=calls["length"].replace(np.inf, np.nan) / ideal)
    return (
        calls.groupby(KEYS, sort=False)
        .agg(
            sets=("found", "size"),
            false_alarms=("false_alarm", "sum"),
            found=("found", "sum"),
            length=("length", lambda own: round(own.mean(), 4)),
            seconds=("seconds", lambda own: float(f"{own.median():.2g}")),
        )
        .reset_index()
        .assign(outcome=data.outcome, councils=n)
    )


def measure(pythons: dict[str, str]) -> pd.DataFrame:
    """Measure every tool on every outcome, each outcome in a thread of its own."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(len(OUTCOMES)) as pool:
        found = list(
            pool.map(lambda outcome: measure_outcome(outcome, pythons, Path(folder)), OUTCOMES)
        )
    return pd.concat(found, ignore_index=True)


def measure_outcome(outcome: str, pythons: dict[str, str], folder: Path) -> pd.DataFrame:
    """Measure every tool on one outcome."""
    data, world = build_world(outcome)
    path = folder / f"{outcome}.npz"
    np.savez(path, **world)
    found = []
    for name in TOOLS:
        print(outcome, name, flush=True)
        calls = call_tool(pythons.get(name, sys.executable), name, path)
        if calls is not None:
            found.append(summarise(calls, data, world["sets"].shape[1]))
    return pd.concat(found, ignore_index=True)


def pool_outcomes(table: pd.DataFrame) -> pd.DataFrame:
    """Add up counts over outcomes, with the Monte Carlo interval of the false alarms."""
    grouped = table.groupby(KEYS, sort=False)
    counts = grouped[["sets", "false_alarms", "found"]].sum()
    rates = [
        Rate(rejections=row.false_alarms, sets=row.sets) for row in counts.itertuples(index=False)
    ]
    worst = (table["false_alarms"] / table["sets"]).groupby([table[key] for key in KEYS]).max()
    return counts.assign(
        rate=[rate.share for rate in rates],
        low=[rate.low for rate in rates],
        high=[rate.high for rate in rates],
        worst=worst,
        power=counts["found"] / counts["sets"],
        length=grouped["length"].mean(),
        seconds=grouped["seconds"].median(),
    ).reset_index()


def write_page(table: pd.DataFrame) -> str:
    """Write the page from the table of counts."""
    pooled = pool_outcomes(table)
    blocks = [_introduce(table), _tabulate(pooled), _read(pooled), _by_outcome(table)]
    missing = [name for name in TOOLS if name not in set(table["tool"])]
    notes = NOTES + "".join(
        f"- {name}: was not installed where this was measured.\n" for name in missing
    )
    return "\n\n".join([*blocks, notes])


def _introduce(table: pd.DataFrame) -> str:
    councils = f"{table['councils'].min()} to {table['councils'].max()}"
    return f"""\
# Head to head: public tools on five treated councils

Written by `python benchmarks/head_to_head.py` from `benchmarks/head_to_head.csv`. For the outcomes
{", ".join(OUTCOMES)}, sets of five councils that tried nothing stand in the pilots' place, every
set with equal chance, among the {councils} comparators with published figures in each year of the
window. Every tool is given the same long table and called as its documentation says, by default
and with the options it offers for few treated councils.

- *False alarms*: how often p is at most {ALPHA:.0%} where nothing was tried, with the 95% Monte
  Carlo interval; **bold** where that lies above {ALPHA:.0%}. *Worst* is the outcome with most.
- *Found*: how often p is at most {ALPHA:.0%} with an effect of {EFFECT} standard errors of a
  difference in means (a test that knew the variance would find {ndtr(EFFECT - NORMAL):.0%}). A
  test with too many false alarms also finds more: the two columns are read together.
- *Length*: mean length of the 95% interval, as a share of what it would be if the variance of
  changes were known and equal. – where a tool gives no interval that belongs to its p-value.
- *Seconds*: median of a call, without imports and compilation, on a busy machine; comparable only
  with each other.

Randomised and bootstrap tests use {DRAWS} draws. Slow calls are tried on fewer sets; their
intervals are wider, and little is certain about them. The sets overlap, and there is one England:
this says how tools do on these councils in these years."""


def _tabulate(pooled: pd.DataFrame) -> str:
    head = "tool | called as | sets | false alarms, % | worst, %"
    lines = [f"| {head} | found, % | length | seconds |"]
    lines.append("|---|---|---:|---:|---:|---:|---:|---:|")
    for row in pooled.itertuples():
        rate = f"{100 * row.rate:.1f} ({100 * row.low:.1f}-{100 * row.high:.1f})"
        rate = f"**{rate}**" if row.low > ALPHA else rate
        length = "–" if np.isnan(row.length) else f"{row.length:.2f}"
        lines.append(
            f"| {row.tool} {row.version} | {row.option} | {row.sets} | {rate} | "
            f"{100 * row.worst:.0f} | {100 * row.power:.0f} | {length} | "
            f"{row.seconds:.2g} |"
        )
    return "\n".join(lines)


def _read(pooled: pd.DataFrame) -> str:
    """Say in words which keep the level, and which of those find most."""
    fits = pooled[pooled["low"] <= ALPHA].sort_values("power", ascending=False)
    errs = pooled[pooled["low"] > ALPHA].sort_values("rate", ascending=False)
    listed = [f"{row.tool}: {row.option} ({row.power:.0%})" for row in fits.itertuples()]
    wrong = [f"{row.tool}: {row.option} ({row.rate:.0%})" for row in errs.itertuples()]
    lines = [
        "## Reading it",
        "Rows whose Monte Carlo intervals overlap cannot be distinguished; where another tool's "
        "row is as honest as ours and finds as much, it is as good on these figures.",
        f"Certain to have more than {ALPHA:.0%} false alarms, most first: "
        f"{'; '.join(wrong) or 'none'}.",
        "Not certain to, with what they find, most first; with few sets little is certain: "
        f"{'; '.join(listed)}.",
    ]
    return "\n\n".join(lines)


def _by_outcome(table: pd.DataFrame) -> str:
    shares = table.assign(share=100 * table["false_alarms"] / table["sets"])
    wide = shares.pivot_table(index=["tool", "option"], columns="outcome", values="share")
    order = shares[["tool", "option"]].drop_duplicates()
    lines = [
        "## False alarms by outcome, %",
        "",
        f"| tool | called as | {' | '.join(OUTCOMES)} |",
        "|---|---|" + "---:|" * len(OUTCOMES),
    ]
    for tool, option in order.itertuples(index=False):
        cells = " | ".join(f"{wide.loc[(tool, option), outcome]:.0f}" for outcome in OUTCOMES)
        lines.append(f"| {tool} | {option} | {cells} |")
    return "\n".join(lines)


def read_table() -> pd.DataFrame:
    """Read the committed counts."""
    return pd.read_csv(TABLE, dtype={"version": str})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", nargs="*", default=[], metavar="TOOL=PYTHON")
    parser.add_argument("--page", action="store_true", help="write the page, measure nothing")
    options = parser.parse_args()
    if not options.page:
        pythons = dict(item.split("=", 1) for item in options.python)
        measure(pythons).to_csv(TABLE, index=False, lineterminator="\n")
    PAGE.write_text(write_page(read_table()), encoding="utf-8")
    print(f"wrote {PAGE.relative_to(HERE.parent)}")


if __name__ == "__main__":
    main()
