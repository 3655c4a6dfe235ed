"""A return sent again stands in place of the one before: last by DateTime, then by SerialNo."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

import pandas as pd

from pilot_eval.errors import DataError, explain
from pilot_eval.records.returns import ReturnHeader
from pilot_eval.records.schema import ISSUE_COLUMNS, empty_issues

RETURN = "return"
"""In place of a table's name, where an issue is about a whole return."""
_STAMPS = ("%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M", "%d/%m/%Y")


def find_standing(headers: Iterable[ReturnHeader]) -> dict[ReturnHeader, ReturnHeader]:
    """Find, for each return that was sent again, the one that stands for it.

    Parameters
    ----------
    headers : iterable of ReturnHeader

    Returns
    -------
    dict of ReturnHeader to ReturnHeader
        Return sent earlier -> the last one of its council and year. Returns that neither DateTime
        nor SerialNo orders are not in it: which one stands cannot be known.
    """
    by_return: dict[tuple[str, str, int], list[ReturnHeader]] = {}
    for header in headers:
        by_return.setdefault((header.council_code, header.part, header.year), []).append(header)
    standing: dict[ReturnHeader, ReturnHeader] = {}
    for own in by_return.values():
        last = max(own, key=_order)
        standing |= {header: last for header in own if _order(header) < _order(last)}
    return standing


def word_resubmission(earlier: ReturnHeader, last: ReturnHeader, name: str) -> str:
    """Name the return that is used and the one that is not.

    Parameters
    ----------
    earlier, last : ReturnHeader
    name : str
        Of the council.

    Returns
    -------
    str
    """
    return (
        f"{name}, year ending March {last.year}: `{last.file}` (sent {last.sent or 'undated'}, "
        f"serial {last.serial or 'none'}) is used; `{earlier.file}` (sent "
        f"{earlier.sent or 'undated'}, serial {earlier.serial or 'none'}) is an earlier version."
    )


def note_resubmissions(standing: dict[ReturnHeader, ReturnHeader]) -> pd.DataFrame:
    """Turn returns that were sent again into issues.

    Parameters
    ----------
    standing : dict of ReturnHeader to ReturnHeader
        As from `find_standing`.

    Returns
    -------
    DataFrame
        Columns of `ISSUE_COLUMNS`.
    """
    return note_returns([(header, "", "resubmitted_return", "note") for header in standing])


def note_returns(found: Sequence[tuple[ReturnHeader, str, str, str]]) -> pd.DataFrame:
    """Turn what is so of whole returns into issues.

    Parameters
    ----------
    found : sequence of (header, field, rule, severity)

    Returns
    -------
    DataFrame
        Columns of `ISSUE_COLUMNS`; `row` and `source_row` are -1.
    """
    rows = [
        (RETURN, field, -1, rule, severity, header.council_code, header.file, -1)
        for header, field, rule, severity in found
    ]
    if not rows:
        return empty_issues()
    kinds = dict(empty_issues().dtypes.items())
    return pd.DataFrame(rows, columns=list(ISSUE_COLUMNS)).astype(kinds)


def refuse_unordered(
    headers: Iterable[ReturnHeader], standing: dict[ReturnHeader, ReturnHeader]
) -> None:
    """Refuse a second return of a council and year that neither date nor number orders.

    Raises
    ------
    DataError
    """
    seen: set[tuple[str, str, int]] = set()
    for header in headers:
        key = (header.council_code, header.part, header.year)
        if header in standing:
            continue
        if key in seen:
            rule = "be the only return of its council and year, or differ in DateTime or SerialNo"
            got = f"a second of {key[0]}, {key[2]}"
            raise DataError(explain(header.file, rule, got, "Keep the last one sent."))
        seen.add(key)


def _order(header: ReturnHeader) -> tuple[datetime, int]:
    digits = "".join(filter(str.isdigit, header.serial))
    return _stamp(header.sent), int(digits or 0)


def _stamp(text: str) -> datetime:
    """Read a DateTime; what cannot be read comes first, so that it never wins."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=None)
    except ValueError:
        pass
    for form in _STAMPS:
        try:
            return datetime.strptime(text, form)
        except ValueError:
            continue
    return datetime.min
