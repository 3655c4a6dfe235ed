"""What is to be run: chosen and checked before a kernel starts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pilot_eval.app.notebooks import is_on_request
from pilot_eval.app.parameters import Declared, check_parameters, parse_parameters, read_declared
from pilot_eval.errors import ParameterError, RunError, explain
from pilot_eval.project import PILOTS, find_file, find_pilot

if TYPE_CHECKING:
    from pilot_eval.plan import EvaluationPlan

NOTEBOOKS = "notebooks"
RECORDS = "data_folder"
"""The parameter of notebooks that read children's records."""
COUNCIL_REPORT = "08_council_report"
# Parameters that are keys of the plan: the evidence follows them, as the notebooks do.
PLAN_KEYS = {
    "alpha": "inference.alpha",
    "draws": "inference.draws",
    "seed": "seed",
    "comparators": "comparators.rule",
    "drop_councils": "drop_councils",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """What to run.

    Parameters
    ----------
    root : pathlib.Path
        Project folder.
    pilot : str
        Name or path of a pilot folder; empty for the project's default.
    table_file : pathlib.Path, optional
        Instead of the published tables.
    only : sequence of str
        Names of notebooks; empty means all that are not on request.
    parameters : mapping
        Name -> text, for every notebook that declares the name.
    out : pathlib.Path, optional
        Folder to write; default ``reports/<run id>``.
    jobs : int, optional
        Processes; at most, and by default, one per core.
    notebooks : bool
        False writes the evidence alone.
    councils : sequence of str
        Instead of the usual notebooks: the council report, once for each.
    census : pathlib.Path, optional
        Folder of returns for the notebooks on children's records; default: invented children.
    test_results : pathlib.Path, optional
        JUnit XML of a test session, for the quality assurance log.
    """

    root: Path
    pilot: str = ""
    table_file: Path | None = None
    only: Sequence[str] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)
    out: Path | None = None
    jobs: int | None = None
    notebooks: bool = True
    councils: Sequence[str] = ()
    census: Path | None = None
    test_results: Path | None = None

    @property
    def is_whole(self) -> bool:
        """Whether all of a report is asked for, its explorer included."""
        return self.notebooks and not self.only and not self.councils


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One notebook to execute as one page.

    Parameters
    ----------
    source : pathlib.Path
        The notebook.
    label : str
        Name in the report's menu; empty for the usual one.
    parameters : mapping
        Every resolved parameter.
    changed : mapping
        Those that differ from the notebook's defaults.
    """

    source: Path
    label: str
    parameters: Mapping[str, Any]
    changed: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A request that was checked: the plan in force, the pages, and pages left out with why."""

    plan: EvaluationPlan
    pages: Mapping[str, Page]
    left_out: Mapping[str, str] = field(default_factory=dict)


def prepare(request: RunRequest) -> Prepared:
    """Check a request: files, notebooks, every parameter by name and value.

    Parameters
    ----------
    request : RunRequest

    Returns
    -------
    Prepared

    Raises
    ------
    PilotEvalError
        For whatever is wrong, before anything runs.
    """
    from pilot_eval.plan import load_plan
    from pilot_eval.reporting.qa_log import read_test_results

    _check_readable(request)
    read_test_results(request.test_results)
    plan = load_plan(request.pilot or None, root=request.root)
    given = parse_parameters(request.parameters, plan)
    if not request.notebooks:
        return Prepared(plan=_revise(plan, given), pages={})
    found = find_notebooks(request.root, request.pilot)
    names = [COUNCIL_REPORT] if request.councils else choose_notebooks(request, found)
    declared = {
        name: {item.name: item.default for item in list_parameters(found[name])} for name in names
    }
    left_out = _find_left_out(plan, request, declared)
    names = [name for name in names if name not in left_out]
    unused = set(given) - {name for names in declared.values() for name in names}
    if unused:
        raise ParameterError(
            explain(
                sorted(unused)[0],
                "be a parameter of a notebook that runs",
                "one that none of them declares",
                "See the first code cell of the notebook.",
            )
        )
    values = {**_plan_values(plan, request), **_paths_given(request), **given}
    pages = {
        name: _make_page(found[source], declared[source], {**values, **own})
        for name, (source, own) in _list_pages(plan, request, names).items()
    }
    for page in pages.values():
        check_parameters(plan, **page.parameters)
    return Prepared(plan=_revise(plan, given), pages=pages, left_out=left_out)


def _find_left_out(
    plan: EvaluationPlan, request: RunRequest, declared: Mapping[str, Mapping[str, Any]]
) -> dict[str, str]:
    """Find the pages on children's records where no returns are given and none can be simulated."""
    from pilot_eval.app.open_records import explain_no_simulation

    reason = explain_no_simulation(plan)
    if request.census or RECORDS in request.parameters or not reason:
        return {}
    return {name: reason for name, own in declared.items() if RECORDS in own}


def _list_pages(
    plan: EvaluationPlan, request: RunRequest, names: Sequence[str]
) -> dict[str, tuple[str, Mapping[str, str]]]:
    """Name the pages: each notebook once, or the council report once a council."""
    if not request.councils:
        return {name: (name, {}) for name in names}

    known = plan.names.values()
    for council in request.councils:
        if council not in known:
            near = get_close_matches(council, known, n=1)
            hint = f"Did you mean {near[0]}?" if near else "See data/reference/councils.csv."
            raise ParameterError(explain("council", "be a council of the pilot", council, hint))
    slugs = {re.sub(r"\W+", "_", council.lower()): council for council in request.councils}
    return {f"08_{slug}": (COUNCIL_REPORT, {"council": name}) for slug, name in slugs.items()}


def _make_page(source: Path, defaults: Mapping[str, Any], values: Mapping[str, Any]) -> Page:
    changed = {key: value for key, value in values.items() if key in defaults}
    return Page(
        source=source,
        label=str(values.get("council", "")),
        parameters={**defaults, **changed},
        changed=changed,
    )


def _plan_values(plan: EvaluationPlan, request: RunRequest) -> dict[str, Any]:
    """Give notebooks another plan's settings, which their own defaults would override."""
    if not request.pilot:
        return {}
    return {"alpha": plan.inference.alpha, "draws": plan.inference.draws, "seed": plan.seed}


def _check_readable(request: RunRequest) -> None:
    given = {
        "--table": request.table_file,
        "--test-results": request.test_results,
        "--census": request.census,
    }
    for name, path in given.items():
        if path is None or (name == "--census" and path.is_dir()):
            continue
        if fault := _find_fault(path):
            action = "Check the path; nothing was run."
            raise RunError(explain(name, "be readable", f"{path} ({fault})", action))


def _find_fault(path: Path) -> str:
    try:
        with path.open("rb"):
            return ""
    except OSError as error:
        return str(error.strerror)


def _paths_given(request: RunRequest) -> dict[str, str]:
    paths = {
        "table_file": request.table_file,
        RECORDS: request.census,
    }
    given = {name: str(path.resolve()) for name, path in paths.items() if path is not None}
    return given | ({"pilot": request.pilot} if request.pilot else {})


def _revise(plan: EvaluationPlan, given: Mapping[str, Any]) -> EvaluationPlan:
    changes = {
        PLAN_KEYS[name]: value for name, value in given.items() if name in PLAN_KEYS and value != ""
    }
    return plan.revise(changes) if changes else plan


def find_notebooks(root: Path, pilot: str = "") -> dict[str, Path]:
    """Find the general notebooks and those of a pilot folder, in the order of their names.

    Parameters
    ----------
    root : pathlib.Path
        Project folder.
    pilot : str
        Name or path of a pilot folder; empty for the default.

    Returns
    -------
    dict
        Name -> path.
    """
    folders = find_file(NOTEBOOKS, root), find_pilot(pilot or None, root) / NOTEBOOKS
    found = {path.stem: path for folder in folders for path in folder.glob("[0-9]*.ipynb")}
    return dict(sorted(found.items()))


def list_committed(root: Path) -> dict[str, Path]:
    """List the notebooks whose stored outputs are committed: name -> path.

    They are the general ones and the default pilot's own, as `find_notebooks` gives them, and every
    other pilot's own.
    """
    own = {path.stem: path for path in sorted(root.glob(f"{PILOTS}/*/{NOTEBOOKS}/[0-9]*.ipynb"))}
    return dict(sorted({**own, **find_notebooks(root)}.items()))


def choose_notebooks(request: RunRequest, found: Mapping[str, Path]) -> list[str]:
    """List the notebooks of a run by name.

    Parameters
    ----------
    request : RunRequest
    found : mapping
        As from `find_notebooks`.

    Returns
    -------
    list of str

    Raises
    ------
    ParameterError
        If ``--only`` names one that does not exist.
    """
    if not found:
        raise RunError(
            explain(
                "notebooks",
                "be in the project folder",
                request.root / NOTEBOOKS,
                "Use --no-notebooks for the evidence alone.",
            )
        )
    chosen = [Path(name).name.removesuffix(".ipynb") for name in request.only]
    for name in chosen:
        if name not in found:
            near = get_close_matches(name, found, n=1)
            hint = f"Did you mean {near[0]}?" if near else f"Known: {', '.join(found)}."
            raise ParameterError(explain("--only", "name a notebook", name, hint))
    return chosen or [name for name, path in found.items() if not is_on_request(path)]


def list_parameters(path: Path) -> list[Declared]:
    """List the parameters that a notebook declares, with their defaults and what they are."""
    import papermill

    return read_declared(papermill.inspect_notebook(str(path)), path.stem)
