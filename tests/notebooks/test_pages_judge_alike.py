"""The committed pages judge in the words of the published verdicts, and in no other."""

from __future__ import annotations

import re

import nbformat
import pandas as pd
import pytest
from committed import NOTEBOOKS, ROOT, code_cells, output_texts, rows

from pilot_eval.evaluation.verdict_words import JUDGING_PHRASES
from pilot_eval.plan import load_plan

JUDGES = re.compile(
    rf"\b(?:{'|'.join(map(re.escape, JUDGING_PHRASES))}|security \d of \d)\b", re.IGNORECASE
)
SHOWN = {"02_delay": "delay", "03_child_outcomes": "safety"}


@pytest.fixture(scope="module")
def verdicts():
    folder = ROOT / "reports" / "published"
    files = [folder / "verdicts.csv", *sorted(folder.glob("*/verdicts.csv"))]
    return pd.concat([pd.read_csv(file, keep_default_na=False) for file in files])


def read_page(path):
    cells = code_cells(nbformat.read(path, as_version=4))
    texts = ["".join(holder[key]) for cell in cells for holder, key in output_texts(cell.outputs)]
    return "\n".join(line for text in texts for line in rows(text))


def count_findings():
    """The sentence of each answer that counts the findings, such as "Of 4 measures, ..."."""
    answers = pd.read_csv(ROOT / "reports" / "published" / "answers.csv", keep_default_na=False)
    return [match[0] for text in answers["long"] if (match := re.search(r"Of \d+ [^.]*\.", text))]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_page_judges_in_the_words_of_verdicts_alone(path, verdicts):
    text = read_page(path)
    words = {" ".join(said.split()) for said in [*verdicts["long"], *verdicts["short"]]}
    if path.stem == "08_council_report":  # one council: its own verdicts, never an answer
        words.add(next(short for short in verdicts["short"] if short.endswith("0 of 5")))
    for said in sorted(words, key=len, reverse=True):
        text = text.replace(said, "")
    for said in count_findings():
        text = text.replace(said, "")
    for finding in set(verdicts["finding"]):
        text = text.replace(f"{finding}:", "")  # counts in titles and answers
    assert JUDGES.findall(text) == [], "run `pilot-eval refresh`"


@pytest.mark.parametrize("name", SHOWN)
def test_a_page_shows_the_verdict_on_every_comparison_of_its_question(name, verdicts):
    plan = load_plan()
    text = read_page(next(path for path in NOTEBOOKS if path.stem == name))
    primary = verdicts[verdicts["scenario"] == next(iter(plan.scenarios))]
    for row in primary.itertuples():
        if plan.outcomes[row.outcome].family == SHOWN[name]:
            assert " ".join(row.long.split()) in text, "run `pilot-eval refresh`"
