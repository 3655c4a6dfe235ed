"""Find the project root: the folder that holds `evaluation.toml`."""

from __future__ import annotations

import os
from pathlib import Path

from pilot_eval.errors import RunError, explain

PLAN_NAME = "evaluation.toml"
ROOT_VARIABLE = "PILOT_EVAL_ROOT"


def find_root(start: str | Path | None = None) -> Path:
    """Find the project root from `start`, the environment or the current folder.

    Parameters
    ----------
    start : path, optional
        Folder to search from, upwards. Default: the folder named by the environment variable
        ``PILOT_EVAL_ROOT``, else the current folder.

    Returns
    -------
    pathlib.Path
        The nearest folder, at or above `start`, that holds ``evaluation.toml``.

    Raises
    ------
    RunError
        If there is none.
    """
    origin = Path(start or os.environ.get(ROOT_VARIABLE) or Path.cwd()).resolve()
    for folder in (origin, *origin.parents):
        if (folder / PLAN_NAME).is_file():
            return folder
    raise RunError(
        explain(
            "project folder",
            f"hold {PLAN_NAME}, or lie below a folder that does",
            origin,
            f"Change to the project's folder, or set {ROOT_VARIABLE} to it.",
        )
    )
