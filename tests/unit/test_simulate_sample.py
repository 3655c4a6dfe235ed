"""The committed sample of simulated returns: reproducible, and marked as simulated throughout."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "data" / "synthetic"


@pytest.fixture(scope="module")
def rewritten(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("synthetic")
    runpy.run_path(str(ROOT / "tools" / "make_synthetic_sample.py"))["main"](target)
    return target


def returns_in(folder: Path) -> list[Path]:
    files = (path for path in folder.rglob("*") if path.suffix in (".xml", ".csv"))
    return sorted(path.relative_to(folder) for path in files)


def test_the_sample_is_what_its_script_writes(rewritten: Path) -> None:
    assert returns_in(rewritten) == returns_in(SAMPLE)
    for name in returns_in(SAMPLE):
        assert (rewritten / name).read_bytes() == (SAMPLE / name).read_bytes(), name


def test_every_file_says_inside_that_it_is_simulated() -> None:
    names = returns_in(SAMPLE)
    assert len(names) > 30
    for name in names:
        text = (SAMPLE / name).read_text(encoding="utf-8")
        assert "Simulated" in text or "SIMULATED" in text, name
