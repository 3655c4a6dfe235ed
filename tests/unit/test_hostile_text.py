"""Text from plans, tables and returns is text: in pages, spreadsheets and CSV."""

from __future__ import annotations

import io
import re

import nbformat
import openpyxl
import pandas as pd
import pytest
from lxml.html import document_fromstring
from project_folder import ROOT

import pilot_eval as pe
from pilot_eval.evidence import to_csv_bytes
from pilot_eval.reporting.html import make_accessible, render_markdown, render_notebook
from pilot_eval.reporting.workbook import write_workbook
from pilot_eval.result_display import write_as_markdown

HOSTILE = {
    "handler": '<img src=x onerror="document.title=1">',
    "script": "<script>document.title=1</script>",
    "link": "[here](javascript:document.title=1)",
    "html link": '<a href=" java&#10;script:document.title=1">here</a>',
    "frame": '<iframe src="https://example.org"></iframe>',
    "data page": '<a href="data:text/html,<script>1</script>">here</a>',
    "picture outside": '<img src="https://example.org/a.png">',
    "svg": '<svg onload="document.title=1"><script>1</script></svg>',
    "form": '<form action="https://example.org"><button>x</button></form>',
    "refresh": '<meta http-equiv="refresh" content="0;url=https://example.org">',
    "in a formula": "$x</math><img src=x onerror=document.title=1>$",
}
ACTIVE = re.compile(
    r"<(script|iframe|form|meta|object|embed|base|link)\b|<[^>]*\son\w+\s*=|"
    r"(href|src)\s*=\s*.?\s*(java|data:text)|<img[^>]*https:",
    re.IGNORECASE,
)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_neither_runs_nor_fetches(text):
    cells = [nbformat.v4.new_markdown_cell(f"A note. {text}")]
    for kind in ("text/markdown", "text/html"):
        output = nbformat.v4.new_output("display_data", {kind: f"<p>One {text}</p>"})
        cells.append(nbformat.v4.new_code_cell("1", outputs=[output]))
    page = make_accessible(render_notebook(nbformat.v4.new_notebook(cells=cells)))
    assert "A note." in page
    assert ACTIVE.findall(page) == []


def test_what_documents_need_is_kept():
    for name in ("methods", "evidence", "glossary", "disclosure"):
        source = (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
        page = render_markdown(source)
        assert page.count("<table>") == len(re.findall(r"(?m)^\|[-|: ]+\|$", source))
    formula = render_markdown("$\\frac{a}{b}$ and $x_1^2$")
    assert {"<mfrac>", "<msubsup>"} <= set(re.findall(r"<m\w+>", formula))
    picture = "![a](data:image/png;base64,iVBORw0KGgo=)"
    assert "data:image/png" in render_markdown(picture)


FORMULAS = [
    "=1+1",
    "+1+cmd",
    "-2+3",
    "@SUM(A1)",
    "\t=1",
    "=HYPERLINK(1)",
    " =1",
    "\uff1d1",
    "\u200b=1",
]


def test_formulas_in_csv_are_text_and_numbers_stay_numbers():
    table = pd.DataFrame({"name": [*FORMULAS, "plain", "-2.5", "-inf", None], "x": -1.5})
    back = pd.read_csv(io.BytesIO(to_csv_bytes(table)))
    assert all(str(name).startswith("'") for name in back["name"][: len(FORMULAS)])
    assert back["name"][len(FORMULAS) :].fillna("").tolist() == ["plain", "-2.5", "-inf", ""]
    assert (back["x"] == -1.5).all()


@pytest.mark.parametrize("label", ["=1+1", "[a](b)", "[a](b) [c](d)", "***", "$$att$$", "a" * 300])
def test_labels_of_a_workbook_are_text(label, tmp_path):
    plan = pe.load_plan()
    key = plan.family.primary_outcomes[0]
    texts = plan.outcomes[key].model_copy(update={"label": label})
    plan = plan.model_copy(
        update={
            "title": label,
            "outcomes": {key: texts},
            "questions": {texts.family: label},
        }
    )
    table = pe.load_published()
    table = table[(table["indicator"] == key) & (table["year_ending"] == 2012)].head(5)
    evidence = pd.read_csv(ROOT / "reports" / "published" / "evidence.csv")
    evidence = evidence[evidence["outcome"] == key].head(3)
    path = write_workbook(
        tmp_path / "t.xlsx",
        plan=plan,
        evidence=evidence,
        indicators=table,
        names=plan.names,
        source=label,
    )
    book = openpyxl.load_workbook(path)
    cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row]
    assert [cell.coordinate for cell in cells if cell.data_type == "f"] == []
    links = [cell.hyperlink for cell in cells if cell.hyperlink]
    assert all(link.location for link in links)  # to places of the same workbook alone


@pytest.mark.parametrize(
    "text",
    [
        "<img src=x onerror=alert(1)> & <b>bold</b>",
        "[a](javascript:alert(1)) ![b](b.png)",
        "costs $5 and $6, *or* _more_ `code` ~~less~~",
        r"a | b \| c &lt; d",
        "# no heading",
        "repeat_plan_pct",
    ],
)
def test_text_in_markdown_is_text(text):
    """On a monitoring board's page and in an exported table alike."""
    shown = document_fromstring(render_markdown(f"Said: {write_as_markdown(text)}"))
    assert " ".join(shown.text_content().split()) == f"Said: {text}"
    assert {item.tag for item in shown.iter()} <= {"html", "body", "p"}
