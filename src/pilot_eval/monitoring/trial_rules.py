"""What is written down before a live trial's first look: read from `monitoring.toml`."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pilot_eval.errors import PlanError, explain
from pilot_eval.monitoring.trial import MonitoringPlan
from pilot_eval.project import read_toml


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Withdrawal(_Strict):
    """When councils are asked to withdraw: alarms at successive looks, beyond the margin."""

    looks_in_a_row: Annotated[int, Field(ge=1)]
    margin: Annotated[float, Field(gt=0)]


class TrialRules(_Strict):
    """The rules of a trial that is watched.

    Parameters
    ----------
    outcome : str
        Title of what is counted, as the board reads it.
    unit : str
    start : str
        First month of the trial, as 2017-05.
    treated : tuple of str
        Codes of the councils whose trial starts then.
    months_before, last_month, harm, alpha, persistence : as in `MonitoringPlan`
        One looks at every month to `last_month`.
    run_length : int
        Mean months between false alarms of a council's own chart.
    seed : int
    withdrawal : Withdrawal
    """

    outcome: str
    unit: str = "percentage points"
    start: Annotated[str, Field(pattern=r"^20\d\d-(0[1-9]|1[0-2])$")]
    treated: Annotated[tuple[str, ...], Field(min_length=1)]
    months_before: Annotated[int, Field(ge=12)]
    last_month: Annotated[int, Field(ge=1, le=60)]
    harm: Literal["rises", "falls"]
    alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    persistence: Annotated[float, Field(ge=0, lt=1)] = 0.0
    run_length: Annotated[int, Field(ge=10, le=5000)] = 200
    seed: Annotated[int, Field(ge=1)] = 1
    withdrawal: Withdrawal

    @model_validator(mode="after")
    def _codes_differ(self) -> TrialRules:
        if len(set(self.treated)) < len(self.treated):
            raise ValueError("a treated council is named twice")
        return self

    @property
    def plan(self) -> MonitoringPlan:
        """The looks: one per month, the mixture tuned to the margin."""
        return MonitoringPlan(
            months_before=self.months_before,
            looks=tuple(range(1, self.last_month + 1)),
            harm=self.harm,
            scale=self.withdrawal.margin,
            alpha=self.alpha,
            persistence=self.persistence,
        )


def read_trial_rules(path: Path) -> TrialRules:
    """Read and check the rules of a trial.

    Parameters
    ----------
    path : Path
        TOML; see docs/live-trial.md.

    Returns
    -------
    TrialRules

    Raises
    ------
    PlanError
        If the file cannot be read or a rule is missing or impossible; every fault is listed.
    """
    try:
        return TrialRules.model_validate(read_toml(path))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        lines = ["a file that cannot be read"]
    except ValidationError as fault:
        found = fault.errors(include_url=False)
        lines = [f"{'.'.join(map(str, one['loc'])) or 'file'}: {one['msg']}" for one in found]
    rule = "state the rules of the trial in TOML"
    raise PlanError(explain(path.name, rule, "; ".join(lines), "See docs/live-trial.md."))
