"""What a run keeps for its processes: computed once, never stale, and without it the same."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from project_folder import ROOT

from pilot_eval import run_cache
from pilot_eval.run_cache import once_per_run

CALLS = []


@once_per_run
def double(table: pd.DataFrame, *, times: int = 2) -> pd.DataFrame:
    CALLS.append(times)
    return table * times


@pytest.fixture
def kept(tmp_path, monkeypatch):
    CALLS.clear()
    monkeypatch.setenv(run_cache.VARIABLE, str(tmp_path))
    return tmp_path


def answers(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if not path.suffix]


def test_computed_once_and_given_back_equal(kept):
    table = pd.DataFrame({"a": [1.5, 2.0]})
    first, second = double(table), double(table.copy())
    pd.testing.assert_frame_equal(first, second)
    assert first is not second
    assert CALLS == [2]
    assert len(answers(kept)) == 1


def test_an_answer_is_hashed_alike_whether_computed_or_kept(kept):
    path = kept / "table.csv"
    path.write_text("name,value\na,1.5\nb,2.5\na,3.5\n")
    read = once_per_run(pd.read_csv)
    computed, given_back = read(path), read(path)
    hashes = {run_cache.hash_call("any", (table,), {}) for table in (computed, given_back)}
    assert len(hashes) == 1


def test_other_arguments_are_another_answer(kept):
    table = pd.DataFrame({"a": [1.5, 2.0]})
    double(table)
    double(table, times=3)
    double(table + 1)
    assert CALLS == [2, 3, 2]


def test_without_a_run_it_is_a_plain_call(kept, monkeypatch):
    monkeypatch.delenv(run_cache.VARIABLE)
    table = pd.DataFrame({"a": [1.0]})
    double(table)
    double(table)
    assert CALLS == [2, 2]
    assert not answers(kept)


def test_where_the_folder_was_cleared_away_it_is_a_plain_call(kept):
    kept.rmdir()
    table = pd.DataFrame({"a": [1.0]})
    pd.testing.assert_frame_equal(double(table), table * 2)


@pytest.mark.parametrize("name", ["src/module.py", "data/reference/a.csv", "pilots/p/plan.toml"])
def test_one_changed_line_is_another_answer(kept, tmp_path_factory, monkeypatch, name):
    folder = tmp_path_factory.mktemp("project")
    changed = folder / name
    changed.parent.mkdir(parents=True)
    monkeypatch.setattr(run_cache, "PACKAGE", folder / "src")
    monkeypatch.setattr(run_cache, "find_file", lambda name: folder / name)
    table = pd.DataFrame({"a": [1.0]})
    for text, calls in (("one\ntwo\n", 1), ("one\nTwo\n", 2), ("one\ntwo\n", 2)):
        changed.write_text(text)
        run_cache.hash_folder.cache_clear()  # as in a process of its own
        double(table)
        assert len(CALLS) == calls
    run_cache.hash_folder.cache_clear()


PROCESS = """
import sys, time
from pilot_eval.run_cache import once_per_run

@once_per_run
def slow(name):
    print("computed", flush=True)
    time.sleep({seconds})
    return name

print(slow("x"), flush=True)
"""


def start(kept: Path, seconds: float) -> subprocess.Popen[str]:
    environment = {**os.environ, "PILOT_EVAL_RUN_CACHE": str(kept), "PILOT_EVAL_ROOT": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-c", PROCESS.format(seconds=seconds)],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_processes_at_once_compute_it_once(kept):
    running = [start(kept, 1.0) for _ in range(3)]
    said = [process.communicate(timeout=60)[0].split() for process in running]
    assert sum("computed" in words for words in said) == 1
    assert all(words[-1] == "x" for words in said)


def test_a_killed_process_holds_up_nobody(kept):
    killed = start(kept, 600)
    assert killed.stdout.readline() == "computed\n"
    killed.kill()
    killed.communicate()
    assert not answers(kept)
    assert start(kept, 0.0).communicate(timeout=60)[0].split() == ["computed", "x"]


def test_an_answer_is_whole_or_absent(kept, monkeypatch):
    def broken(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", broken)
    table = pd.DataFrame({"a": [1.0]})
    pd.testing.assert_frame_equal(double(table), table * 2)
    assert not answers(kept)


def test_a_plan_is_hashed_by_its_content():
    from pilot_eval.plan import load_plan

    plan = load_plan()
    same = pickle.loads(pickle.dumps(plan))
    other = plan.revise({"seed": plan.seed + 1})
    hashed = [run_cache.hash_call("f", (one,), {}) for one in (plan, same, other)]
    assert hashed[0] == hashed[1] != hashed[2]
