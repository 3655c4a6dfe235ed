"""A run that is killed leaves no half result, no open file and no process."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pilot_eval.app.cli import main
from pilot_eval.app.staging import clear_dead, publish, stage, swap
from pilot_eval.errors import PlanError, RunError
from pilot_eval.plan import load_plan
from pilot_eval.project import read_toml

POSIX = pytest.mark.skipif(os.name == "nt", reason="signals and mode bits of POSIX systems")
STAGING = """
import sys, time
from pathlib import Path
from pilot_eval.app.staging import publish, stage
with stage(Path(sys.argv[1])) as folder:
    for number in range(2000):
        (folder / f"{number}.csv").write_text("row of a child")
        print(number, flush=True)
    publish(folder, [Path(sys.argv[1])])
"""
POOL = """
import time
from pathlib import Path
from pilot_eval.app.notebooks import worker_pool
if __name__ == "__main__":
    with worker_pool(1, Path()) as pool:
        print(pool.submit(__import__("os").getpid).result(), flush=True)
        pool.submit(time.sleep, 60).result()
"""


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@POSIX
@pytest.mark.parametrize("lines", [1, 300, 900])
def test_a_killed_run_leaves_nothing_open_and_the_next_one_clears_it(tmp_path, lines):
    target = tmp_path / "run"
    command = [sys.executable, "-c", STAGING, str(target)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as run:
        for _ in range(lines):
            run.stdout.readline()
        run.kill()
    assert not target.exists()
    [left] = tmp_path.iterdir()
    assert mode(left) == 0o700
    with stage(target) as folder:
        (folder / "a").touch()
        publish(folder, [target])
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@POSIX
def test_workers_end_with_the_run(tmp_path):
    script = tmp_path / "pool.py"
    script.write_text(POOL, encoding="utf-8")
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as run:
        worker = int(run.stdout.readline())
        run.kill()
    deadline = time.monotonic() + 5
    while Path(f"/proc/{worker}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    with pytest.raises(ProcessLookupError):
        os.kill(worker, signal.SIG_DFL)


@POSIX
def test_results_are_open_and_childrens_working_files_are_not(tmp_path):
    for private in (False, True):
        target = tmp_path / str(private)
        with stage(target) as folder:
            assert mode(folder) == 0o700
            publish(folder, [target], private=private)
        assert (mode(target) == 0o700) == private


def test_what_a_living_process_writes_is_left_alone(tmp_path):
    with stage(tmp_path / "run") as folder:
        clear_dead(tmp_path)
        assert folder.exists()


def test_a_folder_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    target = tmp_path / "published"
    target.mkdir()
    (target / "old").touch()
    rename = Path.rename

    def fail(path, new):
        if path.name.startswith(".unfinished") and not path.name.endswith("-old"):
            raise OSError("full")
        return rename(path, new)

    with stage(tmp_path / "new") as folder:
        (folder / "new").touch()
        monkeypatch.setattr(Path, "rename", fail)
        with pytest.raises(OSError, match="full"):
            swap(folder, target)
        assert [path.name for path in target.iterdir()] == ["old"]
        monkeypatch.undo()
        swap(folder, target)
    assert [path.name for path in target.iterdir()] == ["new"]
    assert [path.name for path in tmp_path.iterdir()] == ["published"]


def test_simulated_returns_go_into_a_new_folder(tmp_path, capsys):
    (tmp_path / "mine.csv").write_text("mine")
    command = ["simulate", "--council", "E09000002", "--scale", "0.01", "--out", str(tmp_path)]
    assert main([*command, "--first-year", "2012", "--last-year", "2012"]) != 0
    assert "new or empty folder" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.csv"]


@pytest.mark.parametrize("text", [f"a = {'9' * 5000}", f"a = {'[' * 9000}{']' * 9000}"])
def test_numbers_and_nesting_beyond_reading_are_faults_of_the_plan(text, tmp_path):
    path = tmp_path / "plan.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match="too"):
        read_toml(path)
    with pytest.raises((PlanError, RunError)):
        load_plan(tmp_path)
