"""Secrets written so that a reader finds them and a search for the plain form does not."""

from __future__ import annotations

import base64
import io
import json
import struct
import zipfile
import zlib

import openpyxl
import pytest
from test_release_corpus import PNG, chunk, png

from pilot_eval.disclosure.release.release_check import check_release

UPN = "A123456789012"
BARE = "not labelled: no entry in outputs.csv"
SVG = '<svg xmlns="http://www.w3.org/2000/svg">{}</svg>'
ARABIC = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")


def pack(files, comment=b""):
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
        archive.comment = comment
    return whole.getvalue()


def book(change=lambda sheet: None, **parts):
    whole = io.BytesIO()
    made = openpyxl.Workbook()
    change(made.active)
    made.save(whole)
    with zipfile.ZipFile(whole, "a") as archive:
        for name, content in parts.items():
            archive.writestr(name.replace("__", "/").replace("_DOT_", "."), content)
    return whole.getvalue()


def document(body, **parts):
    word = '<w:document xmlns:w="w" xmlns:d="d"><w:body>{}</w:body></w:document>'
    return pack({"word/document.xml": word.format(body), **parts})


def notebook(cell=None, **top):
    code = {"cell_type": "code", "source": "1", "metadata": {}, "outputs": []} | (cell or {})
    return json.dumps({"cells": [code], "metadata": {}, **top}).encode()


def shown(**data):
    return notebook({"outputs": [{"output_type": "display_data", "metadata": {}, "data": data}]})


def stream(words, kind=b"/ObjStm", code=zlib.compress, filter_name=b"/FlateDecode"):
    head = b"%PDF-1.5\n1 0 obj <</Type " + kind + b" /Filter " + filter_name + b">> stream\n"
    return head + code(words) + b"\nendstream endobj\n"


EXIF = b"II*\0" + UPN.encode("utf-16-le")
JPEG = b"\xff\xd8\xff\xe0\0\4ab\xff\xda\0\2ab\xff\0b"
IDENTIFIERS = {
    "digits of another script.txt": f"pupil {UPN.translate(ARABIC)}".encode(),
    "a look-alike letter.txt": f"pupil \u0410{UPN[1:]}".encode(),
    "joiners inside.txt": "\u2064".join(UPN).encode(),
    "variation selectors.txt": "\ufe0f".join(UPN).encode(),
    "accents inside.txt": "\u0332".join(UPN).encode(),
    "other separators.txt": b"pupil A/1234/5678/9012",
    "long dashes.txt": "pupil A–1234–5678–9012".encode(),
    "written backwards.txt": f"pupil \u202e{UPN[::-1]}\u202c".encode(),
    "two bytes a letter.txt": UPN.encode("utf-16-le"),
    "marked two bytes a letter.csv": f"area,note\nA,{UPN}\n".encode("utf-16"),
    "entities of entities.html": f"<p>A&amp;#49;{UPN[2:]}</p>".encode(),
    "style.html": b'<style>p::before{content:"\\41 123456789012"}</style><p>a</p>',
    "backwards by style.html": f'<p style="direction: rtl">{UPN[::-1]}</p>'.encode(),
    "percent in a link.html": b'<a href="?q=%41%31%32%33456789012">a</a>',
    "escapes in a script.html": b'<script>let a="\\x41\\u0031\\u{32}3456789012"</script>',
    "base64 in an attribute.html": b'<p data-a="' + base64.b64encode(UPN.encode()) + b'">',
    "drawing in a link.html": f'<img src="data:image/svg+xml,%3Csvg%3E%41{UPN[1:]}">'.encode(),
    "spans.html": ("<p>" + "".join(f"<i>{c}</i>" for c in UPN) + "</p>").encode(),
    "base64.json": json.dumps({"a": base64.b64encode(f"pupil {UPN}".encode()).decode()}).encode(),
    "hex.json": json.dumps({"a": UPN.encode().hex()}).encode(),
    "escapes.json": b'{"a": "\\u0041123456789012"}',
    "packed in base64.json": json.dumps(
        {"a": base64.b64encode(zlib.compress(f"{UPN} ".encode() * 3)).decode()}
    ).encode(),
    "title.svg": SVG.format(f"<title>{UPN}</title>").encode(),
    "entity.svg": f'<!DOCTYPE svg [<!ENTITY a "A123456">]>{SVG.format("&a;789012")}'.encode(),
    "top.ipynb": notebook(note=UPN),
    "id.ipynb": notebook({"id": UPN}),
    "attachment.ipynb": notebook({"attachments": {UPN: {}}}),
    "latex.ipynb": shown(**{"text/latex": f"\\textbf{{{UPN}}}"}),
    "palette.png": png(chunk(b"sPLT", UPN.encode() + b"\0\x08")),
    "profile.png": png(chunk(b"iCCP", UPN.encode() + b"\0\0" + zlib.compress(b"a"))),
    "packed profile.png": png(chunk(b"iCCP", b"a\0\0" + zlib.compress(UPN.encode()))),
    "international.png": png(chunk(b"iTXt", b"a\0\1\0\0\0" + zlib.compress(UPN.encode()))),
    "exif.png": png(chunk(b"eXIf", EXIF)),
    "behind the pixels.png": PNG
    + png()[len(PNG) : len(PNG) + 25]
    + chunk(b"IDAT", zlib.compress(b"\0\0\0\0") + UPN.encode())
    + chunk(b"IEND", b""),
    "after.jpg": JPEG + b"\xff\xd9" + UPN.encode(),
    "between scans.jpg": JPEG
    + b"\xff\xfe"
    + struct.pack(">H", 15)
    + UPN.encode()
    + b"\xff\xda\0\2\xff\xd9",
    "exif.jpg": b"\xff\xd8\xff\xe1" + struct.pack(">H", len(EXIF) + 8) + b"Exif\0\0" + EXIF,
    "annotation.pdf": stream(b"<</Type /Annot /Contents (" + UPN.encode() + b")>>"),
    "hex annotation.pdf": b"%PDF-1.4\n<</Contents <" + UPN.encode().hex().encode() + b">>>",
    "octal annotation.pdf": b"%PDF-1.4\n<</Contents (\\101123456789012)>>",
    "page in hex.pdf": stream(b"BT <" + UPN.encode().hex().encode() + b"> Tj ET", b"/Page"),
    "page by letters.pdf": stream(b"BT [(A)9(1234)8(56789012)] TJ ET", b"/Page"),
    "other packing.pdf": stream(UPN.encode(), b"/Page", base64.a85encode, b"/ASCII85Decode"),
    "locked.pdf": b"%PDF-1.4\ntrailer <</Encrypt 5 0 R>>",
    "described picture.docx": document(f'<d:docPr descr="{UPN}"/>'),
    "hidden text.docx": document(f"<w:r><w:vanish/><w:t>{UPN}</w:t></w:r>"),
    "comment.docx": document("", **{"word/comments.xml": f"<a>{UPN}</a>"}),
    "embedded.docx": document("", **{"word/embeddings/a.bin": UPN}),
    "very hidden.xlsx": book(lambda sheet: sheet.cell(9, 9, UPN)),
    "cached value.xlsx": book(lambda sheet: sheet.cell(1, 1, '="A"&123456789012')),
    "archive inside.xlsx": book(xl__media__a_DOT_zip=pack({"a.txt": UPN})),
    "any part.xlsx": book(note_DOT_bin=UPN),
    "drawn comment.xlsx": book(xl__drawings__a_DOT_vml=f"<a>{UPN}</a>"),
    "comment of the archive.xlsx": book()[:-2] + struct.pack("<H", 13) + UPN.encode(),
    "before the archive.xlsx": UPN.encode() + book(),
    "shared words.xlsx": book(xl__strings_DOT_xml=f"<a><t>{UPN}</t></a>"),
    "chart.xlsx": book(xl__charts__c_DOT_xml=f"<c><v>{UPN}</v></c>"),
    "base32.json": json.dumps({"a": base64.b32encode(f"pupil {UPN}".encode()).decode()}).encode(),
    "base64 of base64.json": json.dumps(
        {"a": base64.b64encode(base64.b64encode(f"pupil {UPN}".encode())).decode()}
    ).encode(),
    "percent of percent.html": b'<a href="?q=%2541%2531%2532%2533456789012">a</a>',
    "quoted print.txt": b"=41=31=32=33456789012",
    "seven bits.html": b"<p>+AEEAMQAyADMANAA1ADYANwA4ADkAMAAxADI-</p>",
    "joined by a script.html": b'<script>let a="A123"+"456789012"</script>',
    "codes of letters.html": (
        f"<script>String.fromCharCode({','.join(str(ord(c)) for c in UPN)})</script>".encode()
    ),
    "stars between.txt": b"A*1234*5678*9012",
    "tabs between.txt": b"A\t1234\t5678\t9012",
    "by its name.txt": b"UPN: 123456789012",
    "learner.txt": b"The unique learner number is 1234567890.",
    "one child.txt": b"child 8812345 was seen",
    "full stops.txt": b"943.476.5919",
    "small postcode.txt": b"lives at la1 4yf",
    "street.txt": b"lives at 12 High Street",
    "telephone.txt": b"call 07700 900123",
    "birthday in parts.csv": b"birth_day,birth_month,birth_year\n12,3,2004\n",
    "whose name.csv": b"child's name,area\nJane Smith,A\n",
    "called.csv": b"known as,area\nJane,A\n",
    "a name.txt": b"Child name: Jane Smith",
    "name of the child.txt": b"Name of the child: Smith, Jane",
    "both names.txt": b"Forename Jane, surname Smith",
    "the child.txt": b"the child Jane Smith was seen",
    "the client.txt": b"Client: Jane Smith",
    "name and age.txt": b"Jane Smith (aged 4) lives here",
    "born in words.txt": b"Jane, b. 12 Mar 2004",
    "footer.xlsx": book(lambda sheet: setattr(sheet.oddFooter.center, "text", UPN)),
    "metadata.pdf": b"%PDF-1.4\n1 0 obj <</Subtype /XML>> stream\n<x:xmpmeta>"
    + UPN.encode()
    + b"</x:xmpmeta>\nendstream endobj\n",
    "table.parquet": b"PAR1" + UPN.encode(),
    "table.csv.gz": zlib.compress(UPN.encode()),
    "mail.eml": UPN.encode(),
}
BIRTHS = (
    "born on the twelfth of March two thousand and four",
    "who turned eight on 12 March 2012",
    "DOB 12-Mar-2004",
    "DOB 12.Mar.04",
    "DOB: 2004-W11-5",
    "DOB: 2004-072",
    "born 12 mars 2004",
    "born Mar 12 '04",
    "date of birth (as a day number) 38058",
    "date_of_birth=1079049600",
    "D.O.B. ١٢/٠٣/٢٠٠٤",
)
COUNTS = {
    "in brackets.txt": "a handful (4) of children",
    "of a whole first.txt": "Of 120 children, 3 waited",
    "of a whole beside.txt": "3/120 children",
    "what a share leaves.txt": "97.5% (117 of 120) were on time",
    "all but.txt": "All but 3 were seen",
    "was.txt": "the number of children was 3",
    "word after.txt": "children: three",
    "space before a colon.txt": "Children : 3",
    "range.txt": "3–4 children",
    "from and to.txt": "up from 3 to 8 children",
    "count after.txt": "child count 3",
    "brackets after.txt": "children (3)",
    "dash after.txt": "children—3",
    "words and colon.txt": "Children on plans: 3",
    "raised note.csv": "council,children\nLeeds,3^a\n",
    "asked.csv": "council,children\nLeeds,3?\n",
    "columns and rows.json": '{"columns": ["area", "children"], "data": [["A", 3], ["B", 60]]}',
    "share of the count beside.csv": "area,children,late (%)\nA,40,7.5\nB,900,10.0\n",
    "share in whole per cent beside.csv": "area,children,late %\nA,40,8\nB,900,10\n",
    "share with its sign beside.csv": "area,children,late\nA,40,8%\nB,900,10%\n",
    "share of one of two counts.csv": "area,children,plans,late %\nA,40,30,7.5\nB,900,800,10\n",
    "share as a fraction beside.csv": "area,children,share late\nA,40,0.075\nB,900,0.1\n",
    "rate beside.csv": 'area,population,rate per 10,000\nA,"100,000",0.3\nB,"90,000",12.1\n',
    "rate of a thousand beside.csv": "area,children,plans per 1000\nA,20000,0.15\nB,90000,12.1\n",
    "share after.md": "Of 40 referrals, only 8% were late.",
    "roman.csv": "area,children\nA,iii\nB,60\n",
    "semicolons.txt": "area; children\nA; 3\nB; 60\n",
    "commas.md": "Words above.\n\narea, children\nA, 3\nB, 60\n",
    "a table in a string.json": '{"table": "area,children\\nA,3\\nB,60"}',
    "series.json": '[{"name": "Leeds", "data": [3, 60]}, {"name": "York", "data": [70, 60]}]',
    "paragraphs.html": "<p>Children</p><p><b>3</b></p>",
    "drawing.svg": SVG.format("<title>t</title><text>Children</text><text>3</text>"),
    "one row.html": "<table><tr><th>Children<td>3</table>",
    "rows of a script.html": '<script>const rows=[{"area":"A","children":3}]</script>',
    "share beside.csv": "area,children\nA,3 (7.5%)\nB,60 (2.0%)\n",
    "a part.csv": "area,children\nA,3/40\nB,60/90\n",
    "in words.csv": "area,children\nA,three\nB,60\n",
    "other digits.csv": "area,children\nA,٣\nB,60\n",
    "circled.csv": "area,children\nA,③\nB,60\n",
    "about.csv": "area,children\nA,c. 3\nB,60\n",
    "plus.csv": "area,children\nA,+3\nB,60\n",
    "zeros.csv": "area,children\nA,003\nB,060\n",
    "kids.csv": "area,kids\nA,3\nB,60\n",
    "young.csv": "area,girls aged 4\nA,3\nB,60\n",
    "twice.json": '[{"children": 3, "children": 30}]',
    "pipes.md": "# a\n\n|area|children|\n|---|--:|\n|Anywhere|3|\n|B|60|\n",
    "page.md": "<table><tr><td>area<td>children</tr><tr><td>A<td>3</tr></table>",
    "data.html": '<script type="application/json">[{"area": "A", "children": 3}]</script>',
    "latex.md": "area & children \\\\\nAnywhere & 3 \\\\\n",
    "share.md": "Of the rest, 7.5% of 40 children waited.",
    "brackets.md": "Of the rest, 3 (of 40) children waited.",
    "kids.md": "Of the rest, 3 kids waited.",
    "young.md": "Of the rest, 3 young people waited.",
    "words apart.md": "Of the rest, only 3 very young children waited.",
    "single.md": "Of the rest, a single child waited.",
    "couple.md": "A couple of children waited.",
    "parts.md": "Of the rest, three out of forty children waited.",
    "choices of a form.html": "<select name=children><option value=31>A<option value=3>B</select>",
    "attribute of a bar.svg": SVG.format('<title>t</title><rect data-children="3"/>'),
    "attribute of a mark.html": "<p>Late: <span title='3 children'></span></p>",
    "out of a number.md": "In Anywhere 3 out of 120 were late.",
    "of a number.md": "Only 37 of 40 were seen.",
    "in a number.md": "3 in 40 children were late.",
    "beside population and count.csv": "area,population,referrals,share\nA,40000,40,7.5%\n",
    "share after its base.md": "Base: 40 children. Late: 7.5%.",
    "base in a caption.html": "<table><caption>N = 40</caption><tr><th>% late<tr><td>7.5</table>",
    "list in a list.md": "- Children late\n  - 3\n- Children on time\n  - 40\n",
    "so far.csv": "month,children to date\nApril,40\nMay,43\nJune,90\n",
    "part by its name.csv": "area,referrals,referrals assessed\nA,40,37\nB,90,60\n",
    "colon after a unit.md": "Late referrals: 3 (7.5%)",
    "sentence about a council.md": "The number late in Hackney was 3.",
    "what a council has.md": "Hackney's late total is 3.",
    "word beside a council.md": "Hackney reported three.",
}


def check(folder, name, data):
    (folder / name).write_bytes(data)
    found = check_release(folder, threshold=5, rounding=10).set_index("file")["reason"]
    return found[name].replace("; no file with the numbers it shows", "")


@pytest.mark.parametrize("name", IDENTIFIERS)
def test_a_disguised_identifier_is_found_or_held(tmp_path, name):
    reason = check(tmp_path, name, IDENTIFIERS[name])
    assert reason != BARE
    assert UPN not in reason


@pytest.mark.parametrize("words", BIRTHS)
def test_a_date_of_birth_is_found_however_it_is_written(tmp_path, words):
    assert "birth" in check(tmp_path, "note.txt", f"The girl, {words}, was seen.".encode())


@pytest.mark.parametrize("name", COUNTS)
def test_a_disguised_small_count_is_found_or_held(tmp_path, name):
    assert check(tmp_path, name, COUNTS[name].encode()) != BARE


def test_a_form_in_a_drawing_keeps_nothing_from_being_read(tmp_path):
    inside = '<select><option value="3">A</option></select><rect data-children="3"/>'
    drawn = SVG.replace(' xmlns="http://www.w3.org/2000/svg"', "").format(inside)
    assert "counts of children below the threshold" in check(tmp_path, "a.svg", drawn.encode())
