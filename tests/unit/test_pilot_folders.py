"""New pilot folders, old plans converted, and everything that is wrong with a folder."""

from __future__ import annotations

import pytest
from project_folder import ROOT

import pilot_eval as pe
from pilot_eval.app.cli import main


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch, tmp_path):
    monkeypatch.delenv("PILOT_EVAL_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)


def test_a_new_pilot_can_be_checked_at_once_and_differs_in_title_alone(tmp_path, capsys):
    assert main(["init", "mine"]) == 0
    assert main(["check", "mine"]) == 0
    assert "Nothing is wrong" in capsys.readouterr().out
    plan, like = pe.load_plan("mine"), pe.load_plan("timescales-2011")
    same = {"title": like.title, "pilot": like.pilot}
    assert plan.model_copy(update=same) == like
    assert (tmp_path / "pilots" / "mine" / "register.csv").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["init", "Mein Pilot"], "lower-case letters"),
        (["init", "../mine"], "lower-case letters"),
        (["init", "mine", "--like", "nobody"], "must name a folder with plan.toml"),
        (["init", "mine", "--from", "absent.toml"], "must be a readable plan"),
        (["check", "nobody"], "must name a folder with plan.toml"),
    ],
)
def test_a_wrong_name_or_source_is_one_message_and_nothing_written(
    tmp_path, capsys, arguments, message
):
    assert main(arguments) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.rglob("*")) == [] or list((tmp_path / "pilots").iterdir()) == []


def test_a_used_folder_is_left_as_it_was(tmp_path, capsys):
    (tmp_path / "pilots" / "mine").mkdir(parents=True)
    note = tmp_path / "pilots" / "mine" / "note.txt"
    note.write_text("kept", encoding="utf-8")
    assert main(["init", "mine"]) == 2
    assert list(note.parent.iterdir()) == [note]


def test_a_plan_of_version_0_1_is_converted_and_what_is_unknown_is_named(tmp_path, capsys):
    like = (ROOT / "pilots" / "timescales-2011" / "plan.toml").read_text(encoding="utf-8")
    old = like.split("# From evidence to a verdict", 1)
    old = old[0] + "# One management" + old[1].split("# One management", 1)[1]
    old = old.replace("alpha = 0.05", "alpha = 0.1") + '\n[colours]\npilots = "blue"\n'
    (tmp_path / "evaluation.toml").write_text(old, encoding="utf-8")
    assert main(["init", "mine", "--from", "evaluation.toml"]) == 0
    assert "left out: colours" in capsys.readouterr().out
    plan, present = pe.load_plan("mine"), pe.load_plan("timescales-2011")
    assert plan.inference.alpha == 0.1
    assert plan.verdict == present.verdict


def test_every_fault_of_a_folder_is_said_at_once(tmp_path, capsys):
    main(["init", "mine"])
    path = tmp_path / "pilots" / "mine" / "plan.toml"
    text = path.read_text(encoding="utf-8").replace('"Gateshead"', '"Gateshed"')
    path.write_text(text.replace("post = [2012, 2013]", "post = [2012, 2029]"), encoding="utf-8")
    assert main(["check", "mine"]) == 2
    errors = capsys.readouterr().err
    assert "did you mean 'Gateshead'" in errors
    assert "2029" in errors
