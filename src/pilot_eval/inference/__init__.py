"""How sure we are: tests for few treated councils, on one change a council."""

from pilot_eval.inference.cluster_robust import cr2_test, cr3_test
from pilot_eval.inference.power import minimum_detectable_effect
from pilot_eval.inference.randomisation import randomisation_test
from pilot_eval.inference.result import InferenceResult
from pilot_eval.inference.robust import robust_test
from pilot_eval.inference.size_adjusted import size_adjusted_test

__all__ = [
    "InferenceResult",
    "cr2_test",
    "cr3_test",
    "minimum_detectable_effect",
    "randomisation_test",
    "robust_test",
    "size_adjusted_test",
]
