"""Checks of a finished run that the quality assurance log links to."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd

from pilot_eval.plan import EvaluationPlan
from pilot_eval.project import find_file

# (holds, what was seen): None where the run has nothing to check.
CheckAnswer = tuple[bool | None, str]
QA_STEM = "qa_log"
REGISTER, VERDICTS = "outputs.csv", "verdicts.csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedRun:
    """A run's folder, its plan and the project it was made in.

    Attributes
    ----------
    folder, root : pathlib.Path
        The run's folder; the project's, with its tests and documents.
    plan : EvaluationPlan
    manifest : mapping
        What ``manifest.json`` holds.
    evidence : pandas.DataFrame
    """

    folder: Path
    root: Path
    plan: EvaluationPlan
    manifest: Mapping[str, Any]
    evidence: pd.DataFrame


def check_plan_hash(run: FinishedRun) -> CheckAnswer:
    """Every row of evidence carries the plan's hash."""
    return set(run.evidence["plan_hash"].astype(str)) == {run.plan.hash}, (
        f"{len(run.evidence)} rows, plan {run.plan.hash}"
    )


def check_code_committed(run: FinishedRun) -> CheckAnswer:
    """Code of the run is a commit without changes alongside it."""
    commit = str(run.manifest.get("code", {}).get("commit", "not known"))
    return not ("uncommitted" in commit or "not known" in commit), commit


def check_notebooks_finished(run: FinishedRun) -> CheckAnswer:
    """No notebook of the run failed."""
    notebooks = run.manifest.get("notebooks", [])
    if not notebooks:
        return None, "run without notebooks"
    failed = [item["name"] for item in notebooks if item.get("error")]
    return not failed, f"{len(notebooks)} notebooks; failed: {', '.join(failed) or 'none'}"


def check_outputs_unchanged(run: FinishedRun) -> CheckAnswer:
    """Every output is as the manifest recorded it."""
    recorded = run.manifest.get("outputs", {})
    changed = [name for name, digest in recorded.items() if _hash_file(run.folder / name) != digest]
    return not changed and bool(recorded), f"{len(recorded)} files; changed: {_list(changed)}"


def check_data_unchanged(run: FinishedRun) -> CheckAnswer:
    """Every data file is as the run read it."""
    recorded = run.manifest.get("data", {})
    found = {name: find_file(name, run.root) for name in recorded}
    present = {name: path for name, path in found.items() if path.is_file()}
    changed = [name for name, path in present.items() if _hash_file(path) != recorded[name]]
    missing = [name for name in recorded if name not in present]
    if changed or missing:
        return False, f"changed: {_list(changed)}; not found: {_list(missing)}"
    return bool(recorded), f"{len(recorded)} files"


def check_every_outcome_answered(run: FinishedRun) -> CheckAnswer:
    """Every comparison of the plan has an estimate, or says why not."""
    wanted = set(run.plan.comparisons)
    rows = run.evidence
    answered = rows[rows["estimate_low"].notna() | rows["reason"].notna()]
    missing = wanted - set(zip(answered["scenario"], answered["outcome"], strict=True))
    return not missing, f"{len(wanted)} pairs; unanswered: {len(missing)}"


def check_detectable_effects(run: FinishedRun) -> CheckAnswer:
    """Every estimate has a minimum detectable effect, or a reason for having none."""
    estimated = run.evidence[run.evidence["estimate_low"].notna()]
    bare = estimated["mde"].isna() & estimated["reason"].isna()
    return not bare.any(), f"{len(estimated)} estimates; without: {int(bare.sum())}"


def check_fragile_marked(run: FinishedRun) -> CheckAnswer:
    """Every estimate says whether suppression could change its conclusion."""
    estimated = run.evidence[run.evidence["estimate_low"].notna()]
    fragile = estimated["fragile"].astype(str).eq("True").sum()
    return bool(estimated["fragile"].notna().all()), f"{fragile} of {len(estimated)} rows fragile"


def check_verdicts(run: FinishedRun) -> CheckAnswer:
    """Every comparison has exactly one verdict."""
    path = run.folder / VERDICTS
    if not path.is_file():
        return False, f"no {VERDICTS}"
    keys = ["strand", "scenario", "outcome"]
    found = pd.read_csv(path, usecols=keys)
    wanted = run.evidence[keys].drop_duplicates()
    both = wanted.merge(found, how="outer", on=keys, indicator=True)
    odd = int((both["_merge"] != "both").sum() + found.duplicated().sum())
    return odd == 0, f"{len(wanted)} comparisons; without exactly one verdict: {odd}"


def check_release(run: FinishedRun) -> CheckAnswer:
    """Every output passes the release check."""
    from pilot_eval.disclosure.release import release_check

    settings = run.plan.disclosure
    found = release_check.check_release(
        run.folder, threshold=settings.threshold, rounding=settings.rounding
    )
    found = found[~found["file"].str.startswith(QA_STEM)]
    if REGISTER not in set(found["file"]):
        return None, f"no {REGISTER} alongside the files"
    counts = found["verdict"].value_counts()
    held = ", ".join(f"{counts.get(word, 0)} {word}" for word in ("pass", "review", "fail"))
    return bool((found["verdict"] == "pass").all()), held


CHECKS: Mapping[str, Callable[[FinishedRun], CheckAnswer]] = MappingProxyType(
    {
        "plan_hash": check_plan_hash,
        "code_committed": check_code_committed,
        "notebooks_finished": check_notebooks_finished,
        "outputs_unchanged": check_outputs_unchanged,
        "data_unchanged": check_data_unchanged,
        "every_outcome_answered": check_every_outcome_answered,
        "detectable_effects": check_detectable_effects,
        "fragile_marked": check_fragile_marked,
        "verdicts": check_verdicts,
        "release": check_release,
    }
)


def _hash_file(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "missing"


def _list(names: list[str]) -> str:
    return ", ".join(names) or "none"
