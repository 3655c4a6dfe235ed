"""One run: check everything, execute notebooks beside the evidence, publish one folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pilot_eval.errors import ParameterError, RunError, explain
from pilot_eval.runner.manifest import (
    describe_code,
    describe_versions,
    hash_data,
    hash_outputs,
    summarise_hashes,
)
from pilot_eval.runner.notebooks import (
    Executed,
    Task,
    count_cores,
    execute_all,
    is_on_request,
    use_one_thread_each,
    worker_pool,
)
from pilot_eval.runner.parameters import check_parameters, parse_parameters, read_declared
from pilot_eval.runner.staging import publish, stage

if TYPE_CHECKING:
    from pilot_eval.plan import EvaluationPlan

NOTEBOOKS = "notebooks"
INCOMPLETE = "-incomplete"
MOST_NAMES = 1000
# Parameters that are keys of the plan: the evidence follows them, as the notebooks do.
PLAN_KEYS = {
    "alpha": "inference.alpha",
    "draws": "inference.draws",
    "seed": "seed",
    "comparators": "comparators.rule",
    "drop_councils": "drop_councils",
}

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """What to run.

    Parameters
    ----------
    root : pathlib.Path
        Project folder.
    plan_file, table_file : pathlib.Path, optional
        Instead of the project's plan and tables.
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
    """

    root: Path
    plan_file: Path | None = None
    table_file: Path | None = None
    only: Sequence[str] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)
    out: Path | None = None
    jobs: int | None = None
    notebooks: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """Where the results are, and what failed."""

    folder: Path
    failed: Sequence[Executed]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prepared:
    plan: EvaluationPlan
    parameters: Mapping[str, Mapping[str, Any]]  # notebook -> every resolved parameter
    changed: Mapping[str, Mapping[str, Any]]  # notebook -> what differs from its defaults


def run_evaluation(request: RunRequest, tell: Tell = print) -> RunResult:
    """Run the evaluation and write one folder of results.

    Parameters
    ----------
    request : RunRequest
    tell : callable
        Where progress goes, a line at a time.

    Returns
    -------
    RunResult

    Raises
    ------
    PilotEvalError
        For bad input or an unwritable folder, before or instead of writing anything.
    """
    use_one_thread_each()
    started = datetime.now(UTC)
    prepared = _prepare(request)
    run_id = f"{started:%Y%m%d-%H%M%S}-{prepared.plan.hash}"
    with stage(request.out or request.root / "reports" / run_id) as folder:
        executed = _execute(request, prepared, folder, tell)
        failed = [result for result in executed if not result.ok]
        _write_pages(request, prepared, executed, folder, tell)
        _write_manifest(request, prepared, executed, folder, started)
        published = publish(folder, _names(request, run_id, complete=not failed))
    return RunResult(folder=published, failed=failed)


def _names(request: RunRequest, run_id: str, *, complete: bool) -> Iterator[Path]:
    """List names for the results, best first; only an explicit --out has no second choice."""
    target = request.out or request.root / "reports" / run_id
    stem = target.name if complete else f"{target.name}{INCOMPLETE}"
    yield target.with_name(stem)
    if not (request.out and complete):
        yield from (target.with_name(f"{stem}-{number}") for number in range(2, MOST_NAMES))


def _prepare(request: RunRequest) -> _Prepared:
    from pilot_eval.plan import load_plan

    _check_readable(request.table_file)
    plan = load_plan(request.plan_file or request.root / "evaluation.toml")
    given = parse_parameters(request.parameters, plan)
    paths = _paths_given(request)
    if not request.notebooks:
        return _Prepared(plan=_revise(plan, given), parameters={}, changed={})
    declared = {name: _inspect(request.root, name) for name in choose_notebooks(request)}
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
    values = {**_plan_values(plan, request), **paths, **given}
    changed = {
        name: {key: value for key, value in values.items() if key in defaults}
        for name, defaults in declared.items()
    }
    resolved = {name: {**defaults, **changed[name]} for name, defaults in declared.items()}
    for parameters in resolved.values():
        check_parameters(plan, **parameters)
    return _Prepared(plan=_revise(plan, given), parameters=resolved, changed=changed)


def _plan_values(plan: EvaluationPlan, request: RunRequest) -> dict[str, Any]:
    """Give notebooks another plan's settings, which their own defaults would override."""
    if request.plan_file is None:
        return {}
    return {"alpha": plan.inference.alpha, "draws": plan.inference.draws, "seed": plan.seed}


def _check_readable(table: Path | None) -> None:
    if table is None:
        return
    try:
        with table.open("rb"):
            pass
    except OSError as fault:
        raise RunError(
            explain(
                "--table",
                "be a readable file",
                f"{table} ({fault.strerror})",
                "Check the path; nothing was run.",
            )
        ) from fault


def _paths_given(request: RunRequest) -> dict[str, str]:
    paths = {"plan_file": request.plan_file, "table_file": request.table_file}
    return {name: str(path.resolve()) for name, path in paths.items() if path is not None}


def _revise(plan: EvaluationPlan, given: Mapping[str, Any]) -> EvaluationPlan:
    changes = {
        PLAN_KEYS[name]: value for name, value in given.items() if name in PLAN_KEYS and value != ""
    }
    return plan.revise(changes) if changes else plan


def choose_notebooks(request: RunRequest) -> list[str]:
    """List the notebooks of a run by name.

    Parameters
    ----------
    request : RunRequest

    Returns
    -------
    list of str

    Raises
    ------
    ParameterError
        If ``--only`` names one that does not exist.
    """
    found = sorted(path.stem for path in (request.root / NOTEBOOKS).glob("[0-9]*.ipynb"))
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
    folder = request.root / NOTEBOOKS
    return chosen or [name for name in found if not is_on_request(folder / f"{name}.ipynb")]


def _inspect(root: Path, name: str) -> dict[str, Any]:
    import papermill

    inspected = papermill.inspect_notebook(str(root / NOTEBOOKS / f"{name}.ipynb"))
    return {declared.name: declared.default for declared in read_declared(inspected, name)}


def _execute(request: RunRequest, prepared: _Prepared, folder: Path, tell: Tell) -> list[Executed]:
    if not request.notebooks:
        write_evidence(prepared.plan, request.table_file, folder)
        tell("Evidence written.")
        return []
    (folder / NOTEBOOKS).mkdir()
    tasks = [
        Task(
            name=name,
            source=request.root / NOTEBOOKS / f"{name}.ipynb",
            target=folder / NOTEBOOKS / f"{name}.ipynb",
            parameters=changed,
        )
        for name, changed in prepared.changed.items()
    ]
    jobs = max(1, min(request.jobs or count_cores(), count_cores(), len(tasks) + 1))
    tell(f"Running {len(tasks)} notebooks, {jobs} at a time:")
    progress = _Progress(len(tasks), tell)
    with worker_pool(jobs) as pool:
        evidence = pool.submit(write_evidence, prepared.plan, request.table_file, folder)
        return execute_all(pool, tasks, progress.show, also=[evidence])


def write_evidence(plan: EvaluationPlan, table_file: Path | None, folder: Path) -> None:
    """Compute the evidence and write ``evidence.csv``.

    Parameters
    ----------
    plan : EvaluationPlan
    table_file : pathlib.Path, optional
        An analyst's own council table instead of the published figures.
    folder : pathlib.Path
        Where to write.
    """
    from pilot_eval.evaluation import evaluate
    from pilot_eval.sources.council_table import read_council_table

    evaluate(plan, read_council_table(table_file) if table_file else None).write(folder)


class _Progress:
    """Say, a line a notebook, how far the run is."""

    def __init__(self, total: int, tell: Tell) -> None:
        self._total, self._done, self._tell = total, 0, tell

    def show(self, executed: Executed) -> None:
        self._done += 1
        fate = "done" if executed.ok else f"FAILED in {executed.cell}: {executed.error}"
        retried = " (kernel started twice)" if executed.retried else ""
        place = f"[{self._done}/{self._total}]"
        self._tell(f"  {place} {executed.name}: {fate}, {executed.seconds:.1f} s{retried}")


def _write_pages(
    request: RunRequest,
    prepared: _Prepared,
    executed: Sequence[Executed],
    folder: Path,
    tell: Tell,
) -> None:
    if not executed:
        return
    from pilot_eval.reporting.site import SiteFacts, build_site
    from pilot_eval.runner.refresh import tidy_file

    for result in executed:
        if result.ok:
            tidy_file(result.path)
    facts = SiteFacts(
        plan_title=prepared.plan.title,
        plan_hash=prepared.plan.hash,
        data_hash=summarise_hashes(hash_data(request.root, request.table_file)),
        seed=prepared.plan.seed,
        parameters=_shared_parameters(prepared.parameters),
        failures={
            result.name: f"{result.cell}: {result.error}" for result in executed if not result.ok
        },
    )
    tell("Writing the report ...")
    build_site([result.path for result in executed if result.ok], facts, folder)


def _shared_parameters(parameters: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    values: dict[str, set[str]] = {}
    for resolved in parameters.values():
        for name, value in resolved.items():
            values.setdefault(name, set()).add(str(value))
    return {name: found.pop() for name, found in sorted(values.items()) if len(found) == 1}


def _write_manifest(
    request: RunRequest,
    prepared: _Prepared,
    executed: Sequence[Executed],
    folder: Path,
    started: datetime,
) -> None:
    from pilot_eval.reporting.pdf import NO_BROWSER, PDF_NAME

    pdf = PDF_NAME if (folder / PDF_NAME).exists() else NO_BROWSER
    manifest = {
        "plan": prepared.plan.model_dump(mode="json"),
        "plan_hash": prepared.plan.hash,
        "seed": prepared.plan.seed,
        "parameters": prepared.parameters,
        "data": hash_data(request.root, request.table_file),
        "code": describe_code(request.root),
        "versions": describe_versions(),
        "started": started.isoformat(timespec="seconds"),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "notebooks": [_describe(result) for result in executed],
        "pdf": pdf if executed else "no notebooks were run",
        "outputs": hash_outputs(folder),
    }
    text = json.dumps(manifest, indent=1, ensure_ascii=False, sort_keys=True, default=str)
    (folder / "manifest.json").write_text(text + "\n", encoding="utf-8", newline="\n")


def _describe(result: Executed) -> dict[str, Any]:
    described = asdict(result)
    described.update(path=f"{NOTEBOOKS}/{result.path.name}", seconds=round(result.seconds, 1))
    return described
