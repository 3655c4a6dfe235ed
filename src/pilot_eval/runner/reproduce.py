"""Make a run's evidence again from its manifest and compare it byte for byte."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from pilot_eval.errors import RunError, explain
from pilot_eval.runner.manifest import describe_code, hash_data

MANIFEST = "manifest.json"
EVIDENCE = "evidence.csv"


def reproduce(folder: Path, root: Path, table_file: Path | None = None) -> list[str]:
    """Run the evidence of an earlier run again.

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
        What differs, row by row; empty where the evidence is the same to the byte.

    Raises
    ------
    RunError
        If `folder` is no run, or the data are not those of the run.
    """
    from pilot_eval.plan import EvaluationPlan
    from pilot_eval.reporting.comparison import compare_evidence
    from pilot_eval.runner.run import write_evidence

    manifest = _read_manifest(folder)
    _check_data(manifest, root, table_file)
    plan = EvaluationPlan.model_validate(manifest["plan"])
    with TemporaryDirectory(prefix="pilot_eval-") as scratch:
        again = Path(scratch) / EVIDENCE
        write_evidence(plan, table_file, Path(scratch))
        if again.read_bytes() == (folder / EVIDENCE).read_bytes():
            return []
        found = compare_evidence(pd.read_csv(folder / EVIDENCE), pd.read_csv(again))
    if manifest["code"]["source_hash"] != describe_code(root)["source_hash"]:
        was = manifest["code"]["commit"]
        found.append(f"the code is another one: the run was made by commit {was}")
    return found or ["the bytes differ, but no value by more than 1e-9"]


def _read_manifest(folder: Path) -> Mapping[str, Any]:
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        (folder / EVIDENCE).stat()
    except (OSError, ValueError) as fault:
        raise RunError(
            explain(
                "run folder",
                f"hold {MANIFEST} and {EVIDENCE}",
                f"{folder} ({type(fault).__name__})",
                "Name a folder that `pilot-eval run` wrote.",
            )
        ) from fault
    return manifest


def _check_data(manifest: Mapping[str, Any], root: Path, table_file: Path | None) -> None:
    if manifest["table"] and table_file is None:
        raise RunError(
            explain(
                "--table",
                "name the table that the run used",
                "none",
                f"Add --table with the path of {manifest['table']}.",
            )
        )
    now, then = hash_data(root, table_file), manifest["data"]
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
