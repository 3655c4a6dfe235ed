"""Benchmarks are run by hand: what they import of the package is there."""

from __future__ import annotations

import ast
from importlib import import_module
from importlib.util import find_spec

import pytest
from project_folder import ROOT

BENCHMARKS = sorted((ROOT / "benchmarks").glob("*.py"))


@pytest.mark.parametrize("path", BENCHMARKS, ids=lambda path: path.stem)
def test_what_a_benchmark_imports_is_there(path):
    found = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    for node in (node for node in found if isinstance(node, ast.ImportFrom)):
        if (node.module or "").startswith("pilot_eval"):
            module = import_module(node.module)
            for name in (alias.name for alias in node.names):
                assert hasattr(module, name) or find_spec(f"{node.module}.{name}"), name
