"""Text columns to typed ones: dates, codes, yes/no, numbers; and the rows that have no such value.

Every function works on the few distinct texts of a column and spreads the answer over its rows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from functools import lru_cache
from typing import TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pilot_eval.records.schema import DATE_DTYPE, NO_DATE, YES_NO

_DAY = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})"  # a date, and no time of day but midnight, in any zone
    r"([T ]00:00(:00(\.0+)?)?)?\s*(Z|[+-]\d{2}:?\d{2})?"
)
#: Words that databases and statistical packages write for nothing.
NO_VALUE = frozenset(
    {"null", "(null)", "\\n", "nan", "nat", "<na>", "na", "n/a", "#n/a", "nil", ".", "-"}
)
_NO_DAY = frozenset({"none", "00/00/0000", "0000-00-00"})  # NONE is a code elsewhere
_EPOCH = date(1970, 1, 1).toordinal()
_MISSING, _BAD = -(2**31), -(2**31) + 1
_NUMBER = re.compile(r"(\d{1,4})(\.0+)?")

Column: TypeAlias = pa.Array | pa.ChunkedArray
BadRows = NDArray[np.int64]


def to_dates(column: Column) -> tuple[NDArray[np.datetime64], BadRows]:
    """Read dates, written YYYY-MM-DD, or typed already.

    Parameters
    ----------
    column : arrow text, date or timestamp column, shape (n,)

    Returns
    -------
    dates : ndarray of datetime64[s], shape (n,)
        NaT where there is none or it is not a date.
    bad : ndarray of int
        Rows whose text is not a date of the calendar.
    """
    if pa.types.is_temporal(column.type):
        days = column.cast(pa.date32()).to_numpy(zero_copy_only=False)
        return days.astype(DATE_DTYPE), np.empty(0, dtype="int64")
    if column.null_count == len(column):
        return np.full(len(column), "NaT", dtype=DATE_DTYPE), np.empty(0, dtype="int64")
    days = _spread(column, _parse_day, _MISSING, "int64")
    bad = np.flatnonzero(days == _BAD)
    dates = np.maximum(days, _BAD).astype("datetime64[D]").astype(DATE_DTYPE)
    dates[days <= _BAD] = NO_DATE
    return dates, bad


def to_codes(column: Column, *, capitals: bool = True) -> pd.Categorical:
    """Read codes, without blanks around them.

    Parameters
    ----------
    column : arrow text column, shape (n,)
    capitals : bool
        Whether codes are read in capitals; our own words are not.

    Returns
    -------
    Categorical, shape (n,)
        Categories sorted; missing where the text is missing or blank.
    """
    texts, codes = _distinct(column)
    bare = [_strip(text) for text in texts]
    stripped = [text.upper() for text in bare] if capitals else bare
    categories = sorted({text for text in stripped if text})
    place = {text: number for number, text in enumerate(categories)}
    lookup = np.array([*(place.get(text, -1) for text in stripped), -1], dtype="int64")
    return pd.Categorical.from_codes(lookup[codes], categories=pd.Index(categories, dtype="str"))


def to_translated(
    column: Column, meanings: Mapping[str, str], categories: tuple[str, ...]
) -> tuple[pd.Categorical, BadRows]:
    """Translate codes that are spelt differently from year to year.

    Parameters
    ----------
    column : arrow text column, shape (n,)
    meanings : mapping of str to str
        Raw code -> category.
    categories : tuple of str

    Returns
    -------
    values : Categorical, shape (n,)
    bad : ndarray of int
        Rows whose code has no meaning; missing in `values`.
    """

    def number(text: str) -> int:
        meaning = meanings.get(text, meanings.get(text.lower(), meanings.get(text.upper())))
        return -2 if meaning is None else categories.index(meaning)

    codes = _spread(column, number, -1, "int64")
    bad = np.flatnonzero(codes == -2)
    kept = np.maximum(codes, -1)
    return pd.Categorical.from_codes(kept, categories=pd.Index(categories, dtype="str")), bad


def to_yes_no(column: Column, meanings: Mapping[str, str]) -> tuple[pd.Categorical, BadRows]:
    """Read true/false, 1/0 or a typed boolean column.

    Parameters
    ----------
    column : arrow text or boolean column, shape (n,)
    meanings : mapping of str to str
        Raw text -> "yes" or "no".

    Returns
    -------
    values : Categorical of "yes" and "no", shape (n,)
    bad : ndarray of int
    """
    return to_translated(_as_text(column), meanings, YES_NO)


def to_numbers(column: Column) -> tuple[pd.array, BadRows]:
    """Read whole numbers from 0 to 9999.

    Parameters
    ----------
    column : arrow text or integer column, shape (n,)

    Returns
    -------
    values : Int64 array, shape (n,)
    bad : ndarray of int
    """

    def parse(text: str) -> int:
        found = _NUMBER.fullmatch(text)
        return int(found[1]) if found else -2

    numbers = _spread(_as_text(column), parse, -1, "int64")
    bad = np.flatnonzero(numbers == -2)
    return pd.arrays.IntegerArray(np.maximum(numbers, 0), mask=numbers < 0), bad


def to_keys(column: Column) -> pd.array:
    """Read identifiers: text without blanks around it; blank is missing.

    Parameters
    ----------
    column : arrow text column, shape (n,)

    Returns
    -------
    str array, shape (n,)
    """
    text = drop_point_zero(pc.utf8_trim_whitespace(_as_text(column)))
    empty = pc.is_in(pc.utf8_lower(text), value_set=pa.array(["", *NO_VALUE], text.type))
    text = pc.if_else(empty, pa.scalar(None, text.type), text)
    return pd.array(text.cast(pa.large_string()).to_numpy(zero_copy_only=False), dtype="str")


def drop_point_zero(text: Column) -> Column:
    """Write whole numbers as such where an export has made them `1.0`; other texts stay.

    Parameters
    ----------
    text : arrow text column

    Returns
    -------
    arrow text column
    """
    if not pc.any(pc.ends_with(text, ".0")).as_py():
        return text
    return pc.replace_substring_regex(text, r"^(\d+)\.0+$", r"\1")


def take_or_missing(column: Column, rows: NDArray[np.int64]) -> Column:
    """Take rows of a column; -1 gives missing.

    Parameters
    ----------
    column : arrow column
    rows : ndarray of int

    Returns
    -------
    arrow column, as long as `rows`
    """
    return column.take(pa.array(rows, mask=rows < 0))


@lru_cache(maxsize=100_000)
def _parse_day(text: str) -> int:
    """Count the days from 1970-01-01 to a date, or say that it is none."""
    if text.lower() in _NO_DAY:
        return _MISSING
    found = _DAY.fullmatch(text)
    try:
        day = date(int(found[1]), int(found[2]), int(found[3])) if found else None
        return day.toordinal() - _EPOCH if day else _BAD
    except ValueError:
        return _BAD


def _strip(text: str | None) -> str:
    """Take blanks off; a word for nothing is nothing."""
    bare = (text or "").strip()
    return "" if bare.lower() in NO_VALUE else bare


def _as_text(column: Column) -> Column:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    return column if pa.types.is_string(column.type) else column.cast(pa.string())


def _distinct(column: Column) -> tuple[list[str | None], NDArray[np.int64]]:
    """List the distinct texts, and for each row which it is (-1: missing)."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if not pa.types.is_dictionary(column.type):
        column = _as_text(column).dictionary_encode()
    codes = column.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype("int64")
    return column.dictionary.to_pylist(), codes


def _spread(
    column: Column, parse: Callable[[str], int], missing: int, dtype: str
) -> NDArray[np.int64]:
    """Apply `parse` to the distinct texts and spread the numbers over the rows."""
    texts, codes = _distinct(column)
    stripped = [_strip(text) for text in texts]
    numbers = [parse(text) if text else missing for text in stripped]
    return np.array([*numbers, missing], dtype=dtype)[codes]
