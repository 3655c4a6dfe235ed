"""What notebooks show: accessible tables, and figures with their numbers alongside them."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import pandas as pd

from pilot_eval.errors import DataError, DesignError
from pilot_eval.evaluation.verdict_words import TEST_NAMES
from pilot_eval.plan import EvaluationPlan

if TYPE_CHECKING:
    from pilot_eval.house_style import Picture

P = ParamSpec("P")
Shown = TypeVar("Shown")

MISSING = "–"
LONG = 24
"""Letters of a cell that needs a wide column."""
DATE = re.compile(r"\b\d{4}(?:-\d\d){1,2}\b")
COLUMN_WORDS: Mapping[str, str] = {
    "council_name": "Council",
    "estimate_low": "Estimate from",
    "estimate_high": "Estimate to",
    "effect_low": "Effect from",
    "effect_high": "Effect to",
    "conf_low": "Interval from",
    "conf_high": "Interval to",
    "p_value": "p",
    "n_treated": "Treated",
    "n_comparators": "Comparators",
    "robust_share": "Robust test rejects",
    "adjusted_share": "Adjusted test rejects",
    "sd": "Standard deviation",
}
"""Column of evidence -> its words in a table's head."""
ENDS: Mapping[str, tuple[str, str]] = {
    "Estimate": ("estimate_low", "estimate_high"),
    "Effect": ("effect_low", "effect_high"),
    "Interval": ("conf_low", "conf_high"),
}
"""Head of one column -> the columns of the two ends that it shows."""
NUMBERS = re.compile(r"−?[\d,.]+(?: to −?[\d,.]+)?")


@dataclass(frozen=True, slots=True)
class Sentence:
    """What stands on a page where a table or figure cannot be shown."""

    text: str

    def _repr_html_(self) -> str:
        return f"<p>{escape(self.text)}</p>"

    def __repr__(self) -> str:
        return self.text


def show_or_say(
    plan: EvaluationPlan, build: Callable[P, Shown], *args: P.args, **kwargs: P.kwargs
) -> Shown | Sentence:
    """Build what a page shows, or say why these figures do not bear it.

    Parameters
    ----------
    plan : EvaluationPlan
    build : callable
        Raises a `DesignError` or a `DataError` where units or periods are too few for it.
    *args, **kwargs
        Of `build`.
    """
    try:
        return build(*args, **kwargs)
    except (DesignError, DataError) as fault:
        return Sentence(f"Left out: {plan.texts.in_units(str(fault))}")


NO_SPECIFICATION = Sentence("No specification has enough units on both sides to be estimated.")


@dataclass(frozen=True, slots=True)
class Opening:
    """What a page opens with: its answer in few words, then the sentence behind it."""

    answer: str
    text: str

    def _repr_html_(self) -> str:
        return f'<p class="finding">{escape(self.answer)}</p><p>{escape(self.text)}</p>'

    def __repr__(self) -> str:
        return f"{self.answer}. {self.text}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table with a caption, column and row headers; shows itself in a notebook.

    Attributes
    ----------
    frame : DataFrame
        Its first column becomes the row header.
    caption : str
    decimals : mapping of str to int
        Decimals of a numeric column; 1 where not named, 0 for whole numbers.
    """

    frame: pd.DataFrame
    caption: str
    decimals: Mapping[str, int] | None = None

    def _repr_html_(self) -> str:
        if self.frame.empty:
            return f"<p>{escape(self.caption)}: none.</p>"
        shown = self._join_ends()
        names = [name_column(str(name)) for name in shown.columns]
        heads = "".join(f'<th scope="col">{escape(name)}</th>' for name in names)
        rows = shown.itertuples(index=False, name=None)
        worded = [any(map(_is_words, shown.iloc[:, place])) for place in range(shown.shape[1])]
        body = "".join(self._row(shown.columns, row, worded) for row in rows)
        return (
            f'<div class="table" role="region" tabindex="0" aria-label="{escape(self.caption)}">'
            f"<table><caption>{escape(self.caption)}</caption>"
            f"<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>"
        )

    def __repr__(self) -> str:
        return f"Table: {self.caption} ({len(self.frame)} rows)"

    def _join_ends(self) -> pd.DataFrame:
        """Show a set's or an interval's two ends in one column."""
        shown = self.frame
        for head, (low, high) in ENDS.items():
            if {low, high} <= set(shown.columns) and head not in shown.columns:
                places = (self.decimals or {}).get(low, 1)
                ends = zip(shown[low], shown[high], strict=True)
                joined = [format_range(float(a), float(b), places) for a, b in ends]
                shown = shown.assign(**{low: joined}).rename(columns={low: head})
                shown = shown.drop(columns=high)
        return shown

    def _row(self, names: Iterable[str], row: tuple[object, ...], worded: Sequence[bool]) -> str:
        cells = []
        for position, (name, value) in enumerate(zip(names, row, strict=True)):
            said = self._text(str(name), value)
            text = DATE.sub(r'<span class="date">\g<0></span>', escape(said))
            if position == 0:
                cells.append(f'<th scope="row">{text}</th>')
            elif worded[position]:
                start = '<td class="long">' if len(said) > LONG else "<td>"
                cells.append(f"{start}{text}</td>")
            else:
                cells.append(f'<td class="number">{text}</td>')
        return f"<tr>{''.join(cells)}</tr>"

    def _text(self, name: str, value: Any) -> str:
        if isinstance(value, str):
            return (TEST_NAMES.get(value, value) if name == "test" else value) or MISSING
        if isinstance(value, bool):
            return "yes" if value else "no"
        if pd.isna(value):
            return MISSING
        is_whole = not isinstance(value, float)
        return format_number(float(value), (self.decimals or {}).get(name, 0 if is_whole else 1))


def _is_words(value: object) -> bool:
    """Tell a cell of words; an empty one, or numbers, do not make a column one of words."""
    return isinstance(value, str) and bool(value) and not NUMBERS.fullmatch(value)


def name_column(name: str) -> str:
    """Name a column in a table's head: keys of evidence in words, other names as they are.

    Examples
    --------
    >>> name_column("conf_low"), name_column("months_exposed"), name_column("p, family")
    ('Interval from', 'Months exposed', 'p, family')
    """
    if name in COLUMN_WORDS:
        return COLUMN_WORDS[name]
    words = name.replace("_", " ")
    return words if re.match(r"p\b", words) else words[:1].upper() + words[1:]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A figure with its finding as title, alt text and the numbers plotted.

    Attributes
    ----------
    name : str
        File name without ending.
    title : str
        What the figure shows, as a sentence.
    alt : str
        Text for those who cannot see it: kind of chart, what it shows, the finding.
    numbers : DataFrame
        The numbers plotted, in reading order.
    picture : Picture
    """

    name: str
    title: str
    alt: str
    numbers: pd.DataFrame
    picture: Picture

    @property
    def png(self) -> bytes:
        """The chart as PNG."""
        return self.picture.png

    def _repr_html_(self) -> str:
        png, svg = (base64.b64encode(data).decode("ascii") for data in self.picture)
        table = Table(frame=self.numbers, caption=f"Numbers plotted: {self.title}")
        title = escape(self.title)
        return (
            f"<figure><figcaption>{title}</figcaption>"
            f'<div class="chart" role="region" tabindex="0" aria-label="Chart: {title}">'
            f'<img alt="{escape(self.alt)}" src="data:image/png;base64,{png}"></div></figure>'
            f"<details><summary>The numbers plotted</summary>{table._repr_html_()}"
            f'<p><a download="{self.name}.svg" href="data:image/svg+xml;base64,{svg}">'
            "This chart as SVG</a></p></details>"
        )

    def __repr__(self) -> str:
        return f"Figure: {self.title}"


def format_number(value: float, places: int = 1) -> str:
    """Format a number for reading: fixed decimals, true minus sign, thousands separated.

    Parameters
    ----------
    value : float
    places : int
        Decimals.

    Returns
    -------
    str

    Examples
    --------
    >>> format_number(-1234.56)
    '−1,234.6'
    """
    if value in (float("inf"), float("-inf")):
        return "no limit"
    text = f"{value:,.{places}f}"
    zero = f"{0:.{places}f}"
    return zero if text == f"-{zero}" else text.replace("-", "−")


def count(number: int, noun: str) -> str:
    """Count things, one of them in the singular.

    Examples
    --------
    >>> count(1, "finding"), count(2, "finding")
    ('1 finding', '2 findings')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def format_range(low: float, high: float, decimals: int = 1) -> str:
    """Format an identified set: one number where its ends agree, empty where there is none.

    Examples
    --------
    >>> format_range(3.84, 4.72), format_range(2.0, 2.0), format_range(float("nan"), 1.0)
    ('3.8 to 4.7', '2.0', '')
    """
    if low != low or high != high:
        return ""
    first, last = format_number(low, decimals), format_number(high, decimals)
    return first if first == last else f"{first} to {last}"
