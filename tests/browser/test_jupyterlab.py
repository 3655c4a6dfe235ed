"""JupyterLab as its users meet it: open a notebook, run all cells, see no error or warning."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

import nbformat
import pytest
from report_pages import NOTEBOOKS, make_project

pytestmark = pytest.mark.browser

START_SECONDS = 60
RUN_SECONDS = 180
ALWAYS = (
    "00_data_quality",
    "02a_conferences",
    "05_delay_childrens_records",
    "08_council_report",
    "99_summary",
)
"""Each of another kind: tables, charts, records, a council's page, verdicts. The rest: slow."""
PLACEHOLDER = "No description has been provided for this image"
FORM = 'import pilot_eval as pe\npe.choose_parameters("03_child_outcomes")'
RUN_ALL = """async path => {
  const app = window.jupyterapp;
  await app.restored;
  const panel = await app.commands.execute('docmanager:open', {path, factory: 'Notebook'});
  await panel.context.ready;
  await panel.sessionContext.ready;
  app.shell.activateById(panel.id);
  await app.commands.execute('notebook:run-all-cells');
  return panel.content.widgets.filter(cell => cell.model.type === 'code').map(cell => ({
    count: cell.model.executionCount,
    outputs: Array.from({length: cell.model.outputs.length},
      (_, i) => cell.model.outputs.get(i).toJSON()),
  }));
}"""
CLOSE = """async () => {
  const panel = window.jupyterapp.shell.currentWidget;
  await panel.sessionContext.shutdown();
  panel.dispose();
}"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A JupyterLab on copies of the notebooks, with settings of its own; gives its address."""
    folder = tmp_path_factory.mktemp("lab")
    project = make_project(tmp_path_factory.mktemp("project") / "quick")
    for path in NOTEBOOKS:
        shutil.copy(path, folder / path.name)
    form = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(FORM)])
    form.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(form, folder / "form.ipynb")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = {
        "--ServerApp.ip": "127.0.0.1",
        "--ServerApp.port": port,
        "--ServerApp.root_dir": folder,
        "--IdentityProvider.token": "",
        "--LabApp.expose_app_in_browser": True,
        "--LabApp.workspaces_dir": folder / ".workspaces",
        "--LabApp.user_settings_dir": folder / ".settings",
    }
    home = {name: str(folder / name.lower()) for name in ("JUPYTER_CONFIG_DIR", "IPYTHONDIR")}
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
    process = subprocess.Popen(
        [*command, *(f"{name}={value}" for name, value in options.items())],
        env={**os.environ, **home, "PILOT_EVAL_ROOT": str(project)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    wait_for(address)
    yield address
    process.terminate()
    process.wait()


def wait_for(address):
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            with urllib.request.urlopen(f"{address}/api", timeout=5):
                return
        except OSError:
            assert time.monotonic() < deadline, "JupyterLab did not start"
            time.sleep(0.3)


@pytest.fixture(scope="module")
def tab(browser, lab):
    """JupyterLab in the browser, opened once, and every address that it asks for."""
    tab = browser.new_page()
    tab.set_default_timeout(RUN_SECONDS * 1000)
    tab.asked = []
    tab.on("request", lambda request: tab.asked.append(request.url))
    tab.goto(f"{lab}/lab?reset")
    tab.wait_for_function("window.jupyterapp")
    yield tab
    tab.close()


@pytest.fixture
def run_all(tab):
    """Open a notebook and run all cells; it is closed, and its kernel ended, afterwards."""
    yield lambda path: tab.evaluate(RUN_ALL, path)
    tab.evaluate(CLOSE)


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, id=path.stem, marks=() if path.stem in ALWAYS else pytest.mark.slow)
        for path in NOTEBOOKS
    ],
)
def test_run_all_gives_no_error_or_warning(tab, lab, run_all, path):
    cells = run_all(path.name)
    assert [cell["count"] for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert [o for o in outputs if o["output_type"] == "error" or o.get("name") == "stderr"] == []
    pictures = sum(str(o.get("data", {}).get("text/html", "")).count("<img") for o in outputs)
    shown = tab.eval_on_selector_all(".jp-OutputArea img", "all => all.map(img => img.alt)")
    assert len(shown) <= pictures
    assert all(len(alt) > 20 and alt != PLACEHOLDER for alt in shown)
    assert [url for url in tab.asked if not url.startswith((lab, "data:", "blob:"))] == []


def test_the_form_for_parameters_follows_a_choice_and_writes_a_copy(tab, run_all):
    run_all("form.ipynb")
    tab.locator(".widget-vbox").wait_for()
    fields = tab.locator(".widget-text input")
    shown = fields.evaluate_all("all => all.map(field => field.value)")
    fields.nth(shown.index("0.05")).fill("0.1")
    fields.nth(shown.index("0.05")).press("Enter")
    tab.get_by_text("-p alpha=0.1").wait_for()
    tab.get_by_role("button", name="Write a copy").click()
    tab.get_by_text("03_child_outcomes-changed.ipynb").first.wait_for()
