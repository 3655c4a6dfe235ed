"""The committed tables are what the importer makes of DfE's files, byte for byte.

Where the source files are not at hand the committed hashes are checked; a table that differs is
compared with its last version in git, so that the message names row, old and new value.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from pilot_eval.plan import load_plan
from pilot_eval.project import find_root
from pilot_eval.published.council_indicators import (
    SOURCE_VARIABLE,
    find_pilot_years,
    import_published,
)
from pilot_eval.published.datapackage import find_changed_tables, refresh_hashes

ROOT = find_root(Path(__file__).parent)
DATA = ROOT / "data"
TABLES = (
    "published/council_indicators.csv",
    "reference/populations.csv",
    "reference/councils.csv",
    "published/overlaps.csv",
)
MOST_SHOWN = 5


def _source_folder() -> Path | None:
    named = os.environ.get(SOURCE_VARIABLE)
    folder = Path(named) if named else ROOT.parent / "shared" / "data"
    return folder if (folder / "dfe-cin").is_dir() else None


def describe_changes(old: bytes, new: bytes) -> list[str]:
    """Name the rows (by line) and cells in which two CSV files differ."""
    before, after = (list(csv.reader(text.decode("utf-8").splitlines())) for text in (old, new))
    if before[0] != after[0] or len(before) != len(after):
        return [f"{len(before)} lines became {len(after)}, or the columns changed"]
    changes = []
    for line, (was, now) in enumerate(zip(before, after, strict=True), start=1):
        for name, cell_was, cell_now in zip(before[0], was, now, strict=True):
            if cell_was != cell_now:
                row = ",".join(was[:3])
                changes.append(f"line {line} ({row}), {name}: {cell_was!r} -> {cell_now!r}")
    return changes


def _find_recorded_version(path: Path, recorded: str) -> bytes | None:
    """Look through git's history for the version of a table that has the recorded hash."""
    git = shutil.which("git")
    if git is None:
        return None
    name = path.relative_to(ROOT).as_posix()

    def run(*arguments: str) -> bytes:
        done = subprocess.run([git, *arguments], cwd=ROOT, capture_output=True, check=False)
        return done.stdout

    for commit in run("log", "--format=%H", "--", name).decode().split():
        version = run("show", f"{commit}:{name}")
        if f"sha256:{hashlib.sha256(version).hexdigest()}" == recorded:
            return version
    return None


def test_committed_tables_have_their_recorded_hashes():
    changed = find_changed_tables(DATA)
    resources = json.loads((DATA / "datapackage.json").read_text(encoding="utf-8"))["resources"]
    recorded = {resource["path"]: resource["hash"] for resource in resources}
    messages = []
    for name in changed:
        path = DATA / name
        old = _find_recorded_version(path, recorded[name])
        if old is None or not path.is_file():
            detail = ["no version with the recorded hash was found in git"]
        else:
            detail = describe_changes(old, path.read_bytes())
        messages += [f"{name}: {change}" for change in detail[:MOST_SHOWN]]
    assert not messages, (
        "data differ from datapackage.json (old -> new):\n" + "\n".join(messages) + "\n"
        "If the change is meant, refresh the hashes with `pilot-eval import-published DIR`, or "
        "pilot_eval.published.datapackage.refresh_hashes('data') after an edit by hand."
    )


def test_reimport_gives_the_committed_bytes(tmp_path):
    source = _source_folder()
    if source is None:
        pytest.skip(f"DfE's source files are not here; name their folder in {SOURCE_VARIABLE}")
    import_published(source, tmp_path, pilots=find_pilot_years(load_plan().treatment_register))
    messages = []
    for name in TABLES:
        committed, imported = (DATA / name).read_bytes(), (tmp_path / name).read_bytes()
        if committed != imported:
            changes = describe_changes(imported, committed)
            messages += [f"{name}: {change}" for change in changes[:MOST_SHOWN]]
    assert not messages, "imported -> committed:\n" + "\n".join(messages)


def test_every_table_is_described_to_the_last_field():
    resources = json.loads((DATA / "datapackage.json").read_text(encoding="utf-8"))["resources"]
    described = {resource["path"] for resource in resources}
    committed = {
        path.relative_to(DATA).as_posix()
        for folder in ("published", "reference")
        for path in (DATA / folder).glob("*.csv")
    }
    assert described == committed
    for resource in resources:
        with (DATA / resource["path"]).open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        fields = resource["schema"]["fields"]
        assert [field["name"] for field in fields] == list(rows[0]), resource["path"]
        for field in fields:
            assert field["description"], field["name"]
            allowed = field.get("constraints", {}).get("enum")
            if allowed:
                assert {row[field["name"]] for row in rows} <= {"", *allowed}, field["name"]
            if field["type"] == "number":
                assert field["unit"], field["name"]


def test_an_edited_figure_is_named_with_old_and_new_value():
    text = (DATA / TABLES[0]).read_bytes()
    first_row = text.split(b"\n")[1]
    edited = text.replace(first_row, first_row.replace(b",716,", b",717,", 1), 1)
    assert describe_changes(text, edited) == [
        "line 2 (2010,E06000001,ia_within_7wd_pct), numerator: '716' -> '717'"
    ]


def test_refresh_records_what_is_there(tmp_path):
    shutil.copytree(DATA, tmp_path / "data")
    refresh_hashes(tmp_path / "data")
    table = tmp_path / "data" / TABLES[1]
    table.write_bytes(table.read_bytes() + b"E06000001,2020,2021,1,backcast,1\n")
    assert set(find_changed_tables(tmp_path / "data")) == {TABLES[1]}
    refresh_hashes(tmp_path / "data")
    assert find_changed_tables(tmp_path / "data") == {}
