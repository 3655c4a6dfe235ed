"""Kernels forked from a process with imports done: isolated, and gone with who drives them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.skipif(
    "forkserver" not in multiprocessing.get_all_start_methods(),
    reason="this system cannot fork: kernels start as ever",
)

PROGRAM = """
import os, sys, time
import nbformat
from nbclient import NotebookClient
from pilot_eval.app.forked_kernels import use_forked_kernels

def run(*sources):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(s) for s in sources])
    NotebookClient(notebook, kernel_name="python3", timeout=60).execute()
    return [o["text"] for cell in notebook.cells for o in cell["outputs"]]

if __name__ == "__main__":
    use_forked_kernels()
    {body}
"""
ISOLATED = """
    ask = "import os, sys; print('pandas' in sys.modules, 'left' in globals(), os.getppid())"
    first = run(ask, "import pandas; left = 1; pandas.left = 1")
    second = run(ask, "import pandas; print(hasattr(pandas, 'left'))")
    print(first, second)
    assert first[0] == second[0] and first[0].startswith("True False")
    assert second[1].strip() == "False"
    print("isolated")
"""
WAITING = """
    run("import os, time; open({path!r}, 'w').write(str(os.getpid())); time.sleep(600)")
"""


def program(tmp_path, body):
    path = tmp_path / "program.py"
    path.write_text(PROGRAM.replace("{body}", body.strip()))
    return [sys.executable, str(path)]


def test_each_notebook_has_a_kernel_of_its_own(tmp_path):
    done = subprocess.run(
        program(tmp_path, ISOLATED), capture_output=True, text=True, timeout=180, check=False
    )
    assert done.stdout.endswith("isolated\n"), done.stderr


def test_a_kernel_ends_when_its_driver_is_killed(tmp_path):
    started = tmp_path / "pid"
    driver = subprocess.Popen(program(tmp_path, WAITING.format(path=str(started))))
    deadline = time.monotonic() + 120
    while not (started.exists() and started.read_text()):
        assert time.monotonic() < deadline, "the kernel did not start"
        time.sleep(0.2)
    pid = int(started.read_text())
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.2)
    pytest.fail("the kernel outlived the process that drove it")
