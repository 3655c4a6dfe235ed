"""The findings on the project's front page, made from the files of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from pilot_eval.errors import RunError, explain
from pilot_eval.plan import EvaluationPlan
from pilot_eval.reporting.display import format_number, format_range

START, END = "<!-- findings:start -->", "<!-- findings:end -->"
HEADINGS = ("outcome", "harm if it", "finding", "effect", "interval", "detectable", "councils")


def replace_findings(text: str, plan: EvaluationPlan, folder: str | Path) -> str:
    """Put the findings of a run between the markers of a Markdown page.

    Parameters
    ----------
    text : str
        Has the lines `START` and `END` once each.
    plan : EvaluationPlan
    folder : path
        Holds ``answers.csv`` and ``verdicts.csv``.

    Returns
    -------
    str

    Raises
    ------
    RunError
        If a marker is missing or there twice.
    """
    if text.count(START) != 1 or text.count(END) != 1 or text.index(START) > text.index(END):
        got = f"{text.count(START)} and {text.count(END)}"
        action = f"Write {START} and {END} on lines of their own, in that order."
        raise RunError(explain("README.md", "have one pair of markers", got, action))
    before, _, rest = text.partition(START)
    return f"{before}{START}\n{compose_findings(plan, folder)}\n{END}{rest.partition(END)[2]}"


def compose_findings(plan: EvaluationPlan, folder: str | Path) -> str:
    """Compose the answers and the table of the primary scenario as Markdown."""
    answers, verdicts = (
        pd.read_csv(Path(folder) / f"{name}.csv") for name in ("answers", "verdicts")
    )
    said = [f"**{row.question}** {row.long}" for row in answers.itertuples()]
    shown = verdicts[verdicts["scenario"] == answers["scenario"].iloc[0]]
    lines = [_word_row(plan, row) for row in shown.itertuples() if pd.notna(row.conf_low)]
    table = [" | ".join(HEADINGS), " | ".join(["---"] * len(HEADINGS)), *lines]
    group = plan.scenarios[answers["scenario"].iloc[0]].short
    caption = (
        f"{group[:1].upper()}{group[1:]}: effects with {1 - plan.inference.alpha:.0%} intervals; "
        f"“detectable” is the smallest true effect that would be found with a probability of "
        f"{plan.inference.power:.0%}:"
    )
    return "\n\n".join([*said, caption, "\n".join(f"| {line} |" for line in table)])


def _word_row(plan: EvaluationPlan, row: Any) -> str:
    outcome = plan.outcomes[row.outcome]
    cells = (
        outcome.label,
        "–" if outcome.harm == "ambiguous" else outcome.harm,
        row.short,
        format_range(row.estimate_low, row.estimate_high),
        f"{format_number(row.conf_low)} to {format_number(row.conf_high)}",
        "–" if pd.isna(row.mde) else format_number(row.mde),
        f"{row.seen} of {row.listed}",
    )
    return " | ".join(cells)
