"""The form for a notebook's parameters: the types of the command line, no state but a cell."""

from __future__ import annotations

import ast
import json
import shlex

import nbformat
import papermill
import pytest
from project_folder import ROOT

import pilot_eval as pe
from pilot_eval.app.cli import build_parser
from pilot_eval.app.commands import _pairs
from pilot_eval.app.parameters import INJECTED, parse_parameters
from pilot_eval.app.request import find_notebooks
from pilot_eval.errors import ParameterError, RunError

NOTEBOOKS = find_notebooks(ROOT, "")
NAME = "03_child_outcomes"
CHANGES = [
    {"alpha": "1e-1"},
    {"drop_councils": " Leeds, Kent ", "comparators": "same_type"},
    {"scenario": "announced", "outcome": "cpp_rate", "alpha": "0.05"},
    {"table_file": 'my "own" table.csv'},
    {},
]


@pytest.fixture(autouse=True)
def here(monkeypatch, tmp_path):
    monkeypatch.setenv("PILOT_EVAL_ROOT", str(ROOT))
    monkeypatch.chdir(tmp_path)


def fill(changes, name=NAME):
    form = pe.choose_parameters(name)
    for key, value in changes.items():
        form.fields[key].value = value
    return form


def read_injected(path):
    """Read the values of the cell after the notebook's own parameters."""
    cells = [
        cell.source
        for cell in nbformat.read(path, as_version=4).cells
        if "injected-parameters" in cell.metadata.get("tags", [])
    ]
    assert all(cell.startswith(INJECTED) for cell in cells)
    tree = ast.parse("\n".join(cells)).body
    return {line.targets[0].id: ast.literal_eval(line.value) for line in tree}, cells


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_form_begins_with_the_notebooks_own_values(name):
    form = pe.choose_parameters(name)
    assert form.changed == {}
    assert form.command() == f"pilot-eval run --only {name}"


@pytest.mark.parametrize("changes", CHANGES)
def test_copy_command_and_form_have_the_same_typed_values(tmp_path, changes):
    form = fill(changes)
    before = form.source.read_bytes()
    injected, cells = read_injected(form.write("copy.ipynb"))
    assert injected == form.changed
    papermill.execute_notebook(
        form.source, "theirs.ipynb", form.changed, prepare_only=True, progress_bar=False
    )
    assert read_injected("theirs.ipynb")[1] == cells
    options = build_parser().parse_args(shlex.split(form.command())[1:])
    given = parse_parameters(_pairs(options.parameters), pe.load_plan())
    given |= {"table_file": str(options.table_file)} if options.table_file else {}
    assert given == form.changed
    assert form.source.read_bytes() == before


def test_a_copy_holds_no_outputs_and_no_state_of_widgets():
    copy = fill({"alpha": "0.1"}).write()
    content = json.loads(copy.read_text(encoding="utf-8"))
    assert copy.name == f"{NAME}-changed.ipynb"
    assert "widget" not in json.dumps(content["metadata"])
    for cell in content["cells"]:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"alpha": "five"}, "be a number above 0"),
        ({"alpha": ""}, "be a number above 0"),
        ({"pilot": "a\nb"}, "be the name or path of a pilot folder"),
    ],
)
def test_what_cannot_be_used_is_said_in_the_form_and_not_written(tmp_path, changes, message):
    form = fill(changes)
    assert message in form._said.value
    with pytest.raises(ParameterError, match=message):
        form.write()
    assert list(tmp_path.iterdir()) == []


def test_a_copy_replaces_nothing_and_says_so_in_the_form(tmp_path):
    form = fill({"alpha": "0.1"})
    button = next(item for item in form._box.children if hasattr(item, "click"))
    button.click()
    [copy] = tmp_path.iterdir()
    before = copy.read_bytes()
    assert copy.name in form._said.value
    button.click()
    assert "must be a new file" in form._said.value
    assert copy.read_bytes() == before
    with pytest.raises(RunError):
        form.write("no/such/folder.ipynb")


def test_another_pilots_form_offers_its_names():
    form = pe.choose_parameters(NAME, pilot="family-safeguarding")
    offered = {value for _, value in form.fields["outcome"].options}
    assert offered - {""} == set(pe.load_plan("family-safeguarding").outcomes)
    assert "--pilot family-safeguarding" in form.command()
    with pytest.raises(ParameterError, match="Did you mean"):
        pe.choose_parameters("03_child_outcome")
