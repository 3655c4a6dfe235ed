"""Which notebooks and pages the browser tests open."""

from __future__ import annotations

import shutil
from pathlib import Path

from pilot_eval.app.notebooks import is_on_request
from pilot_eval.app.output import find_documents
from pilot_eval.app.request import find_notebooks
from pilot_eval.reporting.site import QUALITY

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = list(find_notebooks(ROOT).values())  # the general ones and the default pilot's own
IN_REPORT = [path for path in NOTEBOOKS if not is_on_request(path)]
DOCUMENTS = [path.stem for path in find_documents(ROOT, "timescales-2011")]
IN_PDF = [
    "index",
    "brief",
    *(path.stem for path in IN_REPORT if path.stem != "99_summary"),
    *DOCUMENTS,
]
PAGES = [*IN_PDF, QUALITY]


def make_project(folder):
    """Copy plan and data: what the notebooks need of them, other tests have computed."""
    folder.mkdir()
    shutil.copytree(ROOT / "pilots", folder / "pilots")
    shutil.copytree(ROOT / "data", folder / "data")
    return folder
