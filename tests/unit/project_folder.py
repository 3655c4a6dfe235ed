"""A small project folder of its own for tests that run something."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[2]
PARAMETERS = """\
scenario: str = "granted"  # who counts as treated
alpha: float = 0.05  # level of the tests
pilot: str = ""  # another pilot
table_file: str = ""  # another table"""

OUTCOMES = ("ia_within_10wd_pct", "repeat_plan_pct", "referral_rate")
"""What a small pilot keeps: one outcome in which counts are hidden, a share and a rate."""


def shrink_pilot(folder: Path) -> Path:
    """Copy the first pilot, without its notebooks, with three outcomes and their scenarios."""
    own = shutil.ignore_patterns("notebooks")
    shutil.copytree(ROOT / "pilots" / "timescales-2011", folder, ignore=own)
    plan, texts = folder / "plan.toml", folder / "texts.toml"
    kept = [part for part in split_tables(plan) if is_kept(part)]
    text = re.sub(r"(primary_outcomes = ).*", rf"\1{list(OUTCOMES)!r}", "".join(kept))
    plan.write_text(text, encoding="utf-8")
    limits = [part for part in split_tables(texts) if 'families = ["conferences"]' not in part]
    texts.write_text("".join(limits), encoding="utf-8")
    return folder


def split_tables(path: Path) -> list[str]:
    """Split a TOML file before the heads of its tables."""
    return re.split(r"(?m)^(?=\[)", path.read_text(encoding="utf-8"))


def is_kept(table: str) -> bool:
    """Say whether a table of the plan says something of an outcome that is kept, or of all."""
    if named := re.match(r"\[outcomes\.(\w+)\]", table):
        return named[1] in OUTCOMES
    if named := re.search(r"(?m)^outcomes = (.*)", table):
        return any(outcome in named[1] for outcome in OUTCOMES)
    return not table.startswith(("[family.outside]", "[windows.second_phase]"))


def make_project(folder: Path) -> Path:
    """Make a project of a small pilot and the committed data."""
    folder.mkdir(parents=True)
    shrink_pilot(folder / "pilots" / "timescales-2011")
    shutil.copytree(ROOT / "data", folder / "data")
    (folder / "docs" / "validity").mkdir(parents=True)
    shutil.copy(ROOT / "docs" / "validity" / "calibration.csv", folder / "docs" / "validity")
    shutil.copytree(ROOT / "docs" / "validity" / "stored", folder / "docs" / "validity" / "stored")
    (folder / "notebooks").mkdir()
    return folder


def add_notebook(project: Path, name: str, *code: str, title: str = "A page") -> Path:
    cells = [
        nbformat.v4.new_markdown_cell(f"# {title}\n\nWith $\\hat\\tau$."),
        nbformat.v4.new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]}),
        *(nbformat.v4.new_code_cell(source) for source in code),
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    path = project / "notebooks" / f"{name}.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), path)
    return path
