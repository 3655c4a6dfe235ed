"""What figures there are: indicators, periods and councils of a long table."""

from __future__ import annotations

import pandas as pd

from pilot_eval.errors import choose_names
from pilot_eval.reference.facts import ENGLAND


def summarise_table(table: pd.DataFrame, indicator: str | None = None) -> pd.DataFrame:
    """Count the councils that have a figure, by indicator, or by year of one indicator.

    Parameters
    ----------
    table : DataFrame
        As from `load_published`.
    indicator : str, optional
        Count this one by year instead.

    Returns
    -------
    DataFrame
        One row for each indicator (indicator, first_year, last_year, councils, figures, not_shown)
        or for each year (year_ending, councils, not_shown); England is left out. `not_shown` counts
        figures that are suppressed, missing or not applicable.

    Raises
    ------
    ParameterError
        If the indicator is not in the table; the message says which was probably meant.

    Examples
    --------
    >>> from pilot_eval.published.council_indicators import load_published
    >>> summarise_table(load_published())["first_year"].min()
    np.int64(2010)
    """
    rows = table[table["council_code"] != ENGLAND]
    rows = rows.assign(shown=rows["value"].notna())
    if indicator is not None:
        choose_names("indicator", indicator, rows["indicator"].unique())
        rows = rows[rows["indicator"] == indicator]
        grouped = rows.groupby("year_ending", as_index=False)
        found = grouped.agg(councils=("shown", "sum"), rows=("shown", "size"))
        found["not_shown"] = found["rows"] - found["councils"]
        return found.drop(columns="rows")
    shown = rows[rows["shown"]].groupby("indicator", sort=False)
    found = shown.agg(
        first_year=("year_ending", "min"),
        last_year=("year_ending", "max"),
        councils=("council_code", "nunique"),
        figures=("shown", "size"),
    )
    sizes = rows.groupby("indicator", sort=False).size()
    found = found.assign(not_shown=sizes.reindex(found.index) - found["figures"])
    return found.reset_index()
