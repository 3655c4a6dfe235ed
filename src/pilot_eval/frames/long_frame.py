"""The one door for a long table: one row for each unit and period, checked, as a wide panel."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches

import numpy as np
import pandas as pd

from pilot_eval.door_readers import read_numbers
from pilot_eval.doors import Numbers
from pilot_eval.errors import (
    DataError,
    ParameterError,
    PilotEvalError,
    choose_names,
    explain,
)
from pilot_eval.estimation.cohorts import CohortPanel, build_cohort_panel
from pilot_eval.frames.frame_covariates import read_covariates

FIX = "Correct the table."
Column = Hashable
"""A name of a column of the caller's table: most often a text."""
Start = Column | Mapping[object, object]
NUMBERS = Numbers(axis=None, missing=True)


#: What wide estimators call it -> what it is in a long table.
LONG_NAMES = {
    "`first_treated`": "`start`",
    "`outcomes`": "`outcome`",
    "`n_pre` must be a whole number from": "periods before the start must number at least",
}


@contextmanager
def naming_columns() -> Iterator[None]:
    """Name arguments of a long table in what estimators behind it refuse."""
    try:
        yield
    except PilotEvalError as fault:
        words = str(fault)
        for wide, long in LONG_NAMES.items():
            words = words.replace(wide, long)
        raise type(fault)(words) from None


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
    outcome: Column,
    unit: Column,
    period: Column,
    start: Start,
    cases: Column | None = None,
    covariates: str | None = None,
) -> LongFrame:
    """Check a long table and arrange it as a wide panel.

    Parameters
    ----------
    data : DataFrame
        One row for each unit and period; it is not changed. A row without an outcome, or no row,
        is a missing value.
    outcome, unit, period : str
        Columns. Periods sort in time (numbers, dates, categories, or texts like 2012-09) and
        follow each other without a gap that matters.
    start : str or mapping
        Column with each unit's first treated period, the same in all its rows; or a mapping of
        treated units to it. Missing, or later than the last period, means never treated. Where
        periods are dates, a text of a date will do.
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
        If a column, or a unit that the mapping names, is not in the table.
    DataError
        If a unit has two rows in a period, two starts, an infinite outcome or a missing covariate,
        or periods do not sort in time.
    DesignError
        If nobody is treated or compared, or a treated unit has no period before its start.

    Examples
    --------
    >>> data = pd.DataFrame({"u": [1, 1, 2, 2], "t": [1, 2, 1, 2], "y": [1.0, 4.0, 2.0, 3.0]})
    >>> read_long(data, outcome="y", unit="u", period="t", start={1: 2}).panel.outcomes.tolist()
    [[1.0, 4.0], [2.0, 3.0]]
    """
    _check_columns(data, [outcome, unit, period], cases, start)
    for name in (unit, period):
        _check_labels(data[name])
    starts = _read_starts(data, start, unit)
    _check_labels(starts.rename("start"))
    _check_keys(data, unit, period)
    row, units = pd.factorize(data[unit], sort=True)
    column, periods = _order_periods(data[period])
    shape = len(units), len(periods)
    outcomes = np.full(shape, np.nan)
    outcomes[row, column] = NUMBERS.read(str(outcome), data[outcome], DataError)
    size = np.ones(shape[0])
    if cases is not None:
        size = _mean_cases(read_numbers("cases", data[cases], DataError), row, shape[0])
    panel = build_cohort_panel(outcomes, _place_starts(starts, row, periods, len(units)))
    values, names = read_covariates(data, covariates)
    spread = np.zeros((*shape, values.shape[1]))
    spread[row, column] = _in_spreads(values)
    return LongFrame(
        panel=panel,
        units=pd.Index(units, name=unit),
        periods=periods,
        cases=size,
        covariates=spread,
        covariate_names=names,
    )


def _in_spreads(values: np.ndarray) -> np.ndarray:
    """Take covariates from their means, in spreads: their level and unit move no estimate."""
    centred = values - values.mean(axis=0)
    size = np.abs(centred).max(axis=0, initial=0.0)
    in_spreads: np.ndarray = centred / np.where(size > 0, size, 1.0)
    return in_spreads


def _check_columns(data: object, named: list[Column], cases: Column | None, start: Start) -> None:
    if not isinstance(data, pd.DataFrame):
        raise DataError(explain("data", "be a DataFrame", type(data).__name__, FIX))
    if cases is not None:
        named = [*named, cases]
    if not isinstance(start, (Mapping, pd.Series)):
        named = [*named, start]
    for name in choose_names("column", named, data.columns):
        if (data.columns == name).sum() > 1:
            raise DataError(explain(str(name), "be one column", "two of that name", FIX))


def _check_labels(column: pd.Series) -> None:
    """Refuse what is no label, period or start: lists, complex numbers, what cannot be compared."""
    try:
        fine = column.dtype.kind != "c"
        if column.dtype == object:
            column.isna()
            fine = all(hash(item) is not None for item in column)
    except (TypeError, ArithmeticError):
        fine = False
    if not fine:
        raise DataError(explain(str(column.name), "be single values", "lists or others", FIX))


def _check_keys(data: pd.DataFrame, unit: Column, period: Column) -> None:
    keys = data[[unit, period]]
    name = f"{unit}, {period}"
    if keys.empty:
        raise DataError(explain(name, "be in a row or more", "no rows", FIX))
    if keys.isna().any(axis=None):
        raise DataError(explain(name, "be in every row", "a gap", FIX))
    if keys.duplicated().any():
        raise DataError(explain(name, "occur once", "a repeated row", FIX))


def _order_periods(values: pd.Series) -> tuple[np.ndarray, pd.Index]:
    """Place rows among the periods, and refuse texts whose alphabetical order is another one."""
    try:
        place, periods = pd.factorize(values, sort=True)
        fine = periods.inferred_type not in ("mixed", "mixed-integer")
    except TypeError:
        fine = False
    if not fine:
        raise DataError(explain(str(values.name), "be of one kind", "several kinds", FIX))
    if periods.inferred_type == "string" and not _sort_in_time([str(text) for text in periods]):
        rule = "sort in time, as numbers, dates, ordered categories or texts like 2012-09 do"
        raise DataError(explain(str(values.name), rule, "other texts", FIX))
    return place, pd.Index(periods, name=values.name)


def _sort_in_time(texts: list[str]) -> bool:
    """Whether texts differ in digits alone: in one number, or first in one of four digits."""
    shapes = {re.sub(r"\d", "0", text) for text in texts}
    numbers = re.findall("0+", shapes.pop())
    return not shapes and (len(numbers) == 1 or max(map(len, numbers[:1]), default=0) > 3)


def _mean_cases(values: np.ndarray, row: np.ndarray, n_units: int) -> np.ndarray:
    known = np.isfinite(values)
    counts = np.bincount(row[known], minlength=n_units)
    total = np.bincount(row[known], values[known], minlength=n_units)
    if (counts == 0).any() or (values[known] <= 0).any():
        got = "a unit without cases, or a number that is not above 0"
        raise DataError(explain("cases", "be above 0 for every unit", got, FIX))
    return total / counts


def _read_starts(data: pd.DataFrame, start: Start, unit: Column) -> pd.Series:
    """Give every row its unit's start; a mapping may name units of the table alone."""
    if not isinstance(start, (Mapping, pd.Series)):
        return data[start]
    wanted = dict(start)
    known = pd.Index(data[unit].unique())
    for name in wanted:
        if name not in known:
            near = get_close_matches(str(name), known.astype(str), n=1)
            hint = f"Did you mean {near[0]!r}?" if near else "Correct it, or leave it out."
            raise ParameterError(explain("start", "name units of the table", repr(name), hint))
    return data[unit].astype(object).map(wanted)


def _place_starts(first: pd.Series, row: np.ndarray, periods: pd.Index, n_units: int) -> np.ndarray:
    """Give each unit the position of its first treated period; NaN if never."""
    own = pd.Series(first.to_numpy(), dtype=first.dtype).groupby(row)
    if (own.nunique(dropna=False) > 1).any():  # noqa: PD101
        raise DataError(explain("start", "be one for each unit", "a unit with two", FIX))
    place = np.full(n_units, np.nan)
    known = own.first().dropna()
    for position, value in known.items():
        place[position] = _place_start(value, periods)
    return place


def _place_start(value: object, periods: pd.Index) -> float:
    """Find a start among the periods: 0 if earlier than all, NaN if later."""
    try:
        if isinstance(value, (str, date)) and isinstance(periods, pd.DatetimeIndex):
            value = pd.Timestamp(value)
        elif isinstance(value, (str, date)) and isinstance(periods, pd.PeriodIndex):
            value = pd.Period(value, periods.freq)
        [place] = periods.get_indexer(pd.Index([value]))
        if place >= 0:
            return float(place)
        if not isinstance(periods, pd.CategoricalIndex):
            if value > periods[-1]:
                return np.nan
            if value < periods[0]:
                return 0.0
    except (TypeError, ValueError):
        got = f"{value!r} among periods such as {periods[0]!r}"
        raise DataError(explain("start", "be of the kind of the periods", got, FIX)) from None
    got = f"{value}, which is none of them"
    raise DataError(explain("start", "be one of the periods", got, FIX))
