"""Start kernels as copies of a process that has imported what notebooks need.

A kernel of its own for every notebook costs seconds of imports. Where the system can fork, Python's
own fork server imports once, before any notebook runs, and every kernel is a fresh copy of it, as
isolated as one that was just started. Elsewhere (Windows) kernels start as ever.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.metadata import EntryPoint
from multiprocessing import get_all_start_methods, get_context, parent_process
from multiprocessing.context import ForkServerContext, ForkServerProcess
from threading import Thread
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning.factory import KernelProvisionerFactory
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

NAME = "pilot-eval-forked"
IMPORTS = "pilot_eval.app.kernel_imports"
LAUNCHER = "ipykernel_launcher"


def use_forked_kernels() -> None:
    """Let every kernel that this process starts be forked, where the system can."""
    if "forkserver" not in get_all_start_methods():
        return
    _context().set_forkserver_preload([IMPORTS])
    factory = KernelProvisionerFactory.instance()
    factory.provisioners[NAME] = EntryPoint(NAME, f"{__name__}:ForkedProvisioner", NAME)
    factory.default_provisioner_name = NAME


class ForkedProvisioner(LocalProvisioner):
    """Jupyter's local kernels, started by the fork server instead of a new interpreter."""

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Start a kernel with its command's arguments; see `LocalProvisioner`."""
        if LAUNCHER not in cmd:
            return await super().launch_kernel(cmd, **kwargs)
        arguments = cmd[cmd.index(LAUNCHER) + 1 :]
        kernel: Any = ForkedKernel(arguments, kwargs["env"], kwargs.get("cwd") or os.getcwd())
        self.process, self.pid = kernel, kernel.pid
        return self.connection_info


class ForkedKernel:
    """A kernel's process, with the part of `subprocess.Popen` that its provisioner uses."""

    stdin = stdout = stderr = None

    def __init__(self, arguments: Sequence[str], env: Mapping[str, str], cwd: str) -> None:
        self._process: ForkServerProcess = _context().Process(
            target=_run_kernel, args=(list(arguments), dict(env), str(cwd)), daemon=True
        )
        self._process.start()
        self.pid = self._process.pid

    def poll(self) -> int | None:
        """Return the exit code, or None while it runs."""
        return self._process.exitcode

    def wait(self) -> int | None:
        """Wait for its end and return the exit code."""
        self._process.join()
        return self._process.exitcode

    def send_signal(self, signum: int) -> None:
        """Send a signal, if it still runs."""
        if self._process.is_alive() and self.pid:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signum)

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()

    def terminate(self) -> None:
        """Ask it to end."""
        self._process.terminate()


def _context() -> ForkServerContext:
    return get_context("forkserver")


def _run_kernel(arguments: list[str], env: Mapping[str, str], cwd: str) -> None:
    """Be a kernel: what `python -m ipykernel_launcher` does in a new session."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    Thread(target=end_with_parent, daemon=True).start()
    from ipykernel import kernelapp

    kernelapp.launch_new_instance(argv=arguments)


def end_with_parent() -> None:
    """End at once when the process that started this one is gone, however it went."""
    if parent := parent_process():
        parent.join()
    os._exit(1)
