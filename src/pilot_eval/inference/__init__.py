"""How sure we are: tests for few treated councils, on one change a council."""

from pilot_eval.inference.adaptive import adaptive_test
from pilot_eval.inference.adjusted import adjusted_batch, adjusted_test
from pilot_eval.inference.cluster_robust import cr1_test, cr2_test, cr3_test
from pilot_eval.inference.collapse import collapse_panel
from pilot_eval.inference.dose import dose_test
from pilot_eval.inference.multiplicity import benjamini_hochberg, family_test, romano_wolf
from pilot_eval.inference.pooled_counts import pooled_counts_test
from pilot_eval.inference.power import minimum_detectable_effect
from pilot_eval.inference.randomisation import randomisation_test
from pilot_eval.inference.resampling import resampling_test, variance_points
from pilot_eval.inference.result import InferenceResult
from pilot_eval.inference.robust import RobustBatch, robust_batch, robust_test
from pilot_eval.inference.size_adjusted import size_adjusted_test
from pilot_eval.inference.staggered import path_batch, path_test, staggered_test
from pilot_eval.inference.wild_bootstrap import wild_bootstrap_test

__all__ = [
    "InferenceResult",
    "RobustBatch",
    "adaptive_test",
    "adjusted_batch",
    "adjusted_test",
    "benjamini_hochberg",
    "collapse_panel",
    "cr1_test",
    "cr2_test",
    "cr3_test",
    "dose_test",
    "family_test",
    "minimum_detectable_effect",
    "path_batch",
    "path_test",
    "pooled_counts_test",
    "randomisation_test",
    "resampling_test",
    "robust_batch",
    "robust_test",
    "romano_wolf",
    "size_adjusted_test",
    "staggered_test",
    "variance_points",
    "wild_bootstrap_test",
]
