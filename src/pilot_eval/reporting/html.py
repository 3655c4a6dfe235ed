"""Turn notebooks and Markdown into accessible HTML: tables with scope, formulas as MathML."""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from pilot_eval.reporting.sanitise import POLICY, drop_active, sanitise

if TYPE_CHECKING:
    from jinja2 import Environment
    from lxml.html import HtmlElement
    from markupsafe import Markup
    from nbconvert.exporters import HTMLExporter
    from nbformat import NotebookNode

TEMPLATES = Path(__file__).parent / "templates"
STAMP = "Source: "
"""How the line begins that a notebook prints of its data and its plan."""
NUMBER = re.compile(r"^[<>≤≥]?\s*[-+−–]?[\d,]*\.?\d+(e[-+]?\d+)?\s*%?$|^(nan|NaN|–|—|)$")


@cache
def make_environment() -> Environment:
    """Open the templates of pages; what is put into them is escaped."""
    from jinja2 import Environment, FileSystemLoader

    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True)
    environment.globals["policy"] = POLICY
    environment.filters["in_css"] = _write_in_css
    return environment


def _write_in_css(text: str) -> Markup:
    """Write a text for a string of a style sheet, where an entity of HTML is not read."""
    from markupsafe import Markup

    return Markup(re.sub(r"[^\w ,.:;?!()'–—-]", lambda sign: f"\\{ord(sign[0]):X} ", text))


def render_markdown(source: str) -> str:
    """Render Markdown with LaTeX formulas as MathML.

    Parameters
    ----------
    source : str

    Returns
    -------
    str
        HTML, without anchors of its own. Raw HTML in it is cut down to text, tables, lists,
        links and pictures: what a plan, a table or a return says cannot run or reach out.
    """
    from html import escape

    from latex2mathml.converter import convert
    from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

    class Renderer(IPythonRenderer):
        def block_code(self, code: str, info: str | None = None) -> str:
            return f'<pre tabindex="0"><code>{escape(code)}</code></pre>\n'

        def inline_math(self, body: str) -> str:
            return convert(body)

        def block_math(self, body: str) -> str:
            return convert(body, display="block")

    renderer = Renderer(escape=False, exclude_anchor_links=True)
    return sanitise(MarkdownWithMath(renderer=renderer).render(source))


def render_notebook(notebook: NotebookNode) -> str:
    """Render an executed notebook's cells and outputs as one HTML fragment.

    Parameters
    ----------
    notebook : NotebookNode

    Returns
    -------
    str
    """
    body, _resources = _make_exporter().from_notebook_node(notebook)
    return body


@cache
def _make_exporter() -> HTMLExporter:
    """Make the exporter, once for all notebooks, since making it reads every template."""
    from nbconvert.exporters import HTMLExporter

    exporter: HTMLExporter = HTMLExporter(  # type: ignore[no-untyped-call]
        template_name="notebook",
        extra_template_basedirs=[str(TEMPLATES)],
        filters={"render_markdown": render_markdown},
    )
    return exporter


def make_accessible(body: str, prefix: str = "") -> str:
    """Finish an HTML fragment: headings with ids, tables with scope, no styles of pandas.

    Parameters
    ----------
    body : str
    prefix : str
        Put before ids, for documents joined of several fragments.

    Returns
    -------
    str
    """
    from lxml import html

    root = html.fragment_fromstring(body, create_parent="div")
    for style in root.xpath(".//style[@scoped]"):
        style.drop_tree()
    drop_active(root)
    _name_headings(root, prefix)
    for number, table in enumerate(root.iter("table"), start=1):
        _finish_table(table, number)
    for number, block in enumerate(root.iter("pre"), start=1):
        block.set("role", "region")
        block.set("aria-label", f"Text block {number}")
    _tell_regions_apart(root)
    return _inner(root)


def fold_code(body: str) -> str:
    """Put all code of a page into one fold at its end, and leave out the line of stamps.

    Parameters
    ----------
    body : str
        HTML as from `render_notebook`.

    Returns
    -------
    str
        Results follow each other; what a notebook prints of its data and plan is in the footer.
    """
    from lxml import html

    root = html.fragment_fromstring(body, create_parent="div")
    for stamp in root.xpath(f".//pre[starts-with(normalize-space(), '{STAMP}')]"):
        stamp.drop_tree()
    if blocks := root.xpath(".//pre[@class='code']"):
        fold = html.Element("details", {"class": "code"})
        html.etree.SubElement(fold, "summary").text = "The code of this page"
        root.append(fold)
        for block in blocks:
            block.tail = None
            fold.append(block)
    return _inner(root)


def _tell_regions_apart(root: HtmlElement) -> None:
    used: dict[str, int] = {}
    for region in root.xpath(".//*[@role='region']"):
        label = region.get("aria-label") or "Part"
        used[label] = used.get(label, 0) + 1
        if used[label] > 1:
            region.set("aria-label", f"{label} ({used[label]})")


def read_figures(body: str) -> list[tuple[dict[str, bytes], list[list[str]]]]:
    """Read the charts of a page and the numbers plotted in each.

    Parameters
    ----------
    body : str
        HTML with ``<figure>`` elements, each followed by a ``<details>`` that contains its table
        and a link to the chart as SVG.

    Returns
    -------
    list of (dict, list of list of str)
        Ending of a file name -> picture, and the rows of its table (none where there is no table).
    """
    from base64 import b64decode

    from lxml import html

    kinds = {"data:image/png;base64": ".png", "data:image/svg+xml;base64": ".svg"}
    found = []
    for figure in html.fragment_fromstring(body, create_parent="div").iter("figure"):
        [*details] = figure.xpath("following-sibling::*[1][self::details]")
        sources = figure.xpath(".//img/@src") + [
            link for part in details for link in part.xpath(".//a/@href")
        ]
        split = [source.partition(",") for source in sources]
        pictures = {kinds[kind]: b64decode(data) for kind, _, data in split if kind in kinds}
        rows = [row for part in details for row in part.iter("tr")]
        if pictures:
            found.append(
                (pictures, [[cell.text_content().strip() for cell in row] for row in rows])
            )
    return found


def keep_links(body: str, names: Collection[str]) -> str:
    """Turn links between documents into links between pages; unlink what is not in the report.

    Parameters
    ----------
    body : str
        HTML of a document.
    names : collection of str
        Documents that are pages, by file name without ending.

    Returns
    -------
    str
    """
    from lxml import html

    root = html.fragment_fromstring(body, create_parent="div")
    own = set(root.xpath(".//@id"))
    for link in root.xpath(".//a[@href]"):
        file, _, anchor = link.get("href").partition("#")
        if file.startswith(("https:", "http:")) or (not file and anchor in own):
            continue
        name = file.removesuffix(".md")
        if name in names:
            link.set("href", f"{name}.html")
        else:
            link.drop_tag()
    return _inner(root)


def read_title(body: str) -> str:
    """Read the text of the first heading of level one, or an empty text."""
    from lxml import html

    headings = html.fragment_fromstring(body, create_parent="div").xpath(".//h1")
    return " ".join(headings[0].text_content().split()) if headings else ""


def _inner(root: HtmlElement) -> str:
    from lxml import html

    children = (html.tostring(child, encoding="unicode", method="html") for child in root)
    return (root.text or "") + "".join(children)


def _name_headings(root: HtmlElement, prefix: str) -> None:
    used: dict[str, int] = {}
    for heading in root.xpath(".//h1 | .//h2 | .//h3 | .//h4"):
        slug = re.sub(r"[^a-z0-9]+", "-", heading.text_content().lower()).strip("-") or "part"
        used[slug] = used.get(slug, 0) + 1
        suffix = f"-{used[slug]}" if used[slug] > 1 else ""
        heading.set("id", f"{prefix}{slug}{suffix}")


def _finish_table(table: HtmlElement, number: int) -> None:
    for element in table.iter():
        for name in ("border", "style", "halign", "valign", "align"):
            element.attrib.pop(name, None)
    _join_index_name(table)
    _drop_positions(table)
    for cell in table.xpath(".//thead//th"):
        cell.set("scope", "colgroup" if int(cell.get("colspan", "1")) > 1 else "col")
    for cell in table.xpath(".//tbody//th"):
        cell.set("scope", "rowgroup" if int(cell.get("rowspan", "1")) > 1 else "row")
    for cell in table.xpath(".//th[not(normalize-space())]"):
        cell.tag = "td"
        cell.attrib.pop("scope", None)
    _align_numbers(table)
    _hold_caption(table)
    _wrap_table(table, number)


def _join_index_name(table: HtmlElement) -> None:
    """Move an index name that pandas puts on a header row of its own into the first row."""
    rows = table.xpath("./thead/tr")
    if len(rows) != 2 or len(rows[0]) != len(rows[1]):
        return
    name, *rest = [cell.text_content().strip() for cell in rows[1]]
    if name and not any(rest) and not rows[0][0].text_content().strip():
        rows[0][0].text = name
        rows[1].drop_tree()


def _drop_positions(table: HtmlElement) -> None:
    """Drop an index that only counts rows; the first column then names the row."""
    rows, head = table.xpath("./tbody/tr"), table.xpath("./thead/tr")
    positions = [row[0].text_content().strip() for row in rows if len(row) and row[0].tag == "th"]
    counts_rows = positions == [str(number) for number in range(len(rows))]
    if not rows or not counts_rows or len(head) != 1 or head[0][0].text_content().strip():
        return
    for row in [*head, *rows]:
        row[0].drop_tree()
    for row in rows:
        row[0].tag = "th"


def _align_numbers(table: HtmlElement) -> None:
    rows = table.xpath(".//tbody/tr") or table.xpath(".//tr[td]")
    width = max((len(row) for row in rows), default=0)
    for column in range(width):
        cells = [row[column] for row in rows if len(row) == width]
        texts = [cell.text_content().strip() for cell in cells]
        numeric = all(NUMBER.match(text) for text in texts) and any(texts)
        if not numeric or any(cell.tag == "th" for cell in cells):
            continue
        for cell in [
            *cells,
            *(row[column] for row in table.xpath(".//thead/tr") if len(row) == width),
        ]:
            cell.set("class", "number")


def _hold_caption(table: HtmlElement) -> None:
    """Put a caption into an element that stays in view while a wide table is scrolled."""
    from lxml import html

    for caption in table.xpath("./caption[not(span)]"):
        span = html.Element("span")
        span.text, caption.text = caption.text, None
        span.extend(list(caption))
        caption.append(span)


def _wrap_table(table: HtmlElement, number: int) -> None:
    from lxml import html

    if table.getparent().get("class") == "table":
        return
    captions = table.xpath("./caption")
    name = captions[0].text_content().strip() if captions else f"Table {number}"
    region = html.Element("div")
    region.set("class", "table")
    region.set("role", "region")
    region.set("aria-label", name)
    region.set("tabindex", "0")
    table.getparent().replace(table, region)
    region.tail, table.tail = table.tail, None
    region.append(table)
