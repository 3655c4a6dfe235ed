"""Estimators on a long table, one line each, with inference for few treated units beside."""

from pilot_eval.frames.frame_counterfactuals import imputation, robust_test, synthetic_did
from pilot_eval.frames.frame_estimators import difference_in_differences, event_study, group_time
from pilot_eval.frames.frame_results import EffectEstimates

__all__ = [
    "EffectEstimates",
    "difference_in_differences",
    "event_study",
    "group_time",
    "imputation",
    "robust_test",
    "synthetic_did",
]
