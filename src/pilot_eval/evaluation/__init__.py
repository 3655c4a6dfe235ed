"""The one place that strings stages together: a plan and figures become evidence."""

from pilot_eval.evaluation.published_strand import (
    DROPPED_COLUMNS,
    EFFECT_COLUMNS,
    council_effects,
    estimate_design,
    evaluate,
)
from pilot_eval.evaluation.units import (
    FEWEST_TREATED,
    METHODS,
    collapse_councils,
    collapse_design,
    conclude,
    run_methods,
)

__all__ = [
    "DROPPED_COLUMNS",
    "EFFECT_COLUMNS",
    "FEWEST_TREATED",
    "METHODS",
    "collapse_councils",
    "collapse_design",
    "conclude",
    "council_effects",
    "estimate_design",
    "evaluate",
    "run_methods",
]
