"""Only a verdict judges: its words are made in one file, and nothing else uses such words."""

from __future__ import annotations

import re

import nbformat
import pytest
from project_folder import ROOT

from pilot_eval.evaluation.verdict_words import JUDGING_PHRASES

#: Where the words themselves are the subject, or history: each with its reason.
ABOUT_THE_WORDS = {
    "src/pilot_eval/evaluation/verdict_words.py": "makes the words",
    "src/pilot_eval/evaluation/verdicts.py": "chooses between the findings",
    "src/pilot_eval/evidence.py": "names the findings",
    "docs/decisions/verdict-rules.md": "explains the findings",
    "CHANGELOG.md": "says what earlier versions printed",
}
FOLDERS = ("src", "docs", "notebooks", "pilots", "data")
ENDINGS = (".py", ".md", ".toml", ".ipynb", ".j2")
FINDINGS_BLOCK = re.compile(r"<!-- findings:start -->.*<!-- findings:end -->", re.DOTALL)
SAID = re.compile(
    rf"\b(?:{'|'.join(re.escape(phrase) for phrase in JUDGING_PHRASES)})\b", re.IGNORECASE
)


def pages():
    found = [*ROOT.glob("*.md"), *ROOT.glob("*.toml")]
    for folder in FOLDERS:
        found += [path for path in (ROOT / folder).rglob("*") if path.suffix in ENDINGS]
    return sorted(path for path in found if ".venv" not in path.parts)


def name_of(path):
    return path.relative_to(ROOT).as_posix()


def written_by_hand(path):
    """Give the text of a page that somebody wrote: no outputs, no generated findings."""
    if path.suffix == ".ipynb":
        cells = nbformat.read(path, as_version=4).cells
        return "\n".join(cell.source for cell in cells)
    text = FINDINGS_BLOCK.sub("", path.read_text(encoding="utf-8"))
    return " ".join(text.split())


@pytest.mark.parametrize("path", pages(), ids=name_of)
def test_nothing_judges_but_a_verdict(path):
    if name_of(path) in ABOUT_THE_WORDS:
        return
    assert SAID.findall(written_by_hand(path)) == []


def test_the_exceptions_exist_and_are_needed():
    for name in ABOUT_THE_WORDS:
        assert SAID.search((ROOT / name).read_text(encoding="utf-8")), name


def test_judging_words_are_found_whatever_their_case_and_line():
    for phrase in JUDGING_PHRASES:
        assert SAID.search(f"x {phrase.upper()} y"), phrase
    assert len(set(JUDGING_PHRASES)) == len(JUDGING_PHRASES)
