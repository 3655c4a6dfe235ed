"""The typed tables of children's records: what readers and simulator make and measures use.

One row of a table is one record of the return. Ids mean something only within a council and are
never shown. Dates are ``datetime64[s]``; a date that is missing is NaT. Codes are categories.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Literal

import numpy as np
import pandas as pd

from pilot_eval.errors import DataError, explain

Strand = Literal["census", "simulated"]

DATE_DTYPE = "datetime64[s]"
NO_DATE, ONE_MONTH = np.datetime64("NaT", "s"), np.timedelta64(1, "M")
ID_DTYPE = "str"
NUMBER_DTYPE = "Int64"
YES_NO = ("yes", "no")

#: Table -> column -> kind: "key" (text that links), "link" (surrogate integer), "date", "code"
#: (category), "yes_no" (category of "yes" and "no"; missing = not recorded), "number" (integer or
#: missing).
SCHEMA: dict[str, dict[str, str]] = {
    "children": {
        "council_code": "code",
        "child_id": "key",
        "birth_date": "date",
        "expected_birth_date": "date",
        "sex": "code",
        "death_date": "date",
        "ethnicity": "code",
        "disabled": "yes_no",
    },
    "referrals": {
        "council_code": "code",
        "child_id": "key",
        "referral_id": "link",
        "referral_date": "date",
        "referral_source": "code",
        "primary_need": "code",
        "closure_date": "date",
        "closure_reason": "code",
        "no_further_action": "yes_no",
        "icpc_date": "date",
    },
    "assessments": {
        "council_code": "code",
        "child_id": "key",
        "referral_id": "link",
        "assessment_type": "code",
        "start_date": "date",
        "end_date": "date",
        "target_date": "date",
    },
    "section47s": {
        "council_code": "code",
        "child_id": "key",
        "referral_id": "link",
        "s47_start_date": "date",
        "strategy_date": "date",
        "icpc_target_date": "date",
        "icpc_date": "date",
        "icpc_not_required": "yes_no",
    },
    "conferences": {
        "council_code": "code",
        "child_id": "key",
        "referral_id": "link",
        "icpc_date": "date",
        "core_group_date": "date",
    },
    "plans": {
        "council_code": "code",
        "child_id": "key",
        "referral_id": "link",
        "plan_start_date": "date",
        "plan_end_date": "date",
        "initial_category": "code",
        "latest_category": "code",
        "number_previous_plans": "number",
    },
    "reviews": {
        "council_code": "code",
        "child_id": "key",
        "plan_start_date": "date",
        "review_date": "date",
    },
}

#: Where a record was read: readers add these columns to every table, simulated tables lack them.
#: `source_row` is the line of an XML file or the row of a CSV or Parquet table (from 1).
ORIGIN = {"census_year": "year", "source_file": "code", "source_row": "row"}

ISSUE_COLUMNS = (
    "table",
    "field",
    "row",
    "rule",
    "severity",
    "council_code",
    "source_file",
    "source_row",
)

_TEXT = pd.StringDtype(na_value=np.nan)
_DTYPES = {
    "key": ID_DTYPE,
    "link": "int64",
    "date": DATE_DTYPE,
    "code": "category",
    "yes_no": pd.CategoricalDtype(YES_NO),
    "number": NUMBER_DTYPE,
    "year": "int16",
    "row": "int64",
}


def empty_issues() -> pd.DataFrame:
    """Build the issue table with no rows.

    Returns
    -------
    pandas.DataFrame
        Columns of `ISSUE_COLUMNS`: table, field, row (position in the table, from 0), rule,
        severity, council_code and where the record was read; never a value.
    """
    return _no_issues().copy()


@cache
def _no_issues() -> pd.DataFrame:
    frame = pd.DataFrame({name: pd.Series(dtype="str") for name in ISSUE_COLUMNS})
    return frame.astype({"row": "int64", "source_row": "int64"})


@dataclass(frozen=True, slots=True, kw_only=True)
class CensusTables:
    """Children's records of one or many councils and years, as seven typed tables.

    Attributes
    ----------
    children, referrals, assessments, section47s, conferences, plans, reviews : DataFrame
        Columns as in `SCHEMA`, and those of `ORIGIN` where the tables were read from returns.
    strand : {"census", "simulated"}
        Real returns or invented children; the two are never mixed.
    source : str
        What was read or which simulation it is, in words; no path of a person.
    issues : DataFrame
        What the reader itself found (dates that are no dates, ...), columns `ISSUE_COLUMNS`.
    """

    children: pd.DataFrame
    referrals: pd.DataFrame
    assessments: pd.DataFrame
    section47s: pd.DataFrame
    conferences: pd.DataFrame
    plans: pd.DataFrame
    reviews: pd.DataFrame
    strand: Strand
    source: str
    issues: pd.DataFrame = field(default_factory=empty_issues)

    def __post_init__(self) -> None:
        """Refuse a strand that does not exist and tables without their columns."""
        if self.strand not in ("census", "simulated"):
            raise DataError(
                explain("strand", "be census or simulated", "another word", "Correct the caller.")
            )
        for name, columns in SCHEMA.items():
            missing = [column for column in columns if column not in getattr(self, name)]
            if missing:
                rule = f"have the columns {', '.join(columns)}"
                action = "Build the table with `build_tables`."
                raise DataError(explain(name, rule, f"none of {', '.join(missing)}", action))


def frames_of(tables: CensusTables) -> dict[str, pd.DataFrame]:
    """List the seven tables by name.

    Parameters
    ----------
    tables : CensusTables

    Returns
    -------
    dict of str to DataFrame
        In the order of `SCHEMA`; the frames themselves, not copies.
    """
    return {name: getattr(tables, name) for name in SCHEMA}


def build_tables(
    frames: Mapping[str, pd.DataFrame],
    *,
    strand: Strand,
    source: str,
    issues: pd.DataFrame | None = None,
) -> CensusTables:
    """Build typed tables from frames that may lack tables, columns or dtypes.

    Parameters
    ----------
    frames : mapping of str to DataFrame
        Any of the seven tables; a table that is absent becomes empty, a column that is absent
        becomes missing throughout. Columns that are not in the schema are kept.
    strand : {"census", "simulated"}
    source : str
    issues : DataFrame, optional
        What was found while reading.

    Returns
    -------
    CensusTables
        New frames with a fresh index and the dtypes of `SCHEMA`.

    Raises
    ------
    DataError
        If a table of another name is given, or a column cannot be turned into its kind.

    Examples
    --------
    >>> tables = build_tables({}, strand="simulated", source="nothing")
    >>> len(tables.referrals), str(tables.referrals["referral_date"].dtype)
    (0, 'datetime64[s]')
    """
    unknown = sorted(set(frames) - set(SCHEMA))
    if unknown:
        rule = f"be named one of {', '.join(SCHEMA)}"
        raise DataError(explain("tables", rule, ", ".join(unknown), "Correct the caller."))
    typed = {name: _typed(name, frames.get(name, pd.DataFrame())) for name in SCHEMA}
    found = empty_issues() if issues is None else issues
    return CensusTables(**typed, strand=strand, source=source, issues=found)


def concat_tables(parts: Iterable[CensusTables], *, source: str) -> CensusTables:
    """Put the tables of several councils or years below one another.

    Parameters
    ----------
    parts : iterable of CensusTables
        All of one strand. `referral_id` must be unique within a council across the parts.
    source : str
        What the whole is, in words.

    Returns
    -------
    CensusTables
        Rows in the order of the parts; the issues point at the new rows.

    Raises
    ------
    DataError
        If there is no part, or strands are mixed.
    """
    parts = list(parts)
    strands = {part.strand for part in parts}
    if len(strands) != 1:
        got = f"{len(strands)} strands"
        action = "Keep real and simulated records apart."
        raise DataError(explain("parts", "be of one strand", got, action))
    frames = {
        name: concat_frames([getattr(part, name) for part in parts], SCHEMA[name])
        for name in SCHEMA
    }
    return CensusTables(**frames, strand=strands.pop(), source=source, issues=_concat_issues(parts))


def concat_frames(frames: list[pd.DataFrame], kinds: Mapping[str, str]) -> pd.DataFrame:
    """Concatenate frames so that code columns stay categories.

    Parameters
    ----------
    frames : list of DataFrame
    kinds : mapping of str to str
        Column -> kind, as in `SCHEMA`.

    Returns
    -------
    DataFrame
        With a fresh index.
    """
    if len(frames) == 1:
        return frames[0].reset_index(drop=True)
    codes = [name for name, kind in {**kinds, **ORIGIN}.items() if kind == "code"]
    shared = [name for name in codes if all(name in frame for frame in frames)]
    rest = [frame.drop(columns=shared) for frame in frames]
    whole = pd.concat(rest, ignore_index=True)
    for name in shared:
        columns = [frame[name] for frame in frames]
        whole[name] = pd.api.types.union_categoricals(columns, sort_categories=True)
    return whole[list(frames[0].columns)]


def _typed(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    """Give a frame the columns, order and dtypes of its table; keep further columns at the end."""
    columns = {}
    for column, kind in {**SCHEMA[name], **ORIGIN}.items():
        if column in frame:
            columns[column] = _as_kind(f"{name}.{column}", frame[column], kind)
        elif column in SCHEMA[name]:
            columns[column] = _missing(kind, len(frame))
    rest = {column: frame[column].to_numpy() for column in frame if column not in columns}
    return pd.DataFrame({**columns, **rest}, index=pd.RangeIndex(len(frame)))


def _missing(kind: str, size: int) -> pd.Series:
    if kind == "link":
        return pd.Series(np.arange(size, dtype="int64"))
    if kind == "code":
        return pd.Series(pd.Categorical([None] * size, categories=pd.Index([], dtype=_TEXT)))
    value = pd.NaT if kind == "date" else None
    return pd.Series([value] * size, dtype=_DTYPES[kind])


def _as_codes(column: pd.Series) -> pd.Series:
    """Make a category of text, whatever the category of a column without values was of."""
    codes = column if isinstance(column.dtype, pd.CategoricalDtype) else column.astype("category")
    if codes.cat.categories.dtype == _TEXT:
        return codes
    return codes.cat.rename_categories(codes.cat.categories.astype(_TEXT))


def _as_kind(name: str, column: pd.Series, kind: str) -> pd.Series:
    try:
        if not column.index.equals(pd.RangeIndex(len(column))):
            column = column.reset_index(drop=True)
        if kind == "code":
            return _as_codes(column)
        return column if column.dtype == _DTYPES[kind] else column.astype(_DTYPES[kind])
    except (ValueError, TypeError, OverflowError):
        pass  # the inner error, which may carry a value, ends here
    rule = f"hold values of the kind {kind}"
    raise DataError(explain(name, rule, "something else", "Correct the source of the table."))


def _concat_issues(parts: list[CensusTables]) -> pd.DataFrame:
    moved, start = [], dict.fromkeys(SCHEMA, 0)
    for part in parts:
        if len(part.issues):
            shift = part.issues["table"].map(start).fillna(0).astype("int64")
            moved.append(part.issues.assign(row=part.issues["row"] + shift))
        start = {name: at + len(getattr(part, name)) for name, at in start.items()}
    return pd.concat(moved, ignore_index=True) if moved else empty_issues()
