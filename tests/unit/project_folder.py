"""A small project folder of its own for tests that run something."""

from __future__ import annotations

import shutil
from pathlib import Path

import nbformat
import pandas as pd

ROOT = Path(__file__).resolve().parents[2]
PARAMETERS = """\
scenario: str = "granted"  # who counts as treated
alpha: float = 0.05  # level of the tests
pilot: str = ""  # another pilot
table_file: str = ""  # another table"""


def committed_evidence() -> pd.DataFrame:
    """Read the committed evidence, which `tests/notebooks` keeps equal to what the code gives."""
    return pd.read_csv(ROOT / "reports" / "published" / "evidence.csv")


def make_project(folder: Path) -> Path:
    """Make a project of the committed pilots and data, so that what they give is computed once."""
    folder.mkdir(parents=True)
    own = shutil.ignore_patterns("notebooks")
    shutil.copytree(ROOT / "pilots", folder / "pilots", ignore=own)
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
