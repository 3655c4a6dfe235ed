"""Where councils' parts are computed: this machine's processes, a dask cluster's or Spark's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from pilot_eval.app.notebooks import count_cores, worker_pool
from pilot_eval.errors import RunError, explain
from pilot_eval.project import find_root

CONNECT_SECONDS = 10
SCHEMES = ("tcp://", "tls://")
NOT_ENCRYPTED = (
    "--scheduler tcp://... is not encrypted: whoever sees the network sees what workers send back, "
    "unprotected counts and located issues. Use it inside one trusted network, or tls://."
)


@contextmanager
def open_executor(
    scheduler: str = "",
    jobs: int | None = None,
    engine: str = "",
    *,
    tell: Callable[[str], None] = print,
) -> Iterator[Executor]:
    """Open the executor of a run.

    Parameters
    ----------
    scheduler : str
        Address of a dask scheduler, as tcp://host:8786, whose workers see the same files and have
        this package; empty: a pool of processes here.
    jobs : int, optional
        Processes of the pool; one a core by default.
    engine : {"", "spark"}
        With Spark `scheduler` is its master, or empty for the session that is there.
    tell : callable
        Takes the word that a ``tcp://`` address is not encrypted.

    Yields
    ------
    concurrent.futures.Executor
        Its results do not depend on which it is. A dask worker that dies is replaced by another.

    Raises
    ------
    RunError
        If the scheduler cannot be reached, the extra `cluster` is not installed, or a ``tls://``
        address comes without certificates.
    """
    if engine == "spark":
        from pilot_eval.app.spark_executor import open_spark

        with open_spark(scheduler) as executor:
            yield executor
        return
    if not scheduler:
        one = jobs == 1  # in this process: nothing to start
        with (
            ThreadPoolExecutor(1)
            if one
            else worker_pool(jobs or count_cores(), find_root()) as pool
        ):
            yield pool
        return
    with _connect(scheduler, tell) as client, client.get_executor(pure=False) as executor:
        yield executor


def _connect(scheduler: str, tell: Callable[[str], None]) -> Any:
    """Connect to a dask scheduler; say what travels openly."""
    if not scheduler.startswith(SCHEMES):
        action = "Write tls://host:port, or tcp://host:port."
        raise RunError(explain("--scheduler", "be an address", scheduler, action))
    try:
        import dask
        from distributed import Client
    except ImportError:
        action = 'Install it: pip install "pilot-eval[cluster]".'
        got = "no package `distributed`"
        raise RunError(explain("--scheduler", "have dask installed", got, action)) from None
    if scheduler.startswith(SCHEMES[0]):
        tell(NOT_ENCRYPTED)
    elif not dask.config.get("distributed.comm.tls.ca-file", None):
        got = "no distributed.comm.tls.ca-file in dask's configuration"
        action = "Name the certificates as docs/census-format.md shows."
        raise RunError(explain("--scheduler", "come with certificates", got, action))
    try:
        return Client(  # type: ignore[no-untyped-call]
            scheduler, timeout=CONNECT_SECONDS, set_as_default=False
        )
    except (OSError, TimeoutError):
        got = f"no answer from {scheduler} in {CONNECT_SECONDS} s"
        action = "Start the scheduler, or leave --scheduler out."
        raise RunError(explain("--scheduler", "be reachable", got, action)) from None
