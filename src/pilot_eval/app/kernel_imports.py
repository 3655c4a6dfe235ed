"""Import what notebooks use, in the process that kernels are copies of (see `forked_kernels`)."""

import gc
import os

# read when matplotlib is imported; ipykernel sets the same for itself
os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"

import ipykernel.ipkernel
import ipykernel.kernelapp
import IPython.display
import matplotlib.backends.backend_agg
import matplotlib.pyplot
import pandas
import scipy.optimize
import scipy.special
import scipy.stats

import pilot_eval.app.open_records
import pilot_eval.app.study
import pilot_eval.evaluation
import pilot_eval.reporting.answers
import pilot_eval.reporting.figures
import pilot_eval.reporting.tables

__all__ = ["IPython", "ipykernel", "matplotlib", "pandas", "pilot_eval", "scipy"]

gc.collect()
gc.freeze()  # copies neither look through what was imported for garbage nor, to do so, copy it
