"""R's wrappers give Python's numbers (docs/for-r-users.md)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pandas as pd
import pytest
from project_folder import ROOT

import pilot_eval as pe

R = shutil.which("Rscript")


def has_reticulate():
    done = subprocess.run([R, "-e", "library(reticulate)"], capture_output=True) if R else None
    return done is not None and done.returncode == 0


@pytest.mark.skipif(not has_reticulate(), reason="needs R with the package reticulate")
def test_wrappers_give_the_same_numbers(tmp_path):
    environment = os.environ | {"PILOT_EVAL_ROOT": str(ROOT)}
    command = [R, "r/test_pilot_eval.R", sys.executable, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("passed")
    theirs = pd.read_csv(tmp_path / "evaluate.csv")
    ours = pe.evaluate(outcomes="cpp_rate", scenarios="announced").to_frame()
    pd.testing.assert_frame_equal(theirs, ours, rtol=1e-14)
