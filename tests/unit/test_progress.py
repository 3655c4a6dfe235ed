"""Nothing is silent for long, and what is said names the step."""

import io
import time
from argparse import Namespace
from contextlib import redirect_stdout

import pytest

from pilot_eval.app import commands, refresh
from pilot_eval.app.progress import keep_telling
from pilot_eval.lab import validity_report


def test_a_long_step_is_named_again_and_a_short_one_is_not():
    said = []
    with keep_telling(said.append, quiet=0.05) as tell:
        tell("Reading the tables ...")
        tell("[1/2] done")
        time.sleep(0.3)
        tell("Writing the pages ...")
    assert said[:2] == ["Reading the tables ...", "[1/2] done"]
    assert said[-1] == "Writing the pages ..."
    assert 2 <= len(said[2:-1]) <= 6
    assert set(said[2:-1]) == {"  ... Reading the tables: 0 s so far, about 0 s left"}


def test_a_step_in_parts_says_how_long_the_rest_takes():
    said = []
    with keep_telling(said.append, quiet=0.05) as tell:
        tell("Running 4 notebooks ...")
        tell("  [1/4] first: done, 1.0 s")
        time.sleep(0.12)
        tell("Writing the pages ...")
        time.sleep(0.12)
    assert "  ... Running 4 notebooks: 0 s so far, about 0 s left" in said
    assert said[-1] == "  ... Writing the pages: 0 s so far"


def test_it_ends_with_what_it_watches():
    said = []
    with pytest.raises(ValueError, match="no"), keep_telling(said.append, quiet=0.02):
        raise ValueError("no")
    time.sleep(0.1)
    assert said == []


@pytest.mark.parametrize("quiet", [True, False])
def test_refresh_names_every_step_before_it_begins(monkeypatch, quiet):
    said = io.StringIO()

    def note(*_args, **_kwargs):
        said.write("<begun>\n")
        return []

    monkeypatch.setattr(validity_report, "write_validity", note)
    monkeypatch.setattr(refresh, "_use_long_checks", note)
    monkeypatch.setattr(refresh, "_execute", note)
    monkeypatch.setattr(refresh, "_put_in_place", note)
    with redirect_stdout(said):
        commands.refresh(Namespace(notebooks=[], quiet=quiet, json=False))
    lines = said.getvalue().splitlines()
    before = [lines[i - 1] for i, line in enumerate(lines) if line == "<begun>" and i]
    assert [line for line in before if line.endswith(" ...")] == ([] if quiet else before)
    assert len(before) == (3 if quiet else 4)
