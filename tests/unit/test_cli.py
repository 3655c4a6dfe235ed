"""The command line: light to import, plain about errors."""

from __future__ import annotations

import inspect
import json
import os
import shlex
import subprocess
import sys
from typing import get_args

import pytest
from project_folder import ROOT, shrink_pilot

import pilot_eval
from pilot_eval.app.cli import build_parser, main, read_commands

EXAMPLES = {name: about["examples"] for name, about in read_commands().items() if name != "shared"}
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
        (["run", "-p", "table_file=no such file.csv"], "`--table` must be readable"),
        (["run", "-p", "pilot=timescale-2011"], "Did you mean 'timescales-2011'?"),
        (["run", "-p", "data_folder=nowhere"], "`--census` must be readable"),
        (["run", "--pilot", "a", "-p", "pilot=b"], "Give --pilot alone."),
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


UNREADABLE = {
    "picture.csv": b"\x89PNG\r\n\x1a\n\x00\x00\xff",
    "nothing.csv": b"",
    "other.csv": b"a,b\n1,2\n",
    "broken.toml": b"= [",
    "picture.toml": b"\xff\xfe\x00\x80",
    "broken.xml": b"<a><b>",
    "broken.xlsx": b"PK\x03\x04junk",
    "used/note.txt": b"keep",
    "run/manifest.json": b"{}",
    "run/evidence.csv": b"",
    "cut/manifest.json": b"{",
    "cut/evidence.csv": b"",
    "rules.toml": b"""outcome = "Re-referrals"\nstart = "2011-03"\ntreated = ["E09000012"]
months_before = 12\nlast_month = 12\nharm = "rises"\n[withdrawal]\nlooks_in_a_row = 2
margin = 3.0\n""",
}
TABLES = ("none.csv", "picture.csv", "nothing.csv", "other.csv", "broken.xlsx", "used")
FOLDERS = ("used", "rules.toml", "rules.toml/inside")


@pytest.fixture
def odd_folder(monkeypatch, tmp_path):
    """A folder with everything that cannot be read, the current one."""
    for name, content in UNREADABLE.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("PILOT_EVAL_ROOT", str(ROOT))
    monkeypatch.chdir(tmp_path)
    return tmp_path


CENSUS = "census {} --data-cut 2013-03-31 --out out"
REFUSED = [
    *(f"check --table {name}" for name in TABLES),
    *(f"run --no-notebooks --out out --table {name}" for name in TABLES),
    *(f"council-report Hackney --out new/out --table {name}" for name in TABLES),
    *(f"design --outcome cpp_rate --table {name}" for name in TABLES),
    *(f"data --table {name}" for name in TABLES),
    *(f"monitor {name} --rules rules.toml --history watched" for name in TABLES),
    *(f"run --no-notebooks --out {name}" for name in FOLDERS),
    *(f"council-report Hackney --out {name}" for name in FOLDERS),
    *(f"simulate --council E10000016 --scale 0.001 --out {name}" for name in FOLDERS),
    *(f"check-release run --move-to {name}" for name in FOLDERS[1:2]),
    *(f"check-release used --sheet {name}" for name in ("used", "none/sheet.csv")),
    *(f"design --outcome cpp_rate --councils 5 --out {name}" for name in ("used", "none/a.xlsx")),
    *(f"reproduce {name}" for name in ("none", "empty", "used", "cut", "run", "rules.toml")),
    *(f"check-release {name}" for name in ("none", "empty", "rules.toml")),
    *(f"import-published {name}" for name in ("none", "empty", "used", "rules.toml")),
    *(f"init new --from {name}" for name in ("none", "used", "broken.toml", "picture.toml")),
    *(f"init {name}" for name in ("a/b", "..", "''", "'a b'", "new --like none")),
    *(f"check {name}" for name in ("none", "used", "rules.toml")),
    *(f"monitor other.csv --rules {name} --history watched"
      for name in ("none.toml", "broken.toml", "picture.toml", "nothing.csv", "used")),
    *(CENSUS.format(name) for name in ("none", "empty", "used", "rules.toml", "broken.xml",
                                       "picture.csv", "broken.xlsx", "sqlite:///none.db")),
    *(f"{CENSUS.format('empty')} {option}" for option in ("--mapping picture.toml", "--by none",
      "--local broken.toml", "--crosswalk picture.csv", "--pilot none", "--scenario none")),
    *(f"run --out out --census {name} -p data_cut=2013-03-31"
      for name in ("none", "empty", "broken.xml", "rules.toml")),
    "run --out out --test-results broken.xml",
    "validity --out used --only none",
]  # fmt: skip


@pytest.mark.parametrize("line", REFUSED)
def test_what_cannot_be_used_is_one_message_and_nothing_is_written(odd_folder, capsys, line):
    before = {path: path.is_dir() or path.read_bytes() for path in odd_folder.rglob("*")}
    try:
        code = main(shlex.split(line))
    except SystemExit as stopped:  # the options themselves are wrong
        code = stopped.code
    said = capsys.readouterr().err.strip()
    assert code == 2
    assert said
    assert "Traceback" not in said
    after = {path: path.is_dir() or path.read_bytes() for path in odd_folder.rglob("*")}
    assert after == before


@pytest.mark.parametrize("options", [["data"], ["parameters", "--json"], ["completion", "bash"]])
def test_output_that_nobody_reads_to_its_end_is_no_fault(options):
    command = [sys.executable, "-m", "pilot_eval.app.cli", *options]
    run = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"PILOT_EVAL_ROOT": str(ROOT)},
    )
    run.stdout.close()
    with run.stderr:
        assert run.stderr.read() == b""
    assert run.wait() == 141


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["ru"], {"run"}),
        (["census", "--eng"], {"--engine"}),
        (["census", "--engine", ""], {"spark"}),
        (["simulate", "--format", "p"], {"parquet"}),
        (["completion", ""], {"bash", "zsh", "fish"}),
        (["run", "--pl"], set()),  # an old spelling, not offered
        (["run", "--table", ""], set()),  # a file
    ],
)
def test_bash_completes_commands_options_and_choices(capsys, words, expected):
    assert main(["completion", "bash"]) == 0
    script = capsys.readouterr().out
    given = shlex.join(["pilot-eval", *words])
    ask = f"COMP_WORDS=({given}); COMP_CWORD={len(words)}; _pilot_eval; echo ${{COMPREPLY[@]}}"
    done = subprocess.run(["bash", "-c", f"{script}\n{ask}"], capture_output=True, text=True)
    assert (set(done.stdout.split()), done.stderr) == (expected, "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_command_is_completed_in_every_shell(capsys, shell):
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert all(name in script for name in EXAMPLES)
    assert "SUPPRESS" not in script


def test_in_a_folder_without_a_project_the_packages_own_is_run_and_written_here(
    monkeypatch, capsys, tmp_path
):
    monkeypatch.delenv("PILOT_EVAL_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)
    small = shrink_pilot(tmp_path / "pilots" / "small")
    assert main(["run", "--pilot", str(small), "--no-notebooks", "--quiet"]) == 0
    [folder] = (tmp_path / "reports").iterdir()
    assert (folder / "evidence.csv").is_file()
    assert capsys.readouterr().out == f"Open: {folder / 'evidence.csv'}\n"


def test_files_of_the_current_folder_are_no_modules(tmp_path):
    for name in ("random", "signal", "json", "pandas"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('another module')\n")
    small = shrink_pilot(tmp_path / "pilots" / "small")
    given = ["run", "--pilot", str(small), "--only", "01_design_and_power"]
    ran = subprocess.run(
        [sys.executable, "-P", "-m", "pilot_eval.app.cli", *given, "--out", str(tmp_path / "out")],
        cwd=tmp_path,
        env=os.environ | {"PILOT_EVAL_ROOT": str(ROOT), "PATH": ""},  # without a browser
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert "Traceback" not in ran.stdout + ran.stderr
    assert (tmp_path / "out" / "01_design_and_power.html").is_file()


@pytest.mark.parametrize("jobs", ["0", "-1", "two"])
def test_jobs_must_be_a_whole_number(capsys, jobs):
    with pytest.raises(SystemExit, match="2"):
        main(["run", "--jobs", jobs])
    assert "whole number from 1" in capsys.readouterr().err


def test_choices_of_options_are_those_of_the_functions():
    from pilot_eval.app.completion import Shell
    from pilot_eval.lab.simulate_sources import Source
    from pilot_eval.records.periods import Frequency
    from pilot_eval.records.read import Format
    from pilot_eval.records.subgroups import By

    found = {
        (name, option): set(facts["choices"])
        for name, about in read_commands().items()
        for option, facts in about["options"].items()
        if "choices" in facts
    }
    assert found[("census", "--format")] == found[("simulate", "--format")] == {*get_args(Format)}
    assert found[("simulate", "--source")] == {*get_args(Source)}
    assert found[("census", "--by")] == {*get_args(By)}
    assert found[("census", "--panel")] == {*get_args(Frequency)} - {"month"}  # always written
    assert found[("completion", "shell")] == {*get_args(Shell)}


def test_what_can_be_asked_for_is_a_parameter_of_what_is_called():
    from pilot_eval.app import census_command, monitor_command, pilot_folders, request
    from pilot_eval.checks.next_pilot import design_pilot

    called = {
        "run": request.RunRequest,
        "council-report": request.RunRequest,
        "census": census_command.run_census,
        "monitor": monitor_command.monitor,
        "init": pilot_folders.init_pilot,
        "design": design_pilot,
    }
    # Read by the command itself: the plan and table, what is printed, where a workbook goes.
    own = {"pilot", "table_file", "fail_on_loss", "quiet", "json", "command", "help", "out"}
    [commands] = [a.choices for a in build_parser()._actions if isinstance(a.choices, dict)]
    for name, function in called.items():
        asked = {action.dest for action in commands[name]._actions}
        assert asked - own <= {*inspect.signature(function).parameters}, name


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
