"""Re-execute committed notebooks in place so that two refreshes give the same bytes."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pilot_eval.app.notebooks import (
    Executed,
    Task,
    count_cores,
    execute_all,
    is_on_request,
    worker_pool,
)
from pilot_eval.app.progress import Tell
from pilot_eval.app.request import find_notebooks, list_committed
from pilot_eval.app.staging import working_folder
from pilot_eval.errors import ParameterError, RunError, explain
from pilot_eval.evaluation import stored
from pilot_eval.file_sets import finish_sets, whole_set
from pilot_eval.project import PILOTS, PLAN_NAME, default_pilot
from pilot_eval.run_cache import keep_for_run

if TYPE_CHECKING:
    from nbformat import NotebookNode

KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
PUBLISHED, README = "reports/published", "README.md"
KEPT_METADATA = ("pilot_eval",)
KEPT_CELL_METADATA = ("tags",)


def refresh_project(
    root: Path, names: Sequence[str] = (), tell: Tell = lambda _: None
) -> list[Executed]:
    """Execute notebooks, and write ``reports/published`` and the README's findings from them.

    Notebooks have no times, paths or random names. The default pilot's evidence and charts lie in
    ``reports/published`` itself, every other pilot's in a folder of its name.

    Parameters
    ----------
    root : pathlib.Path
        Project folder.
    names : sequence of str, optional
        Notebooks by name; default all.
    tell : callable
        Where progress goes, a line at a time.

    Returns
    -------
    list of Executed
        If one failed, nothing has changed.

    Raises
    ------
    ParameterError
        If a name is unknown.
    RunError
        If a file cannot be written; nothing has changed.
    """
    finish_sets(root)
    known = list_committed(root)
    chosen = [Path(name).name.removesuffix(".ipynb") for name in names] or list(known)
    unknown = [name for name in chosen if name not in known]
    if unknown:
        raise ParameterError(
            explain("NOTEBOOK", "be a notebook", unknown[0], f"Known: {', '.join(known)}.")
        )
    with working_folder() as private, keep_for_run():
        scratch, noted = Path(private), Path(private, "noted")
        noted.mkdir()
        with stored.noting(noted):
            tell("Computing the stored results that are out of date ...")
            _use_long_checks(root)
            tell(f"Executing {len(chosen)} notebooks ...")
            results = _execute(root, {name: known[name] for name in chosen}, scratch, tell)
        executed = {scratch / f"{name}.ipynb": known[name] for name in chosen}
        if all(result.ok for result in results):
            tell(f"Writing the notebooks, {PUBLISHED} and the findings in {README} ...")
            _put_in_place(root, executed, noted, whole=not names)
    return results


def _put_in_place(root: Path, executed: Mapping[Path, Path], noted: Path, *, whole: bool) -> None:
    """Write notebooks, tables, charts, stored results and the front page as one set."""
    try:
        with whole_set(root, replaces=[PUBLISHED, stored.STORE]) as new:
            stored.write_store(noted, root, new, whole=whole)
            for path, notebook in executed.items():
                place = new / notebook.relative_to(root)
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, place)
            write_published(root, new / PUBLISHED, again=new)
            _keep_others(root / PUBLISHED, new / PUBLISHED)
            _write_readme(root, new)
    except OSError as fault:
        got = f"{root} ({fault.strerror or type(fault).__name__})"
        action = "Free some space or check its permissions; everything is as it was."
        raise RunError(explain("project folder", "be writable", got, action)) from fault


def _execute(
    root: Path, notebooks: Mapping[str, Path], scratch: Path, tell: Tell
) -> list[Executed]:
    """Execute notebooks into a folder, tidied."""
    tasks = [
        Task(name=name, source=source, target=scratch / f"{name}.ipynb", parameters={})
        for name, source in notebooks.items()
    ]
    with worker_pool(min(count_cores(), len(tasks)), root) as pool:
        results = execute_all(pool, tasks, lambda result: tell(_word(result)))
    for task, result in zip(tasks, results, strict=True):
        if result.ok:
            tidy_file(task.target)
    return results


def _word(result: Executed) -> str:
    fate = "executed" if result.ok else f"FAILED in {result.cell}: {result.error}"
    return f"{result.name}: {fate}"


def _keep_others(old: Path, new: Path) -> None:
    """Copy what is neither a table nor a picture, such as a page about the folder."""
    for path in sorted(old.rglob("*")):
        if path.is_file() and path.suffix not in (".csv", ".png", ".svg"):
            kept = new / path.relative_to(old)
            if not kept.exists():
                kept.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, kept)


def _write_readme(root: Path, new: Path) -> None:
    """Write the findings in the front page again."""
    from pilot_eval.plan import load_plan
    from pilot_eval.reporting.readme_findings import replace_findings

    text = (root / README).read_text(encoding="utf-8")
    found = replace_findings(text, load_plan(root=root), new / PUBLISHED)
    (new / README).write_text(found, encoding="utf-8", newline="\n")


def _use_long_checks(root: Path) -> None:
    """Take what every pilot's report rests on besides notebooks, or compute it again."""
    from pilot_eval.checks.long_run import list_long_runs
    from pilot_eval.checks.specification_grid import compute_specification_grid
    from pilot_eval.evaluation import evaluate
    from pilot_eval.plan import load_plan
    from pilot_eval.published.council_indicators import load_published

    table = load_published(root / "data" / "published" / "council_indicators.csv")
    names = sorted(path.parent.name for path in root.glob(f"{PILOTS}/*/{PLAN_NAME}"))
    for name in names:
        plan = load_plan(name, root=root)
        evaluate(plan, table)  # first: the others take its answer from the run
        compute_specification_grid(plan, table, leave_one_out=True)
        list_long_runs(plan, table)


def write_published(root: Path, folder: Path, *, again: Path | None = None) -> None:
    """Write what ``reports/published`` should hold into another folder.

    Parameters
    ----------
    root : pathlib.Path
        Project folder.
    folder : pathlib.Path
    again : pathlib.Path, optional
        Where notebooks that have just been executed lie, by their paths below the project.
    """
    default = default_pilot(root)
    folder.mkdir(parents=True, exist_ok=True)
    _write_pilot(root, default, _latest(root, again, find_notebooks(root)), folder)
    for path in sorted(root.glob(f"{PILOTS}/*/{PLAN_NAME}")):
        if (name := path.parent.name) != default:
            own = {page.stem: page for page in sorted(path.parent.glob("notebooks/[0-9]*.ipynb"))}
            (folder / name).mkdir()
            _write_pilot(root, name, _latest(root, again, own), folder / name)


def _latest(root: Path, again: Path | None, notebooks: Mapping[str, Path]) -> dict[str, Path]:
    """Take notebooks that were executed again from there."""
    if again is None:
        return dict(notebooks)
    new = {name: again / path.relative_to(root) for name, path in notebooks.items()}
    return {name: new[name] if new[name].is_file() else path for name, path in notebooks.items()}


def _write_pilot(root: Path, pilot: str, notebooks: Mapping[str, Path], folder: Path) -> None:
    """Write one pilot's evidence, and the charts of notebooks whose stored outputs are its own."""
    import nbformat

    from pilot_eval import __version__
    from pilot_eval.disclosure.release_evidence import release_evidence
    from pilot_eval.evaluation import evaluate
    from pilot_eval.plan import load_plan
    from pilot_eval.published.council_indicators import load_published
    from pilot_eval.reporting.answers_file import collect_answers, write_answers
    from pilot_eval.reporting.html import render_notebook
    from pilot_eval.reporting.site import FIGURES, save_figures

    table = load_published(root / "data" / "published" / "council_indicators.csv")
    plan = load_plan(pilot, root=root)
    evidence = release_evidence(plan, evaluate(plan, table), public=True)
    evidence.write(folder)
    write_answers(collect_answers(plan, evidence, version=__version__), folder)
    for path in notebooks.values():
        if is_on_request(path):
            continue
        notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
        body = render_notebook(notebook)
        save_figures(body, path.stem, folder / FIGURES)


def tidy_file(path: Path, given: Mapping[str, Any] | None = None) -> None:
    """Tidy an executed notebook in place; see `tidy`.

    The cell that holds the parameters it was run with shows `given` in their place, if any.
    """
    import nbformat
    from papermill.parameterize import parameterize_notebook

    notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    if given:
        notebook = parameterize_notebook(notebook, dict(given))
    path.write_text(to_text(tidy(notebook)), encoding="utf-8", newline="\n")


def to_text(notebook: NotebookNode) -> str:
    """Serialise a notebook in its one form."""
    import nbformat

    text: str = nbformat.writes(notebook, version=4)  # type: ignore[no-untyped-call]
    return text + "\n"


def tidy(notebook: NotebookNode) -> NotebookNode:
    """Remove from an executed notebook what differs from run to run.

    Parameters
    ----------
    notebook : NotebookNode
        Changed in place.

    Returns
    -------
    NotebookNode
        The same notebook: cells named by position, no times, paths or versions.
    """
    kept = {key: notebook.metadata[key] for key in KEPT_METADATA if key in notebook.metadata}
    notebook.metadata = {**kept, "kernelspec": KERNEL, "language_info": {"name": "python"}}
    notebook.nbformat_minor = 5
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number:02d}"
        cell.metadata = {
            key: value
            for key, value in cell.metadata.items()
            if key in KEPT_CELL_METADATA and value
        }
        for output in cell.get("outputs", []):
            output.pop("transient", None)
    return notebook
