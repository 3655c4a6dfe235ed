"""Progress for whoever waits: every step once, and again while it lasts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Lock, Thread
from time import monotonic

Tell = Callable[[str], None]
QUIET_SECONDS = 4.5
"""Silence after which the step that is under way is named again."""
UNDER_WAY = " ..."
"""How the line of a step ends that takes time."""
PART_DONE = re.compile(r" *\[(?P<done>\d+)/(?P<all>\d+)\]")
"""How a line begins that says how much of a step is done."""


class _Progress:
    """Pass lines on, and remember the last step and when anything was last said."""

    def __init__(self, tell: Tell) -> None:
        self._tell, self._lock = tell, Lock()
        self._step, self._began = "working", monotonic()
        self._last, self._part = self._began, (0, 0)

    def __call__(self, line: str) -> None:
        with self._lock:
            self._last = monotonic()
            if line.endswith(UNDER_WAY) and not line.startswith(" "):
                self._step, self._began = line.removesuffix(UNDER_WAY), self._last
                self._part = (0, 0)
            elif part := PART_DONE.match(line):
                self._part = (int(part["done"]), int(part["all"]))
            self._tell(line)

    def repeat(self, quiet: float) -> float:
        """Name the step again if nothing was said for a while; give the seconds until it is due."""
        with self._lock:
            now = monotonic()
            if now - self._last >= quiet:
                seconds, (done, every) = now - self._began, self._part
                left = f", about {(every - done) * seconds / done:.0f} s left" if done else ""
                self._tell(f"  ... {self._step}: {seconds:.0f} s so far{left}")
                self._last = now
            return quiet - (now - self._last)


@contextmanager
def keep_telling(tell: Tell, quiet: float = QUIET_SECONDS) -> Iterator[Tell]:
    """Let nothing be silent: name a step again where it says nothing for some seconds.

    Parameters
    ----------
    tell : callable
        Where lines go. A line that ends in " ..." begins a step.
    quiet : float
        Seconds.

    Yields
    ------
    callable
        To be used in place of `tell`.
    """
    progress, ended = _Progress(tell), Event()

    def watch() -> None:
        due = quiet
        while not ended.wait(due):
            due = progress.repeat(quiet)

    watcher = Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield progress
    finally:
        ended.set()
        watcher.join()
