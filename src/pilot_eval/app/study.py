"""What a notebook opens: the plan and the table its parameters ask for."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from pilot_eval.app.parameters import check_injected, check_parameters, read_parameter
from pilot_eval.app.results import read_table
from pilot_eval.plan import EvaluationPlan, load_plan
from pilot_eval.plan_settings import PageDefaults

PLAN_KEYS = {
    "drop_councils": "drop_councils",
    "comparators": "comparators.rule",
    "alpha": "inference.alpha",
}
"""Parameters that replace a key of the plan."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """A plan, the table it is applied to and its source, what is shown, and typed parameters."""

    plan: EvaluationPlan
    table: pd.DataFrame
    source: str
    scenario: str
    outcome: str
    council: str
    parameters: Mapping[str, Any]


def open_study(
    *,
    page: str = "",
    pilot: str = "",
    scenario: str = "",
    outcome: str = "",
    council: str = "",
    table_file: str = "",
    comparators: str = "",
    drop_councils: Sequence[str] = (),
    **others: object,
) -> Study:
    """Check a notebook's parameters and open what they name.

    Parameters
    ----------
    page : str
        Whose defaults are taken from the pilot's texts.
    scenario, outcome, council : str
        Where empty: the page's defaults, else the plan's primary scenario and outcome and the first
        council of the scenario.
    pilot : str
        Name or path of a pilot folder; empty for the project's default.
    table_file : str
        Path of an analyst's own council table (docs/own-data.md); empty for DfE's figures.
    comparators : str
        Comparator rule; empty for the plan's.
    drop_councils : sequence of str
        Councils to leave out of every comparison.
    **others
        The notebook's remaining parameters: ``alpha``, the two-sided level, replaces the plan's;
        the others are only read and checked.

    Returns
    -------
    Study

    Raises
    ------
    ParameterError
        If a parameter is unknown or unusable, or Papermill was given one that the notebook lacks.

    Examples
    --------
    >>> study = open_study(comparators="same_region")                         # doctest: +SKIP
    """
    check_injected(_cells_run())
    plan = load_plan(read_parameter("pilot", pilot) or None)
    given = {"drop_councils": drop_councils, "comparators": comparators, **others}
    given |= {"scenario": scenario, "outcome": outcome, "council": council}
    checked = check_parameters(plan, **given, pilot=pilot, table_file=table_file)
    usual = plan.texts.pages.get(page, PageDefaults())
    scenario = checked["scenario"] or usual.scenario or plan.family.primary_scenario
    changes = {key: checked[name] for name, key in PLAN_KEYS.items() if checked.get(name)}
    own_table = checked["table_file"]
    return Study(
        plan=plan.revise(changes),
        table=read_table(plan, Path(own_table) if own_table else None),
        source=_name(own_table),
        scenario=scenario,
        outcome=checked["outcome"] or usual.outcome or plan.family.primary_outcomes[0],
        council=checked["council"] or usual.council or plan.scenarios[scenario].councils[0],
        parameters=checked,
    )


def _cells_run() -> list[str]:
    """List the cells that this kernel has run; none outside a notebook."""
    if "IPython" not in sys.modules:
        return []
    shell = sys.modules["IPython"].get_ipython()
    return list(shell.user_ns.get("In", [])) if shell else []


def _name(table_file: str) -> str:
    return f"own table {Path(table_file).name}" if table_file else "DfE's published council figures"
