"""Local indicators, declared in TOML without code: a council's half of the twin core.

The format, with every condition: docs/local-indicators.md.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from pilot_eval.errors import PlanError, explain
from pilot_eval.project import read_toml
from pilot_eval.records.codes import CODE_SETS
from pilot_eval.records.durations import add_months
from pilot_eval.records.indicators import Flow, Indicator, Records
from pilot_eval.records.linking import (
    find_referrals,
    number_children,
    number_councils,
    to_days,
)
from pilot_eval.records.schema import SCHEMA, YES_NO
from pilot_eval.reference.working_days import count_working_days

_CODES, _NUMBERS = ("code", "yes_no"), ("number",)
_WORKING_DAYS_A_MONTH = 20  # fewer than any month has, so that follow-up is never overstated


class _Declared(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Condition(_Declared):
    """One test of one column; a record must pass all conditions of a list.

    `column` is a column of the indicator's table, or `children.` or `referrals.` and a column of
    the record's child or referral.
    """

    column: str
    is_in: Annotated[tuple[str, ...], Field(strict=False, min_length=1)] | None = None
    is_not_in: Annotated[tuple[str, ...], Field(strict=False, min_length=1)] | None = None
    is_missing: bool | None = None
    at_least: float | None = None
    at_most: float | None = None
    within_working_days: Annotated[int, Field(ge=0, le=1000)] | None = None
    within_months: Annotated[int, Field(ge=0, le=120)] | None = None
    after: str | None = None

    @model_validator(mode="after")
    def _is_one_test(self) -> Condition:
        tests = [name for name in self._tests() if getattr(self, name) is not None]
        if len(tests) != 1:
            listed = ", ".join(self._tests())
            raise ValueError(f"give exactly one of {listed}; got {len(tests)}")
        if (self.after is None) == tests[0].startswith("within"):
            raise ValueError("`after` goes with within_working_days or within_months, only")
        return self

    @staticmethod
    def _tests() -> tuple[str, ...]:
        names = tuple(Condition.model_fields)
        return names[1 : names.index("after")]


class LocalIndicator(_Declared):
    """One declared indicator: records of a table, placed by a date, of which some are hits."""

    key: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    title: str
    table: Literal[
        "children",
        "referrals",
        "assessments",
        "section47s",
        "conferences",
        "plans",
        "reviews",
    ]
    day: str
    unit: Literal["percentage points", "per 10,000 children"] = "percentage points"
    harm: Literal["rises", "falls", "ambiguous"]
    denominator: Annotated[tuple[Condition, ...], Field(strict=False)] = ()
    numerator: Annotated[tuple[Condition, ...], Field(strict=False)]

    @model_validator(mode="after")
    def _columns_exist(self) -> LocalIndicator:
        faults = [*_date_fault(self.table, self.day, "day")]
        for condition in (*self.denominator, *self.numerator):
            faults += _condition_faults(self.table, condition)
        if faults:
            raise ValueError("\n".join(faults))
        return self


class _File(_Declared):
    indicator: Annotated[tuple[LocalIndicator, ...], Field(strict=False, min_length=1)]

    @model_validator(mode="after")
    def _keys_differ(self) -> _File:
        keys = [item.key for item in self.indicator]
        twice = sorted({key for key in keys if keys.count(key) > 1})
        if twice:
            raise ValueError(f"keys must differ; declared twice: {', '.join(twice)}")
        return self


def load_local_indicators(path: str | Path) -> tuple[LocalIndicator, ...]:
    """Load and check a file of local indicators.

    Parameters
    ----------
    path : path
        A TOML file with one ``[[indicator]]`` a local indicator.

    Returns
    -------
    tuple of LocalIndicator

    Raises
    ------
    PlanError
        If the file cannot be read or anything in it is wrong; every fault is listed.

    Examples
    --------
    >>> load_local_indicators("local_indicators.toml")                      # doctest: +SKIP
    """
    file = Path(path)
    try:
        content = read_toml(file)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as fault:
        action = "Check the path and the TOML syntax."
        got = f"{file.name}: {fault}"
        raise PlanError(explain("local indicators", "be a TOML file", got, action)) from fault
    try:
        return _File.model_validate(content).indicator
    except ValidationError as fault:
        lines = [line for error in fault.errors(include_url=False) for line in _word(error)]
        heading = f"{file.name} has {len(lines)} fault{'s' if len(lines) > 1 else ''}:"
        raise PlanError("\n  - ".join([heading, *lines])) from None


def compile_indicator(declared: LocalIndicator) -> Indicator:
    """Turn a declaration into a recipe like those of the national indicators.

    Parameters
    ----------
    declared : LocalIndicator

    Returns
    -------
    Indicator
        `follow_up` covers the longest time that a condition waits.
    """

    def build(records: Records) -> Flow:
        rows = getattr(records.tables, declared.table)
        counted = _passes(declared.denominator, declared.table, rows, records)
        hit = _passes(declared.numerator, declared.table, rows, records)[counted]
        kept = rows[counted]
        council = number_councils(kept, records.councils)
        if declared.unit == "per 10,000 children":  # the population is the denominator
            kept, council, hit = kept[hit], council[hit], hit[hit]
        return Flow(council=council, day=to_days(kept[declared.day]), hit=hit)

    return Indicator(
        title=declared.title,
        unit=declared.unit,
        harm=declared.harm,
        build=build,
        follow_up=max(
            (_months(c) for c in (*declared.denominator, *declared.numerator)), default=0
        ),
    )


def _months(condition: Condition) -> int:
    days = condition.within_working_days
    if days is not None:
        return -(-days // _WORKING_DAYS_A_MONTH)
    return condition.within_months or 0


def _passes(
    conditions: tuple[Condition, ...], table: str, rows: pd.DataFrame, records: Records
) -> np.ndarray:
    passed = np.ones(len(rows), dtype=bool)
    for condition in conditions:
        passed &= _test(condition, rows, records)
    return passed


def _test(condition: Condition, rows: pd.DataFrame, records: Records) -> np.ndarray:
    values = _column(condition.column, rows, records)
    if condition.after is not None:
        return _follows(condition, values, _column(condition.after, rows, records))
    passed: np.ndarray
    if condition.is_missing is not None:
        passed = values.isna().to_numpy() == condition.is_missing
    elif condition.is_in is not None:
        passed = values.isin(condition.is_in).to_numpy()
    elif condition.is_not_in is not None:
        passed = (values.notna() & ~values.isin(condition.is_not_in)).to_numpy()
    else:
        numbers = values.to_numpy(dtype=float, na_value=np.nan)
        above = condition.at_least is None or numbers >= condition.at_least
        passed = np.logical_and(above, condition.at_most is None or numbers <= condition.at_most)
    return passed


def _follows(condition: Condition, later: pd.Series, earlier: pd.Series) -> np.ndarray:
    first, last = to_days(earlier), to_days(later)
    in_time = np.ones(len(first), dtype=bool)
    if condition.within_months is not None:
        in_time = last <= add_months(first, condition.within_months)
    if condition.within_working_days is not None:
        in_time = count_working_days(first, last) <= condition.within_working_days
    followed: np.ndarray = (last >= first) & in_time
    return followed


def _column(name: str, rows: pd.DataFrame, records: Records) -> pd.Series:
    """Read a column of the rows, or of their children or referrals."""
    table, _, column = name.rpartition(".")
    if not table:
        return rows[column]
    other = getattr(records.tables, table)
    if table == "referrals":
        place = find_referrals(rows, other, records.councils)
    else:
        place = _find_children(rows, other, records)
    # Row -1 does not exist: reindexing makes it missing.
    return other[column].reset_index(drop=True).reindex(place)


def _find_children(rows: pd.DataFrame, children: pd.DataFrame, records: Records) -> np.ndarray:
    asked, known = number_children([rows, children], records.councils)
    order = np.argsort(known, kind="stable")
    if not len(known):
        return np.full(len(asked), -1)
    place = order[np.minimum(np.searchsorted(known, asked, sorter=order), len(known) - 1)]
    return np.where(known[place] == asked, place, -1)


def _kind(table: str, name: str) -> str | None:
    """Look up what kind of column a name means; None if it is not a column."""
    other, _, column = name.rpartition(".")
    links = {"children": "child_id", "referrals": "referral_id"}
    if other and (other not in links or links[other] not in SCHEMA[table]):
        return None
    return SCHEMA[other or table].get(column)


def _date_fault(table: str, name: str, role: str) -> list[str]:
    kind = _kind(table, name)
    if kind == "date":
        return []
    got = "no column of it" if kind is None else f"a column of kind {kind}"
    return [f"{role} must be a date column of {table}; {name!r} is {got}"]


def _condition_faults(table: str, condition: Condition) -> list[str]:
    kind, name = _kind(table, condition.column), condition.column
    if kind is None:
        known = ", ".join(SCHEMA[table])
        return [
            f"column must be one of {known} (or children./referrals. and a column); got {name!r}"
        ]
    if condition.after is not None:
        faults = _date_fault(table, name, "column")
        return faults + _date_fault(table, condition.after, "after")
    if condition.is_missing is not None:
        return []
    by_code = condition.is_in is not None or condition.is_not_in is not None
    if kind not in (_CODES if by_code else _NUMBERS):
        return [f"{name!r} is a column of kind {kind}: it cannot be tested that way"]
    return _code_faults(name, kind, (*(condition.is_in or ()), *(condition.is_not_in or ())))


def _code_faults(name: str, kind: str, asked: tuple[str, ...]) -> list[str]:
    """Refuse codes that no record can have: they would count nothing, in silence."""
    known = YES_NO if kind == "yes_no" else CODE_SETS.get(name.rpartition(".")[2], asked)
    unknown = [code for code in asked if code not in known]
    if not unknown:
        return []
    return [f"{name!r} has the codes {', '.join(known)}; got {', '.join(map(repr, unknown))}"]


def _word(error: ErrorDetails) -> list[str]:
    place = ".".join(str(part) for part in error["loc"]) or "file"
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        message = "is not a known key: correct or remove it"
    return [f"`{place}`: {line}." for line in message.splitlines()]
