"""Start kernels as copies of a process that has imported what notebooks need.

A kernel of its own for every notebook costs seconds of imports. Where the system can fork, a
process that has done them, the keeper, forks a fresh copy of itself for every kernel, as isolated
as one that was just started. Elsewhere (Windows) kernels start as ever.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from importlib.metadata import EntryPoint
from multiprocessing import Pipe, parent_process
from multiprocessing.connection import Connection
from threading import Thread
from typing import Any, ClassVar

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning.factory import KernelProvisionerFactory
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

NAME = "pilot-eval-forked"
IMPORTS = "pilot_eval.app.kernel_imports"
LAUNCHER = "ipykernel_launcher"
BETWEEN_LOOKS = 0.02  # seconds


def use_forked_kernels() -> None:
    """Let every kernel that this process starts be forked, where the system can.

    To be called before the process has a second thread: it forks.
    """
    if not hasattr(os, "fork"):
        return
    ForkedProvisioner.keeper = Keeper()
    factory = KernelProvisionerFactory.instance()
    factory.provisioners[NAME] = EntryPoint(NAME, f"{__name__}:ForkedProvisioner", NAME)
    factory.default_provisioner_name = NAME


class Keeper:
    """The process that kernels are copies of; it ends with the one that made it, and so do they."""

    def __init__(self) -> None:
        self._line, theirs = Pipe()
        alive, self._alive = os.pipe()  # the second end is this process's alone
        if not os.fork():
            self._line.close()
            os.close(self._alive)
            _keep(theirs, alive)
        theirs.close()
        os.close(alive)

    def start(self, arguments: Sequence[str], env: Mapping[str, str], cwd: str) -> int:
        """Start a kernel with its command's arguments; return its process id."""
        pid: int = self._ask((list(arguments), dict(env), cwd))
        return pid

    def read_exit(self, pid: int) -> int | None:
        """Return a kernel's exit code, or None while it runs."""
        code: int | None = self._ask(pid)
        return code

    def _ask(self, question: object) -> Any:
        self._line.send(question)
        return self._line.recv()


class ForkedProvisioner(LocalProvisioner):
    """Jupyter's local kernels, forked by the keeper instead of started by a new interpreter."""

    keeper: ClassVar[Keeper]

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Start a kernel with its command's arguments; see `LocalProvisioner`."""
        if LAUNCHER not in cmd:
            return await super().launch_kernel(cmd, **kwargs)
        arguments = cmd[cmd.index(LAUNCHER) + 1 :]
        pid = self.keeper.start(arguments, kwargs["env"], kwargs.get("cwd") or os.getcwd())
        kernel: Any = ForkedKernel(self.keeper, pid)
        self.process, self.pid = kernel, pid
        return self.connection_info


class ForkedKernel:
    """A kernel's process, with the part of `subprocess.Popen` that its provisioner uses."""

    stdin = stdout = stderr = None

    def __init__(self, keeper: Keeper, pid: int) -> None:
        self._keeper = keeper
        self._code: int | None = None
        self.pid = pid

    def poll(self) -> int | None:
        """Return the exit code, or None while it runs."""
        if self._code is None:
            self._code = self._keeper.read_exit(self.pid)
        return self._code

    def wait(self) -> int | None:
        """Wait for its end and return the exit code."""
        while self.poll() is None:
            time.sleep(BETWEEN_LOOKS)
        return self._code

    def send_signal(self, signum: int) -> None:
        """Send a signal, if it still runs."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signum)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)


def _keep(line: Connection, alive: int) -> None:
    """Be the keeper: fork a kernel or tell of one, until who asks is gone."""
    code = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        import_module(IMPORTS)
        while True:
            question = line.recv()
            if isinstance(question, int):
                line.send(_look_for_exit(question))
            elif pid := os.fork():
                line.send(pid)
            else:
                line.close()
                arguments, env, cwd = question
                _run_kernel(arguments, env, cwd, alive)
                break
        code = 0
    except (EOFError, ConnectionError):  # who asked is gone
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(bool(ended.code))
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _look_for_exit(pid: int) -> int | None:
    ended, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if ended else None


def _run_kernel(arguments: list[str], env: Mapping[str, str], cwd: str, alive: int) -> None:
    """Be a kernel: what `python -m ipykernel_launcher` does in a new session."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115 - as long as the kernel lasts
    Thread(target=_end_with, args=(alive,), daemon=True).start()
    from ipykernel import kernelapp

    kernelapp.launch_new_instance(argv=arguments)


def _end_with(alive: int) -> None:
    """End at once when the other end of a pipe is closed: its process is gone, however it went."""
    os.read(alive, 1)
    os._exit(1)


def end_with_parent() -> None:
    """End at once when the process that started this one is gone, however it went."""
    if parent := parent_process():
        parent.join()
    os._exit(1)
