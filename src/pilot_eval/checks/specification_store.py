"""The specification grids of the project's own pilots, as they were last computed.

A grid is found by the hash of all that it rests on, so that one out of date is not found; it is
then computed, which takes longer and gives the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pandas as pd

from pilot_eval.checks.specification_grid import (
    GRID_COLUMNS,
    SHOWN,
    Specification,
    compute_specification_grid,
)
from pilot_eval.design.build import Design
from pilot_eval.evaluation.calibration_store import STORE as CALIBRATIONS
from pilot_eval.evaluation.code_hash import hash_code
from pilot_eval.evidence import hash_table
from pilot_eval.file_sets import whole_file
from pilot_eval.plan import EvaluationPlan
from pilot_eval.project import find_file

STORE = "docs/validity/specifications.csv"


def find_specification_grid(
    plan: EvaluationPlan, table: pd.DataFrame, *, leave_one_out: bool = True
) -> pd.DataFrame:
    """Take the stored specification grid of a plan and table, or compute it.

    Parameters
    ----------
    plan, table, leave_one_out
        As for `compute_specification_grid`.

    Returns
    -------
    DataFrame
        As from `compute_specification_grid`.
    """
    return _find_with_key(plan, table, leave_one_out=leave_one_out).drop(columns="key")


def _find_with_key(
    plan: EvaluationPlan, table: pd.DataFrame, *, leave_one_out: bool = True
) -> pd.DataFrame:
    stored, key = read_specifications(find_file(STORE)), specification_key(plan, table)
    own = stored[stored["key"] == key]
    if leave_one_out and len(own):
        return own.reset_index(drop=True)
    computed = compute_specification_grid(plan, table, leave_one_out=leave_one_out)
    return computed.assign(key=key)


def store_specifications(grids: Iterable[tuple[EvaluationPlan, pd.DataFrame]], path: Path) -> None:
    """Write the grids of plans and their tables; those that are stored are taken over."""
    parts = [_find_with_key(plan, table) for plan, table in grids]
    with whole_file(path) as new:
        pd.concat(parts).to_csv(new, index=False, lineterminator="\n", encoding="utf-8")


def read_specifications(path: Path) -> pd.DataFrame:
    """Read stored grids: columns `GRID_COLUMNS` and `key`; no row where there is no file."""
    if not path.is_file():
        return pd.DataFrame(columns=[*GRID_COLUMNS, "key"])
    found = pd.read_csv(path, dtype=str, keep_default_na=False)
    counts = {"n_treated": int, "n_comparators": int, "rating": int}
    numbers = {name: found[name].replace("", "nan").astype(object).map(float) for name in SHOWN}
    planned = found["is_planned"] == "True"
    return found.assign(**numbers, is_planned=planned).astype(counts)


def specification_key(plan: EvaluationPlan, table: pd.DataFrame) -> str:
    """Hash what a grid rests on: plan, data, stored calibrations and code.

    Parameters
    ----------
    plan : EvaluationPlan
    table : DataFrame

    Returns
    -------
    str
        SHA-256, hexadecimal.
    """
    calibrations = find_file(CALIBRATIONS)
    stored = calibrations.read_bytes() if calibrations.is_file() else b""
    parts = plan.hash, hash_table(table), hashlib.sha256(stored).hexdigest(), _code()
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()


@cache
def _code() -> str:
    return hash_code(compute_specification_grid, Specification, EvaluationPlan, Design)
