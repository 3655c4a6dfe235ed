"""What a vintage of DfE's tables looks like: one table of column names a file, nothing guessed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pilot_eval.published.statuses import NOT_APPLICABLE, NOT_AVAILABLE, SUPPRESSED

Kind = Literal["percent", "rate", "band", "days"]

# `x` is suppressed in these releases; in newer ones it means "unavailable": never shared blindly.
SYMBOLS_TO_2013: Mapping[str, str] = {"x": SUPPRESSED, "..": NOT_AVAILABLE}
SYMBOLS_2014: Mapping[str, str] = {**SYMBOLS_TO_2013, ".": NOT_APPLICABLE}
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
    count: str | None = None  # for days: the count beside which a zero must be believed


@dataclass(frozen=True, slots=True, kw_only=True)
class Vintage:
    """One source file: where it lies, its key columns, symbols and figures."""

    file: str
    folder: str
    year_ending: int
    dfe_reference: str
    level_column: str
    code_column: str
    new_code_column: str | None
    national_level: str
    council_level: str
    skipped_levels: frozenset[str]
    symbols: Mapping[str, str]
    figures: tuple[Figure, ...]
    population_column: str | None = None
    absent: frozenset[str] = frozenset()
    # Council code to indicators whose printed zero is known to stand for "not recorded".
    false_zeros: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column the importer reads, in the order first needed."""
        keys = (self.level_column, self.code_column, self.new_code_column, self.population_column)
        wanted = [name for name in keys if name]
        for figure in self.figures:
            single = (figure.published, figure.confidence, figure.count)
            wanted += [*figure.numerator, *figure.denominator, *(name for name in single if name)]
        return tuple(dict.fromkeys(wanted))


def percent(
    indicator: str,
    numerator: str | tuple[str, ...],
    denominator: str | tuple[str, ...],
    published: str | None,
    confidence: str | None,
) -> Figure:
    """Describe a percentage by its columns, in the order numerator, denominator, printed value."""
    return Figure(
        indicator=indicator,
        kind="percent",
        numerator=_several(numerator),
        denominator=_several(denominator),
        published=published,
        confidence=confidence,
    )


def rate(
    indicator: str, numerator: str, published: str | None, confidence: str | None = None
) -> Figure:
    """Describe a rate per 10,000 children: the population comes from one series for all years."""
    return Figure(
        indicator=indicator,
        kind="rate",
        numerator=(numerator,),
        published=published,
        confidence=confidence,
    )


def bands(total: str, confidence: str, columns: Mapping[str, str]) -> tuple[Figure, ...]:
    """Describe duration bands: indicator to column, all over the published `total`."""
    return tuple(
        Figure(
            indicator=indicator,
            kind="band",
            numerator=(column,),
            denominator=(total,),
            confidence=confidence,
        )
        for indicator, column in columns.items()
    )


def days(count: str, confidence: str, columns: Mapping[str, str]) -> tuple[Figure, ...]:
    """Describe quartiles of durations: indicator to column, beside the `count` they describe."""
    return tuple(
        Figure(
            indicator=indicator,
            kind="days",
            published=column,
            confidence=confidence,
            count=count,
        )
        for indicator, column in columns.items()
    )


def _several(columns: str | tuple[str, ...]) -> tuple[str, ...]:
    return (columns,) if isinstance(columns, str) else columns
