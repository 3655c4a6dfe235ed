"""The brief for ministers and boards: two pages, as a page, on paper and as a document to edit."""

from __future__ import annotations

import io
import zipfile
from datetime import datetime, time
from pathlib import Path

from pilot_eval.reporting.answers_file import AnswersFile
from pilot_eval.reporting.front_page import Headline, list_headlines, name_day
from pilot_eval.reporting.html import make_environment
from pilot_eval.reporting.overview import plot_overview

DOCUMENT = "brief.docx"
PAPER = "brief.pdf"
PICTURE_INCHES = 5.2
ZIP_START = (1980, 1, 1, 0, 0, 0)  # the earliest that the format knows: bytes repeat


def render_brief(answers: AnswersFile) -> str:
    """Render the brief as HTML, from ``answers.json`` alone.

    Parameters
    ----------
    answers : AnswersFile

    Returns
    -------
    str
        HTML of the page's main part.
    """
    figure = plot_overview(answers)
    return (
        make_environment()
        .get_template("brief.html.j2")
        .render(
            answers=answers,
            published_on=name_day(answers.published_on),
            headlines=list_headlines(answers),
            overview=figure._repr_html_() if figure else "",
        )
    )


def write_document(answers: AnswersFile, folder: Path) -> None:
    """Write the brief as ``brief.docx``: the same answers, the same bytes."""
    from docx import Document
    from docx.shared import Inches

    document = Document()
    document.add_heading(f"{answers.title}: the brief", 0)
    document.add_paragraph(f"Published {name_day(answers.published_on)}")
    document.add_paragraph(answers.introduction)
    for item in list_headlines(answers):
        for level, words in enumerate([item.question, item.group], start=1):
            if words:
                document.add_heading(words, level)
        document.add_paragraph().add_run(item.finding).bold = True
        if item.number:
            document.add_paragraph(_say(item))
    if figure := plot_overview(answers):
        document.add_heading(figure.title, 2)
        shape = document.add_picture(io.BytesIO(figure.png), width=Inches(PICTURE_INCHES))
        shape._inline.docPr.set("descr", figure.alt)
    document.add_heading("What this cannot show", 1)
    for limit in answers.limits:
        document.add_paragraph(limit, style="List Bullet")
    facts = document.core_properties
    facts.title, facts.author = answers.title, answers.contact
    facts.created = facts.modified = datetime.combine(answers.published_on, time())
    facts.comments = ""
    saved = io.BytesIO()
    document.save(saved)
    (folder / DOCUMENT).write_bytes(_date_parts(saved))


def _say(item: Headline) -> str:
    return " ".join([item.number, *item.reasons[:1]])


def _date_parts(saved: io.BytesIO) -> bytes:
    """Write an archive again without the time at which its parts were made."""
    fixed = io.BytesIO()
    with zipfile.ZipFile(saved) as old, zipfile.ZipFile(fixed, "w", zipfile.ZIP_DEFLATED) as new:
        for name in sorted(old.namelist(), key=lambda part: (part != "[Content_Types].xml", part)):
            new.writestr(zipfile.ZipInfo(name, ZIP_START), old.read(name), zipfile.ZIP_DEFLATED)
    return fixed.getvalue()
