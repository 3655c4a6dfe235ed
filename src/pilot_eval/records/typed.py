"""One return as text columns to typed tables, with the issues met on the way."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pilot_eval.records.absent_columns import DECLARED_ABSENT
from pilot_eval.records.codes import (
    NO_DISABILITY,
    SEX_CODES,
    SEX_FROM_RAW,
    YES_NO_FROM_RAW,
)
from pilot_eval.records.columns import (
    NO_VALUE,
    take_or_missing,
    to_codes,
    to_dates,
    to_keys,
    to_numbers,
    to_translated,
    to_yes_no,
)
from pilot_eval.records.date_forms import guess_form
from pilot_eval.records.issues import OTHER_DATE_FORM, READER_RULES, locate, note_faults, stack
from pilot_eval.records.names import NOT_READ
from pilot_eval.records.published_rules import ask_published_rules
from pilot_eval.records.resubmissions import note_returns
from pilot_eval.records.returns import RawReturn, ReturnHeader
from pilot_eval.records.schema import (
    NO_DATE,
    SCHEMA,
    YES_NO,
    CensusTables,
    Strand,
    build_tables,
    empty_issues,
)

IntArray = NDArray[np.int64]
MOST_UNREAD = 100
"""Unreadable dates of a column that are looked at to guess their form."""
NEEDLESS = frozenset({"birth_date", "expected_birth_date"})
"""Dates without which every measure can be computed: a child keeps its referrals."""


def type_return(raw: RawReturn, *, first_referral_id: int = 1, rules: bool = False) -> CensusTables:
    """Type the modules of one return.

    Parameters
    ----------
    raw : RawReturn
    first_referral_id : int
        Number of the first referral: the returns of a council are numbered one after the other.
    rules : bool
        Whether to ask the published rules of it, as it was sent.

    Returns
    -------
    CensusTables
        With the issues met: dates that are no dates, codes and numbers without meaning.
    """
    work = _Typing(raw, first_referral_id)
    frames = _mark_part(work.frames(), raw.header.part)
    strand: Strand = "simulated" if raw.header.simulated else "census"
    tables = build_tables(frames, strand=strand, source=raw.header.file)
    issues = stack(
        [
            *(
                locate(table, name, rows, rule, _severity(name, rule), frames[table])
                for table, name, rows, rule in work.bad
            ),
            note_faults(work.faults(), frames),
            note_returns([*_noted_absent(raw), *_noted_form(raw, work.unread_dates)]),
            ask_published_rules(raw, frames) if rules else empty_issues(),
        ]
    )
    return CensusTables(
        **{name: getattr(tables, name) for name in SCHEMA},
        strand=strand,
        source=raw.header.file,
        issues=issues,
    )


def _noted_absent(raw: RawReturn) -> list[tuple[ReturnHeader, str, str, str]]:
    """List what a folder lacks or has besides, unless that is known or no measure needs it."""
    return [
        (raw.header, place.partition(".")[2] or place, rule, "warning")
        for place, rule in raw.absent
        if rule != DECLARED_ABSENT and not NOT_READ & {*place.split(".")}
    ]


def _noted_form(raw: RawReturn, unread: set[str]) -> list[tuple[ReturnHeader, str, str, str]]:
    """Name the form that dates which could not be read seem to have: never a date."""
    form = guess_form(unread)
    return [(raw.header, form, OTHER_DATE_FORM, "warning")] if form else []


def _mark_part(frames: dict[str, pd.DataFrame], part: str) -> dict[str, pd.DataFrame]:
    """Put a successor's number before its identifiers: two successors may use one for two."""
    if not part:
        return frames
    return {
        name: frame.assign(
            child_id=(part + "-" + frame["child_id"]).astype(frame["child_id"].dtype)
        )
        for name, frame in frames.items()
    }


def _severity(field: str, rule: str) -> str:
    """Say how much an issue matters: a child is not set aside for what no measure needs of it."""
    return "warning" if field in NEEDLESS else READER_RULES[rule]


class _Typing:
    """Work in hand on one return: who belongs to whom, and what had no value of its kind."""

    def __init__(self, raw: RawReturn, first_referral_id: int) -> None:
        self._modules, self._header = raw.modules, raw.header
        self._raw_faults = raw.faults
        self._first = first_referral_id
        self.bad: list[tuple[str, str, IntArray, str]] = []
        self.unread_dates: set[str] = set()
        self._assessment_keys = [
            key for key, module in raw.layout.items() if module.assessment_type
        ]
        self._assessment_types = {
            key: raw.layout[key].assessment_type for key in self._assessment_keys
        }

    def frames(self) -> dict[str, pd.DataFrame]:
        """Type every table."""
        children = self._children()
        self._child_ids = children["child_id"].array
        referral_child = self._above("referrals")
        referrals = self._event("referrals", self._modules["referrals"], referral_child)
        referrals["referral_id"] = np.arange(len(referrals), dtype="int64") + self._first
        assessments = self._within_referral("assessments", self._all_assessments())
        section47s = self._within_referral("section47s", self._modules["section47s"])
        plans = self._within_referral("plans", self._modules["plans"])
        return {
            "children": children,
            "referrals": referrals,
            "assessments": assessments,
            "section47s": section47s,
            "conferences": _conferences(referrals, section47s),
            "plans": plans,
            "reviews": self._reviews(plans),
        }

    def faults(self) -> dict[tuple[str, str], list[int]]:
        """Place what the reader noticed about records of modules in the tables."""
        placed: dict[tuple[str, str], list[int]] = defaultdict(list)
        start = 0
        offset = {}
        for key in self._assessment_keys:
            offset[key] = start
            start += self._modules[key].num_rows
        for key, row, rule in self._raw_faults:
            if key in offset:
                placed["assessments", rule].append(offset[key] + row)
            elif key in SCHEMA:
                placed[key, rule].append(row)
            else:
                placed["children", rule].append(self._child_of(key, row))
        return placed

    def _child_of(self, key: str, row: int) -> int:
        """Find the child of a record of a module that describes children."""
        row = int(self._above(key)[row])
        return int(self._above("characteristics")[row]) if key == "disabilities" else row

    def _above(self, key: str) -> IntArray:
        result: IntArray = self._modules[key]["above"].to_numpy()
        return result

    def _children(self) -> pd.DataFrame:
        whole, size = self._modules["children"], self._modules["children"].num_rows
        # Identifiers last: in folders the other module names the child as well.
        columns = {**self._aligned("characteristics", size), **self._aligned("identifiers", size)}
        frame = self._typed("children", columns, size)
        frame["sex"] = self._sex(columns, size)
        frame["disabled"] = self._disabled(size)
        return frame.assign(**self._origin(whole))

    def _aligned(self, key: str, size: int) -> dict[str, pa.ChunkedArray]:
        """Put the records of a module alongside the children they belong to."""
        module, above = self._modules[key], self._above(key)
        rows = np.full(size, -1, dtype="int64")
        rows[above[above >= 0]] = np.flatnonzero(above >= 0)
        names = [name for name in module.column_names if name not in ("above", "source_row")]
        if np.array_equal(rows, np.arange(len(above))):
            return {name: module[name] for name in names}
        return {name: take_or_missing(module[name], rows) for name in names}

    def _sex(self, columns: dict[str, pa.ChunkedArray], size: int) -> pd.Categorical:
        """Take GenderCurrent, or Sex where it is not given."""
        missing = pa.nulls(size, pa.string())
        former = columns.get("gender_current", missing).cast(pa.string())
        later = columns.get("sex", missing).cast(pa.string())
        column = later if former.null_count == size else pc.coalesce(former, later)
        return self._translated("children", "sex", column)

    def _translated(self, table: str, name: str, column: pa.ChunkedArray) -> pd.Categorical:
        if name == "sex":
            values, bad = to_translated(column, SEX_FROM_RAW, SEX_CODES)
        else:
            values, bad = to_yes_no(column, YES_NO_FROM_RAW)
        self._note(table, name, bad, "unknown_code")
        return values

    def _disabled(self, size: int) -> pd.Categorical:
        """Say yes where any disability is named, no where only NONE is."""
        module = self._modules["disabilities"]
        holder = self._above("disabilities")
        child = np.append(self._above("characteristics"), -1)[holder]
        text = pc.utf8_trim_whitespace(module["disability"].cast(pa.string()))
        nothing = pc.is_in(pc.utf8_lower(text), value_set=pa.array(["", *NO_VALUE]))
        known = pc.and_(text.is_valid(), pc.invert(nothing))
        named = np.asarray(pc.fill_null(known, False)) & (child >= 0)
        none = pc.is_in(pc.utf8_upper(text), value_set=pa.array([NO_DISABILITY]))
        some = named & ~np.asarray(pc.fill_null(none, False))
        codes = np.full(size, -1, dtype="int64")
        codes[child[named]] = YES_NO.index("no")
        codes[child[some]] = YES_NO.index("yes")
        return pd.Categorical.from_codes(codes, categories=pd.Index(YES_NO, dtype="str"))

    def _all_assessments(self) -> pa.Table:
        """Put single, initial and core assessments below one another."""
        parts = []
        for key in self._assessment_keys:
            module = self._modules[key]
            kind = pa.array([self._assessment_types[key]] * module.num_rows, pa.string())
            parts.append(module.append_column("assessment_type", kind))
        return pa.concat_tables(parts, promote_options="permissive")

    def _within_referral(self, table: str, module: pa.Table) -> pd.DataFrame:
        """Type records inside referrals."""
        holder = module["above"].to_numpy()
        child = np.append(self._above("referrals"), -1)[holder]
        frame = self._event(table, module, child)
        frame["referral_id"] = np.where(holder >= 0, holder + self._first, -1)
        return frame

    def _reviews(self, plans: pd.DataFrame) -> pd.DataFrame:
        module, holder = self._modules["reviews"], self._above("reviews")
        plan_referral = np.append(self._above("plans"), -1)[holder]
        child = np.append(self._above("referrals"), -1)[plan_referral]
        frame = self._event("reviews", module, child)
        starts = np.append(plans["plan_start_date"].to_numpy(), NO_DATE)
        frame["plan_start_date"] = starts[holder]
        return frame

    def _event(self, table: str, module: pa.Table, child: IntArray) -> pd.DataFrame:
        """Type one table of events, given the row of each record's child."""
        columns = {name: module[name] for name in module.column_names}
        frame = self._typed(table, columns, module.num_rows)
        if "child_id" not in columns:
            frame["child_id"] = self._child_ids.take(child, allow_fill=True)
        return frame.assign(**self._origin(module))

    def _typed(self, table: str, columns: dict[str, pa.ChunkedArray], size: int) -> pd.DataFrame:
        """Type the columns of a table that are there and have a kind."""
        typed = {}
        for name, kind in SCHEMA[table].items():
            if name in columns and name not in ("sex", "referral_id"):
                typed[name] = self._column(table, name, kind, columns[name])
        return pd.DataFrame(typed, index=pd.RangeIndex(size))

    def _column(self, table: str, name: str, kind: str, column: pa.ChunkedArray) -> object:
        if kind == "date":
            values, bad = to_dates(column)
            self._note(table, name, bad, "unparsable_date")
            if len(bad):
                texts = column.take(pa.array(bad[:MOST_UNREAD])).to_pylist()
                self.unread_dates.update(texts)
            return values
        if kind == "number":
            values, bad = to_numbers(column)
            self._note(table, name, bad, "unparsable_number")
            return values
        if kind == "yes_no":
            return self._translated(table, name, column)
        if kind == "key":
            return to_keys(column)
        return to_codes(column, capitals=name != "assessment_type")

    def _note(self, table: str, name: str, rows: IntArray, rule: str) -> None:
        if len(rows):
            self.bad.append((table, name, rows, rule))

    def _origin(self, module: pa.Table) -> dict[str, object]:
        """Say whose records these are and where they stood."""
        header, size = self._header, module.num_rows
        return {
            "council_code": _constant(header.council_code, size),
            "census_year": np.full(size, header.year, dtype="int16"),
            "source_file": _constant(header.file, size),
            "source_row": module["source_row"].to_numpy(),
        }


def _constant(text: str, size: int) -> pd.Categorical:
    codes = np.zeros(size, dtype="int8")
    return pd.Categorical.from_codes(codes, categories=pd.Index([text], dtype="str"))


def _conferences(referrals: pd.DataFrame, section47s: pd.DataFrame) -> pd.DataFrame:
    """List the initial conferences: each date once a referral, wherever it is recorded."""
    names = ["council_code", "child_id", "referral_id", "icpc_date"]
    names += ["census_year", "source_file", "source_row"]
    held = [frame.loc[frame["icpc_date"].notna(), names] for frame in (section47s, referrals)]
    both = pd.concat(held, ignore_index=True)
    return both.drop_duplicates(["referral_id", "icpc_date"]).reset_index(drop=True)
