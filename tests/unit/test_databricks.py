"""The Databricks notebook (docs/for-databricks.md), with stand-ins for what the workspace gives."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from project_folder import ROOT

import pilot_eval as pe

SOURCE = ROOT / "databricks" / "evaluate_pilot.py"


@pytest.fixture
def workspace():
    values = {}
    widgets = SimpleNamespace(
        text=lambda name, default, label: values.setdefault(name, default), get=values.__getitem__
    )
    shown = []
    return values, {
        "dbutils": SimpleNamespace(widgets=widgets),
        "display": shown.append,
        "shown": shown,
    }


def test_it_is_in_the_source_format():
    text = SOURCE.read_text(encoding="utf-8")
    assert text.startswith("# Databricks notebook source\n")
    assert text.count("# COMMAND ----------") >= 5


def test_it_shows_the_evidence_and_starts_no_engine_without_returns(workspace, capsys):
    values, names = workspace
    values["outcome"] = "cpp_rate"
    exec(compile(SOURCE.read_text(encoding="utf-8"), str(SOURCE), "exec"), names)
    [frame] = names["shown"]
    assert frame.equals(pe.evaluate(outcomes="cpp_rate").to_frame())
    assert "cpp_rate" in capsys.readouterr().out


def test_returns_go_to_spark(workspace, monkeypatch, tmp_path):
    values, names = workspace
    given = {"outcome": "cpp_rate", "returns": "returns", "data_cut": "2013-03-31", "out": "out"}
    values.update(given)
    asked = {}

    def run_census(paths, **options):
        asked.update(options, paths=paths)
        return SimpleNamespace(verdicts="verdicts", released=tmp_path)

    monkeypatch.setattr("pilot_eval.app.census_command.run_census", run_census)
    exec(compile(SOURCE.read_text(encoding="utf-8"), str(SOURCE), "exec"), names)
    assert asked["engine"] == "spark"
    assert asked["data_cut"] == "2013-03-31"
    assert names["shown"][-1] == "verdicts"
