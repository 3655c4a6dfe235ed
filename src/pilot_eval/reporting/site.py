"""The report as a static site: the findings first, every notebook a page, no request outside."""

from __future__ import annotations

import csv
import re
from base64 import b64encode
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import date
from hashlib import sha256
from html import escape
from pathlib import Path

from pilot_eval.reporting.answers_file import ANSWERS, read_answers
from pilot_eval.reporting.brief import PAPER, render_brief, write_document
from pilot_eval.reporting.explorer import (
    SPECIFICATIONS,
    TITLE,
    read_script,
    render_explorer,
)
from pilot_eval.reporting.front_page import name_day, render_front_page
from pilot_eval.reporting.html import (
    TEMPLATES,
    fold_code,
    keep_links,
    make_accessible,
    make_environment,
    read_figures,
    read_title,
    render_markdown,
    render_notebook,
)
from pilot_eval.reporting.pdf import PDF_NAME, print_pdf, read_page_numbers
from pilot_eval.result_display import write_as_text

FIGURES = "figures"
RELATIVE = re.compile(r' href="((?![a-z]+:|//)[^"]*)"')
SUMMARY = "99_summary"
QUALITY, QUALITY_TITLE = "qa_log", "Quality assurance"
FILES = {
    "tables.xlsx": "the results, and the figures of all, as a spreadsheet",
    "evidence.csv": "every estimate, one row for each scenario, outcome and method",
    "effects.csv": "the effect in each of the treated",
    "verdicts.csv": "the finding and security rating of every comparison, with what it rests on",
    "answers.json": "questions, answers, numbers, reasons and provenance, for machines",
    SPECIFICATIONS: "every comparison under every choice of the explorer, for machines",
    "answers.csv": "the answer to every question, with the comparison that carries it",
    "dropped.csv": "who was left out of a comparison, and why",
    "ees/figures.csv": "the figures as tidy data, a row for each place and period",
    "ees/figures.meta.csv": "what each column of the tidy data is",
    "ees/figures.footnotes.csv": "the findings, as footnotes of the tidy data",
    "ees/long_run.csv": "effects by year since the start, with their bands, as tidy data",
    "ees/long_run.meta.csv": "what each column of them is",
    "qa_log.csv": "the quality assurance log, as a table",
    "qa_log_assumptions.csv": "assumptions and caveats, with what tests each",
    "qa_log_rap.csv": "checklist of a reproducible analytical pipeline",
    "brief.docx": "the brief, to edit",
    "brief.pdf": "the brief on paper",
    "report.pdf": "this report as one document, to print",
}
BRIEF, EXPLORER = "brief", "explorer"
MAIN = ("index", "02_", "03_", "07_safety", "08_")
"""How the names of the main report's pages begin; on paper the others are annexes."""
WAYS = {  # reader -> pages and files that are for them, where the run has them
    "Adviser": ("brief.html", "brief.docx", "03_child_outcomes.html", "glossary.html"),
    "Director": ("07_safety.html", "09_next_pilot.html"),
    "Analyst": (
        "explorer.html",
        "tables.xlsx",
        "evidence.csv",
        "answers.json",
        "06_robustness.html",
    ),
    "Referee": ("methods.html", "assumptions.html", "01_design_and_power.html", "qa_log.html"),
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
    plan_hash : str
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
    published_on: date
    seed: int
    parameters: Mapping[str, str] = field(default_factory=dict)
    failures: Mapping[str, str] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)

    def by_reason(self) -> dict[str, list[str]]:
        """Give why pages were left out, and their names in the menu."""
        found: dict[str, list[str]] = {}
        for name, why in self.left_out.items():
            found.setdefault(why, []).append(_shorten(name))
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page: file name without ending, title, name in the menu, HTML, and its script if any."""

    name: str
    title: str
    label: str
    body: str
    script: str = ""

    @property
    def script_hash(self) -> str:
        """The hash by which the page's policy lets its script run, and no other."""
        return b64encode(sha256(self.script.encode()).digest()).decode("ascii")


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A report's pages, as its menu lists them, and where they are written."""

    pages: Sequence[Page]
    facts: SiteFacts
    folder: Path

    def write(self, page: Page) -> None:
        """Write one page."""
        text = (
            make_environment()
            .get_template("page.html.j2")
            .render(
                page=page,
                pages=self.pages,
                files=_list_files(self.folder),
                ways=self._find_ways(),
                facts=self.facts,
                style=_style(),
            )
        )
        (self.folder / f"{page.name}.html").write_text(text, encoding="utf-8", newline="\n")

    def _find_ways(self) -> dict[str, dict[str, str]]:
        """Give each kind of reader the pages and files of this run that are for them."""
        pages = {f"{page.name}.html": page.title for page in self.pages}
        there = {**{name: name for name in _list_files(self.folder)}, **pages}
        ways = {
            reader: {name: there[name] for name in names if name in there}
            for reader, names in WAYS.items()
        }
        return {reader: links for reader, links in ways.items() if links}

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
    councils: bool = False,
    tell: Callable[[str], None] = lambda _: None,
) -> Site:
    """Write the report: its pages, and where a browser is found a PDF of all of them.

    Parameters
    ----------
    notebooks : sequence of pathlib.Path
        Executed notebooks, in order. The first page, ``index.html``, is made of the folder's
        ``answers.json`` and not of the summary's notebook.
    facts : SiteFacts
    folder : pathlib.Path
        Where to write.
    labels : mapping, optional
        Notebook -> its name in the menu, where that is not made of its file name.
    documents : sequence of pathlib.Path
        Markdown that a reader needs (methods, assumptions, glossary): pages after the notebooks.
    councils : bool
        Whether the notebooks are reports on single councils: the report then opens on them.
    tell : callable
        Where progress goes, a line at a time.

    Returns
    -------
    Site
        Every page but the one on quality assurance, which can be known only when these are there.
    """
    tell("Laying out the front page, the brief and the notebooks' pages ...")
    named = labels or {}
    read = [
        _read_page(path, named.get(path.stem, "")) for path in notebooks if path.stem != SUMMARY
    ]
    if councils and len(read) == 1:
        pages = [replace(read[0], name="index")]
    elif councils:
        pages = [_list_councils(facts, read), *read]
    else:
        pages = [*_open_report(facts, folder), *_explore(folder), *read]
    pages += _read_documents(documents)
    tell("Writing the report's charts ...")
    with ThreadPoolExecutor(1) as beside:  # the browser prints in a process of its own
        printed = beside.submit(_print_report, pages, facts, folder)
        for page in pages:
            if page.name != BRIEF:  # its chart is the first page's
                name = SUMMARY if page.name == "index" else page.name
                save_figures(page.body, name, folder / FIGURES)
        tell("Printing the report and the brief with a browser, where there is one ...")
        printed.result()
    quality = Page(name=QUALITY, title=QUALITY_TITLE, label=QUALITY_TITLE, body="")
    site = Site(pages=[*pages, quality], facts=facts, folder=folder)
    tell("Writing the report's pages ...")
    for page in pages:
        site.write(page)
    return site


def _print_report(pages: Sequence[Page], facts: SiteFacts, folder: Path) -> None:
    """Print the report, and the brief by itself."""
    draft = compose_print(pages, facts)
    if not print_pdf(draft, folder, facts.published_on, draft=True):
        return
    numbers = read_page_numbers((folder / PDF_NAME).read_bytes())  # known once it is printed
    print_pdf(compose_print(pages, facts, numbers=numbers), folder, facts.published_on)
    for page in pages:
        if page.name == BRIEF:
            short = compose_print([page], facts, bare=True)
            print_pdf(short, folder, facts.published_on, PAPER)


def compose_print(
    pages: Sequence[Page],
    facts: SiteFacts,
    *,
    bare: bool = False,
    numbers: Mapping[str, int] | None = None,
) -> str:
    """Compose the document that is printed: cover, contents, main report, annexes.

    Parameters
    ----------
    pages : sequence of Page
        `MAIN` says which belong to the main report.
    facts : SiteFacts
    bare : bool
        Leave out cover and contents.
    numbers : mapping, optional
        Name of a page -> where it begins on paper, for the contents.

    Returns
    -------
    str
        Complete HTML.
    """
    pages = _prefix_ids([page for page in pages if page.name != EXPLORER])
    return (
        make_environment()
        .get_template("print.html.j2")
        .render(
            main=[page for page in pages if bare or page.name.startswith(MAIN)],
            bare=bare,
            annexes=[page for page in pages if not page.name.startswith((*MAIN, BRIEF))],
            facts=facts,
            numbers=numbers or {},
            published_on=name_day(facts.published_on),
            style=_style(),
        )
    )


def _open_report(facts: SiteFacts, folder: Path) -> list[Page]:
    """Make the first page and the brief; a title alone where nothing was answered."""
    title = facts.plan_title
    if not (folder / ANSWERS).exists():
        return [Page(name="index", title=title, label="Summary", body=f"<h1>{escape(title)}</h1>")]
    answers = read_answers(folder / ANSWERS)
    write_document(answers, folder)
    first = Page(name="index", title=title, label="Summary", body=render_front_page(answers))
    return [first, Page(name=BRIEF, title="The brief", label="Brief", body=render_brief(answers))]


def _explore(folder: Path) -> list[Page]:
    """Make the explorer, where the run computed other choices than the plan's."""
    path = folder / SPECIFICATIONS
    if not path.exists():
        return []
    body, script = render_explorer(path), read_script()
    return [Page(name=EXPLORER, title=TITLE, label="Explorer", body=body, script=script)]


def _list_councils(facts: SiteFacts, pages: Sequence[Page]) -> Page:
    links = "".join(
        f'<li><a href="{page.name}.html">{escape(page.label)}</a></li>' for page in pages
    )
    body = f"<h1>{escape(facts.plan_title)}</h1><p>One report for each council:</p><ul>{links}</ul>"
    return Page(name="index", title=facts.plan_title, label="Councils", body=body)


def _read_page(path: Path, label: str) -> Page:
    import nbformat

    notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    body = make_accessible(fold_code(render_notebook(notebook)))
    title = ": ".join(part for part in (label, read_title(body) or path.stem) if part)
    return Page(name=path.stem, title=title, label=label or _shorten(path.stem), body=body)


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


def save_figures(body: str, name: str, folder: Path) -> None:
    """Save a page's charts as PNG and SVG, and the numbers plotted as CSV of the same name.

    Parameters
    ----------
    body : str
        HTML of the page.
    name : str
        Files are called ``name-1.png``, ``name-1.csv``, ...
    folder : pathlib.Path
        Made where there is a chart.
    """
    for number, (pictures, rows) in enumerate(read_figures(body), start=1):
        folder.mkdir(parents=True, exist_ok=True)
        stem = folder / f"{name}-{number}"
        for ending, picture in pictures.items():
            stem.with_suffix(ending).write_bytes(picture)
        if rows:
            with stem.with_suffix(".csv").open("w", encoding="utf-8", newline="") as handle:
                cells = ([write_as_text(cell) for cell in row] for row in rows)
                csv.writer(handle, lineterminator="\n").writerows(cells)


def _prefix_ids(pages: Sequence[Page]) -> list[Page]:
    """Keep ids apart where several pages become one document, and links inside it."""
    names = {page.name for page in pages}
    return [replace(page, body=_prefix_body(page, names)) for page in pages]


def _prefix_body(page: Page, names: Collection[str]) -> str:
    def point(match: re.Match[str]) -> str:
        """Point a link at a place in the document; a link to another file is none on paper."""
        name, _, anchor = match[1].partition("#")
        name = name.removesuffix(".html") or page.name
        if name not in names:
            return ""
        return f' href="#{name}-{anchor}"' if anchor else f' href="#{name}"'

    body = page.body.replace(' id="', f' id="{page.name}-')
    return RELATIVE.sub(point, body)


def _style() -> str:
    return (TEMPLATES / "style.css").read_text(encoding="utf-8")
