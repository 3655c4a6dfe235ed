"""Parameters are checked by name, type and range before a kernel starts."""

from __future__ import annotations

from datetime import date

import numpy as np
import papermill
import pytest
import yaml
from papermill.cli import _resolve_type
from papermill.translators import PythonTranslator
from project_folder import ROOT

from pilot_eval.app.parameters import (
    VOCABULARY,
    check_injected,
    check_parameters,
    parse_parameters,
    read_declared,
)
from pilot_eval.app.study import open_study
from pilot_eval.errors import ParameterError, PlanError
from pilot_eval.plan import load_plan

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def plan():
    return load_plan()


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("scenario", "granted", "granted"),
        ("alpha", "0.1", 0.1),
        ("draws", "999", 999),
        ("outcomes", "cin_rate, cpp_rate", ["cin_rate", "cpp_rate"]),
        ("drop_councils", "", []),
        ("comparators", "same_region", "same_region"),
        ("comparators", "", ""),
        ("data_cut", "2013-03-31", "2013-03-31"),
        ("council", "02", "02"),  # Papermill would hand on the number 2
    ],
)
def test_text_becomes_a_typed_value(plan, name, text, value):
    assert parse_parameters({name: text}, plan) == {name: value}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("alpah", "0.05", "Did you mean alpha"),
        ("alpha", "inf", "below 0.5"),
        ("alpha", "nan", "below 0.5"),
        ("alpha", "0.5", "below 0.5"),
        ("alpha", "5%", "below 0.5"),
        ("draws", "1.5e0", "whole number"),
        ("alpha", "null", "number above 0"),
        ("alpha", "true", "number above 0"),
        ("alpha", "", "number above 0"),
        ("draws", "007", "whole number"),
        ("draws", "10", "99 up"),
        ("seed", "yes", "whole number"),
        ("scenario", "announcd", "Did you mean announced"),
        ("outcomes", "cin_rate,nonsense", "'nonsense'"),
        ("comparators", "best", "all_england"),
        ("data_cut", "31/03/2013", "2013-03-31"),
        ("my_password", "x", "not carry a secret"),
        ("API_KEY", "x", "not carry a secret"),
    ],
)
def test_a_wrong_parameter_is_refused_with_what_to_do(plan, name, text, message):
    with pytest.raises(ParameterError, match=message):
        parse_parameters({name: text}, plan)


@pytest.mark.parametrize("value", [True, None, float("inf"), "yes"])
def test_what_is_no_number_is_refused_with_advice_that_holds(plan, value):
    with pytest.raises(ParameterError, match="`alpha` must be a number") as caught:
        check_parameters(plan, alpha=value)
    assert ("Leave it out" in str(caught.value)) == (value is None)


def test_whole_numbers_of_numpy_are_read_as_pythons(plan):
    assert check_parameters(plan, draws=np.int64(1000)) == {"draws": 1000}


DOORS = [
    ("alpha", "5e-2", 0.05),
    ("alpha", ".1", 0.1),
    ("draws", "1e3", 1000),
    ("draws", "999.0", 999),
    ("seed", "12345678901234567890", 12345678901234567890),
    ("scenario", "null", ""),
    ("scenario", "None", ""),
    ("comparators", "~", ""),
    ("comparators", " same_region ", "same_region"),
    ("drop_councils", "null", []),
    ("drop_councils", "[]", []),
    ("drop_councils", "Hackney", ["Hackney"]),
    ("drop_councils", "Hackney, Camden", ["Hackney", "Camden"]),
    ("drop_councils", "['Hackney', 'Camden']", ["Hackney", "Camden"]),
    ("drop_councils", '["Hackney", "Camden"]', ["Hackney", "Camden"]),
    ("drop_councils", "[Hackney, Camden]", ["Hackney", "Camden"]),
    ("data_cut", "2013-03-31", "2013-03-31"),
]


@pytest.mark.parametrize(("name", "text", "value"), DOORS)
def test_every_door_reads_the_same(plan, name, text, value):
    """Command line, `papermill -p`, `papermill -r`, `papermill -y` and the notebook's own cell."""
    guessed = _resolve_type(text)
    from_yaml = yaml.safe_load(f"{name}: {text}")[name]
    for given in (text, guessed, from_yaml, value):
        namespace: dict[str, object] = {}
        if not isinstance(given, date):  # Papermill writes dates of YAML as text
            exec(PythonTranslator.codify({name: given}), namespace)
            given = namespace[name]
        checked = check_parameters(plan, **{name: given})
        assert checked == {name: value}
        assert type(checked[name]) is type(value)
    assert parse_parameters({name: text}, plan) == {name: value}


def test_a_notebook_opened_with_text_is_opened_with_what_it_means():
    opened = open_study(
        scenario="null",
        comparators=None,
        drop_councils="['Hackney']",
        alpha="1e-1",
        table_file=None,
        pilot="null",
    )
    assert opened.plan.inference.alpha == 0.1
    assert list(opened.plan.drop_councils) == ["Hackney"]
    assert opened.scenario == opened.plan.family.primary_scenario
    assert opened.plan.comparators.rule == load_plan().comparators.rule


def test_a_number_for_a_name_is_refused_with_the_option_that_keeps_text(plan):
    with pytest.raises(ParameterError, match=r"got 2\. Give text as text: with Papermill `-r"):
        check_parameters(plan, council=2)


def test_an_empty_short_name_is_refused_by_the_plan(plan):
    scenario = plan.family.primary_scenario
    for empty in ("", " "):
        with pytest.raises(PlanError, match="short"):
            plan.revise({f"scenarios.{scenario}.short": empty})


def test_all_faults_are_listed_at_once(plan):
    with pytest.raises(ParameterError, match=r"(?s)`alpha`.*`scenario`"):
        check_parameters(plan, alpha=2.0, scenario="none")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_notebook_declares_known_parameters_with_valid_defaults(plan, path):
    declared = read_declared(papermill.inspect_notebook(str(path)), path.stem)
    assert {parameter.name for parameter in declared} <= set(VOCABULARY)
    assert all(parameter.help for parameter in declared), "each needs a trailing comment"
    check_parameters(plan, **{parameter.name: parameter.default for parameter in declared})


def test_a_name_that_papermill_injects_and_the_notebook_lacks_is_refused():
    own = 'scenario: str = "announced"  # announced or granted\nalpha: float = 0.05'
    check_injected(["", own, '# Parameters\nscenario = "granted"\nPAPERMILL_INPUT_PATH = "a"\n'])
    check_injected([own, "%matplotlib inline", "horizon = 3"])  # a cell of the reader's own
    with pytest.raises(ParameterError, match=r"`scenaro` must .* Did you mean scenario"):
        check_injected([own, '# Parameters\nscenaro = "granted"\n'])
    with pytest.raises(ParameterError, match="first code cell"):
        check_injected([own, "# Parameters\nhorizon = 60\n"])


def test_papermill_alone_stops_at_a_misspelt_parameter(tmp_path):
    source = ROOT / "notebooks" / "00_data_quality.ipynb"
    with pytest.raises(papermill.PapermillExecutionError, match="Did you mean pilot"):
        papermill.execute_notebook(
            source, tmp_path / "out.ipynb", {"pilt": "mine"}, progress_bar=False
        )
