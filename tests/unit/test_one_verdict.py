"""One comparison, one verdict: whatever shows a finding shows the same one, in its words."""

from __future__ import annotations

import io
import re
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
from lxml import html
from project_folder import ROOT

import pilot_eval as pe
from pilot_eval.app.results import write_files
from pilot_eval.evaluation.verdict_words import JUDGING_PHRASES
from pilot_eval.reference.facts import council_names
from pilot_eval.reporting import answers, council, safety, tables
from pilot_eval.reporting.answers_file import read_answers
from pilot_eval.reporting.display import Table
from pilot_eval.reporting.front_page import render_front_page
from pilot_eval.reporting.qa_checks import FinishedRun
from pilot_eval.reporting.qa_log import write_qa_log
from pilot_eval.reporting.readme_findings import compose_findings

QUICK = {"inference.draws": 199}
JUDGES = re.compile(
    rf"\b(?:{'|'.join(map(re.escape, JUDGING_PHRASES))}|security \d of \d)\b", re.IGNORECASE
)


@pytest.fixture(scope="module")
def plan():
    return pe.load_plan().revise(QUICK)


@pytest.fixture(scope="module")
def evidence(plan):
    return pe.evaluate(plan)


@pytest.fixture(scope="module")
def run(plan, evidence, tmp_path_factory):
    """What `pilot-eval run` writes apart from the pages."""
    folder = tmp_path_factory.mktemp("run")
    write_files(plan, evidence, pe.load_published(), "published", folder)
    return folder


@pytest.fixture(scope="module")
def verdicts(run):
    return pd.read_csv(run / "verdicts.csv", keep_default_na=False)


@pytest.fixture(scope="module")
def found(plan, verdicts):
    """Label of the outcome and name of the scenario -> the finding in short words."""
    return {
        (plan.outcomes[row.outcome].label, plan.scenarios[row.scenario].short): row.short
        for row in verdicts.itertuples()
    }


@pytest.fixture(scope="module")
def rendered(plan, run, evidence, tmp_path_factory):
    """Everything that tells a reader of findings, as text."""
    texts = {
        "front page": read_text(render_front_page(read_answers(run / "answers.json"))),
        "03: glance": show(answers.tabulate_verdicts(plan, evidence)),
        "07: safety": show(safety.tabulate_safety(plan, evidence)),
        "07: together": show(safety.count_excluded(plan, evidence)),
        "README": compose_findings(plan, run),
        "workbook": read_workbook(run / "tables.xlsx"),
        "tidy data": (run / "ees" / "figures.footnotes.csv").read_text("utf-8"),
        "08: council": report_council(plan),
        "quality log": log_quality(plan, run),
    }
    for family in plan.questions:
        for scenario in plan.scenarios_of(family):
            listed = answers.list_findings(plan, evidence, family=family, scenario=scenario)
            texts[f"02, 03: {family}, {scenario}"] = "\n".join(listed)
            shown = tables.tabulate_estimates(plan, evidence, family=family, scenario=scenario)
            texts[f"02, 03: table of {family}, {scenario}"] = show(shown)
    return texts


def show(table: Table) -> str:
    return f"{table.caption}\n{table.frame.to_csv(index=False)}"


def read_text(page: str) -> str:
    return html.fragment_fromstring(page, create_parent="div").text_content()


def read_workbook(path: Path) -> str:
    book = openpyxl.load_workbook(io.BytesIO(path.read_bytes()), read_only=True)
    rows = (row for sheet in book for row in sheet.iter_rows(values_only=True))
    return "\n".join(" | ".join(str(cell) for cell in row if cell is not None) for row in rows)


def report_council(plan) -> str:
    name = next(iter(council_names().values()))
    own = council.plan_for_council(plan, name)
    panel = pe.build_panel(pe.load_published(), own)
    return "\n".join(council.state_verdict(own, panel))


def log_quality(plan, run: Path) -> str:
    table = pd.read_csv(run / "evidence.csv")
    finished = FinishedRun(folder=run, root=ROOT, plan=plan, manifest={}, evidence=table)
    return write_qa_log(finished)


def without_verdicts(text, words) -> str:
    for said in sorted(words, key=len, reverse=True):
        text = text.replace(said, "")
    return text


def test_every_comparison_has_exactly_one(verdicts, run, plan):
    keys = ["strand", "scenario", "outcome"]
    assert not verdicts.duplicated(keys).any()
    compared = pd.read_csv(run / "evidence.csv")[keys].drop_duplicates()
    assert set(map(tuple, compared.to_numpy())) == set(map(tuple, verdicts[keys].to_numpy()))
    assert len(verdicts) == len(plan.comparisons)


def test_nothing_rendered_judges_but_in_a_verdicts_words(rendered, evidence):
    said = [*evidence.answers, *evidence.verdicts]
    words = {text for item in said for text in (item.long, item.short)}
    words |= {verdict.finding for verdict in evidence.verdicts}  # counted in titles and answers
    words |= {report for report in rendered["08: council"].split(": ") if "security" in report}
    for name, text in rendered.items():
        left = without_verdicts(text, words)
        assert JUDGES.findall(left) == [], name


def test_tables_show_the_same_finding_for_the_same_comparison(plan, evidence, run, found):
    shown = []
    for row in safety.tabulate_safety(plan, evidence).frame.itertuples():
        shown.append(((row.Outcome, row.Scenario), row.Finding))
    for row in answers.tabulate_verdicts(plan, evidence).frame.to_dict("records"):
        label = row.pop("Outcome")
        cells = {group[0].lower() + group[1:]: text for group, text in row.items() if text}
        shown += [((label, group), text) for group, text in cells.items()]
    for family in plan.questions:
        for scenario in plan.scenarios_of(family):
            settings = plan.scenarios[scenario]
            table = tables.tabulate_estimates(plan, evidence, family=family, scenario=scenario)
            for row in table.frame.itertuples():
                shown.append(((row.Outcome, settings.short), row.Finding))
    assert len(shown) > 2 * len(found)
    assert {key: text for key, text in shown if found[key] != text} == {}


def test_files_show_the_same_finding_for_the_same_comparison(plan, run, found, rendered):
    book = openpyxl.load_workbook(io.BytesIO((run / "tables.xlsx").read_bytes()))
    rows = [row for sheet in book for row in sheet.iter_rows(values_only=True)]
    in_book = [row for row in rows if row[:2] in found]
    assert {row[:2] for row in in_book} == set(found)
    assert [row for row in in_book if found[row[:2]] not in row] == []
    notes = pd.read_csv(run / "ees" / "figures.footnotes.csv")
    labels = {key: outcome.label for key, outcome in plan.outcomes.items()}
    groups = [settings.short for settings in plan.scenarios.values()]
    for row in notes.itertuples():
        group = next(name for name in groups if row.footnote.startswith(f"{name}: "))
        assert row.footnote == f"{group}: {found[labels[row.indicator], group]}."
    primary = next(iter(plan.scenarios.values())).short
    in_page = [line.split(" | ") for line in rendered["README"].splitlines() if " | " in line]
    in_page = [cells for cells in in_page if (cells[0].lstrip("| "), primary) in found]
    assert len(in_page) > 10
    assert [c for c in in_page if found[c[0].lstrip("| "), primary] != c[2]] == []


def test_the_answer_of_a_question_is_a_verdict_of_its_own(evidence, run):
    table = pd.read_csv(run / "answers.csv")
    for row in table.itertuples():
        assert row.short == evidence.verdict(row.scenario, row.outcome).short
        assert row.long.endswith(evidence.verdict(row.scenario, row.outcome).long)
