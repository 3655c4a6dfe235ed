"""The one door for a long table: one row for each unit and period, checked, as a wide panel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pilot_eval.errors import DataError, choose_names, explain
from pilot_eval.estimation.cohorts import CohortPanel, build_cohort_panel

FIX = "Correct the table."
Start = str | Mapping[object, object]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LongFrame:
    """A long table as arrays, units and periods in sorted order.

    Attributes
    ----------
    panel : CohortPanel
        Its periods are 0, 1, 2, ...; event times count periods of the table.
    units, periods : Index
        Their labels.
    cases : ndarray, shape (n_units,)
        Mean size behind the outcome; 1 where not given.
    covariates : ndarray, shape (n_units, n_periods, k)
        Columns of the formula without its intercept; k is 0 without a formula.
    covariate_names : tuple of str
    """

    panel: CohortPanel
    units: pd.Index
    periods: pd.Index
    cases: np.ndarray
    covariates: np.ndarray
    covariate_names: tuple[str, ...]

    @property
    def seen(self) -> np.ndarray:
        """True where there is an outcome, (n_units, n_periods)."""
        seen: np.ndarray = np.isfinite(self.panel.outcomes)
        return seen

    @property
    def first_treated(self) -> np.ndarray:
        """Position of each unit's first treated period, (n_units,); NaN if never."""
        starts: np.ndarray = np.append(self.panel.starts.astype(float), np.nan)
        first: np.ndarray = starts[self.panel.cohort]
        return first

    @property
    def has_one_start(self) -> bool:
        """Whether all treated units start in the same period."""
        return len(self.panel.starts) == 1


def read_long(
    data: pd.DataFrame,
    *,
    outcome: str,
    unit: str,
    period: str,
    start: Start,
    cases: str | None = None,
    covariates: str | None = None,
) -> LongFrame:
    """Check a long table and arrange it as a wide panel.

    Parameters
    ----------
    data : DataFrame
        One row for each unit and period; it is not changed. A row without an outcome, or no row,
        is a missing value.
    outcome, unit, period : str
        Columns. Periods sort in time and follow each other without a gap that matters.
    start : str or mapping
        Column with each unit's first treated period, the same in all its rows; or a mapping of
        treated units to it. Missing, or later than the last period, means never treated.
    cases : str, optional
        Column with the size behind the outcome, above 0.
    covariates : str, optional
        Formula (`formulaic`), such as ``"income + C(region)"``.

    Returns
    -------
    LongFrame

    Raises
    ------
    ParameterError
        If a column is not in the table.
    DataError
        If a unit has two rows in a period, two starts, an infinite outcome or a missing covariate.
    DesignError
        If nobody is treated or compared, or a treated unit has no period before its start.

    Examples
    --------
    >>> data = pd.DataFrame({"u": [1, 1, 2, 2], "t": [1, 2, 1, 2], "y": [1.0, 4.0, 2.0, 3.0]})
    >>> read_long(data, outcome="y", unit="u", period="t", start={1: 2}).panel.outcomes.tolist()
    [[1.0, 4.0], [2.0, 3.0]]
    """
    named = [outcome, unit, period, cases, start if isinstance(start, str) else None]
    choose_names("column", [name for name in named if name is not None], map(str, data.columns))
    _check_rows(data, outcome, unit, period)
    (row, units), (column, periods) = (pd.factorize(data[key], sort=True) for key in (unit, period))
    shape = len(units), len(periods)
    outcomes = np.full(shape, np.nan)
    outcomes[row, column] = data[outcome].to_numpy(float, na_value=np.nan)
    size = np.ones(shape[0])
    if cases is not None:
        size = _mean_cases(data[cases].to_numpy(float, na_value=np.nan), row, shape[0])
    values, names = _read_covariates(data, covariates)
    spread = np.zeros((*shape, values.shape[1]))
    spread[row, column] = values
    first = data[start] if isinstance(start, str) else data[unit].map(dict(start))
    return LongFrame(
        panel=build_cohort_panel(outcomes, _place_starts(first, row, periods, len(units))),
        units=pd.Index(units, name=unit),
        periods=pd.Index(periods, name=period),
        cases=size,
        covariates=spread,
        covariate_names=names,
    )


def _check_rows(data: pd.DataFrame, outcome: str, unit: str, period: str) -> None:
    keys = data[[unit, period]]
    values = data[outcome]
    checks = [
        (f"{unit}, {period}", "be in every row", "a gap", not keys.isna().any(axis=None)),
        (f"{unit}, {period}", "occur once", "a repeated row", not keys.duplicated().any()),
        (outcome, "be numbers", str(values.dtype), pd.api.types.is_numeric_dtype(values)),
    ]
    for name, rule, got, fine in checks:
        if not fine:
            raise DataError(explain(name, rule, got, FIX))


def _mean_cases(values: np.ndarray, row: np.ndarray, n_units: int) -> np.ndarray:
    known = np.isfinite(values)
    counts = np.bincount(row[known], minlength=n_units)
    total = np.bincount(row[known], values[known], minlength=n_units)
    if (counts == 0).any() or (values[known] <= 0).any():
        got = "a unit without cases, or a number that is not above 0"
        raise DataError(explain("cases", "be above 0 for every unit", got, FIX))
    return total / counts


def _place_starts(first: pd.Series, row: np.ndarray, periods: pd.Index, n_units: int) -> np.ndarray:
    """Give each unit the position of its first treated period; NaN if never."""
    own = pd.Series(first.to_numpy(), dtype=first.dtype).groupby(row)
    if (own.nunique(dropna=False) > 1).any():  # noqa: PD101
        raise DataError(explain("start", "be one for each unit", "a unit with two", FIX))
    place = np.full(n_units, np.nan)
    for position, value in own.first().dropna().items():
        if value > periods[-1]:
            continue
        if value not in periods and value > periods[0]:
            got = f"{value}, between two of them"
            raise DataError(explain("start", "be one of the periods", got, FIX))
        place[position] = np.searchsorted(periods, value)
    return place


def _read_covariates(data: pd.DataFrame, formula: str | None) -> tuple[np.ndarray, tuple[str, ...]]:
    if formula is None:
        return np.empty((len(data), 0)), ()
    from formulaic import model_matrix
    from formulaic.errors import FormulaicError

    try:
        matrix = model_matrix(formula, data, na_action="raise")
    except (FormulaicError, ValueError) as fault:
        action = "Give every row a value of every covariate, and name columns of the table."
        said = str(fault).splitlines()[0]
        raise DataError(
            explain("covariates", "be a formula of complete columns", said, action)
        ) from fault
    matrix = matrix[[name for name in matrix.columns if name != "Intercept"]]
    return matrix.to_numpy(float), tuple(map(str, matrix.columns))
