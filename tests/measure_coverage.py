"""Branch coverage of the core by the quick tests: a pytest plugin, and its figures.

`tests/run_all.py` loads the plugin and prints the figures in its last lines. Tracing makes a test a
third slower, and most of the time goes to tests marked `long` and to the laws in `properties`: it
rests while these run, but for those of `ALSO`, and what only they reach does not count. Traced
tests share what is computed once (`once_per_run`) with each other alone, under another variable:
whether a test that rests, or a process that is not traced, came first changes no figure.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections import Counter
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from coverage import Coverage

from pilot_eval import run_cache

VARIABLE = "PILOT_EVAL_COVERAGE"
CORE = ("design", "estimation", "inference", "evaluation", "disclosure", "records")
SOURCE = Path(__file__).resolve().parents[1] / "src" / "pilot_eval"
FLOOR = 90
"""Per cent of branches, in each folder of the core."""
RESTS = ("long", "slow", "browser")
LAWS = "properties"
"""Folder of tests that call every function again and again: what they reach others reach too."""
TRACED = "PILOT_EVAL_TRACED_RUN_CACHE"
ALSO = {  # files of long tests that reach most of what the quick ones do not
    *("test_adjusted", "test_census_readers", "test_census_refusals", "test_core_by_other_means"),
    *("test_databricks", "test_disclosure", "test_estimation_synthetic", "test_evaluate_census"),
    *("test_inference_reference", "test_made_up_pilots", "test_messy_returns"),
    *("test_moved_numbers", "test_one_of_ten", "test_other_mess", "test_other_sources"),
    *("test_protected_outputs", "test_redated_episodes", "test_release_check"),
    *("test_release_corpus", "test_run_identifiers", "test_simulated_sources", "test_stored"),
    "test_subgroups",
}


def open_coverage(folder: Path) -> Coverage:
    """Measure, or read, in a folder that all processes of a test share."""
    measured = Coverage(
        data_file=folder / "data",
        data_suffix=True,
        config_file=False,
        branch=True,
        source=[str(SOURCE / name) for name in CORE],
    )
    measured.set_option("run:disable_warnings", ["module-not-imported", "no-data-collected"])
    measured.set_option("report:exclude_also", ["if TYPE_CHECKING:"])
    return measured


class Measure:
    """Trace all tests but those that are not quick."""

    def __init__(self, folder: Path) -> None:
        self.measured = open_coverage(folder)
        self.measured.start()
        self.kept = folder / "kept"
        self.kept.mkdir(exist_ok=True)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, Any]:
        rests = item.path.parent.name == LAWS or any(map(item.get_closest_marker, RESTS))
        if item.path.stem in ALSO or not rests:
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv(TRACED, str(self.kept))
                patch.setattr(run_cache, "VARIABLE", TRACED)
                return (yield)
        self.measured.stop()
        try:
            return (yield)
        finally:
            self.measured.start()

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:  # later, a worker of xdist may be ended at any moment
        self.measured.stop()
        self.measured.save()


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(MEASURE)


def measure_shares(folder: Path) -> dict[str, float]:
    """Combine what the processes measured: folder of the core -> per cent of branches taken."""
    measured = open_coverage(folder)
    measured.combine([str(folder)])
    with contextlib.redirect_stdout(io.StringIO()):
        measured.json_report(outfile=str(folder / "report.json"))
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    taken, every = Counter[str](), Counter[str]()
    for path, found in report["files"].items():
        name = Path(path).resolve().relative_to(SOURCE).parts[0]
        taken[name] += found["summary"]["covered_branches"]
        every[name] += found["summary"]["num_branches"]
    return {name: 100 * taken[name] / every[name] for name in CORE}


if VARIABLE in os.environ:  # here, not in a hook: before conftest imports the package
    MEASURE = Measure(Path(os.environ[VARIABLE]))
