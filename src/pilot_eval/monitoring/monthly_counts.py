"""Counts of a live trial by council and month: what an extract adds to the history."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pandas as pd

from pilot_eval.errors import DataError, explain
from pilot_eval.monitoring.trial_rules import TrialRules

COLUMNS = ["council_code", "month", "numerator", "denominator"]
_COUNTS = COLUMNS[2:]


def read_counts(path: Path) -> pd.DataFrame:
    """Read an extract, or a history.

    Parameters
    ----------
    path : Path
        CSV with the columns `COLUMNS`: one row per council and month, as 2017-05.

    Returns
    -------
    DataFrame
        Sorted by month and council; counts are whole numbers.

    Raises
    ------
    DataError
        If a column is missing, a council and month comes twice, or counts are impossible. Names
        the rows, never a count.
    """
    frame = _read_text(path)
    missing = [name for name in COLUMNS if name not in frame]
    if missing:
        raise _refusal(path, f"have the columns {', '.join(COLUMNS)}", f"no {missing[0]}")
    frame = frame[COLUMNS].apply(lambda column: column.str.strip())
    if not len(frame):
        raise _refusal(path, "have a row per council and month", "none")
    wrong = ~frame["month"].str.fullmatch(r"20\d\d-(0[1-9]|1[0-2])").fillna(False).astype(bool)
    _refuse_rows(path, wrong | frame["council_code"].isna(), "name a council and a month (2017-05)")
    numbers = frame[_COUNTS].apply(pd.to_numeric, errors="coerce")
    whole = (numbers >= 0).all(axis=1) & (numbers % 1 == 0).all(axis=1)
    whole &= numbers["numerator"] <= numbers["denominator"]
    _refuse_rows(path, ~whole, "have whole counts, the numerator at most the denominator")
    frame = frame.assign(**numbers.astype("int64"))
    _refuse_rows(path, frame.duplicated(COLUMNS[:2]), "be the only one of its council and month")
    return frame.sort_values(["month", "council_code"], ignore_index=True)


def add_months(history: pd.DataFrame, extract: pd.DataFrame, *, replace: bool) -> pd.DataFrame:
    """Add the months of an extract to the history.

    Parameters
    ----------
    history, extract : DataFrame
        As from `read_counts`.
    replace : bool
        Whether months that are there already may be replaced, whole.

    Returns
    -------
    DataFrame

    Raises
    ------
    DataError
        If a month is there already and may not be replaced, or a month between is missing.
    """
    months = set(extract["month"])
    again = sorted(months & set(history["month"]))
    if again and not replace:
        rule, got = "add months that the history does not have", ", ".join(again)
        raise DataError(explain("extract", rule, got, "Give --replace to put these in its place."))
    kept = history[~history["month"].isin(months)]
    whole = pd.concat([kept, extract]).sort_values(["month", "council_code"], ignore_index=True)
    found = pd.PeriodIndex(whole["month"].unique(), freq="M")
    wanted = pd.period_range(found.min(), found.max(), freq="M")
    gaps = [str(month) for month in wanted if month not in found]
    if gaps:
        rule = "have every month from the first to the last"
        raise DataError(
            explain("history", rule, f"no {', '.join(gaps)}", "Add these months first.")
        )
    return whole


def arrange(
    history: pd.DataFrame, rules: TrialRules
) -> tuple[list[str], np.ndarray, np.ndarray, list[str]]:
    """Arrange the history as the statistics read it.

    Parameters
    ----------
    history : DataFrame
    rules : TrialRules

    Returns
    -------
    codes : list of str
        Councils with every month and cases before the start and in the first month after.
    numerator, denominator : ndarray, shape (councils, months)
        From `rules.months_before` months before the start on.
    left_out : list of str
        Councils without.

    Raises
    ------
    DataError
        If the months before the start are not there, or a treated council is left out.
    """
    first = pd.Period(rules.start, freq="M") - rules.months_before
    months = pd.PeriodIndex(history["month"].unique(), freq="M")
    if first not in months:
        rule = f"begin {rules.months_before} months before the start, with {first}"
        got, action = f"{months.min()}", "Add the months before the trial."
        raise DataError(explain("history", rule, got, action))
    kept = history[history["month"] >= str(first)]
    wide = {
        name: kept.pivot(index="council_code", columns="month", values=name) for name in _COUNTS
    }
    cases = wide["denominator"]
    whole = cases.notna().all(axis=1) & (cases.iloc[:, : rules.months_before].sum(axis=1) > 0)
    if cases.shape[1] > rules.months_before:
        whole &= cases.iloc[:, rules.months_before] > 0
    left_out = sorted({*cases.index[~whole], *set(history["council_code"]) - set(cases.index)})
    lost = [code for code in rules.treated if code not in cases.index[whole]]
    if lost:
        rule = "have every month of each treated council, with cases"
        raise DataError(explain("history", rule, f"not those of {', '.join(lost)}", "Add them."))
    arrays = [wide[name][whole].to_numpy(dtype=float) for name in _COUNTS]
    return list(cases.index[whole]), arrays[0], arrays[1], left_out


def _read_text(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path, dtype="str", encoding="utf-8-sig", sep=None, engine="python")
    except (OSError, ValueError, csv.Error):
        pass  # the inner message may quote a row
    raise _refusal(path, "be a CSV file in UTF-8", "something else")


def _refuse_rows(path: Path, wrong: pd.Series, rule: str) -> None:
    lines = [str(row + 2) for row in np.flatnonzero(wrong)]
    if lines:
        more = " and more" if len(lines) > 5 else ""
        raise _refusal(path, rule, f"other rows: lines {', '.join(lines[:5])}{more}")


def _refusal(path: Path, rule: str, got: str) -> DataError:
    return DataError(explain(path.name, rule, got, "Correct the extract; nothing was changed."))
