"""What an estimator on a long table returns: standard results, and those for few treated units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import stats

from pilot_eval.errors import DesignError, explain
from pilot_eval.inference.result import InferenceResult
from pilot_eval.result_display import ShowsTable, plot_intervals

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class EffectEstimates(ShowsTable):
    """Estimates with two kinds of inference.

    Attributes
    ----------
    estimator : str
        Its name.
    table : DataFrame
        One row for each term: term, estimate; std_error, p_value, conf_low, conf_high as other
        packages give them, which need many treated units; few_p_value, few_conf_low,
        few_conf_high from the randomisation test for few; n_treated, n_comparators.
    few_treated : tuple of InferenceResult
        The randomisation test of each row, with its own estimate, reason and diagnostics.
    std_error_kind : str
        How `std_error` was computed, or why there is none.
    """

    estimator: str
    table: pd.DataFrame
    few_treated: tuple[InferenceResult, ...]
    std_error_kind: str

    @property
    def title(self) -> str:
        """Name the estimator."""
        return self.estimator

    @property
    def estimate(self) -> float:
        """The effect, where there is one term."""
        return float(self.table["estimate"].iloc[0])

    @property
    def params(self) -> pd.Series:
        """Estimates by term."""
        return self._column("estimate")

    @property
    def std_errors(self) -> pd.Series:
        """Standard errors by term; NaN where the estimator has none."""
        return self._column("std_error")

    @property
    def pvalues(self) -> pd.Series:
        """P-values by term, from the standard errors."""
        return self._column("p_value")

    def conf_int(self) -> pd.DataFrame:
        """Return intervals by term from the standard errors, columns conf_low and conf_high."""
        return self.table.set_index("term")[["conf_low", "conf_high"]]

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each term."""
        return self.table.copy()

    def summary(self) -> str:
        """Return the table as text, with how each kind of inference was made."""
        few = self.few_treated[0]
        said = [
            ShowsTable.summary(self),
            f"std_error: {self.std_error_kind}",
            f"few_: {few.method} test, {few.n_treated} treated, {few.n_comparators} comparators"
            + (f"; {few.reason.replace('council', 'unit')}" if few.reason else ""),
        ]
        return "\n".join(said)

    def plot(self) -> Figure:
        """Plot estimates with the intervals for few treated units."""
        frame = self.table.assign(panel="", label=self.table["term"].astype(str))
        columns = ("estimate", "estimate", "few_conf_low", "few_conf_high")
        return plot_intervals(
            frame, label="label", panel="panel", columns=columns, title=self.title
        )

    def _column(self, name: str) -> pd.Series:
        return self.table.set_index("term")[name]


def build_estimates(
    title: str,
    terms: Sequence[object],
    estimates: np.ndarray,
    std_errors: np.ndarray,
    few: list[InferenceResult],
    *,
    std_error_kind: str,
    alpha: float,
    df: float = np.inf,
) -> EffectEstimates:
    """Put estimates, their standard errors and their tests for few treated units together.

    Parameters
    ----------
    title : str
    terms : list, length k
    estimates, std_errors : ndarray, shape (k,)
        NaN where there is no standard error; 0 at a reference period.
    few : list of InferenceResult, length k
    std_error_kind : str
    alpha : float
    df : float
        Of the t distribution of the standard p-values; infinite for the normal.

    Returns
    -------
    EffectEstimates

    Raises
    ------
    DesignError
        If there is no term.
    """
    if not len(terms):
        rule = "let treated units be compared with others in some period"
        raise DesignError(explain("outcomes", rule, "no such period", "Add periods or units."))
    errors = np.where(std_errors > 0, std_errors, nan)
    reach = stats.t.ppf(1 - alpha / 2, df) * errors
    table = pd.DataFrame(
        {
            "term": terms,
            "estimate": estimates,
            "std_error": errors,
            "p_value": 2 * stats.t.sf(np.abs(estimates) / errors, df),
            "conf_low": estimates - reach,
            "conf_high": estimates + reach,
            "few_p_value": [item.p_value for item in few],
            "few_conf_low": [item.conf_low for item in few],
            "few_conf_high": [item.conf_high for item in few],
            "n_treated": [item.n_treated for item in few],
            "n_comparators": [item.n_comparators for item in few],
        }
    )
    return EffectEstimates(
        estimator=title, table=table, few_treated=tuple(few), std_error_kind=std_error_kind
    )
