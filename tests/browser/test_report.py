"""The report as people meet it: at a desk, on a phone, by keyboard, on paper."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from report_pages import IN_PDF, PAGES

from pilot_eval.reporting.pdf import print_pdf, read_page_numbers
from pilot_eval.reporting.site import BRIEF, MAIN, compose_print

pytestmark = pytest.mark.browser

WIDTHS = {"desktop": 1280, "phone": 390}
MOST_BYTES = 2_000_000
MOST_PAGES = 25
TITLE = 'What "they" <b>did</b> & the children\'s 50%'
RUNNING_HEADS = """() => ({
    numbers: [...document.querySelectorAll(".cover nav a span:last-child")].map(e => e.innerText),
    pages: [...document.querySelectorAll("article")].map(e => getComputedStyle(e).page),
    heads: [...document.styleSheets[0].cssRules].filter(r => r.type === 6).map(r => r.cssText),
})"""
PLACEHOLDER = "No description has been provided for this image"
LIST_HTMLCS = """() => new Promise((done, fail) => HTMLCS.process('WCAG2AA', document,
  () => done(HTMLCS.getMessages().filter(m => m.type === HTMLCS.ERROR).map(
    m => m.code + ': ' + m.msg + ' ' + m.element.outerHTML.slice(0, 120))), fail))"""
LIST_AXE = """async () => (await axe.run()).violations.map(
  v => v.id + ': ' + v.help + ' ' + v.nodes.map(n => n.html.slice(0, 120)).join(' '))"""
FAULTY = "<html><body><img src='data:,'><table><tr><th>a</th></tr><tr><td>1</td></tr></table>"


@pytest.fixture(params=PAGES)
def name(request):
    return request.param


@pytest.fixture(params=WIDTHS)
def page(request, browser, report, name):
    """A page opened at one width, with everything that folds unfolded; requests are recorded."""
    tab = browser.new_page()
    tab.set_viewport_size({"width": WIDTHS[request.param], "height": 800})
    requests = []
    tab.on("request", lambda asked: requests.append(asked.url))
    tab.goto((report / f"{name}.html").as_uri())
    tab.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    yield tab
    tab.close()
    outside = [url for url in requests if not url.startswith(("file:", "data:"))]
    assert outside == []


def test_axe_finds_nothing(page, axe):
    page.evaluate(axe)
    assert page.evaluate(LIST_AXE) == []


def test_axe_finds_nothing_in_the_dark(browser, report, axe):
    tab = browser.new_page()
    tab.emulate_media(color_scheme="dark")
    tab.goto((report / "index.html").as_uri())
    tab.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    tab.evaluate(axe)
    assert tab.evaluate(LIST_AXE) == []
    tab.close()


def test_htmlcs_finds_nothing(page, htmlcs):
    page.evaluate(htmlcs)
    assert page.evaluate(LIST_HTMLCS) == []


def test_the_checkers_find_planted_faults(browser, axe, htmlcs):
    tab = browser.new_page()
    tab.set_content(FAULTY)
    tab.evaluate(axe)
    tab.evaluate(htmlcs)
    assert any("image-alt" in found for found in tab.evaluate(LIST_AXE))
    assert any("1_1_1.H37" in found for found in tab.evaluate(LIST_HTMLCS))
    tab.close()


def test_nothing_is_wider_than_the_screen(page):
    wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(wide) == 0


def test_every_picture_says_what_it_shows(page):
    for alt in page.eval_on_selector_all("img", "all => all.map(img => img.alt)"):
        assert len(alt) > 20
        assert PLACEHOLDER not in alt


def test_it_can_be_walked_by_keyboard(page):
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    stops = page.evaluate(
        "document.querySelectorAll('main a, main summary, main .table, main pre').length"
    )
    for _ in range(min(stops, 15)):
        page.keyboard.press("Tab")
        shown = page.evaluate("getComputedStyle(document.activeElement).boxShadow")
        assert shown != "none", page.evaluate("document.activeElement.outerHTML.slice(0, 200)")


def test_a_page_stands_alone_and_is_small(report, name):
    path = report / f"{name}.html"
    text = path.read_text(encoding="utf-8")
    assert path.stat().st_size < MOST_BYTES
    assert '<html lang="en-GB">' in text
    assert not re.search(r"<script|<link[^>]+stylesheet|@import|src=\"(?!data:)", text)
    assert text.count("<h1") == 1


def test_the_links_between_pages_lead_somewhere(report, name):
    text = (report / f"{name}.html").read_text(encoding="utf-8")
    written_by_the_run = {"manifest.json", "outputs.csv"}
    for target in set(re.findall(r'href="([^":#]+)(?:#[^"]*)?"', text)) - written_by_the_run:
        assert (report / target).exists(), target


def test_the_pdf_is_tagged_and_holds_every_page(report):
    content = (report / "report.pdf").read_bytes()
    assert content.startswith(b"%PDF")
    assert b"/StructTreeRoot" in content
    assert b"/Lang (en-GB)" in content
    assert count_pages(content) >= len(IN_PDF)


def count_pages(content):
    return len(re.findall(rb"/Type\s*/Page\b", content))


def test_the_main_report_is_short_and_the_brief_has_two_pages(report, pages, facts, tmp_path):
    assert count_pages((report / "brief.pdf").read_bytes()) == 2
    numbers = read_page_numbers((report / "report.pdf").read_bytes())
    begin = [numbers[page.name] for page in pages if page.name in numbers]
    assert begin[0] == 2
    annexes = [name for name in IN_PDF if not name.startswith((*MAIN, BRIEF))]
    length = min(numbers[name] for name in annexes) - 1
    assert length <= MOST_PAGES
    main = [page for page in pages if page.name.startswith(MAIN)]
    print_pdf(compose_print(main, facts), tmp_path, facts.published_on)
    alone = count_pages((tmp_path / "report.pdf").read_bytes())
    assert abs(alone - length) <= 1  # a page may break elsewhere when it is printed alone


def test_contents_have_page_numbers_and_every_page_its_running_head(browser, pages, facts):
    odd = [replace(pages[0], title=TITLE), *pages[1:]]
    tab = browser.new_page()
    tab.set_content(compose_print(odd, facts, numbers={page.name: 7 for page in pages}))
    shown = tab.evaluate(RUNNING_HEADS)
    tab.close()
    assert shown["numbers"] == ["7"] * len(shown["pages"])
    assert shown["pages"] == [f"page-{place + 1}" for place in range(len(shown["pages"]))]
    heads = re.sub(r"\\(.)", r"\1", " ".join(shown["heads"]))
    assert TITLE in heads


def test_printing_leaves_out_menus_and_code(browser, report):
    tab = browser.new_page()
    tab.goto((report / "02_delay.html").as_uri())
    tab.emulate_media(media="print")
    for selector in ("nav", ".skip", "details.code"):
        assert not tab.locator(selector).first.is_visible()
    assert tab.locator("h1").is_visible()
    tab.close()
