"""The quality assurance log of a run: items rated with evidence; the rest left to a person."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

import pandas as pd

from pilot_eval.errors import RunError, explain
from pilot_eval.evidence import neutralise_formulas
from pilot_eval.plan import EvaluationPlan
from pilot_eval.project import find_assumptions, find_file
from pilot_eval.reporting.display import Table
from pilot_eval.reporting.qa_checks import CHECKS, QA_STEM, CheckAnswer, FinishedRun

MET, PARTLY, NOT_MET, OPEN = "met", "partly met", "not met", "to be assessed"
RATINGS = (MET, PARTLY, NOT_MET, OPEN)
AUTOMATIC = "automatic"
# No date: two runs of the same plan and data write the same log. The time is in manifest.json.
WITH_RUN, BEFORE_USE = "with this run", "before publication"
TESTS_KNOWN = "Tests are rated by the results that this run was given."
TESTS_UNKNOWN = (
    "This run was given no test results, so tests count only as being there: their items are at "
    "most “partly met”. Give them with --test-results."
)
QA_TITLE = "Quality assurance"
QA_FILES = tuple(f"{QA_STEM}{end}" for end in (".csv", "_assumptions.csv", "_rap.csv", ".html"))
LOG_COLUMNS = ("area", "item", "question", "rating", "evidence", "assessor", "when")
ASSUMPTION_COLUMNS = ("no", "group", "assumption", "quality", "impact", "plan_key", "plan_value")
_LINK = re.compile(r"\[([^\]]+)\]\([^)]*\)")


def write_qa_log(run: FinishedRun, test_results: str | Path | None = None) -> str:
    """Write the log, the assumptions and the RAP checklist of a run into its folder (`QA_FILES`).

    Parameters
    ----------
    run : FinishedRun
    test_results : path, optional
        JUnit XML of a test session (``pytest --junit-xml``). Without it, tests count as evidence
        because they exist, and the log says that their result is not known.

    Returns
    -------
    str
        The same as HTML, for a page of the report.
    """
    tables = build_qa_log(run, read_test_results(test_results))
    for suffix, table in tables.items():
        path = run.folder / f"{QA_STEM}{suffix}.csv"
        neutralise_formulas(table).to_csv(path, index=False, lineterminator="\n", encoding="utf-8")
    return _render(run, tables, tests_known=test_results is not None)


def build_qa_log(
    run: FinishedRun, results: Mapping[str, bool] | None = None
) -> dict[str, pd.DataFrame]:
    """Rate every item of the log and of the RAP checklist, and list the assumptions.

    Parameters
    ----------
    run : FinishedRun
    results : mapping of str to bool, optional
        ``file::test`` -> passed.

    Returns
    -------
    dict of str to pandas.DataFrame
        ``""``: the log; ``"_assumptions"``; ``"_rap"``.
    """
    template = read_template()
    answers = {name: check(run) for name, check in CHECKS.items()}
    rate = _rater(run, answers, results or {})
    log = [
        {"area": template["areas"][item["area"]], "question": item["question"], **rate(item)}
        for item in template["items"]
    ]
    rap = [{"level": item["level"], **rate(item)} for item in template["rap"]]
    return {
        "": pd.DataFrame(log)[list(LOG_COLUMNS)],
        "_assumptions": read_assumptions(run.root, run.plan),
        "_rap": pd.DataFrame(rap)[["level", "item", "rating", "evidence", "assessor", "when"]],
    }


def read_template() -> dict[str, Any]:
    """Read the items of the log as they are shipped.

    Returns
    -------
    dict
        areas, items and rap.
    """
    source = files("pilot_eval.reporting") / "templates" / "qa_log.toml"
    return tomllib.loads(source.read_text(encoding="utf-8"))


def read_test_results(path: str | Path | None) -> dict[str, bool]:
    """Read which tests passed from a JUnit XML file.

    Parameters
    ----------
    path : path, optional

    Returns
    -------
    dict of str to bool
        ``tests/unit/test_x.py::test_name`` -> True if every case of it passed; skipped cases are
        left out.

    Raises
    ------
    RunError
        If the file is not XML.
    """
    if path is None:
        return {}
    from lxml import etree

    try:
        cases = etree.parse(str(path)).iter("testcase")
    except etree.XMLSyntaxError as fault:
        action = "Write it with: python -m pytest --junit-xml results.xml"
        message = explain("--test-results", "be JUnit XML", Path(path).name, action)
        raise RunError(message) from fault
    results: dict[str, bool] = {}
    for case in cases:
        if case.find("skipped") is not None:
            continue
        name = case.get("classname").replace(".", "/") + ".py::" + case.get("name").split("[")[0]
        passed = case.find("failure") is None and case.find("error") is None
        results[name] = results.get(name, True) and passed
    return results


def read_assumptions(root: str | Path, plan: EvaluationPlan) -> pd.DataFrame:
    """Read the rated assumptions from the documents, with the plan's value of each key.

    Parameters
    ----------
    root : path
    plan : EvaluationPlan

    Returns
    -------
    pandas.DataFrame of str
        `ASSUMPTION_COLUMNS` and probed_by: the sensitivity analysis that tests it.
    """
    path = find_assumptions(plan.pilot, root)
    rows, group = [], ""
    for line in path.read_text(encoding="utf-8").splitlines() if path else []:
        group = line.removeprefix("## ") if line.startswith("## ") else group
        cells = [
            _LINK.sub(r"\1", cell).replace("`", "").strip()
            for cell in line.strip("| ").split(" | ")
        ]
        if len(cells) == 6 and cells[0].isdigit():
            number, text, quality, impact, key, probed = cells
            row = (number, group, text, quality, impact, key, "", probed)
            rows.append(row)
    frame = pd.DataFrame(rows, columns=[*ASSUMPTION_COLUMNS, "probed_by"], dtype=str)
    values = [_find_value(plan, key) for key in frame["plan_key"]]
    return frame.assign(plan_value=pd.Series(values, dtype=str))


def _find_value(plan: EvaluationPlan, key: str) -> str:
    """Look a dotted key up in the plan; keys for several records (``<name>``) have no one value."""
    node: Any = plan.model_dump(mode="json")
    for part in key.split("."):
        if not isinstance(node, dict) or part not in node:
            return ""
        node = node[part]
    if isinstance(node, list):
        return ", ".join(map(str, node))
    return "" if isinstance(node, dict) else str(node)


def _rater(
    run: FinishedRun, answers: Mapping[str, CheckAnswer], results: Mapping[str, bool]
) -> Callable[[Mapping[str, Any]], dict[str, str]]:
    def rate(item: Mapping[str, Any]) -> dict[str, str]:
        kinds = [entry.partition(":")[::2] for entry in item["evidence"]]
        people = [name for kind, name in kinds if kind == "person"]
        found = [_look(run, kind, name, answers, results) for kind, name in kinds]
        words = "; ".join(text for _, text in found)
        if people:
            return _row(item, OPEN, words, ", ".join(people), BEFORE_USE)
        return _row(item, _weigh([holds for holds, _ in found]), words, AUTOMATIC, WITH_RUN)

    return rate


def _row(item: Mapping[str, Any], rating: str, words: str, who: str, when: str) -> dict[str, str]:
    return {
        "item": item["item"],
        "rating": rating,
        "evidence": words,
        "assessor": who,
        "when": when,
    }


def _weigh(holds: list[bool | None]) -> str:
    """Rate an item: something against it fails it; something unknown leaves it partly met."""
    if False in holds:
        return NOT_MET
    return PARTLY if None in holds else MET


def _look(
    run: FinishedRun,
    kind: str,
    name: str,
    answers: Mapping[str, CheckAnswer],
    results: Mapping[str, bool],
) -> CheckAnswer:
    if kind == "person":
        return None, f"only a person can answer: {name}"
    if kind == "check":
        holds, seen = answers[name]
        return holds, f"check {name}: {seen}"
    if kind == "test":
        return _look_at_test(run.root, name, results)
    if kind == "assumptions":
        path = find_assumptions(run.plan.pilot, run.root)
        return (True, f"{name} of the pilot") if path else (False, f"{name} of the pilot (missing)")
    there = (run.folder / name if kind == "run" else find_file(name, run.root)).is_file()
    return there, name if there else f"{name} (missing)"


def _look_at_test(root: Path, name: str, results: Mapping[str, bool]) -> CheckAnswer:
    if name in results:
        return results[name], f"{name} ({'passed' if results[name] else 'failed'})"
    file, _, test = name.partition("::")
    path = root / file
    there = path.is_file() and f"def {test}(" in path.read_text(encoding="utf-8")
    return (None, f"{name} (result not known)") if there else (False, f"{name} (missing)")


def _render(run: FinishedRun, tables: Mapping[str, pd.DataFrame], *, tests_known: bool) -> str:
    log = tables[""]
    counts = log["rating"].value_counts()
    summary = ", ".join(f"{counts[word]} {word}" for word in RATINGS if word in counts)
    asked = log.assign(item=log["item"] + ". " + log["question"])
    rap = tables["_rap"].assign(item=tables["_rap"]["item"] + " (" + tables["_rap"]["level"] + ")")
    listed = tables["_assumptions"]
    assumptions = pd.DataFrame(
        {
            "assumption": listed["no"] + ". " + listed["assumption"],
            "quality": listed["quality"],
            "impact": listed["impact"],
            "in_the_plan": (listed["plan_key"] + ": " + listed["plan_value"]).str.removesuffix(
                ": "
            ),
            "probed_by": listed["probed_by"],
        }
    )
    parts = [
        *((area, _narrow(rows)) for area, rows in asked.groupby("area", sort=False)),
        ("Checklist of a reproducible analytical pipeline", _narrow(rap)),
        ("Assumptions and caveats", assumptions),
    ]
    body = "".join(_render_table(table, title) for title, table in parts)
    paragraphs = [
        f"Of {len(log)} items: {summary}. Ratings are worked out from this run; none is typed in.",
        f"“{OPEN.capitalize()}” waits for the person named, {BEFORE_USE}.",
        TESTS_KNOWN if tests_known else TESTS_UNKNOWN,
    ]
    intro = "".join(f"<p>{escape(text)}</p>\n" for text in paragraphs)
    page = f"<h1>{QA_TITLE}</h1>\n{intro}{body}"
    for name in _files_of_run():
        page = page.replace(f"{name}; ", f'<a href="{name}">{name}</a>; ')
        page = page.replace(f"{name}<", f'<a href="{name}">{name}</a><')
    return page


def _narrow(rows: pd.DataFrame) -> pd.DataFrame:
    who = rows["assessor"] + ", " + rows["when"]
    return rows[["item", "rating", "evidence"]].assign(who_and_when=who)


def _render_table(table: pd.DataFrame, title: str) -> str:
    heads = [name.replace("_", " ").capitalize() for name in table.columns]
    shown = Table(frame=table.set_axis(heads, axis=1), caption=f"{title}: {len(table)} items")
    return f'<h2>{escape(title)}</h2>\n<div class="words">{shown._repr_html_()}</div>\n'


def _files_of_run() -> set[str]:
    template = read_template()
    named = {e for item in [*template["items"], *template["rap"]] for e in item["evidence"]}
    return {entry.removeprefix("run:") for entry in named if entry.startswith("run:")}
