"""The command line: light to import, plain about errors."""

from __future__ import annotations

import subprocess
import sys

import pytest
from project_folder import ROOT

from pilot_eval.app.cli import main

HEAVY = (
    "pandas",
    "scipy",
    "statsmodels",
    "linearmodels",
    "matplotlib",
    "papermill",
    "nbconvert",
    "lxml",
)


@pytest.mark.parametrize("module", ["pilot_eval", "pilot_eval.app.cli", "pilot_eval.plan"])
def test_importing_loads_nothing_heavy(module):
    code = f"import sys, {module}; print([m for m in {HEAVY} if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "-p", "alpah", "1"], "`alpah` must be a known parameter"),
        (["run", "-p", "alpha", "5e-2"], "write 0.05"),
        (["run", "-p", "seed", "1", "-p", "seed", "2"], "must be given once"),
        (["run", "--table", "no such file.csv"], "must be readable"),
        (["run", "--plan", "mine.toml"], "pilot-eval init NAME --from mine.toml"),
        (["run", "--pilot", "timescale-2011"], "Did you mean 'timescales-2011'?"),
        (["council-report", "Cumbra"], "Did you mean Cumbria?"),
        (["reproduce", "."], "must hold manifest.json and evidence.csv"),
        (["refresh", "12_nonsense"], "must be a notebook; got 12_nonsense"),
    ],
)
def test_bad_input_is_one_message_without_traceback(monkeypatch, capsys, arguments, message):
    monkeypatch.setenv("PILOT_EVAL_ROOT", str(ROOT))
    assert main(arguments) == 2
    errors = capsys.readouterr().err
    assert message in errors
    assert "Traceback" not in errors


def test_in_a_folder_without_a_project_the_packages_own_is_run_and_written_here(
    monkeypatch, tmp_path
):
    monkeypatch.delenv("PILOT_EVAL_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)
    assert main(["run", "--no-notebooks", "-p", "draws", "99"]) == 0
    [folder] = (tmp_path / "reports").iterdir()
    assert (folder / "evidence.csv").is_file()


@pytest.mark.parametrize("jobs", ["0", "-1", "two"])
def test_jobs_must_be_a_whole_number(capsys, jobs):
    with pytest.raises(SystemExit, match="2"):
        main(["run", "--jobs", jobs])
    assert "whole number from 1" in capsys.readouterr().err
