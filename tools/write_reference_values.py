"""Write docs/reference-values.md: every reference value of tests/reference, and ours.

    python3 tools/write_reference_values.py

Runs the tests of tests/reference that compare with published figures and other packages, and
notes each comparison as it is made, so that no value is written twice.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import inspect
import io
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "tests" / "reference"
sys.path.insert(0, str(FOLDER))
replication_data = importlib.import_module("replication_data")
PAGE = ROOT / "docs" / "reference-values.md"
FILES = ("test_replication_*.py", "test_inference_reference.py", "test_inference_frames.py")
MOST_SHOWN = 6
HEAD = """# Reference values

Written by `tools/write_reference_values.py`, which runs the tests of `tests/reference` and notes
every comparison with a published figure or another package as it is made. *Allowed* is what the
test allows: half of the last printed digit where the source prints, or what rounding leaves
between two programs. Long lists are shown as their number and their largest difference. Published
numbers of another method are shown with the reason instead; more of these are in
[where other programs give something else](methods-peers.md).
"""
NAMED = re.compile(r"assert_|^differs$")
OTHER = "another method: "


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One comparison of a test."""

    file: str
    test: str
    what: str
    theirs: np.ndarray
    ours: np.ndarray
    allowed: str


class Recorder:
    """Stand in for pytest.approx and numpy's assertions while the tests run."""

    def __init__(self) -> None:
        self.found: list[Comparison] = []
        self.outcomes: dict[str, str] = {}
        self.test = ""

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Remember which test runs."""
        self.test = item.name

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count what passed and keep why a test was skipped."""
        if report.when == "call" or report.outcome != "passed":
            self.outcomes[report.nodeid] = report.outcome

    def note(self, ours: Any, theirs: Any, allowed: str) -> None:
        """Keep one comparison, named by the line of the test that makes it."""
        frame = next(item for item in inspect.stack() if Path(item.filename).parent == FOLDER)
        try:
            pair = np.asarray(theirs, dtype=float), np.asarray(ours, dtype=float)
        except (TypeError, ValueError):
            return
        what = _name(frame.filename, frame.lineno)
        file = Path(frame.filename).name
        self.found.append(
            Comparison(
                file=file, test=self.test, what=what, theirs=pair[0], ours=pair[1], allowed=allowed
            )
        )


def _name(file: str, line: int) -> str:
    """Give the left side of the comparison on a line, as it is written."""
    text = Path(file).read_text(encoding="utf-8")
    found = [
        node
        for node in ast.walk(ast.parse(text))
        if isinstance(node, (ast.Compare, ast.Call))
        and node.lineno <= line <= (node.end_lineno or line)
        and not (isinstance(node, ast.Call) and not NAMED.search(ast.unparse(node.func)))
    ]
    if not found:
        return ""
    node = found[0]
    return ast.unparse(node.left if isinstance(node, ast.Compare) else node.args[0])


def _stand_in(recorder: Recorder) -> Any:
    plain = pytest.approx

    def approx(expected: Any, rel: Any = None, abs: Any = None, nan_ok: bool = False) -> Any:
        inner = plain(expected, rel=rel, abs=abs, nan_ok=nan_ok)
        sizes = {"": abs, " relative": rel}
        parts = [f"{size:g}{kind}" for kind, size in sizes.items() if size is not None]

        class Noting(type(inner)):  # type: ignore[misc]
            def __eq__(self, actual: Any) -> bool:
                recorder.note(actual, expected, " or ".join(parts) or "1e-6 relative")
                return bool(super().__eq__(actual))

            __hash__ = None

        inner.__class__ = Noting
        return inner

    return approx


@contextlib.contextmanager
def _noting(recorder: Recorder) -> Iterator[None]:
    kept = pytest.approx, np.testing.assert_allclose, replication_data.differs

    def assert_allclose(actual: Any, desired: Any, rtol: float = 1e-7, atol: float = 0.0) -> None:
        allowed = f"{atol:g}" if atol else f"{rtol:g} relative"
        recorder.note(actual, desired, allowed)
        kept[1](actual, desired, rtol=rtol, atol=atol)

    def differs(ours: float, published: float, reason: str, *, digits: int) -> None:
        recorder.note(ours, published, f"{OTHER}{reason}")
        kept[2](ours, published, reason, digits=digits)

    pytest.approx = _stand_in(recorder)
    replication_data.differs = differs
    np.testing.assert_allclose = assert_allclose  # type: ignore[assignment]
    try:
        yield
    finally:
        pytest.approx, np.testing.assert_allclose, replication_data.differs = kept


def collect() -> Recorder:
    """Run the tests and note their comparisons."""
    recorder = Recorder()
    files = [str(path) for pattern in FILES for path in sorted(FOLDER.glob(pattern))]
    with _noting(recorder), contextlib.redirect_stdout(io.StringIO()) as told:
        pytest.main(["-q", "-p", "no:cacheprovider", *files], plugins=[recorder])
    if "failed" in recorder.outcomes.values():
        print(told.getvalue())
    return recorder


def write_page(recorder: Recorder) -> str:
    """Word the page: one section for each file, one row for each comparison."""
    same = [item for item in recorder.found if not item.allowed.startswith(OTHER)]
    values = sum(item.theirs.size for item in same)
    failed = sum(word == "failed" for word in recorder.outcomes.values())
    agree = f"all of them agree ({failed} tests failed)" if not failed else f"{failed} tests failed"
    text = f"{HEAD}\n{len(same)} comparisons of {values} numbers; {agree}. "
    text += f"{len(recorder.found) - len(same)} published numbers are of another method.\n"
    for file in dict.fromkeys(item.file for item in recorder.found):
        source = ast.get_docstring(ast.parse((FOLDER / file).read_text(encoding="utf-8"))) or ""
        title, _, rest = source.partition("\n")
        own = [item for item in recorder.found if item.file == file]
        rows = list(dict.fromkeys(_row(item) for item in own))
        head = "| test | value | reference | ours | difference | allowed |"
        text += "\n".join(
            ["", f"## {title.rstrip('.')}", "", f"`tests/reference/{file}`. {rest.strip()}", ""]
        )
        text += "\n".join(["", head, "| --- | --- | --- | --- | --- | --- |", *rows, ""])
    return text


def _row(item: Comparison) -> str:
    theirs, ours = np.broadcast_arrays(item.theirs, item.ours)
    gap = np.abs(theirs - ours)
    largest = np.nanmax(gap) if gap.size and np.isfinite(gap).any() else 0.0
    test = item.test.removeprefix("test_").replace("_", " ").replace("|", "/")
    cells = [test, f"`{item.what}`", _show(theirs), _show(ours), f"{largest:.1e}", item.allowed]
    return "| " + " | ".join(cell.replace("|", "/").replace("\n", " ") for cell in cells) + " |"


def _show(values: np.ndarray) -> str:
    if values.size > MOST_SHOWN:
        return f"{values.size} numbers"
    return ", ".join(f"{value:.10g}" for value in values.ravel())


if __name__ == "__main__":
    noted = collect()
    PAGE.write_text(write_page(noted), encoding="utf-8", newline="\n")
    sys.exit(min(1, sum(word == "failed" for word in noted.outcomes.values())))
