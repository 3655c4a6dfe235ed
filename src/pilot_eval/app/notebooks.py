"""Execute notebooks by Papermill, each in a process of its own kernel, at most one per core."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import active_children, get_all_start_methods, get_context
from multiprocessing.context import BaseContext
from pathlib import Path
from threading import Thread
from typing import Any

from pilot_eval.app.grammars import defer_grammars
from pilot_eval.app.staging import ADVICE, working_folder
from pilot_eval.project import ROOT_VARIABLE
from pilot_eval.run_cache import keep_for_run

IMPORTS = "pilot_eval.app.worker_imports"
START_SECONDS = 60
CELL_SECONDS = 900
"""A large table of one's own can keep a cell busy for minutes; what hangs is ended."""
STOP_SECONDS = 5
WAIT_SECONDS = 4
DEAD_AT_START = "Kernel died before replying"
# below this level ipykernel 7.4 prints a notice on encryption, and one on every interrupt
KERNEL_ARGUMENTS = ["--IPKernelApp.log_level=50"]
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One notebook to execute.

    Parameters
    ----------
    name : str
        Its file name without ending.
    source, target : pathlib.Path
        The notebook, and where to write the executed copy.
    parameters : mapping
        What differs from the notebook's defaults.
    """

    name: str
    source: Path
    target: Path
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Executed:
    """What became of a task: `error` is empty where it went well."""

    name: str
    path: Path
    seconds: float
    cell: str = ""
    error: str = ""
    retried: bool = False

    @property
    def ok(self) -> bool:
        """Whether every cell ran."""
        return not self.error


def count_cores() -> int:
    """Count the cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def is_on_request(path: Path) -> bool:
    """Say whether a notebook runs only where it is named (its metadata say so)."""
    content = json.loads(path.read_text(encoding="utf-8"))
    return bool(content["metadata"].get("pilot_eval", {}).get("on_request"))


def use_one_thread_each() -> None:
    """Keep linear algebra to one thread per process: faster alongside others, and the same sums."""
    for name in ONE_THREAD:
        os.environ.setdefault(name, "1")


@contextmanager
def worker_pool(jobs: int, root: Path) -> Iterator[ProcessPoolExecutor]:
    """Give a process pool whose processes, and their kernels, compute nothing twice.

    Kernels find pilots and data in the project folder `root`, wherever their notebooks are.

    On Ctrl-C or an error they are ended.
    """
    use_one_thread_each()  # before the process is started that workers are copies of
    with keep_for_run():
        pool = ProcessPoolExecutor(
            jobs,
            mp_context=_choose_context(),
            initializer=_start_worker,
            initargs=(root, dict(os.environ)),
        )
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            _end_children()
            raise
        pool.shutdown()


def _choose_context() -> BaseContext:
    """Let workers be copies of a process that has done their imports, where the system can fork."""
    if "forkserver" not in get_all_start_methods():
        return get_context("spawn")
    context = get_context("forkserver")
    context.set_forkserver_preload([IMPORTS])
    return context


def execute_all(
    pool: ProcessPoolExecutor,
    tasks: Sequence[Task],
    tell: Callable[[Executed], None],
    also: Sequence[Future[None]] = (),
) -> list[Executed]:
    """Execute every task, past failures.

    Parameters
    ----------
    pool : ProcessPoolExecutor
        From `worker_pool`.
    tasks : sequence of Task
    tell : callable
        Called with each result as it arrives.
    also : sequence of Future
        Other work in the pool: awaited too, and its error ends everything at once.

    Returns
    -------
    list of Executed
        In the order of `tasks`.
    """
    futures = {pool.submit(execute_one, task): task for task in tasks}
    results = {}
    for future in _arriving([*futures, *also]):
        if future not in futures:
            future.result()
            continue
        task = futures[future]
        results[task.name] = _collect(future, task)
        tell(results[task.name])
    return [results[task.name] for task in tasks]


def _arriving(futures: Sequence[Future[Any]]) -> Iterator[Future[Any]]:
    """Give futures as they are done; between waits, Ctrl-C is heard on every system."""
    pending = set(futures)
    while pending:
        done, pending = wait(pending, timeout=WAIT_SECONDS, return_when=FIRST_COMPLETED)
        yield from done


def execute_one(task: Task) -> Executed:
    """Execute one notebook; a kernel that died at its start gets a second try.

    Parameters
    ----------
    task : Task

    Returns
    -------
    Executed
        A failed notebook is kept alongside its target as ``*.failed.ipynb``.
    """
    from papermill.exceptions import PapermillExecutionError

    started, retried = time.monotonic(), False
    while True:
        try:
            _execute(task)
            return Executed(
                name=task.name,
                path=task.target,
                seconds=time.monotonic() - started,
                retried=retried,
            )
        except PapermillExecutionError as fault:
            cell = f"cell [{fault.exec_count}], which begins {_first_line(fault.source)!r}"
            error = f"{fault.ename}: {fault.evalue}"
        except Exception as fault:  # whatever a kernel's end raises is reported, not hidden
            if isinstance(fault, OSError) and fault.errno in ADVICE:
                raise
            if DEAD_AT_START in str(fault) and not retried:
                retried = True
                continue
            cell, error = "the kernel", _word(fault)
        failed = _keep_failed(task)
        seconds = time.monotonic() - started
        return Executed(
            name=task.name, path=failed, seconds=seconds, cell=cell, error=error, retried=retried
        )


def _execute(task: Task) -> None:
    import papermill

    with working_folder() as private:
        # A person's own IPython start-up files must not change a result.
        os.environ["IPYTHONDIR"] = private
        on_interrupt = signal.getsignal(signal.SIGINT)
        try:
            papermill.execute_notebook(
                str(task.source),
                str(task.target),
                parameters=dict(task.parameters),
                kernel_name="python3",
                progress_bar=False,
                cwd=str(task.source.parent),
                start_timeout=START_SECONDS,
                execution_timeout=CELL_SECONDS,
                request_save_on_cell_execute=False,
                extra_arguments=KERNEL_ARGUMENTS,
            )
        finally:
            signal.signal(signal.SIGINT, on_interrupt)  # nbclient leaves Python's own behind


def _collect(future: Future[Executed], task: Task) -> Executed:
    try:
        return future.result()
    except BrokenProcessPool:
        return Executed(
            name=task.name,
            path=_keep_failed(task),
            seconds=0.0,
            cell="the process",
            error="it was ended from outside (out of memory?)",
        )


def _keep_failed(task: Task) -> Path:
    failed = task.target.with_name(f"{task.name}.failed.ipynb")
    if task.target.exists():
        task.target.replace(failed)
    else:
        shutil.copyfile(task.source, failed)
    return failed


def _word(fault: Exception) -> str:
    if isinstance(fault, TimeoutError):
        return f"a cell took longer than {CELL_SECONDS} seconds"
    return f"{type(fault).__name__}: {fault}"


def _first_line(source: str) -> str:
    return next((line.strip() for line in source.splitlines() if line.strip()), "")[:60]


def _start_worker(root: Path, environment: Mapping[str, str]) -> None:
    # what a copy begins with is of the time when the process was started that it is a copy of
    os.environ.clear()
    os.environ.update(environment)
    # On Ctrl-C nbclient ends its kernel; everything else is the parent's to end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    defer_grammars()
    from pilot_eval.app.forked_kernels import end_with_parent, use_forked_kernels

    use_forked_kernels()  # it forks: before there is a second thread
    Thread(target=end_with_parent, daemon=True).start()
    os.environ[ROOT_VARIABLE] = str(root)
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"
    # With a backend set from outside, figures vanish from notebooks without an error.
    os.environ.pop("MPLBACKEND", None)
    os.environ.pop("PYTHONWARNINGS", None)


def _end_children() -> None:
    children = active_children()
    for child in children:
        child.terminate()
    deadline = time.monotonic() + STOP_SECONDS
    for child in children:
        child.join(max(0.0, deadline - time.monotonic()))
        if child.is_alive():
            child.kill()
