"""Files that cannot be trusted are refused with file and line, and say nothing of what they hold.

Marker values stand in every field of valid and broken returns; nothing that is raised, logged,
warned, printed or put in an issue may hold one.
"""

from __future__ import annotations

import io
import logging
import re
import socket
import traceback
import tracemalloc
from contextlib import redirect_stderr, redirect_stdout

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from census_examples import frame, make_tables, two_councils

from pilot_eval.errors import DataError, PilotEvalError
from pilot_eval.records.local_extracts import add_local_extracts
from pilot_eval.records.names import HEADER_PARTS, STANDARD
from pilot_eval.records.read import read_census
from pilot_eval.records.returns import MAX_TEXT
from pilot_eval.records.schema import frames_of
from pilot_eval.records.validation import validate_census
from pilot_eval.records.writers import write_census

GOOD = """<?xml version="1.0" encoding="utf-8"?>
<Message>
<Header><CollectionDetails><Collection>CIN</Collection><Year>2014</Year></CollectionDetails>
<Source><LEA>204</LEA></Source></Header>
<Children>
<Child><ChildIdentifiers><LAchildID>K1</LAchildID>
<PersonBirthDate>2001-02-03</PersonBirthDate></ChildIdentifiers>
<CINdetails><CINreferralDate>2013-05-07</CINreferralDate></CINdetails></Child>
</Children>
</Message>
"""
MARK = "Zmarkerz"


def changed(old: str, new: str) -> bytes:
    assert old in GOOD
    return GOOD.replace(old, new, 1).encode()


# Name -> content, and the line that the refusal must name (None: the file as a whole).
BROKEN = {
    "wrong end tag": (changed("</PersonBirthDate>", "</PersonBirth>"), 7),
    "stray ampersand": (changed("K1", f"{MARK} & Co"), 6),
    "unquoted attribute": (changed("<Child>", f"<Child a={MARK}>"), 6),
    "undefined entity": (changed("K1", f"&{MARK};"), 6),
    "truncated": (GOOD[: GOOD.index("</CINdetails>")].encode(), 8),
    "wrong encoding": (changed("K1", "Zoë").decode().encode("latin-1"), 6),
    "unknown encoding": (changed("utf-8", "utf-7"), 1),
    "no XML": (f"{MARK},2013-01-01\n".encode(), 1),
    "empty": (b"", 1),
    "entity bomb": (
        changed("<Message>", '<!DOCTYPE m [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]>\n<Message>'),
        2,
    ),
    "bomb in UTF-16": (
        changed("<Message>", '<!DOCTYPE m [<!ENTITY a "aa">]>\n<Message>')
        .decode()
        .replace("utf-8", "utf-16")
        .encode("utf-16"),
        None,
    ),
    "late document type": (
        changed("<Message>", f"<!--{'x' * 40_000}--><!DOCTYPE m>\n<Message>"),
        2,
    ),
    "another collection": (changed("CIN<", "SSDA903<"), 3),
    "another document": (GOOD.replace("Message>", "Return>").encode(), 3),
    "no header": (changed("Header>", "Heading>").replace(b"</Header", b"</Heading"), 6),
    "two headers": (changed("<Children>", "<Header/><Children>"), 5),
    "no such council": (changed("204", "000"), 3),
    "no such year": (changed("2014<", "14<"), 3),
    "field too long": (changed("K1", "K" * (MAX_TEXT + 1)), 6),
    "two namespaces": (changed("</Children>", '<Child xmlns="u"/></Children>'), 9),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_xml_is_refused_with_file_and_line(tmp_path, name):
    content, line = BROKEN[name]
    path = tmp_path / "return.xml"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_census(path)
    message = str(caught.value)
    assert message.startswith("`return.xml")
    assert line is None or f"line {line}`" in message
    assert MARK not in message
    assert caught.value.__context__ is None


def test_the_good_return_is_read(tmp_path):
    (tmp_path / "return.xml").write_text(GOOD)
    assert len(read_census(tmp_path).referrals) == 1


def test_nothing_is_fetched(tmp_path):
    """External entities and document types, from a file and from a server that listens."""
    secret = tmp_path / "secret.txt"
    secret.write_text(MARK)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        port = server.getsockname()[1]
        for system in (secret.as_uri(), f"http://127.0.0.1:{port}/x.dtd"):
            for declaration in (
                f'<!DOCTYPE Message SYSTEM "{system}">',
                f'<!DOCTYPE Message [<!ENTITY x SYSTEM "{system}">]>',
                f'<!DOCTYPE Message [<!ENTITY % x SYSTEM "{system}"> %x;]>',
            ):
                text = GOOD.replace("<Message>", f"{declaration}<Message>").replace("K1", "&x;")
                (tmp_path / "return.xml").write_text(text)
                with pytest.raises(DataError, match="entities"):
                    read_census(tmp_path / "return.xml")
        with pytest.raises(TimeoutError):
            server.accept()


@pytest.mark.parametrize(
    ("until", "filler"),
    [
        ("K1", b"K" * 65_536),
        ("</Children>", b"<Other/>" * 8_192),
        ("<Child>", b" " * 65_536),
        ("<CINdetails>", b"<Reviews><x>1</x></Reviews>" * 2_400),
    ],
    ids=["one field", "other elements", "blank", "one child"],
)
def test_a_gigabyte_is_given_up_early(tmp_path, until, filler):
    path = tmp_path / "return.xml"
    path.write_bytes(GOOD[: GOOD.index(until)].encode() + filler * (24_000_000 // len(filler)))
    tracemalloc.start()
    with pytest.raises(DataError, match=r"return\.xml, line"):
        read_census(path)
    assert tracemalloc.get_traced_memory()[1] < 60_000_000
    tracemalloc.stop()


def write_folder(folder, form: str):
    return write_census(two_councils("simulated"), folder, format=form)[0]


@pytest.mark.parametrize(
    ("module", "damage", "said"),
    [
        ("CINdetails", lambda text: text.replace(b"2013-08", b"\xff"), "CINdetails.csv, line 2"),
        ("CINdetails", lambda text: text + b'390,2014,"open\n', "CINdetails.csv"),
        ("CINdetails", lambda text: text + f"{MARK},2\n".encode(), "CINdetails.csv, line 3"),
        ("CINdetails", lambda text: text.replace(b"CINdetailsID", b"Other"), "CINdetailsID"),
        ("CINdetails", lambda text: text.replace(b'"2014"', b'"2015"'), "CINdetails.csv, line 2"),
        ("CINdetails", lambda text: text.replace(b'"N2"', b"N" * 2_000), "CINdetails.csv, line 2"),
        ("CINdetails", lambda text: text + b'"' + b"x" * 3_000_000, "CINdetails.csv"),
        ("CINdetails", lambda _: b"", "CINdetails.csv, line 1"),
        ("Header", lambda text: text.replace(b"CIN", b"CLA"), "Header.csv, line 2"),
        ("Header", lambda text: text.splitlines()[0], "Header.csv"),
    ],
)  # fmt: skip
def test_damaged_csv_is_refused(tmp_path, module, damage, said):
    path = write_folder(tmp_path, "csv") / f"{module}.csv"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match=re.escape(said)) as caught:
        read_census(path.parent)
    assert MARK not in str(caught.value)
    assert caught.value.__context__ is None


def test_damaged_parquet_is_refused(tmp_path):
    path = write_folder(tmp_path, "parquet") / "CINdetails.parquet"
    whole = path.read_bytes()
    nested = pa.table({"LEA": ["390"], "CINreferralDate": [[MARK]]})
    for content in (whole[: len(whole) // 2], b"PAR1", b""):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"CINdetails\.parquet"):
            read_census(path.parent)
    pq.write_table(nested, path)
    with pytest.raises(DataError, match="plain columns"):
        read_census(path.parent)


def test_parquet_may_bring_typed_columns(tmp_path):
    path = write_folder(tmp_path, "parquet") / "CINdetails.parquet"
    text = read_census(path.parent)
    table = pq.read_table(path)
    dates = table["CINreferralDate"].cast(pa.date32())
    table = table.set_column(table.column_names.index("CINreferralDate"), "CINreferralDate", dates)
    need = table["PrimaryNeedCode"].dictionary_encode()
    table = table.set_column(table.column_names.index("PrimaryNeedCode"), "PrimaryNeedCode", need)
    year = table["Year"].cast(pa.int64())
    pq.write_table(table.set_column(table.column_names.index("Year"), "Year", year), path)
    pd.testing.assert_frame_equal(read_census(path.parent).referrals, text.referrals)


BAD_DATES = [
    "31/02/2011",
    "2011-13-01",
    "2011-02-30",
    "20110301",
    "2011-3-1st",
    "yesterday",
    "2011",
]


@pytest.mark.parametrize("form", ["xml", "csv"])
def test_dates_that_are_no_dates_are_located_and_fatal(tmp_path, form):
    good = [f"2013-06-{day:02d}" for day in range(1, len(BAD_DATES) + 1)]
    rows = [(f"D{n}", n, "2013-05-01", day, "RC7") for n, day in enumerate(good, start=1)]
    rows.append(("D99", 99, "2013-05-01", "2013-06-30", "RC7"))
    names = "child_id referral_id referral_date closure_date closure_reason"
    write_census(make_tables("simulated", referrals=frame(names, *rows)), tmp_path, format=form)
    path = next(
        path for path in tmp_path.rglob("*") if path.name in ("204_2014.xml", "CINdetails.csv")
    )
    text = path.read_text()
    for right, wrong in zip(good, BAD_DATES, strict=True):
        text = text.replace(right, wrong)
    path.write_text(text)
    read = read_census(tmp_path)
    expected = ["referrals", "closure_date", "unparsable_date", "fatal"]
    issues = read.issues
    assert issues[["table", "field", "rule", "severity"]].to_numpy().tolist() == [expected] * 7
    assert issues["row"].tolist() == list(range(7))
    # In CSV the row of the table; in XML the line of the child.
    assert issues["source_row"].is_monotonic_increasing
    assert (issues["source_row"] > 0).all()
    result = validate_census(read)
    assert result.set_aside["records"].tolist() == [7]
    assert result.accepted.referrals["child_id"].tolist() == ["D99"]


def marked_xml(valid: bool) -> str:
    """Write a return with a marker in every field; a valid one has the dates it needs."""

    def element(key: str) -> str:
        module = STANDARD[key]
        body = "".join(f"<{tag}>{MARK}{tag}</{tag}>" for tag in module.fields)
        inner = "".join(element(name) for name, part in STANDARD.items() if part.parent == key)
        return f"<{module.element}>{body}<{MARK}el>{MARK}</{MARK}el>{inner}</{module.element}>"

    top = "".join(element(key) for key, module in STANDARD.items() if not module.parent)
    values = {"Collection": "CIN", "Year": "2014", "ReferenceDate": "2014-03-31", "LEA": "204"}
    header = "".join(
        f"<{part}>{''.join(f'<{n}>{values.get(n, MARK + n)}</{n}>' for n in names)}</{part}>"
        for part, names in HEADER_PARTS.items()
    )
    if valid:
        top = re.sub(rf"{MARK}(\w*[dD]ate\w*)", "2013-06-05", top)
    child = f'<Child note="{MARK}"><!--{MARK}-->{top}</Child>'
    return f"<Message><Header>{header}</Header><Children>{child}\n{child}</Children></Message>"


def everything_said(work, caplog) -> str:
    """Run and collect what is printed, logged, warned, raised and put in issues."""
    said = io.StringIO()
    with redirect_stdout(said), redirect_stderr(said), caplog.at_level(logging.DEBUG):
        try:
            result = work()
            said.write(result.issues.to_csv() + result.summary.to_csv() + str(result.issues))
            said.write(result.set_aside.to_csv())
        except PilotEvalError as error:
            said.write("".join(traceback.format_exception(error)) + repr(error.__context__))
    return said.getvalue() + caplog.text


@pytest.mark.parametrize("valid", [True, False])
@pytest.mark.parametrize(
    "damage",
    ["", "cut", "tag", "header", "long", "bytes", "LEA", "Year"],
)
def test_no_value_is_said_of_any_xml(tmp_path, caplog, valid, damage):
    text = marked_xml(valid)
    if damage == "cut":
        text = text[: len(text) // 2]
    elif damage == "tag":
        text = text.replace("</Section47>", f"<{MARK}>", 1)
    elif damage == "header":
        text = text.replace("<Collection>CIN", f"<Collection>{MARK}")
    elif damage == "long":
        text = text.replace(f"{MARK}Ethnicity", MARK * 1_000)
    elif damage in ("LEA", "Year"):
        text = re.sub(rf"<{damage}>\w+", f"<{damage}>{MARK}", text)
    content = text.encode()
    if damage == "bytes":
        content = content.replace(MARK.encode(), MARK.encode() + b"\xff", 3)
    (tmp_path / "return.xml").write_bytes(content)
    work = lambda: validate_census(read_census(tmp_path), census_year=2014, data_cut="2013-01-01")  # noqa: E731
    assert MARK.lower() not in everything_said(work, caplog).lower()


@pytest.mark.parametrize("form", ["csv", "parquet"])
@pytest.mark.parametrize("damage", ["", "row", "link"])
def test_no_value_is_said_of_any_folder(tmp_path, caplog, form, damage):
    folder = write_folder(tmp_path, form)
    for module in STANDARD.values():
        path = folder / f"{module.element}.{form}"
        names = ["LEA", "Year", "LAchildID", "CINdetailsID", "CPPID", *module.fields]
        header = {"LEA": ["390"] * 2, "Year": ["2014"] * 2}
        columns = {
            name: header.get(name, [f"{MARK}{name}"] * 2)
            for name in dict.fromkeys(names)
            if not (damage == "link" and name == "CINdetailsID")
        }
        if form == "csv":
            extra = f"{MARK},{MARK}\n" if damage == "row" else ""
            path.write_text(pd.DataFrame(columns).to_csv(index=False) + extra)
        else:
            pq.write_table(pa.table(columns), path)
            if damage == "row":
                path.write_bytes(path.read_bytes()[:-20])
    work = lambda: validate_census(read_census(folder), census_year=2014)  # noqa: E731
    assert MARK.lower() not in everything_said(work, caplog).lower()


def test_no_value_is_said_of_a_local_extract(tmp_path, caplog):
    path = tmp_path / "strategy.csv"
    path.write_text(f"LEA,LAchildID,StrategyDiscussionDate\n{MARK},{MARK},{MARK}\n204,A,{MARK}\n")
    tables = two_councils()
    work = lambda: validate_census(add_local_extracts(tables, strategy_discussions=path))  # noqa: E731
    said = everything_said(work, caplog)
    assert "unparsable_date" in said
    assert MARK.lower() not in said.lower()


def test_the_accepted_tables_hold_no_text_but_identifiers(tmp_path):
    """What goes on to reports is codes of the code sets: a name in a code field does not."""
    (tmp_path / "return.xml").write_text(marked_xml(valid=True))
    accepted = validate_census(read_census(tmp_path)).accepted
    assert len(accepted.referrals) == 1
    for part in frames_of(accepted).values():
        for name in part.columns.difference(["child_id"]):
            if not np.issubdtype(part[name].dtype.type, np.number):
                assert not part[name].astype("str").str.contains(MARK).any(), name
