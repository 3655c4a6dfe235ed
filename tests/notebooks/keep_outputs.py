"""A plugin of pytest for nbval's step: keep what every cell gave, so that the canary need not run.

Where the environment names no folder, nothing is kept, and the canary executes notebooks itself.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

VARIABLE = "PILOT_EVAL_FRESH_OUTPUTS"


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
