"""What every test returns: one frozen record, with NaN and a reason for what it does not have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import nan
from typing import TypedDict


class Counts(TypedDict):
    """What every answer says of its design, with or without an estimate."""

    n_treated: int
    n_comparators: int
    alpha: float


@dataclass(frozen=True, slots=True, kw_only=True)
class InferenceResult:
    """Answer of one method on one outcome.

    Attributes
    ----------
    method : str
        Name of the method, such as ``"robust"`` or ``"size_adjusted"``.
    estimate : float
        Average effect on the treated, in the outcome's unit.
    std_error, df : float
        Standard error and degrees of freedom; NaN for randomisation methods, which have none.
    p_value : float
        Two-sided, never 0.
    conf_low, conf_high : float
        Ends of the interval of level ``1 - alpha``; infinite where it has no end.
    n_treated, n_comparators : int
        Councils (or clusters) on each side.
    alpha : float
        Level of the test.
    reason : str
        Why figures are missing, or what limits them; empty when nothing does.
    diagnostics : mapping of str to float
        Named figures behind the answer; the method's documentation lists them.
    """

    method: str
    estimate: float = nan
    std_error: float = nan
    df: float = nan
    p_value: float = nan
    conf_low: float = nan
    conf_high: float = nan
    n_treated: int
    n_comparators: int
    alpha: float
    reason: str = ""
    diagnostics: Mapping[str, float] = field(default_factory=dict)
