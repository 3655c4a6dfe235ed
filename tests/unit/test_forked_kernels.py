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
    run("import os, time; open({path!r}, 'w').write(f'{{os.getpid()}} {{os.getppid()}} .'); "
        "time.sleep(600)")
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


def is_there(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_kernel_and_keeper_end_when_their_driver_is_killed(tmp_path):
    started = tmp_path / "pid"
    driver = subprocess.Popen(program(tmp_path, WAITING.format(path=str(started))))
    deadline = time.monotonic() + 120
    while not (started.exists() and started.read_text().endswith(".")):
        assert time.monotonic() < deadline, "the kernel did not start"
        time.sleep(0.2)
    pids = [int(pid) for pid in started.read_text().split()[:2]]
    assert all(map(is_there, pids))
    assert driver.pid not in pids
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    while any(map(is_there, pids)):
        assert time.monotonic() < deadline, "a kernel or its keeper outlived who drove them"
        time.sleep(0.2)


def test_a_kernels_exit_is_told_as_a_process_tells_it(tmp_path):
    """By number where it ends, by signal where it is ended, and before that not at all."""
    body = """
    from pilot_eval.app.forked_kernels import ForkedKernel, ForkedProvisioner
    for _ in range(2):
        keeper = ForkedProvisioner.keeper
        given = dict(os.environ)
        kernel = ForkedKernel(keeper, keeper.start(["-f", {path!r}], given, {path!r}))
        assert kernel.wait() == 1, "a folder that is not there"
        kernel = ForkedKernel(keeper, keeper.start([], given, os.getcwd()))
        assert kernel.poll() is None
        kernel.kill()
        assert kernel.wait() == kernel.poll() == -9
        kernel.kill()
    print("told")
"""
    gone = str(tmp_path / "gone")
    done = subprocess.run(
        program(tmp_path, body.format(path=gone)),
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.stdout.endswith("told\n"), done.stderr
