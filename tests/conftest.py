"""What every test starts from."""

from __future__ import annotations

import pytest

from pilot_eval.evaluation.calibration_store import CACHE_VARIABLE


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory):
    """Keep calibrations of test plans out of the user's cache, and share them between tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CACHE_VARIABLE, str(tmp_path_factory.mktemp("cache")))
        yield
