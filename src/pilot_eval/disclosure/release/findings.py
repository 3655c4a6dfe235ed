"""What a table gives away: small or unrounded counts, records of children, derivable figures."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import permutations
from math import nan

import numpy as np
import pandas as pd

from pilot_eval.disclosure.release.disguise import read_as_person
from pilot_eval.disclosure.release.identifiers import Finding, find_identifiers
from pilot_eval.disclosure.release.kinds import PERSON_FIELDS, Kind, find_kind

PUBLISHED = "published"
WHOLE = re.compile(r"\d[\d,]*(?:\.0+)?")
#: Before a count: "c. 3"; next to it: "3 p", "3 [r]", "3 (7.5%)", "3/40", "3 of 40", "3 children".
ABOUT = re.compile(r"^(?:c\.|ca\.?|about|approx\.?|[~≈+='])\s*")
BESIDE = re.compile(
    r"(?<=\d)(?:\s*[*†‡?!]|\s+[a-z]|\s*\^\s*\w|\s*\[[a-z]\]|\s*\(.*\)|"
    r"\s*/\s*\d[\d,]*|\s+(?:out )?of \d.*|\s+(?:child|pupil|case|referral|plan)\w*)$"
)
#: A mark for a withheld figure, and the figure with it: "c (3)", "c3", "* 3".
MARKED = re.compile(r"^(?:[cxz*]|\.\.|low)\s*[(\[]?(\d[\d,]*)[)\]]?$")
ENCLOSED = re.compile(r"^[(\[{]\s*(.*?)\s*[)\]}]$")
POWER = re.compile(r"\d+(?:\.\d+)?e[+-]?\d{1,2}")
#: What says that a count is at most so many, or in a range.
AT_MOST = re.compile(r"^(?:≤|<=|=<|up to|at most|max\.?)\s*(\d+)$")
BELOW = re.compile(r"^(?:<|fewer than|less than|under|below)\s*(\d+)$")
BETWEEN = re.compile(r"^(\d+)\s*(?:-|to|or|and)\s*(\d+)$")
SPELT = {
    word: number
    for number, word in enumerate(
        ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"), start=1
    )
}
#: Not i, v and x: letters that mark a note or a figure that is missing.
ROMAN = {"ii": 2, "iii": 3, "iv": 4, "vi": 6, "vii": 7, "viii": 8, "ix": 9}
NUMERALS = SPELT | ROMAN
MOST = 1 / 2
NUMBER = re.compile(r"[-−]?\d[\d,]*(?:\.\d+)?")
DAY = re.compile(r"^(?:\d{4}-\d\d-(\d\d)|(\d{1,2})/\d{1,2}/\d{4})\b")
AGGREGATE_CODE = re.compile(r"[EKW](?:92|12|13)\d{6}")
AGGREGATE_NAME = re.compile(r"\b(England|Total|All|National|Regional|Region|pilots|comparators)\b")
# Tables of facts about councils hold a few dates; this many rows are records.
MANY_ROWS = 50
# Periods begin or end on the same few days of a month; events of children on most.
FEW_DAYS = 4
COUNTED = ("children", "councils")
PERCENT = re.compile(r"%|per ?cent|(?<![a-z])pct(?![a-z])", re.IGNORECASE)
# A column of which others may be parts.
WHOLE_OF = re.compile(r"\b(?:total|all|denominator|base|out of)\b", re.IGNORECASE)
# A column that adds up what came before.
SO_FAR = re.compile(r"\b(?:cumulative|running|to date|so far)\b", re.IGNORECASE)
# What a caption says that shares are of.
BASE = re.compile(r"\b(?:n ?= ?|base:? )(\d+)\b", re.IGNORECASE)
# Heads of columns that hold one measure, period by period.
PERIOD = re.compile(r"\d{4}(?:[-/]\d{2,4}|Q[1-4])?")
# A number written with one letter to a cell has at least so many.
FEWEST_LETTERS = 8
# Rounded to one decimal, a percentage is within this of the exact one.
PERCENT_SLACK = 0.05
# Columns of figures whose kind another column tells.
VALUES = ("value", "percent", "pct")
#: Heads of columns of rates and shares, and what a rate is of where nothing says so.
PER = re.compile(r"\bper ?(100,?000|10,?000|1,?000|100)\b")
RATES = re.compile(r"\brates?\b")
SHARES = re.compile(r"\b(?:shares?|proportions?)\b")
RATE = 10_000.0
LEAST_RATE = 1_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What counts of children must satisfy.

    Attributes
    ----------
    threshold : int
        Counts from 1 to this may not be shown.
    rounding : int
        Base of national, regional and group counts; 1 for none.
    strand : str
        ``published`` figures were protected at their source and may stand as they are.
    kinds : mapping of str to kind
        Columns whose kind the register states.
    """

    threshold: int
    rounding: int = 1
    strand: str = "census"
    kinds: Mapping[str, str] = field(default_factory=dict)


def check_table(table: pd.DataFrame, where: str, rules: Rules) -> Iterator[Finding]:
    """Look through one table.

    Parameters
    ----------
    table : pandas.DataFrame of str
    where : str
        Its place in the file; a caption helps to tell what it counts.
    rules : Rules

    Yields
    ------
    (verdict, reason)
        Reasons name place and column, never a value.
    """
    table = table.set_axis([str(name) for name in table.columns], axis=1)
    kinds = {name: find_kind(name, rules.kinds) for name in table.columns}
    yield from _check_records(table, where, kinds)
    yield from _check_letters(table, where)
    if len(table) >= MANY_ROWS and _must_meet_rules(table, rules).any():
        yield from _check_anonymous(table, where, kinds, rules)
    counted = table[_must_meet_rules(table, rules)]
    if len(counted):
        yield from _check_counts(counted, where, kinds, rules)
        yield from _check_derivable(counted, where, kinds, rules)


def find_smallest(table: pd.DataFrame, rules: Rules) -> float:
    """Give the smallest count of children above 0 in a table, NaN where it has none.

    Parameters
    ----------
    table : pandas.DataFrame of str
    rules : Rules

    Returns
    -------
    float
    """
    names = [name for name in table.columns if find_kind(str(name), rules.kinds) == "children"]
    counts = [count for name in names for count in _counts_in(table[name]).dropna() if count > 0]
    return min(counts, default=np.nan)


def _must_meet_rules(table: pd.DataFrame, rules: Rules) -> pd.Series:
    """Mark the rows that are not figures published (and protected) by DfE."""
    if "strand" in table.columns:
        return table["strand"] != PUBLISHED
    return pd.Series(rules.strand != PUBLISHED, index=table.index)


def _check_records(table: pd.DataFrame, where: str, kinds: Mapping[str, Kind]) -> Iterator[Finding]:
    filled = (table != "").any()
    for name, kind in kinds.items():
        if kind == "record" and filled[name]:
            yield "fail", f"{where}: column {name} is of a child's record (row-level data)"
    person = [n for n in kinds if re.sub(r"[^a-z]", "", n.lower()) in PERSON_FIELDS and filled[n]]
    if len(person) > 1 and "children" not in kinds.values():
        yield "fail", f"{where}: columns {', '.join(person)} describe persons one by one"


def _check_letters(table: pd.DataFrame, where: str) -> Iterator[Finding]:
    """Read rows, the head among them, that are written with one letter to a cell."""
    if table.shape[1] < FEWEST_LETTERS:
        return
    head = [re.sub(r" \(\d+\)$", "", name) for name in table.columns]  # names that came again
    rows = [head, *table.astype(str).to_numpy().tolist()]
    for row in rows:
        letters = [str(cell).strip() for cell in row]
        if max(map(len, letters)) == 1:
            for verdict, what in find_identifiers("".join(letters)):
                yield verdict, f"{where}: {what}, one letter to a cell"


def _check_anonymous(
    table: pd.DataFrame, where: str, kinds: Mapping[str, Kind], rules: Rules
) -> Iterator[Finding]:
    """Tell a table of one row per child, without ids or telling names, from an aggregate one.

    Rows of an aggregate table are distinguished by their labels and periods, and count something.
    """
    if any(kind in COUNTED for kind in kinds.values()):
        return
    stated = set(rules.kinds)
    dated = [n for n in kinds if n not in stated and _holds_events(table[n])]
    labels = [n for n in kinds if not table[n].astype(str).str.fullmatch(NUMBER).all()]
    periods = [n for n, kind in kinds.items() if kind in ("periods", "label") or n in stated]
    keys = list(dict.fromkeys([*labels, *periods]))
    if len(dated) > 1:
        yield "fail", f"{where}: columns {', '.join(dated)} are dates of events, one row per record"
    elif dated:
        yield "review", f"{where}: column {dated[0]} reads like dates of events of children"
    elif not keys or table.duplicated(keys, keep=False).mean() > 1 / 2:
        yield "review", f"{where}: rows have no labels that distinguish them, like records"


def _holds_events(column: pd.Series) -> bool:
    parts = column.astype(str).str.extract(DAY)
    days = parts[0].fillna(parts[1]).dropna().astype(int)
    return len(days) > len(column) / 2 and days.nunique() > FEW_DAYS


def _check_counts(
    table: pd.DataFrame, where: str, kinds: Mapping[str, Kind], rules: Rules
) -> Iterator[Finding]:
    caption = find_kind(where)
    about = _row_kinds(table)
    aggregate = _is_aggregate(table)
    series = [name for name in table.columns if PERIOD.fullmatch(name)]
    fractions = table[series].map(_is_fraction).any(axis=1)
    for name, kind in kinds.items():
        counts = _counts_in(table[name])
        if len(series) > 1 and name in series:
            counts = counts.mask(fractions)  # what is a fraction in another period counts nobody
        if kind == "untyped" and name:
            yield from _check_untyped(counts, f"{where}: column {name}", caption, about, rules)
        if kind == "children":
            if table[name].astype(str).map(lambda cell: _is_narrow(cell, rules.threshold)).any():
                yield "review", f"{where}: column {name} bounds counts below the threshold"
            yield from _check_children(counts, f"{where}: column {name}", aggregate, rules)


def _check_children(
    counts: pd.Series, where: str, aggregate: pd.Series, rules: Rules
) -> Iterator[Finding]:
    if counts.between(1, rules.threshold).any():
        yield "fail", f"{where} shows counts of children below the threshold"
    if (counts[aggregate].dropna() % rules.rounding != 0).any():
        yield "fail", f"{where} shows totals that are not rounded"


def _check_untyped(
    counts: pd.Series, where: str, caption: Kind, about: pd.Series, rules: Rules
) -> Iterator[Finding]:
    """Judge numbers under a header that does not tell what they count."""
    small = counts.between(1, rules.threshold)
    if not small.any() or caption in ("councils", "periods", "estimate"):
        return
    if (about[small] == "children").any():
        yield "fail", f"{where} shows counts of children below the threshold"
    elif (about[small] == "untyped").any():
        yield "review", f"{where} holds small whole numbers; say in the register what they count"


def _row_kinds(table: pd.DataFrame) -> pd.Series:
    """Tell from each row's words (indicator, outcome, measure) what its numbers count."""
    words = table.map(lambda cell: "" if NUMBER.fullmatch(str(cell).strip()) else str(cell))
    kinds = words.map(find_kind)
    first = pd.Series("untyped", index=table.index)
    for kind in ("periods", "councils", "children", "estimate"):
        first = first.mask((kinds == kind).any(axis=1), kind)
    return first


def _is_aggregate(table: pd.DataFrame) -> pd.Series:
    text = table.astype(str)
    coded = text.apply(lambda column: column.str.fullmatch(AGGREGATE_CODE)).any(axis=1)
    first = text.iloc[:, 0] if text.shape[1] else pd.Series("", index=table.index)
    return coded | first.str.contains(AGGREGATE_NAME.pattern.replace("(", "(?:"))


def _counts_in(column: pd.Series) -> pd.Series:
    """Read whole numbers; a column most of whose numbers are fractions holds no counts."""
    cells = [_read_number(cell) for cell in column.fillna("").astype(str)]
    numbers = [cell for cell in cells if cell is not None]
    if sum(not np.isnan(number) for number in numbers) < MOST * len(numbers):
        cells = [None] * len(cells)
    return pd.Series(cells, index=column.index, dtype="float64")


@lru_cache(maxsize=100_000)
def _read_number(cell: str) -> float | None:
    """Read a whole number; NaN for another number, None for other text."""
    text = _plain_number(cell)
    if not NUMBER.fullmatch(text):
        return None
    return float(text.replace(",", "")) if WHOLE.fullmatch(text) else nan


def _is_fraction(cell: object) -> bool:
    number = _read_number(str(cell))
    return number is not None and np.isnan(number)


def _plain_number(cell: str) -> str:
    """Write "c. 3", "3 (7.5%)", "3/40", "three" and other ways of writing a count as its digits."""
    cell = ENCLOSED.sub(r"\1", read_as_person(cell).strip().lower())
    cell = MARKED.sub(r"\1", ABOUT.sub("", cell))
    if POWER.fullmatch(cell):
        return f"{float(cell):.15g}"
    return str(NUMERALS.get(cell, BESIDE.sub("", cell).rstrip(" /,;:.")))


def _is_narrow(cell: str, threshold: int) -> bool:
    """Tell a bound that says more of a small count than that it is at most the threshold."""
    text = read_as_person(cell).strip().lower()
    if most := AT_MOST.match(text) or BELOW.match(text):
        return 0 < int(most[1]) < threshold
    found = BETWEEN.match(text)
    return found is not None and 0 < int(found[1]) <= int(found[2]) < threshold


def _check_derivable(
    table: pd.DataFrame, where: str, kinds: Mapping[str, Kind], rules: Rules
) -> Iterator[Finding]:
    """Find shares and rates beside what they are of, where the two give a small count away."""
    yield from _check_remainders(table, where, rules)
    parts = {name: _per(name, table) for name in table.columns}
    parts = {name: per for name, per in parts.items() if per.notna().any()}
    counted = [name for name in kinds if kinds[name] == "children" and name not in parts]
    counts = {name: _counts_in(table[name]) for name in counted}
    if caption := BASE.search(where):
        counts["its caption"] = pd.Series(float(caption[1]), index=table.index)
    for name, per in parts.items():
        whole_of = ("denominator", "population") if per.max() >= LEAST_RATE else ("denominator",)
        for base in [one for one in counts if one in whole_of] or counts:
            whole = counts[base]
            told = pd.Series(False, index=table.index)
            for low, high in (_limits(table[name]), _limits(table[name], PERCENT_SLACK)):
                part = np.ceil(low * whole / per)
                one = part == np.floor(high * whole / per)
                shown = pd.DataFrame(counts).eq(part, axis=0).any(axis=1)  # its column is judged
                few = part.between(1, rules.threshold) | _outside(whole, part, rules)
                told |= one & few & ~shown
            if told.any():
                own = base == "denominator" and name in VALUES
                if own:
                    said = "gives away a small count with its denominator"
                else:
                    said = f"may give away a small part of {base}"
                yield "fail" if own else "review", f"{where}: column {name} {said}"


def _per(name: str, table: pd.DataFrame) -> pd.Series:
    """Tell of how many the figures of a column are shares or rates, NaN where they are neither."""
    words = name.lower().replace("_", " ")
    if name in VALUES and "indicator" in table.columns:
        indicator = table["indicator"].astype(str)
        rate = indicator.str.contains("rate").map({True: RATE, False: 100.0})
        return rate.mask(indicator.str.contains("median|p25|p75"))
    per = nan
    if PERCENT.search(words) or (name in VALUES and "denominator" in table.columns):
        per = 100.0
    elif found := PER.search(words):
        per = float(found[1].replace(",", ""))
    elif table[name].astype(str).str.strip().str.fullmatch(r"\d[\d,.]*\s*%").any():
        per = 100.0
    elif RATES.search(words):
        per = RATE
    elif SHARES.search(words):
        per = 1.0
    return pd.Series(per, index=table.index)


def _limits(column: pd.Series, most: float = np.inf) -> tuple[pd.Series, pd.Series]:
    """Read how low and how high figures were before they were rounded to what is printed.

    Rounding moved none by more than `most`: a whole number may have lost its zeros.
    """
    text = column.fillna("").astype(str).str.replace(r"[,%\s]|per ?cent", "", regex=True)
    text = text.where(text.str.fullmatch(r"\d+(?:\.\d+)?"))
    number = pd.to_numeric(text, errors="coerce")
    decimals = text.str.extract(r"\.(\d+)", expand=False).str.len().fillna(0)
    slack = (0.5 / 10.0**decimals).clip(upper=most)
    return number - slack, number + slack


def _check_remainders(table: pd.DataFrame, where: str, rules: Rules) -> Iterator[Finding]:
    """Find counts beside a total of which they may be parts, and that leave few of it."""
    able = [n for n in table.columns if find_kind(n, rules.kinds) in ("children", "untyped")]
    counts = {name: _counts_in(table[name]) for name in able}
    for total, name in permutations(able, 2):
        rest = (counts[total] - counts[name]).dropna()
        if _may_be_part(name, total) and len(rest) and (rest >= 0).all():
            exact = (rest % rules.rounding != 0).any() or rules.rounding == 1
            if exact and rest.between(1, rules.threshold).any():
                yield "review", f"{where}: column {name} may leave a small part of {total}"
    for name in able:
        added = counts[name].diff().dropna()
        if SO_FAR.search(name.replace("_", " ")) and added.between(1, rules.threshold).any():
            yield "review", f"{where}: column {name} grows by a count below the threshold"


def _may_be_part(name: str, total: str) -> bool:
    """Tell columns that are called a whole, and names that say more: children on time."""
    more, less = (set(re.findall(r"[a-z0-9]+", one.lower())) for one in (name, total))
    return bool(WHOLE_OF.search(total.replace("_", " "))) or less < more


def _outside(base: pd.Series, inside: pd.Series, rules: Rules) -> pd.Series:
    return (base - inside).between(1, rules.threshold)
