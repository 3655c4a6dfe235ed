"""The wheel is the product: installed in an empty folder it evaluates the pilots it brings."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile

import pandas as pd
import pytest
from project_folder import ROOT


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    [wheel] = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def run(installed, folder, *arguments):
    environment = {key: value for key, value in os.environ.items() if key != "PILOT_EVAL_ROOT"}
    command = [sys.executable, "-m", "pilot_eval.app.cli", *arguments]
    environment["PYTHONPATH"] = str(installed)
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("like", "published"),
    [
        ("family-safeguarding", "family-safeguarding"),
        pytest.param("timescales-2011", ".", marks=pytest.mark.slow),  # a run as long as its own
    ],
)
def test_a_new_pilot_in_an_empty_folder_gives_the_committed_evidence(
    installed, tmp_path, like, published
):
    run(installed, tmp_path, "init", "mine", "--like", like)
    run(installed, tmp_path, "run", "--pilot", "mine", "--no-notebooks")
    assert [path.name for path in (tmp_path / "pilots").iterdir()] == ["mine"]
    [report] = (tmp_path / "reports").iterdir()
    ours, committed = (
        pd.read_csv(folder / "evidence.csv").drop(columns="plan_hash")  # only the title differs
        for folder in (report, ROOT / "reports" / "published" / published)
    )
    pd.testing.assert_frame_equal(ours, committed, check_exact=True)


def test_the_wheel_brings_every_notebook_pilot_and_table(installed):
    shipped = installed / "pilot_eval" / "shipped"
    for folder in ("notebooks", "pilots", "data/published", "data/reference"):
        ours = {p.relative_to(ROOT).as_posix() for p in (ROOT / folder).rglob("*") if p.is_file()}
        assert {name for name in ours if not (shipped / name).is_file()} == set()
