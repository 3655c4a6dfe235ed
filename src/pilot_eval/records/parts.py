"""Which councils' returns are where: whole councils as parts that can be read separately."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pandas as pd

from pilot_eval.errors import DataError, ParameterError, explain
from pilot_eval.records.council_numbers import count_parts
from pilot_eval.records.read import Format, ReturnFile, find_returns, read_headers
from pilot_eval.records.resubmissions import find_standing
from pilot_eval.records.returns import ReturnHeader


@dataclass(frozen=True, slots=True, kw_only=True)
class CouncilReturns:
    """Every return of one council, or of councils that share a folder.

    Attributes
    ----------
    places : tuple of ReturnFile
    headers : tuple of ReturnHeader
        One a return.
    """

    places: tuple[ReturnFile, ...]
    headers: tuple[ReturnHeader, ...]

    @property
    def councils(self) -> tuple[str, ...]:
        """Council codes, sorted."""
        return tuple(sorted({header.council_code for header in self.headers}))

    @property
    def resubmitted(self) -> dict[ReturnHeader, ReturnHeader]:
        """Returns that were sent again -> the last one, which is used."""
        return find_standing(self.headers)


def list_parts(
    paths: str | Path | Iterable[str | Path],
    *,
    format: Format | None = None,
    root: Path | None = None,
    refused: list[str] | None = None,
) -> list[CouncilReturns]:
    """Read the headers of returns and group them so that no council is in two parts.

    Parameters
    ----------
    paths : path or iterable of paths
        As in `read_census`.
    format : {"xml", "csv", "parquet"}, optional
    root : Path, optional
        Project root, for the list of councils.
    refused : list, optional
        Takes the messages of returns whose header cannot be trusted, so that the others can be
        read; without it the first such return is an error.

    Returns
    -------
    list of CouncilReturns
        Sorted by council.

    Raises
    ------
    DataError
        If nothing is found, a header cannot be trusted, or real and simulated returns are mixed.

    Examples
    --------
    >>> [part.councils for part in list_parts("returns")]                   # doctest: +SKIP
    [('E06000001',), ('E06000002',)]
    """
    groups: list[CouncilReturns] = []
    for place in find_returns(paths, format=format, refused=refused):
        try:
            headers = tuple(read_headers(place, root))
        except DataError as fault:
            if refused is None:
                raise
            refused.append(str(fault))
            continue
        part = CouncilReturns(places=(place,), headers=headers)
        shared = [group for group in groups if set(group.councils) & set(part.councils)]
        groups = [group for group in groups if group not in shared]
        groups.append(_merge([*shared, part]))
    if not groups:
        raise DataError("; ".join(refused or ["no return can be read"]))
    if len({header.simulated for group in groups for header in group.headers}) > 1:
        action = "Give them in runs of their own."
        raise DataError(
            explain("returns", "be all real or all simulated", "a mixture of both", action)
        )
    return sorted(groups, key=lambda group: group.councils)


def build_coverage(parts: Sequence[CouncilReturns]) -> pd.DataFrame:
    """List the days that the returns cover.

    Parameters
    ----------
    parts : sequence of CouncilReturns

    Returns
    -------
    DataFrame
        council_code, first_day, last_day, complete: one row per council and year. A year of a
        divided council is complete when there is a return of each of its parts.
    """
    held: dict[tuple[str, int], set[str]] = {}
    for part in parts:
        for header in part.headers:
            held.setdefault((header.council_code, header.year), set()).add(header.part)
    rows = [
        (
            code,
            date(year - 1, 4, 1),
            date(year, 3, 31),
            "" in names or len(names) == count_parts(code),
        )
        for (code, year), names in held.items()
    ]
    return pd.DataFrame(rows, columns=["council_code", "first_day", "last_day", "complete"])


def covered_days(coverage: pd.DataFrame, data_cut: str) -> tuple[date, date]:
    """Find the first day that returns cover, and check the last one against them.

    Parameters
    ----------
    coverage : DataFrame
        As from `build_coverage`.
    data_cut : str
        Last day that the records cover, as 2013-03-31. Cases without an end are unfinished on this
        day, so it may not lie beyond the last return.

    Returns
    -------
    first_day, data_cut : date

    Raises
    ------
    ParameterError
        If the cut is not a date or lies outside the years of the returns.
    """
    first, last = coverage["first_day"].min(), coverage["last_day"].max()
    try:
        cut = date.fromisoformat(data_cut)
    except ValueError:
        cut = None
    if cut is None or not first < cut <= last:
        raise ParameterError(
            explain(
                "data_cut",
                f"be a date after {first} and at most {last}, the years of the returns",
                repr(data_cut),
                "Give the last day that the records cover.",
            )
        )
    return first, cut


def find_missing_returns(coverage: pd.DataFrame) -> dict[str, str]:
    """Find councils without a return for a year that other councils have one for.

    Their cases of that year are known only as far as they were still open later, so that no delay
    and no rate can be computed.

    Parameters
    ----------
    coverage : DataFrame
        As from `build_coverage`.

    Returns
    -------
    dict of str to str
        Council code -> what is missing.
    """
    years = pd.DatetimeIndex(coverage["last_day"]).year
    wanted = range(years.min(), years.max() + 1)
    whole = pd.Series(years, index=coverage["council_code"])[coverage["complete"].to_numpy()]
    found = whole.groupby(level=0).agg(set).to_dict()
    held = {code: found.get(code, set()) for code in sorted(coverage["council_code"].unique())}
    gaps = {code: [year for year in wanted if year not in own] for code, own in held.items()}
    return {
        code: f"no return for the year ending March {', '.join(map(str, missing))}"
        for code, missing in gaps.items()
        if missing
    }


def _merge(groups: Sequence[CouncilReturns]) -> CouncilReturns:
    return CouncilReturns(
        places=tuple(place for group in groups for place in group.places),
        headers=tuple(header for group in groups for header in group.headers),
    )
