"""Results appear whole or not at all, and nothing that was there is lost."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from pilot_eval.app.staging import publish, stage
from pilot_eval.errors import RunError


def test_results_appear_only_when_published(tmp_path):
    target = tmp_path / "Ergebnisse ä" / "run 1"
    with stage(target) as folder:
        (folder / "evidence.csv").write_text("a")
        assert not target.exists()
        assert publish(folder, [target]) == target
    assert [path.name for path in target.parent.iterdir()] == ["run 1"]
    assert (target / "evidence.csv").read_text() == "a"


def fail_half_way(target, fault):
    with stage(target) as folder:
        (folder / "half").write_text("a")
        raise fault


@pytest.mark.parametrize("fault", [ValueError, KeyboardInterrupt])
def test_nothing_is_left_of_a_run_that_ended_early(tmp_path, fault):
    with pytest.raises(fault):
        fail_half_way(tmp_path / "run", fault)
    assert list(tmp_path.iterdir()) == []


def test_an_occupied_folder_is_refused_before_anything_runs(tmp_path):
    (tmp_path / "precious.txt").write_text("mine")
    with pytest.raises(RunError, match="new or empty folder"), stage(tmp_path):
        pytest.fail("it started")
    assert (tmp_path / "precious.txt").read_text() == "mine"


def test_two_runs_that_end_at_once_get_two_names(tmp_path):
    names = [tmp_path / "run", tmp_path / "run-2"]
    with stage(names[0]) as first, stage(names[0]) as second:
        (first / "a").touch()
        (second / "b").touch()
        assert [publish(first, names), publish(second, names)] == names
    assert (names[0] / "a").exists()
    assert (names[1] / "b").exists()


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, "The disk is full"),
        (errno.EROFS, "read-only"),
        (errno.EACCES, "may not write"),
        (errno.EIO, "Check the folder"),
    ],
)
def test_a_full_or_read_only_disk_is_said_in_words(tmp_path, number, advice):
    with pytest.raises(RunError, match=advice) as caught:
        fail_half_way(tmp_path / "run", OSError(number, os.strerror(number)))
    assert "Earlier reports are as they were" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_refused_before_anything_runs(tmp_path, monkeypatch):
    def refuse(*_arguments, **_options):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(RunError, match="may not write there"), stage(tmp_path / "new" / "run"):
        pytest.fail("it started")
