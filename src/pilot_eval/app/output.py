"""What a run writes alongside its results: pages, register of outputs, manifest, assurance."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pilot_eval.app.manifest import (
    describe_code,
    describe_versions,
    hash_data,
    hash_file,
    hash_outputs,
    seal,
)
from pilot_eval.app.notebooks import Executed
from pilot_eval.app.progress import Tell
from pilot_eval.app.request import NOTEBOOKS, RECORDS, Prepared, RunRequest
from pilot_eval.app.results import EVIDENCE
from pilot_eval.project import find_assumptions, find_file

if TYPE_CHECKING:
    from pilot_eval.disclosure.release.register import Entry
    from pilot_eval.reporting.site import Site

MANIFEST = "manifest.json"
PUBLISHED = "councils of England in DfE's published tables, years ending March {} to {}"
DOCUMENTS = ("methods", "evidence", "glossary")
POPULATIONS = {
    "census": "children in need in the councils and years of the returns that were read",
    "simulated": "no real child: invented children",
}
OWN = "{units} of the analyst's own table {name}"


def _of_records(entry: Entry, records: Sequence[str], strand: str) -> Entry:
    """Say of the pages on children's records, and their figures, whose records they are."""
    name = Path(entry.file).stem.rpartition("-")[0] or Path(entry.file).stem
    if name not in records:
        return entry
    return replace(entry, strand=strand, population=POPULATIONS[strand])


def write_record(
    request: RunRequest,
    prepared: Prepared,
    executed: Sequence[Executed],
    folder: Path,
    started: datetime,
    site: Site | None,
) -> None:
    """Write what lets another analyst sign the run off: register, manifest, quality assurance.

    The log rates the finished run, so it is written last, and the manifest once more with it.
    """
    import pandas as pd

    from pilot_eval.reporting.qa_checks import FinishedRun
    from pilot_eval.reporting.qa_log import write_qa_log

    (folder / MANIFEST).touch()  # written below, described in the register
    _write_register(request, prepared, folder)
    manifest = _describe_run(request, prepared, executed, started)
    run = FinishedRun(
        folder=folder,
        root=request.root,
        plan=prepared.plan,
        manifest=_write_manifest(manifest, folder),
        evidence=pd.read_csv(folder / EVIDENCE),
    )
    body = write_qa_log(run, request.test_results)
    if site:
        site.write_quality(body)
    _write_manifest(manifest, folder)


def _write_register(request: RunRequest, prepared: Prepared, folder: Path) -> None:
    """Write ``outputs.csv``, by which the release check judges every file."""
    from pilot_eval.disclosure.release.register import describe_outputs, write_register

    own = request.table_file
    disclosure = prepared.plan.disclosure
    units = prepared.plan.texts.units
    years = [int(place) for place in prepared.plan.span]
    entries = describe_outputs(
        folder,
        strand="census" if own else "published",
        population=OWN.format(units=units, name=own.name) if own else PUBLISHED.format(*years),
        threshold=disclosure.threshold,
        rounding=disclosure.rounding,
    )
    records = [name for name, page in prepared.pages.items() if RECORDS in page.parameters]
    strand = "census" if request.census else "simulated"
    if units != "councils":  # how many took part heads columns of pages and tables
        entries = [replace(entry, kinds=f"{units.capitalize()}=councils") for entry in entries]
    write_register(folder, [_of_records(entry, records, strand) for entry in entries])


def write_site(
    request: RunRequest,
    prepared: Prepared,
    executed: Sequence[Executed],
    folder: Path,
    tell: Tell,
) -> Site | None:
    """Write the report's pages from what was executed without a fault; none without notebooks."""
    from pilot_eval.reporting.qa_log import QA_FILES

    for name in QA_FILES if executed else QA_FILES[:-1]:
        (folder / name).touch()  # written when all else is there
    if not executed:
        return None
    from pilot_eval.app.refresh import tidy_file
    from pilot_eval.reporting.site import SiteFacts, build_site

    for result in executed:
        if result.ok:
            given = prepared.pages[result.name].changed
            shown = _name_paths(given)
            tidy_file(result.path, shown if shown != given else None)
    facts = SiteFacts(
        plan_title=prepared.plan.title,
        plan_hash=prepared.plan.hash,
        published_on=prepared.plan.texts.published_on,
        seed=prepared.plan.seed,
        parameters=_shared_parameters(prepared),
        left_out=prepared.left_out,
        failures={
            result.name: f"{result.cell}: {result.error}" for result in executed if not result.ok
        },
    )
    labels = {name: page.label for name, page in prepared.pages.items() if page.label}
    return build_site(
        [result.path for result in executed if result.ok],
        facts,
        folder,
        labels=labels,
        documents=find_documents(request.root, prepared.plan.pilot),
        councils=bool(request.councils),
        tell=tell,
    )


def find_documents(root: Path, pilot: str) -> list[Path]:
    """Find the documents that a report's reader needs, and the pilot's own assumptions."""
    paths = [find_file(f"docs/{name}.md", root) for name in DOCUMENTS]
    own = find_assumptions(pilot, root)
    return [path for path in (paths[0], own, *paths[1:]) if path and path.exists()]


def _shared_parameters(prepared: Prepared) -> dict[str, str]:
    values: dict[str, set[str]] = {}
    for page in prepared.pages.values():
        for name, value in _name_paths(page.parameters).items():
            values.setdefault(name, set()).add(str(value))
    return {name: found.pop() for name, found in sorted(values.items()) if len(found) == 1}


def _name_paths(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Show a path of this machine by its last part: what is written may leave the machine."""
    return {
        name: Path(value).name if isinstance(value, str) and Path(value).is_absolute() else value
        for name, value in parameters.items()
    }


def _describe_run(
    request: RunRequest, prepared: Prepared, executed: Sequence[Executed], started: datetime
) -> dict[str, Any]:
    return {
        "plan": prepared.plan.model_dump(mode="json"),
        "plan_hash": prepared.plan.hash,
        "seed": prepared.plan.seed,
        "parameters": {name: _name_paths(page.parameters) for name, page in prepared.pages.items()},
        "census": request.census.name if request.census else None,
        "table": request.table_file.name if request.table_file else None,
        "test_results": hash_file(request.test_results) if request.test_results else None,
        "data": hash_data(prepared.plan, request.root, request.table_file),
        "code": describe_code(request.root),
        "versions": describe_versions(),
        "started": started.isoformat(timespec="seconds"),
        "notebooks": [_describe(result) for result in executed],
        "left_out": dict(prepared.left_out),
    }


def _write_manifest(described: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Write ``manifest.json``: what another analyst needs to make the run again."""
    from pilot_eval.reporting.pdf import NO_BROWSER, PDF_NAME

    pdf = PDF_NAME if (folder / PDF_NAME).exists() else NO_BROWSER
    manifest = {
        **described,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "pdf": pdf if described["notebooks"] else "no notebooks were run",
        "outputs": {k: v for k, v in hash_outputs(folder).items() if k != MANIFEST},
    }
    manifest = seal(manifest)
    text = json.dumps(manifest, indent=1, ensure_ascii=False, default=str)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8", newline="\n")
    return manifest


def _describe(result: Executed) -> dict[str, Any]:
    described = asdict(result)
    described.update(path=f"{NOTEBOOKS}/{result.path.name}", seconds=round(result.seconds, 1))
    return described
