"""What a committed notebook must be, so that comparing its outputs means something."""

from __future__ import annotations

import ast
import json
import re

import nbformat
import pytest
from committed import IGNORED, NOTEBOOKS, ROOT, code_cells, output_texts

from pilot_eval.app.refresh import tidy, to_text
from pilot_eval.evidence import hash_table
from pilot_eval.plan import load_plan
from pilot_eval.published.council_indicators import load_published

MOST_BYTES = 500_000
MOST_LINES = 15
MOST_IGNORED = 0.25
PLACEHOLDER = "No description has been provided for this image"
PATHS = re.compile(r"(?<![\w.])/(?:home|Users|root|tmp|work|usr)/|[A-Z]:\\\\")


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.fixture
def notebook(path):
    return nbformat.read(path, as_version=4)


@pytest.fixture(scope="module")
def data():
    return hash_table(load_published(ROOT / "data" / "published" / "council_indicators.csv"))


@pytest.fixture
def stamps(path, data):
    own = path.parents[1]
    return data, load_plan(own if own.parent.name == "pilots" else None).hash


def test_the_notebooks_are_there():
    assert {path.stem for path in NOTEBOOKS} >= {
        "00_data_quality",
        "01_design_and_power",
        "02_delay",
        "03_child_outcomes",
        "99_summary",
    }


def test_it_was_run_from_top_to_bottom(notebook):
    counts = [cell.execution_count for cell in code_cells(notebook)]
    assert counts == list(range(1, len(counts) + 1)), "run `pilot-eval refresh`"


def test_it_is_in_the_form_that_refresh_writes(path, notebook):
    text = path.read_text(encoding="utf-8")
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert text == to_text(tidy(notebook)), "run `pilot-eval refresh`"
    assert notebook.metadata.kernelspec.name == "python3"
    assert path.stat().st_size < MOST_BYTES


def test_it_has_one_title_and_one_cell_of_parameters(notebook):
    markdown = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    titles = [line for source in markdown for line in source.splitlines() if line.startswith("# ")]
    assert len(titles) == 1
    tagged = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    assert len(tagged) == 1
    for line in tagged[0].source.splitlines():
        assert re.fullmatch(r"\w+: \w+(\[\w+\])? = .+  # .+", line), line


def test_no_table_of_it_is_empty(notebook):
    for cell in code_cells(notebook):
        texts = [place[kind] for place, kind in output_texts(cell.outputs)]
        assert [text for text in texts if "(0 rows)" in text] == []


def test_no_text_of_it_points_to_a_file_that_a_report_does_not_hold(notebook):
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            assert not re.search(r"\]\((?!https?:|#)", cell.source)


def test_its_code_is_thin_and_plain(notebook):
    for cell in code_cells(notebook):
        assert len(cell.source.splitlines()) <= MOST_LINES
        assert not re.search(r"^\s*[!%]|sys\.exit|raises-exception", cell.source, re.MULTILINE)
        defined = (ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef)
        assert not [node for node in ast.walk(ast.parse(cell.source)) if isinstance(node, defined)]


def test_its_outputs_hold_no_error_warning_or_path(path, notebook):
    for cell in code_cells(notebook):
        for output in cell.outputs:
            assert output.output_type != "error"
            assert output.get("name") != "stderr"
    assert not PATHS.search(path.read_text(encoding="utf-8"))


def test_it_holds_no_state_of_widgets(path):
    assert "jupyter.widget" not in path.read_text(encoding="utf-8")


def test_its_outputs_are_compared_and_hold_numbers(notebook):
    cells = code_cells(notebook)
    ignored = [
        cell
        for cell in cells
        if IGNORED in cell.metadata.get("tags", [])
        or "NBVAL_IGNORE" in cell.source
        or "nbval-skip" in cell.metadata.get("tags", [])
    ]
    assert len(ignored) <= MOST_IGNORED * len(cells)
    texts = [holder[key] for cell in cells for holder, key in output_texts(cell.outputs)]
    assert any(re.search(r"\d\.\d|\d\d", text) for text in texts)


def test_every_picture_has_a_description(notebook):
    for cell in code_cells(notebook):
        for output in cell.outputs:
            data = output.get("data", {})
            assert "image/png" not in data, "show <figure><img alt=...>: JupyterLab drops alt text"
            for tag in re.findall(r"<img[^>]*>", data.get("text/html", "")):
                [alt] = re.findall(r'alt="([^"]*)"', tag)
                assert len(alt) > 20, "alt text must state the finding"
                assert PLACEHOLDER not in alt


def test_it_shows_the_committed_data_and_plan(notebook, stamps):
    cells = code_cells(notebook)
    texts = [holder[key] for cell in cells for holder, key in output_texts(cell.outputs)]
    shown = set(re.findall(r"[Dd]ata ([0-9a-f]{12}), plan ([0-9a-f]{12})", "\n".join(texts)))
    simulated = any("simulated" in text.lower() for text in texts)
    assert shown == {stamps} or (simulated and not shown), "run `pilot-eval refresh`"
