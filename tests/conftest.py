"""What every test starts from."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from pilot_eval import run_cache
from pilot_eval.evaluation.calibration_store import CACHE_VARIABLE

OPEN = ExitStack()
LONG = {  # files that take more than a few seconds: whole evaluations, simulations, properties
    *("test_adjusted", "test_assurance", "test_attacker", "test_canary", "test_census_readers"),
    *("test_census_refusals", "test_census_run", "test_census_validation", "test_charts"),
    *("test_checks_next_pilot", "test_chosen_councils", "test_cli", "test_core_by_other_means"),
    *("test_databricks", "test_disclosure", "test_display", "test_estimation_sensitivity"),
    *("test_estimation_synthetic", "test_evaluate_census", "test_evaluation"),
    *("test_every_function", "test_executors", "test_figures_in_docs", "test_forked_kernels"),
    *("test_front_page", "test_grammars", "test_hidden_counts", "test_identifiers"),
    *("test_import_order", "test_inference_frames", "test_inference_reference"),
    *("test_killed_runs", "test_long_frames", "test_long_run", "test_made_up_pilots"),
    *("test_messy_returns", "test_monitor", "test_monitoring", "test_monitoring_methods"),
    *("test_moved_numbers", "test_one_of_ten", "test_one_verdict", "test_other_mess"),
    *("test_other_readings", "test_other_sources", "test_pages_judge_alike", "test_pilot_folders"),
    *("test_plan_functions", "test_plan_readings", "test_planted_estimates"),
    *("test_planted_faults", "test_planted_mess", "test_protected_outputs", "test_public_names"),
    *("test_published_import", "test_published_own_table", "test_published_reimport"),
    *("test_published_report", "test_published_rules", "test_qa_log", "test_r"),
    *("test_real_data_placebos", "test_record_functions", "test_redated_episodes"),
    *("test_release_check", "test_release_corpus", "test_replication_packages"),
    *("test_run_identifiers", "test_runner_parameters", "test_runner_run", "test_second_counter"),
    *("test_simulate", "test_simulate_truth", "test_simulated_sources", "test_specification_grid"),
    *("test_starts", "test_stored", "test_subgroups", "test_two_waves", "test_unfinished_cases"),
    *("test_validity", "test_verdict_trials", "test_wheel", "test_words_of_reports"),
    *("test_workbook", "test_wrong_tables"),
}


def pytest_ignore_collect(collection_path, config):
    """Import no file whose tests the quick subset leaves out."""
    if "not long" in config.option.markexpr and collection_path.stem in LONG:
        return True
    return None


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
