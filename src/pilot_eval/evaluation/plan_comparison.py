"""Two plans, or their evidence, compared: what differs in the settings, and what in the results."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import pandas as pd

from pilot_eval.evaluation.published_strand import evaluate
from pilot_eval.evidence import Evidence
from pilot_eval.plan import EvaluationPlan
from pilot_eval.result_display import ShowsTable, to_text

KEYS = ["scenario", "outcome"]
SHOWN = ["estimate_low", "estimate_high", "conf_low", "conf_high", "n_treated", "finding", "rating"]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Comparison(ShowsTable):
    """What differs between two plans.

    Attributes
    ----------
    settings : DataFrame
        Columns key, a, b: keys of the plans that differ; empty where evidence was compared.
    results : DataFrame
        One row for each scenario and outcome of either, the columns of a and b side by side.
    """

    settings: pd.DataFrame
    results: pd.DataFrame

    @property
    def title(self) -> str:
        """Say how many comparisons have another finding or rating."""
        moved = (self.results["finding_a"] != self.results["finding_b"]) | (
            self.results["rating_a"] != self.results["rating_b"]
        )
        return f"{int(moved.sum())} of {len(moved)} comparisons have another finding or rating"

    def to_frame(self) -> pd.DataFrame:
        """Return the results side by side."""
        return self.results.copy()

    def summary(self) -> str:
        """Return what differs in the settings and the results as text."""
        tables = [to_text(table) for table in (self.settings, self.results) if len(table)]
        return "\n\n".join([self.title, *tables])

    def _tables(self) -> dict[str, pd.DataFrame]:
        return {"results": self.results, "settings": self.settings}


def compare(
    a: EvaluationPlan | Evidence,
    b: EvaluationPlan | Evidence,
    *,
    table: pd.DataFrame | None = None,
    scenarios: str | Iterable[str] | None = None,
    outcomes: str | Iterable[str] | None = None,
) -> Comparison:
    """Compare two plans, or two bodies of evidence.

    Parameters
    ----------
    a, b : EvaluationPlan or Evidence
        A plan is evaluated.
    table, scenarios, outcomes
        As of `evaluate`.

    Returns
    -------
    Comparison

    Raises
    ------
    PlanError, ParameterError, DesignError
        As `evaluate`.

    Examples
    --------
    >>> from pilot_eval.plan import load_plan
    >>> plan = load_plan()
    >>> scenario, outcome = plan.family.primary_scenario, plan.family.primary_outcomes[-1]
    >>> without = plan.revise({"drop_councils": plan.scenarios[scenario].councils[:1]})
    >>> found = compare(plan, without, scenarios=scenario, outcomes=outcome)
    >>> (found.results["n_treated_a"] - found.results["n_treated_b"]).tolist()
    [1]
    """
    selection = {"scenarios": scenarios, "outcomes": outcomes}
    frames = [
        (item if isinstance(item, Evidence) else evaluate(item, table, **selection)).to_frame()
        for item in (a, b)
    ]
    columns = [*KEYS, *SHOWN]
    results = frames[0][columns].merge(
        frames[1][columns], on=KEYS, how="outer", suffixes=("_a", "_b"), validate="one_to_one"
    )
    order = [*KEYS, *(f"{name}_{side}" for name in SHOWN for side in "ab")]
    return Comparison(settings=_differences(a, b), results=results[order])


def _differences(a: object, b: object) -> pd.DataFrame:
    found = []
    if isinstance(a, EvaluationPlan) and isinstance(b, EvaluationPlan):
        sides = [dict(_flatten(plan.model_dump(mode="json"))) for plan in (a, b)]
        for key in dict.fromkeys([*sides[0], *sides[1]]):
            left, right = (side.get(key) for side in sides)
            if left != right:
                found.append({"key": key, "a": str(left), "b": str(right)})
    return pd.DataFrame(found, columns=["key", "a", "b"])


def _flatten(content: Mapping[str, object], before: str = "") -> Iterator[tuple[str, object]]:
    for name, value in content.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value
