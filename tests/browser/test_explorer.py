"""The explorer in a real browser: what it prints is what `evaluate` says of the same plan."""

from __future__ import annotations

import json
import random
import re
from html import unescape

import pytest
from test_report import LIST_AXE, LIST_HTMLCS

from pilot_eval.app.results import write_grid
from pilot_eval.checks.specification_grid import READINGS, RULES, list_specifications
from pilot_eval.evaluation import evaluate
from pilot_eval.plan import load_plan
from pilot_eval.published.council_indicators import load_published
from pilot_eval.reporting.display import format_number, format_range
from pilot_eval.reporting.explorer import (
    OPTION_WORDS,
    READING_WORDS,
    SPECIFICATIONS,
    _name,
    word_ends,
)
from pilot_eval.reporting.site import EXPLORER, SiteFacts, build_site

pytestmark = pytest.mark.browser

PILOTS = ["family-safeguarding", "timescales-2011"]  # the page belongs to no one pilot
DRAWN, SEED = 20, 12
MOST_BYTES = 300_000


@pytest.fixture(scope="module", params=PILOTS)
def plan(request):
    return load_plan(request.param)


@pytest.fixture(scope="module")
def folder(plan, tmp_path_factory):
    folder = tmp_path_factory.mktemp("explorer")
    write_grid(plan, None, folder)
    facts = SiteFacts(
        plan_title=plan.title,
        plan_hash=plan.hash,
        published_on=plan.texts.published_on,
        seed=plan.seed,
    )
    build_site([], facts, folder)
    return folder


@pytest.fixture
def page(browser, folder):
    tab = browser.new_page()
    requests, faults = [], []
    tab.on("request", lambda asked: requests.append(asked.url))
    tab.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
    tab.on("pageerror", lambda fault: faults.append(str(fault)))
    tab.goto((folder / f"{EXPLORER}.html").as_uri())
    yield tab
    tab.close()
    assert [url for url in requests if not url.startswith(("file:", "data:"))] == []
    assert faults == []


def choose(page, **labels):
    """Choose, as far as it is offered, and say whether all of it was."""
    for key, label in labels.items():
        options = page.locator(f"#choose-{key} option").all_inner_texts()
        if label not in options:
            return False
        page.select_option(f"#choose-{key}", label=label)
    return True


def word_choice(plan, item, method):
    return {
        "scenario": plan.scenarios[item.scenario].short,
        "outcome": plan.outcomes[item.outcome].label,
        "comparators": OPTION_WORDS[item.comparators],
        "years": _name(plan, "years", item.years),
        "method": READING_WORDS[method],
        "left_out": _name(plan, "left_out", item.left_out),
    }


def word_result(plan, item, method):
    """Word what `evaluate` finds for a choice; the plan's own is judged by the whole plan."""
    one = {} if item.is_planned else {"scenarios": item.scenario, "outcomes": item.outcome}
    evidence = evaluate(item.revise(plan), **one)
    rows = evidence.table.set_index(["scenario", "outcome", "method"])
    if (item.scenario, item.outcome, method) not in rows.index:
        return None
    row = rows.loc[(item.scenario, item.outcome, method)]
    if row["status"] != "estimated":
        return None
    rating = evidence.verdict(item.scenario, item.outcome).rating
    ends = word_ends(row["conf_low"], row["conf_high"])
    estimate = format_range(row["estimate_low"], row["estimate_high"])
    finding = f"{estimate} {row['unit']} (95% interval {ends}); rating {rating} of 5"
    return finding, format_number(row["p_value"], 2)


def test_twenty_choices_are_what_evaluate_says(page, plan):
    draw = random.Random(SEED)
    found = 0
    for item in draw.sample(list(list_specifications(plan, load_published())), DRAWN):
        method = draw.choice(READINGS)
        offered = choose(page, **word_choice(plan, item, method))
        expected = word_result(plan, item, method)
        shown = page.inner_text("#result .finding")
        if expected is None:
            assert not offered or shown.startswith("Cannot be estimated")
            continue
        assert offered
        finding, p_value = expected
        assert shown == finding
        assert f"p {p_value}." in page.inner_text("#result p:nth-child(3)")
        found += 1
    assert found > DRAWN / 2


def test_the_place_among_all_is_counted_from_the_written_grid(page, folder):
    given = json.loads((folder / SPECIFICATIONS).read_text(encoding="utf-8"))
    rows = [row for row in given["rows"] if row[:2] == [0, 0]]
    choose(page, scenario=given["scenario"][0], outcome=given["outcome"][0])
    page.click("#planned")
    [own] = [row for row in rows if row[-1] and row[4] == 0]
    lower = sum(row[6] + row[7] < own[6] + own[7] for row in rows)
    text = page.inner_text("#result p:nth-child(2)")
    assert f"Of {len(rows)} ways" in text
    assert f"{lower} give a lower estimate" in text
    assert "the plan's own choice" in page.inner_text("#result")


def test_a_council_is_left_out_of_the_plans_own_choice_alone(page, plan):
    item = next(item for item in list_specifications(plan, load_published()) if item.left_out)
    other = next(rule for rule in RULES if rule != item.comparators)
    choose(page, **word_choice(plan, item, READINGS[0]) | {"comparators": OPTION_WORDS[other]})
    assert page.inner_text("#result .finding").startswith("Not computed")


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("colours", ["light", "dark"])
def test_it_is_accessible_and_fits_the_screen(page, axe, width, colours):
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme=colours)
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    page.evaluate(axe)
    assert page.evaluate(LIST_AXE) == []
    wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(wide) == 0
    inside = """[...document.querySelectorAll('#curve text')].every(text => {
      const [own, all] = [text, text.ownerSVGElement].map(e => e.getBoundingClientRect());
      return own.left >= all.left && own.right <= all.right && own.top >= all.top
        && own.bottom <= all.bottom; })"""
    assert page.evaluate(inside)


def test_htmlcs_finds_nothing(page, htmlcs):
    page.evaluate(htmlcs)
    assert page.evaluate(LIST_HTMLCS) == []


def test_it_works_by_keyboard_and_says_what_changed(page):
    assert page.get_attribute("#result", "role") == "status"
    before = page.inner_text("#result .finding")
    page.focus("#choose-comparators")
    page.keyboard.press("ArrowDown")
    page.wait_for_function(
        "old => document.querySelector('#result .finding').innerText !== old", arg=before
    )
    shadow = "getComputedStyle(document.activeElement).boxShadow"
    assert page.evaluate(shadow) != "none"


def test_without_javascript_there_is_the_table(browser, folder):
    tab = browser.new_page()
    session = browser.new_cdp_session(tab)
    session.send("Emulation.setScriptExecutionDisabled", {"value": True})
    tab.goto((folder / f"{EXPLORER}.html").as_uri())
    assert tab.locator("#fallback table").is_visible()
    assert tab.locator("noscript").inner_text().startswith("Choosing needs JavaScript")
    assert not tab.locator("#explorer").is_visible()
    tab.close()


def test_the_page_is_small_and_no_other_script_may_run(page, folder):
    path = folder / f"{EXPLORER}.html"
    assert path.stat().st_size < MOST_BYTES
    text = unescape(path.read_text("utf-8"))
    [policy] = re.findall(r'Content-Security-Policy" content="([^"]+)"', text)
    assert "default-src 'none'" in policy
    assert re.search(r"script-src 'sha256-[\w+/]+='$", policy)
    other = "<script>document.title = 'run'</script>"
    changed = path.with_name("changed.html")
    changed.write_text(path.read_text("utf-8").replace("</main>", f"</main>{other}"), "utf-8")
    tab = page.context.new_page()
    tab.goto(changed.as_uri())
    assert tab.title() != "run"
    tab.close()
