"""One row of the evidence: the answer of one method on one comparison, typed."""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import nan
from typing import Literal

Harm = Literal["rises", "falls", "ambiguous"]
Status = Literal["estimated", "not_estimable", "descriptive"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceRow:
    """The answer of one method on one outcome under one scenario.

    Text that does not apply is None, a number that does not apply NaN.

    Attributes
    ----------
    strand, scenario, outcome, family, unit, harm, method : str
        Keys and words of the plan; `method` is ``"none"`` where nothing was tested.
    estimate, estimate_low, estimate_high : float
        Where hidden counts can move the effect it is a set from low to high, and `estimate` is
        missing.
    std_error, df, conf_low, conf_high, p_value : float
        The interval covers the effect whatever the hidden counts are.
    p_romano_wolf, p_benjamini_hochberg : float
        Allowing for the family of comparisons.
    n_treated, n_comparators : int
        Units compared.
    treated : str
        Names of the treated councils that have figures.
    starts : str
        Treated councils counted by the periods in which they are treated.
    seen, listed : int
        Treated councils with figures, and all of the scenario; shown as `share_of_scenario`.
    pre_periods, post_periods, coverage : str
        Periods in which both sides have figures, and how many councils have them.
    mde : float
        Minimum detectable effect.
    calibration, calibration_low, calibration_high : float
        Share of sets of real comparators, in the treated councils' place, that the row's test
        rejects, with its Monte Carlo interval; there is one England.
    carrying_test : str
        First test of the plan's order that does not err there; empty if none.
    fragile : bool
        Whether what the interval shows depends on hidden counts.
    left_out_estimate, left_out_conf_low, left_out_conf_high, left_out_n_treated : float
        The same without the periods that hide a count: a sensitivity.
    status, reason : str
        Why nothing was estimated, or what limits it.
    breaks, freed, settings, citation, plan_hash, data_hash : str
    """

    strand: str
    scenario: str
    outcome: str
    family: str
    unit: str
    harm: Harm
    method: str
    estimate: float = nan
    estimate_low: float = nan
    estimate_high: float = nan
    std_error: float = nan
    df: float = nan
    conf_low: float = nan
    conf_high: float = nan
    p_value: float = nan
    p_romano_wolf: float = nan
    p_benjamini_hochberg: float = nan
    n_treated: int
    n_comparators: int
    treated: str | None = None
    starts: str | None = None
    seen: int
    listed: int
    pre_periods: str | None = None
    post_periods: str | None = None
    coverage: str | None = None
    mde: float = nan
    calibration: float = nan
    calibration_low: float = nan
    calibration_high: float = nan
    carrying_test: str | None = None
    fragile: bool = False
    left_out_estimate: float = nan
    left_out_conf_low: float = nan
    left_out_conf_high: float = nan
    left_out_n_treated: float = nan
    status: Status
    reason: str = ""
    breaks: str | None = None
    freed: str | None = None
    settings: str | None = None
    citation: str | None = None
    plan_hash: str = ""
    data_hash: str = ""

    @property
    def share_of_scenario(self) -> str:
        """Say how many councils of the scenario have figures, such as ``3 of 5``."""
        return f"{self.seen} of {self.listed}"

    def to_record(self) -> dict[str, object]:
        """Return the row under the columns of ``evidence.csv``, `EVIDENCE_COLUMNS`."""
        return {name: getattr(self, name) for name in EVIDENCE_COLUMNS}


EVIDENCE_COLUMNS = tuple(
    "share_of_scenario" if field.name == "seen" else field.name
    for field in fields(EvidenceRow)
    if field.name != "listed"
)
