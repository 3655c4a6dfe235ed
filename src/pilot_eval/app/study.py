"""What a notebook opens: the plan and the table its parameters ask for."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from pilot_eval.app.parameters import check_injected, check_parameters
from pilot_eval.app.results import read_table
from pilot_eval.plan import EvaluationPlan, load_plan
from pilot_eval.plan_settings import PageDefaults


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """A plan, the table of indicators it is applied to, where that came from, and what is shown."""

    plan: EvaluationPlan
    table: pd.DataFrame
    source: str
    scenario: str
    outcome: str
    council: str


def open_study(
    *,
    page: str = "",
    pilot: str = "",
    scenario: str = "",
    outcome: str = "",
    council: str = "",
    table_file: str = "",
    comparators: str = "",
    drop_councils: list[str] | tuple[str, ...] = (),
    alpha: float | None = None,
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
    alpha : float, optional
        Two-sided level; the plan's by default.
    **others
        The notebook's remaining parameters, only checked.

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
    plan = load_plan(pilot or None)
    given = {"drop_councils": list(drop_councils), "comparators": comparators, **others}
    given |= {"scenario": scenario, "outcome": outcome, "council": council}
    usual = plan.texts.pages.get(page, PageDefaults())
    scenario = scenario or usual.scenario or plan.family.primary_scenario
    checked = check_parameters(plan, **given, **({} if alpha is None else {"alpha": alpha}))
    changes: dict[str, object] = {}
    if drop_councils:
        changes["drop_councils"] = list(drop_councils)
    if comparators:
        changes["comparators.rule"] = comparators
    if alpha is not None:
        changes["inference.alpha"] = checked["alpha"]
    return Study(
        plan=plan.revise(changes),
        table=read_table(plan, Path(table_file) if table_file else None),
        source=_name(table_file),
        scenario=scenario,
        outcome=outcome or usual.outcome or plan.family.primary_outcomes[0],
        council=council or usual.council or plan.scenarios[scenario].councils[0],
    )


def _cells_run() -> list[str]:
    """List the cells that this kernel has run; none outside a notebook."""
    if "IPython" not in sys.modules:
        return []
    shell = sys.modules["IPython"].get_ipython()
    return list(shell.user_ns.get("In", [])) if shell else []


def _name(table_file: str) -> str:
    return f"own table {Path(table_file).name}" if table_file else "DfE's published council figures"
