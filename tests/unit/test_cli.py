"""The command line: light to import, plain about errors."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys

import pytest
from project_folder import ROOT

import pilot_eval
from pilot_eval.app.cli import build_parser, main
from pilot_eval.app.cli_examples import EXAMPLES

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
        (["run", "-p", "alpha", "five"], "must be a number above 0 and below 0.5, like 0.05"),
        (["run", "-p", "seed", "1", "-p", "seed", "2"], "must be given once"),
        (["run", "-p", "alpah=1"], "Did you mean alpha?"),
        (["run", "-p", "alpha"], "Write -p alpha=0.1"),
        (["parameters", "02_dealy"], "Did you mean '02_delay'?"),
        (["data", "cp_rate"], "Did you mean 'cpp_rate'?"),
        (["data", "--table", "no such file.csv"], "no such file.csv"),
        (["design", "--outcome", "cp_rate"], "Did you mean 'cpp_rate'?"),
        (["design", "--outcome", "cpp_rate", "--out", "no/such/folder.xlsx"], "be writable"),
        (["design", "--outcome", "cpp_rate", "--out", "design.txt"], "ending in .xlsx"),
        (["init", "timescales-2011"], "must be a new or empty folder"),
        (["check", "timescale-2011"], "Did you mean 'timescales-2011'?"),
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
    monkeypatch, capsys, tmp_path
):
    monkeypatch.delenv("PILOT_EVAL_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)
    assert main(["run", "--no-notebooks", "--quiet"]) == 0
    [folder] = (tmp_path / "reports").iterdir()
    assert (folder / "evidence.csv").is_file()
    assert capsys.readouterr().out == f"Open: {folder / 'evidence.csv'}\n"


def test_files_of_the_current_folder_are_no_modules(tmp_path):
    for name in ("random", "signal", "json", "pandas"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('another module')\n")
    given = ["run", "--only", "06a_gateshead", "--out", str(tmp_path / "out")]
    ran = subprocess.run(
        [sys.executable, "-P", "-m", "pilot_eval.app.cli", *given],
        cwd=tmp_path,
        env=os.environ | {"PILOT_EVAL_ROOT": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert "Traceback" not in ran.stdout + ran.stderr
    assert (tmp_path / "out" / "06a_gateshead.html").is_file()


@pytest.mark.parametrize("jobs", ["0", "-1", "two"])
def test_jobs_must_be_a_whole_number(capsys, jobs):
    with pytest.raises(SystemExit, match="2"):
        main(["run", "--jobs", jobs])
    assert "whole number from 1" in capsys.readouterr().err


@pytest.mark.parametrize("line", [line for lines in EXAMPLES.values() for line in lines])
def test_examples_in_the_help_can_be_given(line):
    program, command, *_ = words = shlex.split(line)
    assert program == "pilot-eval"
    assert build_parser().parse_args(words[1:]).command.replace("_", "-") == command


def test_the_version_is_the_packages(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out.split() == ["pilot-eval", pilot_eval.__version__]


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        (["check"], "faults"),
        (["data"], "indicator"),
        (["data", "cpp_rate"], "year_ending"),
        (["parameters", "02_delay"], "default"),
        (["design", "--outcome", "cpp_rate", "--councils", "5"], "drawn"),
    ],
)
def test_machines_are_given_json_alone(monkeypatch, capsys, arguments, key):
    monkeypatch.setenv("PILOT_EVAL_ROOT", str(ROOT))
    assert main([*arguments, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert key in (said[0] if isinstance(said, list) else said)
