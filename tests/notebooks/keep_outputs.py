"""A plugin of pytest for nbval's step: keep what every cell gave, so that the canary need not run.

Where the environment names no folder, nothing is kept, and the canary executes notebooks itself.
A kernel that dies before it replies is started again, as `pilot_eval.app.notebooks` does: its
ports are free when they are chosen, and another process may take one before the kernel does.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import nbval.kernel

from pilot_eval.app.notebooks import DEAD_AT_START

VARIABLE = "PILOT_EVAL_FRESH_OUTPUTS"
STARTS = 3
start_once = nbval.kernel.start_new_kernel


def pytest_configure():
    """Let nbval start a kernel again."""
    nbval.kernel.start_new_kernel = start_kernel


def pytest_unconfigure():
    nbval.kernel.start_new_kernel = start_once


def start_kernel(*arguments, **options):
    """Start a kernel, again where it died before it replied."""
    for _ in range(STARTS - 1):
        try:
            return start_once(*arguments, **options)
        except RuntimeError as fault:
            if DEAD_AT_START not in str(fault):
                raise
    return start_once(*arguments, **options)


def pytest_runtest_teardown(item):
    """Write a cell's fresh outputs into a file of its own, however its comparison ended."""
    folder, outputs = os.environ.get(VARIABLE), getattr(item, "test_outputs", None)
    if folder and outputs is not None:
        path = cell_path(folder, item.path, item.cell_num)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(outputs), encoding="utf-8")


def read_outputs(notebook: Path, cells: int) -> list[list[dict]] | None:
    """Read the outputs of all cells of a notebook, or nothing if one was not executed."""
    folder = os.environ.get(VARIABLE, "")
    paths = [cell_path(folder, notebook, number) for number in range(cells)]
    if not folder or not all(path.exists() for path in paths):
        return None
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths]


def cell_path(folder: str, notebook: Path, number: int) -> Path:
    """Name the file of one cell's outputs."""
    return Path(folder) / "-".join(notebook.with_suffix("").parts[-3:]) / f"{number}.json"
