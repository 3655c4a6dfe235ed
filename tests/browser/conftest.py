"""A browser, and the report as it is built from the committed notebooks."""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
import pytest
from report_pages import IN_REPORT, ROOT

from pilot_eval.app.output import find_documents
from pilot_eval.evaluation import evaluate
from pilot_eval.plan import load_plan
from pilot_eval.reporting.answers_file import collect_answers, write_answers
from pilot_eval.reporting.pdf import find_browser
from pilot_eval.reporting.qa_checks import FinishedRun
from pilot_eval.reporting.qa_log import write_qa_log
from pilot_eval.reporting.site import SiteFacts, build_site

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    from playwright.sync_api import sync_playwright

    path = find_browser()
    if path is None:
        pytest.skip("no Chromium, Chrome or Edge on this machine")
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            str(tmp_path_factory.mktemp("profile")), executable_path=path, args=FLAGS
        )
        yield context
        context.close()


@pytest.fixture(scope="session")
def facts():
    plan = load_plan()
    return SiteFacts(
        plan_title=plan.title,
        plan_hash=plan.hash,
        published_on=plan.texts.published_on,
        seed=plan.seed,
        parameters={"scenario": "announced"},
    )


@pytest.fixture(scope="session")
def site(tmp_path_factory, facts):
    folder = tmp_path_factory.mktemp("a report ä")
    plan = load_plan()
    write_answers(collect_answers(plan, evaluate(plan), version="1.0"), folder)
    (folder / "evidence.csv").touch()
    evidence = pd.read_csv(ROOT / "reports" / "published" / "evidence.csv")
    run = FinishedRun(folder=folder, root=ROOT, plan=plan, manifest={}, evidence=evidence)
    log = write_qa_log(run)  # of an empty report: what can be released is another test's
    site = build_site(IN_REPORT, facts, folder, documents=find_documents(ROOT, "timescales-2011"))
    site.write_quality(log)
    return site


@pytest.fixture(scope="session")
def pages(site):
    return site.pages


@pytest.fixture(scope="session")
def report(site):
    return site.folder


@pytest.fixture(scope="session")
def axe():
    import axe_playwright_python

    return (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def htmlcs():
    modules = Path(sys.prefix) / "browser" / "node_modules"
    script = modules / "html_codesniffer" / "build" / "HTMLCS.js"
    if not script.exists():
        pytest.skip("html_codesniffer is not installed: `run.py test` gets it where npm is found")
    return script.read_text(encoding="utf-8")
