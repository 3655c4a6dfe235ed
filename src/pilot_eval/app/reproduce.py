"""Make a run's results again from its manifest and compare them byte for byte."""

from __future__ import annotations

import csv
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import pandas as pd

from pilot_eval.app.manifest import describe_code, hash_data, hash_outputs, seal
from pilot_eval.app.results import EVIDENCE
from pilot_eval.app.staging import working_folder
from pilot_eval.errors import RunError, explain
from pilot_eval.plan import EvaluationPlan

MANIFEST = "manifest.json"
NEEDED = ("plan", "table", "data", "code", "outputs")


def reproduce(folder: Path, root: Path, table_file: Path | None = None) -> list[str]:
    """Compute the evidence, the workbook and the tidy data of an earlier run again.

    Parameters
    ----------
    folder : pathlib.Path
        Results of the earlier run.
    root : pathlib.Path
        Project folder, with the data of that run.
    table_file : pathlib.Path, optional
        The analyst's own table, where the run used one.

    Returns
    -------
    list of str
        What differs, row by row and cell by cell; empty where all is the same to the byte.

    Raises
    ------
    RunError
        If `folder` is not a run, or the data are not those of the run.
    """
    from pilot_eval.app.results import calibrate_tests, write_results

    manifest, plan = _read_manifest(folder)
    _check_data(manifest, plan, root, table_file)
    calibrate_tests(plan, table_file)
    with working_folder() as scratch:
        again = Path(scratch)
        write_results(plan, table_file, again)
        names = sorted(p.relative_to(again).as_posix() for p in again.rglob("*") if p.is_file())
        compared = {name: _compare(folder / name, again / name) for name in names}
    found = [line for lines in compared.values() for line in lines]
    found += _find_edits(manifest, folder, leave_out=[name for name in names if compared[name]])
    if found and manifest["code"]["source_hash"] != describe_code(root)["source_hash"]:
        was = manifest["code"]["commit"]
        found.append(f"the code is another one: the run was made by commit {was}")
    return found


def _compare(old: Path, new: Path) -> list[str]:
    if not old.is_file():
        return [f"{old.name}: the run did not write it"]
    if old.read_bytes() == new.read_bytes():
        return []
    try:
        if old.name == EVIDENCE:
            from pilot_eval.reporting.table_comparison import compare_evidence

            found = compare_evidence(pd.read_csv(old), pd.read_csv(new))
        else:
            found = _compare_cells(_read_cells(old), _read_cells(new))
    except (ValueError, KeyError, BadZipFile):
        found = ["the run's file cannot be read"]
    return [f"{old.name}: {line}" for line in found or ["the bytes differ, but no value does"]]


def _read_cells(path: Path) -> dict[str, object]:
    """Read every cell of a CSV file or workbook, or line of a text: place -> value."""
    if path.suffix == ".json":
        lines = path.read_text(encoding="utf-8").splitlines()
        return {f"line {number}": line.strip() for number, line in enumerate(lines, start=1)}
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as handle:
            sheets = {"row": list(csv.reader(handle))}
    else:
        import openpyxl

        book = openpyxl.load_workbook(path)
        sheets = {f"{sheet.title}, row": list(sheet.values) for sheet in book}
    return {
        f"{name} {row}, column {column}": value
        for name, rows in sheets.items()
        for row, values in enumerate(rows, start=1)
        for column, value in enumerate(values, start=1)
    }


def _compare_cells(old: Mapping[str, object], new: Mapping[str, object]) -> list[str]:
    return [
        f"{place}: was {old.get(place)}, is now {new.get(place)}"
        for place in {**old, **new}
        if old.get(place) != new.get(place)
    ]


def _find_edits(manifest: Mapping[str, Any], folder: Path, leave_out: Collection[str]) -> list[str]:
    """List what was changed, taken away or added after the run: pages, logs, the manifest too."""
    now = hash_outputs(folder)
    edits = [
        f"{name}: {'not what the run wrote' if name in now else 'missing'}"
        for name, digest in manifest["outputs"].items()
        if name not in leave_out and now.get(name) != digest
    ]
    added = set(now) - set(manifest["outputs"]) - {MANIFEST, *leave_out}
    edits += [f"{name}: added after the run" for name in sorted(added)]
    if dict(manifest) != seal(manifest):
        edits.append(f"{MANIFEST}: not what the run wrote")
    return edits


def _read_manifest(folder: Path) -> tuple[Mapping[str, Any], EvaluationPlan]:
    try:
        manifest: Mapping[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        (folder / EVIDENCE).stat()
        plan, *_ = [manifest[key] for key in NEEDED]
        return manifest, EvaluationPlan.model_validate(plan)
    except (OSError, ValueError, KeyError, TypeError) as fault:
        raise RunError(
            explain(
                "run folder",
                f"hold {MANIFEST} and {EVIDENCE}",
                f"{folder} ({type(fault).__name__})",
                "Name a folder that `pilot-eval run` wrote.",
            )
        ) from fault


def _check_data(
    manifest: Mapping[str, Any], plan: EvaluationPlan, root: Path, table_file: Path | None
) -> None:
    if manifest["table"] and table_file is None:
        raise RunError(
            explain(
                "--table",
                "name the table that the run used",
                "none",
                f"Add --table with the path of {manifest['table']}.",
            )
        )
    now, then = hash_data(plan, root, table_file), manifest["data"]
    changed = sorted(name for name in {*now, *then} if now.get(name) != then.get(name))
    if changed:
        raise RunError(
            explain(
                "data",
                "be those of the run",
                f"other contents of {', '.join(changed)}",
                "Restore them (git checkout of the run's commit), then try again.",
            )
        )
