"""The report as a static site: the findings first, every notebook a page, no request outside."""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import date
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from pilot_eval.reporting.html import (
    TEMPLATES,
    keep_links,
    make_accessible,
    read_figures,
    read_title,
    render_markdown,
    render_notebook,
)
from pilot_eval.reporting.pdf import print_pdf

if TYPE_CHECKING:
    from jinja2 import Environment

FIGURES = "figures"
RELATIVE = re.compile(r' href="((?![a-z]+:|//)[^"]*)"')
SUMMARY = "99_summary"
QUALITY, QUALITY_TITLE = "qa_log", "Quality assurance"
FILES = {
    "tables.xlsx": "the results, and the figures of every council, as a spreadsheet",
    "evidence.csv": "every estimate, one row for each scenario, outcome and method",
    "effects.csv": "the effect in each pilot council",
    "verdicts.csv": "the finding and security rating of every comparison, with what it rests on",
    "answers.csv": "the answer to every question, with the comparison that carries it",
    "dropped.csv": "councils left out of a comparison, and why",
    "ees/figures.csv": "the councils' figures as tidy data, a row a council and year",
    "ees/figures.meta.csv": "what each column of the tidy data is",
    "ees/figures.footnotes.csv": "the findings, as footnotes of the tidy data",
    "qa_log.csv": "the quality assurance log, as a table",
    "qa_log_assumptions.csv": "assumptions and caveats, with what tests each",
    "qa_log_rap.csv": "checklist of a reproducible analytical pipeline",
    "report.pdf": "this report as one document, to print",
}
ALWAYS = {
    "outputs.csv": "what each file is, of whom, and how small numbers were protected",
    "manifest.json": "settings, data, versions: what is needed to make this run again",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteFacts:
    """What every page says about the run.

    Parameters
    ----------
    plan_title : str
    plan_hash, data_hash : str
    published_on : date
    seed : int
    parameters : mapping
        Name -> value, where all notebooks share it.
    failures : mapping
        Notebook -> what went wrong.
    left_out : mapping
        Notebook -> why it was not run.
    """

    plan_title: str
    plan_hash: str
    data_hash: str
    published_on: date
    seed: int
    parameters: Mapping[str, str] = field(default_factory=dict)
    failures: Mapping[str, str] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page: file name without ending, title, name in the menu, HTML."""

    name: str
    title: str
    label: str
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A report's pages, as its menu lists them, and where they are written."""

    pages: Sequence[Page]
    facts: SiteFacts
    folder: Path

    def write(self, page: Page) -> None:
        """Write one page."""
        text = (
            _environment()
            .get_template("page.html.j2")
            .render(
                page=page,
                pages=self.pages,
                files=_list_files(self.folder),
                facts=self.facts,
                style=_style(),
            )
        )
        (self.folder / f"{page.name}.html").write_text(text, encoding="utf-8", newline="\n")

    def write_quality(self, body: str) -> None:
        """Write the page on quality assurance."""
        self.write(replace(self.pages[-1], body=make_accessible(body)))


def _list_files(folder: Path) -> dict[str, str]:
    files = {name: what for name, what in FILES.items() if (folder / name).exists()}
    if (folder / FIGURES).exists():
        files[f"{FIGURES}/"] = "every chart, with the numbers plotted in it"
    return {**files, **ALWAYS}


def build_site(
    notebooks: Sequence[Path],
    facts: SiteFacts,
    folder: Path,
    *,
    labels: Mapping[str, str] | None = None,
    documents: Sequence[Path] = (),
) -> Site:
    """Write the report: its pages, and where a browser is found a PDF of all of them.

    Parameters
    ----------
    notebooks : sequence of pathlib.Path
        Executed notebooks, in order; the summary becomes ``index.html``.
    facts : SiteFacts
    folder : pathlib.Path
        Where to write.
    labels : mapping, optional
        Notebook -> its name in the menu, where that is not made of its file name.
    documents : sequence of pathlib.Path
        Markdown that a reader needs (methods, assumptions, glossary): pages after the notebooks.

    Returns
    -------
    Site
        Every page but the one on quality assurance, which can be known only when these are there.
    """
    named = labels or {}
    read = [_read_page(path, named.get(path.stem, "")) for path in notebooks]
    pages = sorted(read, key=lambda page: page.name != "index")
    if not pages or pages[0].name != "index":
        pages = [_empty_index(facts), *pages]
    pages += _read_documents(documents)
    paper = _environment().get_template("print.html.j2")
    document = paper.render(pages=_prefix_ids(pages), facts=facts, style=_style())
    with ThreadPoolExecutor(1) as beside:  # the browser prints in a process of its own
        printed = beside.submit(print_pdf, document, folder, facts.published_on)
        for page in pages:
            name = SUMMARY if page.name == "index" else page.name
            save_figures(page.body, name, folder / FIGURES)
        printed.result()
    quality = Page(name=QUALITY, title=QUALITY_TITLE, label=QUALITY_TITLE, body="")
    site = Site(pages=[*pages, quality], facts=facts, folder=folder)
    for page in pages:
        site.write(page)
    return site


def _read_page(path: Path, label: str) -> Page:
    import nbformat

    notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    summary = path.stem == SUMMARY
    body = make_accessible(render_notebook(notebook, code=not summary))
    title = ": ".join(part for part in (label, read_title(body) or path.stem) if part)
    label = "Summary" if summary else label or _shorten(path.stem)
    return Page(name="index" if summary else path.stem, title=title, label=label, body=body)


def _read_documents(paths: Sequence[Path]) -> list[Page]:
    names = [path.stem for path in paths]
    pages = []
    for path in paths:
        body = make_accessible(render_markdown(path.read_text(encoding="utf-8")))
        title = read_title(body)
        body = keep_links(body, names)
        pages.append(Page(name=path.stem, title=title, label=title, body=body))
    return pages


def _shorten(name: str) -> str:
    """Make a menu entry of a file name: `01_design_and_power` is "Design and power"."""
    words = name.partition("_")[2].replace("_", " ").replace("childrens", "children's")
    return words.capitalize() or name


def _empty_index(facts: SiteFacts) -> Page:
    note = "<p>This run left the summary out: see the pages below.</p>"
    body = f"<h1>{escape(facts.plan_title)}</h1>{note}"
    return Page(name="index", title=facts.plan_title, label="Summary", body=body)


def save_figures(body: str, name: str, folder: Path) -> None:
    """Save a page's charts as PNG, and the numbers plotted as CSV of the same name.

    Parameters
    ----------
    body : str
        HTML of the page.
    name : str
        Files are called ``name-1.png``, ``name-1.csv``, ...
    folder : pathlib.Path
        Made where there is a chart.
    """
    for number, (png, rows) in enumerate(read_figures(body), start=1):
        folder.mkdir(parents=True, exist_ok=True)
        stem = folder / f"{name}-{number}"
        stem.with_suffix(".png").write_bytes(png)
        if rows:
            with stem.with_suffix(".csv").open("w", encoding="utf-8", newline="") as handle:
                csv.writer(handle, lineterminator="\n").writerows(rows)


def _prefix_ids(pages: Sequence[Page]) -> list[Page]:
    """Keep ids apart where several pages become one document, and links inside it."""
    names = {page.name for page in pages}
    return [replace(page, body=_prefix_body(page, names)) for page in pages]


def _prefix_body(page: Page, names: Collection[str]) -> str:
    def point(match: re.Match[str]) -> str:
        """Point a link at a place in the document; a link to a file beside it is none on paper."""
        name, _, anchor = match[1].partition("#")
        name = name.removesuffix(".html") or page.name
        if name not in names:
            return ""
        return f' href="#{name}-{anchor}"' if anchor else f' href="#{name}"'

    body = page.body.replace("<details><summary>", "<details open><summary>")
    body = body.replace(' id="', f' id="{page.name}-')
    return RELATIVE.sub(point, body)


def _style() -> str:
    return (TEMPLATES / "style.css").read_text(encoding="utf-8")


def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader

    return Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True)
