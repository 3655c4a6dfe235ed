"""The release check finds every plant in every file type, and lets a clean folder pass."""

import base64
import getpass
import json
import struct
import zlib

import openpyxl
import pandas as pd
import pytest
from matplotlib.figure import Figure
from openpyxl.packaging.custom import StringProperty
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.hyperlink import Hyperlink

from pilot_eval.disclosure.release.register import (
    REGISTER,
    Entry,
    describe_outputs,
    read_register,
    write_register,
)
from pilot_eval.disclosure.release.release_check import (
    SHEET,
    check_release,
    describe_release,
    release,
)
from pilot_eval.errors import DisclosureError

UPN = "H801200001001"
CHILD = "SIM0000417"
SMALL = 3
RULES = {"threshold": 5, "rounding": 10}
CLEAN = [["council_name", "children", "percent"], ["Cumbria", 120, 62.5], ["Hackney", "c", "c"]]


def build_png(texts=()):
    """Build a 1 x 1 picture with text chunks."""

    def chunk(kind, body):
        checksum = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + checksum

    parts = [chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))]
    parts += [chunk(kind, body) for kind, body in texts]
    parts += [chunk(b"IDAT", zlib.compress(b"\0\0")), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def build_html(rows, extra=""):
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return (
        f"<html><head><title>Plans</title></head><body><table>{body}</table>{extra}</body></html>"
    )


def build_notebook(outputs=(), metadata=None, source="print(1)"):
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": "# Plans"},
        {
            "cell_type": "code",
            "execution_count": 1,
            "metadata": {},
            "source": source,
            "outputs": list(outputs),
        },
    ]
    return json.dumps(
        {"cells": cells, "metadata": metadata or {}, "nbformat": 4, "nbformat_minor": 5}
    )


def show(**data):
    kinds = {"html": "text/html", "plain": "text/plain", "png": "image/png"}
    bundle = {kinds[kind]: content for kind, content in data.items()}
    return {"output_type": "display_data", "metadata": {}, "data": bundle}


def write_xlsx(path, rows, **properties):
    book = openpyxl.Workbook()
    book.properties.creator = ""
    for name, value in properties.items():
        setattr(book.properties, name, value)
    for row in rows:
        book.active.append(row)
    book.save(path)
    return book


def write_clean(folder):
    """Write one clean file of every type, with its register."""
    folder.mkdir()
    frame = pd.DataFrame(CLEAN[1:], columns=CLEAN[0])
    (folder / "figures").mkdir()
    frame.to_csv(folder / "figures" / "plans.csv", index=False)
    (folder / "figures" / "plans.png").write_bytes(build_png([(b"tEXt", b"Title\0Plans")]))
    (folder / "plans.json").write_text(json.dumps(frame.to_dict("records")))
    (folder / "plans.html").write_text(build_html(CLEAN))
    (folder / "plans.ipynb").write_text(
        build_notebook([show(html=build_html(CLEAN), plain=frame.to_string())])
    )
    (folder / "plans.svg").write_text(
        '<svg xmlns="http://www.w3.org/2000/svg"><title>Plans</title><text>Cumbria</text></svg>'
    )
    (folder / "plans.md").write_text("# Plans\n\nIn Cumbria 120 children had a plan.\n")
    write_xlsx(folder / "plans.xlsx", CLEAN)
    register(folder)


def register(folder, **changes):
    entry = {
        "what": "children with a plan",
        "population": "children in Cumbria and Hackney",
        "strand": "simulated",
        "threshold": "5",
        "rounding": "10",
        **changes,
    }
    entries = [
        Entry(file=path.relative_to(folder).as_posix(), **entry)
        for path in folder.rglob("*")
        if path.is_file() and path.name != REGISTER
    ]
    numbers = {"figures/plans.png": "figures/plans.csv"}
    write_register(
        folder,
        [Entry(**{**as_dict(e), "underlying": numbers.get(e.file, e.underlying)}) for e in entries],
    )


def as_dict(entry):
    return {name: getattr(entry, name) for name in entry.__slots__}


def verdict_of(folder, file, **options):
    found = check_release(folder, **RULES, **options).set_index("file")
    return found.loc[file, "verdict"], found.loc[file, "reason"]


def plant_rows(plant):
    """Put one plant in an otherwise clean table."""
    if plant == "small count":
        return [*CLEAN, ["Knowsley", SMALL, 10.5]]
    if plant == "identifier":
        return [*CLEAN, [UPN, 120, 62.5]]
    if plant == "date of birth":
        return [["council_name", "PersonBirthDate"], ["Cumbria", "2004-05-17"]]
    if plant == "row-level data":
        return [["sex", "ethnicity", "reason"], ["F", "WBRI", "RC8"], ["M", "WBRI", "RC1"]]
    if plant == "unrounded total":
        return [*CLEAN, ["England", 1234, 62.5]]
    return [*CLEAN, ["read from /home/jsmith/cin.xml", 120, 62.5]]


PLANTS = (
    "small count",
    "identifier",
    "date of birth",
    "row-level data",
    "unrounded total",
    "path",
)


@pytest.fixture
def folder(tmp_path):
    write_clean(tmp_path / "run")
    return tmp_path / "run"


def test_a_clean_folder_passes_without_review(folder):
    found = check_release(folder, **RULES)
    assert found["reason"].tolist() == [""] * 9
    assert set(found["verdict"]) == {"pass"}


@pytest.mark.parametrize("plant", PLANTS)
def test_plants_in_tables_are_found_in_every_file_type(folder, plant):
    rows = plant_rows(plant)
    frame = pd.DataFrame(rows[1:], columns=rows[0])
    frame.to_csv(folder / "figures" / "plans.csv", index=False)
    (folder / "plans.json").write_text(json.dumps({"top": frame.to_dict("records")}))
    (folder / "plans.html").write_text(build_html(rows))
    (folder / "plans.ipynb").write_text(build_notebook([show(html=build_html(rows))]))
    (folder / "plans.md").write_text(frame.to_string())
    write_xlsx(folder / "plans.xlsx", rows)
    found = check_release(folder, **RULES).set_index("file")
    bearing = ["figures/plans.csv", "plans.json", "plans.html", "plans.ipynb", "plans.xlsx"]
    bearing += ["plans.md", "figures/plans.png"]  # a picture follows its numbers
    assert found.loc[bearing, "verdict"].tolist() == ["fail"] * len(bearing)
    words = " ".join(found["reason"])
    assert not any(secret in words for secret in (UPN, "2004-05-17", "jsmith", "1234", "WBRI"))


TEXTS = {
    "UPN": f"pupil {UPN} was seen",
    "child": f"LAchildID: {CHILD}",
    "birth": "the girl, born on 17 May 2004, was seen",
    "path": r"from C:\Users\jsmith\census.xml",
    "prose": "of whom 3 children waited",
}


@pytest.mark.parametrize("plant", TEXTS)
def test_plants_in_text_and_metadata_are_found(folder, plant):
    text = TEXTS[plant]
    xml = text.replace("<", "")
    (folder / "plans.svg").write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg"><title>Plans</title><metadata>{xml}</metadata></svg>'
    )
    (folder / "plans.html").write_text(build_html(CLEAN, f"<!-- {text} -->"))
    (folder / "plans.ipynb").write_text(build_notebook(metadata={"papermill": {"note": text}}))
    (folder / "plans.json").write_text(json.dumps({"note": text}))
    (folder / "plans.md").write_text(text)
    packed = zlib.compress(text.encode())
    (folder / "figures" / "plans.png").write_bytes(build_png([(b"zTXt", b"Comment\0\0" + packed)]))
    write_xlsx(folder / "plans.xlsx", CLEAN, description=text)
    found = check_release(folder, **RULES).set_index("file")["verdict"]
    bearing = ["plans.svg", "plans.html", "plans.ipynb", "plans.json", "plans.md"]
    bearing += ["figures/plans.png", "plans.xlsx"]
    assert found[bearing].tolist() == ["fail"] * len(bearing)
    assert found["figures/plans.csv"] == "pass"


def test_properties_of_pdf_and_jpeg_files_are_read(folder):
    wide = UPN.encode("utf-16-be").hex().upper().encode()
    for title in (b"(" + UPN.encode() + b")", b"<FEFF" + wide + b">"):
        (folder / "plans.pdf").write_bytes(b"%PDF-1.4\n1 0 obj <</Title " + title + b">> endobj")
        assert "pupil number" in verdict_of(folder, "plans.pdf")[1]
    comment = f"seen {UPN}".encode()
    segment = b"\xff\xfe" + struct.pack(">H", len(comment) + 2) + comment
    (folder / "plans.jpg").write_bytes(b"\xff\xd8" + segment + b"\xff\xda\0\2")
    assert "pupil number" in verdict_of(folder, "plans.jpg")[1]


def test_the_report_on_paper_follows_all_its_pages(folder):
    (folder / "index.html").write_text("<title>Answers</title>")
    Figure().savefig(folder / "report.pdf")
    for name in ("04_quality.html", "index.html"):
        page = folder / name
        for held, verdict in ((True, "fail"), (False, "pass")):
            page.write_text(f"<title>A page</title><p>{UPN if held else 'nobody'}</p>")
            described = {"population": "children", "threshold": 5, "rounding": 10}
            write_register(folder, describe_outputs(folder, strand="census", **described))
            assert verdict_of(folder, "report.pdf")[0] == verdict
    (folder / "04_quality.html").unlink()  # shown on paper, and nobody can judge it any more
    assert verdict_of(folder, "report.pdf")[0] == "review"


def test_pictures_inside_pages_and_notebooks_are_read(folder):
    picture = build_png([(b"tEXt", b"Comment\0" + UPN.encode())])
    payload = base64.b64encode(picture).decode()
    (folder / "plans.ipynb").write_text(build_notebook([show(png=payload)]))
    (folder / "plans.html").write_text(
        build_html(CLEAN, f'<img alt="Plans" src="data:image/png;base64,{payload}">')
    )
    assert verdict_of(folder, "plans.ipynb")[0] == "fail"
    assert verdict_of(folder, "plans.html")[0] == "fail"


def test_printed_tables_streams_and_errors_of_notebooks_are_read(folder):
    printed = pd.DataFrame(plant_rows("small count")[1:], columns=CLEAN[0]).to_string()
    trouble = {"output_type": "error", "ename": "E", "evalue": "", "traceback": [TEXTS["path"]]}
    stream = {"output_type": "stream", "name": "stdout", "text": printed}
    for output in (show(plain=printed), trouble, stream):
        (folder / "plans.ipynb").write_text(build_notebook([output]))
        assert verdict_of(folder, "plans.ipynb")[0] == "fail"


def test_hidden_sheets_comments_and_authors_of_workbooks_are_read(folder):
    for plant in ("sheet", "comment", "author"):
        book = write_xlsx(folder / "plans.xlsx", CLEAN)
        if plant == "sheet":
            book.create_sheet("hidden").append([UPN])
            book["hidden"].sheet_state = "hidden"
        if plant == "comment":
            book.active["A2"].comment = openpyxl.comments.Comment(f"see {UPN}", "someone")
        if plant == "author":
            book.properties.creator = "j.smith@council.gov.uk"
        book.save(folder / "plans.xlsx")
        expected = "review" if plant == "author" else "fail"
        assert verdict_of(folder, "plans.xlsx")[0] == expected


def plant_in_workbook(path, place, text):
    write_xlsx(path, CLEAN)
    book = openpyxl.load_workbook(path)
    sheet = book.active
    if place in ("hidden sheet", "very hidden sheet"):
        other = book.create_sheet("more")
        other.append([text])
        other.sheet_state = "hidden" if place == "hidden sheet" else "veryHidden"
    elif place == "hidden row":
        sheet.append([text])
        sheet.row_dimensions[sheet.max_row].hidden = True
    elif place == "comment":
        sheet["A2"].comment = openpyxl.comments.Comment(text, "someone")
    elif place == "sheet name":
        sheet.title = text[:31]
    elif place == "header":
        sheet.oddHeader.center.text = text
    elif place == "validation":
        sheet.add_data_validation(DataValidation(type="list", prompt=text, sqref="A1"))
    elif place == "link":
        sheet["A2"].hyperlink = Hyperlink(ref="A2", tooltip=text, location="Sheet!A1")
    elif place == "custom property":
        book.custom_doc_props.append(StringProperty(name="note", value=text))
    else:
        setattr(book.properties, place, text)
    book.save(path)


def plant_in_notebook(path, place, text):
    svg = f'<svg xmlns="http://www.w3.org/2000/svg"><title>{text}</title></svg>'
    outputs = {
        "stream": {"output_type": "stream", "name": "stdout", "text": [text]},
        "error": {"output_type": "error", "ename": "E", "evalue": text, "traceback": [text]},
        "error value": {"output_type": "error", "ename": "E", "evalue": text, "traceback": []},
        "output metadata": show(plain="x") | {"metadata": {"note": text}},
        "svg": {**show(), "data": {"image/svg+xml": svg}},
        "json": {**show(), "data": {"application/json": {"note": text}}},
        "latex": {**show(), "data": {"text/latex": text}},
    }
    book = json.loads(build_notebook([outputs[place]] if place in outputs else []))
    if place == "cell metadata":
        book["cells"][0]["metadata"] = {"note": text}
    if place == "tag":
        book["cells"][1]["metadata"] = {"tags": [text]}
    if place == "attachment":
        payload = base64.b64encode(build_png([(b"tEXt", b"Comment\0" + text.encode())])).decode()
        book["cells"][0]["attachments"] = {"a.png": {"image/png": payload}}
    if place == "source":
        book["cells"][1]["source"] = f"# {text}"
    path.write_text(json.dumps(book))


def plant_in_picture(path, place, text):
    kinds = {
        "tEXt": (b"tEXt", b"Comment\0" + text.encode()),
        "iTXt": (b"iTXt", b"Comment\0\0\0\0\0" + text.encode()),
        "eXIf": (b"eXIf", b"MM\0*" + text.encode()),
    }
    end = text.encode() if place == "after the end" else b""
    path.write_bytes(build_png([kinds[place]] if place in kinds else []) + end)


def plant_in_drawing(path, place, text):
    spot = {
        "title": f"<title>{text}</title>",
        "text": f"<title>Plans</title><text>{text}</text>",
        "attribute": f'<title>Plans</title><g aria-label="{text}"/>',
        "comment": f"<title>Plans</title><!-- {text} -->",
    }
    path.write_text(f'<svg xmlns="http://www.w3.org/2000/svg">{spot[place]}</svg>')


def plant_in_pdf(path, place, text):
    xmp = f'<?xpacket begin=""?><dc:title>{text}</dc:title><?xpacket end="w"?>'
    body = xmp if place == "metadata" else f"<</{place} ({text})>>"
    path.write_bytes(f"%PDF-1.4\n1 0 obj {body} endobj".encode())


def plant_in_page(path, place, text):
    spot = {
        "alt text": f'<img alt="{text}" src="data:,">',
        "hidden": f"<p hidden>{text}</p>",
        "script": f"<script>let note = '{text}';</script>",
        "data attribute": f'<p data-note="{text}">x</p>',
    }
    path.write_text(build_html(CLEAN, spot[place]))


PLACES = {
    "plans.xlsx": (
        plant_in_workbook,
        (
            *("hidden sheet", "very hidden sheet", "hidden row", "comment", "sheet name", "header"),
            *("validation", "link", "custom property", "title", "subject", "keywords", "category"),
        ),
    ),
    "plans.ipynb": (
        plant_in_notebook,
        (
            *("stream", "error", "error value", "output metadata", "svg", "json", "latex"),
            *("cell metadata", "tag", "attachment", "source"),
        ),
    ),
    "figures/plans.png": (plant_in_picture, ("tEXt", "iTXt", "eXIf", "after the end")),
    "plans.svg": (plant_in_drawing, ("title", "text", "attribute", "comment")),
    "plans.pdf": (plant_in_pdf, ("Title", "Subject", "Keywords", "metadata")),
    "plans.html": (plant_in_page, ("alt text", "hidden", "script", "data attribute")),
}


@pytest.mark.parametrize("text", [f"see {UPN}", f"of whom {SMALL} children"])
@pytest.mark.parametrize(
    ("file", "place"), [(file, place) for file, (_, places) in PLACES.items() for place in places]
)
def test_an_identifier_and_a_small_count_are_found_in_every_corner(folder, file, place, text):
    PLACES[file][0](folder / file, place, text)
    verdict, reason = verdict_of(folder, file)
    assert verdict == "fail"
    assert UPN not in reason


def test_the_user_and_the_runs_own_ids_are_found(folder, monkeypatch):
    monkeypatch.setattr(getpass, "getuser", lambda: "jsmith")
    (folder / "plans.md").write_text("# Plans\n\nMade by jsmith for child K7R2M9.\n")
    assert "name of the user" in verdict_of(folder, "plans.md")[1]
    assert "this run's records" in verdict_of(folder, "plans.md", identifiers={"K7R2M9"})[1]


def test_councils_periods_and_estimates_need_not_meet_the_threshold(folder):
    rows = [["outcome", "n_treated", "n_periods", "estimate"], ["cpp_rate", 3, 2, 4]]
    pd.DataFrame(rows[1:], columns=rows[0]).to_csv(folder / "figures" / "plans.csv", index=False)
    assert verdict_of(folder, "figures/plans.csv") == ("pass", "")


@pytest.mark.parametrize(
    ("kinds", "verdict"),
    [("", "review"), ("2011-12=councils", "pass"), ("2011-12=children", "fail")],
)
def test_a_column_that_tells_nothing_goes_to_a_person(folder, kinds, verdict):
    (folder / "figures" / "plans.csv").write_text("area,2011-12\nCumbria,3\n")
    register(folder, kinds=kinds)
    assert verdict_of(folder, "figures/plans.csv")[0] == verdict


@pytest.mark.parametrize(
    ("row", "verdict"),
    [
        (("3.0", "3.0", "2.9"), "pass"),
        (("3.0", "3.0", "4.0"), "review"),
        (("3", "", "4"), "review"),
    ],
)
def test_a_measure_with_fractions_in_other_periods_counts_nobody(folder, row, verdict):
    rows = ["office,2012-01,2012-02,2012-03", ",".join(["Office 1", *row])]
    (folder / "figures" / "plans.csv").write_text("\n".join(rows))
    assert verdict_of(folder, "figures/plans.csv")[0] == verdict


def test_a_percentage_that_gives_the_count_away(folder):
    # 3 of 40 is 7.5%, and no other whole number of 40 rounds to it.
    rows = "indicator,value,numerator,denominator\nrepeat_plan_pct,7.5,c,40\n"
    (folder / "figures" / "plans.csv").write_text(rows)
    assert "gives away" in verdict_of(folder, "figures/plans.csv")[1]


def test_a_rate_that_gives_the_count_away(folder):
    # 3 of 100,000 is 0.3 for each 10,000; 121 of 100,000 is 12.1, and so is 120 or 122.
    rows = "indicator,value,numerator,denominator\ncpp_rate,{},c,100000\n"
    for value, verdict in (("0.3", "fail"), ("12.1", "pass")):
        (folder / "figures" / "plans.csv").write_text(rows.format(value))
        assert verdict_of(folder, "figures/plans.csv")[0] == verdict


def test_a_whole_percentage_may_have_lost_its_zeros(folder):
    # 1% of 400 is 2 to 6 where it was rounded, and 4 where 1.0 was written as 1.
    (folder / "figures" / "plans.csv").write_text("area,children,late %\nA,400,1\nB,9000,8\n")
    assert verdict_of(folder, "figures/plans.csv")[0] == "review"


@pytest.mark.parametrize(
    "rows",
    [
        "area,children,late %\nA,40,50\nB,900,10\n",  # 19.8 to 20.2: 20 of 40, and 20 left
        "area,children,late %\nA,4000,8\nB,9000,10\n",  # 8% of 4,000 is any of 300 to 340
        "area,children,plans,late %\nA,40,20,50\nB,900,90,10\n",  # the count itself is shown
        "area,population,rate\nA,100000,30.1\nB,90000,12.1\n",
    ],
)
def test_shares_and_rates_that_give_no_small_count_away_pass(folder, rows):
    (folder / "figures" / "plans.csv").write_text(rows)
    assert verdict_of(folder, "figures/plans.csv")[0] == "pass"


def test_published_figures_stand_but_identifiers_do_not(folder):
    (folder / "figures" / "plans.csv").write_text("strand,children\npublished,3\nsimulated,60\n")
    assert verdict_of(folder, "figures/plans.csv")[0] == "pass"
    (folder / "figures" / "plans.csv").write_text(f"strand,area\npublished,{UPN}\n")
    assert verdict_of(folder, "figures/plans.csv")[0] == "fail"


def test_files_nobody_described_or_can_read_go_to_a_person(folder):
    (folder / "extra.csv").write_text("council_name\nCumbria\n")
    (folder / "tables.parquet").write_bytes(b"PAR1")
    (folder / "broken.json").write_text("{")
    found = check_release(folder, **RULES).set_index("file")["verdict"]
    assert found[["extra.csv", "tables.parquet", "broken.json"]].tolist() == [
        "review",
        "review",
        "review",
    ]
    register(folder, population="")
    assert "gives no population" in verdict_of(folder, "plans.md")[1]


def write_records(kind):
    """Invent sixty rows of one child each, without ids, names or fields of a return."""
    days = pd.date_range("2011-04-01", periods=60)
    rows = pd.DataFrame({"area": ["Cumbria", "Hackney"] * 30})
    if kind == "two dates":
        return rows.assign(first=days.astype(str), last=days.shift(9).strftime("%d/%m/%Y"))
    if kind == "one date":
        return rows.assign(first=days.astype(str), days=range(60))
    if kind == "no date":
        return rows.assign(days=[n % 40 for n in range(60)])
    if kind == "only numbers":
        return pd.DataFrame({"value_a": range(60), "days": [n % 40 for n in range(60)]})
    months = pd.date_range("2010-01-01", periods=60, freq="MS").astype(str)
    if kind == "months":
        return pd.DataFrame({"month": months, "estimate": range(60)})
    return pd.DataFrame({"first": days.astype(str), "children": [120] * 60})


@pytest.mark.parametrize(
    ("kind", "verdict"),
    [
        ("two dates", "fail"),
        ("one date", "review"),
        ("no date", "review"),
        ("only numbers", "review"),
        ("months", "pass"),
        ("counts a day", "pass"),
    ],
)
def test_records_without_ids_are_found_and_periods_are_not(folder, kind, verdict):
    write_records(kind).to_csv(folder / "figures" / "plans.csv", index=False)
    found, reason = verdict_of(folder, "figures/plans.csv")
    assert found == verdict, reason
    register(folder, strand="published")
    assert verdict_of(folder, "figures/plans.csv") == ("pass", "")


def test_a_working_file_stays_whatever_it_holds(folder, tmp_path):
    register(folder, stays="row-level working file")
    verdict, reason = verdict_of(folder, "plans.md")
    assert (verdict, reason) == ("fail", "row-level working file: stays in the secure environment")
    assert not release(folder, tmp_path / "out", **RULES)["moved"].any()
    assert not (tmp_path / "out").exists()


def test_release_moves_only_what_passed(folder, tmp_path):
    (folder / "plans.md").write_text(f"UPN {UPN}")
    moved = release(folder, tmp_path / "out", **RULES).set_index("file")["moved"]
    assert not moved["plans.md"]
    assert (folder / "plans.md").is_file()
    assert not (tmp_path / "out" / "plans.md").exists()
    assert (tmp_path / "out" / "figures" / "plans.csv").is_file()
    assert not (folder / "figures" / "plans.csv").exists()
    # Both folders still say what their files are.
    assert "plans.md" in read_register(folder)
    assert "plans.md" not in read_register(tmp_path / "out")
    sheet = pd.read_csv(tmp_path / "out" / SHEET).set_index("file")
    assert set(sheet.index) == set(read_register(tmp_path / "out")) - {SHEET}
    assert sheet.loc["figures/plans.csv", ["smallest_count", "threshold"]].tolist() == ["120", 5]
    assert set(check_release(tmp_path / "out", **RULES)["verdict"]) == {"pass"}
    write_clean(tmp_path / "again")
    with pytest.raises(DisclosureError, match="`folder_to`"):
        release(tmp_path / "again", tmp_path / "out", **RULES)
    assert (tmp_path / "again" / "plans.json").is_file()


def test_output_check_sheet_answers_what_a_checker_asks(folder):
    (folder / "plans.json").write_text('[{"children": 3}]')
    sheet = describe_release(folder, **RULES).set_index("file")
    assert sheet.loc["figures/plans.csv", "smallest_count"] == "120"
    assert sheet.loc["plans.json", "smallest_count"] == "below threshold"
    assert sheet.loc["figures/plans.png", "underlying"] == "figures/plans.csv"
    assert sheet.loc["plans.html", ["what", "population", "threshold"]].tolist() == [
        "children with a plan",
        "children in Cumbria and Hackney",
        "5",
    ]


def test_register_describes_a_run_and_refuses_what_it_does_not_know(tmp_path):
    for name in ("evidence.csv", "index.html", "report.pdf", "strange.bin"):
        (tmp_path / name).write_text("")
    entries = describe_outputs(
        tmp_path, strand="published", population="152 councils", threshold=5, rounding=10
    )
    assert [entry.file for entry in entries] == ["evidence.csv", "index.html", "report.pdf"]
    write_register(tmp_path, entries)
    assert read_register(tmp_path)["report.pdf"].underlying == "index.html"
    (tmp_path / REGISTER).write_text("file,strand\nindex.html,rumour\n")
    with pytest.raises(DisclosureError, match="strands"):
        read_register(tmp_path)
    with pytest.raises(DisclosureError, match="`folder`"):
        check_release(tmp_path / "none", **RULES)
