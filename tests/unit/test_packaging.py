"""A release agrees with itself, and its files can be read by who reads them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tarfile
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement
from project_folder import ROOT

import pilot_eval

CHECK = ROOT / "tools" / "check_release.py"


def test_version_requirements_and_citation_agree():
    done = subprocess.run([sys.executable, str(CHECK)], capture_output=True, text=True)
    assert done.stderr == ""
    assert done.stdout.strip() == pilot_eval.__version__


def test_a_disagreement_is_found(monkeypatch):
    monkeypatch.syspath_prepend(str(CHECK.parent))
    import check_release

    assert check_release.find_versions("9.9.9") == ["CHANGELOG.md has no notes on 9.9.9"]
    notes, read = "\n## [9.9.9] - 2999-01-01\n", check_release.read
    monkeypatch.setattr(check_release, "read", lambda name: read(name) + notes)
    places = [fault.split()[0] for fault in check_release.find_versions("9.9.9")]
    assert places == ["CITATION.cff"] * 2 + [".zenodo.json"] * 2 + [
        "README.md",
        "packaging/conda/recipe.yaml",
    ]
    assert "differ in numpy>=99" in " ".join(check_release.find_requirements(["numpy>=99"]))


def test_publishing_needs_a_tag_and_keeps_no_password():
    text = (ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8")
    publish = yaml.safe_load(text)["jobs"]["publish"]
    assert publish["if"] == "startsWith(github.ref, 'refs/tags/')"
    assert publish["permissions"]["id-token"] == "write"
    assert "secrets." not in text
    assert "attest-build-provenance" in text


@pytest.mark.parametrize("path", sorted((ROOT / ".github").rglob("*.yml")), ids=lambda p: p.name)
def test_workflows_and_templates_are_yaml(path):
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    if path.parent.name == "ISSUE_TEMPLATE" and path.name != "config.yml":
        assert content["body"]
    if path.parent.name == "workflows":
        assert content["permissions"] == {"contents": "read"}


@pytest.mark.parametrize(
    "path", sorted((ROOT / ".github/workflows").glob("*.yml")), ids=lambda p: p.name
)
def test_actions_are_pinned_to_a_commit_with_the_tag_as_comment(path):
    used = re.findall(r"uses:(.*)", path.read_text(encoding="utf-8"))
    assert used
    pinned = re.compile(r" [\w-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
    assert [action for action in used if not pinned.fullmatch(action)] == []


def test_metadata_for_archives_and_editors_agree_with_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    zenodo = json.loads((ROOT / ".zenodo.json").read_text(encoding="utf-8"))
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert zenodo["keywords"] == citation["keywords"] == project["keywords"]
    assert zenodo["license"] == citation["license"] == project["license"]
    assert zenodo["title"] == citation["title"]
    assert all(item["doi"].startswith("10.") for item in citation["references"] if "doi" in item)
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text("utf-8"))
    assert "requirements.lock" in container["postCreateCommand"]


def test_a_browsers_versions_are_ones_the_project_allows():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    allowed = {item.name: item.specifier for item in map(Requirement, project["dependencies"])}
    lines = (ROOT / "tools/requirements-browser.txt").read_text(encoding="utf-8").splitlines()
    pins = [Requirement(line) for line in lines if not line.startswith("#")]
    assert pins
    for pin in pins:
        [version] = pin.specifier
        assert version.version in allowed[pin.name], pin


def test_the_source_archive_builds_and_has_tests_and_locks(tmp_path):
    build = [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    [archive] = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as content:
        names = {name.split("/", 1)[1] for name in content.getnames() if "/" in name}
    assert {"requirements.lock", "run.py", "tests/conftest.py", "LICENSE"} <= names
