"""What the estimate would be if only the trend before the start continued."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan

import numpy as np

from pilot_eval.design.build import Design
from pilot_eval.evaluation.fillings import collapse_fillings, lay_out, name_units
from pilot_eval.plan import EvaluationPlan
from pilot_eval.reference.plan_periods import middle_of


@dataclass(frozen=True, slots=True, kw_only=True)
class PriorTrend:
    """The difference between treated and comparators in their trend before the start.

    Attributes
    ----------
    slope_low, slope_high : float
        By which the treated moved more than comparators in a year; different where hidden counts
        before the start leave more than one value, NaN with fewer than two years before.
    years : float
        From the middle of the years before the start to the middle of those after.
    treated : tuple of str
        Codes of the treated councils with a figure in every year before the start.
    """

    slope_low: float
    slope_high: float
    years: float
    treated: tuple[str, ...]

    @property
    def effect_low(self) -> float:
        """Least effect that the trend, continued, would give."""
        return self.slope_low * self.years

    @property
    def effect_high(self) -> float:
        """Largest effect that the trend, continued, would give."""
        return self.slope_high * self.years


def extrapolate_trend(plan: EvaluationPlan, design: Design) -> PriorTrend:
    """Find the effect that the difference in trends before the start would give if it went on.

    The trend of a council is the least-squares line through its years before the start, its hidden
    counts at everything they can be.

    Parameters
    ----------
    plan : EvaluationPlan
        Names the clusters.
    design : Design

    Returns
    -------
    PriorTrend
        On the treated councils and comparators that have every year before the start.
    """
    if not design.pre:
        return PriorTrend(slope_low=nan, slope_high=nan, years=nan, treated=())
    pre, post = ([middle_of(period) for period in side] for side in (design.pre, design.post))
    years = float(np.mean(post) - np.mean(pre))
    values = lay_out(design)[0, :, : len(design.pre)]
    complete = dict(zip(design.codes, ~np.isnan(values).any(axis=1), strict=True))
    treated = tuple(code for code in design.treated if complete[code])
    others = tuple(code for code in design.comparators if complete[code])
    if len(design.pre) < 2 or not treated or not others:
        return PriorTrend(slope_low=nan, slope_high=nan, years=years, treated=treated)
    part = design.restrict(treated, others)
    filled = collapse_fillings(part).with_change(prior_slopes(part))
    low, high = filled.combine(name_units(plan, part)).ends()
    return PriorTrend(slope_low=low, slope_high=high, years=years, treated=treated)


def prior_slopes(design: Design) -> np.ndarray:
    """Fit a line to each council's years before the start.

    Parameters
    ----------
    design : Design
        Whose councils have every year before the start.

    Returns
    -------
    ndarray, shape (1 + h, n)
        Change in a year: with hidden counts at their lowest, then with one child more in each.
    """
    years = np.array([middle_of(period) for period in design.pre])
    weights = (years - years.mean()) / ((years - years.mean()) ** 2).sum()
    return np.asarray(lay_out(design)[:, :, : len(years)] @ weights)
