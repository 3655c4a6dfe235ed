"""Section of the validity page: real councils in the pilots' place, chosen as pilots may be."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from pilot_eval.lab.real_placebos import (
    DRAWS,
    EFFECT,
    Method,
    adjusted,
    measure_rates,
    unadjusted,
)
from pilot_eval.lab.validity_section import Section
from pilot_eval.plan import EvaluationPlan, load_plan
from pilot_eval.plan_settings import Window
from pilot_eval.published.council_indicators import load_published
from pilot_eval.published.panel import build_panel

SETS = 2_000
SHARE_FOR_CHOOSING = 0.2
"""Share of the sets used where forms are compared, on windows other than the trial's."""
MEAN_PROMISED, WORST_PROMISED = 0.07, 0.12
POWER_PROMISED = 0.95
POWER = "random, with an effect"
LATER = "a later year's level"
"""Nobody could have chosen on it: it holds part of what happened after the start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One window and the methods and sets that are measured on it.

    Attributes
    ----------
    label : str
        As a reader meets it.
    window : Window or None
        None for the plan's own window of each outcome.
    other_years : tuple of int
        Years outside the window that sets are chosen on.
    reported : bool
        The trial's years, on which the chosen form is reported; or years on which it was chosen.
    kinds : tuple of str, or None
        Kinds of sets; all if None.
    """

    label: str
    window: Window | None
    other_years: tuple[int, ...] = ()
    reported: bool = False
    kinds: tuple[str, ...] | None = None


PARTS = (
    Part(label="the plan's windows", window=None, other_years=(2014,), reported=True),
    Part(
        label="2011 to 2012-13",
        window=Window(pre=(2011,), post=(2012, 2013)),
        other_years=(2010,),
        reported=True,
        kinds=("top 2010", "bottom 2010"),
    ),
    Part(
        label="2011-12 to 2013-14",
        window=Window(pre=(2011, 2012), post=(2013, 2014)),
        other_years=(2010,),
    ),
    Part(
        label="2012 to 2013-14", window=Window(pre=(2012,), post=(2013, 2014)), other_years=(2011,)
    ),
    Part(label="2011 to 2012", window=Window(pre=(2011,), post=(2012,)), other_years=(2010,)),
)


def list_methods(plan: EvaluationPlan, part: Part) -> dict[str, Method]:
    """List the methods measured on a part: the reported ones, or the forms compared."""
    if part.reported:
        return {
            "unadjusted": unadjusted(),
            "stratified by type": unadjusted("types"),
            "stratified by region": unadjusted("regions"),
            "adjusted": adjusted(plan.adjustment.covariates),
        }
    return {
        "unadjusted": unadjusted(),
        "level": adjusted(()),
        "level, not within quarters": adjusted((), bands=False),
        "level, type": adjusted(("council_type",)),
        "level, type, size": adjusted(("council_type", "log_size")),
    }


def run_chosen(
    sets: int,
    seed: int,
    executor: Executor | None = None,
    *,
    parts: tuple[Part, ...] = PARTS,
    outcomes: tuple[str, ...] | None = None,
) -> pd.DataFrame:
    """Measure rejections of real councils for every part, outcome, kind of sets and method.

    Parameters
    ----------
    sets : int
        Sets for each cell of the reported parts.
    seed : int
    executor : concurrent.futures.Executor, optional
    parts : tuple of Part
    outcomes : tuple of str, optional

    Returns
    -------
    pandas.DataFrame
        Columns of `measure_rates`, with `window` (label) and `reported`.
    """
    plan = load_plan()
    panel = build_panel(load_published(), plan)
    jobs = [(part, outcome) for part in parts for outcome in (outcomes or tuple(plan.outcomes))]
    measure = partial(_measure, plan, panel, sets, seed)
    found = map(measure, jobs) if executor is None else executor.map(measure, jobs)
    return pd.concat(found, ignore_index=True)


def _measure(
    plan: EvaluationPlan, panel: pd.DataFrame, sets: int, seed: int, job: tuple[Part, str]
) -> pd.DataFrame:
    part, outcome = job
    table = measure_rates(
        plan,
        panel,
        list_methods(plan, part),
        window=part.window,
        other_years=part.other_years,
        kinds=part.kinds,
        outcomes=(outcome,),
        sets=sets if part.reported else max(1, int(SHARE_FOR_CHOOSING * sets)),
        seed=seed,
    )
    return table.assign(window=part.label, reported=part.reported)


def describe_chosen(table: pd.DataFrame) -> str:
    """Write the section from the stored table.

    Parameters
    ----------
    table : pandas.DataFrame
        As `run_chosen` returns it.

    Returns
    -------
    str
        Markdown.
    """
    reported, forms = table[table["reported"]], table[~table["reported"]]
    shown = _summarise(reported)
    parts = [
        _introduction(reported),
        _rates_table(shown),
        "### What is promised, and whether it held",
        "\n".join(_promises(shown)),
        WHY_LATER,
        "### Every outcome",
        _outcome_table(reported),
        "### The form, chosen on other windows",
        _introduce_forms(forms),
        *(_form_tables(forms)),
    ]
    return "\n\n".join(parts)


WHY_LATER = (
    "Sets chosen on a *later* year's level are shown, not promised. That level contains part of "
    "what happened after the start, so such sets did change more than their level before predicts, "
    "and a test that adjusts for the level finds it. Councils can only be chosen on what was known "
    "before."
)


def _introduction(reported: pd.DataFrame) -> str:
    sets, outcomes = int(reported["sets"].max()), reported["outcome"].nunique()
    low, high = reported["n_councils"].min(), reported["n_councils"].max()
    return (
        f"Councils that were never pilots stand in the pilots' place, on DfE's published figures: "
        f"{outcomes} outcomes, {low} to {high} councils with complete figures, {sets:,} sets of as "
        "many councils as the plan's first scenario has. Nothing was tried on them, so at 5% an "
        "honest test rejects 5% of the sets. Sets are drawn at random; with the pilots' council "
        "types; from the quarter of councils with the highest or lowest level before the start; or "
        "from the quarter with the highest or lowest level of another year. Rates are in percent, "
        "the mean over outcomes with its Monte Carlo error, then the worst outcome. Power is at "
        f"{EFFECT} standard errors of an unadjusted difference. Each test used {DRAWS} random sets "
        "(9,999 in the evaluation). Sets overlap and there is one England: a rate describes these "
        "years, it does not estimate all years."
    )


def _summarise(table: pd.DataFrame) -> pd.DataFrame:
    """Average over outcomes, with the Monte Carlo error and the worst outcome."""
    rows = []
    for (kind, method), part in table.groupby(["chosen", "method"], sort=False):
        rate, worst = part["rate"], part.loc[part["rate"].idxmax()]
        rows.append(
            {
                "chosen": kind,
                "method": method,
                "mean": rate.mean(),
                "error": np.sqrt((rate * (1 - rate) / part["sets"]).sum()) / len(part),
                "worst": worst["rate"],
                "worst_outcome": worst["outcome"],
            }
        )
    return pd.DataFrame(rows)


def _rates_table(shown: pd.DataFrame) -> str:
    methods = list(dict.fromkeys(shown["method"]))
    lines = [f"| sets | {' | '.join(methods)} |", "|---" * (len(methods) + 1) + "|"]
    for kind, part in shown.groupby("chosen", sort=False):
        by_method = part.set_index("method").to_dict("index")
        cells = [_cell(kind, by_method[m]) if m in by_method else "-" for m in methods]
        lines.append(f"| {_word_kind(kind)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(kind: str, row: Mapping[str, Any]) -> str:
    mean = f"{100 * row['mean']:.1f} ({100 * row['error']:.1f})"
    return mean if kind == POWER else f"{mean}; {100 * row['worst']:.0f} {row['worst_outcome']}"


def _word_kind(kind: str) -> str:
    words = {
        "random": "at random",
        POWER: "at random, with an effect (power)",
        "types": "the pilots' council types",
        "top": "top quarter of the level before",
        "bottom": "bottom quarter of the level before",
    }
    end, _, year = kind.partition(" ")
    return words.get(kind) or f"{end} quarter of the level of {year}{_word_later(kind)}"


def _word_later(kind: str) -> str:
    return f" ({LATER})" if _is_later(kind) else ""


def _is_later(kind: str) -> bool:
    year = kind.rpartition(" ")[2]
    return year.isdigit() and int(year) > max(
        int(part.window.pre[0]) for part in PARTS if part.reported and part.window
    )


def _promises(shown: pd.DataFrame) -> list[str]:
    """Compare the adjusted test's figures with what is promised."""
    own = shown[shown["method"] == "adjusted"].set_index("chosen")
    plain = shown[shown["method"] == "unadjusted"].set_index("chosen")
    lines = []
    for kind, row in own.iterrows():
        if kind == POWER:
            share = row["mean"] / plain.loc[kind, "mean"]
            text = f"power {share:.0%} of the unadjusted test's (promised: {POWER_PROMISED:.0%})"
            held = share >= POWER_PROMISED
        elif kind == "random":
            text, held = f"{row['mean']:.1%} (promised: 4% to 6%)", 0.04 <= row["mean"] <= 0.06
        elif _is_later(kind):
            continue
        else:
            text, held = _judge(kind, row)
        lines.append(f"- {'Held' if held else '**Missed**'}: {_word_kind(kind)}, {text}.")
    return lines


def _judge(kind: str, row: pd.Series) -> tuple[str, bool]:
    held = row["mean"] <= MEAN_PROMISED
    text = f"{row['mean']:.1%} on average (promised: at most {MEAN_PROMISED:.0%})"
    if kind != "types":
        held &= row["worst"] <= WORST_PROMISED
        text += f", {row['worst']:.1%} for {row['worst_outcome']} (at most {WORST_PROMISED:.0%})"
    return text, bool(held)


def _outcome_table(reported: pd.DataFrame) -> str:
    kinds = [kind for kind in dict.fromkeys(reported["chosen"]) if kind != POWER]
    lines = [
        "Unadjusted / adjusted, in percent.",
        "",
        f"| outcome | {' | '.join(kinds)} |",
        "|---" * (len(kinds) + 1) + "|",
    ]
    rates = reported.set_index(["outcome", "chosen", "method"])["rate"]
    for outcome in dict.fromkeys(reported["outcome"]):
        cells = [
            f"{100 * rates[outcome, kind, 'unadjusted']:.1f} / "
            f"{100 * rates[outcome, kind, 'adjusted']:.1f}"
            if (outcome, kind, "adjusted") in rates.index
            else "-"
            for kind in kinds
        ]
        lines.append(f"| {outcome} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _introduce_forms(forms: pd.DataFrame) -> str:
    return (
        "What the adjustment uses was chosen on windows other than the trial's, with "
        f"{int(forms['sets'].max()):,} sets for each cell. All forms have the shrunken level as a "
        "natural cubic spline; they differ in the covariates and in whether sets are drawn within "
        "quarters of the level."
    )


def _form_tables(forms: pd.DataFrame) -> list[str]:
    tables = []
    for label in dict.fromkeys(forms["window"]):
        tables += [f"**{label}**", _rates_table(_summarise(forms[forms["window"] == label]))]
    return tables


CHOSEN = Section(
    name="chosen",
    heading="Councils chosen on their type or level: real councils in the pilots' place",
    draws=SETS,
    run=run_chosen,
    describe=describe_chosen,
)
