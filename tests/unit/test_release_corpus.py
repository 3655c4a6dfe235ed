"""Plants in every carrier that is read: found, or held for a person; a verdict for every file."""

from __future__ import annotations

import base64
import json
import struct
import zlib

import matplotlib as mpl
import openpyxl
import pandas as pd
import pytest
from matplotlib.figure import Figure

from pilot_eval.disclosure.release.files.printed import find_printed_tables
from pilot_eval.disclosure.release.identifiers import find_identifiers
from pilot_eval.disclosure.release.release_check import check_release

# Invented; the health service number has a right check digit.
IDENTIFIERS = {
    "pupil number": "A123456789012",
    "pupil number in small letters": "a123456789012",
    "pupil number with blanks": "A 1234 5678 9012",
    "pupil number with hyphens": "A-12345-678901-2",
    "health number": "NHS 943 476 5919",
    "health number without the word": "943 476 5919",
    "national insurance number": "QQ 12 34 56 C".replace("QQ", "AB"),
    "national insurance number, closed": "AB123456C",
    "postcode": "LA1 4YF",
    "birth, slashes": "born 12/03/2004",
    "birth, closed": "DOB 20040312",
    "birth, with time": "date of birth: 2004-03-12 00:00:00",
    "birth, in words": "born on 12 March 2004",
    "birth, American": "born March 12, 2004",
    "child id": "LAchildID: 88123",
}
COUNTS = {
    "plain": "3 children",
    "one word between": "3 late children",
    "bold": "**3** children",
    "a part": "37 of 40 children",
    "in words": "three children",
}
PNG = b"\x89PNG\r\n\x1a\n"


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(*parts):
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(b"\0\0\0\0"))
    return PNG + head + b"".join(parts) + body + chunk(b"IEND", b"")


def workbook(path, **kinds):
    book = openpyxl.Workbook()
    sheet = book.active
    sheet["A1"] = kinds.get("cell", "a")
    if "name" in kinds:
        sheet.title = kinds["name"][:31].replace(":", "").replace("/", "").replace("*", "")
    if "comment" in kinds:
        sheet["A1"].comment = openpyxl.comments.Comment(kinds["comment"], "somebody")
    if "property" in kinds:
        book.properties.description = kinds["property"]
    book.save(path)


def notebook(path, **cell):
    code = {"cell_type": "code", "source": "1", "metadata": {}, "outputs": []} | cell
    path.write_text(json.dumps({"cells": [code], "metadata": {}}), encoding="utf-8")


def text(path, words):
    path.write_text(words, encoding="utf-8")


CARRIERS = {
    "note.txt": lambda p, w: text(p, f"line\n{w}\n"),
    "note.md": lambda p, w: text(p, f"# Note\n\n{w}.\n"),
    "log.log": lambda p, w: text(p, f"INFO {w}"),
    "words.html": lambda p, w: text(p, f"<p>{w}</p>"),
    "comment.html": lambda p, w: text(p, f"<p>a</p><!-- {w} -->"),
    "alt.html": lambda p, w: text(p, f'<img alt="{w}">'),
    "script.html": lambda p, w: text(p, f"<script>let a = '{w}'</script>"),
    "entity.html": lambda p, w: text(p, "<p>" + "".join(f"&#{ord(c)};" for c in w) + "</p>"),
    "link.html": lambda p, w: text(
        p, f'<a href="data:text/plain;base64,{base64.b64encode(w.encode()).decode()}">a</a>'
    ),
    "table.csv": lambda p, w: text(p, f'area,note\nA,"{w}"\n'),
    "semicolons.csv": lambda p, w: text(p, f"area;note\nA;{w}\n"),
    "data.json": lambda p, w: text(p, json.dumps({"note": w})),
    "deep.json": lambda p, w: text(p, json.dumps({"a": [{"b": [{"note": w}]}]})),
    "drawing.svg": lambda p, w: text(
        p, f'<svg xmlns="http://www.w3.org/2000/svg"><text>{w}</text></svg>'
    ),
    "described.svg": lambda p, w: text(
        p, f'<svg xmlns="http://www.w3.org/2000/svg"><desc>{w}</desc></svg>'
    ),
    "settings.toml": lambda p, w: text(p, f'note = "{w}"'),
    "text.png": lambda p, w: p.write_bytes(png(chunk(b"tEXt", b"note\0" + w.encode()))),
    "packed.png": lambda p, w: p.write_bytes(
        png(chunk(b"zTXt", b"note\0\0" + zlib.compress(w.encode())))
    ),
    "private.png": lambda p, w: p.write_bytes(png(chunk(b"prVt", w.encode()))),
    "after.png": lambda p, w: p.write_bytes(png() + w.encode()),
    "cell.xlsx": lambda p, w: workbook(p, cell=w),
    "comment.xlsx": lambda p, w: workbook(p, comment=w),
    "property.xlsx": lambda p, w: workbook(p, property=w),
    "source.ipynb": lambda p, w: notebook(p, source=f"# {w}"),
    "output.ipynb": lambda p, w: notebook(
        p, outputs=[{"output_type": "stream", "name": "stdout", "text": w}]
    ),
    "metadata.ipynb": lambda p, w: notebook(p, metadata={"note": w}),
    "error.ipynb": lambda p, w: notebook(
        p, outputs=[{"output_type": "error", "ename": "E", "evalue": w, "traceback": []}]
    ),
    "page.pdf": lambda p, w: p.write_bytes(
        b"%PDF-1.4\n1 0 obj <</Length 9>> stream\n"
        + zlib.compress(f"BT ({w}) Tj ET".encode())
        + b"\nendstream endobj\n"
    ),
    "glyphs.pdf": lambda p, w: draw_page(p, w),
    "property.pdf": lambda p, w: p.write_bytes(f"%PDF-1.4\n<</Subject ({w})>>\n".encode()),
}


def draw_page(path, words):
    """Write a PDF as browsers and offices do: each letter by its number in a cut font."""
    with mpl.rc_context({"pdf.fonttype": 42}):
        canvas = Figure()
        canvas.text(0.1, 0.5, f"{words} \u2264")
        canvas.savefig(path, format="pdf")


def verdicts(folder):
    checked = check_release(folder, threshold=5, rounding=10)
    return checked.set_index("file")["reason"]


@pytest.mark.parametrize("what", IDENTIFIERS)
def test_an_identifier_is_found_in_every_carrier(tmp_path, what):
    for name, write in CARRIERS.items():
        write(tmp_path / name, IDENTIFIERS[what])
    reasons = verdicts(tmp_path)
    bare = "not labelled: no entry in outputs.csv"
    missed = [
        name
        for name in CARRIERS
        if reasons[name].replace("; no file with the numbers it shows", "") == bare
    ]
    assert missed == []


@pytest.mark.parametrize("what", COUNTS)
def test_a_small_count_is_found_in_words(tmp_path, what):
    names = [name for name in CARRIERS if name.endswith((".txt", ".md", "words.html", ".ipynb"))]
    for name in names:
        CARRIERS[name](tmp_path / name, COUNTS[what])
    reasons = verdicts(tmp_path)
    assert [
        name for name in names if "count" not in reasons[name] and "part" not in reasons[name]
    ] == []


@pytest.mark.parametrize(
    "table",
    [
        "area,children\nA,3\n",
        "area;children\nA;3\nB;40\n",
        "area\tchildren\nA\t3\n",
        "A title above\n\narea,children\nA,3\nB,60\n",
        "area,children\nA,3 p\nB,40\n",
        "area,children\nA,3.0\nB,40.0\n",
        "children,children\n60,3\n",
    ],
)
def test_a_small_count_is_found_however_the_table_is_written(tmp_path, table):
    (tmp_path / "t.csv").write_text(table, encoding="utf-8")
    assert "counts of children below the threshold" in verdicts(tmp_path)["t.csv"]


def test_lists_of_terms_are_tables(tmp_path):
    text(tmp_path / "l.html", "<dl><dt>children</dt><dd>3</dd></dl>")
    assert "counts of children below the threshold" in verdicts(tmp_path)["l.html"]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("bad.png", PNG + chunk(b"zTXt", b"k\0\0not packed")),
        ("bomb.png", PNG + chunk(b"zTXt", b"k\0\0" + zlib.compress(b"\0" * 50_000_000))),
        ("short.png", PNG + chunk(b"iTXt", b"k")),
        ("deep.json", b"[" * 200_000 + b"]" * 200_000),
        ("comments.html", b"<!-- a -->"),
        ("list.ipynb", b"[]"),
        ("field.csv", b'a\n"' + b"x" * 200_000 + b'"\n'),
        ("twice.csv", b"children,children\n3,4\n"),
        ("hex.pdf", b"%PDF <FEFF0>"),
        ("kind.exe", b"MZ"),
    ],
)
def test_whatever_is_wrong_with_one_file_every_file_has_a_verdict(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    text(tmp_path / "secret.txt", "A123456789012")
    found = check_release(tmp_path, threshold=5).set_index("file")["verdict"]
    assert found[name] in ("review", "fail")
    assert found["secret.txt"] == "fail"


def test_the_runs_own_threshold_counts(tmp_path):
    pd.DataFrame({"area": ["A"], "children": [12]}).to_csv(tmp_path / "t.csv", index=False)
    entry = {"file": "t.csv", "what": "w", "population": "p", "strand": "census"}
    entry |= {"threshold": "counts from 1 to 20 suppressed", "rounding": "10"}
    pd.DataFrame([entry]).to_csv(tmp_path / "outputs.csv", index=False)
    assert "below the threshold" in verdicts(tmp_path)["t.csv"]


@pytest.mark.parametrize(
    "clean",
    [
        "Versions 3.11.7 and 1.2.3; hash 09d5b21cc300; seed 20110201",
        "2009-10 to 2012-13, 152 councils, 3 of the 5 councils, 45 working days",
        "p = 0.126, 95% interval -3.3 to 8.6, DOI 10.1093/restud/rdac021",
        "https://www.gov.uk/government/statistics/children-in-need-2012",
    ],
)
def test_ordinary_words_are_no_identifiers(clean):
    assert [verdict for verdict, _ in find_identifiers(clean) if verdict == "fail"] == []


GIVEN_AWAY = {
    "a key by another name": ("csv", "child_reference,days\n100234,12\n100236,18\n"),
    "a number in parts by slashes": ("csv", "ref,seen\n943/476/5919,yes\n"),
    "a birth in words": ("txt", "The child, born on the third of April 2009, moved."),
    "a share": ("csv", "council,share_pct,children\nLeeds,8.1,37\nYork,50.0,30\n"),
    "the rest of a total": ("csv", "council,late,total\nLeeds,37,40\nYork,22,30\n"),
    "boxes": (
        "html",
        "<div><div>Leeds</div><div>children</div><div>3</div></div>",
    ),
    "letters in cells": (
        "html",
        "<table><tr>" + "".join(f"<td>{c}</td>" for c in "A823200001257") + "</tr></table>",
    ),
    "base85": ("txt", base64.b85encode(b"pupil A823200001257 moved away").decode()),
    "ascii85": ("txt", base64.a85encode(b"pupil A823200001257 moved away").decode()),
    "a council and its number": ("txt", "Leeds 3\nYork 12\n"),
    "councils in a row": ("md", "Plans: York 12, Leeds 3 and Hull 40"),
    "a number and its council": ("txt", "There were 3 in Leeds who waited."),
    "items of a list": ("html", "<ul><li>Leeds <b>3</b></li><li>York <b>12</b></li></ul>"),
    "no header": ("csv", "Leeds,3\nYork,12\n"),
    "rows of names and numbers": ("json", '[["Leeds", 3], ["York", 12]]'),
    "a dictionary printed": ("txt", "Counter({'Leeds': 3, 'York': 12})"),
    "numbers printed": ("txt", "array([3, 12, 40])"),
    "lines in cells": (
        "html",
        "<table><tr><td>Area</td><td>Late</td></tr>"
        "<tr><td>Leeds<br>York</td><td>3<br>12</td></tr></table>",
    ),
    "a cell's attribute": (
        "html",
        "<table><tr><th>Council</th><th>Children</th></tr>"
        '<tr><td>Leeds</td><td data-order="3">c</td></tr></table>',
    ),
    "a box's attribute": ("html", '<div data-children="3">c</div>'),
    "a meter": ("html", '<meter value="3" max="40">c</meter>'),
    "a hidden field": ("html", '<input type="hidden" name="children" value="3">'),
    "a bound": ("csv", "council,children\nLeeds,≤3\n"),
    "a range": ("csv", "council,children\nLeeds,1-4\n"),
    "a power": ("csv", "council,children\nLeeds,0.3e1\n"),
    "brackets": ("csv", "council,children\nLeeds,[3]\n"),
    "beside its mark": ("csv", "council,children\nLeeds,c (3)\n"),
    "a server": ("txt", r"\\server\share\cin\909.xml"),
}


@pytest.mark.parametrize("plant", GIVEN_AWAY)
def test_what_gives_away_is_found_whatever_its_form(tmp_path, plant):
    ending, words = GIVEN_AWAY[plant]
    (tmp_path / f"file.{ending}").write_text(words, encoding="utf-8")
    [found] = check_release(tmp_path, threshold=5).to_dict("records")
    assert found["verdict"] != "pass"
    assert found["reason"].count(";") >= 1, found["reason"]  # more than that it has no label


@pytest.mark.parametrize(
    "text", ["{[1]: 2}", r"{'\d': [3]}", "[" * 5_000, "{'a': {'b': {}}}", "[]", "[1", "()"]
)
def test_what_is_no_list_of_values_is_none(text):
    assert [where for where, _ in find_printed_tables(text) if where == "printed value"] == []


HARMLESS = {
    "one in four": ("txt", "1 in 4 children has a plan."),
    "parts of many": ("csv", "council,total,girls,boys\nLeeds,1200,590,610\nYork,340,160,180\n"),
    "code": ("txt", r"`\n` is a new line and `\hat\tau` the effect"),
    "shares with both their counts": (
        "csv",
        "council,indicator,numerator,denominator,value\nLeeds,share,13,170,7.6\nYork,share,20,90,22.2\n",
    ),
    "a rank": ("csv", "rank,council,value\n1,Leeds,13.3\n2,York,12.1\n"),
    "ratings": ("csv", "finding,rating\nno clear change,2\nrose,4\n"),
    "bounds as wide as the rule": ("csv", "council,children\nLeeds,1-5\nYork,<5\n"),
    "years as heads": ("csv", "council,1,2,3\nLeeds,1.5,2.5,3.5\n"),
    "times and places": (
        "txt",
        "Leeds, 3 of the 5 councils; Hackney: 7 months; York is 3rd, Hull 4.2 points above.",
    ),
    "sizes of groups": ("csv", "outcome,with_figures\nReferrals in the year,4\n"),
}


@pytest.mark.parametrize("words", HARMLESS)
def test_what_counts_nobody_is_let_through(tmp_path, words):
    ending, body = HARMLESS[words]
    (tmp_path / f"file.{ending}").write_text(body, encoding="utf-8")
    [found] = check_release(tmp_path, threshold=5).to_dict("records")
    assert found["reason"] == "not labelled: no entry in outputs.csv"
