"""How sure we are: tests for few treated councils, on one change a council."""

from pilot_eval.inference.adaptive import adaptive_test
from pilot_eval.inference.cluster_robust import cr1_test, cr2_test, cr3_test
from pilot_eval.inference.collapse import collapse_panel
from pilot_eval.inference.power import minimum_detectable_effect
from pilot_eval.inference.randomisation import randomisation_test
from pilot_eval.inference.result import InferenceResult
from pilot_eval.inference.robust import robust_test
from pilot_eval.inference.size_adjusted import size_adjusted_test

__all__ = [
    "InferenceResult",
    "adaptive_test",
    "collapse_panel",
    "cr1_test",
    "cr2_test",
    "cr3_test",
    "minimum_detectable_effect",
    "randomisation_test",
    "robust_test",
    "size_adjusted_test",
]
