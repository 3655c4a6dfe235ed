"""The documents hold: links resolve, lists are complete, figures are those of the evidence."""

from __future__ import annotations

import re
import shlex
import tomllib

import pandas as pd
import pytest
from project_folder import ROOT

from pilot_eval.app.cli import build_parser
from pilot_eval.evaluation import DROPPED_COLUMNS, EFFECT_COLUMNS
from pilot_eval.evidence import ANSWER_COLUMNS, EVIDENCE_COLUMNS, VERDICT_COLUMNS
from pilot_eval.plan import EvaluationPlan, Outcome, load_plan
from pilot_eval.reporting.display import format_number
from pilot_eval.reporting.readme_findings import replace_findings

PAGES = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "data/README.md", "reports/README.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
MOST_README_LINES = 100
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
MODULE = re.compile(r"`([\w/]+\.py)(?:::(\w+))?`(?:[:,] `(\w+)`)?")
MACHINE = re.compile(r"/home/|/root/|/Users/|/work/(?:main|shared)|/bash_jobs")
MENTION = re.compile(r"\bdocs/[a-z0-9/_-]+\.md(?:#[\w-]+)?")
PACKAGE_NAME = re.compile(r"[A-Za-z0-9._-]+")


def page_name(path):
    return path.relative_to(ROOT).as_posix()


@pytest.fixture(params=PAGES, ids=page_name)
def page(request):
    return request.param


@pytest.fixture(scope="module")
def evidence():
    table = pd.read_csv(ROOT / "reports" / "published" / "evidence.csv")
    return table.set_index(["scenario", "outcome", "method"]).sort_index()


def read(path):
    return path.read_text(encoding="utf-8")


def without_code(text):
    return re.sub(r"```.*?```", "", text, flags=re.DOTALL)


def anchors(path):
    """Give the anchors of a page: GitHub's rule for headings."""
    headings = re.findall(r"^#+ (.+)$", without_code(read(path)), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-") for text in headings}


def rows(text):
    """Yield the body rows of every table of a page as lists of cells."""
    for line in text.splitlines():
        if line.startswith("|") and not re.match(r"^\|[-| ]+\|$", line):
            yield [cell.strip() for cell in line.strip("|").split(" | ")]


def first_cell_codes(text):
    """List what is written as code in the first column of a page's tables."""
    return [code for row in rows(text) for code in re.findall(r"`([^`]+)`", row[0])]


def test_every_relative_link_and_anchor_resolves(page):
    broken = []
    for target in LINK.findall(without_code(read(page))):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(target)
    assert broken == []


def test_every_module_and_test_that_is_named_exists(page):
    missing = []
    for name, test, inside in MODULE.findall(read(page)):
        found = [base / name for base in (ROOT, ROOT / "src" / "pilot_eval", ROOT / "tests")]
        files = [path for path in found if path.is_file()]
        files += (ROOT / "src").rglob(name) if "/" not in name else []
        wanted = f"def {test}(" if test else inside
        if not any(wanted in read(path) for path in files):
            missing.append(f"{name} {wanted}")
    assert missing == []


PARTS_OF_METHODS = {  # used by the modules that a block describes
    *("inference/result.py", "inference/set_statistics.py", "estimation/census_units.py"),
}


@pytest.mark.parametrize("package", ["inference", "estimation", "checks", "monitoring"])
def test_every_method_has_its_block_and_is_tested_by_a_test_that_cites_one(package):
    pages = " ".join(read(path) for path in (ROOT / "docs").glob("methods*.md"))
    modules = (ROOT / "src" / "pilot_eval" / package).glob("[!_]*.py")
    unwritten = [path.name for path in modules if path.name not in pages]
    assert {f"{package}/{name}" for name in unwritten} <= PARTS_OF_METHODS
    own = re.compile(rf"from pilot_eval\.{package}\b")
    tests = [path for path in (ROOT / "tests").rglob("test_*.py") if own.search(read(path))]
    methods = [path for path in tests if package in path.stem or "replication" in path.stem]
    assert tests
    assert [path.name for path in methods if "docs/methods" not in read(path)] == []


@pytest.mark.parametrize("folder", ["src", "notebooks", "tests", "benchmarks", "."])
def test_every_page_that_code_mentions_exists(folder):
    missing = []
    for path in (ROOT / folder).glob("*" if folder == "." else "**/*"):
        if path.suffix not in (".py", ".toml", ".ipynb", ".j2", ".yml", ".css"):
            continue
        for mention in set(MENTION.findall(read(path))):
            name, _, anchor = mention.partition("#")
            if not (ROOT / name).is_file() or (anchor and anchor not in anchors(ROOT / name)):
                missing.append(f"{page_name(path)}: {mention}")
    assert missing == []


def test_no_page_names_a_machine(page):
    assert not MACHINE.findall(read(page))


def test_every_column_of_the_tables_of_a_run_is_described_and_no_other():
    sections = re.split(r"^## ", read(ROOT / "docs" / "evidence.md"), flags=re.MULTILINE)
    described = {part.split("\n", 1)[0]: set(first_cell_codes(part)) for part in sections}
    expected = {
        "evidence.csv": EVIDENCE_COLUMNS,
        "effects.csv": EFFECT_COLUMNS,
        "dropped.csv": DROPPED_COLUMNS,
        "verdicts.csv": VERDICT_COLUMNS,
        "answers.csv": ANSWER_COLUMNS,
    }
    for name, columns in expected.items():
        assert described[name] == set(columns), name


def test_every_citation_of_the_evidence_leads_to_a_heading(evidence):
    for target in evidence["citation"].dropna().unique():
        name, _, anchor = target.partition("#")
        assert anchor in anchors(ROOT / name), target


def test_every_dependency_has_its_reason_and_no_other_is_listed():
    project = tomllib.loads(read(ROOT / "pyproject.toml"))["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    names = {PACKAGE_NAME.match(line).group() for group in groups for line in group}
    assert set(first_cell_codes(read(ROOT / "docs" / "dependencies.md"))) == names


def test_the_readme_is_short():
    assert len(read(ROOT / "README.md").splitlines()) < MOST_README_LINES


def test_the_page_of_outputs_names_every_notebook():
    text = read(ROOT / "docs" / "outputs.md")
    found = [*ROOT.glob("notebooks/*.ipynb"), *ROOT.glob("pilots/*/notebooks/*.ipynb")]
    notebooks = {f"../{page_name(path)}" for path in found}
    in_table = {link for row in rows(text) for cell in row for link in LINK.findall(cell)}
    assert notebooks - in_table == set()


def commands_of(page):
    """List the commands of a page's examples."""
    lines = read(page).splitlines()
    return [line.strip() for line in lines if re.match(r"( {4}|\t)pilot-eval ", line)]


@pytest.mark.parametrize("name", ["tasks.md", "next-pilot.md"])
def test_commands_in_how_tos_can_be_given(name):
    found = commands_of(ROOT / "docs" / name)
    assert found
    for line in found:
        build_parser().parse_args(shlex.split(line)[1:])


def test_the_index_of_the_documents_is_complete():
    linked = set(LINK.findall(read(ROOT / "docs" / "README.md")))
    pages = {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert pages - linked == set()
    listed = set(LINK.findall(read(ROOT / "docs" / "decisions" / "README.md")))
    decisions = {path.name for path in (ROOT / "docs" / "decisions").glob("*.md")} - {"README.md"}
    assert listed >= decisions


def test_every_key_of_the_plan_is_in_the_glossary():
    text = read(ROOT / "docs" / "glossary.md")
    section = text.split("## Keys of the plan", 1)[1]
    spoken = " ".join(row[0] for row in rows(section))
    content = load_plan().model_dump()
    assert {
        name
        for name in EvaluationPlan.model_fields
        if f"`{name}`" not in spoken and f"`{name}." not in spoken
    } == set()
    keys = {*content["inference"], *content["disclosure"], *content["comparators"]}
    for section_name in ("windows", "scenarios"):
        keys |= set(next(iter(content[section_name].values())))
    keys |= set(Outcome.model_fields) | {*content["verdict"]} - {"points", "caps"}
    assert {key for key in keys if f".{key}`" not in spoken} == set()


def test_every_condition_of_a_verdict_is_in_its_decision_record():
    text = read(ROOT / "docs" / "decisions" / "verdict-rules.md")
    rules = load_plan().verdict
    conditions = {*rules.points.model_dump(), *rules.caps.model_dump()}
    assert conditions - set(first_cell_codes(text)) == set()


def test_assumptions_name_keys_that_the_plan_has():
    content = load_plan().model_dump()
    listed = [row for row in rows(read(ROOT / "docs" / "assumptions.md")) if row[0].isdigit()]
    assert [int(row[0]) for row in listed] == list(range(1, len(listed) + 1))
    for row in listed:
        for dotted in re.findall(r"`([^`]+)`", row[4]):
            section = content
            for key in dotted.split("."):
                section = next(iter(section.values())) if key[0] == "<" else section[key]


def test_the_table_of_detectable_effects_repeats_the_evidence(evidence):
    labels = {item.label: key for key, item in load_plan().outcomes.items()}
    found = [row for row in rows(read(ROOT / "docs" / "assumptions.md")) if row[0] in labels]
    assert len(found) == 8
    for row in found:
        own = evidence.loc["announced", labels[row[0]]]
        shown = own["mde"].map(format_number)
        _, councils, *detectable = row
        assert detectable == [shown["sharp"], shown["robust"]], row[0]
        assert councils == own["share_of_scenario"].iloc[0]


def test_the_findings_of_the_readme_are_those_of_the_published_run():
    text = read(ROOT / "README.md")
    published = ROOT / "reports" / "published"
    assert text == replace_findings(text, load_plan(), published)


def test_every_release_says_which_results_moved():
    releases = read(ROOT / "CHANGELOG.md").split("\n## ")[1:]
    assert releases
    assert all("\n### Results\n" in release for release in releases)
