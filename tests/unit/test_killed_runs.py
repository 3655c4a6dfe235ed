"""A run that is killed leaves no half result, no open file and no process."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from project_folder import add_notebook, make_project

from pilot_eval.app import refresh
from pilot_eval.app.cli import main
from pilot_eval.app.staging import clear_dead, publish, stage
from pilot_eval.errors import PlanError, RunError
from pilot_eval.file_sets import list_files, whole_set
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
WHOLE_SET = """
import os, shutil, signal, sys
from pathlib import Path
from pilot_eval.file_sets import finish_sets, whole_set
base, seen = Path(sys.argv[1]), 0

def write(limit):
    def watch(event, arguments):
        global seen
        if event.split(".")[0] in ("open", "os", "shutil") and str(base) in str(arguments):
            seen += 1
            if seen > limit:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(watch)
    with whole_set(base, replaces=["c"]) as new:
        for name in ("a", "b/b", "c/c"):
            (new / name).parent.mkdir(exist_ok=True)
            (new / name).write_text("new")

for limit in range(200):
    shutil.rmtree(base)
    for name in ("a", "c/c", "c/gone"):
        (base / name).parent.mkdir(parents=True, exist_ok=True)
        (base / name).write_text("old")
    child = os.fork()
    if not child:
        write(limit)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    finish_sets(base)
    with whole_set(base):  # the next command clears up
        pass
    found = {str(p.relative_to(base)): p.read_text() for p in base.rglob("*") if p.is_file()}
    states = {
        "old": {"a": "old", "c/c": "old", "c/gone": "old"},
        "new": {"a": "new", "b/b": "new", "c/c": "new"},
    }
    print(*[name for name, state in states.items() if state == found] or ["mixed"])
    if status == 0:
        break
"""
WHOLE_FOLDERS = (
    WHOLE_SET.replace('replaces=["c"]', "folders=True")
    .replace('("a", "b/b", "c/c"):', '("c/c", "d/d"):')
    .replace('("a", "c/c", "c/gone"):', '("a",):')
    .replace('"c/c": "old", "c/gone": "old"', "")
    .replace('"a": "new", "b/b": "new"', '"a": "old", "d/d": "new"')
)
ANALYST = """
import sys
from pathlib import Path
from pilot_eval.file_sets import list_files, whole_set
for _ in range(30):
    with whole_set(Path(sys.argv[1])) as new:
        for number in range(20):
            (new / str(number)).write_text(sys.argv[2])
"""
RUN = """
import sys
from pathlib import Path
from pilot_eval.app.staging import publish, stage
base = Path(sys.argv[1])
with stage(base / "run") as folder:
    for number in range(50):
        (folder / str(number)).write_text(sys.argv[2])
    publish(folder, (base / f"run-{number}" for number in range(20)))
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
    target = tmp_path / "run"
    with stage(target) as folder:
        assert mode(folder) == 0o700
        publish(folder, [target])
    assert mode(target) != 0o700


def test_what_a_living_process_writes_is_left_alone(tmp_path):
    with stage(tmp_path / "run") as folder:
        clear_dead(tmp_path)
        assert folder.exists()


@POSIX
@pytest.mark.parametrize("program", [WHOLE_SET, WHOLE_FOLDERS])
def test_a_set_is_whole_wherever_the_process_is_killed(tmp_path, program):
    """Killed before each of its file operations in turn, until it ends by itself."""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True
    )
    assert done.stderr == ""
    outcomes = done.stdout.split()
    assert set(outcomes) == {"old", "new"}
    assert len(outcomes) > 15


def test_folders_take_no_place_that_is_taken(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "mine").touch()
    with pytest.raises(FileExistsError), whole_set(tmp_path, folders=True) as new:
        shutil.copytree(tmp_path / "b", new / "b")
    assert [path.name for path in tmp_path.iterdir()] == ["b"]
    with whole_set(tmp_path, folders=True) as new:
        (new / "a").mkdir(mode=0o700)
    assert os.name == "nt" or mode(tmp_path / "a") == 0o700


def test_a_set_is_dropped_after_an_error(tmp_path):
    (tmp_path / "a").write_text("old")

    def fail():
        with whole_set(tmp_path) as new:
            (new / "a").write_text("new")
            raise OSError("full")

    with pytest.raises(OSError, match="full"):
        fail()
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a", "old")]


@pytest.mark.parametrize("ok", [True, False])
def test_refresh_writes_notebooks_tables_and_front_page_together_or_not(tmp_path, monkeypatch, ok):
    project = make_project(tmp_path / "project")
    notebook = add_notebook(project, "01_page", "1")
    (project / refresh.PUBLISHED / "figures").mkdir(parents=True)
    for name in ("old.csv", "about.md"):
        (project / refresh.PUBLISHED / name).write_text("old")
    before = notebook.read_text()

    def execute(root, notebooks, scratch, tell):
        (scratch / "01_page.ipynb").write_text("executed")
        return [SimpleNamespace(name="01_page", ok=ok)]

    def publish_again(root, folder, again):
        folder.mkdir(parents=True)
        executed = (again / notebook.relative_to(root)).read_text()
        (folder / "new.csv").write_text(executed)

    monkeypatch.setattr(refresh, "_execute", execute)
    monkeypatch.setattr(refresh, "write_published", publish_again)
    monkeypatch.setattr(refresh, "_write_readme", lambda root, new: (new / "README.md").touch())
    refresh.refresh_project(project, ["01_page"])
    files = list_files(project / refresh.PUBLISHED)
    assert files == (["about.md", "new.csv"] if ok else ["about.md", "old.csv"])
    assert notebook.read_text() == ("executed" if ok else before)
    assert (project / "README.md").exists() == ok


@POSIX
@pytest.mark.parametrize("words", [("one", "two"), tuple("abcdefghij")])
def test_analysts_who_write_the_same_set_do_not_mix_it(tmp_path, words):
    command = [sys.executable, "-c", ANALYST, str(tmp_path)]
    runs = [subprocess.Popen([*command, word]) for word in words]
    assert [run.wait(120) for run in runs] == [0] * len(words)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 20
    assert len({path.read_text() for path in files}) == 1


def test_ten_runs_at_once_each_keep_a_folder_of_their_own(tmp_path):
    command = [sys.executable, "-c", RUN, str(tmp_path)]
    runs = [subprocess.Popen([*command, str(number)]) for number in range(10)]
    assert [run.wait(120) for run in runs] == [0] * 10
    folders = sorted(path.name for path in tmp_path.iterdir())
    assert folders == sorted(f"run-{number}" for number in range(10))
    found = [sorted((tmp_path / name).rglob("*")) for name in folders]
    assert all(len(files) == 50 for files in found)
    words = [{path.read_text() for path in files} for files in found]
    assert sorted(map(min, words)) == sorted(map(max, words)) == sorted(map(str, range(10)))


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
