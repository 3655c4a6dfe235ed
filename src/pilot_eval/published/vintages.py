"""What DfE's files look like: ``releases.csv`` and ``release_columns.csv``, nothing guessed.

A new release is a row of the first table and its columns in the second; a new indicator is rows of
the second. Where several releases give an indicator for the same year, the first in the table feeds
the council table and the others are compared with it (`release_overlaps`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal, get_args

from pilot_eval.errors import DataError, explain
from pilot_eval.published.statuses import STATUSES
from pilot_eval.reference.rows import read_rows, split_list

Kind = Literal["percent", "rate", "band", "days", "population"]

RELEASES = Path(__file__).with_name("releases.csv")
RELEASE_COLUMNS = Path(__file__).with_name("release_columns.csv")
CONFIDENCE_CODES = frozenset({"3", "2", "1", "A", "P"})
# "0" stands once (section 47 enquiries 2011-12); no release describes it.
NO_CONFIDENCE = frozenset({"", "..", ".", "0"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """The columns behind one indicator in one file.

    Several numerator or denominator columns are added up. `published` is the column of the
    printed value, None where DfE printed none.
    """

    indicator: str
    kind: Kind
    numerator: tuple[str, ...] = ()
    denominator: tuple[str, ...] = ()
    published: str | None = None
    confidence: str | None = None
    count: str | None = None  # for days: the count alongside which a zero must be believed


@dataclass(frozen=True, slots=True, kw_only=True)
class Vintage:
    """One source file: where it lies, its years, key columns, symbols and figures.

    `year_column` is None where the file is of one year; `only_rows` are the cells that a row must
    have to be read, for files that list several measures below each other.
    """

    file: str
    folder: str
    dfe_reference: str
    years: tuple[int, ...]
    year_column: str | None
    level_column: str
    national_level: str
    council_level: str
    skipped_levels: frozenset[str]
    code_column: str
    new_code_column: str | None
    only_rows: Mapping[str, str]
    symbols: Mapping[str, str]
    figures: tuple[Figure, ...]
    population_column: str | None = None
    absent: frozenset[str] = frozenset()
    # Council code to indicators whose printed zero is known to stand for "not recorded".
    not_recorded: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @property
    def key_columns(self) -> tuple[str, ...]:
        """The columns that say which council and year a row is of."""
        own = (self.level_column, self.code_column, self.new_code_column, self.year_column)
        return tuple(dict.fromkeys([*filter(None, own), *self.only_rows]))

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column the importer reads, in the order first needed."""
        wanted = [*self.key_columns, *filter(None, [self.population_column])]
        for figure in self.figures:
            single = (figure.published, figure.confidence, figure.count)
            wanted += [*figure.numerator, *figure.denominator, *filter(None, single)]
        return tuple(dict.fromkeys(wanted))

    @property
    def counts(self) -> frozenset[str]:
        """The columns that can be added up over the parts of a divided council."""
        parts = [name for f in self.figures for name in (*f.numerator, *f.denominator)]
        return frozenset([*parts, *(f.count for f in self.figures if f.count)])


@cache
def read_vintages(
    releases: Path = RELEASES, columns: Path = RELEASE_COLUMNS
) -> tuple[Vintage, ...]:
    """Read the description of every source file, in the order of precedence.

    Parameters
    ----------
    releases : path
        One row for each file; lists are separated by semicolons, pairs by an equals sign. A file
        without years is known and not read.
    columns : path
        One row for each file and indicator: the names of its columns in the file.

    Returns
    -------
    tuple of Vintage

    Raises
    ------
    DataError
        If a row is of an unknown file, kind or status, or names an indicator twice for a file.

    Examples
    --------
    >>> read_vintages()[0].years
    (2010,)
    """
    figures: dict[str, dict[str, Figure]] = {row["file"]: {} for row in read_rows(releases)}
    for row in read_rows(columns):
        known, indicator = figures.get(row["file"]), row["indicator"]
        if known is None or indicator in known or row["kind"] not in get_args(Kind):
            rule = f"be of a file of {releases.name}, once, and of a known kind"
            got = f"{row['file']}, {indicator}, {row['kind']}"
            raise DataError(explain(columns.name, rule, got, "Correct the row."))
        known[indicator] = _make_figure(row)
    return tuple(_make_vintage(row, figures[row["file"]]) for row in read_rows(releases))


def _make_figure(row: Mapping[str, str]) -> Figure:
    return Figure(
        indicator=row["indicator"],
        kind=row["kind"],  # type: ignore[arg-type]  # checked by the caller
        numerator=split_list(row["numerator"]),
        denominator=split_list(row["denominator"]),
        **{name: row[name] or None for name in ("published", "confidence", "count")},
    )


def _make_vintage(row: Mapping[str, str], figures: Mapping[str, Figure]) -> Vintage:
    symbols = _pairs(row["symbols"])
    if unknown := set(symbols.values()) - set(STATUSES):
        rule, got = f"give symbols one of {', '.join(STATUSES)}", ", ".join(sorted(unknown))
        raise DataError(explain(f"{RELEASES.name}, {row['file']}", rule, got, "Correct it."))
    first, _, last = row["years"].partition("-")
    return Vintage(
        file=row["file"],
        folder=row["folder"],
        dfe_reference=row["dfe_reference"],
        year_column=row["year_column"] or None,
        level_column=row["level_column"],
        national_level=row["national_level"],
        council_level=row["council_level"],
        years=tuple(range(int(first), int(last or first) + 1)) if first else (),
        code_column=row["code_column"],
        new_code_column=row["new_code_column"] or None,
        population_column=row["population_column"] or None,
        skipped_levels=frozenset(split_list(row["skipped_levels"])),
        only_rows=_pairs(row["only_rows"]),
        symbols=symbols,
        figures=tuple(figures.values()),
        absent=frozenset(split_list(row["absent"])),
        not_recorded={
            code: frozenset(names.split()) for code, names in _pairs(row["not_recorded"]).items()
        },
    )


def _pairs(text: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in split_list(text))
    return {name: value for name, _, value in pairs}
