"""What CI prints when a published number moves: row, old, new, what to run."""

from __future__ import annotations

import importlib.util
import shutil

import pandas as pd
import pytest
from project_folder import ROOT

from pilot_eval.reporting.table_comparison import list_changes, write_change_table


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("tool", ROOT / "tools" / "list_moved_numbers.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_moved_number_is_one_row_with_old_new_and_the_command():
    old = pd.DataFrame({"outcome": ["a", "b", "c"], "estimate": [1.0, 2.0, None]})
    new = pd.DataFrame({"outcome": ["a", "b", "d"], "estimate": [1.0, 2.5, 3.0]})
    changes = list_changes(old, new, keys=["outcome"])
    assert [(c.row, c.column, c.old, c.new) for c in changes] == [
        ("outcome=c", "", "there", None),
        ("outcome=d", "", None, "there"),
        ("outcome=b", "estimate", 2.0, 2.5),
    ]
    lines = write_change_table(changes, run="do this").splitlines()
    assert [line.split() for line in lines] == [
        ["row", "old", "new", "what", "to", "run"],
        ["outcome=c", "there", "–", "do", "this"],
        ["outcome=d", "–", "there", "do", "this"],
        ["outcome=b:", "estimate", "2", "2.5", "do", "this"],
    ]


def test_of_long_words_the_part_that_differs_is_shown():
    old, new = (f"{'the same ' * 20}{word} and more" for word in ("here", "there"))
    tables = [pd.DataFrame({"outcome": ["a"], "long": [text]}) for text in (old, new)]
    table = write_change_table(list_changes(*tables, keys=["outcome"]), run="do this")
    assert "here and more" in table
    assert "there and more" in table
    assert max(map(len, table.splitlines())) < 200


def test_a_planted_number_is_found_and_the_step_fails(tool, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(tool, "MOST_SHOWN", 10_000)
    stored = tmp_path / "family-safeguarding"
    shutil.copytree(ROOT / "reports" / "published" / "family-safeguarding", stored)
    table = pd.read_csv(stored / "evidence.csv")
    place = table["mde"].first_valid_index()
    table.loc[place, "mde"] += 0.25
    table.to_csv(stored / "evidence.csv", index=False)
    assert tool.main(tmp_path) == 1
    printed = capsys.readouterr().out
    planted = f"{table.loc[place, 'mde']:.10g}"
    row = next(line for line in printed.splitlines() if ": mde" in line and planted in line)
    assert row.endswith("pilot-eval refresh")
