"""Which notebooks and pages the browser tests open."""

from __future__ import annotations

from pathlib import Path

from pilot_eval.runner.notebooks import is_on_request

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
IN_REPORT = [path for path in NOTEBOOKS if not is_on_request(path)]
PAGES = ["index", *(path.stem for path in IN_REPORT if path.stem != "99_summary")]
