"""What every test starts from."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from pilot_eval import run_cache
from pilot_eval.evaluation.calibration_store import CACHE_VARIABLE

OPEN = ExitStack()
LONG = {  # files that run whole evaluations, simulations or other packages
    *("test_canary", "test_pages_judge_alike", "test_published_report", "test_made_up_pilots"),
    *("test_assurance", "test_census_run", "test_cli", "test_databricks", "test_evaluation"),
    *("test_executors", "test_forked_kernels", "test_hidden_counts", "test_one_verdict"),
    *("test_other_readings", "test_public_names", "test_published_import", "test_r"),
    *("test_real_data_placebos", "test_runner_run", "test_starts", "test_wheel"),
    *("test_estimation_sensitivity", "test_chosen_councils", "test_monitoring", "test_validity"),
    *("test_simulate_truth", "test_unfinished_cases", "test_verdict_trials", "test_attacker"),
    *("test_simulate", "test_display", "test_evaluate_census", "test_release_corpus"),
    *("test_inference_frames", "test_inference_reference", "test_replication_packages"),
    *("test_two_waves", "test_published_own_table", "test_adjusted", "test_runner_parameters"),
    *("test_one_of_ten", "test_planted_mess", "test_messy_returns", "test_other_mess"),
    *("test_second_counter", "test_simulated_sources"),
    *("test_workbook", "test_estimation_synthetic", "test_published_reimport", "test_grammars"),
}


def pytest_collection_modifyitems(items):
    """Mark the tests of these files `long`, so that the rest is quick."""
    for item in items:
        if item.path.stem in LONG:
            item.add_marker("long")


def pytest_configure():
    """Compute once for all tests, in all processes, what a run computes once (`once_per_run`)."""
    OPEN.enter_context(run_cache.keep_for_run())


def pytest_unconfigure():
    OPEN.close()


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory):
    """Keep calibrations of test plans out of the user's cache, and share them between tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CACHE_VARIABLE, str(tmp_path_factory.mktemp("cache")))
        yield
