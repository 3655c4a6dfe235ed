"""A report's words are its own pilot's, in words that people say, and a later round speaks too."""

from __future__ import annotations

import re
from dataclasses import replace
from types import SimpleNamespace
from typing import get_args

import nbformat
import pytest
from lxml import html
from project_folder import ROOT
from stories import list_story

import pilot_eval as pe
from pilot_eval.app.output import DOCUMENTS
from pilot_eval.evaluation.verdict_inputs import is_read_from_end
from pilot_eval.evaluation.verdict_words import name_test, word_answer, word_number
from pilot_eval.evaluation.verdicts import list_later_rounds
from pilot_eval.evidence import Finding
from pilot_eval.project import list_pilots
from pilot_eval.reporting.answers_file import collect_answers
from pilot_eval.reporting.figures import name_start
from pilot_eval.reporting.front_page import render_front_page
from pilot_eval.reporting.workbook_tables import METHODS

KEY = re.compile(r"\b[a-z0-9]+(?:_[a-z0-9]+)+\b")
PAGES = [*ROOT.glob("notebooks/*.ipynb"), *ROOT.glob("pilots/*/notebooks/*.ipynb")]
FEWEST_DRAWS = {"inference.draws": 199}


@pytest.fixture(scope="module", params=list_pilots(ROOT))
def found(request):
    plan = pe.load_plan(request.param).revise(FEWEST_DRAWS)
    return plan, pe.evaluate(plan)


@pytest.mark.parametrize("name", DOCUMENTS)
@pytest.mark.parametrize("pilot", list_pilots(ROOT))
def test_a_document_that_every_report_has_tells_no_pilots_story(name, pilot):
    text = (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
    told = [words for words in list_story(pe.load_plan(pilot)) if re.search(rf"\b{words}\b", text)]
    assert told == []


def test_no_key_of_a_plan_or_of_code_is_among_the_words(found):
    plan, evidence = found
    answers = collect_answers(plan, evidence, version="1.0")
    said = [v.long for v in evidence.verdicts] + [a.long for a in evidence.answers]
    said += [doubt.text for v in evidence.verdicts for doubt in v.doubts]
    said += [answers.certainty, *answers.limits]
    assert {key for text in said for key in KEY.findall(text)} == set()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_no_cell_of_a_pages_tables_is_a_key(path):
    book = nbformat.read(path, as_version=4)
    outputs = [output for cell in book.cells for output in cell.get("outputs", [])]
    shown = [output.get("data", {}).get("text/html", "") for output in outputs]
    tables = [page for page in shown if "<table" in page]
    cells = [
        cell.text_content()
        for page in tables
        for cell in html.fromstring(f"<div>{page}</div>").iter("td", "th")
    ]
    parameters = {name for pilot in list_pilots(ROOT) for name in pe.load_plan(pilot).scenarios}
    assert {key for cell in cells for key in KEY.findall(cell)} <= parameters


@pytest.mark.parametrize("method", METHODS)
def test_a_test_is_named_in_words(method):
    assert not KEY.search(name_test(method))


@pytest.mark.parametrize("finding", get_args(Finding))
def test_measures_are_counted_as_people_count(found, finding):
    verdict = found[1].verdicts[0]
    one, two = ([type("V", (), {"finding": finding})] * n for n in (1, 2))
    assert word_answer(verdict, one) == verdict.long
    other = [type("V", (), {"finding": name}) for name in get_args(Finding) if name != finding]
    assert word_answer(verdict, two).startswith("Of 2 measures, 2 ")
    assert " 1 show " not in word_answer(verdict, [*one, *other])


def test_a_later_round_answers_every_question_beside_the_first(found):
    plan, evidence = found
    rounds = list_later_rounds(plan)
    page = html.fragment_fromstring(
        render_front_page(collect_answers(plan, evidence, version="1.0")), create_parent="div"
    )
    headings = [part.text_content() for part in page.xpath(".//section/h3")]
    named = [plan.family.primary_scenario, *rounds] if rounds else []
    shorts = [plan.scenarios[name].short for name in named]
    assert [heading.lower() for heading in headings] == shorts * len(plan.questions)
    identities = page.xpath(".//@id")
    assert len(identities) == len(set(identities))
    own = [item for item in evidence.answers if not item.is_later_round]
    assert [item.family for item in own] == list(plan.questions)
    for item in evidence.answers:
        assert item.is_later_round == (item.verdict.inputs.scenario in rounds)


def test_a_round_that_was_falling_before_its_start_is_not_credited(found):
    for verdict in found[1].verdicts:
        used = verdict.inputs
        falls = used.conf_high < 0 and used.trend_low <= used.estimate_low
        rises = used.conf_low > 0 and used.trend_high >= used.estimate_high
        if falls or rises:
            assert verdict.finding == "cannot be told"
            assert "before the start" in verdict.doubts[0].text


def test_an_effect_read_from_its_end_says_so(found):
    verdict = found[1].verdicts[0]
    ended = replace(verdict.inputs, by_end=True)
    assert "at its end" in word_number(ended)
    assert "at its end" not in word_number(verdict.inputs)
    assert is_read_from_end("until 2020: 5 councils; until 2021: 1 council")
    assert not any(map(is_read_from_end, ("", None, "2020: 1 council; until 2021: 1 council")))


def test_a_chart_names_the_start_of_its_own_round(found):
    plan = found[0]
    for scenario, outcome in plan.comparisons:
        said = name_start(plan, SimpleNamespace(scenario=scenario, outcome=outcome))
        own, primary = (
            plan.window_of(outcome, key) for key in (scenario, plan.family.primary_scenario)
        )
        assert (said == plan.texts.start_name) == (own == primary)
