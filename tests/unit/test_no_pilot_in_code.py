"""The engine does not know its first pilot: no name, scenario, outcome or date of it in the code.

Every word that is looked for is read from the pilot folder. Particular pages belong into the
folder's own notebooks.
"""

from __future__ import annotations

import ast
import json
import re
from functools import cache

import pytest
from project_folder import ROOT

from pilot_eval.plan import load_plan

PACKAGE = ROOT / "src" / "pilot_eval"
MODULES = [path for path in sorted(PACKAGE.rglob("*.py")) if "lab" not in path.parts]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
#: Where the indicators of DfE's tables and of the children's records are defined.
DEFINITIONS = ("records/indicators.py",)
ORDINARY = {"granted", "announced"}  # scenarios named as columns of every register are


@cache
def names_of_the_pilot() -> re.Pattern[str]:
    """Councils, clusters, folder, title and dates, as whole words."""
    plan = load_plan()
    words = {row.council_name for row in plan.treatment_register} | {*plan.clusters, plan.pilot}
    words |= {name for scenario in plan.scenarios.values() for name in scenario.councils}
    words |= set(plan.comparators.exclude) | {plan.title, " ".join(plan.title.split()[:2])}
    dates = {plan.texts.start.isoformat(), plan.texts.start.strftime("%Y%m%d"), str(plan.seed)}
    for row in plan.treatment_register:
        dates |= {row.announced, row.granted, row.started}
    dates -= {row.began for row in plan.requirements}  # of the whole country
    words |= {date for date in dates if len(date) > len("2011") and not _like_a_year(date)}
    words |= {plan.texts.start.strftime("%B %Y")}
    return re.compile(rf"(?<![\w-])({'|'.join(map(re.escape, sorted(words)))})(?![\w-])", re.I)


def _like_a_year(date: str) -> bool:
    """Say whether a month reads like a financial year, as 2011-12 does."""
    return len(date) == len("2011-12") and int(date[5:]) == int(date[2:4]) + 1


@cache
def outcome_keys() -> re.Pattern[str]:
    return re.compile(rf"\b({'|'.join(load_plan().outcomes)})\b")


@cache
def scenario_keys() -> re.Pattern[str]:
    return re.compile(rf"\b({'|'.join({*load_plan().scenarios} - ORDINARY)})\b")


def strings(text: str) -> str:
    nodes = ast.walk(ast.parse(text))
    return "\n".join(n.value for n in nodes if isinstance(n, ast.Constant) and type(n.value) is str)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_does_not_name_the_pilot(path):
    text = path.read_text(encoding="utf-8")
    assert names_of_the_pilot().findall(text) == []
    assert scenario_keys().findall(text) == []
    assert not ORDINARY & set(re.findall(r'scenario="(\w+)"', text))
    if not str(path.relative_to(PACKAGE)).startswith(DEFINITIONS):
        assert outcome_keys().findall(strings(text)) == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_general_notebook_does_not_name_the_pilot(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    texts = ["".join(cell["source"]) for cell in cells]
    text = "\n".join(texts).replace(f'pilot: str = "{load_plan().pilot}"', "")
    for pattern in (names_of_the_pilot(), scenario_keys(), outcome_keys()):
        assert pattern.findall(text) == []
    assert not re.findall(r"\b(?:19|20)\d\d\b", text), "a year"
