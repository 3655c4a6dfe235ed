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

from pilot_eval.plan import EvaluationPlan
from pilot_eval.reporting.qa_checks import CHECKS, QA_STEM, Answer, FinishedRun, read_run

MET, PARTLY, NOT_MET, OPEN = "met", "partly met", "not met", "to be assessed"
AUTOMATIC = "automatic"
BEFORE_USE = "before publication"
LOG_COLUMNS = ("area", "item", "question", "rating", "evidence", "assessor", "date")
ASSUMPTION_COLUMNS = ("no", "group", "assumption", "quality", "impact", "plan_key", "plan_value")
ASSUMPTIONS = "docs/assumptions.md"
_LINK = re.compile(r"\[([^\]]+)\]\([^)]*\)")


def write_qa_log(
    run_folder: str | Path,
    *,
    root: str | Path,
    plan: EvaluationPlan,
    test_results: str | Path | None = None,
) -> list[Path]:
    """Write the log, the assumptions and the RAP checklist of a run.

    Parameters
    ----------
    run_folder : path
        A finished run.
    root : path
        The project's folder, with its tests and documents.
    plan : EvaluationPlan
        The plan of the run.
    test_results : path, optional
        JUnit XML of a test session (``pytest --junit-xml``). Without it, tests count as evidence
        because they exist, and the log says that their result is not known.

    Returns
    -------
    list of pathlib.Path
        ``qa_log.csv``, ``qa_log_assumptions.csv``, ``qa_log_rap.csv`` and ``qa_log.html`` in the
        run's folder.

    Raises
    ------
    RunError
        If the folder holds no finished run.
    """
    run = read_run(run_folder, root=root, plan=plan)
    tables = build_qa_log(run, read_test_results(test_results))
    written = []
    for suffix, table in tables.items():
        path = run.folder / f"{QA_STEM}{suffix}.csv"
        table.to_csv(path, index=False, lineterminator="\n", encoding="utf-8")
        written.append(path)
    page = run.folder / f"{QA_STEM}.html"
    page.write_text(_render(run, tables), encoding="utf-8", newline="\n")
    return [*written, page]


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
        "_rap": pd.DataFrame(rap)[["level", "item", "rating", "evidence", "assessor", "date"]],
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
    """
    if path is None:
        return {}
    from lxml import etree

    results: dict[str, bool] = {}
    for case in etree.parse(str(path)).iter("testcase"):
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
    path = Path(root) / ASSUMPTIONS
    rows, group = [], ""
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        group = line.removeprefix("## ") if line.startswith("## ") else group
        cells = [_LINK.sub(r"\1", cell).strip() for cell in line.strip("| ").split(" | ")]
        if len(cells) == 6 and cells[0].isdigit():
            number, text, quality, impact, key, probed = cells
            row = (number, group, text, quality, impact, key.strip("`"), "", probed)
            rows.append(row)
    frame = pd.DataFrame(rows, columns=[*ASSUMPTION_COLUMNS, "probed_by"], dtype=str)
    return frame.assign(plan_value=[_find_value(plan, key) for key in frame["plan_key"]])


def _find_value(plan: EvaluationPlan, key: str) -> str:
    """Look a dotted key up in the plan; keys for several records (``<name>``) have no one value."""
    node: Any = plan.model_dump(mode="json")
    for part in key.split("."):
        if not isinstance(node, dict) or part not in node:
            return ""
        node = node[part]
    return "" if isinstance(node, dict) else str(node)


def _rater(
    run: FinishedRun, answers: Mapping[str, Answer], results: Mapping[str, bool]
) -> Callable[[Mapping[str, Any]], dict[str, str]]:
    date = str(run.manifest.get("finished", ""))[:10]

    def rate(item: Mapping[str, Any]) -> dict[str, str]:
        kinds = [entry.partition(":")[::2] for entry in item["evidence"]]
        people = [name for kind, name in kinds if kind == "person"]
        found = [_look(run, kind, name, answers, results) for kind, name in kinds]
        words = "; ".join(text for _, text in found)
        if people:
            return _row(item, OPEN, words, ", ".join(people), BEFORE_USE)
        return _row(item, _weigh([holds for holds, _ in found]), words, AUTOMATIC, date)

    return rate


def _row(item: Mapping[str, Any], rating: str, words: str, who: str, when: str) -> dict[str, str]:
    return {
        "item": item["item"],
        "rating": rating,
        "evidence": words,
        "assessor": who,
        "date": when,
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
    answers: Mapping[str, Answer],
    results: Mapping[str, bool],
) -> Answer:
    if kind == "person":
        return None, f"only a person can answer: {name}"
    if kind == "check":
        holds, seen = answers[name]
        return holds, f"check {name}: {seen}"
    if kind == "test":
        return _look_at_test(run.root, name, results)
    folder = run.folder if kind == "run" else run.root
    there = (folder / name).is_file()
    return there, name if there else f"{name} (missing)"


def _look_at_test(root: Path, name: str, results: Mapping[str, bool]) -> Answer:
    if name in results:
        return results[name], f"{name} ({'passed' if results[name] else 'failed'})"
    file, _, test = name.partition("::")
    path = root / file
    there = path.is_file() and f"def {test}(" in path.read_text(encoding="utf-8")
    return (None, f"{name} (result not known)") if there else (False, f"{name} (missing)")


def _render(run: FinishedRun, tables: Mapping[str, pd.DataFrame]) -> str:
    counts = tables[""]["rating"].value_counts()
    summary = ", ".join(
        f"{counts[word]} {word}" for word in (MET, PARTLY, NOT_MET, OPEN) if word in counts
    )
    captions = {
        "": "Quality assurance log",
        "_assumptions": "Assumptions and caveats",
        "_rap": "Reproducible analytical pipeline: checklist",
    }
    body = "".join(_render_table(tables[suffix], text) for suffix, text in captions.items())
    title = f"Quality assurance of {run.plan.title}"
    return (
        '<!doctype html>\n<html lang="en-GB"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body><main>"
        f"<h1>{escape(title)}</h1><p>Plan {run.plan.hash}. Of {len(tables[''])} items: {summary}. "
        f"Items marked “{OPEN}” wait for the person named, {BEFORE_USE}.</p>{body}"
        "</main></body></html>\n"
    )


def _render_table(table: pd.DataFrame, caption: str) -> str:
    heads = "".join(
        f'<th scope="col">{escape(name.replace("_", " ").capitalize())}</th>'
        for name in table.columns
    )
    rows = "".join(
        f'<tr><th scope="row">{escape(str(row[0]))}</th>'
        + "".join(f"<td>{escape(str(cell))}</td>" for cell in row[1:])
        + "</tr>\n"
        for row in table.itertuples(index=False, name=None)
    )
    return (
        f"<h2>{escape(caption)}</h2>\n"
        f'<div role="region" tabindex="0" aria-label="{escape(caption)}"><table>'
        f"<caption>{escape(caption)}</caption><thead><tr>{heads}</tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
    )


_STYLE = (
    "body{font:1rem/1.5 Arial,sans-serif;color:#0b0c0c;background:#fff;margin:1rem}"
    "main{max-width:80rem;margin:auto}table{border-collapse:collapse;width:100%}"
    "caption{text-align:left;font-weight:bold}div{overflow-x:auto}"
    "th,td{border-bottom:1px solid #b1b4b6;padding:.4rem;text-align:left;vertical-align:top}"
    "td{overflow-wrap:anywhere;min-width:6rem}th[scope=row]{font-weight:normal}"
)
