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
from pilot_eval.errors import ParameterError, PilotEvalError
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
    assert repr(evidence) == evidence.summary()
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


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.convert_dtypes(),
        lambda t: t.convert_dtypes(dtype_backend="pyarrow"),
        lambda t: t.astype({"council_code": "category", "indicator": "category"}),
        lambda t: t.astype({"year_ending": float}),
        lambda t: t.sample(frac=1, random_state=1),
        lambda t: t.set_index(pd.Index([1] * len(t))),
    ],
)
def test_a_table_of_other_dtypes_or_order_gives_the_same_evidence(evidence, change):
    table = change(pe.load_published())
    again = pe.evaluate(pe.load_plan(), table, scenarios="announced", outcomes=["repeat_plan_pct"])
    expected = evidence.table[evidence.table["outcome"] == "repeat_plan_pct"]
    columns = ["method", "estimate_low", "estimate_high", "status", "treated", "coverage"]
    pd.testing.assert_frame_equal(again.table[columns], expected[columns].reset_index(drop=True))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda plan, table: pe.evaluate("timescales-2011"), "made by `load_plan`; got str"),
        (lambda plan, table: pe.evaluate(table, plan), "made by `load_plan`; got DataFrame"),
        (lambda plan, table: pe.evaluate(plan, "my.csv"), "`table` must be a table; got str"),
        (lambda plan, table: pe.evaluate(plan, table.drop(columns="numerator_low")), "no numerat"),
        (lambda plan, table: pe.evaluate(plan, table.assign(value="much")), "be numbers"),
        (lambda plan, table: pe.evaluate(outcomes=3), "`outcomes` must be known; got 3"),
        (lambda plan, table: pe.evaluate(outcomes="CPP rate"), "Did you mean 'cpp_rate'"),
        (lambda plan, table: pe.build_panel(plan, table), "made by `load_plan`"),
        (lambda plan, table: pe.compare("a", "b"), "made by `load_plan`"),
        (lambda plan, table: pe.plot_councils(table), "made by `evaluate`"),
    ],
)
def test_what_a_function_is_not_made_for_is_refused_in_words(call, message):
    with pytest.raises(PilotEvalError, match=message):
        call(pe.load_plan(), pe.load_published())


def test_evidence_on_nothing_estimated_is_shown_too(tmp_path):
    plan = pe.load_plan()
    described = [key for key, outcome in plan.outcomes.items() if outcome.descriptive]
    for outcomes in (described, ()):
        nothing = pe.evaluate(scenarios="announced", outcomes=outcomes)
        assert len(nothing.plot().axes) == len(pe.plot_councils(nothing).axes) == 1
        assert nothing.to_excel(tmp_path / "book.xlsx").is_file()
        assert f"{len(outcomes)} comparison" in nothing._repr_html_()


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
