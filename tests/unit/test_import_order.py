"""Data moves down the house and never back: a module imports only from above itself."""

from __future__ import annotations

import ast

import pytest
from project_folder import ROOT

PACKAGE = ROOT / "src" / "pilot_eval"
ORDER = (
    "errors",
    "door_readers",
    "door_values",
    "doors",
    "project",
    "file_sets",
    "run_cache",
    "reference",
    "plan_settings",
    "plan_clusters",
    "plan",
    "house_style",
    "result_display",
    "evidence_views",
    "evidence_row",
    "evidence",
    "published",
    "records",
    "design",
    "estimation",
    "inference",
    "frames",
    "evaluation",
    "checks",
    "monitoring",
    "disclosure",
    "reporting",
    "lab",
    "app",
)
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def stage(dotted):
    return dotted.split(".")[1] if dotted.startswith("pilot_eval.") else None


def imported(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: write the whole name"
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_a_module_imports_only_from_its_own_stage_or_earlier(path):
    own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    assert own in ORDER, f"{own} is not a stage of the house"
    later = [
        name
        for name in imported(path)
        if stage(name) and ORDER.index(stage(name)) > ORDER.index(own)
    ]
    assert later == []


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_a_module_stays_small_and_asserts_nothing(path):
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    assert len(text.splitlines()) <= 400
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Assert)]
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(tree):
        if isinstance(node, functions):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            lines = body[-1].end_lineno - body[0].lineno + 1 if body else 0
            assert lines <= 50, f"{node.name} has {lines} lines"


def test_the_name_of_a_module_is_unique_in_the_package():
    names = [path.stem for path in MODULES if path.stem != "__init__"]
    assert sorted({name for name in names if names.count(name) > 1}) == []


def test_no_imports_run_in_a_circle():
    edges = {dotted(path): set(imported(path)) for path in MODULES}
    while leaves := [name for name, uses in edges.items() if not uses & edges.keys()]:
        for name in leaves:
            del edges[name]
    assert sorted(edges) == []


def dotted(path):
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
