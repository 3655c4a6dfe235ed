"""docs/reference-values.md has a section for every file of reference values."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from replication_data import ROOT

HERE = Path(__file__).parent
FILES = [*HERE.glob("test_replication_*.py"), HERE / "test_inference_reference.py"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_page_has_a_section_for_every_source(path):
    page = (ROOT / "docs" / "reference-values.md").read_text(encoding="utf-8")
    title = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").splitlines()[0]
    assert f"## {title.rstrip('.')}\n" in page, "run tools/write_reference_values.py"
    assert "all of them agree (0 tests failed)" in page
