"""How results show and export themselves: text, HTML, LaTeX, Markdown, Excel and charts.

Works on finished tables; nothing is estimated here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pilot_eval.errors import RunError, explain
from pilot_eval.file_sets import whole_file
from pilot_eval.house_style import DARK_BLUE, GREY, canvas, fix_ticks, wrap

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DIGITS = 3
SHEET_NAME_LENGTH = 31  # Excel's limit
INCHES_PER_ROW = 0.34
# Full-width signs, and what a spreadsheet takes off the front of a cell, count too.
FORMULA = re.compile(
    r"[\t\r]|[\s\u200b\ufeff]*(?:[=+@\uff1d\uff0b\uff20\uff0d]|-(?![\d.]+(e[-+]?\d+)?$|inf$))"
)
MARKDOWN = re.compile(r"[\\`*<>|~$&\[\]]|(?<!\w)_|_(?!\w)|^[#+-](?=\s|#)")
_NOT_IN_A_CELL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
LATEX = {letter: f"\\{letter}" for letter in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": "$<$",
    ">": "$>$",
    "–": "--",
    "−": "$-$",
}


def write_as_text(value: object) -> object:
    """Put an apostrophe before a text that a spreadsheet would read as a formula."""
    return f"'{value}" if isinstance(value, str) and FORMULA.match(value) else value


def write_as_markdown(text: str) -> str:
    r"""Keep a text from being read as Markdown or HTML.

    Examples
    --------
    >>> print(write_as_markdown("a|b <i>x</i> *y* two_words"))
    a\|b \<i\>x\</i\> \*y\* two_words
    """
    return MARKDOWN.sub(r"\\\g<0>", " ".join(text.split()))


def format_cells(frame: pd.DataFrame, digits: int = DIGITS) -> pd.DataFrame:
    """Format every cell as text: numbers to significant digits, missing values as a dash.

    Parameters
    ----------
    frame : DataFrame
    digits : int
        Significant digits of numbers that are not whole.

    Returns
    -------
    DataFrame
        Of str, with the same labels.

    Examples
    --------
    >>> format_cells(pd.DataFrame({"estimate": [1.23456, float("nan")]}))["estimate"].tolist()
    ['1.23', '–']
    """

    def word(value: object) -> str:
        if value is None or value is pd.NA or value != value:
            return "–"
        if isinstance(value, float):
            return f"{value:.{digits}g}" if abs(value) < 10**digits else f"{value:.0f}"
        return " ".join(str(value).split())

    return frame.map(word)


def _rows(words: pd.DataFrame) -> list[list[str]]:
    """Give the heads, then the cells of each row."""
    return [words.columns.astype(str).tolist(), *words.to_numpy().tolist()]


def to_text(frame: pd.DataFrame) -> str:
    """Write a table as aligned text."""
    words = format_cells(frame)
    widths = [max([len(str(name)), *words[name].map(len)]) for name in words]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in _rows(words)
    ]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def to_markdown(frame: pd.DataFrame) -> str:
    """Write a table as Markdown.

    Examples
    --------
    >>> print(to_markdown(pd.DataFrame({"outcome": ["referrals"], "estimate": [1.5]})))
    | outcome | estimate |
    | --- | --- |
    | referrals | 1.5 |
    """
    words = format_cells(frame)
    heads, *rows = ([write_as_markdown(cell) for cell in row] for row in _rows(words))
    return "\n".join(f"| {' | '.join(row)} |" for row in [heads, ["---"] * len(heads), *rows])


def to_latex(frame: pd.DataFrame) -> str:
    r"""Write a table as LaTeX, in the style of the `booktabs` package.

    Examples
    --------
    >>> print(to_latex(pd.DataFrame({"share": ["5%"]})))
    \begin{tabular}{l}
    \toprule
    share \\
    \midrule
    5\% \\
    \bottomrule
    \end{tabular}
    """
    words = format_cells(frame)
    head, *body = (
        " & ".join("".join(LATEX.get(letter, letter) for letter in cell) for cell in row) + r" \\"
        for row in _rows(words)
    )
    columns = "".join("r" if pd.api.types.is_numeric_dtype(kind) else "l" for kind in frame.dtypes)
    opening = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", head, r"\midrule"]
    return "\n".join([*opening, *body, r"\bottomrule", r"\end{tabular}"])


def to_html(frame: pd.DataFrame, caption: str) -> str:
    """Write a table as HTML with a caption, a header for each column and one for each row."""
    words = format_cells(frame)
    heads = "".join(f'<th scope="col">{escape(str(name))}</th>' for name in words.columns)
    body = "".join(
        f'<tr><th scope="row">{escape(first)}</th>'
        + "".join(f"<td>{escape(cell)}</td>" for cell in rest)
        + "</tr>"
        for first, *rest in words.to_numpy().tolist()
    )
    return (
        f"<table><caption>{escape(caption)}</caption><thead><tr>{heads}</tr></thead>"
        f"<tbody>{body}</tbody></table>"
    )


def to_excel(tables: Mapping[str, pd.DataFrame], path: str | Path) -> Path:
    """Write tables as the sheets of one workbook, numbers as numbers, and return its path.

    Raises
    ------
    RunError
        If the file cannot be written or does not end in .xlsx.
    """
    try:
        if Path(path).suffix != ".xlsx":
            raise ValueError
        with whole_file(Path(path)) as new, pd.ExcelWriter(new, engine="openpyxl") as book:
            for name, table in tables.items():
                cells = table.map(_excel_cell).rename(columns=_excel_cell)
                cells.to_excel(book, sheet_name=name[:SHEET_NAME_LENGTH], index=False)
    except (OSError, ValueError) as fault:
        got = f"{path} ({getattr(fault, 'strerror', None) or type(fault).__name__})"
        action = "Name a file ending in .xlsx in a folder that is there."
        raise RunError(explain("workbook", "be writable", got, action)) from None
    return Path(path)


def _excel_cell(value: object) -> object:
    """Write as text what a workbook has no cell for; no text is a formula."""
    if isinstance(value, (pd.Period, pd.Timedelta)) or getattr(value, "tzinfo", None):
        return str(value)
    return write_as_text(_NOT_IN_A_CELL.sub(" ", value)) if isinstance(value, str) else value


def plot_intervals(
    frame: pd.DataFrame, *, label: str, panel: str, columns: Sequence[str], title: str
) -> Figure:
    """Plot estimates with their intervals, one row each and one panel for each unit.

    Parameters
    ----------
    frame : DataFrame
    label, panel : str
        Columns that name the rows, and the panels (effects of different units share no axis).
    columns : sequence of str
        Low and high end of the estimate, low and high end of the interval.
    title : str

    Returns
    -------
    matplotlib.figure.Figure
    """
    import matplotlib.pyplot as plt  # noqa: F401  (notebooks then know how to show a figure)

    groups = list(frame.groupby(panel, sort=False)) or [("", frame)]
    rows = [max(len(group), 1) for _, group in groups]
    height = 1.0 + INCHES_PER_ROW * sum(rows) + 0.7 * len(rows)
    with canvas(height, rows=rows) as (figure, panels):
        for axes, (name, group) in zip(np.atleast_1d(panels), groups, strict=True):
            low, high, conf_low, conf_high = (group[column].to_numpy(float) for column in columns)
            places = range(len(group))
            axes.hlines(places, conf_low, conf_high, color=DARK_BLUE, lw=1.5)
            axes.hlines(places, low, high, color=DARK_BLUE, lw=6, alpha=0.5)
            axes.plot((low + high) / 2, places, "o", color=DARK_BLUE)
            axes.axvline(0, color=GREY, lw=1)
            axes.set_yticks(places, group[label].astype(str).map(wrap), fontsize=9)
            axes.set_ylim(max(len(group), 1) - 0.5, -0.5)
            axes.set_xlabel(f"effect, {name}" if name else "effect")
        figure.suptitle(title)
        return fix_ticks(figure)


class ShowsTable:
    """What every public result can do with its table: show it and export it, nothing more.

    A result has `to_frame()`, which gives its table, and `title`.
    """

    __slots__ = ()

    @property
    def title(self) -> str:
        """Say in one line what the result is."""
        raise NotImplementedError

    def to_frame(self) -> pd.DataFrame:
        """Return the result as a table."""
        raise NotImplementedError

    def _tables(self) -> dict[str, pd.DataFrame]:
        return {"result": self.to_frame()}

    def summary(self) -> str:
        """Return the result as text, to be printed."""
        return f"{self.title}\n\n{to_text(self.to_frame())}"

    def to_markdown(self) -> str:
        """Return the table in Markdown."""
        return to_markdown(self.to_frame())

    def to_latex(self) -> str:
        """Return the table in LaTeX, for the package `booktabs`."""
        return to_latex(self.to_frame())

    def to_excel(self, path: str | Path) -> Path:
        """Write the tables to a workbook, numbers as numbers, and return its path."""
        return to_excel(self._tables(), path)

    def __repr__(self) -> str:
        return self.summary()

    def _repr_html_(self) -> str:
        return to_html(self.to_frame(), self.title)
