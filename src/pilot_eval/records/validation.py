"""Validate children's records: located issues, records set aside and counted, overlaps resolved."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

import numpy as np
import pandas as pd

from pilot_eval.records.child_rows import (
    CHILD,
    REFERRAL,
    Records,
    as_records,
    referral_ids,
)
from pilot_eval.records.codes import CODE_SETS
from pilot_eval.records.finders import Settings, has_no_plan, has_no_referral
from pilot_eval.records.issues import locate, stack
from pilot_eval.records.later_returns import drop_vanished, find_lost_zeros
from pilot_eval.records.overlaps import (
    Taken,
    keep_latest_return,
    merge_episodes,
    merge_plans,
    merge_repeats,
)
from pilot_eval.records.rules import (
    EPISODE_RULES,
    RECORD_RULES,
    WARNING_RULES,
    Rule,
)
from pilot_eval.records.schema import (
    DATE_DTYPE,
    SCHEMA,
    CensusTables,
    build_tables,
    frames_of,
)

# What is set aside with what it belongs to: rule, how to find it, tables.
_BELONGING = (
    (
        "referral_set_aside",
        has_no_referral,
        ("assessments", "section47s", "conferences", "plans"),
    ),
    ("plan_set_aside", has_no_plan, ("reviews",)),
)
#: What can become of a record.
OUTCOMES = ("superseded", "set_aside", "merged", "accepted")


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationResult:
    """What validation found and what it leaves to work with.

    Attributes
    ----------
    issues : DataFrame
        table, field, row (position in the tables given, from 0), rule, severity (fatal, warning,
        note), council_code, source_file, source_row; never a value.
    summary : DataFrame
        One row per council and table: records, superseded (a later return has the record),
        set_aside (fatal issue), merged (repeats or overlaps another), accepted, warnings.
        records = superseded + set_aside + merged + accepted.
    set_aside : DataFrame
        council_code, table, rule, records: every record set aside, counted once, by the first
        fatal rule that it broke.
    accepted : CensusTables
        The records to work with: typed codes, overlaps resolved, rows numbered afresh.
    """

    issues: pd.DataFrame
    summary: pd.DataFrame
    set_aside: pd.DataFrame
    accepted: CensusTables


def validate_census(
    tables: CensusTables,
    *,
    census_year: int | None = None,
    data_cut: str | date | np.datetime64 | None = None,
) -> ValidationResult:
    """Validate the records of one or many councils and returns.

    Parameters
    ----------
    tables : CensusTables
        As read, or simulated.
    census_year : int, optional
        Year ending 31 March that all records should lie in; by default the year of the return
        that each was read from, where that is known.
    data_cut : date, optional
        Day on which the data were taken: later dates are reported.

    Returns
    -------
    ValidationResult

    Notes
    -----
    In this order: the latest return's version of each record stands; records with a fatal issue
    are set aside, and what belongs to them with them; open records that the next return does not
    have are superseded; overlapping episodes and plans and repeated
    records become one (rules in `overlaps`); work outside its episode is set aside; the records
    that stay are checked for everything else; codes that are not in the code sets are blanked.

    Examples
    --------
    >>> from pilot_eval.records.schema import build_tables
    >>> result = validate_census(build_tables({}, strand="simulated", source="nothing"))
    >>> len(result.issues)
    0
    """
    cut = None if data_cut is None else np.datetime64(data_cut).astype(DATE_DTYPE)
    work = _Work(tables, Settings(census_year=census_year, data_cut=cut))
    records = work.leave_out("superseded", *keep_latest_return(as_records(tables)))
    records = work.set_aside(records, work.fatal_when_read())
    records, taken, moved = drop_vanished(records)
    records = work.note(work.leave_out("superseded", records, taken), moved)
    work.locate("lost_leading_zeros", "children", "child_id", find_lost_zeros(records))
    records = work.apply(records, RECORD_RULES)
    for merge in (merge_episodes, merge_plans, merge_repeats):
        records = work.leave_out("merged", *merge(records))
    records = work.apply(records, EPISODE_RULES)
    work.warn(records, WARNING_RULES)
    return work.result(records)


@dataclass(slots=True)
class _Work:
    """Validation under way: the tables as given, what was found and who was left out."""

    tables: CensusTables
    settings: Settings
    issues: list[pd.DataFrame] = field(default_factory=list)
    left_out: list[tuple[str, str, str, pd.Index]] = field(default_factory=list)

    def fatal_when_read(self) -> Taken:
        """List the records in which the reader found a fatal fault."""
        found = self.tables.issues
        self.issues.append(found)
        fatal = found[found["severity"] == "fatal"]
        fatal = fatal[fatal["table"].isin(list(SCHEMA))]
        groups = fatal.groupby(["rule", "table"], sort=False)["row"]
        return [(rule, table, "", pd.Index(rows.unique())) for (rule, table), rows in groups]

    def set_aside(self, records: Records, taken: Taken) -> Records:
        """Set records aside, and then whatever belongs to a referral or plan set aside."""
        kept = self._drop(records, taken)
        for rule, find, tables in _BELONGING:
            orphans: Taken = []
            for table in tables:
                alone = find(kept, table, "", self.settings)
                alone &= ~find(records, table, "", self.settings).loc[alone.index]
                orphans.append((rule, table, "", alone.index[alone]))
            self._locate(orphans, "fatal")
            kept = self._drop(kept, orphans)
        return kept

    def apply(self, records: Records, rules: tuple[Rule, ...]) -> Records:
        """Ask fatal rules of all records and set aside those that break one."""
        taken = self._found(records, rules)
        self._locate(taken, "fatal")
        return self.set_aside(records, taken)

    def warn(self, records: Records, rules: tuple[Rule, ...]) -> None:
        """Ask rules of the records that stay."""
        self._locate(self._found(records, rules), "warning")

    def locate(self, rule: str, table: str, name: str, rows: pd.Index) -> None:
        """Note what is so of records that stay."""
        self._locate([(rule, table, name, rows)], "warning")

    def note(self, records: Records, taken: Taken) -> Records:
        """Note what was done about records that stay."""
        self._locate(taken, "note")
        return records

    def leave_out(self, outcome: str, records: Records, taken: Taken) -> Records:
        """Note records that another one stands for."""
        self._locate(taken, "note")
        self.left_out += [(outcome, rule, table, rows) for rule, table, _, rows in taken]
        return records

    def result(self, records: Records) -> ValidationResult:
        """Put together what was found."""
        issues = stack(self.issues)
        return ValidationResult(
            issues=issues,
            summary=self._summary(records, issues),
            set_aside=self._counted("set_aside", ["council_code", "table", "rule"]),
            accepted=self._accepted(records),
        )

    def _found(self, records: Records, rules: tuple[Rule, ...]) -> Taken:
        taken = []
        for rule in rules:
            for table, name in rule.places:
                if len(records.frames[table]):
                    broken = rule.find(records, table, name, self.settings)
                    taken.append((rule.name, table, name, broken.index[broken]))
        return taken

    def _locate(self, taken: Taken, severity: str) -> None:
        for rule, table, name, rows in taken:
            if len(rows):
                frame = getattr(self.tables, table)
                self.issues.append(locate(table, name, rows, rule, severity, frame))

    def _drop(self, records: Records, taken: Taken) -> Records:
        """Leave records out; each is counted under the first rule that takes it."""
        dropped: dict[str, pd.Index] = {}
        for rule, table, _, rows in taken:
            before = dropped.get(table, pd.Index([], dtype="int64"))
            here = rows.intersection(records.frames[table].index).difference(before)
            self.left_out.append(("set_aside", rule, table, here))
            dropped[table] = before.append(here)
        return records.without(dropped)

    def _counted(self, outcome: str, columns: list[str]) -> pd.DataFrame:
        """Count the records of one outcome by council and more."""
        parts = [
            pd.DataFrame(
                {
                    "council_code": getattr(self.tables, table)["council_code"]
                    .astype("str")
                    .to_numpy()[rows],
                    "table": table,
                    "rule": rule,
                }
            )
            for kind, rule, table, rows in self.left_out
            if kind == outcome and len(rows)
        ]
        empty = pd.DataFrame({name: pd.Series(dtype="str") for name in columns})
        whole = pd.concat(parts, ignore_index=True) if parts else empty
        return whole.groupby(columns).size().rename("records").reset_index()

    def _summary(self, records: Records, issues: pd.DataFrame) -> pd.DataFrame:
        key = ["council_code", "table"]
        given = _count_records(frames_of(self.tables))
        counts = {"records": given}
        for outcome in OUTCOMES[:-1]:
            counts[outcome] = self._counted(outcome, key).set_index(key)["records"]
        counts["accepted"] = _count_records(records.frames)
        counts["warnings"] = issues[issues["severity"] == "warning"].groupby(key).size()
        summary = pd.DataFrame({name: count.reindex(given.index) for name, count in counts.items()})
        return summary.fillna(0).astype("int64").reset_index()

    def _accepted(self, records: Records) -> CensusTables:
        frames = {}
        for name, frame in records.frames.items():
            known = {
                column: frame[column].cat.set_categories(list(codes))
                for column, codes in CODE_SETS.items()
                if column in frame
            }
            if REFERRAL in frame:
                known["referral_id"] = referral_ids(frame[REFERRAL])
            frames[name] = frame.assign(**known).drop(columns=[CHILD, REFERRAL], errors="ignore")
        return build_tables(frames, strand=self.tables.strand, source=self.tables.source)


def _count_records(frames: dict[str, pd.DataFrame]) -> pd.Series:
    """Count the records of every council in every table, zeros included."""
    councils = {table: frame["council_code"].astype("str") for table, frame in frames.items()}
    names = sorted(set().union(*(codes.unique() for codes in councils.values())))
    counts = [codes.value_counts().reindex(names, fill_value=0) for codes in councils.values()]
    whole = pd.concat(counts, keys=list(councils), names=["table", "council_code"])
    return whole.swaplevel().sort_index(level=0, sort_remaining=False)
