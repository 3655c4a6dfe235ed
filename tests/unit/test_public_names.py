"""What people hold: the public names, and results that show and export themselves."""

from __future__ import annotations

import doctest
import re
import subprocess
import sys
from importlib import import_module

import pandas as pd
import pytest
from project_folder import ROOT

import pilot_eval as pe
from pilot_eval.errors import ParameterError
from pilot_eval.evaluation.calibration_store import CACHE_VARIABLE
from pilot_eval.evidence_views import TIDY_COLUMNS

PUBLIC = [name for name in pe.__all__ if name != "__version__"]
PARTS = re.compile(r"Parameters\n *-+\n.*Returns\n *-+\n.*Examples\n *-+\n *>>>", re.DOTALL)
SLIM = {"numpy", "pandas", "pyarrow", "pydantic", "scipy"}
THEIRS = {  # what those five import themselves, and bookkeeping of installations
    *("annotated_types", "charset_normalizer", "cloudpickle", "dateutil", "pydantic_core"),
    *("six", "typing_extensions", "typing_inspection", "_cyutility", "_distutils_hack"),
}


@pytest.fixture(scope="module")
def evidence():
    return pe.evaluate(scenarios="announced", outcomes=("repeat_plan_pct", "cpp_rate"))


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_is_documented_with_an_example_that_runs(name):
    item = getattr(pe, name)
    assert PARTS.search(item.__doc__), name
    module = import_module(item.__module__)
    [found] = doctest.DocTestFinder(recurse=False).find(item, name, globs=vars(module).copy())
    assert "SKIP" not in item.__doc__
    assert doctest.DocTestRunner(verbose=False).run(found).failed == 0
    assert f"`pe.{name}" in (ROOT / "docs" / "api.md").read_text(encoding="utf-8")


def test_a_wrong_name_suggests_the_right_one(evidence):
    with pytest.raises(AttributeError, match="did you mean 'evaluate'"):
        pe.evalute  # noqa: B018
    with pytest.raises(ParameterError, match="Did you mean 'repeat_plan_pct'"):
        pe.evaluate(outcomes="repeat_plan")
    with pytest.raises(ParameterError, match="Did you mean 'announced'"):
        evidence.verdict("anounced", "cpp_rate")
    with pytest.raises(ParameterError, match="Did you mean 'cpp_rate'"):
        pe.plot_councils(evidence, "cp_rate")


def test_evidence_shows_the_numbers_of_its_verdicts_in_every_form(evidence, tmp_path):
    frame = evidence.to_frame(tidy=True)
    assert tuple(frame.columns) == TIDY_COLUMNS
    assert len(TIDY_COLUMNS) == 12
    for row, verdict in zip(frame.itertuples(), evidence.verdicts, strict=True):
        assert (row.conf_low, row.finding) == (verdict.inputs.conf_low, verdict.finding)
    assert evidence.to_frame(tidy=False).equals(evidence.table)
    low = f"{frame['conf_low'][0]:.3g}"
    for text in (evidence.summary(), evidence.to_markdown(), evidence.to_latex()):
        assert low in text
    assert low in evidence._repr_html_()
    assert evidence.answers[0].short in evidence.summary()
    book = pd.read_excel(evidence.to_excel(tmp_path / "book.xlsx"), sheet_name=None)
    assert [*book] == ["comparisons", "evidence", "effects", "dropped"]
    pd.testing.assert_frame_equal(book["comparisons"], frame)


def test_charts_have_a_panel_for_each_unit_and_a_row_for_each_council(evidence):
    assert len(evidence.plot().axes) == evidence.to_frame()["unit"].nunique()
    panels = pe.plot_councils(evidence).axes
    rows = [label.get_text() for axes in panels for label in axes.get_yticklabels()]
    shown = evidence.effects.dropna(subset=["effect_low"])["council_name"]
    assert sorted(rows) == sorted(shown)


def test_one_outcome_has_the_estimate_it_has_among_all():
    alone, both = (pe.evaluate(scenarios="announced", outcomes=o).table for o in ("cpp_rate", None))
    columns = ["method", "estimate", "conf_low", "conf_high", "p_value"]
    same = both[both["outcome"] == "cpp_rate"].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone[columns], same[columns])


def test_comparing_plans_names_the_settings_that_differ():
    plan = pe.load_plan()
    other = plan.revise({"drop_councils": ["Hackney"]})
    found = pe.compare(plan, other, scenarios="announced", outcomes="cpp_rate")
    assert found.settings["key"].tolist() == ["drop_councils"]
    assert "Hackney" in found.summary()
    again = pe.compare(plan, plan, scenarios="announced", outcomes="cpp_rate")
    assert again.settings.empty
    assert again.title.startswith("0 of 1")


def test_evaluating_imports_five_packages_and_what_they_import(monkeypatch):
    code = (
        "import sys, pilot_eval as pe\n"
        "pe.evaluate(scenarios='announced', outcomes='cpp_rate')\n"
        "print(*{m.split('.')[0] for m, v in sys.modules.items()"
        " if '-packages' in str(getattr(v, '__file__', ''))})"
    )
    monkeypatch.delenv(CACHE_VARIABLE, raising=False)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    roots = {name for name in done.stdout.split() if not name.startswith("_")}
    assert roots - {"pilot_eval"} - THEIRS == SLIM
