"""Whole runs of small projects: what is written, what fails, what Ctrl-C leaves."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from importlib import metadata

import openpyxl
import pandas as pd
import pytest
from project_folder import ROOT, add_notebook, make_project

from pilot_eval import __version__
from pilot_eval.app import notebooks
from pilot_eval.app.manifest import describe_code, describe_versions, hash_file, seal
from pilot_eval.app.notebooks import Task
from pilot_eval.app.reproduce import reproduce
from pilot_eval.app.request import RunRequest
from pilot_eval.app.run import run_evaluation
from pilot_eval.disclosure.release.register import list_outputs, read_register
from pilot_eval.disclosure.release.release_check import check_release
from pilot_eval.errors import DataError, ParameterError, PilotEvalError, RunError
from pilot_eval.plan import load_plan
from pilot_eval.reporting.answers_file import read_answers
from pilot_eval.reporting.front_page import render_front_page

FIGURE = """\
import base64, io
import matplotlib.pyplot as plt
from IPython.display import HTML
canvas, axes = plt.subplots()
axes.plot([1, 2], [3, 4])
buffer = io.BytesIO()
canvas.savefig(buffer, format="png")
plt.close(canvas)
data = base64.b64encode(buffer.getvalue()).decode()
HTML(f'<figure><img alt="It rises" src="data:image/png;base64,{data}"></figure>'
     '<details><summary>Numbers</summary><table><tr><td>3</td><td>4</td></tr></table></details>')"""


OUTPUTS = (
    *("tables.xlsx", "ees/figures.csv", "ees/figures.meta.csv"),
    *("ees/long_run.csv", "ees/long_run.meta.csv"),
    *("ees/figures.footnotes.csv", "verdicts.csv", "answers.csv", "answers.json"),
    *("evidence.csv", "qa_log.csv", "qa_log_assumptions.csv", "qa_log_rap.csv", "manifest.json"),
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """One run with a figure, a table and a notebook that fails."""
    project = make_project(tmp_path_factory.mktemp("runs") / "mein projekt ü")
    add_notebook(project, "02_delay", "print(scenario)", FIGURE, title="Did delay grow?")
    add_notebook(project, "03_broken", "value = 1", "value / 0", title="Broken")
    add_notebook(
        project,
        "99_summary",
        "import pandas as pd\npd.DataFrame({'outcome': ['a', 'b'], 'estimate': [1.5, -2.0]})",
        title="What we found",
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PILOT_EVAL_ROOT", str(project))
        patch.setenv("MPLBACKEND", "agg")  # must not reach a kernel
        lines = []
        request = RunRequest(root=project, parameters={"scenario": "announced"})
        result = run_evaluation(request, tell=lines.append)
        bare = run_evaluation(RunRequest(root=project, notebooks=False), tell=lines.append)
    return project, result, bare, lines


def test_a_failed_notebook_is_reported_kept_and_not_shown(finished):
    project, result, _, lines = finished
    [failed] = result.failed
    assert (failed.name, failed.error) == ("03_broken", "ZeroDivisionError: division by zero")
    assert failed.cell == "cell [4], which begins 'value / 0'"
    assert any("FAILED" in line and "03_broken" in line for line in lines)
    assert result.folder.name.endswith("-incomplete")
    assert (result.folder / "notebooks" / "03_broken.failed.ipynb").exists()
    assert not (result.folder / "03_broken.html").exists()
    assert "03_broken" in (result.folder / "index.html").read_text(encoding="utf-8")
    hidden = [path for path in (project / "reports").iterdir() if path.name.startswith(".")]
    assert hidden == []


def test_the_others_are_pages_with_their_figures(finished):
    _, result, _, _ = finished
    page = (result.folder / "02_delay.html").read_text(encoding="utf-8")
    assert '<html lang="en-GB">' in page
    assert 'alt="It rises"' in page
    assert "<math" in page
    assert "announced" in page
    assert (result.folder / "figures" / "02_delay-1.png").read_bytes().startswith(b"\x89PNG")
    assert (result.folder / "figures" / "02_delay-1.csv").read_text() == "3,4\n"
    index = (result.folder / "index.html").read_text(encoding="utf-8")
    assert render_front_page(read_answers(result.folder / "answers.json")) in index
    assert 'href="02_delay.html"' in index


def test_the_evidence_is_the_same_without_notebooks(finished):
    _, result, bare, _ = finished
    assert (result.folder / "evidence.csv").read_bytes() == (
        bare.folder / "evidence.csv"
    ).read_bytes()
    assert not (bare.folder / "index.html").exists()


def test_the_manifest_records_every_resolved_parameter(finished):
    _, result, _, _ = finished
    manifest = json.loads((result.folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["parameters"]["02_delay"] == {
        "scenario": "announced",
        "alpha": 0.05,
        "pilot": "",
        "table_file": "",
    }
    assert manifest["seed"] == 20110201
    assert {"python", "numpy", "papermill"} <= set(manifest["versions"])
    assert "data/published/council_indicators.csv" in manifest["data"]
    assert set(manifest["outputs"]) >= {"evidence.csv", "index.html", "02_delay.html"}


def test_every_output_is_described_recorded_and_linked(finished):
    _, result, bare, _ = finished
    described = read_register(bare.folder)
    manifest = json.loads((bare.folder / "manifest.json").read_text(encoding="utf-8"))
    assert set(OUTPUTS) <= set(described) & {*manifest["outputs"], "manifest.json"}
    assert set(manifest["outputs"]) == set(list_outputs(bare.folder)) - {"manifest.json"} | {
        "outputs.csv"
    }
    assert all(manifest["outputs"][name] == hash_file(bare.folder / name) for name in OUTPUTS[:-1])
    index = (result.folder / "index.html").read_text(encoding="utf-8")
    assert [name for name in OUTPUTS if f'<a href="{name}">' not in index] == []
    assert '<a href="qa_log.html">Quality assurance</a>' in index
    quality = (result.folder / "qa_log.html").read_text(encoding="utf-8")
    assert 'aria-current="page">Quality assurance</a>' in quality
    assert "failed: 03_broken" in quality


def test_the_workbook_shows_the_evidence_and_the_figures(finished):
    _, _, bare, _ = finished
    evidence = pd.read_csv(bare.folder / "evidence.csv")
    book = openpyxl.load_workbook(bare.folder / "tables.xlsx")
    titles = [str(sheet["A1"].value) for sheet in book]
    assert sum("against comparators" in title for title in titles) == evidence["family"].nunique()
    tidy = pd.read_csv(bare.folder / "ees" / "figures.csv", dtype=str)
    first, last = (int(place) for place in load_plan().span)
    assert tidy.groupby("time_period").size().tolist() == [153] * (last - first + 1)


def test_a_run_can_be_made_again_from_its_manifest(finished, monkeypatch):
    project, result, _, _ = finished
    monkeypatch.setenv("PILOT_EVAL_ROOT", str(project))
    assert reproduce(result.folder, project) == []
    evidence = result.folder / "evidence.csv"
    text = evidence.read_text(encoding="utf-8")
    try:
        evidence.write_text(text.replace(",138,", ",139,", 1), encoding="utf-8")
        [line] = reproduce(result.folder, project)
        assert line.startswith("evidence.csv: ")
        assert "n_comparators was 139, is now 138" in line
        (project / "data" / "published" / "extra.csv").touch()
        with pytest.raises(RunError, match="other contents of data/published/extra"):
            reproduce(result.folder, project)
    finally:
        evidence.write_text(text, encoding="utf-8")
        (project / "data" / "published" / "extra.csv").unlink(missing_ok=True)


def test_a_changed_cell_of_the_tables_is_found(finished, monkeypatch, tmp_path):
    project, _, bare, _ = finished
    monkeypatch.setenv("PILOT_EVAL_ROOT", str(project))
    run = shutil.copytree(bare.folder, tmp_path / "run")
    book = openpyxl.load_workbook(run / "tables.xlsx")
    book.save(run / "tables.xlsx")
    assert reproduce(run, project) == ["tables.xlsx: the bytes differ, but no value does"]
    before = book["Table_4"]["C12"].value
    book["Table_4"]["C12"] = 99.9
    book.save(run / "tables.xlsx")
    changed = f"Table_4, row 12, column 3: was 99.9, is now {before}"
    (run / "ees" / "figures.csv").unlink()
    lost = "figures.csv: the run did not write it"
    assert reproduce(run, project) == [lost, f"tables.xlsx: {changed}"]


def test_every_hash_of_the_manifest_and_its_own_are_checked(finished, monkeypatch, tmp_path):
    project, _, bare, _ = finished
    monkeypatch.setenv("PILOT_EVAL_ROOT", str(project))
    run = shutil.copytree(bare.folder, tmp_path / "run")
    assert reproduce(run, project) == []
    with (run / "qa_log.csv").open("a", encoding="utf-8") as log:
        log.write("passed\n")
    (run / "note.txt").touch()
    edited = ["qa_log.csv: not what the run wrote", "note.txt: added after the run"]
    assert reproduce(run, project) == edited
    manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    manifest["outputs"]["evidence.csv"] = manifest["outputs"]["qa_log.csv"]
    (run / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    wrong = ["evidence.csv: not what the run wrote", *edited]
    assert sorted(reproduce(run, project)) == sorted(
        [*wrong, "manifest.json: not what the run wrote"]
    )
    (run / "manifest.json").write_text(json.dumps(seal(manifest)), encoding="utf-8")
    assert sorted(reproduce(run, project)) == sorted(wrong)


def test_what_a_clean_run_writes_may_be_released(finished):
    _, _, bare, _ = finished
    checked = check_release(bare.folder, threshold=5, rounding=10)
    assert set(checked["file"]) >= {"evidence.csv", "manifest.json"}
    assert checked.loc[checked["verdict"].ne("pass")].to_dict("records") == []


def test_two_runs_differ_in_nothing_but_their_manifest(finished, tmp_path, monkeypatch):
    project, result, _, _ = finished
    monkeypatch.setenv("PILOT_EVAL_ROOT", str(project))
    request = RunRequest(
        root=project, parameters={"scenario": "announced"}, out=tmp_path / "second"
    )
    runs = [result.folder, run_evaluation(request, tell=lambda _: None).folder]
    first, second = (
        {path.relative_to(run).as_posix(): path.read_bytes() for path in run.rglob("*.*")}
        for run in runs
    )
    assert set(first) >= {*OUTPUTS, "index.html", "02_delay.html", "qa_log.html"}
    assert first.keys() == second.keys()
    failed = "notebooks/03_broken.failed.ipynb"  # kept as it stopped, times included
    differ = [name for name in first if first[name] != second[name]]
    assert set(differ) - {failed} == {"manifest.json"}
    judged = check_release(runs[0], threshold=5, rounding=10)
    assert set(judged["file"]) == set(first)
    assert set(judged.loc[judged["verdict"].ne("pass"), "file"]) <= {failed}
    manifests = [json.loads(run["manifest.json"]) for run in (first, second)]
    for notebook, other in zip(*(manifest.pop("notebooks") for manifest in manifests), strict=True):
        assert notebook.keys() == other.keys() >= {"seconds"}
    for manifest in manifests:
        manifest["outputs"].pop(failed)
    for kept in ("started", "finished", "code", "versions", "manifest"):
        assert all(manifest.pop(kept) for manifest in manifests)
    assert manifests[0] == manifests[1]


def test_results_hold_no_path_of_this_machine(finished):
    project, result, _, _ = finished
    for path in result.folder.rglob("*"):
        if path.suffix in (".html", ".csv", ".json") or path.name == "02_delay.ipynb":
            assert str(project) not in path.read_text(encoding="utf-8"), path.name


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"only": ["02_dely"]}, ParameterError, "Did you mean 02_delay"),
        ({"parameters": {"alpah": "0.05"}}, ParameterError, "Did you mean alpha"),
        ({"parameters": {"alpha": "five"}}, ParameterError, "like 0.05"),
        ({"parameters": {"outcome": "referral_rate"}}, ParameterError, "none of them declares"),
        ({"pilot": "seed = "}, PilotEvalError, "valid UTF-8 TOML"),
        ({"pilot": ("seed", "sede")}, PilotEvalError, "sede"),
        (
            {"pilot": ('exclude = ["City of London"', 'exclude = ["Gateshead"')},
            PilotEvalError,
            "Gateshead is treated in scenario announced and excluded as a comparator",
        ),
        ({"pilot": ("only = []", 'only = ["Gateshead"]')}, PilotEvalError, "Gateshead"),
        ({"table_file": b"\xff\xfe\x00"}, DataError, "mine.csv"),
        ({"table_file": b"council_code,year\nE1,2012\n"}, DataError, "must have the columns"),
    ],
)
def test_bad_input_is_refused_and_leaves_nothing(finished, monkeypatch, options, error, message):
    project, _, _, _ = finished
    monkeypatch.setenv("PILOT_EVAL_ROOT", str(project))
    before = sorted((project / "reports").iterdir())
    options = dict(options)
    if "pilot" in options:
        change, folder = options["pilot"], project / "mine"
        shutil.copytree(ROOT / "pilots" / "timescales-2011", folder, dirs_exist_ok=True)
        path = folder / "plan.toml"
        plan = path.read_text(encoding="utf-8")
        path.write_text(
            change if isinstance(change, str) else plan.replace(*change, 1), encoding="utf-8"
        )
        options["pilot"] = str(folder)
    if "table_file" in options:
        path = project / "mine.csv"
        path.write_bytes(options["table_file"])
        options["table_file"] = path
    with pytest.raises(error, match=message):
        run_evaluation(RunRequest(root=project, **options), tell=lambda _: None)
    assert sorted((project / "reports").iterdir()) == before


def test_a_package_that_is_not_installed_is_described_too(monkeypatch):
    """As where Databricks or a notebook adds `src` to the path."""

    def missing(name):
        raise metadata.PackageNotFoundError(name)

    installed = describe_versions()
    monkeypatch.setattr(metadata, "requires", missing)
    assert describe_versions() == installed
    monkeypatch.setattr(metadata, "version", missing)
    assert set(describe_versions().values()) > {"not installed"}
    assert describe_code(ROOT)["version"] == __version__


@pytest.fixture
def task(tmp_path):
    project = make_project(tmp_path / "project")
    source = add_notebook(project, "02_delay", "import time\ntime.sleep(30)")
    return Task(name="02_delay", source=source, target=tmp_path / "out.ipynb", parameters={})


def test_a_cell_that_takes_too_long_is_reported(task, monkeypatch):
    monkeypatch.setattr(notebooks, "CELL_SECONDS", 1)
    executed = notebooks.execute_one(task)
    assert executed.error == "a cell took longer than 1 seconds"
    assert executed.path.name == "02_delay.failed.ipynb"
    assert executed.path.exists()


@pytest.mark.parametrize(("deaths", "ok"), [(1, True), (2, False)])
def test_a_kernel_that_dies_at_its_start_gets_one_more_try(task, monkeypatch, deaths, ok):
    calls = []

    def execute(_task):
        calls.append(1)
        if len(calls) <= deaths:
            raise RuntimeError("Kernel died before replying to kernel_info")

    monkeypatch.setattr(notebooks, "_execute", execute)
    executed = notebooks.execute_one(task)
    assert (executed.ok, executed.retried, len(calls)) == (ok, True, 2)


def test_a_full_disk_ends_the_run_instead_of_failing_a_notebook(task, monkeypatch):
    def execute(_task):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(notebooks, "_execute", execute)
    with pytest.raises(OSError, match="No space left"):
        notebooks.execute_one(task)


@pytest.mark.skipif(os.name == "nt", reason="signals as on POSIX")
def test_ctrl_c_in_mid_run_leaves_neither_results_nor_kernels(tmp_path):
    project = make_project(tmp_path / "project")
    marker = project / "kernel.txt"
    add_notebook(
        project,
        "02_delay",
        f"import os, pathlib, time\npathlib.Path({str(marker)!r}).write_text(str(os.getpid()))",
        "time.sleep(60)",
    )
    command = [sys.executable, "-m", "pilot_eval.app.cli", "run"]
    process = subprocess.Popen(
        command,
        cwd=project,
        env={**os.environ, "PILOT_EVAL_ROOT": str(project)},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
        # What starts in the background of a shell inherits that Ctrl-C is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    wait_until(lambda: marker.exists() and marker.read_text())
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Stopped. Nothing was kept of this run" in errors
    assert "Traceback" not in errors
    assert list((project / "reports").glob("*")) == []  # the folder was made by this run
    wait_until(lambda: not is_running(int(marker.read_text())))


def wait_until(happens, seconds=60):
    deadline = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.1)


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
