"""Tables shown in every form: whatever cells contain, the form holds them and stays whole."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html.parser import HTMLParser

import numpy as np
import openpyxl
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pilot_eval.result_display import ShowsTable, format_cells

ODD = [
    *(None, np.nan, pd.NA, pd.NaT, np.inf, True, 3, 1e-9, 12345.6, pd.Timedelta("1D")),
    *(pd.Period("2011Q1"), pd.Timestamp("2011-03-31", tz="UTC"), pd.Timestamp("2011-03-31")),
    *("=1+1", "-5 to 5", "@home", "a|b", "\\", "50% & {more}_~^<b>", "two\nlines", "\x07", ""),
]
CELLS = st.lists(st.sampled_from(ODD) | st.text(max_size=8), min_size=2, max_size=2)
ROWS = st.lists(CELLS, max_size=4)


@dataclass(frozen=True)
class Shown(ShowsTable):
    frame: pd.DataFrame
    title = "A & B <i>"

    def to_frame(self):
        return self.frame


class Reader(HTMLParser):
    """Collects the text of cells; anything but a table's own tags fails."""

    def __init__(self):
        super().__init__()
        self.cells = []

    def handle_starttag(self, tag, attrs):
        assert tag in ("table", "caption", "thead", "tbody", "tr", "th", "td")
        self.cells += [""] * (tag in ("th", "td"))

    def handle_data(self, data):
        if self.cells:
            self.cells[-1] += data


@given(rows=ROWS, heads=st.lists(st.text(max_size=6), min_size=2, max_size=2, unique=True))
@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_no_cell_breaks_a_form(tmp_path, rows, heads):
    shown = Shown(pd.DataFrame(rows, columns=heads, dtype=object))
    words = format_cells(shown.frame)
    lines = shown.to_markdown().split("\n")
    assert len(lines) == len(rows) + 2
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {3}
    latex = shown.to_latex().split("\n")
    assert len(latex) == len(rows) + 6
    for line in latex[4:-2]:
        assert len(re.findall(r"(?<!\\)&", line)) == 1
        assert not re.search(r"(?<!\\)[%#_]", line)
    assert len(shown.summary().split("\n")) == len(rows) + 4
    reader = Reader()
    reader.feed(shown._repr_html_())
    assert [cell for cell in reader.cells[2:] if cell] == [w for w in words.to_numpy().ravel() if w]
    [sheet] = openpyxl.load_workbook(shown.to_excel(tmp_path / "book.xlsx")).worksheets
    assert "f" not in {cell.data_type for line in sheet for cell in line}
    assert sheet.max_row <= len(rows) + 1


@pytest.mark.parametrize("value", [2.5, 3, True, pd.Timestamp("2011-03-31")])
def test_a_workbook_has_numbers_as_numbers(tmp_path, value):
    shown = Shown(pd.DataFrame({"a": [value]}))
    assert pd.read_excel(shown.to_excel(tmp_path / "book.xlsx"))["a"][0] == value
