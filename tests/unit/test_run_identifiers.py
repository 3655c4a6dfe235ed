"""The real identifiers of a run's records are found in what it writes, however they are written."""

from __future__ import annotations

import json
import zipfile

import numpy as np
import openpyxl
import pandas as pd
import pytest

from pilot_eval.app.cli import main
from pilot_eval.disclosure.release.register import MANIFEST
from pilot_eval.disclosure.release.release_check import check_release
from pilot_eval.disclosure.release.run_identifiers import gather_identifiers, read_identifiers

# Invented. Field of a return, an extract or a dataset -> values, some of which no rule accepts.
FIELDS = {
    "LAchildID": ["K7R2M9", "LCS-10442/1", "4471903826"],
    "UPN": ["A123456789012", "A12345678901", "B12345678901212", "ZZZ99999"],
    "FormerUPN": ["H80120000100x", "8801/20019"],
    "CINdetailsID": ["R-2011-00417"],
    "CPPID": ["CPP004417X"],
    "AssessmentID": ["ASM0090017"],
    "NewLAchildID": ["NEW-004417"],
    "pers_legacy_id": ["LEG55120"],
    "ULN": ["9937415502"],
}
IDS = [value for values in FIELDS.values() for value in values]
FORMS = {
    "as it is": lambda word: word,
    "small letters": str.lower,
    "spaced": lambda word: " ".join([word[:3], word[3:]]) if word.isalnum() else word,
    "full width": lambda word: "".join(chr(ord(c) + 0xFEE0) if c.isalnum() else c for c in word),
    "a ghost inside": lambda word: f"{word[:4]}\u200b{word[4:]}",
    "entities": lambda word: "".join(f"&#x{ord(c):x};" for c in word),
}


def write_workbook(path, word):
    book = openpyxl.Workbook()
    book.create_sheet("b").sheet_state = "hidden"
    book["b"]["C3"] = word
    book.save(path)


CARRIERS = {
    "note.md": lambda path, word: path.write_text(f"# Note\n\n({word})", encoding="utf-8"),
    "page.html": lambda path, word: path.write_text(f"<p>a<!--{word}--></p>", encoding="utf-8"),
    "table.csv": lambda path, word: path.write_text(f"area,x\nA,{word}\n", encoding="utf-8"),
    "data.json": lambda path, word: path.write_text(json.dumps({"a": [[word]]}), encoding="utf-8"),
    "book.xlsx": write_workbook,
}


def write_xml(path, cut=None):
    parts = [f"<{name}>{value}</{name}>" for name, values in FIELDS.items() for value in values]
    text = f"<Message><Child a='b'>{''.join(parts)}</Child></Message>"
    path.write_text(text[:cut], encoding="utf-8")


def write_csv(path, sep=",", encoding="utf-8"):
    rows = pd.DataFrame({name: pd.Series(values) for name, values in FIELDS.items()})
    rows.assign(Surname="Ordinary").to_csv(path, sep=sep, index=False, encoding=encoding)


def write_parquet(path):
    rows = pd.DataFrame({name: pd.Series(values) for name, values in FIELDS.items()})
    rows.to_parquet(path)


def write_archive(path):
    write_xml(path.with_suffix(".xml"))
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(path.with_suffix(".xml"), "Q1/return.xml")
    path.with_suffix(".xml").unlink()


SOURCES = {
    "return.xml": write_xml,
    "broken.xml": lambda path: write_xml(path, cut=-20),
    "module.csv": write_csv,
    "wide.csv": lambda path: write_csv(path, ";", "utf-16"),
    "table.parquet": write_parquet,
    "returns.zip": write_archive,
}


@pytest.fixture(scope="module")
def known():
    return gather_identifiers(IDS)


@pytest.mark.parametrize("name", SOURCES)
def test_every_identifying_field_of_every_source_is_read(tmp_path, name):
    SOURCES[name](tmp_path / name)
    found = read_identifiers([tmp_path])
    assert [value for value in IDS if not found.found_in(value)] == []
    assert not found.found_in("an Ordinary word")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("carrier", CARRIERS)
def test_an_identifier_of_the_run_is_found(tmp_path, known, carrier, form):
    missed = []
    for number, value in enumerate(IDS):
        digits_in_groups = form == "spaced" and value.isdigit()  # as any number of figures
        CARRIERS[carrier](tmp_path / f"{number}-{carrier}", FORMS[form](value))
        missed += [] if digits_in_groups else [f"{number}-{carrier}"]
    found = check_release(tmp_path, threshold=5, identifiers=known).set_index("file")["reason"]
    assert [file for file in missed if "from this run's records" not in found[file]] == []


def test_no_identifier_is_kept_or_shown_as_it_is(known):
    kept = repr(known) + known.hashes.tobytes().decode("latin-1")
    assert [value for value in IDS if value in kept] == []


def test_numbers_that_equal_identifiers_by_chance_are_no_finding():
    rng = np.random.default_rng(1)
    dense = gather_identifiers(str(number) for number in range(100_000, 120_000))
    figures = " ".join(map(str, rng.integers(100_000, 1_000_000, 2_000)))
    assert not dense.found_in(figures)
    assert dense.found_in(" ".join(map(str, range(100_500, 100_505))))
    assert not gather_identifiers(["12", "2012", "Anna"]).found_in("12 of 2012, Anna")


def test_the_command_takes_returns_and_the_threshold_of_the_run(tmp_path, capsys):
    folder, returns = tmp_path / "run", tmp_path / "returns"
    folder.mkdir()
    returns.mkdir()
    (folder / "note.txt").write_text("see K7R2M9")
    (folder / "table.csv").write_text("area,children\nA,12\n")
    (folder / MANIFEST).write_text(
        json.dumps({"plan": {"disclosure": {"threshold": 20, "rounding": 10}}})
    )
    command = ["check-release", str(folder), "--json"]
    assert main([*command, "--returns", str(returns)]) == 2
    assert "hold identifiers" in capsys.readouterr().err
    write_csv(returns / "module.csv")
    assert main([*command, "--returns", str(returns)]) == 1
    judged = {item["file"]: item for item in json.loads(capsys.readouterr().out)["files"]}
    assert "from this run's records" in judged["note.txt"]["reason"]
    assert "below the threshold" in judged["table.csv"]["reason"]
