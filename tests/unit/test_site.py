"""The documentation site: every page in a menu, links to where their targets are."""

from __future__ import annotations

import importlib.util
import re

import pytest
from project_folder import ROOT


@pytest.fixture(scope="module")
def site():
    spec = importlib.util.spec_from_file_location("build_site", ROOT / "tools" / "build_site.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def staged(site, tmp_path_factory):
    source = tmp_path_factory.mktemp("site") / "source"
    with pytest.MonkeyPatch.context() as patch:  # rendering notebooks takes seconds: run_all does
        patch.setattr(site, "list_notebooks", list)
        site.stage(source)
    return source


def test_every_page_is_in_exactly_one_menu(staged):
    text = (staged / "index.md").read_text(encoding="utf-8")
    menus = re.findall(r"```\{toctree\}\n.*?\n\n(.*?)\n```", text, re.DOTALL)
    listed = [name for menu in menus for name in menu.splitlines()]
    pages = {p.relative_to(staged).with_suffix("").as_posix() for p in staged.rglob("*.md")}
    assert sorted(listed) == sorted(pages - {"index"})


def test_links_lead_to_pages_of_the_site_and_others_become_text(site, staged):
    assert site.find_place("docs/methods.md", staged) == "methods.md"
    assert site.find_place("docs/decisions", staged) == "decisions/README.md"
    assert site.find_place("notebooks/07_safety.ipynb", staged) == "gallery/07_safety.md"
    assert site.find_place("src/pilot_eval/plan.py", staged) is None
    copied = site.find_place("data/reference/councils.csv", staged)
    assert (staged / copied).is_file()
    front = (staged / "front-page.md").read_text(encoding="utf-8")
    assert "](tasks.md)" in front
    assert "](docs/" not in front


def test_the_reference_has_every_public_name_and_command(site, staged):
    import pilot_eval
    from pilot_eval.app.cli import read_commands

    api, commands = (
        (staged / f"{n}.md").read_text("utf-8") for n in ("reference-api", "command-line")
    )
    assert {n for n in pilot_eval.__all__ if f".{n}\n" not in api} == {"__version__"}
    assert {n for n in read_commands() if f"## {n}\n" not in commands} == {"shared"}


def test_machines_are_told_every_page_of_the_index(site, tmp_path):
    site.write_for_machines(tmp_path)
    text = (tmp_path / "llms.txt").read_text(encoding="utf-8")
    assert "(methods.html)" in text
    assert text.count(".html)") > 20
    assert '"question"' in (tmp_path / "answers.json").read_text(encoding="utf-8")
