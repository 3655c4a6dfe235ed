"""A report made of hostile texts, in a browser: nothing runs, nothing is fetched."""

from __future__ import annotations

from datetime import date

import nbformat
import pytest

from pilot_eval.reporting.site import SiteFacts, build_site

pytestmark = pytest.mark.browser

HOSTILE = """<img src=x onerror="document.title='run'"><script>document.title='run'</script>
<svg onload="document.title='run'"></svg><iframe src="https://example.org/frame"></iframe>
<img src="https://example.org/picture.png"><link rel="stylesheet" href="https://example.org/a.css">
<style>body { background: url(https://example.org/style.png) }</style>
<a id="hostile" href="javascript:void(document.title='run')">here</a>
[there](javascript:void(document.title='run'))"""


def write_report(folder):
    """Write a page whose notes, outputs, title and settings are hostile."""
    cells = [nbformat.v4.new_markdown_cell(f"# Page\n\n{HOSTILE}")]
    for kind in ("text/markdown", "text/html"):
        output = nbformat.v4.new_output("display_data", {kind: HOSTILE})
        cells.append(nbformat.v4.new_code_cell(HOSTILE, outputs=[output]))
    source = folder / "01_hostile.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), source)
    facts = SiteFacts(
        plan_title=HOSTILE,
        plan_hash="0" * 12,
        published_on=date(2024, 5, 7),
        seed=1,
        parameters={"scenario": HOSTILE},
        failures={"a": HOSTILE},
        left_out={"b": HOSTILE},
    )
    document = folder / "notes.md"
    document.write_text(f"# Notes\n\n{HOSTILE}", encoding="utf-8")
    build_site([source], facts, folder, labels={"01_hostile": HOSTILE}, documents=[document])


def visit(browser, address, strip=""):
    """Open a page, click every link that could run; return its title and what it asked for."""
    tab = browser.new_page()
    asked, stopped = [], []
    tab.on("request", lambda request: asked.append(request.url))
    tab.on("requestfailed", lambda r: stopped.append(r.url) if r.failure == "csp" else None)
    text = address.read_text(encoding="utf-8")
    if strip:
        address = address.with_name(f"open-{address.name}")
        address.write_text(text.replace(strip, ""), encoding="utf-8")
    tab.goto(address.as_uri())
    for link in tab.query_selector_all("a[href^='javascript']"):
        link.evaluate("link => link.click()")
    title = tab.title()
    tab.close()
    outside = {url for url in asked if not url.startswith(("file:", "data:"))}
    return title, sorted(outside - set(stopped))


def test_nothing_runs_and_nothing_is_fetched(browser, tmp_path):
    write_report(tmp_path)
    for name in ("index", "01_hostile", "notes"):
        title, asked = visit(browser, tmp_path / f"{name}.html")
        assert title != "run", name
        assert asked == [], name


def test_the_policy_alone_stops_what_a_page_would_run(browser, tmp_path):
    write_report(tmp_path)
    page = tmp_path / "notes.html"
    text = page.read_text(encoding="utf-8")
    policy = text[text.index("<meta http-equiv") :].partition("\n")[0]
    page.write_text(text.replace("</main>", f"{HOSTILE}</main>"), encoding="utf-8")
    assert visit(browser, page)[0] != "run"
    assert visit(browser, page)[1] == []
    assert visit(browser, page, strip=policy)[0] == "run"  # the same page without it
