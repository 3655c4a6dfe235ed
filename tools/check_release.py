"""Say whether a release agrees with itself, and print its version. Standard library only.

    python tools/check_release.py

The version is written in the package; changelog, citation, archive's metadata, README and conda
recipe must say the same, citation and archive the changelog's day, and the recipe must require what
`pyproject.toml` does.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CONDA_NAMES = {"matplotlib": "matplotlib-base"}  # without a graphical toolkit


def main() -> int:
    """Print the version; return 1 with the reasons where something disagrees."""
    project = tomllib.loads(read("pyproject.toml"))["project"]
    version = read_version()
    faults = [*find_versions(version), *find_requirements(project["dependencies"])]
    for fault in faults:
        print(fault, file=sys.stderr)
    print(version)
    return int(bool(faults))


def read_version() -> str:
    """Read the version where it is written."""
    found = re.search(r'^__version__ = "(.+)"$', read("src/pilot_eval/__init__.py"), re.MULTILINE)
    if found is None:
        raise ValueError("src/pilot_eval/__init__.py states no version")
    return found[1]


def find_versions(version: str) -> list[str]:
    """List the files that state another version, or another day of release."""
    notes = re.search(rf"^## \[{re.escape(version)}\] - (\S+)$", read("CHANGELOG.md"), re.MULTILINE)
    if notes is None:
        return [f"CHANGELOG.md has no notes on {version}"]
    stated = [
        ("CITATION.cff", f"version: {version}\n"),
        ("CITATION.cff", f'date-released: "{notes[1]}"'),
        (".zenodo.json", f'"version": "{version}"'),
        (".zenodo.json", f'"publication_date": "{notes[1]}"'),
        ("README.md", f"Version {version},"),
        ("packaging/conda/recipe.yaml", f'version: "{version}"'),
    ]
    return [
        f"{name} does not state {text.strip()}" for name, text in stated if text not in read(name)
    ]


def find_requirements(dependencies: list[str]) -> list[str]:
    """List the requirements that the conda recipe lacks or has in another form."""
    recipe = read("packaging/conda/recipe.yaml")
    run = recipe.split("  run:\n", 1)[1].split("\n\n", 1)[0]
    ours = {normalise(line) for line in dependencies}
    theirs = {
        line.strip("- ").replace(" ", "") for line in run.splitlines() if "python " not in line
    }
    return [f"conda recipe and pyproject.toml differ in {name}" for name in sorted(ours ^ theirs)]


def normalise(requirement: str) -> str:
    """Write a requirement as the recipe does, without spaces."""
    name = re.match(r"[A-Za-z0-9._-]+", requirement)
    if name is None:
        raise ValueError(requirement)
    rest = requirement[name.end() :].replace(" ", "")
    return CONDA_NAMES.get(name[0], name[0]) + rest


def read(name: str) -> str:
    """Read a file of the project."""
    return (ROOT / name).read_text(encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
