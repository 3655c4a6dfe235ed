"""nbval's kernels: one that another process robbed of its port is started again."""

import keep_outputs
import nbval.kernel
import pytest

from pilot_eval.app.notebooks import DEAD_AT_START


@pytest.fixture
def starts(monkeypatch):
    """Count starts; the first ones fail as told by `faults`."""

    class Starts:
        faults, count = [], 0

        def start(self, **options):
            self.count += 1
            if self.count <= len(self.faults):
                raise RuntimeError(self.faults[self.count - 1])
            return options

    starts = Starts()
    monkeypatch.setattr(keep_outputs, "start_once", starts.start)
    return starts


@pytest.mark.parametrize("deaths", [0, 1, 2])
def test_a_kernel_that_dies_before_it_replies_is_started_again(starts, deaths):
    starts.faults = [f"{DEAD_AT_START} to kernel_info"] * deaths
    assert keep_outputs.start_kernel(kernel_name="python") == {"kernel_name": "python"}
    assert starts.count == deaths + 1


@pytest.mark.parametrize(
    ("faults", "count"),
    [([f"{DEAD_AT_START} to kernel_info"] * 3, 3), (["Kernel didn't respond in 60 seconds"], 1)],
)
def test_what_goes_on_failing_or_fails_otherwise_is_told(starts, faults, count):
    starts.faults = faults
    with pytest.raises(RuntimeError, match=faults[0]):
        keep_outputs.start_kernel(kernel_name="python")
    assert starts.count == count


def test_nbval_starts_its_kernels_this_way(monkeypatch):
    monkeypatch.setattr(nbval.kernel, "start_new_kernel", None)
    keep_outputs.pytest_configure()
    assert nbval.kernel.start_new_kernel is keep_outputs.start_kernel
    assert "start_new_kernel" in nbval.kernel.RunningKernel.__init__.__code__.co_names
