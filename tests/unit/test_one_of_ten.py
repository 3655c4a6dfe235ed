"""What is wrong with one council, or with a file besides, stays with it: the others are used."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from mess_examples import XML, write

from pilot_eval.app.census_command import run_census
from pilot_eval.app.open_records import open_records
from pilot_eval.errors import DataError
from pilot_eval.records.read import read_census
from pilot_eval.reference.facts import load_councils

NUMBERS = [council.dfe_number for council in load_councils()][:10]


def cut_short(folder):
    (folder / f"{NUMBERS[3]}.xml").write_text(XML[:900])


def send_twice(folder):
    (folder / "again.xml").write_text((folder / f"{NUMBERS[3]}.xml").read_text())


def in_two_forms(folder):
    (write(folder / "more") / "CINdetails.parquet").write_bytes(b"PAR1")


def of_parquet(folder):
    (folder / "more").mkdir()
    (folder / "more" / "Header.parquet").write_bytes(b"PAR1")


def without_children(folder):
    path = folder / f"{NUMBERS[3]}.xml"
    path.write_text(re.sub("<Child>.*</Child>", "", path.read_text(), flags=re.DOTALL))


def with_file(name, content=b"PK\3\4 and nothing more"):
    return lambda folder: (folder / name).write_bytes(content)


#: What is wrong with one of ten councils, or with an eleventh file; how many stay, who is named.
ONE_OF_TEN = {
    "a file cut short": (cut_short, 9, "must be complete, well-formed XML"),
    "an empty file": (with_file(f"{NUMBERS[3]}.xml", b""), 9, "must be an XML file"),
    "two equal DateTimes": (send_twice, 9, "must be the only return of its council and year"),
    "no child": (without_children, 9, "no child and referral that can be used"),
    "a damaged archive": (with_file("x.zip"), 10, "must be a zip archive"),
    "a damaged workbook": (with_file("x.xlsx"), 10, "must be a workbook"),
    "an old workbook": (with_file("x.xls"), 10, "must be of a form that is opened"),
    "another archive": (with_file("x.7z"), 10, "must be of a form that is opened"),
    "another XML file": (with_file("config.xml", b"<config/>"), 10, "must have a Header"),
    "modules in two forms": (in_two_forms, 10, "must hold its modules in one format"),
    "damaged Parquet": (of_parquet, 10, "must be a complete Parquet file"),
    "files with a prefix": (
        lambda folder: write(folder / "more", name_of="330_2014_{}".format),
        10, "Name files as their modules",
    ),
}  # fmt: skip


def ten_councils(folder):
    folder.mkdir()
    for number in NUMBERS:
        (folder / f"{number}.xml").write_text(XML.replace("<LEA>330<", f"<LEA>{number}<"))
    return folder


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] * (number % 3 > 0))
        for number, name in enumerate(ONE_OF_TEN)  # every third one by default, all with --slow
    ],
)
def test_what_is_wrong_with_one_council_stays_with_it(tmp_path, name):
    spoil, kept, said = ONE_OF_TEN[name]
    folder = ten_councils(tmp_path / "returns")
    spoil(folder)
    told: list[str] = []
    run = run_census([folder], data_cut="2014-03-31", out=tmp_path / "o", jobs=1, tell=told.append)
    assert run.losses["children_accepted"].gt(0).sum() == kept
    failed = run.losses[run.losses["failed"] != ""]
    assert len(failed) == 1
    assert said in failed["failed"].item()
    assert failed["share_lost"].item() == 1
    assert any(said in line for line in told)


def test_a_fault_that_nobody_foresaw_stays_with_its_council_too(tmp_path, monkeypatch):
    from pilot_eval.app import census_parts

    def read(places, **how):
        if NUMBERS[3] in str(places[0]):
            raise ValueError("C1 2010-01-04")
        return read_census(places, **how)

    monkeypatch.setattr(census_parts, "read_census", read)
    folder, told = ten_councils(tmp_path / "returns"), []
    run = run_census([folder], data_cut="2014-03-31", out=tmp_path / "o", jobs=1, tell=told.append)
    assert run.losses["failed"].ne("").sum() == 1
    [why] = run.losses.loc[run.losses["failed"] != "", "failed"]
    assert "ValueError in test_one_of_ten.py" in why
    assert "2010" not in why
    study = open_records(data_folder=str(folder), data_cut="2014-03-31")
    assert sum("ValueError" in why for why in study.missing.values()) == 1


@pytest.mark.parametrize("name", ["CINdetails.csv", "Header.csv"])
def test_one_module_is_not_a_return(tmp_path, name):
    with pytest.raises(DataError, match="Give the folder that it is in"):
        read_census(write(tmp_path) / name)


def test_files_beside_the_returns_are_no_returns(tmp_path):
    folder = ten_councils(tmp_path / "returns")
    for name in ("notes.txt", "crosswalk.csv", ".DS_Store", "._330.xml", "~$x.xlsx"):
        (folder / name).write_bytes(b"a,b\n1,2\n")
    out = Path(tmp_path / "o")
    run = run_census([folder], data_cut="2014-03-31", out=out, jobs=1, tell=str)
    assert run.losses["failed"].eq("").all()
