"""The documentation site in a browser: accessible, and without a request to another host."""

from __future__ import annotations

import subprocess
import sys

import pytest
from report_pages import ROOT
from test_report import LIST_AXE

pytestmark = pytest.mark.browser
PAGES = ("index", "methods", "tasks", "reference-api", "command-line", "gallery/06_robustness")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    pytest.importorskip("sphinx", reason="needs the docs extra")
    out = tmp_path_factory.mktemp("site") / "out"
    command = [sys.executable, str(ROOT / "tools" / "build_site.py"), "--out", str(out)]
    subprocess.run(command, check=True, capture_output=True)
    return out


@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing(browser, axe, site, name):
    tab = browser.new_page()
    requests = []
    tab.on("request", lambda asked: requests.append(asked.url))
    tab.goto((site / f"{name}.html").as_uri())
    tab.evaluate(axe)
    assert tab.evaluate(LIST_AXE) == []
    tab.close()
    assert [url for url in requests if not url.startswith(("file:", "data:"))] == []
